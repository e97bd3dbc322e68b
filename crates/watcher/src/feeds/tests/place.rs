//! A poller with a log of its own and a clock that stands, for stories.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use barid_log::{Control, Embedded, EmbeddedConfig, Limit, Log, Message, Wish, Worker};
use barid_record::{FeedHealth, Order, RawDocument, Topic};
use tempfile::TempDir;

use crate::WatcherError;
use crate::feeds::address::Allowed;
use crate::feeds::common::{Common, Shard};
use crate::feeds::engine::Feed;
use crate::feeds::{Clock, FeedMetrics, FeedsConfig, FeedsSummary, run_shard, worker_spec};

pub(crate) const NOW: i64 = 1_693_901_700_000;

/// A poller with a log of its own and a clock that stands.
pub(crate) struct Place {
    data: TempDir,
    pub(crate) now_ms: Arc<AtomicI64>,
    pub(crate) config: FeedsConfig,
    pub(crate) metrics: FeedMetrics,
    /// How fast the clock runs.
    pub(crate) speed: i64,
}

impl Place {
    pub(crate) fn new(urls: &[String]) -> Self {
        let feed = |(url, number): (&String, u32)| Feed {
            id: format!("feed{number}"),
            url: url.clone(),
            is_listed: false,
        };
        let config = FeedsConfig {
            feeds: urls.iter().zip(0..).map(feed).collect(),
            agent: "barid-test/1 (+https://barid.example/)".to_owned(),
            allowed: Allowed(vec!["127.0.0.0/8".parse().expect("a block")]),
            ..FeedsConfig::default()
        };
        Self {
            data: TempDir::new().expect("a folder"),
            now_ms: Arc::new(AtomicI64::new(NOW)),
            config,
            metrics: FeedMetrics::register(&prometheus::Registry::new()).expect("fresh registry"),
            speed: 1,
        }
    }

    /// Asks who is due, in a process of its own as far as the log can tell.
    pub(crate) fn drain(&self) -> FeedsSummary {
        let control = Control::default();
        control.ask(Wish::Drain);
        self.run(&control)
    }

    /// Runs until it is told to end.
    pub(crate) fn run(&self, control: &Control) -> FeedsSummary {
        self.run_on(control, |worker| worker).expect("it runs")
    }

    /// Runs on what is made of the log's worker.
    pub(crate) fn run_on(
        &self,
        control: &Control,
        make: impl FnOnce(Box<dyn Worker>) -> Box<dyn Worker>,
    ) -> Result<FeedsSummary, WatcherError> {
        let common = Common::new(&self.config, (self.clock())())?;
        self.run_in(&common, control, make)
    }

    /// Runs in a process that has had other pollers.
    fn run_in(
        &self,
        common: &Common,
        control: &Control,
        make: impl FnOnce(Box<dyn Worker>) -> Box<dyn Worker>,
    ) -> Result<FeedsSummary, WatcherError> {
        let log = self.log();
        let worker = make(log.worker(worker_spec()).expect("the only poller"));
        let (config, clock) = (&self.config, self.clock());
        let result = run_shard(common, Shard::ALL, config, worker, &self.metrics, clock, control, &|_| ());
        log.close().expect("the log closes");
        result
    }

    /// It goes on from now.
    pub(crate) fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        let started = std::time::Instant::now();
        // A start waits for a second: that one must pass.
        let speed = self.speed;
        let passed = move || speed * i64::try_from(started.elapsed().as_millis()).unwrap_or(0);
        Arc::new(move || now_ms.load(Ordering::Relaxed) + passed())
    }

    /// Polls and hears hubs beside what the story does, and ends in order.
    pub(crate) fn beside<T>(&self, story: impl FnOnce() -> T) -> T {
        let (told, result) = self.beside_on(|worker| worker, story);
        result.expect("it runs");
        told
    }

    /// The same on what is made of the log's worker, which may end it.
    pub(crate) fn beside_on<T>(
        &self,
        make: impl FnOnce(Box<dyn Worker>) -> Box<dyn Worker> + Send,
        story: impl FnOnce() -> T,
    ) -> (T, Result<FeedsSummary, WatcherError>) {
        Self::both(|control| self.run_on(control, make), story)
    }

    /// The same in a process that has had other pollers.
    pub(crate) fn beside_in<T>(&self, common: &Common, story: impl FnOnce() -> T) -> T {
        let (told, result) = Self::both(|control| self.run_in(common, control, |worker| worker), story);
        result.expect("it runs");
        told
    }

    fn both<T>(
        run: impl FnOnce(&Control) -> Result<FeedsSummary, WatcherError> + Send,
        story: impl FnOnce() -> T,
    ) -> (T, Result<FeedsSummary, WatcherError>) {
        let control = Control::default();
        let (told, result) = std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&control));
            // A failed story must end the run too, or nobody hears of it.
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(story));
            control.ask(Wish::Stop);
            (told, running.join().expect("no panic"))
        });
        (told.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), result)
    }

    pub(crate) fn later(&self, ms: i64) -> &Self {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
        self
    }

    pub(crate) fn log(&self) -> Embedded {
        Embedded::open(EmbeddedConfig::new(self.data.path()), &prometheus::Registry::new())
            .expect("the log opens")
    }

    pub(crate) fn messages(&self, topic: Topic) -> Vec<Message> {
        let log = self.log();
        let messages = log.read(topic, 0, 0, Limit { messages: 100_000, bytes: 1 << 30 }).expect("readable");
        log.close().expect("the log closes");
        messages
    }

    /// Every document so far; they must be numbered without a gap.
    pub(crate) fn documents(&self) -> Vec<RawDocument> {
        let read = |(message, sequence): (Message, u64)| {
            assert_eq!(
                Order::from_headers(&message.headers),
                Some(Order { writer: "feeds".into(), sequence })
            );
            RawDocument::from_message(message.timestamp_ms, &message.headers, message.value)
                .expect("a document")
        };
        self.messages(Topic::Raw).into_iter().zip(0..).map(read).collect()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.documents().into_iter().map(|document| document.key).collect()
    }

    pub(crate) fn health(&self) -> Vec<FeedHealth> {
        let read = |message: Message| FeedHealth::from_json(&message.value).expect("ours");
        self.messages(Topic::Health).into_iter().map(read).collect()
    }
}
