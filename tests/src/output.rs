//! Reads what a sink wrote and compares two runs: nothing lost, nothing twice, no verdict changed, order kept within a source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One record as far as two runs must agree on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Its id.
    pub record_id: String,
    /// Its version.
    pub version: u64,
    /// Its verdict.
    pub verdict: String,
    /// The first record of its text.
    pub canonical_record_id: String,
    /// Its source and the document's key there.
    pub document: (String, String),
    /// Hash of its text.
    pub content_sha256: String,
}

impl Line {
    /// Reads a record's JSON; `None` when it is none.
    pub fn read(json: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(json).ok()?;
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Some(Line {
            record_id: text("/record_id")?,
            version: record.get("version")?.as_u64()?,
            verdict: text("/dedup/verdict")?,
            canonical_record_id: text("/dedup/canonical_record_id")?,
            document: (text("/source/source_id")?, text("/source/key")?),
            content_sha256: text("/hashes/content_sha256")?,
        })
    }
}

/// The records in a sink's folder, partition by partition in offset order. Fails on a gap or an overlap between the files of a partition, on a file that
/// holds another number of records than its name says, and on a line that is no record.
pub fn read_output(dir: &Path) -> io::Result<Vec<Line>> {
    read(dir, |records, offsets| records == offsets)
}

/// The same for the output of a log that has gaps between its offsets, as Kafka's has: a file may hold fewer records than offsets.
pub fn read_output_with_gaps(dir: &Path) -> io::Result<Vec<Line>> {
    read(dir, |records, offsets| 0 < records && records <= offsets)
}

fn read(dir: &Path, is_possible: fn(u64, u64) -> bool) -> io::Result<Vec<Line>> {
    let mut files: Vec<([u64; 3], PathBuf)> = Vec::new();
    if dir.exists() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let Some(place) = name.strip_prefix("records-").and_then(|name| name.strip_suffix(".jsonl"))
            else {
                continue;
            };
            let place: Vec<u64> = place.split('-').filter_map(|part| part.parse().ok()).collect();
            let place =
                place.try_into().map_err(|_| broken(&path, "no partition and offsets in its name"))?;
            files.push((place, path));
        }
    }
    files.sort();
    let (mut lines, mut next) = (Vec::new(), BTreeMap::new());
    for ([partition, from, last], path) in files {
        let next = next.entry(partition).or_insert(0);
        if from != *next || last < from {
            return Err(broken(&path, &format!("starts at {from}, the file before ends at {next}")));
        }
        let before = lines.len();
        for line in fs::read_to_string(&path)?.lines() {
            lines.push(Line::read(line).ok_or_else(|| broken(&path, &format!("no record: {line:.80}")))?);
        }
        let records = (lines.len() - before) as u64;
        if !is_possible(records, last + 1 - from) {
            return Err(broken(&path, &format!("holds {records} records")));
        }
        *next = last + 1;
    }
    Ok(lines)
}

fn broken(path: &Path, what: &str) -> io::Error {
    io::Error::other(format!("{}: {what}", path.display()))
}

/// What differs between a run without faults and one with them; empty when they agree.
pub fn output_differences(expected: &[Line], found: &[Line]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut report = |text: String| {
        if differences.len() < 20 {
            differences.push(text);
        }
    };
    let key = |line: &Line| (line.record_id.clone(), line.version);
    let mut seen = BTreeSet::new();
    for line in found {
        if !seen.insert(key(line)) {
            report(format!("duplicated: {} version {}", line.record_id, line.version));
        }
    }
    let by_key: BTreeMap<_, _> = found.iter().map(|line| (key(line), line)).collect();
    let expected_keys: BTreeSet<_> = expected.iter().map(key).collect();
    for line in expected {
        match by_key.get(&key(line)) {
            None => report(format!("lost: {} of {:?}", line.record_id, line.document)),
            Some(other) if *other != line => report(format!("changed: {line:?} became {other:?}")),
            Some(_) => {}
        }
    }
    for line in found.iter().filter(|line| !expected_keys.contains(&key(line))) {
        report(format!("invented: {} version {}", line.record_id, line.version));
    }
    for source in expected.iter().map(|line| &line.document.0).collect::<BTreeSet<_>>() {
        let order = |lines: &[Line]| -> Vec<_> {
            lines.iter().filter(|line| line.document.0 == *source).map(key).collect()
        };
        if order(expected) != order(found) {
            report(format!("order of source {source} differs"));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, version: u64) -> Line {
        Line {
            record_id: id.into(),
            version,
            verdict: "unique".into(),
            canonical_record_id: id.into(),
            document: ("s".into(), id.into()),
            content_sha256: "0".into(),
        }
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let expected = [line("a", 1), line("b", 1)];
        assert_eq!(output_differences(&expected, &expected), Vec::<String>::new());
        let starts = |found: &[Line], what: &str| {
            let all = output_differences(&expected, found);
            assert!(all.iter().any(|one| one.starts_with(what)), "{what}: {all:?}");
        };
        starts(&[line("a", 1)], "lost");
        starts(&[line("a", 1), line("b", 1), line("b", 1)], "duplicated");
        starts(&[line("a", 1), line("b", 1), line("c", 1)], "invented");
        starts(&[line("b", 1), line("a", 1)], "order");
        starts(&[line("a", 1), Line { verdict: "exact_copy".into(), ..line("b", 1) }], "changed");
    }

    #[test]
    fn a_gap_between_files_and_a_file_that_holds_too_little_are_errors() {
        let dir = tempfile::tempdir().expect("a folder");
        let record = r#"{"record_id":"a","version":1,"dedup":{"verdict":"unique","canonical_record_id":"a"},"source":{"source_id":"s","key":"k"},"hashes":{"content_sha256":"0"}}"#;
        let write = |partition: u32, from: u64, last: u64, lines: usize| {
            let text = format!("{record}\n").repeat(lines);
            fs::write(dir.path().join(format!("records-{partition}-{from:020}-{last:020}.jsonl")), text)
                .expect("written");
        };
        let problem = |read: io::Result<Vec<Line>>| read.expect_err("broken").to_string();
        write(0, 0, 1, 2);
        write(10, 0, 0, 1);
        assert_eq!(read_output(dir.path()).expect("whole").len(), 3, "each partition from its start");
        write(0, 3, 3, 1);
        assert!(problem(read_output(dir.path())).contains("starts at 3"));
        assert!(problem(read_output_with_gaps(dir.path())).contains("starts at 3"));
        for (lines, with_gaps) in [(0, false), (1, true), (2, true), (3, false)] {
            write(0, 2, 3, lines);
            fs::remove_file(dir.path().join(format!("records-0-{:020}-{:020}.jsonl", 3, 3))).ok();
            assert_eq!(read_output(dir.path()).is_ok(), lines == 2, "{lines}");
            assert_eq!(read_output_with_gaps(dir.path()).is_ok(), with_gaps, "{lines}");
        }
    }
}
