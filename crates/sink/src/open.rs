//! The file being written.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barid_log::Message;

use crate::finish::Written;
use crate::name;
use crate::patient::{Patience, PatientFile};
use crate::{JsonlConfig, RecordFile, SinkError};

const BUFFER_BYTES: usize = 256 << 10;

/// The path of a file that has no final name yet. The file goes with the value.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Renamed, it is not there. What cannot be removed now is removed when the partition is recovered.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A file of one partition, growing.
pub(crate) struct OpenFile {
    writer: Encoder,
    temporary: Temporary,
    partition: u32,
    from: u64,
    last: u64,
    records: u64,
    bytes: u64,
    /// The time of its first record.
    first_ms: Option<i64>,
    opened: Instant,
}

enum Encoder {
    Plain(BufWriter<PatientFile>),
    Zstd(Box<zstd::Encoder<'static, PatientFile>>),
}

impl Encoder {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Plain(writer) => writer,
            Self::Zstd(writer) => writer.as_mut(),
        };
        writer.write_all(line)?;
        writer.write_all(b"\n")
    }

    fn into_file(self) -> io::Result<File> {
        match self {
            Self::Plain(writer) => {
                writer.into_inner().map(|file| file.file).map_err(|error| error.into_error())
            }
            Self::Zstd(writer) => writer.finish().map(|file| file.file),
        }
    }
}

impl OpenFile {
    /// Creates the file for what follows `from`.
    pub(crate) fn create(
        config: &JsonlConfig,
        patience: &Patience,
        partition: u32,
        from: u64,
    ) -> Result<Self, SinkError> {
        Self::create_at(name::temporary(&config.dir, partition, from), config, patience, partition, from)
    }

    /// The same with another name until it is finished.
    pub(crate) fn create_at(
        path: PathBuf,
        config: &JsonlConfig,
        patience: &Patience,
        partition: u32,
        from: u64,
    ) -> Result<Self, SinkError> {
        let opened = |path: &Path| -> io::Result<Encoder> {
            let create = || OpenOptions::new().write(true).create(true).truncate(true).open(path);
            let file = PatientFile { file: patience.wait_for_space(create)?, patience: patience.clone() };
            Ok(match config.zstd_level {
                None => Encoder::Plain(BufWriter::with_capacity(BUFFER_BYTES, file)),
                Some(level) => {
                    let mut encoder = zstd::Encoder::new(file, level)?;
                    encoder.include_checksum(true)?;
                    Encoder::Zstd(Box::new(encoder))
                }
            })
        };
        match opened(&path) {
            Ok(writer) => Ok(Self {
                writer,
                temporary: Temporary { path },
                partition,
                from,
                last: from,
                records: 0,
                bytes: 0,
                first_ms: None,
                opened: Instant::now(),
            }),
            Err(source) => Err(SinkError::Io { operation: "creating", path, source }),
        }
    }

    /// Adds a record.
    pub(crate) fn write(&mut self, message: &Message) -> Result<(), SinkError> {
        self.writer.write_line(&message.value).map_err(|source| SinkError::Io {
            operation: "writing",
            path: self.temporary.path.clone(),
            source,
        })?;
        self.last = message.offset;
        self.first_ms.get_or_insert(message.timestamp_ms);
        self.records += 1;
        self.bytes += message.value.len() as u64 + 1;
        Ok(())
    }

    /// Bytes in it, before compression.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The time of its first record.
    pub(crate) fn first_ms(&self) -> Option<i64> {
        self.first_ms
    }

    /// How long ago its first record came.
    pub(crate) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Writes out what is still in memory.
    pub(crate) fn close(self, config: &JsonlConfig) -> Result<Written, SinkError> {
        let Self { writer, temporary, partition, from, last, records, bytes, first_ms, opened: _ } = self;
        let folder = config.layout.folder(&config.dir, first_ms.unwrap_or_default());
        match writer.into_file() {
            Ok(file) => {
                let finished = RecordFile::new(&folder, partition, from, last, config.zstd_level.is_some());
                Ok(Written { file, temporary, finished, records, bytes })
            }
            Err(source) => Err(SinkError::Io { operation: "writing", path: temporary.path.clone(), source }),
        }
    }

    /// Drops it with what was written.
    pub(crate) fn discard(self) {
        if let Encoder::Plain(writer) = self.writer {
            // Dropping the buffer as it is would write it first, and wait where the disk is full.
            drop(writer.into_parts());
        }
    }
}
