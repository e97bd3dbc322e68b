//! The embedded log: one process, one folder, no server.
//!
//! ```text
//! LOCK                               held while a process has the log open
//! topics/<name>/<base_offset>.seg    messages, in blocks
//! commits/<first_seq>.wal            the journal: one frame a group commit; what it says is what happened
//! state/                             keyed tables: a view of the journal
//! <seq>.ckpt                         up to which frame the view is complete on disk
//! ```
//!
//! A commit writes blocks, syncs them, writes one journal frame, syncs it. A crash leaves whole commits and, behind them, bytes that are
//! cut away at the next start.

mod append;
mod backup;
mod block;
mod checkpoint;
mod commit;
mod config;
mod cursor;
mod disk;
mod inspect;
mod journal;
mod links;
mod maintain;
mod metrics;
pub(crate) mod overlay;
mod positions;
mod reader;
mod recovery;
mod retain;
mod shared;
pub(crate) mod state;
mod topic;
mod verify;
mod wire;
mod worker;

use std::fs::File;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use barid_record::Topic;
use prometheus::Registry;

pub use backup::{Backup, Extra, Restored, backup, restore};
pub use config::{Codec, EmbeddedConfig, Required, Retention};
pub use inspect::{Inventory, SegmentStatus, TopicInventory, inventory};
pub use reader::EmbeddedReader;
pub use verify::{TopicVerified, Verified, verify};

use crate::api::{Limit, Log, LogStatus, Message, Worker, WorkerSpec};
use crate::{LogError, folder_lock};
use commit::Committer;
use cursor::{Cursor, Room};
use metrics::Metrics;
use recovery::Layout;
use shared::{Maintenance, Progress, Queue, Shared, lock};
use worker::{EmbeddedWorker, check_partition};

/// Where a test may kill the process (see [`crate::failpoint`]), in the order a unit meets them.
pub const FAILPOINTS: &[&str] = &[
    "log.append.before",
    "log.append.after",
    "log.commit.segments_synced",
    "log.commit.before_fsync",
    "log.commit.after_fsync",
    "log.commit.after_apply",
    "log.retention.middle",
    "log.checkpoint.before",
    "log.checkpoint.middle",
    "log.checkpoint.after",
    "log.recovery.middle",
];

/// The embedded log, open for writing. Dropping it drains what was submitted and takes a checkpoint.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    committer: Option<JoinHandle<Result<(), LogError>>>,
    maintainer: Option<JoinHandle<Result<(), LogError>>>,
    /// Held until the threads have ended.
    _lock: File,
}

impl Embedded {
    /// Opens or creates the log in `config.dir`, recovering what the last process left, and registers its metrics (`barid_log_*`).
    ///
    /// # Errors
    ///
    /// [`LogError::Locked`] when another process has it open; one of the `Damaged` errors when the files cannot be proven whole.
    pub fn open(config: EmbeddedConfig, registry: &Registry) -> Result<Self, LogError> {
        let metrics = Metrics::register(registry)?;
        disk::create_dir(&config.dir)?;
        let lock_file = folder_lock::take(&config.dir)?;
        let recovered = recovery::recover(&config)?;
        metrics.recovered_frames.inc_by(recovered.frames);
        metrics.state_bytes.set(recovered.state.disk_bytes() as i64);
        let mut positions = recovered.positions;
        for required in &config.required {
            positions.register(&required.group, required.topic);
        }
        let checkpointed_seq = recovered.journal.last_seq() - recovered.frames;
        let shared = Arc::new(Shared {
            layout: Layout::new(&config.dir),
            config,
            topics: recovered.topics,
            state: recovered.state,
            metrics,
            queue: Mutex::new(Queue::default()),
            work: Condvar::new(),
            room: Condvar::new(),
            progress: Mutex::new(Progress { positions, ..Progress::default() }),
            moved: Condvar::new(),
            maintenance: Mutex::new(Maintenance::default()),
            maintained: Condvar::new(),
            commits_full: AtomicBool::new(false),
            checkpoints_full: AtomicBool::new(false),
        });
        shared.report_extent();
        let committer = Committer::new(shared.clone(), recovered.journal, checkpointed_seq);
        let committer = start(&shared, "log-commit", move || committer.run())?;
        let maintained = shared.clone();
        let maintainer = start(&shared, "log-maintain", move || maintain::run(&maintained))?;
        Ok(Self { shared, committer: Some(committer), maintainer: Some(maintainer), _lock: lock_file })
    }

    /// Drains what was submitted, takes a checkpoint and closes. Units that are not durable then are not committed.
    ///
    /// # Errors
    ///
    /// What stopped the log, or that the disk was full.
    pub fn close(mut self) -> Result<(), LogError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), LogError> {
        lock(&self.shared.queue).closing = true;
        self.shared.notify_all();
        let committed = self.committer.take().map_or(Ok(Ok(())), JoinHandle::join);
        lock(&self.shared.maintenance).closing = true;
        self.shared.notify_all();
        if let Some(maintainer) = self.maintainer.take() {
            let _ = maintainer.join();
        }
        self.shared.end();
        committed.unwrap_or_else(|_| self.shared.check_running("close"))
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if self.committer.is_some()
            && let Err(error) = self.shut_down()
        {
            tracing::error!(%error, hint = error.hint(), "closing the log");
        }
    }
}

impl Log for Embedded {
    fn worker(&self, spec: WorkerSpec) -> Result<Box<dyn Worker>, LogError> {
        Ok(Box::new(EmbeddedWorker::join(self.shared.clone(), spec)?))
    }

    fn read(&self, topic: Topic, partition: u32, from: u64, limit: Limit) -> Result<Vec<Message>, LogError> {
        check_partition(topic, partition)?;
        let mut messages = Vec::new();
        Cursor::new(from).read(self.shared.topics.get(topic), &mut Room::new(limit), &mut messages)?;
        Ok(messages)
    }

    fn end(&self, topic: Topic, partition: u32) -> Result<u64, LogError> {
        check_partition(topic, partition)?;
        Ok(self.shared.topics.get(topic).view().end_offset)
    }

    fn status(&self) -> Result<LogStatus, LogError> {
        Ok(self.shared.status())
    }
}

/// Starts a thread whose failure, or panic, stops the log.
fn start<T: Send + 'static>(
    shared: &Arc<Shared>,
    name: &str,
    run: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<JoinHandle<Result<T, LogError>>, LogError> {
    let guard = StopOnPanic(shared.clone());
    let inherit = disk::faults::inherited();
    let body = move || {
        inherit();
        let outcome = run();
        if let Err(error) = &outcome {
            guard.0.stop(&error.to_string());
        }
        outcome
    };
    thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|source| LogError::Io {
        operation: "start",
        object: format!("thread {name}"),
        source,
    })
}

/// Nobody waits for a thread that has died.
struct StopOnPanic(Arc<Shared>);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop("a thread of the log panicked: this is a bug of the program");
        }
    }
}

#[cfg(test)]
mod fault_tests;
