//! Words about values of the wrong kind, and lists as the environment writes them.

use toml::de::DeValue;

/// What a value is, for a message.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// How to write what was meant, for a value of the wrong kind.
pub(super) fn hint_for(path: &str, wanted: &str, found: &DeValue<'_>) -> String {
    let key = path.rsplit('.').next().unwrap_or(path);
    let key = key.split('[').next().unwrap_or(key);
    let said = found.as_str();
    if wanted.contains("array of tables") {
        return format!("begin each of them with `[[{path}]]` on a line of its own");
    }
    if wanted.ends_with("table") {
        return format!("write its keys below `[{path}]`, or as `{key} = {{ ... }}`");
    }
    if wanted.contains("list of texts") {
        return match said {
            Some(text) => format!("write `{key} = [{text:?}]`"),
            None => format!("write `{key} = [\"...\", \"...\"]`"),
        };
    }
    if wanted.contains("text in quotes") {
        return format!("write `{key} = \"...\"`");
    }
    if wanted.contains("whole number") {
        return match said.and_then(number_with_unit) {
            Some(number) => format!("write `{key} = {number}`: no quotes and no unit"),
            None => format!("write `{key} = 1`: no quotes, no unit, no fraction"),
        };
    }
    format!("write `{key} = true` or `{key} = false`, without quotes")
}

/// What `16GiB`, `64 MB` or `500` in quotes come to.
fn number_with_unit(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '_').unwrap_or(text.len());
    let number: u64 = text[..digits].replace('_', "").parse().ok()?;
    let factor = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" | "s" | "sec" | "seconds" | "ms" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A list out of an environment variable: `a, b` or `["a", "b"]`. None where the brackets do not hold texts.
pub(super) fn as_list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if !text.starts_with('[') {
        return Some(
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
        );
    }
    let table: toml::Table = toml::from_str(&format!("list = {text}")).ok()?;
    let items = table.get("list")?.as_array()?;
    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_environment_have_commas_or_brackets() {
        let list = |text| as_list(text);
        assert_eq!(list(""), Some(vec![]));
        assert_eq!(list("a, b"), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(list(" [\"a,b\", 'c']"), Some(vec!["a,b".to_owned(), "c".to_owned()]));
        assert_eq!((list("[1]"), list("[\"a\"")), (None, None));
    }

    #[test]
    fn a_size_with_a_unit_is_told_as_a_number() {
        assert_eq!(number_with_unit("16GiB"), Some(16 << 30));
        assert_eq!((number_with_unit("64 mb"), number_with_unit("5_00")), (Some(64_000_000), Some(500)));
        assert_eq!((number_with_unit("many"), number_with_unit("5 weeks")), (None, None));
    }
}
