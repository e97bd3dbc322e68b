//! JSON that scripts take and its standard does not, as the standard has it: comments, single quotes, bare keys, commas too many and too few,
//! line ends and quotes inside of texts, half a surrogate pair, numbers that are none.

/// JSON as its standard has it, as far as that can be told.
#[derive(Debug)]
pub(super) struct Mended {
    pub(super) text: String,
    /// Places that were changed.
    pub(super) repairs: u64,
    /// Halves of surrogate pairs that stood alone; each became U+FFFD.
    pub(super) halves: u64,
}

/// Mends a text that begins with a `{`. What follows its end, and a text that has none, stay as they are.
pub(super) fn mended(text: &str) -> Mended {
    let mended = Mended { text: String::with_capacity(text.len() + 64), repairs: 0, halves: 0 };
    Mender { text, at: 0, out: mended, open: Vec::new(), place: Place::Value, comma: None }.run()
}

/// The text behind comments and white space at its start.
pub(super) fn without_comments(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        match comment(rest) {
            Some(length) => rest = &rest[length..],
            None => return rest,
        }
    }
}

/// Length of the comment that the text begins with.
fn comment(text: &str) -> Option<usize> {
    let line = || text.find('\n').unwrap_or(text.len());
    match text.as_bytes() {
        [b'/', b'/', ..] | [b'#', ..] => Some(line()),
        [b'/', b'*', ..] => Some(text[2..].find("*/").map_or(text.len(), |end| end + 4)),
        _ => None,
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c == '\u{FEFF}'
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A key, in an object.
    Key,
    /// The colon behind it.
    Colon,
    /// A value.
    Value,
    /// The comma behind it, or the end of what it is in.
    Comma,
}

struct Mender<'t> {
    text: &'t str,
    at: usize,
    out: Mended,
    /// True for objects, false for lists.
    open: Vec<bool>,
    place: Place,
    /// Where a comma stands in `out` that is none if an end follows.
    comma: Option<usize>,
}

impl<'t> Mender<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(mut self) -> Mended {
        loop {
            self.space();
            let Some(c) = self.rest().chars().next() else { break };
            match c {
                '{' | '[' => self.opens(c == '{'),
                '}' | ']' => {
                    self.closes(c);
                    if self.open.is_empty() {
                        break;
                    }
                }
                ',' => self.comma(),
                ':' if self.place == Place::Colon => self.copy(c, Place::Value),
                '"' | '\'' => self.string(c),
                c if is_word(c) => self.word(),
                _ => self.copy(c, self.place),
            }
        }
        self.out.text.push_str(self.text.get(self.at..).unwrap_or_default());
        self.out
    }

    fn copy(&mut self, c: char, then: Place) {
        self.out.text.push(c);
        self.at += c.len_utf8();
        self.place = then;
    }

    /// Passes over white space and comments. Line ends stay, so that places of errors can be told.
    fn space(&mut self) {
        let rest = self.rest();
        let after = without_comments(rest);
        let between = &rest[..rest.len() - after.len()];
        let is_plain = between.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.out.repairs += u64::from(!is_plain);
        if is_plain {
            self.out.text.push_str(between);
        }
        self.at += between.len();
    }

    /// A value begins: with the comma that should stand before it.
    fn begins(&mut self) {
        if self.place == Place::Comma {
            self.out.text.push(',');
            self.out.repairs += 1;
        }
        self.comma = None;
    }

    fn opens(&mut self, is_object: bool) {
        self.begins();
        self.open.push(is_object);
        self.copy(if is_object { '{' } else { '[' }, if is_object { Place::Key } else { Place::Value });
    }

    fn closes(&mut self, c: char) {
        if let Some(comma) = self.comma.take() {
            self.out.text.replace_range(comma..=comma, " ");
            self.out.repairs += 1;
        }
        self.open.pop();
        self.copy(c, Place::Comma);
    }

    fn comma(&mut self) {
        if self.place != Place::Comma {
            // Nothing stands before it.
            self.out.repairs += 1;
            self.at += 1;
            return;
        }
        self.comma = Some(self.out.text.len());
        self.copy(',', if self.open.last() == Some(&true) { Place::Key } else { Place::Value });
    }

    /// The place behind a key or value that begins here.
    fn then(&self) -> Place {
        let is_key =
            self.place == Place::Key || (self.place == Place::Comma && self.open.last() == Some(&true));
        if is_key { Place::Colon } else { Place::Comma }
    }

    /// A word without quotes: a literal, a number, a key.
    fn word(&mut self) {
        self.begins();
        let then = self.then();
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        self.at += word.len();
        self.place = then;
        let is_number = || serde_json::from_str::<serde_json::Number>(word).is_ok();
        let literal = match word {
            _ if then == Place::Colon => None,
            "true" | "false" | "null" => Some((word, true)),
            "True" => Some(("true", false)),
            "False" => Some(("false", false)),
            "None" | "undefined" | "NaN" | "Infinity" | "-Infinity" => Some(("null", false)),
            _ if is_number() => Some((word, true)),
            _ => None,
        };
        if let Some((literal, is_right)) = literal {
            self.out.repairs += u64::from(!is_right);
            self.out.text.push_str(literal);
        } else {
            self.out.repairs += 1;
            self.out.text.push('"');
            self.out.text.push_str(word);
            // A word that ends the text may go on.
            if self.at < self.text.len() {
                self.out.text.push('"');
            }
        }
    }

    fn string(&mut self, quote: char) {
        self.begins();
        let then = self.then();
        self.out.repairs += u64::from(quote == '\'');
        self.out.text.push('"');
        self.at += 1;
        let from = self.at;
        while let Some(c) = self.rest().chars().next() {
            match c {
                '\\' => self.escape(),
                c if c == quote && self.ends_at(self.at, then) => {
                    self.copy('"', then);
                    return;
                }
                '"' => {
                    self.out.text.push_str("\\\"");
                    self.out.repairs += u64::from(quote == '"');
                    self.at += 1;
                }
                '\n' | '\r' | '\t' => {
                    self.out.text.push_str(match c {
                        '\n' => "\\n",
                        '\r' => "\\r",
                        _ => "\\t",
                    });
                    self.out.repairs += 1;
                    self.at += 1;
                }
                c => {
                    self.out.text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        debug_assert!(self.at >= from);
    }

    /// Whether a quote ends its text: what follows must be able to follow a text here.
    fn ends_at(&self, at: usize, then: Place) -> bool {
        let after = self.text.get(at + 1..).unwrap_or_default().trim_start_matches(is_space);
        let is_object = self.open.last() == Some(&true);
        match (after.as_bytes().first(), then) {
            (None, _) => true,
            (Some(next), Place::Colon) => *next == b':',
            (Some(b'}'), _) => is_object,
            (Some(b']'), _) => !is_object,
            (Some(b','), _) => {
                let next = after[1..].trim_start_matches(is_space);
                !is_object || next.is_empty() || next.starts_with(['}', ',', '/']) || is_key(next)
            }
            (Some(b'"' | b'\''), _) => is_object && is_key(after),
            (Some(b'/'), _) => comment(after).is_some(),
            (Some(_), _) => false,
        }
    }

    /// A backslash and what it makes of the next letter.
    fn escape(&mut self) {
        let rest = self.rest();
        let Some(c) = rest[1..].chars().next() else {
            // The text ends within it.
            self.out.text.push('\\');
            self.at += 1;
            return;
        };
        if matches!(c, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') {
            self.out.text.push_str(&rest[..2]);
            self.at += 2;
            return;
        }
        if c == 'u' && rest.len() < 6 && rest[2..].bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.out.text.push_str(rest);
            self.at = self.text.len();
            return;
        }
        if let Some(high) = unit(rest) {
            let low = rest.get(6..).and_then(unit).filter(|low| (0xDC00..0xE000).contains(low));
            let (length, is_whole) = match (high, low) {
                (0xD800..0xDC00, Some(_)) => (12, true),
                (0xD800..0xE000, _) => (6, false),
                _ => (6, true),
            };
            self.out.text.push_str(if is_whole { &rest[..length] } else { "\\ufffd" });
            self.out.halves += u64::from(!is_whole);
            self.at += length;
            return;
        }
        self.out.repairs += 1;
        let byte = |digits: &str| u8::from_str_radix(digits, 16).ok();
        match c {
            '\'' => self.out.text.push('\''),
            '\n' => {}
            'x' if rest.get(2..4).and_then(byte).is_some_and(|byte| byte >= 0x20) => {
                self.out.text.push_str("\\u00");
                self.out.text.push_str(&rest[2..4]);
                self.at += 4;
                return;
            }
            c => {
                self.out.text.push_str("\\\\");
                if is_control(c) {
                    self.at += 1;
                    return;
                }
                self.out.text.push(c);
            }
        }
        self.at += 1 + c.len_utf8();
    }
}

fn is_control(c: char) -> bool {
    c < ' '
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '+' | '.')
}

/// `\uD83D` as a number.
fn unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Longest key looked for.
const MAX_KEY_BYTES: usize = 128;

/// Whether a key with its colon comes next.
fn is_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let name = match bytes.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let inside = &bytes[1..bytes.len().min(MAX_KEY_BYTES)];
            inside.iter().position(|byte| byte == quote).map(|end| end + 2)
        }
        Some(_) => {
            let word = text.chars().take(MAX_KEY_BYTES).take_while(|c| is_word(*c)).map(char::len_utf8).sum();
            Some(word).filter(|length| *length > 0)
        }
        None => None,
    };
    name.and_then(|end| text.get(end..))
        .is_some_and(|after| after.trim_start_matches(is_space).starts_with(':'))
}
