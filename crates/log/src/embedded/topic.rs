//! A topic: segments of blocks on disk, what of them is durable, and the newest blocks still in memory.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use barid_record::Topic;
use bytes::Bytes;

/// A new entry of a segment's index every so many bytes.
const INDEX_STEP_BYTES: u64 = 128 << 10;

/// One segment file: the blocks from `base_offset` on.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) base_offset: u64,
    /// Durable bytes.
    pub(crate) bytes: u64,
    pub(crate) newest_timestamp_ms: i64,
    /// Some block offsets and where they are. Grows while the segment is written or searched.
    index: Arc<Mutex<BTreeMap<u64, u64>>>,
}

impl Segment {
    pub(crate) fn new(base_offset: u64, bytes: u64, newest_timestamp_ms: i64) -> Self {
        Self {
            base_offset,
            bytes,
            newest_timestamp_ms,
            index: Arc::new(Mutex::new(BTreeMap::from([(base_offset, 0)]))),
        }
    }

    /// Remembers where a block is, if none close before it is known.
    pub(crate) fn note(&self, offset: u64, at: u64) {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            index.range(..=offset).next_back().is_some_and(|(_, &before)| at < before + INDEX_STEP_BYTES);
        if !known {
            index.insert(offset, at);
        }
    }

    /// The nearest known block at or before `offset`: its offset and place.
    pub(crate) fn nearest(&self, offset: u64) -> (u64, u64) {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        index.range(..=offset).next_back().map_or((self.base_offset, 0), |(&offset, &at)| (offset, at))
    }
}

/// A durable block still in memory, uncompressed.
#[derive(Debug, Clone)]
pub(crate) struct TailBlock {
    pub(crate) base_offset: u64,
    pub(crate) count: u32,
    pub(crate) raw: Bytes,
}

/// What readers may see.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// Oldest first. Empty until the topic's first commit.
    pub(crate) segments: VecDeque<Segment>,
    /// One past the newest durable message.
    pub(crate) end_offset: u64,
    tail: VecDeque<TailBlock>,
    tail_bytes: usize,
}

impl View {
    /// The oldest offset there is.
    pub(crate) fn start_offset(&self) -> u64 {
        self.segments.front().map_or(self.end_offset, |segment| segment.base_offset)
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The segment that holds `offset`, which must not be before the start.
    pub(crate) fn segment_of(&self, offset: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.base_offset <= offset);
        self.segments.get(after.checked_sub(1)?)
    }

    /// The block in memory that holds `offset`.
    pub(crate) fn tail_block_of(&self, offset: u64) -> Option<&TailBlock> {
        let after = self.tail.partition_point(|block| block.base_offset <= offset);
        let block = self.tail.get(after.checked_sub(1)?)?;
        (offset < block.base_offset + u64::from(block.count)).then_some(block)
    }

    /// Remembers a block that has become durable, and forgets old ones beyond the budget.
    pub(crate) fn push_tail(&mut self, block: TailBlock, budget_bytes: usize) {
        self.tail_bytes += block.raw.len();
        self.tail.push_back(block);
        while self.tail_bytes > budget_bytes {
            let Some(oldest) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.raw.len();
        }
    }
}

/// A topic and its folder.
#[derive(Debug)]
pub(crate) struct TopicLog {
    pub(crate) topic: Topic,
    pub(crate) dir: PathBuf,
    /// True while it is at its limit and a required group has not read enough: producers wait.
    pub(crate) blocked: AtomicBool,
    view: RwLock<View>,
}

impl TopicLog {
    pub(crate) fn new(topic: Topic, topics_dir: &Path) -> Self {
        Self {
            topic,
            dir: topics_dir.join(topic.name()),
            blocked: AtomicBool::new(false),
            view: RwLock::default(),
        }
    }

    pub(crate) fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    pub(crate) fn segment_path(&self, base_offset: u64) -> PathBuf {
        segment_path(&self.dir, base_offset)
    }
}

/// The file of the segment that starts at `base_offset`.
pub(crate) fn segment_path(dir: &Path, base_offset: u64) -> PathBuf {
    dir.join(format!("{base_offset:020}.seg"))
}

/// Every topic of a log, by topic.
#[derive(Debug)]
pub(crate) struct Topics([TopicLog; Topic::ALL.len()]);

impl Topics {
    pub(crate) fn new(topics_dir: &Path) -> Self {
        Self(Topic::ALL.map(|topic| TopicLog::new(topic, topics_dir)))
    }

    pub(crate) fn get(&self, topic: Topic) -> &TopicLog {
        &self.0[topic as usize]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TopicLog> {
        self.0.iter()
    }
}
