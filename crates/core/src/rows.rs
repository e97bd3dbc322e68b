//! The non-blank lines of a document with what can be said of each alone: its text, its shape, and the marker it starts with.

use std::cell::OnceCell;
use std::ops::Range;

use crate::date::{self, DateLine};
use crate::decode::Decoded;
use crate::fold::Matched;
use crate::lexicon::{self, Class, Hit, Position, Strength};
use crate::shape::{Ending, HEADLINE_MAX, Shape};

/// A marker that is strong and followed by a separator may introduce a headline this long.
const STRONG_INLINE_MAX: usize = 200;
/// Longest keyword line, in characters.
const KEYWORDS_MAX: usize = 400;
/// Longest name behind a source or byline label, in characters and in words.
const NAME_MAX_CHARS: usize = 60;
const NAME_MAX_WORDS: usize = 8;
/// A name in quotes is shorter than what "the source said".
const QUOTED_NAME_MAX_WORDS: usize = 4;

/// One non-blank line.
#[derive(Debug, Clone)]
pub(crate) struct Row<'t> {
    /// Index into `Decoded::lines`.
    pub(crate) line: usize,
    /// The line without white space around it.
    pub(crate) text: &'t str,
    /// Where `text` starts in the decoded text.
    pub(crate) start: usize,
    /// Its outline.
    pub(crate) shape: Shape,
    /// The word list entry it starts with.
    pub(crate) hit: Option<Hit>,
    /// The date line it is, once somebody asked: sections, fields and notes all do.
    date: OnceCell<Option<Box<DateLine>>>,
}

/// What a marker at the start of a line makes of the line, by its words and shape alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cue {
    /// A marker that introduces the lines after it.
    Marker,
    /// A marker with its headline on the same line.
    Inline,
    /// The source, or the label of one.
    Source,
    /// A keyword line.
    Keywords,
    /// An author line.
    Byline,
    /// A caption or picture credit.
    Caption,
    /// The start of the readers' corner.
    Comments,
    /// Buttons and counters.
    Share,
    /// Advertising of the house, disclaimers.
    Promo,
    /// Printed by the page's software.
    Chrome,
}

/// All non-blank lines of a document, in order.
pub(crate) fn rows<'t>(decoded: &'t Decoded<'_>) -> Vec<Row<'t>> {
    let lexicon = lexicon::get();
    let mut scratch = Matched::default();
    let row = |(line, range): (usize, &crate::decode::Line)| {
        let whole = decoded.line_text(range);
        let text = trim(whole);
        let indent = whole.len() - whole.trim_start_matches(is_margin).len();
        (!text.is_empty()).then(|| Row {
            line,
            text,
            start: range.text_start + indent,
            shape: Shape::of(text),
            hit: lexicon.find(text, &mut scratch),
            date: OnceCell::new(),
        })
    };
    let mut rows = Vec::with_capacity(decoded.lines.len());
    rows.extend(decoded.lines.iter().enumerate().filter_map(row));
    rows
}

/// `line` without white space, controls and invisible marks around it.
fn trim(line: &str) -> &str {
    line.trim_matches(is_margin)
}

fn is_margin(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200B}'..='\u{200F}' | '\u{FEFF}')
}

impl Row<'_> {
    /// One past the last byte of `text` in the decoded text.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// A range of the decoded text, from a range of `text`.
    pub(crate) fn at(&self, range: &Range<usize>) -> Range<usize> {
        self.start + range.start..self.start + range.end
    }

    /// The date line that the row is, if it is one.
    pub(crate) fn date(&self) -> Option<&DateLine> {
        self.date.get_or_init(|| date::find_dates(self.text).map(Box::new)).as_deref()
    }

    /// What follows the marker, as found.
    pub(crate) fn rest(&self) -> &str {
        self.hit.as_ref().and_then(|hit| self.text.get(hit.rest.clone())).unwrap_or_default()
    }

    /// The text behind a bullet.
    pub(crate) fn unbulleted(&self) -> &str {
        self.text.get(self.shape.bullet_bytes..).unwrap_or(self.text)
    }

    /// What the line is by its marker and shape; `in_header` says that no paragraph of its article came before it.
    pub(crate) fn cue(&self, in_header: bool) -> Option<Cue> {
        let hit = self.hit.as_ref()?;
        let is_placed = match hit.position {
            Position::Any => true,
            Position::Header => in_header,
            Position::Body => !in_header,
        };
        if !is_placed {
            return None;
        }
        match hit.class {
            Class::ReadAlso | Class::Similar => self.marker_cue(hit),
            Class::Source => self.is_source(hit).then_some(Cue::Source),
            Class::Keywords => self.is_keywords(hit).then_some(Cue::Keywords),
            Class::Byline => self.is_name(hit).then_some(Cue::Byline),
            Class::Caption => {
                (hit.is_alone() || (hit.has_separator && !self.shape.is_paragraph())).then_some(Cue::Caption)
            }
            Class::Comments => self.is_label(hit).then_some(Cue::Comments),
            Class::Share => self.is_label(hit).then_some(Cue::Share),
            Class::Promo => Some(Cue::Promo),
            Class::Chrome => Some(Cue::Chrome),
            Class::Agency | Class::Place => None,
        }
    }

    fn marker_cue(&self, hit: &Hit) -> Option<Cue> {
        if hit.is_alone() {
            return Some(Cue::Marker);
        }
        let is_sentence = self.shape.ending == Ending::Stop || self.shape.ending == Ending::Colon;
        let is_strong = hit.has_separator && hit.strength != Strength::NeedsSep;
        let fits = match (is_strong, is_sentence) {
            (true, false) => self.shape.chars <= STRONG_INLINE_MAX,
            (true, true) | (false, false) => self.shape.chars <= HEADLINE_MAX,
            (false, true) => false,
        };
        let has_words = hit.has_separator || words(self.rest()) >= 2;
        (fits && has_words).then_some(Cue::Inline)
    }

    /// A label alone, or with a short name that is not a quotation.
    fn is_source(&self, hit: &Hit) -> bool {
        if hit.is_alone() {
            return true;
        }
        let name = self.rest();
        if name.starts_with(QUOTES) {
            return name.trim_end_matches('.').ends_with(QUOTES) && words(name) <= QUOTED_NAME_MAX_WORDS;
        }
        let is_short = name.chars().count() <= NAME_MAX_CHARS && words(name) <= NAME_MAX_WORDS;
        is_short && (self.shape.ending == Ending::Open || words(name) <= QUOTED_NAME_MAX_WORDS)
    }

    fn is_keywords(&self, hit: &Hit) -> bool {
        !hit.is_alone() && self.shape.chars <= KEYWORDS_MAX && self.shape.ending != Ending::Stop
    }

    fn is_name(&self, hit: &Hit) -> bool {
        let name = self.rest();
        !hit.is_alone()
            && self.shape.ending == Ending::Open
            && name.chars().count() <= NAME_MAX_CHARS
            && words(name) <= NAME_MAX_WORDS
            && !name.starts_with(QUOTES)
            && (hit.has_separator || is_capitalised(name))
    }

    /// A label with nothing, a number, or a few words of the same kind behind it.
    fn is_label(&self, hit: &Hit) -> bool {
        const MOST_BUTTONS: usize = 6;
        hit.is_alone()
            || hit.strength == Strength::NoSepOk
            || (hit.has_separator && words(self.rest()) <= MOST_BUTTONS)
    }

    /// Byte range of a caption's credit behind its label, at the end of a short line: `… (Photo: Name)`, `…. Photo: Name`.
    pub(crate) fn labelled_credit(&self) -> Option<Range<usize>> {
        const BREAKS: [char; 7] = ['.', '|', '/', '(', '[', '،', '–'];
        const MOST_WORDS: usize = 6;
        if self.shape.is_paragraph() || self.shape.ending != Ending::Open {
            return None;
        }
        let colon = self.text.rfind([':', '：'])?;
        let before = self.text.get(..colon)?;
        let open = before.rfind(BREAKS)?;
        let label = self.text.get(open..)?;
        let hit = lexicon::get().find(label, &mut Matched::default())?;
        let is_credit = hit.class == Class::Caption && hit.has_separator && !hit.is_alone();
        let is_short = label.get(hit.rest.clone()).is_some_and(|name| words(name) <= MOST_WORDS);
        let start = if label.starts_with(['(', '[']) { open } else { open + hit.label.start };
        (is_credit && is_short).then_some(start..self.text.len())
    }
}

/// Whether every word but the particles of names starts with a capital.
fn is_capitalised(name: &str) -> bool {
    const PARTICLES: [&str; 22] = [
        "al", "and", "bin", "ben", "da", "de", "del", "della", "den", "der", "di", "du", "e", "el", "en",
        "et", "la", "og", "und", "van", "von", "y",
    ];
    let starts_high =
        |word: &str| word.starts_with(char::is_uppercase) || PARTICLES.contains(&word) || word == "&";
    name.starts_with(char::is_uppercase) && name.split_whitespace().all(starts_high)
}

/// Quotation marks that open or close what somebody said.
pub(crate) const QUOTES: [char; 9] = ['"', '“', '”', '«', '»', '„', '\'', '‘', '’'];

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}
