//! When to ask a feed again. Every rule only puts the next poll off; none brings it forward.
//!
//! ```text
//! next = end of the last poll + max(floor, adapted interval, back-off, max-age / Expires, ttl, sy:*, Retry-After)
//!        + 0 to 10 % of that, by the feed's hash            (only adds: an early poll is a broken promise)
//!        then out of the feed's skipHours and skipDays
//! ```

use serde::{Deserialize, Serialize};

/// Milliseconds.
pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const WEEK: i64 = 7 * DAY;

/// No feed is asked more often than this, unless its own server or the operator says so.
pub const FLOOR_MS: i64 = HOUR;
/// And then not more often than this.
pub const SHORT_FLOOR_MS: i64 = 15 * MINUTE;
/// What a server may put a poll off by without having failed or refused.
pub const CAP_MS: i64 = DAY;
/// `Retry-After` is kept as it is up to here: a server that asks for a week is asked for a week.
pub const RETRY_AFTER_CAP_MS: i64 = WEEK;
/// A poll takes no longer, redirects and all: when one ended that nobody saw end is taken from that.
pub(crate) const LONGEST_POLL_MS: i64 = 2 * MINUTE;
/// For so long a feed's 429 holds back the other feeds of its registered domain: they may be other publishers' on a shared host, whom nobody asked too often.
pub const DOMAIN_CAP_MS: i64 = DAY;
/// How long a feed that is gone is left alone at most. It is never given up: feeds do come back.
pub const GONE_CAP_MS: i64 = WEEK;

/// What the server and the feed's last document say about polling, in seconds and bits. 0 is nothing said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Says {
    /// `Cache-Control: max-age` less `Age`, or `Expires` less `Date`, of the last answer.
    pub max_age_s: u32,
    /// RSS `ttl`.
    pub ttl_s: u32,
    /// `sy:updatePeriod` divided by `sy:updateFrequency`.
    pub period_s: u32,
    /// Bit h is set: not in hour h, UTC.
    pub skip_hours: u32,
    /// Bit d is set: not on day d, UTC; Monday is 0.
    pub skip_days: u8,
}

impl Says {
    /// The least time between two polls of this feed, in milliseconds. `is_listed` is the operator's word that it may be asked often.
    pub fn floor_ms(&self, is_listed: bool) -> i64 {
        // `max-age=0` says nothing about polling: it is what servers send that were never told anything.
        let short = [self.max_age_s, self.ttl_s].into_iter().filter(|&seconds| seconds > 0).min();
        let short = short.map_or(FLOOR_MS, |seconds| i64::from(seconds) * SECOND);
        if is_listed { SHORT_FLOOR_MS } else { short.clamp(SHORT_FLOOR_MS, FLOOR_MS) }
    }
}

/// All that the next poll depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan<'a> {
    /// When the last poll ended: everything is counted from there, so that a slow answer never makes the next request look early to its server.
    pub end_ms: i64,
    /// [`Says::floor_ms`].
    pub floor_ms: i64,
    /// The interval learned: see [`adapt`].
    pub interval_ms: i64,
    /// Longer after failures: see [`back_off`].
    pub back_off_ms: i64,
    /// Not before this by `Retry-After`; 0 is nothing said.
    pub retry_at_ms: i64,
    /// What the server and the document say.
    pub says: &'a Says,
    /// The feed's hash: spreads polls.
    pub hash: u64,
}

/// When to ask again, in milliseconds since the Unix epoch.
pub fn next_poll(plan: &Plan<'_>) -> i64 {
    let Plan { end_ms, floor_ms, interval_ms, back_off_ms, retry_at_ms, says, hash } = *plan;
    let said = [says.ttl_s, says.period_s, says.max_age_s].into_iter().max().unwrap_or(0);
    let asked = interval_ms.max(i64::from(said) * SECOND).min(CAP_MS);
    let pause = asked
        .max(floor_ms)
        .max(back_off_ms.min(GONE_CAP_MS))
        .max((retry_at_ms - end_ms).min(RETRY_AFTER_CAP_MS));
    outside_windows(end_ms + pause + share(pause / 10, hash), says, hash)
}

/// 0 to `most`, by the feed's hash.
fn share(most: i64, hash: u64) -> i64 {
    // The product of a number below 2^10 and one below 2^45 or so.
    most * i64::try_from(hash % 1000).unwrap_or(0) / 1000
}

/// The first moment from `next` on that no skip window covers, spread over a quarter of an hour where it was moved: or all feeds with the same
/// windows would come at once.
pub fn outside_windows(next: i64, says: &Says, hash: u64) -> i64 {
    if !has_room(says) || !is_skipped(next, says) {
        return next;
    }
    let mut hour = next.div_euclid(HOUR);
    // A week has 168 hours and one of them is free.
    for _ in 0..=168 {
        hour += 1;
        if !is_skipped(hour * HOUR, says) {
            return hour * HOUR + share(15 * MINUTE, hash);
        }
    }
    next
}

/// False where the windows leave no hour of the week: then they are a mistake, and not followed.
fn has_room(says: &Says) -> bool {
    says.skip_hours & 0xff_ffff != 0xff_ffff && says.skip_days & 0x7f != 0x7f
}

/// Whether a moment lies in a window in which the feed asks not to be polled.
pub fn is_skipped(at_ms: i64, says: &Says) -> bool {
    has_room(says)
        && (says.skip_hours >> hour_of_day(at_ms) & 1 == 1 || says.skip_days >> day_of_week(at_ms) & 1 == 1)
}

/// 0 to 23, UTC.
pub(crate) fn hour_of_day(at_ms: i64) -> usize {
    usize::try_from(at_ms.rem_euclid(DAY) / HOUR).unwrap_or(0)
}

/// 0 is Monday, UTC. The epoch was a Thursday.
pub(crate) fn day_of_week(at_ms: i64) -> usize {
    usize::try_from((at_ms.div_euclid(DAY) + 3).rem_euclid(7)).unwrap_or(0)
}

/// The interval after one more document. It goes by how many of its items were known already: between a third and two thirds is right, beyond
/// twice in a row changes the interval by half. Slower than one poll for each item it goes only for feeds that have no more than
/// one item a day.
///
/// `streak` is positive after documents with too many known items, negative after such with too few; returns the new interval and streak.
pub fn adapt(
    interval_ms: i64,
    streak: i8,
    known: usize,
    total: usize,
    floor_ms: i64,
    gap_ms: Option<i64>,
) -> (i64, i8) {
    if total == 0 {
        return (interval_ms, 0);
    }
    // The mean time between items: a slower poll would bring news late to save requests that cost almost nothing.
    let slowest = gap_ms.unwrap_or(CAP_MS).clamp(floor_ms, CAP_MS);
    let streak = if 3 * known > 2 * total {
        streak.max(0) + 1
    } else if 3 * known < total {
        streak.min(0) - 1
    } else {
        0
    };
    let (interval_ms, streak) = match streak {
        2.. => (interval_ms + interval_ms / 2, 0),
        ..=-2 => (interval_ms - interval_ms / 3, 0),
        -1..=1 => (interval_ms, streak),
    };
    (interval_ms.clamp(floor_ms, slowest), streak)
}

/// How a feed fails, for how long it is left alone then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It answers.
    Not,
    /// It says that it is gone for good (410).
    Gone,
    /// It said that it was asked too often, without saying when to come back (429).
    Throttled,
    /// Anything else: one interval longer for each failure.
    Otherwise,
}

/// How long a feed is left alone after so many failed polls in a row. Grows in line: a feed that comes back is found
/// within about a tenth of the time it was away, and within a day (a week where it said 410).
pub fn back_off(failing: Failing, failures: u32, floor_ms: i64) -> i64 {
    let times = |base: i64, cap: i64| base.saturating_mul(1 + i64::from(failures.min(1000))).min(cap);
    match failing {
        Failing::Not => 0,
        Failing::Gone => times(DAY / 2, GONE_CAP_MS),
        Failing::Throttled => times(2 * floor_ms, DAY),
        Failing::Otherwise => times(floor_ms / 2, DAY).max(floor_ms),
    }
}

#[cfg(test)]
mod tests;
