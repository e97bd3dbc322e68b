//! A body, unpacked while it comes, and given up as soon as it is too big or too slow. What came of one that broke off is kept: a document that reached
//! its own end is whole, whatever its server said of lengths.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant as Moment, timeout};

use super::coding::named;
use super::connect::Stream;
use super::ending::{Ended, Ending};
use super::faults::HttpFault;
use super::framing::{Framing, Reached};
use super::unpack::{Sink, Stop, Unpacker};
use super::why::{self, Broke};
use super::{Cost, Driver, Limits};
use crate::feeds::engine::Failure;

const READ: usize = 64 << 10;

/// Where a body comes from.
pub(super) enum Source {
    /// A connection, and what was read of it already.
    Http1(Stream, Vec<u8>),
    /// A stream of one.
    Http2(Incoming, Driver),
}

impl Source {
    /// The next bytes, or none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::Http1(_, ahead) if !ahead.is_empty() => Ok(Some(std::mem::take(ahead).into())),
            Self::Http1(stream, _) => {
                let mut data = Vec::with_capacity(READ);
                match stream.read_buf(&mut data).await {
                    Ok(0) => Ok(None),
                    Ok(_) => Ok(Some(data.into())),
                    // TLS that is not said good-bye to: an end as others are.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
                    Err(error) => Err(why::of_reading(&error)),
                }
            }
            Self::Http2(incoming, _driver) => loop {
                match incoming.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(why::of_http2(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
        }
    }
}

/// What holds for one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) limits: &'a Limits,
    /// A document that must have an end of its own: what a wrong length leaves out is read on.
    pub(super) is_feed: bool,
    /// Of it no more is wanted, and the rest is no fault.
    pub(super) first: Option<usize>,
    /// It may be packed without saying so.
    pub(super) may_be_packed: bool,
    /// Until when it must have come.
    pub(super) by: Moment,
}

/// What came.
pub(super) struct Taken {
    pub(super) body: Bytes,
    /// Why that is not all of it.
    pub(super) broke: Option<Broke>,
}

/// Reads a body to its end, or so many bytes of it.
pub(super) async fn read(
    mut source: Source,
    headers: &HeaderMap,
    rules: Rules<'_>,
    cost: &mut Cost,
) -> Taken {
    let mut reader = Reader::new(&source, headers, rules, cost);
    let stop = reader.run(&mut source, cost).await;
    cost.wire_bytes = reader.sink.wire;
    let taken = reader.finish(stop, cost);
    cost.body_bytes = taken.body.len() as u64;
    taken
}

/// How reading came to an end that was not the body's.
enum Halt {
    /// It broke off, or was given up.
    Broke(Broke),
    /// No more is wanted.
    Enough,
}

struct Reader<'a> {
    rules: Rules<'a>,
    framing: Framing,
    unpacker: Unpacker,
    sink: Sink,
    ending: Ending,
}

impl<'a> Reader<'a> {
    fn new(source: &Source, headers: &HeaderMap, rules: Rules<'a>, cost: &mut Cost) -> Self {
        let framing = match source {
            Source::Http1(..) => Framing::of(headers, &mut cost.faults),
            // HTTP/2 looks after that itself.
            Source::Http2(..) => Framing::Close,
        };
        let unpacker = Unpacker::new(named(headers, &mut cost.faults));
        Self { rules, framing, unpacker, sink: Sink::new(rules.limits), ending: Ending::default() }
    }

    /// Takes what comes, until nothing of use will.
    async fn run(&mut self, source: &mut Source, cost: &mut Cost) -> Option<Halt> {
        let limits = self.rules.limits;
        let mut window = (Instant::now(), 0_u64);
        loop {
            let reached = self.framing.reached();
            let ended = self.ending.look(&self.sink.bytes);
            let reads_on = self.rules.is_feed && ended == Ended::No;
            if self.framing.is_over() || (reached == Reached::End && !reads_on) {
                return None;
            }
            // It may be that more comes, and nobody waits long for it.
            let may_end = reached == Reached::End || ended == Ended::Yes;
            let patience = if may_end { limits.grace } else { limits.slow_window };
            let left = self.rules.by.saturating_duration_since(Moment::now());
            let data = match timeout(patience.min(left), source.next()).await {
                Err(_) if may_end => return None,
                Err(_) if left <= patience => return Some(self.late()),
                Err(_) => return Some(slow(limits, window.1)),
                Ok(Err(why)) => {
                    let why = format!("{why} after {} bytes", self.sink.wire);
                    return Some(Halt::Broke(Broke::new(Failure::Connect, why)));
                }
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(data))) => data,
            };
            if let Err(halt) = self.take(&data, cost) {
                return Some(halt);
            }
            window.1 += data.len() as u64;
            if window.0.elapsed() >= limits.slow_window {
                if window.1 < limits.slow_bytes {
                    return if may_end { None } else { Some(slow(limits, window.1)) };
                }
                window = (Instant::now(), 0);
            }
        }
    }

    fn take(&mut self, data: &[u8], cost: &mut Cost) -> Result<(), Halt> {
        self.sink.wire += data.len() as u64;
        if self.sink.wire > self.rules.limits.wire_bytes {
            return Err(self.too_big(format!("more than {} bytes sent", self.rules.limits.wire_bytes)));
        }
        let mut part = Vec::new();
        let beyond = self.framing.take(data, &mut part, &mut cost.faults);
        self.unpack(&part)?;
        if !beyond.is_empty() && self.rules.is_feed && self.ending.look(&self.sink.bytes) == Ended::No {
            cost.faults.note(HttpFault::LengthTooSmall);
            self.unpack(beyond)?;
        }
        let is_enough = self.rules.first.is_some_and(|first| self.sink.bytes.len() >= first);
        if is_enough { Err(Halt::Enough) } else { Ok(()) }
    }

    fn unpack(&mut self, part: &[u8]) -> Result<(), Halt> {
        match self.unpacker.push(part, &mut self.sink) {
            Ok(()) => Ok(()),
            // What is wanted came before.
            Err(_) if self.rules.first.is_some_and(|first| self.sink.bytes.len() >= first) => {
                Err(Halt::Enough)
            }
            Err(Stop::TooBig(why)) => Err(self.too_big(why)),
            Err(Stop::Damaged(why)) => Err(Halt::Broke(Broke::protocol(why))),
        }
    }

    fn too_big(&self, why: String) -> Halt {
        let why = if self.rules.is_feed { format!("{why}: see feeds.max_feed_bytes") } else { why };
        Halt::Broke(Broke::new(Failure::TooBig, why))
    }

    fn late(&self) -> Halt {
        let (limit, came) = (self.rules.limits.total.as_secs(), self.sink.wire);
        Halt::Broke(Broke::new(
            Failure::Timeout,
            format!("{came} bytes came within {limit} s, and not the end"),
        ))
    }

    /// The body, and whether it is whole.
    fn finish(mut self, halt: Option<Halt>, cost: &mut Cost) -> Taken {
        if let Some(Halt::Enough) = halt {
            let mut body = self.sink.bytes;
            body.truncate(self.rules.first.unwrap_or(usize::MAX));
            self.sink.faults.iter().for_each(|fault| cost.faults.note(fault));
            return Taken { body: body.into(), broke: None };
        }
        let (mut broke, mut fault) = match halt {
            Some(Halt::Broke(broke)) => {
                let fault = match broke.failure {
                    Failure::Protocol => HttpFault::PackedEnd,
                    Failure::Timeout
                    | Failure::Dns
                    | Failure::Tls
                    | Failure::Refused
                    | Failure::Connect
                    | Failure::RefusedAddress
                    | Failure::TooBig
                    | Failure::Slow => HttpFault::BrokenEnd,
                };
                (Some(broke), fault)
            }
            Some(Halt::Enough) | None => (None, HttpFault::BrokenEnd),
        };
        if let (None, Some((why, is))) = (&broke, self.framing.missing()) {
            (broke, fault) = (Some(Broke::new(Failure::Connect, format!("the body is cut: {why}"))), is);
        }
        let finished = self.unpacker.finish(&mut self.sink);
        cost.coding = self.unpacker.coding();
        let missing = match finished {
            Ok(missing) => missing.map(|why| (Failure::Protocol, why)),
            Err(Stop::TooBig(why)) => Some((Failure::TooBig, why)),
            Err(Stop::Damaged(why)) => Some((Failure::Protocol, why)),
        };
        match missing {
            Some((Failure::TooBig, why)) => broke = Some(Broke::new(Failure::TooBig, why)),
            Some((failure, why)) if broke.is_none() => {
                (broke, fault) = (Some(Broke::new(failure, why)), HttpFault::PackedEnd);
            }
            Some(_) | None => {}
        }
        let is_too_big = broke.as_ref().is_some_and(|broke| broke.failure == Failure::TooBig);
        if is_too_big {
            self.sink.bytes.clear();
        } else if broke.is_some() && self.ending.look(&self.sink.bytes) == Ended::Yes {
            cost.faults.note(fault);
            broke = None;
        }
        if !self.rules.may_be_packed {
            self.sink.faults.iter().for_each(|fault| cost.faults.note(fault));
        } else {
            let said = |fault: &HttpFault| *fault != HttpFault::CodingUnsaid;
            self.sink.faults.iter().filter(said).for_each(|fault| cost.faults.note(fault));
        }
        Taken { body: self.sink.bytes.into(), broke }
    }
}

fn slow(limits: &Limits, came: u64) -> Halt {
    let Limits { slow_window, slow_bytes, .. } = limits;
    let why = format!("{came} bytes in {} s: less than {slow_bytes}", slow_window.as_secs());
    Halt::Broke(Broke::new(Failure::Slow, why))
}
