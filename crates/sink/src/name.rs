//! File names that carry the offsets: `records-0-00000000000000000000-00000000000000000041.jsonl.zst`.

use std::path::{Path, PathBuf};

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

    /// Every finished file in `dir`, by partition and place, and every temporary one.
    pub fn list(dir: &Path) -> std::io::Result<(Vec<Self>, Vec<PathBuf>)> {
        let (mut finished, mut temporary) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if let Some(file) = Self::parse(&path) {
                finished.push(file);
            } else if temporary_partition(&path).is_some() {
                temporary.push(path);
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
