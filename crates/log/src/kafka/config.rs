//! How barid uses a Kafka cluster.

use std::path::PathBuf;
use std::time::Duration;

use crate::Control;
use crate::api::Table;

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delivery {
    /// Transactions: a reader at `read_committed` sees each message once.
    #[default]
    ExactlyOnce,
    /// No transactions: after a failure messages may come twice. Ids and versions stay the same, so sinks that write by id end up the same.
    AtLeastOnce,
}

/// A Kafka cluster and this process's place in it.
#[derive(Debug, Clone)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Stands in front of every topic, group and transactional id: several pipelines can share a cluster. May be empty.
    pub prefix: String,
    /// Stands behind the groups and the state of this process, after a dot: processes with different ones stand by for nobody of the others. May be empty.
    pub scope: String,
    /// What to say to people when a worker stands by for another process.
    pub standby_hint: &'static str,
    /// Names this process. Two live processes must not share it. `None`: a name kept in `dir`.
    pub instance: Option<String>,
    /// Local state and the name, one folder a process: a second process finds the next free one below it.
    pub dir: PathBuf,
    /// What a commit promises.
    pub delivery: Delivery,
    /// A member that is silent for this long loses its partitions. Transactions end at two thirds of it.
    pub session_timeout: Duration,
    /// A restart within the session timeout keeps its partitions, and a stop does not give them away before it.
    pub static_membership: bool,
    /// Most key, header and payload bytes of a message. Topics are created to take it.
    pub message_bytes: usize,
    /// A transaction is ended when it holds this many bytes.
    pub transaction_bytes: usize,
    /// Fetched messages waiting in memory, for each worker.
    pub fetch_bytes: usize,
    /// Properties handed to librdkafka as they are, after ours: the last word.
    pub properties: Vec<(String, String)>,
    /// Waiting to become an owner ends when it asks to drain or to stop.
    pub control: Control,
}

impl KafkaConfig {
    /// The defaults, for a cluster and a local folder.
    pub fn new(brokers: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            brokers: brokers.into(),
            prefix: String::new(),
            scope: String::new(),
            standby_hint: "this process takes over when that one ends",
            instance: None,
            dir: dir.into(),
            delivery: Delivery::ExactlyOnce,
            session_timeout: Duration::from_secs(15),
            static_membership: true,
            message_bytes: 32 << 20,
            transaction_bytes: 16 << 20,
            fetch_bytes: 64 << 20,
            properties: Vec::new(),
            control: Control::default(),
        }
    }
}

/// How `barid topics create` lays topics out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicPlan {
    /// Partitions of raw, articles and records topics. State topics have one.
    pub partitions: u32,
    /// Copies of each partition; 0 takes the broker's default.
    pub replication: u16,
    /// How long raw and parsed documents are kept.
    pub retention: Duration,
    /// How long records and rejected documents are kept; `None`: for ever.
    pub records_retention: Option<Duration>,
}

impl Default for TopicPlan {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { partitions: 6, replication: 0, retention: 7 * DAY, records_retention: None }
    }
}

/// A topic of state, compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateTopic<'a> {
    /// What a table holds.
    Changelog {
        /// The table.
        table: Table,
        /// See [`KafkaConfig::scope`].
        scope: &'a str,
        /// Its partitions: 1 where one worker owns all of it.
        shards: u32,
    },
    /// The shards of a group's state, to be shared out.
    Seats {
        /// The group.
        group: &'a str,
        /// See [`KafkaConfig::scope`].
        scope: &'a str,
        /// How many.
        shards: u32,
    },
}

/// What became of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicOutcome {
    /// Its full name.
    pub name: String,
    /// Partitions it has now.
    pub partitions: u32,
    /// True when it was made now.
    pub created: bool,
    /// Settings that are not as planned: name, found, planned.
    pub differs: Vec<(String, String, String)>,
}
