//! Alert rules: each asks for what exists, is tested both ways, and has an entry in the runbook.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::known::Known;
use super::{files, promtool, read, root, yaml};

/// The rules of all files.
fn rules() -> Vec<Value> {
    let files = files("deploy/rules", ".rules.yml");
    assert_eq!(files.len(), 2, "{files:?}");
    let groups = files.iter().flat_map(|file| yaml(file)[0]["groups"].as_array().unwrap().clone());
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Names and expressions of what is recorded.
pub(crate) fn recorded() -> BTreeMap<String, String> {
    let rules = rules();
    let records = rules.iter().filter(|rule| rule.get("record").is_some());
    records.map(|rule| (text(rule, "record").to_owned(), text(rule, "expr").to_owned())).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule.get("alert").is_some()).collect()
}

#[test]
fn every_rule_asks_for_what_exists() {
    let known = Known::new(recorded());
    let mut faults = Vec::new();
    for rule in rules() {
        let name = rule.get("alert").or(rule.get("record")).unwrap();
        for fault in known.faults(text(&rule, "expr")) {
            faults.push(format!("{name}: {fault}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for file in files("deploy/rules", ".rules.yml") {
        promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &root().join(&file));
    }
}

#[test]
fn every_alert_is_tested_both_ways() {
    let (mut firing, mut quiet) = (BTreeSet::new(), BTreeSet::new());
    for file in files("deploy/rules", ".test.yml") {
        for test in yaml(&file)[0]["tests"].as_array().unwrap() {
            for check in test["alert_rule_test"].as_array().into_iter().flatten() {
                let fires = !check["exp_alerts"].as_array().unwrap().is_empty();
                let seen = if fires { &mut firing } else { &mut quiet };
                seen.insert(text(check, "alertname").to_owned());
            }
        }
        promtool(&["test", "rules"], &root().join(&file));
    }
    let names: BTreeSet<String> = alerts().iter().map(|alert| text(alert, "alert").to_owned()).collect();
    assert!(names.len() > 35, "{names:?}");
    assert_eq!(firing, names, "alerts that a test sees firing");
    assert_eq!(quiet, names, "alerts that a test sees quiet");
}

#[test]
fn every_alert_has_a_severity_and_an_entry_in_the_runbook_and_every_entry_an_alert() {
    let page = read("docs/operations.md");
    let entries: Vec<(&str, &str)> =
        page.split("\n### ").skip(1).filter_map(|entry| entry.split_once('\n')).collect();
    let alerts = alerts();
    for alert in &alerts {
        let name = text(alert, "alert");
        assert!(["page", "ticket"].contains(&text(&alert["labels"], "severity")), "{name}");
        assert!(!text(&alert["annotations"], "summary").is_empty(), "{name}");
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(text(&alert["annotations"], "runbook"), anchor);
        let (_, entry) = entries.iter().find(|(heading, _)| *heading == name).expect(name);
        for part in ["*Means*: ", "*Look at*: ", "*Do*: "] {
            assert_eq!(entry.matches(part).count(), 1, "{name}: {part}");
        }
    }
    let names: BTreeSet<&str> = alerts.iter().map(|alert| text(alert, "alert")).collect();
    assert_eq!(entries.iter().map(|(heading, _)| *heading).collect::<BTreeSet<_>>(), names);
    assert_eq!((entries.len(), alerts.len()), (names.len(), names.len()), "one each");
}
