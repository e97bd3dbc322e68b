//! The lines of a file that may be packed and may still grow, and proof that what was read of it is still there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use crate::filter::Packing;
use crate::unpack::{Unpacked, Utf16, utf16_order};

/// Bytes of the head, and of the tail, of what was read that must be unchanged for reading to go on behind it.
const PROOF_BYTES: usize = 4096;

/// What was read of a file: how much, and its head and tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix {
    bytes: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Prefix {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn extend(&mut self, more: &[u8]) {
        self.bytes += more.len() as u64;
        let room = PROOF_BYTES - self.head.len();
        self.head.extend_from_slice(&more[..more.len().min(room)]);
        if self.tail.len() > 16 * PROOF_BYTES {
            self.tail.drain(..self.tail.len() - PROOF_BYTES);
        }
        self.tail.extend_from_slice(&more[more.len().saturating_sub(PROOF_BYTES)..]);
    }

    /// SHA-256 of head and tail.
    pub(crate) fn proof(&self) -> [u8; 32] {
        let tail = &self.tail[self.tail.len().saturating_sub(PROOF_BYTES)..];
        Sha256::new()
            .chain_update(self.bytes.to_be_bytes())
            .chain_update(&self.head)
            .chain_update(tail)
            .finalize()
            .into()
    }
}

/// The bytes of a file, unpacked, as UTF-8 or in a charset in which a line end is one byte.
enum Input {
    AsItIs(BufReader<Unpacked<'static>>),
    Utf16(Box<Utf16<BufReader<Unpacked<'static>>>>),
}

impl Input {
    fn new(file: File, packing: Packing, charset: Option<&str>) -> io::Result<Self> {
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, Unpacked::new(Box::new(file), packing)?);
        let order = utf16_order(plain.fill_buf()?, charset);
        Ok(match order {
            None => Self::AsItIs(plain),
            Some(big_endian) => Self::Utf16(Box::new(Utf16::new(plain, big_endian))),
        })
    }

    fn unpacked(&self) -> &Unpacked<'static> {
        match self {
            Self::AsItIs(plain) => plain.get_ref(),
            Self::Utf16(utf16) => utf16.get_ref().get_ref(),
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::AsItIs(plain) => plain.read(into),
            Self::Utf16(utf16) => utf16.read(into),
        }
    }
}

/// A file read line by line.
pub(crate) struct LineReader {
    input: BufReader<Input>,
    /// What was read so far, the present line not included.
    pub(crate) prefix: Prefix,
    /// The present line.
    pub(crate) line: LineBytes,
}

/// One line, with its line end.
#[derive(Debug, Default)]
pub(crate) struct LineBytes {
    /// It, or its start where it is too long.
    pub(crate) kept: Vec<u8>,
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// False for what is behind the last line end.
    pub(crate) has_end: bool,
    /// Set where it is longer than the limit.
    long: Option<Long>,
}

/// What is known of a line that is not kept whole.
#[derive(Debug)]
struct Long {
    hasher: Sha256,
    prefix: Prefix,
}

const BUFFER_BYTES: usize = 128 << 10;

impl LineReader {
    /// Starts at the beginning.
    pub(crate) fn new(file: File, packing: Packing, charset: Option<&str>) -> io::Result<Self> {
        let input = BufReader::with_capacity(BUFFER_BYTES, Input::new(file, packing, charset)?);
        Ok(Self { input, prefix: Prefix::default(), line: LineBytes::default() })
    }

    /// Starts behind `bytes` bytes, if those are still the ones of that proof.
    pub(crate) fn resume(
        mut file: File,
        packing: Packing,
        charset: Option<&str>,
        bytes: u64,
        proof: &[u8; 32],
    ) -> io::Result<Option<Self>> {
        let mut start = Vec::new();
        (&file).take(4).read_to_end(&mut start)?;
        file.rewind()?;
        let is_as_it_is = packing == Packing::Plain && utf16_order(&start, charset).is_none();
        let reader = if is_as_it_is {
            Self::resume_plain(file, bytes)?
        } else {
            let mut reader = Self::new(file, packing, charset)?;
            let mut piece = Vec::new();
            while reader.prefix.bytes < bytes {
                let wanted = (bytes - reader.prefix.bytes).min(BUFFER_BYTES as u64);
                piece.clear();
                if (&mut reader.input).take(wanted).read_to_end(&mut piece)? == 0 {
                    return Ok(None);
                }
                reader.prefix.extend(&piece);
            }
            reader
        };
        Ok((reader.prefix.bytes == bytes && reader.prefix.proof() == *proof).then_some(reader))
    }

    fn resume_plain(mut file: File, bytes: u64) -> io::Result<Self> {
        let mut prefix = Prefix { bytes, ..Prefix::default() };
        let proof_bytes = bytes.min(PROOF_BYTES as u64);
        (&file).take(proof_bytes).read_to_end(&mut prefix.head)?;
        file.seek(SeekFrom::Start(bytes - proof_bytes))?;
        (&file).take(proof_bytes).read_to_end(&mut prefix.tail)?;
        file.seek(SeekFrom::Start(bytes))?;
        // What is there has been looked at: it is not UTF-16, however it goes on.
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let plain = BufReader::new(Unpacked::new(Box::new(file), Packing::Plain)?);
        let input = BufReader::with_capacity(BUFFER_BYTES, Input::AsItIs(plain));
        Ok(Self { input, prefix, line: LineBytes::default() })
    }

    /// Bytes behind the last member of an archive that was read to its end, and whether it is no archive.
    pub(crate) fn oddities(&self) -> (u64, bool) {
        let unpacked = self.input.get_ref().unpacked();
        (unpacked.tail_bytes, unpacked.is_plain)
    }

    /// Reads the next line into `line`; false at the end. Of a line longer than `limit` bytes, `most_kept` are kept.
    pub(crate) fn next(&mut self, limit: usize, most_kept: usize) -> io::Result<bool> {
        let line = &mut self.line;
        line.kept.clear();
        (line.bytes, line.has_end, line.long) = (0, false, None);
        while !line.has_end {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..end.map_or(buffer.len(), |end| end + 1)];
            line.has_end = end.is_some();
            line.bytes += piece.len() as u64;
            if line.bytes > limit as u64 {
                let long = line.long.get_or_insert_with(|| Long::of(&line.kept, &self.prefix));
                long.hasher.update(piece);
                long.prefix.extend(piece);
                line.kept.truncate(most_kept);
                let room = most_kept - line.kept.len();
                line.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            } else {
                line.kept.extend_from_slice(piece);
            }
            let bytes = piece.len();
            self.input.consume(bytes);
        }
        Ok(line.bytes > 0)
    }

    /// Counts the present line as read.
    pub(crate) fn accept(&mut self) {
        match self.line.long.take() {
            Some(long) => self.prefix = long.prefix,
            None => self.prefix.extend(&self.line.kept),
        }
    }
}

impl Long {
    fn of(start: &[u8], before: &Prefix) -> Self {
        let mut prefix = before.clone();
        prefix.extend(start);
        Self { hasher: Sha256::new_with_prefix(start), prefix }
    }
}

impl LineBytes {
    /// SHA-256 of all of a line that is longer than the limit.
    pub(crate) fn long_sha256(&self) -> Option<[u8; 32]> {
        self.long.as_ref().map(|long| long.hasher.clone().finalize().into())
    }

    /// The line without its end, and without the mark some writers begin a file with.
    pub(crate) fn content(&self) -> &[u8] {
        let content = self.kept.strip_suffix(b"\n").unwrap_or(&self.kept);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("written");
        file.rewind().expect("rewound");
        file
    }

    fn all(content: &[u8], limit: usize, kept: usize) -> Vec<(String, u64, bool, bool)> {
        let mut reader = LineReader::new(file(content), Packing::Plain, None).expect("plain");
        let mut lines = Vec::new();
        while reader.next(limit, kept).expect("readable") {
            let line = &reader.line;
            let text = String::from_utf8_lossy(line.content()).into_owned();
            lines.push((text, line.bytes, line.has_end, line.long.is_some()));
            reader.accept();
        }
        assert_eq!(reader.prefix.bytes(), content.len() as u64);
        lines
    }

    #[test]
    fn lines_end_with_or_without_an_end() {
        let line = |text: &str, bytes, has_end| (text.to_owned(), bytes, has_end, false);
        assert_eq!(
            all("\u{feff}a\r\n\nlast".as_bytes(), 100, 100),
            [line("a", 6, true), line("", 1, true), line("last", 4, false)]
        );
        assert_eq!(all(b"", 100, 100), []);
    }

    #[test]
    fn a_long_line_is_hashed_whole_and_kept_in_part() {
        let long = vec![b'x'; 300_000];
        let content = [b"ab\n", &long[..], b"\ncd\n"].concat();
        for kept in [5, 200_000] {
            let lines = all(&content, 1000, kept);
            assert_eq!(lines[1], ("x".repeat(kept), 300_001, true, true));
            assert_eq!(lines[2], ("cd".into(), 3, true, false));
        }
        let mut reader = LineReader::new(file(&long), Packing::Plain, None).expect("plain");
        assert!(reader.next(1000, 5).expect("readable"));
        assert_eq!(reader.line.long_sha256(), Some(Sha256::digest(&long).into()));
    }

    #[test]
    fn reading_goes_on_only_behind_what_was_read() {
        let content: Vec<u8> = (0..3000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let packings = [
            (Packing::Plain, content.clone()),
            (Packing::Zstd, zstd::encode_all(&content[..], 1).expect("in memory")),
        ];
        for (packing, stored) in packings {
            let mut reader = LineReader::new(file(&stored), packing, None).expect("opened");
            for _ in 0..2000 {
                assert!(reader.next(100, 100).expect("readable"));
                reader.accept();
            }
            let (bytes, proof) = (reader.prefix.bytes(), reader.prefix.proof());
            let resume = |stored: &[u8], bytes, proof: &[u8; 32]| {
                LineReader::resume(file(stored), packing, None, bytes, proof).expect("readable")
            };
            let mut resumed = resume(&stored, bytes, &proof).expect("unchanged");
            assert!(resumed.next(100, 100).expect("readable"));
            assert_eq!(resumed.line.content(), b"line 2000");
            resumed.accept();
            reader.next(100, 100).expect("readable");
            reader.accept();
            assert_eq!(resumed.prefix.proof(), reader.prefix.proof(), "as if it had never stopped");
            assert!(resume(&stored, bytes - 1, &proof).is_none(), "{packing:?}");
            assert!(resume(&stored, bytes * 2, &proof).is_none(), "{packing:?}");
        }
        let mut changed = content.clone();
        changed[10] ^= 1;
        let proof = {
            let mut prefix = Prefix::default();
            prefix.extend(&content);
            prefix.proof()
        };
        let resume =
            |content| LineReader::resume(file(content), Packing::Plain, None, content.len() as u64, &proof);
        assert!(resume(&content).expect("readable").is_some());
        assert!(resume(&changed).expect("readable").is_none());
    }
}
