//! `barid feed`: the JSON others rely on, exit codes, standard input, the lint.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::{code, run, stderr, stdout};

fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds/feeds").join(name).display().to_string()
}

fn barid(arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), arguments);
    (code(&output), stdout(&output), stderr(&output))
}

#[test]
fn json_holds_what_the_feed_says_and_nothing_empty() {
    let (code, out, _) = barid(&["feed", "parse", &sample("oasis-rss.xml"), "--json"]);
    assert_eq!(code, 0);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&said["ok"], &said["version"], &said["encoding"]),
        (&json!(true), &json!("rss20"), &json!("utf-8"))
    );
    assert_eq!(said["faults"], json!([]));
    assert_eq!(said["feed"]["links"][1]["rel"], "self");
    let entries = said["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0]["published"], "2023-09-05T05:15:00Z");
    assert_eq!(entries[0]["authors"], json!([{ "name": "ليلى منصور" }]));
    assert_eq!(entries[0]["tags"], json!(["ثقافة"]));
    assert_eq!(
        entries[1]["enclosures"],
        json!([{ "href": "https://oasis.example/a/2.mp3", "type": "audio/mpeg", "length": "1200" }])
    );
    assert_eq!((&entries[2]["id_source"], &entries[2]["updated"]), (&json!("link"), &Value::Null));
    assert!(!out.contains("\"\"") && !out.contains("null"), "{out}");
}

#[test]
fn a_base_and_a_content_type_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed.xml");
    std::fs::write(&file, b"<rss version='2.0'><channel><item><title>\xE3\xD1\xCD\xC8\xC7 \xC8\xDF\xE3</title><link>/a</link></item></channel></rss>").unwrap();
    let (_, out, _) = barid(&[
        "feed",
        "parse",
        file.to_str().unwrap(),
        "--json",
        "--base",
        "https://oasis.example/x/",
        "--content-type",
        "text/xml; charset=windows-1256",
    ]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["entries"][0]["link"], "https://oasis.example/a");
    assert_eq!(
        (&said["entries"][0]["title"], &said["encoding"]),
        (&json!("مرحبا بكم"), &json!("windows-1256"))
    );
}

#[test]
fn repairs_are_named_and_no_feed_is_1() {
    let (code, out, _) = barid(&["feed", "parse", &sample("broken-rss.xml"), "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, said["entries"].as_array().unwrap().len()), (0, 4));
    let faults = said["faults"].as_array().unwrap();
    let bare = faults.iter().find(|met| met["fault"] == "bare_amp").unwrap();
    assert_eq!(bare, &json!({ "fault": "bare_amp", "count": 1, "items_lost": 0 }));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").display().to_string();
    let (code, out, _) = barid(&["feed", "parse", &manifest, "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &said["ok"], &said["error_code"], &said["entries"]),
        (1, &json!(false), &json!("no_root"), &json!([]))
    );
    let (code, out, err) = barid(&["feed", "parse", &manifest]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("hint:"), "{err}");
    assert_eq!(barid(&["feed", "parse", "not-there.xml"]).0, 2);
}

#[test]
fn the_view_is_for_people() {
    let (code, out, _) = barid(&["feed", "parse", &sample("harbour-atom.xml")]);
    assert_eq!(code, 0);
    for part in [
        "1. Ferries <b>late</b> again",
        "published  2023-09-05T06:00:00Z",
        "format     atom10, utf-8",
        "entries    2",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
}

#[test]
fn lint_exits_with_1_for_errors_only() {
    let (code, out, _) = barid(&["feed", "lint", &sample("harbour-atom.xml")]);
    assert_eq!((code, out.as_str()), (0, ""));
    let (code, out, _) = barid(&["feed", "lint", &sample("broken-rss.xml")]);
    assert_eq!(code, 1);
    assert!(out.contains("broken-rss.xml:4: error[bare_amp]: the document had to be mended"), "{out}");
    let (_, out, _) = barid(&["feed", "lint", &sample("broken-rss.xml"), "--json"]);
    let first: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!((&first["line"], &first["code"]), (&json!(1), &json!("junk_before")));
}
