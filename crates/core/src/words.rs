//! How many words a text has, by the word boundaries of UAX #29.
//!
//! A space is a boundary whatever stands beside it, so words are counted from space to space. Between two spaces, Arabic, Latin,
//! Cyrillic and Greek letters and digits run together and common punctuation parts them; anything else, and punctuation *inside* a
//! word (`3.5`, `don't`), goes to `unicode-segmentation`. A property test holds the two ways together.

use unicode_segmentation::UnicodeSegmentation;

/// What a character does to the run of letters it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
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
    let bytes = text.as_bytes();
    let mut words = 0;
    let mut start = 0;
    for end in memchr::memchr2_iter(b' ', b'\n', bytes).chain([bytes.len()]) {
        let chunk = text.get(start..end).unwrap_or_default();
        words += count_plain(chunk).unwrap_or_else(|| chunk.unicode_words().count());
        start = end + 1;
    }
    u32::try_from(words).unwrap_or(u32::MAX)
}

/// Words between two spaces; `None` when the full rules are needed.
fn count_plain(chunk: &str) -> Option<usize> {
    let mut words = 0;
    let mut before = Class::Break;
    for c in chunk.chars() {
        let class = class(c);
        match (before, class) {
            (_, Class::Other)
            | (Class::Middle, Class::Word)
            | (Class::Break | Class::Middle, Class::Mark) => return None,
            (Class::Break, Class::Word) => words += 1,
            (Class::Word | Class::Mark, Class::Mark) => {}
            (_, Class::Break) => {}
            // Punctuation in front of a word is no middle.
            (Class::Break, Class::Middle) => continue,
            (Class::Word | Class::Mark | Class::Middle | Class::Other, Class::Word | Class::Middle) => {}
            (Class::Other, Class::Mark) => return None,
        }
        before = class;
    }
    Some(words)
}

fn class(c: char) -> Class {
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
