//! How many verdicts one owner gives: articles messages of about 6 KB on the embedded log to records, one thread that decides.
//! `cargo run --release -p barid-stage --example decide_rate -- [DOCUMENTS]`
//!
//! Prints both halves of the stage, each alone: what the wall clock says, and what the thread of the loop used of a processor. The loop of
//! `decide` reads, merges, looks up, claims, appends the verdicts and hands blocks over; threads of the log make them durable beside it.
//! Once with the blocks compressed by that thread, as the embedded log does, and once not: on Kafka a thread of the client compresses.
#![expect(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use barid_log::{Codec, Control, Embedded, EmbeddedConfig, Log, Outgoing, Unit, Wish, Worker, WorkerSpec};
use barid_record::{Collector, Hints, Order, RawDocument, RecordId, Topic, document_id};
use barid_stage::{Metrics, StageConfig, Summary, decide_spec, parse_spec, run_decide, run_parse};
use barid_tests::{Corpus, Prose, seeds_dir};
use bytes::Bytes;
use prometheus::Registry;

/// Documents written in one unit.
const UNIT: usize = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let documents = std::env::args().nth(1).map_or(Ok(50_000), |count| count.parse())?;
    for (name, codec) in [("lz4", Codec::Lz4), ("not compressed", Codec::None)] {
        let dir = tempfile::tempdir()?;
        let log =
            Embedded::open(EmbeddedConfig { codec, ..EmbeddedConfig::new(dir.path()) }, &Registry::new())?;
        let bytes = fill(&log, documents)?;
        println!("{documents} documents, {:.0} MiB, {name}", bytes as f64 / f64::from(1 << 20));
        measure(&log, documents)?;
    }
    Ok(())
}

fn measure(log: &Embedded, documents: usize) -> Result<(), Box<dyn Error>> {
    let metrics = Metrics::register(&Registry::new())?;
    let config = StageConfig::default();
    let control = Control::default();
    control.ask(Wish::Drain);
    let parsed = timed("parse", documents, log.worker(parse_spec())?, |worker| {
        Ok(run_parse(&config, worker, &metrics, &|| 0, &control, &|_| {})?)
    })?;
    let decided = timed("decide", documents, log.worker(decide_spec())?, |worker| {
        Ok(run_decide(&config, worker, &metrics, &|| 0, &control, &|_| {})?)
    })?;
    let main: u64 = decided.verdicts.iter().sum();
    println!(
        "verdicts of main articles: {:?}; related articles among the records: {}",
        decided.verdicts, decided.related
    );
    if (parsed.documents, main) != (documents as u64, documents as u64) {
        return Err(format!("{} documents parsed, {main} decided", parsed.documents).into());
    }
    Ok(())
}

fn timed(
    name: &str,
    documents: usize,
    worker: Box<dyn Worker>,
    work: impl FnOnce(Box<dyn Worker>) -> Result<Summary, Box<dyn Error>>,
) -> Result<Summary, Box<dyn Error>> {
    let (wall, cpu_ns) = (Instant::now(), thread_cpu_ns()?);
    let summary = work(worker)?;
    let (wall, cpu_ns) = (wall.elapsed().as_secs_f64(), thread_cpu_ns()? - cpu_ns);
    println!(
        "{name:<7} {wall:>6.2} s wall  {:>8.0} documents/s  {:>8.0} records/s  loop: {:>5.1} us CPU a document",
        documents as f64 / wall,
        summary.records as f64 / wall,
        cpu_ns as f64 / 1e3 / documents as f64,
    );
    Ok(summary)
}

/// What this thread has used of a processor, in nanoseconds (Linux: the first field of `schedstat`).
fn thread_cpu_ns() -> Result<u64, Box<dyn Error>> {
    let fields = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(fields.split(' ').next().unwrap_or_default().parse()?)
}

/// Writes that many documents as the watcher does; returns their bytes.
fn fill(log: &Embedded, documents: usize) -> Result<usize, Box<dyn Error>> {
    let corpus = Corpus { seed: 42, articles: documents, copies_percent: 20, article_bytes: 6000 };
    let prose = Prose::read(&seeds_dir())?;
    let spec = WorkerSpec { group: "fill".to_owned(), inputs: Vec::new(), tables: Vec::new() };
    let mut worker = log.worker(spec)?;
    let mut bytes = 0;
    let mut next = 0;
    while next < documents {
        let unit = next..(next + UNIT).min(documents);
        next = unit.end;
        let messages = unit.map(|index| message(index, corpus.article(&prose, index).into()));
        let produced: Vec<Outgoing> = messages.collect();
        bytes += produced.iter().map(|message| message.value.len()).sum::<usize>();
        let ticket = worker.submit(Unit { produced, ..Unit::default() })?;
        worker.wait(ticket)?;
    }
    Ok(bytes)
}

fn message(index: usize, body: Bytes) -> Outgoing {
    let (source_id, key) = ("files".to_owned(), format!("{index:06}.txt"));
    let raw_sha256 = barid_core::raw_sha256(&body);
    let document = RawDocument {
        id: document_id(&source_id, &key, &raw_sha256),
        uri: format!("file:///in/{key}"),
        collector: Collector::File,
        observed_at_ms: 0,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body,
        source_id,
        key,
    };
    let mut headers = document.headers();
    headers.push(Order { writer: "watcher".to_owned(), sequence: index as u64 }.header());
    let key = RecordId::main(&document.source_id, &document.key).to_string().into();
    Outgoing { topic: Topic::Raw, timestamp_ms: 0, key, headers, value: document.body }
}
