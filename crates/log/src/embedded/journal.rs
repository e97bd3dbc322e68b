//! The commit journal: one frame a group commit. A frame that is durable and whole is committed; everything else never happened.
//!
//! ```text
//! <first sequence number>.wal
//! file    magic u32 | version u32 | first_seq u64 | crc32c u32                     (little-endian, 20 bytes)
//! frame   magic u32 | length u32 | seq u64 | crc32c u32 of length, seq and payload  | payload
//! payload entries: a tag byte each, then varints and length-prefixed strings
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::append::Placed;
use super::disk;
use super::wire::{Reader, put_bytes, put_varint, u32_at, u64_at, unzigzag, zigzag};
use crate::LogError;

const FILE_MAGIC: u32 = u32::from_le_bytes(*b"brdJ");
const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"brdF");
const VERSION: u32 = 1;
/// Bytes of a file's and of a frame's header.
pub(crate) const HEADER_BYTES: usize = 20;
/// The extension of journal files.
pub(crate) const EXTENSION: &str = "wal";

/// One thing a frame says. Topics, groups and tables go by name, so that an older or newer program can tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A block belongs to a topic.
    Block { topic: Bytes, placed: Placed },
    /// A group wants this offset next.
    Position { group: Bytes, topic: Bytes, next_offset: u64 },
    /// A key has this value.
    Put { table: Bytes, key: Bytes, value: Bytes },
    /// A key has no value.
    Delete { table: Bytes, key: Bytes },
    /// The segments of a topic before this one are gone.
    Start { topic: Bytes, segment_base: u64 },
}

/// A frame being written.
#[derive(Debug)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    pub(crate) fn new() -> Self {
        Self(vec![0; HEADER_BYTES])
    }

    pub(crate) fn block(&mut self, topic: &str, placed: &Placed) {
        self.0.push(1);
        put_bytes(&mut self.0, topic.as_bytes());
        for number in
            [placed.segment_base, placed.at, placed.bytes, placed.base_offset, u64::from(placed.count)]
        {
            put_varint(&mut self.0, number);
        }
        put_varint(&mut self.0, zigzag(placed.newest_timestamp_ms));
    }

    pub(crate) fn position(&mut self, group: &str, topic: &str, next_offset: u64) {
        self.0.push(2);
        put_bytes(&mut self.0, group.as_bytes());
        put_bytes(&mut self.0, topic.as_bytes());
        put_varint(&mut self.0, next_offset);
    }

    pub(crate) fn put(&mut self, table: &str, key: &[u8], value: &[u8]) {
        self.0.push(3);
        put_bytes(&mut self.0, table.as_bytes());
        put_bytes(&mut self.0, key);
        put_bytes(&mut self.0, value);
    }

    pub(crate) fn delete(&mut self, table: &str, key: &[u8]) {
        self.0.push(4);
        put_bytes(&mut self.0, table.as_bytes());
        put_bytes(&mut self.0, key);
    }

    pub(crate) fn start(&mut self, topic: &str, segment_base: u64) {
        self.0.push(5);
        put_bytes(&mut self.0, topic.as_bytes());
        put_varint(&mut self.0, segment_base);
    }

    fn seal(&mut self, seq: u64) -> &[u8] {
        let length = (self.0.len() - HEADER_BYTES) as u32;
        self.0[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        self.0[4..8].copy_from_slice(&length.to_le_bytes());
        self.0[8..16].copy_from_slice(&seq.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&self.0[4..16]), &self.0[HEADER_BYTES..]);
        self.0[16..20].copy_from_slice(&crc.to_le_bytes());
        &self.0
    }
}

/// The entries of a frame's payload; `None` when they make no sense.
pub(crate) fn entries(payload: Bytes) -> Option<Vec<Entry>> {
    let mut reader = Reader::new(payload);
    let mut entries = Vec::new();
    while !reader.is_done() {
        entries.push(match reader.byte()? {
            1 => Entry::Block { topic: reader.bytes()?, placed: read_placed(&mut reader)? },
            2 => Entry::Position {
                group: reader.bytes()?,
                topic: reader.bytes()?,
                next_offset: reader.varint()?,
            },
            3 => Entry::Put { table: reader.bytes()?, key: reader.bytes()?, value: reader.bytes()? },
            4 => Entry::Delete { table: reader.bytes()?, key: reader.bytes()? },
            5 => Entry::Start { topic: reader.bytes()?, segment_base: reader.varint()? },
            _ => return None,
        });
    }
    Some(entries)
}

fn read_placed(reader: &mut Reader) -> Option<Placed> {
    Some(Placed {
        segment_base: reader.varint()?,
        at: reader.varint()?,
        bytes: reader.varint()?,
        base_offset: reader.varint()?,
        count: u32::try_from(reader.varint()?).ok()?,
        newest_timestamp_ms: unzigzag(reader.varint()?),
    })
}

/// The file whose first frame is `first_seq`.
pub(crate) fn path(dir: &Path, first_seq: u64) -> PathBuf {
    dir.join(format!("{first_seq:020}.{EXTENSION}"))
}

/// The writing end: owned by the committer.
#[derive(Debug)]
pub(crate) struct Journal {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    /// Where the next frame goes.
    at: u64,
    /// The number of the next frame.
    next_seq: u64,
}

impl Journal {
    /// Starts a new file whose first frame will be `next_seq`. It has its name only once it is whole and durable.
    pub(crate) fn create(dir: &Path, next_seq: u64) -> Result<Self, LogError> {
        let part = dir.join(format!("{next_seq}.{}", disk::PART));
        let path = path(dir, next_seq);
        let begin = || {
            let file = disk::create(&part)?;
            disk::write(&file, &part, &file_header(next_seq), 0)?;
            disk::sync(&file, &part)?;
            disk::rename(&part, &path)?;
            Ok(file)
        };
        let begun = begin();
        if begun.is_err() {
            disk::remove(&part)?;
        }
        Ok(Self { dir: dir.to_owned(), path, file: begun?, at: HEADER_BYTES as u64, next_seq })
    }

    /// Continues a recovered file after its last good frame: anything behind it is cut away.
    pub(crate) fn resume(dir: &Path, first_seq: u64, at: u64, next_seq: u64) -> Result<Self, LogError> {
        let path = path(dir, first_seq);
        let file = disk::open(&path)?;
        disk::truncate(&file, &path, at)?;
        disk::sync(&file, &path)?;
        Ok(Self { dir: dir.to_owned(), path, file, at, next_seq })
    }

    /// Makes a frame durable: this is the moment of commit. After an error the journal is as before.
    pub(crate) fn append(&mut self, frame: &mut Frame) -> Result<u64, LogError> {
        let seq = self.next_seq;
        let bytes = frame.seal(seq);
        let len = bytes.len() as u64;
        let written = disk::write(&self.file, &self.path, bytes, self.at);
        crate::failpoint("log.commit.before_fsync");
        if let Err(error) = written.and_then(|()| disk::sync(&self.file, &self.path)) {
            // Durably, before the blocks it names are taken back: a frame without its blocks would be a damaged log.
            disk::truncate(&self.file, &self.path, self.at)?;
            disk::sync(&self.file, &self.path)?;
            return Err(error);
        }
        crate::failpoint("log.commit.after_fsync");
        self.at += len;
        self.next_seq += 1;
        Ok(seq)
    }

    /// Bytes of the current file.
    pub(crate) fn bytes(&self) -> u64 {
        self.at
    }

    /// Continues in a new file, so that the older ones can go one day.
    pub(crate) fn roll(&mut self) -> Result<(), LogError> {
        *self = Self::create(&self.dir, self.next_seq)?;
        Ok(())
    }

    /// The number of the last frame.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }
}

fn file_header(first_seq: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0..4].copy_from_slice(&FILE_MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
    bytes[8..16].copy_from_slice(&first_seq.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the frames of one file, in order.
#[derive(Debug)]
pub(crate) struct Scan {
    path: PathBuf,
    file: File,
    len: u64,
    at: u64,
    next_seq: u64,
}

/// What a scan finds at its place.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole frame.
    Frame { seq: u64, payload: Bytes },
    /// The end of the file.
    End,
    /// No whole frame, and none behind it: what a crash leaves.
    Torn,
}

impl Scan {
    /// Opens a file whose header must be whole.
    pub(crate) fn open(dir: &Path, first_seq: u64) -> Result<Self, LogError> {
        let path = path(dir, first_seq);
        let file = disk::open_to_read(&path)?;
        let len = disk::len(&file, &path)?;
        if disk::read(&file, &path, 0, HEADER_BYTES)? != file_header(first_seq) {
            return Err(LogError::JournalDamaged {
                file: path,
                offset: 0,
                what: "the header of the journal file is damaged",
            });
        }
        Ok(Self { path, file, len, at: HEADER_BYTES as u64, next_seq: first_seq })
    }

    /// Where it stands: after the last frame it returned.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The number of the next frame.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The next frame.
    pub(crate) fn step(&mut self) -> Result<Step, LogError> {
        if self.at == self.len {
            return Ok(Step::End);
        }
        if let Some((seq, payload)) = self.frame_at(self.at)? {
            if seq != self.next_seq {
                return Err(self.damaged("a frame is missing before this one"));
            }
            self.at += (HEADER_BYTES + payload.len()) as u64;
            self.next_seq += 1;
            return Ok(Step::Frame { seq, payload });
        }
        if self.frame_behind()? {
            return Err(self.damaged("a frame is damaged although later ones are whole"));
        }
        Ok(Step::Torn)
    }

    /// What to say when the file is damaged where the scan stands.
    pub(crate) fn damaged(&self, what: &'static str) -> LogError {
        LogError::JournalDamaged { file: self.path.clone(), offset: self.at, what }
    }

    fn frame_at(&self, at: u64) -> Result<Option<(u64, Bytes)>, LogError> {
        let header = disk::read(&self.file, &self.path, at, HEADER_BYTES)?;
        let payload_at = at + HEADER_BYTES as u64;
        if header.len() < HEADER_BYTES || u32_at(&header, 0) != FRAME_MAGIC {
            return Ok(None);
        }
        let length = u64::from(u32_at(&header, 4));
        if length > self.len - payload_at.min(self.len) {
            return Ok(None);
        }
        let payload = disk::read(&self.file, &self.path, payload_at, length as usize)?;
        let whole = crc32c::crc32c_append(crc32c::crc32c(&header[4..16]), &payload) == u32_at(&header, 16);
        Ok(whole.then(|| (u64_at(&header, 8), payload.into())))
    }

    /// Is there a whole frame of this log anywhere behind the bad one? Then the bad one was committed once.
    fn frame_behind(&self) -> Result<bool, LogError> {
        let rest = disk::read(&self.file, &self.path, self.at, (self.len - self.at) as usize)?;
        let magic = FRAME_MAGIC.to_le_bytes();
        for (index, window) in rest.windows(4).enumerate().skip(1) {
            if window == magic
                && let Some((seq, _)) = self.frame_at(self.at + index as u64)?
                && seq > self.next_seq
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_comes_back() {
        let placed = Placed {
            segment_base: 5,
            at: 44,
            bytes: 900,
            base_offset: 9,
            count: 3,
            newest_timestamp_ms: -12,
        };
        let mut frame = Frame::new();
        frame.block("barid.raw", &placed);
        frame.position("stage", "barid.raw", 12);
        frame.put("index", b"key", b"value");
        frame.delete("index", b"");
        frame.start("barid.raw", 5);
        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
        let wanted = vec![
            Entry::Block { topic: text("barid.raw"), placed },
            Entry::Position { group: text("stage"), topic: text("barid.raw"), next_offset: 12 },
            Entry::Put { table: text("index"), key: text("key"), value: text("value") },
            Entry::Delete { table: text("index"), key: text("") },
            Entry::Start { topic: text("barid.raw"), segment_base: 5 },
        ];
        assert_eq!(entries(Bytes::copy_from_slice(&frame.0[HEADER_BYTES..])), Some(wanted));
    }
}
