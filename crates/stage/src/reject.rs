//! What cannot be processed, as a message that always fits.

use barid_log::{Message, Outgoing};
use barid_record::{Collector, Hints, RawDocument, Reason, RecordId, Rejected, Topic, document_id};
use bytes::Bytes;

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

/// The message of a rejected document. Of one larger than `limit` as much is kept as fits; the rest is counted.
pub(crate) fn outgoing(rejected: &Rejected, limit: usize) -> Outgoing {
    let message = fitted(rejected.clone(), limit);
    if message.bytes() <= limit {
        return message;
    }
    // Its headers alone are too large: another program wrote them. Its bytes come first.
    let place = rejected.position.clone().unwrap_or_default();
    let document = &rejected.document;
    let document = stranger(&place, document.observed_at_ms, document.raw_sha256, document.body.clone());
    let detail = format!("{}; its headers were too large to keep", rejected.detail);
    fitted(Rejected { detail, document, ..rejected.clone() }, limit)
}

fn fitted(mut rejected: Rejected, limit: usize) -> Outgoing {
    // By the whole key: fitting may shorten it.
    let document = &rejected.document;
    let key = Bytes::from(RecordId::main(&document.source_id, &document.key).to_string());
    let message = |rejected: &Rejected, value: Bytes| Outgoing {
        topic: Topic::Rejected,
        timestamp_ms: rejected.document.observed_at_ms,
        key: key.clone(),
        headers: rejected.headers(),
        value,
    };
    rejected.fit(limit, &|rejected| message(rejected, Bytes::new()).bytes());
    message(&rejected, rejected.document.body.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_whatever_is_large_in_it_and_the_bytes_are_kept_first() {
        const LIMIT: usize = 4_000;
        let body = Bytes::from(vec![b'b'; 10_000]);
        let position = Some("barid.raw/0@17".to_owned());
        let stranger = stranger("barid.raw/0@17", 5, [1; 32], body.clone());
        let variants = [
            stranger.clone(),
            RawDocument { body: body.slice(..9), ..stranger.clone() },
            RawDocument { key: "k".repeat(10_000), ..stranger.clone() },
            RawDocument { id: "d".repeat(10_000), ..stranger.clone() },
            RawDocument { charset: Some("c".repeat(10_000)), body: body.slice(..9), ..stranger },
        ];
        for document in variants {
            let detail = "why".to_owned();
            let rejected = Rejected {
                reason: Reason::TooLarge,
                detail,
                position: position.clone(),
                dropped_bytes: 0,
                document: document.clone(),
            };
            let message = outgoing(&rejected, LIMIT);
            assert!(message.bytes() <= LIMIT, "{} bytes", message.bytes());
            let read = Rejected::from_message(5, &message.headers, message.value).expect("well formed");
            let kept = read.document.body.len() as u64;
            assert_eq!(
                kept + read.dropped_bytes,
                document.body.len() as u64,
                "every byte is kept or counted"
            );
            assert!(kept == document.body.len() as u64 || kept > LIMIT as u64 / 4, "{kept} bytes kept");
            assert_eq!((read.reason, read.position), (Reason::TooLarge, position.clone()));
        }
    }
}
