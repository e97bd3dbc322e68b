//! Reads what is on `barid.records` and compares it with what should be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use barid_tests::Line;
use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::error::TaskError;

/// A read_committed reader of all records from the first one on.
pub(crate) struct Auditor {
    consumer: BaseConsumer,
    /// Every record as often as it was seen.
    seen: BTreeMap<(String, u64), Vec<Line>>,
    messages: usize,
}

impl Auditor {
    pub(crate) fn new(brokers: &str, topic: &str, partitions: i32) -> Result<Self, TaskError> {
        let said = |error: KafkaError| TaskError::Said(format!("auditing {topic}: {error}"));
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "auditor")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.message.max.bytes", "8000000")
            .create()
            .map_err(said)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(topic, partition, Offset::Beginning).map_err(said)?;
        }
        consumer.assign(&list).map_err(said)?;
        Ok(Self { consumer, seen: BTreeMap::new(), messages: 0 })
    }

    /// Reads for that long; returns how many messages came.
    pub(crate) fn read(&mut self, time: Duration) -> Result<usize, TaskError> {
        let (before, deadline) = (self.messages, std::time::Instant::now() + time);
        while std::time::Instant::now() < deadline {
            // An error is the broker being down, which is what is being tested.
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) else { continue };
            let text = message.payload().map(String::from_utf8_lossy).unwrap_or_default();
            let line = Line::read(&text)
                .ok_or_else(|| TaskError::Said(format!("a message that is no record: {text:.200}")))?;
            self.messages += 1;
            self.seen.entry((line.record_id.clone(), line.version)).or_default().push(line);
        }
        Ok(self.messages - before)
    }

    /// Different records seen.
    pub(crate) fn records(&self) -> usize {
        self.seen.len()
    }

    /// Every record, the first time it was seen.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.seen.values().filter_map(|lines| lines.first().cloned()).collect()
    }

    /// Records that came more than once.
    pub(crate) fn doubled(&self) -> Vec<String> {
        let doubled = self.seen.iter().filter(|(_, lines)| lines.len() > 1);
        doubled
            .map(|((id, version), lines)| format!("{id} version {version}: {} times", lines.len()))
            .collect()
    }
}

/// How far two sets of records must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Record, version, verdict and canonical record.
    Exact,
    /// Record and version, and which records share a text. Which of them was first depends on what died when.
    UpToFirst,
}

/// What differs, a line each; at most 20.
pub(crate) fn differences(expected: &[Line], found: &[Line], agreement: Agreement) -> Vec<String> {
    let mut told = compare("records", &keys(expected), &keys(found));
    match agreement {
        Agreement::Exact => {
            told.extend(compare("verdicts", &verdicts(expected), &verdicts(found)));
        }
        Agreement::UpToFirst => {
            told.extend(compare("texts and who shares them", &clusters(expected), &clusters(found)));
            told.extend(not_first(found));
        }
    }
    told.truncate(20);
    told
}

fn compare<T: Ord + std::fmt::Debug>(what: &str, expected: &BTreeSet<T>, found: &BTreeSet<T>) -> Vec<String> {
    let lost = expected.difference(found).take(5).map(|item| format!("{what}: lost {item:?}"));
    let extra = found.difference(expected).take(5).map(|item| format!("{what}: not expected {item:?}"));
    lost.chain(extra).collect()
}

fn keys(lines: &[Line]) -> BTreeSet<(&str, u64)> {
    lines.iter().map(|line| (line.record_id.as_str(), line.version)).collect()
}

fn verdicts(lines: &[Line]) -> BTreeSet<(&str, u64, &str, &str)> {
    lines
        .iter()
        .map(|line| {
            (line.record_id.as_str(), line.version, line.verdict.as_str(), line.canonical_record_id.as_str())
        })
        .collect()
}

/// The sets of records that share a canonical record.
fn clusters(lines: &[Line]) -> BTreeSet<Vec<&str>> {
    let mut clusters: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in lines {
        clusters.entry(&line.canonical_record_id).or_default().insert(&line.record_id);
    }
    clusters.into_values().map(|members| members.into_iter().collect()).collect()
}

/// Every text has exactly one first record, its canonical one.
fn not_first(lines: &[Line]) -> Vec<String> {
    let wrong = lines.iter().filter(|line| {
        line.version == 1 && (line.verdict == "unique") != (line.canonical_record_id == line.record_id)
    });
    wrong
        .take(5)
        .map(|line| format!("{} is {} of {}", line.record_id, line.verdict, line.canonical_record_id))
        .collect()
}
