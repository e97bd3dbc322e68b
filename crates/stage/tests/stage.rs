//! The stage on the real embedded log: verdicts, linked related articles, rejections, and counters that partition the input.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod support;

use std::collections::HashMap;

use barid_log::Outgoing;
use barid_record::{Kind, Reason, RelatedKind, Topic, Verdict};
use bytes::Bytes;
use support::{count, document, drain, open, produce, raw, records, rejected};

const BODY: &str = "قالت رئيسة بلدية مدينة الصنوبر إن أعمال ترميم السوق القديم ستبدأ مطلع الشهر المقبل بعد تأجيل دام عامين كاملين.\n\
                    وأضافت أن التجار سيحصلون على تعويضات خلال فترة الإغلاق التي لن تتجاوز أربعة أشهر وفق الجدول المعلن.\n";
const PANEL: &str = "المصدر: بوابة الصنوبر\nإقرأ أيضاً:\nميناء الصنوبر يستقبل أول سفينة شحن تعمل بالهيدروجين\n\
                     رست في ميناء الصنوبر صباح اليوم أول سفينة شحن تعمل بالهيدروجين بعد رحلة تجريبية استغرقت تسعة أيام في عرض البحر.\n";
const OTHER_PANEL: &str = "المصدر: صحيفة السهل\nإقرأ أيضاً:\nمنتخب السهل يعلن قائمته النهائية لبطولة الربيع\n\
                           أعلن مدرب منتخب السهل القائمة النهائية للاعبين المشاركين في بطولة الربيع التي تنطلق نهاية الأسبوع الجاري.\n";

fn page(headline: &str, panel: &str) -> String {
    format!("{headline}\nتاريخ النشر: 5th, September 2031 GMT\n{BODY}{panel}")
}

#[test]
fn a_page_becomes_its_article_and_the_read_also_article_linked_to_each_other() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    produce(
        &log,
        raw(&[document("a.txt", page("ترميم السوق القديم في مدينة الصنوبر يبدأ الشهر المقبل", PANEL))]),
    );
    let (summary, _) = drain(&log);
    assert_eq!((summary.documents, summary.records, summary.related), (1, 2, 1));
    let records = records(&log);
    let (main, related) = (&records[0], &records[1]);
    assert_eq!((main.kind, related.kind), (Kind::Article, Kind::RelatedArticle));
    assert_eq!((related.parent_record_id, related.position), (Some(main.record_id), Some(1)));
    assert_eq!(
        (main.related[0].kind, main.related[0].record_id),
        (RelatedKind::EmbeddedArticle, Some(related.record_id))
    );
    assert_eq!(main.related[0].marker_raw.as_deref(), Some("إقرأ أيضاً:"));
    assert_eq!(main.body_text, BODY.trim_end());
    assert!(!related.body_text.is_empty() && !main.body_text.contains(&related.body_text));
    assert_eq!(main.quality.coverage, 1.0);
    assert_eq!(main.published_at.as_ref().map(|date| date.value.as_str()), Some("2031-09-05"));
    assert!(related.published_at.is_none(), "the panel must not be dated by the article");
}

#[test]
fn one_story_under_two_panels_is_one_text_and_one_panel_under_two_stories_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    let headline = "ترميم السوق القديم في مدينة الصنوبر يبدأ الشهر المقبل";
    produce(
        &log,
        raw(&[
            document("a.txt", page(headline, PANEL)),
            document("b.txt", page("السوق القديم يغلق أبوابه أربعة أشهر", OTHER_PANEL)),
            document("c.txt", page(headline, PANEL)),
        ]),
    );
    let (summary, _) = drain(&log);
    assert_eq!(summary.verdicts, [1, 2, 0, 0, 0]);
    let records = records(&log);
    let of = |key: &str, kind: Kind| {
        records.iter().find(|record| record.source.key == key && record.kind == kind).expect("a record")
    };
    let first = of("a.txt", Kind::Article);
    for copy in [of("b.txt", Kind::Article), of("c.txt", Kind::Article)] {
        assert_eq!(
            (copy.dedup.verdict, copy.dedup.canonical_record_id),
            (Verdict::ExactCopy, first.record_id)
        );
        assert_eq!(copy.dedup.cluster_id, first.dedup.cluster_id);
        assert_ne!(copy.record_id, first.record_id);
    }
    assert_eq!(of("b.txt", Kind::RelatedArticle).dedup.verdict, Verdict::Unique);
    assert_eq!(of("c.txt", Kind::RelatedArticle).dedup.verdict, Verdict::ExactCopy);
}

#[test]
fn a_corrected_page_is_a_revision_and_an_unchanged_one_a_repeat_that_is_not_written_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    let headline = "ترميم السوق القديم في مدينة الصنوبر يبدأ الشهر المقبل";
    produce(&log, raw(&[document("a.txt", page(headline, ""))]));
    drain(&log);
    let corrected = page(headline, "").replace("أربعة أشهر", "خمسة أشهر");
    produce(&log, raw(&[document("a.txt", corrected.clone()), document("a.txt", corrected)]));
    let (summary, _) = drain(&log);
    assert_eq!(summary.verdicts, [0, 0, 0, 1, 1]);
    let records = records(&log);
    assert_eq!(
        records.iter().map(|record| (record.version, record.dedup.verdict)).collect::<Vec<_>>(),
        [(1, Verdict::Unique), (2, Verdict::Revision)]
    );
    assert_eq!(records[0].record_id, records[1].record_id);
}

#[test]
fn what_cannot_be_processed_is_kept_with_its_bytes_and_a_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    let inputs: [(&str, &[u8], Reason); 3] = [
        ("empty.txt", b"", Reason::Empty),
        ("blank.txt", b" \n\t\n", Reason::NoText),
        ("image.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0", Reason::Binary),
    ];
    let documents: Vec<_> = inputs.iter().map(|(key, body, _)| document(key, *body)).collect();
    produce(&log, raw(&documents));
    produce(
        &log,
        vec![Outgoing {
            topic: Topic::Raw,
            timestamp_ms: 5,
            key: Bytes::new(),
            headers: Vec::new(),
            value: Bytes::from_static(b"stranger"),
        }],
    );
    let (summary, _) = drain(&log);
    assert_eq!((summary.documents, summary.records), (4, 0));
    let found: HashMap<_, _> =
        rejected(&log).into_iter().map(|rejected| (rejected.document.key.clone(), rejected)).collect();
    for ((key, body, reason), offset) in inputs.iter().zip(0..) {
        assert_eq!(found[*key].reason, *reason, "{key}");
        assert_eq!(found[*key].document.body.as_ref(), *body, "{key}");
        assert_eq!(found[*key].position, Some(format!("barid.raw/0@{offset}")));
    }
    let stranger = &found["barid.raw/0@3"];
    assert_eq!(
        (stranger.reason, stranger.document.body.as_ref()),
        (Reason::BadMessage, b"stranger".as_slice())
    );
}

#[test]
fn verdicts_and_rejections_partition_the_documents() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    let headline = "ترميم السوق القديم في مدينة الصنوبر يبدأ الشهر المقبل";
    let documents = [
        document("a.txt", page(headline, PANEL)),
        document("b.txt", page(headline, OTHER_PANEL)),
        document("a.txt", page("عنوان جديد للمقال نفسه بعد التصحيح", PANEL)),
        document("b.txt", page(headline, OTHER_PANEL)),
        document("empty.txt", ""),
    ];
    produce(&log, raw(&documents));
    let (summary, registry) = drain(&log);
    let documents_total = count(&registry, "barid_stage_documents_total", None);
    let articles = count(&registry, "barid_stage_verdicts_total", Some(("kind", "article")));
    assert_eq!((documents_total, articles, count(&registry, "barid_stage_rejected_total", None)), (5, 4, 1));
    assert_eq!(summary.verdicts, [1, 1, 0, 1, 1]);
    assert_eq!(
        summary.verdicts.iter().sum::<u64>() + summary.rejected.values().sum::<u64>(),
        summary.documents
    );
}

#[test]
fn live_documents_go_before_back_fill() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    let mut messages = raw(&[document("old.txt", page("أرشيف السوق القديم في مدينة الصنوبر", ""))]);
    messages[0].topic = Topic::Backfill;
    messages.extend(raw(&[document(
        "new.txt",
        page("ترميم السوق القديم في مدينة الصنوبر يبدأ الشهر المقبل", ""),
    )]));
    produce(&log, messages);
    drain(&log);
    let keys: Vec<_> = records(&log).into_iter().map(|record| record.source.key).collect();
    assert_eq!(keys, ["new.txt", "old.txt"]);
}
