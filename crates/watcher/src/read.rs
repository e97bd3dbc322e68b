//! Reads one file into reused memory, unpacks it, and keeps the limits.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use barid_record::Reason;
use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::FilesConfig;
use crate::filter::Packing;
use crate::stamp::Stamp;
use crate::unpack::Unpacked;
use crate::walk::Found;

/// What a whole file gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading<'a> {
    /// Its text, unpacked.
    Text {
        /// All of it.
        text: &'a [u8],
        /// SHA-256 of it.
        sha256: [u8; 32],
        /// Bytes behind its archive, not read.
        tail_bytes: u64,
        /// It is named as packed, and is not.
        is_plain: bool,
    },
    /// No text, for a reason.
    Refused {
        /// Why.
        reason: Reason,
        /// What was found.
        detail: String,
        /// The file as it is, from its start.
        kept: &'a [u8],
        /// SHA-256 of all of the file.
        sha256: [u8; 32],
        /// Bytes of the file that are not in `kept`.
        dropped_bytes: u64,
    },
}

/// Opens a regular file. Anything else by that name is as good as absent.
pub(crate) fn open(found: &Found<'_>, follow_links: bool) -> Result<(OwnedFd, Stamp), Errno> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if !follow_links {
        flags |= OFlags::NOFOLLOW;
    }
    let file = openat(found.folder, found.name, flags, Mode::empty())?;
    let stat = fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::NOENT);
    }
    Ok((file, Stamp::of(&stat)))
}

/// The memory that files are read into. It grows to the largest file met within the limits.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    packed: Vec<u8>,
    text: Vec<u8>,
}

impl Reader {
    /// Reads a file that is one document.
    pub(crate) fn whole(
        &mut self,
        file: impl AsFd,
        stamp: &Stamp,
        packing: Packing,
        config: &FilesConfig,
    ) -> Result<Reading<'_>, Errno> {
        let size = usize::try_from(stamp.size).unwrap_or(usize::MAX);
        if packing == Packing::Plain {
            read_to_end(file, size, &mut self.text)?;
            let sha256 = Sha256::digest(&self.text).into();
            return Ok(Reading::Text { sha256, text: &self.text, tail_bytes: 0, is_plain: false });
        }
        read_to_end(file, size, &mut self.packed)?;
        self.text.clear();
        let limit = config.max_document_bytes;
        let unpacked = unpack(packing, &self.packed, limit, &mut self.text);
        let (tail_bytes, is_plain) = *unpacked.as_ref().unwrap_or(&(0, false));
        let refused = match unpacked {
            Ok(_) if self.text.len() <= limit => None,
            Ok(_) => Some((Reason::TooLarge, format!("unpacks to more than {limit} bytes"))),
            Err(problem) => {
                Some((Reason::BadCompression, format!("{problem} after {} unpacked bytes", self.text.len())))
            }
        };
        Ok(match refused {
            None => {
                let sha256 = Sha256::digest(&self.text).into();
                Reading::Text { sha256, text: &self.text, tail_bytes, is_plain }
            }
            Some((reason, detail)) => Reading::Refused {
                reason,
                detail,
                sha256: Sha256::digest(&self.packed).into(),
                dropped_bytes: (self.packed.len().saturating_sub(config.max_rejected_bytes)) as u64,
                kept: &self.packed[..self.packed.len().min(config.max_rejected_bytes)],
            },
        })
    }

    /// Reads a file of any size, of which only the start is kept: that, the SHA-256 of all of it, its size in bytes.
    pub(crate) fn start(
        &mut self,
        file: impl AsFd,
        config: &FilesConfig,
    ) -> Result<(&[u8], [u8; 32], u64), Errno> {
        let Self { packed: kept, text: piece } = self;
        kept.clear();
        piece.clear();
        piece.reserve(PIECE_BYTES);
        let mut hasher = Sha256::new();
        let mut size_bytes = 0u64;
        loop {
            piece.clear();
            if read_some(&file, piece)? == 0 {
                break;
            }
            hasher.update(&piece);
            size_bytes += piece.len() as u64;
            let room = config.max_rejected_bytes.saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        Ok((kept, hasher.finalize().into(), size_bytes))
    }

    /// Gives back what an over-long file made it take.
    pub(crate) fn shrink(&mut self, most_bytes: usize) {
        self.packed.clear();
        self.packed.shrink_to(most_bytes);
    }
}

const PIECE_BYTES: usize = 256 << 10;

/// Reads a file expected to have `size` bytes. A regular file gives less than asked only at its end, so one call is the rule.
fn read_to_end(file: impl AsFd, size: usize, into: &mut Vec<u8>) -> Result<(), Errno> {
    into.clear();
    into.reserve(size + 1);
    loop {
        let room = into.capacity() - into.len();
        if read_some(&file, into)? < room {
            return Ok(());
        }
        into.reserve(PIECE_BYTES);
    }
}

pub(crate) fn read_some(file: &impl AsFd, into: &mut Vec<u8>) -> Result<usize, Errno> {
    rustix::io::retry_on_intr(|| rustix::io::read(file, spare_capacity(into)))
}

/// Unpacks all members or frames, up to one byte more than `limit`; returns the bytes behind them, and
/// whether it is packed at all. No bytes are no archive, but an empty document.
fn unpack(packing: Packing, packed: &[u8], limit: usize, into: &mut Vec<u8>) -> std::io::Result<(u64, bool)> {
    let mut unpacked = Unpacked::new(Box::new(packed), packing)?;
    (&mut unpacked).take(limit as u64 + 1).read_to_end(into)?;
    Ok((unpacked.tail_bytes, unpacked.is_plain))
}
