//! What a log promises, whichever backend keeps the promise.

use std::time::Duration;

use barid_record::Topic;
use bytes::Bytes;

use crate::LogError;

/// A named table of keyed state. One worker group owns a table; readers of other groups must not rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(pub &'static str);

/// A message as a reader sees it. Cloning is cheap: the bytes are shared with the whole block the message came in (about 1 MB), which
/// stays in memory as long as any of them is held. Copy what you keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The topic it was read from.
    pub topic: Topic,
    /// The partition (always 0 on the embedded log).
    pub partition: u32,
    /// Its place in the partition: 0, 1, 2, ... without gaps on the embedded log; may have gaps on Kafka.
    pub offset: u64,
    /// Milliseconds since the Unix epoch, given by the producer.
    pub timestamp_ms: i64,
    /// The key; empty when there is none.
    pub key: Bytes,
    /// Names and values, in the order they were written.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The payload.
    pub value: Bytes,
}

impl Message {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
    }

    /// The position just after this message.
    pub fn next(&self) -> Position {
        Position { topic: self.topic, partition: self.partition, next_offset: self.offset + 1 }
    }
}

/// A message to produce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: Topic,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// The key; empty when there is none. On Kafka it chooses the partition.
    pub key: Bytes,
    /// Names and values.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The payload.
    pub value: Bytes,
}

impl Outgoing {
    /// What counts against [`Worker::message_limit`], in bytes: key, headers and payload, with a little for each header.
    pub fn bytes(&self) -> usize {
        const HEADER_BYTES: usize = 6;
        const MESSAGE_BYTES: usize = 16;
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES).sum();
        self.key.len() + self.value.len() + headers + MESSAGE_BYTES
    }
}

/// How far a group has read: the offset of the next message it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// The next offset to read.
    pub next_offset: u64,
}

/// One change of keyed state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets a key.
    Put {
        /// The table.
        table: Table,
        /// The key.
        key: Bytes,
        /// The new value.
        value: Bytes,
    },
    /// Removes a key.
    Delete {
        /// The table.
        table: Table,
        /// The key.
        key: Bytes,
    },
}

/// One unit of work: all of it becomes durable, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// How far the worker has read, where that changed.
    pub consumed: Vec<Position>,
    /// Messages to append, in this order within a topic.
    pub produced: Vec<Outgoing>,
    /// State changes, applied in this order.
    pub state: Vec<Change>,
}

impl Unit {
    /// True when committing it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.consumed.is_empty() && self.produced.is_empty() && self.state.is_empty()
    }
}

/// Names a submitted unit. Units of one worker become durable in the order of their tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// How much one poll may return. At least one message is returned if there is one, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Most messages.
    pub messages: usize,
    /// Most payload bytes.
    pub bytes: usize,
}

/// What a poll returned: messages in offset order within each topic, topics in the order of the worker's `inputs`
/// (an earlier topic is drained before a later one is read: live before back-fill).
pub type Batch = Vec<Message>;

/// Who a worker is and what it touches.
///
/// State has one owner. A worker with tables is alone in its group: on Kafka, joining a group that has one means to stand by, with the state kept
/// warm, until the other is gone. Workers without tables share the partitions of their inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSpec {
    /// The consumer group: positions are kept under this name.
    pub group: String,
    /// Topics to read, most urgent first. Empty for a pure producer.
    pub inputs: Vec<Topic>,
    /// Tables it owns.
    pub tables: Vec<Table>,
}

/// One partition's extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicStatus {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: u32,
    /// Oldest offset still there.
    pub start_offset: u64,
    /// One past the newest durable offset.
    pub end_offset: u64,
    /// Bytes on disk; 0 where the backend does not tell.
    pub bytes: u64,
}

/// How far a group is behind on a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: Topic,
    /// Messages not yet covered by a durable commit.
    pub messages: u64,
}

/// What a log says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogStatus {
    /// Every partition of every topic that exists.
    pub topics: Vec<TopicStatus>,
    /// Every group and topic with a committed or registered position.
    pub lags: Vec<GroupLag>,
    /// True while commits wait because the disk is full.
    pub storage_full: bool,
    /// True while producers wait because retained data reached its limit and a group has not read it yet.
    pub back_pressure: bool,
}

/// A durable log with atomic units of work.
pub trait Log: Send + Sync {
    /// Joins a group. At most one live worker per group on the embedded log.
    fn worker(&self, spec: WorkerSpec) -> Result<Box<dyn Worker>, LogError>;

    /// Reads durable messages from `from` on, for inspection: no group, no position. An offset older than the retained ones starts at
    /// the oldest; one past the end returns nothing.
    fn read(&self, topic: Topic, partition: u32, from: u64, limit: Limit) -> Result<Vec<Message>, LogError>;

    /// One past the newest message of a partition that readers see.
    fn end(&self, topic: Topic, partition: u32) -> Result<u64, LogError>;

    /// Its extent and lags now.
    fn status(&self) -> Result<LogStatus, LogError>;
}

/// One member of a group, owned by one thread.
///
/// Two errors are part of a worker's life on Kafka. After [`LogError::Rewound`] it goes on: whatever was polled and is not durable comes again,
/// so drop it, and drop what was computed from it. After [`LogError::Lost`] it is no longer the owner of its group: drop the worker and join again.
/// Any call may return either.
pub trait Worker: Send {
    /// The next durable messages after those already polled, waiting at most `wait` for the first. Empty when there was none.
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError>;

    /// The value of a key, this worker's submitted changes included.
    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError>;

    /// Visits the keys with a prefix in byte order, this worker's submitted changes included.
    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError>;

    /// Hands over a unit. Returns when it is queued, which may wait (back-pressure, full disk); it is durable when [`Worker::wait`] says
    /// so. Several units may be in flight.
    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError>;

    /// Waits until that unit, and so every earlier one, is durable.
    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError>;

    /// The newest durable unit, if any is.
    fn durable(&self) -> Option<Ticket>;

    /// The next offset this group wants, by its durable commits and own submissions: 0 before its first, and for partitions of others.
    fn position(&self, topic: Topic, partition: u32) -> u64;

    /// While a partition is held, polls return nothing of it: for readers that must take another one first.
    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError>;

    /// The partitions of an input that this worker reads now, in order.
    fn partitions(&self, topic: Topic) -> Vec<u32>;

    /// Keeps the membership alive and tells of its loss. Call it every few seconds when neither polling nor submitting.
    fn tend(&mut self) -> Result<(), LogError>;

    /// Most bytes of key, headers and payload together in a message to that topic. Larger ones are refused as [`LogError::TooLarge`], and
    /// nothing of their unit is submitted.
    fn message_limit(&self, topic: Topic) -> usize;
}
