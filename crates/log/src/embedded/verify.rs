//! Every block, frame, checkpoint and table of a log, read and held against its checksum. Nothing is repaired and nothing is skipped in silence.
//!
//! A process may have the log open meanwhile: what its retention removes while it is read is no damage. The state store tidies its folder up when it is
//! opened, so links to its files are opened instead.

use std::fs;
use std::path::Path;

use barid_record::Topic;
use bytes::Bytes;

use super::block::{self, HEADER_BYTES, Header};
use super::checkpoint::{self, Checkpoint};
use super::journal::{self, Scan, Step};
use super::reader::EmbeddedReader;
use super::recovery::Layout;
use super::state::StateStore;
use super::topic::{Segment, segment_path};
use super::{disk, links};
use crate::LogError;

/// What [`verify`] read, and what it found damaged.
#[derive(Debug, Default)]
pub struct Verified {
    /// Topics with a segment.
    pub topics: Vec<TopicVerified>,
    /// Files of the commit journal.
    pub journal_files: u64,
    /// Whole frames in them.
    pub frames: u64,
    /// Bytes behind the last frame: what a crash left, cut away at the next start.
    pub uncommitted_bytes: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Entries of the state store; none where it was not read, since nothing may be written beside it.
    pub state_entries: Option<u64>,
    /// Every damage, with file and place.
    pub damages: Vec<LogError>,
}

/// What was read of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicVerified {
    /// The topic.
    pub topic: Topic,
    /// Its files.
    pub segments: u64,
    /// Whole blocks in them.
    pub blocks: u64,
    /// Messages in those.
    pub messages: u64,
    /// Bytes of the files that are committed.
    pub bytes: u64,
}

/// Reads the whole log in `dir`.
///
/// # Errors
/// Where it cannot be looked at, such as a folder without a log. Damage is no error: it is in [`Verified::damages`].
pub fn verify(dir: &Path) -> Result<Verified, LogError> {
    let layout = Layout::new(dir);
    if !layout.commits.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(LogError::io("open", &layout.commits, source));
    }
    let mut found = Verified::default();
    journals(&layout, &mut found)?;
    checkpoints(&layout, &mut found)?;
    match EmbeddedReader::open(dir) {
        Ok(reader) => {
            for topic in Topic::ALL {
                let view = reader.topics().get(topic).view();
                let segments: Vec<Segment> = view.segments.iter().cloned().collect();
                topic_with(&layout, topic, &segments, Some(view.end_offset), &mut found)?;
            }
        }
        Err(error) => {
            note(&mut found, error)?;
            // What belongs to the log is not known; what the files hold is.
            for topic in Topic::ALL {
                let segments = segments_of(&layout, topic)?;
                topic_with(&layout, topic, &segments, None, &mut found)?;
            }
        }
    }
    state(&layout, &mut found)?;
    Ok(found)
}

/// Notes a damage once; anything else ends the look.
fn note(found: &mut Verified, error: LogError) -> Result<(), LogError> {
    let is_damage = matches!(
        error,
        LogError::JournalDamaged { .. }
            | LogError::SegmentDamaged { .. }
            | LogError::CheckpointDamaged { .. }
            | LogError::StateDamaged { .. }
    );
    if !is_damage {
        return Err(error);
    }
    let said = error.to_string();
    if found.damages.iter().all(|known| known.to_string() != said) {
        found.damages.push(error);
    }
    Ok(())
}

fn journals(layout: &Layout, found: &mut Verified) -> Result<(), LogError> {
    let files = disk::numbered(&layout.commits, journal::EXTENSION)?;
    let mut next_seq = None;
    for (index, &first_seq) in files.iter().enumerate() {
        let path = journal::path(&layout.commits, first_seq);
        if next_seq.is_some_and(|next| next != first_seq) {
            let missing = journal::path(&layout.commits, next_seq.unwrap_or_default());
            note(
                found,
                LogError::JournalDamaged { file: missing, offset: 0, what: "the journal file is missing" },
            )?;
        }
        next_seq = None;
        let scanned = scan(layout, first_seq, index + 1 == files.len(), found);
        match scanned {
            Ok(next) => next_seq = next,
            // A checkpoint has removed it meanwhile.
            Err(_) if !path.exists() => continue,
            Err(error) => note(found, error)?,
        }
        found.journal_files += 1;
    }
    Ok(())
}

/// The number of the frame after the last one; none where the file ends in the middle of one.
fn scan(
    layout: &Layout,
    first_seq: u64,
    is_last: bool,
    found: &mut Verified,
) -> Result<Option<u64>, LogError> {
    let mut scan = Scan::open(&layout.commits, first_seq)?;
    loop {
        match scan.step()? {
            Step::Frame { payload, .. } => {
                if journal::entries(payload).is_none() {
                    return Err(scan.damaged("a frame holds no entries of this version"));
                }
                found.frames += 1;
            }
            Step::Torn if is_last => {
                let path = journal::path(&layout.commits, first_seq);
                found.uncommitted_bytes +=
                    path.metadata().map_or(0, |meta| meta.len().saturating_sub(scan.at()));
                return Ok(None);
            }
            Step::Torn => return Err(scan.damaged("a frame is damaged although later ones are whole")),
            Step::End => return Ok(Some(scan.next_seq())),
        }
    }
}

fn checkpoints(layout: &Layout, found: &mut Verified) -> Result<(), LogError> {
    for seq in disk::numbered(&layout.root, checkpoint::EXTENSION)? {
        match Checkpoint::read(&layout.root, seq) {
            Ok(_) => {}
            Err(_) if !checkpoint::path(&layout.root, seq).exists() => continue,
            Err(error) => note(found, error)?,
        }
        found.checkpoints += 1;
    }
    Ok(())
}

/// The files of a topic as they lie there.
fn segments_of(layout: &Layout, topic: Topic) -> Result<Vec<Segment>, LogError> {
    let dir = layout.topics.join(topic.name());
    let bases = disk::numbered(&dir, "seg")?.into_iter();
    Ok(bases
        .map(|base| {
            let bytes = segment_path(&dir, base).metadata().map_or(0, |meta| meta.len());
            Segment::new(base, bytes, 0)
        })
        .collect())
}

fn topic_with(
    layout: &Layout,
    topic: Topic,
    segments: &[Segment],
    end_offset: Option<u64>,
    found: &mut Verified,
) -> Result<(), LogError> {
    let dir = layout.topics.join(topic.name());
    let mut seen = TopicVerified { topic, segments: 0, blocks: 0, messages: 0, bytes: 0 };
    for (index, segment) in segments.iter().enumerate() {
        let end = segments.get(index + 1).map(|next| next.base_offset).or(end_offset);
        let path = segment_path(&dir, segment.base_offset);
        let mut damages = Vec::new();
        let read = blocks(&path, topic, segment, end, &mut seen, &mut damages);
        // Retention has taken it meanwhile: its start is elsewhere now.
        if (read.is_err() || !damages.is_empty()) && is_retired(&layout.root, topic, segment.base_offset) {
            continue;
        }
        for damage in damages {
            note(found, damage)?;
        }
        match read {
            Err(error) if !path.exists() => {
                let what = "the segment is missing";
                drop(error);
                note(found, LogError::SegmentDamaged { file: path, offset: 0, what })?;
            }
            read => read?,
        }
        seen.segments += 1;
        seen.bytes += segment.bytes;
    }
    if !segments.is_empty() {
        found.topics.push(seen);
    }
    Ok(())
}

fn is_retired(dir: &Path, topic: Topic, base: u64) -> bool {
    EmbeddedReader::open(dir).is_ok_and(|now| now.topics().get(topic).view().start_offset() > base)
}

/// Reads every block of a file. After a damaged one it goes on at the next that is whole.
fn blocks(
    path: &Path,
    topic: Topic,
    segment: &Segment,
    end_offset: Option<u64>,
    seen: &mut TopicVerified,
    damages: &mut Vec<LogError>,
) -> Result<(), LogError> {
    let file = disk::open_to_read(path)?;
    let damaged = |offset, what| LogError::SegmentDamaged { file: path.to_owned(), offset, what };
    let (mut at, mut next) = (0, Some(segment.base_offset));
    while at < segment.bytes {
        let header = match Header::read(&disk::read(&file, path, at, HEADER_BYTES)?) {
            Ok(header) if at + header.total_bytes() <= segment.bytes && header.count > 0 => header,
            refused => {
                damages.push(damaged(
                    at,
                    refused.err().unwrap_or("the block reaches beyond what was committed"),
                ));
                (at, next) = (next_block(&file, path, at + 1, segment.bytes)?, None);
                continue;
            }
        };
        if next.is_some_and(|next| next != header.base_offset) {
            damages.push(damaged(at, "the block has another offset than its place says"));
        }
        let payload = disk::read(&file, path, at + HEADER_BYTES as u64, header.stored_bytes as usize)?;
        let opened = header.open(Bytes::from(payload)).and_then(|raw| {
            let messages = block::messages(topic, header.base_offset, header.count, &raw);
            messages.map(|_| ()).ok_or("the messages of a block do not add up")
        });
        match opened {
            Ok(()) => {
                seen.blocks += 1;
                seen.messages += u64::from(header.count);
            }
            Err(what) => damages.push(damaged(at, what)),
        }
        (at, next) = (at + header.total_bytes(), Some(header.next_offset()));
    }
    if let (Some(next), Some(end)) = (next, end_offset)
        && next != end
    {
        damages.push(damaged(at, "messages are missing at the end of the segment"));
    }
    Ok(())
}

/// Where the next whole header is, or the end.
fn next_block(file: &std::fs::File, path: &Path, from: u64, end: u64) -> Result<u64, LogError> {
    const STEP: usize = 1 << 20;
    let mut at = from;
    while at < end {
        let bytes = disk::read(file, path, at, STEP + HEADER_BYTES)?;
        let last = bytes.len().saturating_sub(HEADER_BYTES);
        let whole =
            (0..last.min(STEP)).find(|&index| Header::read(&bytes[index..index + HEADER_BYTES]).is_ok());
        match whole {
            Some(index) => return Ok(at + index as u64),
            None if bytes.len() < STEP + HEADER_BYTES => return Ok(end),
            None => at += STEP as u64,
        }
    }
    Ok(end)
}

fn state(layout: &Layout, found: &mut Verified) -> Result<(), LogError> {
    if !layout.state.is_dir() {
        return Ok(());
    }
    // Noted before the links are made: the store is never behind it.
    let newest = disk::numbered(&layout.root, checkpoint::EXTENSION)?.last().copied().unwrap_or_default();
    let staging = Layout::new(&layout.root.join(format!(".verify-{}", std::process::id())));
    let counted = count(layout, &staging, newest);
    let _ = fs::remove_dir_all(&staging.root);
    match counted {
        Ok(count) => found.state_entries = Some(count),
        // A full disk, or one that nobody may write to.
        Err(LogError::Io { .. } | LogError::StorageFull { .. }) => {}
        Err(LogError::StateDamaged { operation, what, .. }) => {
            note(found, LogError::StateDamaged { operation, dir: layout.state.clone(), what })?;
        }
        Err(error) => note(found, error)?,
    }
    Ok(())
}

fn count(layout: &Layout, staging: &Layout, newest: u64) -> Result<u64, LogError> {
    const CACHE_BYTES: u64 = 4 << 20;
    links::link_state(layout, staging)?;
    let state = StateStore::open(&staging.state, CACHE_BYTES)?;
    let (count, applied) = (state.count()?, state.applied()?);
    if applied < newest {
        let what = format!("it ends at frame {applied}, the checkpoint needs {newest}");
        return Err(LogError::StateDamaged { operation: "open", dir: layout.state.clone(), what });
    }
    Ok(count)
}
