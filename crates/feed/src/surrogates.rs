//! Characters beyond U+FFFF written as the two halves that UTF-16 has for them: as two references, or each half in bytes of its own (CESU-8).

use memchr::{memchr, memmem};

use crate::fault::{Fault, Faults};

/// U+FFFD in UTF-8.
const REPLACEMENT: [u8; 3] = [0xEF, 0xBF, 0xBD];

/// A numeric reference at the start of `bytes`, which begins with `&#`: its value, its length, whether it has its semicolon.
pub(crate) fn code(bytes: &[u8]) -> Option<(u32, usize, bool)> {
    let is_hex = matches!(bytes.get(2), Some(b'x' | b'X'));
    let (start, radix) = if is_hex { (3, 16) } else { (2, 10) };
    let mut value: u32 = 0;
    let mut at = start;
    while let Some(digit) = bytes.get(at).and_then(|byte| char::from(*byte).to_digit(radix)) {
        value = value.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    let is_whole = bytes.get(at) == Some(&b';');
    (at > start).then(|| (value, at + usize::from(is_whole), is_whole))
}

/// The character whose first half is `value` when `rest` begins with a reference to the second; and the length of that.
pub(crate) fn second_half(value: u32, rest: &[u8]) -> Option<(char, usize)> {
    if !(0xD800..0xDC00).contains(&value) || !rest.starts_with(b"&#") {
        return None;
    }
    let (low, length, _) = code(rest)?;
    Some((together(value, low)?, length))
}

/// Whether it is half of a character.
pub(crate) fn is_half(value: u32) -> bool {
    (0xD800..0xE000).contains(&value)
}

fn together(high: u32, low: u32) -> Option<char> {
    let is_pair = (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low);
    is_pair.then(|| char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))).flatten()
}

/// References to halves inside HTML: two that belong together become their character, others one U+FFFD. `None` where there are none.
pub(crate) fn pair_up(text: &str, faults: &mut Faults) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut done = 0;
    for at in memmem::find_iter(bytes, b"&#") {
        let Some((value, length, _)) = code(&bytes[at..]) else { continue };
        // The second of a pair that is done with lies behind `done`.
        if !is_half(value) || at < done {
            continue;
        }
        out.push_str(&text[done..at]);
        done = at + length;
        if let Some((c, more)) = second_half(value, &bytes[done..]) {
            faults.note(Fault::SurrogatePair);
            out.push(c);
            done += more;
        } else {
            faults.note(Fault::BadCharRef);
            out.push('\u{FFFD}');
        }
    }
    if done == 0 {
        return None;
    }
    out.push_str(&text[done..]);
    Some(out)
}

/// Bytes in which each half has three bytes of its own, as UTF-8; halves alone become U+FFFD. `None` where there are none.
pub(crate) fn from_cesu8(bytes: &[u8], faults: &mut Faults) -> Option<Vec<u8>> {
    let half = |at: usize| match bytes.get(at..at + 3) {
        Some([0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF]) => {
            Some(0xD000 | (u32::from(b & 0x3F) << 6) | u32::from(c & 0x3F))
        }
        _ => None,
    };
    let mut out = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr(0xED, rest)) {
        let at = from + found;
        from = at + 1;
        let Some(first) = half(at) else { continue };
        out.extend_from_slice(&bytes[done..at]);
        if let Some(c) = half(at + 3).and_then(|second| together(first, second)) {
            faults.note(Fault::SurrogatePair);
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            done = at + 6;
        } else {
            faults.note(Fault::BadByte);
            out.extend_from_slice(&REPLACEMENT);
            done = at + 3;
        }
        from = done;
    }
    if done == 0 {
        return None;
    }
    out.extend_from_slice(&bytes[done..]);
    Some(out)
}
