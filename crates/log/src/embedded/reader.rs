//! Looking at a log beside the process that owns it: no lock, no write, no state.

use std::path::Path;
use std::thread;
use std::time::Duration;

use barid_record::Topic;

use super::cursor::{Cursor, Room};
use super::recovery::{self, Layout, Replay};
use super::shared::{group_lags, topic_statuses};
use super::topic::Topics;
use super::worker::check_partition;
use crate::LogError;
use crate::api::{Limit, Log, LogStatus, Message, Worker, WorkerSpec};

/// How often the files may change under the reader before it gives up.
const TRIES: u32 = 50;
/// How long it lets the owner work in between.
const PAUSE: Duration = Duration::from_millis(10);

/// A picture of a log at the moment of opening. What is committed later is not in it: open it again.
#[derive(Debug)]
pub struct EmbeddedReader {
    replay: Replay,
}

impl EmbeddedReader {
    /// Reads where topics and groups of the log in `dir` stand. Works while another process writes to it.
    ///
    /// # Errors
    ///
    /// One of the `Damaged` errors when the files cannot be proven whole; [`LogError::Io`] when there is no log.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let layout = Layout::new(dir);
        let look = || recovery::replay(&layout, &recovery::newest_checkpoint(&layout)?, &mut |_, _| Ok(()));
        let mut tries = 1;
        loop {
            match look() {
                Ok(replay) => return Ok(Self { replay }),
                // The owner may have taken a checkpoint and removed what was being read.
                Err(_) if tries < TRIES && layout.commits.is_dir() => thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
            tries += 1;
        }
    }

    /// Its topics.
    pub(crate) fn topics(&self) -> &Topics {
        &self.replay.topics
    }

    /// The number of the last commit in the picture.
    pub(crate) fn last_seq(&self) -> u64 {
        self.replay.tail.last_seq()
    }

    /// The offset that a group wants next of a topic; none before its first commit.
    pub fn position(&self, group: &str, topic: Topic) -> Option<u64> {
        self.replay.positions.get(group, topic)
    }
}

impl Log for EmbeddedReader {
    fn worker(&self, _spec: WorkerSpec) -> Result<Box<dyn Worker>, LogError> {
        Err(LogError::ReadOnly { operation: "join" })
    }

    fn read(&self, topic: Topic, partition: u32, from: u64, limit: Limit) -> Result<Vec<Message>, LogError> {
        check_partition(topic, partition)?;
        let mut messages = Vec::new();
        Cursor::new(from).read(self.replay.topics.get(topic), &mut Room::new(limit), &mut messages)?;
        Ok(messages)
    }

    fn end(&self, topic: Topic, partition: u32) -> Result<u64, LogError> {
        check_partition(topic, partition)?;
        Ok(self.replay.topics.get(topic).view().end_offset)
    }

    fn status(&self) -> Result<LogStatus, LogError> {
        Ok(LogStatus {
            topics: topic_statuses(&self.replay.topics),
            lags: group_lags(&self.replay.topics, &self.replay.positions),
            ..LogStatus::default()
        })
    }
}
