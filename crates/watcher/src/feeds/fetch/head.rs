//! The head of an answer, as browsers and curl read it: what is no header is left out and counted, and the rest counts.
//!
//! hyper refuses a whole answer for one such line, and has no switch for most of them. There is one request on each connection, so that nothing can be
//! smuggled past anybody by an odd head.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};
use memchr::memchr;

use super::faults::{HttpFault, HttpFaults};
use super::why::begins;

/// A head is no longer, in bytes.
pub(super) const MOST_BYTES: usize = 512 << 10;
/// So much white space may stand before it.
const MOST_BLANK: usize = 1 << 10;
/// So many bytes say whether this is HTTP at all.
pub(super) const TELLING: usize = 16;

/// What an answer says before its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) version: Version,
    /// As it came.
    pub(super) line: String,
    pub(super) headers: HeaderMap,
}

/// What so many bytes come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A head, and where the body begins.
    Whole(Head, usize),
    /// More must come.
    More,
    /// No HTTP: why.
    Not(String),
}

/// Looks for a head in what came so far; `is_all` says that nothing more will come.
pub(super) fn find(bytes: &[u8], is_all: bool, faults: &mut HttpFaults) -> Found {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    if start > MOST_BLANK {
        return Found::Not("it answers with white space".to_owned());
    }
    // A byte order mark of a script's file.
    let start = if bytes[start..].starts_with(b"\xef\xbb\xbf") { start + 3 } else { start };
    let text = &bytes[start..];
    if text.len() < TELLING && !is_all {
        return Found::More;
    }
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !is_http(first) {
        return Found::Not(no_http(text));
    }
    let end = head_end(text);
    let (head, body) = match end {
        Some((head, body)) => (&text[..head], body),
        None if !is_all => return Found::More,
        None => {
            // It ends within the head, or the script forgot the line between: what begins like a document is one.
            let body = body_in_head(text).unwrap_or(text.len());
            faults.note(HttpFault::HeadEnd);
            (&text[..body], body)
        }
    };
    match parse(head, faults) {
        Ok(head) => {
            if start > 0 {
                faults.note(HttpFault::StatusLine);
            }
            Found::Whole(head, start + body)
        }
        Err(why) => Found::Not(why),
    }
}

fn is_http(line: &[u8]) -> bool {
    let begins = |word: &[u8]| line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    begins(b"HTTP/") || begins(b"HTTP ") || begins(b"ICY ")
}

fn no_http(text: &[u8]) -> String {
    if text.is_empty() {
        return "it closed the connection without an answer".to_owned();
    }
    // A TLS alert or handshake.
    if matches!(text, [0x15 | 0x16, 3, ..]) {
        return "the port speaks TLS: the address must begin with https".to_owned();
    }
    let begins = begins(text);
    if matches!(text[0], b'<' | b'{') {
        return format!("it answers without a head, as HTTP/0.9 did, which nobody speaks any more: {begins}");
    }
    format!("it does not speak HTTP: its answer begins with {begins}")
}

/// Where the lines of the head end, and where the body begins.
pub(super) fn head_end(text: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = memchr(b'\n', &text[from..]) {
        let next = from + at + 1;
        match &text[next..] {
            [b'\n', ..] => return Some((next, next + 1)),
            [b'\r', b'\n', ..] => return Some((next, next + 2)),
            [b'\r', b'\r', b'\n', ..] => return Some((next, next + 3)),
            _ => from = next,
        }
    }
    None
}

/// Where a document begins in a line of its own.
fn body_in_head(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr(b'\n', &text[from..]) {
        from += at + 1;
        if matches!(text.get(from), Some(b'<' | b'{')) {
            return Some(from);
        }
    }
    None
}

fn parse(head: &[u8], faults: &mut HttpFaults) -> Result<Head, String> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
    let first = lines.next().unwrap_or_default();
    let (status, version) = status_line(first, faults)
        .ok_or_else(|| format!("its first line holds no status: {}", begins(first)))?;
    let line = String::from_utf8_lossy(&first[..first.len().min(200)]).escape_debug().to_string();
    let mut headers = HeaderMap::new();
    let mut open: Option<(HeaderName, Vec<u8>)> = None;
    for line in lines.filter(|line| !line.is_empty()) {
        if matches!(line[0], b' ' | b'\t') {
            faults.note(HttpFault::HeaderFolded);
            if let Some((_, value)) = &mut open {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        add(&mut headers, open.take(), faults);
        match header(line, faults) {
            Some(header) => open = Some(header),
            None => faults.note(HttpFault::HeaderLine),
        }
    }
    add(&mut headers, open, faults);
    Ok(Head { status, version, line, headers })
}

fn status_line(line: &[u8], faults: &mut HttpFaults) -> Option<(u16, Version)> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    let protocol = words.next()?;
    let status = words.next()?;
    // `200OK` has the status in front.
    let digits = status.bytes().take_while(u8::is_ascii_digit).count();
    if digits != 3 {
        return None;
    }
    let status: u16 = status[..3].parse().ok().filter(|status| (100..=999).contains(status))?;
    let version = if protocol.ends_with("/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    let is_usual = line.starts_with(b"HTTP/1.1 ") || line.starts_with(b"HTTP/1.0 ");
    let is_apart = line.get(12).is_none_or(|byte| *byte == b' ');
    if !is_usual || !is_apart || !line[9].is_ascii_digit() {
        faults.note(HttpFault::StatusLine);
    }
    Some((status, version))
}

fn header(line: &[u8], faults: &mut HttpFaults) -> Option<(HeaderName, Vec<u8>)> {
    let colon = memchr(b':', line)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let trimmed = name.trim_ascii_end();
    let name_of = HeaderName::from_bytes(trimmed).ok()?;
    if trimmed.len() < name.len() {
        faults.note(HttpFault::HeaderSpace);
    }
    Some((name_of, value.to_vec()))
}

fn add(headers: &mut HeaderMap, header: Option<(HeaderName, Vec<u8>)>, faults: &mut HttpFaults) {
    let Some((name, mut value)) = header else { return };
    for byte in &mut value {
        if (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f {
            *byte = b' ';
            faults.note(HttpFault::HeaderCharacter);
        }
    }
    let added = HeaderValue::from_bytes(value.trim_ascii()).map(|value| headers.try_append(name, value));
    if !matches!(added, Ok(Ok(_))) {
        // More names than a map can hold.
        faults.note(HttpFault::HeaderLine);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> (Head, usize, Vec<&'static str>) {
        let mut faults = HttpFaults::default();
        let Found::Whole(head, body) = find(text, true, &mut faults) else {
            panic!("{}", String::from_utf8_lossy(text))
        };
        (head, body, faults.iter().map(HttpFault::name).collect())
    }

    #[test]
    fn heads_are_read_as_browsers_read_them_and_each_breach_has_a_name() {
        let type_of = |head: &Head| {
            head.headers
                .get("content-type")
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        for (text, status, wanted, faults) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &[][..]),
            ("HTTP/1.1 200\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &[]),
            ("HTTP/1.0 203 \nContent-Type:a/b\n\nBODY", 203, "a/b", &[]),
            ("HTTP/1.1 200 OK\r\ncontent-type:\ta/b \r\n\nBODY", 200, "a/b", &[]),
            ("ICY 200 OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("http/1.1 200 ok\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("HTTP/1.1  404 no\r\nContent-Type: a/b\r\n\r\nBODY", 404, "a/b", &["status_line"]),
            ("HTTP/1.1 200OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("HTTP/2 200\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("HTTP 200 OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            ("\u{feff}HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["status_line"]),
            (
                "HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Type: a/b\r\n\r\nBODY",
                200,
                "a/b",
                &["header_folded"],
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: a/b;\r\n\tc=d\r\n\r\nBODY",
                200,
                "a/b; c=d",
                &["header_folded"],
            ),
            ("HTTP/1.1 200 OK\r\nno header\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["header_line"]),
            ("HTTP/1.1 200 OK\r\nX Y: 1\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["header_line"]),
            ("HTTP/1.1 200 OK\r\n: 1\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["header_line"]),
            ("HTTP/1.1 200 OK\r\nخبر: 1\r\nContent-Type: a/b\r\n\r\nBODY", 200, "a/b", &["header_line"]),
            ("HTTP/1.1 200 OK\r\nContent-Type : a/b\r\n\r\nBODY", 200, "a/b", &["header_space"]),
            ("HTTP/1.1 200 OK\r\nContent-Type: a\u{1}b\0\r\n\r\nBODY", 200, "a b", &["header_character"]),
            ("HTTP/1.1 200 OK\r\nContent-Type: خبر\r\n\r\nBODY", 200, "خبر", &[]),
            ("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\r\n\r\nBODY", 200, "a/b", &[]),
            ("HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n<BODY", 200, "a/b", &["head_end"]),
            ("HTTP/1.1 200 OK\r\nContent-Type: a/b", 200, "a/b", &["head_end"]),
        ] {
            let (head, body, noted) = read(text.as_bytes());
            assert_eq!((head.status, type_of(&head).as_deref()), (status, Some(wanted)), "{text:?}");
            assert_eq!(noted, faults, "{text:?}");
            let rest = text[body..].trim_start_matches(['\r', '\n', '<']);
            assert!(rest == "BODY" || rest.is_empty() && noted == ["head_end"], "{text:?}: {rest:?}");
        }
    }

    #[test]
    fn what_is_no_http_is_named() {
        for (text, wanted) in [
            (&b""[..], "without an answer"),
            (b"<rss version='2.0'></rss>", "HTTP/0.9"),
            (b"\x15\x03\x03\0\x02\x02\x46", "https"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "begins with SSH-2.0"),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "does not speak HTTP"),
            (b"HTTP/1.1 OK\r\n\r\n", "no status: HTTP/1.1 OK"),
            (b"HTTP/1.1 20 OK\r\n\r\n", "no status"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "no status"),
            (b"HTTP/1.1\r\n\r\n", "no status"),
        ] {
            let found = find(text, true, &mut HttpFaults::default());
            let Found::Not(why) = found else { panic!("{text:?}: {found:?}") };
            assert!(why.contains(wanted), "{why}");
        }
    }

    #[test]
    fn a_head_comes_in_any_pieces_and_many_headers_are_no_matter() {
        let mut text = b"HTTP/1.1 200 OK\r\n".to_vec();
        (0..2000).for_each(|n| text.extend_from_slice(format!("X-{n}: {n}\r\n").as_bytes()));
        text.extend_from_slice(b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nBODY");
        let (head, body, faults) = read(&text);
        assert_eq!((head.headers.len(), faults.len(), &text[body..]), (2002, 0, &b"BODY"[..]));
        let short = b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\n";
        for end in 0..short.len() {
            assert_eq!(find(&short[..end], false, &mut HttpFaults::default()), Found::More, "{end}");
        }
        assert!(matches!(find(b"<rss version='2.0'>", false, &mut HttpFaults::default()), Found::Not(_)));
    }
}
