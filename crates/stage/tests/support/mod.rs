//! What the tests of the stage share: documents, a generated corpus, the embedded log.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

pub(crate) mod corpus;
pub(crate) mod fake;

use std::collections::BTreeSet;
use std::path::Path;

use barid_log::{
    Control, Embedded, EmbeddedConfig, Limit, Log, Message, Outgoing, Unit, Wish, Worker, WorkerSpec,
};
use barid_record::{Collector, Hints, RawDocument, Record, RecordId, Rejected, Topic, Verdict, document_id};
use barid_stage::{Metrics, StageConfig, StageError, Summary};
use bytes::Bytes;
use prometheus::Registry;

/// One of the stage's loops.
pub(crate) type Loop = fn(
    &StageConfig,
    Box<dyn Worker>,
    &Metrics,
    &dyn Fn() -> i64,
    &Control,
    &dyn Fn(&Summary),
) -> Result<Summary, StageError>;

pub(crate) fn document(key: &str, body: impl Into<Vec<u8>>) -> RawDocument {
    let body = Bytes::from(body.into());
    let raw_sha256 = barid_core::raw_sha256(&body);
    RawDocument {
        id: document_id("test", key, &raw_sha256),
        source_id: "test".into(),
        key: key.into(),
        uri: format!("file:///in/{key}"),
        collector: Collector::File,
        observed_at_ms: 1_000,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body,
    }
}

pub(crate) fn open(dir: &Path) -> Embedded {
    Embedded::open(EmbeddedConfig::new(dir), &Registry::new()).expect("a log")
}

pub(crate) fn produce(log: &Embedded, messages: Vec<Outgoing>) {
    let spec = WorkerSpec { group: "producer".into(), inputs: Vec::new(), tables: Vec::new() };
    let mut worker = log.worker(spec).expect("a producer");
    let ticket = worker.submit(Unit { produced: messages, ..Unit::default() }).expect("submitted");
    worker.wait(ticket).expect("durable");
}

/// As the watcher sends it, but for its number.
pub(crate) fn message(document: &RawDocument) -> Outgoing {
    Outgoing {
        topic: Topic::Raw,
        timestamp_ms: document.observed_at_ms,
        key: RecordId::main(&document.source_id, &document.key).to_string().into(),
        headers: document.headers(),
        value: document.body.clone(),
    }
}

pub(crate) fn raw(documents: &[RawDocument]) -> Vec<Outgoing> {
    documents.iter().map(message).collect()
}

/// Small units, so that a test has many.
pub(crate) fn config() -> StageConfig {
    StageConfig { parser_threads: 2, batch_documents: 3, ..StageConfig::default() }
}

/// Lets one loop work off everything there is; returns what it counted. Its metrics go to `registry`.
pub(crate) fn drain_with(
    work: Loop,
    config: &StageConfig,
    worker: Box<dyn Worker>,
    metrics: &Metrics,
) -> Summary {
    let control = Control::default();
    control.ask(Wish::Drain);
    work(config, worker, metrics, &|| 2_000, &control, &|_| {}).expect("drained")
}

/// Lets the stage of `barid run` work off everything there is; returns what it counted and its metrics.
pub(crate) fn drain(log: &Embedded) -> (Summary, Registry) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let worker = log.worker(barid_stage::spec()).expect("the stage's worker");
    (drain_with(barid_stage::run, &config(), worker, &metrics), registry)
}

/// The same in two steps, as on Kafka.
pub(crate) fn drain_in_two(log: &Embedded) -> (Summary, Registry) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let parser = log.worker(barid_stage::parse_spec()).expect("a parser's worker");
    let mut summary = drain_with(barid_stage::run_parse, &config(), parser, &metrics);
    let owner = log.worker(barid_stage::decide_spec()).expect("the owner's worker");
    summary.add(&drain_with(barid_stage::run_decide, &config(), owner, &metrics));
    (summary, registry)
}

pub(crate) fn read(log: &Embedded, topic: Topic) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let limit = Limit { messages: 10_000, bytes: 1 << 26 };
        let more = log.read(topic, 0, all.len() as u64, limit).expect("readable");
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

pub(crate) fn records(log: &Embedded) -> Vec<Record> {
    read(log, Topic::Records).iter().map(|message| record(&message.value)).collect()
}

pub(crate) fn record(value: &[u8]) -> Record {
    Record::from_json(value).expect("a record")
}

pub(crate) fn rejected(log: &Embedded) -> Vec<Rejected> {
    let read_back = |message: Message| {
        Rejected::from_message(message.timestamp_ms, &message.headers, message.value).expect("well formed")
    };
    read(log, Topic::Rejected).into_iter().map(read_back).collect()
}

/// What must be the same however the stage is cut: record, version, verdict, first record of the text.
pub(crate) type Judged = (RecordId, u32, &'static str, RecordId);

pub(crate) fn judged(records: &[Record]) -> BTreeSet<Judged> {
    let judged = records.iter().map(|record| {
        (
            record.record_id,
            record.version,
            Verdict::name(record.dedup.verdict),
            record.dedup.canonical_record_id,
        )
    });
    judged.collect()
}

/// The sum over a family's counters, those of one label value if asked for.
pub(crate) fn count(registry: &Registry, family: &str, label: Option<(&str, &str)>) -> u64 {
    let families = registry.gather();
    let family = families.iter().find(|found| found.name() == family).expect("registered");
    let wanted = |metric: &&prometheus::proto::Metric| {
        label.is_none_or(|(name, value)| {
            metric.get_label().iter().any(|label| label.name() == name && label.value() == value)
        })
    };
    family.get_metric().iter().filter(wanted).map(|metric| metric.get_counter().get_value() as u64).sum()
}
