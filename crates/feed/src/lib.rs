//! Bytes of one feed in, entries out: RSS 0.90 to 2.0, RDF, Atom 0.3 and 1.0, CDF, JSON Feed, sitemaps and news sitemaps.
//!
//! ```text
//! bytes -> encoding -> scan (tags) -> machine (items) -> Entry, Entry, ... -> Feed { faults, ... }
//! ```
//!
//! What is broken is mended, item by item, and every mending is a named, counted [`Fault`]; an item is closed by the start of the next
//! one if nothing else closes it. Memory holds the document and one entry. This crate is pure: it opens no file and no connection, and
//! knows no clock (`clippy.toml` beside this crate bans them). It computes nothing about an article: see `barid-core`.

mod cdata;
mod date;
mod draft;
mod encoding;
mod entities;
mod error;
mod fault;
mod id;
mod json;
mod lint;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a vocabulary of 60 words: each place is about a few of them"
)]
mod machine;
mod model;
mod names;
mod scan;
mod surrogates;
mod url;

pub use error::NotAFeed;
pub use fault::{Fault, FaultCount};
pub use lint::{Finding, Rule, Severity, lint};
pub use model::{
    Enclosure, Entry, Feed, IdSource, Instant, Link, Options, Origin, Person, Schedule, Text, TextKind,
};

use fault::Faults;

/// Reads a feed. Every entry goes to `on_entry` as soon as it ends, in document order; the feed's own statements come back at the end,
/// since a feed may say them last.
///
/// # Errors
/// [`NotAFeed`] when the bytes hold no feed at all; `on_entry` has then not been called. A feed with any number of faults is a feed.
pub fn parse(bytes: &[u8], options: &Options<'_>, on_entry: &mut dyn FnMut(Entry)) -> Result<Feed, NotAFeed> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NotAFeed::Empty);
    }
    let mut faults = Faults::default();
    let text = encoding::decode(bytes, options.content_type, &mut faults)?;
    let start = text.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    let mut feed = match json_in(start, &mut faults) {
        Some(json) => json::parse(json, options.base, faults, on_entry)?,
        None => machine::Machine::new(&text.text, options.base, faults, on_entry).run()?,
    };
    feed.encoding = text.charset;
    Ok(feed)
}

/// HTML's references in a text as the characters they stand for, for text that is known to be no more than that. What is no reference stays.
pub fn without_references(text: &str) -> std::borrow::Cow<'_, str> {
    entities::Entities::default().unescape(text, &mut Faults::default())
}

/// The JSON document in a text, if it is one. What stands before it is noted.
fn json_in<'t>(start: &'t str, faults: &mut Faults) -> Option<&'t str> {
    if start.starts_with('{') {
        return Some(start);
    }
    // `<` begins everything else.
    let json = if start.starts_with('<') { None } else { json::begins(start) };
    let json = json.or_else(|| json::behind_notices(start))?;
    faults.note(Fault::JunkBefore);
    Some(json)
}
