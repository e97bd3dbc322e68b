//! The watcher's loop: scan, look at what became complete, wait, scan again.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use barid_log::{Control, Wish, Worker, WorkerSpec};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::checkpoint::FILES;
use crate::intake::{Intake, Outcome, Surroundings, Writer};
use crate::pending::{Pending, Waiting};
use crate::walk::{self, Found, Visitor};
use crate::{Config, Metrics, WatcherError, key};

/// The crash points of this crate: see `barid_log::failpoint`.
pub const FAILPOINTS: &[&str] = &["watcher.discover.after", "watcher.read.after", "watcher.submit.before"];

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files looked at, counted each time.
    pub files_seen: u64,
    /// Documents handed to the log.
    pub documents: u64,
    /// Bytes of these.
    pub document_bytes: u64,
    /// Files and lines looked at that gave nothing new.
    pub unchanged: u64,
    /// Inputs handed to the log as rejected.
    pub rejected: u64,
    /// Failed reads, each tried again later.
    pub read_errors: u64,
    /// Files that were still being written at the end: the next run reads them.
    pub unfinished: u64,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything there is.
    FirstScan,
    /// What changes.
    Watching,
    /// What is left, to end.
    Draining,
}

/// Said each time a unit is handed to the log, and after each scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What the run is doing.
    pub phase: Phase,
    /// What it has done.
    pub counts: Summary,
}

/// The worker that [`run`] wants.
pub fn worker_spec() -> WorkerSpec {
    WorkerSpec { group: "watcher".to_owned(), inputs: Vec::new(), tables: vec![FILES] }
}

/// Watches the configured folders on the calling thread until `control` says otherwise, and returns when everything handed over is
/// durable.
///
/// [`Wish::Drain`] is one scan of everything, with a wait for files that are not complete; asked for before the start, that is all it does.
/// [`Wish::Stop`] ends after the file in hand. `clock` gives milliseconds since the Unix epoch, on the file system's own clock.
///
/// # Errors
/// A configuration that cannot work, or the log's own failure. A file that cannot be read is no error: it is counted and tried again.
pub fn run(
    config: &Config,
    worker: Box<dyn Worker>,
    metrics: &Metrics,
    clock: impl Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(Progress),
) -> Result<Summary, WatcherError> {
    let around = Surroundings { clock: &clock, control, metrics, progress };
    let mut run = Run {
        intake: Intake::new(config, worker, around)?,
        pending: Pending::default(),
        patience_ms: i64::MIN,
    };
    run.run()?;
    run.intake.finish()?;
    Ok(run.intake.summary)
}

/// The wish is looked at this often.
const TICK: Duration = Duration::from_millis(100);

/// A file written to for longer than this holds up the end of a run no more: the next run reads it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Scanning takes at most one part in so many of a core.
const SCAN_SHARE: u32 = 200;

struct Run<'a> {
    intake: Intake<'a>,
    pending: Pending,
    /// Until then a scan waits for files to settle, so that the order is that of the keys; in milliseconds since the Unix epoch.
    patience_ms: i64,
}

impl Run<'_> {
    fn run(&mut self) -> Result<(), WatcherError> {
        let drains_only = self.intake.wish() == Wish::Drain;
        let mut next_scan = self.scan_all()?;
        self.intake.phase = crate::Phase::Watching;
        while self.intake.wish() == Wish::Run {
            self.wait();
            self.look_at_due()?;
            if Instant::now() >= next_scan {
                next_scan = self.scan_all()?;
            }
        }
        if self.intake.wish() == Wish::Drain {
            self.intake.phase = crate::Phase::Draining;
            if !drains_only {
                self.scan_all()?;
            }
            self.drain()?;
        }
        self.intake.summary.unfinished = self.pending.len() as u64;
        Ok(())
    }

    /// Waits for what is still being written.
    fn drain(&mut self) -> Result<(), WatcherError> {
        let end = Instant::now() + DRAIN_LIMIT;
        while !self.pending.is_empty() && self.intake.wish() == Wish::Drain {
            if Instant::now() >= end {
                tracing::warn!(
                    files = self.pending.len(),
                    "files are still being written; hint: the next run reads them"
                );
                break;
            }
            self.wait();
            self.look_at_due()?;
        }
        Ok(())
    }

    /// Scans every source; returns when to do so again.
    fn scan_all(&mut self) -> Result<Instant, WatcherError> {
        let start = Instant::now();
        let settle_ms = self.intake.sources.iter().map(|source| source.config.settle_ms).max().unwrap_or(0);
        self.patience_ms = self.intake.now_ms() + settle_ms;
        for source in 0..self.intake.sources.len() {
            if self.scan(source, "")?.is_break() {
                break;
            }
        }
        self.patience_ms = i64::MIN;
        self.intake.flush()?;
        self.report_pending();
        let took = start.elapsed();
        self.intake.around.metrics.rescan_duration.observe(took.as_secs_f64());
        let wanted =
            self.intake.sources.iter().map(|source| source.config.rescan_seconds).min().unwrap_or(60);
        Ok(Instant::now() + Duration::from_secs(wanted.into()).max(took.saturating_mul(SCAN_SHARE)))
    }

    /// Scans one folder of a source, by its key.
    fn scan(&mut self, source: usize, folder: &str) -> Result<ControlFlow<()>, WatcherError> {
        let config = &self.intake.sources[source].config;
        let (root, follow_links) = (config.root.clone(), config.follow_symlinks);
        walk::walk(&root, folder, follow_links, &mut Scan { run: self, source })
    }

    /// Looks at a file met by a scan. One that settles soon is waited for: the order of a scan is the order of the keys, also after a
    /// restart.
    fn look_patiently(&mut self, source: usize, found: &Found<'_>) -> Result<Outcome, WatcherError> {
        let mut since_ms = self.intake.now_ms();
        let mut outcome = self.intake.look(source, found, Writer::Unknown { since_ms })?;
        while let Outcome::Wait { due_ms, stamp } = outcome
            && due_ms <= self.patience_ms
            && self.intake.wish() != Wish::Stop
        {
            std::thread::sleep(Duration::from_millis(5));
            if self.intake.now_ms() >= due_ms {
                outcome = self.intake.look(source, found, Writer::Unknown { since_ms })?;
                if matches!(outcome, Outcome::Wait { stamp: now, .. } if now != stamp) {
                    since_ms = self.intake.now_ms();
                }
            }
        }
        Ok(outcome)
    }

    /// Sleeps until something is due, at most a tick.
    fn wait(&mut self) {
        let until_due = self.pending.next_due_ms().map(|due_ms| due_ms.saturating_sub(self.intake.now_ms()));
        let until_due = until_due.map_or(TICK, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        std::thread::sleep(until_due.min(TICK));
    }

    /// Looks at the files that are due, in order.
    fn look_at_due(&mut self) -> Result<(), WatcherError> {
        let due = self.pending.due(self.intake.now_ms());
        if due.is_empty() {
            return Ok(());
        }
        for name in due {
            if self.intake.wish() == Wish::Stop {
                break;
            }
            let (source, key) = &name;
            let root = openat(CWD, &self.intake.sources[*source].config.root, ROOT, Mode::empty());
            let Ok(root) = root else {
                self.pending.remove(&name);
                continue;
            };
            let path = key::path_of(key);
            let found = Found { folder: root.as_fd(), name: &path, key };
            let writer = self.pending.get(&name).map_or(Writer::Done, |waiting| waiting.writer);
            match self.intake.look(*source, &found, writer)? {
                Outcome::Done => self.pending.remove(&name),
                Outcome::Wait { due_ms, stamp } => {
                    self.pending.wait(name, self.intake.now_ms(), due_ms, stamp)
                }
            }
        }
        self.intake.flush()?;
        self.report_pending();
        Ok(())
    }

    fn report_pending(&self) {
        let metrics = self.intake.around.metrics;
        metrics.pending_files.set(i64::try_from(self.pending.len()).unwrap_or(i64::MAX));
        metrics.oldest_pending.set(self.pending.oldest_ms().map_or(0, |ms| ms.div_euclid(1000)));
    }
}

const ROOT: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A scan of one source.
struct Scan<'a, 'b> {
    run: &'a mut Run<'b>,
    source: usize,
}

impl Visitor for Scan<'_, '_> {
    fn folder(&mut self, key: &str) -> bool {
        key.is_empty() || self.run.intake.sources[self.source].filter.enters(key)
    }

    fn file(&mut self, found: &Found<'_>) -> Result<ControlFlow<()>, WatcherError> {
        let run = &mut *self.run;
        if run.intake.wish() == Wish::Stop {
            return Ok(ControlFlow::Break(()));
        }
        if !run.intake.sources[self.source].filter.takes(found.key) {
            return Ok(ControlFlow::Continue(()));
        }
        let is_waited_for = !run.pending.is_empty();
        let is_open = |waiting: &Waiting| waiting.is_open;
        if is_waited_for && run.pending.get(&(self.source, found.key.to_owned())).is_some_and(is_open) {
            return Ok(ControlFlow::Continue(()));
        }
        match run.look_patiently(self.source, found)? {
            Outcome::Done if is_waited_for => run.pending.remove(&(self.source, found.key.to_owned())),
            Outcome::Done => (),
            Outcome::Wait { due_ms, stamp } => {
                let now_ms = run.intake.now_ms();
                run.pending.wait((self.source, found.key.to_owned()), now_ms, due_ms, stamp);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn fault(&mut self, key: &str, error: Errno) {
        self.run.intake.folder_fault(self.source, key, error);
    }
}
