//! What tells that a file may have changed without reading it, kept in a few bytes per known file.

use std::collections::HashMap;

use rustix::fs::Stat;
use sha2::{Digest, Sha256};

/// What the system says of a file. Two equal stamps of one path mean unchanged content, provided the first was taken a clock tick after the
/// last write (see [`GRAIN_MS`]): every later write moves the change time, which no program can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Size in bytes.
    pub(crate) size: u64,
    /// The inode number.
    pub(crate) inode: u64,
    /// Last modification, nanoseconds since the Unix epoch.
    pub(crate) modified_ns: i64,
    /// Last change of content, name or attributes, nanoseconds since the Unix epoch.
    pub(crate) changed_ns: i64,
}

/// Kernels keep file times in ticks of up to 10 ms. A file is never read sooner than this after its last write, so that the next write
/// gets another time.
pub(crate) const GRAIN_MS: i64 = 20;

impl Stamp {
    /// Bytes of its encoding.
    pub(crate) const BYTES: usize = 32;

    // The types of these fields differ from one architecture to the next; each value fits.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, clippy::cast_sign_loss)]
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds =
            |seconds: i64, part: i64| seconds.saturating_mul(1_000_000_000).saturating_add(part);
        Self {
            size: stat.st_size as u64,
            inode: stat.st_ino as u64,
            modified_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Last modification in milliseconds since the Unix epoch.
    pub(crate) fn modified_ms(&self) -> i64 {
        self.modified_ns.div_euclid(1_000_000)
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.size.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.inode.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.modified_ns.to_be_bytes());
        bytes[24..].copy_from_slice(&self.changed_ns.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let field = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[at..at + 8]);
            field
        };
        Self {
            size: u64::from_be_bytes(field(0)),
            inode: u64::from_be_bytes(field(8)),
            modified_ns: i64::from_be_bytes(field(16)),
            changed_ns: i64::from_be_bytes(field(24)),
        }
    }

    /// 64 bits that two different stamps share with odds of 1 in 2^64.
    fn digest(&self) -> u64 {
        let hash = Sha256::digest(self.to_bytes());
        hash.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
    }
}

/// 128 bits of the SHA-256 of a table key: nobody can make two paths meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PathId([u8; 16]);

impl PathId {
    pub(crate) fn of(table_key: &[u8]) -> Self {
        let hash = Sha256::digest(table_key);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }
}

/// The stamp of every file that has a checkpoint: about 30 to 60 bytes each, whatever the length of its path.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<PathId, u64>);

/// What memory says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Familiar {
    /// It has no checkpoint.
    New,
    /// It has one, with this stamp.
    Same,
    /// It has one, with another stamp or an unfinished one.
    Changed,
}

impl Known {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn has(&self, path: PathId) -> bool {
        self.0.contains_key(&path)
    }

    pub(crate) fn look(&self, path: PathId, stamp: &Stamp) -> Familiar {
        match self.0.get(&path) {
            None => Familiar::New,
            Some(digest) if *digest == stamp.digest() => Familiar::Same,
            Some(_) => Familiar::Changed,
        }
    }

    /// Remembers a file that is done at this stamp.
    pub(crate) fn done(&mut self, path: PathId, stamp: &Stamp) {
        self.0.insert(path, stamp.digest());
    }

    /// Remembers a file that has a checkpoint and must be looked at again whatever its stamp.
    pub(crate) fn unfinished(&mut self, path: PathId) {
        self.0.insert(path, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_stamp_counts() {
        let stamp = Stamp { size: 1, inode: 2, modified_ns: -3, changed_ns: 4 };
        assert_eq!(Stamp::from_bytes(&stamp.to_bytes()), stamp);
        let mut known = Known::default();
        let path = PathId::of(b"files\0a.txt");
        assert_eq!(known.look(path, &stamp), Familiar::New);
        known.done(path, &stamp);
        assert_eq!(known.look(path, &stamp), Familiar::Same);
        for other in [
            Stamp { size: 9, ..stamp },
            Stamp { inode: 9, ..stamp },
            Stamp { modified_ns: -9, ..stamp },
            Stamp { changed_ns: 9, ..stamp },
        ] {
            assert_eq!(known.look(path, &other), Familiar::Changed);
        }
        known.unfinished(path);
        assert_eq!(known.look(path, &stamp), Familiar::Changed);
    }
}
