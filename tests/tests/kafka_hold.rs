//! Holding a partition back on a real broker: what was fetched of it must not keep the others from coming.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use barid_log::{Kafka, KafkaConfig, Limit, Log, Outgoing, TopicPlan, Unit, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::kafka::Broker;
use bytes::Bytes;
use prometheus::Registry;

const LIMIT: Limit = Limit { messages: 1, bytes: 1 << 20 };
const FETCH_BYTES: usize = 1 << 20;
const LONGEST: Duration = Duration::from_secs(60);

fn spec(group: &str, inputs: Vec<Topic>) -> WorkerSpec {
    WorkerSpec { group: group.into(), inputs, tables: Vec::new() }
}

fn produce(worker: &mut dyn Worker, key: &str, count: usize, bytes: usize) {
    let message = Outgoing {
        topic: Topic::Articles,
        timestamp_ms: 1_900_000_000_000,
        key: Bytes::copy_from_slice(key.as_bytes()),
        headers: Vec::new(),
        value: Bytes::from(vec![b'x'; bytes]),
    };
    let ticket = worker.submit(Unit { produced: vec![message; count], ..Unit::default() }).unwrap();
    worker.wait(ticket).unwrap();
}

/// The next message, or what was waited for in vain.
fn next(worker: &mut dyn Worker, what: &str) -> (u32, u64, Bytes) {
    let started = Instant::now();
    while started.elapsed() < LONGEST {
        if let Some(message) = worker.poll(LIMIT, Duration::from_millis(200)).unwrap().pop() {
            return (message.partition, message.offset, message.key);
        }
    }
    panic!("{what} does not come");
}

#[test]
fn what_was_fetched_of_a_held_partition_does_not_keep_the_others_from_coming() {
    let dir = tempfile::tempdir().unwrap();
    let config = KafkaConfig {
        prefix: format!("hold{}.", std::process::id()),
        fetch_bytes: FETCH_BYTES,
        session_timeout: Duration::from_secs(6),
        ..KafkaConfig::new(Broker::for_tests().unwrap().address(), dir.path())
    };
    let log = Kafka::open(config, &Registry::new()).unwrap();
    let retention = Duration::from_secs(100 * 365 * 24 * 3600);
    log.create_topics(&TopicPlan { partitions: 2, retention, ..TopicPlan::default() }, &[]).unwrap();
    let mut producer = log.worker(spec("producer", Vec::new())).unwrap();
    // Several times what is kept in memory, all of one partition.
    produce(producer.as_mut(), "ahead", 400, 10_000);
    let mut reader = log.worker(spec("reader", vec![Topic::Articles])).unwrap();
    let (ahead, first, _) = next(reader.as_mut(), "the first message");
    // Long enough for the buffer to fill.
    for _ in 0..20 {
        reader.tend().unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    reader.hold(Topic::Articles, ahead, true).unwrap();
    let other = ["a", "b", "c", "d", "e", "f", "g", "h"];
    for key in other {
        produce(producer.as_mut(), key, 1, 10);
    }
    let (partition, _, key) = next(reader.as_mut(), "a message of the other partition");
    assert!(partition != ahead && other.contains(&str::from_utf8(&key).unwrap()));
    reader.hold(Topic::Articles, ahead, false).unwrap();
    let mut expected = first + 1;
    while expected < 400 {
        let (partition, offset, _) = next(reader.as_mut(), "the rest of the held partition");
        if partition == ahead {
            assert_eq!(offset, expected, "nothing is left out and nothing comes twice");
            expected += 1;
        }
    }
}
