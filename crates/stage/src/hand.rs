//! One unit of work in the making: verdicts in order, and what must become durable with them.

use std::borrow::Cow;
use std::collections::HashMap;

use barid_log::{Change, Outgoing, Position, Table, Unit, Worker};
use barid_record::{Decided, Dedup, Observed, RecordId, Rejected, Topic, Verdict, rfc3339};
use bytes::Bytes;

use crate::decide::Candidate;
use crate::short::{Claim, Short};
use crate::tally::Tally;
use crate::template::{Document, Template};
use crate::{BODIES, Decision, Entry, Owner, Place, SOURCES, StageError, decide, reject};

/// A unit of work in the making.
#[derive(Default)]
pub(crate) struct Hand {
    pub(crate) unit: Unit,
    pub(crate) tally: Tally,
    /// State this unit has written: the log does not know it yet.
    written: HashMap<(Table, [u8; 32]), Bytes>,
}

impl Hand {
    /// The reader is past that position.
    pub(crate) fn consumed(&mut self, next: Position) {
        let same = |seen: &&mut Position| (seen.topic, seen.partition) == (next.topic, next.partition);
        match self.unit.consumed.iter_mut().find(same) {
            Some(seen) => *seen = next,
            None => self.unit.consumed.push(next),
        }
    }

    /// A document is put aside, in a message of at most `limit` bytes.
    pub(crate) fn rejected(&mut self, rejected: &Rejected, limit: usize) {
        self.tally.rejected(rejected.reason);
        tracing::debug!(
            source = %rejected.document.source_id,
            uri = %rejected.document.uri,
            reason = rejected.reason.code(),
            detail = %rejected.detail,
            "rejected"
        );
        self.unit.produced.push(reject::outgoing(rejected, limit));
    }

    /// Decides the articles of a document, the main one first.
    pub(crate) fn document(
        &mut self,
        worker: &mut dyn Worker,
        document: &Document,
        now_ms: i64,
    ) -> Result<(), StageError> {
        let _span = document_span(document).entered();
        let waited_ms = now_ms.saturating_sub(document.observed_ms).max(0);
        self.tally.latencies.push(waited_ms as f64 / 1000.0);
        for (index, article) in document.articles.iter().enumerate() {
            let place = Place { index: index as u32, ..document.place };
            self.article(worker, article, place, document.observed_ms, now_ms)?;
        }
        Ok(())
    }

    fn article(
        &mut self,
        worker: &mut dyn Worker,
        article: &Template,
        place: Place,
        observed_ms: i64,
        now_ms: i64,
    ) -> Result<(), StageError> {
        let record_id = article.record_id;
        let entry = self.get(worker, SOURCES, record_id.0)?;
        let entry = entry.map(|bytes| Entry::from_bytes(&bytes)).transpose()?;
        let claims = Claims::of(self, worker, article)?;
        let owner = match (article.body_is_evidence, &article.short) {
            (true, _) => {
                let owner = self.get(worker, BODIES, article.body_sha256)?;
                owner.map(|bytes| Owner::from_bytes(&bytes)).transpose()?
            }
            (false, Some(short)) => claims.owner(short),
            (false, None) => None,
        };
        let candidate = Candidate {
            record_id,
            content_sha256: article.content_sha256,
            body_is_evidence: article.body_is_evidence,
            observed_ms,
            place,
        };
        let decision = decide(&candidate, entry, owner);
        self.tally.verdict(article.kind, decision.verdict);
        tracing::debug!(record_id = %record_id, verdict = decision.verdict.name(), version = decision.version, "decided");
        if let Some(entry) = decision.entry {
            self.put(SOURCES, record_id.0, entry.to_bytes().into());
        }
        if let Some(owner) = decision.owner {
            self.put(BODIES, article.body_sha256, owner.to_bytes().into());
        }
        if let Some(short) = article.short.filter(|_| decision.entry.is_some()) {
            self.claim(&short, &claims, owner.unwrap_or(Owner { record_id, place }));
        }
        if decision.verdict != Verdict::Repeat {
            let observed = (place.topic != Topic::Backfill).then_some(Observed(observed_ms));
            self.unit.produced.push(outgoing(article, &decision, observed, now_ms)?);
        }
        Ok(())
    }

    /// Names the owner of a short text where nobody was named, or another article at the same address.
    fn claim(&mut self, short: &Short, claims: &Claims, owner: Owner) {
        let claim = Claim { owner, source: short.source, mark: short.mark };
        let bytes = Bytes::from(claim.to_bytes());
        if let Some(key) = short.guid.filter(|_| claims.guid.is_none()) {
            self.put(BODIES, key, bytes.clone());
        }
        let is_free = claims.address.is_none_or(|known| known.is_told_apart(short));
        if let Some(key) = short.address.filter(|_| is_free) {
            self.put(BODIES, key, bytes);
        }
    }

    fn get(&self, worker: &mut dyn Worker, table: Table, key: [u8; 32]) -> Result<Option<Bytes>, StageError> {
        match self.written.get(&(table, key)) {
            Some(value) => Ok(Some(value.clone())),
            None => Ok(worker.get(table, &key)?),
        }
    }

    fn put(&mut self, table: Table, key: [u8; 32], value: Bytes) {
        let change = Change::Put { table, key: Bytes::copy_from_slice(&key), value: value.clone() };
        self.unit.state.push(change);
        self.written.insert((table, key), value);
    }
}

/// Who said a short text before.
#[derive(Default)]
struct Claims {
    guid: Option<Claim>,
    address: Option<Claim>,
}

impl Claims {
    fn of(hand: &Hand, worker: &mut dyn Worker, article: &Template) -> Result<Self, StageError> {
        let Some(short) = article.short.filter(|_| !article.body_is_evidence) else {
            return Ok(Self::default());
        };
        let mut claim = |key: Option<[u8; 32]>| match key {
            Some(key) => hand.get(worker, BODIES, key)?.map(|bytes| Claim::from_bytes(&bytes)).transpose(),
            None => Ok(None),
        };
        Ok(Self { guid: claim(short.guid)?, address: claim(short.address)? })
    }

    /// The publisher's id goes before the address: several articles may follow each other at one.
    fn owner(&self, short: &Short) -> Option<Owner> {
        let at_address = self.address.filter(|claim| !claim.is_told_apart(short));
        self.guid.or(at_address).map(|claim| claim.owner)
    }
}

/// One article can be followed from file to sink by its record id.
fn document_span(document: &Document) -> tracing::Span {
    match document.articles.first() {
        Some(main) => tracing::debug_span!(
            "document",
            record_id = %main.record_id,
            source = %String::from_utf8_lossy(&document.source),
            key = %String::from_utf8_lossy(&document.key)
        ),
        None => tracing::Span::none(),
    }
}

/// The finished record as a message.
fn outgoing(
    article: &Template,
    decision: &Decision,
    observed: Option<Observed>,
    now_ms: i64,
) -> Result<Outgoing, StageError> {
    let decided = Decided {
        version: decision.version,
        first_seen_at: rfc3339(decision.first_seen_ms),
        processed_at: rfc3339(now_ms),
        dedup: Dedup {
            verdict: decision.verdict,
            method: Cow::Borrowed(decision.method),
            similarity: (decision.verdict == Verdict::ExactCopy).then_some(1.0),
            canonical_record_id: decision.canonical,
            cluster_id: decision.canonical.cluster(),
        },
    };
    let record_id = article.record_id.to_string();
    let value = decided
        .complete(&article.json)
        .map_err(|source| StageError::Serialise { record: record_id.clone(), source })?;
    Ok(Outgoing {
        topic: Topic::Records,
        timestamp_ms: now_ms,
        headers: record_headers(article, decision.version, observed),
        key: Bytes::from(record_id),
        value: value.into(),
    })
}

/// After the major version of the record's shape: parsers of barid 0.1.0 wrote the first.
fn event_type(template: &[u8]) -> &'static str {
    if template.starts_with(br#"{"schema_version":"1."#) { "barid.record.v1" } else { "barid.record.v2" }
}

/// CloudEvents 1.0, Kafka binary mode; and when the document was noticed. Of bulk history that would only say how old it is.
fn record_headers(article: &Template, version: u32, observed: Option<Observed>) -> Vec<(Bytes, Bytes)> {
    let (record_id, event_type) = (article.record_id, event_type(&article.json));
    let fixed = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
    let mut headers = vec![
        fixed("ce_specversion", "1.0"),
        fixed("ce_type", event_type),
        fixed("ce_source", "urn:barid:stage"),
        (Bytes::from("ce_id"), Bytes::from(format!("{record_id}/{version}"))),
        fixed("content-type", "application/json"),
    ];
    headers.extend(observed.map(Observed::header));
    headers
}
