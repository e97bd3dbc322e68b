//! A store that lives on: listed, verified, backed up while it is written, restored elsewhere, opened by a newer version.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use support::daemon::Daemon;
use support::{code, run, stderr, stdout};

fn write(folder: &Path, numbers: std::ops::Range<u32>) {
    fs::create_dir_all(folder).unwrap();
    for number in numbers {
        let text = format!(
            "Bridge {number} opens\n\nThe bridge with the number {number} was opened on Monday by those who built it.\n\n\
             It is {number} metres long, and carries {number} people an hour over the river.\n"
        );
        // A name at once, as scrapers should.
        let part = folder.join(format!(".{number}"));
        fs::write(&part, text).unwrap();
        fs::rename(part, folder.join(format!("{number}.txt"))).unwrap();
    }
}

/// Id, version and body of every record of a folder's files, by offset.
fn records(dir: &Path) -> Vec<(String, u64, String)> {
    let (files, _) = barid_sink::RecordFile::list(dir).unwrap();
    let text: String = files.iter().map(|file| fs::read_to_string(&file.path).unwrap()).collect();
    text.lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            (text("record_id"), record["version"].as_u64().unwrap(), text("body_text"))
        })
        .collect()
}

fn good(here: &Path, words: &[&str]) -> String {
    let output = run(here, words);
    assert_eq!(code(&output), 0, "{words:?}: {}{}", stdout(&output), stderr(&output));
    stdout(&output)
}

#[test]
fn a_back_up_under_load_is_restored_elsewhere_and_goes_on_with_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let seeds = here.join("seeds");
    write(&seeds, 0..200);
    fs::create_dir(&there).unwrap();
    let config = "[[files]]\nid = \"bridges\"\npath = \"SEEDS\"\nsettle_ms = 0\n[sink.jsonl]\nrotate_seconds = 1\nrotate_bytes = 20000\n[web]\nlisten = \"127.0.0.1:0\"\n";
    let config = config.replace("SEEDS", &seeds.display().to_string());
    for place in [&here, &there] {
        fs::write(place.join("barid.toml"), &config).unwrap();
    }
    let mut daemon = Daemon::serving(&here, &["run"], &[]);
    // Something is on its way when the first copy is taken.
    let flows = || {
        let text = stdout(&run(&here, &["records", "list", "--json"]));
        text.lines().count() > 1
    };
    while !flows() {
        std::thread::yield_now();
    }
    let copies = ["one", "two", "three"].map(|name| folder.path().join(name));
    for (copy, first) in copies.iter().zip([200, 300, 400]) {
        std::thread::scope(|scope| {
            scope.spawn(|| write(&seeds, first..first + 100));
            let said = good(&here, &["backup", "--records", &copy.display().to_string()]);
            assert!(said.contains("read back and whole"), "{said}");
        });
    }
    // Looking and verifying disturbs nobody either.
    assert!(good(&here, &["log", "list"]).contains("barid.records"));
    assert!(good(&here, &["log", "verify"]).contains("barid-data: whole"));
    daemon.signal(Signal::TERM);
    daemon.wait_for("stopping");
    assert_eq!(daemon.end().1, Some(0));
    good(&here, &["run", "--once", "-q"]);
    let all = records(&here.join("barid-data/records"));
    assert_eq!(all.len(), 500);

    for copy in &copies {
        assert!(copy.join("extras/barid.toml").is_file());
        good(&there, &["log", "verify", "--dir", &copy.display().to_string()]);
        let said = good(&there, &["restore", &copy.display().to_string()]);
        let at = said.split("go on at offset ").nth(1).unwrap().split(';').next().unwrap();
        let at: usize = at.parse().unwrap();
        let restored = records(&there.join("barid-data/records"));
        assert_eq!(restored, all[..at], "those of before the back-up came with it");
        good(&there, &["run", "--once", "-q"]);
        let there_all = records(&there.join("barid-data/records"));
        let set = |records: &[(String, u64, String)]| records.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(there_all.len(), 500, "none doubled");
        assert_eq!(set(&there_all), set(&all), "none lost, and each the same");
        // A log is never written over.
        assert_eq!(code(&run(&there, &["restore", &copy.display().to_string()])), 74);
        fs::remove_dir_all(there.join("barid-data")).unwrap();
    }
    let inside = run(&here, &["backup", "barid-data/copy"]);
    assert!(
        code(&inside) == 64 && stderr(&inside).contains("outside of the data folder"),
        "{}",
        stderr(&inside)
    );
}

#[test]
fn damage_is_named_with_its_place_and_is_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    write(&here.join("seeds"), 0..30);
    good(here, &["run", "--once", "-q"]);
    let listed: Value = serde_json::from_str(&good(here, &["log", "list", "--json"])).unwrap();
    let of = |topic: &str| {
        listed["topics"].as_array().unwrap().iter().find(|it| it["topic"] == topic).unwrap().clone()
    };
    assert_eq!((&of("barid.raw")["end"], &of("barid.records")["end"]), (&30.into(), &30.into()), "{listed}");
    assert!(listed["readers"].as_array().unwrap().iter().all(|reader| reader["behind"] == 0), "{listed}");
    let segment = here.join("barid-data/topics/barid.raw/00000000000000000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let output = run(here, &["log", "verify"]);
    let said = stdout(&output);
    assert!(
        code(&output) == 1 && said.contains("00000000000000000000.seg at byte") && said.contains("hint:"),
        "{said}"
    );
    let json: Value = serde_json::from_str(&stdout(&run(here, &["log", "verify", "--json"]))).unwrap();
    assert_eq!((&json["whole"], &json["damages"][0]["code"]), (&false.into(), &"E0309".into()), "{json}");
    // What is damaged is not backed up as if it were whole.
    let copy = run(here, &["backup", "../copy"]);
    assert!(code(&copy) != 0 && stderr(&copy).contains("E0309"), "{}", stderr(&copy));
    fs::remove_dir_all(here.join("../copy")).ok();
}

#[test]
fn record_files_are_listed_pruned_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("barid.toml"), "[sink.jsonl]\nlayout = \"date\"\nrotate_bytes = 4096\n").unwrap();
    write(&here.join("seeds"), 0..60);
    good(here, &["run", "--once", "-q"]);
    let out = here.join("barid-data/records");
    let all = records(&out);
    let rows = |missing: bool| -> Vec<Value> {
        let text = good(here, &["records", "list", "--json"]);
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| row["missing"].as_bool().unwrap_or_default() == missing).collect()
    };
    let files = rows(false);
    assert!(files.len() > 5 && rows(true).is_empty(), "{files:?}");
    let day = PathBuf::from(files[0]["file"].as_str().unwrap());
    let day = day.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(day.len() == 10 && day.starts_with("20"), "{day}");

    assert_eq!(code(&run(here, &["records", "prune"])), 64, "nobody said what to keep");
    let told = good(here, &["records", "prune", "--keep-bytes", "20000", "--dry-run"]);
    assert!(told.contains("would go") && records(&out).len() == 60, "{told}");
    good(here, &["records", "prune", "--keep-bytes", "20000"]);
    let left = records(&out);
    assert!(left.len() < 20 && all.ends_with(&left), "the oldest went");
    let gap = &rows(true)[0];
    assert_eq!((&gap["from"], &gap["last"]), (&0.into(), &(59 - left.len()).into()), "{gap}");
    assert!(good(here, &["records", "list"]).contains("barid records rewrite"));

    let said = good(here, &["records", "rewrite"]);
    assert!(said.contains(&format!("{} records in", 60 - left.len())), "{said}");
    assert_eq!(records(&out), all);
    good(here, &["records", "rewrite", "--dir", "elsewhere", "--from", "50"]);
    assert_eq!(records(&here.join("elsewhere")), all[50..]);
    good(here, &["run", "--once", "-q"]);
    assert_eq!(records(&out), all, "the sink takes them as its own");
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_store_of_version_0_1_0_opens_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/0.1.0"), here);
    let before = records(&here.join("store/records"));
    assert_eq!(before.len(), 8);
    assert!(good(here, &["log", "verify"]).contains("store: whole"));
    assert_eq!(good(here, &["rejected", "list", "--json"]).lines().count(), 1);
    let feeds = good(here, &["feed", "list", "--json"]);
    assert!(feeds.contains("\"estuary\"") && feeds.lines().count() == 1, "{feeds}");
    good(here, &["explain", "--record", &before[0].0]);

    // Nothing is read a second time; what is new or changed goes on where 0.1.0 ended.
    good(here, &["run", "--once", "-q"]);
    assert_eq!(records(&here.join("store/records")), before);
    let granary = here.join("in/granary.txt");
    let text = fs::read_to_string(&granary).unwrap();
    fs::write(&granary, text.replace("five years", "six years")).unwrap();
    fs::copy(here.join("in/lighthouse.txt"), here.join("in/lighthouse-again.txt")).unwrap();
    good(here, &["run", "--once", "-q"]);
    let after = records(&here.join("store/records"));
    assert_eq!(after[..8], before);
    assert_eq!(after.len(), 10, "{after:?}");
    let third = after[8..].iter().find(|(_, _, body)| body.contains("six years")).unwrap();
    assert!(before.iter().any(|(id, version, _)| *id == third.0 && *version == 2), "{before:?}");
    assert_eq!(third.1, 3, "a third version of the same record");
    // And it can be copied.
    good(here, &["backup", "copy"]);
    fs::rename(here.join("store"), here.join("old")).unwrap();
    good(here, &["restore", "copy"]);
    good(here, &["run", "--once", "-q"]);
    assert_eq!(records(&here.join("store/records")).len(), 0, "all of them are in the old folder");
}
