//! Many partitions: whatever races, fails and comes again, each document is judged once, and as if there were one partition.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use barid_log::{Control, Outgoing, Wish, WorkerSpec};
use barid_record::{Order, Reason, Record, Rejected, Topic};
use barid_stage::{Metrics, StageConfig, StageError, Summary};
use prometheus::Registry;
use support::corpus::messages;
use support::fake::{Fake, Shared, world};
use support::{Judged, Loop, count, drain, judged, open, produce, record, records};

/// Lets a loop work until every message of the log is consumed, joining again when it is told to. Returns what it counted.
fn work_off(
    work: Loop,
    spec: fn() -> WorkerSpec,
    shared: &Shared,
    config: &StageConfig,
) -> (Summary, Registry) {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let mut total = Summary::default();
    let clock = Cell::new(0_i64);
    // Every look at the clock is a little later.
    let now_ms = || clock.replace(clock.get() + 1);
    loop {
        let control = Control::default();
        control.ask(Wish::Run);
        let told = std::cell::RefCell::new(Summary::default());
        let ended = work(config, Fake::join(shared, spec()), &metrics, &now_ms, &control, &|summary| {
            *told.borrow_mut() = summary.clone();
            if all_consumed(shared, &spec().inputs) {
                control.ask(Wish::Drain);
            }
        });
        total.add(&told.borrow());
        match ended {
            Ok(summary) => {
                assert_eq!(summary, *told.borrow());
                return (total, registry);
            }
            Err(error) => {
                assert!(error.is_lost(), "{error}");
                if all_consumed(shared, &spec().inputs) {
                    return (total, registry);
                }
            }
        }
    }
}

fn all_consumed(shared: &Shared, inputs: &[Topic]) -> bool {
    let world = shared.lock().expect("no panic");
    world.inputs.iter().filter(|((topic, _), _)| inputs.contains(topic)).all(|(part, log)| {
        log.last().is_none_or(|last| world.positions.get(part) == Some(&(last.offset + 1)))
    })
}

fn config() -> StageConfig {
    StageConfig {
        parser_threads: 2,
        batch_documents: 16,
        // Longer than any test: what is missing here is on its way.
        order_wait: Duration::from_secs(1_000_000),
        ..StageConfig::default()
    }
}

fn of_topic(produced: &[Outgoing], topic: Topic) -> Vec<Outgoing> {
    produced.iter().filter(|message| message.topic == topic).cloned().collect()
}

fn of_one_partition(messages: &[Outgoing]) -> (Vec<Record>, Summary) {
    let dir = tempfile::tempdir().expect("a folder");
    let log = open(dir.path());
    produce(&log, messages.to_vec());
    let (summary, _) = drain(&log);
    (records(&log), summary)
}

fn judged_of(produced: &[Outgoing]) -> (usize, BTreeSet<Judged>) {
    let records: Vec<Record> =
        of_topic(produced, Topic::Records).iter().map(|message| record(&message.value)).collect();
    (records.len(), judged(&records))
}

#[test]
fn through_any_partitions_and_failures_the_verdicts_are_those_of_one_partition() {
    // A loop that parses calls its log a hundred times here, one that decides some thousand times.
    for (seed, partitions, parse_odds, decide_odds) in
        [(1, 1, 0, 0), (2, 3, 0, 0), (3, 6, 0, 0), (4, 6, 8, 400), (5, 12, 5, 150), (6, 2, 3, 60)]
    {
        let corpus = messages(seed, 500, 0);
        let (expected, of_run) = of_one_partition(&corpus);
        let raw = world(seed, &corpus, partitions);
        raw.lock().expect("no panic").failure_odds = parse_odds;
        let (mut summary, parsed) =
            work_off(barid_stage::run_parse, barid_stage::parse_spec, &raw, &config());
        let produced = raw.lock().expect("no panic").produced.clone();
        let articles = world(seed, &of_topic(&produced, Topic::Articles), partitions);
        articles.lock().expect("no panic").failure_odds = decide_odds;
        let (decided, metrics) =
            work_off(barid_stage::run_decide, barid_stage::decide_spec, &articles, &config());
        summary.add(&decided);
        let (written, judged_here) = judged_of(&articles.lock().expect("no panic").produced);
        assert_eq!(judged_here, judged(&expected), "seed {seed}");
        assert_eq!((written, summary), (expected.len(), of_run), "each once, counted once; seed {seed}");
        assert_eq!(count(&metrics, "barid_stage_order_gaps_total", None), 0);
        let in_all = count(&parsed, "barid_stage_documents_total", None);
        let out_all = count(&parsed, "barid_stage_rejected_total", None)
            + count(&metrics, "barid_stage_verdicts_total", Some(("kind", "article")));
        assert_eq!((in_all, out_all), (500, 500));
        let failures = [&raw, &articles].map(|world| world.lock().expect("no panic").failures);
        assert!(
            failures.iter().all(|failures| (*failures > 2) == (parse_odds > 0)),
            "seed {seed}: {failures:?}"
        );
    }
}

#[test]
fn a_log_that_is_set_back_gives_the_records_it_gave() {
    let mut corpus = messages(13, 600, 0);
    // One version of each: of a place with several, only the last meets itself.
    let mut seen = BTreeSet::new();
    corpus.retain(|message| seen.insert(message.key.clone()));
    let shared = world(13, &corpus, 1);
    work_off(barid_stage::run, barid_stage::spec, &shared, &config());
    let first = of_topic(&shared.lock().expect("no panic").produced, Topic::Records);
    shared.lock().expect("no panic").positions.clear();
    work_off(barid_stage::run, barid_stage::spec, &shared, &config());
    let both = of_topic(&shared.lock().expect("no panic").produced, Topic::Records);
    let told = |messages: &[Outgoing]| -> Vec<_> {
        let records = messages.iter().map(|message| record(&message.value));
        records.map(|record| (record.record_id, record.version, record.first_seen_at, record.dedup)).collect()
    };
    let (first, second) = (told(&first), told(&both[first.len()..]));
    let short = first.iter().filter(|(.., dedup)| dedup.method == "content_sha256").count();
    assert!(short > 5, "{short} copies of short articles");
    assert_eq!(first, second);
}

/// As `run_parse` writes them, from a corpus of that size.
fn articles_of(seed: u64, size: u64, partitions: u32) -> Vec<Outgoing> {
    let raw = world(seed, &messages(seed, size, 0), partitions);
    work_off(barid_stage::run_parse, barid_stage::parse_spec, &raw, &StageConfig::default());
    let produced = raw.lock().expect("no panic").produced.clone();
    of_topic(&produced, Topic::Articles)
}

#[test]
fn partitions_that_run_ahead_wait_in_the_log() {
    let articles = world(7, &articles_of(7, 9_000, 4), 4);
    // One parser is far behind: the others' partitions come whole before its first message.
    articles.lock().expect("no panic").slow.insert((Topic::Articles, 2));
    let config = StageConfig { batch_documents: 256, ..config() };
    let (_, metrics) = work_off(barid_stage::run_decide, barid_stage::decide_spec, &articles, &config);
    let world = articles.lock().expect("no panic");
    let ahead: Vec<u32> = world.held_ever.iter().map(|(_, partition)| *partition).collect();
    assert!(ahead.len() >= 2 && !ahead.contains(&2), "held: {ahead:?}");
    assert!(world.held.is_empty(), "in the end all are read again: {:?}", world.held);
    assert!(world.most_ahead <= 1024 + 256 + 4 * 256, "{} in memory", world.most_ahead);
    assert!(world.inputs[&(Topic::Articles, 0)].len() > 2 * world.most_ahead / 2, "enough to overflow");
    assert_eq!(count(&metrics, "barid_stage_order_gaps_total", None), 0);
}

#[test]
fn live_articles_go_first_and_wait_for_a_short_unit_of_back_fill_at_most() {
    let raw = world(12, &messages(12, 3_000, 60), 2);
    work_off(barid_stage::run_parse, barid_stage::parse_spec, &raw, &StageConfig::default());
    let mut parsed = raw.lock().expect("no panic").produced.clone();
    parsed.retain(|message| message.topic != Topic::Rejected);
    let articles = world(12, &parsed, 2);
    articles.lock().expect("no panic").burst = 200;
    work_off(
        barid_stage::run_decide,
        barid_stage::decide_spec,
        &articles,
        &StageConfig { batch_documents: 512, ..config() },
    );
    let world = articles.lock().expect("no panic");
    let (mut start, mut mixed, mut longest) = (0, 0, 0);
    for end in &world.unit_ends {
        let main = world.produced[start..*end].iter().map(|message| record(&message.value));
        let main = main.filter(|record| record.parent_record_id.is_none());
        let is_backfill: Vec<bool> =
            main.map(|record| record.provenance.topic.as_deref() == Some("barid.backfill")).collect();
        assert!(is_backfill.is_sorted(), "live first in each unit");
        let count = is_backfill.iter().filter(|is_backfill| **is_backfill).count();
        assert!(count <= 32, "{count} back-filled documents in a unit");
        mixed += usize::from(count > 0 && count < is_backfill.len());
        longest = longest.max(count);
        start = *end;
    }
    assert!(mixed > 3 && longest > 24, "{mixed} units with both, at most {longest} back-filled");
}

#[test]
fn a_missing_number_holds_up_for_the_configured_wait_and_is_counted() {
    let mut all = articles_of(8, 300, 3);
    let missing = Order { writer: "watcher".into(), sequence: 100 }.header();
    all.retain(|message| !message.headers.contains(&missing));
    assert_eq!(all.len(), 299);
    let articles = world(8, &all, 3);
    // A partition that never brings anything: only time can tell that the number is gone.
    let idle = (Topic::Articles, 3);
    articles.lock().expect("no panic").inputs.insert(idle, Vec::new());
    let config = StageConfig { order_wait: Duration::from_millis(500), ..config() };
    let (_, metrics) = work_off(barid_stage::run_decide, barid_stage::decide_spec, &articles, &config);
    assert_eq!(count(&metrics, "barid_stage_order_gaps_total", None), 1);
}

#[test]
fn what_no_parser_of_ours_wrote_is_put_aside_with_its_bytes() {
    let mut all = articles_of(9, 60, 2);
    let stranger = |value: &'static str| Outgoing {
        topic: Topic::Articles,
        timestamp_ms: 7,
        key: Default::default(),
        headers: Vec::new(),
        value: value.into(),
    };
    all.insert(20, stranger("{\"not\":\"ours\"}"));
    all.insert(40, stranger(""));
    let articles = world(9, &all, 2);
    let (summary, metrics) =
        work_off(barid_stage::run_decide, barid_stage::decide_spec, &articles, &config());
    assert_eq!((summary.documents, summary.rejected.get("bad_message")), (2, Some(&2)));
    assert_eq!(count(&metrics, "barid_stage_rejected_total", None), 2);
    let produced = articles.lock().expect("no panic").produced.clone();
    let kept: BTreeSet<Vec<u8>> = of_topic(&produced, Topic::Rejected)
        .into_iter()
        .map(|message| {
            let rejected = Rejected::from_message(7, &message.headers, message.value).expect("well formed");
            assert_eq!(rejected.reason, Reason::BadMessage);
            assert!(rejected.position.expect("a place").starts_with("barid.articles/"));
            rejected.document.body.to_vec()
        })
        .collect();
    assert_eq!(kept, BTreeSet::from([b"{\"not\":\"ours\"}".to_vec(), Vec::new()]));
}

#[test]
fn what_is_too_large_for_a_message_is_put_aside_and_never_blocks() {
    const LIMIT: usize = 6_000;
    let corpus = messages(10, 200, 0);
    let raw = world(10, &corpus, 2);
    raw.lock().expect("no panic").message_limit = LIMIT;
    let (summary, _) = work_off(barid_stage::run_parse, barid_stage::parse_spec, &raw, &config());
    let produced = raw.lock().expect("no panic").produced.clone();
    let too_large = summary.rejected["too_large"];
    assert!(too_large > 10 && too_large < 150, "{too_large}");
    let all = of_topic(&produced, Topic::Articles);
    assert_eq!(all.len(), corpus.len(), "a hole for each");
    let rejected = of_topic(&produced, Topic::Rejected).into_iter().map(|message| {
        Rejected::from_message(message.timestamp_ms, &message.headers, message.value).expect("well formed")
    });
    let large: Vec<_> = rejected.filter(|rejected| rejected.reason == Reason::TooLarge).collect();
    assert_eq!(large.len() as u64, too_large);
    for rejected in large {
        let sent = corpus.iter().find(|message| {
            message.value.len() as u64 == rejected.document.body.len() as u64 + rejected.dropped_bytes
                && message.value.starts_with(&rejected.document.body)
        });
        assert!(sent.is_some() && rejected.detail.contains("6000"), "{}", rejected.detail);
    }
    // Parsers that know of no limit, an owner that does.
    let articles = world(10, &articles_of(10, 200, 2), 2);
    articles.lock().expect("no panic").message_limit = 4_000;
    let (summary, _) = work_off(barid_stage::run_decide, barid_stage::decide_spec, &articles, &config());
    assert!(summary.rejected["too_large"] > 0 && summary.records > 0, "{summary:?}");
}

#[test]
fn state_that_this_version_cannot_read_stops_the_owner() {
    let articles = world(11, &articles_of(11, 20, 1), 1);
    let key = [b"barid.articles\0".as_slice(), b"watcher"].concat();
    articles
        .lock()
        .expect("no panic")
        .state
        .insert((barid_stage::ORDER, key), b"\x02from the future".as_slice().into());
    let metrics = Metrics::register(&Registry::new()).expect("metrics");
    let control = Control::default();
    control.ask(Wish::Drain);
    let worker = Fake::join(&articles, barid_stage::decide_spec());
    let ended = barid_stage::run_decide(&config(), worker, &metrics, &|| 0, &control, &|_| {});
    assert!(matches!(ended, Err(StageError::UnknownState { table: "stage.order", .. })), "{ended:?}");
}
