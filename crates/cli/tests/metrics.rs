//! One catalogue of metrics: `docs/metrics.md` is what the crates register, and every metric is named, typed and explained as it should be.
//!
//! `BLESS=1 cargo test -p barid --test metrics` rewrites the page.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::path::Path;

use support::registered::{catalogue, page};

/// Endings that are no base unit.
const BAD_UNITS: [&str; 9] =
    ["_ms", "_us", "_milliseconds", "_minutes", "_hours", "_kb", "_mb", "_percent", "_kilobytes"];
/// Their help texts are not ours, or not sentences yet.
const NO_SENTENCES: [&str; 3] = ["process_", "barid_watcher_", "barid_feed"];

#[test]
fn the_page_is_what_is_registered() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let actual = page(&catalogue());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &actual).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == actual, "docs/metrics.md is not what is registered; BLESS=1 rewrites it:\n{actual}");
}

#[test]
fn names_types_and_units_are_those_of_prometheus() {
    let catalogue = catalogue();
    assert!(catalogue.len() > 100, "{}", catalogue.len());
    for (name, (metric, _)) in &catalogue {
        assert!(name.starts_with("barid_") || name.starts_with("process_"), "{name}: prefix");
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(letters), "{name}: letters");
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name} is a {}", metric.kind);
        assert_ne!(metric.kind, "untyped", "{name}");
        let base = name.trim_end_matches("_total");
        assert!(!BAD_UNITS.iter().any(|unit| base.ends_with(unit)), "{name}: unit");
        if metric.kind == "histogram" {
            assert!(
                ["_seconds", "_bytes", "_ratio"].iter().any(|unit| name.ends_with(unit)),
                "{name}: a histogram without a unit"
            );
        }
        for label in &metric.labels {
            assert!(!["le", "job", "instance"].contains(&label.as_str()), "{name}: label {label} is taken");
        }
    }
}

#[test]
fn help_is_a_sentence() {
    let ours = |name: &str| !NO_SENTENCES.iter().any(|start| name.starts_with(start));
    for (name, (metric, _)) in catalogue().iter().filter(|(name, _)| ours(name)) {
        let words = metric.help.split_whitespace().count();
        assert!(metric.help.ends_with('.') && words > 3, "{name}: {}", metric.help);
        let start = metric.help.chars().next().unwrap();
        assert!(start.is_uppercase() || metric.help.starts_with("barid "), "{name}: {}", metric.help);
    }
}
