//! A feed, entry or source in the making: which of several statements about the same thing counts.

use crate::model::{Enclosure, Entry, Feed, Instant, Link, Origin, Person, Text, TextKind};

/// Tags a new one is compared with.
const MAX_COMPARED: usize = 64;

/// What has been said so far about one feed, entry or source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) title: Slot,
    /// Depth at which a title ended the question: one as deep or deeper comes from an extension or a picture.
    pub(crate) title_depth: Option<usize>,
    pub(crate) link: Option<String>,
    pub(crate) links: Vec<Link>,
    pub(crate) id: Slot,
    /// An id was there, with nothing in it.
    pub(crate) has_blank_id: bool,
    pub(crate) published: Option<Instant>,
    pub(crate) updated: Option<Instant>,
    pub(crate) created: Option<Instant>,
    pub(crate) authors: Vec<Person>,
    pub(crate) author: Slot,
    pub(crate) summary: Slot,
    pub(crate) subtitle: Slot,
    pub(crate) has_content: bool,
    pub(crate) content: Vec<Text>,
    pub(crate) tags: Vec<String>,
    pub(crate) media: Vec<Enclosure>,
    pub(crate) rights: Slot,
    pub(crate) language: Option<String>,
    pub(crate) comments: Option<String>,
    pub(crate) generator: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) source: Option<Origin>,
    pub(crate) publisher: Option<String>,
}

/// A value and the depth it was found at: what stands higher in the tree counts more, and later counts more than earlier.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    value: Option<(Text, usize)>,
}

impl Slot {
    pub(crate) fn set(&mut self, value: &str, depth: usize) {
        self.set_text(value, TextKind::Plain, depth);
    }

    pub(crate) fn set_text(&mut self, value: &str, kind: TextKind, depth: usize) {
        if self.value.as_ref().is_none_or(|(old, at)| depth <= *at && (old.is_empty() || !value.is_empty())) {
            self.value = Some((Text { value: value.to_owned(), kind }, depth));
        }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    pub(crate) fn get(&self) -> Option<&str> {
        self.value.as_ref().map(|(text, _)| &**text).filter(|value| !value.is_empty())
    }

    fn take(self) -> Option<String> {
        self.take_text().map(|text| text.value)
    }

    fn take_text(self) -> Option<Text> {
        self.value.map(|(text, _)| text).filter(|text| !text.is_empty())
    }

    /// Replaces the value whatever stood there.
    pub(crate) fn force(&mut self, value: String, depth: usize) {
        self.value = Some((Text { value, kind: TextKind::Plain }, depth));
    }
}

impl Draft {
    /// Names and addresses of the last author, and the author in one line, brought to agree.
    pub(crate) fn sync_author(&mut self, depth: usize) {
        let Some(person) = self.authors.last_mut() else { return };
        if person.is_empty() {
            let Some(line) = self.author.get() else { return };
            *person = person_of(line);
            return;
        }
        let line = match (&person.name, &person.email) {
            (Some(name), Some(email)) => format!("{name} ({email})"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => return,
        };
        self.author.force(line, depth);
    }

    /// Adds a tag once; among the first [`MAX_COMPARED`], so that a million tags take no million looks each.
    pub(crate) fn tag(&mut self, tag: &str) {
        let tag = tag.trim();
        if !tag.is_empty() && !self.tags.iter().take(MAX_COMPARED).any(|known| known == tag) {
            self.tags.push(tag.to_owned());
        }
    }

    /// Keeps a full text, and shows it as the summary while there is none.
    pub(crate) fn keep_content(&mut self, text: &str, kind: TextKind, depth: usize, is_readable: bool) {
        if is_readable && !self.summary.is_set() {
            self.summary.set_text(text, kind, depth);
        }
        if !text.is_empty() {
            self.content.push(Text { value: text.to_owned(), kind });
        }
    }

    /// The entry these statements make.
    pub(crate) fn into_entry(mut self, index: u64) -> Entry {
        let is_file = |link: &&Link| link.rel == "enclosure" && !link.href.is_empty();
        let enclosures = self.links.iter().filter(is_file).map(file_of).collect();
        self.authors.retain(|person| !person.is_empty());
        self.links.retain(|link| !link.href.is_empty());
        Entry {
            index,
            has_blank_id: self.has_blank_id && !self.id.is_set(),
            id: self.id.take().unwrap_or_default(),
            id_source: crate::model::IdSource::Computed,
            title: self.title.take_text(),
            link: self.link.filter(|link| !link.is_empty()),
            links: self.links,
            published: self.published,
            updated: self.updated,
            created: self.created,
            authors: self.authors,
            author: self.author.take(),
            summary: self.summary.take_text(),
            subtitle: self.subtitle.take_text(),
            content: self.content,
            tags: self.tags,
            enclosures,
            media: self.media,
            rights: self.rights.take(),
            language: self.language,
            comments: self.comments,
            source: self.source,
            publisher: self.publisher,
            is_cut: false,
        }
    }

    /// The feed these statements make; what they do not say is left as it is.
    pub(crate) fn into_feed(mut self, feed: &mut Feed) {
        self.authors.retain(|person| !person.is_empty());
        self.links.retain(|link| !link.href.is_empty());
        feed.title = self.title.take_text();
        feed.link = self.link.filter(|link| !link.is_empty());
        feed.links = self.links;
        feed.id = self.id.take();
        feed.published = self.published;
        feed.updated = self.updated;
        feed.created = self.created;
        feed.authors = self.authors;
        feed.author = self.author.take();
        feed.subtitle = self.subtitle.take();
        feed.summary = self.summary.take();
        feed.language = self.language;
        feed.rights = self.rights.take();
        feed.tags = self.tags;
        feed.publisher = self.publisher;
        feed.generator = self.generator;
        feed.image = self.image;
    }

    /// The origin these statements make.
    pub(crate) fn into_origin(self) -> Origin {
        Origin {
            title: self.title.take(),
            link: self.link.filter(|link| !link.is_empty()),
            id: self.id.take(),
        }
    }
}

fn file_of(link: &Link) -> Enclosure {
    Enclosure { href: link.href.clone(), media_type: link.media_type.clone(), length: link.length.clone() }
}

/// `name (address)`, `address (name)`, `name <address>`, or either alone.
pub(crate) fn person_of(line: &str) -> Person {
    let Some(address) = address_in(line) else {
        return Person { name: some(line), ..Person::default() };
    };
    let name = line.replace(address, "").replace("()", "").replace("<>", "").replace("&lt;&gt;", "");
    let name = name.trim();
    let name = name.strip_prefix('(').unwrap_or(name);
    let name = name.strip_suffix(')').unwrap_or(name).trim();
    let (address, _) = address.split_once("?subject=").unwrap_or((address, ""));
    Person { name: some(name), email: some(address), uri: None }
}

pub(crate) fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The first e-mail address in a line, with its `?subject=`.
fn address_in(line: &str) -> Option<&str> {
    let bytes = line.as_bytes();
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'@', &bytes[from..]) {
        let at = from + found;
        let start = at - bytes[from..at].iter().rev().take_while(|byte| is_local(byte)).count();
        let mut end = at + 1 + bytes[at + 1..].iter().take_while(|byte| is_host(byte)).count();
        while bytes[at + 1..end].ends_with(b".") || bytes[at + 1..end].ends_with(b"-") {
            end -= 1;
        }
        let host = &line[at + 1..end];
        if start < at && host.rsplit_once('.').is_some_and(|(name, top)| !name.is_empty() && top.len() >= 2) {
            if line[end..].starts_with("?subject=") {
                end += line[end..].find(|c: char| c.is_whitespace() || c == ')').unwrap_or(line.len() - end);
            }
            return Some(&line[start..end]);
        }
        from = at + 1;
    }
    None
}
