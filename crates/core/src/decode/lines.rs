//! Text and line ranges in step: one reader per family of charsets.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::legacy::CodePage;

/// One line of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// First byte of the line in the decoded text.
    pub text_start: usize,
    /// One past its last text byte, terminator excluded.
    pub text_end: usize,
    /// First input byte (a byte order mark belongs to the first line).
    pub byte_start: usize,
    /// One past the last input byte, terminator (LF, CRLF or lone CR) included.
    pub byte_end: usize,
}

type Read<'a> = (Cow<'a, str>, Vec<Line>, u32);

/// `start..end` of each line of ASCII-compatible bytes, and the length of its terminator.
struct Splitter<'a> {
    bytes: &'a [u8],
    ends: memchr::Memchr2<'a>,
    start: usize,
}

impl<'a> Splitter<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ends: memchr::memchr2_iter(b'\n', b'\r', bytes), start: 0 }
    }
}

impl Iterator for Splitter<'_> {
    type Item = (usize, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start;
        if start >= self.bytes.len() {
            return None;
        }
        let Some(at) = self.ends.next() else {
            self.start = self.bytes.len();
            return Some((start, self.bytes.len(), 0));
        };
        let is_crlf = self.bytes[at] == b'\r' && self.bytes.get(at + 1) == Some(&b'\n');
        if is_crlf {
            self.ends.next();
        }
        let terminator = if is_crlf { 2 } else { 1 };
        self.start = at + terminator;
        Some((start, at + terminator, terminator))
    }
}

/// UTF-8 that may hold bad sequences, after its byte order mark.
pub(super) fn read_utf8(bytes: &[u8], bom_bytes: usize) -> Read<'_> {
    let rest = &bytes[bom_bytes..];
    if let Ok(text) = simdutf8::basic::from_utf8(rest) {
        return of_clean(text, bom_bytes);
    }
    let (text, replaced) = replace_bad(rest);
    // Replacing never touches a line terminator, so text and input have the same lines.
    let pairs = Splitter::new(text.as_bytes()).zip(Splitter::new(rest));
    let mut lines: Vec<_> = pairs
        .map(|((start, end, terminator), (byte_start, byte_end, _))| Line {
            text_start: start,
            text_end: end - terminator,
            byte_start: byte_start + bom_bytes,
            byte_end: byte_end + bom_bytes,
        })
        .collect();
    give_mark_to_first(&mut lines);
    (Cow::Owned(text), lines, replaced)
}

/// Text that stands in the input as it is, after a byte order mark of so many bytes.
pub(super) fn of_clean(text: &str, bom_bytes: usize) -> Read<'_> {
    let mut lines = Vec::with_capacity(64);
    lines.extend(Splitter::new(text.as_bytes()).map(|(start, end, terminator)| Line {
        text_start: start,
        text_end: end - terminator,
        byte_start: start + bom_bytes,
        byte_end: end + bom_bytes,
    }));
    give_mark_to_first(&mut lines);
    (Cow::Borrowed(text), lines, 0)
}

fn give_mark_to_first(lines: &mut [Line]) {
    if let Some(first) = lines.first_mut() {
        first.byte_start = 0;
    }
}

fn replace_bad(bytes: &[u8]) -> (String, u32) {
    let mut text = String::with_capacity(bytes.len() + 16);
    let mut replaced = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push('\u{FFFD}');
            replaced += 1;
        }
    }
    (text, replaced)
}

/// UTF-16: lone surrogates and a last odd byte become U+FFFD.
pub(super) fn read_utf16(bytes: &[u8], big_endian: bool, bom_bytes: usize) -> Read<'static> {
    let pairs = bytes[bom_bytes..].chunks_exact(2);
    let has_odd_byte = !pairs.remainder().is_empty();
    let units = pairs.map(|pair| {
        let pair = [pair[0], pair[1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    let mut text = String::with_capacity(bytes.len());
    let (mut lines, mut replaced) = (Vec::with_capacity(32), 0);
    let (mut text_start, mut byte_start, mut byte_at) = (0, 0, bom_bytes);
    let mut chars = char::decode_utf16(units).peekable();
    while let Some(unit) = chars.next() {
        replaced += u32::from(unit.is_err());
        let c = unit.unwrap_or('\u{FFFD}');
        let text_end = text.len();
        text.push(c);
        byte_at += 2 * c.len_utf16();
        if c == '\r' && chars.peek().is_some_and(|next| matches!(next, Ok('\n'))) {
            text.push('\n');
            byte_at += 2;
            chars.next();
        }
        if matches!(c, '\n' | '\r') {
            lines.push(Line { text_start, text_end, byte_start, byte_end: byte_at });
            (text_start, byte_start) = (text.len(), byte_at);
        }
    }
    if has_odd_byte {
        text.push('\u{FFFD}');
        replaced += 1;
    }
    if byte_start < bytes.len() {
        lines.push(Line { text_start, text_end: text.len(), byte_start, byte_end: bytes.len() });
    }
    (Cow::Owned(text), lines, replaced)
}

/// Any other WHATWG charset: one decoder, fed line by line, so that its state and its replacements stay with their lines.
pub(super) fn read_whatwg(bytes: &[u8], encoding: &'static Encoding) -> Read<'static> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len() * 2);
    let mut lines = Vec::with_capacity(32);
    for (byte_start, byte_end, _) in Splitter::new(bytes) {
        let text_start = text.len();
        let mut rest = &bytes[byte_start..byte_end];
        let last = byte_end == bytes.len();
        loop {
            text.reserve(decoder.max_utf8_buffer_length(rest.len()).unwrap_or(rest.len() * 3 + 16));
            let (result, read, _) = decoder.decode_to_string(rest, &mut text, last);
            rest = &rest[read..];
            match result {
                encoding_rs::CoderResult::InputEmpty => break,
                encoding_rs::CoderResult::OutputFull => {}
            }
        }
        let text_end = text_start + text[text_start..].trim_end_matches(['\r', '\n']).len();
        lines.push(Line { text_start, text_end, byte_start, byte_end });
    }
    let replaced = memchr::memmem::find_iter(text.as_bytes(), "\u{FFFD}").count();
    (Cow::Owned(text), lines, u32::try_from(replaced).unwrap_or(u32::MAX))
}

/// A code page of our own: one byte, one character.
pub(super) fn read_legacy(bytes: &[u8], page: &CodePage) -> Read<'static> {
    let high: Vec<char> = page.high.chars().collect();
    let mut text = String::with_capacity(bytes.len() * 2);
    let (mut lines, mut replaced) = (Vec::with_capacity(32), 0);
    for (byte_start, byte_end, terminator) in Splitter::new(bytes) {
        let text_start = text.len();
        for byte in &bytes[byte_start..byte_end] {
            let c = match byte.checked_sub(0x80) {
                None => char::from(*byte),
                Some(index) => high.get(usize::from(index)).copied().unwrap_or('\u{FFFD}'),
            };
            replaced += u32::from(c == '\u{FFFD}');
            text.push(c);
        }
        lines.push(Line { text_start, text_end: text.len() - terminator, byte_start, byte_end });
    }
    (Cow::Owned(text), lines, replaced)
}
