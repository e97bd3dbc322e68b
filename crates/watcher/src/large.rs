//! A text file over the limit is no document, but its bytes are hashed, to tell when it changes: in slices,
//! so that the others do not wait for it.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use barid_record::Reason;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::WatcherError;
use crate::checkpoint::Checkpoint;
use crate::deliver::Delivery;
use crate::intake::{Current, Intake, Outcome, changed_meanwhile, is_same};
use crate::jsonl::MOST_REELS;
use crate::read::{Reading, read_some};
use crate::stamp::{GRAIN_MS, Stamp};

/// A file that is being hashed, or was and had changed meanwhile.
pub(crate) enum Large {
    /// So far.
    Part(Box<Part>),
    /// It changes faster than it can be hashed: not again before then, in milliseconds since the Unix epoch.
    Resting { until_ms: i64, took: Duration },
}

pub(crate) struct Part {
    file: OwnedFd,
    stamp: Stamp,
    hasher: Sha256,
    kept: Vec<u8>,
    size_bytes: u64,
    took: Duration,
}

impl Part {
    fn new(file: &OwnedFd, stamp: Stamp) -> std::io::Result<Box<Self>> {
        Ok(Box::new(Self {
            file: file.try_clone()?,
            stamp,
            hasher: Sha256::new(),
            kept: Vec::new(),
            size_bytes: 0,
            took: Duration::ZERO,
        }))
    }
}

/// Time for one slice.
const SLICE: Duration = Duration::from_millis(50);
/// Bytes read at once.
const PIECE_BYTES: usize = 256 << 10;
/// A file that changed while it was hashed rests for this many times as long as that took.
const REST: u32 = 10;
/// It is hashed again at the latest after this time.
const MOST_REST: Duration = Duration::from_secs(600);

impl Intake<'_> {
    /// Hashes a slice of a file over the limit, and hands it over as rejected once it is known whole.
    pub(crate) fn take_large(
        &mut self,
        current: &Current<'_>,
        file: &OwnedFd,
        stamp: Stamp,
        previous: Option<Checkpoint>,
    ) -> Result<Outcome, WatcherError> {
        let (mut part, took) = match self.large.remove(&current.path) {
            Some(Large::Part(part)) if part.stamp == stamp => (part, Duration::ZERO),
            Some(Large::Part(part)) => return Ok(self.rest(current, stamp, part.took)),
            Some(Large::Resting { until_ms, took }) if current.now_ms < until_ms && self.is_sliced() => {
                self.large.insert(current.path, Large::Resting { until_ms, took });
                return Ok(Outcome::Wait { due_ms: until_ms, stamp });
            }
            begun @ (Some(Large::Resting { .. }) | None) => {
                let is_begun = |large: &&Large| matches!(large, Large::Part(_));
                if self.is_sliced() && self.large.values().filter(is_begun).count() >= MOST_REELS {
                    return Ok(Outcome::Later);
                }
                let took = if let Some(Large::Resting { took, .. }) = begun { took } else { Duration::ZERO };
                match Part::new(file, stamp) {
                    Ok(part) => (part, took),
                    Err(error) => {
                        let error = error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error);
                        self.fault(current, error);
                        return Ok(Outcome::Done);
                    }
                }
            }
        };
        part.took += took / 2;
        let start = Instant::now();
        let config = &self.sources[current.source].config;
        let (limit_bytes, most_kept) = (config.max_document_bytes, config.max_rejected_bytes);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            piece.clear();
            match read_some(&part.file, &mut piece) {
                Ok(0) => break,
                Ok(_) => (),
                Err(error) => {
                    self.fault(current, error);
                    return Ok(Outcome::Done);
                }
            }
            part.hasher.update(&piece);
            part.size_bytes += piece.len() as u64;
            let room = most_kept.saturating_sub(part.kept.len());
            part.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            if self.is_sliced() && start.elapsed() >= SLICE {
                part.took += start.elapsed();
                self.large.insert(current.path, Large::Part(part));
                return Ok(Outcome::Later);
            }
        }
        part.took += start.elapsed();
        if let Some(changed) = changed_meanwhile(&part.file, &stamp) {
            return Ok(self.rest(current, changed, part.took));
        }
        let Part { hasher, kept, size_bytes, .. } = *part;
        let sha256 = hasher.finalize().into();
        if is_same(previous.as_ref(), &sha256, true, limit_bytes) {
            self.unchanged(current);
            let more = previous.map(|previous| previous.more).unwrap_or_default();
            return self.keep_document(current, stamp, sha256, Some(limit_bytes), more);
        }
        let reading = Reading::Refused {
            reason: Reason::TooLarge,
            detail: format!("{size_bytes} bytes; the limit is {limit_bytes}"),
            dropped_bytes: size_bytes - kept.len() as u64,
            kept: &kept,
            sha256,
        };
        self.refuse_document(current, stamp, Delivery::of_file(reading, sha256), Some(limit_bytes), previous)
    }

    /// It changed meanwhile: it is left alone for a while.
    fn rest(&mut self, current: &Current<'_>, stamp: Stamp, took: Duration) -> Outcome {
        let config = &self.sources[current.source].config;
        let rest_ms = i64::try_from(took.saturating_mul(REST).min(MOST_REST).as_millis()).unwrap_or(0);
        let until_ms = current.now_ms + rest_ms.max(config.settle_ms).max(GRAIN_MS);
        self.large.insert(current.path, Large::Resting { until_ms, took });
        Outcome::Wait { due_ms: until_ms, stamp }
    }
}
