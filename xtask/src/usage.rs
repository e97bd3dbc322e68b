//! What a child process used: processor time, memory, disk.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use crate::error::{TaskError, io};

/// What one process used, from its start to its end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// User and system time of the process.
    pub(crate) cpu: Duration,
    pub(crate) user: Duration,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) written_bytes: u64,
}

/// Kernel clock ticks a second (USER_HZ), fixed at 100 on Linux.
const TICKS: u64 = 100;

/// Waits for a child, sampling what it uses; the last sample before its end counts.
pub(crate) fn watch(child: &mut Child) -> Result<Usage, TaskError> {
    let started = Instant::now();
    let mut usage = Usage::default();
    loop {
        if let Some(sample) = sample(child.id()) {
            usage = sample;
        }
        if let Some(status) = child.try_wait().map_err(io("waiting for a child"))? {
            usage.wall = started.elapsed();
            return if status.success() {
                Ok(usage)
            } else {
                Err(TaskError::Said(format!("the measured process ended with {status}")))
            };
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a process has used so far; `None` once it is gone.
pub(crate) fn sample(pid: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields after the command name in brackets; utime and stime are the 14th and 15th of all.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let (user, system) = (ticks(11)?, ticks(12)?);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak_kb: u64 = value(&status, "VmHWM:")?.trim_end_matches("kB").trim().parse().ok()?;
    let written = fs::read_to_string(format!("/proc/{pid}/io"))
        .ok()
        .and_then(|io| value(&io, "write_bytes:")?.parse().ok());
    Some(Usage {
        wall: Duration::ZERO,
        cpu: Duration::from_millis((user + system) * 1000 / TICKS),
        user: Duration::from_millis(user * 1000 / TICKS),
        peak_rss_bytes: peak_kb * 1024,
        written_bytes: written.unwrap_or(0),
    })
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
