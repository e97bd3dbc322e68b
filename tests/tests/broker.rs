//! The broker that everything on Kafka is shown on: it keeps the promises that exactly-once delivery rests on, and it can be killed, frozen, started
//! again and left behind.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use barid_tests::kafka::checks::{self, CHECKS, Lab};
use barid_tests::kafka::{Broker, BrokerError, Size, is_alive};
use rdkafka::mocking::MockCluster;

/// The shared broker, before its checks: the first tests here are these checks.
fn lab() -> Lab<'static> {
    Lab::new(Broker::unchecked_for_tests().expect("a broker").address())
}

#[test]
fn t1_records_of_an_aborted_transaction_are_hidden() {
    checks::aborted_records_are_hidden(&lab()).expect("T1");
}

#[test]
fn t2_records_of_an_open_transaction_are_hidden() {
    checks::open_transactions_are_invisible(&lab()).expect("T2");
}

#[test]
fn t3_a_second_instance_of_a_transactional_id_fences_the_first() {
    checks::a_second_instance_fences_the_first(&lab()).expect("T3");
}

#[test]
fn t4_offsets_are_stored_with_their_transaction_or_not_at_all() {
    checks::offsets_are_atomic(&lab()).expect("T4");
}

#[test]
fn t5_a_stale_generation_of_a_group_stores_no_offsets() {
    checks::a_stale_generation_is_refused(&lab()).expect("T5");
}

/// librdkafka's mock cluster breaks all five promises: a check that passes there sees nothing.
#[test]
fn every_check_fails_on_a_broker_that_keeps_no_promise() {
    let mock = MockCluster::new(1).expect("a mock cluster");
    let lab = Lab::with_topics(&mock.bootstrap_servers(), |name, partitions| {
        mock.create_topic(name, partitions, 1).expect("a topic");
        Ok(())
    });
    for check in CHECKS {
        match (check.run)(&lab) {
            Err(BrokerError::Check { check: failed, .. }) => assert_eq!(failed, check.name),
            outcome => panic!("{}: {outcome:?}", check.name),
        }
    }
}

#[test]
fn a_killed_broker_comes_back_with_its_data_and_a_frozen_one_goes_on() {
    let broker = Broker::start(Size::Small).expect("a broker");
    let lab = Lab::new(broker.address());
    let topic = lab.topic(1).expect("a topic");
    let written: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    lab.write(&topic, &written).expect("acknowledged records");

    let first = broker.pid().expect("a process");
    broker.kill().expect("killed");
    assert!(!is_alive(first));
    assert_eq!(broker.pid(), None);
    std::net::TcpStream::connect(broker.address()).expect_err("nobody listens");
    broker.start_again().expect("started again");
    assert_eq!(lab.read(&topic, "read_committed").expect("the records"), written);

    let second = broker.pid().expect("a process");
    broker.pause().expect("frozen");
    wait_for("the process to freeze", || state(second) == Some('T'));
    broker.resume().expect("woken");
    wait_for("the process to wake", || state(second) != Some('T'));
    lab.write(&topic, &["after the freeze".to_owned()]).expect("an acknowledged record");

    broker.pause().expect("frozen");
    broker.stop().expect("woken and stopped");
    assert!(!is_alive(second));
    broker.start_again().expect("started again");
    assert_eq!(lab.read(&topic, "read_committed").expect("the records").len(), 101);
}

#[test]
fn a_broker_that_is_not_ours_is_left_alone() {
    let shared = Broker::unchecked_for_tests().expect("a broker");
    let foreign = Broker::at(shared.address()).expect("it answers");
    assert_eq!((foreign.pid(), foreign.log()), (None, None));
    for outcome in [foreign.kill(), foreign.stop(), foreign.pause(), foreign.resume(), foreign.start_again()]
    {
        match outcome {
            Err(BrokerError::NotOurs { address, .. }) => assert_eq!(address, shared.address()),
            outcome => panic!("{outcome:?}"),
        }
    }
}

#[test]
fn a_broker_dies_with_its_owner_and_leaves_nothing_behind() {
    let (mut owner, address, pid, log) = owner(&barid_tests::kafka::target_dir());
    let folder = log.parent().expect("the broker's folder");
    assert!(is_alive(pid), "the broker at {address} is process {pid}");
    assert!(log.exists());
    owner.kill().expect("SIGKILL");
    owner.wait().expect("its end");
    wait_for("the broker to die", || !is_alive(pid));
    wait_for("its folder to go", || !folder.exists());
}

#[test]
fn two_processes_that_need_the_jars_at_once_both_get_a_broker() {
    let target = tempfile::tempdir().expect("a folder");
    let target = target.path().to_owned();
    let starts = [target.clone(), target].map(|target| std::thread::spawn(move || owner(&target)));
    let owners = starts.map(|start| start.join().expect("a broker"));
    assert_ne!(owners[0].1, owners[1].1);
    for (mut owner, _, pid, log) in owners {
        assert!(is_alive(pid));
        owner.kill().expect("SIGKILL");
        owner.wait().expect("its end");
        wait_for("its folder to go", || !log.exists());
    }
}

/// Another process that holds a broker until it is dropped here, with that target folder: the process, and the broker's address, process and log.
fn owner(target: &Path) -> (Child, String, u32, PathBuf) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hold-broker"));
    command.env("CARGO_TARGET_DIR", target).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut line = || lines.next().expect("a broker in that process").expect("a line");
    let (address, pid, log) = (line(), line().parse().expect("a process id"), line().into());
    (child, address, pid, log)
}

/// The state letter of a process.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits for what must come; the limit only ends a test that would hang.
fn wait_for(what: &str, come: impl Fn() -> bool) {
    for _ in 0..6000 {
        if come() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited in vain for {what}");
}
