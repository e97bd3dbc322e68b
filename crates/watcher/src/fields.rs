//! One line of JSON Lines: where its text, its id and its hints are.

use barid_record::Hints;
use serde_json::Value;

use crate::Fields;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The document.
    pub(crate) text: String,
    /// What names it within the file.
    pub(crate) id: Option<String>,
    /// What else is known of it.
    pub(crate) hints: Hints,
}

/// An id is part of the document's key, which travels with every message about it.
const MAX_ID_BYTES: usize = 1024;

/// Reads a line; `Err` says what is wrong with it.
pub(crate) fn read(line: &[u8], fields: &Fields) -> Result<Line, String> {
    let object: Value = serde_json::from_slice(line).map_err(|problem| format!("not JSON: {problem}"))?;
    let part = |path: &Option<String>| path.as_deref().and_then(|path| find(&object, path)).and_then(as_text);
    let text = find(&object, &fields.text).ok_or_else(|| format!("there is no `{}`", fields.text))?;
    let text = text.as_str().ok_or_else(|| format!("`{}` is {}, not text", fields.text, kind(text)))?;
    let id = part(&fields.id);
    if let Some(id) = id.as_deref().filter(|id| id.len() > MAX_ID_BYTES) {
        return Err(format!("its id has {} bytes; the limit is {MAX_ID_BYTES}", id.len()));
    }
    Ok(Line {
        text: text.to_owned(),
        id,
        hints: Hints {
            headline: part(&fields.headline),
            published: part(&fields.published),
            url: part(&fields.url),
            author: part(&fields.author),
            publisher: part(&fields.publisher),
            language: part(&fields.language),
            ..Hints::default()
        },
    })
}

/// A member by its own name, or by the dotted path to it.
fn find<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let step = |value: &'a Value, name: &str| match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    step(value, path).or_else(|| path.split('.').try_fold(value, step))
}

/// Text and numbers count; several (authors, say) are joined. An empty one is unknown.
fn as_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().filter_map(as_text).collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let named = |name: &str| Some(name.to_owned());
        Fields {
            text: "article.body".into(),
            headline: named("title"),
            published: named("dc.date"),
            url: named("links.0.href"),
            id: named("id"),
            author: named("authors"),
            publisher: named("site"),
            language: named("lang"),
        }
    }

    #[test]
    fn parts_are_found_by_name_and_by_path() {
        let line = r#"{"article":{"body":"نص"},"title":"عنوان","dc.date":"2023","links":[{"href":"x"}],"id":7,
            "authors":["A",{},"B"],"site":"","lang":null}"#;
        let hints = Hints {
            headline: Some("عنوان".into()),
            published: Some("2023".into()),
            url: Some("x".into()),
            author: Some("A, B".into()),
            ..Hints::default()
        };
        assert_eq!(
            read(line.as_bytes(), &fields()),
            Ok(Line { text: "نص".into(), id: Some("7".into()), hints })
        );
    }

    #[test]
    fn a_line_without_text_is_explained() {
        for (line, problem) in [
            ("{", "not JSON: EOF while parsing"),
            ("{\"article\":1}", "there is no `article.body`"),
            ("[1]", "there is no `article.body`"),
            ("{\"article\":{\"body\":[]}}", "`article.body` is an array, not text"),
            ("{\"article\":{\"body\":\"\u{0}\"}}", "not JSON: control character"),
        ] {
            let found = read(line.as_bytes(), &fields()).expect_err(line);
            assert!(found.starts_with(problem), "{line}: {found}");
        }
        assert!(read(b"{\"article\":{\"body\":\"\xff\"}}", &fields()).is_err(), "not UTF-8");
        for (bytes, is_bad) in [(MAX_ID_BYTES, false), (MAX_ID_BYTES + 1, true)] {
            let line = format!("{{\"article\":{{\"body\":\"x\"}},\"id\":\"{}\"}}", "i".repeat(bytes));
            assert_eq!(read(line.as_bytes(), &fields()).is_err(), is_bad, "{bytes}");
        }
    }
}
