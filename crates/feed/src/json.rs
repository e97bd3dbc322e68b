//! JSON Feed 1.0 and 1.1, item by item: values of the wrong type are counted and passed over, and what stands before a syntax error is kept.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::date;
use crate::draft::{Draft, some};
use crate::error::NotAFeed;
use crate::fault::{Fault, Faults};
use crate::id;
use crate::model::{Enclosure, Entry, Feed, Link, Person};
use crate::url;

/// What is read, and where entries go.
struct Reader<'c, 'o> {
    faults: Faults,
    base: String,
    feed: Draft,
    meta: Feed,
    count: u64,
    /// The text at hand is inside the list of items.
    in_items: bool,
    has_items: bool,
    is_feed: bool,
    on_entry: &'c mut (dyn FnMut(Entry) + 'o),
}

/// Reads a JSON Feed.
pub(crate) fn parse(
    text: &str,
    base: Option<&str>,
    faults: Faults,
    on_entry: &mut dyn FnMut(Entry),
) -> Result<Feed, NotAFeed> {
    let names_it = memchr::memmem::find(text.as_bytes(), b"jsonfeed.org/version").is_some();
    if !names_it && memchr::memmem::find(text.as_bytes(), b"\"items\"").is_none() {
        return Err(NotAFeed::OtherJson);
    }
    let mut reader = Reader {
        faults,
        base: base.unwrap_or_default().to_owned(),
        feed: Draft::default(),
        meta: Feed::default(),
        count: 0,
        in_items: false,
        has_items: false,
        is_feed: names_it,
        on_entry,
    };
    let mut source = serde_json::Deserializer::from_str(text);
    let result = source.deserialize_map(Document(&mut reader)).and_then(|()| source.end());
    if let Err(error) = result {
        let fault = if error.is_eof() {
            Fault::Truncated
        } else if reader.has_items && !reader.in_items && error.is_syntax() {
            Fault::JunkAfter
        } else {
            Fault::BadJson
        };
        reader.faults.note(fault);
        if reader.in_items {
            reader.faults.lose_item(fault);
        }
    }
    if !reader.is_feed {
        return Err(NotAFeed::OtherJson);
    }
    let mut meta = reader.meta;
    reader.feed.into_feed(&mut meta);
    if meta.version.is_empty() {
        meta.version = "json";
    }
    meta.entries = reader.count;
    meta.faults = reader.faults.list();
    Ok(meta)
}

/// The outermost object.
struct Document<'r, 'c, 'o>(&'r mut Reader<'c, 'o>);

impl<'de> Visitor<'de> for Document<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON Feed")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                map.next_value_seed(Items(self.0))?;
            } else {
                let value: Value = map.next_value()?;
                self.0.member(&key, &value);
            }
        }
        Ok(())
    }
}

/// The list of items.
struct Items<'r, 'c, 'o>(&'r mut Reader<'c, 'o>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.0.faults.note(Fault::BadJson);
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        self.0.has_items = true;
        self.0.in_items = true;
        while let Some(item) = list.next_element::<Value>()? {
            self.0.item(&item);
        }
        self.0.in_items = false;
        Ok(())
    }
}

impl Reader<'_, '_> {
    /// Text of a member; a number or truth value counts as its own words.
    fn text(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null => None,
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                self.faults.note(Fault::BadJson);
                None
            }
        }
    }

    fn link(&mut self, value: &Value) -> Option<String> {
        let base = self.base.clone();
        self.text(value).map(|href| url::resolve(&base, &href))
    }

    fn member(&mut self, key: &str, value: &Value) {
        match key {
            "version" => {
                let version = self.text(value).unwrap_or_default();
                self.meta.version = match version.as_str() {
                    "https://jsonfeed.org/version/1" | "http://jsonfeed.org/version/1" => "json1",
                    "https://jsonfeed.org/version/1.1" | "http://jsonfeed.org/version/1.1" => "json11",
                    _ => "json",
                };
            }
            "title" => {
                if let Some(title) = self.text(value) {
                    self.feed.title.set(&title, 1);
                }
            }
            "description" => {
                if let Some(text) = self.text(value) {
                    self.feed.subtitle.set(&text, 1);
                }
            }
            "home_page_url" => {
                self.feed.link = self.link(value);
                let href = self.feed.link.clone().unwrap_or_default();
                self.feed.links.push(alternate(href));
            }
            "feed_url" => {
                if let Some(href) = self.link(value) {
                    self.feed.links.push(Link { href, rel: "self".to_owned(), ..Link::default() });
                }
            }
            "hubs" => {
                for hub in value.as_array().into_iter().flatten() {
                    if let Some(href) = hub.get("url").and_then(|url| self.link(url)) {
                        self.feed.links.push(Link { href, rel: "hub".to_owned(), ..Link::default() });
                    }
                }
            }
            "icon" => self.feed.image = self.link(value),
            "favicon" if self.feed.image.is_none() => self.feed.image = self.link(value),
            "language" => self.feed.language = self.text(value),
            "author" | "authors" => {
                let mut draft = std::mem::take(&mut self.feed);
                self.people(value, &mut draft);
                self.feed = draft;
            }
            _ => {}
        }
    }

    fn people(&mut self, value: &Value, draft: &mut Draft) {
        let list = match value {
            Value::Array(list) => list.as_slice(),
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                std::slice::from_ref(value)
            }
        };
        for person in list {
            let mut found = Person::default();
            if let Value::String(name) = person {
                found.name = some(name);
            } else {
                found.name = person.get("name").and_then(|name| self.text(name));
                let uri = person.get("url").and_then(|url| self.text(url));
                match uri.as_deref().and_then(|uri| uri.strip_prefix("mailto:")) {
                    Some(address) => found.email = some(address),
                    None => found.uri = uri,
                }
            }
            if !found.is_empty() && !draft.authors.contains(&found) {
                draft.authors.push(found);
                draft.sync_author(1);
            }
        }
    }

    fn item(&mut self, item: &Value) {
        let Value::Object(members) = item else {
            self.faults.note(Fault::BadJson);
            self.faults.lose_item(Fault::BadJson);
            return;
        };
        self.is_feed = true;
        let mut draft = Draft::default();
        for (key, value) in members {
            self.item_member(key, value, &mut draft);
        }
        // HTML says more than text where both are there.
        let html = members.get("content_html").and_then(|value| self.text(value));
        let plain = members.get("content_text").and_then(|value| self.text(value));
        draft.content.extend(html.into_iter().chain(plain));
        if draft.link.is_none() {
            draft.link = members.get("external_url").and_then(|value| self.link(value));
        }
        let mut entry = draft.into_entry(self.count);
        id::settle(&mut entry);
        self.count += 1;
        (self.on_entry)(entry);
    }

    fn item_member(&mut self, key: &str, value: &Value, draft: &mut Draft) {
        match key {
            "id" => match self.text(value) {
                Some(id) if !id::is_blank(&id) => draft.id.set(&id, 2),
                Some(_) | None => draft.has_blank_id = true,
            },
            "url" => {
                draft.link = self.link(value);
                draft.links.push(alternate(draft.link.clone().unwrap_or_default()));
            }
            "external_url" => {
                if let Some(href) = self.link(value) {
                    draft.links.push(Link { href, rel: "related".to_owned(), ..Link::default() });
                }
            }
            "title" => {
                if let Some(title) = self.text(value) {
                    draft.title.set(&title, 2);
                }
            }
            "summary" => {
                if let Some(summary) = self.text(value) {
                    draft.summary.set(&summary, 2);
                }
            }
            "date_published" | "date_modified" => {
                let raw = self.text(value).unwrap_or_default();
                let date = date::instant(&raw, &mut self.faults);
                let slot = if key == "date_published" { &mut draft.published } else { &mut draft.updated };
                *slot = date;
            }
            "language" => draft.language = self.text(value),
            "image" | "banner_image" => {
                if let Some(href) = self.link(value) {
                    draft.media.push(Enclosure { href, media_type: Some("image".to_owned()), length: None });
                }
            }
            "tags" => {
                for tag in value.as_array().into_iter().flatten() {
                    if let Some(tag) = self.text(tag) {
                        draft.tag(&tag);
                    }
                }
            }
            "author" | "authors" => self.people(value, draft),
            "attachments" => {
                for file in value.as_array().into_iter().flatten() {
                    self.attachment(file, draft);
                }
            }
            _ => {}
        }
    }

    fn attachment(&mut self, file: &Value, draft: &mut Draft) {
        let Some(href) = file.get("url").and_then(|url| self.link(url)) else { return };
        draft.links.push(Link {
            href,
            rel: "enclosure".to_owned(),
            media_type: file.get("mime_type").and_then(|value| self.text(value)),
            title: file.get("title").and_then(|value| self.text(value)),
            length: file.get("size_in_bytes").and_then(|value| self.text(value)),
        });
    }
}

fn alternate(href: String) -> Link {
    Link { href, rel: "alternate".to_owned(), media_type: Some("text/html".to_owned()), ..Link::default() }
}
