//! The writing end of a topic: owned by the committer, ahead of what readers see until the commit is durable.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::block::{self, Encoded};
use super::disk;
use super::topic::{Segment, TailBlock, TopicLog, segment_path};
use crate::LogError;

/// Where a block went: what the journal records of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) segment_base: u64,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) base_offset: u64,
    pub(crate) count: u32,
    pub(crate) newest_timestamp_ms: i64,
}

/// An end of a topic: which segment, how long it is, and the next offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    segment: Option<u64>,
    bytes: u64,
    next_offset: u64,
}

/// Appends blocks to the newest segment of one topic.
#[derive(Debug)]
pub(crate) struct Appender {
    dir: PathBuf,
    /// The segment being written, open.
    file: Option<(PathBuf, File)>,
    /// Where the next block goes.
    end: End,
    /// Where it went before the commit that is being written.
    committed: End,
    /// Segments finished or created by the commit that is being written, open until it is durable.
    dirty: Vec<(PathBuf, File)>,
    created: Vec<PathBuf>,
    placed: Vec<(Placed, TailBlock)>,
}

impl Appender {
    /// Continues a recovered topic.
    pub(crate) fn new(topic: &TopicLog) -> Self {
        let view = topic.view();
        let last = view.segments.back();
        let end = End {
            segment: last.map(|segment| segment.base_offset),
            bytes: last.map_or(0, |segment| segment.bytes),
            next_offset: view.end_offset,
        };
        Self {
            dir: topic.dir.clone(),
            file: None,
            end,
            committed: end,
            dirty: Vec::new(),
            created: Vec::new(),
            placed: Vec::new(),
        }
    }

    /// Writes a block after the others. It is neither durable nor visible yet.
    pub(crate) fn append(&mut self, block: &mut Encoded, segment_bytes: u64) -> Result<Placed, LogError> {
        let base_offset = self.end.next_offset;
        if self.end.segment.is_none() || self.end.bytes >= segment_bytes {
            self.roll(base_offset)?;
        }
        let segment_base = self.end.segment.unwrap_or(base_offset);
        block::seal(block, base_offset);
        let (path, file) = match &mut self.file {
            Some(open) => open,
            closed => {
                let path = segment_path(&self.dir, segment_base);
                closed.insert((path.clone(), disk::open(&path)?))
            }
        };
        disk::write(file, path, &block.bytes, self.end.bytes)?;
        let placed = Placed {
            segment_base,
            at: self.end.bytes,
            bytes: block.bytes.len() as u64,
            base_offset,
            count: block.count,
            newest_timestamp_ms: block.newest_timestamp_ms,
        };
        self.end.bytes += placed.bytes;
        self.end.next_offset += u64::from(block.count);
        self.placed.push((placed, TailBlock { base_offset, count: block.count, raw: block.raw.clone() }));
        Ok(placed)
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        for (path, file) in &self.dirty {
            disk::sync(file, path)?;
        }
        if !self.placed.is_empty()
            && let Some((path, file)) = &self.file
        {
            disk::sync(file, path)?;
        }
        if self.created.is_empty() { Ok(()) } else { disk::sync_dir(&self.dir) }
    }

    /// Shows readers what was appended: the commit is durable.
    pub(crate) fn publish(&mut self, topic: &TopicLog, tail_bytes: usize) {
        self.committed = self.end;
        self.dirty.clear();
        self.created.clear();
        if self.placed.is_empty() {
            return;
        }
        let mut view = topic.view_mut();
        for (placed, tail) in self.placed.drain(..) {
            note_block(&mut view.segments, &placed);
            view.push_tail(tail, tail_bytes);
        }
        view.end_offset = self.end.next_offset;
    }

    /// Takes back what was appended since the last commit: the disk is full.
    pub(crate) fn roll_back(&mut self) -> Result<(), LogError> {
        self.file = None;
        self.dirty.clear();
        self.placed.clear();
        self.end = self.committed;
        for path in self.created.drain(..) {
            disk::remove(&path)?;
        }
        // A write that failed half-way may have left bytes even when nothing was placed.
        if let Some(base) = self.committed.segment {
            let path = segment_path(&self.dir, base);
            disk::truncate(&disk::open(&path)?, &path, self.committed.bytes)?;
        }
        Ok(())
    }

    /// Closes the segment and starts the next one.
    fn roll(&mut self, base_offset: u64) -> Result<(), LogError> {
        disk::create_dir(&self.dir)?;
        let path = segment_path(&self.dir, base_offset);
        self.created.push(path.clone());
        let file = disk::create(&path)?;
        self.dirty.extend(self.file.replace((path, file)));
        self.end.segment = Some(base_offset);
        self.end.bytes = 0;
        Ok(())
    }
}

/// Enters a durable block into the list of segments.
pub(crate) fn note_block(segments: &mut VecDeque<Segment>, placed: &Placed) {
    if segments.back().is_none_or(|last| last.base_offset != placed.segment_base) {
        segments.push_back(Segment::new(placed.segment_base, 0, placed.newest_timestamp_ms));
    }
    if let Some(segment) = segments.back_mut() {
        segment.bytes = placed.at + placed.bytes;
        segment.newest_timestamp_ms = segment.newest_timestamp_ms.max(placed.newest_timestamp_ms);
        segment.note(placed.base_offset, placed.at);
    }
}

/// Cuts the segment to its durable length, if it is longer.
pub(crate) fn cut(path: &Path, bytes: u64) -> Result<u64, LogError> {
    let file = disk::open(path)?;
    let found = disk::len(&file, path)?;
    if found > bytes {
        disk::truncate(&file, path, bytes)?;
        disk::sync(&file, path)?;
    }
    Ok(found)
}
