//! A real full disk: the log lives on a small tmpfs that fills up and is freed, again and again, wherever in the work that happens.
//!
//! The test starts itself in a mount namespace of its own: as root, or in a user namespace. Where neither is allowed it fails and says so.
//! `src/embedded/fault_tests.rs` covers the same without any privilege.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use barid_log::{
    Change, Codec, Embedded, EmbeddedConfig, Limit, Log, LogError, Outgoing, Table, Ticket, Unit, Worker,
    WorkerSpec,
};
use barid_record::Topic;
use prometheus::Registry;

const INSIDE: &str = "BARID_LOG_FULL_DISK";
const TABLE: Table = Table("t");
const ALL: Limit = Limit { messages: usize::MAX, bytes: usize::MAX };
const DISK_BYTES: u64 = 96 << 20;

fn config(dir: &Path) -> EmbeddedConfig {
    EmbeddedConfig {
        codec: Codec::None,
        segment_bytes: 300_000,
        queue_bytes: 100_000,
        state_buffer_bytes: 400_000,
        journal_bytes: 200_000,
        ..EmbeddedConfig::new(dir)
    }
}

fn worker(log: &Embedded) -> Box<dyn Worker> {
    log.worker(WorkerSpec { group: "g".to_owned(), inputs: Vec::new(), tables: vec![TABLE] }).unwrap()
}

fn filler(n: u64, bytes: usize) -> String {
    format!("{n} ").repeat(bytes / 4)
}

/// Every third unit has messages only, every third state only, every third both.
fn unit(n: u64) -> Unit {
    let mut unit = Unit::default();
    if n % 3 != 1 {
        let value = filler(n, 9_000).into();
        unit.produced.push(Outgoing {
            topic: Topic::Raw,
            timestamp_ms: 0,
            key: n.to_string().into(),
            headers: Vec::new(),
            value,
        });
    }
    if !n.is_multiple_of(3) {
        for part in 0..20 {
            unit.state.push(Change::Put {
                table: TABLE,
                key: format!("{n:06}/{part}").into(),
                value: filler(n, 200).into(),
            });
        }
    }
    unit
}

fn check(log: &Embedded, units: u64) {
    let found: Vec<_> =
        log.read(Topic::Raw, 0, 0, ALL).unwrap().into_iter().map(|message| message.key).collect();
    let wanted: Vec<_> = (0..units).filter(|n| n % 3 != 1).map(|n| n.to_string()).collect();
    assert_eq!(found, wanted);
    let mut worker = worker(log);
    let mut keys = 0;
    worker
        .scan(TABLE, b"", &mut |key, value| {
            let n = std::str::from_utf8(&key[..6]).unwrap().parse().unwrap();
            assert_eq!(value, filler(n, 200).as_bytes());
            keys += 1;
        })
        .unwrap();
    assert_eq!(keys, 20 * (0..units).filter(|n| n % 3 != 0).count());
}

fn free_bytes(dir: &Path) -> u64 {
    let stat = rustix::fs::statvfs(dir).unwrap();
    stat.f_bavail * stat.f_frsize
}

/// Takes all the space but `room` bytes.
fn fill(disk: &Path, room: u64) {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    let chunk = vec![0; 4_096];
    while free_bytes(disk) > room && file.write_all(&chunk).is_ok() {}
}

/// Submits units until the log says the disk is full; answers the next unit and the last ticket.
fn submit_until_full(log: &Embedded, from: u64) -> (u64, Ticket) {
    thread::scope(|scope| {
        let submitting = scope.spawn(move || {
            let mut worker = worker(log);
            let tickets: Vec<_> = (from..from + 120).map(|n| worker.submit(unit(n)).unwrap()).collect();
            (worker, tickets[tickets.len() - 1])
        });
        while !log.status().unwrap().storage_full {
            thread::sleep(Duration::from_millis(1));
        }
        fs::remove_file(log_disk().join("filler")).unwrap();
        let (mut worker, last) = submitting.join().unwrap();
        worker.wait(last).unwrap();
        (from + 120, last)
    })
}

fn log_disk() -> std::path::PathBuf {
    std::env::var(INSIDE).unwrap().into()
}

/// Not a test of its own: what runs inside the namespace. Does nothing unless it was started there.
#[test]
fn inside() {
    if std::env::var(INSIDE).is_err() {
        return;
    }
    let disk = log_disk();
    let dir = disk.join("log");
    let log = Embedded::open(config(&dir), &Registry::new()).unwrap();
    let mut next = 0;
    for round in 0..16 {
        fill(&disk, round * 36_000);
        (next, _) = submit_until_full(&log, next);
        assert!(!log.status().unwrap().storage_full || round == 15);
    }
    check(&log, next);
    log.close().unwrap();

    // Full from the start: it opens, reads, refuses to close cleanly with an undone unit, and goes on once there is space.
    fill(&disk, 0);
    let log = Embedded::open(config(&dir), &Registry::new()).unwrap();
    check(&log, next);
    let mut stuck = worker(&log);
    stuck.submit(unit(next)).unwrap();
    while !log.status().unwrap().storage_full {
        thread::sleep(Duration::from_millis(1));
    }
    drop(stuck);
    assert!(matches!(log.close(), Err(LogError::StorageFull { .. })));
    fs::remove_file(disk.join("filler")).unwrap();
    let log = Embedded::open(config(&dir), &Registry::new()).unwrap();
    check(&log, next);
    let mut worker = worker(&log);
    let ticket = worker.submit(unit(next)).unwrap();
    worker.wait(ticket).unwrap();
    drop(worker);
    check(&log, next + 1);
}

#[test]
fn a_full_disk_loses_and_repeats_nothing() {
    let disk = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let script =
        format!("mount -t tmpfs -o size={DISK_BYTES} tmpfs \"$1\" && exec \"$2\" --exact inside --nocapture");
    let mut command = Command::new("unshare");
    if rustix::process::geteuid().is_root() {
        command.arg("--mount");
    } else {
        command.args(["--user", "--map-root-user", "--mount"]);
    }
    let status =
        command.args(["sh", "-c", &script, "sh"]).arg(disk.path()).arg(exe).env(INSIDE, disk.path()).status();
    assert!(
        status.expect("`unshare` starts").success(),
        "the log failed on a full disk, or a tmpfs could not be mounted"
    );
}
