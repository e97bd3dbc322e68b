//! What the Kafka backend reports to Prometheus.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry, exponential_buckets,
};

use crate::{LogError, register_collector};

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
    /// Makes the series; nobody sees them yet.
    pub(crate) fn new() -> Result<Self, LogError> {
        Self::build().map_err(failed("make"))
    }

    /// Lets a registry show them: all, or none.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), LogError> {
        for (done, series) in self.collectors().into_iter().enumerate() {
            if let Err(error) = register_collector(registry, series) {
                for series in self.collectors().into_iter().take(done) {
                    // It was registered just now.
                    let _ = registry.unregister(series);
                }
                return Err(failed("register")(error));
            }
        }
        Ok(())
    }

    fn collectors(&self) -> [Box<dyn Collector>; 9] {
        [
            Box::new(self.transactions.clone()),
            Box::new(self.transaction_seconds.clone()),
            Box::new(self.messages.clone()),
            Box::new(self.rewinds.clone()),
            Box::new(self.owner.clone()),
            Box::new(self.restore_seconds.clone()),
            Box::new(self.lag_messages.clone()),
            Box::new(self.buffered_bytes.clone()),
            Box::new(self.stalled.clone()),
        ]
    }

    fn build() -> prometheus::Result<Self> {
        let seconds = |name: &str, help: &str, first: f64| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(exponential_buckets(first, 2.0, 15)?))
        };
        let counters =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let gauges =
            |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            transactions: counters(
                "barid_kafka_transactions_total",
                "So many transactions ended, by outcome: committed or aborted.",
                "outcome",
            )?,
            transaction_seconds: seconds(
                "barid_kafka_transaction_duration_seconds",
                "A transaction takes so long from its first unit to its commit.",
                0.001,
            )?,
            messages: IntCounter::new(
                "barid_kafka_produced_messages_total",
                "This process has committed so many messages.",
            )?,
            rewinds: counters(
                "barid_kafka_rewinds_total",
                "The worker of the group read again from its last commit so many times.",
                "group",
            )?,
            owner: gauges(
                "barid_kafka_owner",
                "This process owns the state of the group: 1 while it does, 0 while it stands by.",
                &["group"],
            )?,
            restore_seconds: seconds(
                "barid_kafka_restore_duration_seconds",
                "A new owner takes so long to have the whole state.",
                0.01,
            )?,
            lag_messages: gauges(
                "barid_log_lag_messages",
                "The group has not covered so many messages of the topic by a durable commit.",
                &["group", "topic"],
            )?,
            buffered_bytes: gauges(
                "barid_kafka_buffered_bytes",
                "So many bytes of fetched messages wait in memory.",
                &["group"],
            )?,
            stalled: gauges(
                "barid_kafka_stalled_partitions",
                "Readers of so many partitions wait for a transaction that does not end; the log says which, and how to end it.",
                &["group"],
            )?,
        })
    }
}

fn failed(operation: &'static str) -> impl FnOnce(prometheus::Error) -> LogError {
    move |error| LogError::Io {
        operation,
        object: "the metrics of the log".to_owned(),
        source: std::io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_gets_all_series_or_none() {
        let registry = Registry::new();
        let taken = IntCounter::new("barid_kafka_rewinds_total", "Somebody else's.").unwrap();
        registry.register(Box::new(taken)).unwrap();
        Metrics::new().unwrap().register(&registry).unwrap_err();
        assert_eq!(registry.gather().len(), 1);
        let registry = Registry::new();
        let metrics = Metrics::new().unwrap();
        metrics.register(&registry).unwrap();
        metrics.messages.inc();
        assert!(
            registry.gather().iter().any(|family| family.name() == "barid_kafka_produced_messages_total")
        );
    }
}
