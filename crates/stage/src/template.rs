//! What a parser hands to the one who decides: each record as JSON but for its verdict, and the few facts a verdict needs.

use std::borrow::Cow;

use barid_record::{Kind, RecordError, RecordId, Topic};
use bytes::Bytes;

use crate::Place;
use crate::assemble::Draft;
use crate::short::Short;

/// One article on its way to its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// Names its record.
    pub(crate) record_id: RecordId,
    /// Main or related.
    pub(crate) kind: Kind,
    /// Hash of folded headline and body.
    pub(crate) content_sha256: [u8; 32],
    /// Hash of the folded body.
    pub(crate) body_sha256: [u8; 32],
    /// False when the body is too short to prove a copy.
    pub(crate) body_is_evidence: bool,
    /// Of such a one: what shows a copy all the same. Never of a related article.
    pub(crate) short: Option<Short>,
    /// The record but for what a verdict adds: see [`barid_record::Decided`].
    pub(crate) json: Bytes,
}

/// One parsed document on its way to its verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Where the raw document stood; the index is 0.
    pub(crate) place: Place,
    /// When it was noticed.
    pub(crate) observed_ms: i64,
    /// The configured source, for the trace.
    pub(crate) source: Bytes,
    /// Its key there, for the trace.
    pub(crate) key: Bytes,
    /// Its articles, main first. Never empty.
    pub(crate) articles: Vec<Template>,
}

/// What completing a template adds to a message at most: the decided fields, key and headers of a record.
const RECORD_ROOM: usize = 1024;

impl Template {
    /// Writes a draft as JSON.
    pub(crate) fn new(draft: Draft, place: Place) -> Result<Self, RecordError> {
        let Draft { mut record, content_sha256, body_sha256, body_is_evidence, short } = draft;
        record.provenance.topic = Some(Cow::Borrowed(place.topic.name()));
        record.provenance.partition = Some(place.partition);
        record.provenance.offset = Some(place.offset);
        Ok(Self {
            record_id: record.record_id,
            kind: record.kind,
            content_sha256,
            body_sha256,
            body_is_evidence,
            short,
            json: record.into_template()?.into(),
        })
    }

    /// More than its finished record takes as a message.
    pub(crate) fn record_bytes(&self) -> usize {
        self.json.len() + RECORD_ROOM
    }
}

/// Why something does not fit into a message, in a sentence.
#[derive(Debug)]
pub(crate) struct TooLarge(pub(crate) String);

impl Document {
    /// The document, if each of its records fits into a message of that size.
    pub(crate) fn fitting(self, limit: usize) -> Result<Self, TooLarge> {
        match self.articles.iter().map(Template::record_bytes).max() {
            Some(largest) if largest > limit => Err(TooLarge(format!(
                "a record of up to {largest} bytes; a message of {} takes {limit}",
                Topic::Records.name()
            ))),
            Some(_) | None => Ok(self),
        }
    }
}
