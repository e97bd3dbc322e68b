//! Which charset the bytes are in: marks first, then what UTF-8 rules out, then what was declared, then statistics.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::Encoding;

use super::legacy::{self, CodePage};
use super::{Undecodable, Units};
use crate::model::CharsetSource;

/// Longer documents are not read twice to find their charset.
const SAMPLE_BYTES: usize = 64 * 1024;
/// Trying every charset costs some 50 ns a byte; two thousand words are enough.
const GUESS_BYTES: usize = 16 * 1024;
/// Controls are counted in the first bytes only: binary formats show theirs early.
const CONTROL_SAMPLE_BYTES: usize = 4096;

/// How to read the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading<'a> {
    /// UTF-8 without a mark or a fault, checked.
    Clean(&'a str),
    Utf8 {
        bom_bytes: usize,
    },
    Utf16 {
        big_endian: bool,
        bom_bytes: usize,
    },
    Whatwg(&'static Encoding),
    Legacy(&'static CodePage),
}

impl Reading<'_> {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Clean(_) | Self::Utf8 { .. } => "utf-8",
            Self::Utf16 { big_endian: true, .. } => "utf-16be",
            Self::Utf16 { big_endian: false, .. } => "utf-16le",
            Self::Whatwg(encoding) => lower_name(encoding),
            Self::Legacy(page) => page.name,
        }
    }

    pub(super) fn units(self) -> Units {
        match self {
            Self::Clean(_) | Self::Utf8 { .. } => Units::Utf8,
            Self::Utf16 { .. } => Units::Utf16,
            Self::Whatwg(encoding) if encoding.is_single_byte() => Units::SingleByte,
            Self::Whatwg(_) => Units::Varying,
            Self::Legacy(_) => Units::SingleByte,
        }
    }
}

/// Decides; see the module docs of `decode` for the order.
pub(super) fn choose<'a>(
    bytes: &'a [u8],
    declared: Option<&str>,
) -> Result<(Reading<'a>, CharsetSource), Undecodable> {
    if let Some(what) = magic(bytes) {
        return Err(Undecodable::Binary { what });
    }
    if let Some(reading) = byte_order_mark(bytes)? {
        return Ok((reading, CharsetSource::Bom));
    }
    let declared = declared.and_then(reading_of_label);
    let filled = without_padding(bytes);
    let zeros = memchr::memchr(0, filled).is_some();
    if zeros && let Some(reading) = utf16_by_zero_bytes(filled) {
        return Ok((reading, CharsetSource::Detected));
    }
    if control_share_is_binary(filled, zeros) && !(zeros && is_text_with_stray_zeros(filled)) {
        return Err(Undecodable::Binary { what: "control characters" });
    }
    if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
        return Ok(seven_bit(bytes).unwrap_or((Reading::Clean(text), CharsetSource::Utf8)));
    }
    if mostly_utf8(bytes, declared.is_some()) {
        return Ok((Reading::Utf8 { bom_bytes: 0 }, CharsetSource::Utf8));
    }
    if let Some(reading) = declared.filter(|reading| declared_fits(bytes, *reading)) {
        return Ok((reading, CharsetSource::Declared));
    }
    Ok((Reading::Whatwg(guess(bytes)), CharsetSource::Detected))
}

/// Formats that scrapers deliver by mistake, by their first bytes.
fn magic(bytes: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 16] = [
        (b"%PDF-", "PDF"),
        (b"\x1F\x8B", "gzip"),
        (b"PK\x03\x04", "ZIP or Office"),
        (b"\x89PNG\r\n", "PNG"),
        (b"\xFF\xD8\xFF", "JPEG"),
        (b"GIF87a", "GIF"),
        (b"GIF89a", "GIF"),
        (b"RIFF", "RIFF"),
        (b"\x7FELF", "ELF"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
        (b"\xFD7zXZ\x00", "xz"),
        (b"BZh91AY", "bzip2"),
        (b"7z\xBC\xAF\x27\x1C", "7z"),
        (b"Rar!\x1A\x07", "RAR"),
        (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "old Office"),
        (b"SQLite format 3\x00", "SQLite"),
    ];
    let hit = MAGIC.iter().find(|(start, _)| bytes.starts_with(start))?;
    // "RIFF" alone could begin a text; the container has binary lengths right after it.
    (hit.1 != "RIFF" || bytes.iter().take(16).any(|byte| *byte < 9)).then_some(hit.1)
}

fn byte_order_mark(bytes: &[u8]) -> Result<Option<Reading<'static>>, Undecodable> {
    if bytes.starts_with(b"\xFF\xFE\x00\x00") || bytes.starts_with(b"\x00\x00\xFE\xFF") {
        return Err(Undecodable::Charset { charset: "utf-32" });
    }
    Ok(match bytes {
        [0xEF, 0xBB, 0xBF, ..] => Some(Reading::Utf8 { bom_bytes: 3 }),
        [0xFF, 0xFE, ..] => Some(Reading::Utf16 { big_endian: false, bom_bytes: 2 }),
        [0xFE, 0xFF, ..] => Some(Reading::Utf16 { big_endian: true, bom_bytes: 2 }),
        _ => None,
    })
}

/// The bytes without the run of zeros that a disk or a tape left at their end.
fn without_padding(bytes: &[u8]) -> &[u8] {
    const SHORTEST: usize = 4;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if end > 0 && bytes.len() - end >= SHORTEST { &bytes[..end] } else { bytes }
}

/// UTF-8 that is text but for its zero bytes, which are few: at most one in twenty, or four.
fn is_text_with_stray_zeros(bytes: &[u8]) -> bool {
    let sample = &bytes[..bytes.len().min(CONTROL_SAMPLE_BYTES)];
    let zeros = memchr::memchr_iter(0, sample).count();
    let controls = sample.iter().filter(|byte| is_binary_control(**byte)).count() - zeros;
    (zeros * 20 <= sample.len() || zeros <= 4 && zeros * 3 <= sample.len())
        && controls * 50 <= sample.len()
        && simdutf8::basic::from_utf8(bytes).is_ok()
}

/// A control that no text holds.
fn is_binary_control(byte: u8) -> bool {
    (byte < 0x20) & !matches!(byte, 9..=13 | 0x1B)
}

/// UTF-16 text shows its spaces, digits and line ends as zero bytes that all stand on the same side of the pair, and read as such
/// it has (nearly) no controls and no lone surrogates.
fn utf16_by_zero_bytes(bytes: &[u8]) -> Option<Reading<'static>> {
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES) & !1];
    let (mut even, mut odd) = (0_usize, 0_usize);
    for pair in sample.chunks_exact(2) {
        even += usize::from(pair[0] == 0);
        odd += usize::from(pair[1] == 0);
    }
    let big_endian = even > odd;
    let (zeros, stray) = if big_endian { (even, odd) } else { (odd, even) };
    // At least one unit in fifty, and practically none on the other side.
    if zeros * 100 < sample.len() || stray * 50 > zeros {
        return None;
    }
    // In UTF-16 every space has its zero byte; a text of single bytes that lost a few characters to zeros has
    // more spaces without.
    let is_sparse = zeros * 8 < sample.len() || !sample.is_ascii();
    if bare_spaces(sample) > zeros || is_sparse && is_plain_text_between_zeros(sample) {
        return None;
    }
    let units = sample.chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    let bad = char::decode_utf16(units)
        .filter(|unit| !matches!(unit, Ok(c) if !c.is_control() || matches!(c, '\t' | '\n' | '\r')))
        .count();
    (bad * 50 <= sample.len() / 2).then_some(Reading::Utf16 { big_endian, bom_bytes: 0 })
}

/// Spaces and line ends whose pair has no zero byte.
fn bare_spaces(sample: &[u8]) -> usize {
    let is_bare = |pair: &&[u8]| !pair.contains(&0) && pair.iter().any(|byte| matches!(byte, b' ' | b'\n'));
    sample.chunks_exact(2).filter(is_bare).count()
}

/// What is left without the zeros is UTF-8 without controls. UTF-16 of most scripts has both bytes that are
/// none and controls.
fn is_plain_text_between_zeros(sample: &[u8]) -> bool {
    // The sample may end inside a character.
    let is_utf8 = match str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !sample.iter().any(|byte| *byte != 0 && is_binary_control(*byte))
}

/// C0 controls that no text holds, beyond 2 % of the first bytes (5 % where there is no zero byte).
fn control_share_is_binary(bytes: &[u8], zeros: bool) -> bool {
    let sample = &bytes[..bytes.len().min(CONTROL_SAMPLE_BYTES)];
    let controls: usize = sample
        .chunks(128)
        .map(|chunk| {
            let count: u8 = chunk.iter().map(|byte| u8::from(is_binary_control(*byte))).sum();
            usize::from(count)
        })
        .sum();
    controls * if zeros { 50 } else { 20 } > sample.len()
}

/// ISO-2022-JP is the one charset in use that hides in seven bits; its escape sequences give it away.
fn seven_bit(bytes: &[u8]) -> Option<(Reading<'static>, CharsetSource)> {
    let escape = memchr::memchr(0x1B, bytes)?;
    let rest = bytes.get(escape + 1..escape + 3)?;
    let is_japanese = matches!(rest, b"$@" | b"$B" | b"(J" | b"(I") && bytes.is_ascii();
    is_japanese.then_some((Reading::Whatwg(encoding_rs::ISO_2022_JP), CharsetSource::Detected))
}

/// Text in UTF-8 with some damage: at most one character in five is bad, and at least as many multi-byte characters are good; four
/// times as many where another charset was declared. In windows-125x text a pair of bytes that happens to be UTF-8 is rare (a letter
/// before a comma), in GBK or EUC-KR about one character in seven is.
fn mostly_utf8(bytes: &[u8], is_declared_otherwise: bool) -> bool {
    let (mut ascii, mut good, mut bad) = (0_usize, 0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        ascii += chunk.valid().bytes().filter(u8::is_ascii).count();
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    let good_for_each_bad = if is_declared_otherwise { 4 } else { 1 };
    good >= bad * good_for_each_bad && bad * 5 <= ascii + good + bad
}

fn reading_of_label(label: &str) -> Option<Reading<'static>> {
    let label = label.trim();
    if let Some(page) = legacy::for_label(label) {
        return Some(Reading::Legacy(page));
    }
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    if encoding == encoding_rs::UTF_8 {
        return None;
    }
    if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE {
        let big_endian = encoding == encoding_rs::UTF_16BE;
        return Some(Reading::Utf16 { big_endian, bom_bytes: 0 });
    }
    Some(Reading::Whatwg(encoding))
}

/// A declared charset is believed unless the bytes contradict it. Latin-1 contradicts nothing and is what servers say when nobody
/// set anything, so it never overrules the statistics.
fn declared_fits(bytes: &[u8], reading: Reading<'_>) -> bool {
    match reading {
        Reading::Clean(_) | Reading::Utf8 { .. } => false,
        Reading::Utf16 { .. } => bytes.len().is_multiple_of(2),
        Reading::Legacy(_) => true,
        Reading::Whatwg(encoding) if encoding == encoding_rs::WINDOWS_1252 => false,
        Reading::Whatwg(encoding) => {
            let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
            let (text, _) = encoding.decode_without_bom_handling(sample);
            let bad = text.chars().filter(|c| *c == '\u{FFFD}').count();
            let high = sample.iter().filter(|byte| **byte >= 0x80).count();
            bad * 20 <= high
        }
    }
}

/// Statistics over the first [`GUESS_BYTES`] from the first character beyond ASCII, which is where they begin to say something.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    let start = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0).saturating_sub(1);
    let sample = &bytes[start..bytes.len().min(start + GUESS_BYTES)];
    detector.feed(sample, start + sample.len() == bytes.len());
    detector.guess(None, Utf8Detection::Deny)
}

/// WHATWG names come in mixed case; records carry them in lower case.
fn lower_name(encoding: &'static Encoding) -> &'static str {
    const NAMES: [&str; 38] = [
        "utf-8",
        "ibm866",
        "iso-8859-2",
        "iso-8859-3",
        "iso-8859-4",
        "iso-8859-5",
        "iso-8859-6",
        "iso-8859-7",
        "iso-8859-8",
        "iso-8859-8-i",
        "iso-8859-10",
        "iso-8859-13",
        "iso-8859-14",
        "iso-8859-15",
        "iso-8859-16",
        "koi8-r",
        "koi8-u",
        "macintosh",
        "windows-874",
        "windows-1250",
        "windows-1251",
        "windows-1252",
        "windows-1253",
        "windows-1254",
        "windows-1255",
        "windows-1256",
        "windows-1257",
        "windows-1258",
        "x-mac-cyrillic",
        "gbk",
        "gb18030",
        "big5",
        "euc-jp",
        "iso-2022-jp",
        "shift_jis",
        "euc-kr",
        "utf-16be",
        "utf-16le",
    ];
    NAMES.into_iter().find(|name| name.eq_ignore_ascii_case(encoding.name())).unwrap_or(encoding.name())
}
