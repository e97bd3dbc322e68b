//! A broker that stays up for hand use: `cargo xtask kafka start`, `stop`, `status`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barid_tests::kafka::{BrokerError, Node, Size, VARIABLE, is_alive, target_dir};
use rustix::process::{Pid, Signal, kill_process};

use crate::error::{TaskError, io};
use crate::tools::run as run_command;

/// What to do with it.
#[derive(clap::Subcommand)]
pub(crate) enum Kafka {
    /// Fetch Apache Kafka if need be and start it; it stays up until `stop`.
    Start(Options),
    /// Stop what `start` started; its data stay.
    Stop,
    /// Say whether it runs, and where.
    Status,
}

/// How to start it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The port for clients; the controller takes the one above.
    #[arg(long, default_value_t = 19092)]
    port: u16,
    /// Throw the data of former starts away.
    #[arg(long)]
    fresh: bool,
    /// Kafka's own heap and collector settings instead of the small ones for tests.
    #[arg(long)]
    big: bool,
}

pub(crate) fn run(kafka: &Kafka) -> Result<(), TaskError> {
    match kafka {
        Kafka::Start(options) => start(options),
        Kafka::Stop => stop(),
        Kafka::Status => status(),
    }
}

/// What was started: enough to find exactly that process again.
struct Started {
    pid: u32,
    /// When it began, in clock ticks since boot: a later process with the same id has another.
    since: String,
    address: String,
    /// The container engine and name, empty where it is a plain process.
    engine: String,
    container: String,
}

impl Started {
    fn read() -> Option<Self> {
        let text = fs::read_to_string(folder().join("started")).ok()?;
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next();
        let started = Self {
            pid: next()?.parse().ok()?,
            since: next()?,
            address: next()?,
            engine: next()?,
            container: next()?,
        };
        started.runs().then_some(started)
    }

    fn write(&self) -> Result<(), TaskError> {
        let Self { pid, since, address, engine, container } = self;
        let text = format!("{pid}\n{since}\n{address}\n{engine}\n{container}\n");
        fs::write(folder().join("started"), text).map_err(io("noting what was started"))
    }

    fn runs(&self) -> bool {
        is_alive(self.pid) && began(self.pid).as_ref() == Some(&self.since)
    }

    fn tell(&self) {
        println!("export {VARIABLE}={}", self.address);
    }
}

fn folder() -> PathBuf {
    target_dir().join("kafka")
}

/// When a process began: the 22nd field of its `stat`.
fn began(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

fn broker_error(error: BrokerError) -> TaskError {
    TaskError::Said(error.to_string())
}

fn start(options: &Options) -> Result<(), TaskError> {
    if let Some(started) = Started::read() {
        println!("a broker runs already, process {}", started.pid);
        started.tell();
        return Ok(());
    }
    if options.fresh && folder().exists() {
        fs::remove_dir_all(folder()).map_err(io("removing the data of former starts"))?;
    }
    let size = if options.big { Size::Stock } else { Size::Small };
    let node = Node::lay_out(&folder(), options.port, size).map_err(broker_error)?;
    let started = detach(&node)?;
    started.write()?;
    match node.wait_until_ready(&|| started.runs()) {
        Ok(()) => {
            println!("Apache Kafka is ready: process {}, log {}", started.pid, node.log().display());
            started.tell();
            Ok(())
        }
        Err(error) => {
            stop()?;
            Err(broker_error(error))
        }
    }
}

/// Starts its process in a session of its own, so that neither the end of this one nor that of the terminal reaches it.
fn detach(node: &Node) -> Result<Started, TaskError> {
    let log = fs::File::create(node.log()).map_err(io("creating the broker's log"))?;
    let errors = log.try_clone().map_err(io("opening the broker's log twice"))?;
    let mut command = Command::new("setsid");
    // In a group that it does not lead, setsid runs the command in its own process: the id stays.
    command.args(node.command()).stdin(Stdio::null()).stdout(log).stderr(errors);
    let pid = command.spawn().map_err(io("starting the broker"))?.id();
    let since = began(pid).ok_or_else(|| TaskError::Said("the broker ended at once".to_owned()))?;
    let (engine, container) = node.container().unwrap_or_default();
    Ok(Started { pid, since, address: node.address(), engine: engine.to_owned(), container })
}

fn stop() -> Result<(), TaskError> {
    const LONGEST: Duration = Duration::from_secs(30);
    let Some(started) = Started::read() else {
        println!("no broker runs that `cargo xtask kafka start` started");
        return Ok(());
    };
    if !started.engine.is_empty() {
        run_command(Command::new(&started.engine).args(["stop", &started.container]))?;
    }
    let signal = |signal| {
        let Some(pid) = i32::try_from(started.pid).ok().and_then(Pid::from_raw) else { return };
        // It may end between the look and the signal.
        let _ = kill_process(pid, signal);
    };
    let asked = Instant::now();
    signal(Signal::TERM);
    while started.runs() && asked.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(100));
    }
    if started.runs() {
        println!("it did not stop within {} s: killing it", LONGEST.as_secs());
        signal(Signal::KILL);
    }
    fs::remove_file(folder().join("started")).map_err(io("forgetting what was started"))?;
    println!("stopped process {}; its data stay in {}", started.pid, folder().display());
    Ok(())
}

fn status() -> Result<(), TaskError> {
    match Started::read() {
        Some(started) => {
            println!("running: process {}, log {}", started.pid, folder().join("log").display());
            started.tell();
            Ok(())
        }
        None => {
            println!("not running");
            Ok(())
        }
    }
}
