//! Articles too short for their text to prove a copy: what their address or guid adds to it.
//!
//! "Earthquake in the capital" is said twice by chance. The same headline and text at the same address, or under the same id of the publisher, is one
//! article in two section feeds. So a short article has one or two keys more in [`BODIES`]:
//!
//! ```text
//! key   = SHA-256 of length-prefixed fields: "barid-short-1", kind, address or guid, content hash
//! value = form 1, record id 32, place 17 (as of a body), source 8, mark 8
//! ```
//! Two articles of one source that their publisher tells apart (another guid, else another date: their *mark*) stay two at one address: "Traffic update" of
//! each morning.

use barid_record::RawDocument;

use crate::wire::{FORM, Reader};
use crate::{BODIES, Owner, StageError};

/// Fewer characters are a number in a list, not an id that a publisher gives one article.
const GUID_CHARS: usize = 6;
/// From so many hexadecimal digits on a guid is one everywhere.
const DIGEST_DIGITS: usize = 24;

/// What is known of a short article beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    /// Key of its guid and content.
    pub(crate) guid: Option<[u8; 32]>,
    /// Key of its address and content.
    pub(crate) address: Option<[u8; 32]>,
    /// Of its source.
    pub(crate) source: [u8; 8],
    /// Of what its publisher tells it from others by.
    pub(crate) mark: [u8; 8],
}

const GUID: u8 = 1;
const ADDRESS: u8 = 2;

impl Short {
    /// `None` where neither address nor guid says which article it is. `content_sha256` is that of its headline and body.
    pub(crate) fn of(raw: &RawDocument, content_sha256: &[u8; 32]) -> Option<Self> {
        let hints = &raw.hints;
        let address = hints.canonical_url.as_deref().or(hints.url.as_deref()).and_then(Address::read);
        let guid = hints.guid.as_deref().and_then(|guid| scoped(guid.trim(), address.as_ref()));
        let page = address.as_ref().filter(|address| !address.is_front());
        if guid.is_none() && page.is_none() {
            return None;
        }
        let key =
            |kind: &str, named: &[u8]| hash(&[b"barid-short-1", kind.as_bytes(), named, content_sha256]);
        let mark = match (&hints.guid, &hints.published) {
            (Some(guid), _) => hash(&[b"guid", guid.as_bytes()]),
            (None, Some(published)) => hash(&[b"published", published.as_bytes()]),
            (None, None) => hash(&[]),
        };
        Some(Self {
            guid: guid.map(|guid| key("guid", guid.as_bytes())),
            address: page.map(|page| key("address", format!("{}{}", page.host, page.rest).as_bytes())),
            source: first_8(hash(&[raw.source_id.as_bytes()])),
            mark: first_8(mark),
        })
    }

    /// Its form in a message.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let flags =
            if self.guid.is_some() { GUID } else { 0 } | if self.address.is_some() { ADDRESS } else { 0 };
        let mut bytes = vec![FORM, flags];
        for key in [self.guid, self.address].into_iter().flatten() {
            bytes.extend_from_slice(&key);
        }
        bytes.extend_from_slice(&self.source);
        bytes.extend_from_slice(&self.mark);
        bytes
    }

    /// Reads its form in a message.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let flags = reader.byte().filter(|flags| (GUID..=GUID | ADDRESS).contains(flags))?;
        let guid = if flags & GUID == 0 { None } else { Some(reader.array()?) };
        let address = if flags & ADDRESS == 0 { None } else { Some(reader.array()?) };
        let short = Self { guid, address, source: reader.array()?, mark: reader.array()? };
        reader.is_done().then_some(short)
    }
}

/// Who said a short text first at an address or under a guid. A copy that is the first at its own claims for the record it is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// That record, and where it stood.
    pub(crate) owner: Owner,
    /// See [`Short::source`].
    pub(crate) source: [u8; 8],
    /// See [`Short::mark`].
    pub(crate) mark: [u8; 8],
}

impl Claim {
    /// Whether both are articles of one source that their publisher tells apart.
    pub(crate) fn is_told_apart(&self, from: &Short) -> bool {
        self.source == from.source && self.mark != from.mark
    }

    /// Its stored form.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.owner.to_bytes();
        bytes.extend_from_slice(&self.source);
        bytes.extend_from_slice(&self.mark);
        bytes
    }

    /// Reads its stored form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StageError> {
        let parts = bytes.split_last_chunk::<8>().and_then(|(rest, mark)| {
            let (owner, source) = rest.split_last_chunk::<8>()?;
            Some((owner, *source, *mark))
        });
        let unknown = StageError::UnknownState { table: BODIES.0, bytes: bytes.len() };
        let (owner, source, mark) = parts.ok_or(unknown)?;
        Ok(Self { owner: Owner::from_bytes(owner)?, source, mark })
    }
}

/// An address of the web but for its scheme.
struct Address<'a> {
    /// In lower case, without a usual port.
    host: String,
    /// From the path on.
    rest: &'a str,
}

impl<'a> Address<'a> {
    fn read(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at_checked(end)?;
        let host = host.to_ascii_lowercase();
        let host =
            [":443", ":80"].iter().find_map(|port| host.strip_suffix(port)).unwrap_or(&host).to_owned();
        (!host.is_empty()).then_some(Self { host, rest })
    }

    /// A site's front page leads to no article.
    fn is_front(&self) -> bool {
        matches!(self.rest, "" | "/")
    }
}

/// A guid, and with it the site where it is one: an address, URI, UUID or digest is one everywhere, another id on its own site. `None`: nowhere.
fn scoped(guid: &str, at: Option<&Address<'_>>) -> Option<String> {
    if let Some(address) = Address::read(guid) {
        return (!address.is_front()).then(|| format!("{}{}", address.host, address.rest));
    }
    let lower = guid.to_ascii_lowercase();
    let is_uri = lower.contains("://") || lower.starts_with("tag:") || lower.starts_with("urn:");
    let is_digest = lower.bytes().filter(u8::is_ascii_hexdigit).count() >= DIGEST_DIGITS
        && lower.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'{' | b'}'));
    if is_uri || is_digest {
        return Some(guid.to_owned());
    }
    let at = at.filter(|_| guid.chars().count() >= GUID_CHARS)?;
    Some(format!("{} {guid}", at.host))
}

/// SHA-256 over length-prefixed fields.
fn hash(fields: &[&[u8]]) -> [u8; 32] {
    let mut bytes = Vec::new();
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    barid_core::raw_sha256(&bytes)
}

fn first_8(hash: [u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = hash;
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use barid_record::{Collector, Hints, RecordId, Topic};

    use super::*;
    use crate::Place;

    fn short(source: &str, guid: Option<&str>, url: Option<&str>) -> Option<Short> {
        let raw = RawDocument {
            id: "d".into(),
            source_id: source.into(),
            key: "k".into(),
            uri: "u".into(),
            collector: Collector::Feed,
            observed_at_ms: 0,
            charset: None,
            content_type: None,
            hints: Hints {
                guid: guid.map(str::to_owned),
                canonical_url: url.map(str::to_owned),
                ..Hints::default()
            },
            raw_sha256: [0; 32],
            body: bytes::Bytes::new(),
        };
        Short::of(&raw, &[7; 32])
    }

    fn address(url: &str) -> Option<[u8; 32]> {
        short("s", None, Some(url)).and_then(|short| short.address)
    }

    #[test]
    fn one_address_has_one_key_and_a_front_page_none() {
        let key = address("https://ledger.example/a?id=7").expect("a key");
        for same in [
            "http://ledger.example/a?id=7",
            "HTTPS://Ledger.Example:443/a?id=7",
            "http://ledger.example:80/a?id=7",
        ] {
            assert_eq!(address(same), Some(key), "{same}");
        }
        for other in
            ["https://ledger.example/A?id=7", "https://ledger.example/a", "https://www.ledger.example/a?id=7"]
        {
            assert!(address(other).is_some_and(|other| other != key), "{other}");
        }
        for none in [
            "https://ledger.example/",
            "https://ledger.example",
            "ftp://ledger.example/a",
            "news",
            "https://",
        ] {
            assert_eq!(address(none), None, "{none}");
        }
        assert!(address("https://ledger.example/?p=7").is_some());
    }

    #[test]
    fn a_guid_counts_where_it_is_one() {
        let key = |guid: &str, url: &str| short("s", Some(guid), Some(url)).and_then(|short| short.guid);
        let (here, there) = ("https://ledger.example/a", "https://coast.example/b");
        for everywhere in [
            "https://ledger.example/?p=7",
            "tag:ledger.example,2031:7",
            "urn:x:7",
            "0F9B5F0A-1c2d-4e3f-8a9b-0c1d2e3f4a5b",
            "d41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert!(
                key(everywhere, here).is_some_and(|here| Some(here) == key(everywhere, there)),
                "{everywhere}"
            );
        }
        assert_eq!(key("http://ledger.example/?p=7", here), key("https://ledger.example/?p=7", here));
        let of_site = key("port-1187", here).expect("a key");
        assert_eq!(key("port-1187", "http://ledger.example/other"), Some(of_site));
        assert!(key("port-1187", there).is_some_and(|there| there != of_site));
        for nowhere in ["7", "12345", "https://ledger.example/", ""] {
            assert_eq!(key(nowhere, here), None, "{nowhere}");
        }
        assert_eq!(short("s", Some("port-1187"), None), None, "its site is not known");
        assert_ne!(key("https://ledger.example/a", here), address(here), "the kind is part of the key");
    }

    #[test]
    fn a_message_form_and_a_stored_one_read_back_and_no_cut_of_them() {
        let all = [
            short("s", Some("tag:x,2031:7"), Some("https://ledger.example/a")),
            short("s", Some("tag:x,2031:7"), None),
            short("s", None, Some("https://ledger.example/a")),
        ];
        for short in all.into_iter().map(|short| short.expect("a key")) {
            let bytes = short.to_bytes();
            assert_eq!(Short::from_bytes(&bytes), Some(short));
            for cut in 0..bytes.len() {
                assert_eq!(Short::from_bytes(&bytes[..cut]), None, "cut at {cut}");
            }
            assert_eq!(Short::from_bytes(&[bytes.as_slice(), b"x"].concat()), None);
        }
        let place = Place { topic: Topic::Raw, partition: 1, offset: 2, index: 0 };
        let owner = Owner { record_id: RecordId::main("s", "k"), place };
        let claim = Claim { owner, source: [1; 8], mark: [2; 8] };
        let bytes = claim.to_bytes();
        assert_eq!(Claim::from_bytes(&bytes).expect("whole"), claim);
        for cut in 0..bytes.len() {
            assert!(Claim::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
