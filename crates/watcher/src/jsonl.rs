//! JSON Lines: one line, one document; a file is read on from where it was left.
//!
//! The checkpoint says how many bytes were read, with a proof: the SHA-256 of their first and last 4 KiB. Reading goes on behind them while
//! the proof holds and the file has only grown. Anything else (cut, rewritten, rotated, renamed over, packed anew) is read from its start
//! again. That costs reading, not repeated documents: the table remembers each line by its key (32 bytes of state a line, on disk only),
//! and a line that is there with the same content gives nothing. Not seen is one case: a change in the middle of what was read, in
//! place, together with growth.
//!
//! A last line without an end is read once the file is settled, and again when the file grows: its beginning is where reading goes on.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use barid_log::{Wish, failpoint};
use barid_record::{Collector, Hints, Reason};
use bytes::Bytes;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, Lines, lines_prefix};
use crate::deliver::{Delivery, Refusal};
use crate::fields;
use crate::filter::Packing;
use crate::intake::{Current, Intake, Outcome, changed_meanwhile};
use crate::lines::LineReader;
use crate::read::Reading;
use crate::stamp::{GRAIN_MS, Stamp};
use crate::{Fields, WatcherError};

/// How the reading of lines ended.
enum End {
    /// At the end of the file.
    OfFile,
    /// Before a last line that may still grow.
    Unfinished,
    /// The run is to stop.
    Stopped,
    /// The archive is damaged here.
    Damaged(String),
}

/// A file whose lines are being read.
struct Reel<'a> {
    reader: LineReader,
    stamp: Stamp,
    lines: Lines,
    /// The first line is looked up: it may have been read before, without its end.
    is_first: bool,
    /// A last line without an end is complete.
    is_settled: bool,
    fields: &'a Fields,
}

/// Lines between two looks at whether the run is to stop.
const LINES_BETWEEN_LOOKS: u64 = 256;

impl Intake<'_> {
    /// Takes the new lines of a file. `due_ms` is when it counts as settled.
    pub(crate) fn take_lines(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: Stamp,
        due_ms: i64,
        fields: &Fields,
    ) -> Result<Outcome, WatcherError> {
        let previous = self.checkpoint(current)?;
        let opened = file.try_clone().and_then(|file| open(File::from(file), current, &stamp, previous));
        let (reader, lines) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(self.no_lines(current, &error)),
        };
        let is_settled = current.now_ms >= due_ms;
        let mut reel = Reel { reader, stamp, lines, is_first: true, is_settled, fields };
        let end = match self.read_lines(current, &mut reel) {
            Ok(end) => end?,
            Err(error) => return Ok(self.no_lines(current, &error)),
        };
        failpoint("watcher.read.after");
        if let End::Damaged(problem) = &end
            && let Some(outcome) = self.reject_archive(current, file, &stamp, &reel, problem)?
        {
            return Ok(outcome);
        }
        let changed = changed_meanwhile(file, &stamp);
        let has_rested = current.now_ms >= stamp.modified_ms().min(current.now_ms) + GRAIN_MS || is_settled;
        let complete = changed.is_none()
            && match end {
                End::OfFile => has_rested,
                End::Damaged(_) => true,
                End::Unfinished | End::Stopped => false,
            };
        self.keep_place(current, &reel, complete);
        self.flush_if_full()?;
        Ok(if complete {
            Outcome::Done
        } else {
            Outcome::Wait { due_ms: due_ms.max(current.now_ms + GRAIN_MS), stamp: changed.unwrap_or(stamp) }
        })
    }

    fn no_lines(&mut self, current: &Current<'_>, error: &io::Error) -> Outcome {
        self.fault(current, error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error));
        Outcome::Done
    }

    /// The outer error is the file's, the inner one the log's.
    fn read_lines(
        &mut self,
        current: &Current<'_>,
        reel: &mut Reel<'_>,
    ) -> io::Result<Result<End, WatcherError>> {
        let config = &self.sources[current.source].config;
        let (limit, most_kept) = (config.max_document_bytes, config.max_rejected_bytes);
        loop {
            match reel.reader.next(limit, most_kept) {
                Ok(true) if reel.reader.line.has_end || reel.is_settled => (),
                Ok(true) => return Ok(Ok(End::Unfinished)),
                Ok(false) => return Ok(Ok(End::OfFile)),
                Err(error) if is_of_the_system(&error) => return Err(error),
                Err(error) => return Ok(Ok(End::Damaged(error.to_string()))),
            }
            if let Err(error) = self.take_line(current, reel) {
                return Ok(Err(error));
            }
            reel.is_first = false;
            if !reel.reader.line.has_end {
                return Ok(Ok(End::OfFile));
            }
            reel.reader.accept();
            reel.lines.count += 1;
            let is_full = self.is_full();
            if is_full {
                self.keep_place(current, reel, false);
                if let Err(error) = self.flush() {
                    return Ok(Err(error));
                }
            }
            if is_full || reel.lines.count.is_multiple_of(LINES_BETWEEN_LOOKS) {
                if let Err(error) = self.outbox.tend() {
                    return Ok(Err(error));
                }
                if self.wish() == Wish::Stop {
                    return Ok(Ok(End::Stopped));
                }
            }
        }
    }

    /// Hands one line over, unless it is known.
    fn take_line(&mut self, current: &Current<'_>, reel: &Reel<'_>) -> Result<(), WatcherError> {
        let line = &reel.reader.line;
        let content = line.content();
        if content.trim_ascii().is_empty() && line.long_sha256().is_none() {
            return Ok(());
        }
        let read = match line.long_sha256() {
            Some(_) => Err((Reason::TooLarge, format!("a line of {} bytes", line.bytes))),
            None => fields::read(content, reel.fields).map_err(|problem| (Reason::BadJson, problem)),
        };
        let place = reel.reader.prefix.bytes().to_string();
        let id = read.as_ref().ok().and_then(|read| read.id.as_deref()).unwrap_or(&place);
        // In these keys the first `#` ends the path.
        let key = format!("{}#{id}", current.found.key.replace('#', "%23"));
        let sha256 = line.long_sha256().unwrap_or_else(|| Sha256::digest(content).into());
        let is_doubtful = reel.is_first || reel.lines.restarts > 0;
        if !self.is_news(current, &key, &sha256, is_doubtful)? {
            return Ok(());
        }
        let delivery = match read {
            Ok(read) => Delivery {
                sha256: Sha256::digest(&read.text).into(),
                read_sha256: sha256,
                body: Bytes::from(read.text),
                hints: read.hints,
                refused: None,
            },
            Err((reason, detail)) => {
                let kept = if reason == Reason::BadJson { content } else { &line.kept };
                let dropped_bytes =
                    if reason == Reason::BadJson { 0 } else { line.bytes - line.kept.len() as u64 };
                Delivery {
                    sha256,
                    read_sha256: sha256,
                    body: Bytes::copy_from_slice(kept),
                    hints: Hints::default(),
                    refused: Some(Refusal { reason, detail, dropped_bytes }),
                }
            }
        };
        self.deliver(current, &key, Collector::JsonLines, Some(reel.lines.count + 1), delivery);
        Ok(())
    }

    /// Remembers what is under a key in a JSON Lines file; false if that is what was there already.
    fn is_news(
        &mut self,
        current: &Current<'_>,
        key: &str,
        sha256: &[u8; 32],
        is_doubtful: bool,
    ) -> Result<bool, WatcherError> {
        let mut table_key = lines_prefix(&self.sources[current.source].config.id);
        table_key.extend_from_slice(&Sha256::digest(key)[..16]);
        if is_doubtful && self.outbox.get(&table_key)?.is_some_and(|known| known == sha256[..16]) {
            self.unchanged(current);
            return Ok(false);
        }
        self.outbox.put(&table_key, Bytes::copy_from_slice(&sha256[..16]));
        Ok(true)
    }

    /// Puts the checkpoint into the unit.
    fn keep_place(&mut self, current: &Current<'_>, reel: &Reel<'_>, complete: bool) {
        let lines = Lines { offset_bytes: reel.reader.prefix.bytes(), ..reel.lines };
        let sha256 = reel.reader.prefix.proof();
        self.keep(current, &Checkpoint { stamp: reel.stamp, complete, sha256, lines });
    }

    /// Hands over an archive that breaks off, as it is. Its good lines are already on their way.
    fn reject_archive(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: &Stamp,
        reel: &Reel<'_>,
        problem: &str,
    ) -> Result<Option<Outcome>, WatcherError> {
        let source = &self.sources[current.source];
        let reading = rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0))
            .and_then(|_| self.reader.start(file, &source.config));
        let (kept, sha256, size_bytes) = match reading {
            Ok(read) => read,
            Err(error) => {
                self.fault(current, error);
                return Ok(Some(Outcome::Done));
            }
        };
        if let Some(stamp) = changed_meanwhile(file, stamp) {
            return Ok(Some(Outcome::Wait { due_ms: current.now_ms + GRAIN_MS, stamp }));
        }
        let detail = format!("{problem} after {} unpacked bytes", reel.reader.prefix.bytes());
        let dropped_bytes = size_bytes - kept.len() as u64;
        let reading =
            Reading::Refused { reason: Reason::BadCompression, detail, kept, sha256, dropped_bytes };
        let delivery = Delivery::of_file(reading, sha256);
        if self.is_news(current, current.found.key, &sha256, true)? {
            self.deliver(current, current.found.key, Collector::File, None, delivery);
        }
        Ok(None)
    }
}

/// Opens the lines that were not read yet, and says what was read before them.
fn open(
    file: File,
    current: &Current<'_>,
    stamp: &Stamp,
    previous: Option<Checkpoint>,
) -> io::Result<(LineReader, Lines)> {
    let (packing, _) = Packing::of(current.found.key);
    let packing = if stamp.size == 0 { Packing::Plain } else { packing };
    let Some(previous) = previous else { return Ok((LineReader::new(file, packing)?, Lines::default())) };
    let has_only_grown = match packing {
        Packing::Plain => {
            previous.stamp.inode == stamp.inode
                && previous.lines.offset_bytes <= stamp.size
                && (!previous.complete || previous.stamp.size < stamp.size)
        }
        Packing::Gzip | Packing::Zstd => !previous.complete && previous.stamp == *stamp,
    };
    if has_only_grown {
        let lines = previous.lines;
        match LineReader::resume(file.try_clone()?, packing, lines.offset_bytes, &previous.sha256) {
            Ok(Some(reader)) => return Ok((reader, lines)),
            Err(error) if is_of_the_system(&error) => return Err(error),
            Ok(None) | Err(_) => (),
        }
    }
    io::Seek::rewind(&mut &file)?;
    let lines = Lines { restarts: previous.lines.restarts + 1, ..Lines::default() };
    Ok((LineReader::new(file, packing)?, lines))
}

/// Whether the system failed to give the bytes, and not the bytes to make sense.
fn is_of_the_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some()
}
