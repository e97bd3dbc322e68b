//! Packed bytes become plain: gzip with any number of members and something behind the last one, zstd, and
//! files that are only named as packed. UTF-16 becomes UTF-8 where lines are looked for.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::filter::Packing;

/// Reads what a file holds.
pub(crate) struct Unpacked<'a> {
    inner: Inner<'a>,
    /// Bytes behind the last gzip member, which are not read.
    pub(crate) tail_bytes: u64,
    /// It is named as packed, and is not.
    pub(crate) is_plain: bool,
}

type Input<'a> = Box<dyn BufRead + 'a>;

enum Inner<'a> {
    Plain(Input<'a>),
    Gzip(Box<GzDecoder<Input<'a>>>),
    Zstd(Box<zstd::Decoder<'static, Input<'a>>>),
    Done,
}

const GZIP: [u8; 2] = [0x1F, 0x8B];

impl<'a> Unpacked<'a> {
    /// Looks at the first bytes; the name says only what they may be.
    pub(crate) fn new(mut input: Input<'a>, packing: Packing) -> io::Result<Self> {
        let start = input.fill_buf()?;
        let is_packed = match packing {
            Packing::Plain => false,
            // Cut within its first two bytes, it is still an archive.
            Packing::Gzip => start.starts_with(&GZIP) || start == &GZIP[..1],
            Packing::Zstd => is_zstd(start),
        };
        let is_plain = packing != Packing::Plain && !is_packed && !start.is_empty();
        let inner = match packing {
            Packing::Gzip if is_packed => Inner::Gzip(Box::new(GzDecoder::new(input))),
            Packing::Zstd if is_packed => Inner::Zstd(Box::new(zstd::Decoder::with_buffer(input)?)),
            Packing::Plain | Packing::Gzip | Packing::Zstd => Inner::Plain(input),
        };
        Ok(Self { inner, tail_bytes: 0, is_plain })
    }

    /// Goes on behind a member that ended: another one, or what is none.
    fn next_member(&mut self) -> io::Result<()> {
        let Inner::Gzip(decoder) = std::mem::replace(&mut self.inner, Inner::Done) else { return Ok(()) };
        let mut input = decoder.into_inner();
        let start = input.fill_buf()?;
        if start.starts_with(&GZIP) {
            self.inner = Inner::Gzip(Box::new(GzDecoder::new(input)));
            return Ok(());
        }
        // The one byte of a buffer that ends just there may begin another member.
        if start == &GZIP[..1] {
            input.consume(1);
            if input.fill_buf()?.first() == Some(&GZIP[1]) {
                let again: Input<'a> = Box::new(io::BufReader::new((&GZIP[..1]).chain(input)));
                self.inner = Inner::Gzip(Box::new(GzDecoder::new(again)));
                return Ok(());
            }
            self.tail_bytes += 1;
        }
        self.tail_bytes += io::copy(&mut input, &mut io::sink())?;
        Ok(())
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.inner {
                Inner::Plain(input) => return input.read(into),
                Inner::Zstd(decoder) => return decoder.read(into),
                Inner::Done => return Ok(0),
                Inner::Gzip(decoder) => decoder.read(into)?,
            };
            if read > 0 || into.is_empty() {
                return Ok(read);
            }
            self.next_member()?;
        }
    }
}

/// A frame, or one to be skipped; also where it is cut in its first bytes.
fn is_zstd(start: &[u8]) -> bool {
    const FRAME: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    let begin = &start[..start.len().min(4)];
    let is_skipped = begin.len() == 4 && begin[0] & 0xF0 == 0x50 && begin[1..] == [0x2A, 0x4D, 0x18];
    !begin.is_empty() && FRAME.starts_with(begin) || is_skipped
}

/// The order of the bytes of UTF-16: by a mark, or by the charset of the source.
pub(crate) fn utf16_order(start: &[u8], charset: Option<&str>) -> Option<bool> {
    let label = charset.unwrap_or_default().trim().to_ascii_lowercase();
    match start {
        [0xFF, 0xFE, 0, 0, ..] => None,
        [0xFF, 0xFE, ..] => Some(false),
        [0xFE, 0xFF, ..] => Some(true),
        // UTF-8 is UTF-8, whatever was said: in UTF-16 one of the bytes of `{` is zero.
        [0, _, ..] | [_, 0, ..] => match label.as_str() {
            "utf-16" | "utf-16le" | "unicode" | "ucs-2" | "iso-10646-ucs-2" | "csunicode" => Some(false),
            "utf-16be" | "unicodefffe" => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// UTF-16 as UTF-8. Half a surrogate pair, or of a character, is U+FFFD.
pub(crate) struct Utf16<R> {
    input: R,
    big_endian: bool,
    /// A byte or a high surrogate whose other half is to come.
    odd: Option<u8>,
    high: Option<u16>,
    out: Vec<u8>,
    at: usize,
    is_done: bool,
}

impl<R: Read> Utf16<R> {
    pub(crate) fn new(input: R, big_endian: bool) -> Self {
        Self { input, big_endian, odd: None, high: None, out: Vec::new(), at: 0, is_done: false }
    }

    pub(crate) fn get_ref(&self) -> &R {
        &self.input
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.at = 0;
        let mut piece = [0; 16 << 10];
        let read = self.input.read(&mut piece)?;
        self.is_done = read == 0;
        for byte in &piece[..read] {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let pair = [first, *byte];
            let unit = if self.big_endian { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            self.unit(unit);
        }
        if self.is_done && (self.odd.take().is_some() | self.high.take().is_some()) {
            self.put(char::REPLACEMENT_CHARACTER);
        }
        Ok(())
    }

    fn unit(&mut self, unit: u16) {
        let high = self.high.take();
        let pair = high.map(|high| char::decode_utf16([high, unit]).next());
        match (pair, unit) {
            (Some(Some(Ok(letter))), _) => self.put(letter),
            (Some(_), _) => {
                self.put(char::REPLACEMENT_CHARACTER);
                self.unit(unit);
            }
            (None, 0xD800..=0xDBFF) => self.high = Some(unit),
            (None, _) => {
                self.put(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    fn put(&mut self, letter: char) {
        self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.out.len() {
            if self.is_done {
                return Ok(0);
            }
            self.fill()?;
        }
        let count = into.len().min(self.out.len() - self.at);
        into[..count].copy_from_slice(&self.out[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::gzip;

    /// A reader that gives its bytes in pieces of that length.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = into.len().min(self.0.len()).min(self.1);
            into[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn unpack(packed: &[u8], packing: Packing, piece: usize) -> io::Result<(String, u64, bool)> {
        let input = io::BufReader::with_capacity(piece.max(8), Pieces(packed, piece));
        let mut unpacked = Unpacked::new(Box::new(input), packing)?;
        let mut text = String::new();
        unpacked.read_to_string(&mut text)?;
        Ok((text, unpacked.tail_bytes, unpacked.is_plain))
    }

    #[test]
    fn members_are_read_and_what_is_behind_them_is_counted() {
        let member = gzip(b"first ");
        for piece in [1, 7, 4096] {
            for (tail, tail_bytes) in
                [(&b""[..], 0), (&[0; 600][..], 600), (b"<!-- cached -->\n", 16), (b"\x1f", 1), (b"\x1fx", 2)]
            {
                let packed = [&member[..], &gzip(b"second"), tail].concat();
                let unpacked = unpack(&packed, Packing::Gzip, piece).expect("readable");
                assert_eq!(unpacked, ("first second".to_owned(), tail_bytes, false), "{piece} {tail:?}");
            }
            let cut = [&member[..], &gzip(b"second")[..12]].concat();
            assert!(unpack(&cut, Packing::Gzip, piece).is_err(), "a member that is cut is no tail");
            assert!(unpack(&member[..1], Packing::Gzip, piece).is_err());
        }
    }

    #[test]
    fn a_plain_file_named_as_packed_is_read() {
        for packing in [Packing::Gzip, Packing::Zstd] {
            assert_eq!(
                unpack(b"plain text", packing, 4096).expect("readable"),
                ("plain text".to_owned(), 0, true)
            );
            assert_eq!(unpack(b"", packing, 4096).expect("readable"), (String::new(), 0, false));
        }
        let packed = zstd::encode_all(&b"packed"[..], 1).expect("in memory");
        assert_eq!(unpack(&packed, Packing::Zstd, 4096).expect("readable").0, "packed");
        assert!(unpack(&packed[..3], Packing::Zstd, 4096).is_err());
    }

    #[test]
    fn utf16_is_read_in_any_pieces() {
        let text = "خبر 🚀 a\n";
        for big_endian in [false, true] {
            let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let mut stored: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
            for (half, expected) in [
                (vec![], ""),
                (vec![0xD83D, 0x61], "\u{FFFD}a"),
                (vec![0xD83D, 0xD83D, 0xDE80, 0xDE80], "\u{FFFD}🚀\u{FFFD}"),
                (vec![0xD83D], "\u{FFFD}"),
            ] {
                let mut with = stored.clone();
                with.extend(half.into_iter().flat_map(bytes));
                for piece in [1, 3, 4096] {
                    let mut read = String::new();
                    Utf16::new(Pieces(&with, piece), big_endian).read_to_string(&mut read).expect("readable");
                    assert_eq!(read, format!("{text}{expected}"));
                }
            }
            stored.push(b'x');
            let mut read = String::new();
            Utf16::new(&stored[..], big_endian).read_to_string(&mut read).expect("readable");
            assert_eq!(read, format!("{text}\u{FFFD}"));
        }
        assert_eq!(utf16_order(b"\xFF\xFE{\0", None), Some(false));
        assert_eq!(utf16_order(b"\xFE\xFF\0{", Some("utf-8")), Some(true));
        assert_eq!(utf16_order(b"{\0", Some("utf-16")), Some(false));
        assert_eq!(utf16_order(b"\0{", Some("UTF-16BE")), Some(true));
        assert_eq!((utf16_order(b"{\"", Some("utf-16")), utf16_order(b"{\0", None)), (None, None));
    }
}
