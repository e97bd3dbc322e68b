//! Whose turn it is, and that it is written down before anybody is asked.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{LONG_MS, Poller, Ready};
use crate::WatcherError;
use crate::feeds::budget::Domain;
use crate::feeds::engine::{self, Poll};
use crate::feeds::guard::{self, Rule};
use crate::feeds::policy::SECOND;
use crate::feeds::roster::{Entry, take_over};
use crate::feeds::state::{ASKED, Asked};

/// A request goes out so soon after it was put down, or is put down again: less than any session of Kafka, so that nobody else has the feed yet.
const FRESH: Duration = Duration::from_secs(4);

impl Poller<'_> {
    /// Takes what is due, as far as budgets go, and writes it down.
    pub(super) fn begin(&mut self, now_ms: i64, by_ms: i64) -> Result<Vec<Ready>, WatcherError> {
        let mut ready = Vec::new();
        while self.under_way.take(self.config.max_in_flight) {
            let next = self.next(now_ms, by_ms);
            if !matches!(next, Ok(ControlFlow::Continue(Some(_)))) {
                self.under_way.give_back();
            }
            match next? {
                ControlFlow::Continue(one) => ready.extend(one),
                ControlFlow::Break(()) => break,
            }
        }
        Ok(ready)
    }

    /// Looks at the next feed that is due: asked, or put off; or there is none.
    fn next(&mut self, now_ms: i64, by_ms: i64) -> Result<ControlFlow<(), Option<Ready>>, WatcherError> {
        // What was put off by a budget or a redirect is due by the clock; `by_ms` only says who is new in a drain.
        let Some(place) = self.roster.pop(now_ms) else { return Ok(ControlFlow::Break(())) };
        if let Some((poll, request)) = self.redirected.remove(&place) {
            if let Err(later_ms) = self.budget.take(Domain::of(&request.url), now_ms) {
                if later_ms - now_ms > LONG_MS {
                    self.give_up(place, later_ms, now_ms)?;
                    return Ok(ControlFlow::Continue(None));
                }
                self.redirected.insert(place, (poll, request));
                self.roster.put_off(place, later_ms);
                return Ok(ControlFlow::Continue(None));
            }
            let state = self.load(place)?;
            let feed = &self.roster.entries[place as usize].feed;
            let rule = engine::sitemap_asked_ms(&state, &poll)
                .and_then(|asked_ms| guard::broken_by_sitemap(feed, &state, asked_ms, now_ms));
            if let Some(rule) = rule {
                self.hold_back(place, rule, Domain::of(&request.url), state.next_ms, now_ms);
                return Ok(ControlFlow::Continue(None));
            }
            let last_hash = engine::last_hash(&state, &poll, self.hubs.is_some());
            self.note_asked(place, now_ms, &poll);
            return Ok(ControlFlow::Continue(Some(Ready { place, poll, request, last_hash })));
        }
        let Entry { due_ms, domain, .. } = self.roster.entries[place as usize];
        if due_ms > by_ms {
            self.roster.put_off(place, due_ms.max(now_ms + SECOND));
            return Ok(ControlFlow::Break(()));
        }
        if let Err(later_ms) = self.outage.permits(now_ms) {
            self.roster.put_off(place, later_ms);
            return Ok(ControlFlow::Break(()));
        }
        if let Err(later_ms) = self.budget.take(domain, now_ms) {
            if later_ms - now_ms > LONG_MS {
                // Its domain said 429: that is a new plan, and no delay.
                self.roster.plan(place, later_ms);
            } else {
                self.roster.put_off(place, later_ms);
            }
            return Ok(ControlFlow::Continue(None));
        }
        self.ask(place, now_ms).map(ControlFlow::Continue)
    }

    /// Ends a poll whose next hop leads to a domain that said 429: it would wait for a day, and a run that ends by itself with it. What was not asked is asked by a later poll.
    fn give_up(&mut self, place: u32, later_ms: i64, now_ms: i64) -> Result<(), WatcherError> {
        let state = self.load(place)?;
        let feed = &self.roster.entries[place as usize].feed;
        let asked = self.outbox.get_in(ASKED, feed.id.as_bytes())?;
        let state = take_over(feed, state, asked.as_deref().and_then(Asked::from_bytes), now_ms);
        self.roster.plan(place, state.next_ms.max(later_ms));
        Ok(())
    }

    /// Does not send what would break a rule.
    pub(super) fn hold_back(&mut self, place: u32, rule: Rule, taken: Domain, next_ms: i64, now_ms: i64) {
        tracing::warn!(
            feed = self.roster.entries[place as usize].feed.id,
            rule = rule.name(),
            "a request would have broken a rule: this is a fault in barid, please report it"
        );
        self.metrics.violation(rule);
        self.budget.give_back(taken, now_ms);
        self.roster.plan(place, next_ms);
    }

    /// Puts down that a feed is asked, in the unit that must be durable before.
    pub(super) fn note_asked(&mut self, place: u32, now_ms: i64, poll: &Poll) {
        let asked = Asked { start_ms: now_ms, is_whole: poll.is_whole() };
        let id = self.roster.entries[place as usize].feed.id.as_bytes();
        self.outbox.put_in(ASKED, id, Bytes::copy_from_slice(&asked.to_bytes()));
    }

    /// Waits until what was put down is durable: for the last time just now. Whoever slept in between may have lost the feeds to another process meanwhile,
    /// which only one more commit can tell.
    pub(super) fn write_down(&mut self, ready: &[Ready]) -> Result<(), WatcherError> {
        if self.outbox.is_empty() {
            // A page's redirect, or the page after its robots.txt: the try is written down, and yet somebody else may go on with it by now.
            self.stay_awake();
        }
        loop {
            let started = Instant::now();
            self.outbox.flush()?;
            self.outbox.wait()?;
            if started.elapsed() < FRESH {
                return Ok(());
            }
            let now_ms = (self.clock)();
            ready.iter().for_each(|ready| self.note_asked(ready.place, now_ms, &ready.poll));
            // Also where there are pages only.
            self.stay_awake();
        }
    }

    /// Puts down something that only whoever has the feeds can commit.
    fn stay_awake(&mut self) {
        // No feed has this name.
        self.outbox.put_in(ASKED, b"\0", Bytes::from_static(b"awake"));
    }
}
