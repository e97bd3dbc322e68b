//! A block: the messages one unit produced to one topic, compressed together and written once.
//!
//! ```text
//! header  magic u32 | version u8 | codec u8 | 0 u16 | base_offset u64 | count u32 | raw u32 | stored u32 | newest_timestamp i64
//!         | payload crc32c u32 | header crc32c u32            (all little-endian, 44 bytes)
//! payload `stored` bytes: the messages, compressed as `codec` says
//! message timestamp | key | header count | (name | value)* | value      (varints and length-prefixed strings)
//! ```
//!
//! The worker's thread compresses and sums the payload; the committer, who alone knows the offset, seals the header.

use barid_record::Topic;
use bytes::Bytes;

use super::config::Codec;
use super::wire::{Reader, put_bytes, put_varint, u32_at, u64_at, unzigzag, zigzag};
use crate::api::{Message, Outgoing};

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 44;
/// Most bytes a block may have uncompressed: one message may be large, but not this large.
pub(crate) const MAX_RAW_BYTES: usize = 512 << 20;
const MAGIC: u32 = u32::from_le_bytes(*b"brdB");
const VERSION: u8 = 1;
const SUMMED_BYTES: usize = HEADER_BYTES - 4;

/// A block on its way to the disk: header space first, then the payload.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    pub(crate) topic: Topic,
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) newest_timestamp_ms: i64,
    /// The uncompressed messages, for readers close behind.
    pub(crate) raw: Bytes,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) base_offset: u64,
    pub(crate) count: u32,
    pub(crate) stored_bytes: u32,
    pub(crate) newest_timestamp_ms: i64,
    raw_bytes: u32,
    payload_crc: u32,
    codec: Codec,
}

impl Header {
    /// Header and payload.
    pub(crate) fn total_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.stored_bytes)
    }

    /// The offset after the last message.
    pub(crate) fn next_offset(&self) -> u64 {
        self.base_offset + u64::from(self.count)
    }

    /// Reads a header; what is wrong with it otherwise.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() < HEADER_BYTES {
            return Err("the block header is cut short");
        }
        if u32_at(bytes, 0) != MAGIC {
            return Err("this is not a block");
        }
        if u32_at(bytes, SUMMED_BYTES) != crc32c::crc32c(&bytes[..SUMMED_BYTES]) {
            return Err("the block header does not match its checksum");
        }
        if bytes[4] != VERSION {
            return Err("the block is of a version this program does not know");
        }
        let codec = match bytes[5] {
            0 => Codec::None,
            1 => Codec::Lz4,
            2 => Codec::Zstd,
            _ => return Err("the block uses a compression this program does not know"),
        };
        Ok(Self {
            base_offset: u64_at(bytes, 8),
            count: u32_at(bytes, 16),
            raw_bytes: u32_at(bytes, 20),
            stored_bytes: u32_at(bytes, 24),
            newest_timestamp_ms: u64_at(bytes, 28) as i64,
            payload_crc: u32_at(bytes, 36),
            codec,
        })
    }

    /// The uncompressed messages; what is wrong with the payload otherwise.
    pub(crate) fn open(&self, payload: Bytes) -> Result<Bytes, &'static str> {
        const WRONG: &str = "the block does not decompress";
        if payload.len() != self.stored_bytes as usize {
            return Err("the block is cut short");
        }
        if crc32c::crc32c(&payload) != self.payload_crc {
            return Err("the block does not match its checksum");
        }
        let raw_bytes = self.raw_bytes as usize;
        let raw = match self.codec {
            Codec::None => payload,
            Codec::Lz4 => lz4_flex::block::decompress(&payload, raw_bytes).map_err(|_| WRONG)?.into(),
            Codec::Zstd => zstd::bulk::decompress(&payload, raw_bytes).map_err(|_| WRONG)?.into(),
        };
        if raw.len() == raw_bytes { Ok(raw) } else { Err(WRONG) }
    }
}

/// Encodes and compresses blocks, keeping what the next block can use again.
pub(crate) struct Encoder {
    codec: Codec,
    block_bytes: usize,
    /// Compressed bytes before they are copied to a block of just their size.
    scratch: Vec<u8>,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Encoder {
    pub(crate) fn new(codec: Codec, block_bytes: usize) -> Self {
        Self { codec, block_bytes, scratch: Vec::new(), zstd: zstd::bulk::Compressor::default() }
    }

    /// Encodes messages of one topic, closing a block each time `block_bytes` uncompressed bytes are reached.
    pub(crate) fn encode(&mut self, topic: Topic, messages: &[&Outgoing]) -> Vec<Encoded> {
        let mut blocks = Vec::new();
        let mut rest = messages;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|message| {
                let fits = bytes < self.block_bytes;
                bytes += message.bytes();
                fits
            });
            let (now, later) = rest.split_at(fitting.count());
            let mut raw = Vec::with_capacity(now.iter().map(|message| message.bytes()).sum());
            now.iter().for_each(|message| write_message(&mut raw, message));
            let newest = now.iter().map(|message| message.timestamp_ms).max().unwrap_or(0);
            blocks.push(self.close(topic, raw, now.len() as u32, newest));
            rest = later;
        }
        blocks
    }

    fn close(&mut self, topic: Topic, raw: Vec<u8>, count: u32, newest_timestamp_ms: i64) -> Encoded {
        let (codec, payload) = match self.compress(&raw) {
            Some(len) => (self.codec, &self.scratch[..len]),
            None => (Codec::None, &raw[..]),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&MAGIC.to_le_bytes());
        bytes.push(VERSION);
        bytes.push(match codec {
            Codec::None => 0,
            Codec::Lz4 => 1,
            Codec::Zstd => 2,
        });
        // The offset is not known yet: see `seal`.
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&newest_timestamp_ms.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(payload).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        Encoded { topic, bytes, count, newest_timestamp_ms, raw: raw.into() }
    }

    /// Compresses into `scratch`; the compressed length when that is worth it.
    fn compress(&mut self, raw: &[u8]) -> Option<usize> {
        let most = match self.codec {
            Codec::None => return None,
            Codec::Lz4 => lz4_flex::block::get_maximum_output_size(raw.len()),
            Codec::Zstd => zstd::zstd_safe::compress_bound(raw.len()),
        };
        if self.scratch.len() < most {
            self.scratch.resize(most, 0);
        }
        let len = match self.codec {
            Codec::None => None,
            Codec::Lz4 => lz4_flex::block::compress_into(raw, &mut self.scratch).ok(),
            Codec::Zstd => self.zstd.compress_to_buffer(raw, &mut self.scratch[..]).ok(),
        };
        len.filter(|&len| len < raw.len())
    }
}

/// Gives the block its place in the topic: fills the header in.
pub(crate) fn seal(block: &mut Encoded, base_offset: u64) {
    block.bytes[8..16].copy_from_slice(&base_offset.to_le_bytes());
    let crc = crc32c::crc32c(&block.bytes[..SUMMED_BYTES]);
    block.bytes[SUMMED_BYTES..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// The messages of an uncompressed block, as views into it; `None` when they do not add up.
pub(crate) fn messages(topic: Topic, base_offset: u64, count: u32, raw: &Bytes) -> Option<Vec<Message>> {
    let mut reader = Reader::new(raw.clone());
    let mut messages = Vec::with_capacity((count as usize).min(raw.len()));
    for offset in base_offset..base_offset + u64::from(count) {
        messages.push(read_message(&mut reader, topic, offset)?);
    }
    reader.is_done().then_some(messages)
}

fn write_message(raw: &mut Vec<u8>, message: &Outgoing) {
    put_varint(raw, zigzag(message.timestamp_ms));
    put_bytes(raw, &message.key);
    put_varint(raw, message.headers.len() as u64);
    for (name, value) in &message.headers {
        put_bytes(raw, name);
        put_bytes(raw, value);
    }
    put_bytes(raw, &message.value);
}

fn read_message(reader: &mut Reader, topic: Topic, offset: u64) -> Option<Message> {
    let timestamp_ms = unzigzag(reader.varint()?);
    let key = reader.bytes()?;
    let count = reader.varint()?;
    let mut headers = Vec::with_capacity(count.min(64) as usize);
    for _ in 0..count {
        headers.push((reader.bytes()?, reader.bytes()?));
    }
    Some(Message { topic, partition: 0, offset, timestamp_ms, key, headers, value: reader.bytes()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(index: usize, bytes: usize) -> Outgoing {
        Outgoing {
            topic: Topic::Raw,
            timestamp_ms: 1_000 - index as i64,
            key: format!("key {index}").into(),
            headers: vec![("ce_id".into(), format!("{index}").into())],
            value: "كلمة ".repeat(bytes / 9).into(),
        }
    }

    fn read_back(mut block: Encoded, base: u64) -> Result<Vec<Message>, &'static str> {
        seal(&mut block, base);
        let header = Header::read(&block.bytes)?;
        let raw = header.open(Bytes::copy_from_slice(&block.bytes[HEADER_BYTES..]))?;
        assert_eq!(raw, block.raw);
        messages(block.topic, header.base_offset, header.count, &raw).ok_or("messages")
    }

    #[test]
    fn messages_come_back_whatever_the_codec() {
        let sent: Vec<_> = (0..20).map(|index| outgoing(index, 900)).collect();
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let blocks = Encoder::new(codec, 4_000).encode(Topic::Raw, &sent.iter().collect::<Vec<_>>());
            assert!(blocks.len() > 2, "{codec:?} closed {} blocks", blocks.len());
            let mut base = 7;
            for block in blocks {
                let count = block.count;
                for message in read_back(block, base).unwrap() {
                    let wanted = &sent[(message.offset - 7) as usize];
                    assert_eq!((&message.key, &message.value), (&wanted.key, &wanted.value));
                    assert_eq!(
                        (message.timestamp_ms, &message.headers),
                        (wanted.timestamp_ms, &wanted.headers)
                    );
                }
                base += u64::from(count);
            }
            assert_eq!(base, 27);
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let mut block = Encoder::new(codec, 4_000).encode(Topic::Raw, &[&outgoing(1, 300)]).remove(0);
            seal(&mut block, 3);
            let read = |bytes: &[u8]| {
                let header = Header::read(bytes)?;
                header.open(Bytes::copy_from_slice(&bytes[HEADER_BYTES..]))
            };
            assert!(read(&block.bytes).is_ok());
            for at in 0..block.bytes.len() {
                let mut broken = block.bytes.clone();
                broken[at] ^= 0x40;
                assert!(read(&broken).is_err(), "flip at {at}");
                assert!(read(&block.bytes[..at]).is_err(), "cut at {at}");
            }
        }
    }
}
