//! What becomes of documents that cannot be processed, and of copies: with the real log, through the real binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::path::Path;

use barid_record::{Record, Verdict};
use serde_json::Value;
use support::{code, run, stderr, stdout};

const STORY: &str = "The river has a new bridge\n\nThe bridge over the river was opened on Monday by the mayor of the town.\n\n\
    It took four years to build, cost less than planned and carries trams, bicycles and people on foot.\n\n\
    Residents of the east bank had asked for it since the old ferry stopped running eleven years ago.\n";

fn drain(folder: &Path) {
    let output = run(folder, &["run", "--once", "-q"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn records(folder: &Path) -> Vec<Record> {
    let entries = fs::read_dir(folder.join("barid-data/records")).unwrap().map(|entry| entry.unwrap().path());
    // The others are hidden: locks.
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl")).collect();
    files.sort();
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| Record::from_json(line.as_bytes()).expect("a record")).collect()
}

#[test]
fn a_rejected_document_is_listed_shown_and_retried_once() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("seeds")).unwrap();
    let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice();
    fs::write(here.join("seeds/picture.txt"), picture).unwrap();
    fs::write(here.join("seeds/story.txt"), STORY).unwrap();
    drain(here);

    let listed = json_lines(&stdout(&run(here, &["rejected", "list", "--json"])));
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (listed[0]["key"].as_str(), listed[0]["reason"].as_str()),
        (Some("picture.txt"), Some("binary"))
    );
    let id = listed[0]["id"].to_string();
    assert!(stdout(&run(here, &["rejected", "list", "--reason", "too_large"])).is_empty());
    assert_eq!(code(&run(here, &["rejected", "list", "--reason", "bin"])), 64);
    assert_eq!(run(here, &["rejected", "show", &id, "--bytes"]).stdout, picture);
    let shown = stdout(&run(here, &["rejected", "show", &id]));
    assert!(shown.contains("binary") && shown.contains("barid.raw/0@") && !shown.contains('\x1a'), "{shown}");
    assert_eq!(code(&run(here, &["rejected", "show", "99"])), 64);

    let retried = run(here, &["rejected", "retry", &id]);
    assert_eq!(
        (code(&retried), stdout(&retried).contains("1 sent, 0 not")),
        (0, true),
        "{}",
        stderr(&retried)
    );
    let again = run(here, &["rejected", "retry", &id]);
    assert!(code(&again) == 1 && stdout(&again).contains("it was retried at"), "{}", stdout(&again));
    assert!(stdout(&run(here, &["rejected", "retry", "--all"])).contains("0 sent, 0 not"));
    drain(here);
    let listed = json_lines(&stdout(&run(here, &["rejected", "list", "--json"])));
    assert_eq!(listed.len(), 2, "the cause was not repaired: it was read and rejected again");
    assert_eq!(listed[0]["uri"], listed[1]["uri"]);
    assert_eq!(records(here).len(), 1);
}

#[test]
fn a_copy_is_explained_with_the_words_that_differ() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir(here.join("seeds")).unwrap();
    fs::write(here.join("seeds/a.txt"), STORY).unwrap();
    fs::write(here.join("seeds/b.txt"), STORY).unwrap();
    drain(here);
    let revised = STORY.replace("four years", "five years");
    fs::write(here.join("seeds/a.txt"), revised).unwrap();
    drain(here);

    let records = records(here);
    let verdict =
        |verdict| records.iter().find(|record| record.dedup.verdict == verdict).expect("such a record");
    let copy = verdict(Verdict::ExactCopy).record_id.to_string();
    let shown = stdout(&run(here, &["explain", "--record", &copy]));
    assert!(shown.contains("exact_copy") && shown.contains("a.txt"), "{shown}");
    assert!(shown.contains("the bodies are the same, word for word"), "{shown}");
    let revision = verdict(Verdict::Revision).record_id.to_string();
    let shown = stdout(&run(here, &["explain", "--record", &revision]));
    assert!(shown.contains("\n- four\n+ five\n"), "{shown}");

    // Without the log the record files answer.
    fs::rename(here.join("barid-data/records"), here.join("records")).unwrap();
    fs::remove_dir_all(here.join("barid-data")).unwrap();
    fs::write(here.join("barid.toml"), "[sink.jsonl]\ndir = \"records\"\n").unwrap();
    let from_files = stdout(&run(here, &["explain", "--record", &revision]));
    assert_eq!(from_files, shown);
    let unknown = format!("urn:barid:rec:{}", "0".repeat(64));
    assert_eq!(code(&run(here, &["explain", "--record", &unknown])), 64);
    assert_eq!(code(&run(here, &["explain", "--record", "17"])), 64);
}
