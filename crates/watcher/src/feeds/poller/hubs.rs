//! What the poller does for hubs: their questions and documents are taken in, and answered once that is durable.

use barid_log::{Control, Wish, failpoint};
use url::Url;

use super::super::common::Common;
use super::super::config::{Clock, FeedsConfig};
use super::super::engine::{self, Done, Outcome};
use super::super::metrics::FeedMetrics;
use super::super::state::{ASKED, Asked, FeedState};
use super::super::websub::discover::Hubs;
use super::super::websub::{Ask, Brought, PUSHED, Push, Subscriber, Visit};
use super::Poller;
use crate::WatcherError;
use crate::outbox::Outbox;

/// Opens the callback, where one is wanted. A run that ends by itself promises nobody to be there.
pub(super) fn open(
    common: &Common,
    config: &FeedsConfig,
    control: &Control,
    outbox: &mut Outbox,
    metrics: &FeedMetrics,
    clock: &Clock,
) -> Result<Option<Subscriber>, WatcherError> {
    match control.wish() {
        Wish::Run => Subscriber::open(common, config, outbox, &metrics.websub, clock),
        Wish::Drain | Wish::Stop => Ok(None),
    }
}

impl Poller<'_> {
    /// Takes in what hubs said and brought, and answers.
    pub(super) fn hear_hubs(&mut self, now_ms: i64) -> Result<(), WatcherError> {
        let Some(hubs) = &mut self.hubs else { return Ok(()) };
        hubs.land(now_ms, &mut self.outbox);
        let visits = hubs.visits();
        if visits.is_empty() {
            return Ok(());
        }
        let has_pushed = visits.iter().any(|visit| matches!(visit, Visit::Push(_)));
        for visit in visits {
            match (visit, &mut self.hubs) {
                (Visit::Question { token, question, topic, reply }, Some(hubs)) => {
                    hubs.question(token, question, &topic, reply, now_ms, &mut self.outbox);
                }
                (Visit::Push(push), _) => self.take_push(*push, now_ms)?,
                (Visit::Question { .. }, None) => {}
            }
        }
        self.outbox.flush()?;
        self.outbox.wait()?;
        if has_pushed {
            failpoint(PUSHED);
        }
        if let Some(hubs) = &mut self.hubs {
            hubs.answer();
        }
        Ok(())
    }

    /// Takes in a document that a hub brought, like an answer of the feed.
    fn take_push(&mut self, push: Push, now_ms: i64) -> Result<(), WatcherError> {
        let Push { token, content, reply } = push;
        let Some(hubs) = &mut self.hubs else { return Ok(()) };
        let Some(place) = hubs.place_of(&token) else {
            hubs.took(token, Brought::Unknown, reply, now_ms, &mut self.outbox);
            return Ok(());
        };
        // The state must be that of everything before, also of this moment.
        self.outbox.flush()?;
        let mut state = self.load(place)?;
        let (before, planned_ms) = (state.clone(), state.next_ms);
        let Ok(from) = Url::parse(&state.url) else { return Ok(()) };
        let feed = &self.roster.entries[place as usize].feed;
        let asked = self.outbox.get_in(ASKED, feed.id.as_bytes())?;
        let asked_ms = asked.as_deref().and_then(Asked::from_bytes).map_or(0, |asked| asked.start_ms);
        let mut done = engine::push(feed, &mut state, content, from, asked_ms, now_ms);
        if state.next_ms < planned_ms {
            self.roster.sooner(place, state.next_ms);
        }
        self.metrics.document(&done, now_ms);
        self.hand_over(place, before, &mut done, now_ms)?;
        let entry = &self.roster.entries[place as usize];
        if entry.is_watched {
            self.metrics.watched(&entry.feed.id, &state, state.skew.median_minutes());
        }
        self.outbox.put(entry.feed.id.as_bytes(), state.to_bytes().into());
        let what = if done.outcome == Outcome::New {
            Brought::New
        } else if done.outcome.is_success() {
            Brought::Known
        } else {
            Brought::Unreadable
        };
        if let Some(hubs) = &mut self.hubs {
            hubs.took(token, what, reply, now_ms, &mut self.outbox);
        }
        Ok(())
    }

    /// Writes down what hubs are to be asked now.
    pub(super) fn begin_asks(&mut self, wish: Wish, now_ms: i64) -> Vec<Ask> {
        let is_open = wish == Wish::Run && self.outage.since_ms().is_none();
        match &mut self.hubs {
            Some(hubs) if is_open => hubs.begin(now_ms, &mut self.outbox),
            Some(_) | None => Vec::new(),
        }
    }

    /// Asks them, once that is durable.
    pub(super) fn send_asks(&mut self, asks: Vec<Ask>) {
        if let Some(hubs) = &mut self.hubs {
            hubs.send(asks, &self.runtime, &self.client, &self.clock);
        }
    }

    /// After a poll: what its document, and the head of its answer, say of hubs, and whether push brought everything.
    pub(super) fn ask_push(
        &mut self,
        place: u32,
        state: &mut FeedState,
        before: &FeedState,
        done: (&Done, &Hubs),
        now_ms: i64,
    ) {
        if let Some(hubs) = &mut self.hubs {
            let feed = &self.roster.entries[place as usize].feed;
            hubs.polled((place, feed), state, before, done, now_ms, &mut self.outbox);
        }
    }

    /// Shows how subscriptions are doing.
    pub(super) fn show_hubs(&mut self) {
        let now_ms = (self.clock)();
        if let Some(hubs) = &mut self.hubs {
            hubs.show(now_ms);
        }
    }
}
