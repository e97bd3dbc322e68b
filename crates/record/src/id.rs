//! Identity: the same document from the same source gets the same id, in every run, on every machine.

use std::fmt;

use barid_core::Fingerprint;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `urn:barid:rec:` and the SHA-256 of source and canonical key in hex. Stable over revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 32]);

const PREFIX: &str = "urn:barid:rec:";

impl RecordId {
    /// The id of the main article that `source_id` keeps under `key` (a path below the source's root, a feed item id, ...).
    pub fn main(source_id: &str, key: &str) -> Self {
        Self(hash(&[b"barid-rec-1", source_id.as_bytes(), key.as_bytes()]))
    }

    /// The id of a related article found in that document. See [`related_key`].
    pub fn related(self, related_key: &[u8]) -> Self {
        Self(hash(&[b"barid-rel-1", &self.0, related_key]))
    }

    /// The id of the cluster that this record is the first of.
    pub fn cluster(self) -> String {
        format!("urn:barid:cluster:{}", hex(&self.0))
    }

    /// Reads `urn:barid:rec:<64 hex digits>`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut id = [0; 32];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", hex(&self.0))
    }
}

impl Serialize for RecordId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not {PREFIX}<64 hex digits>")))
    }
}

impl schemars::JsonSchema for RecordId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RecordId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^urn:barid:rec:[0-9a-f]{64}$" })
    }
}

/// What tells one related article of a document from another: its folded headline, else its folded body. The panel is filled anew at
/// each crawl, so its position says nothing: a different article in the same place is another record, not a revision.
pub fn related_key(fingerprint: &Fingerprint, same_before: u32) -> Vec<u8> {
    let mut key = fingerprint.headline_sha256.unwrap_or(fingerprint.body_sha256).to_vec();
    if same_before > 0 {
        key.extend_from_slice(&same_before.to_be_bytes());
    }
    key
}

/// The id of one delivery of a document (`ce_id`): the same bytes from the same place have the same one.
pub fn document_id(source_id: &str, key: &str, raw_sha256: &[u8; 32]) -> String {
    hex(&hash(&[b"barid-doc-1", source_id.as_bytes(), key.as_bytes(), raw_sha256])[..16])
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        digits.push(char::from(DIGITS[usize::from(byte >> 4)]));
        digits.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    digits
}

/// SHA-256 over length-prefixed fields: no two field lists share an encoding.
fn hash(fields: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for field in fields {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = RecordId::main("files", "a.txt");
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_eq!(RecordId::parse("urn:barid:rec:12"), None);
        assert_eq!(RecordId::parse(&id.to_string().replace("rec", "rex")), None);
    }

    #[test]
    fn field_borders_are_part_of_the_hash() {
        assert_ne!(RecordId::main("ab", "c"), RecordId::main("a", "bc"));
        assert_ne!(document_id("a", "b", &[0; 32]), document_id("a", "b", &[1; 32]));
    }
}
