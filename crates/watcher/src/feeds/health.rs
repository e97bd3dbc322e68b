//! How a feed is doing: fourteen states, the worst that holds, and no change before two polls agree.

use serde::{Deserialize, Serialize};

use super::policy::{DAY, HOUR, MINUTE};
use super::silence::Silence;

/// How a feed is doing, from good to bad: of those that hold the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum State {
    /// It answers, and is not silent for longer than usual.
    #[default]
    Fresh,
    /// Its new address was stored during the last day.
    Moved,
    /// Most of its items have no date that can be read.
    Undated,
    /// Its items carry dates of another clock.
    ClockSkewed,
    /// Items were lost in what it sent, or it sends the same fault every time.
    Malformed,
    /// Items come at every poll though a reader would find nothing new.
    Churning,
    /// Silent for longer than its rhythm allows, or not reached for two intervals.
    Late,
    /// It asked to be left alone for a while.
    Throttled,
    /// It changes its state again and again.
    Flapping,
    /// Twice as late as late.
    Stale,
    /// It answers with a feed that has no item, and had some before.
    SilentEmpty,
    /// What it sends is no feed, or another one.
    WrongContent,
    /// The server says that it is gone.
    Gone,
    /// Nothing for so long that nobody would wait for it any more. It is still asked.
    Dead,
}

impl State {
    /// Every state, from good to bad.
    pub const ALL: [Self; 14] = [
        Self::Fresh,
        Self::Moved,
        Self::Undated,
        Self::ClockSkewed,
        Self::Malformed,
        Self::Churning,
        Self::Late,
        Self::Throttled,
        Self::Flapping,
        Self::Stale,
        Self::SilentEmpty,
        Self::WrongContent,
        Self::Gone,
        Self::Dead,
    ];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Moved => "moved",
            Self::Undated => "undated",
            Self::ClockSkewed => "clock_skewed",
            Self::Throttled => "throttled",
            Self::Late => "late",
            Self::Flapping => "flapping",
            Self::Malformed => "malformed",
            Self::Churning => "churning",
            Self::Stale => "stale",
            Self::SilentEmpty => "silent_empty",
            Self::WrongContent => "wrong_content",
            Self::Gone => "gone",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Its place in [`State::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|state| *state == self).unwrap_or(0)
    }
}

/// As stored: by when it was added, so that states written before can be read.
impl From<State> for u8 {
    fn from(state: State) -> Self {
        match state {
            State::Fresh => 0,
            State::Moved => 1,
            State::Undated => 2,
            State::ClockSkewed => 3,
            State::Malformed => 4,
            State::Late => 5,
            State::Throttled => 6,
            State::Flapping => 7,
            State::Stale => 8,
            State::SilentEmpty => 9,
            State::WrongContent => 10,
            State::Gone => 11,
            State::Dead => 12,
            State::Churning => 13,
        }
    }
}

impl TryFrom<u8> for State {
    type Error = &'static str;

    fn try_from(stored: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|state| u8::from(*state) == stored).ok_or("no state of a feed")
    }
}

/// What one poll showed; what several polls must agree on is in [`Health`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// When.
    pub now_ms: i64,
    /// The time between two polls of this feed at present.
    pub interval_ms: i64,
    /// When a poll last brought a feed, or "not modified".
    pub last_success_ms: i64,
    /// By the feed's rhythm.
    pub silence: Silence,
    /// The longest time without an item ever.
    pub longest_gap_ms: i64,
    /// 410, or 404 for a week.
    pub is_gone: bool,
    /// 429, or a `Retry-After` that has not passed.
    pub is_throttled: bool,
    /// What came is no feed, or that of somebody else.
    pub is_wrong: bool,
    /// A feed without an item came from one that had some.
    pub is_empty: bool,
    /// Items were lost, or the same fault came three times.
    pub is_malformed: bool,
    /// See [`super::identity::churn`].
    pub is_churning: bool,
    /// Most items have no date.
    pub is_undated: bool,
    /// By [`Skew`].
    pub is_skewed: bool,
    /// Its address was changed during the last day.
    pub is_moved: bool,
}

impl Seen {
    /// The same without what the feed's silence says.
    #[must_use]
    pub fn without_silence(self) -> Self {
        Self { silence: Silence { nats: 0.0, limit: None, since_ms: 0 }, ..self }
    }
}

/// The worst state that holds by one poll's evidence, without what several polls must show.
pub fn judge(seen: &Seen) -> State {
    let since_success = seen.now_ms - seen.last_success_ms;
    let silence = seen.silence;
    let dead_gap = (90 * DAY).max(seen.longest_gap_ms.saturating_mul(5));
    let late = since_success > 2 * seen.interval_ms + HOUR || silence.ratio() > 1.0;
    let stale = since_success > (3 * DAY).max(4 * seen.interval_ms)
        || silence.ratio() > 2.0 && silence.since_ms > 2 * seen.longest_gap_ms;
    let holds = [
        (State::Dead, since_success > 14 * DAY || silence.since_ms > dead_gap),
        (State::Gone, seen.is_gone),
        (State::WrongContent, seen.is_wrong),
        (State::SilentEmpty, seen.is_empty),
        (State::Stale, stale),
        (State::Throttled, seen.is_throttled),
        (State::Late, late),
        (State::Churning, seen.is_churning),
        (State::Malformed, seen.is_malformed),
        (State::ClockSkewed, seen.is_skewed),
        (State::Undated, seen.is_undated),
        (State::Moved, seen.is_moved),
    ];
    holds.into_iter().find(|(_, holds)| *holds).map_or(State::Fresh, |(state, _)| state)
}

/// How a feed has been doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// Its state, on which two polls agreed.
    pub state: State,
    /// Since when.
    pub since_ms: i64,
    /// What the last poll said, if something else.
    wants: Option<State>,
    /// When the state changed, newest first.
    changes_ms: [i64; 4],
}

impl Health {
    /// Takes in what one poll showed. Returns the state it leaves when that ends by this.
    pub fn update(&mut self, candidate: State, now_ms: i64) -> Option<State> {
        let flaps = self.changes_ms[3] > 0 && now_ms - self.changes_ms[3] < DAY;
        let candidate = if flaps { candidate.max(State::Flapping) } else { candidate };
        if candidate == self.state {
            self.wants = None;
            return None;
        }
        // A stored move is a fact of its own; everything else is believed the second time.
        let is_certain =
            candidate == State::Moved || self.wants.is_some_and(|wants| agrees(wants, candidate, self.state));
        if !is_certain {
            self.wants = Some(candidate);
            return None;
        }
        let before = self.state;
        *self = Self { state: candidate, since_ms: now_ms, wants: None, changes_ms: self.changes_ms };
        if candidate != State::Flapping && before != State::Flapping {
            self.changes_ms.rotate_right(1);
            self.changes_ms[0] = now_ms;
        }
        Some(before)
    }
}

/// Whether two polls say the same as far as leaving `from` goes: both worse, or both better. A feed that gets worse step by step is not held back
/// because no two polls find the same word for it.
fn agrees(first: State, second: State, from: State) -> bool {
    (first > from) == (second > from)
}

/// How a feed's dates lie beside the time its items were first seen: of each poll with new items the freshest date, in minutes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    /// Newest first; at most eight.
    minutes: Vec<i16>,
}

impl Skew {
    const KEPT: usize = 8;
    const FEWEST: usize = 4;

    /// Takes in the freshest date among the new items of a poll.
    pub fn learn(&mut self, freshest_ms: i64, now_ms: i64) {
        let minutes = ((freshest_ms - now_ms) / MINUTE).clamp(-20_000, 20_000);
        self.minutes.insert(0, i16::try_from(minutes).unwrap_or(0));
        self.minutes.truncate(Self::KEPT);
    }

    /// The middle one, in minutes: positive where dates lie in the future. `None` until four polls had new items.
    pub fn median_minutes(&self) -> Option<i64> {
        let mut sorted = self.minutes.clone();
        sorted.sort_unstable();
        (sorted.len() >= Self::FEWEST).then(|| i64::from(sorted[sorted.len() / 2]))
    }

    /// Whether the clock is off: dates that lie more than a quarter of an hour in the future; or never fresher than some whole hours ago, though the feed is
    /// asked more often than that, which is local time that says it is UTC.
    pub fn is_skewed(&self, interval_ms: i64) -> bool {
        let Some(median) = self.median_minutes() else { return false };
        let freshest = self.minutes.iter().map(|minutes| i64::from(*minutes)).max().unwrap_or(0);
        let is_whole = (freshest + 10).rem_euclid(60) <= 15;
        let is_behind = freshest < -50 - interval_ms / MINUTE && freshest > -15 * 60 && is_whole;
        median > 15 || self.minutes.len() == Self::KEPT && is_behind
    }
}

#[cfg(test)]
mod tests;
