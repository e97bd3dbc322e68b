//! The loop: poll, prepare in parallel, decide in order, submit. One batch is prepared while the one before it is decided and the one
//! before that becomes durable.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use barid_log::{Change, Control, Limit, Message, Outgoing, Table, Ticket, Unit, Wish, Worker, failpoint};
use barid_record::{RecordId, Rejected, Topic, Verdict, rfc3339};
use bytes::Bytes;

use crate::assemble::Draft;
use crate::decide::{Candidate, Place};
use crate::prepare::{Prepared, deal, parser};
use crate::{BODIES, Decision, Entry, Metrics, Owner, SOURCES, StageError, decide};

/// The consumer group of the stage.
pub const GROUP: &str = "stage";

/// The named crash points of this crate.
pub const FAILPOINTS: &[&str] = &["stage.poll.after", "stage.decide.after", "stage.submit.after"];

/// How the stage works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageConfig {
    /// Threads that parse.
    pub parser_threads: usize,
    /// Most documents in one unit of work.
    pub batch_documents: usize,
    /// Most document bytes in one unit of work.
    pub batch_bytes: usize,
}

impl Default for StageConfig {
    fn default() -> Self {
        let parser_threads = std::thread::available_parallelism().map_or(2, usize::from).min(16);
        Self { parser_threads, batch_documents: 512, batch_bytes: 4 << 20 }
    }
}

const POLL_WAIT: Duration = Duration::from_millis(50);
/// Messages handed to a parser at once: few enough to keep all parsers busy, many enough to make hand-over cheap.
const CHUNK: usize = 16;

/// What one run of the stage did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Documents taken.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records produced.
    pub records: u64,
    /// Related articles among the records.
    pub related: u64,
    /// Main articles by verdict, in the order of [`Verdict::ALL`].
    pub verdicts: [u64; 5],
    /// Rejected documents by reason code.
    pub rejected: HashMap<&'static str, u64>,
}

type Answers = Vec<Receiver<Vec<(Message, Prepared)>>>;

/// Turns raw documents into records until asked to end. With [`Wish::Drain`] every document there is comes out first. `clock` gives
/// milliseconds since the Unix epoch.
pub fn run(
    config: &StageConfig,
    mut worker: Box<dyn Worker>,
    metrics: &Metrics,
    clock: &dyn Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(&Summary),
) -> Result<Summary, StageError> {
    std::thread::scope(|scope| {
        let parsers: Vec<_> = (0..config.parser_threads.max(1))
            .map(|_| {
                let (jobs, receiver) = channel();
                scope.spawn(move || parser(&receiver));
                jobs
            })
            .collect();
        let limit = Limit { messages: config.batch_documents.max(1), bytes: config.batch_bytes };
        let mut summary = Summary::default();
        let mut ahead: Option<(Answers, Instant)> = None;
        let mut last_ticket: Option<Ticket> = None;
        loop {
            let wish = control.wish();
            // While a batch is being prepared, look for the next one without waiting for it.
            let wait = if ahead.is_some() { Duration::ZERO } else { POLL_WAIT };
            let batch = if wish == Wish::Stop { Vec::new() } else { worker.poll(limit, wait)? };
            failpoint("stage.poll.after");
            let next = (!batch.is_empty()).then(|| (deal(batch, &parsers, CHUNK), Instant::now()));
            let current = std::mem::replace(&mut ahead, next);
            let Some((answers, started)) = current else {
                if ahead.is_none() && wish > Wish::Run {
                    break;
                }
                continue;
            };
            let unit = Batch {
                worker: worker.as_mut(),
                metrics,
                clock,
                summary: &mut summary,
                written: HashMap::new(),
            }
            .decide_all(answers)?;
            failpoint("stage.decide.after");
            last_ticket = Some(worker.submit(unit)?);
            failpoint("stage.submit.after");
            metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
            progress(&summary);
        }
        if let Some(ticket) = last_ticket {
            worker.wait(ticket)?;
        }
        Ok(summary)
    })
}

/// One unit of work in the making.
struct Batch<'a> {
    worker: &'a mut dyn Worker,
    metrics: &'a Metrics,
    clock: &'a dyn Fn() -> i64,
    summary: &'a mut Summary,
    /// State this batch has written: the log does not know it yet.
    written: HashMap<(Table, [u8; 32]), Bytes>,
}

impl Batch<'_> {
    fn decide_all(mut self, answers: Answers) -> Result<Unit, StageError> {
        let mut unit = Unit::default();
        for answer in answers {
            for (message, prepared) in answer.recv().map_err(|_| StageError::ParserGone)? {
                self.document(&message, prepared, &mut unit)?;
                let next = message.next();
                match unit
                    .consumed
                    .iter_mut()
                    .find(|seen| (seen.topic, seen.partition) == (next.topic, next.partition))
                {
                    Some(seen) => *seen = next,
                    None => unit.consumed.push(next),
                }
            }
        }
        Ok(unit)
    }

    fn document(&mut self, message: &Message, prepared: Prepared, unit: &mut Unit) -> Result<(), StageError> {
        self.metrics.documents.inc();
        self.summary.documents += 1;
        match prepared {
            Prepared::Rejected(rejected) => self.rejected(*rejected, unit),
            Prepared::Articles { drafts, observed_ms, bytes, replaced } => {
                self.metrics.document_bytes.inc_by(bytes);
                self.metrics.replaced_bytes.inc_by(u64::from(replaced));
                self.summary.bytes += bytes;
                let now_ms = (self.clock)();
                self.metrics
                    .latency_seconds
                    .observe(now_ms.saturating_sub(observed_ms).max(0) as f64 / 1000.0);
                let _span = document_span(&drafts).entered();
                for (index, draft) in drafts.into_iter().enumerate() {
                    let place = Place::new(message, index as u32);
                    self.article(draft, place, observed_ms, now_ms, unit)?;
                }
            }
        }
        Ok(())
    }

    fn rejected(&mut self, rejected: Rejected, unit: &mut Unit) {
        self.metrics.rejected(rejected.reason);
        self.metrics.document_bytes.inc_by(rejected.document.body.len() as u64);
        self.summary.bytes += rejected.document.body.len() as u64;
        *self.summary.rejected.entry(rejected.reason.code()).or_default() += 1;
        tracing::debug!(
            source = %rejected.document.source_id,
            uri = %rejected.document.uri,
            reason = rejected.reason.code(),
            detail = %rejected.detail,
            "rejected"
        );
        unit.produced.push(Outgoing {
            topic: Topic::Rejected,
            timestamp_ms: rejected.document.observed_at_ms,
            key: Bytes::copy_from_slice(rejected.document.id.as_bytes()),
            headers: rejected.headers(),
            value: rejected.document.body,
        });
    }

    fn article(
        &mut self,
        draft: Draft,
        place: Place,
        observed_ms: i64,
        now_ms: i64,
        unit: &mut Unit,
    ) -> Result<(), StageError> {
        let record_id = draft.record.record_id;
        let entry = self.get(SOURCES, record_id.0)?.map(|bytes| Entry::from_bytes(&bytes)).transpose()?;
        let owner = match draft.body_is_evidence {
            true => {
                self.get(BODIES, draft.body_sha256)?.map(|bytes| Owner::from_bytes(&bytes)).transpose()?
            }
            false => None,
        };
        let candidate = Candidate {
            record_id,
            content_sha256: draft.content_sha256,
            body_is_evidence: draft.body_is_evidence,
            observed_ms,
            place,
        };
        let decision = decide(&candidate, entry, owner);
        self.count(&draft, decision.verdict);
        tracing::debug!(record_id = %record_id, verdict = decision.verdict.name(), version = decision.version, "decided");
        if let Some(entry) = decision.entry {
            self.put(SOURCES, record_id.0, entry.to_bytes().into(), unit);
        }
        if let Some(owner) = decision.owner {
            self.put(BODIES, draft.body_sha256, owner.to_bytes().into(), unit);
        }
        if decision.verdict != Verdict::Repeat {
            unit.produced.push(outgoing(draft, &decision, place, now_ms)?);
        }
        Ok(())
    }

    fn count(&mut self, draft: &Draft, verdict: Verdict) {
        self.metrics.verdict(draft.record.kind, verdict);
        let is_main = draft.record.parent_record_id.is_none();
        if is_main && let Some(index) = Verdict::ALL.iter().position(|known| *known == verdict) {
            self.summary.verdicts[index] += 1;
        }
        if verdict != Verdict::Repeat {
            self.summary.records += 1;
            self.summary.related += u64::from(!is_main);
        }
    }

    fn get(&mut self, table: Table, key: [u8; 32]) -> Result<Option<Bytes>, StageError> {
        if let Some(value) = self.written.get(&(table, key)) {
            return Ok(Some(value.clone()));
        }
        Ok(self.worker.get(table, &key)?)
    }

    fn put(&mut self, table: Table, key: [u8; 32], value: Bytes, unit: &mut Unit) {
        unit.state.push(Change::Put { table, key: Bytes::copy_from_slice(&key), value: value.clone() });
        self.written.insert((table, key), value);
    }
}

/// One article can be followed from file to sink by its record id.
fn document_span(drafts: &[Draft]) -> tracing::Span {
    match drafts.first() {
        Some(main) => tracing::debug_span!(
            "document",
            record_id = %main.record.record_id,
            source = %main.record.source.source_id,
            key = %main.record.source.key
        ),
        None => tracing::Span::none(),
    }
}

/// The finished record as a message.
fn outgoing(draft: Draft, decision: &Decision, place: Place, now_ms: i64) -> Result<Outgoing, StageError> {
    let mut record = draft.record;
    record.version = decision.version;
    record.first_seen_at = rfc3339(decision.first_seen_ms);
    record.processed_at = rfc3339(now_ms);
    record.dedup.verdict = decision.verdict;
    record.dedup.method = Cow::Borrowed(decision.method);
    record.dedup.similarity = (decision.verdict == Verdict::ExactCopy).then_some(1.0);
    record.dedup.canonical_record_id = decision.canonical;
    record.dedup.cluster_id = decision.canonical.cluster();
    record.provenance.topic = Some(Cow::Borrowed(place.topic.name()));
    record.provenance.partition = Some(place.partition);
    record.provenance.offset = Some(place.offset);
    let value = record
        .to_json()
        .map_err(|source| StageError::Serialise { document: record.source.uri.clone(), source })?;
    Ok(Outgoing {
        topic: Topic::Records,
        timestamp_ms: now_ms,
        key: Bytes::from(record.record_id.to_string()),
        headers: record_headers(record.record_id, decision.version),
        value: value.into(),
    })
}

/// CloudEvents 1.0, Kafka binary mode.
fn record_headers(record_id: RecordId, version: u32) -> Vec<(Bytes, Bytes)> {
    let fixed = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
    vec![
        fixed("ce_specversion", "1.0"),
        fixed("ce_type", "barid.record.v1"),
        fixed("ce_source", "urn:barid:stage"),
        (Bytes::from("ce_id"), Bytes::from(format!("{record_id}/{version}"))),
        fixed("content-type", "application/json"),
    ]
}
