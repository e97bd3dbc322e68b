//! One document outside any log: `barid parse`, `barid explain`, goldens.

use barid_record::{RawDocument, Record, Rejected, Verdict, rfc3339};

use crate::prepare::{articles, reason_of};

/// The records of one document, main first, as if it were the first ever seen. `now_ms` is the time of processing.
pub fn offline(raw: &RawDocument, now_ms: i64) -> Result<Vec<Record>, Box<Rejected>> {
    let (drafts, _) = articles(raw).map_err(|refusal| {
        Box::new(Rejected {
            reason: reason_of(&refusal),
            detail: refusal.to_string(),
            position: None,
            dropped_bytes: 0,
            document: raw.clone(),
        })
    })?;
    let records = drafts.into_iter().map(|draft| {
        let mut record = draft.record;
        record.processed_at = rfc3339(now_ms);
        record.dedup.verdict = Verdict::Unique;
        record.dedup.cluster_id = record.record_id.cluster();
        record
    });
    Ok(records.collect())
}
