//! File names that carry the offsets: `records-0-00000000000000000000-00000000000000000041.jsonl.zst`.

use std::path::{Path, PathBuf};

/// Ending of a file that is still being written.
const TEMPORARY: &str = ".tmp";

/// A finished file of the sink and the offsets it holds, both inclusive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordFile {
    /// First offset.
    pub first: u64,
    /// Last offset.
    pub last: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl RecordFile {
    /// The finished file for these offsets.
    pub fn new(dir: &Path, first: u64, last: u64, zstd: bool) -> Self {
        let ending = if zstd { "jsonl.zst" } else { "jsonl" };
        Self { first, last, path: dir.join(format!("records-0-{first:020}-{last:020}.{ending}")) }
    }

    /// Reads a finished file's name; `None` for every other name.
    pub fn parse(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let stem = name.strip_suffix(".jsonl").or_else(|| name.strip_suffix(".jsonl.zst"))?;
        let (first, last) = stem.strip_prefix("records-0-")?.split_once('-')?;
        let offset = |text: &str| (text.len() == 20).then(|| text.parse().ok()).flatten();
        Some(Self { first: offset(first)?, last: offset(last)?, path: path.to_owned() })
    }

    /// Every finished file below `dir`, by first offset, and every temporary one.
    pub fn list(dir: &Path) -> std::io::Result<(Vec<Self>, Vec<PathBuf>)> {
        let (mut finished, mut temporary) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if let Some(file) = Self::parse(&path) {
                finished.push(file);
            } else if is_temporary(&path) {
                temporary.push(path);
            }
        }
        finished.sort();
        Ok((finished, temporary))
    }
}

/// The name of the file being written, from `first` on. Hidden, so that readers' globs pass it over.
pub(crate) fn temporary(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!(".records-0-{first:020}{TEMPORARY}"))
}

fn is_temporary(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(".records-0-") && name.ends_with(TEMPORARY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_strangers_do_not() {
        for zstd in [false, true] {
            let file = RecordFile::new(Path::new("out"), 7, u64::MAX, zstd);
            assert_eq!(RecordFile::parse(&file.path), Some(file));
        }
        for stranger in ["notes.jsonl", "records-0-1-2.jsonl", "records-0-00000000000000000001.jsonl"] {
            assert_eq!(RecordFile::parse(Path::new(stranger)), None, "{stranger}");
        }
        assert!(is_temporary(&temporary(Path::new("out"), 3)));
        assert!(!is_temporary(Path::new(".records-0-x.jsonl")));
    }
}
