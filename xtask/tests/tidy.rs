//! House rules that no compiler lint holds.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut folders, mut sources) =
        (vec![root.join("crates"), root.join("tests"), root.join("xtask")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("UTF-8");
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 30, "only {} sources found", sources.len());
    sources
}

fn no_fault(faults: Vec<String>) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let wrong = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    no_fault(wrong.map(|(path, _)| format!("{}: the first line is not `//!`", path.display())).collect());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long = sources()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE);
    no_fault(
        long.map(|(path, lines)| format!("{}: {lines} lines, at most {LONGEST_FILE}", path.display()))
            .collect(),
    );
}

#[test]
fn no_test_is_switched_off_and_none_asserts_nothing() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            // Written in two halves, so that this file does not find itself.
            if line.starts_with(concat!("#[ign", "ore"))
                || line.starts_with(concat!("match", "es!(")) && line.ends_with(';')
            {
                faults.push(format!("{}:{}: {line}", path.display(), index + 1));
            }
        }
    }
    no_fault(faults);
}
