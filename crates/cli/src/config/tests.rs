//! The configuration as users meet it: defaults, template, environment, and every kind of mistake.

use std::collections::BTreeSet;
use std::path::Path;

use barid_log::StateTopic;

use super::reader::{Env, Origin};
use super::*;
use crate::roles::Role;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn load_text(text: &str) -> Result<Loaded, ConfigError> {
    parse(Some(Path::new("barid.toml")), text.to_owned(), &Env::new())
}

/// Codes and messages of the errors of a text that must be refused.
fn problems(text: &str) -> Vec<(&'static str, String, Option<String>)> {
    match load_text(text).expect_err("must be refused") {
        ConfigError::Invalid { problems, .. } => {
            let errors = problems.into_iter().filter(|problem| problem.severity == Severity::Error);
            errors.map(|problem| (problem.code, problem.message, problem.hint)).collect()
        }
        ConfigError::Unreadable { path, source } => panic!("{}: {source}", path.display()),
    }
}

/// The only error of a text.
fn only_problem(text: &str) -> (&'static str, String, Option<String>) {
    let mut found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_template_holds_every_key_with_its_default() {
    let template = load_text(TEMPLATE).expect("the template is valid");
    let defaults = parse(None, String::new(), &Env::new()).expect("the defaults are valid");
    assert_eq!(template.settings.len(), defaults.settings.len());
    for (written, default) in template.settings.iter().zip(&defaults.settings) {
        assert_eq!(written.path, default.path);
        assert_eq!(written.value, default.value, "{}", written.path);
        assert!(matches!(written.origin, Origin::File(_)), "`{}` is not in config/barid.toml", written.path);
    }
    let chosen = WebConfig { chosen: true, ..defaults.config.web.clone() };
    assert_eq!(template.config, Config { web: chosen, ..defaults.config });
}

#[test]
fn every_key_of_the_template_is_explained_above_it() {
    let lines: Vec<_> = TEMPLATE.lines().collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(" = ") && !pair[1].starts_with('#')) {
        assert!(pair[0].starts_with("# "), "no comment above: {}", pair[1]);
    }
}

#[test]
fn without_a_file_it_watches_seeds() {
    let config = parse(None, String::new(), &Env::new()).expect("valid").config;
    assert_eq!(config.data_dir, Path::new("barid-data"));
    assert_eq!(config.jsonl.dir, Path::new("barid-data/records"));
    let source = &config.files[0];
    assert_eq!((source.id.as_str(), source.path.as_path()), ("seeds", Path::new("seeds")));
    assert_eq!(source.include, ["**/*.txt"]);
    assert!(!config.web.chosen && config.web.listen.is_some());
}

#[test]
fn with_feeds_and_no_folder_none_is_watched() {
    let loaded = load_text("[[feed]]\nurl = \"https://news.example/rss\"\nfast = true\n").expect("valid");
    let feeds = &loaded.config.feeds;
    assert!(loaded.config.files.is_empty() && feeds.is_used());
    assert!(feeds.feeds[0].fast && feeds.feeds[0].id.starts_with("news-example-"), "{feeds:?}");
    assert_eq!(crate::settings::agent(feeds), concat!("barid/", env!("CARGO_PKG_VERSION")));
    let many = "[[feed]]\nurl = \"https://news.example/N\"\n".repeat(11);
    let many: String = many
        .lines()
        .enumerate()
        .map(|(line, text)| format!("{}\n", text.replace('N', &line.to_string())))
        .collect();
    assert_eq!(only_problem(&many).0, "E0115");
    let polite =
        load_text(&format!("[feeds]\ncontact = \"https://barid.example/bot\"\n{many}")).expect("valid");
    assert!(crate::settings::agent(&polite.config.feeds).ends_with(" (+https://barid.example/bot)"));
}

#[test]
fn full_text_is_wanted_of_all_feeds_or_of_one() {
    let text = "[feeds]\nfull_text = true\n[[feed]]\nid = \"a\"\nurl = \"https://a.example/\"\n[[feed]]\nid = \"b\"\nurl = \"https://b.example/\"\nfull_text = false\n";
    let wanted = |text: &str| {
        crate::settings::feeds(&load_text(text).expect("valid").config).expect("no list").full_text
    };
    assert_eq!(wanted(text), ["a"]);
    let one = text.replace("full_text = false", "full_text = true").replacen("full_text = true", "", 1);
    assert_eq!(wanted(&one), ["b"]);
}

#[test]
fn a_watch_id_stands_behind_everything_that_only_its_watchers_may_share() {
    const RETRIED: barid_log::Table = barid_log::Table("retried");
    let feed = "[[feed]]\nurl = \"https://news.example/rss\"\n";
    for (text, id) in [(feed.to_owned(), ""), (format!("[watch]\nid = \"other\"\n{feed}"), "other")] {
        let config = load_text(&text).expect("valid").config;
        let of_role = |role| crate::settings::kafka(&config, "b:9092", role, barid_log::Control::default());
        for role in [Role::Watch, Role::Stage, Role::Sink, Role::Web].map(Role::name) {
            let expected = if role == "watch" { id } else { "" };
            assert_eq!(of_role(role).scope, expected, "{role}");
        }
        // Two that count under one name would number their documents against each other.
        let behind = if id.is_empty() { String::new() } else { format!(".{id}") };
        assert_eq!(
            crate::settings::watcher(&config).writer,
            barid_watcher::Config::default().writer + &behind
        );
        assert_eq!(
            crate::settings::feeds(&config).expect("no list").writer,
            barid_watcher::feeds::FeedsConfig::default().writer + &behind
        );
        // And two with the same topics of state would take each other's for their own.
        let mut topics = BTreeSet::new();
        for topic in crate::settings::state_topics(&config, RETRIED) {
            topics.insert(match topic {
                StateTopic::Changelog { table, scope, .. } => (table.0, scope),
                StateTopic::Seats { group, scope, .. } => (group, scope),
            });
        }
        let watched = barid_watcher::worker_spec().tables.into_iter();
        let watched = watched.chain(barid_watcher::feeds::worker_spec().tables).map(|table| table.0);
        let watched: BTreeSet<&str> = watched.chain([barid_watcher::feeds::GROUP]).collect();
        assert!(watched.len() > 8 && topics.len() > watched.len(), "{topics:?}");
        for (name, scope) in &topics {
            assert_eq!(*scope, if watched.contains(name) { id } else { "" }, "{name}");
        }
        assert!(watched.iter().all(|name| topics.contains(&(name, id))), "{topics:?}");
    }
}

#[test]
fn hubs_and_authorities_reach_the_poller() {
    let text = "[[feed]]\nurl = \"https://news.example/rss\"\n[feeds.websub]\nlisten = \"127.0.0.1:8414\"\ncallback = \"https://a.example/hubs\"\n";
    let loaded = load_text(text).expect("valid");
    let websub = crate::settings::feeds(&loaded.config).expect("no list").websub.expect("both keys are set");
    assert_eq!((websub.listen.port(), websub.callback.as_str()), (8414, "https://a.example/hubs"));
    let [one, two] = [(); 2].map(|()| (websub.random)().expect("randomness"));
    assert!(one != two && one != [0; 32]);
    let missing =
        load_text("[feeds]\nextra_ca = \"no/such/file.pem\"\n[[feed]]\nurl = \"https://a.example/\"\n");
    let error = crate::settings::feeds(&missing.expect("valid").config).expect_err("no file").to_string();
    assert!(error.contains("no/such/file.pem"), "{error}");
}

#[test]
fn records_follow_the_data_folder() {
    let loaded = load_text("data_dir = \"/srv/barid\"").expect("valid");
    assert_eq!(loaded.config.jsonl.dir, Path::new("/srv/barid/records"));
}

#[test]
fn the_environment_goes_before_the_file() {
    let text =
        "[log]\nretention_hours = 5\ncompression = \"none\"\n[sink.jsonl]\ndir = \"here\"\n".to_owned();
    let env = env(&[
        ("BARID_LOG_RETENTION_HOURS", "72"),
        ("BARID_SINK_JSONL_DIR", "out"),
        ("BARID_WEB_LISTEN", ""),
    ]);
    let loaded = parse(Some(Path::new("b.toml")), text, &env).expect("valid");
    assert_eq!(loaded.config.log.retention_hours, Some(72));
    assert_eq!(loaded.config.log.compression, Compression::None);
    assert_eq!(loaded.config.jsonl.dir, Path::new("out"));
    assert_eq!(loaded.config.web, WebConfig { listen: None, chosen: true });
    let shown = as_toml(&loaded);
    let origin_of = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(&format!("{key} ="))).expect(key);
        line.split("# ").nth(1).expect("an origin").to_owned()
    };
    assert_eq!(origin_of("retention_hours"), "env BARID_LOG_RETENTION_HOURS");
    assert_eq!(origin_of("compression"), "b.toml:3");
    assert_eq!(origin_of("retention_bytes"), "default");
}

#[test]
fn what_is_shown_can_be_read_back() {
    let text = "[[files]]\nid = \"a\"\npath = \"خبر\"\n[[files]]\nid = \"b\"\npath = \"b\"\nformat = \"jsonl\"\nfields = { text = \"doc.body\" }";
    let first = load_text(text).expect("valid");
    assert_eq!(first.config.files[1].include, ["**/*.jsonl"]);
    assert_eq!(first.config.files[1].fields.text, "doc.body");
    let second = load_text(&as_toml(&first)).expect("what is shown is valid");
    let values = |loaded: &Loaded| {
        loaded.settings.iter().map(|one| (one.path.clone(), one.value.clone())).collect::<Vec<_>>()
    };
    assert_eq!(values(&first), values(&second));
}

#[test]
fn all_problems_are_reported_together_in_file_order() {
    let text = "data_dir = 5\n[log]\nretention_byte = 1\ncompression = \"zst\"\n[web]\nlisten = \"localhost\"\n[skin]\n";
    let found = problems(text);
    let codes: Vec<_> = found.iter().map(|(code, ..)| *code).collect();
    assert_eq!(codes, ["E0104", "E0103", "E0105", "E0110", "E0103"]);
    assert_eq!(found[0].1, "`data_dir` must be a text in quotes, not a whole number");
    assert_eq!(found[1].2.as_deref(), Some("did you mean `retention_bytes`?"));
    assert_eq!(found[2].2.as_deref(), Some("did you mean `zstd`?"));
    assert_eq!(found[4].2.as_deref(), Some("did you mean `sink`?"));
}

#[test]
fn each_mistake_has_its_code() {
    let source = |line: &str| format!("[[files]]\nid = \"a\"\npath = \"a\"\n{line}");
    let cases = [
        ("E0102", "data_dir = \"x".to_owned()),
        ("E0102", "data_dir = \"x\"\ndata_dir = \"y\"".to_owned()),
        ("E0103", source("glob = \"*\"")),
        ("E0104", "log = 3".to_owned()),
        ("E0104", "files = { id = \"a\" }".to_owned()),
        ("E0104", source("include = \"*.txt\"")),
        ("E0104", source("include = [1]")),
        ("E0104", source("settle_ms = 1.5")),
        ("E0105", source("settle_ms = -1")),
        ("E0105", source("max_document_bytes = 0")),
        ("E0105", source("include = []")),
        ("E0105", source("format = \"jsonl\"\nfields = { text = \"\" }")),
        ("E0105", "[[files]]\nid = \"A b\"\npath = \"a\"".to_owned()),
        ("E0105", "[telemetry]\nlevel = \"lots=of=noise\"".to_owned()),
        ("E0105", "data_dir = \"\"".to_owned()),
        ("E0106", "[[files]]\nid = \"a\"".to_owned()),
        ("E0107", source("[[files]]\nid = \"a\"\npath = \"b\"")),
        ("E0108", source("exclude = [\"a[\"]")),
        ("E0109", source("charset = \"utf-9\"")),
        ("E0110", "[web]\nlisten = \"9464\"".to_owned()),
        ("E0104", source("backfill = \"yes\"")),
        ("E0104", "[kafka]\nbrokers = [\"a:9092\"]".to_owned()),
        ("E0104", "[kafka]\nstatic_membership = 1".to_owned()),
        ("E0104", "[kafka.properties]\n\"a.b\" = [1]".to_owned()),
        ("E0105", "[kafka]\nprefix = \"a b\"".to_owned()),
        ("E0105", "[kafka]\ninstance = \"a/b\"".to_owned()),
        ("E0105", "[watch]\nid = \"a.b\"".to_owned()),
        ("E0105", "[feeds]\nshards = 0".to_owned()),
        ("E0105", "[kafka]\ndelivery = \"once\"".to_owned()),
        ("E0105", "[kafka]\nsession_timeout_seconds = 5".to_owned()),
        ("E0105", "[kafka]\nmax_message_bytes = 1000".to_owned()),
        ("E0105", "[kafka.topics]\npartitions = 0".to_owned()),
        ("E0105", "[kafka.properties]\n\"a b\" = 1".to_owned()),
        ("E0103", "[kafka.topics]\npartition = 1".to_owned()),
        ("E0106", "[[feed]]\nid = \"a\"".to_owned()),
        ("E0105", "[[feed]]\nurl = \"file:///etc/passwd\"".to_owned()),
        ("E0105", "[[feed]]\nurl = \"https://a.example/\"\nid = \"A\"".to_owned()),
        (
            "E0107",
            "[[feed]]\nurl = \"https://a.example/\"\n[[feed]]\nurl = \"https://a.example/\"".to_owned(),
        ),
        ("E0105", "[feeds]\nallow_addresses = [\"10.0.0.300\"]".to_owned()),
        ("E0115", "[feeds]\nlists = [\"feeds.opml\"]".to_owned()),
        ("E0105", "[feeds.websub]\nlisten = \"127.0.0.1:8414\"".to_owned()),
        ("E0105", "[feeds.websub]\ncallback = \"https://a.example/hubs\"".to_owned()),
        ("E0105", "[feeds.websub]\nlisten = \"127.0.0.1:8414\"\ncallback = \"a.example\"".to_owned()),
        (
            "E0105",
            "[feeds.websub]\nlisten = \"127.0.0.1:8414\"\ncallback = \"https://a.example/?x\"".to_owned(),
        ),
        ("E0110", "[feeds.websub]\nlisten = \"8414\"\ncallback = \"https://a.example/hubs\"".to_owned()),
    ];
    for (code, text) in cases {
        assert_eq!(only_problem(&text).0, code, "{text}");
        assert!(crate::codes::find(code).is_some(), "{code} is not explained");
    }
}

#[test]
fn a_variable_that_sets_nothing_is_a_warning_with_a_suggestion() {
    let env = env(&[("BARID_DATADIR", "x"), ("BARID_CONFIG", "y")]);
    let loaded = parse(None, String::new(), &env).expect("only a warning");
    let warning = loaded.warnings.iter().find(|warning| warning.code == "E0112").expect("a warning");
    assert_eq!(warning.hint.as_deref(), Some("did you mean BARID_DATA_DIR?"));
    let bad = parse(None, String::new(), &self::env(&[("BARID_STAGE_PARSER_THREADS", "many")]))
        .expect_err("no number");
    let ConfigError::Invalid { problems, .. } = bad else { panic!("{bad}") };
    assert!(
        problems.iter().any(|one| one.message.contains("(from BARID_STAGE_PARSER_THREADS)")),
        "{problems:?}"
    );
}

#[test]
fn barid_never_watches_what_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().display();
    let source = format!("[[files]]\nid = \"a\"\npath = \"{root}\"\n");
    let (code, message, _) = only_problem(&format!("data_dir = \"{root}/x/../data\"\n{source}"));
    assert_eq!(code, "E0111");
    assert!(message.starts_with("`data_dir`"), "{message}");
    let link = folder.path().with_extension("link");
    std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
    let through_link =
        format!("data_dir = \"elsewhere\"\nsink.jsonl.dir = \"{}/out\"\n{source}", link.display());
    let (code, message, _) = only_problem(&through_link);
    std::fs::remove_file(&link).expect("the link goes");
    assert!(code == "E0111" && message.starts_with("`sink.jsonl.dir`"), "{message}");
    let beside = format!("data_dir = \"{root}-data\"\n{source}");
    assert!(load_text(&beside).is_ok(), "a name that only starts alike is no folder inside");
}

#[test]
fn a_missing_folder_is_a_warning_and_a_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.txt");
    let source = format!("[[files]]\nid = \"a\"\npath = \"{}\"\n", file.display());
    let loaded = load_text(&source).expect("only a warning");
    assert_eq!(loaded.warnings.iter().map(|one| one.code).collect::<Vec<_>>(), ["E0113"]);
    std::fs::write(&file, "x").expect("written");
    assert_eq!(only_problem(&source).0, "E0114");
}

#[test]
fn properties_pass_through_however_they_are_written() {
    let text = "[kafka.properties]\n\"security.protocol\" = \"sasl_plaintext\"\nsasl.mechanism = \"PLAIN\"\nsocket.keepalive.enable = true\nlinger.ms = 0x10\n";
    let env = env(&[
        ("BARID_KAFKA_PROPERTIES_SASL_PASSWORD", "p w"),
        ("BARID_KAFKA_PROPERTIES_LINGER_MS", "3"),
        ("BARID_KAFKA_STATIC_MEMBERSHIP", "false"),
    ]);
    let loaded = parse(Some(Path::new("b.toml")), text.to_owned(), &env).expect("valid");
    let found: Vec<_> =
        loaded.config.kafka.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        found,
        [
            ("linger.ms", "3"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.password", "p w"),
            ("security.protocol", "sasl_plaintext"),
            ("socket.keepalive.enable", "true"),
        ]
    );
    assert!(!loaded.config.kafka.static_membership);
    assert!(!loaded.warnings.iter().any(|warning| warning.code == "E0112"), "{:?}", loaded.warnings);
    let again = load_text(&as_toml(&loaded)).expect("what is shown is valid");
    assert_eq!(again.config.kafka.properties["security.protocol"], "sasl_plaintext");
    assert_eq!(again.config.kafka.properties["linger.ms"], "3");
}

#[test]
fn secrets_among_the_properties_are_not_shown() {
    let text = "[kafka.properties]\nsasl.password = \"hunter2\"\nclient.id = \"me\"\n[kafka]\nbrokers = \"key.example:9092\"\n";
    let loaded = load_text(text).expect("valid");
    assert_eq!(loaded.config.kafka.properties["sasl.password"], "hunter2");
    for shown in [as_toml(&loaded), as_json(&loaded).to_string()] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(shown.matches("(not shown)").count(), 1, "{shown}");
        assert!(shown.contains("me") && shown.contains("key.example:9092"), "{shown}");
    }
}

#[test]
fn properties_that_the_client_does_not_take_are_problems_of_the_file() {
    let (code, message, _) = only_problem("[kafka.properties]\nno.such.thing = 1\n");
    assert_eq!(code, "E0105");
    assert!(message.contains("no.such.thing"), "{message}");
    let (code, message, _) = only_problem("[kafka.properties]\nsecurity.protocol = \"hunter2\"\n");
    assert_eq!(code, "E0105");
    assert!(message.contains("security.protocol") && !message.contains("hunter2"), "{message}");
}

#[test]
fn whoever_needs_brokers_is_told_how_to_name_them() {
    let loaded = load_text("").expect("valid");
    let ConfigError::Invalid { problems, .. } = loaded.brokers().expect_err("nobody named them") else {
        panic!("another error")
    };
    assert_eq!((problems.len(), problems[0].code), (1, "E0106"));
    assert!(problems[0].hint.as_deref().is_some_and(|hint| hint.contains("BARID_KAFKA_BROKERS")));
    let named = parse(None, String::new(), &env(&[("BARID_KAFKA_BROKERS", "b:1")])).expect("valid");
    assert_eq!(named.brokers().expect("named"), "b:1");
}

#[test]
fn the_file_for_kafka_names_brokers_and_otherwise_says_the_defaults() {
    let text = include_str!("../../../../config/kafka.toml");
    let loaded = parse(Some(Path::new("config/kafka.toml")), text.to_owned(), &Env::new()).expect("valid");
    let defaults = parse(None, String::new(), &Env::new()).expect("valid");
    let differs: Vec<_> = loaded
        .settings
        .iter()
        .zip(&defaults.settings)
        .filter(|(written, default)| written.value != default.value)
        .map(|(written, _)| written.path.as_str())
        .collect();
    assert_eq!(differs, ["data_dir", "sink.jsonl.dir", "kafka.brokers"]);
    assert!(loaded.brokers().is_ok() && !loaded.config.web.chosen, "a port here would be everybody's");
    let is_written = |path: &str| {
        !matches!(loaded.settings.iter().find(|one| one.path == path).expect(path).origin, Origin::Default)
    };
    for setting in loaded.settings.iter().filter(|setting| setting.path.starts_with("kafka.")) {
        assert!(is_written(&setting.path), "`{}` is not in config/kafka.toml", setting.path);
    }
}

#[test]
fn every_key_outside_of_arrays_has_a_variable_that_is_read() {
    let declared: Vec<_> = super::schema::declared();
    let single = declared.iter().filter(|key| !key.path.contains('['));
    let single: Vec<_> = single.filter(|key| key.kind != super::declared::Kind::Properties).collect();
    assert!(single.len() > 30, "{single:?}");
    for key in single {
        let name = format!("BARID_{}", key.path.replace('.', "_").to_uppercase());
        // Nothing of it need be right: that it was looked at is what counts.
        let read = super::sections::read("", &env(&[(&name, "1")]));
        let setting =
            read.settings.iter().find(|setting| setting.path == key.path).expect("every key is shown");
        assert_eq!(setting.origin, Origin::Env(name.clone()), "{name}");
        assert!(!read.problems.iter().any(|problem| problem.code == "E0112"), "{name}");
    }
}

#[test]
fn lists_come_from_the_environment_too() {
    let env = env(&[("BARID_FEEDS_WATCH", "a,b"), ("BARID_FEEDS_ALLOW_ADDRESSES", "[\"10.0.0.0/8\"]")]);
    let feeds = "[feeds]\nwatch = [\"a\"]\n[[feed]]\nid = \"a\"\nurl = \"http://10.0.0.1/\"\n[[feed]]\nid = \"b\"\nurl = \"https://b.example/\"\n";
    let loaded = parse(None, feeds.to_owned(), &env).expect("valid");
    assert_eq!(loaded.config.feeds.watch, ["a", "b"]);
    assert_eq!(loaded.config.feeds.allow_addresses.len(), 1);
}
