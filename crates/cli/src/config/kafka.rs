//! `[kafka]`: the cluster that `barid watch`, `stage`, `sink` and `web` work on.

use std::collections::BTreeMap;

use super::files::optional;
use super::reader::{Reader, Section};

/// `[kafka]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KafkaSection {
    /// `host:port`, comma-separated; `None` when nobody named them.
    pub(crate) brokers: Option<String>,
    /// Stands in front of every topic, group and transactional id.
    pub(crate) prefix: String,
    /// Names this process; `None` takes a name kept in its folder.
    pub(crate) instance: Option<String>,
    /// What a commit promises.
    pub(crate) delivery: Delivery,
    /// A member that is silent for this long loses its partitions.
    pub(crate) session_timeout_seconds: u64,
    /// Whether a restart within the session timeout keeps its partitions.
    pub(crate) static_membership: bool,
    /// Most bytes of a message.
    pub(crate) max_message_bytes: usize,
    /// A transaction is ended when it holds this many bytes.
    pub(crate) transaction_bytes: usize,
    /// Fetched messages waiting in memory, for each worker.
    pub(crate) fetch_bytes: usize,
    /// How topics are made.
    pub(crate) topics: TopicsSection,
    /// Properties of librdkafka, by name.
    pub(crate) properties: BTreeMap<String, String>,
}

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Transactions.
    ExactlyOnce,
    /// None: after a failure messages may come twice.
    AtLeastOnce,
}

/// `[kafka.topics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicsSection {
    /// Partitions of each topic that is shared among processes.
    pub(crate) partitions: u32,
    /// Copies of each partition; 0 takes the broker's default.
    pub(crate) replication: u16,
    /// How long raw and parsed documents are kept.
    pub(crate) retention_hours: u64,
    /// How long records and rejected documents are kept; `None`: for ever.
    pub(crate) records_retention_hours: Option<u64>,
}

/// Most bytes of anything that librdkafka counts in an `int`, with room for what it adds.
const MOST_BYTES: u64 = 1 << 29;

pub(super) fn read(reader: &mut Reader<'_>, root: &mut Section<'_>) -> KafkaSection {
    let mut section = reader.table(root, "kafka");
    let deliveries = [("exactly_once", Delivery::ExactlyOnce), ("at_least_once", Delivery::AtLeastOnce)];
    let brokers = optional(reader.text(&mut section, "brokers", ""));
    let prefix = reader.text(&mut section, "prefix", "");
    let instance = reader.text(&mut section, "instance", "");
    for (key, name) in [("kafka.prefix", &prefix), ("kafka.instance", &instance)] {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.len() > 100 || !name.bytes().all(valid) {
            let hint = "it becomes part of the names of topics and groups".to_owned();
            reader.refuse("E0105", key, "use at most 100 of a-z A-Z 0-9 . _ -".into(), Some(hint));
        }
    }
    let config = KafkaSection {
        brokers,
        prefix,
        instance: optional(instance),
        delivery: reader.choice(&mut section, "delivery", &deliveries),
        session_timeout_seconds: reader.integer(&mut section, "session_timeout_seconds", 15, 6..=300),
        static_membership: reader.boolean(&mut section, "static_membership", true),
        max_message_bytes: size(reader, &mut section, "max_message_bytes", 32 << 20),
        transaction_bytes: size(reader, &mut section, "transaction_bytes", 16 << 20),
        fetch_bytes: size(reader, &mut section, "fetch_bytes", 64 << 20),
        topics: topics(reader, &mut section),
        properties: reader.properties(&mut section, "properties"),
    };
    reader.end(&section);
    config
}

fn size(reader: &mut Reader<'_>, section: &mut Section<'_>, key: &'static str, default: u64) -> usize {
    let bytes = reader.integer(section, key, default, 64 << 10..=MOST_BYTES);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn topics(reader: &mut Reader<'_>, kafka: &mut Section<'_>) -> TopicsSection {
    const MOST_HOURS: u64 = 1_000_000;
    let mut section = reader.table(kafka, "topics");
    let partitions = reader.integer(&mut section, "partitions", 6, 1..=10_000);
    let replication = reader.integer(&mut section, "replication", 0, 0..=100);
    let retention_hours = reader.integer(&mut section, "retention_hours", 168, 1..=MOST_HOURS);
    let records_hours = reader.integer(&mut section, "records_retention_hours", 0, 0..=MOST_HOURS);
    reader.end(&section);
    TopicsSection {
        partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
        replication: u16::try_from(replication).unwrap_or(u16::MAX),
        retention_hours,
        records_retention_hours: (records_hours > 0).then_some(records_hours),
    }
}
