//! How far a file was read, as kept in the log's table in the same commit as the documents it gave.

use barid_log::Table;
use bytes::Bytes;

use crate::stamp::Stamp;

/// The table of checkpoints. Keys: `<source id> NUL f <document key>` for files, `<source id> NUL l <16 bytes>` for the lines of
/// JSON Lines files.
pub const FILES: Table = Table("watcher.files");

/// How far a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// The file as it was when it was read.
    pub(crate) stamp: Stamp,
    /// False when it was not read to its end.
    pub(crate) complete: bool,
    /// SHA-256 of what it gave: its text, unpacked; the input as it is where that was rejected.
    /// For JSON Lines, of the head and tail of the lines read so far.
    pub(crate) sha256: [u8; 32],
    /// JSON Lines only, but for what [`Checkpoint::refused`] puts there.
    pub(crate) lines: Lines,
}

/// How far a JSON Lines file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// Bytes read, unpacked: where the next line begins.
    pub(crate) offset_bytes: u64,
    /// Lines read.
    pub(crate) count: u64,
    /// How often it was read from its start again.
    pub(crate) restarts: u64,
}

const VERSION: u8 = 1;
const BYTES: usize = 2 + Stamp::BYTES + 32 + 24;

impl Checkpoint {
    /// The lines of a file that is one document: none; for one that was too large, the limit it was too large for stands in their place.
    pub(crate) fn refused(limit_bytes: Option<usize>) -> Lines {
        Lines { offset_bytes: limit_bytes.map_or(0, |bytes| bytes as u64), ..Lines::default() }
    }

    /// Whether the file, which is one document, was too large for a limit that was lower than this one.
    pub(crate) fn may_fit(&self, limit_bytes: usize) -> bool {
        self.lines.offset_bytes > 0 && limit_bytes as u64 > self.lines.offset_bytes
    }

    pub(crate) fn to_bytes(self) -> Bytes {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&[VERSION, u8::from(self.complete)]);
        bytes.extend_from_slice(&self.stamp.to_bytes());
        bytes.extend_from_slice(&self.sha256);
        for number in [self.lines.offset_bytes, self.lines.count, self.lines.restarts] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.into()
    }

    /// Absent when another version of this program wrote it: then the file is read as if it were new, which repeats documents under the
    /// same ids and loses none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, complete], rest) = bytes.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (sha256, rest) = rest.split_first_chunk()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let &[offset_bytes, count, restarts] = numbers else { return None };
        (version == VERSION).then(|| Self {
            stamp: Stamp::from_bytes(stamp),
            complete: complete != 0,
            sha256: *sha256,
            lines: Lines {
                offset_bytes: u64::from_be_bytes(offset_bytes),
                count: u64::from_be_bytes(count),
                restarts: u64::from_be_bytes(restarts),
            },
        })
    }
}

/// The first bytes of the table keys of a source's files.
pub(crate) fn files_prefix(source_id: &str) -> Vec<u8> {
    prefix(source_id, b'f')
}

/// The first bytes of the table keys of a source's lines.
pub(crate) fn lines_prefix(source_id: &str) -> Vec<u8> {
    prefix(source_id, b'l')
}

fn prefix(source_id: &str, kind: u8) -> Vec<u8> {
    let mut prefix = source_id.as_bytes().to_vec();
    prefix.extend_from_slice(&[0, kind]);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_another_shape_does_not() {
        let checkpoint = Checkpoint {
            stamp: Stamp { size: 1, inode: 2, modified_ns: 3, changed_ns: 4 },
            complete: true,
            sha256: [5; 32],
            lines: Lines { offset_bytes: 6, count: 7, restarts: 8 },
        };
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes), Some(checkpoint));
        for length in 0..bytes.len() {
            assert_eq!(Checkpoint::from_bytes(&bytes[..length]), None, "{length}");
        }
        let mut newer = bytes.to_vec();
        newer[0] += 1;
        assert_eq!(Checkpoint::from_bytes(&newer), None);
    }
}
