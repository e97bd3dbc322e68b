//! Folding: the form in which words are compared, never the form in which they are stored.
//!
//! Two outlets print one sentence with different alefs, harakat, Persian letters, digits, quotes and spaces. Folding takes those
//! differences away (design section 4), with one table look-up per character. The tables are computed once, from the rules in
//! [`fold_char`], so that the rules can be read and the pass stays fast.
//!
//! There are two forms. [`Words`] is for hashing: words separated by one space, everything else gone. [`Matched`] is for finding
//! markers: punctuation stays (it separates a marker from its headline) and every folded byte remembers where it came from.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

mod words;

pub(crate) use words::Words;

/// Table entry: the character disappears.
const DROP: u16 = 0;
/// Table entry: the character ends a word.
const BREAK: u16 = 1;
/// Table entry: the character becomes several (ligatures, `…`).
const EXPAND: u16 = 2;
/// Table entry: the character may combine with its neighbours, so the whole text goes through NFC first.
const COMPOSE: u16 = 3;

/// How one form of the text treats every character of the basic plane.
struct Table(Box<[u16]>);

static MATCH: LazyLock<Table> = LazyLock::new(|| Table::new(false));

impl Table {
    fn new(words_only: bool) -> Self {
        let entry = |code: u32| match char::from_u32(code) {
            None => BREAK,
            Some(c) => Self::entry(c, words_only),
        };
        Self((0..=0xFFFF).map(entry).collect())
    }

    fn entry(c: char, words_only: bool) -> u16 {
        let is_dropped = is_dropped(c);
        if is_dropped {
            return DROP;
        }
        if is_nfc_quick(std::iter::once(c)) != IsNormalized::Yes {
            return COMPOSE;
        }
        let mut folded = Folded::default();
        fold_char(c, words_only, &mut |c| folded.push(c));
        match folded {
            Folded { first: None, .. } => BREAK,
            Folded { first: Some(c), more: false } => u16::try_from(u32::from(c)).unwrap_or(EXPAND),
            Folded { more: true, .. } => EXPAND,
        }
    }

    fn get(&self, code: u32) -> u16 {
        usize::try_from(code).ok().and_then(|code| self.0.get(code)).copied().unwrap_or(EXPAND)
    }
}

#[derive(Default)]
struct Folded {
    first: Option<char>,
    more: bool,
}

impl Folded {
    fn push(&mut self, c: char) {
        self.more = self.first.is_some();
        self.first = self.first.or(Some(c));
    }
}

/// Marks that carry no word: harakat, tatweel, Koranic signs, Hebrew points, bidi and zero-width controls, soft hyphen, BOM.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{0610}'..='\u{061A}' | '\u{061C}' | '\u{0640}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}' | '\u{06DF}'..='\u{06E4}' | '\u{06E7}' | '\u{06E8}' | '\u{06EA}'..='\u{06ED}'
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}' | '\u{05C2}' | '\u{05C4}' | '\u{05C5}' | '\u{05C7}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{00AD}')
}

/// Gives the folded characters of `c` to `emit`; nothing means that `c` ends a word. `c` is not a dropped mark.
fn fold_char(c: char, words_only: bool, emit: &mut impl FnMut(char)) {
    let mut compatible = std::iter::once(c).nfkc().filter(|&c| !is_dropped(c)).peekable();
    // An accent on its own (`¨`) is compatible with a space that carries it; it belongs to no word.
    if compatible.peek().is_some_and(|first| first.is_whitespace()) && words_only {
        return;
    }
    for compatible in compatible {
        for lower in fold_case(fold_letter(compatible)) {
            let is_word = lower.is_alphanumeric() || is_combining_mark(lower);
            if is_word || (!words_only && !lower.is_whitespace() && !lower.is_control()) {
                emit(lower);
            }
        }
    }
}

/// One spelling for every letter, digit and mark that houses write in several ways.
fn fold_letter(c: char) -> char {
    match c {
        'آ' | 'أ' | 'إ' | 'ٱ' | '\u{0672}' | '\u{0673}' | '\u{0675}' => 'ا',
        'ى' | 'ی' | 'ئ' | '\u{06CD}' | '\u{06CE}' | '\u{06D0}' => 'ي',
        'ؤ' | '\u{0676}' => 'و',
        'ة' | 'ہ' | 'ھ' | 'ە' | '\u{06C0}' | '\u{06C2}' | '\u{06C3}' => 'ه',
        'ک' | '\u{06AA}' => 'ك',
        '\u{06D3}' => '\u{06D2}',
        '٠'..='٩' => digit(c, '٠'),
        '۰'..='۹' => digit(c, '۰'),
        '०'..='९' => digit(c, '०'),
        '،' | '、' | '٬' => ',',
        '؛' => ';',
        '؟' => '?',
        '۔' | '。' | '।' => '.',
        '٪' => '%',
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '「' | '」' | '『' | '』' => '"',
        '‘' | '’' | '‚' | '‛' | '′' | '`' | '´' | 'ʼ' => '\'',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => '-',
        '¦' | '│' | '❘' => '|',
        'ı' => 'i',
        'ς' => 'σ',
        other => other,
    }
}

fn digit(c: char, zero: char) -> char {
    u32::from(c).checked_sub(u32::from(zero)).and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}

/// Lower case, without the dot that Turkish `İ` leaves behind.
fn fold_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().filter(|&lower| lower != '\u{0307}')
}

/// Folded text for matching, with the way back: lower case, one space for any white space, punctuation kept in one spelling.
#[derive(Debug, Default, Clone)]
pub(crate) struct Matched {
    text: String,
    /// For every byte of `text`, the byte of the original at which its character starts.
    origin: Vec<u32>,
    /// One past the last original byte that was folded.
    end: usize,
}

impl Matched {
    /// Folds the start of `line`, up to `max_bytes` folded bytes, with leading spaces left out. Replaces what was held before.
    pub(crate) fn fold(&mut self, line: &str, max_bytes: usize) {
        self.text.clear();
        self.origin.clear();
        self.end = 0;
        let mut pending_space = false;
        for (at, c) in line.char_indices() {
            if self.text.len() >= max_bytes {
                break;
            }
            self.end = at + c.len_utf8();
            match MATCH.get(u32::from(c)) {
                DROP => {}
                BREAK => pending_space = !self.text.is_empty(),
                COMPOSE | EXPAND => fold_char(c, false, &mut |c| self.push(&mut pending_space, c, at)),
                folded => {
                    let folded = char::from_u32(u32::from(folded)).unwrap_or(c);
                    self.push(&mut pending_space, folded, at);
                }
            }
        }
    }

    fn push(&mut self, pending_space: &mut bool, c: char, at: usize) {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        if std::mem::take(pending_space) {
            self.text.push(' ');
            self.origin.push(at);
        }
        self.text.push(c);
        self.origin.resize(self.text.len(), at);
    }

    /// The folded text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The byte of the original line where folded byte `at` starts; the end of what was folded for the end of the text.
    pub(crate) fn origin(&self, at: usize) -> usize {
        self.origin.get(at).map_or(self.end, |&origin| usize::try_from(origin).unwrap_or(self.end))
    }
}

/// The match form of a whole text, such as a lexicon pattern.
pub(crate) fn matched(text: &str) -> String {
    let mut matched = Matched::default();
    matched.fold(text, usize::MAX);
    matched.text
}

/// The folded words of a text, one space between them: two spellings of one name have the same.
pub fn words_of(text: &str) -> String {
    String::from_utf8(Words::of(text).into_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_word_fold_together() {
        for (left, right) in [
            ("أحمد إلى آخر", "احمد الي اخر"),
            ("کوریا الشمالیة", "كوريا الشماليه"),
            ("مُـحَـمَّـد", "محمد"),
            ("مؤتمر رئيس", "موتمر رييس"),
            ("١٤ ۱۴", "14 14"),
            ("ﻻ ﷲ", "لا الله"),
            ("Ελλάς ПРИВЕТ Straße", "ελλάσ привет straße"),
            ("e\u{301}tat", "état"),
            ("İstanbul", "istanbul"),
            ("ＡＢＣ１２", "abc12"),
            ("أ\u{200F}ب\u{200C}ج", "ابج"),
        ] {
            assert_eq!(words_of(left), right, "{left}");
            assert_eq!(words_of(left), words_of(right), "{left}");
        }
    }

    #[test]
    fn words_are_separated_by_one_space() {
        assert_eq!(words_of("  «قال»:\u{A0}\"نعم\"، #بلد_آخر…  "), "قال نعم بلد اخر");
        assert_eq!(words_of("—"), "");
    }

    #[test]
    fn matched_text_remembers_where_it_came_from() {
        let line = "\u{200F}  إقـرأ   أيضاً: خبر";
        let mut matched = Matched::default();
        matched.fold(line, usize::MAX);
        assert_eq!(matched.text(), "اقرا ايضا: خبر");
        let colon = matched.text().find(':').unwrap();
        assert_eq!(&line[matched.origin(colon)..matched.origin(colon) + 1], ":");
        assert_eq!(matched.origin(matched.text().len()), line.len());
    }

    proptest! {
        #[test]
        fn folding_words_twice_changes_nothing(text in "[ء-يٱ-ۓًّـA-Zà-ÿА-яぁ-んァ-ヶ一-龥 .،\"ﻻﷲ½²٠-٩e\u{301}]{0,60}") {
            let once = words_of(&text);
            prop_assert_eq!(words_of(&once), once);
        }
    }
}
