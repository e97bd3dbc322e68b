//! Measures what a file costs: `cargo run --release -p barid-watcher --example scan_cost -- 15000`.
//!
//! Writes that many files of 6 KB into a temporary folder and prints the processor time of the watching thread for: the first scan into a
//! log that keeps nothing (the watcher's own share), the first scan into the embedded log (encoding and compressing included), and a run
//! of a second over files that are all known.

#![allow(clippy::print_stdout, reason = "this is its output")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_log::{
    Batch, Change, Control, Embedded, EmbeddedConfig, Limit, Log, LogError, Table, Ticket, Unit, Wish, Worker,
};
use barid_record::Topic;
use barid_watcher::{Config, FilesConfig, Metrics, Phase, Summary, run, worker_spec};
use bytes::Bytes;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let files: u32 = std::env::args().nth(1).map_or(Ok(15_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    for n in 0..files {
        let part = folder.path().join(format!("{:03}", n % 100));
        if n < 100 {
            std::fs::create_dir(&part)?;
        }
        let line = format!("السطر رقم {n} من نص المقال الذي كتب للقياس وحده\n");
        std::fs::write(part.join(format!("{n:07}.txt")), line.repeat(6000 / line.len() + 1))?;
    }
    std::thread::sleep(Duration::from_millis(600));
    let config = Config {
        sources: vec![FilesConfig {
            id: "files".into(),
            root: folder.path().to_owned(),
            ..FilesConfig::default()
        }],
        ..Config::default()
    };
    report("scan, log that keeps nothing", files, &config, Box::<Nothing>::default(), Wish::Drain)?;
    let data = tempfile::tempdir()?;
    let log = Embedded::open(EmbeddedConfig::new(data.path()), &prometheus::Registry::new())?;
    report("scan, embedded log          ", files, &config, log.worker(worker_spec())?, Wish::Drain)?;
    report("scan of known files         ", files, &config, log.worker(worker_spec())?, Wish::Drain)?;
    report("ten seconds of watching them", files, &config, log.worker(worker_spec())?, Wish::Run)?;
    log.close()?;
    Ok(())
}

fn report(
    what: &str,
    files: u32,
    config: &Config,
    worker: Box<dyn Worker>,
    wish: Wish,
) -> Result<(), Failure> {
    let metrics = Metrics::register(&prometheus::Registry::new())?;
    let control = Control::default();
    control.ask(wish);
    let clock = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    let mut before = (Instant::now(), thread_seconds()?);
    let watched_from = std::cell::Cell::new(None);
    let summary: Summary = run(config, worker, &metrics, clock, &control, &|progress| {
        if wish == Wish::Run && progress.phase == Phase::Watching {
            let from =
                watched_from.get().unwrap_or_else(|| (Instant::now(), thread_seconds().unwrap_or_default()));
            watched_from.set(Some(from));
            if from.0.elapsed() > Duration::from_secs(10) {
                control.ask(Wish::Stop);
            }
        }
    })?;
    before = watched_from.get().unwrap_or(before);
    let (wall, cpu) = (before.0.elapsed().as_secs_f64(), thread_seconds()? - before.1);
    println!(
        "{what}: {cpu:.3} s of processor in {wall:.2} s ({:.2} %), {:.1} us a file; {} documents, {} unchanged",
        100.0 * cpu / wall,
        1e6 * cpu / f64::from(files),
        summary.documents,
        summary.unchanged
    );
    Ok(())
}

/// Processor time of this thread.
fn thread_seconds() -> Result<f64, Failure> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(times.split_whitespace().next().unwrap_or_default().parse::<f64>()? / 1e9)
}

/// Takes units and forgets the documents.
#[derive(Default)]
struct Nothing {
    state: BTreeMap<Bytes, Bytes>,
    units: u64,
}

impl Worker for Nothing {
    fn poll(&mut self, _: Limit, _: Duration) -> Result<Batch, LogError> {
        Ok(Batch::new())
    }

    fn get(&mut self, _: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        Ok(self.state.get(key).cloned())
    }

    fn scan(&mut self, _: Table, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LogError> {
        for (key, value) in self.state.iter().filter(|(key, _)| key.starts_with(prefix)) {
            visit(key, value);
        }
        Ok(())
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        for change in unit.state {
            match change {
                Change::Put { key, value, .. } => self.state.insert(key, value),
                Change::Delete { key, .. } => self.state.remove(&key),
            };
        }
        self.units += 1;
        Ok(Ticket(self.units))
    }

    fn wait(&mut self, _: Ticket) -> Result<(), LogError> {
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        Some(Ticket(self.units))
    }

    fn position(&self, _: Topic, _: u32) -> u64 {
        0
    }

    fn hold(&mut self, _: Topic, _: u32, _: bool) -> Result<(), LogError> {
        Ok(())
    }

    fn partitions(&self, _: Topic) -> Vec<u32> {
        Vec::new()
    }

    fn tend(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn message_limit(&self, _: Topic) -> usize {
        usize::MAX
    }
}
