//! Old files go: those over an age, and the oldest where there are too many bytes. Never one whose records the log has not been told of, and
//! never another sink's.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::{Metrics, RecordFile};

/// Which files are kept. `None` keeps all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Files that were finished longer ago go.
    pub age: Option<Duration>,
    /// The oldest go until the files in the folder, those of all partitions, have no more bytes than this.
    pub bytes: Option<u64>,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The files, oldest first.
    pub files: Vec<RecordFile>,
    /// Their bytes on disk.
    pub bytes: u64,
}

/// Looks are so far apart.
const EVERY: Duration = Duration::from_secs(60);

/// Removes files of `dir` that need not be kept, as of `now`; only those that `may_go` allows. With `dry_run` it only tells.
///
/// # Errors
/// The file system's. A file that has gone already is none.
pub fn prune(
    dir: &Path,
    keep: Keep,
    now: SystemTime,
    dry_run: bool,
    may_go: &dyn Fn(&RecordFile) -> bool,
) -> io::Result<Pruned> {
    let mut files = Vec::new();
    for file in RecordFile::list(dir)?.0 {
        // One that has gone meanwhile takes no space.
        if let Ok(meta) = file.path.metadata() {
            files.push((meta.modified()?, meta.len(), file));
        }
    }
    files.sort_by(|left, right| (left.0, &left.2).cmp(&(right.0, &right.2)));
    let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    let mut pruned = Pruned::default();
    for (finished, bytes, file) in files {
        let age = now.duration_since(finished).unwrap_or_default();
        let is_old = keep.age.is_some_and(|most| age > most);
        let is_too_much = keep.bytes.is_some_and(|most| total > most);
        if !(is_old || is_too_much) || !may_go(&file) {
            continue;
        }
        if !dry_run {
            match std::fs::remove_file(&file.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            // A day without files needs no folder; one that is not empty stays.
            if let Some(folder) = file.path.parent().filter(|folder| *folder != dir) {
                let _ = std::fs::remove_dir(folder);
            }
        }
        total -= bytes;
        pruned.bytes += bytes;
        pruned.files.push(file);
    }
    Ok(pruned)
}

/// A sink's own retention.
#[derive(Debug, Default)]
pub(crate) struct Retainer {
    /// What of each of our partitions is durably acknowledged: the next offset.
    durable: BTreeMap<u32, u64>,
    last: Option<Instant>,
}

impl Retainer {
    /// Files of that partition below this place may go.
    pub(crate) fn note(&mut self, partition: u32, next: u64) {
        self.durable.insert(partition, next);
    }

    /// That partition is another sink's.
    pub(crate) fn forget(&mut self, partition: u32) {
        self.durable.remove(&partition);
    }

    /// Removes what need not be kept, now and then. Failing stops nothing: it is said, and tried again.
    pub(crate) fn run_if_due(&mut self, dir: &Path, keep: Keep, metrics: &Metrics) {
        let is_wanted = keep.age.is_some() || keep.bytes.is_some();
        if !is_wanted || self.durable.is_empty() || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let is_written =
            |file: &RecordFile| self.durable.get(&file.partition).is_some_and(|next| file.last < *next);
        match prune(dir, keep, SystemTime::now(), false, &is_written) {
            Ok(pruned) if pruned.files.is_empty() => {}
            Ok(pruned) => {
                let (files, bytes) = (pruned.files.len() as u64, pruned.bytes);
                metrics.removed_files.inc_by(files);
                metrics.removed_bytes.inc_by(bytes);
                tracing::info!(files, bytes, "record files that need not be kept any longer were removed");
            }
            Err(error) => {
                let hint = "let the user that runs barid remove files there";
                tracing::warn!(%error, dir = %dir.display(), hint, "old record files cannot be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of ten bytes each, the first the oldest: partition, from, last, days old.
    fn folder(files: &[(u32, u64, u64, u64)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for &(partition, from, last, days) in files {
            let day = dir.path().join(format!("2026-01-{:02}", 30 - days));
            std::fs::create_dir_all(&day).expect("made");
            let file = RecordFile::new(&day, partition, from, last, false);
            std::fs::write(&file.path, "ten bytes!").expect("written");
            let time = SystemTime::now() - Duration::from_secs(days * 86_400);
            std::fs::File::options()
                .append(true)
                .open(&file.path)
                .and_then(|file| file.set_modified(time))
                .expect("dated");
        }
        dir
    }

    fn left(dir: &Path) -> Vec<(u32, u64)> {
        RecordFile::list(dir).expect("listed").0.iter().map(|file| (file.partition, file.from)).collect()
    }

    const FILES: [(u32, u64, u64, u64); 4] = [(0, 0, 4, 9), (0, 5, 9, 5), (1, 0, 3, 7), (0, 10, 12, 1)];
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn files_over_the_age_go_with_the_folders_of_their_days() {
        let dir = folder(&FILES);
        let keep = Keep { age: Some(6 * DAY), bytes: None };
        let told = prune(dir.path(), keep, SystemTime::now(), true, &|_| true).expect("told");
        assert_eq!((told.files.len(), told.bytes, left(dir.path()).len()), (2, 20, 4));
        let pruned = prune(dir.path(), keep, SystemTime::now(), false, &|_| true).expect("pruned");
        assert_eq!((pruned, left(dir.path())), (told, vec![(0, 5), (0, 10)]));
        assert!(!dir.path().join("2026-01-21").exists() && dir.path().join("2026-01-25").exists());
    }

    #[test]
    fn the_oldest_go_until_the_bytes_fit_but_none_that_may_not() {
        let dir = folder(&FILES);
        let keep = Keep { age: None, bytes: Some(20) };
        let pruned =
            prune(dir.path(), keep, SystemTime::now(), false, &|file| file.partition == 0).expect("pruned");
        assert_eq!((pruned.bytes, left(dir.path())), (20, vec![(0, 10), (1, 0)]));
        let keep = Keep { age: Some(Duration::ZERO), bytes: Some(0) };
        let pruned = prune(dir.path(), keep, SystemTime::now(), false, &|_| false).expect("pruned");
        assert_eq!((pruned.files.len(), left(dir.path()).len()), (0, 2));
    }
}
