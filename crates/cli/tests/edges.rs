//! The edges of commands: files without an end, standard error for machines, runs that end before they are done.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use support::daemon::Daemon;
use support::{barid, code, run, stderr, stdout};

/// A folder with documents in `seeds`; their texts differ.
fn documents(count: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("seeds")).unwrap();
    for number in 0..count {
        let text = format!(
            "The well of house {number}\n\nThe well of house number {number} was dug again on Monday, and gives water.\n"
        );
        fs::write(folder.path().join(format!("seeds/{number}.txt")), text).unwrap();
    }
    folder
}

/// Every line of standard error as JSON; each has a message.
fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| -> Value {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let lines: Vec<Value> = text.lines().map(parse).collect();
    for line in &lines {
        assert!(line["fields"]["message"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["timestamp"].is_string(), "{line}");
    }
    lines
}

#[test]
fn no_command_reads_a_file_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["/dev/zero", "/dev/full"] {
        for command in
            [&["parse"][..], &["parse", "--json"], &["explain"], &["feed", "parse"], &["feed", "lint"]]
        {
            let words = [command, &[file]].concat();
            let output = run(folder.path(), &words);
            assert_eq!(code(&output), 2, "{words:?}");
            let said = stderr(&output);
            assert!(said.contains("67108864 bytes") && said.contains(file), "{words:?}: {said}");
        }
    }
    let big = fs::File::open("/dev/zero").unwrap();
    let output = barid(folder.path(), &["parse", "-"]).stdin(big).output().unwrap();
    assert!(code(&output) == 2 && stderr(&output).contains("67108864 bytes"), "{}", stderr(&output));
}

#[test]
fn with_json_every_line_of_standard_error_is_json_and_carries_what_people_are_told() {
    let folder = documents(2);
    let here = folder.path();
    fs::write(here.join("seeds/c.txt"), b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    fs::write(here.join("bad.toml"), "data_dir = 5\n[log]\nretention_byte = 1\n").unwrap();
    fs::write(here.join("warned.toml"), "[[files]]\nid = \"a\"\npath = \"nowhere\"\n").unwrap();
    for (words, expected, message) in [
        (&["rum"][..], 64, "unrecognized subcommand"),
        (&["run", "--config", "nothing.toml"], 78, "read nothing.toml"),
        (&["run", "--once", "--config", "bad.toml"], 78, "`log.retention_byte` is not a key"),
        (&["check-config", "bad.toml"], 1, "`data_dir` must be a text"),
        (&["config", "show", "--config", "warned.toml"], 0, "there is no folder nowhere"),
        (&["rejected", "list"], 69, "there is no log in this folder"),
        (&["parse", "nothing.txt", "seeds/c.txt"], 2, "seeds/c.txt: binary"),
        (&["feed", "lint", "seeds/0.txt"], 1, "seeds/0.txt"),
        (&["explain", "no such thing"], 64, "neither a file nor a code"),
        (&["run", "--once"], 0, "3 documents"),
        (&["rejected", "list"], 0, "1 rejected documents"),
    ] {
        let output = run(here, &[&["--log-format", "json"], words].concat());
        let lines = lines(&stderr(&output));
        assert_eq!(code(&output), expected, "{words:?}: {lines:?}");
        let said = |line: &Value| line["fields"]["message"].as_str().unwrap().contains(message);
        assert!(lines.iter().any(said), "{words:?}: {lines:#?}");
    }
    // The summary's figures are fields, and a problem has its place.
    let output = run(here, &["run", "--once", "--log-format=json"]);
    let lines = lines(&stderr(&output));
    let last = &lines.last().unwrap()["fields"];
    assert_eq!(
        (&last["documents"], &last["records"], &last["waiting"]),
        (&0.into(), &0.into(), &0.into()),
        "{last}"
    );
    let output = run(here, &["check-config", "bad.toml", "--log-format", "json"]);
    let line = self::lines(&stderr(&output)).remove(0);
    assert_eq!((&line["fields"]["line"], &line["fields"]["code"]), (&1.into(), &"E0104".into()), "{line}");
    // The environment says so as well.
    let output =
        barid(here, &["rejected", "show", "99"]).env("BARID_TELEMETRY_FORMAT", "json").output().unwrap();
    assert_eq!(self::lines(&stderr(&output)).len(), 1);
}

#[test]
fn a_message_says_its_cause_once() {
    let folder = tempfile::tempdir().unwrap();
    for words in [
        &["init", "/proc/nowhere/barid.toml"][..],
        &["parse", "nothing.txt"],
        &["run", "--config", "nothing.toml"],
        &["man", "--out", "/proc/nowhere"],
        &["feed", "parse", "/proc/self/mem"],
    ] {
        let said = stderr(&run(folder.path(), words));
        assert_eq!(said.matches("os error").count(), 1, "{words:?}: {said}");
    }
}

#[test]
fn whoever_finds_the_data_folder_taken_learns_by_whom() {
    let folder = documents(1);
    let daemon = Daemon::serving(folder.path(), &["run"], &[("BARID_WEB_LISTEN", "127.0.0.1:0")]);
    let second = run(folder.path(), &["run", "--once"]);
    let said = stderr(&second);
    let holder = format!("process {} (", daemon.id());
    assert!(code(&second) == 69 && said.contains("E0302"), "{said}");
    let said: Vec<&str> = said.split_whitespace().filter(|word| *word != "│").collect();
    let said = said.join(" ");
    assert!(said.contains(&holder) && said.contains("run) is using this folder"), "{said}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.end().1, Some(0));
}

#[test]
fn a_run_that_is_interrupted_while_it_reads_ends_with_a_status_of_its_own() {
    let folder = documents(1);
    let config =
        "[[files]]\nid = \"slow\"\npath = \"seeds\"\nsettle_ms = 600000\n[web]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(folder.path().join("barid.toml"), config).unwrap();
    let daemon = Daemon::serving(folder.path(), &["run", "--once"], &[]);
    daemon.signal(Signal::INT);
    let (said, code) = daemon.end();
    assert_eq!(code, Some(76), "{said}");
    assert!(said.contains("E0210") && said.contains("it was interrupted"), "{said}");
    // The next run reads what that one did not.
    fs::write(folder.path().join("barid.toml"), config.replace("600000", "0")).unwrap();
    let output = run(folder.path(), &["run", "--once"]);
    assert!(support::code(&output) == 0 && stderr(&output).contains("1 documents"), "{}", stderr(&output));
    // Without --once an interrupt is how a run ends.
    let daemon = Daemon::serving(folder.path(), &["run"], &[]);
    daemon.signal(Signal::INT);
    assert_eq!(daemon.end().1, Some(0));
}

/// Runs a command of the shell where `small` is a disk of its own, of so many KiB.
fn on_a_small_disk(here: &Path, kib: u32, rest: &str) -> std::process::Output {
    fs::create_dir_all(here.join("small")).unwrap();
    let script = format!("mount -t tmpfs -o size={kib}k tmpfs small && {rest}");
    let is_root = rustix::process::geteuid().is_root();
    let namespaces = if is_root { "--mount" } else { "--map-root-user --mount" };
    let command = barid(here, &[]);
    let mut shell = Command::new("unshare");
    shell
        .current_dir(here)
        .args(namespaces.split(' '))
        .args(["sh", "-c", &script])
        .env("BARID", command.get_program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BARID_")) {
        shell.env_remove(name);
    }
    shell.output().expect("unshare")
}

#[test]
fn a_disk_that_stays_full_ends_a_run_once_after_the_stated_wait() {
    for (key, other) in [
        ("data_dir = \"small/data\"", "[sink.jsonl]\ndir = \"out\""),
        ("data_dir = \"data\"", "[sink.jsonl]\ndir = \"small/out\""),
    ] {
        let folder = documents(400);
        let config = format!("{key}\n[log]\ncompression = \"none\"\n{other}\n");
        fs::write(folder.path().join("barid.toml"), config).unwrap();
        let output = on_a_small_disk(folder.path(), 300, "\"$BARID\" run --once --wait-for-space 1");
        let said = stderr(&output);
        assert_eq!(code(&output), 76, "{key}: {said}");
        assert!(said.contains("E0210") && said.contains("full for 1 s"), "{key}: {said}");
        // Elsewhere there is space: nothing was lost.
        let config = format!("{}\n[sink.jsonl]\ndir = \"out\"\n", key.replace("small/", ""));
        fs::write(folder.path().join("barid.toml"), config).unwrap();
        let output = run(folder.path(), &["run", "--once"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let files = fs::read_dir(folder.path().join("out")).unwrap().map(|file| file.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        assert_eq!(files.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum::<usize>(), 400);
    }
    assert!(stdout(&run(Path::new("."), &["run", "--help"])).contains("[default: 300]"));
}
