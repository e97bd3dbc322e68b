//! What `deploy/` says of the binary, held against it: metrics that exist, commands that parse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{code, run, stderr};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every `barid_...` word of a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_'));
    words.filter(|word| word.starts_with("barid_")).map(str::to_owned).collect()
}

/// Every word in quotes in the sources of the crates that registers a metric, and more: what is not here does not exist.
fn registered(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            registered(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && path.components().any(|part| part.as_os_str() == "src")
        {
            found.extend(fs::read_to_string(path).unwrap().split('"').map(str::to_owned));
        }
    }
}

/// The expressions of a dashboard's panels.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/barid.json")).expect("JSON");
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 15, "{expressions:?}");
    let mut exist = BTreeSet::new();
    registered(&root().join("crates"), &mut exist);
    for name in expressions.iter().flat_map(|expression| names(expression)) {
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(&name);
        assert!(exist.contains(family), "no crate registers {family}");
    }
}

#[test]
fn the_alerts_ask_for_metrics_that_exist() {
    let rules = read("deploy/rules/feeds.rules.yml");
    let names = names(&rules.replace("barid:feeds_unwell:ratio", ""));
    assert!(names.len() > 8, "{names:?}");
    let mut exist = BTreeSet::new();
    registered(&root().join("crates"), &mut exist);
    for name in names {
        let family = name.strip_suffix("_bucket").unwrap_or(&name);
        assert!(exist.contains(family), "no crate registers {family}");
    }
}

/// The commands of a text: what follows `marker` up to the end of the line, split at spaces, commas and brackets.
fn commands(text: &str, marker: &str) -> Vec<Vec<String>> {
    let rest = text.lines().filter_map(|line| line.trim().strip_prefix(marker));
    let words = |line: &str| {
        line.split([' ', ',', '[', ']']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    rest.map(words).collect()
}

#[test]
fn what_is_started_is_a_command() {
    let compose = commands(&read("deploy/compose.yaml"), "command:");
    assert_eq!(compose.len(), 5, "{compose:?}");
    let unit = commands(&read("deploy/barid@.service"), "ExecStart=/usr/local/bin/barid");
    assert_eq!(unit.len(), 1);
    let of_unit = ["watch", "stage", "sink", "web"].map(|role| {
        unit[0].iter().map(|word| if word == "%i" { role.to_owned() } else { word.clone() }).collect()
    });
    let folder = tempfile::tempdir().unwrap();
    for command in compose.into_iter().chain(of_unit) {
        let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
        words.push("--help");
        let output = run(folder.path(), &words);
        assert_eq!(code(&output), 0, "{words:?}: {}", stderr(&output));
    }
}
