//! The words of a text, folded for hashing: one pass that also counts the words and marks where sentences end.
//!
//! Nearly all of a text are runs of letters of one or two bytes that fold to one letter of as many; they go through one small
//! table. Everything else goes character by character through the rules of [`super::fold_char`], and text with combining characters
//! through NFC before. A property test holds the two ways together.

use std::sync::LazyLock;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::{BREAK, COMPOSE, DROP, EXPAND, Table, fold_char, is_dropped};
use crate::words::{self, Class, Counter};

static WORDS: LazyLock<Table> = LazyLock::new(|| Table::new(true));

/// For a letter of one or two bytes, what it folds to: one or two bytes of UTF-8, the second 0 when there is one only. 0 for
/// everything else. The index of two bytes is the low six bits of both; those of longer characters find a 0 as well.
static LETTERS: LazyLock<[u16; 0x1000]> = LazyLock::new(|| std::array::from_fn(letter));

fn letter(code: usize) -> u16 {
    let Ok(code) = u32::try_from(code) else { return 0 };
    let folded = char::from_u32(u32::from(WORDS.get(code)));
    let (Some(c), Some(folded)) = (char::from_u32(code), folded) else { return 0 };
    let is_simple = !matches!(WORDS.get(code), DROP | BREAK | EXPAND | COMPOSE);
    if code >= 0x800 || !is_simple || words::class(c) != Class::Word || folded.len_utf8() > c.len_utf8() {
        return 0;
    }
    let mut bytes = [0; 2];
    folded.encode_utf8(&mut bytes);
    u16::from_le_bytes(bytes)
}

/// Ends of sentences and their parts.
pub(crate) const STOPS: [char; 10] = ['.', ',', '،', '؛', ':', '؟', '?', '!', '\n', '"'];

/// The folded words of one text.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// Words separated by one space, no space around them.
    bytes: Vec<u8>,
    /// Offsets in `bytes` before which a sentence ended, in order.
    stops: Vec<usize>,
    count: u32,
}

impl Words {
    /// The words of `text`.
    pub(crate) fn of(text: &str) -> Self {
        let mut words = Self::default();
        words.fold(text);
        words
    }

    /// Takes the words of `text` in place of those held before. Linear in `text`.
    pub(crate) fn fold(&mut self, text: &str) {
        if !self.fold_fast(text) {
            self.fold_slowly(text);
        }
    }

    /// The folded words, separated by one space; no space before the first or after the last.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many words the text had as found, by UAX #29.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Whether `phrase`, folded words with one space between them and around them, stands in one sentence of the text.
    pub(crate) fn contains(&self, phrase: &str) -> bool {
        let Some(phrase) = phrase.strip_prefix(' ').and_then(|phrase| phrase.strip_suffix(' ')) else {
            return false;
        };
        let is_space = |at: Option<&u8>| at.is_none_or(|byte| *byte == b' ');
        let stands = |start: usize| {
            let end = start + phrase.len();
            let next_stop = self.stops.get(self.stops.partition_point(|stop| *stop <= start));
            is_space(start.checked_sub(1).and_then(|before| self.bytes.get(before)))
                && is_space(self.bytes.get(end))
                && next_stop.is_none_or(|stop| *stop >= end)
        };
        !phrase.is_empty() && memchr::memmem::find_iter(&self.bytes, phrase).any(stands)
    }

    /// False when the text needs the slow way.
    fn fold_fast(&mut self, text: &str) -> bool {
        self.stops.clear();
        let bytes = text.as_bytes();
        let mut out = Out::new(std::mem::take(&mut self.bytes), bytes.len());
        let mut counter = Counter::new(text);
        let mut at = 0;
        let mut is_composed = true;
        while at < bytes.len() && is_composed {
            let after_letters = out.push_letters(bytes, at);
            if after_letters > at {
                counter.step(Class::Word);
                at = after_letters;
            }
            if bytes.get(at) == Some(&b' ') {
                out.end_word();
                counter.end_chunk(at);
                at += 1;
            } else if let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
                is_composed = self.push_sign(c, &mut out);
                if c == '\n' {
                    counter.end_chunk(at);
                } else {
                    counter.step(words::class(c));
                }
                at += c.len_utf8();
            }
        }
        self.bytes = out.finish();
        self.count = counter.finish();
        is_composed
    }

    /// Folds one character by the table of all; false when it may combine with its neighbours.
    fn push_sign(&mut self, c: char, out: &mut Out) -> bool {
        match WORDS.get(u32::from(c)) {
            DROP => {}
            BREAK => self.end_word(c, out),
            COMPOSE => return false,
            EXPAND if u32::from(c) > 0xFFFF && is_nfc_quick(std::iter::once(c)) != IsNormalized::Yes => {
                return false;
            }
            EXPAND => self.push_folded(c, out),
            folded => out.push(char::from_u32(u32::from(folded)).unwrap_or(c)),
        }
        true
    }

    /// Dropped marks first, then NFC, then one rule a character.
    fn fold_slowly(&mut self, text: &str) {
        self.stops.clear();
        let mut out = Out::new(std::mem::take(&mut self.bytes), text.len());
        for c in text.chars().filter(|&c| !is_dropped(c)).nfc() {
            self.push_folded(c, &mut out);
        }
        self.bytes = out.finish();
        self.count = words::count(text);
    }

    /// Appends what `c` folds to, or ends the word when that is nothing.
    fn push_folded(&mut self, c: char, out: &mut Out) {
        let before = out.len;
        fold_char(c, true, &mut |c| out.push(c));
        if out.len == before {
            self.end_word(c, out);
        }
    }

    fn end_word(&mut self, c: char, out: &mut Out) {
        out.end_word();
        if STOPS.contains(&c) {
            self.stops.push(out.len);
        }
    }
}

/// Folded bytes on their way out: always as much room ahead as the rest of the text can take, letter for letter.
struct Out {
    bytes: Vec<u8>,
    len: usize,
    word_open: bool,
    letters: &'static [u16; 0x1000],
}

impl Out {
    fn new(mut bytes: Vec<u8>, text_bytes: usize) -> Self {
        bytes.clear();
        bytes.resize(text_bytes + 2, 0);
        Self { bytes, len: 0, word_open: false, letters: &LETTERS }
    }

    /// Appends the letters at byte `at` of `text`, those of two bytes and then those of one; returns where they end.
    ///
    /// Each loop moves by a width that is known before the letter is read, so that letters do not wait for each other.
    fn push_letters(&mut self, text: &[u8], mut at: usize) -> usize {
        let start = self.len;
        let mut len = start;
        while let Some(&[lead, second]) = text.get(at..).and_then(<[u8]>::first_chunk) {
            let letter = self.letters[usize::from(lead & 0x3F) << 6 | usize::from(second & 0x3F)];
            if letter == 0 || lead < 0x80 {
                break;
            }
            self.bytes[len..len + 2].copy_from_slice(&letter.to_le_bytes());
            len += 1 + usize::from(letter > 0xFF);
            at += 2;
        }
        while let Some(&ascii @ 0..0x80) = text.get(at) {
            let letter = self.letters[usize::from(ascii)];
            if letter == 0 {
                break;
            }
            self.bytes[len] = letter.to_le_bytes()[0];
            len += 1;
            at += 1;
        }
        self.word_open |= len > start;
        self.len = len;
        at
    }

    /// Appends any character. It may be longer than what it stands for, so this makes room for it.
    fn push(&mut self, c: char) {
        let mut buffer = [0; 4];
        let encoded = c.encode_utf8(&mut buffer).as_bytes();
        self.bytes.resize(self.bytes.len() + encoded.len(), 0);
        self.bytes[self.len..self.len + encoded.len()].copy_from_slice(encoded);
        self.len += encoded.len();
        self.word_open = true;
    }

    fn end_word(&mut self) {
        self.bytes[self.len] = b' ';
        self.len += usize::from(std::mem::take(&mut self.word_open));
    }

    fn finish(mut self) -> Vec<u8> {
        let ends_in_space = self.len > 0 && !self.word_open;
        self.bytes.truncate(self.len - usize::from(ends_in_space));
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_phrase_is_whole_words_of_one_sentence() {
        let words = Words::of("انتظر الناس القطار. وزير جديد: 3.5 مليون");
        for (phrase, expected) in [
            (" الناس القطار ", true),
            (" القطار ", true),
            (" وزير جديد ", true),
            (" القطار وزير ", false),
            (" القطا ", false),
            (" لناس ", false),
            (" 3 5 ", false),
            (" 5 مليون ", true),
            (" انتظر ", true),
            ("  ", false),
            (" ", false),
        ] {
            assert_eq!(words.contains(phrase), expected, "{phrase}");
        }
    }

    #[test]
    fn what_was_held_before_is_gone() {
        let mut words = Words::of("أ. ب. ج، د");
        words.fold("ه و");
        assert_eq!((words.bytes(), words.count()), ("ه و".as_bytes(), 2));
        assert!(words.contains(" ه و "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn fast_and_slow_ways_agree(
            text in "\\PC{0,60}|[ا-ي\u{64B}-\u{652} .،\n\"a-zé\u{301}0-9]{0,60}|[אב\"a ]{0,12}|[ة-يa-zÀ-ÿЖﷺﷲＡȺẞ‘.:\n 一𝐀🕐]{0,60}"
        ) {
            let (mut fast, mut slow) = (Words::default(), Words::default());
            let is_fast = fast.fold_fast(&text);
            slow.fold_slowly(&text);
            // Marks in another than the canonical order are left in theirs, unless something else makes the text go slowly.
            let is_reordered = is_nfc_quick(text.chars().filter(|&c| !is_dropped(c))) == IsNormalized::No;
            prop_assume!(!is_fast || !is_reordered);
            if is_fast {
                prop_assert_eq!(fast.bytes(), slow.bytes());
                prop_assert_eq!(&fast.stops, &slow.stops);
            }
            fast.fold(&text);
            prop_assert_eq!((fast.bytes(), fast.count()), (slow.bytes(), slow.count()));
        }

        #[test]
        fn sentences_fold_alone_as_they_do_together(text in "[ا-دa-c .،:\n\"3-5\u{64B}—]{0,40}") {
            let alone = text.split(STOPS).map(Words::of).filter(|words| !words.bytes.is_empty());
            let alone: Vec<u8> = alone.map(Words::into_bytes).collect::<Vec<_>>().join(&b' ');
            prop_assert_eq!(alone, Words::of(&text).into_bytes());
        }
    }
}
