//! The keyed tables: a materialised view of the journal, in a log-structured merge tree that has no log of its own.
//!
//! The journal is the write-ahead log. A change goes into the memtable once its frame is durable; a checkpoint writes the memtable out as
//! sorted tables and only then lets journal files go. Key on disk: table name, 0, key.

use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, SeqNo, SequenceNumberCounter};

use super::disk;
use super::wire::{u32_at, u64_at};
use crate::LogError;

/// Longest table name and key together, in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 65_000;
/// Where the store says up to which frame it is complete. No table has an empty name.
const APPLIED: &[u8] = b"\0applied";
/// Every reader wants the newest version, and only that one is kept.
const NEWEST: SeqNo = SeqNo::MAX;
/// Open files of the store.
const OPEN_FILES: usize = 128;

/// The state store.
#[derive(Clone)]
pub(crate) struct StateStore {
    dir: PathBuf,
    tree: AnyTree,
}

impl std::fmt::Debug for StateStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl StateStore {
    /// Opens or creates the store.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Self, LogError> {
        disk::create_dir(dir)?;
        let config = Config::new(dir, SequenceNumberCounter::default(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_bytes)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(OPEN_FILES))));
        let damaged = |what: String| LogError::StateDamaged { operation: "open", dir: dir.to_owned(), what };
        check_contents(dir)?;
        // The store asserts some of what it reads back: on a damaged disk an assertion is an answer, not a reason to die.
        let tree = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|_| damaged("its tables do not hold what they should".to_owned()))?
            .map_err(|error| state_error("open", dir, error))?;
        Ok(Self { dir: dir.to_owned(), tree })
    }

    /// The frame up to which the store says it is complete; 0 for a new store.
    pub(crate) fn applied(&self) -> Result<u64, LogError> {
        let value = self.get_raw(APPLIED)?;
        Ok(value.map_or(0, |bytes| u64_at(&bytes, 0)))
    }

    /// Sets a key as of frame `seq`.
    pub(crate) fn put(&self, table: &str, key: &[u8], value: &[u8], seq: u64) {
        self.tree.insert(raw_key(table, key), value, seq);
    }

    /// Removes a key as of frame `seq`.
    pub(crate) fn delete(&self, table: &str, key: &[u8], seq: u64) {
        self.tree.remove(raw_key(table, key), seq);
    }

    /// The value of a key.
    pub(crate) fn get(&self, table: &str, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.get_raw(&raw_key(table, key))
    }

    /// Visits the keys with a prefix in byte order.
    pub(crate) fn scan(
        &self,
        table: &str,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        let skip = table.len() + 1;
        for item in self.tree.prefix(raw_key(table, prefix), NEWEST, None) {
            let (key, value) = item.into_inner().map_err(|error| state_error("scan", &self.dir, error))?;
            visit(&key[skip..], &value);
        }
        Ok(())
    }

    /// Reads every entry, and so every block of every table with its checksum. How many there are.
    pub(crate) fn count(&self) -> Result<u64, LogError> {
        let damaged = || LogError::StateDamaged {
            operation: "read",
            dir: self.dir.clone(),
            what: "its tables do not hold what they should".to_owned(),
        };
        let read = || {
            let mut count = 0;
            for item in self.tree.iter(NEWEST, None) {
                let (key, _) = item.into_inner().map_err(|error| state_error("read", &self.dir, error))?;
                count += u64::from(&*key != APPLIED);
            }
            Ok(count)
        };
        catch_unwind(AssertUnwindSafe(read)).map_err(|_| damaged())?
    }

    /// Bytes of changes in memory, not counting those being written out.
    pub(crate) fn buffered_bytes(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// Closed memtables that are not written out yet.
    #[cfg(test)]
    pub(crate) fn closed(&self) -> usize {
        self.tree.sealed_memtable_count()
    }

    /// Closes the memtable at the end of frame `seq`. Changes of later frames go into a new one.
    pub(crate) fn rotate(&self, seq: u64) {
        self.tree.insert(APPLIED, seq.to_le_bytes(), seq);
        self.tree.rotate_memtable();
    }

    /// Writes closed memtables out, durably. After an error nothing is lost and it can be tried again.
    pub(crate) fn flush(&self) -> Result<(), LogError> {
        let first_new = self.tree.next_table_id();
        let lock = self.tree.get_flush_lock();
        let flushed = self.tree.flush(&lock, NEWEST);
        drop(lock);
        flushed.map(|_| ()).map_err(|error| {
            self.remove_leftovers(first_new);
            state_error("flush", &self.dir, error)
        })
    }

    /// Merges tables until the shape of the tree needs no more.
    pub(crate) fn compact(&self) -> Result<(), LogError> {
        let strategy = Arc::new(lsm_tree::compaction::Leveled::default());
        for _ in 0..16 {
            let before = self.tree.current_version().id();
            let first_new = self.tree.next_table_id();
            self.tree.compact(strategy.clone(), NEWEST).map_err(|error| {
                self.remove_leftovers(first_new);
                state_error("compact", &self.dir, error)
            })?;
            if self.tree.current_version().id() == before {
                break;
            }
        }
        Ok(())
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.tree.disk_space()
    }

    fn get_raw(&self, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        let value = self.tree.get(key, NEWEST).map_err(|error| state_error("read", &self.dir, error))?;
        Ok(value.map(|slice| Bytes::copy_from_slice(&slice)))
    }

    /// Removes table files a failed flush or merge left behind: on a full disk they would keep it full. Only ids from `first_new` on are
    /// looked at: older tables that the tree has let go may still be read by a scan.
    fn remove_leftovers(&self, first_new: u64) {
        let version = self.tree.current_version();
        let known: Vec<u64> = version.iter_tables().map(|table| table.id()).collect();
        let Ok(entries) = fs::read_dir(self.dir.join("tables")) else { return };
        for entry in entries.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if id.is_some_and(|id| id >= first_new && !known.contains(&id)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Checks what the store itself would believe unchecked: its manifest, and how many sections each table says it has (it would ask for memory
/// for all of them before it has checked the sum). Blocks of tables carry their own checksums.
///
/// `current` is the manifest's number, u64, its xxh3-128, u128, and a 0. A table ends in `"TOC!" section count u32, sections of 18 bytes or
/// more | trailer of 38 bytes: "SFA!", 18 bytes, where the "TOC!" is, u64, its length, u64`. All little-endian.
fn check_contents(dir: &Path) -> Result<(), LogError> {
    const TRAILER_BYTES: u64 = 38;
    const SECTION_BYTES: u64 = 18;
    let damaged = |path: &Path| LogError::StateDamaged {
        operation: "open",
        dir: dir.to_owned(),
        what: format!("{} does not hold what was written", path.display()),
    };
    let current = dir.join("current");
    if let Ok(pointer) = fs::read(&current) {
        let manifest = dir.join(format!("v{}", u64_at(&pointer, 0)));
        let sum = fs::read(&manifest)
            .map(|bytes| xxhash_rust::xxh3::xxh3_128(&bytes))
            .map_err(|_| damaged(&manifest))?;
        if pointer.get(8..) != Some(&[&sum.to_le_bytes()[..], &[0]].concat()) {
            return Err(damaged(&manifest));
        }
    }
    for path in disk::files(&dir.join("tables"))? {
        let file = disk::open_to_read(&path)?;
        let trailer_at = disk::len(&file, &path)?.saturating_sub(TRAILER_BYTES);
        let trailer = disk::read(&file, &path, trailer_at, TRAILER_BYTES as usize)?;
        let contents_at = u64_at(&trailer, 22);
        // What a crash cut short is no table, and the store removes it.
        if !trailer.starts_with(b"SFA!") || contents_at > trailer_at {
            continue;
        }
        let count = disk::read(&file, &path, contents_at + 4, 4)?;
        if u64::from(u32_at(&count, 0)) * SECTION_BYTES > trailer_at - contents_at {
            return Err(damaged(&path));
        }
    }
    Ok(())
}

fn raw_key(table: &str, key: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(table.len() + 1 + key.len());
    raw.extend_from_slice(table.as_bytes());
    raw.push(0);
    raw.extend_from_slice(key);
    raw
}

/// Tells an operating system that refuses from a store that is not what it was.
fn state_error(operation: &'static str, dir: &Path, error: lsm_tree::Error) -> LogError {
    let what = error.to_string();
    if let lsm_tree::Error::Io(source) = error
        && !is_damage(source.kind())
    {
        return LogError::io(operation, dir, source);
    }
    LogError::StateDamaged { operation, dir: dir.to_owned(), what }
}

/// A file of the store is missing, too short, or says what cannot be.
fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_of_a_frame_wins_and_survives_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let store = StateStore::open(dir.path(), 1 << 20).unwrap();
        store.put("t", b"a", b"1", 1);
        store.delete("t", b"a", 1);
        store.delete("t", b"b", 1);
        store.put("t", b"b", b"2", 1);
        store.put("t", b"c", b"old", 1);
        store.put("t", b"c", b"new", 2);
        store.put("u", b"c", b"other", 2);
        let check = |store: &StateStore| {
            assert_eq!(store.get("t", b"a").unwrap(), None);
            let mut seen = Vec::new();
            store.scan("t", b"", &mut |key, value| seen.push((key.to_vec(), value.to_vec()))).unwrap();
            assert_eq!(seen, [(b"b".to_vec(), b"2".to_vec()), (b"c".to_vec(), b"new".to_vec())]);
        };
        check(&store);
        store.rotate(2);
        check(&store);
        store.flush().unwrap();
        check(&store);
        store.compact().unwrap();
        drop(store);
        let store = StateStore::open(dir.path(), 1 << 20).unwrap();
        check(&store);
        assert_eq!(store.applied().unwrap(), 2);
    }
}
