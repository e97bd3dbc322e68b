//! Record files as they grow old: folders of days, files that go, files that are written again.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use barid_log::{
    Control, Embedded, EmbeddedConfig, EmbeddedReader, Log, Outgoing, Retention, Unit, Wish, WorkerSpec,
};
use barid_record::Topic;
use barid_sink::{Gap, JsonlConfig, Keep, Layout, Metrics, RecordFile, Rewritten, gaps, rewrite, run, spec};
use bytes::Bytes;
use prometheus::Registry;

const DAY_MS: i64 = 86_400_000;

fn open(dir: &Path, topic_bytes: u64) -> Embedded {
    let config = EmbeddedConfig {
        segment_bytes: 2_000,
        retention: Retention { topic_bytes, age: None },
        ..EmbeddedConfig::new(dir.join("log"))
    };
    Embedded::open(config, &Registry::new()).expect("a log")
}

/// Records `first..end`, ten a day from 2026-05-01 on.
fn produce(log: &Embedded, offsets: std::ops::Range<u64>) {
    let spec = WorkerSpec { group: "producer".into(), inputs: Vec::new(), tables: Vec::new() };
    let mut worker = log.worker(spec).expect("a producer");
    for number in offsets {
        let message = Outgoing {
            topic: Topic::Records,
            timestamp_ms: 1_777_593_600_000 + i64::try_from(number / 10).expect("small") * DAY_MS,
            key: Bytes::new(),
            headers: Vec::new(),
            value: Bytes::from(format!("{number}")),
        };
        let ticket = worker.submit(Unit { produced: vec![message], ..Unit::default() }).expect("submitted");
        worker.wait(ticket).expect("durable");
    }
}

fn config(dir: &Path) -> JsonlConfig {
    JsonlConfig {
        dir: dir.join("out"),
        rotate_bytes: 13,
        rotate_after: Duration::from_secs(3600),
        ..JsonlConfig::default()
    }
}

fn drain(log: &Embedded, config: &JsonlConfig, registry: &Registry) {
    let control = Control::default();
    control.ask(Wish::Drain);
    let metrics = Metrics::register(registry).expect("metrics");
    let worker = log.worker(spec()).expect("the sink's worker");
    run(config, worker, &|partition| log.end(Topic::Records, partition), &metrics, &control)
        .expect("drained");
}

/// Every record in the files of a folder, in the order of their offsets.
fn numbers(dir: &Path) -> Vec<u64> {
    let (files, temporary) = RecordFile::list(dir).expect("a folder");
    assert_eq!(temporary, Vec::<std::path::PathBuf>::new());
    let mut numbers = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file.path).expect("a file");
        numbers.extend(text.lines().map(|line| line.parse::<u64>().expect("a number")));
        assert_eq!(numbers.last(), Some(&file.last), "{}", file.path.display());
    }
    numbers
}

#[test]
fn days_have_folders_by_choice_and_the_choice_may_change() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), 1 << 30);
    let flat = config(dir.path());
    let dated = JsonlConfig { layout: Layout::ByDate, ..flat.clone() };
    for (round, config) in [&flat, &dated, &flat, &dated].into_iter().enumerate() {
        let first = round as u64 * 20;
        produce(&log, first..first + 20);
        drain(&log, config, &Registry::new());
    }
    assert_eq!(numbers(&flat.dir), (0..80).collect::<Vec<_>>());
    assert!(flat.dir.join("2026-05-03").is_dir() && flat.dir.join("2026-05-07").is_dir());
    assert!(!flat.dir.join("2026-05-01").exists());
    assert_eq!(gaps(&flat.dir, 0, 80).expect("listed"), []);
}

#[test]
fn a_file_of_a_day_that_was_not_acknowledged_is_adopted() {
    let dir = tempfile::tempdir().expect("a folder");
    let dated = JsonlConfig { layout: Layout::ByDate, ..config(dir.path()) };
    let log = open(dir.path(), 1 << 30);
    produce(&log, 0..6);
    // As a crash between its rename and its acknowledgement leaves it.
    let day = dated.dir.join("2026-05-01");
    fs::create_dir_all(&day).expect("made");
    let file = RecordFile::new(&day, 0, 0, 3, false);
    fs::write(&file.path, "0\n1\n2\n3\n").expect("written");
    drain(&log, &dated, &Registry::new());
    assert_eq!(numbers(&dated.dir), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_is_missing_is_written_again_and_what_the_log_lost_is_counted() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(dir.path());
    let log = open(dir.path(), 6_000);
    for round in 0..15 {
        produce(&log, round * 20..round * 20 + 20);
        drain(&log, &config, &Registry::new());
    }
    drop(log);
    let reader = EmbeddedReader::open(&dir.path().join("log")).expect("a log");
    let start = reader
        .status()
        .expect("a status")
        .topics
        .iter()
        .find(|topic| topic.topic == Topic::Records)
        .expect("it")
        .start_offset;
    assert!(start > 30, "retention has removed the first ones: {start}");
    let end = reader.position(barid_sink::GROUP, Topic::Records).expect("told");
    assert_eq!(end, 300);
    let files = RecordFile::list(&config.dir).expect("listed").0;
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(&file.path).expect("a file")).collect();

    let none = rewrite(&config, &reader, 0, 0..end).expect("nothing is missing");
    assert_eq!(none, Rewritten::default());
    // Old ones, some in the middle, and the newest one.
    let last = files.len() - 1;
    let kept = files.iter().position(|file| file.from > start).expect("the log has some") + 1;
    assert!(kept + 3 < last);
    for index in [0, 1, kept, kept + 1, last] {
        fs::remove_file(&files[index].path).expect("removed");
    }
    let missing = gaps(&config.dir, 0, end).expect("listed");
    assert_eq!(missing[0], Gap { from: 0, end: files[2].from });
    assert_eq!((missing.len(), missing[2].end), (3, 300));
    let done = rewrite(&config, &reader, 0, 0..end).expect("rewritten");
    assert_eq!((done.lost, done.files), (files[2].from, 3));
    assert_eq!(numbers(&config.dir), (files[2].from..300).collect::<Vec<_>>());
    let again: Vec<Vec<u8>> = RecordFile::list(&config.dir)
        .expect("listed")
        .0
        .iter()
        .map(|file| fs::read(&file.path).expect("a file"))
        .collect();
    assert_eq!(again.concat(), whole[2..].concat(), "byte for byte");

    // To another folder: all that there is, by day.
    let other = JsonlConfig {
        dir: dir.path().join("other"),
        layout: Layout::ByDate,
        rotate_bytes: 1 << 20,
        ..config.clone()
    };
    let done = rewrite(&other, &reader, 0, 295..end).expect("rewritten");
    assert_eq!((done.records, numbers(&other.dir)), (5, (295..300).collect::<Vec<_>>()));
    let done = rewrite(&other, &reader, 0, 0..end).expect("rewritten");
    assert_eq!((done.lost, numbers(&other.dir)), (start, (start..300).collect::<Vec<_>>()));
    let of_a_day = fs::read_dir(other.dir.join("2026-05-29")).expect("a day").count();
    assert_eq!(of_a_day, 1, "one file holds one day");
    // The sink goes on behind them as if nothing had happened.
    let log = open(dir.path(), 6_000);
    produce(&log, 300..310);
    drain(&log, &config, &Registry::new());
    assert_eq!(numbers(&config.dir).last(), Some(&309));
}

#[test]
fn a_sink_removes_what_is_not_kept_and_counts_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path(), 1 << 30);
    let config = JsonlConfig { keep: Keep { age: None, bytes: Some(30) }, ..config(dir.path()) };
    let registries = [(); 2].map(|()| Registry::new());
    for (round, registry) in registries.iter().enumerate() {
        // What it finds at its start is acknowledged.
        produce(&log, round as u64 * 100..round as u64 * 10 + 100);
        drain(&log, &config, registry);
    }
    let left = numbers(&config.dir);
    assert!(left.len() < 30 && left.last() == Some(&109), "{left:?}");
    let counted = |name: &str| -> f64 {
        let of = |registry: &Registry| {
            let family = registry.gather().into_iter().find(|family| family.name() == name).expect("it");
            family.get_metric()[0].get_counter().get_value()
        };
        registries.iter().map(of).sum()
    };
    let (files, bytes) =
        (counted("barid_sink_removed_files_total"), counted("barid_sink_removed_bytes_total"));
    assert!(files > 5.0 && bytes > 5.0 * files, "{files} files, {bytes} bytes");
}
