//! `barid run` as a daemon: ready, scraped, told to stop.
//!
//! `BARID_PROMTOOL=<path of promtool>` lets promtool check the metrics too; CI sets it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use support::daemon::Daemon;

/// `barid run` on a free port, serving.
fn started(folder: &Path) -> Daemon {
    Daemon::serving(folder, &["run"], &[("BARID_WEB_LISTEN", "127.0.0.1:0")])
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
    catalogue(&metrics);
    promtool(&metrics);

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

/// Labels whose values are few and known.
const LABELS: [&str; 12] = [
    "commit",
    "group",
    "kind",
    "le",
    "operation",
    "phase",
    "reason",
    "rustc",
    "source",
    "topic",
    "verdict",
    "version",
];
/// Endings that are no base unit.
const BAD_UNITS: [&str; 9] =
    ["_ms", "_us", "_milliseconds", "_minutes", "_hours", "_kb", "_mb", "_percent", "_kilobytes"];

/// Every family is named, explained and labelled as the catalogue demands.
fn catalogue(text: &str) {
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(kinds.insert(name, kind).is_none(), "{name} twice");
    }
    assert!(kinds.len() > 20, "{kinds:?}");
    for part in
        ["barid_build_info", "barid_log_", "barid_watcher_", "barid_stage_", "barid_sink_", "process_"]
    {
        assert!(kinds.keys().any(|name| name.starts_with(part)), "no metric of {part}");
    }
    let explained: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    for (name, kind) in &kinds {
        assert!(name.starts_with("barid_") || name.starts_with("process_"), "{name}: prefix");
        assert!(explained.contains(name), "{name}: no help");
        assert_eq!(*kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(
            !BAD_UNITS.iter().any(|unit| name.trim_end_matches("_total").ends_with(unit)),
            "{name}: unit"
        );
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name}"
        );
        if *kind == "histogram" {
            assert!(
                name.ends_with("_seconds") || name.ends_with("_bytes"),
                "{name}: a histogram without a unit"
            );
        }
    }
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = sample.split_once('{') else { continue };
        for label in labels.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|(label, _)| label) {
            assert!(LABELS.contains(&label), "{sample}: label `{label}` is not in the catalogue");
        }
    }
}

fn promtool(text: &str) {
    let Some(promtool) = std::env::var_os("BARID_PROMTOOL") else { return };
    let mut child = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("BARID_PROMTOOL names {}: {error}", promtool.display()));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{text}");
}
