//! One file's way in: is it new, is it complete, what does it say, is that news? Documents and checkpoints leave in one unit.

use std::collections::HashSet;
use std::os::fd::OwnedFd;

use barid_log::{Control, Wish, Worker, failpoint};
use barid_record::{Collector, Reason};
use rustix::fs::{AtFlags, fstat, statat};
use rustix::io::Errno;

use crate::checkpoint::{Checkpoint, FILES, files_prefix};
use crate::deliver::Delivery;
use crate::filter::Packing;
use crate::metrics::Metrics;
use crate::order::ORDER;
use crate::outbox::{Outbox, Sender};
use crate::read::{self, Reader, Reading};
use crate::source::{Source, sources};
use crate::stamp::{Familiar, GRAIN_MS, Known, PathId, Stamp};
use crate::walk::Found;
use crate::{Config, FilesConfig, Format, Phase, Progress, Summary, WatcherError};

/// What the run hears and says.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// Milliseconds since the Unix epoch.
    pub(crate) clock: &'a dyn Fn() -> i64,
    pub(crate) control: &'a Control,
    pub(crate) metrics: &'a Metrics,
    pub(crate) progress: &'a dyn Fn(Progress),
}

/// What is known about the writer of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Nothing: the file must have been left alone for the settling time, at most since then (milliseconds since the Unix epoch).
    Unknown {
        /// When this state of the file was first met.
        since_ms: i64,
    },
    /// It was seen writing and not closing the file.
    Open,
    /// It closed the file or renamed it into place, and it had not been heard of since, one clock tick later.
    Done {
        /// When that was heard, in milliseconds since the Unix epoch.
        closed_ms: i64,
    },
}

/// What came of looking at a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All that can be done until it changes.
    Done,
    /// It is not complete: look again at that time.
    Wait {
        /// Milliseconds since the Unix epoch.
        due_ms: i64,
        /// The file as it is now.
        stamp: Stamp,
    },
}

/// Where documents come in.
pub(crate) struct Intake<'a> {
    pub(crate) sources: Vec<Source>,
    pub(crate) around: Surroundings<'a>,
    pub(crate) phase: Phase,
    pub(crate) summary: Summary,
    pub(crate) outbox: Outbox,
    known: Known,
    pub(crate) reader: Reader,
    /// The files whose checkpoints are in the unit being gathered.
    gathered: HashSet<PathId>,
    /// Files and folders that could not be read the last time.
    pub(crate) failing: HashSet<PathId>,
}

/// The file being looked at.
#[derive(Clone, Copy)]
pub(crate) struct Current<'a> {
    pub(crate) source: usize,
    pub(crate) found: &'a Found<'a>,
    pub(crate) now_ms: i64,
    pub(crate) path: PathId,
    table_key: &'a [u8],
}

impl<'a> Intake<'a> {
    /// Loads what earlier runs have read.
    pub(crate) fn new(
        config: &Config,
        worker: Box<dyn Worker>,
        around: Surroundings<'a>,
    ) -> Result<Self, WatcherError> {
        let sources = sources(config, around.metrics)?;
        let sender = Sender {
            state: FILES,
            order: ORDER,
            writer: &config.writer,
            batch_documents: config.batch_documents,
            batch_bytes: config.batch_bytes,
            units_in_flight: config.units_in_flight,
            point: "watcher.submit.before",
        };
        let mut outbox = Outbox::new(worker, sender)?;
        let mut known = Known::default();
        for source in &sources {
            outbox.scan(&files_prefix(&source.config.id), &mut |table_key, value| {
                let path = PathId::of(table_key);
                match Checkpoint::from_bytes(value) {
                    Some(checkpoint) if source.is_done(&checkpoint) => known.done(path, &checkpoint.stamp),
                    Some(_) | None => known.unfinished(path),
                }
            })?;
        }
        Ok(Self {
            sources,
            around,
            phase: Phase::FirstScan,
            summary: Summary::default(),
            outbox,
            known,
            reader: Reader::default(),
            gathered: HashSet::new(),
            failing: HashSet::new(),
        })
    }

    pub(crate) fn now_ms(&self) -> i64 {
        (self.around.clock)()
    }

    /// Looks at a file and takes what is new in it.
    pub(crate) fn look(
        &mut self,
        source: usize,
        found: &Found<'_>,
        writer: Writer,
    ) -> Result<Outcome, WatcherError> {
        self.outbox.tend()?;
        self.summary.files_seen += 1;
        self.around.metrics.files_seen.inc();
        let mut table_key = files_prefix(&self.sources[source].config.id);
        table_key.extend_from_slice(found.key.as_bytes());
        let path = PathId::of(&table_key);
        let current = Current { source, found, path, table_key: &table_key, now_ms: self.now_ms() };
        match self.open_changed(&current) {
            Ok(None) => Ok(Outcome::Done),
            Ok(Some((file, stamp))) => self.take(&current, &file, stamp, writer),
            Err(error) => {
                self.fault(&current, error);
                Ok(Outcome::Done)
            }
        }
    }

    /// Opens the file unless it is as the checkpoint says. A known file is usually unchanged: ask before opening.
    fn open_changed(&mut self, current: &Current<'_>) -> Result<Option<(OwnedFd, Stamp)>, Errno> {
        let follow_links = self.sources[current.source].config.follow_symlinks;
        if self.known.has(current.path) {
            let flags = if follow_links { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
            let stamp = Stamp::of(&statat(current.found.folder, current.found.name, flags)?);
            if self.known.look(current.path, &stamp) == Familiar::Same {
                self.unchanged(current);
                return Ok(None);
            }
        }
        read::open(current.found, follow_links).map(Some)
    }

    fn take(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: Stamp,
        writer: Writer,
    ) -> Result<Outcome, WatcherError> {
        failpoint("watcher.discover.after");
        let due_ms = due_ms(&stamp, current.now_ms, &self.sources[current.source].config, writer);
        match &self.sources[current.source].config.format {
            Format::Text if current.now_ms < due_ms => Ok(Outcome::Wait { due_ms, stamp }),
            Format::Text => self.take_document(current, file, stamp),
            Format::JsonLines(fields) => {
                let fields = fields.clone();
                self.take_lines(current, file, stamp, due_ms, &fields)
            }
        }
    }

    /// One file, one document.
    fn take_document(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: Stamp,
    ) -> Result<Outcome, WatcherError> {
        let previous = self.checkpoint(current)?;
        let source = &self.sources[current.source];
        let (packing, _) = Packing::of(current.found.key);
        let reading = match self.reader.whole(file, &stamp, packing, &source.config) {
            Ok(reading) => reading,
            Err(error) => {
                self.fault(current, error);
                return Ok(Outcome::Done);
            }
        };
        failpoint("watcher.read.after");
        if let Some(changed) = changed_meanwhile(file, &stamp) {
            let due_ms = current.now_ms + source.config.settle_ms.max(GRAIN_MS);
            return Ok(Outcome::Wait { due_ms, stamp: changed });
        }
        let (Reading::Text { sha256, .. } | Reading::Refused { sha256, .. }) = reading;
        let limit_bytes = source.config.max_document_bytes;
        let too_large = matches!(reading, Reading::Refused { reason: Reason::TooLarge, .. });
        // What was too large is no news while it still is.
        let is_same =
            |previous: Checkpoint| previous.sha256 == sha256 && (too_large || !previous.may_fit(limit_bytes));
        if previous.is_some_and(is_same) {
            self.unchanged(current);
        } else {
            let delivery = Delivery::of_file(reading, sha256);
            if delivery.refused.is_some() {
                self.reader.shrink(KEPT_BUFFER_BYTES);
            }
            self.deliver(current, current.found.key, Collector::File, None, delivery);
        }
        let lines = Checkpoint::refused(too_large.then_some(limit_bytes));
        self.keep(current, &Checkpoint { stamp, complete: true, sha256, lines });
        self.flush_if_full()?;
        Ok(Outcome::Done)
    }
}

/// Memory for archives that is kept from one file to the next.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

impl Intake<'_> {
    /// What the last reading of the file left.
    pub(crate) fn checkpoint(&mut self, current: &Current<'_>) -> Result<Option<Checkpoint>, WatcherError> {
        if !self.known.has(current.path) {
            return Ok(None);
        }
        // What is still being gathered is not visible to a look-up.
        if self.gathered.contains(&current.path) {
            self.flush()?;
        }
        let value = self.outbox.get(current.table_key)?;
        Ok(value.and_then(|value| Checkpoint::from_bytes(&value)))
    }

    pub(crate) fn unchanged(&mut self, current: &Current<'_>) {
        self.failing.remove(&current.path);
        self.summary.unchanged += 1;
        self.around.metrics.unchanged.inc();
    }

    /// Puts the file's checkpoint into the unit, and into memory.
    pub(crate) fn keep(&mut self, current: &Current<'_>, checkpoint: &Checkpoint) {
        self.outbox.put(current.table_key, checkpoint.to_bytes());
        self.gathered.insert(current.path);
        if checkpoint.complete {
            self.known.done(current.path, &checkpoint.stamp);
        } else {
            self.known.unfinished(current.path);
        }
        self.failing.remove(&current.path);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    pub(crate) fn flush_if_full(&mut self) -> Result<(), WatcherError> {
        if self.outbox.is_full() { self.flush() } else { Ok(()) }
    }

    /// Hands over what was gathered.
    pub(crate) fn flush(&mut self) -> Result<(), WatcherError> {
        self.outbox.flush()?;
        self.gathered.clear();
        self.around.metrics.known_files.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
        (self.around.progress)(Progress { phase: self.phase, counts: self.summary });
        Ok(())
    }

    /// Hands over what was gathered and waits until all of it is durable.
    pub(crate) fn finish(&mut self) -> Result<(), WatcherError> {
        self.flush()?;
        self.outbox.wait()
    }

    pub(crate) fn wish(&self) -> Wish {
        self.around.control.wish()
    }
}

/// When a file counts as complete, in milliseconds since the Unix epoch. A modification time in the future says nothing: then it counts
/// from when this state of the file was first met.
fn due_ms(stamp: &Stamp, now_ms: i64, config: &FilesConfig, writer: Writer) -> i64 {
    let modified_ms = stamp.modified_ms();
    match writer {
        Writer::Unknown { since_ms } => modified_ms.min(since_ms) + config.settle_ms.max(GRAIN_MS),
        Writer::Open => modified_ms.min(now_ms) + config.open_limit_ms.max(config.settle_ms),
        Writer::Done { closed_ms } if modified_ms <= closed_ms && stamp.size > 0 => modified_ms + GRAIN_MS,
        // Written to again since, which is still to be heard; or being cut, which is told when it is done; or a time in the future.
        Writer::Done { closed_ms } => closed_ms + config.settle_ms.max(GRAIN_MS),
    }
}

/// The file's stamp, if that is no longer the one it was read under.
pub(crate) fn changed_meanwhile(file: &OwnedFd, stamp: &Stamp) -> Option<Stamp> {
    let now = fstat(file).ok().map(|stat| Stamp::of(&stat))?;
    (now != *stamp).then_some(now)
}
