//! What the log reports to Prometheus.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    exponential_buckets,
};

use crate::{LogError, register_collector};

/// The series of one log.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) commits: IntCounter,
    pub(crate) commit_duration: Histogram,
    pub(crate) fsync_duration: Histogram,
    pub(crate) appended_messages: IntCounterVec,
    pub(crate) appended_bytes: IntCounterVec,
    pub(crate) topic_bytes: IntGaugeVec,
    pub(crate) lag_messages: IntGaugeVec,
    pub(crate) storage_full: IntGauge,
    pub(crate) back_pressure: IntGauge,
    pub(crate) recovered_frames: IntCounter,
    pub(crate) state_bytes: IntGauge,
    pub(crate) checkpoints: IntCounter,
    pub(crate) retired_segments: IntCounterVec,
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
        let counter = |name: &str, help: &str| IntCounter::new(name, help);
        let counters = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), &["topic"]);
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let seconds = |name: &str, help: &str| {
            Histogram::with_opts(
                HistogramOpts::new(name, help).buckets(exponential_buckets(0.0005, 2.0, 15)?),
            )
        };
        let made = Self {
            commits: counter("barid_log_commits_total", "Group commits made durable.")?,
            commit_duration: seconds(
                "barid_log_commit_duration_seconds",
                "Time from taking a group of units to its being durable.",
            )?,
            fsync_duration: seconds(
                "barid_log_fsync_duration_seconds",
                "Time of making segments and journal durable in a commit.",
            )?,
            appended_messages: counters("barid_log_appended_messages_total", "Messages made durable.")?,
            appended_bytes: counters(
                "barid_log_appended_bytes_total",
                "Bytes of blocks made durable, compressed.",
            )?,
            topic_bytes: IntGaugeVec::new(
                Opts::new("barid_log_topic_bytes", "Bytes on disk of a topic."),
                &["topic"],
            )?,
            lag_messages: IntGaugeVec::new(
                Opts::new("barid_log_lag_messages", "Messages a group has not covered by a durable commit."),
                &["group", "topic"],
            )?,
            storage_full: gauge("barid_log_storage_full", "1 while commits wait because the disk is full.")?,
            back_pressure: gauge("barid_log_back_pressure", "1 while producers wait for a group to read.")?,
            recovered_frames: counter(
                "barid_log_recovered_frames_total",
                "Journal frames replayed at start.",
            )?,
            state_bytes: gauge("barid_log_state_bytes", "Bytes on disk of the state store.")?,
            checkpoints: counter("barid_log_checkpoints_total", "Checkpoints written.")?,
            retired_segments: counters("barid_log_retired_segments_total", "Segments removed by retention.")?,
        };
        made.register_all(registry)?;
        Ok(made)
    }

    fn register_all(&self, registry: &Registry) -> prometheus::Result<()> {
        register_collector(registry, Box::new(self.commits.clone()))?;
        register_collector(registry, Box::new(self.commit_duration.clone()))?;
        register_collector(registry, Box::new(self.fsync_duration.clone()))?;
        register_collector(registry, Box::new(self.appended_messages.clone()))?;
        register_collector(registry, Box::new(self.appended_bytes.clone()))?;
        register_collector(registry, Box::new(self.topic_bytes.clone()))?;
        register_collector(registry, Box::new(self.lag_messages.clone()))?;
        register_collector(registry, Box::new(self.storage_full.clone()))?;
        register_collector(registry, Box::new(self.back_pressure.clone()))?;
        register_collector(registry, Box::new(self.recovered_frames.clone()))?;
        register_collector(registry, Box::new(self.state_bytes.clone()))?;
        register_collector(registry, Box::new(self.checkpoints.clone()))?;
        register_collector(registry, Box::new(self.retired_segments.clone()))
    }
}
