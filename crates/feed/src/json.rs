//! JSON Feed 1.0 and 1.1, item by item: values of the wrong type are counted and passed over, and what stands before a syntax error is kept.

mod members;
mod mend;

use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as _, Deserializer as _};
use serde_json::Value;

use crate::draft::Draft;
use crate::error::NotAFeed;
use crate::fault::{Fault, Faults};
use crate::model::{Entry, Feed};

/// Notices of a server's software are looked through up to here.
const MOST_NOTICES_BYTES: usize = 8192;

/// What is read, and where entries go.
struct Reader<'c, 'o> {
    faults: Faults,
    base: String,
    feed: Draft,
    meta: Feed,
    count: u64,
    /// Entries that were handed over before the text was mended.
    handed_over: u64,
    /// The text at hand is inside the list of items.
    in_items: bool,
    /// It is inside one of them.
    in_item: bool,
    has_items: bool,
    is_feed: bool,
    on_entry: &'c mut (dyn FnMut(Entry) + 'o),
}

/// Where a JSON document begins in a text: behind comments, behind `)]}'` and `name(`, with which scripts are served. `None`: it is no JSON.
pub(crate) fn begins(text: &str) -> Option<&str> {
    let skip = |text: &'_ str| -> usize { text.len() - mend::without_comments(text).len() };
    let mut text = &text[skip(text)..];
    if let Some(rest) = text.strip_prefix(")]}") {
        text = rest.trim_start_matches(['\'', ',', ';']);
        text = &text[skip(text)..];
    }
    let name = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_$.".contains(byte)).count();
    if let Some(rest) = text[name..].trim_ascii_start().strip_prefix('(').filter(|_| name < 64) {
        text = &rest[skip(rest)..];
    }
    text.starts_with('{').then_some(text)
}

/// Where a JSON Feed begins behind the notices of a server's software: its version stands among the first members, and no other document around it.
pub(crate) fn behind_notices(text: &str) -> Option<&str> {
    let start = &text[..text.floor_char_boundary(MOST_NOTICES_BYTES)];
    let version = memchr::memmem::find(start.as_bytes(), b"jsonfeed.org/version")?;
    let at = start[..version].find('{').filter(|at| version - at < 512)?;
    let notices = start[..at].to_ascii_lowercase();
    let others = ["<html", "<!doctype", "<rss", "<feed", "<rdf", "<?xml", "<urlset"];
    others.iter().all(|other| !notices.contains(other)).then(|| &text[at..])
}

/// Reads a JSON Feed. What is JSON but for a fault is mended; what was handed over before the fault is not handed over again.
pub(crate) fn parse(
    text: &str,
    base: Option<&str>,
    faults: Faults,
    on_entry: &mut dyn FnMut(Entry),
) -> Result<Feed, NotAFeed> {
    let names_it = memchr::memmem::find(text.as_bytes(), b"jsonfeed.org/version").is_some();
    if !names_it && memchr::memmem::find(text.as_bytes(), b"items").is_none() {
        return Err(NotAFeed::OtherJson);
    }
    let before = faults.clone();
    let mut reader = Reader {
        faults,
        base: base.unwrap_or_default().to_owned(),
        feed: Draft::default(),
        meta: Feed::default(),
        count: 0,
        handed_over: 0,
        in_items: false,
        in_item: false,
        has_items: false,
        is_feed: names_it,
        on_entry,
    };
    match reader.read(text) {
        Ok(()) => {}
        Err(error) if error.is_eof() || reader.is_behind(&error) => reader.broke_off(&error),
        Err(_) => {
            let mended = mend::mended(text);
            reader.start_again(before, &mended);
            reader.read_mended(&mended.text);
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

impl Reader<'_, '_> {
    fn read(&mut self, text: &str) -> serde_json::Result<()> {
        let mut source = serde_json::Deserializer::from_str(text);
        source.deserialize_map(Document(self)).and_then(|()| source.end())
    }

    /// The error is about what follows the feed.
    fn is_behind(&self, error: &serde_json::Error) -> bool {
        self.has_items
            && !self.in_items
            && error.is_syntax()
            && error.to_string().starts_with("trailing char")
    }

    fn start_again(&mut self, faults: Faults, mended: &mend::Mended) {
        self.handed_over = self.count;
        self.faults = faults;
        self.faults.add(Fault::BadJson, mended.repairs);
        self.faults.add(Fault::BadCharRef, mended.halves);
        (self.feed, self.meta, self.count) = (Draft::default(), Feed::default(), 0);
        (self.in_items, self.in_item) = (false, false);
    }

    /// Reads text that was mended; where it is still wrong, on with the next item that can be seen.
    fn read_mended(&mut self, text: &str) {
        let Err(mut error) = self.read(text) else { return };
        let mut from = 0;
        loop {
            if error.is_eof() || !self.in_items {
                return self.broke_off(&error);
            }
            let Some(at) = next_item(text, from, &error) else { return self.broke_off(&error) };
            self.faults.note(Fault::BadJson);
            self.faults.lose_item(Fault::BadJson);
            from = at;
            // Items, until one is wrong again or the list ends.
            error = loop {
                self.in_item = true;
                let mut stream = serde_json::Deserializer::from_str(&text[from..]).into_iter::<Value>();
                match stream.next() {
                    Some(Ok(item)) => {
                        self.in_item = false;
                        self.item(&item);
                        from += stream.byte_offset();
                    }
                    Some(Err(error)) => break error,
                    None => return,
                }
                let rest = text[from..].trim_ascii_start();
                let next = rest.strip_prefix(',').map_or(rest, str::trim_ascii_start);
                from = text.len() - next.len();
                if !next.starts_with('{') {
                    return self.read_members(next);
                }
            };
        }
    }

    /// What follows the last item: the end of the list, and other members.
    fn read_members(&mut self, rest: &str) {
        self.in_items = !rest.starts_with(']');
        let result = self.read(&format!("{{\"_\":[{rest}"));
        if let Err(error) = result {
            self.broke_off(&error);
        }
    }

    /// Names an error that ends the reading, and what it costs.
    fn broke_off(&mut self, error: &serde_json::Error) {
        if error.is_eof() {
            self.faults.note(Fault::Truncated);
            self.meta.is_cut = true;
            self.meta.cut_entries = u64::from(self.in_item);
            return;
        }
        let fault = if self.is_behind(error) { Fault::JunkAfter } else { Fault::BadJson };
        self.faults.note(fault);
        if self.in_items {
            self.faults.lose_item(fault);
        }
    }
}

/// Where the next item begins behind an error in the text from `start` on: an object that begins with an id, as items do and what is inside of them
/// does not.
fn next_item(text: &str, start: usize, error: &serde_json::Error) -> Option<usize> {
    let lines = text[start..].split_inclusive('\n').take(error.line().saturating_sub(1));
    let from = start + lines.map(str::len).sum::<usize>() + error.column();
    // At the latest behind the opening of the item that broke, so that each search begins further on.
    let from = text.ceil_char_boundary(from.max(start + 1));
    let rest = text.get(from..)?;
    let is_item = |at: &usize| {
        let key = rest[at + 1..].trim_ascii_start().strip_prefix("\"id\"");
        key.is_some_and(|after| after.trim_ascii_start().starts_with(':'))
    };
    memchr::memchr_iter(b'{', rest.as_bytes()).find(is_item).map(|at| from + at)
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
        // What PHP makes of a list with gaps: `{"0": {...}, "2": {...}}`. Or one item without its list.
        self.0.faults.note(Fault::BadJson);
        (self.0.has_items, self.0.in_items) = (true, true);
        let mut members = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if value.is_object() && key.bytes().all(|byte| byte.is_ascii_digit()) {
                self.0.item(&value);
            } else {
                members.insert(key, value);
            }
        }
        if members.contains_key("id") || members.contains_key("url") {
            self.0.item(&Value::Object(members));
        }
        self.0.in_items = false;
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        self.0.has_items = true;
        self.0.in_items = true;
        while let Some(item) = list.next_element_seed(Item(&mut self.0.in_item))? {
            self.0.item(&item);
        }
        self.0.in_items = false;
        Ok(())
    }
}

/// One item; what it points to is true from its first byte to its last.
struct Item<'r>(&'r mut bool);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        *self.0 = true;
        let value = Value::deserialize(source)?;
        *self.0 = false;
        Ok(value)
    }
}
