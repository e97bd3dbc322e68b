//! Keyword lines. Most come without separators, and splitting them at spaces tears names apart.
//!
//! So a line without separators is segmented: from the left, the longest run of words that also stands in the article (or twice in
//! the line itself) is one phrase. Comparison is folded, phrases are as found; a phrase that folds like an earlier one is left out.

use std::collections::BTreeSet;

use crate::fold::{self, Words};
use crate::lexicon::Class;
use crate::model::SectionKind;

use super::Parts;

/// Longest phrase, in words.
const PHRASE_MAX: usize = 6;
/// What separates phrases where anything does.
const SEPARATORS: [char; 9] = [',', '،', '؛', ';', '|', '/', '#', '•', '·'];

/// The keywords of one article.
#[derive(Debug, Default)]
pub(super) struct Keywords {
    pub(super) phrases: Vec<String>,
    pub(super) raw: Option<String>,
}

pub(super) fn keywords(parts: &Parts<'_>, body: &Words) -> Keywords {
    let mut keywords = Keywords::default();
    let mut seen = BTreeSet::new();
    for row in parts.of(&[SectionKind::Keywords]) {
        let has_label = row.hit.as_ref().is_some_and(|hit| hit.class == Class::Keywords);
        let raw = if has_label { row.rest() } else { row.text };
        keywords.raw.get_or_insert_with(|| raw.to_owned());
        let headlines = parts.of(&[SectionKind::Headline, SectionKind::RelatedHeadline]);
        let headlines: Vec<Words> = headlines.map(|row| Words::of(row.text)).collect();
        for phrase in phrases(raw, body, &headlines) {
            if seen.insert(fold::words_of(phrase)) {
                keywords.phrases.push(phrase.to_owned());
            }
        }
    }
    keywords
}

fn phrases<'r>(raw: &'r str, body: &Words, headlines: &[Words]) -> Vec<&'r str> {
    if raw.contains(SEPARATORS) {
        return raw.split(SEPARATORS).map(str::trim).filter(|phrase| !phrase.is_empty()).collect();
    }
    let tokens: Vec<Token<'_>> = tokens(raw).collect();
    let is_known =
        |phrase: &str| body.contains(phrase) || headlines.iter().any(|words| words.contains(phrase));
    // The line itself, each word between spaces, so that whole words are found.
    let own: String =
        tokens.iter().map(|token| format!(" {}", token.folded)).chain([" ".to_owned()]).collect();
    let mut phrases = Vec::new();
    let mut at = 0;
    let mut unknown: Option<usize> = None;
    while at < tokens.len() {
        let length = known_length(&tokens, at, is_known, &own);
        if length == 0 {
            unknown.get_or_insert(at);
            at += 1;
            continue;
        }
        phrases.extend(unknown.take().and_then(|first| span(raw, &tokens, first, at)));
        phrases.extend(span(raw, &tokens, at, at + length));
        at += length;
    }
    phrases.extend(unknown.and_then(|first| span(raw, &tokens, first, at)));
    phrases
}

/// One word of a keyword line.
struct Token<'r> {
    start: usize,
    text: &'r str,
    folded: String,
}

fn tokens(raw: &str) -> impl Iterator<Item = Token<'_>> {
    let start_of = |word: &str| word.as_ptr().addr() - raw.as_ptr().addr();
    raw.split_whitespace().map(move |text| Token {
        start: start_of(text),
        text,
        folded: fold::words_of(text),
    })
}

/// Words from `at` on that stand together in the article, or twice in the line itself; 0 when not even the first does.
fn known_length(tokens: &[Token<'_>], at: usize, is_known: impl Fn(&str) -> bool, own: &str) -> usize {
    let mut needle = String::from(" ");
    let mut longest = 0;
    for (index, token) in tokens.iter().skip(at).take(PHRASE_MAX).enumerate() {
        needle.push_str(&token.folded);
        needle.push(' ');
        let is_twin = || own.find(&needle).is_some_and(|first| own[first + 1..].contains(&needle));
        if is_known(&needle) || is_twin() {
            longest = index + 1;
        } else {
            break;
        }
    }
    longest
}

/// The text of the tokens `first..end`, as found.
fn span<'r>(raw: &'r str, tokens: &[Token<'r>], first: usize, end: usize) -> Option<&'r str> {
    let last = tokens.get(end.checked_sub(1)?)?;
    raw.get(tokens.get(first)?.start..last.start + last.text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        "زار وزير النقل أمس مدينة الرمال البيضاء، وقال وزير النقل إن مدينة الرمال البيضاء تنتظر القطار.";

    fn split(raw: &str) -> Vec<&str> {
        phrases(raw, &Words::of(BODY), &[])
    }

    #[test]
    fn phrases_of_the_article_hold_together() {
        assert_eq!(
            split("القطار وزیر النقل مدينة الرمال البيضاء"),
            ["القطار", "وزیر النقل", "مدينة الرمال البيضاء"]
        );
    }

    #[test]
    fn unknown_words_stay_together_and_twins_anchor() {
        assert_eq!(split("السكك الحديدية القطار"), ["السكك الحديدية", "القطار"]);
        assert_eq!(split("بحر الجنوب القطار بحر الجنوب"), ["بحر الجنوب", "القطار", "بحر الجنوب"]);
    }

    #[test]
    fn separators_win_over_the_article() {
        assert_eq!(split("وزير، النقل | القطار"), ["وزير", "النقل", "القطار"]);
    }

    #[test]
    fn a_phrase_does_not_cross_a_sentence() {
        let body = Words::of("انتظر الناس القطار. وزير جديد");
        assert_eq!(phrases("القطار وزير", &body, &[]), ["القطار", "وزير"]);
        assert_eq!(phrases("القطار وزير", &body, &[Words::of("القطار وزير")]), ["القطار وزير"]);
    }
}
