//! The loop: what is due is written down, then asked; what came is delivered with the feed's new state. One thread owns the log, a small runtime the network.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use barid_log::{Control, Outgoing, Wish, Worker, failpoint};
use barid_record::Topic;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::answered::Unread;
use super::budget::Domain;
use super::common::{Budget, Common, Load, Outage, Shard, Task};
use super::config::{Clock, FeedsConfig, FeedsSummary};
use super::engine::{self, Answer, Done, Failure, Outcome, Poll, Request, Step};
use super::fetch::{self, Client, Cost};
use super::guard;
use super::health::State;
use super::metrics::FeedMetrics;
use super::pages::{self, Desk, Pages};
use super::policy::{DAY, HOUR, MINUTE, SECOND, outside_windows};
use super::roster::{Roster, Stored, domain, take_over};
use super::state::{ASKED, Asked, FEED_ORDER, FEEDS, FeedState};
use super::statement;
use super::websub::Subscriber;
use super::websub::discover::Hubs;
use crate::WatcherError;
use crate::outbox::{Outbox, Sender as From};

mod hubs;
mod items;
mod turn;

/// The crash points of the poller: see `barid_log::failpoint`.
pub const FAILPOINTS: &[&str] = &[
    "feeds.asked.after",
    "feeds.answer.after",
    "feeds.submit.before",
    "feeds.items.between",
    pages::FAILPOINTS[0],
    pages::FAILPOINTS[1],
    pages::FAILPOINTS[2],
    pages::FAILPOINTS[3],
];

/// Polls the feeds on the calling thread until `control` says otherwise, and returns when everything handed over is durable.
///
/// [`Wish::Drain`] asks every feed once that is due now. [`Wish::Stop`] asks nobody any more and waits a few seconds for who was asked.
/// `clock` gives milliseconds since the Unix epoch.
///
/// # Errors
/// A configuration that cannot work, or the log's own failure. No trouble with a feed is one.
pub fn run(
    config: &FeedsConfig,
    worker: Box<dyn Worker>,
    metrics: &FeedMetrics,
    clock: Clock,
    control: &Control,
    progress: &dyn Fn(FeedsSummary),
) -> Result<FeedsSummary, WatcherError> {
    let common = Common::new(config, clock())?;
    run_shard(&common, Shard::ALL, config, worker, metrics, clock, control, progress)
}

/// Polls one shard of the feeds, as [`run`] does all of them, beside others of the process. The worker's tables hold that shard's state only.
///
/// # Errors
/// As [`run`]. After [`barid_log::LogError::Lost`] the shard may be another process's: what was under way is given up, and counts as asked.
#[expect(
    clippy::too_many_arguments,
    reason = "what the process has, what the shard has, and how to tell of it"
)]
pub fn run_shard(
    common: &Common,
    shard: Shard,
    config: &FeedsConfig,
    worker: Box<dyn Worker>,
    metrics: &FeedMetrics,
    clock: Clock,
    control: &Control,
    progress: &dyn Fn(FeedsSummary),
) -> Result<FeedsSummary, WatcherError> {
    let writer = shard.writer(&config.writer);
    let sender = From {
        state: FEEDS,
        order: FEED_ORDER,
        writer: &writer,
        batch_documents: 256,
        batch_bytes: config.batch_bytes,
        units_in_flight: 8,
        point: "feeds.submit.before",
    };
    let mut outbox = Outbox::new(worker, sender)?;
    let (landing, landed) = channel();
    let roster = Roster::new(&shard.feeds(&config.feeds), &config.watch);
    let pages = Pages::new(config, &roster, common, &metrics.pages, Arc::clone(&clock))?;
    let hubs = hubs::open(common, config, control, &mut outbox, metrics, &clock)?;
    let mut poller = Poller {
        config,
        metrics,
        budget: common.budget(clock()),
        clock,
        control,
        client: common.client.clone(),
        runtime: common.runtime()?,
        outbox,
        roster,
        pages,
        told: [0; State::ALL.len()],
        outage: common.outage(),
        under_way: common.load(),
        hubs,
        redirected: HashMap::new(),
        flying: HashMap::new(),
        landing,
        landed,
        deliveries: Vec::new(),
        summary: FeedsSummary::default(),
        swept: Instant::now(),
    };
    metrics.shards.inc();
    poller.restore()?;
    poller.run(progress)?;
    Ok(poller.summary)
}

/// The wish is looked at this often.
const TICK: Duration = Duration::from_millis(100);
/// What becomes due, and what lands, is gathered for so long: one commit for many.
const GATHER: Duration = Duration::from_millis(15);
/// A stop waits so long for answers.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// A feed's health is told anew after so long, changed or not: so its topic need not be kept for ever.
const TELL_EVERY_MS: i64 = DAY;
/// Whoever is put off for longer is planned anew.
const LONG_MS: i64 = 5 * MINUTE;
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What came of a request.
struct Landed {
    place: u32,
    answer: Answer,
    cost: Cost,
    /// The hubs that its head names.
    hubs: Hubs,
}

/// A request under way.
struct Flying {
    poll: Poll,
    domain: Domain,
    _task: Task,
}

/// A request that may be sent once it is written down.
struct Ready {
    place: u32,
    poll: Poll,
    request: Request,
    last_hash: u64,
}

struct Poller<'a> {
    config: &'a FeedsConfig,
    metrics: &'a FeedMetrics,
    clock: Clock,
    control: &'a Control,
    client: Client,
    runtime: Handle,
    outbox: Outbox,
    roster: Roster,
    pages: Pages,
    /// The states as the metrics have them.
    told: [i64; State::ALL.len()],
    budget: Budget,
    outage: Outage,
    under_way: Load,
    hubs: Option<Subscriber>,
    /// Polls that wait for the turn of a redirect, or of a sitemap of their index.
    redirected: HashMap<u32, (Poll, Request)>,
    flying: HashMap<u32, Flying>,
    landing: Sender<Landed>,
    landed: Receiver<Landed>,
    deliveries: Vec<Landed>,
    summary: FeedsSummary,
    swept: Instant,
}

impl Poller<'_> {
    /// Reads the tables, once.
    fn restore(&mut self) -> Result<(), WatcherError> {
        let now_ms = (self.clock)();
        let places = self.roster.places();
        let mut strangers = 0;
        let mut asked: Vec<Option<Asked>> = vec![None; self.roster.entries.len()];
        self.outbox.scan_in(ASKED, b"", &mut |key, value| {
            if let Some(place) = str::from_utf8(key).ok().and_then(|id| places.get(id)) {
                asked[*place as usize] = Asked::from_bytes(value);
            }
        })?;
        let mut stored: Vec<Stored> = asked.iter().map(|_| Stored::default()).collect();
        let entries = &self.roster.entries;
        self.outbox.scan(b"", &mut |key, value| {
            let Some(&place) = str::from_utf8(key).ok().and_then(|id| places.get(id)) else {
                strangers += 1;
                return;
            };
            let Some(state) = FeedState::from_bytes(value) else { return };
            let (feed, asked) = (&entries[place as usize].feed, asked[place as usize]);
            let is_asked = asked.is_some_and(|asked| asked.start_ms > state.start_ms);
            let state = take_over(feed, state, asked, now_ms);
            stored[place as usize] = Stored {
                is_asked,
                next_ms: Some(state.next_ms),
                domain: Some(domain(&state.url)),
                state: state.health.state,
                refused: state.refusal(now_ms),
            };
        })?;
        for (place, (mut stored, asked)) in (0..).zip(stored.into_iter().zip(asked)) {
            if let (None, Some(asked)) = (stored.next_ms, asked) {
                // Asked for the first time, and no answer was kept.
                stored.next_ms = Some(asked.start_ms + HOUR + 2 * MINUTE);
            }
            if let Some(hubs) = &mut self.hubs {
                let feed = &self.roster.entries[place as usize].feed.id;
                stored.next_ms = hubs.woken(place, feed, stored.next_ms, stored.is_asked);
            }
            if let Some((domain, until_ms)) = stored.refused {
                self.budget.back_off(domain, until_ms);
            }
            self.roster.restore(place, stored, now_ms, self.control.wish() == Wish::Run);
        }
        let (pages, mut desk) = self.desk(now_ms);
        pages.restore(&mut desk, &places)?;
        self.metrics.states(&mut self.told, &self.roster.counts);
        tracing::info!(feeds = self.roster.entries.len(), strangers, "polling feeds");
        Ok(())
    }

    fn run(&mut self, progress: &dyn Fn(FeedsSummary)) -> Result<(), WatcherError> {
        let drain_from_ms = (self.clock)();
        let mut stopping: Option<Instant> = None;
        loop {
            let wish = self.control.wish();
            let now_ms = (self.clock)();
            self.land(now_ms)?;
            let (pages, mut desk) = self.desk(now_ms);
            pages.land(&mut desk)?;
            self.hear_hubs(now_ms)?;
            let ready = match wish {
                Wish::Run => self.begin(now_ms, now_ms)?,
                Wish::Drain => self.begin(now_ms, drain_from_ms)?,
                Wish::Stop => Vec::new(),
            };
            let (pages, mut desk) = self.desk(now_ms);
            let page_requests = pages.begin(&mut desk)?;
            let asks = self.begin_asks(wish, now_ms);
            if ready.is_empty() && page_requests.is_empty() && asks.is_empty() {
                self.outbox.flush()?;
            } else {
                self.write_down(&ready)?;
                failpoint("feeds.asked.after");
                ready.into_iter().for_each(|ready| self.launch(ready));
                self.pages.launch(page_requests);
                self.send_asks(asks);
            }
            progress(self.summary);
            let is_idle = self.flying.is_empty() && self.redirected.is_empty() && self.deliveries.is_empty();
            let is_over = match wish {
                Wish::Run => false,
                Wish::Drain => {
                    is_idle && (self.outage.since_ms().is_some() || !self.has_more(drain_from_ms, now_ms))
                }
                Wish::Stop => {
                    let since = *stopping.get_or_insert_with(Instant::now);
                    let is_quiet = self.flying.is_empty() && self.deliveries.is_empty();
                    is_quiet && self.pages.in_flight() == 0 || since.elapsed() >= STOP_WAIT
                }
            };
            if is_over {
                self.outbox.flush()?;
                return self.outbox.wait();
            }
            self.sweep()?;
            self.rest(now_ms);
        }
    }

    /// Whether a drain has somebody left to ask.
    fn has_more(&self, drain_from_ms: i64, now_ms: i64) -> bool {
        self.pages.has_more(now_ms) || self.roster.entries.iter().any(|entry| entry.due_ms <= drain_from_ms)
    }

    /// What full text works with.
    fn desk(&mut self, now_ms: i64) -> (&mut Pages, Desk<'_>) {
        let Self { pages, outbox, budget, roster, metrics, config, summary, .. } = self;
        let (wish, is_down) = (self.control.wish(), self.outage.since_ms().is_some());
        let polls = self.under_way.total();
        (pages, Desk { outbox, budget, roster, metrics, config, summary, now_ms, wish, is_down, polls })
    }

    /// Waits until something lands or is due, at most a tick.
    fn rest(&mut self, now_ms: i64) {
        let next_ms = self.roster.next_ms().into_iter().chain(self.pages.next_ms()).min();
        let due = next_ms.map_or(TICK, |next_ms| {
            Duration::from_millis(u64::try_from(next_ms - now_ms).unwrap_or(0)).min(TICK)
        });
        let wait = if self.under_way.total() >= self.config.max_in_flight || self.outage.since_ms().is_some()
        {
            TICK
        } else {
            due
        };
        match self.landed.recv_timeout(wait.max(GATHER)) {
            Ok(landed) => {
                self.deliveries.push(landed);
                std::thread::sleep(GATHER);
            }
            // The sender is ours too.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        self.deliveries.extend(self.landed.try_iter());
    }

    fn sweep(&mut self) -> Result<(), WatcherError> {
        self.outbox.tend()?;
        if self.swept.elapsed() >= SWEEP_EVERY {
            self.swept = Instant::now();
            let backing_off = self.budget.sweep((self.clock)());
            self.metrics.backing_off.set(i64::try_from(backing_off).unwrap_or(i64::MAX));
            self.metrics.states(&mut self.told, &self.roster.counts);
            let now_ms = (self.clock)();
            let (pages, mut desk) = self.desk(now_ms);
            pages.sweep(&mut desk)?;
            self.show_hubs();
        }
        self.metrics.own_outage.set(i64::from(self.outage.since_ms().is_some()));
        self.metrics
            .in_flight
            .set(i64::try_from(self.under_way.total() + self.pages.in_flight_of_all()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Begins one feed's poll: its budget is taken already.
    fn ask(&mut self, place: u32, now_ms: i64) -> Result<Option<Ready>, WatcherError> {
        let mut state = self.load(place)?;
        let Roster { entries, .. } = &self.roster;
        // A poll that was begun and died is none of the state's, and counts all the same.
        let asked = self.outbox.get_in(ASKED, entries[place as usize].feed.id.as_bytes())?;
        state = take_over(
            &entries[place as usize].feed,
            state,
            asked.as_deref().and_then(Asked::from_bytes),
            now_ms,
        );
        let (feed, taken, due_ms) =
            (&entries[place as usize].feed, entries[place as usize].domain, entries[place as usize].due_ms);
        let clear_ms = outside_windows(now_ms, &state.says, feed.hash());
        if clear_ms > now_ms {
            // It was put off into one of the feed's own windows.
            self.budget.give_back(taken, now_ms);
            self.roster.plan(place, clear_ms);
            return Ok(None);
        }
        let seeks_hub = self.hubs.as_ref().is_some_and(|hubs| hubs.seeks(&feed.id, &state, now_ms));
        let (poll, request) = match engine::begin(&state, now_ms, &self.config.allowed, seeks_hub) {
            Ok(begun) => begun,
            Err(why) => {
                tracing::debug!(feed = feed.id, url = state.url, %why, "not asked");
                self.budget.give_back(taken, now_ms);
                let left = engine::refuse(feed, &mut state, now_ms);
                self.store(place, &state, left, Some(Outcome::RefusedAddress), None, now_ms);
                return Ok(None);
            }
        };
        if let Some(rule) = guard::broken(feed, &state, &request, poll.is_audit || seeks_hub, now_ms) {
            self.hold_back(place, rule, taken, now_ms + HOUR, now_ms);
            return Ok(None);
        }
        self.metrics.schedule_delay.observe((now_ms - due_ms).max(0) as f64 / SECOND as f64);
        self.note_asked(place, now_ms, &poll);
        Ok(Some(Ready { place, poll, request, last_hash: state.read_hash(self.hubs.is_some()) }))
    }

    /// The state of a feed, as it is now.
    fn load(&mut self, place: u32) -> Result<FeedState, WatcherError> {
        let now_ms = (self.clock)();
        let feed = &self.roster.entries[place as usize].feed;
        let stored = self.outbox.get(feed.id.as_bytes())?;
        let state = stored.as_deref().and_then(FeedState::from_bytes);
        Ok(match state {
            Some(state) => take_over(feed, state, None, now_ms),
            None => FeedState::new(feed.url.clone(), feed.hash(), now_ms, now_ms),
        })
    }

    /// Sends a request that was written down.
    fn launch(&mut self, ready: Ready) {
        let Ready { place, poll, request, last_hash } = ready;
        let domain = Domain::of(&request.url);
        let (client, landing, clock) = (self.client.clone(), self.landing.clone(), Arc::clone(&self.clock));
        let base = self.roster.entries[place as usize].feed.url.clone();
        let parse_seconds = self.metrics.parse_seconds.clone();
        let task = self.runtime.spawn(async move {
            let (result, cost) = client.send(&request).await;
            let (answer, why, hubs) = match result {
                Err(broke) => (Answer::Failed(broke.failure), Some(broke.detail), Hubs::default()),
                Ok(response) => {
                    let hubs = fetch::hubs(&response, &request.url);
                    let (answer, why) = answer(response, base, last_hash, clock, parse_seconds).await;
                    (answer.naming(hubs.clone()), why, hubs)
                }
            };
            if let Some(why) = why {
                tracing::debug!(url = %request.url, why, "no whole document");
            }
            // Nobody listens any more once the poller has stopped.
            let _ = landing.send(Landed { place, answer, cost, hubs });
        });
        self.flying.insert(place, Flying { poll, domain, _task: Task(task.abort_handle()) });
    }

    /// Takes in what landed.
    fn land(&mut self, now_ms: i64) -> Result<(), WatcherError> {
        for landed in std::mem::take(&mut self.deliveries) {
            failpoint("feeds.answer.after");
            let Landed { place, answer, cost, hubs } = landed;
            let Some(Flying { poll, domain, _task }) = self.flying.remove(&place) else { continue };
            self.metrics.cost(&cost);
            self.under_way.give_back();
            self.budget.give_back(domain, now_ms);
            let is_reached = match &answer {
                Answer::Came(_) => true,
                Answer::Failed(failure) => !Outcome::from(*failure).may_be_ours(),
            };
            tell_outage(self.outage.note(domain, is_reached, now_ms));
            let is_frozen = self.outage.since_ms().is_some();
            let mut state = self.load(place)?;
            let before = state.clone();
            let feed = &self.roster.entries[place as usize].feed;
            match engine::follow(feed, &mut state, poll, answer, now_ms, &self.config.allowed, is_frozen) {
                Step::Ask(poll, request) => {
                    self.redirected.insert(place, (*poll, request));
                    self.roster.put_off(place, now_ms);
                }
                Step::Done(done) => self.deliver(place, state, before, *done, &hubs, now_ms)?,
            }
        }
        Ok(())
    }

    /// Hands over what a poll brought, with the feed's new state: in one unit, or where the items are too many for one in several, each of which says what was
    /// delivered so far.
    fn deliver(
        &mut self,
        place: u32,
        mut state: FeedState,
        before: FeedState,
        mut done: Done,
        head: &Hubs,
        now_ms: i64,
    ) -> Result<(), WatcherError> {
        self.metrics.done(&done, now_ms);
        let (more, is_sitemap) = (done.more.take(), done.is_sitemap());
        if !is_sitemap {
            self.ask_push(place, &mut state, &before, (&done, head), now_ms);
            self.summary.polls += 1;
            self.summary.failed += u64::from(!done.outcome.is_success());
        }
        self.tell_sitemaps(place, &done);
        if let Some((domain, until_ms)) = done.domain_until_ms {
            self.budget.back_off(domain, until_ms);
        }
        self.hand_over(place, before, &mut done, now_ms)?;
        let title = done.reading.as_ref().filter(|_| !is_sitemap).map(|reading| reading.title.clone());
        self.store(place, &state, done.left, Some(done.outcome), title.as_deref(), now_ms);
        if let Some((poll, request)) = more {
            // The next answer goes on from this state.
            self.outbox.flush()?;
            self.redirected.insert(place, (*poll, request));
            self.roster.put_off(place, now_ms);
            return Ok(());
        }
        if self.outbox.is_full() { self.outbox.flush() } else { Ok(()) }
    }

    /// Puts a feed's new state into the unit, tells its health where there is something to tell, and plans its next poll.
    fn store(
        &mut self,
        place: u32,
        state: &FeedState,
        left: Option<State>,
        outcome: Option<Outcome>,
        title: Option<&str>,
        now_ms: i64,
    ) {
        let entry = &self.roster.entries[place as usize];
        let mut state = state.clone();
        let is_news = left.is_some() || now_ms - state.told_ms >= TELL_EVERY_MS;
        if is_news {
            state.told_ms = now_ms;
            let mut said = statement::statement(&entry.feed, &state, left, outcome, title, now_ms);
            said.push = self.hubs.as_ref().and_then(|hubs| hubs.told(&entry.feed.id, now_ms));
            if let Some(left) = left {
                tracing::info!(
                    feed = said.feed,
                    state = said.state,
                    was = left.name(),
                    reason = said.reason,
                    "a feed's health changed"
                );
            }
            match said.to_json() {
                Ok(json) => self.outbox.produce(Outgoing {
                    topic: Topic::Health,
                    timestamp_ms: now_ms,
                    key: Bytes::copy_from_slice(entry.feed.id.as_bytes()),
                    headers: said.headers(),
                    value: json.into(),
                }),
                Err(error) => tracing::warn!(feed = said.feed, %error, "its health cannot be told"),
            }
        }
        if entry.is_watched {
            self.metrics.watched(&entry.feed.id, &state, state.skew.median_minutes());
        }
        self.outbox.put(entry.feed.id.as_bytes(), state.to_bytes().into());
        self.roster.entries[place as usize].domain = domain(&state.url);
        self.roster.becomes(place, state.health.state);
        self.roster.plan(place, state.next_ms);
    }
}

impl Drop for Poller<'_> {
    /// The feeds are another process's now, or nobody's: they are told of here no more.
    fn drop(&mut self) {
        self.metrics.shards.dec();
        self.metrics.states(&mut self.told, &[0; State::ALL.len()]);
        self.roster.entries.iter().filter(|entry| entry.is_watched).for_each(|entry| {
            self.metrics.unwatch(&entry.feed.id);
        });
    }
}

fn tell_outage(change: Option<bool>) {
    match change {
        Some(true) => tracing::warn!(
            "no feed can be reached: taking it for an outage of our own; failures are not counted, and one request in a while finds out when it is over"
        ),
        Some(false) => tracing::info!("feeds can be reached again"),
        None => {}
    }
}

/// What the engine is told of a response. Large documents are read on a thread of their own: others' time limits run meanwhile.
async fn answer(
    response: fetch::Response,
    base: String,
    last_hash: u64,
    clock: Clock,
    parse_seconds: prometheus::Histogram,
) -> (Answer, Option<String>) {
    let unread = Unread::new(response, clock());
    let is_large = unread.is_large();
    let read = move || {
        let _timer = parse_seconds.start_timer();
        unread.read(&base, last_hash)
    };
    if !is_large {
        return read();
    }
    let failed = |_| (Answer::Failed(Failure::Protocol), Some("its reading was given up".to_owned()));
    tokio::task::spawn_blocking(read).await.unwrap_or_else(failed)
}
