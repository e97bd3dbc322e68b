//! What became of pages.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::outcome::{PageOutcome, Text};
use crate::WatcherError;
use crate::feeds::metrics::Add;

/// The metrics of full text. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct PageMetrics {
    ended: IntCounterVec,
    sites: IntCounterVec,
    waiting: IntGauge,
    given_up: IntGauge,
    /// Of watched feeds.
    texts: IntCounterVec,
}

/// Values of the label `text`.
const TEXTS: [&str; 2] = ["page", "own"];
const SITES: [&str; 2] = ["read", "unreachable"];

impl PageMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, WatcherError> {
        let add = Add(registry);
        let metrics = Self {
            texts: add.counters(
                "barid_feed_item_texts_total",
                "Items of a watched feed with full text by whose text was delivered: the page's or the feed's own",
                &["feed", "text"],
            )?,
            ended: add.counters(
                "barid_feed_pages_total",
                "Items of feeds with full text by how fetching their page ended",
                &["outcome"],
            )?,
            sites: add.counters("barid_feed_robots_total", "Answers about robots.txt", &["outcome"])?,
            waiting: add.gauge("barid_feed_pages_waiting", "Items that wait for their pages")?,
            given_up: add.gauge(
                "barid_feed_page_readers_given_up",
                "Threads still busy with a page that took longer than a minute to read",
            )?,
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

    /// How many of a poller's items wait; `told` is what it said before, and is brought up to date. Others of the process add theirs.
    pub(super) fn waiting(&self, told: &mut usize, items: usize) {
        let count = |items: usize| i64::try_from(items).unwrap_or(i64::MAX);
        self.waiting.add(count(items) - count(*told));
        *told = items;
    }

    /// Threads of the process that nobody waits for.
    pub(super) fn given_up(&self, threads: i64) {
        self.given_up.set(threads);
    }

    /// Items that wait.
    #[cfg(test)]
    pub(super) fn waiting_now(&self) -> i64 {
        self.waiting.get()
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
