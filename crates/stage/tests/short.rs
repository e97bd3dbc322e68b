//! Articles too short to prove a copy: one in two section feeds is one, what its publisher tells apart stays apart.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod support;

use barid_log::{Embedded, Message, Outgoing};
use barid_record::{Collector, Hints, RawDocument, Record, RecordId, Topic, Verdict};
use bytes::Bytes;
use support::{document, drain, drain_in_two, open, produce, raw, read, records};

/// As a feed delivers it: title, blank line, text; only the title where there is no text.
fn item(
    feed: &str,
    key: &str,
    title: &str,
    text: &str,
    address: Option<&str>,
    guid: Option<&str>,
) -> RawDocument {
    let body = if text.is_empty() { title.to_owned() } else { format!("{title}\n\n{text}") };
    RawDocument {
        source_id: feed.into(),
        collector: Collector::Feed,
        hints: Hints {
            headline: Some(title.into()),
            canonical_url: address.map(str::to_owned),
            guid: guid.map(str::to_owned),
            ..Hints::default()
        },
        ..document(key, body)
    }
}

const PORT: &str = "https://coast.example/port";
const TITLE: &str = "Port opens";
const TEXT: &str = "Ships may enter again.";

fn judge(documents: &[RawDocument]) -> Vec<Record> {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    // Each in a unit of its own or all in one: what a unit wrote is known to it.
    produce(&log, raw(documents));
    drain(&log);
    let at_once = records(&log);
    let two = tempfile::tempdir().expect("a folder");
    let two = open(two.path());
    for document in documents {
        produce(&two, raw(std::slice::from_ref(document)));
        drain_in_two(&two);
    }
    assert_eq!(at_once.len(), records(&two).len());
    for (one, other) in at_once.iter().zip(records(&two)) {
        assert_eq!((one.record_id, &one.dedup), (other.record_id, &other.dedup));
    }
    at_once
}

fn verdicts(records: &[Record]) -> Vec<(Verdict, &str, RecordId)> {
    let told = |record: &Record| (record.dedup.verdict, record.dedup.canonical_record_id);
    records.iter().map(|record| (told(record).0, method(record), told(record).1)).collect()
}

fn method(record: &Record) -> &str {
    &record.dedup.method
}

#[test]
fn the_same_short_item_in_two_section_feeds_is_one_article_at_every_length() {
    let guid = Some("tag:coast.example,2031:7");
    for text in [TEXT, ""] {
        for (address, guid) in [(Some(PORT), guid), (Some(PORT), None), (None, guid)] {
            let top = item("top", "1", TITLE, text, address, guid);
            let respelt = item("sea", "2", "PORT opens!", text, address, guid);
            let found = judge(&[top, respelt]);
            let first = found[0].record_id;
            // Of a headline alone the body is the headline.
            assert_eq!(
                verdicts(&found),
                [(Verdict::Unique, "first", first), (Verdict::ExactCopy, "content_sha256", first)],
                "{text} {address:?} {guid:?}"
            );
            assert_eq!(found[1].dedup.cluster_id, found[0].dedup.cluster_id);
            assert_eq!(found[1].dedup.similarity, Some(1.0));
        }
    }
}

#[test]
fn the_scheme_does_not_make_an_address_another() {
    let found = judge(&[
        item("top", "1", TITLE, TEXT, Some("http://coast.example/port"), None),
        item("sea", "2", TITLE, TEXT, Some("https://coast.example/port"), None),
    ]);
    assert_eq!(found[1].dedup.verdict, Verdict::ExactCopy);
}

#[test]
fn chance_is_no_evidence() {
    let other = "https://coast.example/other";
    for (why, second) in [
        ("another address", item("sea", "2", TITLE, TEXT, Some(other), Some("7"))),
        ("another headline", item("sea", "2", "Port closes", TEXT, Some(PORT), Some("7"))),
        ("another text", item("sea", "2", TITLE, "Ships may leave again.", Some(PORT), Some("7"))),
        ("nothing beside it", item("sea", "2", TITLE, TEXT, None, Some("7"))),
    ] {
        let found = judge(&[item("top", "1", TITLE, TEXT, Some(PORT), Some("7")), second]);
        assert_eq!(found[1].dedup.verdict, Verdict::Unique, "{why}");
    }
    let front = Some("https://coast.example/");
    let found =
        judge(&[item("top", "1", TITLE, TEXT, front, None), item("sea", "2", TITLE, TEXT, front, None)]);
    assert_eq!(found[1].dedup.verdict, Verdict::Unique, "the front page names no article");
}

#[test]
fn what_the_publisher_tells_apart_stays_apart_and_its_copies_find_the_right_one() {
    let daily = |feed: &str, key: &str, guid: &str| {
        item(feed, key, "Traffic update", "", Some("https://coast.example/traffic"), Some(guid))
    };
    let found = judge(&[
        daily("roads", "1", "tag:coast.example,2031:1"),
        daily("roads", "2", "tag:coast.example,2031:2"),
        daily("top", "3", "tag:coast.example,2031:1"),
        daily("top", "4", "tag:coast.example,2031:2"),
        daily("sea", "5", "tag:sea.example,2031:9"),
    ]);
    let of = |at: usize| (found[at].dedup.verdict, found[at].dedup.canonical_record_id);
    assert_eq!((of(0), of(1).0), ((Verdict::Unique, found[0].record_id), Verdict::Unique));
    assert_eq!(of(2), (Verdict::ExactCopy, found[0].record_id), "its guid says which");
    assert_eq!(of(3), (Verdict::ExactCopy, found[1].record_id));
    assert_eq!(of(4), (Verdict::ExactCopy, found[1].record_id), "the newest at that address");
    let dated = |key: &str, published: &str| {
        let mut item = item("roads", key, "Traffic update", "", Some("https://coast.example/traffic"), None);
        item.hints.published = Some(published.into());
        item
    };
    let found = judge(&[dated("1", "2031-09-05"), dated("2", "2031-09-06"), dated("3", "2031-09-06")]);
    let verdicts: Vec<_> = found.iter().map(|record| record.dedup.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Unique, Verdict::Unique, Verdict::ExactCopy],
        "by date where there is no guid"
    );
}

#[test]
fn a_copy_hands_on_whose_copy_it_is() {
    let found = judge(&[
        item("a", "1", TITLE, TEXT, Some(PORT), None),
        item("b", "2", TITLE, TEXT, Some(PORT), Some("tag:coast.example,2031:7")),
        item("c", "3", TITLE, TEXT, Some("https://mirror.example/port"), Some("tag:coast.example,2031:7")),
        item("d", "4", TITLE, TEXT, Some("https://mirror.example/port"), None),
    ]);
    let first = found[0].record_id;
    assert!(found[1..].iter().all(|record| record.dedup.canonical_record_id == first));
    assert!(found[1..].iter().all(|record| record.dedup.verdict == Verdict::ExactCopy));
}

#[test]
fn a_revised_short_item_is_one_version_and_its_revised_copy_is_linked() {
    let at = |feed: &str, key: &str, text: &str| item(feed, key, TITLE, text, Some(PORT), None);
    let found = judge(&[
        at("top", "1", TEXT),
        at("sea", "2", TEXT),
        at("top", "1", "Ships may enter by day."),
        at("sea", "2", "Ships may enter by day."),
        at("sea", "2", "Ships may enter by day."),
        at("top", "1", TEXT),
    ]);
    let told: Vec<_> = found.iter().map(|record| (record.dedup.verdict, record.version)).collect();
    let revision = Verdict::Revision;
    assert_eq!(
        told,
        [(Verdict::Unique, 1), (Verdict::ExactCopy, 1), (revision, 2), (revision, 2), (revision, 3)],
        "the repeat is not written"
    );
    assert!(found.iter().all(|record| record.dedup.canonical_record_id == found[0].record_id));
}

#[test]
fn a_short_item_that_grows_is_found_by_its_body_from_then_on() {
    let long = "Ships may enter the harbour again, its master said on Monday, after divers had raised the ferry that sank in May.";
    let found = judge(&[
        item("top", "1", TITLE, TEXT, Some(PORT), None),
        item("top", "1", TITLE, long, Some(PORT), None),
        item("sea", "2", "Another headline", long, None, None),
    ]);
    assert_eq!(verdicts(&found)[2], (Verdict::ExactCopy, "body_sha256", found[0].record_id));
}

fn again(message: Message) -> Outgoing {
    let Message { topic, timestamp_ms, key, headers, value, .. } = message;
    Outgoing { topic, timestamp_ms, key, headers, value }
}

#[test]
fn articles_of_a_parser_before_this_form_are_decided_and_only_not_linked() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    produce(
        &log,
        raw(&[
            item("top", "1", TITLE, TEXT, Some(PORT), None),
            item("sea", "2", TITLE, TEXT, Some(PORT), None),
        ]),
    );
    drain_in_two(&log);
    let mut old: Vec<Outgoing> = read(&log, Topic::Articles).into_iter().map(again).collect();
    for message in &mut old {
        assert!(message.headers.iter().any(|(name, _)| name == "barid_short"));
        message.headers.retain(|(name, _)| name != "barid_short");
        let text = String::from_utf8(message.value.to_vec()).expect("JSON");
        message.value =
            Bytes::from(text.replace(r#""schema_version":"2.0.0""#, r#""schema_version":"1.0.0""#));
    }
    let other = tempfile::tempdir().expect("a folder");
    let other = open(other.path());
    produce(&other, old);
    drain_in_two(&other);
    let decided: Vec<_> = records(&other).iter().map(|record| record.dedup.verdict).collect();
    assert_eq!(decided, [Verdict::Unique, Verdict::Unique]);
    let types = |log: &Embedded| -> Vec<Bytes> {
        let of = |message: Message| message.header("ce_type").cloned().expect("a type");
        read(log, Topic::Records).into_iter().map(of).collect()
    };
    assert_eq!(types(&other), ["barid.record.v1", "barid.record.v1"]);
    assert_eq!(types(&log), ["barid.record.v2", "barid.record.v2"]);
}
