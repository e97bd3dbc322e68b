//! The fields of every article, from labelled rows.
//!
//! Text that goes into a field is copied byte by byte from the document; folding only decides.

use std::ops::Range;

use crate::decode::Decoded;
use crate::fold::{Matched, Words};
use crate::hash;
use crate::language;
use crate::lexicon;
use crate::model::{Article, DateValue, Language, LanguageMethod, Link, SectionKind};
use crate::rows::Row;
use crate::split::Label;
use crate::split::given::Given;
use crate::split::header::PART_OF_GIVEN;

mod attribution;
mod credits;
mod keywords;

pub(crate) use attribution::dateline_credit;
pub use credits::{Credit, byline_credits, publisher_credit};

/// A document whose rows are labelled.
pub(crate) struct Document<'d> {
    pub(crate) decoded: &'d Decoded<'d>,
    pub(crate) rows: &'d [Row<'d>],
    /// One for every row.
    pub(crate) labels: &'d [Label],
    /// The main article's headline where it came beside the text.
    pub(crate) given: Option<&'d Given<'d>>,
}

/// The rows of one article, in order.
struct Parts<'d> {
    document: &'d Document<'d>,
    rows: Vec<(&'d Row<'d>, &'d Label)>,
}

impl<'d> Parts<'d> {
    fn of(&self, kinds: &'d [SectionKind]) -> impl Iterator<Item = &'d Row<'d>> + '_ {
        self.rows.iter().filter(|(_, label)| kinds.contains(&label.kind)).map(|(row, _)| *row)
    }

    /// The headline, and whether it did not stand in the text.
    fn headline(&self) -> (Option<String>, bool) {
        const HEADLINE: [SectionKind; 2] = [SectionKind::Headline, SectionKind::RelatedHeadline];
        let found = self.rows.iter().find(|(_, label)| HEADLINE.contains(&label.kind));
        let is_main = self.rows.first().is_none_or(|(_, label)| label.owner == 0);
        let given = self.document.given.filter(|_| is_main).map(|given| given.text.to_owned());
        match (found, given) {
            (Some((_, label)), Some(given)) if label.rule == PART_OF_GIVEN => (Some(given), true),
            (Some((row, _)), _) => (Some(row.text.to_owned()), false),
            (None, Some(given)) => (Some(given), true),
            (None, None) => (None, false),
        }
    }

    /// The lines of the body as found, joined with LF.
    fn body(&self) -> String {
        const BODY: [SectionKind; 3] = [SectionKind::Body, SectionKind::RelatedBody, SectionKind::Subheading];
        let Decoded { lines, .. } = self.document.decoded;
        let texts = || {
            self.of(&BODY)
                .filter_map(|row| lines.get(row.line))
                .map(|line| self.document.decoded.line_text(line))
        };
        let mut body = String::with_capacity(texts().map(|text| text.len() + 1).sum());
        for text in texts() {
            if !body.is_empty() {
                body.push('\n');
            }
            body.push_str(text);
        }
        body
    }
}

/// The 1-based number of the line with this index.
pub(crate) fn line_number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// The main article, then the related ones in order.
pub(crate) fn articles(document: &Document<'_>) -> Vec<Article> {
    let owners = document.labels.iter().map(|label| label.owner).max().unwrap_or(0);
    let mut parts: Vec<Parts<'_>> = (0..=owners).map(|_| Parts { document, rows: Vec::new() }).collect();
    for pair in document.rows.iter().zip(document.labels) {
        if let Some(part) = usize::try_from(pair.1.owner).ok().and_then(|owner| parts.get_mut(owner)) {
            part.rows.push(pair);
        }
    }
    let mut words = Words::default();
    parts.iter().map(|parts| article(parts, &mut words)).collect()
}

/// `words` is space to fold in.
fn article(parts: &Parts<'_>, words: &mut Words) -> Article {
    let (headline, headline_inferred) = parts.headline();
    let body = parts.body();
    words.fold(&body);
    let dates = dates(parts);
    let keywords = keywords::keywords(parts, words);
    Article {
        fingerprint: hash::fingerprint(headline.as_deref(), words),
        headline,
        headline_inferred,
        standfirst: parts.of(&[SectionKind::Standfirst]).next().map(|row| row.text.to_owned()),
        published: dates.published,
        modified: dates.modified,
        unread_date: dates.unread,
        attribution: attribution::chain(parts),
        keywords: keywords.phrases,
        keywords_raw: keywords.raw,
        language: language::detect(&body),
        char_count: u32::try_from(body.chars().count()).unwrap_or(u32::MAX),
        word_count: words.count(),
        body,
    }
}

/// The article of a document without any text; decoding refuses such documents, so nobody should meet it.
pub(crate) fn empty_article() -> Article {
    Article {
        headline: None,
        headline_inferred: false,
        standfirst: None,
        body: String::new(),
        published: None,
        modified: None,
        unread_date: None,
        attribution: Vec::new(),
        keywords: Vec::new(),
        keywords_raw: None,
        language: Language { tag: "und", confidence: 0.0, method: LanguageMethod::None },
        char_count: 0,
        word_count: 0,
        fingerprint: hash::hash_article(None, ""),
    }
}

/// The first of each sort that the article states on date lines.
#[derive(Default)]
struct Dates {
    published: Option<DateValue>,
    modified: Option<DateValue>,
    /// A line that is a date and states no instant.
    unread: Option<String>,
}

fn dates(parts: &Parts<'_>) -> Dates {
    let value_of = |date: &Option<(DateValue, Range<usize>)>| date.as_ref().map(|(value, _)| value.clone());
    let mut dates = Dates::default();
    for row in parts.of(&[SectionKind::Date, SectionKind::RelatedDate]) {
        let Some(line) = row.date() else { continue };
        if line.published.is_none() && line.modified.is_none() && dates.unread.is_none() {
            dates.unread = Some(row.text.to_owned());
        }
        dates.published = dates.published.or_else(|| value_of(&line.published));
        dates.modified = dates.modified.or_else(|| value_of(&line.modified));
    }
    dates
}

/// Headlines of other pages that came without their article.
pub(crate) fn links(document: &Document<'_>) -> Vec<Link> {
    let mut links = Vec::new();
    let mut marker = "";
    for (row, label) in document.rows.iter().zip(document.labels) {
        let (title, marker_raw) = match label.kind {
            SectionKind::ReadAlsoMarker => {
                marker = row.text;
                continue;
            }
            SectionKind::RelatedItem => (item_title(row), marker),
            SectionKind::InlineRelated => {
                let label = row.hit.as_ref().map_or(0..0, |hit| hit.label.clone());
                (row.rest(), row.text.get(label).unwrap_or_default())
            }
            SectionKind::Headline
            | SectionKind::HeadlineRepeat
            | SectionKind::Date
            | SectionKind::Byline
            | SectionKind::Standfirst
            | SectionKind::Caption
            | SectionKind::Body
            | SectionKind::Subheading
            | SectionKind::Source
            | SectionKind::Keywords
            | SectionKind::RelatedHeadline
            | SectionKind::RelatedDate
            | SectionKind::RelatedByline
            | SectionKind::RelatedBody
            | SectionKind::Comments
            | SectionKind::Share
            | SectionKind::Promo
            | SectionKind::Chrome
            | SectionKind::Blank => continue,
        };
        let (title, url) = split_url(title);
        let bytes = document.decoded.input_range(row.start..row.end());
        links.push(Link {
            title: title.to_owned(),
            url: url.map(str::to_owned),
            owner: label.owner,
            marker_raw: marker_raw.to_owned(),
            byte_start: bytes.start,
            byte_end: bytes.end,
        });
    }
    links
}

/// An item without its bullet, and without a marker of its own.
fn item_title<'r>(row: &'r Row<'_>) -> &'r str {
    let text = row.unbulleted();
    let inner = lexicon::get().find(text, &mut Matched::default());
    let has_marker = |hit: &lexicon::Hit| matches!(hit.class, lexicon::Class::ReadAlso) && hit.has_separator;
    inner
        .filter(has_marker)
        .and_then(|hit| text.get(hit.rest))
        .filter(|rest| !rest.is_empty())
        .unwrap_or(text)
}

/// A title and the address at its end, where there is one.
fn split_url(text: &str) -> (&str, Option<&str>) {
    let start = text.find("https://").or_else(|| text.find("http://"));
    match start.and_then(|at| Some((text.get(..at)?, text.get(at..)?))) {
        Some((title, url)) => {
            let url = url.split_whitespace().next().unwrap_or(url).trim_end_matches([')', ']', '>']);
            (title.trim().trim_end_matches(['(', '[', '<', '-', ':']).trim_end(), Some(url))
        }
        None => (text, None),
    }
}
