//! What a feed says: plain values, the same for every format.
//!
//! Text is as found (HTML stays HTML), trimmed; what is missing is `None` or empty, never `Some("")`. Links are absolute where a base
//! is known. Instants are milliseconds since 1970 in UTC; the words they were read from stand beside them, also when they could not
//! be read.

use std::ops::Deref;

use crate::fault::FaultCount;

/// What is known about the bytes beside themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options<'a> {
    /// The `Content-Type` header, whole; only its `charset` is used.
    pub content_type: Option<&'a str>,
    /// What relative links are resolved against: `Content-Location`, else the address the feed came from.
    pub base: Option<&'a str>,
}

/// The feed itself, without its entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// `rss20`, `rss092`, `rss091u`, `rss090`, `rss10`, `rss`, `atom10`, `atom03`, `atom`, `cdf`, `json1`, `json11`, `sitemap`, `sitemapindex`, ...;
    /// empty when entries stood without any root.
    pub version: &'static str,
    /// The charset the bytes were read in, a WHATWG label in lower case.
    pub encoding: String,
    /// Title, as found.
    pub title: Option<Text>,
    /// The page this feed belongs to.
    pub link: Option<String>,
    /// All links; `rel` is `hub` and `self` for WebSub.
    pub links: Vec<Link>,
    /// Atom's id or `rdf:about`.
    pub id: Option<String>,
    /// When it was published.
    pub published: Option<Instant>,
    /// When it last changed.
    pub updated: Option<Instant>,
    /// When it was made (`created`, `dcterms:created`).
    pub created: Option<Instant>,
    /// Who wrote it, in order.
    pub authors: Vec<Person>,
    /// The last author in one line: `name (email)`.
    pub author: Option<String>,
    /// Description, tagline, subtitle.
    pub subtitle: Option<String>,
    /// iTunes summary.
    pub summary: Option<String>,
    /// BCP 47, as found.
    pub language: Option<String>,
    /// Copyright.
    pub rights: Option<String>,
    /// Categories.
    pub tags: Vec<String>,
    /// Who publishes it: `dc:publisher`.
    pub publisher: Option<String>,
    /// The software that made it.
    pub generator: Option<String>,
    /// Address of its picture.
    pub image: Option<String>,
    /// What it says about being polled.
    pub schedule: Schedule,
    /// Every repair, in the order of [`crate::Fault`].
    pub faults: Vec<FaultCount>,
    /// How many entries were handed to the callback.
    pub entries: u64,
    /// The document broke off before its own end: what follows is not in it, and its last entry may be half an entry.
    pub is_cut: bool,
    /// Entries that were open when the document broke off: those of XML were handed over with [`Entry::is_cut`], those of JSON were not.
    pub cut_entries: u64,
}

impl Feed {
    /// Whether it is an index of sitemaps: its entries are no articles, but the addresses of sitemaps (`link`), with when each last changed (`updated`).
    pub fn is_index(&self) -> bool {
        self.version == "sitemapindex"
    }
}

/// What a feed says about when to ask for it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// RSS `ttl`, minutes.
    pub ttl_minutes: Option<u32>,
    /// Hours of the day (UTC, 0 to 23) not to ask in.
    pub skip_hours: Vec<u8>,
    /// Days not to ask on, 0 is Monday.
    pub skip_days: Vec<u8>,
    /// `sy:updatePeriod` in seconds: 3,600 for hourly up to 31,536,000 for yearly.
    pub sy_period_seconds: Option<u32>,
    /// `sy:updateFrequency`: how many times in a period; never 0.
    pub sy_frequency: Option<u32>,
    /// `sy:updateBase`.
    pub sy_base: Option<Instant>,
}

/// A text, with what its feed says it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// As found: HTML stays HTML.
    pub value: String,
    /// Whether that is HTML.
    pub kind: TextKind,
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.value
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.value == *other
    }
}

/// Whether a text is HTML, as the feed says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TextKind {
    /// Plain text: `<b>` in it is three letters. Atom's `type="text"`, which is meant where Atom states none; JSON Feed's titles, summaries and `content_text`.
    Plain,
    /// HTML: Atom's `html` and `xhtml`, RSS `content:encoded`, JSON Feed's `content_html`.
    Html,
    /// Either: RSS never says, and both are in use.
    #[default]
    Unknown,
    /// No text: a file of another kind inside the entry, as found.
    Data,
}

impl TextKind {
    /// The name it has in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Html => "html",
            Self::Unknown => "unknown",
            Self::Data => "data",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the document, from 0.
    pub index: u64,
    /// Always there and the same for the same entry every time: guid or Atom id, else computed.
    pub id: String,
    /// Where the id came from.
    pub id_source: IdSource,
    /// A guid or id stands there with nothing in it, so another was computed.
    pub has_blank_id: bool,
    /// Headline, as found.
    pub title: Option<Text>,
    /// The article's page.
    pub link: Option<String>,
    /// All links, enclosures included.
    pub links: Vec<Link>,
    /// When it was published.
    pub published: Option<Instant>,
    /// When it last changed.
    pub updated: Option<Instant>,
    /// When it was made (`created`, `dcterms:created`).
    pub created: Option<Instant>,
    /// Who wrote it, in order.
    pub authors: Vec<Person>,
    /// The last author in one line: `name (email)`.
    pub author: Option<String>,
    /// Description or summary; a copy of the content where there is none.
    pub summary: Option<Text>,
    /// iTunes subtitle.
    pub subtitle: Option<Text>,
    /// Full texts, in order.
    pub content: Vec<Text>,
    /// Categories, keywords, subjects.
    pub tags: Vec<String>,
    /// Files that belong to it: RSS `enclosure` and links with `rel="enclosure"`.
    pub enclosures: Vec<Enclosure>,
    /// Media RSS files and thumbnails.
    pub media: Vec<Enclosure>,
    /// Copyright.
    pub rights: Option<String>,
    /// BCP 47, as found.
    pub language: Option<String>,
    /// The page with its comments.
    pub comments: Option<String>,
    /// The feed it was taken from (RSS and Atom `source`).
    pub source: Option<Origin>,
    /// Who published it: `dc:publisher`, a news sitemap's `publication`.
    pub publisher: Option<String>,
    /// It was still open when the document broke off: anything in it may be a part of what it says.
    pub is_cut: bool,
}

/// The feed an entry was copied from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its title.
    pub title: Option<String>,
    /// Its address or page.
    pub link: Option<String>,
    /// Its id.
    pub id: Option<String>,
}

/// An instant as stated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instant {
    /// Milliseconds since 1970-01-01T00:00:00Z; `None` when the words state no instant that can be read. A date without a time is its
    /// midnight, a time without a zone is in UTC.
    pub ms: Option<i64>,
    /// The words, as found.
    pub raw: String,
}

impl Instant {
    /// RFC 3339 in UTC; a fraction of a second only where one was stated.
    pub fn rfc3339(&self) -> Option<String> {
        jiff::Timestamp::from_millisecond(self.ms?).ok().map(|instant| instant.to_string())
    }
}

/// Where an entry's id came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum IdSource {
    /// RSS `guid`, Atom or JSON `id`, `rdf:about`.
    Guid,
    /// SHA-256 of the link.
    Link,
    /// SHA-256 of title, date and text.
    #[default]
    Computed,
}

impl IdSource {
    /// The name it has in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guid => "guid",
            Self::Link => "link",
            Self::Computed => "computed",
        }
    }
}

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Absolute where a base is known.
    pub href: String,
    /// `alternate` when nothing else is said.
    pub rel: String,
    /// Media type.
    pub media_type: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Size in bytes, as found.
    pub length: Option<String>,
}

/// A person or an organisation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Name.
    pub name: Option<String>,
    /// Address.
    pub email: Option<String>,
    /// Home page.
    pub uri: Option<String>,
}

impl Person {
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.email.is_none() && self.uri.is_none()
    }
}

/// A file that belongs to an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enclosure {
    /// Absolute where a base is known.
    pub href: String,
    /// Media type.
    pub media_type: Option<String>,
    /// Size in bytes, as found.
    pub length: Option<String>,
}
