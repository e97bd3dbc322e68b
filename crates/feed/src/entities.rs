//! References: `&amp;`, `&#1575;`, `&nbsp;`, and what is called `&` without being one.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::{memchr, memmem};

use crate::fault::{Fault, Faults};
use crate::surrogates;

/// Longest name looked up: the longest of HTML has 32 letters.
const MAX_NAME_BYTES: usize = 40;
/// Longest value a document may give an entity of its own; longer ones are attacks.
const MAX_VALUE_BYTES: usize = 256;
/// Most entities a document may declare.
const MAX_DECLARED: usize = 512;

/// HTML's named references without their semicolon, sorted by name.
static HTML: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let all = entities::ENTITIES.iter();
    let mut table: Vec<_> = all
        .filter_map(|entity| {
            let name = entity.entity.strip_prefix('&')?.strip_suffix(';')?;
            Some((name, entity.characters))
        })
        .collect();
    table.sort_unstable();
    table
});

fn html(name: &str) -> Option<&'static str> {
    HTML.binary_search_by_key(&name, |(known, _)| *known).ok().map(|index| HTML[index].1)
}

/// What windows-1252 has where Unicode has controls: `&#147;` means a quotation mark.
const CONTROLS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

/// The character a control of the range U+0080 to U+009F stands for in practice; every other character unchanged.
pub(crate) fn from_1252(c: char) -> char {
    (c as usize).checked_sub(0x80).and_then(|index| CONTROLS_1252.get(index)).copied().unwrap_or(c)
}

/// The entities of one document.
#[derive(Debug, Default)]
pub(crate) struct Entities<'a> {
    declared: Vec<(&'a str, Cow<'a, str>)>,
}

/// What a reference turned out to be.
enum Reference<'t> {
    Char(char),
    Text(&'t str),
    /// No reference: the `&` is text.
    Bare,
    /// A reference to nothing known: text, all of it.
    Unknown,
    /// A reference to no character: dropped.
    Nothing,
}

impl<'a> Entities<'a> {
    /// Takes over the internal subset of a document type. Only plain short text is taken: a value with a reference to another entity
    /// is how a page of feed becomes a gigabyte.
    pub(crate) fn declare(&mut self, doctype: &'a str) {
        let mut rest = doctype;
        while let Some(found) = memmem::find(rest.as_bytes(), b"<!ENTITY") {
            rest = &rest[found + 8..];
            if self.declared.len() >= MAX_DECLARED {
                return;
            }
            let after = rest.trim_ascii_start();
            let Some((name, value)) = after.split_once(|c: char| c.is_ascii_whitespace()) else { return };
            let value = value.trim_ascii_start();
            let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
            let Some((value, _)) = value[1..].split_once(quote) else { return };
            let mut faults = Faults::default();
            if value.len() > MAX_VALUE_BYTES || value.contains('<') {
                continue;
            }
            let mut plain = String::new();
            Entities::default().unescape_into(value, &mut plain, &mut faults);
            if faults.count(Fault::UnknownEntity) == 0 {
                self.declared.push((name, Cow::Owned(plain)));
            }
        }
    }

    /// Appends `raw` with its references replaced.
    pub(crate) fn unescape_into(&self, raw: &str, out: &mut String, faults: &mut Faults) {
        let mut rest = raw;
        while let Some(found) = memchr(b'&', rest.as_bytes()) {
            out.push_str(&rest[..found]);
            rest = &rest[found..];
            let (length, reference) = self.reference(rest, faults);
            match reference {
                Reference::Char(c) => out.push(c),
                Reference::Text(text) => out.push_str(text),
                Reference::Nothing => {}
                Reference::Bare | Reference::Unknown => out.push_str(&rest[..length]),
            }
            rest = &rest[length..];
        }
        out.push_str(rest);
    }

    /// `raw` with its references replaced; borrowed when it has none.
    pub(crate) fn unescape<'t>(&self, raw: &'t str, faults: &mut Faults) -> Cow<'t, str> {
        if memchr(b'&', raw.as_bytes()).is_none() {
            return Cow::Borrowed(raw);
        }
        let mut out = String::with_capacity(raw.len());
        self.unescape_into(raw, &mut out, faults);
        Cow::Owned(out)
    }

    /// Appends text to markup: references XHTML knows by number stay text, `&`, `<` and `>` stay escaped.
    pub(crate) fn escape_into(&self, raw: &str, out: &mut String, faults: &mut Faults) {
        if memchr(b'&', raw.as_bytes()).is_none() && memchr(b'<', raw.as_bytes()).is_none() {
            out.push_str(raw);
            return;
        }
        push_escaped(&self.unescape(raw, faults), out);
    }

    /// Counts the faults in text nobody keeps.
    pub(crate) fn check(&self, raw: &str, faults: &mut Faults) {
        let mut rest = raw;
        while let Some(found) = memchr(b'&', rest.as_bytes()) {
            rest = &rest[found..];
            let (length, _) = self.reference(rest, faults);
            rest = &rest[length..];
        }
    }

    /// The reference at the start of `rest`, which is a `&`, and its length in bytes.
    fn reference(&self, rest: &str, faults: &mut Faults) -> (usize, Reference<'_>) {
        let bytes = rest.as_bytes();
        if bytes.get(1) == Some(&b'#') {
            return number(bytes, faults);
        }
        let name_bytes = bytes[1..].iter().take(MAX_NAME_BYTES);
        let length =
            name_bytes.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
        if length == 0 || bytes.get(1 + length) != Some(&b';') {
            faults.note(Fault::BareAmp);
            return (1, Reference::Bare);
        }
        let whole = length + 2;
        let name = &rest[1..=length];
        let reference = match name {
            "lt" => Reference::Char('<'),
            "gt" => Reference::Char('>'),
            "amp" => Reference::Char('&'),
            "quot" => Reference::Char('"'),
            "apos" => Reference::Char('\''),
            _ => self.named(name, faults),
        };
        (whole, reference)
    }

    fn named(&self, name: &str, faults: &mut Faults) -> Reference<'_> {
        if let Some((_, value)) = self.declared.iter().find(|(known, _)| *known == name) {
            return Reference::Text(value);
        }
        if let Some(text) = html(name) {
            faults.note(Fault::HtmlEntity);
            return Reference::Text(text);
        }
        faults.note(Fault::UnknownEntity);
        Reference::Unknown
    }
}

/// `&#1575;` or `&#x627;`, with or without its semicolon.
fn number<'t>(bytes: &[u8], faults: &mut Faults) -> (usize, Reference<'t>) {
    let Some((value, length, is_whole)) = surrogates::code(bytes) else {
        faults.note(Fault::BareAmp);
        return (1, Reference::Bare);
    };
    if surrogates::is_half(value) {
        if let Some((c, more)) = surrogates::second_half(value, &bytes[length..]) {
            faults.note(Fault::SurrogatePair);
            return (length + more, Reference::Char(c));
        }
        faults.note(Fault::BadCharRef);
        return (length, Reference::Char('\u{FFFD}'));
    }
    let c = char::from_u32(value).map(from_1252).filter(|c| is_xml_char(*c));
    if !is_whole || c.is_none() {
        faults.note(Fault::BadCharRef);
    }
    (length, c.map_or(Reference::Nothing, Reference::Char))
}

/// Characters a document may hold.
fn is_xml_char(c: char) -> bool {
    !matches!(c, '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Appends text as XML writes it.
pub(crate) fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(c),
        }
    }
}
