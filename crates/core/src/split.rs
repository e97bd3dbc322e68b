//! The section state machine: header, body, footer, then the articles of the "read also" tail (design section 4).
//!
//! ```text
//! document := header body* (inline | list | body)* footer* panel* tail*
//! footer   := source{0,2} keywords?            only where no paragraph of the same article follows
//! panel    := marker headline? date? paragraph+ (marker item*)?
//! ```
//! The order of tests decides everything: a stand-alone marker after a footer opens a whole related article, up to the next such
//! marker or the end; without a footer it opens a list of headlines and the body goes on. When unsure, a line is body.

use crate::model::SectionKind;
use crate::rows::{Cue, Row};
use crate::shape::{Ending, HEADLINE_MAX};

use given::Given;

pub(crate) mod given;
pub(crate) mod header;
mod list;
#[cfg(test)]
mod tests;

/// What one row is, and who said so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Label {
    pub(crate) kind: SectionKind,
    /// 0 for the main article, n for the n-th related one.
    pub(crate) owner: u32,
    /// Id of the rule.
    pub(crate) rule: &'static str,
    pub(crate) confidence: f32,
}

/// Labels for all `rows`, in step with them. `given` is the main article's headline where it came beside the text.
pub(crate) fn split(rows: &[Row<'_>], given: Option<&Given<'_>>) -> Vec<Label> {
    let labels = Vec::with_capacity(rows.len());
    let state = State::default();
    let mut splitter = Splitter { rows, given, labels, owner: 0, state, related: 0, panel: None };
    splitter.main_header();
    while splitter.at() < rows.len() {
        splitter.step();
    }
    splitter.labels
}

struct Splitter<'r, 't> {
    rows: &'r [Row<'t>],
    given: Option<&'r Given<'r>>,
    /// One label for every row already read.
    labels: Vec<Label>,
    /// The article being read.
    owner: u32,
    state: State,
    /// Related articles opened so far.
    related: u32,
    /// The text of the marker that opened the last related article.
    panel: Option<&'t str>,
}

/// What is known of the article being read.
#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// A paragraph was read.
    has_body: bool,
    /// A source or keyword line was read after a paragraph.
    has_footer: bool,
    /// The readers' corner has begun.
    in_comments: bool,
}

impl<'t> Splitter<'_, 't> {
    /// The next row to label.
    fn at(&self) -> usize {
        self.labels.len()
    }

    fn row(&self, at: usize) -> Option<&Row<'t>> {
        self.rows.get(at)
    }

    fn cue(&self, at: usize) -> Option<Cue> {
        self.row(at)?.cue(false)
    }

    fn label(&mut self, kind: SectionKind, rule: &'static str, confidence: f32) {
        self.labels.push(Label { kind, owner: self.owner, rule, confidence });
    }

    /// Labels the next row by the word list entry it starts with.
    fn label_hit(&mut self, kind: SectionKind, confidence: f32) {
        let rule = self.row(self.at()).and_then(|row| row.hit.as_ref()).map_or("shape", |hit| hit.id);
        self.label(kind, rule, confidence);
    }

    fn body_kind(&self) -> SectionKind {
        if self.owner == 0 { SectionKind::Body } else { SectionKind::RelatedBody }
    }

    /// Labels at least one row.
    fn step(&mut self) {
        let at = self.at();
        match self.cue(at) {
            Some(Cue::Marker) => self.marker(),
            Some(Cue::Inline) => self.label_hit(SectionKind::InlineRelated, 0.7),
            Some(Cue::Source) if self.is_footer(at) => self.source(),
            Some(Cue::Keywords) if self.state.has_body && !self.resumes(at + 1) => {
                self.state.has_footer = true;
                self.label_hit(SectionKind::Keywords, 0.95);
            }
            Some(Cue::Byline) if self.ends_article(at + 1) => self.label_hit(self.byline_kind(), 0.7),
            Some(Cue::Caption) if !self.row_is_paragraph(at) => self.label_hit(SectionKind::Caption, 0.7),
            Some(Cue::Comments) => {
                self.state.in_comments = self.state.has_body && !self.resumes(at + 1);
                self.label_hit(SectionKind::Comments, 0.9);
            }
            Some(Cue::Share) => self.label_hit(SectionKind::Share, 0.9),
            Some(Cue::Promo) => self.label_hit(SectionKind::Promo, 0.8),
            Some(Cue::Chrome) => self.label_hit(SectionKind::Chrome, 0.9),
            Some(Cue::Source | Cue::Keywords | Cue::Byline | Cue::Caption) | None => self.text(),
        }
    }

    /// A row without a marker, or with one that does not count here.
    fn text(&mut self) {
        let at = self.at();
        if self.state.in_comments {
            return self.label(SectionKind::Comments, "comments.after_marker", 0.6);
        }
        if self.state.has_body && self.ends_article(at + 1) {
            if self.rows.get(at).is_some_and(header::is_credit_line) {
                self.state.has_footer = true;
                return self.label(SectionKind::Source, "source.agency_line", 0.8);
            }
            if self.row(at).is_some_and(|row| row.date().is_some()) {
                return self.label(self.date_kind(), "date.at_end", 0.8);
            }
            if self.is_unlabelled_tags(at) {
                return self.label(SectionKind::Keywords, "keywords.after_source", 0.6);
            }
        }
        if self.state.has_body && self.row(at).is_some_and(|row| row.labelled_credit().is_some()) {
            return self.label(SectionKind::Caption, "caption.labelled_credit", 0.8);
        }
        if self.is_subheading(at) {
            return self.label(SectionKind::Subheading, "subheading.short_line", 0.8);
        }
        self.state.has_body = true;
        self.label(self.body_kind(), "body.default", 1.0);
    }

    /// A source label, its value perhaps on the next line.
    fn source(&mut self) {
        let at = self.at();
        self.state.has_footer = true;
        let is_bare = self.row(at).is_some_and(|row| row.rest().is_empty());
        self.label_hit(SectionKind::Source, 0.95);
        let is_value =
            |row: &Row<'_>| row.shape.chars <= 40 && row.shape.ending == Ending::Open && row.hit.is_none();
        if is_bare && self.row(at + 1).is_some_and(is_value) && self.ends_article(at + 2) {
            self.label(SectionKind::Source, "source.value_line", 0.8);
        }
    }

    /// A source line counts where its article ends; elsewhere "the source:" is prose.
    fn is_footer(&self, at: usize) -> bool {
        let ends = |next: usize| {
            let short = |row: &Row<'_>| !row.shape.is_paragraph();
            self.ends_article(next) || (self.row(next).is_some_and(short) && self.ends_article(next + 1))
        };
        self.state.has_body && ends(at + 1)
    }

    /// Whether no text of the article stands at `at`: the end, or a marker of any kind.
    fn ends_article(&self, at: usize) -> bool {
        let Some(row) = self.row(at) else { return true };
        row.cue(false).is_some_and(|cue| match cue {
            Cue::Marker
            | Cue::Source
            | Cue::Keywords
            | Cue::Comments
            | Cue::Share
            | Cue::Promo
            | Cue::Chrome => true,
            Cue::Inline | Cue::Byline | Cue::Caption => false,
        })
    }

    /// Whether a paragraph without a marker stands at `at`.
    fn resumes(&self, at: usize) -> bool {
        self.row_is_paragraph(at) && self.cue(at).is_none()
    }

    fn row_is_paragraph(&self, at: usize) -> bool {
        self.row(at).is_some_and(|row| row.shape.is_paragraph())
    }

    /// A short line directly behind a source line, before the end or a marker.
    fn is_unlabelled_tags(&self, at: usize) -> bool {
        let after_source = self.labels.last().is_some_and(|label| label.kind == SectionKind::Source);
        after_source && self.state.has_footer && !self.row_is_paragraph(at)
    }

    /// A short line without a stop between two paragraphs.
    fn is_subheading(&self, at: usize) -> bool {
        const LONGEST: usize = 80;
        let Some(row) = self.row(at) else { return false };
        let is_title = matches!(row.shape.ending, Ending::Open | Ending::Question);
        let after_body = self.labels.last().is_some_and(|label| label.kind == self.body_kind());
        let after_paragraph = at.checked_sub(1).is_some_and(|before| self.row_is_paragraph(before));
        let after_list = self.labels.last().is_some_and(|label| label.kind == SectionKind::RelatedItem);
        let after_text = (after_body && after_paragraph) || after_list;
        row.shape.chars <= LONGEST
            && row.shape.bullet_bytes == 0
            && row.hit.is_none()
            && is_title
            && after_text
            && self.resumes(at + 1)
    }

    fn byline_kind(&self) -> SectionKind {
        if self.owner == 0 { SectionKind::Byline } else { SectionKind::RelatedByline }
    }

    fn date_kind(&self) -> SectionKind {
        if self.owner == 0 { SectionKind::Date } else { SectionKind::RelatedDate }
    }

    /// Whether a row may be the headline of a related article.
    fn is_related_headline(&self, at: usize) -> bool {
        let fits = |row: &Row<'_>| {
            row.shape.chars <= HEADLINE_MAX && !matches!(row.shape.ending, Ending::Stop | Ending::Colon)
        };
        self.row(at).is_some_and(fits)
    }
}
