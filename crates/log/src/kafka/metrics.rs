//! What the Kafka backend reports to Prometheus.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, exponential_buckets,
};

use crate::LogError;

/// The series of one process.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) transactions: IntCounterVec,
    pub(crate) transaction_seconds: Histogram,
    pub(crate) messages: IntCounter,
    pub(crate) rewinds: IntCounterVec,
    pub(crate) owner: IntGaugeVec,
    pub(crate) restore_seconds: Histogram,
    pub(crate) lag_messages: IntGaugeVec,
    pub(crate) buffered_bytes: IntGaugeVec,
    pub(crate) stalled: IntGaugeVec,
}

impl Metrics {
    /// Makes the series and registers them.
    pub(crate) fn register(registry: &Registry) -> Result<Self, LogError> {
        Self::build(registry).map_err(|error| LogError::Io {
            operation: "register",
            object: "the metrics of the log".to_owned(),
            source: std::io::Error::other(error.to_string()),
        })
    }

    fn build(registry: &Registry) -> prometheus::Result<Self> {
        let seconds = |name: &str, help: &str, first: f64| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(exponential_buckets(first, 2.0, 15)?))
        };
        let counters =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let gauges =
            |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let made = Self {
            transactions: counters(
                "barid_kafka_transactions_total",
                "Transactions by outcome: committed or aborted.",
                "outcome",
            )?,
            transaction_seconds: seconds(
                "barid_kafka_transaction_duration_seconds",
                "Time from a transaction's first unit to its commit.",
                0.001,
            )?,
            messages: IntCounter::new("barid_kafka_produced_messages_total", "Messages committed.")?,
            rewinds: counters(
                "barid_kafka_rewinds_total",
                "Times a worker read again from its last commit, by group.",
                "group",
            )?,
            owner: gauges(
                "barid_kafka_owner",
                "1 while this process owns the state of the group, 0 while it stands by.",
                &["group"],
            )?,
            restore_seconds: seconds(
                "barid_kafka_restore_duration_seconds",
                "Time from becoming owner to having the whole state.",
                0.01,
            )?,
            lag_messages: gauges(
                "barid_log_lag_messages",
                "Messages a group has not covered by a durable commit.",
                &["group", "topic"],
            )?,
            buffered_bytes: gauges(
                "barid_kafka_buffered_bytes",
                "Fetched messages waiting in memory.",
                &["group"],
            )?,
            stalled: gauges(
                "barid_kafka_stalled_partitions",
                "Partitions whose readers wait for a transaction that does not end; the log says which, and how to end it.",
                &["group"],
            )?,
        };
        registry.register(Box::new(made.transactions.clone()))?;
        registry.register(Box::new(made.transaction_seconds.clone()))?;
        registry.register(Box::new(made.messages.clone()))?;
        registry.register(Box::new(made.rewinds.clone()))?;
        registry.register(Box::new(made.owner.clone()))?;
        registry.register(Box::new(made.restore_seconds.clone()))?;
        registry.register(Box::new(made.lag_messages.clone()))?;
        registry.register(Box::new(made.buffered_bytes.clone()))?;
        registry.register(Box::new(made.stalled.clone()))?;
        Ok(made)
    }
}
