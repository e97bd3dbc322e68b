//! Kills a process that uses the log, at every crash point and at random, and checks what is left: whole units, nothing more, nothing less.
//!
//! The test binary starts itself as the victim. Three groups work at once: `producer` writes numbered units, `stage` turns every raw
//! message into a record, `sink` remembers every record. All state is a pure function of what was committed, so the checker can compute it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use barid_log::{
    Change, Embedded, EmbeddedConfig, EmbeddedReader, FAILPOINTS, Limit, Log, Message, Outgoing, Required,
    Retention, Table, Unit, Worker, WorkerSpec,
};
use barid_record::Topic;
use bytes::Bytes;
use prometheus::Registry;

const DIR: &str = "BARID_LOG_KILL_DIR";
const UNITS: &str = "BARID_LOG_KILL_UNITS";
const TABLE: Table = Table("kill");
const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };
const SIGKILL: i32 = 9;

fn config(dir: &Path, retained_bytes: u64) -> EmbeddedConfig {
    let required = |group: &str, topic| Required { group: group.to_owned(), topic };
    EmbeddedConfig {
        block_bytes: 600,
        segment_bytes: 6_000,
        commit_bytes: 4_000,
        queue_bytes: 20_000,
        tail_bytes: 3_000,
        state_buffer_bytes: 60_000,
        journal_bytes: 20_000,
        retention: Retention { topic_bytes: retained_bytes, age: None },
        required: vec![required("stage", Topic::Raw), required("sink", Topic::Records)],
        ..EmbeddedConfig::new(dir)
    }
}

fn spec(group: &str, inputs: &[Topic]) -> WorkerSpec {
    WorkerSpec { group: group.to_owned(), inputs: inputs.to_vec(), tables: vec![TABLE] }
}

fn put(key: String, value: u64) -> Change {
    Change::Put { table: TABLE, key: key.into(), value: value.to_string().into() }
}

fn number(bytes: &[u8]) -> u64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}

/// The raw messages of unit `n`, by key.
fn raw_keys(n: u64) -> impl Iterator<Item = String> {
    (0..1 + n % 4).map(move |index| format!("{n}/{index}"))
}

fn outgoing(topic: Topic, key: &str) -> Outgoing {
    let value = format!("{key} {}", "نص ".repeat(key.len() * 7 % 50));
    Outgoing { topic, timestamp_ms: 0, key: key.to_owned().into(), headers: Vec::new(), value: value.into() }
}

/// The state changes of unit `n` of the producer.
fn producer_changes(n: u64) -> Vec<Change> {
    let gone = Change::Delete { table: TABLE, key: format!("p/{}", (n + 11) % 23).into() };
    vec![put("p/next".to_owned(), n + 1), put(format!("p/{}", n % 23), n), gone]
}

fn run_producer(log: &dyn Log, dir: &Path, units: u64) {
    let mut worker = log.worker(spec("producer", &[])).unwrap();
    let mut acks = OpenOptions::new().create(true).append(true).open(dir.join("acks")).unwrap();
    let next = worker.get(TABLE, b"p/next").unwrap().map_or(0, |bytes| number(&bytes));
    let mut in_flight = Vec::new();
    for n in next..next + units {
        let produced = raw_keys(n).map(|key| outgoing(Topic::Raw, &key)).collect();
        let ticket = worker.submit(Unit { produced, state: producer_changes(n), ..Unit::default() }).unwrap();
        in_flight.push((n, ticket));
        if in_flight.len() == 4 {
            for (n, ticket) in in_flight.drain(..) {
                worker.wait(ticket).unwrap();
                // In one write: a kill between the digits and the line end would join two numbers into one never acknowledged.
                acks.write_all(format!("{n}\n").as_bytes()).unwrap();
            }
        }
    }
}

/// Reads `input` until it has been empty for a while after `done`, committing what `each` makes of every batch.
fn run_reader(log: &dyn Log, group: &str, input: Topic, each: &dyn Fn(&mut dyn Worker, &[Message]) -> Unit) {
    let mut worker = log.worker(spec(group, &[input])).unwrap();
    let limit = Limit { messages: 7, bytes: 1 << 20 };
    loop {
        let batch = worker.poll(limit, Duration::from_millis(300)).unwrap();
        let Some(last) = batch.last() else { break };
        let mut unit = each(&mut *worker, &batch);
        unit.consumed = vec![last.next()];
        worker.submit(unit).unwrap();
    }
}

fn stage(worker: &mut dyn Worker, batch: &[Message]) -> Unit {
    let mut counts = BTreeMap::new();
    for message in batch {
        let key = format!("s/{}", message.offset % 5);
        let count = counts
            .entry(key.clone())
            .or_insert_with(|| worker.get(TABLE, key.as_bytes()).unwrap().map_or(0, |bytes| number(&bytes)));
        *count += message.offset;
    }
    let produced = batch
        .iter()
        .map(|message| outgoing(Topic::Records, std::str::from_utf8(&message.key).unwrap()))
        .collect();
    Unit {
        produced,
        state: counts.into_iter().map(|(key, count)| put(key, count)).collect(),
        ..Unit::default()
    }
}

fn sink(_: &mut dyn Worker, batch: &[Message]) -> Unit {
    let remember = |message: &Message| Change::Put {
        table: TABLE,
        key: format!("k/{:08}", message.offset).into(),
        value: message.key.clone(),
    };
    Unit { state: batch.iter().map(remember).collect(), ..Unit::default() }
}

/// Not a test of its own: the process that is killed. Does nothing unless it was started as the victim.
#[test]
fn victim() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let units = std::env::var(UNITS).unwrap().parse().unwrap();
    let retained = if dir.ends_with("retained") { 20_000 } else { u64::MAX };
    let dir = Path::new(&dir);
    let log = Embedded::open(config(dir, retained), &Registry::new()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| run_producer(&log, dir, units));
        scope.spawn(|| run_reader(&log, "stage", Topic::Raw, &stage));
        scope.spawn(|| run_reader(&log, "sink", Topic::Records, &sink));
    });
    log.close().unwrap();
}

fn start(dir: &Path, units: u64, failpoint: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim", "--nocapture"]).env(DIR, dir).env(UNITS, units.to_string());
    command.env_remove("BARID_FAILPOINT").stdout(Stdio::null());
    if let Some(failpoint) = failpoint {
        command.env("BARID_FAILPOINT", failpoint);
    }
    command.spawn().unwrap()
}

fn was_killed(status: ExitStatus) -> bool {
    assert!(status.success() || status.signal() == Some(SIGKILL), "the victim failed by itself: {status}");
    status.signal() == Some(SIGKILL)
}

fn read_all(log: &dyn Log, topic: Topic) -> (u64, Vec<String>) {
    let messages = log.read(topic, 0, 0, ALL).unwrap();
    let start = messages.first().map_or(0, |message| message.offset);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message.offset, start + index as u64, "a gap in {topic:?}");
    }
    (start, messages.iter().map(|message| String::from_utf8(message.key.to_vec()).unwrap()).collect())
}

fn state(worker: &mut dyn Worker, prefix: &str) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let visited = worker.scan(TABLE, prefix.as_bytes(), &mut |key, value| {
        seen.insert(text(key), text(value));
    });
    visited.unwrap();
    seen
}

/// Everything in the folder must be what the committed units make it.
fn check(dir: &Path, retained: u64) {
    let beside = EmbeddedReader::open(dir).unwrap();
    let log = Embedded::open(config(dir, retained), &Registry::new()).unwrap();
    assert_eq!(
        read_all(&beside, Topic::Records),
        read_all(&log, Topic::Records),
        "the read-only view differs"
    );
    let mut worker = log.worker(spec("checker", &[])).unwrap();
    let producer = state(&mut *worker, "p/");
    let next = producer.get("p/next").map_or(0, |next| number(next.as_bytes()));
    let acks = fs::read_to_string(dir.join("acks")).unwrap_or_default();
    let acked = acks.lines().filter_map(|line| line.parse::<u64>().ok()).max();
    assert!(acked.is_none_or(|acked| acked < next), "unit {acked:?} was acknowledged, only {next} are there");

    let mut wanted = BTreeMap::new();
    for change in (0..next).flat_map(producer_changes) {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        match change {
            Change::Put { key, value, .. } => wanted.insert(text(key), text(value)),
            Change::Delete { key, .. } => wanted.remove(&text(key)),
        };
    }
    assert_eq!(producer, wanted);

    let raw: Vec<String> = (0..next).flat_map(raw_keys).collect();
    let (start, found) = read_all(&log, Topic::Raw);
    assert_eq!(found, raw[start as usize..], "raw messages");

    let staged = log.worker(spec("stage", &[Topic::Raw])).unwrap().position(Topic::Raw, 0) as usize;
    let (start, records) = read_all(&log, Topic::Records);
    assert_eq!(records, raw[start as usize..staged], "records");
    let mut counts = BTreeMap::new();
    for offset in 0..staged as u64 {
        *counts.entry(format!("s/{}", offset % 5)).or_insert(0) += offset;
    }
    let counts: BTreeMap<_, _> = counts.into_iter().map(|(key, count)| (key, count.to_string())).collect();
    assert_eq!(state(&mut *worker, "s/"), counts);

    let sunk = log.worker(spec("sink", &[Topic::Records])).unwrap().position(Topic::Records, 0) as usize;
    let seen: Vec<String> = state(&mut *worker, "k/").into_values().collect();
    assert_eq!(seen, raw[..sunk], "what the sink remembers");
    drop(worker);
    log.close().unwrap();
}

fn kill_at_every_point(dir: &Path, retained: u64, points: &[&str]) {
    for point in points {
        let mut kills = 0;
        for nth in [1, 2, 5, 17] {
            let status = start(dir, 150, Some(&format!("{point}:{nth}"))).wait().unwrap();
            kills += usize::from(was_killed(status));
            check(dir, retained);
        }
        assert!(kills > 0, "{point} was never reached");
    }
}

#[test]
fn killed_at_every_point() {
    let dir = tempfile::tempdir().unwrap();
    let points: Vec<_> = FAILPOINTS.iter().copied().filter(|point| !point.contains("retention")).collect();
    kill_at_every_point(dir.path(), u64::MAX, &points);
}

#[test]
fn killed_while_segments_are_retired() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("retained");
    kill_at_every_point(
        &dir,
        20_000,
        &["log.retention.middle", "log.checkpoint.after", "log.commit.after_fsync"],
    );
    let log = Embedded::open(config(&dir, 20_000), &Registry::new()).unwrap();
    let raw = log.status().unwrap().topics[0];
    assert!(raw.start_offset > 0, "nothing was retired");
}

#[test]
fn killed_at_random() {
    let dir = tempfile::tempdir().unwrap();
    let mut seed = 20_260_901u64;
    let mut kills = 0;
    for _ in 0..30 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut child = start(dir.path(), 2_000, None);
        thread::sleep(Duration::from_millis(5 + (seed >> 33) % 150));
        child.kill().unwrap();
        kills += usize::from(was_killed(child.wait().unwrap()));
        check(dir.path(), u64::MAX);
    }
    assert!(kills > 20, "only {kills} of 30 were killed while they ran");
}
