//! From the files of a log to the log: the newest good checkpoint, then every frame behind it, then the ends of the topics.
//!
//! Nothing is skipped: what cannot be proven whole stops the opening with an error that names file and offset.

use std::path::{Path, PathBuf};

use barid_record::Topic;
use bytes::Bytes;

use super::append::{cut, note_block};
use super::checkpoint::{self, Checkpoint};
use super::config::EmbeddedConfig;
use super::disk;
use super::journal::{self, Entry, Journal, Scan, Step};
use super::positions::Positions;
use super::state::StateStore;
use super::topic::{TopicLog, Topics, segment_path};
use crate::LogError;

/// The folders of a log.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) topics: PathBuf,
    pub(crate) commits: PathBuf,
    pub(crate) state: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            topics: root.join("topics"),
            commits: root.join("commits"),
            state: root.join("state"),
        }
    }
}

/// A log as it was at its last durable commit.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) topics: Topics,
    pub(crate) positions: Positions,
    pub(crate) state: StateStore,
    pub(crate) journal: Journal,
    /// Frames replayed.
    pub(crate) frames: u64,
}

/// Topics and positions while frames are replayed: what reading needs. The state store is only there when recovering for writing.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) topics: Topics,
    pub(crate) positions: Positions,
    pub(crate) frames: u64,
    /// The journal file that comes last, where its good frames end, and the number of the next one.
    pub(crate) tail: Tail,
}

/// Told of every frame, by number and entries.
type Visit<'a> = &'a mut dyn FnMut(u64, &[Entry]) -> Result<(), LogError>;

/// The end of the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    first_seq: u64,
    at: u64,
    next_seq: u64,
}

impl Tail {
    /// The number of the last frame.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq.saturating_sub(1)
    }
}

/// Opens everything in `config.dir`, creating what a new log needs.
pub(crate) fn recover(config: &EmbeddedConfig) -> Result<Recovered, LogError> {
    let layout = Layout::new(&config.dir);
    disk::create_dir(&layout.topics)?;
    disk::create_dir(&layout.commits)?;
    for dir in [&layout.root, &layout.commits] {
        remove_parts(dir)?;
    }
    begin_if_new(&layout)?;
    let mut checkpoint = newest_checkpoint(&layout)?;
    let state = open_state(config, &layout, &mut checkpoint)?;
    let half = config.state_buffer_bytes / 2;
    let replay = replay(&layout, &checkpoint, &mut |seq, entries| {
        for entry in entries {
            match entry {
                Entry::Put { table, key, value } => state.put(&name(table), key, value, seq),
                Entry::Delete { table, key } => state.delete(&name(table), key, seq),
                Entry::Block { .. } | Entry::Position { .. } | Entry::Start { .. } => {}
            }
        }
        if state.buffered_bytes() >= half {
            state.rotate(seq);
            state.flush()?;
        }
        Ok(())
    })?;
    crate::failpoint("log.recovery.middle");
    for topic in replay.topics.iter() {
        settle_topic(topic)?;
    }
    checkpoint::set_newer_aside(&layout.root, checkpoint.seq)?;
    let Tail { first_seq, at, next_seq } = replay.tail;
    let journal = Journal::resume(&layout.commits, first_seq, at, next_seq)?;
    Ok(Recovered {
        topics: replay.topics,
        positions: replay.positions,
        state,
        journal,
        frames: replay.frames,
    })
}

fn remove_parts(dir: &Path) -> Result<(), LogError> {
    for number in disk::numbered(dir, disk::PART)? {
        disk::remove(&dir.join(format!("{number}.{}", disk::PART)))?;
    }
    Ok(())
}

/// A folder without a journal is a new log, unless it holds messages.
fn begin_if_new(layout: &Layout) -> Result<(), LogError> {
    let journals = disk::numbered(&layout.commits, journal::EXTENSION)?;
    let checkpoints = disk::numbered(&layout.root, checkpoint::EXTENSION)?;
    match (journals.first(), checkpoints.last()) {
        (Some(_), _) => Ok(()),
        (None, None) if !any_segment(layout)? => Journal::create(&layout.commits, 1).map(|_| ()),
        (None, seq) => Err(LogError::JournalDamaged {
            file: journal::path(&layout.commits, seq.map_or(1, |seq| seq + 1)),
            offset: 0,
            what: "the journal file is missing",
        }),
    }
}

fn any_segment(layout: &Layout) -> Result<bool, LogError> {
    for topic in Topic::ALL {
        let dir = layout.topics.join(topic.name());
        if dir.is_dir() && !disk::numbered(&dir, "seg")?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The newest checkpoint that can be read and that the journal continues, or none when the journal reaches back to the beginning.
pub(crate) fn newest_checkpoint(layout: &Layout) -> Result<Checkpoint, LogError> {
    let mut first_failure = None;
    for &seq in disk::numbered(&layout.root, checkpoint::EXTENSION)?.iter().rev() {
        match Checkpoint::read(&layout.root, seq) {
            Ok(found) => return Ok(found),
            Err(error @ LogError::CheckpointDamaged { .. }) => {
                tracing::warn!(%error, "the checkpoint is damaged: trying an older one");
                first_failure.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if journal::path(&layout.commits, 1).exists() {
        return Ok(Checkpoint::default());
    }
    Err(first_failure.unwrap_or(LogError::JournalDamaged {
        file: journal::path(&layout.commits, 1),
        offset: 0,
        what: "the journal file is missing, and there is no checkpoint",
    }))
}

/// Opens the state store. One that is damaged or older than the checkpoint is rebuilt if the journal reaches back to its beginning.
fn open_state(
    config: &EmbeddedConfig,
    layout: &Layout,
    checkpoint: &mut Checkpoint,
) -> Result<StateStore, LogError> {
    let opened = StateStore::open(&layout.state, config.state_cache_bytes).and_then(|state| {
        let applied = state.applied()?;
        if applied >= checkpoint.seq {
            return Ok(state);
        }
        let what = format!("it ends at frame {applied}, the checkpoint needs {}", checkpoint.seq);
        Err(LogError::StateDamaged { operation: "open", dir: layout.state.clone(), what })
    });
    match opened {
        Err(error @ LogError::StateDamaged { .. }) if journal::path(&layout.commits, 1).exists() => {
            tracing::warn!(%error, "the state store is damaged: rebuilding it from the journal");
            let aside = layout.root.join("state.damaged");
            let moved = |source| LogError::io("move aside", &layout.state, source);
            if aside.exists() {
                std::fs::remove_dir_all(&aside).map_err(moved)?;
            }
            std::fs::rename(&layout.state, &aside).map_err(moved)?;
            *checkpoint = Checkpoint::default();
            StateStore::open(&layout.state, config.state_cache_bytes)
        }
        opened => opened,
    }
}

/// Replays every frame behind the checkpoint, in order and without a gap.
pub(crate) fn replay(layout: &Layout, checkpoint: &Checkpoint, visit: Visit<'_>) -> Result<Replay, LogError> {
    let topics = Topics::new(&layout.topics);
    for extent in &checkpoint.topics {
        let mut view = topics.get(extent.topic).view_mut();
        view.segments = extent.segments.iter().cloned().collect();
        view.end_offset = extent.end_offset;
    }
    let mut replay =
        Replay { topics, positions: checkpoint.positions.clone(), frames: 0, tail: Tail::default() };
    let first = checkpoint.seq + 1;
    let files = disk::numbered(&layout.commits, journal::EXTENSION)?;
    let missing = |seq| LogError::JournalDamaged {
        file: journal::path(&layout.commits, seq),
        offset: 0,
        what: "the journal file is missing",
    };
    let mut next_seq = first;
    let mut found = false;
    for (index, &file) in files.iter().enumerate().skip_while(|&(_, &file)| file < first) {
        if file != next_seq {
            return Err(missing(next_seq));
        }
        found = true;
        replay.tail = replay_file(layout, file, index + 1 == files.len(), &mut replay, visit)?;
        next_seq = replay.tail.next_seq;
    }
    if found { Ok(replay) } else { Err(missing(first)) }
}

fn replay_file(
    layout: &Layout,
    first_seq: u64,
    is_last: bool,
    replay: &mut Replay,
    visit: Visit<'_>,
) -> Result<Tail, LogError> {
    let mut scan = Scan::open(&layout.commits, first_seq)?;
    loop {
        match scan.step()? {
            Step::Frame { seq, payload } => {
                let entries = journal::entries(payload)
                    .ok_or_else(|| scan.damaged("a frame holds no entries of this version"))?;
                for entry in &entries {
                    apply(replay, entry)
                        .ok_or_else(|| scan.damaged("a frame names an unknown topic or a wrong offset"))?;
                }
                visit(seq, &entries)?;
                replay.frames += 1;
            }
            Step::Torn if !is_last => {
                return Err(scan.damaged("a frame is damaged although later ones are whole"));
            }
            Step::Torn | Step::End => break,
        }
    }
    Ok(Tail { first_seq, at: scan.at(), next_seq: scan.next_seq() })
}

/// Applies one entry to topics and positions; `None` when it does not fit.
fn apply(replay: &mut Replay, entry: &Entry) -> Option<()> {
    match entry {
        Entry::Block { topic, placed } => {
            let mut view = replay.topics.get(topic_named(topic)?).view_mut();
            if placed.base_offset != view.end_offset {
                return None;
            }
            note_block(&mut view.segments, placed);
            view.end_offset = placed.base_offset + u64::from(placed.count);
        }
        Entry::Position { group, topic, next_offset } => {
            replay.positions.set(&name(group), topic_named(topic)?, *next_offset);
        }
        Entry::Start { topic, segment_base } => {
            let mut view = replay.topics.get(topic_named(topic)?).view_mut();
            view.segments.retain(|segment| segment.base_offset >= *segment_base);
        }
        Entry::Put { .. } | Entry::Delete { .. } => {}
    }
    Some(())
}

/// Brings the files of a topic to what is committed: cuts what was never committed, refuses what is missing.
fn settle_topic(topic: &TopicLog) -> Result<(), LogError> {
    if !topic.dir.is_dir() {
        return match topic.view().segments.front() {
            Some(segment) => Err(missing_segment(topic, segment.base_offset)),
            None => Ok(()),
        };
    }
    let view = topic.view();
    let files = disk::numbered(&topic.dir, "seg")?;
    for &base in &files {
        if view.segments.iter().all(|segment| segment.base_offset != base) {
            tracing::info!(
                topic = topic.topic.name(),
                base,
                "removing a segment that was never committed or is retired"
            );
            disk::remove(&topic.segment_path(base))?;
        }
    }
    for segment in &view.segments {
        if files.binary_search(&segment.base_offset).is_err() {
            return Err(missing_segment(topic, segment.base_offset));
        }
        let path = segment_path(&topic.dir, segment.base_offset);
        let found = cut(&path, segment.bytes)?;
        if found < segment.bytes {
            return Err(LogError::SegmentDamaged {
                file: path,
                offset: found,
                what: "the segment ends before what was committed",
            });
        }
    }
    Ok(())
}

fn missing_segment(topic: &TopicLog, base: u64) -> LogError {
    LogError::SegmentDamaged { file: topic.segment_path(base), offset: 0, what: "the segment is missing" }
}

fn topic_named(bytes: &Bytes) -> Option<Topic> {
    Topic::from_name(std::str::from_utf8(bytes).ok()?)
}

fn name(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
