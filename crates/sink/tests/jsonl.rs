//! The JSON Lines sink on the real embedded log: rotation, recovery, refusal, a full disk.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use barid_log::{Control, Embedded, EmbeddedConfig, Log, Outgoing, TopicStatus, Unit, Wish, WorkerSpec};
use barid_record::Topic;
use barid_sink::{JsonlConfig, Metrics, RecordFile, SinkError, Summary, run, spec};
use bytes::Bytes;
use prometheus::Registry;

/// A log with `count` messages on `barid.records` beyond those already there, each `{"n":<number>}` and padding.
fn produce(log: &Embedded, first: u64, count: u64) {
    let spec = WorkerSpec { group: "producer".into(), inputs: Vec::new(), tables: Vec::new() };
    let mut worker = log.worker(spec).expect("a producer");
    let produced = (first..first + count)
        .map(|number| Outgoing {
            topic: Topic::Records,
            timestamp_ms: 0,
            key: Bytes::new(),
            headers: Vec::new(),
            value: Bytes::from(line(number)),
        })
        .collect();
    let ticket = worker.submit(Unit { produced, ..Unit::default() }).expect("submitted");
    worker.wait(ticket).expect("durable");
}

fn line(number: u64) -> String {
    format!("{{\"n\":{number},\"text\":\"{}\"}}", "نص ".repeat(20))
}

fn open(dir: &Path) -> Embedded {
    Embedded::open(EmbeddedConfig::new(dir.join("log")), &Registry::new()).expect("a log")
}

fn config(dir: &Path) -> JsonlConfig {
    JsonlConfig {
        dir: dir.join("out"),
        rotate_bytes: 2_000,
        rotate_after: Duration::from_secs(3600),
        zstd_level: None,
        ..JsonlConfig::default()
    }
}

/// Drains the log into files.
fn drain(log: &Embedded, config: &JsonlConfig) -> Result<Summary, SinkError> {
    let control = Control::default();
    control.ask(Wish::Drain);
    drain_with(log, config, &Metrics::register(&Registry::new()).expect("metrics"), &control)
}

fn drain_with(
    log: &Embedded,
    config: &JsonlConfig,
    metrics: &Metrics,
    control: &Control,
) -> Result<Summary, SinkError> {
    let worker = log.worker(spec()).expect("the sink's worker");
    let end = |partition| {
        let status = log.status()?;
        let is_it = |topic: &&TopicStatus| topic.topic == Topic::Records && topic.partition == partition;
        Ok(status.topics.iter().find(is_it).map_or(0, |topic| topic.end_offset))
    };
    run(config, worker, &end, metrics, control)
}

/// The numbers in the finished files, in order; fails on a gap or overlap between the files.
fn numbers(dir: &Path) -> Vec<u64> {
    let (files, temporary) = RecordFile::list(dir).expect("a folder");
    assert_eq!(temporary, Vec::<std::path::PathBuf>::new());
    let mut numbers = Vec::new();
    for file in files {
        assert_eq!(file.from, numbers.len() as u64, "{}", file.path.display());
        let bytes = fs::read(&file.path).expect("a file");
        let text = if file.path.extension().is_some_and(|ending| ending == "zst") {
            zstd::decode_all(bytes.as_slice()).expect("whole zstd frames")
        } else {
            bytes
        };
        for line in String::from_utf8(text).expect("UTF-8").lines() {
            let digits = line.trim_start_matches("{\"n\":").split(',').next().expect("a number");
            numbers.push(digits.parse().expect("a number"));
        }
        assert_eq!(file.last + 1, numbers.len() as u64, "{}", file.path.display());
    }
    numbers
}

fn counted(end: u64) -> Vec<u64> {
    (0..end).collect()
}

#[test]
fn records_come_out_once_and_in_order_over_many_files_and_runs() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(dir.path());
    let mut files = 0;
    for round in 0..3 {
        let log = open(dir.path());
        produce(&log, round * 100, 100);
        let summary = drain(&log, &config).expect("drained");
        assert_eq!(summary.records, 100);
        files += summary.files;
    }
    assert!(files > 6, "{files} files of 2 KB");
    assert_eq!(numbers(&config.dir), counted(300));
}

#[test]
fn compressed_files_hold_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = JsonlConfig { zstd_level: Some(3), ..config(dir.path()) };
    let log = open(dir.path());
    produce(&log, 0, 200);
    drain(&log, &config).expect("drained");
    assert_eq!(numbers(&config.dir), counted(200));
}

#[test]
fn a_file_finished_before_the_crash_is_adopted_and_a_half_written_one_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(dir.path());
    let log = open(dir.path());
    produce(&log, 0, 50);
    fs::create_dir_all(&config.dir).expect("a folder");
    // As a crash between rename and commit leaves it, beside a file that was still being written.
    let finished = RecordFile::new(&config.dir, 0, 0, 29, false);
    fs::write(&finished.path, (0..30).map(|number| line(number) + "\n").collect::<String>())
        .expect("written");
    fs::write(config.dir.join(".records-0-00000000000000000012.tmp"), "{\"n\":3").expect("written");
    let summary = drain(&log, &config).expect("drained");
    assert_eq!(summary.records, 20);
    assert_eq!(numbers(&config.dir), counted(50));
}

#[test]
fn output_of_another_log_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(dir.path());
    let log = open(dir.path());
    produce(&log, 0, 10);
    fs::create_dir_all(&config.dir).expect("a folder");
    let foreign = RecordFile::new(&config.dir, 0, 0, 99, false);
    fs::write(&foreign.path, "").expect("written");
    let error = drain(&log, &config).expect_err("the file holds more than the log");
    assert!(matches!(&error, SinkError::AheadOfLog { file_last: 99, log_end: 10, .. }), "{error}");
    assert!(foreign.path.exists());
    fs::remove_file(&foreign.path).expect("removed");
    let gap = RecordFile::new(&config.dir, 0, 3, 5, false);
    fs::write(&gap.path, "").expect("written");
    assert!(matches!(drain(&log, &config), Err(SinkError::AheadOfLog { .. })));
}

#[test]
fn a_file_is_finished_when_its_first_record_is_old_enough() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = JsonlConfig { rotate_bytes: u64::MAX, rotate_after: Duration::ZERO, ..config(dir.path()) };
    let log = open(dir.path());
    produce(&log, 0, 5);
    let control = Control::default();
    let metrics = Metrics::register(&Registry::new()).expect("metrics");
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| drain_with(&log, &config, &metrics, &control));
        // Nobody asked it to end: the file must become visible by age alone.
        while fs::read_dir(&config.dir).map_or(0, |entries| {
            entries.flatten().filter(|entry| RecordFile::parse(&entry.path()).is_some()).count()
        }) == 0
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        control.ask(Wish::Stop);
        sink.join().expect("no panic").expect("stopped");
    });
    assert_eq!(numbers(&config.dir), counted(5));
}

#[test]
fn a_folder_that_another_process_still_writes_to_is_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(dir.path());
    let log = open(dir.path());
    produce(&log, 0, 50);
    fs::create_dir_all(&config.dir).expect("a folder");
    let lock = fs::File::create(config.dir.join(".records-0.lock")).expect("created");
    lock.try_lock().expect("free");
    let metrics = Metrics::register(&Registry::new()).expect("metrics");
    let control = Control::default();
    control.ask(Wish::Drain);
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| drain_with(&log, &config, &metrics, &control));
        // It comes as far as it may; that it goes no further is what the rest would not survive.
        std::thread::sleep(Duration::from_millis(300));
        assert!(!sink.is_finished() && numbers(&config.dir).is_empty());
        // What the other one finishes last is adopted, not written again.
        let finished = RecordFile::new(&config.dir, 0, 0, 29, false);
        let text: String = (0..30).map(|number| line(number) + "\n").collect();
        fs::write(&finished.path, text).expect("written");
        drop(lock);
        assert_eq!(sink.join().expect("no panic").expect("drained").records, 20);
    });
    assert_eq!(numbers(&config.dir), counted(50));
}

/// A real file system of 1 MiB, gone with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "this test mounts a tmpfs: run it as root");
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_stops_the_sink_only_until_there_is_space() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = SmallDisk::new();
    for zstd_level in [None, Some(1)] {
        let ballast = disk.0.path().join("ballast");
        // A compressed run needs little: leave it less than that.
        fs::write(&ballast, vec![0; if zstd_level.is_some() { 1_040_000 } else { 600_000 }])
            .expect("ballast fits");
        let config = JsonlConfig {
            dir: disk.0.path().join(format!("out{zstd_level:?}")),
            zstd_level,
            rotate_bytes: 100_000,
            ..config(dir.path())
        };
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        let control = Control::default();
        let log = open(&dir.path().join(format!("log{zstd_level:?}")));
        produce(&log, 0, 5_000);
        control.ask(Wish::Drain);
        let full = || {
            registry.gather().iter().any(|family| {
                family.name() == "barid_sink_storage_full"
                    && family.get_metric()[0].get_gauge().get_value() > 0.0
            })
        };
        std::thread::scope(|scope| {
            let sink = scope.spawn(|| drain_with(&log, &config, &metrics, &control));
            while !full() {
                assert!(!sink.is_finished(), "the disk never filled: the test is too small");
                std::thread::sleep(Duration::from_millis(5));
            }
            fs::remove_file(&ballast).expect("freed");
            assert_eq!(sink.join().expect("no panic").expect("drained").records, 5_000);
        });
        assert!(!full());
        assert_eq!(numbers(&config.dir), counted(5_000));
        fs::remove_dir_all(&config.dir).expect("removed");
    }
}
