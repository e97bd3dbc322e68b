//! What the sink counts.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use crate::SinkError;

/// Counters of the JSON Lines sink.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) records: IntCounter,
    pub(crate) bytes: IntCounter,
    pub(crate) files: IntCounter,
    pub(crate) adopted_files: IntCounter,
    pub(crate) removed_files: IntCounter,
    pub(crate) removed_bytes: IntCounter,
    pub(crate) rewinds: IntCounter,
    pub(crate) waiting_partitions: IntGauge,
    pub(crate) finish_seconds: Histogram,
    pub(crate) storage_full: IntGauge,
    pub(crate) last_commit: IntGauge,
}

impl Metrics {
    /// Creates and registers them.
    pub fn register(registry: &Registry) -> Result<Self, SinkError> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, SinkError> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, SinkError> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let finish_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "barid_sink_finish_duration_seconds",
                "Time to make one output file durable and visible.",
            )
            .buckets(vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
        )?;
        registry.register(Box::new(finish_seconds.clone()))?;
        Ok(Self {
            records: counter("barid_sink_records_total", "Records written to output files.")?,
            bytes: counter("barid_sink_bytes_total", "Bytes of records written, before compression.")?,
            files: counter("barid_sink_files_total", "Output files finished.")?,
            adopted_files: counter(
                "barid_sink_adopted_files_total",
                "Output files found finished and not acknowledged, after a crash or a rewind.",
            )?,
            removed_files: counter(
                "barid_sink_removed_files_total",
                "Output files the sink removed because they were older or more than is kept.",
            )?,
            removed_bytes: counter(
                "barid_sink_removed_bytes_total",
                "Bytes of the output files the sink removed because they were older or more than is kept.",
            )?,
            rewinds: counter(
                "barid_sink_rewinds_total",
                "Times the log took partitions away or made the sink read again from its last acknowledgement.",
            )?,
            waiting_partitions: gauge(
                "barid_sink_waiting_partitions",
                "Partitions given to this sink whose files another process still has locked.",
            )?,
            finish_seconds,
            storage_full: gauge("barid_sink_storage_full", "1 while the sink waits for disk space, else 0.")?,
            last_commit: gauge(
                "barid_sink_last_commit_timestamp_seconds",
                "When the newest output file became visible.",
            )?,
        })
    }
}
