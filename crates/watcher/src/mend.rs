//! A line that is nearly JSON, made JSON: one odd character costs a character, not an article.
//!
//! Only what has one meaning is mended, and only lines that strict reading refuses come here. What is no
//! object at its end is none: an open string or brace is never closed, words without quotes are never
//! guessed.

/// What was mended, for counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mend {
    /// Bytes that are no UTF-8, in a source without a charset of its own.
    BadBytes,
    /// Control characters: inside strings they stay, elsewhere they go.
    Control,
    /// Half a surrogate pair, now U+FFFD.
    Surrogate,
    /// An escape that JSON does not know: it stands for itself.
    BadEscape,
    /// `NaN`, `Infinity`, `+1`: null, or the text of the number.
    NotANumber,
    /// A number too large to be one: its text.
    LongNumber,
    /// The same member twice: the last one that is not empty counts.
    DuplicateKey,
    /// A comma with nothing behind it.
    TrailingComma,
    /// What lies too deep is left out.
    Deep,
    /// Bytes behind the last member of a gzip file, not read.
    PackedTail,
    /// A file named as packed that is not.
    NotPacked,
}

impl Mend {
    pub(crate) const ALL: [Self; 11] = [
        Self::BadBytes,
        Self::Control,
        Self::Surrogate,
        Self::BadEscape,
        Self::NotANumber,
        Self::LongNumber,
        Self::DuplicateKey,
        Self::TrailingComma,
        Self::Deep,
        Self::PackedTail,
        Self::NotPacked,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BadBytes => "bad_bytes",
            Self::Control => "control",
            Self::Surrogate => "surrogate",
            Self::BadEscape => "bad_escape",
            Self::NotANumber => "not_a_number",
            Self::LongNumber => "long_number",
            Self::DuplicateKey => "duplicate_key",
            Self::TrailingComma => "trailing_comma",
            Self::Deep => "deep",
            Self::PackedTail => "packed_tail",
            Self::NotPacked => "not_packed",
        }
    }
}

/// Levels of arrays and objects that are kept: the strict reader's own limit is 128.
const MOST_LEVELS: usize = 100;

/// The line with its small faults mended, and which they were. `None` where it has others. Takes time in
/// proportion to the line.
pub(crate) fn mend(line: &str) -> Option<(String, Vec<Mend>)> {
    let mut mender = Mender {
        rest: line,
        out: String::with_capacity(line.len() + 64),
        mended: Vec::new(),
        level: 0,
        comma: false,
    };
    while let Some(next) = mender.rest.chars().next() {
        mender.token(next)?;
    }
    if std::mem::take(&mut mender.comma) {
        mender.found(Mend::TrailingComma);
    }
    (mender.level == 0).then_some((mender.out, mender.mended))
}

struct Mender<'a> {
    rest: &'a str,
    out: String,
    mended: Vec<Mend>,
    level: usize,
    /// A comma was read and not written yet.
    comma: bool,
}

impl Mender<'_> {
    fn found(&mut self, fault: Mend) {
        if !self.mended.contains(&fault) {
            self.mended.push(fault);
        }
    }

    /// What lies at the present level is written.
    fn is_kept(&self) -> bool {
        self.level <= MOST_LEVELS
    }

    fn put(&mut self, text: &str) {
        if self.is_kept() {
            self.out.push_str(text);
        }
    }

    fn take(&mut self, bytes: usize) -> &str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn token(&mut self, next: char) -> Option<()> {
        match next {
            ' ' | '\t' | '\r' | '\n' => {
                self.take(1);
            }
            ',' => {
                self.take(1);
                if std::mem::replace(&mut self.comma, true) {
                    return None;
                }
            }
            '}' | ']' => {
                self.take(1);
                if std::mem::take(&mut self.comma) {
                    self.found(Mend::TrailingComma);
                }
                self.put(next.encode_utf8(&mut [0; 4]));
                self.level = self.level.checked_sub(1)?;
            }
            c if c.is_control() || c.is_whitespace() || c == '\u{FEFF}' => {
                self.take(c.len_utf8());
                self.found(Mend::Control);
            }
            '{' | '[' => {
                self.comma();
                self.take(1);
                self.level += 1;
                if self.level == MOST_LEVELS + 1 {
                    self.out.push_str("null");
                    self.found(Mend::Deep);
                }
                self.put(next.encode_utf8(&mut [0; 4]));
            }
            ':' => {
                self.take(1);
                self.put(":");
            }
            '"' => {
                self.comma();
                self.string()?;
            }
            _ => {
                self.comma();
                self.word()?;
            }
        }
        Some(())
    }

    fn comma(&mut self) {
        if std::mem::take(&mut self.comma) {
            self.put(",");
        }
    }

    /// A number, or a word.
    fn word(&mut self) -> Option<()> {
        let ends = |c: char| ",:{}[]\"".contains(c) || c.is_whitespace() || c.is_control();
        let bytes = self.rest.find(ends).unwrap_or(self.rest.len());
        let word = self.take(bytes).to_owned();
        let unsigned = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
        if matches!(word.as_str(), "true" | "false" | "null") {
            self.put(&word);
        } else if matches!(unsigned.as_str(), "nan" | "inf" | "infinity") {
            self.found(Mend::NotANumber);
            self.put("null");
        } else if serde_json::from_str::<serde_json::Number>(&word).is_ok() && !is_long(&word) {
            self.put(&word);
        } else if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c))
            && word.contains(|c: char| c.is_ascii_digit())
        {
            self.found(if is_long(&word) || is_number(&word) { Mend::LongNumber } else { Mend::NotANumber });
            self.put("\"");
            self.put(&word);
            self.put("\"");
        } else {
            return None;
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.take(1);
        self.put("\"");
        loop {
            let plain = self.rest.find(|c: char| c == '"' || c == '\\' || c < ' ')?;
            let plain = self.take(plain).to_owned();
            self.put(&plain);
            match self.rest.as_bytes().first()? {
                b'"' => {
                    self.take(1);
                    self.put("\"");
                    return Some(());
                }
                b'\\' => self.escape()?,
                control => {
                    // A tab or the end of a line says something; of the others nobody could tell the text from garbage.
                    let says = matches!(control, b'\t' | b'\n' | b'\r');
                    let escaped = if says { format!("\\u{control:04x}") } else { String::new() };
                    self.take(1);
                    self.found(Mend::Control);
                    self.put(&escaped);
                }
            }
        }
    }

    /// What begins with a backslash.
    fn escape(&mut self) -> Option<()> {
        self.take(1);
        let next = self.rest.chars().next()?;
        match next {
            '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => {
                let escape = format!("\\{next}");
                self.take(1);
                self.put(&escape);
            }
            'u' => match self.unit(self.rest) {
                Some(0xD800..=0xDBFF) if self.rest.get(5..).is_some_and(|rest| self.is_low(rest)) => {
                    let pair = format!("\\{}", self.take(11));
                    self.put(&pair);
                }
                Some(0xD800..=0xDFFF) => {
                    self.take(5);
                    self.found(Mend::Surrogate);
                    self.put("\u{FFFD}");
                }
                Some(_) => {
                    let unit = format!("\\{}", self.take(5));
                    self.put(&unit);
                }
                None => self.odd_escape(),
            },
            'x' => match self.rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) if self.rest.as_bytes()[1..3].iter().all(u8::is_ascii_hexdigit) => {
                    self.take(3);
                    self.found(Mend::BadEscape);
                    self.put(&format!("\\u{byte:04x}"));
                }
                Some(_) | None => self.odd_escape(),
            },
            '\'' => {
                self.take(1);
                self.found(Mend::BadEscape);
                self.put("'");
            }
            // Controls and letters: the backslash stands for itself.
            _ => self.odd_escape(),
        }
        Some(())
    }

    fn odd_escape(&mut self) {
        self.found(Mend::BadEscape);
        self.put("\\\\");
    }

    /// The code unit of `uXXXX`.
    fn unit(&self, text: &str) -> Option<u16> {
        let digits = text
            .strip_prefix('u')?
            .get(..4)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    }

    fn is_low(&self, text: &str) -> bool {
        let unit = text.strip_prefix('\\').and_then(|rest| self.unit(rest));
        unit.is_some_and(|unit| (0xDC00..=0xDFFF).contains(&unit))
    }
}

/// More digits than a whole number may have and still be told from its neighbours.
fn is_long(word: &str) -> bool {
    let digits = word.trim_start_matches('-');
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.is_empty()
        && word.parse::<i64>().is_err()
        && word.parse::<u64>().is_err()
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && word.parse::<f64>().is_ok_and(f64::is_infinite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn mended(line: &str) -> (Value, Vec<Mend>) {
        let (text, mended) = mend(line).expect(line);
        (serde_json::from_str(&text).expect(&text), mended)
    }

    #[test]
    fn one_odd_character_costs_a_character() {
        for (line, value, fault) in [
            (r#"{"a":"x \ud83d"}"#, json!({"a": "x \u{FFFD}"}), Mend::Surrogate),
            (
                r#"{"a":"\ude80\ud83d\ude80\ud83d\u0041"}"#,
                json!({"a": "\u{FFFD}🚀\u{FFFD}A"}),
                Mend::Surrogate,
            ),
            ("{\"a\":\"x\ty\u{1}\"}", json!({"a": "x\ty"}), Mend::Control),
            ("\0\0\u{1e}{\"a\":\u{b}1}\0", json!({"a": 1}), Mend::Control),
            ("\u{FEFF}\u{FEFF}{\"a\":1}", json!({"a": 1}), Mend::Control),
            (r#"{"a":NaN,"b":-Infinity}"#, json!({"a": null, "b": null}), Mend::NotANumber),
            (r#"{"a":+1,"b":[.5,01]}"#, json!({"a": "+1", "b": [".5", "01"]}), Mend::NotANumber),
            (r#"{"a":1e999}"#, json!({"a": "1e999"}), Mend::LongNumber),
            (r#"{"a":123456789012345678901}"#, json!({"a": "123456789012345678901"}), Mend::LongNumber),
            (r#"{"a":[1,],}"#, json!({"a": [1]}), Mend::TrailingComma),
            (r#"{"a":1},"#, json!({"a": 1}), Mend::TrailingComma),
            (r#"{"a":"it\'s \x41 \q \u12"}"#, json!({"a": "it's A \\q \\u12"}), Mend::BadEscape),
        ] {
            assert_eq!(mended(line), (value, vec![fault]), "{line}");
        }
    }

    #[test]
    fn what_lies_deep_is_left_out_and_the_rest_stays() {
        let line = format!("{{\"a\":{}\"]}},\\\"\"{},\"b\":2}}", "[".repeat(100_000), "]".repeat(100_000));
        let (value, faults) = mended(&line);
        assert_eq!((&value["b"], faults), (&json!(2), vec![Mend::Deep]));
    }

    #[test]
    fn what_is_no_object_at_its_end_stays_none() {
        for line in [
            "{\"text\":\"cut",
            "{\"text\":\"x\"",
            "{\"a\":[1,2}",
            "{'text':'x'}",
            "{text:1}",
            "{\"a\":None}",
            "{\"a\":undefined}",
            "{\"a\":1,,\"b\":2}",
            "{\"a\" 1}",
            "{\"a\":1}}",
            "{\"a\":1} {\"b\":2}",
            "{\"a\":1}{\"b\":2}",
            "{\"a\":\"x\"y\"}",
            "{,\"a\":1}",
            "{\"a\":-}",
        ] {
            let is_json = mend(line).is_some_and(|(text, _)| serde_json::from_str::<Value>(&text).is_ok());
            assert!(!is_json, "{line}");
        }
    }

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Mend::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Mend::ALL.len());
    }

    proptest::proptest! {
        #[test]
        fn good_json_stays_what_it_is(text in "[\\PC\\n\\t\"\\\\\u{1F600}]{0,40}", number in proptest::num::i64::ANY) {
            let value = json!({"a": text, "b": [number, {"c": null}], "d": 0.5});
            let (mended, faults) = mend(&value.to_string()).expect("JSON");
            proptest::prop_assert_eq!(serde_json::from_str::<Value>(&mended).expect("JSON"), value);
            proptest::prop_assert!(faults.is_empty());
        }

        #[test]
        fn anything_is_survived(line in "[{}\\[\\]\",:\\\\u0-9d8eN \u{0}-\u{1f}]{0,60}") {
            if let Some((mended, faults)) = mend(&line) {
                proptest::prop_assert!(mended.len() <= 6 * line.len() + 6);
                let _ = (serde_json::from_str::<Value>(&mended), faults);
            }
        }
    }
}
