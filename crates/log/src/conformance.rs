//! What every backend must do, as functions that panic when it does not. Each case gets a log of its own, empty at first.
//!
//! Nothing here assumes offsets without gaps, or one partition's worth of speed: the Kafka backend runs the same cases.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a conformance case fails by panicking")]

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use barid_record::Topic;
use bytes::Bytes;

use crate::api::{Change, Limit, Log, Message, Outgoing, Position, Table, Unit, Worker, WorkerSpec};

/// A log that can be dropped and opened again with what it had durable.
pub trait Subject {
    /// Opens it. Called again only after the last one, and its workers, were dropped.
    fn open(&self) -> Box<dyn Log>;
}

/// One case: its name and the function that panics when the log does not conform.
pub type Case = (&'static str, fn(&dyn Subject));

/// Every case.
pub const CASES: &[Case] = &[
    ("produced messages come back whole and in order", whole_and_in_order),
    ("a commit is atomic across topics, positions and state", atomic_across_reopening),
    ("a worker reads its own submitted state", read_your_writes),
    ("two groups read independently", two_groups),
    ("without a commit the same messages come again", redelivery_without_commit),
    ("a large message passes alone", large_message),
    ("a poll without messages returns empty after its wait", empty_poll),
    ("lag counts what no durable commit covers", lag),
    ("live messages come before back-fill", live_before_backfill),
    ("many workers at once lose and repeat nothing", many_workers),
    ("units of a worker become durable in order", tickets_in_order),
    ("a limit is kept", limits),
    ("an idle poll wakes for a commit", wakes),
];

const INDEX: Table = Table("index");
const OTHER: Table = Table("other");
const ALL: Limit = Limit { messages: 10_000, bytes: 64 << 20 };
/// How long a message may take to arrive before the case counts it as lost: generous, it is only spent on failure.
const PATIENCE: Duration = Duration::from_secs(60);

fn spec(group: &str, inputs: &[Topic]) -> WorkerSpec {
    WorkerSpec { group: group.to_owned(), inputs: inputs.to_vec(), tables: vec![INDEX, OTHER] }
}

fn message(topic: Topic, text: &str) -> Outgoing {
    let headers = vec![(Bytes::from_static(b"ce_id"), Bytes::copy_from_slice(text.as_bytes()))];
    let key = Bytes::copy_from_slice(text.as_bytes());
    Outgoing { topic, timestamp_ms: 1_790_000_000_000, key, headers, value: format!("خبر {text}").into() }
}

fn put(key: &str, value: &str) -> Change {
    Change::Put {
        table: INDEX,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn delete(key: &str) -> Change {
    Change::Delete { table: INDEX, key: Bytes::copy_from_slice(key.as_bytes()) }
}

fn commit(worker: &mut dyn Worker, unit: Unit) {
    let ticket = worker.submit(unit).unwrap();
    worker.wait(ticket).unwrap();
}

fn produce(log: &dyn Log, topic: Topic, texts: &[&str]) {
    let mut producer = log.worker(spec("producer", &[])).unwrap();
    let produced = texts.iter().map(|text| message(topic, text)).collect();
    commit(&mut *producer, Unit { produced, ..Unit::default() });
}

/// Polls until `count` messages came.
fn poll_all(worker: &mut dyn Worker, count: usize) -> Vec<Message> {
    let deadline = Instant::now() + PATIENCE;
    let mut messages = Vec::new();
    while messages.len() < count {
        assert!(Instant::now() < deadline, "only {} of {count} messages came", messages.len());
        messages.extend(worker.poll(ALL, Duration::from_millis(200)).unwrap());
    }
    assert_eq!(messages.len(), count);
    messages
}

fn keys(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8(message.key.to_vec()).unwrap()).collect()
}

/// The position after the last message of each topic and partition.
fn after(messages: &[Message]) -> Vec<Position> {
    let mut positions = BTreeMap::new();
    for message in messages {
        positions.insert((message.topic, message.partition), message.next());
    }
    positions.into_values().collect()
}

fn text(value: Option<Bytes>) -> Option<String> {
    value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn scan(worker: &mut dyn Worker, prefix: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    worker.scan(INDEX, prefix.as_bytes(), &mut |key, value| seen.push((utf8(key), utf8(value)))).unwrap();
    seen
}

fn whole_and_in_order(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Raw, &["a", "b", "c"]);
    let empty = Outgoing {
        topic: Topic::Raw,
        timestamp_ms: -5,
        key: Bytes::new(),
        headers: Vec::new(),
        value: Bytes::new(),
    };
    let mut producer = log.worker(spec("producer", &[])).unwrap();
    commit(&mut *producer, Unit { produced: vec![empty], ..Unit::default() });
    let mut reader = log.worker(spec("reader", &[Topic::Raw])).unwrap();
    let messages = poll_all(&mut *reader, 4);
    assert_eq!(keys(&messages), ["a", "b", "c", ""]);
    assert!(messages.windows(2).all(|pair| pair[0].offset < pair[1].offset));
    assert_eq!(messages[1].value, "خبر b".as_bytes());
    assert_eq!(messages[1].header("ce_id").unwrap(), "b");
    assert_eq!((messages[1].timestamp_ms, messages[3].timestamp_ms), (1_790_000_000_000, -5));
    assert!(messages[3].headers.is_empty() && messages[3].value.is_empty());
    let read = log.read(Topic::Raw, messages[1].partition, messages[1].offset, ALL).unwrap();
    assert_eq!(read[0], messages[1]);
}

fn atomic_across_reopening(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Raw, &["a", "b"]);
    let mut stage = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    let first = poll_all(&mut *stage, 2);
    let unit = Unit {
        consumed: vec![first[0].next()],
        produced: vec![message(Topic::Records, "r1"), message(Topic::Rejected, "x1")],
        state: vec![put("a", "1"), put("gone", "1"), delete("gone")],
    };
    commit(&mut *stage, unit);
    drop(stage);
    drop(log);
    let log = subject.open();
    let mut stage = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    assert_eq!(stage.position(Topic::Raw, first[0].partition), first[0].offset + 1);
    assert_eq!(text(stage.get(INDEX, b"a").unwrap()).as_deref(), Some("1"));
    assert_eq!(stage.get(INDEX, b"gone").unwrap(), None);
    assert_eq!(keys(&poll_all(&mut *stage, 1)), ["b"]);
    let mut sink = log.worker(spec("sink", &[Topic::Records, Topic::Rejected])).unwrap();
    assert_eq!(keys(&poll_all(&mut *sink, 2)), ["r1", "x1"]);
}

fn read_your_writes(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = log.worker(spec("stage", &[])).unwrap();
    commit(
        &mut *worker,
        Unit { state: vec![put("k1", "old"), put("k2", "old"), put("k4", "old")], ..Unit::default() },
    );
    for round in 0..50 {
        let value = round.to_string();
        let state = vec![put("k1", &value), delete("k2"), put("k3", &value), put("other", &value)];
        worker.submit(Unit { state, ..Unit::default() }).unwrap();
        assert_eq!(text(worker.get(INDEX, b"k1").unwrap()).as_deref(), Some(value.as_str()));
        assert_eq!(worker.get(INDEX, b"k2").unwrap(), None);
        assert_eq!(worker.get(OTHER, b"k1").unwrap(), None);
        let wanted = [("k1", value.as_str()), ("k3", &value), ("k4", "old")];
        let wanted: Vec<_> =
            wanted.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(scan(&mut *worker, "k"), wanted);
        let ticket = worker.submit(Unit { state: vec![put("k2", "back")], ..Unit::default() }).unwrap();
        assert_eq!(text(worker.get(INDEX, b"k2").unwrap()).as_deref(), Some("back"));
        if round % 7 == 0 {
            worker.wait(ticket).unwrap();
        }
    }
}

fn two_groups(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Records, &["a", "b", "c"]);
    let mut one = log.worker(spec("one", &[Topic::Records])).unwrap();
    let mut two = log.worker(spec("two", &[Topic::Records])).unwrap();
    let read = poll_all(&mut *one, 3);
    commit(&mut *one, Unit { consumed: after(&read), ..Unit::default() });
    let read = poll_all(&mut *two, 3);
    commit(&mut *two, Unit { consumed: after(&read[..1]), ..Unit::default() });
    drop((one, two));
    let mut two = log.worker(spec("two", &[Topic::Records])).unwrap();
    assert_eq!(keys(&poll_all(&mut *two, 2)), ["b", "c"]);
    let mut one = log.worker(spec("one", &[Topic::Records])).unwrap();
    assert!(one.poll(ALL, Duration::from_millis(50)).unwrap().is_empty());
}

fn redelivery_without_commit(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Raw, &["a", "b"]);
    let mut worker = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    poll_all(&mut *worker, 2);
    assert!(worker.poll(ALL, Duration::ZERO).unwrap().is_empty(), "a message came twice to one worker");
    drop(worker);
    drop(log);
    let log = subject.open();
    let mut worker = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    assert_eq!(worker.position(Topic::Raw, 0), 0);
    assert_eq!(keys(&poll_all(&mut *worker, 2)), ["a", "b"]);
}

fn large_message(subject: &dyn Subject) {
    let log = subject.open();
    let mut value = Vec::with_capacity(8 << 20);
    let mut seed = 1u64;
    while value.len() < 8 << 20 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.extend_from_slice(&seed.to_le_bytes());
    }
    let large = Outgoing { value: value.into(), ..message(Topic::Raw, "large") };
    let mut producer = log.worker(spec("producer", &[])).unwrap();
    let produced = vec![message(Topic::Raw, "a"), large.clone(), message(Topic::Raw, "b")];
    commit(&mut *producer, Unit { produced, ..Unit::default() });
    let mut reader = log.worker(spec("reader", &[Topic::Raw])).unwrap();
    let small = Limit { messages: 10, bytes: 1_000 };
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let batch = reader.poll(small, PATIENCE).unwrap();
        assert!(!batch.is_empty(), "a message larger than the limit never came");
        seen.extend(batch);
    }
    assert_eq!(keys(&seen), ["a", "large", "b"]);
    assert_eq!(seen[1].value, large.value);
}

fn empty_poll(subject: &dyn Subject) {
    let log = subject.open();
    let mut reader = log.worker(spec("reader", &[Topic::Raw, Topic::Backfill])).unwrap();
    assert!(reader.poll(ALL, Duration::ZERO).unwrap().is_empty());
    let started = Instant::now();
    assert!(reader.poll(ALL, Duration::from_millis(30)).unwrap().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(30), "the poll did not wait");
    assert!(log.read(Topic::Raw, 0, 7, ALL).unwrap().is_empty());
    let ticket = reader.submit(Unit::default()).unwrap();
    reader.wait(ticket).unwrap();
}

fn lag(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Raw, &["a", "b", "c"]);
    let lag = |log: &dyn Log| {
        let lags = log.status().unwrap().lags;
        lags.into_iter().find(|lag| lag.group == "stage" && lag.topic == Topic::Raw).map(|lag| lag.messages)
    };
    let mut worker = log.worker(spec("stage", &[Topic::Raw])).unwrap();
    assert_eq!(lag(&*log), Some(3));
    let read = poll_all(&mut *worker, 3);
    assert_eq!(lag(&*log), Some(3), "reading is not committing");
    commit(&mut *worker, Unit { consumed: after(&read[..2]), ..Unit::default() });
    assert_eq!(lag(&*log), Some(1));
    commit(&mut *worker, Unit { consumed: after(&read), ..Unit::default() });
    assert_eq!(lag(&*log), Some(0));
}

fn live_before_backfill(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Backfill, &["old 1", "old 2", "old 3"]);
    produce(&*log, Topic::Raw, &["live 1"]);
    let mut worker = log.worker(spec("stage", &[Topic::Raw, Topic::Backfill])).unwrap();
    let two = Limit { messages: 2, bytes: 1 << 20 };
    assert_eq!(keys(&worker.poll(two, PATIENCE).unwrap())[0], "live 1");
    produce(&*log, Topic::Raw, &["live 2"]);
    let next = worker.poll(two, PATIENCE).unwrap();
    assert_eq!(keys(&next)[0], "live 2", "a back-fill message delayed a live one");
}

fn many_workers(subject: &dyn Subject) {
    const PRODUCERS: usize = 4;
    const UNITS: usize = 60;
    let log = subject.open();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let log = &*log;
            scope.spawn(move || {
                let mut worker = log.worker(spec(&format!("producer {producer}"), &[])).unwrap();
                let mut last = None;
                for unit in 0..UNITS {
                    let name = format!("{producer}/{unit:03}");
                    let produced = vec![message(Topic::Raw, &name), message(Topic::Records, &name)];
                    last = Some(
                        worker
                            .submit(Unit { produced, state: vec![put(&name, &name)], ..Unit::default() })
                            .unwrap(),
                    );
                }
                worker.wait(last.unwrap()).unwrap();
            });
        }
        let mut reader = log.worker(spec("reader", &[Topic::Raw])).unwrap();
        let mut seen = keys(&poll_all(&mut *reader, PRODUCERS * UNITS));
        for producer in 0..PRODUCERS {
            let own: Vec<_> = seen.iter().filter(|key| key.starts_with(&format!("{producer}/"))).collect();
            assert!(own.is_sorted(), "messages of one worker changed places");
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), PRODUCERS * UNITS);
    });
    let mut worker = log.worker(spec("checker", &[])).unwrap();
    assert_eq!(scan(&mut *worker, "").len(), PRODUCERS * UNITS);
}

fn tickets_in_order(subject: &dyn Subject) {
    let log = subject.open();
    let mut worker = log.worker(spec("producer", &[])).unwrap();
    assert_eq!(worker.durable(), None);
    let submit = |worker: &mut Box<dyn Worker>| {
        worker.submit(Unit { produced: vec![message(Topic::Raw, "a")], ..Unit::default() }).unwrap()
    };
    let tickets: Vec<_> = (0..20).map(|_| submit(&mut worker)).collect();
    assert!(tickets.is_sorted());
    worker.wait(tickets[9]).unwrap();
    assert!(worker.durable() >= Some(tickets[9]));
    worker.wait(tickets[19]).unwrap();
    assert_eq!(worker.durable(), Some(tickets[19]));
    assert_eq!(log.read(Topic::Raw, 0, 0, ALL).unwrap().len(), 20);
}

fn limits(subject: &dyn Subject) {
    let log = subject.open();
    produce(&*log, Topic::Raw, &["a", "b", "c", "d", "e"]);
    let mut reader = log.worker(spec("reader", &[Topic::Raw])).unwrap();
    assert_eq!(keys(&reader.poll(Limit { messages: 2, bytes: 1 << 20 }, PATIENCE).unwrap()), ["a", "b"]);
    let of_two = "خبر a".len() * 2;
    assert_eq!(keys(&reader.poll(Limit { messages: 9, bytes: of_two }, PATIENCE).unwrap()), ["c", "d"]);
    assert_eq!(keys(&reader.poll(Limit { messages: 0, bytes: 0 }, PATIENCE).unwrap()), ["e"]);
}

fn wakes(subject: &dyn Subject) {
    let log = subject.open();
    thread::scope(|scope| {
        let mut reader = log.worker(spec("reader", &[Topic::Raw])).unwrap();
        let waiting = scope.spawn(move || reader.poll(ALL, PATIENCE).unwrap());
        produce(&*log, Topic::Raw, &["a"]);
        assert_eq!(keys(&waiting.join().unwrap()), ["a"]);
    });
}
