//! The watcher's own metrics.

use barid_record::Reason;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector,
};

use crate::WatcherError;

/// The watcher's metrics. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `barid_watcher_files_seen_total`: files met by scans and events.
    pub(crate) files_seen: IntCounter,
    /// `barid_watcher_documents_total{source}`: documents handed to the log.
    pub(crate) documents: IntCounterVec,
    /// `barid_watcher_document_bytes_total`.
    pub(crate) document_bytes: IntCounter,
    /// `barid_watcher_unchanged_total`: files (or lines) looked at that gave nothing new.
    pub(crate) unchanged: IntCounter,
    /// `barid_watcher_rejected_total{reason}`.
    pub(crate) rejected: IntCounterVec,
    /// `barid_watcher_rejected_dropped_bytes_total`: bytes of rejected inputs over the limits, which are not kept.
    pub(crate) dropped_bytes: IntCounter,
    /// `barid_watcher_read_errors_total{reason}`.
    pub(crate) read_errors: IntCounterVec,
    /// `barid_watcher_rescan_duration_seconds`.
    pub(crate) rescan_duration: Histogram,
    /// `barid_watcher_known_files`.
    pub(crate) known_files: IntGauge,
    /// `barid_watcher_pending_files`.
    pub(crate) pending_files: IntGauge,
    /// `barid_watcher_oldest_pending_timestamp_seconds`.
    pub(crate) oldest_pending: IntGauge,
    /// `barid_watcher_watched_folders`.
    pub(crate) watched_folders: IntGauge,
    /// `barid_watcher_unwatched_folders`.
    pub(crate) unwatched_folders: IntGauge,
    /// `barid_watcher_notify_overflows_total`.
    pub(crate) notify_overflows: IntCounter,
}

/// Why something could not be read. None of these is a verdict: it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFault {
    Permission,
    Missing,
    Loop,
    Io,
    Stale,
    Other,
}

impl ReadFault {
    const ALL: [Self; 6] = [Self::Permission, Self::Missing, Self::Loop, Self::Io, Self::Stale, Self::Other];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Missing => "missing",
            Self::Loop => "loop",
            Self::Io => "io",
            Self::Stale => "stale",
            Self::Other => "other",
        }
    }

    pub(crate) fn of(error: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match error {
            Errno::ACCESS | Errno::PERM => Self::Permission,
            Errno::NOENT | Errno::NOTDIR => Self::Missing,
            Errno::LOOP => Self::Loop,
            Errno::IO => Self::Io,
            Errno::STALE => Self::Stale,
            _ => Self::Other,
        }
    }
}

impl Metrics {
    /// Registers every metric; each label's values are there from the start, at 0.
    pub fn register(registry: &Registry) -> Result<Self, WatcherError> {
        let metrics = Self {
            files_seen: counter(registry, "barid_watcher_files_seen_total", "Files met by scans and events")?,
            documents: counters(
                registry,
                "barid_watcher_documents_total",
                "Documents handed to the log",
                "source",
            )?,
            document_bytes: counter(
                registry,
                "barid_watcher_document_bytes_total",
                "Bytes of these documents",
            )?,
            unchanged: counter(
                registry,
                "barid_watcher_unchanged_total",
                "Files and lines that gave nothing new",
            )?,
            rejected: counters(
                registry,
                "barid_watcher_rejected_total",
                "Inputs rejected with their bytes",
                "reason",
            )?,
            dropped_bytes: counter(
                registry,
                "barid_watcher_rejected_dropped_bytes_total",
                "Bytes of rejected inputs over the limits, which are not kept",
            )?,
            read_errors: counters(
                registry,
                "barid_watcher_read_errors_total",
                "Failed reads of files and folders, each tried again at the next scan",
                "reason",
            )?,
            rescan_duration: duration(registry)?,
            known_files: gauge(registry, "barid_watcher_known_files", "Files that have a checkpoint")?,
            pending_files: gauge(
                registry,
                "barid_watcher_pending_files",
                "Files seen that are not complete yet",
            )?,
            oldest_pending: gauge(
                registry,
                "barid_watcher_oldest_pending_timestamp_seconds",
                "When the oldest of the pending files was noticed, 0 when there is none",
            )?,
            watched_folders: gauge(
                registry,
                "barid_watcher_watched_folders",
                "Folders whose changes are noticed at once",
            )?,
            unwatched_folders: gauge(
                registry,
                "barid_watcher_unwatched_folders",
                "Folders beyond the limit of watches, whose changes are noticed at the next scan",
            )?,
            notify_overflows: counter(
                registry,
                "barid_watcher_notify_overflows_total",
                "Times the system lost track of changes, each answered by a scan",
            )?,
        };
        for reason in [Reason::TooLarge, Reason::BadCompression, Reason::BadJson] {
            metrics.rejected.with_label_values(&[reason.code()]);
        }
        for fault in ReadFault::ALL {
            metrics.read_errors.with_label_values(&[fault.name()]);
        }
        Ok(metrics)
    }

    /// Inputs rejected so far for that reason.
    pub fn rejected_for(&self, reason: Reason) -> u64 {
        self.rejected.with_label_values(&[reason.code()]).get()
    }
}

fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: &'static str,
    built: prometheus::Result<C>,
) -> Result<C, WatcherError> {
    barid_log::register_metric(registry, built).map_err(|source| WatcherError::Metric { metric, source })
}

fn counter(registry: &Registry, name: &'static str, help: &str) -> Result<IntCounter, WatcherError> {
    add(registry, name, IntCounter::new(name, help))
}

fn counters(
    registry: &Registry,
    name: &'static str,
    help: &str,
    label: &str,
) -> Result<IntCounterVec, WatcherError> {
    add(registry, name, IntCounterVec::new(Opts::new(name, help), &[label]))
}

fn gauge(registry: &Registry, name: &'static str, help: &str) -> Result<IntGauge, WatcherError> {
    add(registry, name, IntGauge::new(name, help))
}

fn duration(registry: &Registry) -> Result<Histogram, WatcherError> {
    const NAME: &str = "barid_watcher_rescan_duration_seconds";
    let buckets = vec![0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0];
    let options = HistogramOpts::new(NAME, "Duration of whole scans of all sources").buckets(buckets);
    add(registry, NAME, Histogram::with_opts(options))
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn closed_labels_are_there_from_the_start_and_names_are_taken_once() {
        let registry = Registry::new();
        Metrics::register(&registry).expect("fresh registry");
        let families = registry.gather();
        let labels = |name: &str| {
            let family = families.iter().find(|family| family.name() == name).expect(name);
            family.get_metric().len()
        };
        assert_eq!(labels("barid_watcher_rejected_total"), 3);
        assert_eq!(labels("barid_watcher_read_errors_total"), ReadFault::ALL.len());
        assert!(families.iter().all(|family| family.name().starts_with("barid_watcher_")));
        let again = Metrics::register(&registry).expect_err("taken").to_string();
        assert!(again.contains("barid_watcher_files_seen_total"), "{again}");
    }

    #[test]
    fn what_the_system_says_has_a_reason() {
        for (error, fault) in [
            (Errno::ACCESS, ReadFault::Permission),
            (Errno::NOENT, ReadFault::Missing),
            (Errno::LOOP, ReadFault::Loop),
            (Errno::IO, ReadFault::Io),
            (Errno::STALE, ReadFault::Stale),
            (Errno::MFILE, ReadFault::Other),
        ] {
            assert_eq!(ReadFault::of(error), fault);
        }
    }
}
