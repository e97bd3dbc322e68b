//! How many words a text has, by the word boundaries of UAX #29.
//!
//! A space is a boundary whatever stands beside it, so words are counted from space to space. Between two spaces, Arabic, Latin,
//! Cyrillic and Greek letters and digits run together and common punctuation parts them; anything else, and punctuation *inside* a
//! word (`3.5`, `don't`), goes to `unicode-segmentation`. A property test holds the two ways together.

use unicode_segmentation::UnicodeSegmentation;

/// What a character does to the run of letters it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Letter or digit: opens a word or goes on with one.
    Word,
    /// A mark on the letter before it.
    Mark,
    /// Ends a word.
    Break,
    /// Ends a word unless a letter or digit follows at once.
    Middle,
    /// Known to the full rules only.
    Other,
}

/// Words of `text` with a letter or digit in them.
pub(crate) fn count(text: &str) -> u32 {
    let mut counter = Counter::new(text);
    for (at, c) in text.char_indices() {
        match c {
            ' ' | '\n' => counter.end_chunk(at),
            _ => counter.step(class(c)),
        }
    }
    counter.finish()
}

/// A count in the making, for a pass over the text that does other things as well.
pub(crate) struct Counter<'t> {
    text: &'t str,
    words: usize,
    /// Where the text between two spaces began, and the words in it so far.
    chunk_start: usize,
    chunk_words: usize,
    before: Class,
    /// Between these two spaces the full rules are needed.
    is_unsure: bool,
}

impl<'t> Counter<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, words: 0, chunk_start: 0, chunk_words: 0, before: Class::Break, is_unsure: false }
    }

    /// Goes on with a character, or with several letters or digits at once; not with a space or line feed.
    #[inline]
    pub(crate) fn step(&mut self, class: Class) {
        match (self.before, class) {
            (_, Class::Other)
            | (Class::Middle, Class::Word)
            | (Class::Break | Class::Middle | Class::Other, Class::Mark) => self.is_unsure = true,
            (Class::Break, Class::Word) => self.chunk_words += 1,
            // Punctuation in front of a word is no middle.
            (Class::Break, Class::Middle) => return,
            (Class::Word | Class::Mark, Class::Word | Class::Mark | Class::Middle)
            | (Class::Middle, Class::Middle)
            | (Class::Other, Class::Word | Class::Middle)
            | (_, Class::Break) => {}
        }
        self.before = class;
    }

    /// A space or line feed stands at byte `at`.
    #[inline]
    pub(crate) fn end_chunk(&mut self, at: usize) {
        if self.is_unsure {
            let chunk = self.text.get(self.chunk_start..at).unwrap_or_default();
            self.chunk_words = chunk.unicode_words().count();
        }
        self.words += self.chunk_words;
        (self.chunk_words, self.before, self.is_unsure) = (0, Class::Break, false);
        self.chunk_start = at + 1;
    }

    pub(crate) fn finish(mut self) -> u32 {
        self.end_chunk(self.text.len());
        u32::try_from(self.words).unwrap_or(u32::MAX)
    }
}

/// The class of `c`, which is no space and no line feed.
pub(crate) fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Class::Word,
        '\u{0620}'..='\u{064A}'
        | '\u{0671}'..='\u{06D3}'
        | '\u{0660}'..='\u{0669}'
        | '\u{06F0}'..='\u{06F9}' => Class::Word,
        'À'..='Ö'
        | 'Ø'..='ö'
        | 'ø'..='\u{024F}'
        | 'А'..='я'
        | 'ѐ'..='џ'
        | 'Α'..='Ρ'
        | 'Σ'..='Ω'
        | 'α'..='ω' => Class::Word,
        '\u{064B}'..='\u{0652}' | '\u{0670}' => Class::Mark,
        '.' | ',' | ':' | ';' | '\'' | '’' | '‘' | '،' | '؛' => Class::Middle,
        '"' | '(' | ')' | '[' | ']' | '!' | '?' | '/' | '-' | '*' | '|' | '%' | '«' | '»' | '“' | '”'
        | '؟' | '–' | '—' | '…' | '•' => Class::Break,
        _ => Class::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_those_of_the_standard() {
        for (text, expected) in [
            ("", 0),
            ("قال، ثم مضى.", 3),
            ("3.5 مليون don't", 3),
            ("(CNN)-- نعم/لا", 3),
            ("  \n—\n", 0),
            ("港は開く", 4),
            ("مُحَمَّد", 1),
        ] {
            assert_eq!(count(text), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn both_ways_agree(text in "\\PC{0,40}|[اب ةـ\u{64B}.,:;'’،\"(a1٣_é\u{A0}\u{200C}\n\tאя/-]{0,40}") {
            prop_assert_eq!(usize::try_from(count(&text)).unwrap(), text.unicode_words().count());
        }
    }
}
