//! Dashboards: every expression asks for what exists, and no panel is empty where it should not be.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::alerts::recorded;
use super::known::Known;
use super::{files, promtool, read};

const FOLDER: &str = "deploy/grafana/dashboards";

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&read(&format!("{FOLDER}/{name}.json"))).expect("JSON")
}

/// Panels with something to show: their titles and expressions.
fn panels(dashboard: &Value) -> Vec<(String, Vec<String>)> {
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    panels
        .map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            (text(&panel["title"]), targets.map(|target| concrete(&text(&target["expr"]))).collect())
        })
        .collect()
}

/// The expression as Grafana sends it.
fn concrete(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$feed", ".*")
}

#[test]
fn every_panel_asks_for_what_exists() {
    let known = Known::new(recorded());
    let (mut faults, mut rules) = (Vec::new(), String::from("groups:\n- name: panels\n  rules:\n"));
    for file in files(FOLDER, ".json") {
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".json");
        for (title, expressions) in panels(&dashboard(name)) {
            assert!(!expressions.is_empty(), "{name}: {title}");
            for (index, expression) in expressions.iter().enumerate() {
                faults.extend(
                    known.faults(expression).into_iter().map(|fault| format!("{name}: {title}: {fault}")),
                );
                assert!(!expression.contains('$'), "a variable that this test does not know: {expression}");
                let number = rules.lines().count() + index;
                let _ = writeln!(
                    rules,
                    "  - record: panel:{number}\n    expr: {}",
                    Value::from(expression.as_str())
                );
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let file = tempfile::Builder::new().suffix(".rules.yml").tempfile().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules"], file.path());
}

#[test]
fn no_panel_is_empty_for_want_of_its_metrics() {
    let known = Known::new(recorded());
    let roles: BTreeSet<&str> = ["watch", "stage", "sink", "web"].into();
    let alone: BTreeSet<&str> = ["run"].into();
    for (name, ways) in
        [("overview", &[&alone, &roles][..]), ("feeds", &[&alone, &roles]), ("kafka", &[&roles])]
    {
        for (title, expressions) in panels(&dashboard(name)) {
            for way in ways {
                let shown = |expression: &String| !known.processes(expression).is_disjoint(way);
                assert!(expressions.iter().any(shown), "{name}: {title} is empty where {way:?} runs");
            }
        }
    }
}

#[test]
fn dashboards_are_whole_and_linked_to_each_other() {
    let files = files(FOLDER, ".json");
    assert_eq!(files.len(), 3, "{files:?}");
    let mut uids = BTreeSet::new();
    for file in files {
        let dashboard: Value = serde_json::from_str(&read(&file)).expect("JSON");
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}");
        assert_eq!(dashboard["links"][0]["tags"], dashboard["tags"], "{file}");
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{file}: {title}: an id twice");
            let place = &panel["gridPos"];
            let (x, w) = (place["x"].as_u64().unwrap(), place["w"].as_u64().unwrap());
            assert!(x + w <= 24, "{file}: {title}: beyond the edge");
            if panel["type"] != "row" {
                assert!(!panel["description"].as_str().unwrap().is_empty(), "{file}: {title}");
            }
        }
    }
}
