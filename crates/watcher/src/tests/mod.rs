//! The faults that lose or double articles elsewhere, each against the real embedded log.

mod content;
mod histories;
mod json_lines;
mod links;
mod live;
mod membership;
mod memory;
mod moves;
mod restarts;
mod trees;
mod upgrades;

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use barid_log::{Control, Embedded, EmbeddedConfig, Limit, Log, Wish, Worker};
use barid_record::{Order, RawDocument, RecordId, Rejected, Topic};
use tempfile::TempDir;

use crate::{Config, FilesConfig, Metrics, Progress, Summary, WatcherError, run, worker_spec};

/// A watched folder and a log.
struct Place {
    folder: TempDir,
    data: TempDir,
    source: FilesConfig,
    batch_documents: usize,
    max_watched_folders: usize,
    metrics: Metrics,
    /// The run dies when it asks for the time so often.
    dies_after: Option<u32>,
    /// What stands between the run and the log.
    between: Box<Between>,
}

/// Wraps a worker.
type Between = dyn Fn(Box<dyn Worker>) -> Box<dyn Worker> + Sync;

/// What one run brought.
struct Brought {
    summary: Summary,
    raw: Vec<RawDocument>,
    rejected: Vec<Rejected>,
}

impl Brought {
    fn keys(&self) -> Vec<&str> {
        self.raw.iter().map(|document| document.key.as_str()).collect()
    }

    /// Key and text of each document.
    fn texts(&self) -> Vec<(&str, &str)> {
        let text =
            |document: &'_ RawDocument| -> &str { str::from_utf8(leak(&document.body)).expect("text") };
        self.raw.iter().map(|document| (document.key.as_str(), text(document))).collect()
    }
}

/// Test texts are few and short: leaking them keeps the comparisons readable.
fn leak(bytes: &[u8]) -> &'static [u8] {
    bytes.to_vec().leak()
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("fresh registry");
        let source = FilesConfig {
            id: "files".into(),
            root: folder.path().to_owned(),
            settle_ms: 30,
            ..FilesConfig::default()
        };
        Self {
            folder,
            data: TempDir::new().expect("a folder"),
            source,
            batch_documents: 256,
            max_watched_folders: 1000,
            metrics,
            dies_after: None,
            between: Box::new(|worker| worker),
        }
    }

    fn config(&self) -> Config {
        Config {
            sources: vec![self.source.clone()],
            batch_documents: self.batch_documents,
            max_watched_folders: self.max_watched_folders,
            ..Config::default()
        }
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, content).expect("a file");
    }

    fn log(&self) -> Embedded {
        let registry = prometheus::Registry::new();
        Embedded::open(EmbeddedConfig::new(self.data.path()), &registry).expect("the log opens")
    }

    /// Reads everything there is, as `--once` does, in a process of its own as far as the log can tell.
    fn drain(&self) -> Brought {
        self.drain_hearing(&|_, _| ())
    }

    /// The same, telling `hear` how it gets on.
    fn drain_hearing(&self, hear: &dyn Fn(&Control, Progress)) -> Brought {
        let log = self.log();
        let before = [end(&log, Topic::Raw), end(&log, Topic::Rejected)];
        let control = Control::default();
        control.ask(Wish::Drain);
        let summary =
            self.run(&log, &control, &|progress| hear(&control, progress)).expect("the watcher runs");
        // What a dead run had handed over may become durable a moment later.
        log.close().expect("the log closes");
        let log = self.log();
        let brought =
            Brought { summary, raw: raw_since(&log, before[0]), rejected: rejected_since(&log, before[1]) };
        log.close().expect("the log closes");
        brought
    }

    /// Reads everything there is into a log in memory; by the clock all of it was written long ago.
    fn drain_memory(&self, log: &memory::Memory) -> Summary {
        let control = Control::default();
        control.ask(Wish::Drain);
        let clock = || now_ms() + 100_000;
        run(&self.config(), log.worker(), &self.metrics, clock, &control, &|_| ()).expect("the watcher runs")
    }

    fn run(
        &self,
        log: &Embedded,
        control: &Control,
        progress: &dyn Fn(Progress),
    ) -> Result<Summary, WatcherError> {
        let worker = (self.between)(log.worker(worker_spec()).expect("the only watcher"));
        let asked = Cell::new(0);
        let clock = || {
            asked.set(asked.get() + 1);
            if Some(asked.get()) == self.dies_after {
                std::panic::resume_unwind(Box::new(Death));
            }
            now_ms()
        };
        let run = || run(&self.config(), worker, &self.metrics, clock, control, progress);
        match std::panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(result) => result,
            Err(death) if death.is::<Death>() => Ok(Summary::default()),
            Err(failure) => std::panic::resume_unwind(failure),
        }
    }
}

/// Stands for SIGKILL: whatever the run had not handed to the log is gone.
struct Death;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292277026")
}

fn end(log: &dyn Log, topic: Topic) -> u64 {
    let status = log.status().expect("a status");
    status.topics.iter().find(|status| status.topic == topic).map_or(0, |status| status.end_offset)
}

fn messages_since(log: &dyn Log, topic: Topic, from: u64) -> Vec<barid_log::Message> {
    let mut messages = Vec::new();
    loop {
        let limit = Limit { messages: 1000, bytes: 8 << 20 };
        let next = messages.last().map_or(from, |last: &barid_log::Message| last.offset + 1);
        let more = log.read(topic, 0, next, limit).expect("readable");
        if more.is_empty() {
            return messages;
        }
        messages.extend(more);
    }
}

fn raw_since(log: &dyn Log, from: u64) -> Vec<RawDocument> {
    documents_since(log, Topic::Raw, from)
}

/// Documents of a topic. Whatever a test is about, they must be numbered by their one writer without a gap, and have their record's key.
fn documents_since(log: &dyn Log, topic: Topic, from: u64) -> Vec<RawDocument> {
    let read = |message: barid_log::Message| {
        let order = Order { writer: "watcher".into(), sequence: message.offset };
        assert_eq!(Order::from_headers(&message.headers), Some(order));
        let document = RawDocument::from_message(message.timestamp_ms, &message.headers, message.value)
            .expect("a raw document");
        let id = RecordId::main(&document.source_id, &document.key);
        assert_eq!(message.key, id.to_string());
        document
    };
    messages_since(log, topic, from).into_iter().map(read).collect()
}

fn rejected_since(log: &dyn Log, from: u64) -> Vec<Rejected> {
    let read = |message: barid_log::Message| {
        Rejected::from_message(message.timestamp_ms, &message.headers, message.value)
            .expect("a rejected document")
    };
    messages_since(log, Topic::Rejected, from).into_iter().map(read).collect()
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("in memory");
    encoder.finish().expect("in memory")
}

/// Text that does not shrink much, so that every cut of its archive falls into data.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + u8::try_from(state >> 59).unwrap_or(0) % 26
    };
    std::iter::repeat_with(letter).take(bytes).collect()
}
