//! What only the embedded log promises: one owner a folder, readers beside it, retention and back-pressure.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::thread;
use std::time::Duration;

use barid_log::{
    Change, Codec, Embedded, EmbeddedConfig, EmbeddedReader, Limit, Log, LogError, Outgoing, Position,
    Required, Retention, Table, Unit, Worker, WorkerSpec,
};
use barid_record::Topic;
use prometheus::Registry;

const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

fn open(config: EmbeddedConfig) -> Embedded {
    Embedded::open(config, &Registry::new()).unwrap()
}

fn worker(log: &Embedded, group: &str) -> Box<dyn Worker> {
    log.worker(WorkerSpec { group: group.to_owned(), inputs: vec![Topic::Raw], tables: Vec::new() }).unwrap()
}

fn messages(range: std::ops::Range<u64>) -> Unit {
    let message = |n: u64| Outgoing {
        topic: Topic::Raw,
        timestamp_ms: n as i64 * 1_000,
        key: n.to_string().into(),
        headers: Vec::new(),
        value: vec![7; 1_000].into(),
    };
    Unit { produced: range.map(message).collect(), ..Unit::default() }
}

fn commit(worker: &mut dyn Worker, unit: Unit) {
    let ticket = worker.submit(unit).unwrap();
    worker.wait(ticket).unwrap();
}

fn read_up_to(next_offset: u64) -> Unit {
    let position = Position { topic: Topic::Raw, partition: 0, next_offset };
    Unit { consumed: vec![position], ..Unit::default() }
}

fn limited(
    dir: &std::path::Path,
    topic_bytes: u64,
    age: Option<Duration>,
    required: &[&str],
) -> EmbeddedConfig {
    let required = required.iter().map(|group| Required { group: (*group).to_owned(), topic: Topic::Raw });
    EmbeddedConfig {
        codec: Codec::None,
        segment_bytes: 5_000,
        queue_bytes: 3_000,
        retention: Retention { topic_bytes, age },
        required: required.collect(),
        ..EmbeddedConfig::new(dir)
    }
}

#[test]
fn a_second_opener_and_a_second_worker_are_told_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(EmbeddedConfig::new(dir.path()));
    let second = Embedded::open(EmbeddedConfig::new(dir.path()), &Registry::new());
    assert!(matches!(second, Err(LogError::Locked { .. })));
    let first = worker(&log, "g");
    let spec = || WorkerSpec { group: "g".to_owned(), inputs: Vec::new(), tables: Vec::new() };
    assert!(matches!(log.worker(spec()), Err(LogError::GroupBusy { .. })));
    drop(first);
    let mut third = log.worker(spec()).unwrap();
    let put = Change::Put { table: Table("t"), key: "k".into(), value: "v".into() };
    let undeclared = third.submit(Unit { state: vec![put], ..Unit::default() });
    assert!(matches!(undeclared, Err(LogError::UnknownTable { table: "t", .. })));
    assert!(matches!(log.read(Topic::Raw, 1, 0, ALL), Err(LogError::UnknownPartition { partition: 1, .. })));
    log.close().unwrap();
    assert!(matches!(third.submit(Unit::default()), Err(LogError::Stopped { .. })));
}

#[test]
fn a_reader_works_beside_the_owner() {
    let dir = tempfile::tempdir().unwrap();
    assert!(EmbeddedReader::open(&dir.path().join("nothing")).is_err());
    let log = open(EmbeddedConfig {
        segment_bytes: 3_000,
        journal_bytes: 1_000,
        ..EmbeddedConfig::new(dir.path())
    });
    let mut writer = worker(&log, "g");
    for n in 0..60 {
        commit(&mut *writer, messages(n..n + 1));
        commit(&mut *writer, read_up_to(n));
        let beside = EmbeddedReader::open(dir.path()).unwrap();
        let read = beside.read(Topic::Raw, 0, 0, ALL).unwrap();
        assert_eq!(read, log.read(Topic::Raw, 0, 0, ALL).unwrap());
        assert_eq!(read.len() as u64, n + 1);
        let status = beside.status().unwrap();
        assert_eq!(status.topics[0].end_offset, n + 1);
        assert_eq!(status.lags[0].messages, 1);
        let spec = WorkerSpec { group: "x".to_owned(), inputs: Vec::new(), tables: Vec::new() };
        assert!(matches!(beside.worker(spec), Err(LogError::ReadOnly { .. })));
    }
}

#[test]
fn the_oldest_segments_go_at_the_size_limit() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(limited(dir.path(), 20_000, None, &[]));
    let mut writer = worker(&log, "g");
    for n in 0..100 {
        commit(&mut *writer, messages(n..n + 1));
    }
    let status = log.status().unwrap().topics[0];
    assert!(status.start_offset > 70 && status.bytes < 26_000, "{status:?}");
    assert_eq!(
        log.read(Topic::Raw, 0, 0, ALL).unwrap()[0].offset,
        status.start_offset,
        "reading starts at the oldest"
    );
    drop(writer);
    log.close().unwrap();
    let log = open(limited(dir.path(), 20_000, None, &[]));
    assert_eq!(log.status().unwrap().topics[0], status);
}

#[test]
fn the_oldest_segments_go_at_the_age_limit_by_the_timestamps_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(limited(dir.path(), u64::MAX, Some(Duration::from_secs(30)), &[]));
    let mut writer = worker(&log, "g");
    for n in 0..100 {
        commit(&mut *writer, messages(n..n + 1));
    }
    let start = log.status().unwrap().topics[0].start_offset;
    assert!((60..70).contains(&start), "{start}");
}

#[test]
fn producers_wait_until_a_required_group_has_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(limited(dir.path(), 20_000, None, &["reader"]));
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let mut producer = worker(&log, "producer");
            let tickets: Vec<_> = (0..100).map(|n| producer.submit(messages(n..n + 1)).unwrap()).collect();
            producer.wait(tickets[99]).unwrap();
        });
        let mut reader = worker(&log, "reader");
        let mut waits = 0;
        let mut next = 0;
        while next < 100 {
            while !log.status().unwrap().back_pressure && !producer.is_finished() {
                thread::sleep(Duration::from_millis(1));
            }
            waits += usize::from(log.status().unwrap().back_pressure);
            let batch = reader.poll(ALL, Duration::from_millis(100)).unwrap();
            let keys: Vec<_> = batch.iter().map(|message| message.key.clone()).collect();
            let wanted: Vec<_> = (next..next + batch.len() as u64).map(|n| n.to_string()).collect();
            assert_eq!(keys, wanted, "a message went before the required group had read it");
            next += batch.len() as u64;
            commit(&mut *reader, read_up_to(next));
        }
        assert!(waits > 1, "the producer waited {waits} times");
        producer.join().unwrap();
    });
    // The reader is told that its commit is durable a moment before producers are let go.
    while log.status().unwrap().back_pressure {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn metrics_count_what_was_done() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::new();
    let log = Embedded::open(EmbeddedConfig::new(dir.path()), &registry).unwrap();
    let mut writer = worker(&log, "g");
    commit(&mut *writer, messages(0..3));
    commit(&mut *writer, read_up_to(1));
    drop(writer);
    log.close().unwrap();
    let value = |name: &str| {
        let families = registry.gather();
        let family =
            families.iter().find(|family| family.name() == name).unwrap_or_else(|| panic!("no {name}"));
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value()
            + metric.get_gauge().get_value()
            + metric.get_histogram().get_sample_count() as f64
    };
    assert_eq!(value("barid_log_commits_total"), 2.0);
    assert_eq!(value("barid_log_commit_duration_seconds"), 2.0);
    assert_eq!(value("barid_log_appended_messages_total"), 3.0);
    assert_eq!(value("barid_log_lag_messages"), 2.0);
    assert_eq!(value("barid_log_checkpoints_total"), 1.0);
    assert_eq!(value("barid_log_storage_full"), 0.0);
    assert!(value("barid_log_topic_bytes") > 0.0 && value("barid_log_appended_bytes_total") > 0.0);
}
