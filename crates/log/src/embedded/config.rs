//! The settings of the embedded log, with their units.

use std::path::PathBuf;
use std::time::Duration;

use barid_record::Topic;

/// How a block of messages is compressed. Blocks that do not shrink are stored as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// LZ4: the least processor time.
    Lz4,
    /// Zstandard at level 1: about a third smaller than LZ4, for about a third more processor time.
    Zstd,
}

/// A topic that may not lose what a group has not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: Topic,
}

/// How much of every topic is kept. Whole segments go, oldest first, and never above the position of a required group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Most bytes on disk a topic may have. When a required group has not read enough to get below it, producers wait.
    pub topic_bytes: u64,
    /// Messages are kept at least this long, measured by the log's own timestamps: a segment goes when the topic's newest timestamp is
    /// this much later than the segment's newest. `None` keeps them until `topic_bytes` is reached.
    pub age: Option<Duration>,
}

/// The settings of the embedded log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// The folder that holds everything. Created when missing.
    pub dir: PathBuf,
    /// Compression of messages.
    pub codec: Codec,
    /// Uncompressed bytes of messages at which a block is closed.
    pub block_bytes: usize,
    /// Bytes at which a topic segment is closed. Retention works in whole segments.
    pub segment_bytes: u64,
    /// Bytes of units, as they came and encoded, that may wait for the disk before `submit` blocks.
    pub queue_bytes: usize,
    /// Bytes of units, counted the same way, that one group commit takes at most: about three times what it writes.
    pub commit_bytes: usize,
    /// Uncompressed bytes of the newest blocks kept in memory for each topic, so that a reader close behind reads no disk.
    pub tail_bytes: usize,
    /// Bytes the state store may use to cache blocks.
    pub state_cache_bytes: u64,
    /// Bytes of state changes held in memory, in two halves: one being filled, one being written.
    pub state_buffer_bytes: u64,
    /// Bytes of journal after which a checkpoint is taken even if the state buffer is not full.
    pub journal_bytes: u64,
    /// What is kept of the topics.
    pub retention: Retention,
    /// Groups that must have read before messages may go.
    pub required: Vec<Required>,
    /// How long a full disk is waited for before the log stops. `None` waits as long as it takes.
    pub space_patience: Option<Duration>,
}

impl EmbeddedConfig {
    /// The defaults, on that folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), ..Self::default() }
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            dir: PathBuf::from("data"),
            codec: Codec::Lz4,
            block_bytes: 1 << 20,
            segment_bytes: 128 * MIB,
            queue_bytes: 24 << 20,
            commit_bytes: 16 << 20,
            tail_bytes: 8 << 20,
            state_cache_bytes: 32 * MIB,
            state_buffer_bytes: 32 * MIB,
            journal_bytes: 64 * MIB,
            retention: Retention { topic_bytes: 16 << 30, age: None },
            required: Vec::new(),
            space_patience: None,
        }
    }
}
