//! The log as commands look at it: beside a running process, or alone and for writing.

use std::ops::ControlFlow;
use std::path::Path;

use barid_log::{Embedded, EmbeddedConfig, EmbeddedReader, Limit, Log, Message};
use barid_record::Topic;
use prometheus::Registry;

use crate::config::Config;
use crate::error::CliError;

/// Messages read at once: enough to be fast, few enough to stay small in memory.
const STEP: Limit = Limit { messages: 1024, bytes: 8 << 20 };

/// The log of `config` as it is now, whether or not a process runs.
pub(super) fn reader(config: &Config) -> Result<EmbeddedReader, CliError> {
    Ok(EmbeddedReader::open(existing(&config.data_dir)?)?)
}

/// The log of `config` for this process alone.
pub(super) fn writer(config: &Config) -> Result<Embedded, CliError> {
    let dir = existing(&config.data_dir)?;
    Ok(Embedded::open(EmbeddedConfig::new(dir), &Registry::new())?)
}

/// No command but `run` makes a log.
fn existing(dir: &Path) -> Result<&Path, CliError> {
    if dir.join("commits").is_dir() { Ok(dir) } else { Err(CliError::NoLog { dir: dir.to_owned() }) }
}

/// Visits every message of a topic in order, until told to stop.
pub(super) fn each(
    log: &dyn Log,
    topic: Topic,
    visit: &mut dyn FnMut(Message) -> Result<ControlFlow<()>, CliError>,
) -> Result<(), CliError> {
    let mut next = 0;
    loop {
        let batch = log.read(topic, 0, next, STEP)?;
        let Some(last) = batch.last() else { return Ok(()) };
        next = last.offset + 1;
        for message in batch {
            if visit(message)?.is_break() {
                return Ok(());
            }
        }
    }
}
