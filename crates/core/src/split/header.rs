//! What stands before the first paragraph: headline, date, byline, standfirst, caption, repeats of the headline.

use super::given::Likeness;
use super::{Splitter, State};
use crate::lexicon::{self, Class};
use crate::model::SectionKind;
use crate::rows::{Cue, Row};
use crate::shape::Ending;

/// Rows that a header may take; what comes later is body.
const HEADER_ROWS: usize = 12;
/// How far behind a standfirst its paragraph may stand.
const STANDFIRST_REACH: usize = 10;
/// Longest line of names and places, in characters.
const CREDIT_MAX_CHARS: usize = 48;

/// The rule of a line that is a part of the headline given beside the text: that one is the longer.
pub(crate) const PART_OF_GIVEN: &str = "headline.part_of_given";

impl Splitter<'_, '_> {
    /// Labels the rows before the first paragraph of the main article.
    pub(super) fn main_header(&mut self) {
        let mut headline: Option<usize> = None;
        while self.at() < self.rows.len().min(HEADER_ROWS) {
            let at = self.at();
            let Some(row) = self.rows.get(at) else { return };
            if headline.is_none() && self.given_headline(at) {
                headline = Some(at);
                continue;
            }
            match row.cue(true) {
                Some(Cue::Source) => self.label_hit(SectionKind::Source, 0.9),
                Some(Cue::Byline) => self.label_hit(SectionKind::Byline, 0.9),
                Some(Cue::Caption) => self.label_hit(SectionKind::Caption, 0.8),
                Some(Cue::Comments) => self.label_hit(SectionKind::Comments, 0.8),
                Some(Cue::Share) => self.label_hit(SectionKind::Share, 0.8),
                Some(Cue::Promo) => self.label_hit(SectionKind::Promo, 0.8),
                Some(Cue::Chrome) => self.label_hit(SectionKind::Chrome, 0.9),
                Some(Cue::Marker | Cue::Inline | Cue::Keywords) => return,
                None if row.date().is_some() => self.label(SectionKind::Date, "date.line", 0.95),
                None if headline.is_none() && self.given.is_none() => {
                    if !self.is_headline(at) {
                        return;
                    }
                    headline = Some(at);
                    self.label(SectionKind::Headline, "headline.first_short_line", 0.9);
                }
                None => {
                    let is_last = headline.is_none() && at + 1 >= self.rows.len();
                    let is_aside = |this: &mut Self| headline.is_none() && this.aside(at);
                    if is_last || !(self.below_headline(row, headline) || is_aside(self)) {
                        return;
                    }
                }
            }
        }
    }

    /// Labels the row as the headline where it is the given one, whatever its words look like.
    fn given_headline(&mut self, at: usize) -> bool {
        let (Some(given), Some(row)) = (self.given, self.rows.get(at)) else { return false };
        // Something must be left for the body: an item may be nothing but its title.
        if at + 1 >= self.rows.len() {
            return false;
        }
        match given.likeness(row) {
            Likeness::Same => self.label(SectionKind::Headline, "headline.same_as_given", 1.0),
            Likeness::Part => self.label(SectionKind::Headline, PART_OF_GIVEN, 0.9),
            Likeness::Whole => self.label(SectionKind::Headline, "headline.given_cut", 0.9),
            Likeness::Other => return false,
        }
        true
    }

    /// A short line that the given headline makes no headline, above more of the header: a section's name, another wording. It stays body.
    fn aside(&mut self, at: usize) -> bool {
        let Some(given) = self.given else { return false };
        let below = self.rows.iter().take(HEADER_ROWS).skip(at + 1);
        let is_more = |row: &Row<'_>| {
            row.date().is_some()
                || row.cue(true) == Some(Cue::Byline)
                || given.likeness(row) != Likeness::Other
        };
        let is_aside =
            !self.row_is_paragraph(at) && below.take_while(|row| !row.shape.is_paragraph()).any(is_more);
        if is_aside {
            self.label(SectionKind::Body, "body.above_header", 0.8);
        }
        is_aside
    }

    /// A row between headline and body that carries no marker; false when it is the body.
    fn below_headline(&mut self, row: &Row<'_>, headline: Option<usize>) -> bool {
        let at = self.at();
        let is_repeat =
            headline.and_then(|at| self.rows.get(at)).is_some_and(|headline| headline.text == row.text);
        if is_repeat {
            self.label(SectionKind::HeadlineRepeat, "headline_repeat.same_text", 1.0);
        } else if photo_credit(row).is_some() {
            self.label(SectionKind::Caption, "caption.agency_in_brackets", 0.9);
        } else if is_credit_line(row) {
            self.label(SectionKind::Byline, "byline.place_or_agency", 0.8);
        } else if self.is_standfirst(at) {
            self.label(SectionKind::Standfirst, "standfirst.paragraph_repeated", 0.95);
        } else if headline.is_some_and(|headline| self.is_before_repeat(at, headline)) {
            self.label(SectionKind::Standfirst, "standfirst.before_headline_repeat", 0.8);
        } else if ends_in_brackets(row) && self.resumes(at + 1) {
            self.label(SectionKind::Caption, "caption.credit_in_brackets", 0.7);
        } else {
            return false;
        }
        true
    }

    /// Short, not a sentence, and something follows it.
    fn is_headline(&self, at: usize) -> bool {
        self.rows.get(at).is_some_and(|row| row.shape.is_headline() && row.shape.bullet_bytes == 0)
            && at + 1 < self.rows.len()
    }

    /// The same paragraph comes again below, perhaps with one more letter in front ("and").
    fn is_standfirst(&self, at: usize) -> bool {
        let Some(row) = self.rows.get(at) else { return false };
        // A panel may carry the same story: only the article's own text counts.
        let ends = |row: &&Row<'_>| matches!(row.cue(false), Some(Cue::Marker | Cue::Source | Cue::Keywords));
        let below = self.rows.iter().skip(at + 1).take(STANDFIRST_REACH).take_while(|row| !ends(row));
        let mut repeats = below.filter_map(|later| later.text.strip_suffix(row.text));
        row.shape.is_paragraph() && repeats.any(|before| matches!(before, "" | "و" | "ف"))
    }

    /// A paragraph between the headline and its repeat.
    fn is_before_repeat(&self, at: usize, headline: usize) -> bool {
        let text = |at: usize| self.rows.get(at).map(|row| row.text);
        let is_directly_below =
            self.labels.iter().skip(headline + 1).all(|label| label.kind != SectionKind::HeadlineRepeat);
        is_directly_below && self.row_is_paragraph(at) && text(at + 1) == text(headline)
    }

    /// Labels headline, date, byline and caption of a related article that begins at the next row.
    pub(super) fn related_header(&mut self) {
        self.state = State::default();
        let first = self.at();
        if self.is_related_headline(first) && self.row(first + 1).is_some() {
            self.label(SectionKind::RelatedHeadline, "related_headline.after_marker", 0.9);
        }
        while let Some(row) = self.rows.get(self.at()) {
            let is_repeat =
                self.rows.get(first).is_some_and(|headline| headline.text == row.text) && self.at() > first;
            match row.cue(true) {
                Some(Cue::Byline) => self.label_hit(SectionKind::RelatedByline, 0.9),
                Some(Cue::Caption) => self.label_hit(SectionKind::Caption, 0.8),
                None if row.date().is_some() => self.label(SectionKind::RelatedDate, "date.line", 0.95),
                None if is_repeat => {
                    self.label(SectionKind::HeadlineRepeat, "headline_repeat.same_text", 1.0)
                }
                None if photo_credit(row).is_some() => {
                    self.label(SectionKind::Caption, "caption.agency_in_brackets", 0.9);
                }
                None if is_credit_line(row) => {
                    self.label(SectionKind::RelatedByline, "byline.place_or_agency", 0.8)
                }
                Some(_) | None => return,
            }
        }
    }
}

/// A short line that ends in a few bracketed words.
fn ends_in_brackets(row: &Row<'_>) -> bool {
    const MOST_WORDS: usize = 5;
    let inner = row.text.strip_suffix(')').and_then(|text| text.rsplit_once('('));
    let is_credit = |(caption, credit): (&str, &str)| {
        caption.split_whitespace().count() > 2
            && (1..=MOST_WORDS).contains(&credit.split_whitespace().count())
    };
    !row.shape.is_paragraph() && inner.is_some_and(is_credit)
}

/// Byte range of the picture credit at the end of a short line: labelled, or an agency in brackets or behind a slash or dash.
pub(crate) fn photo_credit(row: &Row<'_>) -> Option<std::ops::Range<usize>> {
    row.labelled_credit().or_else(|| agency_credit(row))
}

fn agency_credit(row: &Row<'_>) -> Option<std::ops::Range<usize>> {
    if row.shape.is_paragraph() || row.shape.ending != Ending::Open {
        return None;
    }
    let text = row.text;
    let (open, inner) = if let Some(body) = text.strip_suffix([')', ']']) {
        let open = body.rfind(['(', '['])?;
        (open, body.get(open + 1..)?)
    } else {
        let open = text.rfind(['/', '|', '-', '–'])?;
        let width = text.get(open..)?.chars().next()?.len_utf8();
        (open, text.get(open + width..)?)
    };
    let name = inner.rsplit([':', '/']).next().unwrap_or(inner).trim();
    let is_introduced = name.starts_with("وكالة ") && name.split_whitespace().count() <= 4;
    let is_name = is_introduced || lexicon::get().name_class(name) == Some(Class::Agency);
    (is_name && open > 0 && text.get(..open)?.split_whitespace().count() > 2).then_some(open..text.len())
}

/// A short line of nothing but places and agencies, such as `City - Agency` or `(Agency)`.
pub(crate) fn is_credit_line(row: &Row<'_>) -> bool {
    if row.shape.chars > CREDIT_MAX_CHARS || row.shape.ending != Ending::Open {
        return false;
    }
    let bare =
        row.text.trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | '/' | '*' | '-' | '–' | ' '));
    let mut names = bare.split(['/', '-', '–', '—', ',', '،', '|', '+']).map(str::trim);
    let mut has_agency = false;
    let all_known = names.all(|name| match lexicon::get().name_class(name) {
        Some(Class::Agency) => {
            has_agency = true;
            true
        }
        Some(Class::Place) => true,
        Some(_) | None => false,
    });
    all_known && (has_agency || bare.contains([' ', '-', '/']))
}
