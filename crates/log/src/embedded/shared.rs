//! What the threads of a log share: the queue of units, what has become durable, and who waits for what.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::block::Encoded;
use super::checkpoint::Checkpoint;
use super::config::EmbeddedConfig;
use super::metrics::Metrics;
use super::positions::Positions;
use super::recovery::Layout;
use super::state::StateStore;
use super::topic::Topics;
use crate::LogError;
use crate::api::{Change, GroupLag, LogStatus, Position, TopicStatus};

/// A submitted unit, encoded, waiting for the committer.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) group: Arc<str>,
    pub(crate) ticket: u64,
    /// The worker's newest durable ticket, raised when this unit is.
    pub(crate) durable: Arc<AtomicU64>,
    pub(crate) blocks: Vec<Encoded>,
    pub(crate) consumed: Vec<Position>,
    pub(crate) state: Vec<Change>,
    /// What it takes in memory, about.
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) units: VecDeque<Queued>,
    pub(crate) bytes: usize,
    pub(crate) submitted: u64,
    pub(crate) closing: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) positions: Positions,
    pub(crate) live_groups: BTreeSet<String>,
    /// Units made durable since the start.
    pub(crate) committed: u64,
    /// The failure that stopped the log.
    pub(crate) stopped: Option<String>,
}

/// The work of the maintenance thread.
#[derive(Debug, Default)]
pub(crate) struct Maintenance {
    pub(crate) job: Option<Checkpoint>,
    pub(crate) busy: bool,
    pub(crate) closing: bool,
}

/// Everything the threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: EmbeddedConfig,
    pub(crate) layout: Layout,
    pub(crate) topics: Topics,
    pub(crate) state: StateStore,
    pub(crate) metrics: Metrics,
    pub(crate) queue: Mutex<Queue>,
    /// Units are waiting, or the log closes.
    pub(crate) work: Condvar,
    /// There may be room for more units.
    pub(crate) room: Condvar,
    pub(crate) progress: Mutex<Progress>,
    /// Something became durable, or the log stopped.
    pub(crate) moved: Condvar,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) maintained: Condvar,
    /// Commits wait for space.
    pub(crate) commits_full: AtomicBool,
    /// Checkpoints wait for space.
    pub(crate) checkpoints_full: AtomicBool,
}

/// Locks, whoever panicked before: every critical section leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits, whoever panicked before.
pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Waits until notified or `deadline`.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Instant,
) -> MutexGuard<'a, T> {
    let left = deadline.saturating_duration_since(Instant::now());
    condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
}

impl Shared {
    /// An error when an earlier failure has stopped the log.
    pub(crate) fn check_running(&self, operation: &'static str) -> Result<(), LogError> {
        Self::running(&lock(&self.progress), operation)
    }

    /// The same, for those who hold the lock.
    pub(crate) fn running(progress: &Progress, operation: &'static str) -> Result<(), LogError> {
        match &progress.stopped {
            Some(cause) => Err(LogError::Stopped { operation, cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Stops the log: everyone who waits gets an error.
    pub(crate) fn stop(&self, cause: &str) {
        let mut progress = lock(&self.progress);
        if progress.stopped.is_none() {
            tracing::error!(cause, "the log has stopped: no unit is committed any more");
            progress.stopped = Some(cause.to_owned());
        }
        drop(progress);
        self.notify_all();
    }

    /// The log is closed: workers that outlive it get an error.
    pub(crate) fn end(&self) {
        lock(&self.progress).stopped.get_or_insert_with(|| "the log was closed".to_owned());
        self.notify_all();
    }

    /// Wakes everyone, each under its own lock so that nobody misses it.
    pub(crate) fn notify_all(&self) {
        drop(lock(&self.progress));
        self.moved.notify_all();
        drop(lock(&self.queue));
        self.room.notify_all();
        self.work.notify_all();
        drop(lock(&self.maintenance));
        self.maintained.notify_all();
    }

    /// Waits until every unit submitted so far is durable.
    pub(crate) fn barrier(&self, operation: &'static str) -> Result<(), LogError> {
        let submitted = lock(&self.queue).submitted;
        let mut progress = lock(&self.progress);
        while progress.committed < submitted {
            Self::running(&progress, operation)?;
            progress = wait(&self.moved, progress);
        }
        Ok(())
    }

    /// Runs `attempt` until it does not fail for lack of space, waiting longer each time. Gives up when the log closes, or its patience ends.
    pub(crate) fn with_space<T>(
        &self,
        waiting: &AtomicBool,
        mut attempt: impl FnMut() -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let mut pause = Duration::from_millis(20);
        let started = Instant::now();
        loop {
            match attempt() {
                Err(error @ LogError::StorageFull { .. }) => {
                    if !waiting.swap(true, Ordering::AcqRel) {
                        tracing::error!(%error, hint = error.hint(), "waiting for space");
                    }
                    self.metrics.storage_full.set(1);
                    let queue = lock(&self.queue);
                    let is_over = self.config.space_patience.is_some_and(|most| started.elapsed() >= most);
                    if queue.closing || is_over {
                        return Err(error);
                    }
                    drop(wait_until(&self.work, queue, Instant::now() + pause));
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                outcome => {
                    if waiting.swap(false, Ordering::AcqRel) {
                        tracing::info!("there is space again");
                    }
                    self.metrics.storage_full.set(i64::from(self.is_full()));
                    return outcome;
                }
            }
        }
    }

    /// True while something waits for space.
    pub(crate) fn is_full(&self) -> bool {
        self.commits_full.load(Ordering::Acquire) || self.checkpoints_full.load(Ordering::Acquire)
    }

    /// Sets the gauges of topics and groups.
    pub(crate) fn report_extent(&self) {
        let status = self.status();
        for topic in &status.topics {
            self.metrics.topic_bytes.with_label_values(&[topic.topic.name()]).set(topic.bytes as i64);
        }
        for lag in &status.lags {
            let labels = [lag.group.as_str(), lag.topic.name()];
            self.metrics.lag_messages.with_label_values(&labels).set(lag.messages as i64);
        }
    }

    /// What the log says of itself.
    pub(crate) fn status(&self) -> LogStatus {
        let positions = lock(&self.progress).positions.clone();
        LogStatus {
            topics: topic_statuses(&self.topics),
            lags: group_lags(&self.topics, &positions),
            storage_full: self.is_full(),
            back_pressure: self.topics.iter().any(|topic| topic.is_blocked()),
        }
    }
}

/// The extent of every topic that has a message.
pub(crate) fn topic_statuses(topics: &Topics) -> Vec<TopicStatus> {
    let status = |topic: &super::topic::TopicLog| {
        let view = topic.view();
        let (start_offset, end_offset, bytes) = (view.start_offset(), view.end_offset, view.bytes());
        (!view.segments.is_empty()).then_some(TopicStatus {
            topic: topic.topic,
            partition: 0,
            start_offset,
            end_offset,
            bytes,
        })
    };
    topics.iter().filter_map(status).collect()
}

/// How far each group is behind.
pub(crate) fn group_lags(topics: &Topics, positions: &Positions) -> Vec<GroupLag> {
    let lag = |(group, topic, next): (&str, _, u64)| {
        let view = topics.get(topic).view();
        let messages = view.end_offset.saturating_sub(next.max(view.start_offset()));
        GroupLag { group: group.to_owned(), topic, messages }
    };
    positions.iter().map(lag).collect()
}
