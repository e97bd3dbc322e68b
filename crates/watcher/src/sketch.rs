//! A small sketch of a text, which tells whether a later text was made from it.

use std::collections::BTreeSet;

/// The smallest hashes of the pieces of a text: its bottom-k sketch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sketch(Vec<u32>);

/// Hashes kept: 128 bytes a text.
const HASHES: usize = 32;
/// Bytes of a piece: about four words of English, two of Arabic, eight letters of Chinese.
const PIECE_BYTES: usize = 24;
/// With fewer hashes nothing is known: the text is too short.
const EVIDENCE: usize = HASHES;

impl Sketch {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut smallest = BTreeSet::new();
        for hash in pieces(text) {
            if smallest.len() < HASHES || smallest.last().is_some_and(|last| hash < *last) {
                smallest.insert(hash);
                if smallest.len() > HASHES {
                    smallest.pop_last();
                }
            }
        }
        Self(smallest.into_iter().collect())
    }

    /// Whether next to nothing of the sketched text is in that one: less than a fifth, boilerplate included,
    /// by an unbiased estimate. A correction keeps far more. False where one of them is too short to say.
    pub(crate) fn is_gone_from(&self, text: &[u8]) -> bool {
        let Some(largest) = self.0.last().filter(|_| self.0.len() >= EVIDENCE) else { return false };
        let mut found = BTreeSet::new();
        let mut count = 0;
        for hash in pieces(text) {
            count += 1;
            if hash <= *largest && self.0.binary_search(&hash).is_ok() {
                found.insert(hash);
            }
        }
        count >= EVIDENCE && found.len() * 5 < self.0.len()
    }

    /// Its stored form: how many, and each in 4 bytes.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::try_from(self.0.len()).unwrap_or(0));
        self.0.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_be_bytes()));
    }

    /// Reads the stored form, and returns what follows it.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, rest) = bytes.split_first()?;
        let (hashes, rest) = rest.split_at_checked(4 * usize::from(*count))?;
        let (hashes, _) = hashes.as_chunks::<4>();
        Some((Self(hashes.iter().map(|hash| u32::from_be_bytes(*hash)).collect()), rest))
    }
}

/// The hash of every piece of a text, each byte but the last ones beginning one.
fn pieces(text: &[u8]) -> impl Iterator<Item = u32> {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    const FIRST: u64 = {
        let (mut power, mut n) = (1_u64, 1);
        while n < PIECE_BYTES {
            power = power.wrapping_mul(BASE);
            n += 1;
        }
        power
    };
    let value = |byte: u8| u64::from(byte) + 1;
    let mut hash = 0_u64;
    text.iter().enumerate().filter_map(move |(at, byte)| {
        if let Some(first) = at.checked_sub(PIECE_BYTES) {
            hash = hash.wrapping_sub(value(text[first]).wrapping_mul(FIRST));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(value(*byte));
        // The high bits of a product depend on all of the piece.
        let mixed = (hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (at + 1 >= PIECE_BYTES).then_some((mixed >> 32) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text of words that no other seed has.
    fn text(seed: usize, words: usize) -> String {
        (0..words).map(|n| format!("word{} ", (n * 7919 + seed * 104_729) % 100_003)).collect()
    }

    #[test]
    fn a_correction_keeps_the_text_and_another_article_does_not() {
        for words in [30, 300, 3000] {
            let old = text(1, words);
            let sketch = Sketch::of(old.as_bytes());
            assert!(!sketch.is_gone_from(old.as_bytes()));
            let half = format!("{}{}", &old[..old.len() / 2], text(2, words / 2));
            assert!(!sketch.is_gone_from(half.as_bytes()), "half of it, {words}");
            assert!(
                !sketch.is_gone_from(format!("{}{old}", text(3, words * 10)).as_bytes()),
                "grown, {words}"
            );
            assert!(sketch.is_gone_from(text(4, words).as_bytes()), "another, {words}");
            let footer = text(9, words / 20);
            let sketch = Sketch::of(format!("{old}{footer}").as_bytes());
            assert!(
                sketch.is_gone_from(format!("{}{footer}", text(5, words)).as_bytes()),
                "with a footer, {words}"
            );
        }
    }

    #[test]
    fn short_texts_say_nothing() {
        let (old, new) =
            (Sketch::of(b"Ferry delayed"), "Port closed until Friday noon because of the storm at sea");
        assert!(!old.is_gone_from(new.as_bytes()));
        assert!(!Sketch::of(text(1, 100).as_bytes()).is_gone_from(b"Port closed"));
        assert!(!Sketch::default().is_gone_from(text(1, 100).as_bytes()));
    }

    #[test]
    fn a_sketch_reads_back() {
        let sketch = Sketch::of(text(1, 100).as_bytes());
        assert_eq!(sketch.0.len(), HASHES);
        let mut bytes = Vec::new();
        sketch.put(&mut bytes);
        bytes.extend_from_slice(b"rest");
        assert_eq!(Sketch::read(&bytes), Some((sketch, &b"rest"[..])));
        assert_eq!(Sketch::read(&bytes[..60]), None);
        assert_eq!(Sketch::read(&[]), None);
    }
}
