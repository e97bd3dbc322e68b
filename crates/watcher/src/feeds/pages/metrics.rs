//! What became of pages.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::outcome::{PageOutcome, Text};
use crate::WatcherError;

/// The metrics of full text. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct PageMetrics {
    ended: IntCounterVec,
    sites: IntCounterVec,
    waiting: IntGauge,
    /// Of watched feeds.
    texts: IntCounterVec,
}

/// Values of the label `text`.
const TEXTS: [&str; 2] = ["page", "own"];
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
        let name = "barid_feed_item_texts_total";
        let help = "Items of a watched feed with full text by whose text was delivered: the page's or the feed's own";
        let texts = IntCounterVec::new(Opts::new(name, help), &["feed", "text"]);
        let texts = texts.and_then(|it| registry.register(Box::new(it.clone())).map(|()| it));
        let metrics = Self {
            texts: texts.map_err(failed(name))?,
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

    /// An item was delivered; of a watched feed, if one is named.
    pub(super) fn ended(&self, outcome: PageOutcome, watched: Option<&str>) {
        if let Some((feed, text)) = watched.zip(outcome.text()) {
            self.texts.with_label_values(&[feed, TEXTS[usize::from(text == Text::Own)]]).inc();
        }
        self.ended.with_label_values(&[outcome.name()]).inc();
    }

    /// Begins a feed's series: what is counted first must be seen to rise.
    pub(super) fn watch(&self, feed: &str) {
        TEXTS.iter().for_each(|text| drop(self.texts.with_label_values(&[feed, text])));
    }

    /// Ends them.
    pub(in crate::feeds) fn unwatch(&self, feed: &str) {
        // One that was never there is no trouble.
        TEXTS.iter().for_each(|text| drop(self.texts.remove_label_values(&[feed, text])));
    }

    /// Items of a watched feed with the page's text, and with its own.
    #[cfg(test)]
    pub(super) fn texts(&self, feed: &str) -> [u64; 2] {
        TEXTS.map(|text| self.texts.with_label_values(&[feed, text]).get())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_feed_has_its_own_count_of_whose_text_was_delivered_and_no_other_has() {
        let registry = Registry::new();
        let metrics = PageMetrics::register(&registry).expect("fresh registry");
        let series = || {
            let families = registry.gather();
            let texts = families.iter().find(|family| family.name() == "barid_feed_item_texts_total");
            texts.map_or(0, |family| family.get_metric().len())
        };
        metrics.ended(PageOutcome::Page, None);
        assert_eq!(series(), 0);
        metrics.watch("harbour");
        assert_eq!(series(), 2, "from the start");
        PageOutcome::ALL.iter().for_each(|outcome| metrics.ended(*outcome, Some("harbour")));
        // All but those three of which nobody wanted the page.
        assert_eq!(metrics.texts("harbour"), [1, 21]);
        assert_eq!(metrics.total(), 26);
        metrics.unwatch("harbour");
        assert_eq!(series(), 0);
    }
}
