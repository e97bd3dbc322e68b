//! Parsing and deciding as two workers, on the real embedded log: the same as in one.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use barid_log::Message;
use barid_record::{Order, Rejected, Topic, Verdict};
use support::corpus::messages;
use support::{count, drain, drain_in_two, judged, open, produce, read, records, rejected};

/// What must be the same of rejected documents: all but the order in which two loops wrote them.
fn put_aside(rejected: Vec<Rejected>) -> BTreeSet<(String, String, Vec<u8>)> {
    let told = |rejected: Rejected| {
        (
            rejected.position.expect("read from a topic"),
            rejected.reason.code().to_owned(),
            rejected.document.body.to_vec(),
        )
    };
    rejected.into_iter().map(told).collect()
}

#[test]
fn two_workers_say_what_one_says() {
    let (one_dir, two_dir) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (one, two) = (open(one_dir.path()), open(two_dir.path()));
    let corpus = messages(1, 900, 20);
    // In two parts: the second finds the state and the positions of the first.
    for part in corpus.chunks(500) {
        produce(&one, part.to_vec());
        produce(&two, part.to_vec());
        let ((of_one, one_counts), (of_two, two_counts)) = (drain(&one), drain_in_two(&two));
        assert_eq!(of_one, of_two);
        for family in [
            "barid_stage_documents_total",
            "barid_stage_document_bytes_total",
            "barid_stage_verdicts_total",
            "barid_stage_rejected_total",
        ] {
            assert_eq!(count(&one_counts, family, None), count(&two_counts, family, None), "{family}");
        }
        let articles = count(&two_counts, "barid_stage_verdicts_total", Some(("kind", "article")));
        let refused = count(&two_counts, "barid_stage_rejected_total", None);
        let taken = count(&two_counts, "barid_stage_documents_total", None);
        assert_eq!((taken, articles + refused), (part.len() as u64, part.len() as u64));
        assert_eq!(count(&two_counts, "barid_stage_order_gaps_total", None), 0);
    }
    let (of_one, of_two) = (records(&one), records(&two));
    assert_eq!(of_one, of_two, "the records are the same to the last field, in the same order");
    assert_eq!(put_aside(rejected(&one)), put_aside(rejected(&two)));
    // The corpus must show what it is there for.
    let mut verdicts = BTreeMap::new();
    for (_, version, verdict, _) in judged(&of_one) {
        *verdicts.entry((verdict, version > 2)).or_insert(0_u32) += 1;
    }
    for verdict in [Verdict::Unique, Verdict::ExactCopy, Verdict::Revision] {
        assert!(verdicts[&(verdict.name(), false)] > 50, "{verdicts:?}");
    }
    assert!(verdicts[&(Verdict::Revision.name(), true)] > 5, "{verdicts:?}");
    let short = of_one.iter().filter(|record| record.dedup.method == "content_sha256").count();
    assert!(short > 10, "{short} copies of short articles");
    assert!(put_aside(rejected(&one)).len() > 50);
}

#[test]
fn every_raw_message_has_one_articles_message_with_its_number_and_key() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    produce(&log, messages(2, 200, 30));
    drain_in_two(&log);
    for (raw, articles) in [(Topic::Raw, Topic::Articles), (Topic::Backfill, Topic::ArticlesBackfill)] {
        let told =
            |message: Message| (Order::from_headers(&message.headers), message.key, message.timestamp_ms);
        let raw: Vec<_> = read(&log, raw).into_iter().map(told).collect();
        assert!(raw.len() > 20);
        assert_eq!(raw, read(&log, articles).into_iter().map(told).collect::<Vec<_>>());
    }
}
