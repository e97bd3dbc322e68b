//! What cannot be processed, as a message that always fits.

use barid_log::{Message, Outgoing};
use barid_record::{Collector, Hints, RawDocument, Reason, Rejected, Topic, document_id};
use bytes::Bytes;

/// What the header of dropped bytes may add once some were dropped.
const DROPPED_HEADER: usize = 64;

/// A message without our headers, made into a document so that its bytes are kept.
pub(crate) fn stranger(position: &str, timestamp_ms: i64, raw_sha256: [u8; 32], body: Bytes) -> RawDocument {
    let source_id = "unknown".to_owned();
    RawDocument {
        id: document_id(&source_id, position, &raw_sha256),
        source_id,
        key: position.to_owned(),
        uri: position.to_owned(),
        collector: Collector::File,
        observed_at_ms: timestamp_ms,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body,
    }
}

/// Rejects a message as a whole, headers unread.
pub(crate) fn reject_message(
    message: &Message,
    position: String,
    reason: Reason,
    detail: String,
) -> Rejected {
    let raw_sha256 = barid_core::raw_sha256(&message.value);
    let document = stranger(&position, message.timestamp_ms, raw_sha256, message.value.clone());
    Rejected { reason, detail, position: Some(position), dropped_bytes: 0, document }
}

/// The message of a rejected document. Of a document larger than `limit` as much is kept as fits; the rest is counted.
pub(crate) fn outgoing(rejected: Rejected, limit: usize) -> Outgoing {
    let whole = message(&rejected);
    if whole.bytes() <= limit {
        return whole;
    }
    let cut = message(&shortened(rejected.clone(), limit));
    if cut.bytes() <= limit {
        return cut;
    }
    // Its headers alone are too large: another program wrote them. Its bytes come first.
    let Rejected { reason, detail, position, dropped_bytes, document } = rejected;
    let place = position.clone().unwrap_or_default();
    let document = stranger(&place, document.observed_at_ms, document.raw_sha256, document.body);
    let detail = format!("{detail}; its headers were too large to keep");
    message(&shortened(Rejected { reason, detail, position, dropped_bytes, document }, limit))
}

fn shortened(mut rejected: Rejected, limit: usize) -> Rejected {
    let size = rejected.document.body.len();
    let around = message(&rejected).bytes() - size;
    let kept = limit.saturating_sub(around + DROPPED_HEADER).min(size);
    rejected.document.body.truncate(kept);
    rejected.dropped_bytes += (size - kept) as u64;
    rejected
}

fn message(rejected: &Rejected) -> Outgoing {
    Outgoing {
        topic: Topic::Rejected,
        timestamp_ms: rejected.document.observed_at_ms,
        key: Bytes::copy_from_slice(rejected.document.id.as_bytes()),
        headers: rejected.headers(),
        value: rejected.document.body.clone(),
    }
}
