//! A feed as people read it.

use std::io::{self, Write};

use barid_feed::{Entry, Feed, Instant, NotAFeed, Options};

use crate::error::CliError;
use crate::output::{Isolate, shortened};

/// Letters of a summary shown.
const SUMMARY_LETTERS: usize = 160;

/// Writes the entries, then the feed and its faults; the inner error says why the bytes are no feed.
pub(super) fn write(
    bytes: &[u8],
    options: &Options<'_>,
    out: &mut impl Write,
    isolate: Isolate,
) -> Result<Result<(), NotAFeed>, CliError> {
    let mut failed: Option<io::Error> = None;
    let result = barid_feed::parse(bytes, options, &mut |entry| {
        if failed.is_none() {
            failed = entry_out(&entry, out, isolate).err();
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    match result {
        Ok(feed) => {
            feed_out(&feed, out, isolate)?;
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// The instant, or its words when it could not be read.
fn when(instant: &Instant) -> String {
    instant.rfc3339().unwrap_or_else(|| format!("unreadable: {}", instant.raw))
}

fn field(out: &mut impl Write, isolate: Isolate, name: &str, value: Option<&str>) -> io::Result<()> {
    match value {
        Some(value) => writeln!(out, "  {name:<10} {}", isolate.text(value)),
        None => Ok(()),
    }
}

fn entry_out(entry: &Entry, out: &mut impl Write, isolate: Isolate) -> io::Result<()> {
    let title = entry.title.as_deref().unwrap_or("(no title)");
    writeln!(out, "{}. {}", entry.index + 1, isolate.text(title))?;
    field(out, isolate, "cut", entry.is_cut.then_some("the document broke off inside of it: not delivered"))?;
    field(out, isolate, "id", Some(&format!("{} ({})", entry.id, entry.id_source.name())))?;
    field(out, isolate, "link", entry.link.as_deref())?;
    field(out, isolate, "published", entry.published.as_ref().map(when).as_deref())?;
    field(out, isolate, "updated", entry.updated.as_ref().map(when).as_deref())?;
    field(out, isolate, "author", entry.author.as_deref())?;
    if !entry.tags.is_empty() {
        field(out, isolate, "tags", Some(&entry.tags.join(" | ")))?;
    }
    let text = entry.summary.as_deref().map(|text| shortened(text, SUMMARY_LETTERS).replace('\n', " "));
    field(out, isolate, "summary", text.as_deref())?;
    for content in &entry.content {
        field(out, isolate, "content", Some(&format!("{} letters", content.chars().count())))?;
    }
    for file in &entry.enclosures {
        field(out, isolate, "enclosure", Some(&file.href))?;
    }
    writeln!(out)
}

fn feed_out(feed: &Feed, out: &mut impl Write, isolate: Isolate) -> io::Result<()> {
    writeln!(out, "{}", isolate.text(feed.title.as_deref().unwrap_or("(no title)")))?;
    let version = if feed.version.is_empty() { "no root" } else { feed.version };
    field(out, isolate, "format", Some(&format!("{version}, {}", feed.encoding)))?;
    field(out, isolate, "link", feed.link.as_deref())?;
    field(out, isolate, "updated", feed.updated.as_ref().map(when).as_deref())?;
    field(out, isolate, "subtitle", feed.subtitle.as_deref())?;
    field(out, isolate, "language", feed.language.as_deref())?;
    field(out, isolate, "entries", Some(&feed.entries.to_string()))?;
    let cut = || format!("the document broke off: {} entries are not whole", feed.cut_entries);
    field(out, isolate, "cut", feed.is_cut.then(cut).as_deref())?;
    for met in &feed.faults {
        let lost =
            if met.items_lost > 0 { format!(", {} entries lost", met.items_lost) } else { String::new() };
        field(out, isolate, "fault", Some(&format!("{} x {}{lost}", met.fault.name(), met.count)))?;
    }
    Ok(())
}
