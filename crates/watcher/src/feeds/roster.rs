//! All feeds and when each is due: about 200 bytes a feed. What else is known of one is in the table, and in memory only while it is asked.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use url::Url;

use super::budget::Domain;
use super::engine::Feed;
use super::health::State;
use super::policy::{LONGEST_POLL_MS, Plan, RETRY_AFTER_CAP_MS, next_poll, outside_windows};
use super::state::{Asked, FeedState};

/// One feed.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) feed: Feed,
    /// Of the address it is asked at.
    pub(super) domain: Domain,
    pub(super) state: State,
    pub(super) is_watched: bool,
    /// When the schedule wants it, before any budget.
    pub(super) due_ms: i64,
    /// When it is looked at: what else the queue says of it is out of date. Nothing of it is waited for while it is asked.
    at_ms: Option<i64>,
}

/// The feeds by when they are due.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) entries: Vec<Entry>,
    due: BinaryHeap<Reverse<(i64, u32)>>,
    /// Feeds in each state.
    pub(super) counts: [i64; State::ALL.len()],
}

/// What was read from the tables of a feed.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) next_ms: Option<i64>,
    /// A poll was begun that did not end.
    pub(super) is_asked: bool,
    pub(super) domain: Option<Domain>,
    pub(super) state: State,
    pub(super) refused: Option<(Domain, i64)>,
}

/// New feeds are spread: so much time for each.
const NEW_EVERY_MS: i64 = 20;

impl Roster {
    /// Feeds with the same id count once: the first.
    pub(super) fn new(feeds: &[Feed], watch: &[String]) -> Self {
        let watch: std::collections::HashSet<&str> = watch.iter().map(String::as_str).collect();
        let mut seen = std::collections::HashSet::new();
        let entries = feeds.iter().filter(|feed| seen.insert(feed.id.as_str())).map(|feed| Entry {
            feed: feed.clone(),
            domain: domain(&feed.url),
            state: State::Fresh,
            is_watched: watch.contains(feed.id.as_str()),
            due_ms: 0,
            at_ms: None,
        });
        let entries: Vec<Entry> = entries.collect();
        let mut counts = [0; State::ALL.len()];
        counts[State::Fresh.index()] = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        Self { entries, due: BinaryHeap::new(), counts }
    }

    /// The places of the feeds by id.
    pub(super) fn places(&self) -> HashMap<String, u32> {
        self.entries.iter().zip(0..).map(|(entry, place)| (entry.feed.id.clone(), place)).collect()
    }

    /// Sets a feed up from what was stored of it.
    pub(super) fn restore(&mut self, place: u32, stored: Stored, now_ms: i64, is_spread: bool) {
        let new = i64::try_from(self.entries.len()).unwrap_or(i64::MAX);
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        entry.domain = stored.domain.unwrap_or(entry.domain);
        // The first of a short list at once; a long one over an hour at most.
        let new = if is_spread { new } else { 0 };
        let spread =
            i64::try_from(entry.feed.hash() % 1000).unwrap_or(0) * (new.min(180_000) * NEW_EVERY_MS) / 1000;
        entry.due_ms = stored.next_ms.unwrap_or(now_ms + spread);
        let due_ms = entry.due_ms;
        self.becomes(place, stored.state);
        self.put_off(place, due_ms);
    }

    /// Counts a feed by its new state.
    pub(super) fn becomes(&mut self, place: u32, state: State) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        self.counts[entry.state.index()] -= 1;
        self.counts[state.index()] += 1;
        entry.state = state;
    }

    /// Looks at the feed again then.
    pub(super) fn put_off(&mut self, place: u32, at_ms: i64) {
        let Some(entry) = self.entries.get_mut(place as usize) else { return };
        entry.at_ms = Some(at_ms);
        self.due.push(Reverse((at_ms, place)));
    }

    /// Brings the next poll of a feed forward, unless it is asked already.
    pub(super) fn sooner(&mut self, place: u32, next_ms: i64) {
        let waits_ms = self.entries.get(place as usize).and_then(|entry| entry.at_ms);
        if waits_ms.is_some_and(|waits_ms| next_ms < waits_ms) {
            self.plan(place, next_ms);
        }
    }

    /// Sets the next poll.
    pub(super) fn plan(&mut self, place: u32, next_ms: i64) {
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.due_ms = next_ms;
        }
        self.put_off(place, next_ms);
    }

    /// The next feed that is due by then.
    pub(super) fn pop(&mut self, by_ms: i64) -> Option<u32> {
        loop {
            let Reverse((at_ms, place)) = *self.due.peek()?;
            if at_ms > by_ms {
                return None;
            }
            self.due.pop();
            let entry = self.entries.get_mut(place as usize)?;
            if entry.at_ms == Some(at_ms) {
                entry.at_ms = None;
                return Some(place);
            }
        }
    }

    /// When the next one is.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.due.peek().map(|Reverse((at_ms, _))| *at_ms)
    }
}

/// The registered domain of an address; of one that cannot be read, none that anybody else has.
pub(super) fn domain(url: &str) -> Domain {
    Url::parse(url)
        .map_or_else(|_| Domain(xxhash_rust::xxh3::xxh3_64(url.as_bytes())), |url| Domain::of(&url))
}

/// Takes a stored state over into this run: a poll that began and never ended counts as one, or a crash would ask early; another configured address starts anew, but
/// for what was delivered.
pub fn take_over(feed: &Feed, mut state: FeedState, asked: Option<Asked>, now_ms: i64) -> FeedState {
    if state.configured != feed.hash() {
        let (known, identity) = (std::mem::take(&mut state.known), std::mem::take(&mut state.identity));
        state =
            FeedState { known, identity, ..FeedState::new(feed.url.clone(), feed.hash(), now_ms, now_ms) };
        return state;
    }
    // An earlier version kept what a server had said, however long: then the feed would wait for years.
    state.retry_at_ms = state.retry_at_ms.min(state.start_ms + LONGEST_POLL_MS + RETRY_AFTER_CAP_MS);
    if let Some(asked) = asked
        && asked.start_ms > state.start_ms
    {
        state.start_ms = asked.start_ms;
        if asked.is_whole {
            state.whole_ms = asked.start_ms;
        }
        let plan = Plan {
            end_ms: asked.start_ms + LONGEST_POLL_MS,
            floor_ms: state.says.floor_ms(feed.is_listed),
            interval_ms: state.interval_ms,
            back_off_ms: 0,
            retry_at_ms: state.retry_at_ms,
            says: &state.says,
            hash: feed.hash(),
        };
        state.next_ms = state.next_ms.max(next_poll(&plan));
    }
    state.next_ms = outside_windows(state.next_ms, &state.says, feed.hash());
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::policy::{DAY, HOUR, MINUTE, WEEK};

    const NOW: i64 = 1_693_785_600_000;

    fn feed() -> Feed {
        Feed { id: "news".into(), url: "https://news.example/feed".into(), is_listed: false }
    }

    #[test]
    fn a_poll_that_never_ended_counts_as_one() {
        let feed = feed();
        let mut state = FeedState::new(feed.url.clone(), feed.hash(), NOW, NOW);
        (state.start_ms, state.next_ms) = (NOW - HOUR, NOW);
        let asked = Asked { start_ms: NOW + 5, is_whole: true };
        let after = take_over(&feed, state.clone(), Some(asked), NOW + 100);
        assert!(after.next_ms >= NOW + 5 + HOUR && after.start_ms == NOW + 5 && after.whole_ms == NOW + 5);
        let ended = Asked { start_ms: NOW - HOUR, is_whole: true };
        assert_eq!(take_over(&feed, state.clone(), Some(ended), NOW + 100), state);
    }

    #[test]
    fn what_an_earlier_version_kept_of_a_year_ends_after_a_week_and_for_others_after_a_day() {
        let feed = feed();
        let mut state = FeedState::new(feed.url.clone(), feed.hash(), NOW, NOW);
        (state.start_ms, state.next_ms, state.retry_at_ms) = (NOW, NOW + WEEK, NOW + 365 * DAY);
        state.refused = Some((7, NOW + 365 * DAY));
        let after = take_over(&feed, state, None, NOW + HOUR);
        assert_eq!(after.retry_at_ms, NOW + WEEK + 2 * MINUTE);
        assert_eq!(after.refusal(NOW + HOUR), Some((Domain(7), NOW + DAY + 2 * MINUTE)));
        assert_eq!(after.refusal(NOW + 25 * HOUR), None);
    }

    #[test]
    fn another_address_starts_anew_and_keeps_what_was_delivered() {
        let mut state = FeedState::new("https://old.example/".into(), 1, NOW, NOW + HOUR);
        state.remember(&[crate::feeds::state::Known::new(1, 2)]);
        state.failures = 9;
        let after = take_over(&feed(), state.clone(), None, NOW);
        assert_eq!(
            (after.url.as_str(), after.failures, after.next_ms),
            ("https://news.example/feed", 0, NOW)
        );
        assert_eq!(after.known, state.known);
    }

    #[test]
    fn feeds_come_when_they_are_due_and_are_counted_by_state() {
        let other = Feed { id: "other".into(), ..feed() };
        let mut roster = Roster::new(&[feed(), other, feed()], &[]);
        assert_eq!((roster.entries.len(), roster.counts[0]), (2, 2));
        roster.restore(0, Stored { next_ms: Some(NOW + 10), ..Stored::default() }, NOW, true);
        roster.restore(
            1,
            Stored { next_ms: Some(NOW + 5), state: State::Late, ..Stored::default() },
            NOW,
            true,
        );
        assert_eq!((roster.pop(NOW), roster.next_ms()), (None, Some(NOW + 5)));
        assert_eq!(
            (roster.pop(NOW + 20), roster.pop(NOW + 20), roster.pop(NOW + 20)),
            (Some(1), Some(0), None)
        );
        assert_eq!((roster.counts[0], roster.counts[State::Late.index()]), (1, 1));
    }

    #[test]
    fn a_poll_that_is_brought_forward_comes_once() {
        let mut roster = Roster::new(&[feed()], &[]);
        roster.plan(0, NOW + HOUR);
        roster.sooner(0, NOW + MINUTE);
        roster.sooner(0, NOW + 2 * MINUTE);
        assert_eq!(roster.entries[0].due_ms, NOW + MINUTE, "never later");
        assert_eq!((roster.pop(NOW), roster.pop(NOW + MINUTE)), (None, Some(0)));
        roster.sooner(0, NOW);
        assert_eq!(roster.pop(NOW + HOUR), None, "it is asked already, and the old plan is over");
        roster.plan(0, NOW + 3 * HOUR);
        assert_eq!((roster.pop(NOW + 2 * HOUR), roster.pop(NOW + 3 * HOUR)), (None, Some(0)));
    }
}
