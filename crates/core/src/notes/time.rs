//! Words of time inside prose: "today Wednesday", and months named twice.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::{fold, letters};

/// Names of the days as they are spelt in print, without their article: it begins half of all words, the names begin few.
const DAYS: [&str; 13] = [
    "سبت",
    "أحد",
    "احد",
    "إثنين",
    "اثنين",
    "أثنين",
    "ثلاثاء",
    "ثلثاء",
    "أربعاء",
    "اربعاء",
    "خميس",
    "جمعة",
    "جمعه",
];
const ARTICLE: &str = "ال";
static DAY_FINDER: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(DAYS).ok());

/// Words that make a day's name a date.
const ANCHORS: [&str; 10] = ["اليوم", "أمس", "امس", "غدا", "غداً", "غدًا", "الليلة", "مساء", "صباح", "فجر"];
/// Folded months of the Levant and their Western names, month by month; slash pairs come in either order.
const MONTHS: [[&str; 4]; 12] = [
    ["يناير", "كانون الثاني", "جانفي", ""],
    ["فبراير", "شباط", "فيفري", ""],
    ["مارس", "اذار", "", ""],
    ["ابريل", "نيسان", "افريل", ""],
    ["مايو", "ايار", "ماي", ""],
    ["يونيو", "حزيران", "جوان", "يونيه"],
    ["يوليو", "تموز", "جويليه", "يوليه"],
    ["اغسطس", "اب", "اوت", "غشت"],
    ["سبتمبر", "ايلول", "شتنبر", ""],
    ["اكتوبر", "تشرين الاول", "", ""],
    ["نوفمبر", "تشرين الثاني", "نونبر", ""],
    ["ديسمبر", "كانون الاول", "دجنبر", ""],
];

/// "Today Wednesday", "yesterday Monday", and a day between two commas.
pub(super) fn relative_days(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let finder = DAY_FINDER.as_ref();
    let names = finder.into_iter().flat_map(move |finder| finder.find_iter(text));
    names.filter_map(move |name| relative_day(text, name.start().checked_sub(ARTICLE.len())?..name.end()))
}

/// `day` is where an article and a day's name may stand.
fn relative_day(text: &str, day: Range<usize>) -> Option<Range<usize>> {
    let is_whole = text.get(day.clone())?.starts_with(ARTICLE)
        && !text.get(..day.start)?.ends_with(is_word)
        && !text.get(day.end..)?.starts_with(is_word);
    if !is_whole {
        return None;
    }
    let before = text.get(..day.start)?.trim_end();
    if before.ends_with(is_word) {
        let start = before.trim_end_matches(is_word).len();
        return ANCHORS.contains(&before.get(start..)?).then_some(start..day.end);
    }
    let is_comma = |c: char| matches!(c, '،' | ',' | '-' | '–' | '(' | ')');
    let opens = before.ends_with(is_comma);
    (opens && text.get(day.end..)?.trim_start().starts_with(is_comma)).then(|| day.clone())
}

/// Arabic letters and their marks.
fn is_word(c: char) -> bool {
    ('\u{0620}'..='\u{0652}').contains(&c)
}

/// One month under two names: `آذار/ مارس`.
pub(super) fn dual_months(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    memchr::memchr_iter(b'/', text.as_bytes()).filter_map(|at| {
        let (left_start, right_end) = (window_before(text, at), window_after(text, at + 1));
        let (left, right) = (text.get(left_start..at)?.trim_end(), text.get(at + 1..right_end)?);
        let right_start = at + 1 + (right.len() - right.trim_start().len());
        let right = right.trim_start();
        let left = (1..=2).find_map(|count| month_before(left, count))?;
        let right = (1..=2).rev().find_map(|count| month_after(right, count))?;
        (left.0 == right.0).then(|| left_start + left.1..right_start + right.1)
    })
}

/// Two months and their spaces are shorter than this, in bytes; looking no further keeps the search linear.
const WINDOW_BYTES: usize = 64;

fn window_before(text: &str, at: usize) -> usize {
    let start = at.saturating_sub(WINDOW_BYTES);
    (start..=at).find(|&start| text.is_char_boundary(start)).unwrap_or(at)
}

fn window_after(text: &str, at: usize) -> usize {
    let end = text.len().min(at + WINDOW_BYTES);
    (at..=end).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(at)
}

/// The month that the last `count` words of `text` name, and the byte where they start.
fn month_before(text: &str, count: usize) -> Option<(usize, usize)> {
    let start =
        text.rmatch_indices(char::is_whitespace).nth(count - 1).map_or(0, |(at, space)| at + space.len());
    Some((month(text.get(start..)?)?, start))
}

/// The month that the first `count` words of `text` name, and the byte where they end.
fn month_after(text: &str, count: usize) -> Option<(usize, usize)> {
    let is_edge = |c: char| !letters::is_letter(c);
    let end = text.match_indices(is_edge).nth(count - 1).map_or(text.len(), |(at, _)| at);
    let name = text.get(..end)?.trim_end_matches(is_edge);
    Some((month(name)?, name.len()))
}

fn month(name: &str) -> Option<usize> {
    if name.len() > 40 {
        return None;
    }
    let folded = fold::words_of(name);
    MONTHS.iter().position(|names| !folded.is_empty() && names.contains(&folded.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> Vec<&str> {
        ranges.map(|range| &text[range]).collect()
    }

    #[test]
    fn days_with_an_anchor_or_between_commas_are_relative() {
        for (text, expected) in [
            ("قال الوزير اليوم الأربعاء إن", vec!["اليوم الأربعاء"]),
            ("أعلن المجلس، الإثنين، أن", vec!["الإثنين"]),
            ("أعلن أمس الاثنين، ثم اليوم الثلاثاء", vec!["أمس الاثنين", "اليوم الثلاثاء"]),
            ("وافقت يوم الأربعاء على", vec![]),
            ("في مقابلة بثت الأربعاء، إن", vec![]),
            ("صحيفة اليوم السابع", vec![]),
        ] {
            assert_eq!(texts(text, relative_days(text)), expected, "{text}");
        }
    }

    /// The same, by going through all words.
    fn word_by_word(text: &str) -> Vec<Range<usize>> {
        let mut words: Vec<Range<usize>> = Vec::new();
        for (at, c) in text.char_indices().filter(|(_, c)| is_word(*c)) {
            match words.last_mut().filter(|word| word.end == at) {
                Some(word) => word.end += c.len_utf8(),
                None => words.push(at..at + c.len_utf8()),
            }
        }
        let is_comma = |c: char| "،,-–()".contains(c);
        let day = |at: usize| {
            let word = words[at].clone();
            let is_day = text[word.clone()].strip_prefix("ال").is_some_and(|day| DAYS.contains(&day));
            let before = at.checked_sub(1).map(|before| words[before].clone());
            let before = before.filter(|before| text[before.end..word.start].trim().is_empty());
            let is_anchored = before.as_ref().is_some_and(|before| ANCHORS.contains(&&text[before.clone()]));
            let between = text[..word.start].trim_end().ends_with(is_comma)
                && text[word.end..].trim_start().starts_with(is_comma);
            let start = before.as_ref().map_or(word.start, |before| before.start);
            (is_day && (is_anchored || (before.is_none() && between))).then_some(start..word.end)
        };
        (0..words.len()).filter_map(day).collect()
    }

    proptest! {
        #[test]
        fn looking_for_names_finds_what_looking_at_words_finds(
            parts in proptest::collection::vec(
                "اليوم|أمس|و|ال|قال|[ ،,()ً.]|[ ،,(]|السبت|الأحد|الاثنين|الأربعاء|الخميس|الجمعة|جمعه| ", 0..14,
            ),
        ) {
            let text = parts.concat();
            prop_assert_eq!(relative_days(&text).collect::<Vec<_>>(), word_by_word(&text));
        }
    }

    #[test]
    fn months_named_twice_are_found_in_either_order() {
        for (text, expected) in [
            ("وفي آذار/ مارس، قال", vec!["آذار/ مارس"]),
            ("من يناير/كانون الثاني إلى سبتمبر/أيلول أكثر", vec!["يناير/كانون الثاني", "سبتمبر/أيلول"]),
            ("في كانون الأول/ديسمبر 2020", vec!["كانون الأول/ديسمبر"]),
            ("في مايو/حزيران", vec![]),
            ("24/ أ ف ب", vec![]),
        ] {
            assert_eq!(texts(text, dual_months(text)), expected, "{text}");
        }
    }
}
