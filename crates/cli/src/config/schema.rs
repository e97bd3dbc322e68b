//! The JSON Schema of the configuration, for editors: made of what the reader asks for and of the comments in config/barid.toml.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::declared::{Declared, Kind};
use super::reader::Env;
use super::{TEMPLATE, sections};

/// A file with a table of each kind, so that every key is asked for.
const ONE_OF_EACH: &str = "[[files]]\nid = \"a\"\npath = \"a\"\n[[feed]]\nurl = \"https://a.example/\"\n";

/// The schema (draft 2020-12), with types, limits, words and defaults as they are checked.
pub(crate) fn schema() -> Value {
    let comments = comments(TEMPLATE);
    let mut root = Table::default();
    for declared in declared() {
        let described = comments.get(&declared.path).cloned();
        let steps: Vec<&str> = declared.path.split('.').collect();
        root.put(
            &steps,
            leaf(&declared.kind, described),
            matches!(declared.kind, Kind::Text { default: None }),
        );
    }
    root.describe("", &comments);
    let mut schema = root.finish();
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("barid.toml"));
    }
    schema
}

/// Every key, once.
pub(super) fn declared() -> Vec<Declared> {
    sections::read(ONE_OF_EACH, &Env::new()).declared
}

/// A table on its way to a schema.
#[derive(Default)]
struct Table {
    /// Its own keys.
    keys: Map<String, Value>,
    /// Tables in it; true for arrays of them.
    tables: BTreeMap<String, (bool, Table)>,
    required: Vec<String>,
    description: Option<String>,
}

impl Table {
    fn put(&mut self, steps: &[&str], leaf: Value, is_required: bool) {
        let [first, rest @ ..] = steps else { return };
        let (name, is_array) = first.strip_suffix("[0]").map_or((*first, false), |name| (name, true));
        if rest.is_empty() {
            self.keys.insert(name.to_owned(), leaf);
            if is_required {
                self.required.push(name.to_owned());
            }
        } else {
            let inner = self.tables.entry(name.to_owned()).or_default();
            inner.0 = is_array;
            inner.1.put(rest, leaf, is_required);
        }
    }

    fn describe(&mut self, path: &str, comments: &BTreeMap<String, String>) {
        for (name, (is_array, table)) in &mut self.tables {
            let dot = if path.is_empty() { "" } else { "." };
            let inner = format!("{path}{dot}{name}{}", if *is_array { "[0]" } else { "" });
            table.description = comments.get(&inner).cloned();
            table.describe(&inner, comments);
        }
    }

    fn finish(self) -> Value {
        let mut properties = self.keys;
        for (name, (is_array, table)) in self.tables {
            let inner = table.finish();
            let inner = if is_array { json!({ "type": "array", "items": inner }) } else { inner };
            properties.insert(name, inner);
        }
        let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
        if let Value::Object(schema) = &mut schema {
            if !self.required.is_empty() {
                schema.insert("required".to_owned(), json!(self.required));
            }
            schema.extend(self.description.map(|text| ("description".to_owned(), json!(text))));
        }
        schema
    }
}

fn leaf(kind: &Kind, description: Option<String>) -> Value {
    let mut leaf = match kind {
        Kind::Text { default: None } => json!({ "type": "string", "minLength": 1 }),
        Kind::Text { default: Some(default) } => json!({ "type": "string", "default": default }),
        Kind::Integer { default, range } => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end(), "default": default })
        }
        Kind::Boolean { default } => json!({ "type": "boolean", "default": default }),
        Kind::Choice { words } => json!({ "type": "string", "enum": words, "default": words.first() }),
        Kind::List { default } => {
            json!({ "type": "array", "items": { "type": "string" }, "default": default })
        }
        // Dotted names without quotes are tables in tables.
        Kind::Properties => {
            json!({ "type": "object", "additionalProperties": { "type": ["string", "integer", "boolean", "object"] } })
        }
    };
    if let (Value::Object(leaf), Some(text)) = (&mut leaf, description) {
        leaf.insert("description".to_owned(), json!(text));
    }
    leaf
}

/// The comment above each key and table of the template, by path. The [[feed]] that is commented out there counts, too.
fn comments(template: &str) -> BTreeMap<String, String> {
    let (mut found, mut table, mut above) = (BTreeMap::new(), String::new(), Vec::<&str>::new());
    let mut is_sample = false;
    for line in template.lines() {
        is_sample = (is_sample || line.starts_with("# [[")) && line.starts_with('#');
        let line = if is_sample { line.trim_start_matches('#').trim_start() } else { line };
        // In a sample what looks like a setting is one.
        let is_text = line.starts_with('#') || is_sample && !line.contains(" = ") && !line.starts_with('[');
        if is_text && !line.is_empty() {
            above.push(line.trim_start_matches('#').trim());
            continue;
        }
        let text = above.drain(..).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
            table = format!("{name}[0]");
            found.insert(table.clone(), text);
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // `[files.fields]` is of the table in hand.
            table = name.replacen("files.", "files[0].", 1);
            found.insert(table.clone(), text);
        } else if let Some((key, _)) = line.split_once(" = ") {
            let dot = if table.is_empty() { "" } else { "." };
            found.insert(format!("{table}{dot}{key}"), text);
        }
    }
    found.retain(|_, text| !text.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_schema_is_explained_by_the_template() {
        let comments = comments(TEMPLATE);
        for key in declared().into_iter().map(|declared| declared.path) {
            assert!(
                comments.get(&key).is_some_and(|text| text.len() > 10),
                "{key}: {:?}",
                comments.get(&key)
            );
        }
    }

    #[test]
    fn what_is_checked_stands_in_the_schema() {
        let schema = schema();
        let at = |path: &str| schema.pointer(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(at("/properties/log/properties/compression/enum"), &json!(["lz4", "zstd", "none"]));
        assert_eq!(at("/properties/files/items/required"), &json!(["id", "path"]));
        assert_eq!(at("/properties/feed/items/properties/fast/type"), "boolean");
        assert_eq!(at("/properties/files/items/properties/settle_ms/maximum"), 600_000);
        assert_eq!(at("/properties/kafka/properties/topics/properties/partitions/default"), 6);
    }
}
