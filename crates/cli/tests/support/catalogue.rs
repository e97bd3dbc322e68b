//! What every metric must look like.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

/// Labels whose values are few and known.
const LABELS: [&str; 15] = [
    "commit",
    "group",
    "kind",
    "le",
    "operation",
    "outcome",
    "phase",
    "place",
    "reason",
    "rustc",
    "source",
    "topic",
    "verdict",
    "version",
    "worker",
];
/// Endings that are no base unit.
const BAD_UNITS: [&str; 9] =
    ["_ms", "_us", "_milliseconds", "_minutes", "_hours", "_kb", "_mb", "_percent", "_kilobytes"];

/// Every family is named, explained and labelled as the catalogue demands; with `BARID_PROMTOOL` promtool looks at it too. Returns the names.
pub(crate) fn check(text: &str) -> BTreeSet<String> {
    promtool(text);
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(kinds.insert(name, kind).is_none(), "{name} twice");
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
    kinds.into_keys().map(str::to_owned).collect()
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
