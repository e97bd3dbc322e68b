//! Whether what a hub brings can be relied on: each poll finds out what was not brought.

use serde::{Deserialize, Serialize};

use crate::feeds::engine::Delivered;
use crate::feeds::policy::{HOUR, MINUTE, Says, outside_windows};
use crate::feeds::state::FeedState;

/// A hub has so long to bring an item.
pub const GRACE_MS: i64 = 15 * MINUTE;
/// While push is relied on, the feed is asked after so long at the soonest.
pub const SLOW_MS: i64 = 4 * HOUR;
/// Of a window that polls know less of, in percent, items may scroll out unseen: no poll of it may come later.
const LEAST_KNOWN: f32 = 100.0 / 3.0;
/// So many documents with news must be pushed before that.
const PROOFS: u8 = 2;
/// And more after each disappointment, up to here.
const MOST_PROOFS: u8 = 16;

/// What push has shown so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Pushed documents with news since the last disappointment.
    proofs: u8,
    /// So many are needed.
    needs: u8,
    /// Pushed documents with news since the last poll.
    since_poll: u32,
    /// Items that polls found and no push had brought.
    pub missed: u64,
}

impl Default for Trust {
    fn default() -> Self {
        Self { proofs: 0, needs: PROOFS, since_poll: 0, missed: 0 }
    }
}

impl Trust {
    /// Whether polling may be slower for it.
    pub fn is_proven(&self) -> bool {
        self.proofs >= self.needs
    }

    /// A document was pushed that had something new.
    pub fn pushed(&mut self) {
        self.proofs = self.proofs.saturating_add(1).min(MOST_PROOFS);
        self.since_poll = self.since_poll.saturating_add(1);
    }

    /// A poll ended well, and found so many items that push should have brought. Returns whether push had brought something since the poll before.
    pub fn polled(&mut self, missed: u64) -> bool {
        if missed > 0 {
            // Who was relied on and failed must show more than a newcomer.
            self.needs = if self.is_proven() { (2 * self.needs).min(MOST_PROOFS) } else { self.needs };
            self.proofs = 0;
            self.missed = self.missed.saturating_add(missed);
        }
        std::mem::take(&mut self.since_poll) > 0
    }
}

/// How many of the items that a poll brought a hub should have brought before, if it was to bring everything from `from_ms` on. Those without a date count when the poll
/// before was after that too; `before_ms` is when it began.
pub fn missed(items: &[Delivered], from_ms: i64, before_ms: i64, now_ms: i64) -> u64 {
    let is_missed = |delivered: &&Delivered| {
        let is_late = match delivered.item.published_ms {
            Some(date) => date > from_ms && date <= now_ms - GRACE_MS,
            None => before_ms > from_ms && now_ms - before_ms > GRACE_MS,
        };
        is_late && !delivered.is_update
    };
    items.iter().filter(is_missed).count() as u64
}

/// How long a feed's window holds an item, in milliseconds, by the feed's rhythm. `None` while that is not known, and where polls hardly kept up with the window: such feeds
/// are asked as usual.
pub fn window_ms(state: &FeedState, is_overrun: bool, now_ms: i64) -> Option<i64> {
    let is_fast = is_overrun || state.known_share.recent().is_some_and(|percent| percent < LEAST_KNOWN);
    if is_fast { None } else { state.rhythm.lasts_ms(state.looks.items, now_ms) }
}

/// When a feed is asked next whose hub can be relied on: hours later, spread by its hash; but while half its window is still there, should the hub fall silent, and not after the
/// hub's promise has ended. Never sooner than `next_ms`, the usual time.
pub fn slower(
    next_ms: i64,
    says: &Says,
    hash: u64,
    window_ms: Option<i64>,
    until_ms: i64,
    now_ms: i64,
) -> i64 {
    let Some(half_ms) = window_ms.map(|window_ms| window_ms / 2) else { return next_ms };
    let spread = SLOW_MS / 10 * i64::try_from(hash % 1000).unwrap_or(0) / 1000;
    let slow_ms = (SLOW_MS + spread).min(half_ms);
    let at_ms = outside_windows((now_ms + slow_ms).min(until_ms), says, hash);
    // The hours that the feed wants to be left alone in may put it off for longer than its window lasts.
    if at_ms > now_ms + half_ms { next_ms } else { next_ms.max(at_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::reading::Item;

    const NOW: i64 = 1_693_785_600_000;

    fn item(published_ms: Option<i64>, is_update: bool) -> Delivered {
        Delivered { item: Item { published_ms, ..Item::default() }, is_update }
    }

    #[test]
    fn only_what_the_hub_had_time_for_was_missed() {
        let (from, before) = (NOW - 5 * HOUR, NOW - HOUR);
        let count = |item: Delivered| missed(&[item], from, before, NOW);
        assert_eq!(count(item(Some(NOW - HOUR), false)), 1);
        assert_eq!(count(item(Some(NOW - GRACE_MS), false)), 1);
        assert_eq!(count(item(Some(NOW - GRACE_MS + 1), false)), 0, "it may be on its way");
        assert_eq!(count(item(Some(NOW + HOUR), false)), 0, "a clock that is ahead");
        assert_eq!(count(item(Some(from), false)), 0, "before there was a lease");
        assert_eq!(count(item(Some(NOW - HOUR), true)), 0, "a correction");
        assert_eq!(count(item(None, false)), 1, "it was not there an hour ago");
        assert_eq!(
            missed(&[item(None, false)], from, from - 1, NOW),
            0,
            "the poll before was without a lease"
        );
    }

    #[test]
    fn a_slower_poll_is_never_a_sooner_one_and_keeps_to_windows_and_leases() {
        let says = Says::default();
        let (far, long) = (NOW + 99 * HOUR, Some(99 * HOUR));
        assert_eq!(slower(NOW + HOUR, &says, 0, long, far, NOW), NOW + 4 * HOUR);
        assert_eq!(slower(NOW + 9 * HOUR, &says, 0, long, far, NOW), NOW + 9 * HOUR);
        assert_eq!(slower(NOW + HOUR, &says, 0, long, NOW + 2 * HOUR, NOW), NOW + 2 * HOUR);
        assert_eq!(slower(NOW + HOUR, &says, 0, long, NOW + MINUTE, NOW), NOW + HOUR);
        let spread = slower(NOW + HOUR, &says, 999, long, far, NOW);
        assert!(spread > NOW + 4 * HOUR && spread < NOW + 5 * HOUR);
        // Midnight and four hours are skipped.
        let closed = Says { skip_hours: 1 << 4, ..Says::default() };
        assert!(slower(NOW + HOUR, &closed, 0, long, far, NOW) >= NOW + 5 * HOUR);
        assert_eq!(
            slower(NOW + HOUR, &closed, 0, Some(8 * HOUR), far, NOW),
            NOW + HOUR,
            "half its window would be over"
        );
    }

    #[test]
    fn a_slower_poll_still_comes_while_half_the_window_is_there() {
        let says = Says::default();
        let far = NOW + 99 * HOUR;
        let after = |window_ms| slower(NOW + 15 * MINUTE, &says, 0, window_ms, far, NOW) - NOW;
        assert_eq!(after(Some(20 * MINUTE)), 15 * MINUTE, "never below the usual interval");
        assert_eq!(after(Some(2 * HOUR)), HOUR);
        assert_eq!(after(Some(9 * HOUR)), 4 * HOUR);
        assert_eq!(after(None), 15 * MINUTE, "nobody knows how long it holds");
    }

    #[test]
    fn how_long_a_window_holds_is_known_by_the_rhythm_unless_polls_do_not_keep_up() {
        let mut state = FeedState::new("https://news.example/feed".into(), 1, NOW, NOW);
        state.looks.items = 20;
        state.rhythm.begin(Some(NOW), NOW);
        let mut now_ms = NOW;
        for _ in 0..7 * 24 * 60 {
            now_ms += MINUTE;
            state.rhythm.learn(&mut [now_ms], now_ms);
        }
        let minutes = |state: &FeedState, is_overrun| {
            window_ms(state, is_overrun, now_ms).map(|window_ms| window_ms / MINUTE)
        };
        assert!(minutes(&state, false).is_some_and(|minutes| (15..=20).contains(&minutes)));
        assert_eq!(minutes(&state, true), None);
        state.known_share.learn(30.0);
        assert_eq!(minutes(&state, false), None, "most of it is new to each poll");
        let fresh = FeedState { rhythm: crate::feeds::silence::Rhythm::default(), ..state };
        assert_eq!(minutes(&fresh, false), None);
    }

    #[test]
    fn trust_is_earned_by_news_lost_by_one_miss_and_then_costs_more() {
        let mut trust = Trust::default();
        assert!(!trust.is_proven() && !trust.polled(0));
        trust.pushed();
        assert!(!trust.is_proven());
        trust.pushed();
        assert!(trust.is_proven() && trust.polled(0) && !trust.polled(0) && trust.is_proven());
        trust.polled(3);
        assert_eq!((trust.is_proven(), trust.missed), (false, 3));
        (0..3).for_each(|_| trust.pushed());
        assert!(!trust.is_proven());
        trust.polled(1);
        (0..4).for_each(|_| trust.pushed());
        assert!(trust.is_proven(), "what was no trust yet was not disappointed");
        for _ in 0..9 {
            trust.polled(1);
            (0..MOST_PROOFS).for_each(|_| trust.pushed());
        }
        assert!(trust.is_proven(), "nobody is given up");
    }
}
