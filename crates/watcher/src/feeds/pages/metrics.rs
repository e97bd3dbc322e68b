//! What became of pages.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::outcome::PageOutcome;
use crate::WatcherError;

/// The metrics of full text. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct PageMetrics {
    ended: IntCounterVec,
    sites: IntCounterVec,
    waiting: IntGauge,
}

const SITES: [&str; 2] = ["read", "unreachable"];

impl PageMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, WatcherError> {
        let failed = |metric| move |source| WatcherError::Metric { metric, source };
        let counters = |name: &'static str, help: &str| {
            let built = IntCounterVec::new(Opts::new(name, help), &["outcome"]);
            let added = built.and_then(|it| registry.register(Box::new(it.clone())).map(|()| it));
            added.map_err(failed(name))
        };
        let name = "barid_feed_pages_waiting";
        let waiting = IntGauge::new(name, "Items that wait for their pages");
        let waiting = waiting.and_then(|it| registry.register(Box::new(it.clone())).map(|()| it));
        let metrics = Self {
            ended: counters(
                "barid_feed_pages_total",
                "Items of feeds with full text by how fetching their page ended",
            )?,
            sites: counters("barid_feed_robots_total", "Answers about robots.txt")?,
            waiting: waiting.map_err(failed(name))?,
        };
        PageOutcome::ALL.iter().for_each(|outcome| drop(metrics.ended.with_label_values(&[outcome.name()])));
        SITES.iter().for_each(|outcome| drop(metrics.sites.with_label_values(&[outcome])));
        Ok(metrics)
    }

    /// An item was delivered.
    pub(super) fn ended(&self, outcome: PageOutcome) {
        self.ended.with_label_values(&[outcome.name()]).inc();
    }

    /// A site said what it allows, or could not be reached.
    pub(super) fn site(&self, is_read: bool) {
        self.sites.with_label_values(&[SITES[usize::from(!is_read)]]).inc();
    }

    pub(super) fn waiting(&self, items: usize) {
        self.waiting.set(i64::try_from(items).unwrap_or(i64::MAX));
    }

    /// Items that were delivered.
    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        PageOutcome::ALL.iter().map(|outcome| self.ended.with_label_values(&[outcome.name()]).get()).sum()
    }
}
