//! One file's way in: is it new, is it complete, what does it say, is that news? Documents and checkpoints leave in one unit.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use barid_log::{Control, Wish, Worker, failpoint};
use barid_record::{Collector, Reason};
use bytes::Bytes;
use rustix::fs::{AtFlags, fstat, statat};
use rustix::io::Errno;

use crate::checkpoint::{Checkpoint, FILES, More, files_prefix};
use crate::deliver::Delivery;
use crate::filter::Packing;
use crate::jsonl::Reel;
use crate::large::Large;
use crate::mend::Mend;
use crate::metrics::Metrics;
use crate::order::ORDER;
use crate::outbox::{Outbox, Sender};
use crate::read::{self, Reader, Reading};
use crate::sketch::Sketch;
use crate::source::{Source, sources};
use crate::stamp::{Familiar, GRAIN_MS, Known, PathId, Stamp};
use crate::texts::Text;
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
    /// It can be read, but the others have their turn first.
    Later,
}

/// When a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// As it is met.
    First,
    /// After all others.
    Last,
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
    /// What the unit being gathered changes: a look-up in the log does not see it yet.
    gathered: HashMap<Vec<u8>, Bytes>,
    /// Files of lines that are read in slices.
    pub(crate) reels: HashMap<PathId, Reel>,
    /// Files over the limit that are read in slices.
    pub(crate) large: HashMap<PathId, Large>,
    /// Absent in a run that only drains: there is no news that could wait.
    pub(crate) is_live: bool,
    /// Time spent with files that were not known as they are.
    pub(crate) reading: Duration,
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
    pub(crate) turn: Turn,
    table_key: &'a [u8],
}

impl<'a> Intake<'a> {
    /// Loads what earlier runs have read.
    pub(crate) fn new(
        config: &Config,
        worker: Box<dyn Worker>,
        around: Surroundings<'a>,
        is_live: bool,
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
        let mut earlier = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let prefix = files_prefix(&source.config.id);
            outbox.scan(&prefix, &mut |table_key, value| {
                let path = PathId::of(table_key);
                let checkpoint = Checkpoint::from_bytes(value);
                match checkpoint {
                    Some(checkpoint) => {
                        if source.is_done(&checkpoint) {
                            known.done(path, &checkpoint.stamp);
                        } else {
                            known.unfinished(path);
                        }
                        if checkpoint.more.is_of_earlier_form && source.config.format == Format::Text {
                            let key = String::from_utf8_lossy(&table_key[prefix.len()..]).into_owned();
                            earlier.push((index, key, checkpoint));
                        }
                    }
                    None => known.unfinished(path),
                }
            })?;
        }
        let mut intake = Self {
            sources,
            around,
            phase: Phase::FirstScan,
            summary: Summary::default(),
            outbox,
            known,
            reader: Reader::default(),
            gathered: HashMap::new(),
            reels: HashMap::new(),
            large: HashMap::new(),
            is_live,
            reading: Duration::ZERO,
            failing: HashSet::new(),
        };
        intake.take_over(earlier)?;
        Ok(intake)
    }

    /// Notes where the contents are that 0.1.0 read.
    fn take_over(&mut self, earlier: Vec<(usize, String, Checkpoint)>) -> Result<(), WatcherError> {
        for (source, path, checkpoint) in earlier {
            self.settle(source, &path, &checkpoint.sha256, &path)?;
            let mut table_key = files_prefix(&self.sources[source].config.id);
            table_key.extend_from_slice(path.as_bytes());
            self.set_state(&table_key, Checkpoint { more: More::default(), ..checkpoint }.to_bytes());
            self.flush_if_full()?;
        }
        Ok(())
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
        turn: Turn,
    ) -> Result<Outcome, WatcherError> {
        self.outbox.tend()?;
        self.summary.files_seen += 1;
        self.around.metrics.files_seen.inc();
        let mut table_key = files_prefix(&self.sources[source].config.id);
        table_key.extend_from_slice(found.key.as_bytes());
        let path = PathId::of(&table_key);
        let current = Current { source, found, path, turn, table_key: &table_key, now_ms: self.now_ms() };
        match self.open_changed(&current) {
            Ok(None) => Ok(Outcome::Done),
            Ok(Some((file, stamp))) => {
                let start = Instant::now();
                let outcome = self.take(&current, &file, stamp, writer);
                self.reading += start.elapsed();
                outcome
            }
            Err(error) => {
                self.reels.remove(&current.path);
                self.large.remove(&current.path);
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
        // Its article may have moved to a path that comes further on.
        if previous.is_some() && current.turn == Turn::First {
            return Ok(Outcome::Later);
        }
        let source = &self.sources[current.source];
        let limit_bytes = source.config.max_document_bytes;
        let (packing, _) = Packing::of(current.found.key);
        if stamp.size > limit_bytes as u64 {
            return self.take_large(current, file, stamp, previous);
        }
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
        let too_large = matches!(reading, Reading::Refused { reason: Reason::TooLarge, .. });
        if is_same(previous.as_ref(), &sha256, too_large, limit_bytes) {
            self.unchanged(current);
            let more = previous.map(|previous| previous.more).unwrap_or_default();
            return self.keep_document(current, stamp, sha256, too_large.then_some(limit_bytes), more);
        }
        let oddities = match reading {
            Reading::Text { tail_bytes, is_plain, .. } => (tail_bytes, is_plain),
            Reading::Refused { .. } => (0, false),
        };
        let delivery = Delivery::of_file(reading, sha256);
        if delivery.refused.is_some() {
            self.reader.shrink(KEPT_BUFFER_BYTES);
            return self.refuse_document(
                current,
                stamp,
                delivery,
                too_large.then_some(limit_bytes),
                previous,
            );
        }
        let text = self.text_of(current, &stamp, &sha256, &delivery.body, previous.as_ref())?;
        let more = More { sketch: Sketch::of(&delivery.body), ..More::default() };
        let key = match text {
            Text::Moved(key) => {
                self.moved(current);
                key
            }
            Text::News(key) => {
                self.count_packing(oddities.0, oddities.1);
                self.deliver(current, &key, Collector::File, None, delivery);
                key
            }
        };
        self.settle(current.source, current.found.key, &sha256, &key)?;
        let more = More { key: (key != current.found.key).then_some(key), ..more };
        self.keep_document(current, stamp, sha256, None, more)
    }

    /// Hands over a file that is no document. It stays what it was: the next reading may be good.
    pub(crate) fn refuse_document(
        &mut self,
        current: &Current<'_>,
        stamp: Stamp,
        delivery: Delivery,
        limit_bytes: Option<usize>,
        previous: Option<Checkpoint>,
    ) -> Result<Outcome, WatcherError> {
        let more = previous.map(|previous| previous.more).unwrap_or_default();
        let sha256 = delivery.sha256;
        let key = more.key.clone().unwrap_or_else(|| current.found.key.to_owned());
        self.deliver(current, &key, Collector::File, None, delivery);
        self.keep_document(current, stamp, sha256, limit_bytes, more)
    }

    /// Puts the checkpoint of a document into the unit.
    pub(crate) fn keep_document(
        &mut self,
        current: &Current<'_>,
        stamp: Stamp,
        sha256: [u8; 32],
        limit_bytes: Option<usize>,
        more: More,
    ) -> Result<Outcome, WatcherError> {
        let lines = Checkpoint::refused(limit_bytes);
        self.keep(current, &Checkpoint { stamp, complete: true, sha256, lines, more });
        self.flush_if_full()?;
        Ok(Outcome::Done)
    }
}

/// Whether a file says what its checkpoint says. What was too large is no news while it still is.
pub(crate) fn is_same(
    previous: Option<&Checkpoint>,
    sha256: &[u8; 32],
    too_large: bool,
    limit_bytes: usize,
) -> bool {
    previous.is_some_and(|previous| {
        previous.sha256 == *sha256 && !previous.more.is_moved && (too_large || !previous.may_fit(limit_bytes))
    })
}

/// Memory for archives that is kept from one file to the next.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

impl Intake<'_> {
    /// What the last reading of the file left.
    pub(crate) fn checkpoint(&mut self, current: &Current<'_>) -> Result<Option<Checkpoint>, WatcherError> {
        if !self.known.has(current.path) {
            return Ok(None);
        }
        let value = self.state(current.table_key)?;
        Ok(value.and_then(|value| Checkpoint::from_bytes(&value)))
    }

    /// The value of a key, what is being gathered included.
    pub(crate) fn state(&mut self, table_key: &[u8]) -> Result<Option<Bytes>, WatcherError> {
        match self.gathered.get(table_key) {
            Some(value) => Ok(Some(value.clone())),
            None => self.outbox.get(table_key),
        }
    }

    /// Sets a key, in the unit being gathered.
    pub(crate) fn set_state(&mut self, table_key: &[u8], value: Bytes) {
        self.outbox.put(table_key, value.clone());
        self.gathered.insert(table_key.to_vec(), value);
    }

    /// What is at a path must be looked at again.
    pub(crate) fn forget(&mut self, path: PathId) {
        self.known.unfinished(path);
    }

    /// Whether large files are read in slices.
    pub(crate) fn is_sliced(&self) -> bool {
        self.is_live && self.phase != Phase::Draining
    }

    pub(crate) fn unchanged(&mut self, current: &Current<'_>) {
        self.failing.remove(&current.path);
        self.summary.unchanged += 1;
        self.around.metrics.unchanged.inc();
    }

    /// An article is under another path than before, and the same.
    fn moved(&mut self, current: &Current<'_>) {
        self.unchanged(current);
        self.around.metrics.odd.moved.inc();
    }

    /// Counts something odd that was read all the same.
    pub(crate) fn count_mended(&self, fault: Mend) {
        self.around.metrics.odd.mended.with_label_values(&[fault.name()]).inc();
    }

    pub(crate) fn count_packing(&self, tail_bytes: u64, is_plain: bool) {
        if tail_bytes > 0 {
            self.count_mended(Mend::PackedTail);
            self.around.metrics.odd.tail_bytes.inc_by(tail_bytes);
        }
        if is_plain {
            self.count_mended(Mend::NotPacked);
        }
    }

    /// Puts the file's checkpoint into the unit, and into memory.
    pub(crate) fn keep(&mut self, current: &Current<'_>, checkpoint: &Checkpoint) {
        self.set_state(current.table_key, checkpoint.to_bytes());
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
