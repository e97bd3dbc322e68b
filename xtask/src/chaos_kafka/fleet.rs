//! The roles of one pipeline as processes, and the folder they work in.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use barid_tests::dies_with_us;
use barid_tests::kafka::Broker;
use rustix::process::{Pid, Signal, kill_process};

use super::Lab;
use crate::error::{TaskError, io};
use crate::usage;

/// Partitions of the topics.
pub(crate) const PARTITIONS: i32 = 4;
/// Short enough that a zombie does not take all day.
pub(crate) const SESSION: Duration = Duration::from_secs(6);
/// A role must be gone this long after it was asked to stop; only spent on failure.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// One process of a role.
pub(crate) struct Process {
    pub(crate) role: &'static str,
    pub(crate) name: String,
    child: Child,
    /// Others than the configured data folder and instance, if any.
    own: Option<(PathBuf, String)>,
}

/// One pipeline: a prefix on the cluster, a folder, its processes.
pub(crate) struct Fleet<'a> {
    lab: &'a Lab,
    pub(crate) prefix: String,
    pub(crate) root: PathBuf,
    pub(crate) processes: Vec<Process>,
    /// Peak memory by role.
    pub(crate) peaks: BTreeMap<&'static str, u64>,
}

impl<'a> Fleet<'a> {
    /// Makes topics and folder.
    pub(crate) fn new(lab: &'a Lab, name: &str, input: &Path) -> Result<Self, TaskError> {
        let root = lab.root.join(name);
        fs::create_dir_all(&root).map_err(io("making a folder"))?;
        let prefix = format!("{name}.");
        let config = format!(
            "data_dir = {data:?}\n\n[[files]]\nid = \"corpus\"\npath = {input:?}\n\n[kafka]\nbrokers = {brokers:?}\nprefix = {prefix:?}\n\
             session_timeout_seconds = {session}\n\n[kafka.topics]\npartitions = {PARTITIONS}\n\n[sink.jsonl]\ndir = {records:?}\nrotate_seconds = 1\n",
            data = root.join("data"),
            brokers = lab.broker.address(),
            session = SESSION.as_secs(),
            records = root.join("records"),
        );
        fs::write(root.join("barid.toml"), config).map_err(io("writing a configuration"))?;
        let fleet = Self { lab, prefix, root, processes: Vec::new(), peaks: BTreeMap::new() };
        let status = fleet
            .command("topics-create", &["topics", "create"])?
            .status()
            .map_err(io("barid topics create"))?;
        if status.success() { Ok(fleet) } else { Err(fleet.failed("barid topics create", "topics-create")) }
    }

    /// The cluster it works on.
    pub(crate) fn broker(&self) -> &'a Broker {
        &self.lab.broker
    }

    fn command(&self, log: &str, arguments: &[&str]) -> Result<Command, TaskError> {
        let log = self.root.join(format!("{log}.log"));
        let log = File::options().create(true).append(true).open(log).map_err(io("opening a log"))?;
        let mut command = dies_with_us(&self.lab.binary);
        command.args(arguments).arg("--config").arg(self.root.join("barid.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(command)
    }

    /// Starts one more process of a role.
    pub(crate) fn start(&mut self, role: &'static str) -> Result<(), TaskError> {
        self.start_as(role, None)
    }

    /// The same with a data folder and an instance name of its own.
    pub(crate) fn start_as(
        &mut self,
        role: &'static str,
        own: Option<(PathBuf, String)>,
    ) -> Result<(), TaskError> {
        let taken =
            |number: &usize| self.processes.iter().any(|process| process.name == format!("{role}-{number}"));
        let number = (0..).find(|number| !taken(number)).unwrap_or(0);
        let name = format!("{role}-{number}");
        let mut command = self.command(&name, &[role])?;
        if let Some((data_dir, instance)) = &own {
            command.env("BARID_DATA_DIR", data_dir).env("BARID_KAFKA_INSTANCE", instance);
        }
        let child = command.spawn().map_err(io(format!("starting {name}")))?;
        self.processes.push(Process { role, name, child, own });
        Ok(())
    }

    /// SIGKILL, then the same again.
    pub(crate) fn kill_and_restart(&mut self, at: usize) -> Result<(), TaskError> {
        let (role, own) = (self.processes[at].role, self.processes[at].own.clone());
        self.kill(at)?;
        self.start_as(role, own)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, at: usize) -> Result<(), TaskError> {
        self.measure(at);
        let mut process = self.processes.remove(at);
        process.child.kill().and_then(|()| process.child.wait()).map_err(io("killing a role"))?;
        Ok(())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, at: usize, signal: Signal) -> Result<(), TaskError> {
        let process = &self.processes[at];
        let pid = i32::try_from(process.child.id()).ok().and_then(Pid::from_raw);
        let sent = pid.map(|pid| kill_process(pid, signal));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(TaskError::Said(format!("{} takes no signal", process.name))),
        }
    }

    /// SIGTERM; the role must end well.
    pub(crate) fn stop(&mut self, at: usize) -> Result<(), TaskError> {
        self.signal(at, Signal::TERM)?;
        self.measure(at);
        let mut process = self.processes.remove(at);
        let deadline = Instant::now() + STOPS_WITHIN;
        loop {
            match process.child.try_wait().map_err(io("waiting for a role"))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.failed(&format!("{} ended with {status}", process.name), &process.name));
                }
                None if Instant::now() > deadline => {
                    process.child.kill().map_err(io("killing a role"))?;
                    return Err(self.failed(&format!("{} does not stop", process.name), &process.name));
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// An error when a role has ended by itself.
    pub(crate) fn check_running(&mut self) -> Result<(), TaskError> {
        for at in 0..self.processes.len() {
            self.measure(at);
            if let Some(status) = self.processes[at].child.try_wait().map_err(io("looking at a role"))? {
                let name = self.processes[at].name.clone();
                return Err(self.failed(&format!("{name} ended by itself with {status}"), &name));
            }
        }
        Ok(())
    }

    /// The processes that have ended by themselves, and how; they are forgotten.
    pub(crate) fn ended(&mut self) -> Result<Vec<(String, Option<i32>)>, TaskError> {
        let mut ended = Vec::new();
        for at in (0..self.processes.len()).rev() {
            if let Some(status) = self.processes[at].child.try_wait().map_err(io("looking at a role"))? {
                ended.push((self.processes.remove(at).name, status.code()));
            }
        }
        Ok(ended)
    }

    /// SIGTERM to all.
    pub(crate) fn stop_all(&mut self) -> Result<(), TaskError> {
        while !self.processes.is_empty() {
            self.stop(self.processes.len() - 1)?;
        }
        Ok(())
    }

    fn measure(&mut self, at: usize) {
        let process = &self.processes[at];
        if let Some(used) = usage::sample(process.child.id()) {
            let peak = self.peaks.entry(process.role).or_default();
            *peak = used.peak_rss_bytes.max(*peak);
        }
    }

    /// A failure with the end of a process's log.
    pub(crate) fn failed(&self, what: &str, log: &str) -> TaskError {
        let log = self.root.join(format!("{log}.log"));
        let text = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(15).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        TaskError::Said(format!("{what}; the end of {}:\n{}", log.display(), tail.join("\n")))
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
