//! The roles as far as they go without a broker: what they refuse, how they wait. With one: `tests/tests/kafka_roles.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;
use support::catalogue;
use support::daemon::Daemon;
use support::{code, run, stderr};

const ROLES: [&str; 4] = ["watch", "stage", "sink", "web"];

/// A folder with a configuration that ends with these lines.
fn configured(lines: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("barid.toml"), format!("[web]\nlisten = \"\"\n{lines}")).unwrap();
    folder
}

/// An address where nobody listens: it was free just now, and ports are not given again at once.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn without_brokers_every_command_on_kafka_says_what_is_missing() {
    let folder = configured("");
    let commands =
        ROLES.map(|role| vec![role]).into_iter().chain([vec!["topics", "create"], vec!["topics", "list"]]);
    for command in commands {
        let output = run(folder.path(), &command);
        assert_eq!(code(&output), 78, "{command:?}");
        let said = stderr(&output);
        assert!(
            said.contains("E0106") && said.contains("kafka.brokers") && said.contains("barid run"),
            "{said}"
        );
    }
}

#[test]
fn a_property_that_the_client_does_not_know_or_that_is_ours_is_named() {
    for (name, value) in [("no.such.thing", "1"), ("isolation.level", "\"read_uncommitted\"")] {
        let folder = configured(&format!(
            "[kafka]\nbrokers = \"127.0.0.1:1\"\n[kafka.properties]\n{name} = {value}\n"
        ));
        let output = run(folder.path(), &["stage"]);
        assert_eq!(code(&output), 78, "{}", stderr(&output));
        assert!(stderr(&output).contains("E0105") && stderr(&output).contains(name), "{}", stderr(&output));
    }
}

#[test]
fn a_role_waits_for_brokers_unready_but_alive_and_stops_when_told() {
    let folder = configured(&format!("[kafka]\nbrokers = \"{}\"\n", nobody()));
    let mut roles = ROLES.map(|role| Daemon::serving(folder.path(), &[role, "--listen", "127.0.0.1:0"], &[]));
    for role in &mut roles {
        let waiting = role.wait_for("waiting for Kafka");
        assert_eq!(waiting["fields"]["code"].as_str(), Some("E0316"), "{waiting}");
        assert_eq!(role.get("/livez").0, 200);
        let (status, why) = role.get("/readyz");
        assert_eq!(status, 503);
        assert!(why.contains("no Kafka broker has answered yet"), "{why}");
    }
    let metrics = ["barid_watcher_", "barid_stage_", "barid_sink_", "barid_cluster_up"];
    for ((role, name), metric) in roles.iter().zip(ROLES).zip(metrics) {
        let names = catalogue::check(name, &role.get("/metrics").1);
        assert!(names.contains("barid_build_info"), "{names:?}");
        assert!(names.iter().any(|name| name.starts_with(metric)), "no {metric} in {names:?}");
    }
    let (_, why) = roles[1].get("/readyz");
    assert!(
        why.contains("stage.parse has not joined") && why.contains("stage.decide has not joined"),
        "{why}"
    );
    for role in roles {
        role.signal(Signal::TERM);
        let (said, status) = role.end();
        assert_eq!(status, Some(0), "{said}");
    }
}

#[test]
fn looking_at_topics_says_why_nobody_answers() {
    let folder = configured(&format!("[kafka]\nbrokers = \"{}\"\n", nobody()));
    let output = run(folder.path(), &["topics", "list"]);
    assert_eq!(code(&output), 69, "{}", stderr(&output));
    assert!(stderr(&output).contains("E0316") && stderr(&output).contains("refused"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_default_port_is_taken_by_barid_web_alone() {
    let folder = tempfile::tempdir().unwrap();
    let brokers = nobody();
    let variables = [("BARID_KAFKA_BROKERS", brokers.as_str())];
    for role in &ROLES[..3] {
        let mut role = Daemon::start(folder.path(), &[role], &variables);
        let serving = role.wait_for("serving");
        assert!(
            serving["fields"]["message"].as_str().unwrap().starts_with("serving no metrics"),
            "{serving}"
        );
        role.signal(Signal::INT);
        assert_eq!(role.end().1, Some(0));
    }
    // Told to serve nothing, `barid web` has nothing to do.
    let output =
        support::barid(folder.path(), &["web"]).envs(variables).env("BARID_WEB_LISTEN", "").output().unwrap();
    assert_eq!(code(&output), 64, "{}", stderr(&output));
    assert!(stderr(&output).contains("web.listen"), "{}", stderr(&output));
}

#[test]
fn barid_run_says_that_it_leaves_kafka_alone() {
    let folder = configured("[kafka]\nbrokers = \"127.0.0.1:1\"\n");
    let output = run(folder.path(), &["run", "--once"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("[kafka] is not used"), "{}", stderr(&output));
    let without = run(configured("").path(), &["run", "--once"]);
    assert!(!stderr(&without).contains("[kafka]"), "{}", stderr(&without));
}
