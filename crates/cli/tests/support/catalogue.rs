//! What a process serves is what the catalogue says of such a process.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use super::registered::catalogue;

/// Every family is in the catalogue, as one that `process` has, with the type, help and labels that it has there; with `BARID_PROMTOOL`
/// promtool looks at it too. Returns the names.
pub(crate) fn check(process: &str, text: &str) -> BTreeSet<String> {
    promtool(text);
    let catalogue = catalogue();
    let mut names = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        let (info, processes) =
            catalogue.get(name).unwrap_or_else(|| panic!("{name} is not in the catalogue: docs/metrics.md"));
        assert!(processes.contains(process), "{name} is one of {processes:?}, not of {process}");
        assert_eq!(kind, info.kind, "{name}");
        assert!(text.contains(&format!("# HELP {name} {}\n", info.help)), "{name}: help");
    }
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, labels)) = sample.split_once('{') else { continue };
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part));
        let family = family.filter(|name| names.contains(*name)).unwrap_or(series);
        let known = &catalogue[family].0.labels;
        for label in labels.split("\",").filter_map(|pair| pair.split_once("=\"")).map(|(label, _)| label) {
            assert!(label == "le" || known.iter().any(|known| known == label), "{sample}: label {label}");
        }
    }
    names
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
