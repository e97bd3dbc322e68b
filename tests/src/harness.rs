//! Runs the real binary in a folder of its own, kills it, and looks at what it left.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::output::{Line, output_differences, read_output};

/// A place to run barid in: input, data, output, config and log of one series of runs.
#[derive(Debug, Clone)]
pub struct Stand {
    binary: PathBuf,
    root: PathBuf,
    input: PathBuf,
}

/// How one run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It did all its work and exited 0.
    Done,
    /// SIGKILL.
    Killed,
}

/// A command that runs that program, and that the kernel kills when the thread that started it ends, by whatever: a test or a chaos run that is
/// killed leaves no role behind that goes on for ever.
pub fn dies_with_us(program: &Path) -> Command {
    // It runs the program in its own process: the id stays.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

impl Stand {
    /// Makes the folder `root` and writes a config that reads `input`. Small files, segments and checkpoints, so that a short run crosses
    /// every border. `extra` is appended to the config.
    pub fn new(binary: &Path, root: &Path, input: &Path, extra: &str) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let stand = Self { binary: binary.to_owned(), root: root.to_owned(), input: input.to_owned() };
        let config = format!(
            "data_dir = {:?}\n\n[[files]]\nid = \"corpus\"\npath = {:?}\n\n[sink.jsonl]\ndir = {:?}\n{extra}",
            stand.root.join("data"),
            stand.input,
            stand.output_dir(),
        );
        fs::write(stand.config(), config)?;
        Ok(stand)
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.root.join("barid.toml")
    }

    /// The folder of the embedded log.
    pub fn data_dir(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The sink's folder.
    pub fn output_dir(&self) -> PathBuf {
        self.root.join("records")
    }

    /// What barid wrote to stderr, all runs together.
    pub fn log_file(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Starts `barid run`, with `--once` if asked, armed with a failpoint if named.
    pub fn start(&self, once: bool, failpoint: Option<&str>) -> io::Result<Child> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--config").arg(self.config());
        if once {
            command.arg("--once");
        }
        if let Some(failpoint) = failpoint {
            command.env("BARID_FAILPOINT", failpoint);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
    }

    /// Runs `barid run --once` to its end. Any end but success or SIGKILL is an error that shows the log.
    pub fn once(&self, failpoint: Option<&str>) -> io::Result<Ended> {
        let status = self.start(true, failpoint)?.wait()?;
        self.ended(status)
    }

    /// Runs `barid run --once` and kills it after that long, unless it was done before.
    pub fn once_killed_after(&self, delay: Duration) -> io::Result<Ended> {
        let mut child = self.start(true, None)?;
        let deadline = Instant::now() + delay;
        loop {
            if let Some(status) = child.try_wait()? {
                return self.ended(status);
            }
            if Instant::now() >= deadline {
                child.kill()?;
                return self.ended(child.wait()?);
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn ended(&self, status: ExitStatus) -> io::Result<Ended> {
        if status.success() {
            return Ok(Ended::Done);
        }
        // 9 is SIGKILL: what the harness and the failpoints send.
        if status.signal() == Some(9) {
            return Ok(Ended::Killed);
        }
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        Err(io::Error::other(format!("barid ended with {status}; the end of its log:\n{}", tail.join("\n"))))
    }

    /// The records the sink holds.
    pub fn output(&self) -> io::Result<Vec<Line>> {
        read_output(&self.output_dir())
    }

    /// Compares the output with that of a run without faults.
    pub fn audit(&self, expected: &[Line]) -> io::Result<Vec<String>> {
        Ok(output_differences(expected, &self.output()?))
    }

    /// Removes everything but the input.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.root)
    }
}
