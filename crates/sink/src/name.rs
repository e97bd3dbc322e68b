//! File names that carry the offsets: `records-0-00000000000000000000-00000000000000000041.jsonl.zst`.

use std::path::{Path, PathBuf};

/// How the folder of a sink is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// All files in the folder itself.
    #[default]
    Flat,
    /// A folder for each day (UTC), by the time of a file's first record, such as `2026-05-01`.
    ByDate,
}

impl Layout {
    /// The folder of a file whose first record has this time, in milliseconds since the Unix epoch.
    pub(crate) fn folder(self, dir: &Path, first_ms: i64) -> PathBuf {
        match self {
            Self::Flat => dir.to_owned(),
            Self::ByDate => dir.join(day(first_ms)),
        }
    }

    /// Whether records of these times may be in one file.
    pub(crate) fn is_together(self, first_ms: i64, other_ms: i64) -> bool {
        match self {
            Self::Flat => true,
            Self::ByDate => day(first_ms) == day(other_ms),
        }
    }
}

fn day(epoch_ms: i64) -> String {
    barid_record::rfc3339(epoch_ms).chars().take(10).collect()
}

/// Whether this is a folder of a day.
fn is_day(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_digit =
        |at: usize, byte: u8| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    name.len() == 10 && name.bytes().enumerate().all(|(at, byte)| is_digit(at, byte)) && path.is_dir()
}

/// Ending of a file that is still being written.
const TEMPORARY: &str = ".tmp";

/// A finished file of the sink: every record of one partition between two places, both inclusive.
///
/// `from` is the place the file before it ended at, not the offset of its first record: a log may have gaps between offsets (Kafka keeps the
/// marks of its transactions there), and the files of a partition follow each other without one. How many records a file holds is for its
/// lines to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordFile {
    /// The partition of `barid.records`.
    pub partition: u32,
    /// The offset it starts at.
    pub from: u64,
    /// The offset of its last record.
    pub last: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl RecordFile {
    /// The finished file for these offsets.
    pub fn new(dir: &Path, partition: u32, from: u64, last: u64, zstd: bool) -> Self {
        let ending = if zstd { "jsonl.zst" } else { "jsonl" };
        let path = dir.join(format!("records-{partition}-{from:020}-{last:020}.{ending}"));
        Self { partition, from, last, path }
    }

    /// Reads a finished file's name; `None` for every other name.
    pub fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_suffix(".jsonl").or_else(|| name.strip_suffix(".jsonl.zst"))?;
        let (partition, offsets) = stem.strip_prefix("records-")?.split_once('-')?;
        let (from, last) = offsets.split_once('-')?;
        Some(Self {
            partition: number(partition, 1..=10)?,
            from: number(from, 20..=20)?,
            last: number(last, 20..=20)?,
            path: path.to_owned(),
        })
    }

    /// Every finished file in `dir` and its folders of days, by partition and place, and every temporary one.
    pub fn list(dir: &Path) -> std::io::Result<(Vec<Self>, Vec<PathBuf>)> {
        let (mut finished, mut temporary) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if let Some(file) = Self::parse(&path) {
                finished.push(file);
            } else if temporary_partition(&path).is_some() {
                temporary.push(path);
            } else if is_day(&path) {
                let inside = match std::fs::read_dir(&path) {
                    // Its last file went, and it with it.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    inside => inside?,
                };
                for entry in inside {
                    finished.extend(Self::parse(&entry?.path()));
                }
            }
        }
        finished.sort();
        Ok((finished, temporary))
    }
}

/// A decimal number of that many digits.
fn number<N: std::str::FromStr>(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<N> {
    let is_number = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The name of the file being written, from that place on. Hidden, so that readers' globs pass it over.
pub(crate) fn temporary(dir: &Path, partition: u32, from: u64) -> PathBuf {
    dir.join(format!(".records-{partition}-{from:020}{TEMPORARY}"))
}

/// The same for a file that is written again. A sink that starts meanwhile leaves it alone.
pub(crate) fn rewritten(dir: &Path, partition: u32, from: u64) -> PathBuf {
    dir.join(format!(".rewrite-{partition}-{from:020}{TEMPORARY}"))
}

/// The partition that a temporary file is of; `None` for every other name.
pub(crate) fn temporary_partition(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_prefix(".records-")?.strip_suffix(TEMPORARY)?;
    number(name.split_once('-')?.0, 1..=10)
}

/// The file whose lock says who writes the files of a partition.
pub(crate) fn lock(dir: &Path, partition: u32) -> PathBuf {
    dir.join(format!(".records-{partition}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_strangers_do_not() {
        let dir = Path::new("out");
        for zstd in [false, true] {
            for partition in [0, 7, u32::MAX] {
                let file = RecordFile::new(dir, partition, 7, u64::MAX, zstd);
                assert_eq!(RecordFile::parse(&file.path), Some(file));
                assert_eq!(temporary_partition(&temporary(dir, partition, 3)), Some(partition));
                assert_eq!(temporary_partition(&lock(dir, partition)), None);
            }
        }
        for stranger in [
            "notes.jsonl",
            "records-0-1-2.jsonl",
            "records-0-00000000000000000001.jsonl",
            "records-x-00000000000000000001-00000000000000000002.jsonl",
            "records-+1-00000000000000000001-00000000000000000002.jsonl",
            "records--00000000000000000001-00000000000000000002.jsonl",
        ] {
            assert_eq!(RecordFile::parse(Path::new(stranger)), None, "{stranger}");
        }
        for stranger in [".records-0-x.jsonl", ".records-0.tmp", ".other-0-1.tmp"] {
            assert_eq!(temporary_partition(Path::new(stranger)), None, "{stranger}");
        }
    }

    #[test]
    fn files_of_days_are_listed_with_the_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Layout::ByDate.folder(dir.path(), 1_777_593_600_000);
        assert_eq!(folder, dir.path().join("2026-05-01"));
        assert!(Layout::ByDate.is_together(1_777_593_600_000, 1_777_679_999_999));
        assert!(!Layout::ByDate.is_together(1_777_593_600_000, 1_777_680_000_000));
        for folder in [&folder, &dir.path().join("2026-05"), &dir.path().join("notes-2026")] {
            std::fs::create_dir(folder).expect("made");
        }
        let dated = RecordFile::new(&folder, 0, 0, 4, false);
        let flat = RecordFile::new(dir.path(), 0, 5, 9, false);
        let elsewhere = RecordFile::new(&dir.path().join("notes-2026"), 0, 10, 11, false);
        for file in [&dated, &flat, &elsewhere] {
            std::fs::write(&file.path, "").expect("written");
        }
        assert_eq!(RecordFile::list(dir.path()).expect("listed").0, [dated, flat]);
    }

    #[test]
    fn a_folder_lists_in_the_order_of_partitions_and_places() {
        let dir = tempfile::tempdir().expect("a folder");
        let files = [(2, 5, 9), (10, 0, 3), (2, 0, 4)]
            .map(|(partition, from, last)| RecordFile::new(dir.path(), partition, from, last, false));
        for file in &files {
            std::fs::write(&file.path, "").expect("written");
        }
        let half = temporary(dir.path(), 2, 10);
        std::fs::write(&half, "").expect("written");
        std::fs::write(lock(dir.path(), 2), "").expect("written");
        let [second, third, first] = files;
        assert_eq!(RecordFile::list(dir.path()).expect("listed"), (vec![first, second, third], vec![half]));
    }
}
