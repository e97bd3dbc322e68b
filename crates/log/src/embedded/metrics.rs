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
            commits: counter("barid_log_commits_total", "The log has made so many group commits durable.")?,
            commit_duration: seconds(
                "barid_log_commit_duration_seconds",
                "A group of units takes so long from being taken to being durable.",
            )?,
            fsync_duration: seconds(
                "barid_log_fsync_duration_seconds",
                "Making segments and journal durable in a commit takes so long.",
            )?,
            appended_messages: counters(
                "barid_log_appended_messages_total",
                "So many messages of the topic became durable.",
            )?,
            appended_bytes: counters(
                "barid_log_appended_bytes_total",
                "So many bytes of blocks of the topic became durable, compressed.",
            )?,
            topic_bytes: IntGaugeVec::new(
                Opts::new("barid_log_topic_bytes", "The topic takes so many bytes on disk."),
                &["topic"],
            )?,
            lag_messages: IntGaugeVec::new(
                Opts::new(
                    "barid_log_lag_messages",
                    "The group has not covered so many messages of the topic by a durable commit.",
                ),
                &["group", "topic"],
            )?,
            storage_full: gauge(
                "barid_log_storage_full",
                "Commits wait because the disk is full: 1 while they do, else 0.",
            )?,
            back_pressure: gauge(
                "barid_log_back_pressure",
                "Producers wait for a group to read: 1 while they do, else 0.",
            )?,
            recovered_frames: counter(
                "barid_log_recovered_frames_total",
                "The log replayed so many journal frames at its start.",
            )?,
            state_bytes: gauge("barid_log_state_bytes", "The state store takes so many bytes on disk.")?,
            checkpoints: counter("barid_log_checkpoints_total", "The log has written so many checkpoints.")?,
            retired_segments: counters(
                "barid_log_retired_segments_total",
                "Retention has removed so many segments of the topic.",
            )?,
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
