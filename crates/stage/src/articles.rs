//! The message between parsing and deciding: one for each raw message, so that the numbering of its writer has no gap.
//!
//! ```text
//! value            = record templates, one line of JSON each, LF between them; empty for a hole
//! barid_articles   = form 1, topic 1, partition u32, offset u64, observed i64, articles u32, then for each article:
//!                    bytes u32, flags 1 (1 related, 2 evidence), record id 32, content hash 32, body hash 32
//! barid_short      = only with a short main article that has an address or guid: form 1, flags 1 (1 guid, 2 address), their keys of 32,
//!                    source 8, mark 8 (see `short`). Another header, so that an owner of barid 0.1.0 can read the message as well
//! ```
//! A hole stands for a document that was rejected: it takes its place in the order and holds nothing.

use barid_log::{Message, Outgoing};
use barid_record::{Kind, Order, Reason, Topic};
use bytes::Bytes;

use crate::Place;
use crate::short::Short;
use crate::template::{Document, Template, TooLarge};
use crate::wire::{FORM, Reader, topic_byte};

/// Name of the header that holds what deciding needs.
const FACTS: &str = "barid_articles";
/// Name of the header that holds what shows a copy of a short article.
const SHORT: &str = "barid_short";
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
    if let Some(short) = document.articles.first().and_then(|main| main.short) {
        headers.push((Bytes::from(SHORT), short.to_bytes().into()));
    }
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
    let mut document = document.ok_or("header `barid_articles` is not in a form this version knows")?;
    if let (Some(short), Some(main)) = (message.header(SHORT), document.articles.first_mut()) {
        let short = Short::from_bytes(short);
        main.short = Some(short.ok_or("header `barid_short` is not in a form this version knows")?);
    }
    // With the LF that the last line does not have.
    let lines: usize = document.articles.iter().map(|article| article.json.len() + 1).sum();
    match (document.articles.is_empty(), message.value.len() + 1) {
        (true, 1) => Ok(Content::Hole),
        (false, bytes) if bytes == lines => Ok(Content::Document(document)),
        (true | false, _) => Err("its lines are not as long as header `barid_articles` says"),
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
            short: None,
            json: (end <= message.value.len()).then(|| message.value.slice(start..end))?,
        });
        start = end + 1;
    }
    let text = |name| message.header(name).cloned().unwrap_or_default();
    Some(Document { place, observed_ms, source: text("ce_source"), key: text("ce_subject"), articles })
}

#[cfg(test)]
mod tests {
    use barid_record::RecordId;

    use super::*;

    fn raw(topic: Topic) -> Message {
        let header = |name: &'static str, value: &'static str| (Bytes::from(name), Bytes::from(value));
        Message {
            topic,
            partition: 3,
            offset: 17,
            timestamp_ms: 5,
            key: Bytes::from("key"),
            headers: vec![
                header("ce_id", "d"),
                header("ce_source", "files"),
                header("ce_subject", "a.txt"),
                header("barid_order", "watcher@9"),
                header("barid_uri", "file:///a.txt"),
            ],
            value: Bytes::from("text"),
        }
    }

    fn document(raw: &Message, jsons: &[&'static str]) -> Document {
        let short = Short { guid: None, address: Some([3; 32]), source: [4; 8], mark: [5; 8] };
        let article = |(index, json): (usize, &&'static str)| Template {
            record_id: RecordId([index as u8; 32]),
            kind: if index == 0 { Kind::Article } else { Kind::RelatedArticle },
            content_sha256: [1; 32],
            body_sha256: [2; 32],
            body_is_evidence: index % 2 == 1,
            short: (index == 0).then_some(short),
            json: Bytes::from(*json),
        };
        Document {
            place: Place::new(raw, 0),
            observed_ms: 4,
            source: Bytes::from("files"),
            key: Bytes::from("a.txt"),
            articles: jsons.iter().enumerate().map(article).collect(),
        }
    }

    fn delivered(message: Outgoing) -> Message {
        let Outgoing { topic, timestamp_ms, key, headers, value } = message;
        Message { topic, partition: 1, offset: 2, timestamp_ms, key, headers, value }
    }

    #[test]
    fn a_document_reads_back_with_its_place_and_its_writers_number() {
        for (topic, articles) in [(Topic::Raw, Topic::Articles), (Topic::Backfill, Topic::ArticlesBackfill)] {
            for jsons in [["{\"a\":1}"].as_slice(), &["{\"a\":1}", "{}", "{\"b\":[2]}"]] {
                let raw = raw(topic);
                let sent = document(&raw, jsons);
                let message = delivered(message(&raw, &sent, 10_000).expect("small"));
                assert_eq!((message.topic, &message.key, message.timestamp_ms), (articles, &raw.key, 5));
                assert_eq!(Order::from_headers(&message.headers), Order::from_headers(&raw.headers));
                assert_eq!(message.value, jsons.join("\n"), "a console shows one record a line");
                assert_eq!(read(&message), Ok(Content::Document(sent)));
            }
        }
    }

    #[test]
    fn a_message_is_refused_from_the_limit_on_and_a_hole_never() {
        let raw = raw(Topic::Raw);
        let sent = document(&raw, &["{\"a\":1}"]);
        let bytes = message(&raw, &sent, usize::MAX).expect("no limit").bytes();
        assert!(message(&raw, &sent, bytes).is_ok() && message(&raw, &sent, bytes - 1).is_err());
        let long = |length: usize| Bytes::from(vec![b'9'; length]);
        for (key, order) in [(3, 9), (5_000, 9), (3, 5_000), (5_000, 5_000)] {
            let mut raw = raw.clone();
            raw.key = long(key);
            raw.headers = vec![(Bytes::from(Order::NAME), long(order))];
            let hole = hole(&raw, Reason::Binary, 1_000);
            assert!(hole.bytes() <= 1_000, "{} bytes", hole.bytes());
            assert_eq!(read(&delivered(hole)), Ok(Content::Hole));
        }
        let hole = hole(&raw, Reason::Binary, 1_000);
        assert_eq!((&hole.key, hole.value.len(), hole.timestamp_ms), (&raw.key, 0, 5));
        assert_eq!(Order::from_headers(&hole.headers), Order::from_headers(&raw.headers));
    }

    #[test]
    fn what_no_parser_of_ours_wrote_is_refused() {
        let raw = raw(Topic::Raw);
        let sent = document(&raw, &["{\"a\":1}", "{}"]);
        let good = delivered(message(&raw, &sent, 10_000).expect("small"));
        let facts = good.header(FACTS).expect("facts").clone();
        let short = good.header(SHORT).expect("a short article").clone();
        let cut = [(Bytes::from(FACTS), facts.clone()), (Bytes::from(SHORT), short.slice(1..))];
        assert!(read(&Message { headers: cut.into(), ..good.clone() }).is_err());
        let with = |facts: Option<Bytes>, value: Bytes| {
            let headers = facts.map(|facts| (Bytes::from(FACTS), facts));
            read(&Message { headers: headers.into_iter().collect(), value, ..good.clone() })
        };
        assert!(with(Some(facts.clone()), good.value.clone()).is_ok());
        assert!(with(None, good.value.clone()).is_err());
        for cut in 0..facts.len() {
            assert!(with(Some(facts.slice(..cut)), good.value.clone()).is_err(), "cut at {cut}");
        }
        for cut in 0..good.value.len() {
            assert!(with(Some(facts.clone()), good.value.slice(..cut)).is_err(), "value cut at {cut}");
        }
        let nothing = self::facts(&sent.place, 4, &[]);
        assert!(with(Some(nothing), Bytes::from("{}")).is_err(), "a hole holds nothing");
        let longer = Bytes::from([good.value.as_ref(), b"{}"].concat());
        assert!(with(Some(facts), longer).is_err());
    }
}
