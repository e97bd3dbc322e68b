//! The watcher's loop: scan, look at what became complete, wait, scan again.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barid_log::{Control, Wish, Worker, WorkerSpec};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::checkpoint::FILES;
use crate::config::GROUP;
use crate::events::{Event, Happened, Watches};
use crate::intake::{Intake, Outcome, Surroundings, Turn, Writer};
use crate::jsonl::MOST_REELS;
use crate::order::ORDER;
use crate::pending::{FileName, Pending};
use crate::source::Source;
use crate::targets::Linked;
use crate::walk::{self, Found, Visitor};
use crate::{Config, Metrics, Phase, Progress, Summary, WatcherError, key};

/// The crash points of this crate: see `barid_log::failpoint`.
pub const FAILPOINTS: &[&str] = &["watcher.discover.after", "watcher.read.after", "watcher.submit.before"];

/// The worker that [`run`] wants. It owns tables: one watcher runs, others stand by.
pub fn worker_spec() -> WorkerSpec {
    WorkerSpec { group: GROUP.to_owned(), inputs: Vec::new(), tables: vec![FILES, ORDER] }
}

/// Watches the configured folders on the calling thread until `control` says otherwise, and returns when everything handed over is
/// durable.
///
/// [`Wish::Drain`] is one scan of everything, with a wait for files that are not complete; asked for before the start, that is all it does.
/// [`Wish::Stop`] ends after the file in hand. `clock` gives milliseconds since the Unix epoch, on the file system's own clock.
///
/// # Errors
/// A configuration that cannot work, or the log's own failure; after [`barid_log::LogError::Lost`] a new worker and a new run go on, with
/// what the log says was read. A file that cannot be read is no error: it is counted and tried again.
pub fn run(
    config: &Config,
    worker: Box<dyn Worker>,
    metrics: &Metrics,
    clock: impl Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(Progress),
) -> Result<Summary, WatcherError> {
    let around = Surroundings { clock: &clock, control, metrics, progress };
    let drains_only = control.wish() != Wish::Run;
    let mut run = Run {
        intake: Intake::new(config, worker, around, !drains_only)?,
        pending: Pending::default(),
        watches: (!drains_only).then(|| Watches::new(config.max_watched_folders)),
        appeared: BTreeSet::new(),
        later: VecDeque::new(),
        is_later: HashSet::new(),
        next_scan: Instant::now(),
        is_stretched: false,
        has_lost_events: false,
        patience_ms: i64::MIN,
    };
    run.run(drains_only)?;
    run.intake.finish()?;
    Ok(run.intake.summary)
}

/// The wish is looked at this often.
const TICK: Duration = Duration::from_millis(100);

/// A file written to for longer than this holds up the end of a run no more: the next run reads it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Looking through the folders takes at most one part in so many of the time, reading what is new not
/// counted. Where that is more than `rescan_seconds` allow, the log and a metric say so.
const SCAN_SHARE: u32 = 10;

/// Time for the files that let the others go first, before the others are looked at again.
const LATER: Duration = Duration::from_millis(100);

struct Run<'a> {
    intake: Intake<'a>,
    pending: Pending,
    /// Absent in a run that only drains.
    watches: Option<Watches>,
    /// Folders to scan, by source and key.
    appeared: BTreeSet<(usize, String)>,
    /// Files that let the others go first: large ones, and known texts that changed.
    later: VecDeque<(FileName, Writer)>,
    is_later: HashSet<FileName>,
    next_scan: Instant,
    /// Scans come less often than they should.
    is_stretched: bool,
    has_lost_events: bool,
    /// Until then the first scan, and the last, waits for files to settle, so that the order is that of the keys; in milliseconds since
    /// the Unix epoch.
    patience_ms: i64,
}

impl Run<'_> {
    fn run(&mut self, drains_only: bool) -> Result<(), WatcherError> {
        self.scan_all()?;
        self.intake.phase = Phase::Watching;
        while self.intake.wish() == Wish::Run {
            self.turn()?;
            if self.has_lost_events || Instant::now() >= self.next_scan {
                self.scan_all()?;
            }
        }
        if self.intake.wish() == Wish::Drain {
            self.intake.phase = Phase::Draining;
            if !drains_only {
                self.scan_all()?;
            }
            self.drain()?;
        }
        self.intake.summary.unfinished = (self.pending.len() + self.later.len()) as u64;
        Ok(())
    }

    /// Waits for what becomes complete on its own.
    fn drain(&mut self) -> Result<(), WatcherError> {
        let end = Instant::now() + DRAIN_LIMIT;
        while self.intake.wish() == Wish::Drain
            && (!self.later.is_empty() || self.pending.is_settling() && Instant::now() < end)
        {
            self.turn()?;
        }
        if !self.pending.is_empty() {
            tracing::warn!(
                files = self.pending.len(),
                "files are still being written; hint: the next run reads them"
            );
        }
        Ok(())
    }

    /// Waits until something happens or is due, at most a tick, and does it.
    fn turn(&mut self) -> Result<(), WatcherError> {
        let until_due = self.pending.next_due_ms().map(|due_ms| due_ms.saturating_sub(self.intake.now_ms()));
        let until_due = until_due.map_or(TICK, |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        let until_due = if self.later.is_empty() { until_due } else { Duration::ZERO };
        match &self.watches {
            Some(watches) => watches.wait(until_due.min(TICK)),
            None => std::thread::sleep(until_due.min(TICK)),
        }
        // What is due by now is looked at with all that was heard by now.
        let now_ms = self.intake.now_ms();
        self.take_events();
        while let Some((source, folder)) = self.appeared.pop_first() {
            if self.scan(source, &folder)?.is_break() {
                break;
            }
        }
        self.look_at_due(now_ms)?;
        self.look_at_later()?;
        self.intake.flush()?;
        self.intake.outbox.tend()?;
        self.report();
        Ok(())
    }

    /// Takes in what the kernel has to tell.
    fn take_events(&mut self) {
        let Some(watches) = &mut self.watches else { return };
        let (intake, pending, appeared) = (&self.intake, &mut self.pending, &mut self.appeared);
        let mut is_overflow = false;
        watches.take(&mut |event| match event {
            Event::Overflow => is_overflow = true,
            Event::Folder(source, key) => {
                if intake.sources[source].filter.enters(&key) {
                    appeared.insert((source, key));
                }
            }
            Event::File(source, key, happened) => {
                let Source { config, filter, .. } = &intake.sources[source];
                if !filter.takes(&key) {
                    // A link to a folder is told of as a file.
                    if matches!(happened, Happened::Created | Happened::Finished)
                        && config.root.join(&*path(&key)).is_dir()
                        && filter.enters(&key)
                    {
                        appeared.insert((source, key));
                    }
                    return;
                }
                // What was just created and is empty is being written; with content, it is one more name of a file.
                let is_fresh = happened == Happened::Created && is_fresh(&config.root.join(&*path(&key)));
                let happened = if is_fresh { Happened::Written } else { happened };
                pending.hear((source, key), intake.now_ms(), happened, config);
            }
        });
        if is_overflow {
            tracing::warn!(
                "changes came faster than they could be taken: scanning everything; nothing is lost"
            );
            intake.around.metrics.notify_overflows.inc();
            pending.distrust(intake.now_ms());
            self.has_lost_events = true;
        }
    }

    /// Scans every source, and sets when to do so again.
    fn scan_all(&mut self) -> Result<(), WatcherError> {
        let start = Instant::now();
        self.has_lost_events = false;
        let settle_ms = self.intake.sources.iter().map(|source| source.config.settle_ms).max().unwrap_or(0);
        self.patience_ms = match self.intake.phase {
            Phase::FirstScan | Phase::Draining => self.intake.now_ms().saturating_add(settle_ms),
            // Here it would hold up the news.
            Phase::Watching => i64::MIN,
        };
        let rescan_seconds =
            self.intake.sources.iter().map(|source| source.config.rescan_seconds).min().unwrap_or(60);
        self.intake.reading = Duration::ZERO;
        let mut is_stopped = false;
        if let Some(watches) = &mut self.watches {
            watches.forget_links();
        }
        // The first time the folders themselves have the first right to a watch.
        if self.intake.phase != Phase::FirstScan {
            self.watch_roots();
        }
        for source in 0..self.intake.sources.len() {
            is_stopped = is_stopped || self.scan(source, "")?.is_break();
        }
        if self.intake.phase == Phase::FirstScan {
            self.watch_roots();
        }
        self.patience_ms = i64::MIN;
        self.intake.flush()?;
        let took = start.elapsed();
        self.intake.around.metrics.rescan_duration.observe(took.as_secs_f64());
        self.plan_scan(
            start,
            took.saturating_sub(self.intake.reading),
            Duration::from_secs(rescan_seconds.into()),
        );
        if let Some(watches) = &mut self.watches {
            let (watched, unwatched) = watches.count();
            self.intake.around.metrics.watched_folders.set(gauge(watched));
            self.intake.around.metrics.unwatched_folders.set(gauge(unwatched));
        }
        self.report();
        Ok(())
    }

    /// Watches what the roots are reached over: another folder may come there.
    fn watch_roots(&mut self) {
        let Some(watches) = &mut self.watches else { return };
        for (source, Source { config, .. }) in self.intake.sources.iter().enumerate() {
            let path = absolute(&config.root);
            watches.add_link(&Linked { source, key: String::new(), path, is_folder: true });
        }
    }

    /// Sets when to scan again: so long after the start of this scan, in which looking alone took that long.
    fn plan_scan(&mut self, start: Instant, looking: Duration, interval: Duration) {
        let least = looking.saturating_mul(SCAN_SHARE);
        let planned = interval.max(least);
        // A scan that read for longer is followed by the next one at once.
        self.next_scan = (start + planned).max(Instant::now() + looking);
        let seconds = i64::try_from(planned.as_secs()).unwrap_or(i64::MAX);
        self.intake.around.metrics.rescan_interval.set(seconds);
        if least > interval && !std::mem::replace(&mut self.is_stretched, true) {
            tracing::warn!(
                rescan_seconds = interval.as_secs(),
                seconds,
                "looking through the folders takes {} ms: it is done every {seconds} s instead; hint: raise `rescan_seconds`, or keep fewer files there",
                looking.as_millis()
            );
        }
    }

    /// Scans one folder of a source, by its key.
    fn scan(&mut self, source: usize, folder: &str) -> Result<ControlFlow<()>, WatcherError> {
        let config = &self.intake.sources[source].config;
        let follow_links = config.follow_symlinks;
        let root = absolute(&config.root);
        walk::walk(&root, folder, follow_links, &mut Scan { run: self, source, root: &root })
    }

    /// Looks at a file met by a scan. In the first scan, one that settles soon is waited for: the order is that of the keys, also after
    /// a restart.
    fn meet(&mut self, source: usize, found: &Found<'_>) -> Result<(), WatcherError> {
        let name = || (source, found.key.to_owned());
        let waited_for = if self.pending.is_empty() { None } else { self.pending.writer(&name()) };
        if matches!(waited_for, Some(Writer::Done { .. })) {
            // Due in a moment, when what happened to it since will have been heard.
            return Ok(());
        }
        let mut writer = waited_for.unwrap_or(Writer::Unknown { since_ms: self.intake.now_ms() });
        let mut outcome = self.intake.look(source, found, writer, Turn::First)?;
        while let Outcome::Wait { due_ms, stamp } = outcome
            && due_ms <= self.patience_ms
            && self.intake.wish() != Wish::Stop
        {
            std::thread::sleep(SETTLING);
            self.intake.reading += SETTLING;
            self.intake.outbox.tend()?;
            if self.intake.now_ms() >= due_ms {
                outcome = self.intake.look(source, found, writer, Turn::First)?;
                if matches!(outcome, Outcome::Wait { stamp: now, .. } if now != stamp) {
                    writer = Writer::Unknown { since_ms: self.intake.now_ms() };
                }
            }
        }
        match outcome {
            Outcome::Done | Outcome::Later if waited_for.is_some() => self.pending.remove(&name()),
            Outcome::Done | Outcome::Later => (),
            Outcome::Wait { due_ms, stamp } => {
                self.pending.wait(name(), self.intake.now_ms(), due_ms, stamp, writer);
            }
        }
        if outcome == Outcome::Later {
            self.put_off(name(), writer);
        }
        Ok(())
    }

    /// Lets the others go first.
    fn put_off(&mut self, name: FileName, writer: Writer) {
        if self.is_later.insert(name.clone()) {
            self.later.push_back((name, writer));
        }
    }

    /// Looks at the files that let the others go first, for a while. A large one that is not done goes behind
    /// the next few.
    fn look_at_later(&mut self) -> Result<(), WatcherError> {
        let start = Instant::now();
        let mut is_begun = false;
        while self.intake.wish() != Wish::Stop {
            let now_ms = self.intake.now_ms();
            let has_time =
                start.elapsed() < LATER && self.pending.next_due_ms().is_none_or(|due_ms| due_ms > now_ms);
            if is_begun && !has_time {
                break;
            }
            is_begun = true;
            let Some((name, writer)) = self.later.pop_front() else { break };
            let writer = self.pending.writer(&name).unwrap_or(writer);
            if self.look_at(name.clone(), writer, Turn::Last)? == Outcome::Later {
                let place = self.later.len().min(MOST_REELS - 1);
                self.later.insert(place, (name, writer));
            } else {
                self.is_later.remove(&name);
            }
        }
        Ok(())
    }

    /// Looks at the files that were due then, in order.
    fn look_at_due(&mut self, then_ms: i64) -> Result<(), WatcherError> {
        for name in self.pending.due(then_ms) {
            if self.intake.wish() == Wish::Stop {
                break;
            }
            let since_ms = self.intake.now_ms();
            let writer = self.pending.writer(&name).unwrap_or(Writer::Unknown { since_ms });
            if self.look_at(name.clone(), writer, Turn::First)? == Outcome::Later {
                self.put_off(name, writer);
            }
        }
        Ok(())
    }

    fn look_at(&mut self, name: FileName, writer: Writer, turn: Turn) -> Result<Outcome, WatcherError> {
        let (source, key) = &name;
        let root = openat(CWD, &self.intake.sources[*source].config.root, ROOT, Mode::empty());
        let Ok(root) = root else {
            self.pending.remove(&name);
            return Ok(Outcome::Done);
        };
        let found = Found { folder: root.as_fd(), name: &key::path_of(key), key, is_link: false };
        let outcome = self.intake.look(*source, &found, writer, turn)?;
        match outcome {
            Outcome::Done | Outcome::Later => self.pending.remove(&name),
            Outcome::Wait { due_ms, stamp } => {
                self.pending.wait(name, self.intake.now_ms(), due_ms, stamp, writer);
            }
        }
        Ok(outcome)
    }

    fn report(&self) {
        let metrics = self.intake.around.metrics;
        metrics.pending_files.set(gauge(self.pending.len()));
        metrics.oldest_pending.set(self.pending.oldest_ms().map_or(0, |ms| ms.div_euclid(1000)));
    }
}

/// A file that settles soon is looked at again after this.
const SETTLING: Duration = Duration::from_millis(5);

const ROOT: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The path of a key below its root.
fn path(key: &str) -> Cow<'_, Path> {
    match key::path_of(key) {
        Cow::Borrowed(bytes) => Cow::Borrowed(Path::new(OsStr::from_bytes(bytes))),
        Cow::Owned(bytes) => Cow::Owned(OsString::from_vec(bytes).into()),
    }
}

/// Whether a file is empty and has no other name.
fn is_fresh(path: &Path) -> bool {
    path.metadata().is_ok_and(|status| status.len() == 0 && status.nlink() == 1)
}

impl Scan<'_, '_> {
    fn watch_link(&mut self, key: &str, is_folder: bool) {
        if let Some(watches) = &mut self.run.watches {
            watches.add_link(&Linked {
                source: self.source,
                key: key.to_owned(),
                path: self.root.join(&*path(key)),
                is_folder,
            });
        }
    }
}

/// A scan of one source.
struct Scan<'a, 'b> {
    run: &'a mut Run<'b>,
    source: usize,
    root: &'a Path,
}

impl Visitor for Scan<'_, '_> {
    fn folder(&mut self, key: &str, is_link: bool) -> bool {
        let enters = key.is_empty() || self.run.intake.sources[self.source].filter.enters(key);
        if enters && let Some(watches) = &mut self.run.watches {
            watches.add(self.source, key, &self.root.join(&*path(key)));
        }
        if enters && is_link {
            self.watch_link(key, true);
        }
        enters
    }

    fn file(&mut self, found: &Found<'_>) -> Result<ControlFlow<()>, WatcherError> {
        if self.run.intake.wish() == Wish::Stop {
            return Ok(ControlFlow::Break(()));
        }
        self.run.intake.outbox.tend()?;
        if self.run.intake.sources[self.source].filter.takes(found.key) {
            // Who is writing to it must be known by now.
            if found.is_link {
                self.watch_link(found.key, false);
            }
            self.run.take_events();
            self.run.meet(self.source, found)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn fault(&mut self, key: &str, error: Errno) {
        self.run.intake.folder_fault(self.source, key, error);
    }
}
