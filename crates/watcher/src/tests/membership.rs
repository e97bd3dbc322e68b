//! What a log on Kafka asks of a watcher: numbers, limits, signs of life, and an end when it is no longer the owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barid_log::{Batch, Control, Limit, LogError, Table, Ticket, Unit, Wish, Worker};
use barid_record::{Reason, Topic};
use bytes::Bytes;

use super::{Place, documents_since, end, gzip, noise, rejected_since};
use crate::{Fields, Format, WatcherError};

/// The embedded log's worker with the habits of another log.
struct Strict {
    inner: Box<dyn Worker>,
    limit_bytes: usize,
    submits: u64,
    /// The submission that fails, after the log took it or before.
    fails: Option<(u64, bool)>,
    is_rewound: bool,
    tended: Arc<AtomicU64>,
}

impl Strict {
    fn new(inner: Box<dyn Worker>) -> Self {
        Self {
            inner,
            limit_bytes: usize::MAX,
            submits: 0,
            fails: None,
            is_rewound: false,
            tended: Arc::default(),
        }
    }

    fn failure(&self) -> LogError {
        let (group, cause) = ("watcher".into(), "a test".into());
        if self.is_rewound { LogError::Rewound { group, cause } } else { LogError::Lost { group, cause } }
    }
}

impl Worker for Strict {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        self.inner.poll(limit, wait)
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.inner.get(table, key)
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        self.inner.scan(table, prefix, visit)
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        self.submits += 1;
        let largest = unit.produced.iter().map(barid_log::Outgoing::bytes).max().unwrap_or(0);
        assert!(largest <= self.limit_bytes, "a message of {largest} bytes");
        match self.fails {
            Some((at, is_taken)) if at == self.submits => {
                if is_taken {
                    let ticket = self.inner.submit(unit)?;
                    self.inner.wait(ticket)?;
                }
                Err(self.failure())
            }
            Some(_) | None => self.inner.submit(unit),
        }
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        self.inner.wait(ticket)
    }

    fn durable(&self) -> Option<Ticket> {
        self.inner.durable()
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        self.inner.position(topic, partition)
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        self.inner.hold(topic, partition, held)
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        self.inner.partitions(topic)
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.tended.fetch_add(1, Ordering::Relaxed);
        self.inner.tend()
    }

    fn message_limit(&self, _topic: Topic) -> usize {
        self.limit_bytes
    }
}

#[test]
fn a_watcher_that_loses_its_group_ends_and_the_next_one_goes_on() {
    for (is_taken, is_rewound) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut place = Place::new();
        place.batch_documents = 7;
        let names: Vec<String> = (0..50).map(|n| format!("{n:03}.txt")).collect();
        for name in &names {
            place.write(name, format!("text of {name}"));
        }
        place.between = Box::new(move |inner| {
            let fails = Some((3, is_taken));
            Box::new(Strict { fails, is_rewound, ..Strict::new(inner) })
        });
        let log = place.log();
        let control = Control::default();
        control.ask(Wish::Drain);
        let error = place.run(&log, &control, &|_| ()).expect_err("the third unit is refused");
        assert!(matches!(error, WatcherError::Log { source: LogError::Lost { .. }, .. }), "{error}");
        place.between = Box::new(|worker| worker);
        place.run(&log, &control, &|_| ()).expect("the next one runs");
        let documents = documents_since(&log, Topic::Raw, 0);
        assert!(documents.iter().map(|document| &document.key).eq(&names), "taken: {is_taken}");
    }
}

#[test]
fn history_goes_to_a_topic_of_its_own_with_numbers_of_its_own() {
    let mut place = Place::new();
    for (name, backfill, topic) in
        [("a.txt", true, Topic::Backfill), ("b.txt", false, Topic::Raw), ("c.txt", true, Topic::Backfill)]
    {
        place.source.backfill = backfill;
        place.write(name, name);
        let log = place.log();
        let before = [Topic::Raw, Topic::Backfill].map(|topic| end(&log, topic));
        let control = Control::default();
        control.ask(Wish::Drain);
        place.run(&log, &control, &|_| ()).expect("the watcher runs");
        let after = [Topic::Raw, Topic::Backfill].map(|topic| end(&log, topic));
        assert_eq!(after.iter().sum::<u64>(), before.iter().sum::<u64>() + 1);
        let documents = documents_since(&log, topic, 0);
        assert_eq!(documents.last().expect("one came").key, name);
        log.close().expect("the log closes");
    }
}

#[test]
fn what_the_log_would_not_take_is_rejected_as_far_as_it_fits() {
    const LIMIT: usize = 4096;
    let mut place = Place::new();
    place.between = Box::new(|inner| Box::new(Strict { limit_bytes: LIMIT, ..Strict::new(inner) }));
    place.write("a.txt", "x".repeat(LIMIT));
    place.write("b.txt", "fits");
    let mut archive = gzip(&noise(30 * LIMIT));
    archive.truncate(10 * LIMIT);
    place.write("c.txt.gz", &archive);
    let brought = place.drain();
    assert_eq!(brought.texts(), [("b.txt", "fits")]);
    let [large, archive] = &brought.rejected[..] else { panic!("{:?}", brought.rejected) };
    assert_eq!((large.reason, large.document.key.as_str()), (Reason::TooLarge, "a.txt"));
    assert!(large.detail.contains("the log takes 4096"), "{}", large.detail);
    assert_eq!(archive.reason, Reason::BadCompression);
    let lengths = [(large, LIMIT), (archive, 10 * LIMIT)];
    for (rejected, bytes) in lengths {
        let kept = rejected.document.body.len();
        assert!(kept > LIMIT / 2, "{kept} bytes of {bytes}");
        assert_eq!(kept as u64 + rejected.dropped_bytes, bytes as u64);
    }
    let dropped = large.dropped_bytes + archive.dropped_bytes;
    assert_eq!(place.metrics.dropped_bytes.get(), dropped);
    assert_eq!((brought.summary.documents, brought.summary.rejected), (1, 2));
    assert_eq!(place.drain().summary.rejected, 0, "it is marked as read");
}

#[test]
fn a_line_whose_headers_alone_are_too_much_is_rejected_too() {
    const LIMIT: usize = 4096;
    let mut place = Place::new();
    place.source.include = vec!["*.jsonl".into()];
    let fields = Fields { headline: Some("title".into()), id: Some("id".into()), ..Fields::default() };
    place.source.format = Format::JsonLines(Box::new(fields));
    place.between = Box::new(|inner| Box::new(Strict { limit_bytes: LIMIT, ..Strict::new(inner) }));
    let line = |id: &str, title: usize| {
        format!("{{\"id\":\"{id}\",\"title\":\"{}\",\"text\":\"the text\"}}\n", "t".repeat(title))
    };
    place
        .write("a.jsonl", line("1", 10) + &line("2", LIMIT) + &line(&"3".repeat(LIMIT), 10) + &line("4", 10));
    let brought = place.drain();
    assert_eq!(brought.keys(), ["id:1", "id:4"]);
    let [title, id] = &brought.rejected[..] else { panic!("{:?}", brought.rejected) };
    assert_eq!((title.reason, title.document.key.as_str()), (Reason::TooLarge, "id:2"));
    assert_eq!((&title.document.body[..], title.dropped_bytes), (&b"the text"[..], LIMIT as u64));
    assert_eq!(id.reason, Reason::BadJson, "its id would be part of every key");
}

#[test]
fn a_watcher_with_nothing_to_do_gives_signs_of_life() {
    let mut place = Place::new();
    place.source.rescan_seconds = 100_000;
    let tended = Arc::new(AtomicU64::new(0));
    let counter = tended.clone();
    place.between = Box::new(move |inner| Box::new(Strict { tended: counter.clone(), ..Strict::new(inner) }));
    let log = place.log();
    let control = Control::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| place.run(&log, &control, &|_| ()));
        // A run that gives none hangs here.
        while tended.load(Ordering::Relaxed) < 2 && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        control.ask(Wish::Drain);
        run.join().expect("the run ends").expect("the watcher runs");
    });
    assert!(tended.load(Ordering::Relaxed) >= 2);
    assert_eq!(rejected_since(&log, 0), []);
    log.close().expect("the log closes");
}
