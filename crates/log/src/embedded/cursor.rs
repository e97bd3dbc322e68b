//! The reading end of a topic: messages in offset order, from memory when they are new, from disk otherwise.

use std::fs::File;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use bytes::Bytes;

use super::block::{self, HEADER_BYTES, Header};
use super::disk;
use super::topic::{Segment, TailBlock, TopicLog};
use crate::LogError;
use crate::api::{Limit, Message};

/// Reads one topic from an offset on.
#[derive(Debug)]
pub(crate) struct Cursor {
    next_offset: u64,
    ready: Peekable<IntoIter<Message>>,
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    base_offset: u64,
    path: PathBuf,
    file: File,
    /// Where the block with `offset` begins.
    at: u64,
    offset: u64,
}

/// What is left of a [`Limit`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    messages: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    pub(crate) fn new(limit: Limit) -> Self {
        Self { messages: limit.messages.max(1), bytes: limit.bytes, empty: true }
    }

    /// True when nothing more fits.
    pub(crate) fn is_full(self) -> bool {
        self.messages == 0 || (self.bytes == 0 && !self.empty)
    }

    /// Takes the room a message needs; the first one always fits.
    fn take(&mut self, message: &Message) -> bool {
        if self.messages == 0 || (!self.empty && message.value.len() > self.bytes) {
            self.messages = 0;
            return false;
        }
        self.empty = false;
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(message.value.len());
        true
    }
}

impl Cursor {
    pub(crate) fn new(next_offset: u64) -> Self {
        Self { next_offset, ready: Vec::new().into_iter().peekable(), open: None }
    }

    /// The next offset it will return.
    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Appends what there is and what fits. Returns false when it stopped for lack of room.
    pub(crate) fn read(
        &mut self,
        topic: &TopicLog,
        room: &mut Room,
        out: &mut Vec<Message>,
    ) -> Result<bool, LogError> {
        loop {
            while let Some(message) = self.ready.next_if(|message| room.take(message)) {
                self.next_offset = message.offset + 1;
                out.push(message);
            }
            if self.ready.peek().is_some() || room.is_full() {
                return Ok(false);
            }
            if !self.fill(topic)? {
                return Ok(true);
            }
        }
    }

    /// Opens the block that holds the next message; false when it is not durable yet.
    fn fill(&mut self, topic: &TopicLog) -> Result<bool, LogError> {
        let Some(found) = self.find(topic) else { return Ok(false) };
        let (place, block) = match found {
            Found::InMemory(block) => (topic.dir.clone(), block),
            Found::OnDisk(segment) => match self.load(topic, &segment) {
                // Retention took the segment while it was being looked for: the start has moved.
                Err(_) if topic.view().start_offset() > self.next_offset => return self.fill(topic),
                loaded => loaded?,
            },
        };
        let messages = block::messages(topic.topic, block.base_offset, block.count, &block.raw);
        let what = "the messages of a block do not add up";
        let messages = messages.ok_or(LogError::SegmentDamaged { file: place, offset: 0, what })?;
        let skip = (self.next_offset - block.base_offset) as usize;
        let mut ready = messages.into_iter();
        if skip > 0 {
            ready.nth(skip - 1);
        }
        self.ready = ready.peekable();
        Ok(true)
    }

    fn find(&mut self, topic: &TopicLog) -> Option<Found> {
        let view = topic.view();
        if self.next_offset >= view.end_offset {
            return None;
        }
        let start = view.start_offset();
        if self.next_offset < start {
            let (asked, topic) = (self.next_offset, topic.topic.name());
            tracing::warn!(topic, asked, start, "the offset is no longer kept: reading starts at the oldest");
            self.next_offset = start;
        }
        if let Some(block) = view.tail_block_of(self.next_offset) {
            return Some(Found::InMemory(block.clone()));
        }
        view.segment_of(self.next_offset).cloned().map(Found::OnDisk)
    }

    fn load(&mut self, topic: &TopicLog, segment: &Segment) -> Result<(PathBuf, TailBlock), LogError> {
        let wanted = self.next_offset;
        let usable =
            self.open.take().filter(|open| open.base_offset == segment.base_offset && open.offset <= wanted);
        let mut open = match usable {
            Some(open) => open,
            None => OpenSegment::new(topic, segment, wanted)?,
        };
        if open.offset < segment.nearest(wanted).0 {
            (open.offset, open.at) = segment.nearest(wanted);
        }
        loop {
            let header = open.header(segment)?;
            if wanted < header.next_offset() {
                let payload = disk::read(
                    &open.file,
                    &open.path,
                    open.at + HEADER_BYTES as u64,
                    header.stored_bytes as usize,
                )?;
                let raw =
                    header.open(Bytes::from(payload)).map_err(|what| damaged(&open.path, open.at, what))?;
                let path = open.path.clone();
                open.skip(&header);
                self.open = Some(open);
                return Ok((path, TailBlock { base_offset: header.base_offset, count: header.count, raw }));
            }
            segment.note(open.offset, open.at);
            open.skip(&header);
        }
    }
}

enum Found {
    InMemory(TailBlock),
    OnDisk(Segment),
}

impl OpenSegment {
    fn new(topic: &TopicLog, segment: &Segment, wanted: u64) -> Result<Self, LogError> {
        let path = topic.segment_path(segment.base_offset);
        let file = disk::open_to_read(&path)?;
        let (offset, at) = segment.nearest(wanted);
        Ok(Self { base_offset: segment.base_offset, path, file, at, offset })
    }

    fn header(&self, segment: &Segment) -> Result<Header, LogError> {
        let damaged = |what| damaged(&self.path, self.at, what);
        let header =
            Header::read(&disk::read(&self.file, &self.path, self.at, HEADER_BYTES)?).map_err(damaged)?;
        if header.base_offset != self.offset {
            return Err(damaged("the block has another offset than its place says"));
        }
        if self.at + header.total_bytes() > segment.bytes || header.count == 0 {
            return Err(damaged("the block reaches beyond what was committed"));
        }
        Ok(header)
    }

    fn skip(&mut self, header: &Header) {
        self.at += header.total_bytes();
        self.offset = header.next_offset();
    }
}

fn damaged(path: &Path, offset: u64, what: &'static str) -> LogError {
    LogError::SegmentDamaged { file: path.to_owned(), offset, what }
}
