//! One line of JSON Lines: where its text, its id and its hints are.

use std::borrow::Cow;

use barid_record::Hints;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::mend::{self, Mend};
use crate::{Fields, links};

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The document.
    pub(crate) text: String,
    /// What names it within the source.
    pub(crate) id: Option<String>,
    /// What else is known of it.
    pub(crate) hints: Hints,
    /// What had to be mended.
    pub(crate) mended: Vec<Mend>,
}

/// An id is part of the document's key, which travels with every message about it.
const MAX_ID_BYTES: usize = 1024;
/// Keywords of one article; more are a fault of the scraper.
const MOST_KEYWORDS: usize = 200;

/// Reads a line, in that charset where it is not UTF-8; `Err` says what is wrong with it.
pub(crate) fn read(line: &[u8], charset: Option<&str>, fields: &Fields) -> Result<Line, String> {
    let mut mended = Vec::new();
    let text = match str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let line = whole_surrogates(line);
            let decoded = barid_core::decode(&line, charset);
            let decoded = decoded.map_err(|problem| format!("not JSON: {problem}"))?;
            if charset.is_none() || decoded.replaced > 0 {
                mended.push(Mend::BadBytes);
            }
            Cow::Owned(decoded.text.into_owned())
        }
    };
    let strict = serde_json::from_str::<Object>(&text);
    let object = match strict {
        Ok(object) if !has_long_id(&object.value, fields) => object,
        strict => {
            let again = mend::mend(&text).and_then(|(text, faults)| {
                let object = serde_json::from_str::<Object>(&text).ok()?;
                mended.extend(faults);
                Some(object)
            });
            again.map_or(strict, Ok).map_err(|problem| format!("not JSON: {problem}"))?
        }
    };
    if object.has_duplicates {
        mended.push(Mend::DuplicateKey);
    }
    line_of(&object.value, fields, mended)
}

fn line_of(object: &Value, fields: &Fields, mended: Vec<Mend>) -> Result<Line, String> {
    let part = |path: &Option<String>| path.as_deref().and_then(|path| find(object, path)).and_then(as_text);
    let text = find(object, &fields.text).ok_or_else(|| format!("there is no `{}`", fields.text))?;
    let text = text.as_str().ok_or_else(|| format!("`{}` is {}, not text", fields.text, kind(text)))?;
    let id = part(&fields.id);
    if let Some(id) = id.as_deref().filter(|id| id.len() > MAX_ID_BYTES) {
        return Err(format!("its id has {} bytes; the limit is {MAX_ID_BYTES}", id.len()));
    }
    let url = part(&fields.url);
    let keywords = fields.keywords.as_deref().and_then(|path| find(object, path));
    Ok(Line {
        text: text.to_owned(),
        id,
        mended,
        hints: Hints {
            headline: part(&fields.headline),
            published: part(&fields.published),
            canonical_url: url.as_deref().and_then(links::of_link),
            url,
            author: part(&fields.author),
            publisher: part(&fields.publisher),
            language: part(&fields.language),
            keywords: keywords.map(keywords_of).unwrap_or_default(),
            modified: part(&fields.modified),
            guid: None,
            page: None,
        },
    })
}

/// A whole number of more digits than a number keeps.
fn has_long_id(object: &Value, fields: &Fields) -> bool {
    let id = fields.id.as_deref().and_then(|path| find(object, path));
    id.is_some_and(|id| {
        id.as_f64().is_some_and(|number| number.abs() >= 1e15) && !id.is_i64() && !id.is_u64()
    })
}

/// Surrogate pairs written as two characters of three bytes each (CESU-8), as the one they stand for.
fn whole_surrogates(line: &[u8]) -> Cow<'_, [u8]> {
    let pair_at = |rest: &[u8]| match rest {
        [0xED, a @ 0xA0..=0xAF, b @ 0x80..=0xBF, 0xED, c @ 0xB0..=0xBF, d @ 0x80..=0xBF, ..] => {
            let bits = |byte: u8, count: u32| u32::from(byte) & ((1 << count) - 1);
            let (high, low) = (bits(*a, 4) << 6 | bits(*b, 6), bits(*c, 4) << 6 | bits(*d, 6));
            char::from_u32(0x1_0000 + (high << 10 | low))
        }
        _ => None,
    };
    if !(0..line.len()).any(|at| line[at] == 0xED && pair_at(&line[at..]).is_some()) {
        return Cow::Borrowed(line);
    }
    let (mut whole, mut at) = (Vec::with_capacity(line.len()), 0);
    while at < line.len() {
        if let Some(letter) = pair_at(&line[at..]) {
            whole.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            at += 6;
        } else {
            whole.push(line[at]);
            at += 1;
        }
    }
    Cow::Owned(whole)
}

/// A JSON object (or array) that knows whether a member of it stands twice.
struct Object {
    value: Value,
    has_duplicates: bool,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
        let mut map = Map::new();
        let mut has_duplicates = false;
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            let known = map.get(&name);
            has_duplicates |= known.is_some();
            let is_empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            if known.is_none() || !is_empty {
                map.insert(name, value);
            }
        }
        Ok(Object { value: Value::Object(map), has_duplicates })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Object, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(items)).map_err(A::Error::custom)?;
        Ok(Object { value, has_duplicates: false })
    }
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

/// Each of a list is a keyword; one text is as many as its writer put commas or semicolons in it.
fn keywords_of(value: &Value) -> Vec<String> {
    let listed: Vec<String> = match value {
        Value::Array(items) => items.iter().filter_map(as_text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            let text = as_text(value).unwrap_or_default();
            text.split([',', ';', '،', '؛', '、']).map(str::to_owned).collect()
        }
    };
    let trimmed = listed.iter().map(|keyword| keyword.trim()).filter(|keyword| !keyword.is_empty());
    trimmed.take(MOST_KEYWORDS).map(str::to_owned).collect()
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
            keywords: named("tags"),
            modified: named("updated"),
        }
    }

    #[test]
    fn parts_are_found_by_name_and_by_path() {
        let line = r#"{"article":{"body":"نص"},"title":"عنوان","dc.date":"2023","links":[{"href":"x"}],"id":7,
            "authors":["A",{},"B"],"site":"","lang":null,"tags":["ميناء"," ",7],"updated":1693909230}"#;
        let hints = Hints {
            headline: Some("عنوان".into()),
            published: Some("2023".into()),
            url: Some("x".into()),
            author: Some("A, B".into()),
            keywords: vec!["ميناء".into(), "7".into()],
            modified: Some("1693909230".into()),
            ..Hints::default()
        };
        assert_eq!(
            read(line.as_bytes(), None, &fields()),
            Ok(Line { text: "نص".into(), id: Some("7".into()), hints, mended: Vec::new() })
        );
    }

    #[test]
    fn a_line_without_text_is_explained() {
        for (line, problem) in [
            ("{", "not JSON: EOF while parsing"),
            ("{\"article\":1}", "there is no `article.body`"),
            ("[1]", "there is no `article.body`"),
            ("{\"article\":{\"body\":[]}}", "`article.body` is an array, not text"),
            ("7", "not JSON: invalid type: integer `7`, expected an object"),
            ("{'article':{'body':'x'}}", "not JSON: key must be a string"),
            ("{\"article\":{\"body\":\"cut", "not JSON: EOF while parsing"),
        ] {
            let found = read(line.as_bytes(), None, &fields()).expect_err(line);
            assert!(found.starts_with(problem), "{line}: {found}");
        }
        for (bytes, is_bad) in [(MAX_ID_BYTES, false), (MAX_ID_BYTES + 1, true)] {
            let line = format!("{{\"article\":{{\"body\":\"x\"}},\"id\":\"{}\"}}", "i".repeat(bytes));
            assert_eq!(read(line.as_bytes(), None, &fields()).is_err(), is_bad, "{bytes}");
        }
    }

    fn simple() -> Fields {
        Fields {
            id: Some("id".into()),
            keywords: Some("tags".into()),
            url: Some("url".into()),
            ..Fields::default()
        }
    }

    #[test]
    fn an_odd_character_is_mended_and_named() {
        for (line, text, fault) in [
            (&b"{\"text\":\"half \\ud83d\"}"[..], "half \u{FFFD}", Some(Mend::Surrogate)),
            (b"{\"text\":\"a\tb\"}", "a\tb", Some(Mend::Control)),
            (b"{\"text\":\"nul \\u0000\"}", "nul \0", None),
            (b"{\"text\":\"x\",\"score\":NaN}", "x", Some(Mend::NotANumber)),
            (b"{\"text\":\"x\",}", "x", Some(Mend::TrailingComma)),
            (b"{\"text\":\"first\",\"text\":\"second\"}", "second", Some(Mend::DuplicateKey)),
            (b"{\"text\":\"first\",\"text\":\"\"}", "first", Some(Mend::DuplicateKey)),
            (b"{\"text\":\"annonc\xe9 \xe0 midi\"}", "annoncé à midi", Some(Mend::BadBytes)),
            (
                "{\"text\":\"خبر عاجل من المين\u{1}اء\"}".as_bytes(),
                "خبر عاجل من الميناء",
                Some(Mend::Control),
            ),
            (b"{\"text\":\"go \xed\xa0\xbd\xed\xba\x80!\"}", "go 🚀!", Some(Mend::BadBytes)),
        ] {
            let read = read(line, None, &simple()).expect(text);
            assert_eq!((read.text.as_str(), &read.mended[..]), (text, fault.as_slice()), "{text}");
        }
        let mut bytes = "{\"text\":\"خبر عاجل من الميناء\"}".as_bytes().to_vec();
        bytes.insert(20, 0xFF);
        let read = read(&bytes, None, &simple()).expect("one bad byte");
        assert_eq!((read.text.matches('\u{FFFD}').count(), &read.mended[..]), (1, &[Mend::BadBytes][..]));
    }

    #[test]
    fn a_charset_of_the_source_counts() {
        let line = b"{\"text\":\"\xc7\xe1\xce\xc8\xd1\"}";
        let read = read(line, Some("windows-1256"), &simple()).expect("read");
        assert_eq!((read.text.as_str(), read.mended.len()), ("الخبر", 0));
        let utf8 = super::read("{\"text\":\"الخبر\"}".as_bytes(), Some("windows-1256"), &simple());
        assert_eq!(utf8.expect("read").text, "الخبر");
    }

    #[test]
    fn a_long_id_keeps_all_its_digits() {
        for id in ["123456789012345678901", "18446744073709551615", "\"7\"", "1.5"] {
            let line = format!("{{\"text\":\"x\",\"id\":{id}}}");
            let read = read(line.as_bytes(), None, &simple()).expect(id);
            assert_eq!(read.id.as_deref(), Some(id.trim_matches('"')));
        }
    }

    #[test]
    fn keywords_are_a_list_or_a_text_with_commas_and_the_address_is_cleaned() {
        for tags in [r#"["a b"," c ",""]"#, "\"a b, c;\"", "\"a b، c\""] {
            let line =
                format!("{{\"text\":\"x\",\"tags\":{tags},\"url\":\"https://news.example/a?utm_id=1#x\"}}");
            let hints = read(line.as_bytes(), None, &simple()).expect(tags).hints;
            assert_eq!(hints.keywords, ["a b", "c"], "{tags}");
            assert_eq!(hints.url.as_deref(), Some("https://news.example/a?utm_id=1#x"));
            assert_eq!(hints.canonical_url.as_deref(), Some("https://news.example/a"));
        }
    }
}
