//! What tells one item of a feed from another, when the feed's own ids do not.
//!
//! ```text
//! guid or id --no id--> link with its fragment --none--> title + date --none--> content
//!       judged by the document: blank? the feed's own address? the same on two articles?
//!       judged over polls:      made anew although link, title and text stayed?
//! ```
//! An item keeps the key that it was first delivered under: what a feed's documents show later changes how it is found, not what it is called. What was judged worthless once
//! stays so, in the feed's state.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::reading::Item;
use crate::links;

pub mod churn;
mod document;
mod evidence;
mod keys;
mod memory;
mod settle;

#[cfg(test)]
mod tests;

use churn::Churn;
pub(super) use keys::own_guid;
use memory::Memory;
pub use memory::Remembered;
pub use settle::{Seen, Settled, settle};

/// What an item says beside its id, by hash; 0 for what it does not say. Not stored with an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The parser made its id: it brings none.
    pub is_computed: bool,
    /// It has a guid or id with nothing in it.
    pub is_blank: bool,
    /// Its id, as an address where it is one.
    pub id: u64,
    /// Its link, by what leads to the same article.
    pub link: u64,
    /// Its title.
    pub title: u64,
    /// Its date.
    pub date: u64,
    /// Its text, without the title.
    pub text: u64,
    /// Its key cannot be made again from what it says.
    pub(super) keeps_key: bool,
}

/// Of an item as the parser gave it.
pub fn marks(item: &Item, is_computed: bool, is_blank: bool) -> Marks {
    let hash = |text: &str| if text.is_empty() { 0 } else { xxh3_64(text.as_bytes()).max(1) };
    let link = item.link.as_deref().map_or(0, address);
    let date = match (item.published_ms, &item.published) {
        (Some(ms), _) => xxh3_64(&ms.to_be_bytes()).max(1),
        (None, Some(raw)) => hash(raw),
        (None, None) => 0,
    };
    let id = match &item.link {
        _ if is_computed => 0,
        Some(same) if *same == item.id => link,
        Some(_) | None => address(&item.id),
    };
    Marks {
        is_computed,
        is_blank,
        id,
        link,
        title: hash(item.title.as_deref().unwrap_or_default()),
        date,
        text: hash(&item.text),
        keeps_key: false,
    }
}

/// Of an address, by what leads to the same page; of anything else, as it is. 0 for nothing.
pub fn address(text: &str) -> u64 {
    let text = text.trim();
    if text.is_empty() {
        return 0;
    }
    let identity = links::identity(text);
    xxh3_64(identity.as_deref().unwrap_or(text).as_bytes()).max(1)
}

/// Of the addresses that mean the feed itself or its site: an item that has one of them for its id has none.
pub fn own<'a>(addresses: impl Iterator<Item = &'a str>) -> Vec<u64> {
    addresses.map(address).filter(|hash| *hash != 0).collect::<HashSet<u64>>().into_iter().collect()
}

/// The front page of an address's site: the address up to its path.
pub fn home(address: &str) -> Option<&str> {
    let host = address.find("://")? + 3;
    let end = address[host..].find(['/', '?', '#']).map_or(address.len(), |at| host + at);
    Some(&address[..end])
}

/// Why an id, a link or a date is no identity: a named fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Worthless {
    /// A guid or id with nothing in it.
    IdBlank,
    /// An id that is the feed's or the site's own address.
    IdOfFeed,
    /// One id of several articles.
    IdShared,
    /// Ids that are made anew though the items stay.
    IdUnstable,
    /// A link that is the feed's or the site's own address, where no id goes before it.
    LinkOfFeed,
    /// One link of several articles, where no id goes before it.
    LinkShared,
    /// Links that are made anew though the items stay.
    LinkUnstable,
    /// Dates that are made anew though the items stay.
    DateUnstable,
}

impl Worthless {
    /// Every reason, in order.
    pub const ALL: [Self; 8] = [
        Self::IdBlank,
        Self::IdOfFeed,
        Self::IdShared,
        Self::IdUnstable,
        Self::LinkOfFeed,
        Self::LinkShared,
        Self::LinkUnstable,
        Self::DateUnstable,
    ];

    /// The stable name of the fault.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdBlank => "worthless_id_blank",
            Self::IdOfFeed => "worthless_id_of_feed",
            Self::IdShared => "worthless_id_shared",
            Self::IdUnstable => "worthless_id_unstable",
            Self::LinkOfFeed => "worthless_link_of_feed",
            Self::LinkShared => "worthless_link_shared",
            Self::LinkUnstable => "worthless_link_unstable",
            Self::DateUnstable => "worthless_date_unstable",
        }
    }
}

/// What is known of a feed's ids, its links or its dates as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Worth {
    /// Too little was seen.
    #[default]
    Untested,
    /// They came back while others were new.
    Proven,
    /// After that they were all made anew, once: a site that moved does that.
    Struck,
    /// They are made anew though the items stay: never used again.
    Worthless,
}

impl Worth {
    /// Whether two documents may still tell otherwise.
    fn is_open(self) -> bool {
        match self {
            Self::Untested => true,
            Self::Proven | Self::Struck | Self::Worthless => false,
        }
    }

    fn is_worthless(self) -> bool {
        match self {
            Self::Worthless => true,
            Self::Untested | Self::Proven | Self::Struck => false,
        }
    }
}

/// What was seen of a feed's ids, its links or its dates in some document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Came {
    /// One came back with the item that had it.
    back: bool,
    /// One was new with its item.
    new: bool,
}

/// How the items of a feed are told apart, as far as that was learned. All zeros for a feed that was never read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Guids and ids.
    pub ids: Worth,
    /// Links.
    pub links: Worth,
    /// Dates beside titles.
    pub dates: Worth,
    /// Of ids, links and dates.
    came: [Came; 3],
    /// Documents in which an id was made anew though its item stayed.
    misses: u8,
    /// Which [`Worthless`] the last document showed, a bit each.
    shown: u8,
    /// Ids that several articles shared, by half of their hash, the last seen first.
    bad_ids: Vec<[u8; 4]>,
    /// Links that several articles shared.
    bad_links: Vec<[u8; 4]>,
    /// What the known items say beside their ids.
    memory: Memory,
    /// Whether items come at every poll though nothing is new.
    pub churn: Churn,
    /// What items of the last document are told apart by may still prove worthless.
    #[serde(skip)]
    is_open: bool,
}

impl Identity {
    /// Why ids, links or dates of this feed are no identity, as of its last document.
    pub fn worthless(&self) -> impl Iterator<Item = Worthless> + '_ {
        Worthless::ALL.into_iter().filter(|why| {
            self.shown >> *why as u8 & 1 == 1
                || match why {
                    Worthless::IdUnstable => self.ids.is_worthless(),
                    Worthless::LinkUnstable => self.links.is_worthless(),
                    Worthless::DateUnstable => self.dates.is_worthless(),
                    Worthless::IdBlank
                    | Worthless::IdOfFeed
                    | Worthless::IdShared
                    | Worthless::LinkOfFeed
                    | Worthless::LinkShared => false,
                }
        })
    }

    /// Everything but what is known of items.
    fn without_memory(&self) -> Self {
        Self {
            ids: self.ids,
            links: self.links,
            dates: self.dates,
            came: self.came,
            misses: self.misses,
            shown: self.shown,
            bad_ids: self.bad_ids.clone(),
            bad_links: self.bad_links.clone(),
            memory: Memory::default(),
            churn: self.churn,
            is_open: self.is_open,
        }
    }

    /// Bytes beside the struct.
    pub fn bytes(&self) -> usize {
        (self.bad_ids.capacity() + self.bad_links.capacity()) * 4 + self.memory.bytes()
    }
}

/// The half of a hash that is kept.
fn half(hash: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = hash.to_be_bytes();
    let half = [a, b, c, d];
    // Nothing said is 0.
    if hash != 0 && half == [0; 4] { [0, 0, 0, 1] } else { half }
}
