//! A feed as one JSON object, written entry by entry so that memory holds one of them. What is missing is absent.

use std::io::{self, Write};

use barid_feed::{Enclosure, Entry, Feed, Instant, Link, NotAFeed, Options, Person, Text};
use serde_json::{Value, json};

use super::fields::Fields;
use crate::error::CliError;

/// Writes the object; false when the bytes are no feed. The entries come first: the feed's own words are known last.
pub(super) fn write(bytes: &[u8], options: &Options<'_>, out: &mut impl Write) -> Result<bool, CliError> {
    out.write_all(b"{\"entries\":[")?;
    let mut failed: Option<io::Error> = None;
    let mut first = true;
    let result = barid_feed::parse(bytes, options, &mut |entry| {
        if failed.is_none() {
            failed = entry_out(&entry, std::mem::take(&mut first), out).err();
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    out.write_all(b"]")?;
    match &result {
        Ok(feed) => whole(feed, out)?,
        Err(error) => refused(*error, out)?,
    }
    out.write_all(b"}\n")?;
    Ok(result.is_ok())
}

fn entry_out<W: Write>(entry: &Entry, is_first: bool, out: &mut W) -> io::Result<()> {
    if !is_first {
        out.write_all(b",\n")?;
    }
    let mut fields = Fields::open(out)?;
    of_entry(entry, &mut fields)?;
    fields.close()
}

fn refused<W: Write>(error: NotAFeed, out: &mut W) -> io::Result<()> {
    let rest = json!({ "ok": false, "error": error.to_string(), "error_code": error.code(), "feed": {}, "faults": [] });
    members(&rest, out)
}

fn whole<W: Write>(feed: &Feed, out: &mut W) -> io::Result<()> {
    let faults = feed
        .faults
        .iter()
        .map(|met| json!({ "fault": met.fault.name(), "count": met.count, "items_lost": met.items_lost }));
    let faults: Vec<Value> = faults.collect();
    let rest = json!({
        "ok": true, "version": feed.version, "encoding": feed.encoding, "faults": faults,
        "is_cut": feed.is_cut, "cut_entries": feed.cut_entries,
    });
    members(&rest, out)?;
    out.write_all(b",\"feed\":")?;
    let mut fields = Fields::open(out)?;
    of_feed(feed, &mut fields)?;
    fields.close()
}

/// The members of an object after others.
fn members<W: Write>(object: &Value, out: &mut W) -> io::Result<()> {
    let text = object.to_string();
    write!(out, ",{}", text.trim_start_matches('{').strip_suffix('}').unwrap_or_default())
}

fn instant<W: Write>(fields: &mut Fields<'_, W>, key: &str, value: Option<&Instant>) -> io::Result<()> {
    fields.text(key, value.and_then(Instant::rfc3339).as_deref())?;
    // The words of a date that could not be read are all there is of it.
    match value.filter(|instant| instant.ms.is_none()) {
        Some(unread) => fields.text(&format!("{key}_raw"), Some(&unread.raw)),
        None => Ok(()),
    }
}

fn of_feed<W: Write>(feed: &Feed, fields: &mut Fields<'_, W>) -> io::Result<()> {
    fields.text("title", feed.title.as_deref())?;
    fields.text("link", feed.link.as_deref())?;
    fields.list("links", &feed.links, of_link)?;
    fields.text("id", feed.id.as_deref())?;
    instant(fields, "published", feed.published.as_ref())?;
    instant(fields, "updated", feed.updated.as_ref())?;
    instant(fields, "created", feed.created.as_ref())?;
    fields.list("authors", &feed.authors, of_person)?;
    fields.text("author", feed.author.as_deref())?;
    fields.text("subtitle", feed.subtitle.as_deref())?;
    fields.text("summary", feed.summary.as_deref())?;
    fields.text("language", feed.language.as_deref())?;
    fields.text("rights", feed.rights.as_deref())?;
    fields.text("publisher", feed.publisher.as_deref())?;
    fields.value("tags", &feed.tags, feed.tags.is_empty())?;
    fields.text("generator", feed.generator.as_deref())?;
    fields.text("image", feed.image.as_deref())?;
    let said = &feed.schedule;
    fields.value("ttl_minutes", &said.ttl_minutes, said.ttl_minutes.is_none())?;
    fields.value("skip_hours", &said.skip_hours, said.skip_hours.is_empty())?;
    fields.value("skip_days", &said.skip_days, said.skip_days.is_empty())?;
    fields.value("sy_period_seconds", &said.sy_period_seconds, said.sy_period_seconds.is_none())?;
    fields.value("sy_frequency", &said.sy_frequency, said.sy_frequency.is_none())?;
    instant(fields, "sy_base", said.sy_base.as_ref())
}

fn of_entry<W: Write>(entry: &Entry, fields: &mut Fields<'_, W>) -> io::Result<()> {
    fields.text("id", Some(&entry.id))?;
    fields.text("id_source", Some(entry.id_source.name()))?;
    prose(fields, "title", entry.title.as_ref())?;
    fields.text("link", entry.link.as_deref())?;
    fields.list("links", &entry.links, of_link)?;
    instant(fields, "published", entry.published.as_ref())?;
    instant(fields, "updated", entry.updated.as_ref())?;
    instant(fields, "created", entry.created.as_ref())?;
    fields.list("authors", &entry.authors, of_person)?;
    fields.text("author", entry.author.as_deref())?;
    prose(fields, "summary", entry.summary.as_ref())?;
    fields.text("subtitle", entry.subtitle.as_deref())?;
    let content: Vec<&str> = entry.content.iter().map(|text| &**text).collect();
    let kinds: Vec<&str> = entry.content.iter().map(|text| text.kind.name()).collect();
    fields.value("content", &content, content.is_empty())?;
    fields.value("content_kinds", &kinds, kinds.is_empty())?;
    fields.value("tags", &entry.tags, entry.tags.is_empty())?;
    fields.list("enclosures", &entry.enclosures, of_file)?;
    fields.list("media", &entry.media, of_file)?;
    fields.text("rights", entry.rights.as_deref())?;
    fields.text("language", entry.language.as_deref())?;
    fields.text("comments", entry.comments.as_deref())?;
    let sources = entry.source.as_slice();
    fields.first("source", sources, |source, fields| {
        fields.text("title", source.title.as_deref())?;
        fields.text("link", source.link.as_deref())?;
        fields.text("id", source.id.as_deref())
    })?;
    fields.text("publisher", entry.publisher.as_deref())?;
    fields.value("is_cut", &true, !entry.is_cut)
}

/// A text and, beside it, what it is made of.
fn prose<W: Write>(fields: &mut Fields<'_, W>, key: &str, text: Option<&Text>) -> io::Result<()> {
    fields.text(key, text.map(|text| &**text))?;
    fields.text(&format!("{key}_kind"), text.map(|text| text.kind.name()))
}

fn of_link<W: Write>(link: &Link, fields: &mut Fields<'_, W>) -> io::Result<()> {
    fields.text("href", Some(&link.href))?;
    fields.text("rel", Some(&link.rel))?;
    fields.text("type", link.media_type.as_deref())?;
    fields.text("title", link.title.as_deref())?;
    fields.text("length", link.length.as_deref())
}

fn of_person<W: Write>(person: &Person, fields: &mut Fields<'_, W>) -> io::Result<()> {
    fields.text("name", person.name.as_deref())?;
    fields.text("email", person.email.as_deref())?;
    fields.text("uri", person.uri.as_deref())
}

fn of_file<W: Write>(file: &Enclosure, fields: &mut Fields<'_, W>) -> io::Result<()> {
    fields.text("href", Some(&file.href))?;
    fields.text("type", file.media_type.as_deref())?;
    fields.text("length", file.length.as_deref())
}
