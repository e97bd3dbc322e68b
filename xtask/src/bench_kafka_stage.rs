//! `barid stage` processes (release) on a pipeline of their own: its topics, what they log, their metrics, their threads' processor time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use barid_record::Topic;
use barid_tests::kafka::delete_topics;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::bench::bench_dir;
use crate::bench_kafka::broker_error;
use crate::bench_kafka_hop::kafka_error;
use crate::error::{TaskError, io};

/// A prefix on the cluster, and a folder.
pub(crate) struct Pipeline {
    binary: PathBuf,
    root: PathBuf,
    address: String,
    prefix: String,
}

impl Pipeline {
    /// Makes topics and folder; all else is barid's default.
    pub(crate) fn new(
        binary: &Path,
        address: &str,
        prefix: &str,
        partitions: i32,
    ) -> Result<Self, TaskError> {
        let root = bench_dir(&format!("kafka-{prefix}run"))?;
        fs::remove_dir_all(&root)
            .and_then(|()| fs::create_dir_all(root.join("input")))
            .map_err(io("emptying a folder"))?;
        let config = format!(
            "[[files]]\nid = \"corpus\"\npath = {:?}\n\n[kafka]\nbrokers = {address:?}\nprefix = {prefix:?}\n\n\
             [kafka.topics]\npartitions = {partitions}\n",
            root.join("input")
        );
        fs::write(root.join("barid.toml"), config).map_err(io("writing a configuration"))?;
        let (address, prefix) = (address.to_owned(), prefix.to_owned());
        let pipeline = Self { binary: binary.to_owned(), root, address, prefix };
        crate::tools::run(pipeline.command(&["topics", "create"]).stdout(Stdio::null()))?;
        Ok(pipeline)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["--log-format", "json"]).args(arguments);
        command.arg("--config").arg(self.root.join("barid.toml")).stdin(Stdio::null());
        command
    }

    /// A topic's name on the cluster.
    pub(crate) fn topic(&self, topic: Topic) -> String {
        self.named(topic.name())
    }

    /// That name with the prefix.
    pub(crate) fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Starts a stage with a data folder of that name.
    pub(crate) fn start(&self, data: &str) -> Result<Stage, TaskError> {
        let mut command = self.command(&["stage", "--listen", "127.0.0.1:0"]);
        command.env("BARID_DATA_DIR", self.root.join(data)).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().map_err(io("starting a stage"))?;
        let log = child.stderr.take().ok_or_else(|| TaskError::Said("a stage has no log".to_owned()))?;
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                let at = Instant::now();
                let line: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if matches!(line["level"].as_str(), Some("WARN" | "ERROR")) {
                    println!("    the stage says {}", line["fields"]);
                }
                if sender.send(Said { at, line }).is_err() {
                    return;
                }
            }
        });
        let mut stage = Stage { child, started, said, heard: Vec::new(), address: String::new() };
        let serving = stage.hears("serving /metrics", None)?;
        stage.address = serving.line["fields"]["address"].as_str().unwrap_or_default().to_owned();
        Ok(stage)
    }

    /// Every topic of it on the cluster.
    pub(crate) fn topics(&self) -> Result<Vec<String>, TaskError> {
        let mut settings = ClientConfig::new();
        let client: BaseConsumer = settings
            .set("bootstrap.servers", &self.address)
            .create()
            .map_err(kafka_error("listing topics"))?;
        let all =
            client.fetch_metadata(None, Duration::from_secs(60)).map_err(kafka_error("listing topics"))?;
        let names = all.topics().iter().map(|topic| topic.name().to_owned());
        Ok(names.filter(|topic| topic.starts_with(&self.prefix)).collect())
    }

    /// Removes what its processes have on this machine.
    pub(crate) fn remove_folder(&self) -> Result<(), TaskError> {
        fs::remove_dir_all(&self.root).map_err(io("removing a folder"))
    }

    /// Removes all of it. Its processes must have ended.
    pub(crate) fn remove(&self) -> Result<(), TaskError> {
        let topics = self.topics()?;
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        delete_topics(&self.address, &topics).map_err(broker_error)?;
        self.remove_folder()
    }
}

/// A line of a log, and when it came.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) line: Value,
}

/// A stage that runs.
pub(crate) struct Stage {
    child: Child,
    pub(crate) started: Instant,
    said: Receiver<Said>,
    heard: Vec<Said>,
    address: String,
}

impl Stage {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first line that says this, of that group if one is given; it may have been said before.
    pub(crate) fn hears(&mut self, words: &str, group: Option<&str>) -> Result<Said, TaskError> {
        // Spent only by a stage that hangs.
        const LONGEST_SILENCE: Duration = Duration::from_secs(900);
        let is_it = |said: &Said| {
            let fields = &said.line["fields"];
            let is_groups = group.is_none() || fields["group"].as_str() == group;
            fields["message"].as_str().is_some_and(|message| message.starts_with(words)) && is_groups
        };
        if let Some(said) = self.heard.iter().find(|said| is_it(said)) {
            return Ok(said.clone());
        }
        loop {
            let Ok(said) = self.said.recv_timeout(LONGEST_SILENCE) else {
                return Err(self.failed(&format!("the stage did not say {words:?}")));
            };
            self.heard.push(said.clone());
            if is_it(&said) {
                return Ok(said);
            }
        }
    }

    /// A failure with the end of its log.
    pub(crate) fn failed(&mut self, what: &str) -> TaskError {
        self.heard.extend(self.said.try_iter());
        let tail = self.heard.iter().rev().take(15).map(|said| said.line.to_string());
        let tail: Vec<String> = tail.collect::<Vec<_>>().into_iter().rev().collect();
        TaskError::Said(format!("{what}; the end of its log:\n{}", tail.join("\n")))
    }

    /// What it shows on `/metrics` now.
    pub(crate) fn metrics(&self) -> Result<Scrape, TaskError> {
        let mut stream = TcpStream::connect(&self.address).map_err(io("asking a stage for metrics"))?;
        let mut text = String::new();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .and_then(|()| stream.read_to_string(&mut text))
            .map_err(io("asking a stage for metrics"))?;
        Ok(Scrape(text))
    }

    /// SIGKILL; returns when it was sent.
    pub(crate) fn kill(mut self) -> Result<Instant, TaskError> {
        self.child.kill().map_err(io("killing a stage"))?;
        let at = Instant::now();
        self.child.wait().map_err(io("killing a stage"))?;
        Ok(at)
    }

    /// SIGTERM; it must end well. Returns how long that took.
    pub(crate) fn stop(mut self) -> Result<Duration, TaskError> {
        let asked = Instant::now();
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if pid.is_none_or(|pid| kill_process(pid, Signal::TERM).is_err()) {
            return Err(self.failed("the stage takes no signal"));
        }
        let status = self.child.wait().map_err(io("stopping a stage"))?;
        if status.success() {
            Ok(asked.elapsed())
        } else {
            Err(self.failed(&format!("the stage ended with {status}")))
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Metrics in Prometheus' text form.
pub(crate) struct Scrape(String);

impl Scrape {
    /// The sum of a metric's series that have this label; all with `""`. 0 when there is none.
    pub(crate) fn sum(&self, metric: &str, label: &str) -> f64 {
        let is_it = |line: &&str| {
            let rest = line.strip_prefix(metric);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        };
        let value = |line: &str| line.rsplit_once(' ')?.1.parse::<f64>().ok();
        // The sum of nothing is -0.
        self.0.lines().filter(is_it).filter_map(value).fold(0.0, |sum, value| sum + value)
    }

    /// The lines that say how far the work is: all of the stage and the log that are not 0.
    pub(crate) fn of_work(&self) -> String {
        const OF_WORK: [&str; 3] = ["barid_stage_", "barid_log_", "barid_kafka_"];
        let is_it = |line: &&str| {
            let is_of_work = OF_WORK.iter().any(|start| line.starts_with(start));
            is_of_work && !line.contains("_bucket") && !line.ends_with(" 0")
        };
        self.0.lines().filter(is_it).collect::<Vec<_>>().join("\n")
    }
}

/// Processor time of a process's threads so far, by what they are for.
pub(crate) fn threads(pid: u32) -> BTreeMap<String, Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let mut groups = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for stat in tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()) {
        let Some(((_, name), fields)) =
            stat.rsplit_once(") ").and_then(|(head, fields)| Some((head.split_once('(')?, fields)))
        else {
            continue;
        };
        let ticks = |index: usize| fields.split(' ').nth(index)?.parse::<u32>().ok();
        let group = match name.split_once(':') {
            Some((client, _)) => format!("{client}:*"),
            None => name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '-').to_owned(),
        };
        *groups.entry(group).or_default() += TICK * (ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0));
    }
    groups
}
