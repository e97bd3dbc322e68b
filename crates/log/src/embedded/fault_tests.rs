//! Disks that are full or fail, simulated below every write and sync of the log. The same on a real full disk: `tests/full_disk.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barid_record::Topic;
use prometheus::Registry;

use super::disk::faults::{Faults, install};
use super::{Embedded, EmbeddedConfig};
use crate::api::{Change, Limit, Log, Outgoing, Table, Unit, Worker, WorkerSpec};
use crate::{Codec, LogError};

const TABLE: Table = Table("t");
const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };

fn config(dir: &std::path::Path) -> EmbeddedConfig {
    EmbeddedConfig {
        codec: Codec::None,
        segment_bytes: 3_000,
        journal_bytes: 2_000,
        ..EmbeddedConfig::new(dir)
    }
}

fn worker(log: &Embedded) -> Box<dyn Worker> {
    log.worker(WorkerSpec { group: "g".to_owned(), inputs: Vec::new(), tables: vec![TABLE] }).unwrap()
}

fn unit(n: u64) -> Unit {
    let outgoing = Outgoing {
        topic: Topic::Raw,
        timestamp_ms: 0,
        key: n.to_string().into(),
        headers: Vec::new(),
        value: "x".repeat(500).into(),
    };
    let put = Change::Put { table: TABLE, key: n.to_string().into(), value: "y".repeat(100).into() };
    Unit { produced: vec![outgoing], state: vec![put], ..Unit::default() }
}

fn check(log: &Embedded, units: u64) {
    let keys: Vec<_> =
        log.read(Topic::Raw, 0, 0, ALL).unwrap().into_iter().map(|message| message.key).collect();
    assert_eq!(keys, (0..units).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut reader = worker(log);
    for n in 0..units {
        assert!(reader.get(TABLE, n.to_string().as_bytes()).unwrap().is_some(), "the state of unit {n}");
    }
}

/// Gives the disk `space_bytes`, submits a unit that may not fit, then gives it space again.
fn squeeze(log: &Embedded, faults: &Faults, n: u64, space_bytes: i64) -> bool {
    let mut worker = worker(log);
    faults.space_bytes.store(space_bytes, Ordering::Relaxed);
    faults.limited.store(true, Ordering::Relaxed);
    let ticket = worker.submit(unit(n)).unwrap();
    while worker.durable() < Some(ticket) && !log.status().unwrap().storage_full {
        std::thread::sleep(Duration::from_millis(1));
    }
    let was_full = worker.durable() < Some(ticket);
    faults.limited.store(false, Ordering::Relaxed);
    worker.wait(ticket).unwrap();
    was_full
}

#[test]
fn a_disk_that_is_full_after_any_number_of_bytes_loses_and_repeats_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    install(Some(faults.clone()));
    let log = Embedded::open(config(dir.path()), &Registry::new()).unwrap();
    let mut waits = 0;
    let rooms: Vec<i64> = (0..900).step_by(60).collect();
    for (n, &room) in rooms.iter().enumerate() {
        waits += usize::from(squeeze(&log, &faults, n as u64, room));
    }
    assert!(waits >= rooms.len() / 2, "only {waits} commits found the disk full");
    check(&log, rooms.len() as u64);
    log.close().unwrap();
    check(&Embedded::open(config(dir.path()), &Registry::new()).unwrap(), rooms.len() as u64);
    install(None);
}

#[test]
fn a_sync_that_finds_the_disk_full_is_tried_again_from_the_write_on() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    install(Some(faults.clone()));
    let log = Embedded::open(config(dir.path()), &Registry::new()).unwrap();
    let mut worker = worker(&log);
    faults.full_sync.store(true, Ordering::Relaxed);
    let ticket = worker.submit(unit(0)).unwrap();
    while !log.status().unwrap().storage_full {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(worker.durable(), None);
    faults.full_sync.store(false, Ordering::Relaxed);
    worker.wait(ticket).unwrap();
    drop(worker);
    assert!(!log.status().unwrap().storage_full);
    check(&log, 1);
    install(None);
}

#[test]
fn a_sync_that_fails_stops_the_log_and_is_never_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    install(Some(faults.clone()));
    let log = Embedded::open(config(dir.path()), &Registry::new()).unwrap();
    let mut first = worker(&log);
    let ticket = first.submit(unit(0)).unwrap();
    first.wait(ticket).unwrap();
    faults.failing_sync.store(true, Ordering::Relaxed);
    let ticket = first.submit(unit(1)).unwrap();
    assert!(matches!(first.wait(ticket), Err(LogError::Stopped { .. })));
    faults.failing_sync.store(false, Ordering::Relaxed);
    assert!(matches!(first.submit(unit(1)), Err(LogError::Stopped { .. })));
    drop(first);
    assert!(log.close().is_err());
    check(&Embedded::open(config(dir.path()), &Registry::new()).unwrap(), 1);
    install(None);
}
