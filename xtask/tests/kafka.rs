//! The broker for hand use: it outlives the command that started it, and `stop` ends it and nothing else.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use barid_tests::kafka::{Broker, free_ports, target_dir};

/// `cargo xtask kafka ...` with that target folder: what it said, if it succeeded.
fn kafka(target: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.arg("kafka").args(arguments).env("CARGO_TARGET_DIR", target).output();
    let output = output.expect("xtask");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// A target folder of its own that has the jars already.
fn target() -> tempfile::TempDir {
    let target = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(target_dir().join("tools")).expect("the tools");
    symlink(fs::canonicalize(target_dir().join("tools")).expect("the tools"), target.path().join("tools"))
        .expect("a link");
    target
}

#[test]
fn a_broker_stays_up_until_it_is_stopped_and_starts_again_with_its_data() {
    let target = target();
    let port = free_ports().expect("free ports").to_string();
    let address = format!("127.0.0.1:{port}");
    let export = format!("export BARID_TEST_KAFKA={address}");
    assert!(kafka(target.path(), &["status"]).contains("not running"));
    let started = kafka(target.path(), &["start", "--port", &port]);
    assert_eq!(started.lines().last(), Some(export.as_str()));
    Broker::at(&address).expect("it commits a transaction");
    assert!(kafka(target.path(), &["start"]).contains("runs already"));
    assert_eq!(kafka(target.path(), &["status"]).lines().last(), Some(export.as_str()));
    let cluster = || fs::read_to_string(target.path().join("kafka/data/meta.properties")).unwrap_or_default();
    let first = cluster();

    assert!(kafka(target.path(), &["stop"]).contains("stopped"));
    TcpStream::connect(&address).expect_err("nobody listens");
    assert!(kafka(target.path(), &["status"]).contains("not running"));

    kafka(target.path(), &["start", "--port", &port]);
    assert_eq!(cluster(), first);
    kafka(target.path(), &["stop"]);
    kafka(target.path(), &["start", "--port", &port, "--fresh", "--big"]);
    assert!(first.is_empty() || cluster() != first);
    kafka(target.path(), &["stop"]);
}

#[test]
fn a_process_that_took_over_the_number_of_a_dead_broker_is_left_alone() {
    let target = target();
    let mut sleeper = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().expect("a process");
    fs::create_dir(target.path().join("kafka")).expect("a folder");
    let note = format!("{}\n1\n127.0.0.1:1\n\n\n", sleeper.id());
    fs::write(target.path().join("kafka/started"), note).expect("a note");
    assert!(kafka(target.path(), &["status"]).contains("not running"));
    assert!(kafka(target.path(), &["stop"]).contains("no broker runs"));
    assert_eq!(sleeper.try_wait().expect("its state"), None);
    sleeper.kill().expect("killed");
    sleeper.wait().expect("its end");
}
