//! A group's tables on this machine: what their changelogs say, up to an offset each.
//!
//! The changelog on the cluster is the truth; this is a copy that opens fast. It is written out now and then, with the offsets it is complete up to
//! in the same write, so a crash only makes the tail to read again longer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::sync::now_ms;
use super::topics::TOMBSTONES;
use crate::LogError;
use crate::api::{Change, Table};
use crate::embedded::state::StateStore;

/// The table of changelog offsets; no worker's table has this name.
const PROGRESS: &str = "\u{1}changelog";
/// Memory for blocks of the store.
const CACHE_BYTES: u64 = 64 << 20;
/// Changes in memory before they are written out.
const BUFFER_BYTES: u64 = 64 << 20;
/// Changes are written out at least this often.
const FLUSH_EVERY: Duration = Duration::from_secs(30);
/// Between two tries to write to a disk that refuses.
const AGAIN: Duration = Duration::from_secs(1);

/// The local copy of a group's tables.
pub(crate) struct Store {
    state: StateStore,
    buffer_bytes: u64,
    seq: u64,
    /// Next changelog offset of each table.
    progress: Vec<(Table, i64)>,
    changed: bool,
    last_flush: Instant,
    flusher: Option<(SyncSender<()>, JoinHandle<()>)>,
    /// Who ends does not wait for tables to be merged.
    is_closing: Arc<AtomicBool>,
}

impl Store {
    /// Opens the copy in `dir`, or an empty one when that is too old to be brought up to date.
    pub(crate) fn open(dir: &Path, tables: &[Table]) -> Result<Self, LogError> {
        Self::open_one_of(1, dir, tables)
    }

    /// One of so many in this process, which share the memory.
    pub(crate) fn open_one_of(count: u32, dir: &Path, tables: &[Table]) -> Result<Self, LogError> {
        let cache_bytes = CACHE_BYTES / u64::from(count.max(1));
        let buffer_bytes = BUFFER_BYTES / u64::from(count.max(1));
        let mut state = match StateStore::open(dir, cache_bytes) {
            Err(error @ LogError::StateDamaged { .. }) => {
                tracing::warn!(%error, "the local copy of the state is damaged: reading all of it again");
                StateStore::open(&emptied(dir)?, cache_bytes)?
            }
            opened => opened?,
        };
        let written = state.get(PROGRESS, b"written_ms")?.map(|value| number(&value));
        let is_stale = written.is_some_and(|written| {
            now_ms() - written > i64::try_from(TOMBSTONES.as_millis()).unwrap_or(0) / 2
        });
        if is_stale {
            drop(state);
            tracing::info!(dir = %dir.display(), "the local copy of the state is too old: reading all of it again");
            state = StateStore::open(&emptied(dir)?, cache_bytes)?;
        }
        let mut progress = Vec::new();
        for &table in tables {
            let next = state.get(PROGRESS, table.0.as_bytes())?.map_or(0, |value| number(&value));
            progress.push((table, next));
        }
        let seq = state.applied()?;
        let (sender, receiver) = sync_channel(1);
        let flushed = state.clone();
        let is_closing = Arc::<AtomicBool>::default();
        let must_hurry = Arc::clone(&is_closing);
        let flush = move || {
            for () in receiver {
                let hurries = || must_hurry.load(Ordering::Acquire);
                let merge = || if hurries() { Ok(()) } else { flushed.compact() };
                // Whoever asks for the next one waits meanwhile: what cannot be written down stays in memory.
                while let Err(error) = flushed.flush().and_then(|()| merge()) {
                    tracing::warn!(%error, hint = error.hint(), "writing the local copy of the state");
                    if hurries() {
                        break;
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        };
        let flusher = std::thread::Builder::new().name("log-state".to_owned()).spawn(flush);
        let flusher = flusher.map_err(|source| LogError::Io {
            operation: "start",
            object: "the thread that writes state".to_owned(),
            source,
        })?;
        let flusher = Some((sender, flusher));
        Ok(Self {
            state,
            buffer_bytes,
            seq,
            progress,
            changed: false,
            last_flush: Instant::now(),
            flusher,
            is_closing,
        })
    }

    /// An empty copy in the place of this one.
    pub(crate) fn emptied(self, dir: &Path) -> Result<Self, LogError> {
        let tables: Vec<Table> = self.progress.iter().map(|(table, _)| *table).collect();
        drop(self);
        Self::open(&emptied(dir)?, &tables)
    }

    /// A handle to read with.
    pub(crate) fn reader(&self) -> StateStore {
        self.state.clone()
    }

    /// The next changelog offset of a table.
    pub(crate) fn next(&self, table: Table) -> i64 {
        self.progress.iter().find(|(known, _)| *known == table).map_or(0, |(_, next)| *next)
    }

    /// Takes over a message of a changelog; `None` removes the key.
    pub(crate) fn restore(&mut self, table: Table, offset: i64, key: &[u8], value: Option<&[u8]>) {
        self.seq += 1;
        match value {
            Some(value) => self.state.put(table.0, key, value, self.seq),
            None => self.state.delete(table.0, key, self.seq),
        }
        self.advance(table, offset + 1);
    }

    /// Applies the changes of a committed unit.
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        self.seq += 1;
        for change in changes {
            match change {
                Change::Put { table, key, value } => self.state.put(table.0, key, value, self.seq),
                Change::Delete { table, key } => self.state.delete(table.0, key, self.seq),
            }
        }
        self.changed |= !changes.is_empty();
    }

    /// The copy is complete up to that offset of the table's changelog.
    pub(crate) fn advance(&mut self, table: Table, next: i64) {
        if let Some((_, known)) = self.progress.iter_mut().find(|(known, _)| *known == table)
            && next > *known
        {
            *known = next;
            self.changed = true;
        }
    }

    /// Writes out, in the background, when there is much to write or it has been long. Waits when the disk cannot keep up: a changelog
    /// is read faster than it is written down, and what is in between is memory.
    pub(crate) fn maintain(&mut self) {
        let is_due =
            self.state.buffered_bytes() >= self.buffer_bytes || self.last_flush.elapsed() >= FLUSH_EVERY;
        if self.changed && is_due {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some((flusher, _)) = &self.flusher else { return };
        self.seq += 1;
        for (table, next) in &self.progress {
            self.state.put(PROGRESS, table.0.as_bytes(), &next.to_le_bytes(), self.seq);
        }
        self.state.put(PROGRESS, b"written_ms", &now_ms().to_le_bytes(), self.seq);
        self.state.rotate(self.seq);
        self.changed = false;
        self.last_flush = Instant::now();
        // One is under way and one asked for, at most.
        if flusher.send(()).is_err() {
            tracing::error!("the thread that writes state has ended");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Release);
        if self.changed {
            self.flush();
        }
        if let Some((sender, flusher)) = self.flusher.take() {
            let _ = sender.send(());
            drop(sender);
            let _ = flusher.join();
        }
    }
}

fn number(value: &Bytes) -> i64 {
    value.as_ref().try_into().map_or(0, i64::from_le_bytes)
}

/// Removes what is in a folder of ours and makes it anew.
fn emptied(dir: &Path) -> Result<PathBuf, LogError> {
    std::fs::remove_dir_all(dir).map_err(|source| LogError::io("empty", dir, source))?;
    std::fs::create_dir_all(dir).map_err(|source| LogError::io("make", dir, source))?;
    Ok(dir.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table("t");

    #[test]
    fn a_long_changelog_is_written_down_as_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), &[TABLE]).unwrap();
        let value = vec![7; 1 << 20];
        let mut most = 0;
        for offset in 0..((8 * BUFFER_BYTES.cast_signed()) >> 20) {
            store.restore(TABLE, offset, &offset.to_le_bytes(), Some(&value));
            store.maintain();
            most = most.max(store.state.closed());
        }
        // One is written, one waits, one is being handed over.
        assert!((1..=3).contains(&most), "{most} in memory");
        let next = store.next(TABLE);
        drop(store);
        let store = Store::open(dir.path(), &[TABLE]).unwrap();
        assert_eq!((store.next(TABLE), store.state.closed()), (next, 0), "complete after a stop");
    }
}
