//! What lies in a log's folder: topics with their segments, the journal, checkpoints, how far groups have read.

use std::path::Path;

use super::recovery::Layout;
use super::{checkpoint, disk, journal, reader};
use crate::LogError;
use crate::api::{GroupLag, Log, TopicStatus};

/// A log's folder, as [`inventory`] found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Topics that hold a message or have held one.
    pub topics: Vec<TopicInventory>,
    /// How far groups are behind.
    pub lags: Vec<GroupLag>,
    /// Files of the commit journal.
    pub journal_files: u64,
    /// Their bytes.
    pub journal_bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Bytes of the state store.
    pub state_bytes: u64,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInventory {
    /// Its extent.
    pub status: TopicStatus,
    /// Its segments, oldest first.
    pub segments: Vec<SegmentStatus>,
}

/// One file of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentStatus {
    /// The offset of its first message.
    pub base_offset: u64,
    /// Committed bytes.
    pub bytes: u64,
    /// The newest timestamp in it, in milliseconds since the Unix epoch.
    pub newest_timestamp_ms: i64,
}

/// Looks at the log in `dir`, whether or not a process has it open.
///
/// # Errors
/// Those of [`super::EmbeddedReader::open`].
pub fn inventory(dir: &Path) -> Result<Inventory, LogError> {
    let reader = reader::EmbeddedReader::open(dir)?;
    let layout = Layout::new(dir);
    let status = reader.status()?;
    let topics = status.topics.into_iter().map(|status| {
        let view = reader.topics().get(status.topic).view();
        let segment = |segment: &super::topic::Segment| SegmentStatus {
            base_offset: segment.base_offset,
            bytes: segment.bytes,
            newest_timestamp_ms: segment.newest_timestamp_ms,
        };
        TopicInventory { status, segments: view.segments.iter().map(segment).collect() }
    });
    let journals = disk::numbered(&layout.commits, journal::EXTENSION)?;
    let journal_paths = journals.iter().map(|&first| journal::path(&layout.commits, first));
    Ok(Inventory {
        topics: topics.collect(),
        lags: status.lags,
        journal_bytes: journal_paths.map(|path| bytes_of(&path)).sum(),
        journal_files: journals.len() as u64,
        checkpoints: disk::numbered(&layout.root, checkpoint::EXTENSION)?.len() as u64,
        state_bytes: bytes_below(&layout.state)?,
    })
}

/// Bytes of a file; one that has just gone has none.
fn bytes_of(path: &Path) -> u64 {
    path.metadata().map_or(0, |meta| meta.len())
}

fn bytes_below(dir: &Path) -> Result<u64, LogError> {
    let tables = disk::files(&dir.join("tables"))?;
    Ok(disk::files(dir)?.iter().chain(&tables).map(|path| bytes_of(path)).sum())
}
