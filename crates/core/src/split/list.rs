//! What a stand-alone marker opens: a whole related article, or a list of headlines.

use super::Splitter;
use crate::lexicon::Class;
use crate::model::SectionKind;
use crate::rows::{Cue, Row};

/// A list in the middle of a body is no longer than this, unless it is bulleted (50 real blocks had 0 to 5 items).
const LIST_MAX: usize = 5;

/// What stands behind a marker.
struct Ahead {
    /// Rows that look like list items, directly behind the marker.
    items: usize,
    /// A paragraph follows before the next marker.
    has_paragraph: bool,
    /// The items carry bullets.
    is_bulleted: bool,
    /// The row behind the first item is a date line.
    has_date: bool,
    /// The row behind the first item is a teaser: it begins with the item's own words.
    has_teaser: bool,
}

impl<'t> Splitter<'_, 't> {
    /// Labels a stand-alone marker and what belongs to it.
    pub(super) fn marker(&mut self) {
        let at = self.at();
        let ahead = self.ahead(at + 1);
        if self.opens_article(at, &ahead) {
            let marker: Option<&'t str> = self.rows.get(at).map(|row| row.text);
            self.owner = 0;
            self.label_hit(SectionKind::ReadAlsoMarker, 0.9);
            self.panel = marker;
            self.related += 1;
            self.owner = self.related;
            return self.related_header();
        }
        let confidence: f32 = match ahead.items {
            0 => 0.7,
            1 if ahead.has_paragraph => 0.6,
            _ => 0.8,
        };
        self.label_hit(SectionKind::ReadAlsoMarker, confidence.max(0.7));
        for _ in 0..self.list_length(at + 1, &ahead) {
            self.label(SectionKind::RelatedItem, "related_item.after_marker", confidence);
        }
    }

    fn ahead(&self, first: usize) -> Ahead {
        let rows = self.rows.get(first..).unwrap_or_default();
        let is_bulleted = rows.first().is_some_and(|row| row.shape.bullet_bytes > 0);
        let is_item = |row: &&Row<'_>| {
            let fits = if is_bulleted { row.shape.bullet_bytes > 0 } else { row.shape.is_item() };
            fits && row.cue(false).is_none_or(|cue| matches!(cue, Cue::Inline | Cue::Caption | Cue::Byline))
        };
        let items = rows.iter().take_while(is_item).count();
        let mut segment = rows.iter().skip(items).take_while(|row| row.cue(false) != Some(Cue::Marker));
        let has_paragraph = segment.any(|row| row.cue(false).is_none() && row.shape.is_paragraph());
        let has_teaser = match rows {
            [first, second, ..] => {
                second.text.len() > first.text.len() && second.text.starts_with(first.text)
            }
            _ => false,
        };
        let has_date = rows.get(1).is_some_and(|row| row.date().is_some());
        Ahead { items, has_paragraph, is_bulleted, has_date, has_teaser }
    }

    /// A whole article follows: the page's own article is over, and there is text to be its body.
    fn opens_article(&self, marker: usize, ahead: &Ahead) -> bool {
        let row = self.rows.get(marker);
        let is_machine_list =
            row.and_then(|row| row.hit.as_ref()).is_some_and(|hit| hit.class == Class::Similar);
        if ahead.has_teaser && !ahead.is_bulleted {
            return true;
        }
        if !ahead.has_paragraph || ahead.is_bulleted || (is_machine_list && ahead.items > 1) {
            return false;
        }
        let is_next_panel = ahead.items == 1 && row.is_some_and(|row| self.panel == Some(row.text));
        self.state.has_footer || ahead.has_date || is_next_panel || self.state.in_comments
    }

    /// How many rows behind the marker are items.
    fn list_length(&self, first: usize, ahead: &Ahead) -> usize {
        if !ahead.has_paragraph || ahead.is_bulleted {
            return ahead.items;
        }
        let line = |at: usize| self.rows.get(at).map_or(0, |row| row.line);
        let is_tight = line(first) == line(first.saturating_sub(1)) + 1;
        // Where the first item follows its marker without a blank line, a blank line ends the list.
        let gap = (first + 1..first + ahead.items).find(|&at| is_tight && line(at) > line(at - 1) + 1);
        let length = gap.map_or(ahead.items, |gap| gap - first).min(LIST_MAX);
        length - usize::from(self.ends_in_subheading(first, length))
    }

    /// The last line before the body goes on is two or three words, all others are whole headlines: it heads the paragraph.
    fn ends_in_subheading(&self, first: usize, length: usize) -> bool {
        const TITLE_WORDS: usize = 3;
        let words = |row: &Row<'_>| row.text.split_whitespace().count();
        let items = self.rows.get(first..first + length).unwrap_or_default();
        match items.split_last() {
            Some((last, others)) if !others.is_empty() && self.resumes(first + length) => {
                words(last) <= TITLE_WORDS && others.iter().all(|row| words(row) > TITLE_WORDS)
            }
            Some(_) | None => false,
        }
    }
}
