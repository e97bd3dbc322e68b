//! `barid run` as a daemon: ready, scraped, told to stop.
//!
//! `BARID_PROMTOOL=<path of promtool>` lets promtool check the metrics too; CI sets it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use support::catalogue;
use support::daemon::Daemon;

/// `barid run` on a free port, serving.
fn started(folder: &Path) -> Daemon {
    Daemon::serving(
        folder,
        &["run"],
        &[("BARID_WEB_LISTEN", "127.0.0.1:0"), ("BARID_SINK_JSONL_ROTATE_SECONDS", "1")],
    )
}

/// A folder with three documents: one to keep, its copy, and one to reject.
fn documents() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let seeds = folder.path().join("seeds");
    fs::create_dir(&seeds).unwrap();
    let story = "The mill turns again\n\n".to_owned()
        + &"The old mill by the weir was restored by its neighbours over three summers of work. ".repeat(4);
    fs::write(seeds.join("a.txt"), &story).unwrap();
    fs::write(seeds.join("b.txt"), &story).unwrap();
    fs::write(seeds.join("c.txt"), b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    folder
}

/// Sums of the samples by family and labels: `name{labels}` -> value.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

fn sum(samples: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
    samples
        .iter()
        .filter(|(key, _)| key.starts_with(name) && key.contains(label))
        .map(|(_, value)| value)
        .sum()
}

#[test]
fn it_is_ready_accounts_for_every_document_and_stops_when_told() {
    let folder = documents();
    let mut daemon = started(folder.path());
    let accounted = |samples: &BTreeMap<String, f64>| {
        let articles = sum(samples, "barid_stage_verdicts_total", "kind=\"article\"");
        (articles, sum(samples, "barid_stage_rejected_total", ""))
    };
    let (metrics, samples) = loop {
        let (_, text) = daemon.get("/metrics");
        let samples = samples(&text);
        let (articles, rejected) = accounted(&samples);
        // The counters of one commit are raised one after the other: a scrape may come between.
        if samples.get("barid_stage_documents_total") == Some(&3.0) && articles + rejected >= 3.0 {
            break (text, samples);
        }
        std::thread::yield_now();
    };
    assert_eq!(daemon.get("/livez").0, 200);
    let (status, reasons) = daemon.get("/readyz");
    assert_eq!(status, 200, "{reasons}");
    assert_eq!(accounted(&samples), (2.0, 1.0), "{metrics}");
    let kinds = catalogue::check("run", &metrics);
    assert!(kinds.len() > 20, "{kinds:?}");
    for part in
        ["barid_build_info", "barid_log_", "barid_watcher_", "barid_stage_", "barid_sink_", "process_"]
    {
        assert!(kinds.iter().any(|name| name.starts_with(part)), "no metric of {part}");
    }

    // Each record says how long it took once its file is finished; the disks are looked at beside all that.
    let later = loop {
        let samples = self::samples(&daemon.get("/metrics").1);
        let (written, told) =
            (samples["barid_sink_records_total"], samples["barid_sink_latency_seconds_count"]);
        let places = samples.keys().filter(|key| key.starts_with("barid_disk_free_bytes")).count();
        if written > 0.0 && written == told && places == 2 {
            break samples;
        }
        std::thread::yield_now();
    };
    let seconds = later["barid_sink_latency_seconds_sum"];
    assert!(seconds > 0.0 && seconds < 3600.0 * 24.0, "{seconds}");
    for place in ["data_dir", "records"] {
        let of = |name: &str| later[&format!("{name}{{place=\"{place}\"}}")];
        let (free, size) = (of("barid_disk_free_bytes"), of("barid_disk_size_bytes"));
        assert!(free > 0.0 && free <= size, "{place}: {free} of {size}");
    }

    daemon.signal(Signal::HUP);
    daemon.wait_for("restart barid to apply changes");
    assert_eq!(daemon.get("/readyz").0, 200, "HUP stops nothing");
    daemon.signal(Signal::TERM);
    let (said, code) = daemon.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 documents") && said.contains("barid rejected list"), "{said}");
    // Whatever was not written yet waits in the log: the next run writes it, once.
    assert_eq!(support::code(&support::run(folder.path(), &["run", "--once", "-q"])), 0);
    let files =
        fs::read_dir(folder.path().join("barid-data/records")).unwrap().map(|file| file.unwrap().path());
    // The others are hidden: locks.
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let records: usize = files.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
    assert_eq!(records, 2);
}

#[test]
fn one_folder_has_one_process() {
    let folder = documents();
    let daemon = started(folder.path());
    let second = support::run(folder.path(), &["run", "--once"]);
    assert_eq!(support::code(&second), 69);
    assert!(support::stderr(&second).contains("E0302"), "{}", support::stderr(&second));
    let retry = support::run(folder.path(), &["rejected", "retry", "--all"]);
    assert_eq!(support::code(&retry), 69);
    // Looking is free.
    assert_eq!(support::code(&support::run(folder.path(), &["rejected", "list"])), 0);
    daemon.signal(Signal::INT);
    assert_eq!(daemon.end().1, Some(0));
}
