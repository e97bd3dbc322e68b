//! A body, unpacked while it comes, and given up as soon as it is too big or too slow.

use std::io::{self, Write};
use std::time::Instant;

use brotli_decompressor::DecompressorWriter;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::CONTENT_ENCODING;
use tokio::time::timeout;

use super::{Coding, Cost, Limits};
use crate::feeds::engine::Failure;

/// The window that RFC 9659 lets HTTP use: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Reads a body to its end, or so many bytes of it.
pub(super) async fn read(
    mut incoming: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
    first: Option<usize>,
    cost: &mut Cost,
) -> Result<Bytes, Failure> {
    cost.coding = coding(headers)?;
    let mut unpacker = Unpacker::new(cost.coding, limits)?;
    let mut window = (Instant::now(), 0_u64);
    loop {
        let frame = timeout(limits.slow_window, incoming.frame()).await.map_err(|_| Failure::Slow)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Failure::Connect)?.into_data() else { continue };
        cost.wire_bytes += data.len() as u64;
        window.1 += data.len() as u64;
        let result = if cost.wire_bytes > limits.wire_bytes {
            Err(Failure::TooBig)
        } else {
            unpacker.push(&data, cost.wire_bytes, limits)
        };
        cost.body_bytes = unpacker.bytes();
        if let Some(first) = first.filter(|first| unpacker.bytes() >= *first as u64) {
            let mut body = unpacker.taken();
            body.truncate(first);
            return Ok(body.into());
        }
        result?;
        if window.0.elapsed() >= limits.slow_window {
            if window.1 < limits.slow_bytes {
                return Err(Failure::Slow);
            }
            window = (Instant::now(), 0);
        }
    }
    let body = unpacker.finish(cost.wire_bytes, limits)?;
    cost.body_bytes = body.len() as u64;
    Ok(body.into())
}

/// How the body is packed. Only what was asked for is taken.
fn coding(headers: &HeaderMap) -> Result<Coding, Failure> {
    let mut named = headers.get_all(CONTENT_ENCODING).into_iter();
    let (first, more) = (named.next(), named.next());
    let Some(first) = first else { return Ok(Coding::Identity) };
    let name = first.to_str().unwrap_or_default().trim().to_ascii_lowercase();
    match (name.as_str(), more) {
        ("" | "identity" | "none" | "utf-8", None) => Ok(Coding::Identity),
        ("gzip" | "x-gzip", None) => Ok(Coding::Gzip),
        ("br", None) => Ok(Coding::Br),
        ("zstd", None) => Ok(Coding::Zstd),
        _ => Err(Failure::Protocol),
    }
}

/// Takes no more than it may.
struct Room {
    bytes: Vec<u8>,
    left: u64,
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.left -= bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Unpacker {
    Identity(Room),
    Gzip(MultiGzDecoder<Room>),
    Br(Box<DecompressorWriter<Room>>),
    Zstd(zstd::stream::write::Decoder<'static, Room>),
}

impl Unpacker {
    fn new(coding: Coding, limits: &Limits) -> Result<Self, Failure> {
        let room = Room { bytes: Vec::new(), left: limits.body_bytes };
        Ok(match coding {
            Coding::Identity => Self::Identity(room),
            Coding::Gzip => Self::Gzip(MultiGzDecoder::new(room)),
            Coding::Br => Self::Br(Box::new(DecompressorWriter::new(room, 16 << 10))),
            Coding::Zstd => {
                let mut decoder = zstd::stream::write::Decoder::new(room).map_err(|_| Failure::Protocol)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| Failure::Protocol)?;
                Self::Zstd(decoder)
            }
        })
    }

    fn room(&self) -> &Room {
        match self {
            Self::Identity(room) => room,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Br(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn bytes(&self) -> u64 {
        self.room().bytes.len() as u64
    }

    /// Unpacks some, a little at a time: a few bytes can become a lot.
    fn push(&mut self, data: &[u8], wire_bytes: u64, limits: &Limits) -> Result<(), Failure> {
        const STEP: usize = 4 << 10;
        for part in data.chunks(STEP) {
            let result = match self {
                Self::Identity(room) => room.write_all(part),
                Self::Gzip(decoder) => decoder.write_all(part),
                Self::Br(decoder) => decoder.write_all(part),
                Self::Zstd(decoder) => decoder.write_all(part),
            };
            result.map_err(|error| self.failure(&error))?;
            self.check_ratio(wire_bytes, limits)?;
        }
        Ok(())
    }

    fn check_ratio(&self, wire_bytes: u64, limits: &Limits) -> Result<(), Failure> {
        let bytes = self.bytes();
        let is_bomb = bytes > limits.ratio_from_bytes && bytes > wire_bytes.saturating_mul(limits.ratio);
        if is_bomb { Err(Failure::TooBig) } else { Ok(()) }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        let is_full = error.kind() == io::ErrorKind::FileTooLarge || self.room().left == 0;
        if is_full { Failure::TooBig } else { Failure::Protocol }
    }

    /// The body. One that ends before its packing does was cut: a feed with its end missing is no success.
    fn finish(mut self, wire_bytes: u64, limits: &Limits) -> Result<Vec<u8>, Failure> {
        let flushed = match &mut self {
            Self::Identity(_) => Ok(()),
            Self::Gzip(decoder) => {
                if wire_bytes > 0 {
                    decoder.try_finish()
                } else {
                    Ok(())
                }
            }
            Self::Br(decoder) => {
                if wire_bytes > 0 {
                    decoder.close()
                } else {
                    Ok(())
                }
            }
            Self::Zstd(decoder) => decoder.flush(),
        };
        flushed.map_err(|error| self.failure(&error))?;
        self.check_ratio(wire_bytes, limits)?;
        Ok(self.taken())
    }

    /// What was unpacked so far.
    fn taken(self) -> Vec<u8> {
        match self {
            Self::Identity(room) => room.bytes,
            Self::Gzip(mut decoder) => std::mem::take(&mut decoder.get_mut().bytes),
            Self::Br(mut decoder) => std::mem::take(&mut decoder.get_mut().bytes),
            Self::Zstd(mut decoder) => std::mem::take(&mut decoder.get_mut().bytes),
        }
    }
}
