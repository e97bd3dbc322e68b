//! The same log on Apache Kafka: any number of processes, each commit one transaction.
//!
//! ```text
//! worker's thread           fetcher --messages--> the caller --units--> queue
//! filler and ender threads  queue -> producer A | producer B -> transaction: messages + changes of state + positions
//! cluster                   topics | barid.state.<table> (compacted) | barid.owners (whose one partition goes to a group's owner)
//!                           barid.<group> (whose partitions are the shards of a group's state, which several processes share)
//! this machine              <dir>/<slot>/state/<group>: a copy of the tables, made anew from their changelogs when it is gone
//! ```
//!
//! Everything of librdkafka that blocks is called from plain threads. Its traps are written where they are avoided: `commit.rs` (flush, ordering,
//! unknown outcomes), `leave.rs` (closing), `restore.rs` (commit markers), `fetch.rs` (priorities), `message.rs` (timestamps).

mod client;
mod cluster;
mod commit;
mod config;
mod fetch;
mod inspect;
mod join;
mod leave;
mod message;
mod metrics;
mod producer;
mod restore;
mod shards;
mod stall;
mod store;
mod sync;
mod topics;
mod worker;

use std::sync::Arc;

use barid_record::Topic;
use prometheus::Registry;

pub use client::check_property;
pub use commit::KAFKA_FAILPOINTS;
pub use config::{Delivery, KafkaConfig, StateTopic, TopicOutcome, TopicPlan};
pub use shards::{Seat, Shards};

use crate::LogError;
use crate::api::{Limit, Log, LogStatus, Message, Table, Worker, WorkerSpec};
use cluster::Cluster;
use metrics::Metrics;

/// A Kafka cluster as a log.
#[derive(Debug)]
pub struct Kafka {
    cluster: Arc<Cluster>,
}

impl Kafka {
    /// Connects, takes a place in the local folder, and registers its metrics (`barid_kafka_*`); a failure leaves none behind.
    ///
    /// # Errors
    ///
    /// [`LogError::Unreachable`] when no broker answers, [`LogError::Refused`] when they do not accept this client, [`LogError::BadProperty`] for a
    /// property librdkafka refuses.
    pub fn open(config: KafkaConfig, registry: &Registry) -> Result<Self, LogError> {
        let metrics = Metrics::new()?;
        let cluster = Cluster::connect(config, metrics.clone())?;
        metrics.register(registry)?;
        Ok(Self { cluster: Arc::new(cluster) })
    }

    /// Registers the series that a log on Kafka shows, without any log behind them: for the catalogue of metrics.
    ///
    /// # Errors
    ///
    /// When the registry has one of them.
    pub fn describe(registry: &Registry) -> Result<(), LogError> {
        Metrics::new()?.register(registry)
    }

    /// Creates the topics there are not yet, with a changelog for each table; tells of all.
    ///
    /// # Errors
    ///
    /// As the broker refuses.
    pub fn create_topics(&self, plan: &TopicPlan, tables: &[Table]) -> Result<Vec<TopicOutcome>, LogError> {
        let whole = |&table| StateTopic::Changelog { table, scope: "", shards: 1 };
        let states: Vec<_> = tables.iter().map(whole).collect();
        self.create_topics_with(plan, &states)
    }

    /// The same with these topics of state.
    ///
    /// # Errors
    ///
    /// As the broker refuses.
    pub fn create_topics_with(
        &self,
        plan: &TopicPlan,
        states: &[StateTopic<'_>],
    ) -> Result<Vec<TopicOutcome>, LogError> {
        topics::create(&self.cluster.config, &self.cluster.names, plan, states)
    }

    /// Joins a group whose state is shared out by shards.
    ///
    /// # Errors
    ///
    /// [`LogError::TopicMissing`] where nobody made the group's topic, [`LogError::GroupBusy`] when this process is a member already, and as brokers refuse.
    pub fn shards(&self, group: &str) -> Result<Shards, LogError> {
        Shards::join(&self.cluster, group)
    }

    /// Takes over a shard: returns when what its last owner left open has ended and all of its state is here. The worker reads no topic, and its state is
    /// what these tables hold of the shard.
    ///
    /// # Errors
    ///
    /// [`LogError::Lost`] when the shard has gone to another member meanwhile, [`LogError::Stopped`] when it was asked back, [`LogError::TopicUnfit`] where
    /// a table's changelog has another number of shards, and as brokers refuse.
    pub fn seat_worker(&self, seat: &Seat, tables: &[Table]) -> Result<Box<dyn Worker>, LogError> {
        Ok(Box::new(join::join_seat(&self.cluster, seat, tables)?))
    }
}

impl Log for Kafka {
    fn worker(&self, spec: WorkerSpec) -> Result<Box<dyn Worker>, LogError> {
        Ok(Box::new(join::join(&self.cluster, spec)?))
    }

    fn read(&self, topic: Topic, partition: u32, from: u64, limit: Limit) -> Result<Vec<Message>, LogError> {
        self.cluster.read(topic, partition, from, limit)
    }

    fn end(&self, topic: Topic, partition: u32) -> Result<u64, LogError> {
        Ok(self.cluster.settled_extent(&self.cluster.names.topic(topic), partition)?.1)
    }

    fn status(&self) -> Result<LogStatus, LogError> {
        self.cluster.status()
    }
}
