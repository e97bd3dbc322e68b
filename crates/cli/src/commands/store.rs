//! The log as commands look at it: beside a running process, or alone and for writing.

use std::ops::ControlFlow;
use std::path::Path;

use barid_log::{
    Control, Embedded, EmbeddedConfig, EmbeddedReader, Kafka, KafkaConfig, Limit, Log, LogError, Message,
};
use barid_record::Topic;
use prometheus::Registry;

use crate::config::Config;
use crate::error::CliError;
use crate::settings;

/// Messages read at once: enough to be fast, few enough to stay small in memory.
const STEP: Limit = Limit { messages: 1024, bytes: 8 << 20 };

/// The log as it is now, whether or not a process runs: on Kafka where the configuration names brokers, else the folder.
pub(super) fn reader(config: &Config) -> Result<Box<dyn Log>, CliError> {
    if let Some(brokers) = &config.kafka.brokers {
        return Ok(Box::new(kafka(config, brokers)?));
    }
    Ok(Box::new(EmbeddedReader::open(existing(&config.data_dir)?)?))
}

/// A log that a command writes to.
pub(super) enum Writer {
    /// The folder, for this process alone.
    Embedded(Embedded),
    /// The cluster.
    Kafka(Kafka),
}

impl Writer {
    /// The log.
    pub(super) fn log(&self) -> &dyn Log {
        match self {
            Self::Embedded(log) => log,
            Self::Kafka(log) => log,
        }
    }

    /// Who takes what is written to `barid.raw`.
    pub(super) fn reads_next(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "the next `barid run` reads them",
            Self::Kafka(_) => "`barid stage` reads them",
        }
    }

    /// Ends it.
    pub(super) fn close(self) -> Result<(), CliError> {
        match self {
            Self::Embedded(log) => log.close()?,
            Self::Kafka(log) => drop(log),
        }
        Ok(())
    }
}

/// The log for a command that writes.
pub(super) fn writer(config: &Config) -> Result<Writer, CliError> {
    if let Some(brokers) = &config.kafka.brokers {
        return Ok(Writer::Kafka(kafka(config, brokers)?));
    }
    let dir = existing(&config.data_dir)?;
    Ok(Writer::Embedded(Embedded::open(EmbeddedConfig::new(dir), &Registry::new())?))
}

fn kafka(config: &Config, brokers: &str) -> Result<Kafka, CliError> {
    let config = settings::kafka(config, brokers, "cli", Control::default());
    // A command's place is free again when it ends.
    Ok(Kafka::open(KafkaConfig { static_membership: false, ..config }, &Registry::new())?)
}

/// The folder of the embedded log.
pub(super) fn embedded(config: &Config) -> Result<&Path, CliError> {
    if config.kafka.brokers.is_some() { Err(on_kafka()) } else { existing(&config.data_dir) }
}

/// For commands about files that Kafka has.
pub(super) fn on_kafka() -> CliError {
    CliError::Argument {
        object: "kafka.brokers",
        value: "set".to_owned(),
        expected: "for this command: it is about the log in data_dir; on Kafka there are `barid topics list` and the brokers' own tools".to_owned(),
    }
}

/// No command but `run` and `restore` makes a log.
pub(super) fn existing(dir: &Path) -> Result<&Path, CliError> {
    if dir.join("commits").is_dir() { Ok(dir) } else { Err(CliError::NoLog { dir: dir.to_owned() }) }
}

/// Visits every message of a topic, each partition in order, until told to stop.
pub(super) fn each(
    log: &dyn Log,
    topic: Topic,
    visit: &mut dyn FnMut(Message) -> Result<ControlFlow<()>, CliError>,
) -> Result<(), CliError> {
    let (mut partition, mut next) = (0, 0);
    loop {
        let batch = match log.read(topic, partition, next, STEP) {
            Err(LogError::UnknownPartition { .. }) if partition > 0 => return Ok(()),
            batch => batch?,
        };
        match batch.last() {
            Some(last) => next = last.offset + 1,
            None => (partition, next) = (partition + 1, 0),
        }
        for message in batch {
            if visit(message)?.is_break() {
                return Ok(());
            }
        }
    }
}
