//! How a body is packed: what the head says, where the bytes do not say otherwise.

use hyper::HeaderMap;
use hyper::header::CONTENT_ENCODING;

use super::faults::{HttpFault, HttpFaults};

/// So many bytes tell how something is packed.
pub(super) const TELLING: usize = 16;

/// How a body was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// Brotli.
    Br,
    /// Zstandard.
    Zstd,
    /// Deflate, in zlib's wrapping or without.
    Deflate,
}

impl Coding {
    /// Every coding.
    pub const ALL: [Self; 5] = [Self::Identity, Self::Gzip, Self::Br, Self::Zstd, Self::Deflate];

    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }
}

/// The codings that a head names, in the order in which they were applied. What is no coding is left out.
pub(super) fn named(headers: &HeaderMap, faults: &mut HttpFaults) -> Vec<Coding> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        for token in text.split(',') {
            let name = token.split(';').next().unwrap_or_default();
            match name.trim().trim_matches('"') {
                "" | "identity" => {}
                "gzip" | "x-gzip" => codings.push(Coding::Gzip),
                "br" => codings.push(Coding::Br),
                "zstd" => codings.push(Coding::Zstd),
                "deflate" => codings.push(Coding::Deflate),
                _ => faults.note(HttpFault::CodingName),
            }
        }
    }
    codings
}

/// What bytes are packed in, by their first ones and by the names that are left, of which the last was applied last. Names that are proved wrong are
/// taken away.
pub(super) fn decide(head: &[u8], named: &mut Vec<Coding>, faults: &mut HttpFaults) -> Coding {
    if let Some(found) = sniff(head) {
        match named.pop() {
            None => faults.note(HttpFault::CodingUnsaid),
            Some(name) if name != found => faults.note(HttpFault::CodingWrong),
            Some(_) => {}
        }
        return found;
    }
    while let Some(name) = named.pop() {
        // These two cannot be told by their first bytes, but text can.
        if matches!(name, Coding::Br | Coding::Deflate) && !is_text(head) {
            return name;
        }
        if !head.is_empty() {
            faults.note(HttpFault::CodingWrong);
        }
    }
    Coding::Identity
}

fn sniff(head: &[u8]) -> Option<Coding> {
    match head {
        [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Coding::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Coding::Zstd),
        _ => None,
    }
}

/// What is packed begins with so many such characters once in millions of times.
fn is_text(head: &[u8]) -> bool {
    if matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return true;
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_a_list_and_what_is_no_coding_is_left_out() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, value.parse().expect("a value"));
            }
            let mut faults = HttpFaults::default();
            (named(&headers, &mut faults), faults != HttpFaults::default())
        };
        use Coding::{Br, Deflate, Gzip, Zstd};
        for (values, wanted, is_odd) in [
            (&[][..], &[][..], false),
            (&["", "identity"], &[], false),
            (&["none"], &[], true),
            (&["utf8"], &[], true),
            (&["UTF-8; q=1"], &[], true),
            (&["text/xml"], &[], true),
            (&["binary"], &[], true),
            (&["aws-chunked,gzip"], &[Gzip], true),
            (&["GZip"], &[Gzip], false),
            (&["x-gzip, identity"], &[Gzip], false),
            (&["gzip", "gzip"], &[Gzip, Gzip], false),
            (&["gzip,br"], &[Gzip, Br], false),
            (&["deflate", " zstd "], &[Deflate, Zstd], false),
        ] {
            assert_eq!(of(values), (wanted.to_vec(), is_odd), "{values:?}");
        }
    }
}
