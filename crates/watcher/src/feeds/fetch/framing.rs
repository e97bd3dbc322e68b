//! Where a body ends, by its head and by itself; nobody is believed who is proved wrong.

use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use memchr::memchr;

use super::faults::{HttpFault, HttpFaults};

/// A size line of a chunk is no longer.
const MOST_LINE: usize = 16 << 10;

/// Takes a body out of what comes.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes, and what came of them.
    Length { says: u64, came: u64 },
    /// In chunks.
    Chunked(Chunks),
    /// Until the connection ends.
    Close,
}

/// How far a body is, by its framing alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// More is to come.
    Before,
    /// The end that was announced.
    End,
    /// Nobody announced an end.
    Unknown,
}

impl Framing {
    /// As the head says.
    pub(super) fn of(headers: &HeaderMap, faults: &mut HttpFaults) -> Self {
        let tokens = |name| {
            let values = headers.get_all(name).into_iter();
            values.flat_map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                text.split(',').map(|token| token.trim().to_ascii_lowercase()).collect::<Vec<_>>()
            })
        };
        let lengths: Vec<Option<u64>> = tokens(CONTENT_LENGTH).map(|token| number(&token)).collect();
        if tokens(TRANSFER_ENCODING).any(|token| token == "chunked") {
            if !lengths.is_empty() {
                faults.note(HttpFault::Length);
            }
            return Self::Chunked(Chunks::default());
        }
        let Some(first) = lengths.first() else { return Self::Close };
        match first {
            Some(says) if lengths.iter().all(|length| length == first) => {
                Self::Length { says: *says, came: 0 }
            }
            Some(_) | None => {
                faults.note(HttpFault::Length);
                Self::Close
            }
        }
    }

    /// What of these bytes belongs to the body. Returns those beyond the length that was announced: perhaps they belong to it all the same.
    pub(super) fn take<'a>(
        &mut self,
        data: &'a [u8],
        out: &mut Vec<u8>,
        faults: &mut HttpFaults,
    ) -> &'a [u8] {
        match self {
            Self::Length { says, came } => {
                let here = data.len().min(usize::try_from(*says - *came).unwrap_or(usize::MAX));
                *came += here as u64;
                out.extend_from_slice(&data[..here]);
                &data[here..]
            }
            Self::Chunked(chunks) => {
                chunks.take(data, out, faults);
                &[]
            }
            Self::Close => {
                out.extend_from_slice(data);
                &[]
            }
        }
    }

    /// How far it is.
    pub(super) fn reached(&self) -> Reached {
        match self {
            Self::Length { says, came } if came >= says => Reached::End,
            Self::Length { .. } => Reached::Before,
            Self::Chunked(chunks) => match chunks.at {
                At::Plain => Reached::Unknown,
                At::Done => Reached::End,
                At::Size | At::Data(_) | At::DataEnd | At::Damaged => Reached::Before,
            },
            Self::Close => Reached::Unknown,
        }
    }

    /// Whether nothing of use can follow, whatever comes.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Chunked(chunks) => match chunks.at {
                At::Done | At::Damaged => true,
                At::Size | At::Data(_) | At::DataEnd | At::Plain => false,
            },
            Self::Length { .. } | Self::Close => false,
        }
    }

    /// What is missing where the connection ended before the end that was announced, and the fault that it is in a document that is whole all the same.
    pub(super) fn missing(&self) -> Option<(String, HttpFault)> {
        match (self, self.reached()) {
            (_, Reached::End | Reached::Unknown) | (Self::Close, Reached::Before) => None,
            (Self::Length { says, came }, Reached::Before) => {
                Some((format!("{came} of {says} bytes came"), HttpFault::LengthTooLarge))
            }
            (Self::Chunked(chunks), Reached::Before) => {
                let what = if chunks.at == At::Damaged {
                    "the size of a chunk is no number"
                } else {
                    "the last chunk is missing"
                };
                Some((what.to_owned(), HttpFault::ChunksEnd))
            }
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Chunks, as they come.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
    line: Vec<u8>,
    has_begun: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// In a line with a size.
    #[default]
    Size,
    /// So many bytes before the end of a chunk.
    Data(u64),
    /// Behind a chunk.
    DataEnd,
    /// Behind the last one.
    Done,
    /// Where a size should be is none.
    Damaged,
    /// They are none at all.
    Plain,
}

impl Chunks {
    fn take(&mut self, mut data: &[u8], out: &mut Vec<u8>, faults: &mut HttpFaults) {
        while !data.is_empty() {
            match self.at {
                At::Size => data = self.size(data, out, faults),
                At::Data(left) => {
                    let here = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    out.extend_from_slice(&data[..here]);
                    data = &data[here..];
                    let left = left - here as u64;
                    self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
                }
                At::DataEnd => match data[0] {
                    b'\r' => data = &data[1..],
                    b'\n' => (self.at, data) = (At::Size, &data[1..]),
                    // Some leave the line's end out.
                    _ => self.at = At::Size,
                },
                At::Plain => {
                    out.extend_from_slice(data);
                    return;
                }
                At::Done | At::Damaged => return,
            }
        }
    }

    fn size<'a>(&mut self, data: &'a [u8], out: &mut Vec<u8>, faults: &mut HttpFaults) -> &'a [u8] {
        let end = memchr(b'\n', data);
        let here = end.map_or(data.len(), |end| end + 1);
        self.line.extend_from_slice(&data[..here]);
        let is_size =
            self.line.first().is_none_or(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace());
        if is_size && end.is_none() && self.line.len() <= MOST_LINE {
            return &data[here..];
        }
        let line = std::mem::take(&mut self.line);
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if digits.is_empty() && is_size {
            // An empty line too many.
            return &data[here..];
        }
        let size = str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match size {
            Some(0) => self.at = At::Done,
            Some(size) => (self.at, self.has_begun) = (At::Data(size), true),
            None if self.has_begun => self.at = At::Damaged,
            None => {
                self.at = At::Plain;
                faults.note(HttpFault::NotChunked);
                out.extend_from_slice(&line);
            }
        }
        &data[here..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    /// The body by these headers, how far it is, and the faults; the same in one piece and byte by byte.
    fn body(lines: &[(&'static str, &str)], text: &str) -> (String, Reached, Vec<&'static str>) {
        let cut = |step: usize| {
            let mut faults = HttpFaults::default();
            let mut framing = Framing::of(&headers(lines), &mut faults);
            let mut out = Vec::new();
            text.as_bytes().chunks(step).for_each(|part| {
                framing.take(part, &mut out, &mut faults);
            });
            let names = faults.iter().map(HttpFault::name).collect();
            (String::from_utf8(out).expect("text"), framing.reached(), names)
        };
        let whole = cut(usize::MAX);
        assert_eq!(cut(1), whole, "{lines:?} {text:?}");
        whole
    }

    #[test]
    fn bodies_end_where_they_say_and_contradictions_say_nothing() {
        for (lines, reached, faults) in [
            (&[][..], Reached::Unknown, &[][..]),
            (&[("content-length", "4")], Reached::End, &[]),
            (&[("content-length", "5")], Reached::Before, &[]),
            (&[("content-length", "4"), ("content-length", "4")], Reached::End, &[]),
            (&[("content-length", "4, 4")], Reached::End, &[]),
            (&[("content-length", "4"), ("content-length", "9")], Reached::Unknown, &["length"]),
            (&[("content-length", "-1")], Reached::Unknown, &["length"]),
            (&[("content-length", "+4")], Reached::Unknown, &["length"]),
            (&[("content-length", "")], Reached::Unknown, &["length"]),
            (&[("content-length", "99999999999999999999999")], Reached::Unknown, &["length"]),
            (&[("transfer-encoding", "identity"), ("content-length", "4")], Reached::End, &[]),
        ] {
            let (text, at, noted) = body(lines, "BODY");
            assert_eq!((text.as_str(), at, noted.as_slice()), ("BODY", reached, faults), "{lines:?}");
        }
    }

    #[test]
    fn what_comes_beyond_a_length_is_handed_back() {
        let mut faults = HttpFaults::default();
        let mut framing = Framing::of(&headers(&[("content-length", "3")]), &mut faults);
        let mut out = Vec::new();
        assert_eq!(framing.take(b"BODY", &mut out, &mut faults), b"Y");
        assert_eq!(framing.take(b"MORE", &mut out, &mut faults), b"MORE");
        assert_eq!((out.as_slice(), framing.reached()), (&b"BOD"[..], Reached::End));
    }

    #[test]
    fn chunks_are_put_together_as_long_as_they_can_be_told() {
        let chunked = &[("transfer-encoding", "chunked")][..];
        for (text, wanted, reached, faults) in [
            ("4\r\nBODY\r\n0\r\n\r\n", "BODY", Reached::End, &[][..]),
            ("2\r\nBO\r\n2;a=b\r\nDY\r\n0\r\nX: 1\r\n\r\n", "BODY", Reached::End, &[]),
            ("004  \nBODY\n0\n\n", "BODY", Reached::End, &[]),
            ("4\r\nBODY0\r\n\r\n", "BODY", Reached::End, &[]),
            ("\r\n4\r\nBODY\r\n0", "BODY", Reached::Before, &[]),
            ("4\r\nBODY\r\n", "BODY", Reached::Before, &[]),
            ("9\r\nBODY", "BODY", Reached::Before, &[]),
            ("4\r\nBODY\r\nzz\r\nX", "BODY", Reached::Before, &[]),
            ("<rss>BODY\n</rss>", "<rss>BODY\n</rss>", Reached::Unknown, &["not_chunked"]),
            ("", "", Reached::Before, &[]),
        ] {
            let (body, at, noted) = body(chunked, text);
            assert_eq!((body.as_str(), at, noted.as_slice()), (wanted, reached, faults), "{text:?}");
        }
        let both = [("content-length", "2"), ("transfer-encoding", "gzip, Chunked")];
        let (text, at, noted) = body(&both, "4\r\nBODY\r\n0\r\n\r\n");
        assert_eq!((text.as_str(), at, noted.as_slice()), ("BODY", Reached::End, &["length"][..]));
    }
}
