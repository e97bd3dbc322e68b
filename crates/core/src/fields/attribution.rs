//! The chain of transmission: who published, who passed it on, who is quoted, who wrote.
//!
//! Names come from source lines, bylines, datelines and from agencies and papers cited in the text. The panel below an article was
//! filled long after it, so a related article never gives the main one a name, nor takes one from it.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::decode::Decoded;
use crate::lexicon::{self, Class};
use crate::model::{Attribution, AttributionRole, SectionKind};
use crate::rows::{QUOTES, Row};
use crate::shape::Ending;

use super::Parts;

/// Longest acronym between two slashes, spaces between its letters counted.
const LONGEST_ACRONYM: usize = 9;
/// How far into a paragraph a dateline reaches, in bytes.
const DATELINE_BYTES: usize = 110;
/// Longest name behind "agency" or "newspaper", in words.
const CITED_MAX_WORDS: usize = 5;
/// More names than this in one article are a list, not a chain.
const CITED_MAX: usize = 16;

/// The attribution of one article, outermost first.
pub(super) fn chain(parts: &Parts<'_>) -> Vec<Attribution> {
    let decoded = parts.document.decoded;
    let mut chain = Vec::new();
    sources(parts, &mut chain);
    for row in parts.of(&[SectionKind::Date, SectionKind::RelatedDate]) {
        chain.extend(source_beside_date(decoded, row));
    }
    let mut bodies = parts.of(&[SectionKind::Body, SectionKind::RelatedBody]);
    chain.extend(bodies.next().and_then(|row| dateline(decoded, row)));
    chain.extend(
        parts.of(&[SectionKind::Body, SectionKind::RelatedBody]).last().and_then(|row| closing(decoded, row)),
    );
    for row in parts.of(&[SectionKind::Body, SectionKind::RelatedBody]) {
        cited(decoded, row, &mut chain);
    }
    for row in parts.of(&[SectionKind::Byline, SectionKind::RelatedByline]) {
        byline(decoded, row, &mut chain);
    }
    chain.sort_by_key(|link| link.role);
    chain
}

/// Source lines: the first names the publisher, a second one the aggregator that took it from there.
fn sources(parts: &Parts<'_>, chain: &mut Vec<Attribution>) {
    let mut found = 0;
    for row in parts.of(&[SectionKind::Source]) {
        let has_label = row.hit.as_ref().is_some_and(|hit| hit.class == Class::Source);
        let name = if has_label { row.rest() } else { row.text };
        let name = name
            .trim_matches(|c: char| QUOTES.contains(&c) || matches!(c, '(' | ')' | '[' | ']' | '.' | ' '));
        if name.is_empty() {
            continue;
        }
        let role = match (lexicon::get().name_class(name), found) {
            (Some(Class::Agency), _) => AttributionRole::Agency,
            (_, 0) => AttributionRole::Publisher,
            (_, _) => AttributionRole::Aggregator,
        };
        found += 1;
        chain.push(link(parts.document.decoded, role, name, row.text, row.start, 0.95));
    }
}

/// `date | Source: name` or `date | name` on one line.
fn source_beside_date(decoded: &Decoded<'_>, row: &Row<'_>) -> Option<Attribution> {
    let rest = row.date()?.rest.clone()?;
    let text = row
        .text
        .get(rest.clone())?
        .trim_matches(|c: char| c.is_whitespace() || matches!(c, '|' | '-' | '–' | '،'));
    let hit = lexicon::get().find(text, &mut crate::fold::Matched::default());
    let named = hit.filter(|hit| hit.class == Class::Source).and_then(|hit| text.get(hit.rest));
    let is_known = || lexicon::get().name_class(text) == Some(Class::Agency);
    match named {
        Some(name) if !name.is_empty() => {
            Some(link(decoded, AttributionRole::Publisher, name, text, row.start + rest.start, 0.9))
        }
        _ if is_known() => {
            Some(link(decoded, AttributionRole::Agency, text, text, row.start + rest.start, 0.8))
        }
        _ => None,
    }
}

fn dateline(decoded: &Decoded<'_>, row: &Row<'_>) -> Option<Attribution> {
    let credit = dateline_credit(row)?;
    let raw = row.text.get(credit.whole.clone())?;
    let name = row.text.get(credit.name)?;
    Some(link(decoded, AttributionRole::Agency, name, raw, row.start + credit.whole.start, 0.9))
}

/// The agency in brackets behind the last sentence of an article: `….(Agency)`.
fn closing(decoded: &Decoded<'_>, row: &Row<'_>) -> Option<Attribution> {
    let (before, name) = row.text.trim_end_matches('.').strip_suffix(')')?.rsplit_once('(')?;
    let is_behind_sentence = before.trim_end().ends_with(['.', '"', '”', '!', '؟', '?', '»']);
    let is_named_agency = INTRODUCTIONS.iter().any(|word| name.starts_with(word))
        && name.split_whitespace().count() <= CITED_MAX_WORDS;
    let is_known = lexicon::get().name_class(name) == Some(Class::Agency);
    let raw = row.text.get(before.len()..)?;
    (is_named_agency || (is_known && is_behind_sentence))
        .then(|| link(decoded, AttributionRole::Agency, name, raw, row.start + before.len(), 0.8))
}

/// Where a dateline credit stands in a paragraph, in bytes of the row.
pub(crate) struct Credit {
    /// From the start to the mark that ends the dateline.
    pub(crate) whole: Range<usize>,
    /// The agency alone.
    pub(crate) name: Range<usize>,
}

/// The agency that a paragraph starts with: `Name/-`, `(NAME)--`, `City (NAME) –`, `/NAME/`, `City - Name:`.
pub(crate) fn dateline_credit(row: &Row<'_>) -> Option<Credit> {
    const MARKS: [&str; 9] = ["/-", "--", "–", "—", " - ", "ـ", "/", ")-", ":"];
    let mut cut = row.text.len().min(DATELINE_BYTES);
    while !row.text.is_char_boundary(cut) {
        cut -= 1;
    }
    let head = row.text.get(..cut)?;
    if !head.bytes().any(|b| matches!(b, b'/' | b'-' | b')' | b':') || b >= 0xE2) && !head.contains('ـ') {
        return None;
    }
    let marks =
        MARKS.iter().filter_map(|mark| head.match_indices(mark).nth(usize::from(head.starts_with(mark))));
    let mut candidates: Vec<(usize, &str)> = marks.collect();
    candidates.sort_by_key(|&(at, mark)| (at, std::cmp::Reverse(mark.len())));
    candidates.into_iter().find_map(|(at, mark)| credit_before(head, at, mark))
}

fn credit_before(head: &str, at: usize, mark: &str) -> Option<Credit> {
    let before = head.get(..at)?;
    let open = before
        .rfind(['(', '/', '-', '–', '،', ','])
        .map_or(0, |open| open + before[open..].chars().next().map_or(1, char::len_utf8));
    let inner = before.get(open..)?;
    let name = inner.trim_matches(|c: char| c.is_whitespace() || matches!(c, ')' | '(' | '/' | '*'));
    let start = open + inner.find(name)?;
    let is_agency = lexicon::get().name_class(name) == Some(Class::Agency);
    let is_short = (1..=3).contains(&name.split_whitespace().count());
    let rest = head.get(at + mark.len()..)?;
    let is_bracketed =
        inner.trim_end().ends_with(')') || (mark == ")-" && before.get(..open)?.ends_with('('));
    let is_slashed =
        mark == "/" && open == 1 && name.chars().count() <= LONGEST_ACRONYM && rest.starts_with([' ', '-']);
    let is_dash = matches!(mark, "--" | "–" | "—" | " - " | "ـ" | ")-");
    let is_house = is_short && ((mark == "/-" && open == 0) || (is_bracketed && is_dash) || is_slashed);
    let tail = rest.len() - rest.trim_start_matches(['-', '–', '—', 'ـ', '/', ':', ' ']).len();
    let end = at + mark.len() + rest.get(..tail)?.trim_end().len();
    ((is_agency || is_house) && !name.is_empty())
        .then(|| Credit { whole: 0..end, name: start..start + name.len() })
}

/// Names that need no "agency" before them, and the words that stand before all others. Leftmost matches are those that vectors
/// can search for.
static CITED: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = INTRODUCTIONS.iter().chain(&BARE_NAMES);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(words).ok()
});

const INTRODUCTIONS: [&str; 5] = ["وكالة ", "صحيفة ", "قناة ", "شبكة ", "موقع "];
const BARE_NAMES: [&str; 12] = [
    "رويترز",
    "فرانس برس",
    "بلومبرغ",
    "Reuters",
    "Associated Press",
    "Agence France-Presse",
    "Bloomberg",
    "Xinhua",
    "TASS",
    "Anadolu",
    "Agence France Presse",
    "ANTARA",
];

/// Agencies and papers named in a paragraph, each once in an article.
fn cited(decoded: &Decoded<'_>, row: &Row<'_>, chain: &mut Vec<Attribution>) {
    let Some(finder) = CITED.as_ref() else { return };
    for found in finder.find_iter(row.text) {
        if chain.len() >= CITED_MAX {
            return;
        }
        let name = if found.pattern().as_usize() < INTRODUCTIONS.len() {
            let Some(name) = known_name(row.text, found.end()) else { continue };
            name
        } else {
            found.start()..found.end()
        };
        let Some(text) = row.text.get(name.clone()) else { continue };
        if chain.iter().any(|link| link.name == text) {
            continue;
        }
        let raw = row.text.get(found.start()..name.end).unwrap_or(text);
        chain.push(link(decoded, AttributionRole::Cited, text, raw, row.start + found.start(), 0.8));
    }
}

/// The longest known name that starts at byte `start`.
fn known_name(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let ends = rest.match_indices([' ', '،', ',', '.', '"', '؛', ':']).map(|(at, _)| at).chain([rest.len()]);
    let ends: Vec<usize> = ends.take(CITED_MAX_WORDS).collect();
    let is_name = |end: &&usize| {
        rest.get(..**end).and_then(|name| lexicon::get().name_class(name)) == Some(Class::Agency)
    };
    ends.iter().rev().find(is_name).map(|end| start..start + end)
}

/// The author behind a byline label, or the agency of a `City - Agency` line.
fn byline(decoded: &Decoded<'_>, row: &Row<'_>, chain: &mut Vec<Attribution>) {
    if row.hit.as_ref().is_some_and(|hit| hit.class == Class::Byline) {
        chain.push(link(decoded, AttributionRole::Byline, row.rest(), row.text, row.start, 0.9));
        return;
    }
    for name in row.text.split(['/', '-', '–', '—', ',', '،', '|', '+', '(', ')']).map(str::trim) {
        if row.shape.ending == Ending::Open && lexicon::get().name_class(name) == Some(Class::Agency) {
            chain.push(link(decoded, AttributionRole::Agency, name, row.text, row.start, 0.8));
        }
    }
}

/// `start` is where `raw` stands in the decoded text.
fn link(
    decoded: &Decoded<'_>,
    role: AttributionRole,
    name: &str,
    raw: &str,
    start: usize,
    confidence: f32,
) -> Attribution {
    let bytes = decoded.input_range(start..start + raw.len());
    Attribution {
        role,
        name: name.trim().to_owned(),
        raw: raw.to_owned(),
        byte_start: bytes.start,
        byte_end: bytes.end,
        confidence,
    }
}
