//! The names that items go by: their own guid, or what is made of their link, of title and date, or of their content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::reading::Item;
use crate::links;

const COMPUTED: &str = "sha256:";

/// A name that is kept: 32 bytes where it was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Key {
    Computed([u8; 32]),
    Given(String),
}

impl Key {
    pub(super) fn new(key: &str) -> Self {
        match digest(key) {
            Some(digest) => Self::Computed(digest),
            None => Self::Given(key.to_owned()),
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Computed(digest) => format!("{COMPUTED}{}", hex(digest)),
            Self::Given(text) => text.clone(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Computed(_) => 0,
                Self::Given(text) => text.capacity(),
            }
    }
}

fn digest(key: &str) -> Option<[u8; 32]> {
    let digits = key.strip_prefix(COMPUTED).filter(|digits| digits.len() == 64)?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    // Only what is written back the same.
    (hex(&digest) == digits).then_some(digest)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to memory cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The item's own guid or id, where its key is that.
pub(in super::super) fn own_guid(key: &str) -> Option<String> {
    (!key.is_empty() && digest(key).is_none()).then(|| key.to_owned())
}

/// As the parser computes ids: length first, so that no two lists of parts give the same bytes.
fn computed(parts: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for (name, value) in parts {
        hash.update(name.as_bytes());
        hash.update((value.len() as u64).to_le_bytes());
        hash.update(value.as_bytes());
    }
    format!("{COMPUTED}{}", hex(&hash.finalize()))
}

/// The same address with the other scheme, under which it may have been known first.
pub(super) fn other_scheme(address: &str) -> Option<String> {
    let flip = |from: &str, to: &str| {
        let begin = address.get(..from.len()).filter(|begin| begin.eq_ignore_ascii_case(from))?;
        Some(format!("{to}{}", &address[begin.len()..]))
    };
    flip("http://", "https://").or_else(|| flip("https://", "http://"))
}

/// A link's names: the one that is given; then those that 0.1.0 gave, without fragment and with every parameter, where that is unlikely to be another article's.
pub(super) fn of_link(item: &Item) -> Vec<String> {
    let Some(link) = item.link.as_deref() else { return Vec::new() };
    let mut keys = Vec::with_capacity(3);
    if let Some(identity) = links::identity(link) {
        keys.push(computed(&[("link", &format!("https://{identity}"))]));
    }
    let (page, fragment) = link.split_once('#').unwrap_or((link, ""));
    let mut add = |key: String| {
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    if links::is_only_counting(fragment) {
        add(computed(&[("link", page)]));
        if let Some(other) = other_scheme(page) {
            add(computed(&[("link", &other)]));
        }
    } else {
        add(computed(&[("link", link)]));
    }
    keys
}

/// The name by title and date; then what the parser made of title, date and text, as 0.1.0 did.
pub(super) fn of_title(item: &Item) -> Vec<String> {
    let date = item.published_ms.map(|ms| ms.to_string()).or_else(|| item.published.clone());
    let title = item.title.as_deref().unwrap_or_default();
    let key = computed(&[("title", title), ("date", date.as_deref().unwrap_or_default())]);
    std::iter::once(key).chain(of_parser(item)).collect()
}

/// The name by title and text; then the parser's.
pub(super) fn of_content(item: &Item) -> Vec<String> {
    let key = computed(&[("title", item.title.as_deref().unwrap_or_default()), ("text", &item.text)]);
    std::iter::once(key).chain(of_parser(item)).collect()
}

fn of_parser(item: &Item) -> Option<String> {
    (item.marks.is_computed && item.link.is_none()).then(|| item.id.clone())
}

/// What 0.1.0 called the item where that is no name of it alone: only with the same content was it this one.
pub(super) fn ambiguous(item: &Item, feed_url: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if !item.marks.is_computed {
        keys.push(item.id.clone());
    }
    if item.marks.is_blank {
        keys.push(feed_url.to_owned());
    }
    if let Some(link) = &item.link {
        let page = link.split_once('#').map_or(link.as_str(), |(page, _)| page);
        keys.push(computed(&[("link", page)]));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_is_written_back_as_it_was() {
        let computed = computed(&[("link", "https://quay.example/a")]);
        for key in [
            computed.as_str(),
            &computed.to_ascii_uppercase(),
            &computed.replace('0', "+"),
            "quay-7",
            "sha256:7",
            "",
        ] {
            assert_eq!(Key::new(key).text(), key);
        }
        assert_eq!(Key::new(&computed), Key::Computed(digest(&computed).expect("a digest")));
        assert_eq!((own_guid(&computed), own_guid("quay-7")), (None, Some("quay-7".to_owned())));
    }

    #[test]
    fn a_plain_link_has_the_name_that_the_parser_gives_it() {
        let feed = "<rss version='2.0'><channel><item><title>A</title><link>https://quay.example/a/7</link></item></channel></rss>";
        let mut id = String::new();
        barid_feed::parse(feed.as_bytes(), &barid_feed::Options::default(), &mut |entry| id = entry.id)
            .expect("a feed");
        let item = |link: &str| Item { link: Some(link.to_owned()), ..Item::default() };
        assert_eq!(
            of_link(&item("https://quay.example/a/7")),
            [id.clone(), of_link(&item("http://quay.example/a/7"))[1].clone()]
        );
        assert_eq!(of_link(&item("http://www.quay.example/a/7?utm_source=x"))[0], id);
        assert!(of_link(&item("http://quay.example/a/7#xtor=RSS-1")).contains(&id));
        assert!(!of_link(&item("https://quay.example/a/7#post-1")).contains(&id));
        assert!(ambiguous(&item("https://quay.example/a/7#post-1"), "").contains(&id));
        assert_eq!(other_scheme("HTTP://quay.example/A").as_deref(), Some("https://quay.example/A"));
        assert_eq!(other_scheme("quay-7"), None);
    }
}
