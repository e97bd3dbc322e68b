//! The shell that keeps a broker's process, so that it dies with whoever started it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::error::{BrokerError, io};
use super::node::Node;

/// `tests/kafka/keeper.sh`, running.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    /// Its end is the order to kill the broker and remove its folder.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: String,
    pid: Option<u32>,
}

impl Keeper {
    /// Starts the shell; the broker is not started yet.
    pub(super) fn new(node: &Node) -> Result<Self, BrokerError> {
        let (engine, container) = node.container().unwrap_or_default();
        let mut shell = Command::new("sh");
        shell.args(["-c", include_str!("../../kafka/keeper.sh"), "keeper"]);
        shell
            .arg(node.folder())
            .arg(node.log())
            .args([engine, &container])
            .args::<&[OsString], _>(node.command());
        // A group of its own: Ctrl-C at the terminal reaches the owner first, which ends the broker by its own end.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().map_err(io("start", "sh"))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or_else(|| io("read", "sh")(std::io::ErrorKind::BrokenPipe.into()))?;
        let answers = BufReader::new(answers);
        Ok(Self { child, orders, answers, address: node.address(), pid: None })
    }

    fn order(&mut self, order: &'static str) -> Result<String, BrokerError> {
        if let Some(orders) = &mut self.orders {
            orders.write_all(format!("{order}\n").as_bytes()).map_err(io("order", order))?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(io("read the answer to", order))?;
        Ok(answer.trim().to_owned())
    }

    fn expect(&mut self, order: &'static str, wanted: &str) -> Result<(), BrokerError> {
        let answer = self.order(order)?;
        if answer == wanted {
            return Ok(());
        }
        Err(BrokerError::Keeper { order, address: self.address.clone(), answer })
    }

    /// Starts the broker's process.
    pub(super) fn start(&mut self) -> Result<(), BrokerError> {
        let answer = self.order("START")?;
        let pid = answer.parse();
        self.pid = Some(pid.map_err(|_| BrokerError::Keeper {
            order: "START",
            address: self.address.clone(),
            answer,
        })?);
        Ok(())
    }

    /// SIGKILL; returns when the process is gone.
    pub(super) fn kill(&mut self) -> Result<(), BrokerError> {
        self.expect("KILL", "ended")?;
        self.pid = None;
        Ok(())
    }

    /// SIGTERM; returns when the process is gone.
    pub(super) fn stop(&mut self) -> Result<(), BrokerError> {
        if self.pid.is_some() {
            // A frozen process would not notice.
            self.resume()?;
        }
        self.expect("TERM", "ended")?;
        self.pid = None;
        Ok(())
    }

    /// SIGSTOP.
    pub(super) fn pause(&mut self) -> Result<(), BrokerError> {
        self.expect("STOP", "sent")
    }

    /// SIGCONT.
    pub(super) fn resume(&mut self) -> Result<(), BrokerError> {
        self.expect("CONT", "sent")
    }

    /// The process, while it is meant to run.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// True while the process is there, frozen or not.
    pub(super) fn is_alive(&self) -> bool {
        self.pid.is_some_and(is_alive)
    }
}

/// True while that process exists and has not ended: one whose parent has not asked for its end yet is dead.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    state.flatten().is_some_and(|state| state != 'Z' && state != 'X')
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nobody is left to hear of a failure.
        let _ = self.child.wait();
    }
}
