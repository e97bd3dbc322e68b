//! Bytes to text. Order: byte order mark, zero bytes (UTF-16 and UTF-32), UTF-8 where the bytes are UTF-8 or nearly so, the document's own
//! declaration, the HTTP header, statistics. What is UTF-8 is borrowed; one bad byte costs one character, never the feed.

use std::borrow::Cow;

use barid_core::CharsetSource;
use encoding_rs::Encoding;
use memchr::memchr;

use crate::error::NotAFeed;
use crate::fault::{Fault, Faults};
use crate::surrogates;

/// How far a declaration may stand from the start; PHP warnings and licences come before it.
const DECLARATION_BYTES: usize = 4096;

/// A document as text.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Label of the charset, lower case.
    pub(crate) charset: String,
}

/// Reads the bytes as text.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    faults: &mut Faults,
) -> Result<Text<'a>, NotAFeed> {
    let mut decoded = match marked(bytes, faults) {
        Some(text) => text,
        None => unmarked(bytes, content_type, faults)?,
    };
    drop_controls(&mut decoded.text, faults);
    Ok(decoded)
}

/// Documents that say by their first bytes what they are.
fn marked<'a>(bytes: &'a [u8], faults: &mut Faults) -> Option<Text<'a>> {
    let (wide, rest) = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return Some(utf8(rest, faults)),
        [0, 0, 0xFE, 0xFF, rest @ ..] => (Wide::Four(true), rest),
        [0xFF, 0xFE, 0, 0, rest @ ..] => (Wide::Four(false), rest),
        [0xFE, 0xFF, rest @ ..] => (Wide::Two(true), rest),
        [0xFF, 0xFE, rest @ ..] => (Wide::Two(false), rest),
        [0, 0, 0, b'<' | b'\n' | b' ', ..] => (Wide::Four(true), bytes),
        [b'<' | b'\n' | b' ', 0, 0, 0, ..] => (Wide::Four(false), bytes),
        [0, b'<' | b'{' | b'\n' | b' ', 0, ..] => (Wide::Two(true), bytes),
        [b'<' | b'{' | b'\n' | b' ', 0, _, 0, ..] => (Wide::Two(false), bytes),
        _ => return None,
    };
    // A lone mark in front of text of another kind.
    if !wide.is_plausible(rest) {
        return (rest.len() < bytes.len() && simdutf8::basic::from_utf8(rest).is_ok())
            .then(|| utf8(rest, faults));
    }
    let (text, bad) = wide.read(rest);
    faults.add(Fault::BadByte, bad);
    Some(Text { text: Cow::Owned(text), charset: wide.name().to_owned() })
}

/// Units of more than one byte; `true` is big-endian.
#[derive(Debug, Clone, Copy)]
enum Wide {
    Two(bool),
    Four(bool),
}

impl Wide {
    fn name(self) -> &'static str {
        match self {
            Self::Two(true) => "utf-16be",
            Self::Two(false) => "utf-16le",
            Self::Four(true) => "utf-32be",
            Self::Four(false) => "utf-32le",
        }
    }

    /// Markup is ASCII, so a zero byte must be near.
    fn is_plausible(self, bytes: &[u8]) -> bool {
        memchr(0, &bytes[..bytes.len().min(64)]).is_some()
    }

    fn read(self, bytes: &[u8]) -> (String, u64) {
        let mut bad = 0;
        let text = match self {
            Self::Two(big) => {
                let units = bytes.chunks(2).map(|pair| match *pair {
                    [a, b] if big => u16::from_be_bytes([a, b]),
                    [a, b] => u16::from_le_bytes([a, b]),
                    _ => 0xDC00,
                });
                char::decode_utf16(units).map(|unit| unit.unwrap_or_else(|_| replaced(&mut bad))).collect()
            }
            Self::Four(big) => {
                let units = bytes.chunks(4).map(|four| match *four {
                    [a, b, c, d] if big => u32::from_be_bytes([a, b, c, d]),
                    [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
                    _ => u32::MAX,
                });
                units.map(|unit| char::from_u32(unit).unwrap_or_else(|| replaced(&mut bad))).collect()
            }
        };
        (text, bad)
    }
}

fn replaced(count: &mut u64) -> char {
    *count += 1;
    '\u{FFFD}'
}

/// UTF-8; each bad sequence becomes one U+FFFD.
fn utf8<'a>(bytes: &'a [u8], faults: &mut Faults) -> Text<'a> {
    let charset = "utf-8".to_owned();
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Text { text: Cow::Borrowed(text), charset };
    }
    let fixed = surrogates::from_cesu8(bytes, faults);
    let bytes = fixed.as_deref().unwrap_or(bytes);
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push('\u{FFFD}');
            faults.note(Fault::BadByte);
        }
    }
    Text { text: Cow::Owned(text), charset }
}

fn unmarked<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    faults: &mut Faults,
) -> Result<Text<'a>, NotAFeed> {
    // Mac Arabic has its signs twice, and some write `<?` with those of the upper half.
    let own = if bytes.starts_with(b"\xBC\xBFxml") || bytes.starts_with(b"\xBC?xml") {
        Some("x-mac-arabic")
    } else {
        declared_charset(&bytes[..bytes.len().min(DECLARATION_BYTES)])
    };
    let header = content_type.and_then(charset_of_header);
    let declared = own.or(header);
    let declared_utf8 = declared.is_none_or(|label| for_label(label) == Some(encoding_rs::UTF_8));
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        if let Some(text) = seven_bit(bytes, declared) {
            return Ok(text);
        }
        let is_ascii = text.is_ascii();
        if !is_ascii && !declared_utf8 {
            faults.note(Fault::WrongEncoding);
        }
        let label =
            declared.filter(|_| is_ascii).and_then(for_label).filter(|known| known.is_ascii_compatible());
        let charset = label.map_or_else(|| "utf-8".to_owned(), |known| known.name().to_ascii_lowercase());
        return Ok(Text { text: Cow::Borrowed(text), charset });
    }
    let is_nearly = |bytes: &[u8]| {
        is_nearly_utf8(bytes, declared_utf8)
            || surrogates::from_cesu8(bytes, &mut Faults::default()).is_some_and(|fixed| {
                simdutf8::basic::from_utf8(&fixed).is_ok() || is_nearly_utf8(&fixed, declared_utf8)
            })
    };
    if is_nearly(bytes) {
        if !declared_utf8 {
            faults.note(Fault::WrongEncoding);
        }
        return Ok(utf8(bytes, faults));
    }
    legacy(bytes, own, header, declared_utf8, faults)
}

/// Everything that is not Unicode: core knows the charsets and their statistics.
fn legacy<'a>(
    bytes: &'a [u8],
    own: Option<&str>,
    header: Option<&str>,
    declared_utf8: bool,
    faults: &mut Faults,
) -> Result<Text<'a>, NotAFeed> {
    let read = |label: Option<&str>| {
        let known = label.and_then(alias).map(Encoding::name);
        barid_core::decode(bytes, known.or(label))
    };
    let mut decoded = read(own.or(header));
    if let (Some(_), Some(header), Ok(first)) = (own, header, &decoded)
        && first.charset_source != CharsetSource::Declared
        && let Ok(second) = read(Some(header))
        && second.charset_source == CharsetSource::Declared
    {
        faults.note(Fault::WrongEncoding);
        decoded = Ok(second);
    }
    // Latin-1 is what servers say when nobody set anything, so statistics overrule it, but only with another script.
    let said = own.or(header).and_then(for_label);
    if let (Ok(guess), Some(said)) = (&decoded, said)
        && said == encoding_rs::WINDOWS_1252
        && is_latin(guess.charset)
    {
        let (text, _) = said.decode_without_bom_handling(bytes);
        return Ok(Text { text, charset: said.name().to_ascii_lowercase() });
    }
    match decoded {
        Ok(decoded) => {
            faults.add(Fault::BadByte, u64::from(decoded.replaced));
            let said = own.or(header);
            let agrees = said
                .and_then(for_label)
                .is_some_and(|known| known.name().eq_ignore_ascii_case(decoded.charset));
            if decoded.charset_source != CharsetSource::Declared
                && (said.is_some() || declared_utf8)
                && !agrees
            {
                faults.note(Fault::WrongEncoding);
            }
            faults.add(Fault::DoubleEncoded, decoded.notes.len() as u64);
            Ok(Text { text: Cow::Owned(decoded.text.into_owned()), charset: decoded.charset.to_owned() })
        }
        Err(barid_core::Undecodable::Empty | barid_core::Undecodable::NoText { .. }) => Err(NotAFeed::Empty),
        Err(barid_core::Undecodable::Binary { what }) if what != "control characters" => {
            Err(NotAFeed::Binary { what })
        }
        // Damaged beyond what statistics can read: the markup is ASCII, so the entries can still be had.
        Err(barid_core::Undecodable::Binary { .. } | barid_core::Undecodable::Charset { .. }) => {
            Ok(utf8(bytes, faults))
        }
    }
}

/// Charsets of languages written in Latin letters, which statistics confuse.
fn is_latin(charset: &str) -> bool {
    matches!(
        charset,
        "windows-1250"
            | "windows-1252"
            | "windows-1254"
            | "windows-1257"
            | "windows-1258"
            | "iso-8859-2"
            | "iso-8859-3"
            | "iso-8859-4"
            | "iso-8859-10"
            | "iso-8859-13"
            | "iso-8859-14"
            | "iso-8859-15"
            | "iso-8859-16"
            | "macintosh"
    )
}

/// Charsets that look like ASCII and are not.
fn seven_bit<'a>(bytes: &'a [u8], declared: Option<&str>) -> Option<Text<'a>> {
    memchr(0x1B, bytes)?;
    let known = declared.and_then(for_label).unwrap_or(encoding_rs::ISO_2022_JP);
    if known != encoding_rs::ISO_2022_JP {
        return None;
    }
    let (text, has_errors) = known.decode_without_bom_handling(bytes);
    (!has_errors).then(|| Text { text, charset: known.name().to_ascii_lowercase() })
}

/// UTF-8 with a few bad bytes. Where another charset is declared, the evidence must be four times as good.
fn is_nearly_utf8(bytes: &[u8], declared_utf8: bool) -> bool {
    let (mut good, mut bad) = (0_u64, 0_u64);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count() as u64;
        bad += u64::from(!chunk.invalid().is_empty());
    }
    if declared_utf8 { good >= 2 * bad } else { good >= 8 * bad }
}

/// The charset named in `<?xml ... encoding="..."?>`.
fn declared_charset(start: &[u8]) -> Option<&str> {
    let at = memchr::memmem::find(start, b"<?xml")?;
    let declaration = &start[at..];
    let declaration = &declaration[..memchr(b'>', declaration).unwrap_or(declaration.len())];
    let at = memchr::memmem::find(declaration, b"encoding")?;
    let text = std::str::from_utf8(declaration.get(at + 8..)?).ok()?;
    let value = text.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next().map(str::trim).filter(|label| !label.is_empty())
}

/// The `charset` parameter of a `Content-Type` header.
fn charset_of_header(header: &str) -> Option<&str> {
    header.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// Names of charsets that are in use without being in the WHATWG's list.
fn alias(label: &str) -> Option<&'static Encoding> {
    let plain: String =
        label.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let number = plain
        .strip_prefix("cp")
        .or_else(|| plain.strip_prefix("windows"))
        .or_else(|| plain.strip_prefix("win"));
    let known = match (plain.as_str(), number) {
        (_, Some("932")) => encoding_rs::SHIFT_JIS,
        (_, Some("936")) => encoding_rs::GBK,
        (_, Some("949")) => encoding_rs::EUC_KR,
        (_, Some("950")) => encoding_rs::BIG5,
        (_, Some("65001")) | ("utf8mb4", _) => encoding_rs::UTF_8,
        (_, Some(number)) => Encoding::for_label(format!("windows-{number}").as_bytes())?,
        ("arabicwindows", _) => encoding_rs::WINDOWS_1256,
        ("maccyrillic", _) => encoding_rs::X_MAC_CYRILLIC,
        ("macroman", _) => encoding_rs::MACINTOSH,
        ("gb2312" | "eucgb2312cn" | "euccn", _) => encoding_rs::GBK,
        _ => return None,
    };
    Some(known)
}

fn for_label(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.trim().as_bytes()).or_else(|| alias(label))
}

/// Drops NUL and the controls XML forbids; a healthy document is only looked through.
fn drop_controls(text: &mut Cow<'_, str>, faults: &mut Faults) {
    let is_bad = |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let has_bad = text.as_bytes().chunks(4096).any(|chunk| {
        // Without an early end, so that the compiler makes wide instructions of it.
        chunk
            .iter()
            .fold(false, |any, byte| any | ((*byte < 0x20) & (*byte != 9) & (*byte != 10) & (*byte != 13)))
    });
    if !has_bad {
        return;
    }
    let (mut nul, mut other) = (0, 0);
    text.to_mut().retain(|c| {
        let bad = c.is_ascii() && is_bad(c as u8);
        nul += u64::from(c == '\0');
        other += u64::from(bad && c != '\0');
        !bad
    });
    faults.add(Fault::NulByte, nul);
    faults.add(Fault::ControlChar, other);
}
