//! A checkpoint: up to which frame the state store is complete on disk, and what topics and positions were then.
//!
//! `<seq>.ckpt` = magic u32 | version u32 | payload | crc32c u32. The two newest are kept: should the newest be damaged, the older one and
//! the journal behind it give the same log.

use std::fs;
use std::path::{Path, PathBuf};

use barid_record::Topic;
use bytes::Bytes;

use super::disk;
use super::positions::Positions;
use super::topic::{Segment, Topics};
use super::wire::{Reader, put_bytes, put_varint, u32_at, unzigzag, zigzag};
use crate::LogError;

const MAGIC: u32 = u32::from_le_bytes(*b"brdC");
const VERSION: u32 = 1;
/// The extension of checkpoint files.
pub(crate) const EXTENSION: &str = "ckpt";

/// The extent of a topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicExtent {
    pub(crate) topic: Topic,
    pub(crate) end_offset: u64,
    pub(crate) segments: Vec<Segment>,
}

/// Everything a checkpoint holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checkpoint {
    /// The last frame it covers; the journal goes on in the file of the next one.
    pub(crate) seq: u64,
    pub(crate) topics: Vec<TopicExtent>,
    pub(crate) positions: Positions,
}

impl Checkpoint {
    /// What is durable now, after the frame `seq`.
    pub(crate) fn take(seq: u64, topics: &Topics, positions: &Positions) -> Self {
        let extent = |topic: &super::topic::TopicLog| {
            let view = topic.view();
            TopicExtent {
                topic: topic.topic,
                end_offset: view.end_offset,
                segments: view.segments.iter().cloned().collect(),
            }
        };
        let topics = topics.iter().map(extent).filter(|extent| !extent.segments.is_empty()).collect();
        Self { seq, topics, positions: positions.clone() }
    }

    /// Writes it durably under its own name. On failure nothing is left behind.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), LogError> {
        let part = dir.join(format!("{}.{}", self.seq, disk::PART));
        let write = || {
            let file = disk::create(&part)?;
            disk::write(&file, &part, &self.encode(), 0)?;
            disk::sync(&file, &part)?;
            disk::rename(&part, &path(dir, self.seq))
        };
        let written = write();
        if written.is_err() {
            disk::remove(&part)?;
        }
        written
    }

    /// Reads one.
    pub(crate) fn read(dir: &Path, seq: u64) -> Result<Self, LogError> {
        let path = path(dir, seq);
        let bytes = fs::read(&path).map_err(|source| LogError::io("read", &path, source))?;
        Self::decode(seq, bytes.into()).ok_or(LogError::CheckpointDamaged {
            file: path,
            offset: 0,
            what: "the checkpoint does not match its checksum",
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 10);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&VERSION.to_le_bytes());
        put_varint(&mut out, self.seq);
        put_varint(&mut out, self.topics.len() as u64);
        for extent in &self.topics {
            put_bytes(&mut out, extent.topic.name().as_bytes());
            put_varint(&mut out, extent.end_offset);
            put_varint(&mut out, extent.segments.len() as u64);
            for segment in &extent.segments {
                put_varint(&mut out, segment.base_offset);
                put_varint(&mut out, segment.bytes);
                put_varint(&mut out, zigzag(segment.newest_timestamp_ms));
            }
        }
        put_varint(&mut out, self.positions.len() as u64);
        for (group, topic, next_offset) in self.positions.iter() {
            put_bytes(&mut out, group.as_bytes());
            put_bytes(&mut out, topic.name().as_bytes());
            put_varint(&mut out, next_offset);
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(seq: u64, bytes: Bytes) -> Option<Self> {
        let body = bytes.len().checked_sub(4).filter(|&body| body >= 8)?;
        let whole = u32_at(&bytes, body) == crc32c::crc32c(&bytes[..body]);
        if !whole || u32_at(&bytes, 0) != MAGIC || u32_at(&bytes, 4) != VERSION {
            return None;
        }
        let mut reader = Reader::new(bytes.slice(8..body));
        let mut checkpoint = Self { seq: reader.varint().filter(|&found| found == seq)?, ..Self::default() };
        for _ in 0..reader.varint()? {
            let topic = Topic::from_name(&reader.text()?)?;
            let end_offset = reader.varint()?;
            let mut segments = Vec::new();
            for _ in 0..reader.varint()? {
                segments.push(Segment::new(reader.varint()?, reader.varint()?, unzigzag(reader.varint()?)));
            }
            checkpoint.topics.push(TopicExtent { topic, end_offset, segments });
        }
        for _ in 0..reader.varint()? {
            let group = reader.text()?;
            let topic = Topic::from_name(&reader.text()?)?;
            checkpoint.positions.set(&group, topic, reader.varint()?);
        }
        reader.is_done().then_some(checkpoint)
    }
}

/// Puts checkpoints newer than the one recovered from aside: they are damaged, and must not count as one of those kept.
pub(crate) fn set_newer_aside(dir: &Path, used_seq: u64) -> Result<(), LogError> {
    for seq in disk::numbered(dir, EXTENSION)?.into_iter().filter(|&seq| seq > used_seq) {
        disk::rename(&path(dir, seq), &path(dir, seq).with_extension("damaged"))?;
    }
    Ok(())
}

/// The file of the checkpoint after frame `seq`.
pub(crate) fn path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:020}.{EXTENSION}"))
}
