//! What the members of a JSON Feed and of its items say.

use serde_json::Value;

use super::Reader;
use crate::cdata;
use crate::date;
use crate::draft::{Draft, some};
use crate::fault::Fault;
use crate::id;
use crate::model::{Enclosure, Link, Person, Text, TextKind};
use crate::surrogates;
use crate::url;

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

    /// Text that people read.
    fn prose(&mut self, value: &Value, mut kind: TextKind) -> Option<Text> {
        let mut value = self.text(value)?;
        if let Some(unwrapped) = cdata::unwrapped(&value, kind, &mut self.faults) {
            kind = if kind == TextKind::Plain { TextKind::Unknown } else { kind };
            value = some(&unwrapped)?;
        }
        let value = surrogates::pair_up(&value, &mut self.faults).unwrap_or(value);
        Some(Text { value, kind })
    }

    fn link(&mut self, value: &Value) -> Option<String> {
        let base = self.base.clone();
        self.text(value).map(|href| url::resolve(&base, &href))
    }

    pub(super) fn member(&mut self, key: &str, value: &Value) {
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
                if let Some(title) = self.prose(value, TextKind::Plain) {
                    self.feed.title.set_text(&title, title.kind, 1);
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

    pub(super) fn item(&mut self, item: &Value) {
        let Value::Object(members) = item else {
            self.faults.note(Fault::BadJson);
            // Nothing was meant to be there.
            if !item.is_null() {
                self.faults.lose_item(Fault::BadJson);
            }
            return;
        };
        self.is_feed = true;
        if self.count < self.handed_over {
            self.count += 1;
            return;
        }
        let mut draft = Draft::default();
        for (key, value) in members {
            self.item_member(key, value, &mut draft);
        }
        // HTML says more than text where both are there.
        for (key, kind) in [("content_html", TextKind::Html), ("content_text", TextKind::Plain)] {
            let text = members.get(key).and_then(|value| self.prose(value, kind));
            draft.content.extend(text);
        }
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
                if let Some(title) = self.prose(value, TextKind::Plain) {
                    draft.title.set_text(&title, title.kind, 2);
                }
            }
            "summary" => {
                if let Some(summary) = self.prose(value, TextKind::Plain) {
                    draft.summary.set_text(&summary, summary.kind, 2);
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
