//! From decoded text to articles: rows, labels, sections, fields.

use crate::decode::{self, Decoded, Undecodable};
use crate::fields;
use crate::model::{Parsed, Section, SectionKind};
use crate::notes;
use crate::rows::{self, Row};
use crate::split::given::Given;
use crate::split::{self, Label};

/// Decodes and parses the bytes of one document. `declared` is the charset label the deliverer gave, if any.
///
/// # Errors
/// [`Undecodable`] when the bytes are no text; see [`decode()`](crate::decode()).
pub fn parse_bytes(bytes: &[u8], declared: Option<&str>) -> Result<Parsed, Undecodable> {
    parse_bytes_with(bytes, declared, None)
}

/// As [`parse_bytes`], with the headline that came beside the text: see [`parse_with`].
///
/// # Errors
/// As [`parse_bytes`].
pub fn parse_bytes_with(
    bytes: &[u8],
    declared: Option<&str>,
    headline: Option<&str>,
) -> Result<Parsed, Undecodable> {
    decode::decode(bytes, declared).map(|decoded| parse_with(&decoded, headline))
}

/// Splits one document into its articles and everything around them. Cannot fail: what no rule knows is body.
///
/// The sections are sorted and tile the input; time and memory are linear in its length.
pub fn parse(decoded: &Decoded<'_>) -> Parsed {
    parse_with(decoded, None)
}

/// As [`parse`], with the headline that came beside the text. A line of the header with the same words is the headline; where there is none,
/// the given one is, and no other line is taken for it: a short first line stays body.
pub fn parse_with(decoded: &Decoded<'_>, headline: Option<&str>) -> Parsed {
    let rows = rows::rows(decoded);
    let given = Given::new(headline);
    let labels = split::split(&rows, given.as_ref());
    let sections = sections(decoded, &rows, &labels);
    let confidence =
        sections.iter().filter(|section| moved_text(section.kind)).map(|section| section.confidence);
    let confidence = confidence.fold(1.0, f32::min);
    let document = fields::Document { decoded, rows: &rows, labels: &labels, given: given.as_ref() };
    let mut articles = fields::articles(&document).into_iter();
    Parsed {
        article: articles.next().unwrap_or_else(fields::empty_article),
        related: articles.collect(),
        links: fields::links(&document),
        notes: notes::notes(&document),
        sections,
        confidence,
        charset: decoded.charset,
        charset_source: decoded.charset_source,
        replaced: decoded.replaced,
    }
}

/// Whether a section of this kind took text away from the main body.
fn moved_text(kind: SectionKind) -> bool {
    match kind {
        SectionKind::Body | SectionKind::Subheading | SectionKind::Blank | SectionKind::Headline => false,
        SectionKind::HeadlineRepeat
        | SectionKind::Date
        | SectionKind::Byline
        | SectionKind::Standfirst
        | SectionKind::Caption
        | SectionKind::Source
        | SectionKind::Keywords
        | SectionKind::ReadAlsoMarker
        | SectionKind::RelatedHeadline
        | SectionKind::RelatedDate
        | SectionKind::RelatedByline
        | SectionKind::RelatedBody
        | SectionKind::RelatedItem
        | SectionKind::InlineRelated
        | SectionKind::Comments
        | SectionKind::Share
        | SectionKind::Promo
        | SectionKind::Chrome => true,
    }
}

/// Runs of lines with one label; blank lines inside a run belong to it, blank lines between two runs are sections of their own.
fn sections(decoded: &Decoded<'_>, rows: &[Row<'_>], labels: &[Label]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (row, label) in rows.iter().zip(labels) {
        let same =
            |last: &Section| (last.kind, last.owner, last.rule) == (label.kind, label.owner, label.rule);
        match sections.last_mut().filter(|last| same(last)) {
            Some(last) => {
                close(last, row.line, decoded);
                last.confidence = last.confidence.min(label.confidence);
            }
            None => {
                let next = sections.last().map_or(0, |last| line_index(last.line_end));
                push_blank(&mut sections, next, row.line, decoded);
                sections.push(open(label, row.line, decoded));
            }
        }
    }
    let next = sections.last().map_or(0, |last| line_index(last.line_end));
    push_blank(&mut sections, next, decoded.lines.len(), decoded);
    sections
}

/// A blank section over the lines `from..to`, if there are any.
fn push_blank(sections: &mut Vec<Section>, from: usize, to: usize, decoded: &Decoded<'_>) {
    if from < to {
        let label = Label { kind: SectionKind::Blank, owner: 0, rule: "blank.line", confidence: 1.0 };
        let mut blank = open(&label, from, decoded);
        close(&mut blank, to - 1, decoded);
        sections.push(blank);
    }
}

fn open(label: &Label, line: usize, decoded: &Decoded<'_>) -> Section {
    let number = fields::line_number(line);
    let bytes = decoded.lines.get(line).map_or(0..0, |line| line.byte_start..line.byte_end);
    Section {
        kind: label.kind,
        owner: label.owner,
        line_start: number,
        line_end: number,
        byte_start: bytes.start,
        byte_end: bytes.end,
        rule: label.rule,
        confidence: label.confidence,
    }
}

fn close(section: &mut Section, line: usize, decoded: &Decoded<'_>) {
    section.line_end = fields::line_number(line);
    section.byte_end = decoded.lines.get(line).map_or(section.byte_end, |line| line.byte_end);
}

/// The 0-based index of the line after line number `line_end` (1-based).
fn line_index(line_end: u32) -> usize {
    usize::try_from(line_end).unwrap_or(usize::MAX)
}
