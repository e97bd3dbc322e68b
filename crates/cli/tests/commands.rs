//! Commands as users run them: exit codes, what goes to which stream, files written.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::{barid, code, run, stderr, stdout};

/// A sample written for this project.
fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds").join(name)
}

#[test]
fn init_writes_a_file_that_check_config_accepts_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    assert_eq!(code(&run(here, &["init"])), 0);
    let checked = run(here, &["check-config", "barid.toml"]);
    assert_eq!(code(&checked), 0, "{}", stderr(&checked));
    assert!(stderr(&checked).contains("E0113"), "seeds/ is not there: {}", stderr(&checked));
    fs::write(here.join("barid.toml"), "mine").unwrap();
    let again = run(here, &["init"]);
    assert_eq!(code(&again), 74);
    assert!(stderr(&again).contains("E0204"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(here.join("barid.toml")).unwrap(), "mine");
}

#[test]
fn check_config_shows_every_problem_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("b.toml"), "data_dri = \"x\"\n\n[log]\ncompression = 3\n").unwrap();
    let output = run(here, &["check-config", "b.toml"]);
    let shown = stderr(&output);
    assert_eq!(code(&output), 1);
    assert!(shown.contains("b.toml:1:1") && shown.contains("did you mean `data_dir`?"), "{shown}");
    assert!(shown.contains("b.toml:4:15") && shown.contains("E0104"), "{shown}");
    assert!(!shown.contains('\x1b'), "colour outside a terminal: {shown}");
    let unreadable = run(here, &["check-config", "nothing.toml"]);
    assert_eq!(code(&unreadable), 2);
    assert!(stderr(&unreadable).contains("E0101"));
}

#[test]
fn colour_is_asked_for_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let always = run(folder.path(), &["check-config", "nothing.toml", "--color", "always"]);
    assert!(stderr(&always).contains('\x1b'));
    let plain =
        barid(folder.path(), &["check-config", "nothing.toml"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!stderr(&plain).contains('\x1b'));
}

#[test]
fn a_wrong_command_line_is_64_and_a_wrong_configuration_78() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    for arguments in [&["rum"][..], &["parse"], &["run", "--twice"], &["-v", "-q", "schema"], &[]] {
        let output = run(here, arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(code(&run(here, &["run", "--once", "--config", "nothing.toml"])), 78);
    fs::write(here.join("barid.toml"), "nonsense = 1").unwrap();
    let found = run(here, &["config", "show"]);
    assert_eq!(code(&found), 78, "barid.toml is found by itself");
}

#[test]
fn config_show_names_the_origin_of_each_value() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("barid.toml"), "[log]\ncompression = \"zstd\"\n").unwrap();
    let output =
        barid(folder.path(), &["config", "show"]).env("BARID_DATA_DIR", "elsewhere").output().unwrap();
    let shown = stdout(&output);
    assert!(shown.contains("data_dir = \"elsewhere\"") && shown.contains("# env BARID_DATA_DIR"), "{shown}");
    assert!(shown.contains("# barid.toml:2") && shown.contains("# default"), "{shown}");
    let json = run(folder.path(), &["config", "show", "--json"]);
    let keys: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let first = &keys.as_array().unwrap()[0];
    assert_eq!((first["key"].as_str(), first["origin"].as_str()), (Some("data_dir"), Some("default")));
}

#[test]
fn schema_is_json_and_holds_every_part_of_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let schema: serde_json::Value =
        serde_json::from_slice(&run(folder.path(), &["schema"]).stdout).expect("JSON");
    assert_eq!(schema, barid_record::record_schema());
    assert!(schema["properties"]["record_id"].is_object());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        barid(folder.path(), &["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = barid(folder.path(), &["schema"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 74, "a full disk is one");
}

#[test]
fn parse_prints_one_record_a_line_main_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample("ar_aggregator_full.txt");
    let output = run(folder.path(), &["parse", "--json", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    let records: Vec<barid_record::Record> = text
        .lines()
        .map(|line| barid_record::Record::from_json(line.as_bytes()).expect("a record"))
        .collect();
    assert!(records.len() > 1, "the sample has related articles");
    assert_eq!(records[0].kind, barid_record::Kind::Article);
    let covered: u64 = records[0].sections.iter().map(|section| section.byte_end - section.byte_start).sum();
    assert_eq!(covered, fs::metadata(&file).unwrap().len(), "sections tile the file");
    for (place, record) in records.iter().enumerate().skip(1) {
        assert_eq!(record.parent_record_id, Some(records[0].record_id));
        assert_eq!(record.position, u32::try_from(place).ok());
    }
    assert!(!text.contains('\u{2068}'), "no isolates in JSON");
}

#[test]
fn parse_goes_on_after_a_file_it_cannot_parse() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("empty.txt"), "").unwrap();
    fs::write(here.join("good.txt"), "A headline of this test\n\nThe first paragraph says something.\n")
        .unwrap();
    let output = run(here, &["parse", "empty.txt", "good.txt", "--json"]);
    assert_eq!(code(&output), 1);
    assert_eq!(stdout(&output).lines().count(), 1);
    assert!(
        stderr(&output).contains("empty.txt: empty:") && stderr(&output).contains("hint:"),
        "{}",
        stderr(&output)
    );
    let output = run(here, &["parse", "nothing.txt", "good.txt", "--json"]);
    assert_eq!((code(&output), stdout(&output).lines().count()), (2, 1));
}

#[test]
fn the_readable_view_shows_every_line_with_its_section() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample("ar_aggregator_full.txt");
    let shown = stdout(&run(folder.path(), &["parse", file.to_str().unwrap()]));
    let text = fs::read_to_string(&file).unwrap();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        assert!(shown.contains(line.trim()), "a line is missing: {line}");
    }
    for kind in ["headline", "body", "related_headline", "urn:barid:rec:"] {
        assert!(shown.contains(kind), "{kind}: {shown}");
    }
    assert!(!shown.contains('\u{2068}'), "isolates are for terminals");
}

#[test]
fn explain_knows_files_codes_reasons_and_remarks() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let file = sample("ar_aggregator_full.txt");
    let shown = stdout(&run(here, &["explain", file.to_str().unwrap()]));
    assert!(shown.contains("rule") && shown.contains("body"), "{shown}");
    for subject in ["E0103", "e0302", "too_large", "glued_quote"] {
        let output = run(here, &["explain", subject]);
        assert_eq!(code(&output), 0, "{subject}");
        assert!(stdout(&output).lines().count() >= 3, "{subject}");
    }
    let unknown = run(here, &["explain", "too_larg"]);
    assert_eq!(code(&unknown), 64);
    assert!(stderr(&unknown).contains("did you mean `too_large`?"), "{}", stderr(&unknown));
}

#[test]
fn a_command_that_needs_a_log_says_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["rejected", "list"]);
    assert_eq!(code(&output), 69);
    assert!(
        stderr(&output).contains("E0209") && stderr(&output).contains("barid-data"),
        "{}",
        stderr(&output)
    );
    assert!(!folder.path().join("barid-data").exists(), "looking makes nothing");
}

/// A list with every spelling: two feeds, one of them twice, and two lines that can never be asked.
const ODD_LIST: &str = "<opml version=\"2.0\"><body>\n\
    <outline type=\"rss\" text=\"Estuary\" xmlUrl=\"feed://estuary.example/a.xml\"/>\n\
    <outline type=\"rss\" text=\"again\" xmlUrl=\"http://estuary.example:80/a.xml\"/>\n\
    <outline type=\"rss\" text=\"secret\" xmlUrl=\"https://me:word@estuary.example/b.xml\"/>\n\
    <outline type=\"rss\" text=\"bare\" xmlUrl=\"estuary.example/c.xml\"/>\n\
    <outline type=\"rss\" text=\"old\" xmlUrl=\"ftp://estuary.example/d.xml\"/>\n\
    </body></opml>";

#[test]
fn a_list_is_taken_as_it_is_meant_and_refused_by_line_at_import_and_by_check_config() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[feeds]\ncontact = \"https://barid.example/\"\nlists = [\"feeds.opml\"]\n";
    std::fs::write(folder.path().join("barid.toml"), config).unwrap();
    std::fs::write(folder.path().join("odd.opml"), ODD_LIST).unwrap();
    let output = run(folder.path(), &["feed", "import", "odd.opml"]);
    let refused = "line 4: secret: https://***@estuary.example/b.xml: it carries a user name or password\n\
        line 6: old: ftp://estuary.example/d.xml: only http: and https: are asked, and this is ftp:\n";
    let counts = "5 feeds read, 2 added to feeds.opml, 1 known already, 2 refused\n";
    assert_eq!((code(&output), stdout(&output)), (1, format!("{counts}{refused}")));
    let list = std::fs::read_to_string(folder.path().join("feeds.opml")).unwrap();
    assert!(
        list.contains("\"http://estuary.example/a.xml\"")
            && list.contains("\"http://estuary.example/c.xml\"")
    );
    assert!(!list.contains("word"), "no password is copied");
    let checked = run(folder.path(), &["check-config", "barid.toml"]);
    assert_eq!(stdout(&checked), "barid.toml: ok, 0 source(s), 2 feed(s), 0 warning(s)\n");
    // Written by hand, the same lines are warnings, and the other feeds are polled.
    std::fs::write(folder.path().join("feeds.opml"), ODD_LIST).unwrap();
    let table = format!("{config}[[feed]]\nid = \"estuary\"\nurl = \"FEED:estuary.example/a.xml\"\n");
    std::fs::write(folder.path().join("barid.toml"), table).unwrap();
    let checked = run(folder.path(), &["check-config", "barid.toml"]);
    assert_eq!(stdout(&checked), "barid.toml: ok, 0 source(s), 2 feed(s), 3 warning(s)\n");
    let warned = stderr(&checked);
    for part in ["line 4: secret", "***@estuary.example", "line 6: old", "has the address of `estuary`"] {
        assert!(warned.replace("\n", " ").contains(part), "{part}: {warned}");
    }
    let output = run(folder.path(), &["feed", "import", "odd.opml"]);
    assert!(stdout(&output).starts_with("5 feeds read, 0 added to feeds.opml, 3 known already, 2 refused\n"));
    let list = std::fs::read_to_string(folder.path().join("feeds.opml")).unwrap();
    assert!(
        list.contains("ftp://estuary.example/d.xml"),
        "what was in the list is still the operator's to mend"
    );
}

#[test]
fn a_feed_of_the_configuration_is_held_by_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    for (url, part) in [
        ("ftp://estuary.example/a", "this is ftp:"),
        ("https://me:word@estuary.example/a", "a user name or password"),
        ("/feed.xml", "the host is missing"),
        ("feed.xml", "the host is missing"),
        ("  ", "there is no address of a feed"),
    ] {
        std::fs::write(folder.path().join("barid.toml"), format!("[[feed]]\nid = \"a\"\nurl = \"{url}\"\n"))
            .unwrap();
        let checked = run(folder.path(), &["check-config", "barid.toml"]);
        assert_eq!(code(&checked), 1, "{url}");
        let said = stderr(&checked);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("E0105") && said.contains(part), "{said}");
    }
}
