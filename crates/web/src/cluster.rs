//! Metrics about a cluster that many processes share: what no single one of them can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use barid_log::{LogStatus, register_metric};
use prometheus::core::Collector;
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry};

use crate::WebError;

/// Extents and whether anybody answers. (The lag of every group is the log's own series, on Kafka as on the embedded log.)
#[derive(Debug)]
pub struct ClusterMetrics {
    up: IntGauge,
    last_answer: Gauge,
    topic_messages: IntGaugeVec,
    topic_end_offset: IntGaugeVec,
    /// The topics shown last, so that the series of one that is gone can go too.
    shown: Mutex<BTreeSet<&'static str>>,
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
        Ok(Self {
            up: add(registry, UP, IntGauge::new(UP, "The brokers answer: 1 while they do, else 0."))?,
            last_answer: add(
                registry,
                ANSWER,
                Gauge::new(ANSWER, "The brokers answered last at this time; 0 before the first answer."),
            )?,
            topic_messages: topic(
                "barid_log_topic_messages",
                "The topic holds so many offsets, over all partitions: messages, and the ends of transactions.",
            )?,
            topic_end_offset: topic(
                "barid_log_topic_end_offset",
                "The ends of the topic's partitions add up to this; its rate is what is written.",
            )?,
            shown: Mutex::default(),
        })
    }

    /// Shows what the brokers answered at `now_seconds` since the Unix epoch.
    pub fn answered(&self, status: &LogStatus, now_seconds: f64) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut sums = BTreeMap::<_, (i64, i64)>::new();
        for topic in &status.topics {
            let (messages, end) = sums.entry(topic.topic.name()).or_default();
            *messages += whole(topic.end_offset.saturating_sub(topic.start_offset));
            *end += whole(topic.end_offset);
        }
        for (topic, (messages, end)) in &sums {
            self.topic_messages.with_label_values(&[topic]).set(*messages);
            self.topic_end_offset.with_label_values(&[topic]).set(*end);
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in shown.iter().filter(|topic| !sums.contains_key(*topic)) {
            // It was shown: it can be removed.
            let _ = self.topic_messages.remove_label_values(&[topic]);
            let _ = self.topic_end_offset.remove_label_values(&[topic]);
        }
        *shown = sums.into_keys().collect();
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
    register_metric(registry, made).map_err(|source| WebError::Metric { metric, source })
}
