//! A document as it arrived: its bytes and where they came from. CloudEvents 1.0, Kafka binary mode.

use bytes::Bytes;

use crate::{RecordError, rfc3339};

/// One message header.
pub type Header = (Bytes, Bytes);

/// How a document was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collector {
    /// One file, one document.
    File,
    /// One line of a JSON Lines file.
    JsonLines,
    /// One entry of a feed.
    Feed,
}

impl Collector {
    /// Every collector.
    pub const ALL: [Self; 3] = [Self::File, Self::JsonLines, Self::Feed];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::JsonLines => "json_lines",
            Self::Feed => "feed",
        }
    }
}

/// What the collector knows of the article beside its text. Absent is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// A headline given outside the text.
    pub headline: Option<String>,
    /// A publication date given outside the text, as found.
    pub published: Option<String>,
    /// The article's address, as found.
    pub url: Option<String>,
    /// A byline given outside the text.
    pub author: Option<String>,
    /// A publisher given outside the text.
    pub publisher: Option<String>,
    /// A BCP-47 tag given outside the text.
    pub language: Option<String>,
    /// Categories and keywords given outside the text, one each, in their order.
    pub keywords: Vec<String>,
    /// When it was last changed, given outside the text, as found.
    pub modified: Option<String>,
    /// The id that its publisher gave the article, where it is one everywhere: a feed's `guid` or Atom `id` that was not judged worthless.
    pub guid: Option<String>,
    /// The article's address without what only counts visitors; the page's own word where its page was fetched and says so.
    pub canonical_url: Option<String>,
    /// How fetching the article's page ended: `page` where the text is the page's, else why it is the feed's own. Absent where no page was wanted.
    pub page: Option<String>,
}

/// A document as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDocument {
    /// Names this delivery: see [`crate::document_id`].
    pub id: String,
    /// The configured source.
    pub source_id: String,
    /// The document's canonical key within its source: the first path of a text file, an item's or a line's
    /// id or address; a hash of the content only where a line has neither.
    pub key: String,
    /// Where the bytes were read, for people: `file:///...`.
    pub uri: String,
    /// How.
    pub collector: Collector,
    /// When it was noticed, in milliseconds since the Unix epoch.
    pub observed_at_ms: i64,
    /// A charset that came with the bytes.
    pub charset: Option<String>,
    /// A MIME type that came with the bytes.
    pub content_type: Option<String>,
    /// What else came with them.
    pub hints: Hints,
    /// SHA-256 of `body`.
    pub raw_sha256: [u8; 32],
    /// The bytes.
    pub body: Bytes,
}

const EVENT_TYPE: &[u8] = b"barid.raw.v1";

impl RawDocument {
    /// The headers of its message; the value is [`RawDocument::body`].
    pub fn headers(&self) -> Vec<Header> {
        let mut headers = Vec::with_capacity(16);
        let mut put =
            |name: &'static str, value: Bytes| headers.push((Bytes::from_static(name.as_bytes()), value));
        let text = |value: &str| Bytes::copy_from_slice(value.as_bytes());
        put("ce_specversion", Bytes::from_static(b"1.0"));
        put("ce_type", Bytes::from_static(EVENT_TYPE));
        put("ce_id", text(&self.id));
        put("ce_source", text(&self.source_id));
        put("ce_subject", text(&self.key));
        put("ce_time", Bytes::from(rfc3339(self.observed_at_ms)));
        put("barid_uri", text(&self.uri));
        put("barid_collector", Bytes::from_static(self.collector.name().as_bytes()));
        put("barid_raw_sha256", Bytes::copy_from_slice(&self.raw_sha256));
        let optional = [
            ("content-type", &self.content_type),
            ("barid_charset", &self.charset),
            ("barid_headline", &self.hints.headline),
            ("barid_published", &self.hints.published),
            ("barid_url", &self.hints.url),
            ("barid_author", &self.hints.author),
            ("barid_publisher", &self.hints.publisher),
            ("barid_language", &self.hints.language),
            ("barid_modified", &self.hints.modified),
            ("barid_guid", &self.hints.guid),
            ("barid_canonical_url", &self.hints.canonical_url),
            ("barid_page", &self.hints.page),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                put(name, text(value));
            }
        }
        self.hints.keywords.iter().for_each(|keyword| put(KEYWORD, text(keyword)));
        headers
    }

    /// Reads a message back. `timestamp_ms` is the message's own.
    pub fn from_message(timestamp_ms: i64, headers: &[Header], value: Bytes) -> Result<Self, RecordError> {
        let collector = required(headers, "barid_collector")?;
        let collector = Collector::ALL.into_iter().find(|known| known.name() == collector).ok_or(
            RecordError::BadHeader {
                object: OBJECT,
                header: "barid_collector",
                expected: "a known collector",
            },
        )?;
        let raw_sha256 = find(headers, "barid_raw_sha256")
            .ok_or(RecordError::MissingHeader { object: OBJECT, header: "barid_raw_sha256" })?;
        let raw_sha256 = <[u8; 32]>::try_from(raw_sha256.as_ref()).map_err(|_| RecordError::BadHeader {
            object: OBJECT,
            header: "barid_raw_sha256",
            expected: "32 bytes",
        })?;
        Ok(Self {
            id: required(headers, "ce_id")?,
            source_id: required(headers, "ce_source")?,
            key: required(headers, "ce_subject")?,
            uri: required(headers, "barid_uri")?,
            collector,
            observed_at_ms: timestamp_ms,
            charset: optional(headers, "barid_charset")?,
            content_type: optional(headers, "content-type")?,
            hints: Hints {
                headline: optional(headers, "barid_headline")?,
                published: optional(headers, "barid_published")?,
                url: optional(headers, "barid_url")?,
                author: optional(headers, "barid_author")?,
                publisher: optional(headers, "barid_publisher")?,
                language: optional(headers, "barid_language")?,
                keywords: all(headers, KEYWORD)?,
                modified: optional(headers, "barid_modified")?,
                guid: optional(headers, "barid_guid")?,
                canonical_url: optional(headers, "barid_canonical_url")?,
                page: optional(headers, "barid_page")?,
            },
            raw_sha256,
            body: value,
        })
    }
}

const OBJECT: &str = "raw document";
/// Of one keyword; there are as many as there are keywords.
const KEYWORD: &str = "barid_keyword";

fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a Bytes> {
    headers.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
}

fn text(name: &'static str, value: &Bytes) -> Result<String, RecordError> {
    String::from_utf8(value.to_vec()).map_err(|_| RecordError::BadHeader {
        object: OBJECT,
        header: name,
        expected: "UTF-8 text",
    })
}

fn optional(headers: &[Header], name: &'static str) -> Result<Option<String>, RecordError> {
    find(headers, name).map(|value| text(name, value)).transpose()
}

/// The values of a header that may stand several times, in their order.
fn all(headers: &[Header], name: &'static str) -> Result<Vec<String>, RecordError> {
    let mine = headers.iter().filter(|(key, _)| key == name.as_bytes());
    mine.map(|(_, value)| text(name, value)).collect()
}

fn required(headers: &[Header], name: &'static str) -> Result<String, RecordError> {
    optional(headers, name)?.ok_or(RecordError::MissingHeader { object: OBJECT, header: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> RawDocument {
        RawDocument {
            id: "d".into(),
            source_id: "files".into(),
            key: "a/b.txt".into(),
            uri: "file:///in/a/b.txt".into(),
            collector: Collector::File,
            observed_at_ms: 1_693_909_230_120,
            charset: Some("windows-1256".into()),
            content_type: None,
            hints: Hints {
                headline: Some("عنوان".into()),
                canonical_url: Some("https://news.example/a".into()),
                keywords: vec!["ميناء".into(), "شحن".into()],
                modified: Some("2023-09-05".into()),
                guid: Some("tag:news.example,2023:7".into()),
                page: Some("robots".into()),
                ..Hints::default()
            },
            raw_sha256: [7; 32],
            body: Bytes::from_static(b"text"),
        }
    }

    #[test]
    fn a_document_reads_back_from_its_message() {
        let sent = document();
        let back = RawDocument::from_message(sent.observed_at_ms, &sent.headers(), sent.body.clone());
        assert_eq!(back.expect("well formed"), sent);
    }

    #[test]
    fn a_missing_header_is_named() {
        let mut headers = document().headers();
        headers.retain(|(name, _)| name != "ce_subject");
        let error = RawDocument::from_message(0, &headers, Bytes::new()).expect_err("no subject");
        assert!(error.to_string().contains("`ce_subject` is missing"), "{error}");
    }
}
