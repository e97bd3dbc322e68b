//! What the sink counts.

use barid_log::register_metric;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, Registry};

use crate::SinkError;

/// Counters of the JSON Lines sink.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) records: IntCounter,
    pub(crate) bytes: IntCounter,
    pub(crate) files: IntCounter,
    pub(crate) adopted_files: IntCounter,
    pub(crate) rewinds: IntCounter,
    pub(crate) waiting_partitions: IntGauge,
    pub(crate) finish_seconds: Histogram,
    pub(crate) latency_seconds: Histogram,
    pub(crate) storage_full: IntGauge,
    pub(crate) last_commit: IntGauge,
}

impl Metrics {
    /// Creates and registers them.
    pub fn register(registry: &Registry) -> Result<Self, SinkError> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, SinkError> {
            Ok(register_metric(registry, IntCounter::new(name, help))?)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, SinkError> {
            Ok(register_metric(registry, IntGauge::new(name, help))?)
        };
        let finish_seconds = register_metric(
            registry,
            Histogram::with_opts(
                HistogramOpts::new(
                    "barid_sink_finish_duration_seconds",
                    "Making one output file durable and visible takes so long.",
                )
                .buckets(vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
            ),
        )?;
        let latency_seconds = register_metric(
            registry,
            Histogram::with_opts(
                HistogramOpts::new(
                    "barid_sink_latency_seconds",
                    "A record takes so long from its document being noticed to being visible in an output file; bulk history is left out.",
                )
                .buckets(vec![0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0]),
            ),
        )?;
        Ok(Self {
            records: counter(
                "barid_sink_records_total",
                "The sink has written so many records to finished output files.",
            )?,
            bytes: counter("barid_sink_bytes_total", "These records had so many bytes, before compression.")?,
            files: counter("barid_sink_files_total", "The sink has finished so many output files.")?,
            adopted_files: counter(
                "barid_sink_adopted_files_total",
                "The sink found so many output files finished and not acknowledged, after a crash or a rewind.",
            )?,
            rewinds: counter(
                "barid_sink_rewinds_total",
                "The log took partitions away, or made the sink read again from its last acknowledgement, so many times.",
            )?,
            waiting_partitions: gauge(
                "barid_sink_waiting_partitions",
                "Another process still has the files of so many partitions of this sink locked.",
            )?,
            finish_seconds,
            latency_seconds,
            storage_full: gauge(
                "barid_sink_storage_full",
                "The sink waits for disk space: 1 while it does, else 0.",
            )?,
            last_commit: gauge(
                "barid_sink_last_commit_timestamp_seconds",
                "The newest output file became visible at this time; 0 before the first one.",
            )?,
        })
    }
}
