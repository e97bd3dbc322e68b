//! What must be known after a restart of articles that wait for their pages, and of the sites they are on.
//!
//! ```text
//! feeds.pages     <feed> NUL <hash of the item's id> -> form 1, Plan     written with the poll that found the item, and before each try
//! feeds.waiting   the same key                       -> form 2, Saved    written with the poll; both go with the delivery, in its unit
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

/// What is stored, each kind with a form of its own.
pub(super) trait Stored: Serialize + DeserializeOwned {
    /// The form that is written.
    const FORM: u8 = 1;

    /// Reads an earlier form.
    fn from_earlier(_form: u8, _bytes: &[u8]) -> Option<Self> {
        None
    }
}

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

impl Stored for Plan {}

impl Stored for Saved {
    /// 1 had no keywords, date of change and publisher.
    const FORM: u8 = 2;

    fn from_earlier(form: u8, bytes: &[u8]) -> Option<Self> {
        let earlier = (form == 1).then(|| postcard::from_bytes::<Earlier>(bytes).ok()).flatten()?;
        Some(Self { item: earlier.item.into(), from: earlier.from })
    }
}

/// [`Saved`] in form 1.
#[derive(Debug, Serialize, Deserialize)]
struct Earlier {
    item: EarlierItem,
    from: String,
}

/// An [`Item`] in form 1.
#[derive(Debug, Serialize, Deserialize)]
struct EarlierItem {
    id: String,
    id_hash: u64,
    content_hash: u64,
    published_ms: Option<i64>,
    published: Option<String>,
    title: Option<String>,
    link: Option<String>,
    author: Option<String>,
    text: String,
    language: Option<String>,
}

impl From<EarlierItem> for Item {
    fn from(item: EarlierItem) -> Self {
        Self {
            id: item.id,
            id_hash: item.id_hash,
            content_hash: item.content_hash,
            published_ms: item.published_ms,
            published: item.published,
            title: item.title,
            link: item.link,
            author: item.author,
            text: item.text,
            language: item.language,
            ..Self::default()
        }
    }
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

impl Stored for Site {}

/// A table's value.
pub(super) fn to_bytes<T: Stored>(value: &T) -> bytes::Bytes {
    // Writing to memory cannot fail.
    postcard::to_extend(value, vec![T::FORM]).unwrap_or_default().into()
}

/// Reads it back, also what an earlier version wrote; `None` for a form of a later one.
pub(super) fn from_bytes<T: Stored>(bytes: &[u8]) -> Option<T> {
    let (form, rest) = bytes.split_first()?;
    if *form == T::FORM {
        return postcard::from_bytes(rest).ok();
    }
    T::from_earlier(*form, rest)
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

    #[test]
    fn an_item_that_waits_since_an_earlier_version_is_read() {
        let item = EarlierItem {
            id: "a1".into(),
            id_hash: 1,
            content_hash: 2,
            published_ms: Some(3),
            published: Some("p".into()),
            title: Some("t".into()),
            link: Some("l".into()),
            author: Some("w".into()),
            text: "x".into(),
            language: Some("ar".into()),
        };
        let earlier = Earlier { item, from: "f".into() };
        let bytes = postcard::to_extend(&earlier, vec![1]).expect("in memory");
        let saved = from_bytes::<Saved>(&bytes).expect("form 1");
        let (item, from) = (&saved.item, &saved.from);
        assert_eq!(
            (item.id.as_str(), item.id_hash, item.content_hash, item.published_ms),
            ("a1", 1, 2, Some(3))
        );
        assert_eq!((item.text.as_str(), item.language.as_deref(), from.as_str()), ("x", Some("ar"), "f"));
        assert_eq!((&item.keywords, &item.modified, &item.publisher), (&Vec::new(), &None, &None));
        let item = Item { keywords: vec!["k".into()], publisher: Some("h".into()), ..saved.item };
        let saved = Saved { item, from: "f".into() };
        let bytes = to_bytes(&saved);
        assert_eq!((bytes[0], from_bytes::<Saved>(&bytes)), (2, Some(saved)));
        assert_eq!(from_bytes::<Saved>(&[&[3], &bytes[1..]].concat()), None);
    }
}
