//! How far a file was read, as kept in the log's table in the same commit as the documents it gave.

use barid_log::Table;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::sketch::Sketch;
use crate::stamp::Stamp;

/// The table of what was read. Keys, each after `<source id> NUL`: `f <path>` for files, `c <16 bytes>` for
/// what text files said (see `crate::texts`), `i <16 bytes>` for the articles of lines (see
/// `crate::identity`), `n <inode>` for the path under which a file of lines was read, and `l <16 bytes>`
/// for lines as 0.1.0 remembered them, which is read and no longer written.
pub const FILES: Table = Table("watcher.files");

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// What else is known of a file.
    pub(crate) more: More,
}

/// What 0.1.0 did not keep of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct More {
    /// In the form of 0.1.0, which kept nothing of this.
    pub(crate) is_of_earlier_form: bool,
    /// JSON Lines only: its end was reached since it was last begun. What is behind that is new.
    pub(crate) has_ended: bool,
    /// JSON Lines only: 0.1.0 read it, and it was not read to its end since. Its lines are looked up under
    /// the names they had then.
    pub(crate) is_earlier: bool,
    /// Text only: its article is under another path now; what comes here is another article.
    pub(crate) is_moved: bool,
    /// Text only: its article's key, where that is not the path.
    pub(crate) key: Option<String>,
    /// Text only.
    pub(crate) sketch: Sketch,
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

/// The form 0.1.0 wrote: the one of now without [`More`].
const EARLIER: u8 = 1;
const FORM: u8 = 2;
const BYTES: usize = 2 + Stamp::BYTES + 32 + 24 + 1;
/// Flags.
const COMPLETE: u8 = 1;
const IS_EARLIER: u8 = 2;
const IS_MOVED: u8 = 4;
const HAS_ENDED: u8 = 8;

impl Checkpoint {
    /// The lines of a file that is one document: none; for one that was too large, the limit it was too large for stands in their place.
    pub(crate) fn refused(limit_bytes: Option<usize>) -> Lines {
        Lines { offset_bytes: limit_bytes.map_or(0, |bytes| bytes as u64), ..Lines::default() }
    }

    /// Whether the file, which is one document, was too large for a limit that was lower than this one.
    pub(crate) fn may_fit(&self, limit_bytes: usize) -> bool {
        self.lines.offset_bytes > 0 && limit_bytes as u64 > self.lines.offset_bytes
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(BYTES);
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        let flags = flag(self.complete, COMPLETE)
            | flag(self.more.is_earlier, IS_EARLIER)
            | flag(self.more.is_moved, IS_MOVED)
            | flag(self.more.has_ended, HAS_ENDED);
        bytes.extend_from_slice(&[FORM, flags]);
        bytes.extend_from_slice(&self.stamp.to_bytes());
        bytes.extend_from_slice(&self.sha256);
        for number in [self.lines.offset_bytes, self.lines.count, self.lines.restarts] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        self.more.sketch.put(&mut bytes);
        bytes.extend_from_slice(self.more.key.as_deref().unwrap_or_default().as_bytes());
        bytes.into()
    }

    /// Reads this form and the one of 0.1.0. Absent when a later version of this program wrote it: then the
    /// file is read as if it were new, which repeats documents under the same ids and loses none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[form, flags], rest) = bytes.split_first_chunk()?;
        let (stamp, rest) = rest.split_first_chunk()?;
        let (sha256, rest) = rest.split_first_chunk()?;
        let (numbers, rest) = rest.split_first_chunk::<24>()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let &[offset_bytes, count, restarts] = numbers else { return None };
        let more = match (form, rest) {
            (EARLIER, []) => More { is_of_earlier_form: true, is_earlier: true, ..More::default() },
            (FORM, rest) => {
                let (sketch, key) = Sketch::read(rest)?;
                let key = str::from_utf8(key).ok()?;
                More {
                    is_of_earlier_form: false,
                    is_earlier: flags & IS_EARLIER != 0,
                    is_moved: flags & IS_MOVED != 0,
                    has_ended: flags & HAS_ENDED != 0,
                    key: (!key.is_empty()).then(|| key.to_owned()),
                    sketch,
                }
            }
            _ => return None,
        };
        Some(Self {
            stamp: Stamp::from_bytes(stamp),
            complete: flags & COMPLETE != 0,
            sha256: *sha256,
            lines: Lines {
                offset_bytes: u64::from_be_bytes(offset_bytes),
                count: u64::from_be_bytes(count),
                restarts: u64::from_be_bytes(restarts),
            },
            more,
        })
    }
}

/// The first bytes of the table keys of a source's files.
pub(crate) fn files_prefix(source_id: &str) -> Vec<u8> {
    prefix(source_id, b'f')
}

/// The table key of a line as 0.1.0 named it: by its file and its id or offset.
pub(crate) fn earlier_line(source_id: &str, name: &str) -> Vec<u8> {
    let mut key = prefix(source_id, b'l');
    key.extend_from_slice(&Sha256::digest(name)[..16]);
    key
}

/// The table key of the articles of lines that go by that name.
pub(crate) fn article(source_id: &str, name: &[u8; 16]) -> Vec<u8> {
    let mut key = prefix(source_id, b'i');
    key.extend_from_slice(name);
    key
}

/// The table key of the path under which an inode's lines were read.
pub(crate) fn place_of_inode(source_id: &str, inode: u64) -> Vec<u8> {
    let mut key = prefix(source_id, b'n');
    key.extend_from_slice(&inode.to_be_bytes());
    key
}

/// The table key of where the text files are that have that content.
pub(crate) fn content(source_id: &str, sha256: &[u8; 32]) -> Vec<u8> {
    let mut key = prefix(source_id, b'c');
    key.extend_from_slice(&sha256[..16]);
    key
}

fn prefix(source_id: &str, kind: u8) -> Vec<u8> {
    let mut prefix = source_id.as_bytes().to_vec();
    prefix.extend_from_slice(&[0, kind]);
    prefix
}

#[cfg(test)]
impl Checkpoint {
    /// As 0.1.0 wrote it.
    pub(crate) fn to_earlier_bytes(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes()[..BYTES - 1].to_vec();
        bytes[..2].copy_from_slice(&[EARLIER, u8::from(self.complete)]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_another_shape_does_not() {
        let sketch =
            Sketch::of(b"The ferry to the island leaves at noon, the harbour master said on Monday.");
        let mut checkpoint = Checkpoint {
            stamp: Stamp { size: 1, inode: 2, modified_ns: 3, changed_ns: 4 },
            complete: true,
            sha256: [5; 32],
            lines: Lines { offset_bytes: 6, count: 7, restarts: 8 },
            more: More {
                is_of_earlier_form: false,
                has_ended: true,
                is_earlier: false,
                is_moved: true,
                key: Some("a.txt".into()),
                sketch,
            },
        };
        let bytes = checkpoint.to_bytes();
        assert_eq!(Checkpoint::from_bytes(&bytes), Some(checkpoint.clone()));
        for length in 0..BYTES {
            assert_eq!(Checkpoint::from_bytes(&bytes[..length]), None, "{length}");
        }
        let mut newer = bytes.to_vec();
        newer[0] += 1;
        assert_eq!(Checkpoint::from_bytes(&newer), None);
        let earlier = checkpoint.to_earlier_bytes();
        checkpoint.more = More { is_of_earlier_form: true, is_earlier: true, ..More::default() };
        assert_eq!(Checkpoint::from_bytes(&earlier), Some(checkpoint));
    }
}
