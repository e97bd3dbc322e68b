//! An item as a document: its title and text, with what the feed says of it as hints.

use barid_record::{Collector, Hints, RawDocument, Reason, Rejected, Topic, document_id};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::Url;

use super::identity;
use super::pages::article::Article;
use super::pages::{Desk, PageOutcome};
use super::reading::Item;
use crate::links;

/// What fetching an item's page brought.
pub(super) enum FromPage {
    /// The article, and where it was found.
    Text(Box<Article>, Url),
    /// Nothing: why.
    Own(PageOutcome),
}

/// The document of an item. The text begins with the title, as a page does: so it is told apart from the body by the same rules, and an item that has
/// nothing but a title is an article all the same. What the feed says goes before what its page says, but for the text.
pub(super) fn document(
    feed: &str,
    item: Item,
    now_ms: i64,
    from: &str,
    page: Option<FromPage>,
) -> RawDocument {
    let Item {
        id,
        title,
        link,
        author,
        text,
        language,
        published,
        published_ms,
        keywords,
        modified,
        publisher,
        ..
    } = item;
    let (article, found_at, outcome) = match page {
        Some(FromPage::Text(article, at)) => (Some(*article), Some(at), Some(PageOutcome::Page)),
        Some(FromPage::Own(outcome)) => (None, None, Some(outcome)),
        None => (None, None, None),
    };
    let canonical_url = match &article {
        Some(article) => Some(article.canonical.clone()),
        None => link.as_deref().and_then(links::of_link),
    };
    let own_text = text;
    let Article {
        text,
        title: page_title,
        author: page_author,
        published: page_date,
        language: page_language,
        ..
    } = article.unwrap_or_else(|| Article { text: own_text, ..Article::default() });
    let (title, author, language) =
        (title.or(page_title), author.or(page_author), language.or(page_language));
    // What was read as a date is told as one; what was not, as found: the stage may know better.
    let published = published_ms.map(barid_record::rfc3339).or(published).or(page_date);
    let mut body = title.clone().unwrap_or_default();
    if !text.is_empty() && text != body {
        if !body.is_empty() {
            body.push_str("\n\n");
        }
        body.push_str(&text);
    }
    if body.is_empty() {
        // Something to find it by; its id would be no word of it.
        body.push_str(link.as_deref().unwrap_or_default());
    }
    let raw_sha256: [u8; 32] = Sha256::digest(body.as_bytes()).into();
    let own_guid = identity::own_guid(&id);
    RawDocument {
        id: document_id(feed, &id, &raw_sha256),
        source_id: feed.to_owned(),
        uri: found_at.map(String::from).or_else(|| link.clone()).unwrap_or_else(|| from.to_owned()),
        key: id,
        collector: Collector::Feed,
        observed_at_ms: now_ms,
        charset: Some("utf-8".to_owned()),
        content_type: Some("text/plain".to_owned()),
        hints: Hints {
            headline: title,
            published,
            url: link,
            author,
            publisher,
            language,
            keywords,
            modified,
            guid: own_guid,
            canonical_url,
            page: outcome.map(|outcome| outcome.name().to_owned()),
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

/// Puts a document into the unit; one that the log does not take, as rejected. Returns about how many bytes that took.
pub(super) fn hand_over(desk: &mut Desk<'_>, document: RawDocument) -> usize {
    let bytes = document.body.len();
    if document.body.is_empty() {
        let detail = "the item has no title, no text, no link and no file".to_owned();
        reject(desk, Rejected { reason: Reason::NoText, detail, position: None, dropped_bytes: 0, document });
        return bytes;
    }
    match desk.outbox.document(Topic::Raw, &document) {
        Ok(()) => desk.summary.documents += 1,
        Err(size) => {
            let detail = format!("a message of {} bytes; the log takes {}", size.bytes, size.limit_bytes);
            let reason = Reason::TooLarge;
            desk.summary.too_large += 1;
            desk.metrics.dropped();
            reject(desk, Rejected { reason, detail, position: None, dropped_bytes: 0, document });
        }
    }
    bytes
}

/// Puts a rejected input into the unit.
pub(super) fn reject(desk: &mut Desk<'_>, rejected: Rejected) {
    desk.metrics.rejected.inc();
    desk.metrics.dropped_bytes.inc_by(desk.outbox.rejected(rejected));
}
