//! Who had a text first. A dedup entry names its *owner*, not a bit: a replayed document meets itself and yields the same record.

use barid_log::{Message, Table};
use barid_record::{RecordId, Topic, Verdict};

use crate::StageError;
use crate::wire::{FORM, Reader, topic_byte};

/// Record id -> [`Entry`]: what this place last said.
pub const SOURCES: Table = Table("stage.sources");

/// Folded body hash -> [`Owner`]: who said this text first. For short texts: key of address or guid with the text -> the same and more.
pub const BODIES: Table = Table("stage.bodies");

/// Where in the log an article stood: its document's position and its index among the document's articles (0 is the main one).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Topic of the raw document.
    pub topic: Topic,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The article's index.
    pub index: u32,
}

impl Place {
    /// The place of an article in that message.
    pub fn new(message: &Message, index: u32) -> Self {
        Self { topic: message.topic, partition: message.partition, offset: message.offset, index }
    }

    /// The place of its document, for people: `barid.raw/0@17`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}@{}", self.topic.name(), self.partition, self.offset)
    }
}

/// The first record of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The record.
    pub record_id: RecordId,
    /// Where it stood.
    pub place: Place,
}

/// What a place in a source last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Version of the record.
    pub version: u32,
    /// Hash of its folded headline and body.
    pub content_sha256: [u8; 32],
    /// When its first version was noticed, in milliseconds since the Unix epoch.
    pub first_seen_ms: i64,
    /// What was decided for this version.
    pub verdict: Verdict,
    /// The first record of this version's text.
    pub canonical: RecordId,
    /// Where this version stood.
    pub place: Place,
}

/// One article as deduplication sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its record id.
    pub record_id: RecordId,
    /// Hash of folded headline and body.
    pub content_sha256: [u8; 32],
    /// False when the body is too short to prove a copy by itself.
    pub body_is_evidence: bool,
    /// When its document was noticed.
    pub observed_ms: i64,
    /// Where it stands.
    pub place: Place,
}

/// What was decided, and what must be remembered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Version of the record.
    pub version: u32,
    /// The first record of this text.
    pub canonical: RecordId,
    /// When the record's first version was noticed.
    pub first_seen_ms: i64,
    /// What decided.
    pub method: &'static str,
    /// The place's new entry; `None` when it stays.
    pub entry: Option<Entry>,
    /// The text's new owner; `None` when it stays.
    pub owner: Option<Owner>,
}

/// Decides one article, given what its place last said and who owns its text: by its body where that is evidence, else by what a short one has
/// beside it.
pub fn decide(candidate: &Candidate, entry: Option<Entry>, owner: Option<Owner>) -> Decision {
    if let Some(known) = entry
        && (known.content_sha256 == candidate.content_sha256 || known.place == candidate.place)
    {
        // The same delivery again (a replay) is decided as it was; the same text in a new delivery is a repeat.
        let replay = known.place == candidate.place;
        return Decision {
            verdict: if replay { known.verdict } else { Verdict::Repeat },
            version: known.version,
            canonical: known.canonical,
            first_seen_ms: known.first_seen_ms,
            method: method_of(if replay { known.verdict } else { Verdict::Repeat }, candidate),
            entry: None,
            owner: None,
        };
    }
    let own = Owner { record_id: candidate.record_id, place: candidate.place };
    let canonical = owner.unwrap_or(own).record_id;
    let verdict = match entry {
        Some(_) => Verdict::Revision,
        None if canonical != candidate.record_id => Verdict::ExactCopy,
        None => Verdict::Unique,
    };
    let version = entry.map_or(1, |known| known.version + 1);
    let first_seen_ms = entry.map_or(candidate.observed_ms, |known| known.first_seen_ms);
    Decision {
        verdict,
        version,
        canonical,
        first_seen_ms,
        method: method_of(verdict, candidate),
        entry: Some(Entry {
            version,
            content_sha256: candidate.content_sha256,
            first_seen_ms,
            verdict,
            canonical,
            place: candidate.place,
        }),
        owner: (owner.is_none() && candidate.body_is_evidence).then_some(own),
    }
}

fn method_of(verdict: Verdict, candidate: &Candidate) -> &'static str {
    match verdict {
        Verdict::Unique => "first",
        Verdict::ExactCopy if candidate.body_is_evidence => "body_sha256",
        Verdict::ExactCopy => "content_sha256",
        Verdict::NearCopy => "near",
        Verdict::Revision | Verdict::Repeat => "source_key",
    }
}

impl Owner {
    /// Its stored form, 51 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.record_id.0);
        put_place(&mut bytes, &self.place);
        bytes
    }

    /// Reads its stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StageError> {
        let mut reader = Reader::new(bytes);
        let owner =
            reader.record_id().zip(reader.place()).map(|(record_id, place)| Self { record_id, place });
        owner
            .filter(|_| reader.is_done())
            .ok_or(StageError::UnknownState { table: BODIES.0, bytes: bytes.len() })
    }
}

impl Entry {
    /// Its stored form, 97 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes.extend_from_slice(&self.content_sha256);
        bytes.extend_from_slice(&self.first_seen_ms.to_be_bytes());
        bytes.push(Verdict::ALL.iter().position(|verdict| *verdict == self.verdict).unwrap_or(0) as u8);
        bytes.extend_from_slice(&self.canonical.0);
        put_place(&mut bytes, &self.place);
        bytes
    }

    /// Reads its stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StageError> {
        let mut reader = Reader::new(bytes);
        let mut read = || {
            Some(Self {
                version: reader.u32()?,
                content_sha256: reader.array()?,
                first_seen_ms: reader.i64()?,
                verdict: *Verdict::ALL.get(usize::from(reader.byte()?))?,
                canonical: reader.record_id()?,
                place: reader.place()?,
            })
        };
        let entry = read();
        entry
            .filter(|_| reader.is_done())
            .ok_or(StageError::UnknownState { table: SOURCES.0, bytes: bytes.len() })
    }
}

fn put_place(bytes: &mut Vec<u8>, place: &Place) {
    bytes.push(topic_byte(place.topic));
    bytes.extend_from_slice(&place.partition.to_be_bytes());
    bytes.extend_from_slice(&place.offset.to_be_bytes());
    bytes.extend_from_slice(&place.index.to_be_bytes());
}

impl Reader<'_> {
    fn place(&mut self) -> Option<Place> {
        Some(Place { topic: self.topic()?, partition: self.u32()?, offset: self.u64()?, index: self.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(key: &str, content: u8, offset: u64) -> Candidate {
        Candidate {
            record_id: RecordId::main("s", key),
            content_sha256: [content; 32],
            body_is_evidence: true,
            observed_ms: offset as i64,
            place: Place { topic: Topic::Raw, partition: 0, offset, index: 0 },
        }
    }

    #[test]
    fn the_first_of_a_text_owns_it_and_a_copy_is_linked_to_it() {
        let first = decide(&candidate("a", 1, 0), None, None);
        assert_eq!((first.verdict, first.version), (Verdict::Unique, 1));
        let copy = decide(&candidate("b", 1, 1), None, first.owner);
        assert_eq!(
            (copy.verdict, copy.canonical, copy.owner),
            (Verdict::ExactCopy, RecordId::main("s", "a"), None)
        );
    }

    #[test]
    fn a_changed_text_is_a_revision_and_going_back_is_one_too() {
        let first = decide(&candidate("a", 1, 0), None, None);
        let second = decide(&candidate("a", 2, 1), first.entry, None);
        assert_eq!((second.verdict, second.version, second.first_seen_ms), (Verdict::Revision, 2, 0));
        let third = decide(&candidate("a", 1, 2), second.entry, first.owner);
        assert_eq!(
            (third.verdict, third.version, third.canonical),
            (Verdict::Revision, 3, RecordId::main("s", "a"))
        );
    }

    #[test]
    fn the_same_text_again_is_a_repeat_but_the_same_delivery_is_a_replay() {
        let first = decide(&candidate("a", 1, 0), None, None);
        let repeat = decide(&candidate("a", 1, 9), first.entry, first.owner);
        assert_eq!((repeat.verdict, repeat.entry, repeat.owner), (Verdict::Repeat, None, None));
        let replay = decide(&candidate("a", 1, 0), first.entry, first.owner);
        assert_eq!(
            (replay.verdict, replay.version, replay.canonical),
            (first.verdict, first.version, first.canonical)
        );
    }

    #[test]
    fn short_bodies_own_nothing_and_merge_by_what_stands_beside_them() {
        let owner = decide(&candidate("a", 1, 0), None, None).owner;
        let short = Candidate { body_is_evidence: false, ..candidate("b", 1, 1) };
        let alone = decide(&short, None, None);
        assert_eq!((alone.verdict, alone.owner), (Verdict::Unique, None));
        let copy = decide(&short, None, owner);
        assert_eq!((copy.verdict, copy.method, copy.owner), (Verdict::ExactCopy, "content_sha256", None));
        let replay = decide(&short, copy.entry, owner);
        assert_eq!((replay.verdict, replay.method), (copy.verdict, copy.method));
    }

    #[test]
    fn state_reads_back_and_every_cut_of_it_is_refused() {
        let decision = decide(&candidate("a", 1, 7), None, None);
        let (entry, owner) = (decision.entry.expect("new"), decision.owner.expect("new"));
        assert_eq!(Entry::from_bytes(&entry.to_bytes()).expect("whole"), entry);
        assert_eq!(Owner::from_bytes(&owner.to_bytes()).expect("whole"), owner);
        for cut in 0..entry.to_bytes().len() {
            assert!(Entry::from_bytes(&entry.to_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        for cut in 0..owner.to_bytes().len() {
            assert!(Owner::from_bytes(&owner.to_bytes()[..cut]).is_err(), "cut at {cut}");
        }
    }
}
