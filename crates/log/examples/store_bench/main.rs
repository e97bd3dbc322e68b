//! Measures the embedded log beside the same work kept wholly in fjall or in redb (see `docs/adr/0001-embedded-log.md`).
//!
//! ```text
//! cargo run --release -p barid-log --example store_bench -- write  --engine log|fjall|redb [--messages 60000] [--dir DIR]
//! cargo run --release -p barid-log --example store_bench -- pipe   [--messages 60000] [--codec none|lz4|zstd]
//! cargo run --release -p barid-log --example store_bench -- index  --engine log|fjall|redb [--entries 10000000]
//! ```
//!
//! `write`: 6 KB messages, four index entries (32-byte keys, 64-byte values) each, one position a unit, durable every ~5 MB.
//! `pipe`: producer -> raw -> stage (two look-ups, four index entries a message) -> records -> sink, all on one log, all durable.
//! `index`: fills the index only, then measures look-ups, memory, and the start after a clean end and after a kill.
//! CPU is user + system time of the whole process, so background work is in it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring tool talks to its user and dies on failure"
)]

mod engines;
mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use barid_log::{Change, Codec, Embedded, EmbeddedConfig, Limit, Log, Outgoing, Unit, WorkerSpec};
use barid_record::Topic;
use bytes::Bytes;
use prometheus::Registry;

use engines::{Engine, INDEX};
use measure::{Texts, Usage, index_key, index_value};

/// What to do, from the command line.
struct Options {
    command: String,
    engine: String,
    messages: u64,
    entries: u64,
    codec: Codec,
    dir: PathBuf,
}

fn main() {
    let options = parse();
    match options.command.as_str() {
        "write" => write(&options),
        "pipe" => pipe(&options),
        "index" => index(&options),
        "fill" => fill(&options),
        other => println!("unknown command {other:?}: write, pipe or index"),
    }
}

fn parse() -> Options {
    let mut args = std::env::args().skip(1);
    let mut options = Options {
        command: args.next().unwrap_or_default(),
        engine: "log".to_owned(),
        messages: 60_000,
        entries: 10_000_000,
        codec: Codec::Lz4,
        dir: std::env::temp_dir().join(format!("store-bench-{}", std::process::id())),
    };
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        match name.as_str() {
            "--engine" => options.engine = value,
            "--messages" => options.messages = value.parse().unwrap(),
            "--entries" => options.entries = value.parse().unwrap(),
            "--dir" => options.dir = value.into(),
            "--codec" if value == "none" => options.codec = Codec::None,
            "--codec" if value == "zstd" => options.codec = Codec::Zstd,
            _ => {}
        }
    }
    options
}

fn fresh(dir: &Path) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).unwrap();
}

fn write(options: &Options) {
    fresh(&options.dir);
    let texts = Texts::new();
    let mut engine = Engine::open(&options.engine, &options.dir, options.codec);
    let usage = Usage::start();
    let started = Instant::now();
    let mut bytes = 0;
    for n in 0..options.messages {
        let text = texts.get(n);
        bytes += text.len();
        engine.put_message(n, &text);
        for index in 0..4 {
            engine.put_index(&index_key(n * 4 + index), &index_value(n));
        }
        if bytes >= 5 << 20 || n + 1 == options.messages {
            engine.commit(n + 1);
            bytes = 0;
        }
    }
    engine.finish();
    usage.report(&format!("write {}", options.engine), options.messages, started.elapsed());
    drop(engine);
    println!("  on disk {} MB", measure::dir_bytes(&options.dir) >> 20);
    let _ = std::fs::remove_dir_all(&options.dir);
}

fn log_config(options: &Options) -> EmbeddedConfig {
    EmbeddedConfig { codec: options.codec, ..EmbeddedConfig::new(&options.dir) }
}

/// A pipeline that computes nothing: what remains is the cost of the log.
fn pipe(options: &Options) {
    fresh(&options.dir);
    let texts = Texts::new();
    let log = Embedded::open(log_config(options), &Registry::new()).unwrap();
    let usage = Usage::start();
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| produce(&log, &texts, options.messages));
        scope.spawn(|| stage(&log, options.messages));
        scope.spawn(|| sink(&log, options.messages));
    });
    usage.report(&format!("pipe {:?}", options.codec), options.messages, started.elapsed());
    let status = log.status().unwrap();
    for topic in &status.topics {
        println!("  {:?}: {} messages, {} MB", topic.topic, topic.end_offset, topic.bytes >> 20);
    }
    let started = Instant::now();
    log.close().unwrap();
    println!("  closed in {:?}", started.elapsed());
    let started = Instant::now();
    drop(Embedded::open(log_config(options), &Registry::new()).unwrap());
    println!("  opened and closed again in {:?}", started.elapsed());
    let _ = std::fs::remove_dir_all(&options.dir);
}

fn spec(group: &str, inputs: &[Topic]) -> WorkerSpec {
    WorkerSpec { group: group.to_owned(), inputs: inputs.to_vec(), tables: vec![INDEX] }
}

fn produce(log: &Embedded, texts: &Texts, messages: u64) {
    let mut worker = log.worker(spec("producer", &[])).unwrap();
    let mut last = None;
    for from in (0..messages).step_by(64) {
        let message = |n| Outgoing {
            topic: Topic::Raw,
            timestamp_ms: n as i64,
            key: Bytes::copy_from_slice(&index_key(n)[..16]),
            headers: (0..5)
                .map(|h| (Bytes::from_static(b"ce_name"), Bytes::from(format!("value {h} of {n}"))))
                .collect(),
            value: texts.get(n),
        };
        let produced = (from..(from + 64).min(messages)).map(message).collect();
        last = Some(worker.submit(Unit { produced, ..Unit::default() }).unwrap());
    }
    last.into_iter().for_each(|ticket| worker.wait(ticket).unwrap());
}

fn stage(log: &Embedded, messages: u64) {
    let mut worker = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    let limit = Limit { messages: 256, bytes: 2 << 20 };
    let mut done = 0;
    let mut last = None;
    while done < messages {
        let batch = worker.poll(limit, Duration::from_secs(1)).unwrap();
        let Some(consumed) = batch.last().map(|message| message.next()) else { continue };
        let mut unit = Unit { consumed: vec![consumed], ..Unit::default() };
        for message in batch {
            let n = message.offset;
            for index in 0..2 {
                worker.get(INDEX, &index_key(n * 4 + index)).unwrap();
            }
            for index in 0..4 {
                let (key, value) = (index_key(n * 4 + index).to_vec().into(), index_value(n).to_vec().into());
                unit.state.push(Change::Put { table: INDEX, key, value });
            }
            unit.produced.push(Outgoing {
                topic: Topic::Records,
                timestamp_ms: message.timestamp_ms,
                key: message.key,
                headers: message.headers,
                value: message.value,
            });
            done += 1;
        }
        last = Some(worker.submit(unit).unwrap());
    }
    last.into_iter().for_each(|ticket| worker.wait(ticket).unwrap());
}

fn sink(log: &Embedded, messages: u64) {
    let mut worker = log.worker(spec("sink", &[Topic::Records])).unwrap();
    let limit = Limit { messages: 4_096, bytes: 8 << 20 };
    let mut done = 0;
    let mut bytes = 0;
    while done < messages {
        let batch = worker.poll(limit, Duration::from_secs(1)).unwrap();
        done += batch.len() as u64;
        bytes += batch.iter().map(|message| message.value.len()).sum::<usize>();
        let consumed = batch.last().map(|message| message.next()).into_iter().collect();
        worker.submit(Unit { consumed, ..Unit::default() }).unwrap();
    }
    println!("  the sink read {} MB", bytes >> 20);
}

fn fill(options: &Options) {
    let mut engine = Engine::open(&options.engine, &options.dir, options.codec);
    let usage = Usage::start();
    let started = Instant::now();
    for n in 0..options.entries {
        engine.put_index(&index_key(n), &index_value(n));
        if (n + 1) % 20_000 == 0 || n + 1 == options.entries {
            engine.commit(n + 1);
        }
    }
    engine.finish();
    usage.report(&format!("index {}, entries", options.engine), options.entries, started.elapsed());
    let usage = Usage::start();
    let mut times = Vec::with_capacity(200_000);
    let started = Instant::now();
    for probe in 0..200_000u64 {
        let key = index_key(probe.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (options.entries * 2));
        let before = Instant::now();
        engine.get_index(&key);
        times.push(before.elapsed());
    }
    usage.report("  look-ups, half of them of absent keys", 200_000, started.elapsed());
    times.sort_unstable();
    println!("  look-up p50 {:?}, p99 {:?}, p99.9 {:?}", times[100_000], times[198_000], times[199_800]);
    // Not closed: the parent sees what a kill leaves.
    std::process::abort();
}

fn index(options: &Options) {
    fresh(&options.dir);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["fill", "--engine", &options.engine, "--entries", &options.entries.to_string(), "--dir"])
        .arg(&options.dir);
    child.status().unwrap();
    println!("  on disk {} MB", measure::dir_bytes(&options.dir) >> 20);
    for how in ["killed", "closed"] {
        let started = Instant::now();
        let mut engine = Engine::open(&options.engine, &options.dir, options.codec);
        engine.get_index(&index_key(1));
        println!("  ready {:?} after it was {how}", started.elapsed());
        drop(engine);
    }
    let _ = std::fs::remove_dir_all(&options.dir);
}
