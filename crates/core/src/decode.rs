//! Input bytes to text and lines, in any charset, without losing sight of the input bytes.
//!
//! Order: empty, known magic number, byte order mark, UTF-16 by its zero bytes, UTF-8, declared charset, statistics. UTF-8 wins over a
//! declared charset, because bytes that happen to be valid UTF-8 beyond a few characters *are* UTF-8, and servers label it wrongly.
//! A document of which most non-ASCII characters are valid UTF-8 stays UTF-8: each bad sequence costs one U+FFFD, never the page.
//! A zero byte that is no half of UTF-16 costs itself: it is taken out and noted.
//!
//! Lines are found in the input (code units for UTF-16), so that their byte ranges tile the input whatever the charset:
//! no charset read here uses 0x0A or 0x0D inside a character. Stateful ISO-2022-JP is decoded by one decoder fed line by line.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::{CharsetSource, Note};
use crate::repair;

mod charset;
mod legacy;
mod lines;
mod nul;
#[cfg(test)]
mod tests;

use charset::Reading;
pub use lines::Line;

/// The text of one document, and the way back to its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<'a> {
    /// The whole text without a byte order mark; borrowed from the input when that is clean UTF-8.
    pub text: Cow<'a, str>,
    /// The charset the bytes were read as: its WHATWG name in lower case, or `x-mac-arabic`, `ibm720`, `ibm864`.
    pub charset: &'static str,
    /// How that was found.
    pub charset_source: CharsetSource,
    /// Byte sequences that were no text and cost one U+FFFD each.
    pub replaced: u32,
    /// Every line, in order; their byte ranges tile the input. Never empty.
    pub lines: Vec<Line>,
    /// Lines whose text was changed (`mojibake_repaired`, `nul_removed`), in order.
    pub notes: Vec<Note>,
    /// How text offsets inside a line map back to input bytes.
    units: Units,
}

/// What one character of text took in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    /// As many bytes as in the text, unless something in the line was replaced.
    Utf8,
    /// One byte.
    SingleByte,
    /// One or two pairs of bytes.
    Utf16,
    /// Unknown without decoding again (the East Asian charsets).
    Varying,
}

impl Decoded<'_> {
    /// Input byte offset of a text offset (both 0-based; `text.len()` maps to the input's length).
    ///
    /// Exact in UTF-8, UTF-16 and single-byte charsets. In multi-byte East Asian charsets, and in lines that were repaired or
    /// hold replaced UTF-8 bytes, every offset inside the line maps to the line's first byte.
    pub fn input_offset(&self, text_offset: usize) -> usize {
        match self.line_at(text_offset) {
            None => self.lines.last().map_or(0, |line| line.byte_end),
            Some((index, line)) => self.offset_in_line(index, line, text_offset).unwrap_or(line.byte_start),
        }
    }

    /// Input byte range of a text range: exact where [`Self::input_offset`] is, otherwise widened to whole lines.
    pub fn input_range(&self, text: Range<usize>) -> Range<usize> {
        let start = self.input_offset(text.start);
        let end = match self.line_at(text.end.saturating_sub(1).max(text.start)) {
            None => self.input_offset(text.end),
            Some((index, line)) => self.offset_in_line(index, line, text.end).unwrap_or(line.byte_end),
        };
        start..end.max(start)
    }

    /// The text of one line, without its terminator.
    pub fn line_text(&self, line: &Line) -> &str {
        self.text.get(line.text_start..line.text_end).unwrap_or_default()
    }

    fn line_at(&self, text_offset: usize) -> Option<(usize, &Line)> {
        if text_offset >= self.text.len() {
            return None;
        }
        let index = self.lines.partition_point(|line| line.text_start <= text_offset).checked_sub(1)?;
        self.lines.get(index).map(|line| (index, line))
    }

    /// Exact input offset inside a line, where the charset allows it.
    fn offset_in_line(&self, index: usize, line: &Line, text_offset: usize) -> Option<usize> {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        if self.notes.binary_search_by_key(&number, |note| note.line).is_ok() {
            return None;
        }
        let before = self.text.get(line.text_start..text_offset)?;
        let text_next = self.lines.get(index + 1).map_or(self.text.len(), |next| next.text_start);
        let mark = if index == 0 { self.bom_bytes() } else { 0 };
        let width = match self.units {
            Units::Utf8 if line.byte_end - line.byte_start - mark == text_next - line.text_start => {
                before.len()
            }
            Units::Utf8 | Units::Varying => return None,
            Units::SingleByte => before.chars().count(),
            Units::Utf16 => 2 * before.encode_utf16().count(),
        };
        Some((line.byte_start + mark + width).min(line.byte_end))
    }

    fn bom_bytes(&self) -> usize {
        match self.units {
            Units::Utf8 if self.charset_source == CharsetSource::Bom => 3,
            Units::Utf16 if self.charset_source == CharsetSource::Bom => 2,
            Units::Utf8 | Units::Utf16 | Units::SingleByte | Units::Varying => 0,
        }
    }
}

/// Why bytes are no document. Trying the same bytes again gives the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Nothing arrived.
    #[error(
        "decoding a document failed: it has 0 bytes; do not retry; hint: look at the fetch, an empty file was delivered"
    )]
    Empty,
    /// Not a text format.
    #[error(
        "decoding a document failed: it is binary ({what}); do not retry; hint: deliver the text of the page, not the file"
    )]
    Binary {
        /// The format the bytes announce, or what gave them away.
        what: &'static str,
    },
    /// Text without a letter, digit or sign.
    #[error(
        "decoding a document failed: {bytes} bytes hold nothing but white space; do not retry; hint: the extractor found no text"
    )]
    NoText {
        /// Length of the input.
        bytes: usize,
    },
    /// No charset reads these bytes as text.
    #[error(
        "decoding a document failed: not text in {charset}, the best charset found; do not retry; hint: declare the charset or convert to UTF-8"
    )]
    Charset {
        /// The charset that came closest.
        charset: &'static str,
    },
}

impl Undecodable {
    /// Stable reason code: `empty`, `binary`, `no_text` or `undecodable`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Binary { .. } => "binary",
            Self::NoText { .. } => "no_text",
            Self::Charset { .. } => "undecodable",
        }
    }
}

/// Reads the bytes of one document. `declared` is the charset label the deliverer gave (HTTP header, XML declaration), if any.
///
/// # Errors
/// [`Undecodable`] when the bytes are empty, binary, blank, or in no charset known here. UTF-32, EBCDIC and punched-tape codes are
/// not read; Mac Arabic, IBM 720 and IBM 864 are read when declared, but never guessed.
pub fn decode<'a>(bytes: &'a [u8], declared: Option<&str>) -> Result<Decoded<'a>, Undecodable> {
    if bytes.is_empty() {
        return Err(Undecodable::Empty);
    }
    let (reading, charset_source) = charset::choose(bytes, declared)?;
    let mut decoded = read(bytes, &reading, charset_source);
    if decoded.text.chars().all(is_blank) {
        return Err(Undecodable::NoText { bytes: bytes.len() });
    }
    if decoded.replaced > 0 && too_damaged(&decoded) {
        return Err(Undecodable::Charset { charset: decoded.charset });
    }
    nul::remove(&mut decoded.text, &mut decoded.lines, &mut decoded.notes);
    repair::repair_document(&mut decoded.text, &mut decoded.lines, &mut decoded.notes);
    decoded.notes.sort_by_key(|note| note.line);
    Ok(decoded)
}

fn read<'a>(bytes: &'a [u8], reading: &Reading<'a>, charset_source: CharsetSource) -> Decoded<'a> {
    let (units, charset) = (reading.units(), reading.name());
    let (text, lines, replaced) = match reading {
        Reading::Clean(text) => lines::of_clean(text, 0),
        Reading::Utf8 { bom_bytes } => lines::read_utf8(bytes, *bom_bytes),
        Reading::Utf16 { big_endian, bom_bytes } => lines::read_utf16(bytes, *big_endian, *bom_bytes),
        Reading::Whatwg(encoding) => lines::read_whatwg(bytes, encoding),
        Reading::Legacy(page) => lines::read_legacy(bytes, page),
    };
    Decoded { text, charset, charset_source, replaced, lines, notes: Vec::new(), units }
}

/// White space, controls, and characters that show nothing.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{FEFF}' | '\u{FFFD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}')
}

/// More than one character in five is no text: the charset is wrong, whatever the statistics said.
fn too_damaged(decoded: &Decoded<'_>) -> bool {
    decoded.replaced as usize * 5 > decoded.text.chars().count()
}
