//! Back-fill beside live messages on a real broker: while live ones come it goes in small steps, otherwise in large ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use barid_log::{Kafka, KafkaConfig, Limit, Log, Message, Outgoing, TopicPlan, Unit, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::kafka::Broker;
use bytes::Bytes;
use prometheus::Registry;

const LIMIT: Limit = Limit { messages: 1_000, bytes: 64 << 20 };
/// What a step of back-fill has at most, in messages: see `fetch.rs`.
const STEP: usize = 32;
const LONGEST: Duration = Duration::from_secs(60);

fn spec(group: &str, inputs: Vec<Topic>) -> WorkerSpec {
    WorkerSpec { group: group.into(), inputs, tables: Vec::new() }
}

fn produce(worker: &mut dyn Worker, topic: Topic, count: usize) {
    let message = Outgoing {
        topic,
        timestamp_ms: 1_900_000_000_000,
        key: Bytes::from_static(b"key"),
        headers: Vec::new(),
        value: Bytes::from_static(b"value"),
    };
    let ticket = worker.submit(Unit { produced: vec![message; count], ..Unit::default() }).unwrap();
    worker.wait(ticket).unwrap();
}

/// The next batch that has a message of that topic.
fn next(worker: &mut dyn Worker, topic: Topic) -> Vec<Message> {
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        let batch = worker.poll(LIMIT, Duration::from_millis(200)).unwrap();
        if batch.iter().any(|message| message.topic == topic) {
            return batch;
        }
    }
    panic!("no message of {} comes", topic.name())
}

#[test]
fn back_fill_goes_in_small_steps_while_live_messages_come() {
    let dir = tempfile::tempdir().unwrap();
    let config = KafkaConfig {
        prefix: format!("backfill{}.", std::process::id()),
        ..KafkaConfig::new(Broker::for_tests().unwrap().address(), dir.path())
    };
    let log = Kafka::open(config, &Registry::new()).unwrap();
    let retention = Duration::from_secs(100 * 365 * 24 * 3600);
    log.create_topics(&TopicPlan { partitions: 1, retention, ..TopicPlan::default() }, &[]).unwrap();
    let mut producer = log.worker(spec("producer", Vec::new())).unwrap();
    produce(producer.as_mut(), Topic::Backfill, 4 * STEP);
    let mut reader = log.worker(spec("reader", vec![Topic::Raw, Topic::Backfill])).unwrap();
    let first = next(reader.as_mut(), Topic::Backfill).len();
    assert!(first > STEP, "alone it goes in large steps, not of {first}");
    produce(producer.as_mut(), Topic::Raw, 1);
    next(reader.as_mut(), Topic::Raw);
    produce(producer.as_mut(), Topic::Backfill, 4 * STEP);
    let mut left = 4 * STEP;
    while left > 0 {
        let batch = next(reader.as_mut(), Topic::Backfill);
        assert!(batch.len() <= STEP, "a live message would wait for {} others", batch.len());
        left = left.saturating_sub(batch.len());
    }
}
