//! An item as a document: its title and text, with what the feed says of it as hints.

use barid_record::{Collector, Hints, RawDocument, Reason, Rejected, document_id};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::reading::Item;

/// The document of an item. The text begins with the title, as a page does: so it is told apart from the body by the same rules, and an item that has
/// nothing but a title is an article all the same.
pub(super) fn document(feed: &str, item: Item, now_ms: i64, from: &str) -> RawDocument {
    let Item { id, title, link, author, text, language, published, published_ms, .. } = item;
    let mut body = title.clone().unwrap_or_default();
    if !text.is_empty() && text != body {
        if !body.is_empty() {
            body.push_str("\n\n");
        }
        body.push_str(&text);
    }
    if body.is_empty() {
        // Something to find it by.
        body.push_str(link.as_deref().unwrap_or(&id));
    }
    let raw_sha256: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    RawDocument {
        id: document_id(feed, &id, &raw_sha256),
        source_id: feed.to_owned(),
        uri: link.clone().unwrap_or_else(|| from.to_owned()),
        key: id,
        collector: Collector::Feed,
        observed_at_ms: now_ms,
        charset: Some("utf-8".to_owned()),
        content_type: Some("text/plain".to_owned()),
        hints: Hints {
            headline: title,
            // What was read as a date is told as one; what was not, as found: the stage may know better.
            published: published_ms.map(barid_record::rfc3339).or(published),
            url: link,
            author,
            publisher: None,
            language,
        },
        raw_sha256,
        body: body.into(),
    }
}

/// What a feed's address served, when that is no feed.
pub(super) fn unreadable(feed: &str, url: &str, bytes: Bytes, detail: String, now_ms: i64) -> Rejected {
    let raw_sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let document = RawDocument {
        id: document_id(feed, url, &raw_sha256),
        source_id: feed.to_owned(),
        key: url.to_owned(),
        uri: url.to_owned(),
        collector: Collector::Feed,
        observed_at_ms: now_ms,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body: bytes,
    };
    Rejected { reason: Reason::BadFeed, detail, position: None, dropped_bytes: 0, document }
}
