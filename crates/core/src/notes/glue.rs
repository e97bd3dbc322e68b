//! Words that lost the space between them when a page was made into text.
//!
//! Teh marbuta ends a word, always: a letter behind it belongs to the next word (160 lines in 31,525 real documents; all of the
//! twelve looked at were missing a space). Nothing is repaired; the place is only remarked.

use std::ops::Range;

use crate::{letters, pairs};

/// A subheading glued to its paragraph is no longer than this, in bytes, and its paragraph no shorter.
const SUBHEADING_MAX_BYTES: usize = 160;

const TEH_MARBUTA: [u8; 2] = [0xD8, 0xA9];

/// Two words without a space.
pub(super) struct Glued {
    /// The subheading, or the two words.
    pub(super) range: Range<usize>,
    /// The first words of a line, glued to a longer text.
    pub(super) is_subheading: bool,
}

/// Places where teh marbuta runs into the next word.
pub(super) fn words(text: &str) -> impl Iterator<Item = Glued> + '_ {
    let bytes = text.as_bytes();
    // Teh marbuta is D8 A9; letters from hamza to yeh are D8 A1 to D9 8A.
    let is_letter = |at: usize| match (bytes.get(at), bytes.get(at + 1)) {
        (Some(0xD8), Some(second)) => *second >= 0xA1,
        (Some(0xD9), Some(second)) => *second <= 0x8A && *second != 0x80,
        _ => false,
    };
    // Most lines have no such place, and a look at all pairs at once says so.
    let is_glued = pairs::count_letters(bytes, TEH_MARBUTA, |lead, _| (lead == 0xD8) | (lead == 0xD9)) > 0;
    let ends = memchr::memchr_iter(0xA9, if is_glued { bytes } else { &[] });
    let ends = ends.filter(move |&at| at > 0 && bytes[at - 1] == 0xD8 && is_letter(at + 1)).map(|at| at + 1);
    let mut is_first = true;
    ends.map(move |end| {
        let is_subheading = std::mem::take(&mut is_first) && is_title(text, end);
        Glued { range: if is_subheading { 0..end } else { around(text, end) }, is_subheading }
    })
}

/// The text before `end` reads like a title: several words, no punctuation, and much more text behind it.
fn is_title(text: &str, end: usize) -> bool {
    let (Some(title), Some(rest)) = (text.get(..end), text.get(end..)) else { return false };
    let has_stop = title.contains(['.', '،', ',', ':', '"', '؛', '؟']);
    end <= SUBHEADING_MAX_BYTES && rest.len() > end && !has_stop && title.split_whitespace().count() >= 2
}

/// Straight quotation marks with a letter on both sides, where the word before is more than a one-letter prefix.
pub(super) fn quotes(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    memchr::memchr_iter(b'"', text.as_bytes()).filter_map(move |at| {
        let before = text.get(..at)?.chars().rev().take_while(|c| letters::is_letter(*c)).take(3).count();
        let is_glued = before >= 3 && text.get(at + 1..)?.starts_with(letters::is_letter);
        is_glued.then(|| around(text, at))
    })
}

/// The run of non-space characters around byte `at`.
fn around(text: &str, at: usize) -> Range<usize> {
    let is_edge = |c: char| c.is_whitespace() || matches!(c, '،' | ',' | '.');
    let start = text
        .get(..at)
        .and_then(|before| before.rfind(is_edge))
        .map_or(0, |edge| edge + text[edge..].chars().next().map_or(1, char::len_utf8));
    let end = text.get(at..).and_then(|after| after.find(is_edge)).map_or(text.len(), |edge| at + edge);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teh_marbuta_before_a_letter_is_glued() {
        let text =
            "خطة جديدة للمدينةوقال رئيس البلدية إن العمل في الخطة بدأ منذ شهرين وإنه يسير بسرعة كبيرة.";
        let glued: Vec<Glued> = words(text).collect();
        assert_eq!(glued.len(), 1);
        assert!(glued[0].is_subheading);
        assert_eq!(&text[glued[0].range.clone()], "خطة جديدة للمدينة");
    }

    #[test]
    fn a_glued_pair_inside_a_sentence_is_no_subheading() {
        let text = "وقال رئيس البلدية، إن المدرسةالجديدة بدأت.";
        let glued: Vec<Glued> = words(text).collect();
        assert_eq!(glued.len(), 1);
        assert!(!glued[0].is_subheading);
        assert_eq!(&text[glued[0].range.clone()], "المدرسةالجديدة");
        assert_eq!(words("المدرسة الجديدة مدرسةٌ").count(), 0);
    }

    #[test]
    fn quotes_between_two_words_are_glued() {
        let text = "في إطار\"خطة\" المدينة و\"قال\" نعم\"";
        let found: Vec<&str> = quotes(text).map(|range| &text[range]).collect();
        assert_eq!(found, ["إطار\"خطة\""]);
    }
}
