//! What a poll takes out of a feed's document.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::identity::Marks;
use super::websub::discover::Hubs;

/// The content of an answer of 200.
#[derive(Debug)]
pub enum Content {
    /// Byte for byte the last document.
    Same,
    /// A feed.
    Feed {
        /// Of its bytes.
        hash: u64,
        /// What it says.
        reading: Box<Reading>,
    },
    /// Something else.
    NotAFeed {
        /// Of its bytes.
        hash: u64,
        /// It begins like a feed.
        may_be_broken: bool,
        /// What it is, in a sentence.
        detail: String,
        /// The bytes.
        bytes: Bytes,
    },
}

/// What a document says. 0 is nothing said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// RSS `ttl`, in seconds.
    pub ttl_s: u32,
    /// `sy:*`, in seconds.
    pub period_s: u32,
    /// Bit h: not in that hour, UTC.
    pub skip_hours: u32,
    /// Bit d: not on that day, UTC; Monday is 0.
    pub skip_days: u8,
    /// The feed's title, for people.
    pub title: String,
    /// Of it; 0 without.
    pub title_hash: u64,
    /// Letters of all titles that are Arabic, in percent.
    pub arabic_percent: u8,
    /// Named faults with their counts.
    pub faults: Vec<(&'static str, u64)>,
    /// Which faults, without counts; 0 for none.
    pub faults_hash: u64,
    /// Items that began and could not be read.
    pub items_lost: u64,
    /// The document broke off before its own end: what is complete in it is good, and it is to be asked for again.
    pub is_cut: bool,
    /// Items that were open when it broke off; they are not among `items`.
    pub cut_items: u64,
    /// Items without a readable date.
    pub undated: usize,
    /// Its hubs, as the answer's headers and the document name them.
    pub hubs: Hubs,
    /// The addresses of the feed and its site, by hash: no item's id.
    pub own: Vec<u64>,
    /// The items, in the document's order.
    pub items: Vec<Item>,
    /// Of an index of sitemaps: what it names, in its order. It has no items then.
    pub index: Option<Vec<Listed>>,
}

/// A sitemap that an index names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Its address, as found but absolute.
    pub url: String,
    /// When it last changed, if that is said.
    pub modified_ms: Option<i64>,
}

/// One item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Names it within the feed.
    pub id: String,
    /// Of the id.
    pub id_hash: u64,
    /// Of everything that makes it another version when it changes.
    pub content_hash: u64,
    /// When it says it was published.
    pub published_ms: Option<i64>,
    /// The date as found.
    pub published: Option<String>,
    /// Its title as text.
    pub title: Option<String>,
    /// Its address.
    pub link: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// The text, made of its content or else of its summary.
    pub text: String,
    /// A BCP-47 tag.
    pub language: Option<String>,
    /// Its categories, each once.
    pub keywords: Vec<String>,
    /// When it says it was changed after it was published: in RFC 3339, or as found where that cannot be read.
    pub modified: Option<String>,
    /// The feed it was copied from, or who published it; not the title of the feed at hand, which names a section or a collection as often as a house.
    pub publisher: Option<String>,
    /// What tells it from other items beside its id.
    #[serde(skip)]
    pub marks: Marks,
}
