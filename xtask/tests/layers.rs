//! The layers of ARCHITECTURE.md, held against the manifests: Cargo refuses cycles, but not an edge that goes sideways.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What each crate may name among ours, besides itself.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("barid-core", &[]),
    ("barid-feed", &["barid-core"]),
    ("barid-record", &["barid-core"]),
    ("barid-log", &["barid-record"]),
    ("barid-watcher", &["barid-core", "barid-feed", "barid-record", "barid-log"]),
    ("barid-stage", &["barid-core", "barid-record", "barid-log"]),
    ("barid-sink", &["barid-record", "barid-log"]),
    ("barid-web", &["barid-record", "barid-log"]),
    (
        "barid",
        &[
            "barid-core",
            "barid-feed",
            "barid-record",
            "barid-log",
            "barid-watcher",
            "barid-stage",
            "barid-sink",
            "barid-web",
        ],
    ),
];

/// Our crates named in the `[dependencies]` of each crate below `crates/`.
fn edges() -> BTreeMap<String, Vec<String>> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut edges = BTreeMap::new();
    for entry in fs::read_dir(crates).expect("crates/") {
        let manifest =
            fs::read_to_string(entry.expect("an entry").path().join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        let ours = dependencies
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .filter(|name| name.starts_with("barid"));
        edges.insert(name, ours.collect());
    }
    edges
}

#[test]
fn every_crate_names_only_those_below_it() {
    let mut faults = Vec::new();
    for (name, dependencies) in edges() {
        match ALLOWED.iter().find(|(known, _)| *known == name) {
            None => faults.push(format!("{name} has no place in the layers: see ARCHITECTURE.md")),
            Some((_, allowed)) => {
                let wrong = dependencies.iter().filter(|dependency| !allowed.contains(&dependency.as_str()));
                faults.extend(
                    wrong.map(|wrong| format!("{name} must not depend on {wrong}: see ARCHITECTURE.md")),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_crate_of_the_table_exists() {
    let edges = edges();
    for (name, _) in ALLOWED {
        assert!(edges.contains_key(name), "{name} is in the table but not below crates/");
    }
}
