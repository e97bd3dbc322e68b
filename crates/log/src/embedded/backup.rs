//! A copy of a log that can be opened elsewhere, taken while its owner writes.
//!
//! ```text
//! newest checkpoint noted -> segments, state, checkpoint, journal linked below .backup (in this order) -> copied at leisure -> replayed
//! ```
//! Links cost nothing and keep what retention and checkpoints remove meanwhile. Files only grow, so a later link holds all that an earlier one refers
//! to: the journal is linked after the state, and has every frame that the state has. What the copied journal says is committed is what the copy
//! is: segments are cut to it. The list of all files with their checksums is written last: a copy without it is none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use barid_record::Topic;

use super::checkpoint::{self, Checkpoint};
use super::links::{clear, link, link_segments, link_state};
use super::reader::EmbeddedReader;
use super::recovery::{self, Layout};
use super::topic::segment_path;
use super::{disk, journal};
use crate::{LogError, folder_lock};

/// The list of a copy's files.
const MANIFEST: &str = "BACKUP";
const FIRST_LINE: &str = "barid backup 1";
/// Where links are kept while they are copied.
const STAGING: &str = ".backup";
/// What else is copied.
const EXTRAS: &str = "extras";
/// How often the owner may remove what was about to be linked.
const TRIES: u32 = 20;

/// A further file for the copy: where it is, and its path below the copy's folder for such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The file.
    pub from: PathBuf,
    /// Such as `records/records-0-....jsonl`.
    pub name: PathBuf,
}

/// A copy that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backup {
    /// Files copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last commit in it.
    pub last_seq: u64,
    /// Messages in it, by topic.
    pub messages: BTreeMap<Topic, u64>,
}

/// A copy that was put back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files put back.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Extra files that had no place.
    pub left_out: u64,
}

/// Copies the log in `dir` to the folder `to`, which must be empty or not there. `extras` is asked, with a view of the copy, which further files belong
/// to it; one that has gone meanwhile is left out.
///
/// # Errors
/// Those of the file system; [`LogError::Locked`] while another copy is taken; damage of the log.
pub fn backup(
    dir: &Path,
    to: &Path,
    extras: &mut dyn FnMut(&EmbeddedReader) -> io::Result<Vec<Extra>>,
) -> Result<Backup, LogError> {
    let from = Layout::new(dir);
    must_be_empty(to)?;
    disk::create_dir(to)?;
    let staging = dir.join(STAGING);
    disk::create_dir(&staging)?;
    let lock = folder_lock::take(&staging)?;
    let copied = attempts(&from, &Layout::new(&staging), &Layout::new(to));
    let cleared = clear(&staging);
    drop(lock);
    let _ = fs::remove_dir_all(&staging);
    let mut manifest = copied?;
    cleared?;
    let reader = EmbeddedReader::open(to)?;
    let more = extras(&reader).map_err(|source| LogError::io("list further files for", to, source))?;
    for Extra { from, name } in more {
        let target = to.join(EXTRAS).join(&name);
        target.parent().map_or(Ok(()), disk::create_dir)?;
        match manifest.copy(&from, &target, &Path::new(EXTRAS).join(name), None) {
            Err(_) if !from.exists() => {}
            copied => copied?,
        }
    }
    let mut backup =
        Backup { files: manifest.lines.len() as u64, bytes: manifest.bytes, ..Backup::default() };
    backup.last_seq = reader.last_seq();
    for topic in Topic::ALL {
        let view = reader.topics().get(topic).view();
        if !view.segments.is_empty() {
            backup.messages.insert(topic, view.end_offset - view.start_offset());
        }
    }
    manifest.write(to)?;
    Ok(backup)
}

fn must_be_empty(dir: &Path) -> Result<(), LogError> {
    let refused = |what: &str| {
        LogError::io("copy to", dir, io::Error::new(io::ErrorKind::AlreadyExists, what.to_owned()))
    };
    let entry = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|source| LogError::io("list", dir, source))?.next(),
    };
    if entry.is_some() { Err(refused("the folder is not empty")) } else { Ok(()) }
}

fn attempts(from: &Layout, staging: &Layout, to: &Layout) -> Result<Manifest, LogError> {
    let mut tries = 1;
    loop {
        clear(&staging.root)?;
        clear(&to.root)?;
        match attempt(from, staging, to) {
            Err(error) if tries < TRIES && may_pass(&error) => tries += 1,
            outcome => return outcome,
        }
    }
}

/// The owner removed what was about to be linked, or was writing what was copied: the next try finds other files.
fn may_pass(error: &LogError) -> bool {
    let has_gone = matches!(error, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
    has_gone || matches!(error, LogError::JournalDamaged { .. } | LogError::SegmentDamaged { .. })
}

fn attempt(from: &Layout, staging: &Layout, to: &Layout) -> Result<Manifest, LogError> {
    let seq = disk::numbered(&from.root, checkpoint::EXTENSION)?.last().copied().unwrap_or_default();
    link_segments(from, staging)?;
    link_state(from, staging)?;
    if seq > 0 {
        link(&checkpoint::path(&from.root, seq), &checkpoint::path(&staging.root, seq))?;
        // A damaged one would make the copy worthless.
        Checkpoint::read(&staging.root, seq)?;
    }
    disk::create_dir(&staging.commits)?;
    for first in disk::numbered(&from.commits, journal::EXTENSION)?.into_iter().filter(|&first| first > seq) {
        link(&journal::path(&from.commits, first), &journal::path(&staging.commits, first))?;
    }
    let mut manifest = Manifest::default();
    for folder in ["", "commits", "state", "state/tables"] {
        let source = staging.root.join(folder);
        if folder == "commits" || source.is_dir() {
            disk::create_dir(&to.root.join(folder))?;
        }
        for path in disk::files(&source)?.into_iter().filter(|path| !path.ends_with(folder_lock::NAME)) {
            let name = Path::new(folder).join(path.file_name().unwrap_or_default());
            manifest.copy(&path, &to.root.join(&name), &name, None)?;
        }
    }
    // Which segments, and how much of each, the copied journal says.
    let copied = recovery::replay(to, &recovery::newest_checkpoint(to)?, &mut |_, _| Ok(()))?;
    link_segments(from, staging)?;
    for topic in copied.topics.iter() {
        for segment in &topic.view().segments {
            let name = Path::new("topics").join(topic.topic.name());
            let source = segment_path(&staging.root.join(&name), segment.base_offset);
            disk::create_dir(&to.root.join(&name))?;
            let target = topic.segment_path(segment.base_offset);
            let name = name.join(target.file_name().unwrap_or_default());
            manifest.copy(&source, &target, &name, Some(segment.bytes))?;
        }
    }
    Ok(manifest)
}

/// Puts the copy in `from` back as the log in `dir`, which must have none. `place` says where an extra file goes, if anywhere.
///
/// # Errors
/// [`LogError::Io`] where the copy is incomplete, a file does not hold what was copied, or there is a log already.
pub fn restore(
    from: &Path,
    dir: &Path,
    place: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Result<Restored, LogError> {
    let files = Manifest::read(from)?;
    let layout = Layout::new(dir);
    if layout.commits.exists() || layout.topics.exists() || layout.state.exists() {
        let what = "there is a log already: move it away first";
        return Err(LogError::io("restore to", dir, io::Error::new(io::ErrorKind::AlreadyExists, what)));
    }
    disk::create_dir(dir)?;
    let _lock = folder_lock::take(dir)?;
    // It becomes a log with the name of its journal, which it gets last.
    let staging = dir.join(".restore");
    if staging.is_dir() {
        clear(&staging)?;
    }
    let mut restored = Restored::default();
    for (name, expected) in &files {
        let target = match name.strip_prefix(EXTRAS) {
            Ok(extra) => match place(extra) {
                Some(target) => target,
                None => {
                    restored.left_out += 1;
                    continue;
                }
            },
            Err(_) => staging.join(name),
        };
        target.parent().map_or(Ok(()), disk::create_dir)?;
        let found = copy(&from.join(name), &target, None)?;
        if found != *expected {
            let what = "it does not hold what was copied";
            return Err(LogError::io(
                "restore",
                &from.join(name),
                io::Error::new(io::ErrorKind::InvalidData, what),
            ));
        }
        restored.files += 1;
        restored.bytes += found.bytes;
    }
    for name in ["topics", "state"] {
        if staging.join(name).is_dir() {
            disk::rename(&staging.join(name), &dir.join(name))?;
        }
    }
    for path in disk::files(&staging)? {
        disk::rename(&path, &dir.join(path.file_name().unwrap_or_default()))?;
    }
    disk::rename(&staging.join("commits"), &layout.commits)?;
    fs::remove_dir_all(&staging).map_err(|source| LogError::io("remove", &staging, source))?;
    disk::sync_dir(dir)?;
    Ok(restored)
}

/// Length and CRC-32C of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    crc: u32,
}

/// Copies at most `bytes` bytes, durably.
fn copy(from: &Path, to: &Path, bytes: Option<u64>) -> Result<Sum, LogError> {
    const STEP: usize = 1 << 20;
    let mut source = disk::open_to_read(from)?.take(bytes.unwrap_or(u64::MAX));
    let target = disk::create(to)?;
    let mut sum = Sum { bytes: 0, crc: 0 };
    let mut buffer = vec![0; STEP];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LogError::io("read", from, error)),
        };
        disk::write(&target, to, read, sum.bytes)?;
        sum.crc = crc32c::crc32c_append(sum.crc, read);
        sum.bytes += read.len() as u64;
    }
    if bytes.is_some_and(|bytes| bytes != sum.bytes) {
        let what = "the segment ends before what was committed";
        return Err(LogError::SegmentDamaged { file: from.to_owned(), offset: sum.bytes, what });
    }
    disk::sync(&target, to)?;
    Ok(sum)
}

/// The files of a copy, each with its sum.
#[derive(Debug, Default)]
struct Manifest {
    lines: BTreeMap<PathBuf, Sum>,
    bytes: u64,
}

impl Manifest {
    fn copy(&mut self, from: &Path, to: &Path, name: &Path, bytes: Option<u64>) -> Result<(), LogError> {
        let sum = copy(from, to, bytes)?;
        self.bytes += sum.bytes;
        self.lines.insert(name.to_owned(), sum);
        Ok(())
    }

    /// Makes the copy one.
    fn write(&self, to: &Path) -> Result<(), LogError> {
        let path = to.join(MANIFEST);
        let part = path.with_extension(disk::PART);
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(&part)?);
            writeln!(out, "{FIRST_LINE}")?;
            for (name, sum) in &self.lines {
                writeln!(out, "{:08x} {} {}", sum.crc, sum.bytes, name.display())?;
            }
            writeln!(out, "end {}", self.lines.len())?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        };
        write().map_err(|source| LogError::io("write", &part, source))?;
        for folder in self.lines.keys().filter_map(|name| name.parent()) {
            disk::sync_dir(&to.join(folder))?;
        }
        disk::rename(&part, &path)
    }

    fn read(from: &Path) -> Result<BTreeMap<PathBuf, Sum>, LogError> {
        let path = from.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|source| LogError::io("read", &path, source))?;
        let damaged = || {
            LogError::io(
                "read",
                &path,
                io::Error::new(io::ErrorKind::InvalidData, "this is no complete copy of a log"),
            )
        };
        let mut lines = text.lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(damaged());
        }
        let mut files = BTreeMap::new();
        for line in lines.by_ref().take_while(|line| !line.starts_with("end ")) {
            let (name, sum) = entry(line).ok_or_else(damaged)?;
            files.insert(name, sum);
        }
        let end = format!("end {}", files.len());
        if text.ends_with(&format!("\n{end}\n")) { Ok(files) } else { Err(damaged()) }
    }
}

/// A line of the list. No name may lead out of the copy.
fn entry(line: &str) -> Option<(PathBuf, Sum)> {
    let (crc, rest) = line.split_once(' ')?;
    let (bytes, name) = rest.split_once(' ')?;
    let name = PathBuf::from(name);
    let is_inside = name.components().all(|part| matches!(part, Component::Normal(_)));
    let sum = Sum { bytes: bytes.parse().ok()?, crc: u32::from_str_radix(crc, 16).ok()? };
    is_inside.then_some((name, sum))
}
