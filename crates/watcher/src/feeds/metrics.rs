//! The poller's metrics. Every label's values are closed, and there from the start; series of single feeds exist for a list that the operator writes.

use barid_feed::Fault;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::engine::{Done, IndexSeen, Outcome};
use super::fetch::{Coding, Cost, HttpFault, PHASES};
use super::guard::Rule;
use super::health::State;
use super::identity::Worthless;
use super::pages::PageMetrics;
use super::policy::SECOND;
use super::reading::Reading;
use super::state::FeedState;
use super::text::Mends;
use super::websub::WebSubMetrics;
use crate::WatcherError;

/// The poller's metrics. Cloning shares them.
#[derive(Debug, Clone)]
pub struct FeedMetrics {
    feeds: IntGaugeVec,
    pub(crate) shards: IntGauge,
    fetches: IntCounterVec,
    fetch_seconds: HistogramVec,
    bytes: IntCounterVec,
    http_faults: IntCounterVec,
    pub(crate) parse_seconds: Histogram,
    pub(crate) schedule_delay: Histogram,
    item_age: Histogram,
    items: IntCounterVec,
    faults: IntCounterVec,
    items_lost: IntCounter,
    overlap: Histogram,
    sitemaps: IntCounterVec,
    violations: IntCounterVec,
    pub(crate) backing_off: IntGauge,
    pub(crate) own_outage: IntGauge,
    pub(crate) in_flight: IntGauge,
    pub(crate) rejected: IntCounter,
    pub(crate) dropped_bytes: IntCounter,
    pub(crate) pages: PageMetrics,
    watched: Watched,
    pub(super) websub: WebSubMetrics,
}

/// Series of the watched feeds, by label `feed`.
#[derive(Debug, Clone)]
struct Watched {
    state: IntGaugeVec,
    silence: GaugeVec,
    limit: GaugeVec,
    last_item: IntGaugeVec,
    last_success: IntGaugeVec,
    failures: IntGaugeVec,
    skew: IntGaugeVec,
    overruns: IntGaugeVec,
    volume_drift: GaugeVec,
    known_drift: GaugeVec,
}

const VERDICTS: [&str; 7] = ["new", "known", "updated", "undated", "future", "dropped", CUT];
/// Items that were open when their document broke off: left out, and counted at each document that has them so.
const CUT: &str = "cut";
const SITEMAPS: [&str; 5] = ["read", "unchanged", "failed", "refused", "left_out"];
const STAGES: [&str; 2] = ["wire", "decoded"];

impl FeedMetrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// A name that is taken.
    pub fn register(registry: &Registry) -> Result<Self, WatcherError> {
        let add = Add(registry);
        let metrics = Self {
            feeds: add.gauges("barid_feeds", "Feeds by state", &["state"])?,
            shards: add.gauge("barid_feed_shards", "Shards of the feeds that this process polls")?,
            fetches: add.counters("barid_feed_fetches_total", "Polls by how they ended", &["outcome"])?,
            fetch_seconds: add.histograms(
                "barid_feed_fetch_seconds",
                "Time of each phase of a request",
                "phase",
                &[0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0],
            )?,
            bytes: add.counters("barid_feed_bytes_total", "Bytes of bodies", &["stage", "coding"])?,
            http_faults: add.counters(
                "barid_feed_http_faults_total",
                "Answers with a breach of HTTP that was mended, each breach once an answer",
                &["fault"],
            )?,
            parse_seconds: add.histogram(
                "barid_feed_parse_seconds",
                "Time to read one document",
                &[0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0],
            )?,
            schedule_delay: add.histogram(
                "barid_feed_schedule_delay_seconds",
                "How much later than planned a poll began; budgets of hosts are part of the plan",
                &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0, 3600.0],
            )?,
            item_age: add.histogram(
                "barid_feed_item_age_seconds",
                "From an item's own date to when it was first seen",
                &[60.0, 300.0, 900.0, 3600.0, 10_800.0, 43_200.0, 86_400.0, 604_800.0],
            )?,
            items: add.counters("barid_feed_items_total", "Items of documents", &["verdict"])?,
            faults: add.counters(
                "barid_feed_faults_total",
                "Faults of documents, each repaired: of their bytes, and worthless ids",
                &["fault"],
            )?,
            items_lost: add
                .counter("barid_feed_items_lost_total", "Items that could not be read for a fault")?,
            overlap: add.histogram(
                "barid_feed_window_overlap_ratio",
                "How much of a document was in the one before it",
                &[0.0, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0],
            )?,
            sitemaps: add.counters(
                "barid_feed_sitemaps_total",
                "Sitemaps of indexes by how they were answered; refused and left out each time their index is read",
                &["result"],
            )?,
            violations: add.counters(
                "barid_feed_politeness_violations_total",
                "Requests that would have broken a rule, and were not sent: a fault in barid",
                &["rule"],
            )?,
            backing_off: add.gauge("barid_feed_hosts_backing_off", "Registered domains that said 429")?,
            own_outage: add
                .gauge("barid_feed_own_outage", "1 while nobody can be reached: failures are not counted")?,
            in_flight: add.gauge("barid_feed_requests_in_flight", "Requests under way")?,
            rejected: add
                .counter("barid_feed_rejected_total", "Documents and items handed over as rejected")?,
            dropped_bytes: add
                .counter("barid_feed_rejected_dropped_bytes_total", "Bytes of these that are not kept")?,
            pages: PageMetrics::register(registry)?,
            watched: Watched::register(&add)?,
            websub: WebSubMetrics::register(registry)?,
        };
        metrics.start();
        Ok(metrics)
    }

    /// Every value of every closed label, at 0.
    fn start(&self) {
        State::ALL.iter().for_each(|state| self.feeds.with_label_values(&[state.name()]).set(0));
        Outcome::ALL.iter().for_each(|outcome| drop(self.fetches.with_label_values(&[outcome.name()])));
        PHASES.iter().for_each(|phase| drop(self.fetch_seconds.with_label_values(&[phase])));
        for stage in STAGES {
            Coding::ALL.iter().for_each(|coding| drop(self.bytes.with_label_values(&[stage, coding.name()])));
        }
        HttpFault::ALL.iter().for_each(|fault| drop(self.http_faults.with_label_values(&[fault.name()])));
        SITEMAPS.iter().for_each(|result| drop(self.sitemaps.with_label_values(&[result])));
        VERDICTS.iter().for_each(|verdict| drop(self.items.with_label_values(&[verdict])));
        Fault::ALL.iter().for_each(|fault| drop(self.faults.with_label_values(&[fault.name()])));
        Worthless::ALL.iter().for_each(|why| drop(self.faults.with_label_values(&[why.name()])));
        Mends::NAMES.iter().for_each(|mend| drop(self.faults.with_label_values(&[mend])));
        Rule::ALL.iter().for_each(|rule| drop(self.violations.with_label_values(&[rule.name()])));
    }

    /// How many of a poller's feeds are in each state; `told` is what it said before, and is brought up to date.
    pub(crate) fn states(&self, told: &mut [i64; State::ALL.len()], counts: &[i64; State::ALL.len()]) {
        for ((state, told), count) in State::ALL.iter().zip(told).zip(counts) {
            self.feeds.with_label_values(&[state.name()]).add(count - *told);
            *told = *count;
        }
    }

    /// A watched feed goes to another process: its series go with it.
    pub(crate) fn unwatch(&self, feed: &str) {
        let watched = &self.watched;
        // Named one by one: a series that is added must go too. One that was never there is no trouble.
        let Watched {
            state,
            silence,
            limit,
            last_item,
            last_success,
            failures,
            skew,
            overruns,
            volume_drift,
            known_drift,
        } = watched;
        for known in State::ALL {
            let _ = state.remove_label_values(&[feed, known.name()]);
        }
        for floats in [silence, limit, volume_drift, known_drift] {
            let _ = floats.remove_label_values(&[feed]);
        }
        for gauges in [last_item, last_success, failures, skew, overruns] {
            let _ = gauges.remove_label_values(&[feed]);
        }
        self.pages.unwatch(feed);
    }

    /// What a request took.
    pub(crate) fn cost(&self, cost: &Cost) {
        for (phase, seconds) in PHASES.iter().zip(cost.phases) {
            if let Some(seconds) = seconds {
                self.fetch_seconds.with_label_values(&[phase]).observe(seconds);
            }
        }
        let coding = cost.coding.name();
        self.bytes.with_label_values(&["wire", coding]).inc_by(cost.wire_bytes);
        self.bytes.with_label_values(&["decoded", coding]).inc_by(cost.body_bytes);
        cost.faults.iter().for_each(|fault| self.http_faults.with_label_values(&[fault.name()]).inc());
    }

    /// A poll that ended.
    pub(crate) fn done(&self, done: &Done, now_ms: i64) {
        match &done.index {
            Some(index) => self.sitemaps(index, done),
            None => self.fetches.with_label_values(&[done.outcome.name()]).inc(),
        }
        self.document(done, now_ms);
    }

    fn sitemaps(&self, index: &IndexSeen, done: &Done) {
        let add = |result, count| self.sitemaps.with_label_values(&[result]).inc_by(count);
        add("refused", index.refused.len() as u64);
        if !index.is_sitemap {
            add("left_out", u64::from(index.left_out));
            self.fetches.with_label_values(&[done.outcome.name()]).inc();
        } else if !done.outcome.is_success() {
            add("failed", 1);
        } else if done.reading.is_some() {
            add("read", 1);
        } else {
            add("unchanged", 1);
        }
    }

    /// Polls that ended.
    #[cfg(test)]
    pub(crate) fn polls(&self) -> u64 {
        Outcome::ALL.iter().map(|outcome| self.fetches.with_label_values(&[outcome.name()]).get()).sum()
    }

    /// Requests whose answers were taken in.
    #[cfg(test)]
    pub(crate) fn answered(&self) -> u64 {
        self.fetch_seconds.with_label_values(&[PHASES[3]]).get_sample_count()
    }

    /// A document that was read, polled or pushed.
    pub(crate) fn document(&self, done: &Done, now_ms: i64) {
        let counts = done.counts;
        let of = [counts.new, counts.known, counts.updated, counts.undated, counts.future];
        for (verdict, count) in VERDICTS.iter().zip(of) {
            self.items.with_label_values(&[verdict]).inc_by(count);
        }
        for delivered in done.items.iter().filter(|one| !one.is_update) {
            if let Some(date) = delivered.item.published_ms {
                self.item_age.observe((now_ms - date).max(0) as f64 / SECOND as f64);
            }
        }
        if let Some(overlap) = done.overlap {
            self.overlap.observe(f64::from(overlap));
        }
        if let Some(reading) = &done.reading {
            self.reading(reading);
        }
    }

    fn reading(&self, reading: &Reading) {
        for (fault, count) in &reading.faults {
            self.faults.with_label_values(&[fault]).inc_by(*count);
        }
        self.items_lost.inc_by(reading.items_lost);
        self.items.with_label_values(&[CUT]).inc_by(reading.cut_items);
    }

    /// An item that the log does not take.
    pub(crate) fn dropped(&self) {
        self.items.with_label_values(&["dropped"]).inc();
    }

    /// A request that would have broken a rule.
    pub(crate) fn violation(&self, rule: Rule) {
        self.violations.with_label_values(&[rule.name()]).inc();
    }

    /// Of all rules.
    #[cfg(test)]
    pub(crate) fn violations(&self) -> u64 {
        Rule::ALL.iter().map(|rule| self.violations.with_label_values(&[rule.name()]).get()).sum()
    }

    /// A watched feed after a poll.
    pub(crate) fn watched(&self, feed: &str, state: &FeedState, skew_minutes: Option<i64>) {
        let watched = &self.watched;
        let silence = state.rhythm.silence(state.success_ms);
        for known in State::ALL {
            watched
                .state
                .with_label_values(&[feed, known.name()])
                .set(i64::from(known == state.health.state));
        }
        watched.silence.with_label_values(&[feed]).set(silence.nats.into());
        if let Some(limit) = silence.limit {
            watched.limit.with_label_values(&[feed]).set(limit.into());
        }
        let last_item = state.rhythm.last_item_ms().unwrap_or(0) / SECOND;
        watched.last_item.with_label_values(&[feed]).set(last_item);
        watched.last_success.with_label_values(&[feed]).set(state.success_ms / SECOND);
        watched.failures.with_label_values(&[feed]).set(state.failures.into());
        watched.skew.with_label_values(&[feed]).set(skew_minutes.unwrap_or(0) * 60);
        watched.overruns.with_label_values(&[feed]).set(state.overruns.into());
        for (gauge, drift) in [
            (&watched.volume_drift, state.rhythm.volume_drift()),
            (&watched.known_drift, state.known_share.drift()),
        ] {
            if let Some(drift) = drift {
                gauge.with_label_values(&[feed]).set(drift.into());
            }
        }
    }
}

impl Watched {
    fn register(add: &Add<'_>) -> Result<Self, WatcherError> {
        const FEED: &[&str] = &["feed"];
        Ok(Self {
            state: add.gauges("barid_feed_state", "1 for the state of a watched feed", &["feed", "state"])?,
            silence: add.floats(
                "barid_feed_silence_nats",
                "Items that should have come since the last one",
                FEED,
            )?,
            limit: add.floats("barid_feed_silence_limit_nats", "A silence beyond this is too long", FEED)?,
            last_item: add.gauges(
                "barid_feed_last_item_timestamp_seconds",
                "When the newest item was published or seen",
                FEED,
            )?,
            last_success: add.gauges(
                "barid_feed_last_success_timestamp_seconds",
                "When it last answered as it should",
                FEED,
            )?,
            failures: add.gauges("barid_feed_consecutive_failures", "Failed polls in a row", FEED)?,
            skew: add.gauges("barid_feed_clock_skew_seconds", "How far its dates lie in the future", FEED)?,
            overruns: add.gauges(
                "barid_feed_window_overruns",
                "Documents that shared no item with the one before: items may have been missed",
                FEED,
            )?,
            volume_drift: add.floats(
                "barid_feed_volume_drift_sigmas",
                "How far the items of the last full week lie from the weeks before, in standard deviations",
                FEED,
            )?,
            known_drift: add.floats(
                "barid_feed_known_drift_sigmas",
                "How far the share of known items in recent documents lies from the usual one, in standard deviations",
                FEED,
            )?,
        })
    }
}

/// Registers.
pub(super) struct Add<'a>(pub(super) &'a Registry);

impl Add<'_> {
    fn it<C: Collector + Clone + 'static>(
        &self,
        metric: &'static str,
        built: prometheus::Result<C>,
    ) -> Result<C, WatcherError> {
        barid_log::register_metric(self.0, built).map_err(|source| WatcherError::Metric { metric, source })
    }

    pub(super) fn counter(&self, name: &'static str, help: &str) -> Result<IntCounter, WatcherError> {
        self.it(name, IntCounter::new(name, help))
    }

    pub(super) fn counters(
        &self,
        name: &'static str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, WatcherError> {
        self.it(name, IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &'static str, help: &str) -> Result<IntGauge, WatcherError> {
        self.it(name, IntGauge::new(name, help))
    }

    pub(super) fn gauges(
        &self,
        name: &'static str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, WatcherError> {
        self.it(name, IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn floats(&self, name: &'static str, help: &str, labels: &[&str]) -> Result<GaugeVec, WatcherError> {
        self.it(name, GaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &'static str, help: &str, buckets: &[f64]) -> Result<Histogram, WatcherError> {
        self.it(name, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())))
    }

    fn histograms(
        &self,
        name: &'static str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> Result<HistogramVec, WatcherError> {
        self.it(name, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &[label]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_labels_are_there_from_the_start_and_single_feeds_only_when_watched() {
        let registry = Registry::new();
        let metrics = FeedMetrics::register(&registry).expect("fresh registry");
        let count = |name: &str| {
            let families = registry.gather();
            families.iter().find(|family| family.name() == name).map_or(0, |family| family.get_metric().len())
        };
        assert_eq!(count("barid_feeds"), 14);
        assert_eq!(count("barid_feed_fetches_total"), Outcome::ALL.len());
        assert_eq!(count("barid_feed_fetch_seconds"), 5);
        assert_eq!(count("barid_feed_bytes_total"), 2 * Coding::ALL.len());
        assert_eq!(count("barid_feed_http_faults_total"), HttpFault::ALL.len());
        assert_eq!(
            count("barid_feed_faults_total"),
            Fault::ALL.len() + Worthless::ALL.len() + Mends::NAMES.len()
        );
        assert_eq!(count("barid_feed_politeness_violations_total"), 8);
        assert_eq!(count("barid_feed_state"), 0);
        metrics.watched("news", &FeedState::default(), None);
        assert_eq!(count("barid_feed_state"), 14);
        assert_eq!((count("barid_feed_volume_drift_sigmas"), count("barid_feed_known_drift_sigmas")), (0, 0));
        let mut state = FeedState::default();
        (0..30).for_each(|document| state.known_share.learn(if document < 27 { 90.0 } else { 0.0 }));
        for day in 0..70 {
            // Ten items a day, and two in the last full week.
            let items = if day < 56 { 10 } else { 2 };
            state.rhythm.learn(&mut vec![1_693_785_600_000 + day * 86_400_000; items], i64::MAX);
        }
        metrics.watched("news", &state, None);
        let watched = &metrics.watched;
        assert!(watched.known_drift.with_label_values(&["news"]).get() < -3.0);
        assert!(watched.volume_drift.with_label_values(&["news"]).get() < -3.0);
        metrics.unwatch("news");
        assert_eq!((count("barid_feed_state"), count("barid_feed_silence_nats")), (0, 0));
        let (mut one, mut other) = ([0; State::ALL.len()], [0; State::ALL.len()]);
        let states = |told: &mut [i64; State::ALL.len()], fresh| {
            let mut counts = [0; State::ALL.len()];
            counts[0] = fresh;
            metrics.states(told, &counts);
        };
        states(&mut one, 5);
        states(&mut other, 3);
        assert_eq!(metrics.feeds.with_label_values(&["fresh"]).get(), 8, "of all pollers");
        states(&mut one, 0);
        assert_eq!(metrics.feeds.with_label_values(&["fresh"]).get(), 3);
        let again = FeedMetrics::register(&registry).expect_err("taken").to_string();
        assert!(again.contains("barid_feeds"), "{again}");
    }
}
