//! Logs that are verified and copied: whole, damaged, and while somebody writes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use barid_log::{
    Change, Codec, Embedded, EmbeddedConfig, EmbeddedReader, Extra, Limit, Log, LogError, Outgoing, Position,
    Required, Retention, Table, Unit, WorkerSpec, backup, inventory, restore, verify,
};
use barid_record::Topic;
use prometheus::Registry;

const TABLE: Table = Table("t");
const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

/// Small borders, so that segments, checkpoints and retention are crossed all the time.
fn config(dir: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        codec: Codec::Lz4,
        segment_bytes: 4_000,
        tail_bytes: 0,
        state_buffer_bytes: 20_000,
        journal_bytes: 10_000,
        retention: Retention { topic_bytes: 12_000, age: None },
        required: vec![Required { group: "g".to_owned(), topic: Topic::Raw }],
        ..EmbeddedConfig::new(dir)
    }
}

fn open(dir: &Path) -> Embedded {
    Embedded::open(config(dir), &Registry::new()).unwrap()
}

fn spec() -> WorkerSpec {
    WorkerSpec { group: "g".to_owned(), inputs: Vec::new(), tables: vec![TABLE] }
}

/// Commit `n`: a message, a position, and the number of the commit as state under two keys.
fn unit(n: u64) -> Unit {
    let put = |key: String| Change::Put { table: TABLE, key: key.into(), value: n.to_string().into() };
    let message = Outgoing {
        topic: Topic::Raw,
        timestamp_ms: n as i64,
        key: n.to_string().into(),
        headers: Vec::new(),
        value: format!("{n} {}", "كلمة ".repeat(20 + n as usize % 7)).into(),
    };
    Unit {
        consumed: vec![Position { topic: Topic::Raw, partition: 0, next_offset: n }],
        produced: vec![message],
        state: vec![put("newest".to_owned()), put(format!("n{n:06}"))],
    }
}

fn write(log: &Embedded, range: std::ops::Range<u64>) {
    let mut worker = log.worker(spec()).unwrap();
    for n in range {
        let ticket = worker.submit(unit(n)).unwrap();
        worker.wait(ticket).unwrap();
    }
}

/// Checks that a log is the first commits, all of them and nothing else. How many.
fn count(dir: &Path) -> u64 {
    let log = open(dir);
    let end = log.end(Topic::Raw, 0).unwrap();
    let messages = log.read(Topic::Raw, 0, 0, ALL).unwrap();
    for message in &messages {
        assert_eq!(message.key, message.offset.to_string());
    }
    assert_eq!(messages.last().map(|last| last.offset + 1), Some(end));
    let mut worker = log.worker(spec()).unwrap();
    let mut state = BTreeMap::new();
    worker
        .scan(TABLE, b"", &mut |key, value| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            state.insert(text(key), text(value));
        })
        .unwrap();
    assert_eq!(state["newest"], (end - 1).to_string(), "state and messages are of the same commit");
    assert_eq!(state.len() as u64, end + 1, "every commit's state is there");
    assert_eq!(worker.position(Topic::Raw, 0), end - 1);
    end
}

fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn no_extras(_: &EmbeddedReader) -> std::io::Result<Vec<Extra>> {
    Ok(Vec::new())
}

/// Ends the writer, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A log of so many commits that was closed.
fn closed(commits: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    write(&log, 0..commits);
    log.close().unwrap();
    dir
}

#[test]
fn a_whole_log_verifies_and_is_listed() {
    let dir = closed(300);
    let found = verify(dir.path()).unwrap();
    assert!(found.damages.is_empty(), "{:?}", found.damages);
    let listed = inventory(dir.path()).unwrap();
    let (raw, of) = (&listed.topics[0], found.topics[0]);
    assert_eq!((raw.status.end_offset, of.messages), (300, raw.status.end_offset - raw.status.start_offset));
    assert!(
        raw.segments.len() as u64 == of.segments && of.segments > 2 && raw.status.start_offset > 0,
        "{raw:?}"
    );
    assert_eq!(of.bytes, raw.status.bytes);
    assert_eq!(found.state_entries, Some(301));
    assert!(
        found.frames > 0 && found.checkpoints == listed.checkpoints && listed.state_bytes > 0,
        "{listed:?}"
    );
    assert_eq!(listed.lags.iter().map(|lag| lag.messages).sum::<u64>(), 1);
}

#[test]
fn every_damage_is_found_where_it_is_and_the_rest_is_read_all_the_same() {
    let dir = closed(300);
    let whole = verify(dir.path()).unwrap();
    for ending in [".seg", ".wal", ".ckpt", "tables/"] {
        let victims = if ending == "tables/" {
            files(&dir.path().join("state/tables"), "")
        } else {
            files(dir.path(), ending)
        };
        for path in victims {
            let good = fs::read(&path).unwrap();
            // A journal file without frames is a header of 20 bytes.
            let at = good.len() / 2;
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            let found = verify(dir.path()).unwrap();
            fs::write(&path, &good).unwrap();
            let named = found.damages.iter().any(|damage| {
                if let LogError::SegmentDamaged { file, offset, .. } = damage {
                    return *file == path && *offset <= at as u64;
                }
                let is_file = matches!(damage, LogError::JournalDamaged { file, .. } | LogError::CheckpointDamaged { file, .. } if *file == path);
                is_file || matches!(damage, LogError::StateDamaged { .. } if ending == "tables/")
            });
            // What a crash could have left at the very end is told as such.
            let is_torn = found.uncommitted_bytes > 0 && ending == ".wal";
            assert!(named || is_torn, "{}: {:?}", path.display(), found.damages);
            if ending == ".seg" {
                let lost = whole.topics[0].messages - found.topics[0].messages;
                assert!((1..40).contains(&lost), "{}: {lost} messages in one block", path.display());
            }
        }
    }
    let gone = files(dir.path(), ".seg").remove(1);
    fs::remove_file(&gone).unwrap();
    let said = verify(dir.path()).unwrap().damages.remove(0).to_string();
    assert!(said.contains("missing") && said.contains(&gone.display().to_string()), "{said}");
}

#[test]
fn a_copy_taken_while_others_write_is_a_whole_log_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let copies = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    write(&log, 0..50);
    let (is_over, written) = (AtomicBool::new(false), AtomicU64::new(50));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut worker = log.worker(spec()).unwrap();
            let mut n = 50;
            while !is_over.load(Ordering::Acquire) {
                let ticket = worker.submit(unit(n)).unwrap();
                worker.wait(ticket).unwrap();
                n += 1;
                written.store(n, Ordering::Release);
            }
        });
        let _over = Over(&is_over);
        for number in 0..12 {
            let before = written.load(Ordering::Acquire);
            let to = copies.path().join(number.to_string());
            let made = backup(dir.path(), &to, &mut no_extras).unwrap();
            let after = written.load(Ordering::Acquire) + 1;
            let found = verify(&to).unwrap();
            assert!(found.damages.is_empty() && found.state_entries.is_some(), "{found:?}");
            let beside = verify(dir.path()).unwrap();
            assert!(beside.damages.is_empty() && beside.state_entries.is_some(), "{beside:?}");
            assert!(made.files > 2 && made.messages[&Topic::Raw] > 0, "{made:?}");
            let back = copies.path().join(format!("back{number}"));
            let restored = restore(&to, &back, &|_| None).unwrap();
            assert_eq!((restored.files, restored.bytes), (made.files, made.bytes));
            let count = count(&back);
            assert!((before..=after).contains(&count), "{before} <= {count} <= {after}");
            fs::remove_dir_all(&back).unwrap();
            // The owner goes on, and crosses more borders meanwhile.
            while written.load(Ordering::Acquire) < after + 60 {
                std::thread::yield_now();
            }
        }
    });
    log.close().unwrap();
    assert_eq!(count(dir.path()), written.load(Ordering::Acquire), "the owner was not disturbed");
    assert!(!dir.path().join(".backup").exists());
}

#[test]
fn what_is_no_whole_copy_is_not_restored_and_no_log_is_written_over() {
    let dir = closed(100);
    let place = tempfile::tempdir().unwrap();
    let (to, back) = (place.path().join("copy"), place.path().join("back"));
    fs::write(dir.path().join("note"), "kept").unwrap();
    let mut extras = |_: &EmbeddedReader| {
        let extra = |from: &str, name: &str| Extra { from: dir.path().join(from), name: name.into() };
        Ok(vec![extra("note", "records/note"), extra("has gone", "records/gone")])
    };
    let made = backup(dir.path(), &to, &mut extras).unwrap();
    assert!(backup(dir.path(), &to, &mut no_extras).is_err(), "the folder is not empty");
    assert!(restore(&to, dir.path(), &|_| None).is_err(), "there is a log");

    for path in files(&to, "") {
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad.truncate(good.len() - 1);
        fs::write(&path, &bad).unwrap();
        let other = place.path().join("other");
        assert!(restore(&to, &other, &|_| Some(other.join("x"))).is_err(), "{}", path.display());
        assert!(!other.join("commits").exists(), "{}", path.display());
        fs::remove_dir_all(&other).ok();
        fs::write(&path, &good).unwrap();
    }
    let placed = back.join("records/note");
    let restored =
        restore(&to, &back, &|name| (name == Path::new("records/note")).then(|| placed.clone())).unwrap();
    assert_eq!((restored.files, restored.left_out), (made.files, 0));
    assert_eq!(fs::read_to_string(&placed).unwrap(), "kept");
    assert_eq!(count(&back), 100);
    let list = fs::read_to_string(to.join("BACKUP")).unwrap();
    fs::write(to.join("BACKUP"), list.replace("extras/records", "extras/../../records")).unwrap();
    assert!(restore(&to, &place.path().join("out"), &|_| None).is_err(), "a name leads out of the copy");
}
