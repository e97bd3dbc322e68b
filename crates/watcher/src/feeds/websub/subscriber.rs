//! Carries subscriptions between the log, the hubs and the poller. What is decided about one is in `lease` and `trust`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use tokio::sync::oneshot;

pub(in crate::feeds) use self::asks::Ask;
use self::asks::Replied;
use super::agenda::Agenda;
use super::discover::{Hubs, Offer};
use super::lease::{Mode, Standing, Subscription};
use super::metrics::{Brought, WebSubMetrics};
use super::server::{Door, Doors, Hall, Question, Visit, bind, serve};
use super::{Token, WEBSUB, WebSubConfig, trust};
use crate::WatcherError;
use crate::feeds::address::Allowed;
use crate::feeds::budget::Domain;
use crate::feeds::common::{Budget, Common, Load, Task};
use crate::feeds::config::{Clock, FeedsConfig};
use crate::feeds::engine::{Done, Feed};
use crate::feeds::policy::DAY;
use crate::feeds::state::FeedState;
use crate::outbox::Outbox;

mod asks;

/// Visits that wait for the poller; more are told to come again.
const MOST_VISITS: usize = 256;
/// A feed may change its hub so often.
const CHANGE_MS: i64 = DAY;

/// Every subscription, and who waits for a word about one.
pub(in crate::feeds) struct Subscriber {
    config: WebSubConfig,
    allowed: Allowed,
    started_ms: i64,
    held: HashMap<Token, Subscription>,
    by_feed: HashMap<String, Token>,
    /// Where the poller has the feed.
    places: HashMap<Token, u32>,
    agenda: Agenda,
    budget: Budget,
    load: Load,
    /// Who is asked, and the domain of whose budget.
    asking: HashMap<Token, Domain>,
    /// Given up with this poller.
    tasks: HashMap<Token, Task>,
    doors: Doors,
    /// For whoever comes to a door of this poller's.
    visitors: SyncSender<Visit>,
    visits: Receiver<Visit>,
    reply: Sender<Replied>,
    replies: Receiver<Replied>,
    /// To be told once the unit is durable.
    waiting: Vec<(oneshot::Sender<bool>, bool)>,
    metrics: WebSubMetrics,
    /// How its subscriptions stand, as the metrics have it.
    told: [i64; Standing::ALL.len()],
}

impl Drop for Subscriber {
    /// Hubs that come now are told to come again, for nobody is behind the doors that stay: the feeds are another poller's, of this process perhaps, or nobody's.
    fn drop(&mut self) {
        self.metrics.standing(&mut self.told, &[0; Standing::ALL.len()]);
    }
}

impl Subscriber {
    /// Opens the callback and takes the subscriptions up again; `None` where none are wanted.
    pub(in crate::feeds) fn open(
        common: &Common,
        config: &FeedsConfig,
        outbox: &mut Outbox,
        metrics: &WebSubMetrics,
        clock: &Clock,
    ) -> Result<Option<Self>, WatcherError> {
        let Some(websub) = &config.websub else { return Ok(None) };
        let (runtime, now_ms) = (common.runtime()?, clock());
        let mut bound = None;
        let doors = common.doors(|| {
            let (first, doors) = (bind(websub.listen), Doors::default());
            if first.is_ok() {
                doors.hear(now_ms);
            }
            bound = Some(first);
            doors
        });
        doors.unsettle(now_ms);
        let (visitors, visits) = sync_channel(MOST_VISITS);
        let (reply, replies) = channel();
        let hall = Hall::new(doors.clone(), config.limits, metrics.clone(), Arc::clone(clock));
        let mut ours = Self {
            config: websub.clone(),
            allowed: config.allowed.clone(),
            started_ms: now_ms,
            held: HashMap::new(),
            by_feed: HashMap::new(),
            places: HashMap::new(),
            agenda: Agenda::default(),
            budget: common.hub_budget(now_ms),
            load: common.hub_load(),
            asking: HashMap::new(),
            tasks: HashMap::new(),
            doors,
            visitors,
            visits,
            reply,
            replies,
            waiting: Vec::new(),
            metrics: metrics.clone(),
            told: [0; Standing::ALL.len()],
        };
        let restored = ours.restore(&config.feeds, outbox, now_ms);
        // Whoever came meanwhile waited at the socket: a hub that met a door not hung yet would hear that there is none. What failed here another poller may try again.
        if let Some(bound) = bound {
            common.hear(runtime.spawn(serve(websub.listen, bound, hall)));
        }
        restored?;
        tracing::info!(listen = %websub.listen, subscriptions = ours.held.len(), "subscriptions are taken up");
        Ok(Some(ours))
    }

    fn restore(&mut self, feeds: &[Feed], outbox: &mut Outbox, now_ms: i64) -> Result<(), WatcherError> {
        let mut rows: Vec<(Token, Subscription)> = Vec::new();
        outbox.scan_in(WEBSUB, b"", &mut |key, value| {
            if let (Ok(token), Some(held)) = (Token::try_from(key), Subscription::from_bytes(value)) {
                rows.push((token, held));
            }
        })?;
        // The newest of a feed is the one that counts.
        rows.sort_by_key(|(_, held)| Reverse(held.made_ms));
        let feeds: HashMap<&str, &Feed> = feeds.iter().map(|feed| (feed.id.as_str(), feed)).collect();
        for (token, held) in rows {
            let (mode, is_ours) = (held.mode(), held.callback == self.address(&token));
            let feed = feeds.get(held.feed.as_str()).copied();
            let is_first = !self.by_feed.contains_key(&held.feed);
            let offer = Offer { hub: held.hub.clone(), topic: held.topic.clone() };
            self.held.insert(token, held);
            match (feed, mode) {
                (Some(feed), Mode::Subscribe) if is_ours && is_first => {
                    self.take(feed, token, now_ms, outbox)
                }
                (Some(feed), Mode::Subscribe) if is_first => {
                    // We are reached somewhere else now.
                    self.end(token, now_ms, outbox);
                    self.make(feed, offer, now_ms, outbox);
                }
                (_, Mode::Subscribe) => self.end(token, now_ms, outbox),
                (_, Mode::Unsubscribe) => self.changed(token, now_ms, outbox),
            }
        }
        self.show(now_ms);
        Ok(())
    }

    fn address(&self, token: &Token) -> String {
        format!("{}/{}", self.config.callback.trim_end_matches('/'), HEXLOWER.encode(token))
    }

    /// Makes a subscription the one of its feed.
    fn take(&mut self, feed: &Feed, token: Token, now_ms: i64, outbox: &mut Outbox) {
        let Some(held) = self.held.get_mut(&token) else { return };
        held.home.clone_from(&feed.url);
        let (secret, visitors) = (held.secret.clone(), self.visitors.clone());
        let door = Door { secret, base: feed.url.clone(), is_closed: false, visitors };
        self.doors.set(token, door);
        self.by_feed.insert(feed.id.clone(), token);
        self.changed(token, now_ms, outbox);
    }

    fn make(&mut self, feed: &Feed, offer: Offer, now_ms: i64, outbox: &mut Outbox) {
        let drawn = (self.config.random)().and_then(|token| Ok((token, (self.config.random)()?)));
        let (token, secret) = match drawn {
            Ok(drawn) => drawn,
            Err(error) => return tracing::warn!(feed = feed.id, %error, "no hub is asked: no randomness"),
        };
        let mut name = Token::default();
        name.copy_from_slice(&token[..size_of::<Token>()]);
        tracing::info!(feed = feed.id, hub = offer.hub, topic = offer.topic, "asking a hub for a feed");
        let callback = self.address(&name);
        let made = Subscription::new(&feed.id, offer, callback, HEXLOWER.encode(&secret), now_ms);
        self.held.insert(name, made);
        self.take(feed, name, now_ms, outbox);
    }

    fn end(&mut self, token: Token, now_ms: i64, outbox: &mut Outbox) {
        let Some(held) = self.held.get_mut(&token) else { return };
        held.end(now_ms);
        if self.by_feed.get(&held.feed) == Some(&token) {
            self.by_feed.remove(&held.feed);
        }
        self.changed(token, now_ms, outbox);
    }

    /// Writes a subscription down as it is now, or off, and plans what is next.
    fn changed(&mut self, token: Token, now_ms: i64, outbox: &mut Outbox) {
        let Some(held) = self.held.get(&token) else { return };
        if held.is_over(now_ms) {
            tracing::info!(feed = held.feed, hub = held.hub, "a subscription is over");
            if self.by_feed.get(&held.feed) == Some(&token) {
                self.by_feed.remove(&held.feed);
            }
            self.held.remove(&token);
            self.agenda.remove(&token);
            self.places.remove(&token);
            self.doors.remove(&token);
            outbox.delete_in(WEBSUB, &token);
            return;
        }
        if held.mode() == Mode::Unsubscribe {
            let visitors = self.visitors.clone();
            let closed = Door { secret: String::new(), base: String::new(), is_closed: true, visitors };
            self.doors.set(token, closed);
        }
        self.agenda.want(token, held.next_ms);
        outbox.put_in(WEBSUB, &token, Bytes::from(held.to_bytes()));
    }

    /// Who came since the last time.
    pub(in crate::feeds) fn visits(&self) -> Vec<Visit> {
        self.visits.try_iter().collect()
    }

    /// A hub asks, or denies.
    pub(in crate::feeds) fn question(
        &mut self,
        token: Token,
        question: Question,
        topic: &str,
        reply: oneshot::Sender<bool>,
        now_ms: i64,
        outbox: &mut Outbox,
    ) {
        let is_right = self.held.get_mut(&token).is_some_and(|held| match question {
            Question::Intent { mode, lease_s } => {
                let spread = u64::from(u16::from_be_bytes([token[0], token[1]]));
                held.confirm(mode, topic, lease_s, spread, now_ms)
            }
            Question::Denied => held.deny(topic, now_ms),
        });
        match question {
            Question::Denied if is_right => self.metrics.denied(),
            Question::Denied | Question::Intent { .. } => self.metrics.questioned(is_right),
        }
        if is_right {
            self.changed(token, now_ms, outbox);
        }
        self.waiting.push((reply, is_right));
    }

    /// The place of the feed whose document was brought.
    pub(in crate::feeds) fn place_of(&self, token: &Token) -> Option<u32> {
        let held = self.held.get(token)?;
        (held.mode() == Mode::Subscribe).then(|| self.places.get(token).copied()).flatten()
    }

    /// A document was taken in, or it is nobody's.
    pub(in crate::feeds) fn took(
        &mut self,
        token: Token,
        what: Brought,
        reply: oneshot::Sender<bool>,
        now_ms: i64,
        outbox: &mut Outbox,
    ) {
        self.metrics.brought(what);
        if what == Brought::New
            && let Some(held) = self.held.get_mut(&token)
        {
            held.trust.pushed();
            self.changed(token, now_ms, outbox);
        }
        self.waiting.push((reply, what != Brought::Unknown));
    }

    /// Everything is durable: tells who waits.
    pub(in crate::feeds) fn answer(&mut self) {
        for (reply, answer) in self.waiting.drain(..) {
            // It may have hung up; then it comes again.
            let _ = reply.send(answer);
        }
    }

    /// A poll has ended: what does its document say of hubs, and did push bring everything? Makes the feed's next poll later while push can be relied on.
    pub(in crate::feeds) fn polled(
        &mut self,
        (place, feed): (u32, &Feed),
        state: &mut FeedState,
        before: &FeedState,
        (done, head): (&Done, &Hubs),
        now_ms: i64,
        outbox: &mut Outbox,
    ) {
        if let Some(reading) = &done.reading {
            let offer = reading.hubs.offer(&done.from, &self.allowed);
            self.discovered(feed, offer, now_ms, outbox);
        } else if done.outcome.is_success() && !self.by_feed.contains_key(&feed.id) {
            // It has no document to name a hub, and says no less of one that is known for not naming it.
            let offer = head.offer(&done.from, &self.allowed);
            self.discovered(feed, offer, now_ms, outbox);
        }
        state.searched(done);
        let Some(&token) = self.by_feed.get(&feed.id) else { return };
        self.places.insert(token, place);
        let put_off = self.believed(token, feed, state, before, done, now_ms);
        let Some(held) = self.held.get_mut(&token) else { return };
        if held.put_off(put_off) || done.outcome.is_success() {
            self.changed(token, now_ms, outbox);
        }
    }

    /// Judges what push brought by what a poll found. Returns when the feed would be asked next and when it is instead, where it may be asked later.
    fn believed(
        &mut self,
        token: Token,
        feed: &Feed,
        state: &mut FeedState,
        before: &FeedState,
        done: &Done,
        now_ms: i64,
    ) -> Option<(i64, i64)> {
        let held = self.held.get_mut(&token)?;
        let held_ms = held.held_ms(now_ms);
        if !done.outcome.is_success() || held_ms == 0 {
            return None;
        }
        // What was brought while nobody listened is nobody's fault.
        let heard_ms = self.doors.heard_ms()?;
        let from_ms = held_ms.max(self.started_ms).max(heard_ms);
        let missed = trust::missed(&done.items, from_ms, before.start_ms, now_ms);
        if held.trust.polled(missed) {
            // That everything was known says nothing about how often the feed has news.
            (state.interval_ms, state.streak) = (before.interval_ms, before.streak);
            state.known_share = before.known_share;
        }
        if missed > 0 {
            self.metrics.missed(missed);
            tracing::info!(
                feed = feed.id,
                hub = held.hub,
                missed,
                "a hub did not bring everything: polling as usual"
            );
        }
        if held.standing(now_ms) != Standing::Active {
            return None;
        }
        let window_ms = trust::window_ms(state, done.is_overrun, now_ms);
        let (usual_ms, until_ms) = (state.next_ms, held.until_ms());
        state.next_ms = trust::slower(usual_ms, &state.says, feed.hash(), window_ms, until_ms, now_ms);
        (state.next_ms > usual_ms).then_some((usual_ms, state.next_ms))
    }

    /// Whether a feed's whole document is to be asked for, because it may name a hub.
    pub(in crate::feeds) fn seeks(&self, feed: &str, state: &FeedState, now_ms: i64) -> bool {
        !self.by_feed.contains_key(feed) && state.seeks_hub(now_ms)
    }

    fn discovered(&mut self, feed: &Feed, offer: Option<Offer>, now_ms: i64, outbox: &mut Outbox) {
        let token = self.by_feed.get(&feed.id).copied();
        let held = token.and_then(|token| self.held.get_mut(&token).map(|held| (token, held)));
        match (held, offer) {
            (None, None) => {}
            (None, Some(offer)) => self.make(feed, offer, now_ms, outbox),
            (Some((token, held)), None) => {
                if std::mem::replace(&mut held.is_offered, false) {
                    self.changed(token, now_ms, outbox);
                }
            }
            (Some((token, held)), Some(offer)) if offer.hub == held.hub && offer.topic == held.topic => {
                if !std::mem::replace(&mut held.is_offered, true) {
                    self.changed(token, now_ms, outbox);
                }
            }
            (Some((token, held)), Some(offer)) => {
                if now_ms - held.made_ms >= CHANGE_MS {
                    self.end(token, now_ms, outbox);
                    self.make(feed, offer, now_ms, outbox);
                }
            }
        }
    }

    /// When a feed is due after a start: what hubs brought while nobody listened is fetched as if there were none. `next_ms` is what is planned; `is_asked`: a poll has begun
    /// since, and did not end, so that the usual time is over.
    pub(in crate::feeds) fn woken(
        &mut self,
        place: u32,
        feed: &str,
        next_ms: Option<i64>,
        is_asked: bool,
    ) -> Option<i64> {
        let Some(&token) = self.by_feed.get(feed) else { return next_ms };
        self.places.insert(token, place);
        let next_ms = next_ms?;
        let usual_ms = self.held.get(&token).filter(|_| !is_asked).and_then(|held| held.usual_ms(next_ms));
        Some(usual_ms.map_or(next_ms, |usual_ms| usual_ms.min(next_ms)))
    }

    /// How the subscription of a feed is doing, in a word.
    pub(in crate::feeds) fn told(&self, feed: &str, now_ms: i64) -> Option<String> {
        let held = self.by_feed.get(feed).and_then(|token| self.held.get(token))?;
        Some(held.standing(now_ms).name().to_owned())
    }

    /// Shows how subscriptions are doing, and forgets budgets that nobody waits for.
    pub(in crate::feeds) fn show(&mut self, now_ms: i64) {
        let mut counts = [0; Standing::ALL.len()];
        self.held.values().for_each(|held| counts[held.standing(now_ms).index()] += 1);
        self.metrics.standing(&mut self.told, &counts);
        self.budget.sweep(now_ms);
    }
}
