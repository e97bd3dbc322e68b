//! The JSON Lines sink: one record a line, files rotated by size and age, each with records of one partition.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_log::{
    Control, Limit, LogError, Message, Position, Ticket, Unit, Wish, Worker, WorkerSpec, failpoint,
};
use barid_record::Topic;

use crate::finish::{Finished, Written, finisher};
use crate::lock::Locks;
use crate::name::Layout;
use crate::open::OpenFile;
use crate::partitions::Partition;
use crate::patient::Patience;
use crate::retain::{Keep, Retainer};
use crate::{Metrics, SinkError};

/// The consumer group of this sink.
pub const GROUP: &str = "sink.jsonl";

/// The worker that [`run`] wants: members share the partitions of [`Topic::Records`].
pub fn spec() -> WorkerSpec {
    WorkerSpec { group: GROUP.to_owned(), inputs: vec![Topic::Records], tables: Vec::new() }
}

/// The named crash points of this crate.
pub const FAILPOINTS: &[&str] =
    &["sink.write.after", "sink.rename.before", "sink.rename.after", "sink.ack.before"];

const POLL: Limit = Limit { messages: 4096, bytes: 4 << 20 };
const POLL_WAIT: Duration = Duration::from_millis(50);
/// Files that may wait for their fsync while the next one fills.
const FILES_IN_FLIGHT: usize = 2;
/// While waiting for the disk, the log hears of us this often.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// Where records go and how files are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlConfig {
    /// The folder. Made when missing. Every sink of a group writes to the same one, on a file system whose locks (`flock`) all of them see.
    pub dir: PathBuf,
    /// A file is finished once it holds this many bytes (before compression).
    pub rotate_bytes: u64,
    /// A file is finished once its first record is this old.
    pub rotate_after: Duration,
    /// zstd level of `.jsonl.zst` files; `None` writes plain `.jsonl`.
    pub zstd_level: Option<i32>,
    /// Whether each day has a folder.
    pub layout: Layout,
    /// Which files are kept.
    pub keep: Keep,
    /// How long a full disk is waited for before the sink fails. `None` waits as long as it takes.
    pub space_patience: Option<Duration>,
}

impl Default for JsonlConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("barid-data/records"),
            rotate_bytes: 64 << 20,
            rotate_after: Duration::from_secs(60),
            zstd_level: None,
            layout: Layout::Flat,
            keep: Keep::default(),
            space_patience: None,
        }
    }
}

/// What one run of the sink did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records made visible.
    pub records: u64,
    /// Their bytes, before compression.
    pub bytes: u64,
    /// Files made visible.
    pub files: u64,
}

/// Writes records until asked to end. With [`Wish::Drain`] every record there is becomes visible first; with [`Wish::Stop`] the files
/// in hand are finished as they are. `log_end` tells one past the newest durable offset of a partition of [`Topic::Records`].
///
/// # Errors
/// The file system's, the log's, or a folder that another log's records are in. After [`LogError::Rewound`] it goes on by itself; after
/// [`LogError::Lost`] and others that pass, a new worker and a new run go on.
pub fn run(
    config: &JsonlConfig,
    worker: Box<dyn Worker>,
    log_end: &dyn Fn(u32) -> Result<u64, LogError>,
    metrics: &Metrics,
    control: &Control,
) -> Result<Summary, SinkError> {
    let patience = Patience {
        control: control.clone(),
        storage_full: metrics.storage_full.clone(),
        most: config.space_patience,
    };
    let finishing = patience.clone();
    let finish = move |jobs: Receiver<Written>, done: SyncSender<Result<Finished, SinkError>>| {
        finisher(&config.dir, &finishing, metrics, &jobs, &done);
    };
    run_with(Around { config, log_end, metrics, patience }, worker, control, finish)
}

/// What a sink is told once.
pub(crate) struct Around<'a> {
    pub(crate) config: &'a JsonlConfig,
    pub(crate) log_end: &'a dyn Fn(u32) -> Result<u64, LogError>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) patience: Patience,
}

/// The same with another way to finish files, on a thread of its own.
pub(crate) fn run_with(
    around: Around<'_>,
    worker: Box<dyn Worker>,
    control: &Control,
    finish: impl FnOnce(Receiver<Written>, SyncSender<Result<Finished, SinkError>>) + Send,
) -> Result<Summary, SinkError> {
    let dir = &around.config.dir;
    std::fs::create_dir_all(dir).map_err(SinkError::io("making the folder", dir))?;
    // They outlive the finisher, however the run ends: nobody else writes while it does.
    let mut locks = Locks::default();
    std::thread::scope(|scope| {
        let (jobs, jobs_out) = sync_channel(FILES_IN_FLIGHT);
        let (done, done_out) = sync_channel(FILES_IN_FLIGHT + 2);
        scope.spawn(move || finish(jobs_out, done));
        let mut sink = Sink {
            around,
            worker,
            locks: &mut locks,
            partitions: BTreeMap::new(),
            jobs,
            done: done_out,
            in_flight: 0,
            finished: BTreeMap::new(),
            acknowledged: VecDeque::new(),
            retainer: Retainer::default(),
            summary: Summary::default(),
        };
        let ended = sink.run(control);
        sink.discard();
        ended.map(|()| sink.summary)
    })
}

pub(crate) struct Sink<'a> {
    pub(crate) around: Around<'a>,
    pub(crate) worker: Box<dyn Worker>,
    pub(crate) locks: &'a mut Locks,
    /// Those the log gave us.
    pub(crate) partitions: BTreeMap<u32, Partition>,
    jobs: SyncSender<Written>,
    done: Receiver<Result<Finished, SinkError>>,
    in_flight: usize,
    /// Where the finished files of each partition end, until the log is told.
    pub(crate) finished: BTreeMap<u32, u64>,
    /// What the log was told and is not known to be durable.
    pub(crate) acknowledged: VecDeque<(Ticket, BTreeMap<u32, u64>)>,
    /// Removes old files.
    pub(crate) retainer: Retainer,
    summary: Summary,
}

impl Sink<'_> {
    fn run(&mut self, control: &Control) -> Result<(), SinkError> {
        loop {
            let wish = control.wish();
            match self.turn(wish) {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(SinkError::Log(error)) if error.is_rewound() => {
                    self.rewind(&error)?;
                    if wish == Wish::Stop {
                        // What is finished and not acknowledged is found by the next owner of its partition.
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what there is; true when all is done that was wished.
    fn turn(&mut self, wish: Wish) -> Result<bool, SinkError> {
        let batch = if wish == Wish::Stop { Vec::new() } else { self.worker.poll(POLL, POLL_WAIT)? };
        let was_all_polled = self.meet()?;
        for message in batch.iter() {
            self.take(message)?;
        }
        let ending = wish == Wish::Stop || wish == Wish::Drain && batch.is_empty() && was_all_polled;
        let limit = if ending { Duration::ZERO } else { self.around.config.rotate_after };
        let is_old = |partition: &Partition| partition.open.as_ref().is_some_and(|open| open.age() >= limit);
        let old: Vec<u32> =
            self.partitions.iter().filter(|(_, it)| is_old(it)).map(|(number, _)| *number).collect();
        for number in old {
            self.rotate(number)?;
        }
        while ending && self.in_flight > 0 {
            self.receive_tending()?;
        }
        self.acknowledge()?;
        self.note_durable(self.worker.durable());
        let Around { config, metrics, .. } = &self.around;
        self.retainer.run_if_due(&config.dir, config.keep, metrics);
        if ending && let Some((ticket, _)) = self.acknowledged.back() {
            self.worker.wait(*ticket)?;
        }
        Ok(ending)
    }

    /// Writes a record, or keeps it until its partition's files are ours to write.
    pub(crate) fn take(&mut self, message: &Message) -> Result<(), SinkError> {
        // Of a partition that was given away meanwhile: its owner reads it.
        let Some(partition) = self.partitions.get_mut(&message.partition) else { return Ok(()) };
        if !partition.is_ours {
            partition.waiting.push(message.clone());
            return Ok(());
        }
        if message.offset < partition.next {
            return Ok(());
        }
        let open = match &mut partition.open {
            Some(open) => open,
            none => {
                let (config, patience) = (self.around.config, &self.around.patience);
                none.insert(OpenFile::create(config, patience, message.partition, partition.next)?)
            }
        };
        open.write(message)?;
        failpoint("sink.write.after");
        tracing::debug!(record_id = %String::from_utf8_lossy(&message.key), offset = message.offset, "written");
        partition.next = message.offset + 1;
        if open.bytes() >= self.around.config.rotate_bytes {
            self.rotate(message.partition)?;
        }
        Ok(())
    }

    /// Hands a partition's open file, if any, to the finisher.
    fn rotate(&mut self, number: u32) -> Result<(), SinkError> {
        let open = self.partitions.get_mut(&number).and_then(|partition| partition.open.take());
        let Some(open) = open else { return Ok(()) };
        let mut job = open.close(self.around.config)?;
        loop {
            match self.jobs.try_send(job) {
                Ok(()) => break self.in_flight += 1,
                Err(TrySendError::Full(back)) => {
                    job = back;
                    self.receive_tending()?;
                }
                // It ended with an error, which is waiting.
                Err(TrySendError::Disconnected(_)) => loop {
                    self.receive(TEND_EVERY)?;
                },
            }
        }
        while self.in_flight > 0 && self.receive(Duration::ZERO)? {}
        self.acknowledge()
    }

    /// Waits at most so long for a file to be finished; false when none was.
    fn receive(&mut self, wait: Duration) -> Result<bool, SinkError> {
        let Finished { file, records, bytes } = match self.done.recv_timeout(wait) {
            Ok(result) => result?,
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                let ended = std::io::Error::other("the thread that does so has ended");
                return Err(SinkError::io("finishing files in", &self.around.config.dir)(ended));
            }
        };
        self.in_flight -= 1;
        self.finished.insert(file.partition, file.last + 1);
        self.around.metrics.records.inc_by(records);
        self.around.metrics.bytes.inc_by(bytes);
        self.around.metrics.files.inc();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        self.around.metrics.last_commit.set(i64::try_from(now).unwrap_or(i64::MAX));
        self.summary.records += records;
        self.summary.bytes += bytes;
        self.summary.files += 1;
        Ok(true)
    }

    /// Waits for the next file to be finished, however long the disk takes.
    fn receive_tending(&mut self) -> Result<(), SinkError> {
        while !self.receive(TEND_EVERY)? {
            self.worker.tend()?;
        }
        Ok(())
    }

    /// Waits until nothing is on its way to the disk. The log's wish to rewind is not news any more where this is called.
    pub(crate) fn settle(&mut self) -> Result<(), SinkError> {
        while self.in_flight > 0 {
            match self.receive_tending() {
                Err(SinkError::Log(error)) if error.is_rewound() => {}
                received => received?,
            }
        }
        Ok(())
    }

    /// Commits the position behind every file that is durable.
    pub(crate) fn acknowledge(&mut self) -> Result<(), SinkError> {
        while self.in_flight > 0 && self.receive(Duration::ZERO)? {}
        if self.finished.is_empty() {
            return Ok(());
        }
        failpoint("sink.ack.before");
        let position = |(partition, next_offset): (&u32, &u64)| Position {
            topic: Topic::Records,
            partition: *partition,
            next_offset: *next_offset,
        };
        let consumed = self.finished.iter().map(position).collect();
        let ticket = self.worker.submit(Unit { consumed, ..Unit::default() })?;
        self.acknowledged.push_back((ticket, std::mem::take(&mut self.finished)));
        let durable = self.worker.durable();
        self.note_durable(durable);
        Ok(())
    }

    /// Files below what is durably acknowledged may go one day.
    fn note_durable(&mut self, durable: Option<Ticket>) {
        while let Some((_, positions)) =
            self.acknowledged.pop_front_if(|(ticket, _)| Some(*ticket) <= durable)
        {
            for (partition, next) in positions {
                self.retainer.note(partition, next);
            }
        }
    }

    /// Starts again where the log does: what is finished stays, what is open goes. Each partition that stays ours is recovered as after a
    /// crash, and what is not known to be acknowledged is acknowledged again: while no broker answers, the log cannot know it either.
    fn rewind(&mut self, error: &LogError) -> Result<(), SinkError> {
        tracing::info!(%error, "open files are dropped and written again");
        self.around.metrics.rewinds.inc();
        self.settle()?;
        self.discard();
        let durable = self.worker.durable();
        for (_, positions) in self.acknowledged.drain(..).filter(|(ticket, _)| Some(*ticket) > durable) {
            for (partition, next) in positions {
                let finished = self.finished.entry(partition).or_default();
                *finished = next.max(*finished);
            }
        }
        self.partitions.values_mut().for_each(Partition::forget);
        Ok(())
    }

    /// Drops what is not on its way to the finisher.
    fn discard(&mut self) {
        self.partitions
            .values_mut()
            .filter_map(|partition| partition.open.take())
            .for_each(OpenFile::discard);
    }
}
