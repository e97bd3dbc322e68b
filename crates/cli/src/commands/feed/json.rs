//! A feed as one JSON object, written entry by entry so that memory holds one of them. What is missing is absent.

use std::io::{self, Write};

use barid_feed::{Enclosure, Entry, Feed, Instant, Link, NotAFeed, Options, Person};
use serde_json::{Map, Value, json};

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
    out.write_all(b"],")?;
    let rest = match &result {
        Ok(feed) => whole(feed),
        Err(error) => refused(*error),
    };
    let text = Value::Object(rest).to_string();
    out.write_all(text.as_bytes().get(1..).unwrap_or_default())?;
    out.write_all(b"\n")?;
    Ok(result.is_ok())
}

fn entry_out(entry: &Entry, is_first: bool, out: &mut impl Write) -> io::Result<()> {
    if !is_first {
        out.write_all(b",\n")?;
    }
    serde_json::to_writer(out, &Value::Object(of_entry(entry))).map_err(io::Error::from)
}

fn refused(error: NotAFeed) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("ok".to_owned(), Value::Bool(false));
    object.insert("error".to_owned(), json!(error.to_string()));
    object.insert("error_code".to_owned(), json!(error.code()));
    object.insert("feed".to_owned(), json!({}));
    object.insert("faults".to_owned(), json!([]));
    object
}

fn whole(feed: &Feed) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("ok".to_owned(), Value::Bool(true));
    object.insert("version".to_owned(), json!(feed.version));
    object.insert("encoding".to_owned(), json!(feed.encoding));
    object.insert("feed".to_owned(), Value::Object(of_feed(feed)));
    let faults = feed
        .faults
        .iter()
        .map(|met| json!({ "fault": met.fault.name(), "count": met.count, "items_lost": met.items_lost }));
    object.insert("faults".to_owned(), faults.collect());
    object
}

/// Adds what is there.
fn put(object: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), json!(value));
    }
}

fn put_list(object: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(key.to_owned(), Value::Array(list));
    }
}

fn put_instant(object: &mut Map<String, Value>, key: &str, instant: Option<&Instant>) {
    put(object, key, instant.and_then(Instant::rfc3339).as_deref());
    // The words of a date that could not be read are all there is of it.
    if let Some(unread) = instant.filter(|instant| instant.ms.is_none()) {
        put(object, &format!("{key}_raw"), Some(&unread.raw));
    }
}

fn texts(list: &[String]) -> Vec<Value> {
    list.iter().map(|text| json!(text)).collect()
}

fn of_feed(feed: &Feed) -> Map<String, Value> {
    let mut object = Map::new();
    put(&mut object, "title", feed.title.as_deref());
    put(&mut object, "link", feed.link.as_deref());
    put_list(&mut object, "links", feed.links.iter().map(of_link).collect());
    put(&mut object, "id", feed.id.as_deref());
    put_instant(&mut object, "published", feed.published.as_ref());
    put_instant(&mut object, "updated", feed.updated.as_ref());
    put_instant(&mut object, "created", feed.created.as_ref());
    put_list(&mut object, "authors", feed.authors.iter().map(of_person).collect());
    put(&mut object, "author", feed.author.as_deref());
    put(&mut object, "subtitle", feed.subtitle.as_deref());
    put(&mut object, "summary", feed.summary.as_deref());
    put(&mut object, "language", feed.language.as_deref());
    put(&mut object, "rights", feed.rights.as_deref());
    put_list(&mut object, "tags", texts(&feed.tags));
    put(&mut object, "generator", feed.generator.as_deref());
    put(&mut object, "image", feed.image.as_deref());
    schedule(&mut object, feed);
    object
}

/// What the feed says about being polled.
fn schedule(object: &mut Map<String, Value>, feed: &Feed) {
    let said = &feed.schedule;
    let numbers = [
        ("ttl_minutes", said.ttl_minutes),
        ("sy_period_seconds", said.sy_period_seconds),
        ("sy_frequency", said.sy_frequency),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            object.insert(key.to_owned(), json!(value));
        }
    }
    put_list(object, "skip_hours", said.skip_hours.iter().map(|hour| json!(hour)).collect());
    put_list(object, "skip_days", said.skip_days.iter().map(|day| json!(day)).collect());
    put_instant(object, "sy_base", said.sy_base.as_ref());
}

fn of_entry(entry: &Entry) -> Map<String, Value> {
    let mut object = Map::new();
    put(&mut object, "id", Some(&entry.id));
    put(&mut object, "id_source", Some(entry.id_source.name()));
    put(&mut object, "title", entry.title.as_deref());
    put(&mut object, "link", entry.link.as_deref());
    put_list(&mut object, "links", entry.links.iter().map(of_link).collect());
    put_instant(&mut object, "published", entry.published.as_ref());
    put_instant(&mut object, "updated", entry.updated.as_ref());
    put_instant(&mut object, "created", entry.created.as_ref());
    put_list(&mut object, "authors", entry.authors.iter().map(of_person).collect());
    put(&mut object, "author", entry.author.as_deref());
    put(&mut object, "summary", entry.summary.as_deref());
    put(&mut object, "subtitle", entry.subtitle.as_deref());
    put_list(&mut object, "content", texts(&entry.content));
    put_list(&mut object, "tags", texts(&entry.tags));
    put_list(&mut object, "enclosures", entry.enclosures.iter().map(of_file).collect());
    put_list(&mut object, "media", entry.media.iter().map(of_file).collect());
    put(&mut object, "rights", entry.rights.as_deref());
    put(&mut object, "language", entry.language.as_deref());
    put(&mut object, "comments", entry.comments.as_deref());
    if let Some(source) = &entry.source {
        let mut origin = Map::new();
        put(&mut origin, "title", source.title.as_deref());
        put(&mut origin, "link", source.link.as_deref());
        put(&mut origin, "id", source.id.as_deref());
        object.insert("source".to_owned(), Value::Object(origin));
    }
    object
}

fn of_link(link: &Link) -> Value {
    let mut object = Map::new();
    put(&mut object, "href", Some(&link.href));
    put(&mut object, "rel", Some(&link.rel));
    put(&mut object, "type", link.media_type.as_deref());
    put(&mut object, "title", link.title.as_deref());
    put(&mut object, "length", link.length.as_deref());
    Value::Object(object)
}

fn of_person(person: &Person) -> Value {
    let mut object = Map::new();
    put(&mut object, "name", person.name.as_deref());
    put(&mut object, "email", person.email.as_deref());
    put(&mut object, "uri", person.uri.as_deref());
    Value::Object(object)
}

fn of_file(file: &Enclosure) -> Value {
    let mut object = Map::new();
    put(&mut object, "href", Some(&file.href));
    put(&mut object, "type", file.media_type.as_deref());
    put(&mut object, "length", file.length.as_deref());
    Value::Object(object)
}
