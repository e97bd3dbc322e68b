//! Text to tags: a scanner that never gives up and never goes back further than one tag.
//!
//! It is our own, and not a strict XML reader with its checks off, for what must happen at a `<` that starts no tag, at a quote that is
//! never closed and at a section without an end: there the text goes on, and the next item is still seen (ADR 6). Names are not checked and
//! references not expanded here. Time is linear in the input.

use memchr::{memchr, memchr2, memmem};

use crate::fault::{Fault, Faults};

/// A piece of the document, borrowed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Text between tags, references as found.
    Text(&'a str),
    /// The inside of a CDATA section.
    Cdata(&'a str),
    /// `<name attributes>`; `empty` for `<name/>`.
    Start { name: &'a str, attributes: &'a str, empty: bool },
    /// `</name>`.
    End { name: &'a str },
    /// The inside of `<!DOCTYPE ...>`.
    Doctype(&'a str),
}

/// Tags that are taken for tags even when their `>` is missing: what a feed is made of.
const FEED_TAGS: [&str; 14] = [
    "item",
    "entry",
    "title",
    "link",
    "description",
    "pubDate",
    "guid",
    "channel",
    "category",
    "author",
    "updated",
    "published",
    "summary",
    "content:encoded",
];

/// Reads one document from its start.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    declarations: u32,
    tags: bool,
    has_doctype: bool,
    /// Where the next `-->`, `]]>` and `?>` stand, as far as they have been looked for: without it, a million openings without an end
    /// would each look through the whole rest.
    ends: [Option<usize>; 3],
}

/// What may end a section, in the order of [`Scanner::ends`].
#[derive(Debug, Clone, Copy)]
enum SectionEnd {
    Comment,
    Cdata,
    Instruction,
}

impl SectionEnd {
    fn text(self) -> &'static [u8] {
        match self {
            Self::Comment => b"-->",
            Self::Cdata => b"]]>",
            Self::Instruction => b"?>",
        }
    }
}

/// How a tag ends.
enum TagEnd {
    /// At this `>`.
    At(usize),
    /// At a `<` before any `>`.
    Broken(usize),
    /// Not at all.
    Missing,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, declarations: 0, tags: false, has_doctype: false, ends: [None; 3] }
    }

    /// Byte offset of what comes next.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Offset in the text of the first such end at or after `from`.
    fn section_end(&mut self, end: SectionEnd, from: usize) -> Option<usize> {
        let (bytes, known) = (self.bytes(), &mut self.ends[end as usize]);
        if known.is_none_or(|at| at < from) {
            let rest = bytes.get(from..).unwrap_or_default();
            *known = Some(memmem::find(rest, end.text()).map_or(usize::MAX, |found| from + found));
        }
        known.filter(|at| *at != usize::MAX)
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        loop {
            let bytes = self.bytes();
            if self.at >= bytes.len() {
                return None;
            }
            let mut from = self.at;
            if bytes[from] == b'<' {
                let start = self.at;
                match self.markup(faults) {
                    Some(token) => return Some(token),
                    // A comment or an instruction has been passed over.
                    None if self.at > start => continue,
                    None => {
                        faults.note(Fault::BareLt);
                        from += 1;
                    }
                }
            }
            return Some(self.text_from(from, faults));
        }
    }

    /// Text up to the next `<` that looks like markup; `from` is where to look.
    fn text_from(&mut self, mut from: usize, faults: &mut Faults) -> Token<'a> {
        let (start, bytes) = (self.at, self.bytes());
        loop {
            match memchr(b'<', &bytes[from..]) {
                None => {
                    self.at = bytes.len();
                    break;
                }
                Some(found) if starts_markup(&bytes[from + found + 1..]) => {
                    self.at = from + found;
                    break;
                }
                Some(found) => {
                    faults.note(Fault::BareLt);
                    from += found + 1;
                }
            }
        }
        Token::Text(self.slice(start, self.at))
    }

    /// The markup at `self.at`, which is a `<`. `None` without moving: it is text. `None` after moving: nothing to report.
    fn markup(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        let bytes = self.bytes();
        match bytes.get(self.at + 1)? {
            b'!' => self.declaration(faults),
            b'?' => {
                self.instruction(faults);
                None
            }
            b'/' if bytes.get(self.at + 2).copied().is_some_and(is_name_start) => self.end_tag(faults),
            byte if is_name_start(*byte) => self.start_tag(faults),
            _ => None,
        }
    }

    fn end_tag(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        let start = self.at + 2;
        let rest = &self.bytes()[start..];
        match memchr2(b'>', b'<', rest) {
            Some(end) => {
                let name = self.slice(start, start + end);
                let is_whole = rest[end] == b'>';
                if !is_whole {
                    faults.note(Fault::BrokenTag);
                }
                self.at = start + end + usize::from(is_whole);
                Some(Token::End { name: name.split_ascii_whitespace().next().unwrap_or_default() })
            }
            None => self.cut_off(faults),
        }
    }

    /// Passes over the rest, which is half a tag.
    fn cut_off(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        faults.note(Fault::Truncated);
        self.at = self.bytes().len();
        None
    }

    fn start_tag(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        let (start, bytes) = (self.at + 1, self.bytes());
        self.tags = true;
        let length = bytes[start..].iter().position(|byte| is_name_end(*byte));
        let name_end = length.map_or(bytes.len(), |length| start + length);
        let name = self.slice(start, name_end);
        let (end, next) = match self.tag_end(name_end, faults) {
            TagEnd::At(end) => (end, end + 1),
            TagEnd::Broken(end) if FEED_TAGS.contains(&name) => {
                faults.note(Fault::BrokenTag);
                (end, end)
            }
            TagEnd::Broken(_) => return None,
            TagEnd::Missing => return self.cut_off(faults),
        };
        let attributes = self.slice(name_end, end);
        self.at = next;
        match attributes.strip_suffix('/') {
            Some(attributes) => Some(Token::Start { name, attributes, empty: true }),
            None => Some(Token::Start { name, attributes, empty: false }),
        }
    }

    /// Finds the end of a start tag, quotes considered. A quote counts only after `=` and only when something that may follow a
    /// value follows it; otherwise one of the pair is missing, and the tag ends at the first `>`.
    fn tag_end(&self, from: usize, faults: &mut Faults) -> TagEnd {
        let bytes = self.bytes();
        let (mut at, mut last) = (from, b' ');
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'>' => return TagEnd::At(at),
                b'<' => return TagEnd::Broken(at),
                b'"' | b'\'' if last == b'=' => {
                    let Some(length) = memchr(byte, &bytes[at + 1..]) else {
                        faults.note(Fault::BadAttribute);
                        return memchr(b'>', &bytes[at..])
                            .map_or(TagEnd::Missing, |found| TagEnd::At(at + found));
                    };
                    let close = at + 1 + length;
                    let is_closed = bytes.get(close + 1).is_none_or(|next| is_value_end(*next));
                    if !is_closed && let Some(found) = memchr(b'>', &bytes[at..close]) {
                        faults.note(Fault::BadAttribute);
                        return TagEnd::At(at + found);
                    }
                    at = close;
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                last = byte;
            }
            at += 1;
        }
        TagEnd::Missing
    }

    /// `<?...?>`, passed over; a declaration that is not the first thing is a fault.
    fn instruction(&mut self, faults: &mut Faults) {
        let rest = &self.bytes()[self.at..];
        if rest.starts_with(b"<?xml") && rest.get(5).is_some_and(u8::is_ascii_whitespace) {
            self.declarations += 1;
            if self.declarations > 1 || self.tags {
                faults.note(Fault::MisplacedDeclaration);
            } else if self.at > 0 && self.slice(0, self.at).trim().is_empty() {
                faults.note(Fault::SpaceBefore);
            }
        }
        let proper = self.section_end(SectionEnd::Instruction, self.at).map(|found| found + 2 - self.at);
        let first = memchr(b'>', rest).map(|found| found + 1);
        self.at += match (proper, first) {
            (Some(end), Some(near)) if end == near || memchr(b'<', &rest[1..end]).is_none() => end,
            (_, Some(near)) => {
                faults.note(Fault::BrokenTag);
                near
            }
            (_, None) => {
                faults.note(Fault::Truncated);
                rest.len()
            }
        };
    }

    /// What starts with `<!`: comment, CDATA section, document type.
    fn declaration(&mut self, faults: &mut Faults) -> Option<Token<'a>> {
        let rest = &self.bytes()[self.at..];
        if rest.starts_with(b"<!--") {
            self.comment(faults);
            return None;
        }
        if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<![CDATA[")) {
            return Some(self.cdata(faults));
        }
        if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE")) {
            let whole = if self.has_doctype { None } else { doctype_length(rest) };
            self.has_doctype = true;
            let length = whole.unwrap_or_else(|| {
                faults.note(Fault::BrokenTag);
                memchr(b'>', rest).map_or(rest.len(), |found| found + 1)
            });
            let inside = self.slice(self.at + 9, self.at + length);
            self.at += length;
            return Some(Token::Doctype(inside));
        }
        let is_other = rest.get(2).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'[');
        if is_other {
            self.at += memchr(b'>', rest).map_or(rest.len(), |found| found + 1);
        }
        None
    }

    fn comment(&mut self, faults: &mut Faults) {
        let start = self.at + 4;
        let end = self.section_end(SectionEnd::Comment, start).map(|end| end - start);
        let rest = &self.bytes()[start.min(self.bytes().len())..];
        if let Some(end) = end {
            if memmem::find(&rest[..end], b"--").is_some() || rest[..end].ends_with(b"-") {
                faults.note(Fault::BadComment);
            }
            self.at = start + end + 3;
        } else {
            faults.note(Fault::BadComment);
            // Without an end it would swallow every item that follows.
            self.at = memchr(b'>', rest).map_or(self.bytes().len(), |found| start + found + 1);
        }
    }

    fn cdata(&mut self, faults: &mut Faults) -> Token<'a> {
        let start = self.at + 9;
        let rest = &self.bytes()[start..];
        let Some(end) = self.section_end(SectionEnd::Cdata, start).map(|end| end - start) else {
            faults.note(Fault::UnclosedCdata);
            let end = section_break(rest).unwrap_or_else(|| {
                faults.note(Fault::Truncated);
                rest.len()
            });
            self.at = start + end;
            return Token::Cdata(self.slice(start, start + end));
        };
        // An end that belongs to a later section: this one was left open, and an item ends in between.
        if let Some(inner) = memmem::find(&rest[..end], b"<![CDATA[")
            && let Some(cut) = section_break(&rest[..inner])
        {
            faults.note(Fault::UnclosedCdata);
            self.at = start + cut;
            return Token::Cdata(self.slice(start, start + cut));
        }
        self.at = start + end + 3;
        Token::Cdata(self.slice(start, start + end))
    }
}

/// Where an open section stops at the latest: before the last end tag in front of the end of its item.
fn section_break(text: &[u8]) -> Option<usize> {
    let item_end = memmem::find(text, b"</item>").or_else(|| memmem::find(text, b"</entry>"))?;
    [&b"</description>"[..], b"</content:encoded>", b"</content>", b"</summary>", b"</title>"]
        .iter()
        .filter_map(|tag| memmem::find(&text[..item_end], tag))
        .min()
        .or(Some(item_end))
}

/// Length of a document type with its internal subset.
fn doctype_length(rest: &[u8]) -> Option<usize> {
    let (mut at, mut is_inside) = (0, false);
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'"' | b'\'' => at += memchr(byte, &rest[at + 1..])? + 1,
            b'[' => is_inside = true,
            b']' => is_inside = false,
            b'<' if rest[at..].starts_with(b"<!--") => at += memmem::find(&rest[at..], b"-->")? + 2,
            b'>' if !is_inside => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

fn starts_markup(after: &[u8]) -> bool {
    match after {
        [b'!' | b'?', ..] => true,
        [b'/', next, ..] => is_name_start(*next),
        // Half an end tag at the end of the document.
        [b'/'] | [] => false,
        [next, ..] => is_name_start(*next),
    }
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte == b':'
}

fn is_name_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'<' | b'=' | b'"' | b'\'')
}

fn is_value_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'?' | b'<')
}

/// The attributes of a start tag, in order: name and value as found.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(rest: &'a str) -> Self {
        Self { rest }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/' || c == '=');
        if rest.is_empty() {
            self.rest = rest;
            return None;
        }
        let end = rest.bytes().position(|byte| byte.is_ascii_whitespace() || byte == b'=');
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_ascii_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_ascii_start) else {
            self.rest = after;
            return Some((name, &after[..0]));
        };
        let quote = value.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''));
        let (value, rest) = match quote {
            Some(quote) => {
                let inside = &value[1..];
                match memchr(quote, inside.as_bytes()) {
                    Some(end) => (&inside[..end], &inside[end + 1..]),
                    None => (inside, ""),
                }
            }
            None => {
                value.split_at(value.bytes().position(|b| b.is_ascii_whitespace()).unwrap_or(value.len()))
            }
        };
        self.rest = rest;
        Some((name, value))
    }
}
