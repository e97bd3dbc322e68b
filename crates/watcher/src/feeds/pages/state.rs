//! What must be known after a restart of articles that wait for their pages, and of the sites they are on.
//!
//! ```text
//! feeds.pages     <feed> NUL <hash of the item's id> -> form 1, Plan     written with the poll that found the item, and before each try
//! feeds.waiting   the same key                       -> form 1, Saved    written with the poll; both go with the delivery, in its unit
//! feeds.robots    <scheme://host:port>               -> form 1, Site     a cache: what is not there is asked for
//! ```

use barid_log::Table;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::robots::Rules;
use crate::feeds::reading::Item;

/// The table of what is to be asked, and when.
pub const PAGES: Table = Table("feeds.pages");
/// The table of what is delivered if the page cannot be had.
pub const WAITING: Table = Table("feeds.waiting");
/// The table of robots.txt files.
pub const ROBOTS: Table = Table("feeds.robots");

const FORM: u8 = 1;

/// Of one article: small, so that a start reads all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The item's link.
    pub(super) url: String,
    /// When the poll found it.
    pub(super) seen_ms: i64,
    /// Tries begun.
    pub(super) tries: u8,
    /// Not asked before this.
    pub(super) again_ms: i64,
}

/// Of one article: what the feed says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) item: Item,
    /// Where the feed was read.
    pub(super) from: String,
}

/// What a site's robots.txt said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Site {
    /// When it was read; 0 where it never was.
    pub(super) read_ms: i64,
    /// To be asked again from then on.
    pub(super) good_until_ms: i64,
    /// `None`: it cannot be reached, so nothing is allowed for now.
    pub(super) rules: Option<Rules>,
    /// Nothing of its registered domain is asked before this: it said 429 or 503.
    pub(super) until_ms: i64,
}

/// A table's value.
pub(super) fn to_bytes(value: &impl Serialize) -> bytes::Bytes {
    // Writing to memory cannot fail.
    postcard::to_extend(value, vec![FORM]).unwrap_or_default().into()
}

/// Reads it back; `None` for a form of another version.
pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (form, rest) = bytes.split_first()?;
    (*form == FORM).then(|| postcard::from_bytes(rest).ok()).flatten()
}

/// The key of an item of a feed.
pub(super) fn key(feed: &str, item: u64) -> Vec<u8> {
    [feed.as_bytes(), b"\0", &item.to_be_bytes()].concat()
}

/// Reads a key back.
pub(super) fn from_key(key: &[u8]) -> Option<(&str, u64)> {
    let (rest, item) = key.split_last_chunk()?;
    let feed = str::from_utf8(rest.strip_suffix(b"\0")?).ok()?;
    Some((feed, u64::from_be_bytes(*item)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_read_back_and_damaged_ones_do_not() {
        assert_eq!(from_key(&key("news", u64::MAX)), Some(("news", u64::MAX)));
        assert_eq!(from_key(&key("news", 0)), Some(("news", 0)), "whatever bytes the hash has");
        assert_eq!((from_key(b"news"), from_key(b"news12345678")), (None, None));
        let plan = Plan { url: "u".into(), seen_ms: 1, tries: 2, again_ms: 3 };
        let bytes = to_bytes(&plan);
        assert_eq!(from_bytes::<Plan>(&bytes), Some(plan));
        for cut in 0..bytes.len() {
            assert_eq!(from_bytes::<Plan>(&bytes[..cut]), None);
        }
        assert_eq!(from_bytes::<Plan>(&[&[2], &bytes[1..]].concat()), None);
    }
}
