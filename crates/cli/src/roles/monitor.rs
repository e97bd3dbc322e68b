//! Asks the brokers every few seconds how things are, for `/readyz` and the metrics of `barid web`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_log::{Control, Limit, Log, LogError, Wish};
use barid_record::Topic;
use barid_web::{ClusterMetrics, Health, Workers};

use super::pause;
use crate::error::CliError;

const EVERY: Duration = Duration::from_secs(5);
/// Brokers that have not answered for this long make a process unready: long enough for one of them to restart.
const LATELY: Duration = Duration::from_secs(30);

/// When the brokers answered last.
#[derive(Debug)]
pub(super) struct Monitor {
    cluster: Option<ClusterMetrics>,
    answered: Mutex<Option<Instant>>,
}

impl Monitor {
    /// Shows what it learns in these metrics too.
    pub(super) fn new(cluster: Option<ClusterMetrics>) -> Self {
        Self { cluster, answered: Mutex::new(None) }
    }

    /// Asks until `control` says otherwise. The thread is left to the end of the process: it may wait for an answer that never comes.
    pub(super) fn start(self: &Arc<Self>, log: &Arc<dyn Log>, control: &Control) -> Result<(), CliError> {
        let (monitor, log, control) = (Arc::clone(self), Arc::clone(log), control.clone());
        let body = move || {
            let mut was_up = true;
            loop {
                was_up = monitor.ask(log.as_ref(), was_up);
                if pause(EVERY, &control) > Wish::Run {
                    return;
                }
            }
        };
        let spawned = std::thread::Builder::new().name("monitor".to_owned()).spawn(body);
        spawned.map(drop).map_err(|source| CliError::System { operation: "start a thread", source })
    }

    /// Asks once. Returns whether somebody answered.
    fn ask(&self, log: &dyn Log, was_up: bool) -> bool {
        match self.answer(log) {
            Ok(()) => {
                *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                if !was_up {
                    tracing::info!("the brokers answer again");
                }
                true
            }
            Err(error) => {
                if let Some(cluster) = &self.cluster {
                    cluster.silent();
                }
                if was_up {
                    tracing::warn!(%error, code = error.code(), "the brokers do not answer");
                }
                false
            }
        }
    }

    /// What the brokers answer. Asking for everything is the business of `barid web`; the others ask for the end of a topic that is always
    /// short.
    fn answer(&self, log: &dyn Log) -> Result<(), LogError> {
        let Some(cluster) = &self.cluster else {
            return match log.read(Topic::Health, 0, u64::MAX, Limit { messages: 1, bytes: 1 }) {
                // To say that it is not there is an answer.
                Ok(_) | Err(LogError::TopicMissing { .. }) => Ok(()),
                Err(error) => Err(error),
            };
        };
        let status = log.status()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        cluster.answered(&status, now.as_secs_f64());
        Ok(())
    }

    /// Ready means: every worker works or stands by, and the brokers have answered lately.
    pub(super) fn health(&self, workers: &Workers) -> Health {
        let mut problems = workers.problems();
        let answered = *self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        match answered.map(|answered| answered.elapsed()) {
            None => problems.push("no Kafka broker has answered yet".to_owned()),
            Some(ago) if ago > LATELY => {
                problems.push(format!("no Kafka broker has answered for {} s", ago.as_secs()));
            }
            Some(_) => {}
        }
        Health { problems }
    }
}
