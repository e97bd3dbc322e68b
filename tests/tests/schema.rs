//! The published JSON Schema: generated from the struct, written down in `docs/record.schema.json`, and true of every golden record.
//! `cargo bless` rewrites the file.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};

use barid_record::{Record, record_schema};
use barid_tests::files_with_extension;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn golden_records() -> Vec<Value> {
    let goldens = files_with_extension(&root().join("tests/goldens"), "json").unwrap();
    let read =
        |path: &PathBuf| serde_json::from_str::<Vec<Value>>(&fs::read_to_string(path).unwrap()).unwrap();
    let records: Vec<Value> = goldens.iter().flat_map(read).collect();
    assert!(records.len() > 60, "only {} golden records", records.len());
    records
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let path = root().join("docs/record.schema.json");
    let generated = serde_json::to_string_pretty(&record_schema()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &generated).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == generated, "docs/record.schema.json is not what the struct says: run `cargo bless`");
}

#[test]
fn every_golden_record_is_valid_and_reads_back() {
    let validator = jsonschema::validator_for(&record_schema()).unwrap();
    for record in golden_records() {
        let faults: Vec<String> = validator.iter_errors(&record).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{}: {}", record["source"]["key"], faults.join("; "));
        let read = Record::from_json(record.to_string().as_bytes()).unwrap();
        let written: Value = serde_json::from_slice(&read.to_json().unwrap()).unwrap();
        assert!(written == record, "{} does not read back", record["source"]["key"]);
    }
}

#[test]
fn a_misspelt_key_and_an_unknown_section_kind_are_invalid() {
    let validator = jsonschema::validator_for(&record_schema()).unwrap();
    let mut record = golden_records().remove(0);
    assert!(validator.is_valid(&record));
    record["sections"][0]["kind"] = "headlines".into();
    assert!(!validator.is_valid(&record));
    let mut record = golden_records().remove(0);
    record["headlin"] = "x".into();
    assert!(!validator.is_valid(&record));
}
