//! Metrics about a cluster that many processes share: what no single one of them can tell.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use barid_log::LogStatus;
use prometheus::core::Collector;
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry};

use crate::WebError;

/// Lags, extents and whether anybody answers. The lag has the name it has on the embedded log, so that one dashboard fits both.
#[derive(Debug)]
pub struct ClusterMetrics {
    up: IntGauge,
    last_answer: Gauge,
    lag_messages: IntGaugeVec,
    topic_messages: IntGaugeVec,
    topic_end_offset: IntGaugeVec,
    /// The labels shown last, so that those of a group or topic that is gone can go too.
    shown: Mutex<Shown>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    lags: BTreeMap<(String, &'static str), i64>,
    topics: BTreeMap<&'static str, (i64, i64)>,
}

impl ClusterMetrics {
    /// Makes the series and registers them.
    ///
    /// # Errors
    /// [`WebError::Metric`] when the registry has them already.
    pub fn register(registry: &Registry) -> Result<Self, WebError> {
        let topic = |name: &'static str, help: &str| {
            add(registry, name, IntGaugeVec::new(Opts::new(name, help), &["topic"]))
        };
        const UP: &str = "barid_cluster_up";
        const ANSWER: &str = "barid_cluster_last_answer_timestamp_seconds";
        const LAG: &str = "barid_log_lag_messages";
        let lag_help = "Messages a group has not covered by a durable commit.";
        Ok(Self {
            up: add(registry, UP, IntGauge::new(UP, "1 while the brokers answer."))?,
            last_answer: add(registry, ANSWER, Gauge::new(ANSWER, "When the brokers answered last."))?,
            lag_messages: add(
                registry,
                LAG,
                IntGaugeVec::new(Opts::new(LAG, lag_help), &["group", "topic"]),
            )?,
            topic_messages: topic(
                "barid_log_topic_messages",
                "Offsets that a topic still holds, over all partitions: messages, and the ends of transactions.",
            )?,
            topic_end_offset: topic(
                "barid_log_topic_end_offset",
                "Ends of a topic's partitions added up: its rate is what is written.",
            )?,
            shown: Mutex::default(),
        })
    }

    /// Shows what the brokers answered at `now_seconds` since the Unix epoch.
    pub fn answered(&self, status: &LogStatus, now_seconds: f64) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut now = Shown::default();
        for lag in &status.lags {
            *now.lags.entry((lag.group.clone(), lag.topic.name())).or_default() += whole(lag.messages);
        }
        for topic in &status.topics {
            let (messages, end) = now.topics.entry(topic.topic.name()).or_default();
            *messages += whole(topic.end_offset.saturating_sub(topic.start_offset));
            *end += whole(topic.end_offset);
        }
        for ((group, topic), messages) in &now.lags {
            self.lag_messages.with_label_values(&[group.as_str(), topic]).set(*messages);
        }
        for (topic, (messages, end)) in &now.topics {
            self.topic_messages.with_label_values(&[topic]).set(*messages);
            self.topic_end_offset.with_label_values(&[topic]).set(*end);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        // A series that was never there cannot be removed: nothing to tell.
        for (group, topic) in shown.lags.keys().filter(|key| !now.lags.contains_key(key)) {
            let _ = self.lag_messages.remove_label_values(&[group.as_str(), topic]);
        }
        for topic in shown.topics.keys().filter(|topic| !now.topics.contains_key(*topic)) {
            let _ = self.topic_messages.remove_label_values(&[topic]);
            let _ = self.topic_end_offset.remove_label_values(&[topic]);
        }
        *shown = now;
        self.up.set(1);
        self.last_answer.set(now_seconds);
    }

    /// Shows that nobody answered. The figures stay as they were, and `barid_cluster_last_answer_timestamp_seconds` tells how old they are.
    pub fn silent(&self) {
        self.up.set(0);
    }
}

/// Registers a series that was made.
pub(crate) fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: &'static str,
    made: prometheus::Result<C>,
) -> Result<C, WebError> {
    let failed = |source| WebError::Metric { metric, source };
    let made = made.map_err(failed)?;
    registry.register(Box::new(made.clone())).map_err(failed)?;
    Ok(made)
}
