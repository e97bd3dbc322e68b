//! The message between parsing and deciding: one for each raw message, so that the numbering of its writer has no gap.
//!
//! ```text
//! value            = record templates, one line of JSON each, LF between them; empty for a hole
//! barid_articles   = form 1, topic 1, partition u32, offset u64, observed i64, articles u32, then for each article:
//!                    bytes u32, flags 1 (1 related, 2 evidence), record id 32, content hash 32, body hash 32
//! ```
//! A hole stands for a document that was rejected: it takes its place in the order and holds nothing.

use barid_log::{Message, Outgoing};
use barid_record::{Kind, Order, Reason, Topic};
use bytes::Bytes;

use crate::Place;
use crate::template::{Document, Template, TooLarge};
use crate::wire::{FORM, Reader, topic_byte};

/// Name of the header that holds what deciding needs.
const FACTS: &str = "barid_articles";
const EVENT_TYPE: &str = "barid.articles.v1";
const RELATED: u8 = 1;
const EVIDENCE: u8 = 2;

/// What an articles message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The articles of a document.
    Document(Document),
    /// The place of a rejected one.
    Hole,
}

/// Where the articles of a raw topic go.
pub(crate) fn topic_for(raw: Topic) -> Topic {
    match raw {
        Topic::Backfill | Topic::ArticlesBackfill => Topic::ArticlesBackfill,
        Topic::Raw | Topic::Articles | Topic::Records | Topic::Rejected | Topic::Health => Topic::Articles,
    }
}

/// The message of a parsed document, if it takes no more than `limit` bytes.
pub(crate) fn message(raw: &Message, document: &Document, limit: usize) -> Result<Outgoing, TooLarge> {
    let fixed = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
    let mut headers = vec![
        fixed("ce_specversion", "1.0"),
        fixed("ce_type", EVENT_TYPE),
        fixed("content-type", "application/x-ndjson"),
        (Bytes::from(FACTS), facts(&document.place, document.observed_ms, &document.articles)),
    ];
    for name in ["ce_id", "ce_source", "ce_subject", Order::NAME] {
        headers.extend(raw.header(name).map(|value| (Bytes::from(name), value.clone())));
    }
    let value = match document.articles.as_slice() {
        [only] => only.json.clone(),
        several => {
            let lines: Vec<&[u8]> = several.iter().map(|article| article.json.as_ref()).collect();
            lines.join(&b'\n').into()
        }
    };
    let message = Outgoing { headers, value, ..empty(raw) };
    let bytes = message.bytes();
    if bytes > limit {
        let topic = message.topic.name();
        return Err(TooLarge(format!("articles of {bytes} bytes; a message of {topic} takes {limit}")));
    }
    Ok(message)
}

/// The message of a rejected document. It always fits: without what is too large for `limit`, which only another program can have written.
pub(crate) fn hole(raw: &Message, reason: Reason, limit: usize) -> Outgoing {
    let mut hole = empty(raw);
    hole.headers = vec![
        (Bytes::from(FACTS), facts(&Place::new(raw, 0), raw.timestamp_ms, &[])),
        (Bytes::from("barid_reason"), Bytes::from(reason.code())),
    ];
    if let Some(order) = raw.header(Order::NAME) {
        hole.headers.push((Bytes::from(Order::NAME), order.clone()));
    }
    if hole.bytes() > limit {
        hole.key = Bytes::new();
    }
    if hole.bytes() > limit {
        hole.headers.retain(|(name, _)| name == FACTS);
    }
    hole
}

fn empty(raw: &Message) -> Outgoing {
    Outgoing {
        topic: topic_for(raw.topic),
        timestamp_ms: raw.timestamp_ms,
        key: raw.key.clone(),
        headers: Vec::new(),
        value: Bytes::new(),
    }
}

fn facts(place: &Place, observed_ms: i64, articles: &[Template]) -> Bytes {
    const EACH: usize = 4 + 1 + 3 * 32;
    let mut bytes = Vec::with_capacity(32 + EACH * articles.len());
    bytes.push(FORM);
    bytes.push(topic_byte(place.topic));
    bytes.extend_from_slice(&place.partition.to_be_bytes());
    bytes.extend_from_slice(&place.offset.to_be_bytes());
    bytes.extend_from_slice(&observed_ms.to_be_bytes());
    bytes.extend_from_slice(&(articles.len() as u32).to_be_bytes());
    for article in articles {
        bytes.extend_from_slice(&(article.json.len() as u32).to_be_bytes());
        let related = match article.kind {
            Kind::Article => 0,
            Kind::RelatedArticle => RELATED,
        };
        bytes.push(related | if article.body_is_evidence { EVIDENCE } else { 0 });
        bytes.extend_from_slice(&article.record_id.0);
        bytes.extend_from_slice(&article.content_sha256);
        bytes.extend_from_slice(&article.body_sha256);
    }
    bytes.into()
}

/// Reads a message back; what is wrong with it otherwise.
pub(crate) fn read(message: &Message) -> Result<Content, &'static str> {
    let facts = message.header(FACTS).ok_or("header `barid_articles` is missing")?;
    let mut reader = Reader::new(facts);
    let document = read_facts(&mut reader, message).filter(|_| reader.is_done());
    let document = document.ok_or("header `barid_articles` is not in a form this version knows")?;
    let lines: usize = document.articles.iter().map(|article| article.json.len() + 1).sum();
    match document.articles.is_empty() {
        true => Ok(Content::Hole),
        false if lines == message.value.len() + 1 => Ok(Content::Document(document)),
        false => Err("its lines are not as long as header `barid_articles` says"),
    }
}

fn read_facts(reader: &mut Reader<'_>, message: &Message) -> Option<Document> {
    let place = Place { topic: reader.topic()?, partition: reader.u32()?, offset: reader.u64()?, index: 0 };
    let observed_ms = reader.i64()?;
    let count = reader.u32()?;
    let mut articles = Vec::new();
    let mut start = 0_usize;
    for _ in 0..count {
        let end = start.checked_add(reader.u32()? as usize)?;
        let flags = reader.byte()?;
        articles.push(Template {
            record_id: reader.record_id()?,
            kind: if flags & RELATED == 0 { Kind::Article } else { Kind::RelatedArticle },
            content_sha256: reader.array()?,
            body_sha256: reader.array()?,
            body_is_evidence: flags & EVIDENCE != 0,
            json: (end <= message.value.len()).then(|| message.value.slice(start..end))?,
        });
        start = end + 1;
    }
    let text = |name| message.header(name).cloned().unwrap_or_default();
    Some(Document { place, observed_ms, source: text("ce_source"), key: text("ce_subject"), articles })
}
