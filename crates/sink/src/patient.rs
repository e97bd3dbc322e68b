//! A file that waits for disk space instead of failing. What is above it (a buffer, a compressor) never sees a full disk, so no state is
//! lost half-way. A sink of many that waits so for longer than the log is patient loses its partitions; when space is back it is told to rewind.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::time::{Duration, Instant};

use barid_log::{Control, Wish};
use prometheus::IntGauge;

const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Writes to a file, waiting while the disk is full.
#[derive(Debug)]
pub(crate) struct PatientFile {
    pub(crate) file: File,
    pub(crate) patience: Patience,
}

impl Write for PatientFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = &mut self.file;
        self.patience.wait_for_space(|| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        let file = &mut self.file;
        self.patience.wait_for_space(|| file.flush())
    }
}

/// How long to wait for space, and whom to tell.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    pub(crate) control: Control,
    pub(crate) storage_full: IntGauge,
    /// `None` waits as long as it takes.
    pub(crate) most: Option<Duration>,
}

impl Patience {
    /// Repeats `step` while it fails for want of space; gives the failure back only when barid was asked to stop, or patience ends.
    pub(crate) fn wait_for_space<T>(&self, mut step: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let mut wait = FIRST_WAIT;
        let started = Instant::now();
        let may_wait =
            || self.control.wish() < Wish::Stop && self.most.is_none_or(|most| started.elapsed() < most);
        loop {
            match step() {
                Err(error) if is_full(&error) && may_wait() => {
                    if self.storage_full.get() == 0 {
                        tracing::error!(%error, "disk full: the sink waits for space, nothing is lost");
                        self.storage_full.set(1);
                    }
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                done => {
                    if done.is_ok() && self.storage_full.get() == 1 {
                        tracing::info!("disk has space again: the sink goes on");
                        self.storage_full.set(0);
                    }
                    return done;
                }
            }
        }
    }
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
