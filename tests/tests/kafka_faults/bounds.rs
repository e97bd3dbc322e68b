//! What has a bound: sizes of messages, memory; and what has none: timestamps.

use std::time::Duration;

use barid_log::{Control, Kafka, Limit, Log, LogError, Outgoing, TopicPlan, Unit, WorkerSpec};
use barid_record::Topic;
use barid_tests::Random;
use barid_tests::kafka::{Broker, create_topic};
use barid_tests::worker::{COUNTS, Job, Post};
use bytes::Bytes;
use prometheus::Registry;

use super::lab::{FOR_EVER, Lab, PARTITIONS, message, producer, until};

fn sized(topic: Topic, bytes: usize) -> Outgoing {
    let empty = Outgoing { topic, value: Bytes::new(), ..message(0) };
    let value = Bytes::from(vec![b'x'; bytes - empty.bytes()]);
    Outgoing { value, ..empty }
}

#[test]
fn what_a_topic_does_not_take_is_refused_before_anything_is_sent() {
    const OURS: usize = 1 << 20;
    const LOWER: usize = 300_000;
    let broker = Broker::for_tests().expect("a broker");
    let lab = Lab { prefix: format!("bounds{}.", std::process::id()), ..Lab::new(broker) };
    let lower = LOWER.to_string();
    let settings = [("max.message.bytes", lower.as_str())];
    create_topic(broker.address(), &lab.name(Topic::Raw), 4, &settings).expect("a topic that takes less");
    let config =
        barid_log::KafkaConfig { message_bytes: OURS, ..lab.post("small").config(&Control::default()) };
    let log = Kafka::open(config, &Registry::new()).expect("a log");
    let plan = TopicPlan { partitions: PARTITIONS, retention: FOR_EVER, ..TopicPlan::default() };
    let made = log.create_topics(&plan, &[COUNTS]).expect("the other topics");
    let differs = &made.iter().find(|topic| topic.name == lab.name(Topic::Raw)).expect("told of").differs;
    assert!(differs.iter().any(|(name, found, _)| name == "max.message.bytes" && *found == lower));

    let mut producer = producer(&log);
    let limits = [Topic::Raw, Topic::Articles].map(|topic| (topic, producer.message_limit(topic)));
    assert_eq!(limits[1].1, OURS);
    assert!(limits[0].1 < LOWER && limits[0].1 > LOWER / 2, "{limits:?}");
    for (topic, limit) in limits {
        let small = Outgoing { topic, ..message(1) };
        let unit = Unit { produced: vec![small, sized(topic, limit + 1)], ..Unit::default() };
        match producer.submit(unit) {
            Err(LogError::TooLarge { bytes, limit_bytes, .. }) => {
                assert_eq!((bytes, limit_bytes), (limit + 1, limit));
            }
            outcome => panic!("{outcome:?}"),
        }
        let unit = Unit { produced: vec![sized(topic, limit)], ..Unit::default() };
        let ticket = producer.submit(unit).expect("exactly as large as it may be");
        producer.wait(ticket).expect("the broker takes it");
        let seen = lab.read(topic, 1);
        assert_eq!(seen.len(), 1, "the small message of the refused unit is not there");
    }
}

#[test]
fn timestamps_come_back_as_they_were() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let log = lab.open("times");
    let times = [0, -1, i64::MIN, 1, 1_790_000_000_000, 4_102_444_800_000, i64::MAX];
    let produced = times.iter().map(|time| Outgoing { timestamp_ms: *time, ..message(1) }).collect();
    let mut producer = producer(&log);
    let ticket = producer.submit(Unit { produced, ..Unit::default() }).expect("submitted");
    producer.wait(ticket).expect("durable");
    let spec = WorkerSpec { group: "times".into(), inputs: vec![Topic::Raw], tables: Vec::new() };
    let mut reader = log.worker(spec).expect("a reader");
    let mut polled = Vec::new();
    until("all messages", || {
        let limit = Limit { messages: 10, bytes: 1 << 20 };
        polled.extend(reader.poll(limit, Duration::from_millis(200)).expect("messages"));
        polled.len() >= times.len()
    });
    assert_eq!(polled.iter().map(|message| message.timestamp_ms).collect::<Vec<_>>(), times);
    assert!(polled.iter().all(|message| message.headers.is_empty()), "what carried them is not handed out");
    let partition = polled[0].partition;
    let looked =
        log.read(Topic::Raw, partition, 0, Limit { messages: 10, bytes: 1 << 20 }).expect("messages");
    assert_eq!(looked, polled);
}

#[test]
fn a_reader_that_takes_nothing_keeps_its_memory_small() {
    const FETCH_BYTES: usize = 4 << 20;
    const MESSAGES: u64 = 10_000;
    const BYTES: usize = 10_000;
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let post = |place: &str| Post { fetch_bytes: FETCH_BYTES, ..lab.post(place) };
    let peak = |process: &super::lab::Process| {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim_end_matches("kB").trim().parse::<usize>().expect("a number") << 10
    };
    // One message: what a reader takes that has nothing to hold back.
    lab.produce(0..1);
    let mut calm = lab.process(Job::Hoard, &post("calm"));
    calm.wait_for("joined");
    std::thread::sleep(Duration::from_secs(3));
    let little = peak(&calm);
    calm.stop();

    let log = lab.open("writer");
    let mut writer = producer(&log);
    let mut random = Random::new(3);
    for start in (0..MESSAGES).step_by(500) {
        let produced = (start..start + 500).map(|number| Outgoing {
            // What cannot be packed.
            value: (0..BYTES / 8)
                .flat_map(|_| random.below(u64::MAX).to_le_bytes())
                .collect::<Vec<u8>>()
                .into(),
            ..message(number)
        });
        let ticket =
            writer.submit(Unit { produced: produced.collect(), ..Unit::default() }).expect("submitted");
        writer.wait(ticket).expect("durable");
    }
    let mut full = lab.process(Job::Hoard, &post("full"));
    full.wait_for("joined");
    std::thread::sleep(Duration::from_secs(8));
    let (much, all) = (peak(&full), MESSAGES as usize * BYTES);
    full.stop();
    // Ours, the client's queue of the same size, and a response from the broker on its way to them.
    assert!(much < little + 6 * FETCH_BYTES, "{much} bytes beside {all} to read, {little} without");
    assert!(all > 2 * (little + 6 * FETCH_BYTES), "the bound means something");
    assert!(much > little + FETCH_BYTES / 2, "it did fetch: {much} bytes, {little} without");
}
