//! What is wrong with a feed, line by line: the repairs the parser made, and what the formats demand beyond being readable.
//!
//! The parser forgives; this does not. Rules are those a publisher can act on: elements that are missing, doubled, blank or unknown,
//! dates, links, ids, addresses and languages that are not what their format says, markup where text belongs, scripts.

mod values;
mod walk;

use crate::encoding;
use crate::error::NotAFeed;
use crate::fault::{Fault, Faults};
use crate::json;
use crate::machine::Machine;
use crate::model::Options;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The format forbids it.
    Error,
    /// Readers differ on it.
    Warning,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The parser had to mend something.
    Repaired(Fault),
    /// An element the format requires is not there.
    MissingElement,
    /// An element that may stand once stands twice.
    DuplicateElement,
    /// The format has no element of this name there.
    UndefinedElement,
    /// An element or attribute that must say something says nothing.
    Blank,
    /// An attribute the format requires is not there.
    MissingAttribute,
    /// A date that is not the form the format demands.
    InvalidDate,
    /// Not an address of a page or file.
    InvalidLink,
    /// Not an id: a `tag:` or `urn:` with a mistake in it.
    InvalidId,
    /// An id another entry has too.
    DuplicateId,
    /// Not an e-mail address.
    InvalidEmail,
    /// Not a language tag.
    InvalidLanguage,
    /// Not a media type.
    InvalidMediaType,
    /// Not a number, or one out of range.
    InvalidNumber,
    /// Not a value the format lists.
    InvalidValue,
    /// Markup where plain text belongs.
    ContainsHtml,
    /// A script, or an element or attribute that runs one.
    Script,
    /// Two links say the same.
    DuplicateLink,
    /// XHTML text without the `div` around it.
    MissingDiv,
    /// White space around a value that allows none.
    UnexpectedSpace,
    /// The root is not in the namespace of its format.
    MissingNamespace,
    /// No link with `rel="self"`.
    MissingSelfLink,
    /// An item without `guid`.
    MissingGuid,
}

impl Rule {
    /// A stable code, for scripts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Repaired(fault) => fault.name(),
            Self::MissingElement => "missing_element",
            Self::DuplicateElement => "duplicate_element",
            Self::UndefinedElement => "undefined_element",
            Self::Blank => "blank",
            Self::MissingAttribute => "missing_attribute",
            Self::InvalidDate => "invalid_date",
            Self::InvalidLink => "invalid_link",
            Self::InvalidId => "invalid_id",
            Self::DuplicateId => "duplicate_id",
            Self::InvalidEmail => "invalid_email",
            Self::InvalidLanguage => "invalid_language",
            Self::InvalidMediaType => "invalid_media_type",
            Self::InvalidNumber => "invalid_number",
            Self::InvalidValue => "invalid_value",
            Self::ContainsHtml => "contains_html",
            Self::Script => "script",
            Self::DuplicateLink => "duplicate_link",
            Self::MissingDiv => "missing_div",
            Self::UnexpectedSpace => "unexpected_space",
            Self::MissingNamespace => "missing_namespace",
            Self::MissingSelfLink => "missing_self_link",
            Self::MissingGuid => "missing_guid",
        }
    }

    /// How much it weighs.
    pub fn severity(self) -> Severity {
        match self {
            Self::ContainsHtml
            | Self::Script
            | Self::MissingSelfLink
            | Self::MissingGuid
            | Self::UnexpectedSpace => Severity::Warning,
            // The date's own rule says it with the form that was demanded.
            Self::Repaired(Fault::BadDate | Fault::DoubleEncoded) => Severity::Warning,
            Self::Repaired(_)
            | Self::MissingElement
            | Self::DuplicateElement
            | Self::UndefinedElement
            | Self::Blank
            | Self::MissingAttribute
            | Self::InvalidDate
            | Self::InvalidLink
            | Self::InvalidId
            | Self::DuplicateId
            | Self::InvalidEmail
            | Self::InvalidLanguage
            | Self::InvalidMediaType
            | Self::InvalidNumber
            | Self::InvalidValue
            | Self::DuplicateLink
            | Self::MissingDiv
            | Self::MissingNamespace => Severity::Error,
        }
    }

    /// What is wrong, in words that fit after the name of an element.
    pub fn text(self) -> &'static str {
        match self {
            Self::Repaired(_) => "had to be mended",
            Self::MissingElement => "is required and missing",
            Self::DuplicateElement => "may stand only once",
            Self::UndefinedElement => "is no element of this format here",
            Self::Blank => "must not be blank",
            Self::MissingAttribute => "lacks a required attribute",
            Self::InvalidDate => "is no date of the form this format demands",
            Self::InvalidLink => "is no valid address",
            Self::InvalidId => "is no valid id",
            Self::DuplicateId => "is the id of another entry too",
            Self::InvalidEmail => "is no e-mail address",
            Self::InvalidLanguage => "is no language tag",
            Self::InvalidMediaType => "is no media type",
            Self::InvalidNumber => "is no number in its range",
            Self::InvalidValue => "is none of the values allowed",
            Self::ContainsHtml => "should hold no markup",
            Self::Script => "holds a script, which readers remove",
            Self::DuplicateLink => "says the same as another link",
            Self::MissingDiv => "must hold one XHTML div",
            Self::UnexpectedSpace => "has white space around it",
            Self::MissingNamespace => "is not in the namespace of its format",
            Self::MissingSelfLink => "has no link with rel=\"self\"",
            Self::MissingGuid => "has no guid, so readers may show it twice",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Line of the decoded text, from 1.
    pub line: usize,
    /// What.
    pub rule: Rule,
    /// The element, with the attribute after an `@`; empty where a finding is about the document.
    pub element: String,
    /// The value, shortened; empty where there is none.
    pub value: String,
}

/// Everything that is wrong with a feed, by line. A JSON Feed is checked for what the parser had to mend only.
///
/// # Errors
/// [`NotAFeed`] when the bytes hold no feed at all.
pub fn lint(bytes: &[u8], options: &Options<'_>) -> Result<Vec<Finding>, NotAFeed> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NotAFeed::Empty);
    }
    let mut faults = Faults::default();
    faults.log = Some(Vec::new());
    let decoded = encoding::decode(bytes, options.content_type, &mut faults)?;
    let text = decoded.text.as_ref();
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    let mut findings = Vec::new();
    if let Some(json) = crate::json_in(start, &mut faults) {
        let feed = json::parse(json, options.base, faults, &mut drop)?;
        findings.extend(feed.faults.iter().map(|met| Finding {
            line: 1,
            rule: Rule::Repaired(met.fault),
            element: String::new(),
            value: String::new(),
        }));
        return Ok(findings);
    }
    let (feed, faults) = Machine::new(text, options.base, faults, &mut drop).run_to_end();
    feed?;
    let mut lines = Lines { text, offset: 0, line: 1 };
    // A date is judged by the rule for its form.
    let mended = faults.log.unwrap_or_default().into_iter().filter(|(fault, _)| *fault != Fault::BadDate);
    findings.extend(mended.map(|(fault, at)| Finding {
        line: lines.at(at),
        rule: Rule::Repaired(fault),
        element: String::new(),
        value: String::new(),
    }));
    findings.extend(walk::walk(text));
    findings.sort_by_key(|finding| finding.line);
    Ok(findings)
}

/// Line numbers of growing offsets.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line an offset is in, from 1. Offsets that go back start over, so that is only slow, never wrong.
    fn at(&mut self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        if offset < self.offset {
            (self.offset, self.line) = (0, 1);
        }
        self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.offset..offset]).count();
        self.offset = offset;
        self.line
    }
}
