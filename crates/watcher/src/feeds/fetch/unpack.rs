//! A body, unpacked while it comes: each layer as its bytes show it, and no more of anything than the limits let.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Crc, Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation, OutBuffer};

use super::Limits;
use super::coding::{Coding, TELLING, decide};
use super::faults::{HttpFault, HttpFaults};

/// Packed so often in one another; what is deeper is taken as it is.
const MOST_LAYERS: usize = 4;
/// Unpacked in such steps: a few bytes can become a lot.
const STEP: usize = 32 << 10;
/// The window that RFC 9659 lets HTTP use: 8 MiB.
const ZSTD_WINDOW_LOG: u32 = 23;
/// The header of gzip with its names is no longer.
const MOST_GZIP_HEADER: usize = 64 << 10;

/// Why no more is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// More bytes than may be; which limit.
    TooBig(String),
    /// The packing is damaged.
    Damaged(String),
}

/// Where unpacked bytes go.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) bytes: Vec<u8>,
    /// Bytes that were sent so far.
    pub(super) wire: u64,
    pub(super) faults: HttpFaults,
    limits: Limits,
}

impl Sink {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { bytes: Vec::new(), wire: 0, faults: HttpFaults::default(), limits: *limits }
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Stop> {
        if (self.bytes.len() + data.len()) as u64 > self.limits.body_bytes {
            return Err(Stop::TooBig(format!("more than {} bytes unpacked", self.limits.body_bytes)));
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// Whether a layer that gave so many bytes is no bomb.
    fn check(&self, unpacked: u64) -> Result<(), Stop> {
        let Limits { ratio, ratio_from_bytes, .. } = self.limits;
        if unpacked > ratio_from_bytes && unpacked > self.wire.saturating_mul(ratio) {
            let sent = self.wire;
            return Err(Stop::TooBig(format!(
                "{sent} bytes unpack to more than {ratio} times as many: a bomb"
            )));
        }
        Ok(())
    }
}

/// One layer of packing, and those within.
pub(super) struct Unpacker {
    named: Vec<Coding>,
    depth: usize,
    /// Until it is clear what it is.
    first: Vec<u8>,
    kind: Kind,
}

enum Kind {
    Unknown,
    Plain,
    Packed { coding: Coding, decoder: Box<Decoder>, within: Box<Unpacker>, unpacked: u64 },
}

impl Unpacker {
    /// Of what the head names, in the order in which it was applied.
    pub(super) fn new(named: Vec<Coding>) -> Self {
        Self { named, depth: 0, first: Vec::new(), kind: Kind::Unknown }
    }

    /// How the outermost layer is packed, as far as is known.
    pub(super) fn coding(&self) -> Coding {
        match &self.kind {
            Kind::Unknown | Kind::Plain => Coding::Identity,
            Kind::Packed { coding, .. } => *coding,
        }
    }

    /// Unpacks some.
    pub(super) fn push(&mut self, data: &[u8], sink: &mut Sink) -> Result<(), Stop> {
        if let Kind::Unknown = self.kind {
            self.first.extend_from_slice(data);
            if self.first.len() < TELLING {
                return Ok(());
            }
            return self.begin(sink);
        }
        self.feed(data, sink)
    }

    fn begin(&mut self, sink: &mut Sink) -> Result<(), Stop> {
        let coding = decide(&self.first, &mut self.named, &mut sink.faults);
        self.kind = match Decoder::new(coding)? {
            Some(decoder) if self.depth < MOST_LAYERS => {
                let named = std::mem::take(&mut self.named);
                let within = Self { depth: self.depth + 1, ..Self::new(named) };
                Kind::Packed { coding, decoder: Box::new(decoder), within: Box::new(within), unpacked: 0 }
            }
            Some(_) | None => Kind::Plain,
        };
        let first = std::mem::take(&mut self.first);
        self.feed(&first, sink)
    }

    fn feed(&mut self, data: &[u8], sink: &mut Sink) -> Result<(), Stop> {
        match &mut self.kind {
            Kind::Unknown => Ok(()),
            Kind::Plain => sink.push(data),
            Kind::Packed { decoder, within, unpacked, .. } => {
                let mut faults = HttpFaults::default();
                let result = decoder.push(data, &mut faults, &mut |out| {
                    *unpacked += out.len() as u64;
                    sink.check(*unpacked)?;
                    within.push(out, sink)
                });
                faults.iter().for_each(|fault| sink.faults.note(fault));
                result
            }
        }
    }

    /// Says that no more will come. What is missing, where something is.
    pub(super) fn finish(&mut self, sink: &mut Sink) -> Result<Option<String>, Stop> {
        if let Kind::Unknown = self.kind {
            self.begin(sink)?;
        }
        let missing = match &mut self.kind {
            Kind::Unknown | Kind::Plain => return Ok(None),
            Kind::Packed { coding, decoder, within, .. } => {
                let is_whole = decoder.is_whole(&mut sink.faults);
                let within = within.finish(sink)?;
                if is_whole { within } else { Some(format!("the {} data is cut", coding.name())) }
            }
        };
        Ok(missing)
    }
}

enum Decoder {
    Gzip(Gzip),
    Deflate { inflate: Decompress, head: Vec<u8>, has_begun: bool, is_done: bool },
    Br { state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>, is_done: bool },
    Zstd { decoder: Zstd<'static>, is_done: bool },
}

type Give<'a> = dyn FnMut(&[u8]) -> Result<(), Stop> + 'a;

impl Decoder {
    fn new(coding: Coding) -> Result<Option<Self>, Stop> {
        let failed = |error: std::io::Error| Stop::Damaged(format!("zstd cannot be read: {error}"));
        Ok(Some(match coding {
            Coding::Identity => return Ok(None),
            Coding::Gzip => Self::Gzip(Gzip::default()),
            Coding::Deflate => Self::Deflate {
                inflate: Decompress::new(false),
                head: Vec::new(),
                has_begun: false,
                is_done: false,
            },
            Coding::Br => {
                let alloc = StandardAlloc::default;
                Self::Br { state: Box::new(BrotliState::new(alloc(), alloc(), alloc())), is_done: false }
            }
            Coding::Zstd => {
                let mut decoder = Zstd::new().map_err(failed)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(failed)?;
                Self::Zstd { decoder, is_done: false }
            }
        }))
    }

    fn push(&mut self, data: &[u8], faults: &mut HttpFaults, give: &mut Give<'_>) -> Result<(), Stop> {
        match self {
            Self::Gzip(gzip) => gzip.push(data, faults, give),
            Self::Deflate { inflate, head, has_begun, is_done } => {
                let joined;
                let mut data = data;
                if !*has_begun {
                    head.extend_from_slice(data);
                    let [method, flags, ..] = head[..] else { return Ok(()) };
                    // zlib's two bytes in front are a multiple of 31; its sum behind is of no use here.
                    let is_zlib = method & 15 == 8
                        && u16::from_be_bytes([method, flags]).is_multiple_of(31)
                        && flags & 0x20 == 0;
                    *has_begun = true;
                    joined = std::mem::take(head);
                    data = &joined[if is_zlib { 2 } else { 0 }..];
                }
                if !*is_done {
                    *is_done = inflated(inflate, data, "deflate", give)?.is_some();
                }
                Ok(())
            }
            Self::Br { state, is_done } => brotli(state, data, is_done, faults, give),
            Self::Zstd { decoder, is_done } => zstandard(decoder, data, is_done, faults, give),
        }
    }

    /// Whether it came to its own end.
    fn is_whole(&self, faults: &mut HttpFaults) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.is_whole(faults),
            Self::Deflate { is_done, .. } | Self::Br { is_done, .. } | Self::Zstd { is_done, .. } => *is_done,
        }
    }
}

/// Inflates, and says where the end was if it came.
fn inflated(
    inflate: &mut Decompress,
    data: &[u8],
    what: &str,
    give: &mut Give<'_>,
) -> Result<Option<usize>, Stop> {
    let mut room = vec![0; STEP];
    let mut at = 0;
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let result = inflate.decompress(&data[at..], &mut room, FlushDecompress::None);
        let taken = usize::try_from(inflate.total_in() - read).unwrap_or(0);
        let given = usize::try_from(inflate.total_out() - written).unwrap_or(0);
        at += taken;
        give(&room[..given])?;
        match result {
            Err(_) => return Err(Stop::Damaged(format!("the {what} data is damaged"))),
            Ok(Status::StreamEnd) => return Ok(Some(at)),
            // Full: there may be more of it.
            Ok(Status::Ok | Status::BufError) if given == room.len() => {}
            Ok(Status::Ok | Status::BufError) if at == data.len() || taken + given == 0 => return Ok(None),
            Ok(Status::Ok | Status::BufError) => {}
        }
    }
}

fn brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    data: &[u8],
    is_done: &mut bool,
    faults: &mut HttpFaults,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let mut room = vec![0; STEP];
    let (mut left, mut at) = (data.len(), 0);
    while !*is_done {
        let (mut free, mut given, mut total) = (room.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left, &mut at, data, &mut free, &mut given, &mut room, &mut total, state,
        );
        give(&room[..given])?;
        match result {
            BrotliResult::ResultSuccess => *is_done = true,
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Ok(()),
            BrotliResult::ResultFailure => {
                return Err(Stop::Damaged("the br data is damaged, or is no br".to_owned()));
            }
        }
    }
    if left > 0 {
        faults.note(HttpFault::PackedTail);
    }
    Ok(())
}

fn zstandard(
    decoder: &mut Zstd<'static>,
    data: &[u8],
    is_done: &mut bool,
    faults: &mut HttpFaults,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let mut room = vec![0; STEP];
    let mut input = InBuffer::around(data);
    loop {
        if *is_done && input.pos() < data.len() {
            // Another frame, or something else. A frame's number that comes in two parts counts as something else.
            let rest = &data[input.pos()..];
            let is_frame = rest.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
                || matches!(rest, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
            if !is_frame || decoder.reinit().is_err() {
                faults.note(HttpFault::PackedTail);
                return Ok(());
            }
            *is_done = false;
        }
        let mut output = OutBuffer::around(&mut room[..]);
        let hint = decoder.run(&mut input, &mut output);
        let given = output.pos();
        give(&room[..given])?;
        match hint {
            Err(error) => return Err(Stop::Damaged(format!("the zstd data is damaged: {error}"))),
            Ok(0) => *is_done = true,
            Ok(_) => {}
        }
        if input.pos() == data.len() && given < room.len() {
            return Ok(());
        }
    }
}

/// gzip, with an eye on each of its parts.
#[derive(Debug, Default)]
struct Gzip {
    at: At,
    part: Vec<u8>,
    inflate: Option<Decompress>,
    sum: Crc,
    has_member: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Header,
    Data,
    /// The sum and the length.
    Trailer,
    /// Behind a member.
    Between,
    /// Behind the last one.
    Tail,
}

impl Gzip {
    fn push(&mut self, mut data: &[u8], faults: &mut HttpFaults, give: &mut Give<'_>) -> Result<(), Stop> {
        while !data.is_empty() {
            match self.at {
                At::Header => {
                    let before = self.part.len();
                    self.part.extend_from_slice(data);
                    let Some(length) = header_length(&self.part) else {
                        if self.part.len() > MOST_GZIP_HEADER {
                            return Err(Stop::Damaged("the gzip header does not end".to_owned()));
                        }
                        return Ok(());
                    };
                    data = &data[length - before..];
                    self.part.clear();
                    (self.inflate, self.sum) = (Some(Decompress::new(false)), Crc::new());
                    self.at = At::Data;
                }
                At::Data => {
                    let Some(inflate) = &mut self.inflate else { return Ok(()) };
                    let sum = &mut self.sum;
                    let end = inflated(inflate, data, "gzip", &mut |out| {
                        sum.update(out);
                        give(out)
                    })?;
                    let Some(end) = end else { return Ok(()) };
                    data = &data[end..];
                    (self.at, self.has_member) = (At::Trailer, true);
                }
                At::Trailer => {
                    let here = data.len().min(8 - self.part.len());
                    self.part.extend_from_slice(&data[..here]);
                    data = &data[here..];
                    if self.part.len() == 8 {
                        self.check(faults);
                        self.at = At::Between;
                    }
                }
                At::Between => {
                    self.part.extend_from_slice(&data[..1]);
                    data = &data[1..];
                    if self.part[..] == [0x1f, 0x8b, 8][..self.part.len()] {
                        if self.part.len() == 3 {
                            self.at = At::Header;
                        }
                    } else {
                        self.at = At::Tail;
                    }
                }
                At::Tail => {
                    faults.note(HttpFault::PackedTail);
                    return Ok(());
                }
            }
        }
        if self.at == At::Tail {
            faults.note(HttpFault::PackedTail);
        }
        Ok(())
    }

    fn check(&mut self, faults: &mut HttpFaults) {
        let wanted = [self.sum.sum().to_le_bytes(), self.sum.amount().to_le_bytes()].concat();
        if self.part != wanted {
            faults.note(HttpFault::PackedSum);
        }
        self.part.clear();
    }

    fn is_whole(&self, faults: &mut HttpFaults) -> bool {
        match self.at {
            // Of a second member there are a few bytes only: they hold nothing.
            At::Header => self.has_member,
            At::Data => false,
            At::Trailer => {
                faults.note(HttpFault::PackedEnd);
                true
            }
            At::Between | At::Tail => true,
        }
    }
}

/// Bytes of a member's header, once it is all there.
fn header_length(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    let mut at = 10;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    }
    for flag in [8, 16] {
        // A name and a comment, each up to a zero.
        if flags & flag != 0 {
            at += bytes.get(at..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    (bytes.len() >= at).then_some(at)
}

#[cfg(test)]
mod tests;
