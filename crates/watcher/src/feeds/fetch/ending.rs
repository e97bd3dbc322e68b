//! Whether a document has come to its own end: what its server says of lengths is then of no matter.

const MARK: &[u8] = b"\xef\xbb\xbf";
/// Of a closing tag with comments behind it, so many bytes are looked at.
const TAIL: usize = 8 << 10;
/// The elements that a document of ours ends with. `channel` may be one inside `rss`.
const LAST: [&str; 6] = ["rss", "feed", "rdf", "urlset", "sitemapindex", "html"];

/// Watches a document grow.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    kind: Kind,
    seen: usize,
}

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Xml,
    Json(Json),
    /// It begins like nothing that has an end of its own.
    Other,
}

/// What is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is whole.
    Yes,
    /// Its end is missing.
    No,
    /// Nobody can say.
    Unknown,
}

impl Ending {
    /// Of a whole document.
    pub(crate) fn of(document: &[u8]) -> Ended {
        Self::default().look(document)
    }

    /// Of a document as far as it came; each time the same bytes and more.
    pub(crate) fn look(&mut self, document: &[u8]) -> Ended {
        if let Kind::Unknown = self.kind {
            if document.len() < MARK.len() && MARK.starts_with(document) {
                return Ended::Unknown;
            }
            let mark = if document.starts_with(MARK) { MARK.len() } else { 0 };
            let text = &document[mark.max(self.seen)..];
            let Some(at) = text.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ended::Unknown;
            };
            self.seen = document.len() - text.len() + at;
            self.kind = match text[at] {
                b'<' => Kind::Xml,
                b'{' | b'[' => Kind::Json(Json::default()),
                _ => Kind::Other,
            };
        }
        match &mut self.kind {
            Kind::Unknown | Kind::Other => Ended::Unknown,
            Kind::Xml => ended(is_closed(&document[self.seen..])),
            Kind::Json(json) => {
                json.read(&document[self.seen..]);
                self.seen = document.len();
                ended(json.is_closed)
            }
        }
    }
}

fn ended(is_it: bool) -> Ended {
    if is_it { Ended::Yes } else { Ended::No }
}

/// Whether XML ends with the closing tag of its root; comments and white space may follow.
fn is_closed(document: &[u8]) -> bool {
    let mut text = &document[document.len().saturating_sub(TAIL)..];
    loop {
        text = text.trim_ascii_end();
        while let [rest @ .., 0] = text {
            text = rest.trim_ascii_end();
        }
        if !text.ends_with(b"-->") {
            break;
        }
        let Some(at) = memchr::memmem::rfind(text, b"<!--") else { return false };
        text = &text[..at];
    }
    let Some(text) = text.strip_suffix(b">") else { return false };
    let Some(at) = memchr::memmem::rfind(text, b"</") else { return false };
    let name = text[at + 2..].trim_ascii();
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    LAST.iter().any(|last| local.eq_ignore_ascii_case(last.as_bytes()))
}

/// Counts what is open.
#[derive(Debug, Default)]
struct Json {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    is_closed: bool,
}

impl Json {
    fn read(&mut self, text: &[u8]) {
        for byte in text {
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.is_closed |= self.depth == 0;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_whole_when_its_root_is_closed() {
        for (text, wanted) in [
            ("<rss><channel></channel></rss>", Ended::Yes),
            ("\u{feff}\n<?xml version='1.0'?><feed>x</feed>\n\n", Ended::Yes),
            ("<rdf:RDF></rdf:RDF >", Ended::Yes),
            ("<ATOM:FEED></ATOM:FEED>", Ended::Yes),
            ("<urlset></urlset><!-- cached --> <!-- 0.1 s -->", Ended::Yes),
            ("<html></HTML>\0\0", Ended::Yes),
            ("<rss><channel></channel>", Ended::No),
            ("<rss><channel></channel></rss", Ended::No),
            ("<rss><item>", Ended::No),
            ("<rss></rss><!-- open", Ended::No),
            ("<rss> --></rss>-->", Ended::No),
            ("{\"a\": [1, \"}\\\"}\"]}", Ended::Yes),
            ("{\"a\": \"}", Ended::No),
            ("[{}]\n", Ended::Yes),
            ("[{}", Ended::No),
            ("", Ended::Unknown),
            (" \n", Ended::Unknown),
            ("User-agent: *", Ended::Unknown),
        ] {
            assert_eq!(Ending::of(text.as_bytes()), wanted, "{text:?}");
            let mut ending = Ending::default();
            let steps = (1..=text.len()).map(|end| ending.look(&text.as_bytes()[..end]));
            assert_eq!(steps.last().unwrap_or(Ended::Unknown), wanted, "{text:?}, byte by byte");
        }
    }
}
