//! The JSON Lines sink: one record a line, files rotated by size and age.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_log::{
    Control, Limit, LogError, Message, Position, Ticket, Unit, Wish, Worker, WorkerSpec, failpoint,
};
use barid_record::Topic;

use crate::finish::{Written, finisher, sync_dir};
use crate::name::temporary;
use crate::patient::{Patience, PatientFile};
use crate::{Metrics, RecordFile, SinkError};

/// The consumer group of this sink.
pub const GROUP: &str = "sink.jsonl";

/// The worker that [`run`] wants: members share the partitions of [`Topic::Records`].
pub fn spec() -> WorkerSpec {
    WorkerSpec { group: GROUP.to_owned(), inputs: vec![Topic::Records], tables: Vec::new() }
}

/// The named crash points of this crate.
pub const FAILPOINTS: &[&str] =
    &["sink.write.after", "sink.rename.before", "sink.rename.after", "sink.ack.before"];

const POLL: Limit = Limit { messages: 4096, bytes: 4 << 20 };
const POLL_WAIT: Duration = Duration::from_millis(50);
const BUFFER_BYTES: usize = 256 << 10;
/// Files that may wait for their fsync while the next one fills.
const FILES_IN_FLIGHT: usize = 2;

/// Where records go and how files are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonlConfig {
    /// The folder. Made when missing.
    pub dir: PathBuf,
    /// A file is finished once it holds this many bytes (before compression).
    pub rotate_bytes: u64,
    /// A file is finished once its first record is this old.
    pub rotate_after: Duration,
    /// zstd level of `.jsonl.zst` files; `None` writes plain `.jsonl`.
    pub zstd_level: Option<i32>,
}

impl Default for JsonlConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("barid-data/records"),
            rotate_bytes: 64 << 20,
            rotate_after: Duration::from_secs(5),
            zstd_level: None,
        }
    }
}

/// What one run of the sink did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records made visible.
    pub records: u64,
    /// Their bytes, before compression.
    pub bytes: u64,
    /// Files made visible.
    pub files: u64,
}

/// Writes records until asked to end. With [`Wish::Drain`] every record there is becomes visible first; with [`Wish::Stop`] the file
/// in hand is finished as it is. `log_end` tells one past the newest durable offset of a partition of [`Topic::Records`].
pub fn run(
    config: &JsonlConfig,
    mut worker: Box<dyn Worker>,
    log_end: &dyn Fn(u32) -> Result<u64, LogError>,
    metrics: &Metrics,
    control: &Control,
) -> Result<Summary, SinkError> {
    let next = recover(config, worker.as_mut(), log_end, metrics)?;
    let patience = Patience { control: control.clone(), storage_full: metrics.storage_full.clone() };
    std::thread::scope(|scope| {
        let (jobs, jobs_out) = sync_channel(FILES_IN_FLIGHT);
        let (done, done_out) = sync_channel(FILES_IN_FLIGHT + 2);
        let finishing = patience.clone();
        scope.spawn(move || finisher(&config.dir, &finishing, metrics, &jobs_out, &done));
        Sink {
            config,
            worker,
            metrics,
            patience,
            next,
            open: None,
            jobs: Some(jobs),
            done: done_out,
            in_flight: 0,
            last_ticket: None,
            summary: Summary::default(),
        }
        .run(control)
    })
}

/// Removes what a crash left half-written, adopts what it left unacknowledged; returns the next offset to write.
fn recover(
    config: &JsonlConfig,
    worker: &mut dyn Worker,
    log_end: &dyn Fn(u32) -> Result<u64, LogError>,
    metrics: &Metrics,
) -> Result<u64, SinkError> {
    let dir = &config.dir;
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| SinkError::Io { operation, path, source }
    };
    std::fs::create_dir_all(dir).map_err(io("making the folder", dir))?;
    let (finished, temporary) = RecordFile::list(dir).map_err(io("listing", dir))?;
    for path in temporary {
        std::fs::remove_file(&path).map_err(io("removing", &path))?;
    }
    let acknowledged = worker.position(Topic::Records, 0);
    let log_end = log_end(0)?;
    let mut next = acknowledged;
    for file in finished.iter().filter(|file| file.last >= acknowledged) {
        if file.first != next || file.last >= log_end {
            return Err(SinkError::AheadOfLog { path: file.path.clone(), file_last: file.last, log_end });
        }
        tracing::info!(file = %file.path.display(), "adopting a file finished before a crash");
        metrics.adopted_files.inc();
        next = file.last + 1;
    }
    if next > acknowledged {
        sync_dir(dir).map_err(io("making durable the folder", dir))?;
        let ticket = worker.submit(acknowledge(next))?;
        worker.wait(ticket)?;
    }
    Ok(next)
}

fn acknowledge(next_offset: u64) -> Unit {
    Unit { consumed: vec![Position { topic: Topic::Records, partition: 0, next_offset }], ..Unit::default() }
}

struct Sink<'a> {
    config: &'a JsonlConfig,
    worker: Box<dyn Worker>,
    metrics: &'a Metrics,
    patience: Patience,
    /// The next offset to write: below it is another run's or an adopted file's.
    next: u64,
    open: Option<OpenFile>,
    jobs: Option<SyncSender<Written>>,
    done: Receiver<Result<RecordFile, SinkError>>,
    in_flight: usize,
    last_ticket: Option<Ticket>,
    summary: Summary,
}

/// The file being written.
struct OpenFile {
    writer: Encoder,
    temporary: PathBuf,
    first: u64,
    last: u64,
    bytes: u64,
    opened: Instant,
}

enum Encoder {
    Plain(BufWriter<PatientFile>),
    Zstd(Box<zstd::Encoder<'static, PatientFile>>),
}

impl Encoder {
    fn write_line(&mut self, line: &[u8]) -> std::io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Plain(writer) => writer,
            Self::Zstd(writer) => writer.as_mut(),
        };
        writer.write_all(line)?;
        writer.write_all(b"\n")
    }

    fn into_file(self) -> std::io::Result<File> {
        match self {
            Self::Plain(writer) => {
                writer.into_inner().map(|file| file.file).map_err(|error| error.into_error())
            }
            Self::Zstd(writer) => writer.finish().map(|file| file.file),
        }
    }
}

impl Sink<'_> {
    fn run(mut self, control: &Control) -> Result<Summary, SinkError> {
        loop {
            let wish = control.wish();
            let batch = if wish == Wish::Stop { Vec::new() } else { self.worker.poll(POLL, POLL_WAIT)? };
            for message in &batch {
                self.write(message)?;
            }
            let ending = batch.is_empty() && wish > Wish::Run;
            if ending
                || self.open.as_ref().is_some_and(|open| open.opened.elapsed() >= self.config.rotate_after)
            {
                self.rotate()?;
            }
            self.acknowledge_finished(ending)?;
            if ending {
                if let Some(ticket) = self.last_ticket {
                    self.worker.wait(ticket)?;
                }
                return Ok(self.summary);
            }
        }
    }

    fn write(&mut self, message: &Message) -> Result<(), SinkError> {
        if message.offset < self.next {
            return Ok(());
        }
        if self.open.is_none() {
            self.open = Some(self.create(message.offset)?);
        }
        let Some(open) = self.open.as_mut() else { return Ok(()) };
        open.writer.write_line(&message.value).map_err(|source| SinkError::Io {
            operation: "writing",
            path: open.temporary.clone(),
            source,
        })?;
        failpoint("sink.write.after");
        tracing::debug!(record_id = %String::from_utf8_lossy(&message.key), offset = message.offset, "written");
        open.last = message.offset;
        open.bytes += message.value.len() as u64 + 1;
        self.next = message.offset + 1;
        if open.bytes >= self.config.rotate_bytes {
            self.rotate()?;
        }
        Ok(())
    }

    fn create(&self, first: u64) -> Result<OpenFile, SinkError> {
        let path = temporary(&self.config.dir, first);
        let opened = || -> std::io::Result<Encoder> {
            let create = || OpenOptions::new().write(true).create(true).truncate(true).open(&path);
            let file = self.patience.wait_for_space(create)?;
            let file = PatientFile { file, patience: self.patience.clone() };
            Ok(match self.config.zstd_level {
                None => Encoder::Plain(BufWriter::with_capacity(BUFFER_BYTES, file)),
                Some(level) => {
                    let mut encoder = zstd::Encoder::new(file, level)?;
                    encoder.include_checksum(true)?;
                    Encoder::Zstd(Box::new(encoder))
                }
            })
        };
        match opened() {
            Ok(writer) => {
                Ok(OpenFile { writer, temporary: path, first, last: first, bytes: 0, opened: Instant::now() })
            }
            Err(source) => Err(SinkError::Io { operation: "creating", path, source }),
        }
    }

    /// Hands the open file, if any, to the finisher.
    fn rotate(&mut self) -> Result<(), SinkError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let OpenFile { writer, temporary, first, last, bytes, opened: _ } = open;
        let file = writer.into_file().map_err(|source| SinkError::Io {
            operation: "writing",
            path: temporary.clone(),
            source,
        })?;
        let finished = RecordFile::new(&self.config.dir, first, last, self.config.zstd_level.is_some());
        self.metrics.records.inc_by(last + 1 - first);
        self.metrics.bytes.inc_by(bytes);
        self.summary.bytes += bytes;
        // A send fails only when the finisher ended with an error, which the next line picks up.
        if let Some(jobs) = &self.jobs
            && jobs.send(Written { file, temporary, finished }).is_ok()
        {
            self.in_flight += 1;
        }
        self.acknowledge_finished(false)
    }

    /// Commits the position behind every file that is durable; with `all`, waits for those still in flight.
    fn acknowledge_finished(&mut self, all: bool) -> Result<(), SinkError> {
        while self.in_flight > 0 {
            let received = if all { self.done.recv().ok() } else { self.done.try_recv().ok() };
            let Some(result) = received else { break };
            let file = result?;
            self.in_flight -= 1;
            failpoint("sink.ack.before");
            self.last_ticket = Some(self.worker.submit(acknowledge(file.last + 1))?);
            self.metrics.files.inc();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
            self.metrics.last_commit.set(i64::try_from(now).unwrap_or(i64::MAX));
            self.summary.files += 1;
            self.summary.records += file.last + 1 - file.first;
        }
        Ok(())
    }
}
