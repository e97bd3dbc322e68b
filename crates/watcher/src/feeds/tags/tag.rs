//! One start tag, read as browsers do, and what is looked for behind it.

use memchr::{memchr, memmem};

/// Where things come next in a text. What was looked for once is not looked for again: a million tags without an end would each look through the
/// whole rest.
#[derive(Debug)]
pub(super) struct Ahead<'t> {
    text: &'t str,
    /// Of each of [`SIGNS`]: where the search began, and what it found.
    found: [Option<(usize, usize)>; 4],
    /// Of end tags by name: the same.
    ends: Vec<(&'t str, usize, usize)>,
}

const SIGNS: [&[u8]; 4] = [b">", b"-->", b"\"", b"'"];
const NONE: usize = usize::MAX;

impl<'t> Ahead<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: [None; 4], ends: Vec::new() }
    }

    fn sign(&mut self, which: usize, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let search = |start: usize, end: usize| {
            memmem::find(bytes.get(start..end).unwrap_or_default(), SIGNS[which]).map(|at| start + at)
        };
        let (since, at) = match self.found[which] {
            Some((since, at)) if (since..=at).contains(&from) => (since, at),
            // Further back than the last time: what lies between was not looked through.
            Some((since, at)) if from < since => {
                let end = (since + SIGNS[which].len()).min(bytes.len());
                (from, search(from, end).unwrap_or(at))
            }
            Some(_) | None => (from, search(from, bytes.len()).unwrap_or(NONE)),
        };
        self.found[which] = Some((since, at));
        Some(at).filter(|at| *at != NONE)
    }

    /// The next `>`.
    pub(super) fn tag_end(&mut self, from: usize) -> Option<usize> {
        self.sign(0, from)
    }

    /// The next `-->`.
    pub(super) fn comment_end(&mut self, from: usize) -> Option<usize> {
        self.sign(1, from)
    }

    fn quote(&mut self, quote: u8, from: usize) -> Option<usize> {
        self.sign(if quote == b'"' { 2 } else { 3 }, from)
    }

    /// The next end tag of this name.
    pub(super) fn end_tag(&mut self, name: &'t str, from: usize) -> Option<usize> {
        let known = self.ends.iter().position(|(known, ..)| known.eq_ignore_ascii_case(name));
        let known = known.unwrap_or_else(|| {
            self.ends.push((name, NONE, 0));
            self.ends.len() - 1
        });
        let (_, since, at) = self.ends[known];
        if from < since || from > at {
            let rest = self.text.get(from..).unwrap_or_default();
            let mut ends = memmem::find_iter(rest.as_bytes(), b"</");
            let found = ends.find(|at| name_at(rest, at + 2).eq_ignore_ascii_case(name));
            self.ends[known] = (name, from, found.map_or(NONE, |found| from + found));
        }
        Some(self.ends[known].2).filter(|at| *at != NONE)
    }
}

/// The name of an element at this offset; empty where none is.
pub(super) fn name_at(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return "";
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_');
    &rest[..rest.bytes().take_while(|byte| is_part(byte)).count()]
}

/// A start tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag<'t> {
    pub(super) name: &'t str,
    /// Behind its `>`; of one that has none, behind the last thing that belongs to it.
    pub(super) end: usize,
    /// Attributes with a value.
    pub(super) values: usize,
    /// Attributes without.
    pub(super) bare: usize,
    /// `<name/>`.
    pub(super) is_closed: bool,
    /// It has its `>`.
    pub(super) is_ended: bool,
    /// Every quote has its fellow.
    pub(super) is_sound: bool,
}

impl<'t> Tag<'t> {
    /// The tag that the `<` at this offset begins, if it looks like one.
    pub(super) fn at(text: &'t str, at: usize, ahead: &mut Ahead<'t>) -> Option<Self> {
        let name = name_at(text, at + 1);
        let mut tag = Self {
            name,
            end: at + 1 + name.len(),
            values: 0,
            bare: 0,
            is_closed: false,
            is_ended: false,
            is_sound: true,
        };
        let after = text.as_bytes().get(tag.end);
        let is_name = !name.is_empty()
            && !name.ends_with([':', '-'])
            && after.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        if is_name {
            tag.attributes(text, ahead);
        }
        is_name.then_some(tag)
    }

    fn attributes(&mut self, text: &'t str, ahead: &mut Ahead<'t>) {
        let bytes = text.as_bytes();
        let skip = |from: usize, is_part: &dyn Fn(u8) -> bool| {
            from + bytes.get(from..).unwrap_or_default().iter().take_while(|byte| is_part(**byte)).count()
        };
        let mut at = self.end;
        loop {
            at = skip(at, &|byte| byte.is_ascii_whitespace() || byte == b'/');
            match bytes.get(at) {
                // Cut off, or another tag begins inside: what has a value belongs to it.
                None | Some(b'<') => {
                    self.is_sound = false;
                    return;
                }
                Some(b'>') => {
                    self.is_closed = bytes[at - 1] == b'/';
                    self.is_ended = true;
                    self.end = at + 1;
                    return;
                }
                Some(_) => {}
            }
            let start = at;
            at = skip(at, &|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'=' | b'<'));
            let equals = skip(at, &|byte| byte.is_ascii_whitespace());
            if bytes.get(equals) != Some(&b'=') {
                self.bare += 1;
                continue;
            }
            if start == at {
                // `a <= b` is no tag.
                self.bare += 1;
                at = equals + 1;
                continue;
            }
            self.values += 1;
            let value = skip(equals + 1, &|byte| byte.is_ascii_whitespace());
            let Some(end) = self.value(text, value, ahead) else { return };
            (at, self.end) = (end, end);
        }
    }

    /// Where the value at this offset ends; `None` where a quote has no fellow: then the tag ends at the first `>`, as far as there is one.
    fn value(&mut self, text: &'t str, at: usize, ahead: &mut Ahead<'t>) -> Option<usize> {
        let bytes = text.as_bytes();
        let Some(quote @ (b'"' | b'\'')) = bytes.get(at).copied() else {
            let rest = bytes.get(at..).unwrap_or_default();
            let is_part = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(**byte, b'>' | b'<');
            return Some(at + rest.iter().take_while(is_part).count());
        };
        let close = ahead.quote(quote, at + 1);
        let is_plain = |end: usize| bytes[at + 1..end].iter().all(|byte| !matches!(byte, b'<' | b'>'));
        let is_value_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
        if let Some(close) = close
            && (bytes.get(close + 1).is_none_or(is_value_end) || is_plain(close))
        {
            return Some(close + 1);
        }
        self.is_sound = false;
        if let Some(end) = ahead.tag_end(at) {
            self.is_ended = true;
            self.end = end + 1;
        } else if memchr(b'<', &bytes[at..]).is_none() {
            // The text ends inside the value.
            self.end = bytes.len();
        }
        None
    }
}
