//! A process in the background: its log, its probes, its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::barid;

/// A process that runs until it is told to stop.
pub(crate) struct Daemon {
    child: Child,
    log: Option<BufReader<std::process::ChildStderr>>,
    address: String,
}

impl Daemon {
    /// Starts it, with these variables in its environment.
    pub(crate) fn start(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = barid(folder, &[&["--log-format", "json"], arguments].concat());
        let mut child = command.envs(variables.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let log = child.stderr.take().map(BufReader::new);
        Self { child, log, address: String::new() }
    }

    /// Starts it and waits until it serves.
    pub(crate) fn serving(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut daemon = Self::start(folder, arguments, variables);
        let serving = daemon.wait_for("serving /metrics");
        daemon.address = serving["fields"]["address"].as_str().unwrap().to_owned();
        daemon
    }

    /// Reads log lines up to the one that says `words`.
    pub(crate) fn wait_for(&mut self, words: &str) -> Value {
        loop {
            let mut line = String::new();
            self.log.as_mut().unwrap().read_line(&mut line).unwrap();
            assert!(!line.is_empty(), "it ended before it said {words}");
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if event["fields"]["message"].as_str().unwrap().contains(words) {
                return event;
            }
        }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: barid\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The rest of what it says, and its exit code.
    pub(crate) fn end(mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.log.take().unwrap().read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Daemon {
    /// A failed test leaves no process behind. One that has ended already cannot be killed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
