//! The roles as processes on a real broker: the same records as `barid run`, in any number, and an orderly end.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_tests::kafka::Broker;
use barid_tests::{
    Line, Stand, dies_with_us, output_differences, read_output, read_output_with_gaps, seeds_dir,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// `barid`, as this workspace builds it.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let build = ["build", "--quiet", "--package", "barid", "--message-format", "json"];
        let output = Command::new(env!("CARGO")).args(build).output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).expect("text");
        let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let executable =
            built.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back();
        executable.expect("an executable among what was built")
    })
}

/// A pipeline of its own on the shared broker: a prefix, a folder, a configuration.
struct Pipeline {
    stand: Stand,
    root: PathBuf,
    prefix: String,
}

impl Pipeline {
    /// `more` is appended to `[kafka]`.
    fn new(root: &Path, input: &Path, more: &str) -> Self {
        let broker = Broker::for_tests().expect("a broker");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let prefix = format!("roles-{}-{}.", std::process::id(), now.as_nanos());
        let extra = format!(
            "rotate_seconds = 1\n[kafka]\nbrokers = {:?}\nprefix = {prefix:?}\nsession_timeout_seconds = 6\n{more}",
            broker.address(),
        );
        let stand = Stand::new(binary(), root, input, &extra).expect("a folder");
        Self { stand, root: root.to_owned(), prefix }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = dies_with_us(binary());
        command.args(words).arg("--config").arg(self.stand.config()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BARID_"))
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command to its end.
    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("barid starts")
    }

    /// Starts a role that serves on a free port.
    fn role(&self, role: &'static str, number: usize) -> Role {
        let log = self.root.join(format!("{role}-{number}.log"));
        let file = File::create(&log).expect("a log");
        let words = [role, "--log-format", "json", "--listen", "127.0.0.1:0"];
        let child = self.command(&words).stdout(Stdio::null()).stderr(file).spawn().expect("barid starts");
        let mut role = Role { name: role, child, log, address: String::new() };
        role.address = role.wait_for("an address", |role| {
            let said = role.said();
            let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            events.filter_map(|event| event["fields"]["address"].as_str().map(str::to_owned)).next()
        });
        role
    }

    /// Keys of the messages in a topic, as a plain reader finds them.
    fn keys(&self, topic: &str) -> Vec<String> {
        self.keys_of(topic, 0)
    }

    /// The same of another partition than the first.
    fn keys_of(&self, topic: &str, partition: i32) -> Vec<String> {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", Broker::for_tests().expect("a broker").address());
        settings.set("group.id", "a reader").set("isolation.level", "read_committed");
        settings.set("auto.offset.reset", "earliest").set("enable.partition.eof", "true");
        let reader: BaseConsumer = settings.create().expect("a reader");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&format!("{}{topic}", self.prefix), partition, Offset::Beginning)
            .expect("an offset");
        reader.assign(&list).expect("assigned");
        let mut keys = Vec::new();
        for message in reader.iter() {
            match message {
                Ok(message) => {
                    keys.push(String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned())
                }
                Err(KafkaError::PartitionEOF(_)) => break,
                Err(error) => panic!("{error}"),
            }
        }
        keys
    }

    fn records(&self) -> Vec<Line> {
        let mut lines = read_output_with_gaps(&self.stand.output_dir()).expect("records");
        lines.sort();
        lines
    }
}

/// A process.
struct Role {
    name: &'static str,
    child: Child,
    log: PathBuf,
    address: String,
}

impl Role {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits for what must come, as long as the process lives; the limit only ends a test that would hang.
    fn wait_for<T>(&mut self, what: &str, come: impl Fn(&Self) -> Option<T>) -> T {
        for _ in 0..6000 {
            if let Some(come) = come(self) {
                return come;
            }
            let ended = self.child.try_wait().expect("a process of ours");
            assert!(ended.is_none(), "{} ended with {ended:?} before {what}:\n{}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{}: waited in vain for {what}:\n{}", self.name, self.said());
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: barid\r\nConnection: close\r\n\r\n").expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
    }

    /// The samples of that name, with these labels if any are given, added up.
    fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics");
        let rest = text.lines().filter_map(|line| line.strip_prefix(name));
        let values =
            rest.filter(|rest| rest.starts_with([' ', '{'])).filter_map(|rest| rest.rsplit(' ').next());
        values.map(|value| value.parse::<f64>().expect("a number")).reduce(|sum, value| sum + value)
    }

    fn is_ready(&self) -> Option<()> {
        (self.get("/readyz").0 == 200).then_some(())
    }

    /// It owns the files' state.
    fn is_watching(&self) -> Option<()> {
        (self.metric("barid_role_active{worker=\"watcher\"}") == Some(1.0)).then_some(())
    }

    /// TERM, and how it ended.
    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it takes signals");
        self.child.wait().expect("its end")
    }
}

impl Drop for Role {
    /// A failed test leaves no process behind. One that has ended already cannot be killed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipeline with its topics, the empty folder it watches, and the process that watches it. Without static membership a stop gives its place away at once.
fn watched(root: &Path) -> (Pipeline, PathBuf, Role) {
    let input = root.join("input");
    fs::create_dir(&input).expect("a folder");
    let pipeline = Pipeline::new(&root.join("kafka"), &input, "static_membership = false\n");
    assert_eq!(code(&pipeline.run(&["topics", "create"])).0, Some(0));
    let mut first = pipeline.role("watch", 0);
    first.wait_for("work", Role::is_watching);
    (pipeline, input, first)
}

fn code(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// What `barid run --once` writes.
fn embedded(root: &Path, input: &Path) -> Vec<Line> {
    let stand = Stand::new(binary(), root, input, "").expect("a folder");
    stand.once(None).expect("a run to its end");
    let mut lines = read_output(&stand.output_dir()).expect("records");
    lines.sort();
    lines
}

#[test]
fn many_processes_write_what_one_writes_and_stop_when_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = embedded(&folder.path().join("embedded"), &seeds_dir());
    assert!(expected.len() > 50, "{} records", expected.len());
    let verdicts: std::collections::BTreeSet<_> = expected.iter().map(|line| line.verdict.as_str()).collect();
    assert!(verdicts.len() > 1, "only {verdicts:?}");
    let pipeline = Pipeline::new(&folder.path().join("kafka"), &seeds_dir(), "");
    let (status, _, said) = code(&pipeline.run(&["topics", "create"]));
    assert_eq!(status, Some(0), "{said}");

    let web = pipeline.role("web", 0);
    let mut sinks = [0, 1].map(|number| pipeline.role("sink", number));
    let mut stages = [0, 1].map(|number| pipeline.role("stage", number));
    let mut watch = pipeline.role("watch", 0);
    watch.wait_for("all records", |_| (pipeline.records().len() >= expected.len()).then_some(()));
    for role in stages.iter_mut().chain(&mut sinks).chain([&mut watch]) {
        role.wait_for("readiness", Role::is_ready);
    }

    // Parsing is shared; one decides.
    let deciding = |stage: &Role| stage.metric("barid_role_active{worker=\"stage.decide\"}");
    assert_eq!(stages.iter().filter_map(deciding).sum::<f64>(), 1.0);
    assert_eq!(watch.is_watching(), Some(()));
    let taken = || stages.iter().filter_map(|stage| stage.metric("barid_stage_documents_total")).sum::<f64>();
    watch.wait_for("each document to be counted once", |watch| {
        (watch.metric("barid_watcher_documents_total") == Some(taken())).then_some(())
    });
    let mut web = web;
    web.wait_for("readiness", Role::is_ready);
    let lag = "barid_log_lag_messages{group=\"sink.jsonl\",topic=\"barid.records\"}";
    web.wait_for("no lag", |web| (web.metric(lag) == Some(0.0)).then_some(()));
    assert_eq!(web.metric("barid_cluster_up"), Some(1.0));

    for role in [watch, web].into_iter().chain(stages).chain(sinks) {
        let (name, log) = (role.name, role.log.clone());
        let status = role.stop();
        assert!(status.success(), "{name}: {status}\n{}", fs::read_to_string(log).expect("its log"));
    }
    let differences = output_differences(&expected, &pipeline.records());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_standby_is_ready_and_takes_over_when_the_owner_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, _, first) = watched(folder.path());
    let mut second = pipeline.role("watch", 1);
    second.wait_for("standing by", |role| role.said().contains("standing by").then_some(()));
    second.wait_for("readiness", Role::is_ready);
    assert_eq!(second.is_watching(), None);
    assert_eq!(first.stop().code(), Some(0));
    second.wait_for("work", Role::is_watching);
    // Another one that never gets its turn stops as well.
    let mut third = pipeline.role("watch", 2);
    third.wait_for("standing by", |role| role.said().contains("standing by").then_some(()));
    assert_eq!(third.stop().code(), Some(0));
    assert_eq!(second.stop().code(), Some(0));
}

#[test]
fn commands_look_at_the_cluster_where_the_configuration_names_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("input");
    fs::create_dir(&input).expect("a folder");
    fs::write(input.join("picture.txt"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").expect("a picture");
    let story = "Council opens new library\n\nThe city council opened a library in the old mill on Monday, after four years of work.\n";
    fs::write(input.join("story.txt"), story).expect("a story");
    let one = "static_membership = false\n[kafka.topics]\npartitions = 1\n";
    let pipeline = Pipeline::new(&folder.path().join("kafka"), &input, one);
    assert_eq!(code(&pipeline.run(&["topics", "create"])).0, Some(0));
    let [mut watch, stage, sink] = ["watch", "stage", "sink"].map(|role| pipeline.role(role, 0));
    let listed = || {
        let (status, out, said) = code(&pipeline.run(&["rejected", "list", "--json"]));
        assert_eq!(status, Some(0), "{said}");
        let lines = out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines.collect::<Vec<Value>>()
    };
    watch.wait_for("the picture to be rejected", |_| (listed().len() == 1).then_some(()));
    watch.wait_for("the story's record", |_| (pipeline.records().len() == 1).then_some(()));
    let rejected = listed().remove(0);
    assert_eq!((&rejected["key"], &rejected["reason"]), (&"picture.txt".into(), &"binary".into()));
    let id = rejected["id"].to_string();
    let (status, shown, said) = code(&pipeline.run(&["rejected", "show", &id]));
    assert!(status == Some(0) && shown.contains("barid.raw/0@"), "{shown}{said}");
    let record = pipeline.records().remove(0).record_id;
    let (status, explained, said) = code(&pipeline.run(&["explain", "--record", &record]));
    assert!(status == Some(0) && explained.contains("story.txt"), "{explained}{said}");

    let (status, out, said) = code(&pipeline.run(&["rejected", "retry", "--all"]));
    assert_eq!(
        (status, out.contains("1 sent, 0 not; `barid stage` reads them")),
        (Some(0), true),
        "{out}{said}"
    );
    watch.wait_for("it to be rejected again", |_| (listed().len() == 2).then_some(()));
    let (status, out, _) = code(&pipeline.run(&["rejected", "retry", &id]));
    assert!(status == Some(1) && out.contains("it was retried at"), "{out}");
    let keys = pipeline.keys("barid.raw");
    let of_picture = keys.iter().filter(|key| **key != record).collect::<Vec<_>>();
    assert!(of_picture.len() == 2 && of_picture[0] == of_picture[1], "one key for one document: {keys:?}");
    for role in [watch, stage, sink] {
        assert!(role.stop().success());
    }
}

#[test]
fn topics_are_made_once_and_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = Pipeline::new(folder.path(), &seeds_dir(), "[kafka.topics]\npartitions = 2\n");
    let lines = |words: &[&str]| {
        let (status, out, said) = code(&pipeline.run(words));
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
        (status, lines, said)
    };
    let without = code(&pipeline.run(&["sink"]));
    assert_eq!(without.0, Some(69), "{}", without.2);
    assert!(without.2.contains("E0319") && without.2.contains("barid topics create"), "{}", without.2);

    let (status, made, said) = lines(&["topics", "create", "--json"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(made.len() > 10 && made.iter().all(|topic| topic["created"] == true), "{made:?}");
    let (status, again, said) = lines(&["topics", "create", "--json"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(again.len(), made.len());
    assert!(again.iter().all(|topic| topic["created"] == false && topic["differs"] == serde_json::json!([])));
    let (_, extents, _) = lines(&["topics", "list", "--json"]);
    let raw = extents.iter().filter(|line| line["topic"] == "barid.raw");
    assert_eq!(raw.map(|line| line["partition"].as_u64()).collect::<Vec<_>>(), [Some(0), Some(1)]);

    let other = pipeline
        .command(&["topics", "create", "--json"])
        .env("BARID_KAFKA_TOPICS_RETENTION_HOURS", "5")
        .output();
    let (status, out, said) = code(&other.expect("barid starts"));
    assert_eq!(status, Some(1), "{said}");
    let raw = out.lines().find(|line| line.contains("barid.raw\"")).expect("its line");
    assert!(raw.contains("retention.ms") && raw.contains("18000000"), "{raw}");
}

#[test]
fn who_stands_by_names_the_owner_and_the_key_that_parts_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipeline, input, first) = watched(folder.path());
    let owner = fs::read_to_string(folder.path().join("kafka/data/watch/0/instance")).expect("its name");
    let mut second = pipeline.role("watch", 1);
    second.wait_for("a warning", |role| {
        let said = role.said();
        let warning = said.lines().find(|line| line.contains("standing by"))?.to_owned();
        assert!(warning.contains("WARN") && warning.contains("watch.id"), "{warning}");
        assert!(warning.contains(&format!("barid.{} at 127.0.0.1", owner.trim())), "{warning}");
        Some(())
    });

    // With an id of its own it has topics of state of its own, and works beside the first.
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("story.txt"), "Harbour opens\n\nThe harbour opened on Monday.\n").expect("a story");
    let command = |words: &[&str]| {
        let mut command = pipeline.command(words);
        command.env("BARID_WATCH_ID", "other");
        command
    };
    let made = code(&command(&["topics", "create"]).output().expect("barid starts"));
    assert!(made.0 == Some(0) && made.1.contains("barid.state.watcher.files.other"), "{}{}", made.1, made.2);
    let config = fs::read_to_string(pipeline.stand.config()).expect("its configuration");
    let theirs = folder.path().join("other.toml");
    fs::write(&theirs, config.replacen(&format!("{input:?}"), &format!("{other:?}"), 1))
        .expect("another one");
    let log = folder.path().join("third.log");
    let mut third = dies_with_us(binary());
    third.args(["watch", "--log-format", "json", "--listen", "127.0.0.1:0", "--config"]).arg(&theirs);
    third.env("BARID_WATCH_ID", "other").stdin(Stdio::null());
    third.stdout(Stdio::null()).stderr(File::create(&log).expect("a log"));
    let child = third.spawn().expect("barid starts");
    let mut third = Role { name: "watch", child, log, address: String::new() };
    third.wait_for("work", |role| role.said().contains("owner of the state").then_some(()));
    let sent = || -> usize { (0..6).map(|partition| pipeline.keys_of("barid.raw", partition).len()).sum() };
    third.wait_for("its story", |_| (sent() == 1).then_some(()));
    assert_eq!(first.is_watching(), Some(()), "the first goes on");
    for role in [first, second, third] {
        assert!(role.stop().success());
    }
}
