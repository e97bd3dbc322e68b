//! `check-config`: what it finds, all of it in one run, each at its line.
//!
//! In the configurations below `#! E0105` at the end of a line says that this problem must be found on that line, and `#? E0113` a warning. What
//! is found and not marked fails as well.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{barid, code, run, stderr, stdout};

/// A folder with a few things that configurations name.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::create_dir_all(here.join("in/deep")).unwrap();
    fs::create_dir_all(here.join("in/state")).unwrap();
    fs::write(here.join("plain.txt"), "no folder").unwrap();
    fs::write(here.join("empty.pem"), "").unwrap();
    fs::write(here.join("damaged.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        .unwrap();
    let outline = |id: &str, url: &str| format!("<outline type=\"rss\" xmlUrl=\"{url}\" barid:id=\"{id}\"/>");
    let list = |body: &str| format!("<opml version=\"2.0\"><body>{body}</body></opml>");
    let good = outline("one", "https://one.example/rss") + &outline("two", "https://two.example/rss");
    fs::write(here.join("good.opml"), list(&good)).unwrap();
    fs::write(here.join("none.opml"), list("")).unwrap();
    fs::write(here.join("broken.opml"), "<html>not a list</html>").unwrap();
    let odd = outline("one", "https://one.example/rss")
        + &outline("one", "https://three.example/rss")
        + &outline("four", "https://localhost/rss");
    fs::write(here.join("odd.opml"), list(&odd)).unwrap();
    folder
}

/// Line, code and severity of every problem, of the one output.
fn found(here: &Path, text: &str, variables: &[(&str, &str)]) -> (i32, Vec<Value>) {
    fs::write(here.join("b.toml"), text).unwrap();
    let mut command = barid(here, &["check-config", "b.toml", "--json"]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let said: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    assert_eq!(stderr(&output), "");
    let problems = said["problems"].as_array().unwrap().clone();
    let errors = problems.iter().filter(|problem| problem["severity"] == "error").count();
    assert_eq!((&said["errors"], &said["ok"]), (&errors.into(), &(errors == 0).into()), "{said}");
    (code(&output), problems)
}

/// What is marked in a text: line, code, and whether it is an error.
fn marked(text: &str) -> BTreeSet<(u64, String, bool)> {
    let mut marks = BTreeSet::new();
    for (line, text) in (1..).zip(text.lines()) {
        for (mark, is_error) in [("#! ", true), ("#? ", false)] {
            if let Some((_, codes)) = text.split_once(mark) {
                marks.extend(codes.split(' ').map(|code| (line, code.to_owned(), is_error)));
            }
        }
    }
    marks
}

/// Checks a marked text; every problem has a hint.
fn check(here: &Path, name: &str, text: &str) {
    let (code, problems) = found(here, text, &[]);
    let mut seen = BTreeSet::new();
    for problem in &problems {
        let hint = problem["hint"].as_str().unwrap_or_default();
        assert!(hint.len() > 5, "{name}: no hint: {problem}");
        let line = problem["line"].as_u64().unwrap_or_else(|| panic!("{name}: no line: {problem}"));
        let code = problem["code"].as_str().unwrap().to_owned();
        assert!(seen.insert((line, code, problem["severity"] == "error")), "{name}: said twice: {problem}");
    }
    let expected = marked(text);
    assert_eq!(seen, expected, "{name}: {problems:#?}");
    let is_refused = expected.iter().any(|(_, _, is_error)| *is_error);
    assert_eq!(code, i32::from(is_refused), "{name}");
    // A run refuses what is refused here, before it starts; with the same words for a person.
    if is_refused {
        let output = run(here, &["run", "--once", "--config", "b.toml"]);
        assert!(matches!(support::code(&output), 78), "{name}: a run began: {}", stderr(&output));
        assert!(!here.join("barid-data/commits").exists(), "{name}");
    }
}

/// Each is broken in a way of its own.
const BROKEN: [(&str, &str); 66] = [
    ("a level", "telemetry.level = \"inof\" #! E0105"),
    ("a level of a part", "telemetry.level = \"info,barid_log=loud\" #! E0105"),
    ("no level", "telemetry.level = \"\" #! E0105"),
    ("two levels", "telemetry.level = \"info;debug\" #! E0105"),
    ("an unknown part", "telemetry.level = \"info,barid_wacher=debug\" #? E0105"),
    ("a format", "telemetry.format = \"jsno\" #! E0105"),
    ("a private address", "[[feed]]\nurl = \"http://10.0.0.7/rss\" #! E0117"),
    ("this machine", "[[feed]]\nurl = \"https://localhost:8080/rss\" #! E0117"),
    ("this machine, disguised", "[[feed]]\nurl = \"http://2130706433/rss\" #! E0117"),
    ("a name of no public network", "[[feed]]\nurl = \"http://nas.local/rss\" #! E0117"),
    ("a password", "[[feed]]\nurl = \"https://me:secret@news.example/rss\" #! E0117"),
    ("no host", "[[feed]]\nurl = \"https://\" #! E0117"),
    ("the scheme twice", "[[feed]]\nurl = \"https://https://news.example/rss\" #! E0117"),
    ("port 0", "[[feed]]\nurl = \"https://news.example:0/rss\" #! E0117"),
    ("a port beyond all", "[[feed]]\nurl = \"https://news.example:99999/rss\" #! E0117"),
    ("another scheme", "[[feed]]\nurl = \"ftp://news.example/rss\" #! E0105"),
    ("a file", "[[feed]]\nurl = \"/srv/feed.xml\" #! E0105"),
    (
        "an address twice",
        "[[feed]]\nid = \"a\"\nurl = \"https://news.example/rss\"\n[[feed]]\nid = \"b\"\nurl = \"https://NEWS.example:443/rss#top\" #! E0118",
    ),
    (
        "an address by two schemes",
        "[[feed]]\nid = \"a\"\nurl = \"https://news.example/rss\"\n[[feed]]\nid = \"b\"\nurl = \"http://news.example/rss\" #? E0118",
    ),
    (
        "an id twice",
        "[[feed]]\nid = \"a\"\nurl = \"https://a.example/\"\n[[feed]]\nid = \"a\" #! E0107\nurl = \"https://b.example/\"",
    ),
    (
        "a watched id",
        "[feeds]\nwatch = [\n  \"a\",\n  \"b\", #! E0120\n]\n[[feed]]\nid = \"a\"\nurl = \"https://a.example/\"",
    ),
    (
        "a contact that HTTP cannot carry",
        "[feeds]\ncontact = \"https://نشر.example/\" #! E0105\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    (
        "a contact that is none",
        "[feeds]\ncontact = \"our team\" #? E0105\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    ("a block", "[feeds]\nallow_addresses = [\"10.0.0.0/33\"] #! E0105"),
    ("all blocks", "[feeds]\nallow_addresses = [\"10.0.0.0/8\", \"0.0.0.0/0\"] #? E0105"),
    (
        "a list that is missing",
        "[feeds]\ncontact = \"https://a.example/\"\nlists = [\n  \"good.opml\",\n  \"nothing.opml\", #! E0116\n]",
    ),
    ("a list that is a folder", "[feeds]\ncontact = \"https://a.example/\"\nlists = [\"in\"] #! E0116"),
    ("a list without feeds", "[feeds]\ncontact = \"https://a.example/\"\nlists = [\"none.opml\"] #? E0116"),
    (
        "a list twice",
        "[feeds]\ncontact = \"https://a.example/\"\nlists = [\n\"good.opml\",\n\"good.opml\", #? E0118\n]",
    ),
    ("feeds of a list", "[feeds]\ncontact = \"https://a.example/\"\nlists = [\"odd.opml\"] #? E0107 E0117"),
    (
        "a watched id beside a list",
        "[feeds]\ncontact = \"https://a.example/\"\nlists = [\"good.opml\"]\nwatch = [\"one\", \"tow\"] #? E0120",
    ),
    ("no authorities", "[feeds]\nextra_ca = \"no.pem\" #! E0123\n[[feed]]\nurl = \"https://a.example/\""),
    (
        "empty authorities",
        "[feeds]\nextra_ca = \"empty.pem\" #! E0123\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    (
        "damaged authorities",
        "[feeds]\nextra_ca = \"damaged.pem\" #! E0123\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    (
        "authorities without an end",
        "[feeds]\nextra_ca = \"/dev/zero\" #! E0123\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    ("data below a file", "data_dir = \"plain.txt/data\" #! E0125"),
    ("data in a file", "data_dir = \"plain.txt\" #! E0125"),
    ("data where nobody writes", "data_dir = \"/proc/barid\" #! E0125"),
    ("records where nobody writes", "[sink.jsonl]\ndir = \"/proc/records\" #! E0125"),
    ("records below a file", "[sink.jsonl]\ndir = \"plain.txt/records\" #! E0125"),
    ("records among the log's files", "[sink.jsonl]\ndir = \"barid-data/topics/out\" #! E0121"),
    ("records in the data folder itself", "[sink.jsonl]\ndir = \"barid-data\" #? E0121"),
    (
        "records in a watched folder",
        "[[files]]\nid = \"a\"\npath = \"in\"\n[sink.jsonl]\ndir = \"in/out\" #! E0111",
    ),
    ("data in a watched folder", "data_dir = \"in/data\" #! E0111\n[[files]]\nid = \"a\"\npath = \"in\""),
    (
        "a watched folder in the data folder",
        "data_dir = \"in\"\n[[files]]\nid = \"a\"\npath = \"in/state\" #! E0111",
    ),
    (
        "a folder twice",
        "[[files]]\nid = \"a\"\npath = \"in\"\n[[files]]\nid = \"b\"\npath = \"in/deep/..\" #! E0118",
    ),
    (
        "a folder in another",
        "[[files]]\nid = \"a\"\npath = \"in\"\n[[files]]\nid = \"b\"\npath = \"in/deep\" #? E0118",
    ),
    ("a file for a folder", "[[files]]\nid = \"a\"\npath = \"plain.txt\" #! E0114"),
    ("a folder that is not there", "[[files]]\nid = \"a\"\npath = \"nowhere\" #? E0113"),
    (
        "a glob from the root",
        "[[files]]\nid = \"a\"\npath = \"in\"\ninclude = [\"*.txt\", \"/srv/*.txt\"] #! E0108",
    ),
    ("a glob of a folder", "[[files]]\nid = \"a\"\npath = \"in\"\nexclude = [\"old/\"] #! E0108"),
    ("everything taken out", "[[files]]\nid = \"a\"\npath = \"in\"\nexclude = [\"**\"] #! E0108"),
    ("fields of a text", "[[files]]\nid = \"a\"\npath = \"in\"\n[files.fields]\ntext = \"body\" #? E0105"),
    (
        "a field without a name",
        "[[files]]\nid = \"a\"\npath = \"in\"\nformat = \"jsonl\"\n[files.fields]\ntext = \"doc..body\" #! E0105",
    ),
    (
        "a field mapped twice",
        "[[files]]\nid = \"a\"\npath = \"in\"\nformat = \"jsonl\"\n[files.fields]\nheadline = \"text\" #? E0118",
    ),
    (
        "two listeners",
        "[web]\nlisten = \"0.0.0.0:8414\"\n[feeds.websub]\nlisten = \"127.0.0.1:8414\" #! E0119\ncallback = \"https://a.example/hubs\"\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    ("a listener elsewhere", "[web]\nlisten = \"203.0.113.9:9464\" #! E0124"),
    (
        "hubs without feeds",
        "[feeds.websub]\nlisten = \"127.0.0.1:8414\" #? E0105\ncallback = \"https://a.example/hubs\"",
    ),
    (
        "hubs that cannot call",
        "[feeds.websub]\nlisten = \"127.0.0.1:8414\"\ncallback = \"http://192.168.1.4/hubs\" #? E0117\n[[feed]]\nurl = \"https://a.example/\"",
    ),
    ("a broker without a port", "[kafka]\nbrokers = \"a:9092,b:port\" #! E0110"),
    ("a broker of the web", "[kafka]\nbrokers = \"http://a:9092\" #! E0110"),
    (
        "a key of a broker",
        "[kafka]\nbrokers = \"a:9092\"\n[kafka.properties]\n\"ssl.ca.location\" = \"no.pem\" #! E0105",
    ),
    (
        "documents larger than messages",
        "[kafka]\nbrokers = \"a:9092\"\n[[files]]\nid = \"a\"\npath = \"in\"\nmax_document_bytes = 1000000000 #? E0105",
    ),
    ("a number with a unit", "[log]\nretention_bytes = \"16GiB\" #! E0104"),
    (
        "a list that is none",
        "[feeds]\nwatch = \"a\" #! E0104\n[[feed]]\nid = \"a\"\nurl = \"https://a.example/\"",
    ),
    ("a key of another version", "[log]\nretention_byte = 1 #! E0103"),
];

#[test]
fn each_broken_configuration_is_named_with_line_and_hint_and_refused_by_a_run_as_well() {
    let folder = folder();
    let here = folder.path();
    for (name, text) in BROKEN {
        // Without this the folder `seeds` is watched, which is not there.
        let watches = text.contains("[[files]]") || text.contains("[[feed]]") || text.contains("[feeds");
        let text = if watches {
            text.to_owned()
        } else {
            format!("{text}\n[[files]]\nid = \"in\"\npath = \"in\"\n")
        };
        // Where this barid has no TLS the property itself is refused.
        let has_tls = cfg!(feature = "tls") && name == "a key of a broker";
        let text = if has_tls { text.replace("E0105", "E0123") } else { text };
        check(here, name, &text);
    }
}

#[test]
fn everything_is_found_in_one_run_beside_errors_of_type_and_of_toml() {
    let folder = folder();
    let text = "\
data_dir = \"plain.txt/x\" #! E0125
[[files]]
id = \"a\"
path = \"in\"
settle_ms = \"soon\" #! E0104
[[files]]
id = \"b\"
path = \"in\" #! E0118
charset = \"utf-9\" #! E0109
[feeds]
contact = \"https://a.example/\"
lists = [\"nothing.opml\"] #! E0116
extra_ca = \"empty.pem\" #! E0123
max_in_flight = 0 #! E0105
[[feed]]
url = \"http://127.0.0.1/\" #! E0117
[log]
compresion = \"lz4\" #! E0103
[sink.jsonl]
dir = \"in/records\" #! E0111
[web]
listen = \"nowhere\" #! E0110
[telemetry]
level = \"verbose\" #! E0105
";
    check(folder.path(), "many", text);
    let with_syntax = format!("{text}[kafka]\nbrokers = host:9092 #! E0102\n");
    let (code, problems) = found(folder.path(), &with_syntax, &[]);
    let codes: Vec<&str> = problems.iter().map(|problem| problem["code"].as_str().unwrap()).collect();
    assert_eq!(code, 1);
    for code in ["E0102", "E0104", "E0105", "E0109", "E0110", "E0116", "E0117", "E0118", "E0123", "E0125"] {
        assert!(codes.contains(&code), "{code}: {problems:#?}");
    }
}

#[test]
fn a_good_configuration_is_ok_and_a_warning_is_an_error_where_they_are_denied() {
    let folder = folder();
    let here = folder.path();
    let good = "[[files]]\nid = \"a\"\npath = \"in\"\n[[files]]\nid = \"lines\"\npath = \"in\"\nformat = \"jsonl\"\n[feeds]\ncontact = \"desk@a.example\"\nlists = [\"good.opml\"]\nwatch = [\"two\"]\n[[feed]]\nurl = \"https://a.example/\"\n";
    check(here, "good", good);
    let output = run(here, &["check-config", "b.toml", "--deny-warnings"]);
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    assert!(
        stdout(&output).contains("ok, 2 folder(s), 1 feed(s), 1 list(s), 0 warning(s)"),
        "{}",
        stdout(&output)
    );
    fs::write(here.join("w.toml"), "[[files]]\nid = \"a\"\npath = \"nowhere\"\n").unwrap();
    assert_eq!(code(&run(here, &["check-config", "w.toml"])), 0);
    let denied = run(here, &["check-config", "w.toml", "--deny-warnings"]);
    assert!(code(&denied) == 1 && stderr(&denied).contains("E0113"), "{}", stderr(&denied));
    let json = run(here, &["check-config", "nothing.toml", "--json"]);
    assert!(code(&json) == 2 && stdout(&json).contains("E0101"), "{}", stdout(&json));
    assert_eq!(code(&run(here, &["check-config", "/dev/zero"])), 2, "a file without an end");
}

#[test]
fn variables_are_named_where_they_are_what_is_wrong() {
    let folder = folder();
    let variables = [
        ("BARID_FEEDS_WATCH", "a, b"),
        ("BARID_DATA_DIR", "/proc/x"),
        ("BARID_LOG", "inof"),
        ("BARID_FEEDS_LIST", "x"),
    ];
    let (code, problems) =
        found(folder.path(), "[[feed]]\nid = \"a\"\nurl = \"https://a.example/\"\n", &variables);
    let said: Vec<&str> = problems.iter().map(|problem| problem["message"].as_str().unwrap()).collect();
    assert_eq!(code, 1);
    for words in [
        "`feeds.watch[1]` (from BARID_FEEDS_WATCH): no feed",
        "`data_dir` (from BARID_DATA_DIR)",
        "`BARID_LOG`: `inof`",
        "BARID_FEEDS_LIST sets no key",
    ] {
        assert!(said.iter().any(|said| said.contains(words)), "{words}: {said:#?}");
    }
}

#[test]
fn the_schema_accepts_the_template_and_refuses_what_is_refused() {
    let folder = folder();
    let output = run(folder.path(), &["config", "schema"]);
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let read =
        |text: &str| -> Value { serde_json::to_value(text.parse::<toml::Table>().expect("TOML")).unwrap() };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for file in ["barid.toml", "kafka.toml"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&read(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
    }
    for bad in [
        "data_dir = 5",
        "[log]\nretention_byte = 1",
        "[log]\ncompression = \"zip\"",
        "[sink.jsonl]\nrotate_seconds = 0",
        "[[files]]\nid = \"a\"",
        "[[feed]]\nid = \"a\"",
        "[feeds]\nwatch = \"a\"",
        "[feeds]\nfull_text = \"yes\"",
        "[kafka.topics]\npartition = 1",
    ] {
        assert!(!validator.is_valid(&read(bad)), "{bad}");
        fs::write(folder.path().join("bad.toml"), bad).unwrap();
        assert_eq!(code(&run(folder.path(), &["check-config", "bad.toml"])), 1, "{bad}");
    }
}
