//! Damages every file of a small log, byte by byte and length by length. The outcome must be the whole log, an older state of whole commits,
//! or a refusal that names the file: never something else, never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use barid_log::{
    Change, Codec, Embedded, EmbeddedConfig, Limit, Log, LogError, Outgoing, Table, Unit, WorkerSpec,
};
use barid_record::Topic;
use prometheus::Registry;
use tempfile::TempDir;

const TABLE: Table = Table("t");
const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

/// What a reader sees of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    keys: Vec<String>,
    position: u64,
    state: BTreeMap<String, String>,
}

/// What came of opening and reading a damaged log.
#[derive(Debug)]
enum Outcome {
    Seen(Seen),
    Refused,
}

fn config(dir: &Path) -> EmbeddedConfig {
    EmbeddedConfig { codec: Codec::None, segment_bytes: 250, tail_bytes: 0, ..EmbeddedConfig::new(dir) }
}

fn spec(group: &str) -> WorkerSpec {
    WorkerSpec { group: group.to_owned(), inputs: Vec::new(), tables: vec![TABLE] }
}

/// Commit number `n` of the history every log here has.
fn unit(n: u64) -> Unit {
    let key = format!("m{n}");
    let outgoing = Outgoing {
        topic: Topic::Raw,
        timestamp_ms: n as i64,
        key: key.clone().into(),
        headers: Vec::new(),
        value: "متن ".repeat(5 + n as usize % 5).into(),
    };
    let position = barid_log::Position { topic: Topic::Backfill, partition: 0, next_offset: n + 1 };
    let put = Change::Put { table: TABLE, key: format!("k{}", n % 5).into(), value: n.to_string().into() };
    let delete = Change::Delete { table: TABLE, key: format!("k{}", (n + 2) % 5).into() };
    Unit { consumed: vec![position], produced: vec![outgoing], state: vec![put, delete] }
}

/// What a reader sees after the first `count` commits.
fn model(count: u64) -> Seen {
    let mut seen = Seen { position: count, ..Seen::default() };
    for n in 0..count {
        seen.keys.push(format!("m{n}"));
        seen.state.insert(format!("k{}", n % 5), n.to_string());
        seen.state.remove(&format!("k{}", (n + 2) % 5));
    }
    seen
}

fn commit(log: &dyn Log, range: std::ops::Range<u64>) {
    let mut worker = log.worker(spec("writer")).unwrap();
    for n in range {
        let ticket = worker.submit(unit(n)).unwrap();
        worker.wait(ticket).unwrap();
    }
}

/// In memory where there is such a place: thousands of logs are opened.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A log as a crash leaves it: `runs` ended cleanly, each with a checkpoint, then `commits` more without one.
fn crashed(runs: &[u64], commits: u64) -> (TempDir, u64) {
    let dir = folder();
    let live = dir.path().join("live");
    let mut count = 0;
    for run in runs {
        let log = Embedded::open(config(&live), &Registry::new()).unwrap();
        commit(&log, count..count + run);
        count += run;
        log.close().unwrap();
    }
    let log = Embedded::open(config(&live), &Registry::new()).unwrap();
    commit(&log, count..count + commits);
    copy(&live, &dir.path().join("crashed"));
    drop(log);
    (dir, count + commits)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().unwrap() != "LOCK" {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn look(dir: &Path) -> Result<Seen, LogError> {
    let log = Embedded::open(config(dir), &Registry::new())?;
    let mut seen = Seen::default();
    for message in log.read(Topic::Raw, 0, 0, ALL)? {
        assert_eq!(message.offset, seen.keys.len() as u64);
        assert_eq!(message.value, unit(message.offset).produced[0].value);
        seen.keys.push(String::from_utf8(message.key.to_vec()).unwrap());
    }
    let mut worker = log.worker(spec("writer"))?;
    seen.position = worker.position(Topic::Backfill, 0);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    worker.scan(TABLE, b"", &mut |key, value| {
        seen.state.insert(text(key), text(value));
    })?;
    for n in 0..5 {
        let key = format!("k{n}");
        let value = worker.get(TABLE, key.as_bytes())?;
        assert_eq!(value.map(|value| text(&value)).as_ref(), seen.state.get(&key));
    }
    drop(worker);
    log.close()?;
    Ok(seen)
}

/// What a refusal names.
fn named(error: &LogError) -> &Path {
    if let LogError::StateDamaged { dir, .. } = error {
        return dir;
    }
    let (LogError::JournalDamaged { file, .. }
    | LogError::SegmentDamaged { file, .. }
    | LogError::CheckpointDamaged { file, .. }) = error
    else {
        panic!("this is not a named refusal: {error}")
    };
    file
}

/// Opens a copy of the log with one file replaced.
fn with_damage(master: &Path, file: &Path, bytes: Option<&[u8]>) -> Outcome {
    let scratch = folder();
    let dir = scratch.path().join("log");
    copy(master, &dir);
    let damaged = dir.join(file.strip_prefix(master).unwrap());
    match bytes {
        Some(bytes) => fs::write(&damaged, bytes).unwrap(),
        None => fs::remove_file(&damaged).unwrap(),
    }
    match look(&dir) {
        Ok(seen) => Outcome::Seen(seen),
        Err(error) => {
            let at = named(&error);
            assert!(
                damaged.starts_with(at) || damaged.extension().is_some_and(|found| found == "ckpt"),
                "{error} for {damaged:?}"
            );
            Outcome::Refused
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    whole: usize,
    older: usize,
    refused: usize,
}

impl Tally {
    fn add(&mut self, outcome: Outcome, commits: u64, what: &str) {
        match outcome {
            Outcome::Refused => self.refused += 1,
            Outcome::Seen(seen) if seen == model(commits) => self.whole += 1,
            Outcome::Seen(seen) => {
                let older = (0..commits).find(|&count| model(count) == seen);
                assert!(older.is_some(), "{what}: neither whole nor an older state: {seen:?}");
                self.older += 1;
            }
        }
    }
}

/// Flips bytes and cuts at lengths, about `samples` of each, and removes the file.
fn damage(master: &Path, file: &Path, commits: u64, samples: usize) -> Tally {
    let whole = fs::read(file).unwrap();
    let step = whole.len().div_ceil(samples).max(1);
    let mut tally = Tally::default();
    for at in (0..whole.len()).step_by(step) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let outcome = with_damage(master, file, Some(&flipped));
        tally.add(outcome, commits, &format!("flip at {at} of {file:?}"));
        let outcome = with_damage(master, file, Some(&whole[..at]));
        tally.add(outcome, commits, &format!("cut at {at} of {file:?}"));
    }
    tally.add(with_damage(master, file, None), commits, &format!("{file:?} removed"));
    tally
}

fn of_kind<'a>(files: &'a [PathBuf], kind: &str) -> Vec<&'a PathBuf> {
    let found: Vec<_> = files.iter().filter(|file| file.to_string_lossy().contains(kind)).collect();
    assert!(!found.is_empty(), "no {kind} file");
    found
}

#[test]
fn an_undamaged_crash_loses_nothing() {
    for (runs, commits) in [(&[][..], 0), (&[], 6), (&[5], 0), (&[5, 4], 3), (&[3, 3, 3], 1)] {
        let (dir, count) = crashed(runs, commits);
        assert_eq!(look(&dir.path().join("crashed")).unwrap(), model(count));
    }
}

#[test]
fn damage_to_the_journal() {
    let (dir, commits) = crashed(&[], 6);
    let master = dir.path().join("crashed");
    let tally = damage(&master, of_kind(&files(&master), ".wal")[0], commits, usize::MAX);
    assert!(tally.whole == 0 && tally.older > 300 && tally.refused > 300, "{tally:?}");

    let (dir, commits) = crashed(&[4, 4], 4);
    let master = dir.path().join("crashed");
    let files = files(&master);
    let journals = of_kind(&files, ".wal");
    assert_eq!(journals.len(), 2);
    // The older file only serves the older checkpoint.
    let spare = damage(&master, journals[0], commits, 60);
    assert!(spare.whole > 100 && spare.refused == 0, "{spare:?}");
    let tally = damage(&master, journals[1], commits, 300);
    assert!(tally.older > 100 && tally.refused > 100, "{tally:?}");
}

#[test]
fn damage_to_a_segment() {
    let (dir, commits) = crashed(&[4], 6);
    let master = dir.path().join("crashed");
    let files = files(&master);
    let segments = of_kind(&files, ".seg");
    assert!(segments.len() > 2);
    for segment in [segments[0], segments[segments.len() - 1]] {
        let tally = damage(&master, segment, commits, usize::MAX);
        assert!(tally.whole == 0 && tally.older == 0, "{tally:?}");
    }
}

#[test]
fn damage_to_a_checkpoint() {
    let (dir, commits) = crashed(&[4, 4, 4], 2);
    let master = dir.path().join("crashed");
    let files = files(&master);
    let checkpoints = of_kind(&files, ".ckpt");
    assert_eq!(checkpoints.len(), 2);
    for checkpoint in checkpoints {
        let tally = damage(&master, checkpoint, commits, usize::MAX);
        assert!(
            tally.older == 0 && tally.refused == 0 && tally.whole > 100,
            "the other one serves: {tally:?}"
        );
    }
}

#[test]
fn damage_to_both_checkpoints_is_refused_once_the_journal_is_gone() {
    let (dir, _) = crashed(&[4, 4, 4], 2);
    let master = dir.path().join("crashed");
    for checkpoint in of_kind(&files(&master), ".ckpt") {
        fs::write(checkpoint, b"nonsense").unwrap();
    }
    assert!(matches!(look(&master), Err(LogError::CheckpointDamaged { .. })));
}

#[test]
fn damage_to_the_state_store_is_refused_or_harmless() {
    let (dir, commits) = crashed(&[4, 4, 4], 2);
    let master = dir.path().join("crashed");
    let files = files(&master);
    let mut refused = 0;
    for file in of_kind(&files, "/state/") {
        let tally = damage(&master, file, commits, 250);
        assert_eq!(tally.older, 0, "{file:?}: {tally:?}");
        refused += tally.refused;
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn a_state_store_is_rebuilt_while_the_journal_reaches_back() {
    let (dir, commits) = crashed(&[6], 3);
    let master = dir.path().join("crashed");
    fs::remove_dir_all(master.join("state")).unwrap();
    assert_eq!(look(&master).unwrap(), model(commits));
    let (dir, _) = crashed(&[4, 4, 4], 2);
    let master = dir.path().join("crashed");
    fs::remove_dir_all(master.join("state")).unwrap();
    assert!(matches!(look(&master), Err(LogError::StateDamaged { .. })));
}
