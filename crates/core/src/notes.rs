//! Remarks: what stands inside a line besides its text, found and left alone. The codes are listed in `docs/parsing.md`.

use std::ops::Range;

use crate::fields::{self, Document, line_number};
use crate::lexicon::{self, Class};
use crate::model::{Note, SectionKind};
use crate::rows::Row;
use crate::split::{Label, header};

mod glue;
mod time;

/// Remarks of one code on one line; a line with more is noise, and finding them all would say no more.
const MOST_PER_LINE: usize = 16;
/// Paragraphs at the start of an article in which "today Wednesday" says when it was written.
const DATED_PARAGRAPHS: usize = 4;

/// All remarks on a document, in document order.
pub(crate) fn notes(document: &Document<'_>) -> Vec<Note> {
    let mut notes = Notes { document, notes: document.decoded.notes.clone() };
    let mut paragraphs = 0;
    let mut owner = 0;
    for (row, label) in document.rows.iter().zip(document.labels) {
        if label.owner != owner {
            owner = label.owner;
            paragraphs = 0;
        }
        let is_body = matches!(label.kind, SectionKind::Body | SectionKind::RelatedBody);
        paragraphs += usize::from(is_body);
        notes.of_layout(row, label);
        if is_body {
            notes.of_text(row, paragraphs);
        }
    }
    notes.notes.sort_by_key(|note| (note.line, note.byte_start));
    notes.notes
}

struct Notes<'d> {
    document: &'d Document<'d>,
    notes: Vec<Note>,
}

impl Notes<'_> {
    /// Adds a remark about `range` of the text of `row`.
    fn push(&mut self, code: &'static str, row: &Row<'_>, range: &Range<usize>) {
        self.push_text(code, row, row.at(range));
    }

    fn push_text(&mut self, code: &'static str, row: &Row<'_>, range: Range<usize>) {
        let bytes = self.document.decoded.input_range(range);
        self.notes.push(Note {
            code,
            line: line_number(row.line),
            byte_start: bytes.start,
            byte_end: bytes.end,
        });
    }

    /// Labels, values and marks of a line that is not body text.
    fn of_layout(&mut self, row: &Row<'_>, label: &Label) {
        match label.kind {
            SectionKind::Headline => {
                if let Some(place) = headline_place(row) {
                    self.push("headline_place", row, &place);
                }
            }
            SectionKind::Date | SectionKind::RelatedDate => self.of_date(row),
            SectionKind::Source => self.label_and_value(row, Class::Source, "source_label", "source_value"),
            SectionKind::Keywords => {
                self.label_and_value(row, Class::Keywords, "keywords_label", "keywords_value")
            }
            SectionKind::Caption => {
                if let Some(credit) = header::photo_credit(row) {
                    self.push("photo_credit", row, &credit);
                }
            }
            SectionKind::Subheading => self.push("subheading", row, &(0..row.text.len())),
            SectionKind::RelatedItem if row.shape.bullet_bytes > 0 => self.of_bullet(row),
            SectionKind::RelatedItem
            | SectionKind::HeadlineRepeat
            | SectionKind::Byline
            | SectionKind::Standfirst
            | SectionKind::Body
            | SectionKind::ReadAlsoMarker
            | SectionKind::RelatedHeadline
            | SectionKind::RelatedByline
            | SectionKind::RelatedBody
            | SectionKind::InlineRelated
            | SectionKind::Comments
            | SectionKind::Share
            | SectionKind::Promo
            | SectionKind::Chrome
            | SectionKind::Blank => {}
        }
    }

    /// A label glued between two dates is the second one's.
    fn of_date(&mut self, row: &Row<'_>) {
        let Some(line) = row.date() else { return };
        if let Some(label) = &line.label {
            let is_between = line.published.as_ref().is_some_and(|(_, range)| range.end <= label.start);
            let colon = row.text.get(label.end..).is_some_and(|rest| rest.starts_with(':'));
            let label = &(label.start..label.end + usize::from(colon));
            self.push(if is_between { "date_updated_label" } else { "date_label" }, row, label);
        }
        if let Some((_, range)) = &line.published {
            self.push("date_published", row, range);
        }
        if let Some((_, range)) = &line.modified {
            self.push("date_updated", row, range);
        }
    }

    fn label_and_value(&mut self, row: &Row<'_>, class: Class, label: &'static str, value: &'static str) {
        let Some(hit) = row.hit.as_ref().filter(|hit| hit.class == class) else { return };
        self.push(label, row, &hit.label);
        if !hit.is_alone() {
            self.push(value, row, &hit.rest);
        }
    }

    /// The indent belongs to the bullet.
    fn of_bullet(&mut self, row: &Row<'_>) {
        let line_start = self.document.decoded.lines.get(row.line).map_or(row.start, |line| line.text_start);
        self.push_text("bullet_prefix", row, line_start..row.start + row.shape.bullet_bytes);
    }

    /// What is remarkable inside a paragraph, the `paragraph`-th (from 1) of its article.
    fn of_text(&mut self, row: &Row<'_>, paragraph: usize) {
        let credit = (paragraph == 1).then(|| fields::dateline_credit(row)).flatten();
        if let Some(credit) = credit {
            self.push("dateline_credit", row, &credit.whole);
        }
        if paragraph <= DATED_PARAGRAPHS {
            self.all("relative_day", row, time::relative_days(row.text));
        }
        self.all("dual_month", row, time::dual_months(row.text));
        self.all("glued_quote", row, glue::quotes(row.text));
        for glued in glue::words(row.text).take(MOST_PER_LINE) {
            let code = if glued.is_subheading { "glued_subheading" } else { "glued_words" };
            self.push(code, row, &glued.range);
        }
        self.of_line_end(row);
    }

    fn all(&mut self, code: &'static str, row: &Row<'_>, ranges: impl Iterator<Item = Range<usize>>) {
        for range in ranges.take(MOST_PER_LINE) {
            self.push(code, row, &range);
        }
    }

    fn of_line_end(&mut self, row: &Row<'_>) {
        let Some(line) = self.document.decoded.lines.get(row.line) else { return };
        let tail = self.document.decoded.text.get(row.end()..line.text_end).unwrap_or_default();
        if tail.starts_with('\u{A0}') {
            self.push_text("nbsp_tail", row, row.end()..line.text_end);
        }
    }
}

/// A city and a colon at the start of a headline.
fn headline_place(row: &Row<'_>) -> Option<Range<usize>> {
    let (place, _) = row.text.split_once(':')?;
    (lexicon::get().name_class(place) == Some(Class::Place)).then_some(0..place.len() + 1)
}
