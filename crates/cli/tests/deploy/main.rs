//! What `deploy/` says of the binary, held against it: metrics that exist, alerts that are tested, commands that parse, configurations that are right.
//!
//! `BARID_PROMTOOL=<path of promtool>` lets promtool parse the expressions too; CI sets it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

mod alerts;
mod dashboards;
mod expressions;
mod known;
mod manifests;
mod started;
#[allow(dead_code, reason = "not every test file needs every helper")]
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file.
fn yaml(path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder whose names end so, from the root on.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> =
        names.filter(|name| name.ends_with(ending)).map(|name| format!("{folder}/{name}")).collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} in {folder}");
    files
}

/// Lets promtool look at a file, where there is one.
fn promtool(arguments: &[&str], file: &Path) {
    let Some(promtool) = std::env::var_os("BARID_PROMTOOL") else { return };
    let output = Command::new(promtool).args(arguments).arg(file).output().expect("promtool starts");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?} {}: {said}", file.display());
}
