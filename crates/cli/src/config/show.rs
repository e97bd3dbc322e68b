//! The effective configuration, each value with its origin.

use std::fmt::Write as _;

use super::Loaded;
use super::reader::{Origin, Setting};

/// TOML that can be used as a file, with the origin of each value beside it.
pub(crate) fn as_toml(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut open = "";
    for setting in &loaded.settings {
        let (table, key) = split(&setting.path);
        if table != open {
            open = table;
            text.push_str(&header(table));
        }
        let line = format!("{key} = {}", shown(setting));
        let _ = writeln!(text, "{line:<44} # {}", origin(loaded, setting));
    }
    text
}

/// A list of `{key, value, origin}`.
pub(crate) fn as_json(loaded: &Loaded) -> serde_json::Value {
    let entry = |setting: &Setting| serde_json::json!({ "key": setting.path, "value": json(&shown(setting)), "origin": origin(loaded, setting) });
    serde_json::Value::Array(loaded.settings.iter().map(entry).collect())
}

/// The table of a path and the key in it. A key in quotes may hold dots.
fn split(path: &str) -> (&str, &str) {
    let quoted = path.strip_suffix('"').and_then(|open| open.rfind('"'));
    match quoted {
        Some(quote) => (path[..quote].trim_end_matches('.'), &path[quote..]),
        None => path.rsplit_once('.').unwrap_or(("", path)),
    }
}

/// The value, unless it is a secret of the Kafka client: what is printed ends up in tickets and logs.
fn shown(setting: &Setting) -> toml::Value {
    if is_secret(&setting.path) {
        toml::Value::String("(not shown)".to_owned())
    } else {
        setting.value.clone()
    }
}

fn is_secret(path: &str) -> bool {
    const SECRET: [&str; 3] = ["password", "secret", "key"];
    let name = path.strip_prefix("kafka.properties.").unwrap_or_default().to_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

fn header(table: &str) -> String {
    match table.split_once('[') {
        // `files[0]` opens an entry, `files[0].fields` a table of the entry in hand.
        Some((array, rest)) => match rest.split_once('.') {
            None => format!("\n[[{array}]]\n"),
            Some((_, inner)) => format!("[{array}.{inner}]\n"),
        },
        None => format!("\n[{table}]\n"),
    }
}

fn origin(loaded: &Loaded, setting: &Setting) -> String {
    match &setting.origin {
        Origin::Default => "default".to_owned(),
        Origin::Env(name) => format!("env {name}"),
        Origin::File(span) => {
            let line = loaded.text[..span.start].matches('\n').count() + 1;
            let file = loaded.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
            format!("{file}:{line}")
        }
    }
}

fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(truth) => (*truth).into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn keys_passwords_and_secrets_of_the_client_are_secret() {
        for name in ["sasl.password", "ssl.key.pem", "ssl.key.password", "sasl.oauthbearer.client.secret"] {
            assert!(
                is_secret(&format!("kafka.properties.\"{name}\""))
                    || is_secret(&format!("kafka.properties.{name}"))
            );
        }
        assert!(!is_secret("kafka.properties.client.id") && !is_secret("kafka.brokers"));
    }
}
