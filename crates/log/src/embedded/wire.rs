//! Integers and byte strings, written and read back with every bound checked.

use bytes::Bytes;

/// Appends a number in 1 to 10 bytes, seven bits a byte, least first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a byte string after its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote. Every method answers `None` when the input ends too early or makes no sense.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A byte string: a view, not a copy.
    pub(crate) fn bytes(&mut self) -> Option<Bytes> {
        let len = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(len).filter(|&end| end <= self.bytes.len())?;
        let view = self.bytes.slice(self.at..end);
        self.at = end;
        Some(view)
    }

    /// A byte string that is text.
    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

/// A signed number as an unsigned one that stays small when it is close to 0.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The opposite of [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Four bytes at `at`, least first; 0 when they are not there.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// Eight bytes at `at`, least first; 0 when they are not there.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut out = Vec::new();
        for number in numbers {
            put_varint(&mut out, number);
        }
        put_bytes(&mut out, "خبر".as_bytes());
        let mut reader = Reader::new(out.into());
        assert_eq!(numbers.map(|_| reader.varint().unwrap()), numbers);
        assert_eq!(reader.text().unwrap(), "خبر");
        assert!(reader.is_done());
        assert_eq!(reader.byte(), None);
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        let mut out = Vec::new();
        put_varint(&mut out, u64::MAX);
        out.extend_from_slice(b"abc");
        assert_eq!(Reader::new(out.into()).bytes(), None);
        assert_eq!(Reader::new(Bytes::from_static(&[0xff; 10])).varint(), None);
    }

    #[test]
    fn signed_numbers_come_back() {
        for value in [0, -1, 1, i64::MIN, i64::MAX, 1_790_000_000_000] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
