//! What could not be processed: its bytes, a stable reason, and where it came from.

use bytes::Bytes;

use crate::{Header, RawDocument, RecordError};

/// Why something was rejected. The codes are stable; `barid explain <code>` tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// 0 bytes.
    Empty,
    /// Not text at all.
    Binary,
    /// Larger than the configured limit.
    TooLarge,
    /// Text in a charset that could not be read.
    Undecodable,
    /// Nothing but white space.
    NoText,
    /// A `.gz` or `.zst` that does not unpack to its end.
    BadCompression,
    /// A line that is not JSON, or lacks the mapped text field.
    BadJson,
    /// What a feed's address served is no feed.
    BadFeed,
    /// A message on an input topic that no watcher of ours wrote.
    BadMessage,
    /// barid's own parser failed on it: a fault to report.
    ParserFault,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Empty,
        Self::Binary,
        Self::TooLarge,
        Self::Undecodable,
        Self::NoText,
        Self::BadCompression,
        Self::BadJson,
        Self::BadFeed,
        Self::BadMessage,
        Self::ParserFault,
    ];

    /// The stable `snake_case` code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Binary => "binary",
            Self::TooLarge => "too_large",
            Self::Undecodable => "undecodable",
            Self::NoText => "no_text",
            Self::BadCompression => "bad_compression",
            Self::BadJson => "bad_json",
            Self::BadFeed => "bad_feed",
            Self::BadMessage => "bad_message",
            Self::ParserFault => "parser_fault",
        }
    }

    /// What the operator can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Empty => "the file has 0 bytes: was its writer stopped? It is read again when it changes.",
            Self::Binary => "these bytes are no text: narrow the source's `include` globs.",
            Self::TooLarge => {
                "larger than `max_document_bytes` of its source or, as the detail says, than a message may be: raise \
                 that limit, then `barid rejected retry`."
            }
            Self::Undecodable => {
                "name the charset with `charset` in the source, then `barid rejected retry`."
            }
            Self::NoText => "only white space was found: check the scraper that wrote it.",
            Self::BadCompression => "the archive is cut or damaged: deliver it again under the same name.",
            Self::BadJson => "fix the line, or the source's `fields` mapping, then deliver it again.",
            Self::BadFeed => {
                "look at the bytes: a login or challenge page, or a page that names the feed's new address? `barid feed check` tells more."
            }
            Self::BadMessage => {
                "another program writes to this topic: see docs/topics.md for the headers it must set."
            }
            Self::ParserFault => {
                "this is a fault in barid: please report it with `barid rejected show`'s output."
            }
        }
    }

    /// The reason of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Something that could not be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// What was found, in a sentence.
    pub detail: String,
    /// The position it was read from, such as `barid.raw/0@17`; absent when it never reached a topic.
    pub position: Option<String>,
    /// Bytes of the input that are not in `document.body` (it was larger than what is kept), as is also counted where the watcher rejected it:
    /// `barid_watcher_rejected_dropped_bytes_total`.
    pub dropped_bytes: u64,
    /// The input itself.
    pub document: RawDocument,
}

impl Rejected {
    /// The headers of its message: the document's own, and why. The value is the document's bytes.
    pub fn headers(&self) -> Vec<Header> {
        let mut headers = self.document.headers();
        let mut put =
            |name: &'static str, value: Bytes| headers.push((Bytes::from_static(name.as_bytes()), value));
        put("barid_reason", Bytes::from_static(self.reason.code().as_bytes()));
        put("barid_detail", Bytes::copy_from_slice(self.detail.as_bytes()));
        if let Some(position) = &self.position {
            put("barid_position", Bytes::copy_from_slice(position.as_bytes()));
        }
        if self.dropped_bytes > 0 {
            put("barid_dropped_bytes", Bytes::from(self.dropped_bytes.to_string()));
        }
        headers
    }

    /// Reads a message back.
    pub fn from_message(timestamp_ms: i64, headers: &[Header], value: Bytes) -> Result<Self, RecordError> {
        let find = |name: &str| {
            let value = headers.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value);
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let code = find("barid_reason")
            .ok_or(RecordError::MissingHeader { object: "rejected document", header: "barid_reason" })?;
        let reason = Reason::from_code(&code).ok_or(RecordError::BadHeader {
            object: "rejected document",
            header: "barid_reason",
            expected: "a known reason code",
        })?;
        Ok(Self {
            reason,
            detail: find("barid_detail").unwrap_or_default(),
            position: find("barid_position"),
            dropped_bytes: find("barid_dropped_bytes").and_then(|text| text.parse().ok()).unwrap_or(0),
            document: RawDocument::from_message(timestamp_ms, headers, value)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Collector, Hints};

    #[test]
    fn a_rejected_document_reads_back_with_its_bytes() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
            let sent = Rejected {
                reason,
                detail: "three NUL bytes in the first 100".into(),
                position: Some("barid.raw/0@17".into()),
                dropped_bytes: 9,
                document: RawDocument {
                    id: "d".into(),
                    source_id: "s".into(),
                    key: "k".into(),
                    uri: "file:///k".into(),
                    collector: Collector::JsonLines,
                    observed_at_ms: 5,
                    charset: None,
                    content_type: None,
                    hints: Hints::default(),
                    raw_sha256: [1; 32],
                    body: Bytes::from_static(b"\0\xff"),
                },
            };
            let back = Rejected::from_message(5, &sent.headers(), sent.document.body.clone());
            assert_eq!(back.expect("well formed"), sent);
        }
    }
}
