//! Several processes share the feeds on a real broker: each feed has one poller at a time, whatever dies, sleeps or joins, and every item arrives once.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers; take-overs are figures to look at"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_tests::kafka::Broker;
use barid_tests::polled::{Polled, Process};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const FEEDS: u64 = 40;

/// `barid` with a clock that can be moved.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let words = ["build", "--quiet", "--package", "barid", "--features", "failpoints"];
        let words = words.into_iter().chain(["--message-format", "json"]);
        let output = Command::new(env!("CARGO")).args(words).output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).expect("text");
        let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executable =
            built.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        // Another test builds it without the clock.
        let executable = executable.expect("an executable among what was built");
        let copy = executable.with_file_name("barid-with-failpoints");
        let _ = std::fs::remove_file(&copy);
        std::fs::copy(&executable, &copy).expect("a copy");
        copy
    })
}

/// Feeds on a prefix of their own, with topics.
fn polled(root: &Path) -> Polled {
    let broker = Broker::for_tests().expect("a broker");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let kafka = format!(
        "[kafka]\nbrokers = {:?}\nprefix = \"polled-{}-{}.\"\nsession_timeout_seconds = 6\n[kafka.topics]\npartitions = 2\n",
        broker.address(),
        std::process::id(),
        now.as_nanos(),
    );
    let polled = Polled::new(binary(), root, FEEDS, &kafka).expect("a folder and a server");
    polled.run(&["topics", "create"]).expect("topics");
    polled
}

/// A folder that stays when the test fails: what the processes said is in it.
struct Folder(tempfile::TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            println!("logs and records of the processes: {}", self.0.path().display());
        }
    }
}

fn signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(&process.child), signal).expect("it takes signals");
}

/// Feeds by state, of all these processes.
fn feeds(processes: &[&Process]) -> f64 {
    processes.iter().map(|process| process.metric("barid_feeds").expect("metrics")).sum()
}

#[test]
fn each_feed_has_one_poller_and_each_item_comes_once_whoever_dies_sleeps_or_joins() {
    let folder = Folder(tempfile::tempdir().expect("a folder"));
    let mut polled = polled(folder.0.path());
    let stage = polled.start("stage", "stage", None).expect("a stage");
    let sink = polled.start("sink", "sink", None).expect("a sink");

    let mut first = polled.start("watch", "first", None).expect("a watcher");
    polled.wait_for_shards(&[(&first, 8)]).expect("all shards for one");
    polled.wait_for_round().expect("the first round");
    assert!((feeds(&[&first]) - FEEDS as f64).abs() < 0.5);

    let second = polled.start("watch", "second", None).expect("a watcher");
    polled.wait_for_shards(&[(&first, 4), (&second, 4)]).expect("half of them each");
    assert!((feeds(&[&first, &second]) - FEEDS as f64).abs() < 0.5, "of all processes together");
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    polled.wait_for_round().expect("a shared round");
    assert_eq!(polled.askers().len(), 2);

    // Killed in the middle of a round.
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    std::thread::sleep(Duration::from_millis(120));
    first.child.kill().and_then(|()| first.child.wait()).expect("killed");
    let took = polled.wait_for_shards(&[(&second, 8)]).expect("the other takes over");
    println!("take-over after SIGKILL: {} ms of which the session is 6000", took.as_millis());
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    polled.wait_for_round().expect("a round of one");

    let third = polled.start("watch", "third", None).expect("a watcher");
    polled.wait_for_shards(&[(&second, 4), (&third, 4)]).expect("half of them each");
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    polled.wait_for_round().expect("a shared round");

    // Asleep beyond its session, in the middle of a round; it wakes up when the others have gone on.
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    std::thread::sleep(Duration::from_millis(120));
    signal(&second, Signal::STOP);
    let began = Instant::now();
    polled.wait_for_shards(&[(&third, 8)]).expect("the other takes over");
    println!("take-over from a sleeper: {} ms", began.elapsed().as_millis());
    polled.wait_for_quiet().expect("quiet");
    polled.next_round().expect("a day passes");
    polled.wait_for_round().expect("a round of one");
    signal(&second, Signal::CONT);
    polled.wait_for_shards(&[(&second, 4), (&third, 4)]).expect("half of them each");
    for _ in 0..2 {
        polled.wait_for_quiet().expect("quiet");
        polled.next_round().expect("a day passes");
        polled.wait_for_round().expect("a shared round");
    }

    polled.wait_for_quiet().expect("quiet");
    let impolite = polled.impolite();
    assert!(impolite.is_empty(), "{}", impolite.join("\n"));
    let wrong = polled.wrong_records().expect("records");
    assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), polled.shown().len(), wrong.join("\n"));
    assert_eq!(polled.doubled(&stage).expect("metrics"), None);
    let listed = polled.run(&["feed", "list", "--json"]).expect("a list");
    let states: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(states.len() as u64, FEEDS, "each feed once");
    assert!(states.iter().all(|feed| feed["state"] != "unasked"), "{listed}");
    for process in [second, third, stage, sink] {
        let mut process = process;
        signal(&process, Signal::TERM);
        assert!(process.child.wait().expect("its end").success(), "{}", process.name);
    }
}
