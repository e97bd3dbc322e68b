//! Stored forms: fixed-width big-endian fields behind one byte that names the form.

use barid_record::{RecordId, Topic};

/// First byte of every stored value: the form it is written in.
pub(crate) const FORM: u8 = 1;

/// A topic as one byte: its place in [`Topic::ALL`].
pub(crate) fn topic_byte(topic: Topic) -> u8 {
    Topic::ALL.iter().position(|known| *known == topic).unwrap_or(0) as u8
}

/// Reads a stored form piece by piece; `None` once it is too short.
pub(crate) struct Reader<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.strip_prefix(&[FORM]) }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest?.split_first_chunk::<N>()?;
        self.rest = Some(tail);
        Some(*head)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn record_id(&mut self) -> Option<RecordId> {
        self.array().map(RecordId)
    }

    pub(crate) fn topic(&mut self) -> Option<Topic> {
        Topic::ALL.get(usize::from(self.byte()?)).copied()
    }

    /// True when all of it was read, and nothing was missing.
    pub(crate) fn is_done(&self) -> bool {
        self.rest.is_some_and(<[u8]>::is_empty)
    }
}
