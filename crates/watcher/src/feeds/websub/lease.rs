//! One subscription: when its hub is asked, what the hub may confirm, and how long it holds.
//!
//! ```text
//!  new --> asked --202--> waits for the hub to ask back --confirmed--> active --2/3 of the lease--> asked again (active meanwhile)
//!            ^  refused, failed, no question within an hour: later, ever later          |
//!            +--------------------------------------------------------------------------+-- denied: in a week
//!  end --> asked to end --confirmed, or five failures--> over
//! ```

use serde::{Deserialize, Serialize};
use url::Url;
use url::form_urlencoded::Serializer;

use super::discover::Offer;
use super::trust::Trust;
use crate::feeds::address::{Allowed, check_redirect};
use crate::feeds::policy::{DAY, HOUR, MINUTE, SECOND, WEEK};

const FORM: u8 = 2;
/// Form 1 ended before `slowed_ms` and `home`, which are 0 and nothing in it.
const EARLIER: (u8, [u8; 2]) = (1, [0, 0]);
/// Hubs are asked for leases of ten days; they give what they like.
const LEASE_S: i64 = 10 * DAY / SECOND;
/// A longer lease is taken as one of so long: a hub that forgot us is found out.
const LONGEST_MS: i64 = 30 * DAY;
/// A shorter one is not renewed more often than this.
const SHORTEST_RENEWAL_MS: i64 = 10 * MINUTE;
/// A hub that took a request asks back within this, or is asked again.
const ASKS_BACK_MS: i64 = HOUR;
/// A question of the hub belongs to a request of ours for so long.
const ANSWERS_MS: i64 = DAY;
/// After a first failure; four times as long after each further one, up to a day.
const RETRY_MS: i64 = 10 * MINUTE;
const MOST_REDIRECTS: u8 = 5;
/// A hub that does not let us go is left: the lease ends by itself.
const MOST_FAILED_ENDS: u32 = 5;

/// What a hub is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// To bring what is new.
    Subscribe,
    /// To stop that.
    Unsubscribe,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Subscribe, Self::Unsubscribe];

    /// Its name in WebSub.
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// How a subscription is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// Asked for, not confirmed yet.
    Asked,
    /// It holds, and polling is slower for it.
    Active,
    /// It holds; until it has proved itself, polling goes on as if there were none.
    Unproven,
    /// It held, and could not be renewed.
    Expired,
    /// The hub refused or denied it.
    Refused,
    /// Its feed is not polled any more.
    Ending,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Self; 6] =
        [Self::Asked, Self::Active, Self::Unproven, Self::Expired, Self::Refused, Self::Ending];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Active => "active",
            Self::Unproven => "unproven",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Ending => "ending",
        }
    }

    /// Its place in [`Standing::ALL`].
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|standing| *standing == self).unwrap_or(0)
    }
}

/// What a hub said to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 2xx: it will ask back, or has.
    Accepted,
    /// 307 or 308.
    Elsewhere(String),
    /// Another 3xx or 4xx.
    Refused,
    /// Not now. With the time in milliseconds for which nobody of that hub's is asked, where it said so itself: by 429 or 5xx, and `Retry-After` if it likes.
    Failed(Option<i64>),
}

impl Reply {
    /// Of a status.
    pub fn of(status: u16, location: Option<&str>, retry_after_ms: Option<i64>) -> Self {
        match (status, location) {
            (200..=299, _) => Self::Accepted,
            (307 | 308, Some(location)) => Self::Elsewhere(location.to_owned()),
            (429 | 500..=599, _) => Self::Failed(Some(retry_after_ms.unwrap_or(RETRY_MS))),
            (408 | 425, _) => Self::Failed(retry_after_ms),
            (_, _) => Self::Refused,
        }
    }

    /// The name of its counter's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Elsewhere(_) => "redirected",
            Self::Refused => "refused",
            Self::Failed(_) => "failed",
        }
    }
}

/// One subscription as it is kept. Times are milliseconds since the Unix epoch, 0 for never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// The feed's id.
    pub feed: String,
    /// The hub.
    pub hub: String,
    /// What it knows the feed by.
    pub topic: String,
    /// The address it calls, whole.
    pub callback: String,
    /// What it signs with.
    pub secret: String,
    /// When it was made.
    pub made_ms: i64,
    /// When the hub is asked next.
    pub next_ms: i64,
    /// Whether what it brings can be relied on.
    pub trust: Trust,
    /// When the feed would be asked next, were it not for this. It counts beside `slowed_ms` only.
    usual_ms: i64,
    /// Its last document named this hub.
    pub is_offered: bool,
    mode: Mode,
    /// When the hub was asked last, and has not answered by its question.
    asked_ms: i64,
    is_confirmed: bool,
    /// Since when the lease holds without a gap.
    held_ms: i64,
    until_ms: i64,
    failures: u32,
    is_refused: bool,
    /// A hub that sent us on: to be asked there this time.
    via: Option<String>,
    redirects: u8,
    /// To when the feed's next poll was put off for this; 0 where it was not.
    slowed_ms: i64,
    /// The feed's address as configured: only where that is the operator's own may the hub be there, too; also when the feed has left the list.
    pub home: String,
}

impl Subscription {
    /// One that is to be asked for at once.
    pub fn new(feed: &str, offer: Offer, callback: String, secret: String, now_ms: i64) -> Self {
        Self {
            feed: feed.to_owned(),
            hub: offer.hub,
            topic: offer.topic,
            callback,
            secret,
            made_ms: now_ms,
            next_ms: now_ms,
            trust: Trust::default(),
            usual_ms: 0,
            is_offered: true,
            mode: Mode::Subscribe,
            asked_ms: 0,
            is_confirmed: false,
            held_ms: 0,
            until_ms: 0,
            failures: 0,
            is_refused: false,
            via: None,
            redirects: 0,
            slowed_ms: 0,
            home: String::new(),
        }
    }

    /// Keeps that the feed's next poll was put off for this, from when to when; or that it was not. Returns whether that is new.
    pub fn put_off(&mut self, from_to_ms: Option<(i64, i64)>) -> bool {
        let (before, next) = ((self.usual_ms, self.slowed_ms), from_to_ms.unwrap_or((0, 0)));
        (self.usual_ms, self.slowed_ms) = next;
        before != next
    }

    /// When the feed would be asked, were it not for this, where it is still planned for when this put it off to: any poll since then has made a plan of its own.
    pub fn usual_ms(&self, planned_ms: i64) -> Option<i64> {
        (self.slowed_ms > 0 && self.slowed_ms == planned_ms).then_some(self.usual_ms)
    }

    /// Whether the hub has promised to bring what is new.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.mode == Mode::Subscribe && self.until_ms > now_ms
    }

    /// Since when it has promised that without a gap; 0 where it does not.
    pub fn held_ms(&self, now_ms: i64) -> i64 {
        if self.holds(now_ms) { self.held_ms } else { 0 }
    }

    /// When its promise ends.
    pub fn until_ms(&self) -> i64 {
        self.until_ms
    }

    /// What the hub is asked for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How it is doing.
    pub fn standing(&self, now_ms: i64) -> Standing {
        match self.mode {
            Mode::Unsubscribe => Standing::Ending,
            Mode::Subscribe if self.holds(now_ms) && self.trust.is_proven() => Standing::Active,
            Mode::Subscribe if self.holds(now_ms) => Standing::Unproven,
            Mode::Subscribe if self.is_refused => Standing::Refused,
            Mode::Subscribe if self.until_ms > 0 => Standing::Expired,
            Mode::Subscribe => Standing::Asked,
        }
    }

    /// The next request: where, and its form. The change must be durable before it is sent, or the hub's question would find nobody who asked.
    pub fn ask(&mut self, now_ms: i64) -> (String, String) {
        (self.asked_ms, self.is_confirmed) = (now_ms, false);
        self.next_ms = now_ms + ASKS_BACK_MS;
        let lease = LEASE_S.to_string();
        let mut form = Serializer::new(String::new());
        form.append_pair("hub.callback", &self.callback)
            .append_pair("hub.mode", self.mode.name())
            .append_pair("hub.topic", &self.topic);
        if self.mode == Mode::Subscribe {
            form.append_pair("hub.lease_seconds", &lease).append_pair("hub.secret", &self.secret);
        }
        (self.via.take().unwrap_or_else(|| self.hub.clone()), form.finish())
    }

    /// Where the next request goes.
    pub fn target(&self) -> &str {
        self.via.as_deref().unwrap_or(&self.hub)
    }

    /// Takes in what the hub said to the request.
    pub fn replied(&mut self, reply: &Reply, at: &Url, allowed: &Allowed, now_ms: i64) {
        if self.asked_ms == 0 {
            // It was denied meanwhile, which is the last word on that request.
            return;
        }
        match reply {
            // Many hubs ask back before they say so.
            Reply::Accepted if self.is_confirmed => self.redirects = 0,
            Reply::Accepted => {
                self.redirects = 0;
                self.next_ms = now_ms + self.pause_ms().max(ASKS_BACK_MS);
                // Without its question it did not work, which nobody will say.
                self.failures = self.failures.saturating_add(1);
            }
            Reply::Elsewhere(location) => match check_redirect(at, location, allowed) {
                Ok(to) if self.redirects < MOST_REDIRECTS => {
                    self.redirects += 1;
                    self.via = Some(to.to_string());
                    self.next_ms = now_ms;
                }
                Ok(_) | Err(_) => self.fail(now_ms, None, true),
            },
            Reply::Refused => self.fail(now_ms, None, true),
            Reply::Failed(retry_after_ms) => self.fail(now_ms, *retry_after_ms, false),
        }
    }

    fn fail(&mut self, now_ms: i64, retry_after_ms: Option<i64>, is_refused: bool) {
        self.redirects = 0;
        if self.is_confirmed {
            // It asked back, and then failed to say yes: what it asked counts.
            return;
        }
        let pause = self.pause_ms().max(retry_after_ms.unwrap_or(0).min(WEEK));
        self.failures = self.failures.saturating_add(1);
        self.is_refused = is_refused;
        self.next_ms = now_ms + pause;
    }

    fn pause_ms(&self) -> i64 {
        (RETRY_MS << (2 * self.failures.min(8))).min(DAY)
    }

    /// The hub asks whether we meant it. `lease_s` is for how long, where it says so. True: answer with its challenge. Only what was asked for within a day is
    /// confirmed, and as often as the hub asks: an answer may get lost.
    pub fn confirm(
        &mut self,
        mode: Mode,
        topic: &str,
        lease_s: Option<i64>,
        spread: u64,
        now_ms: i64,
    ) -> bool {
        let is_asked = self.asked_ms > 0 && (0..=ANSWERS_MS).contains(&(now_ms - self.asked_ms));
        if mode != self.mode || topic != self.topic || !is_asked {
            return false;
        }
        self.is_confirmed = true;
        (self.failures, self.is_refused) = (0, false);
        if mode == Mode::Unsubscribe {
            return true;
        }
        let lease_ms = lease_s.unwrap_or(LEASE_S).clamp(0, LONGEST_MS / SECOND) * SECOND;
        if !self.holds(now_ms) {
            self.held_ms = now_ms;
        }
        self.until_ms = now_ms + lease_ms;
        // Between three and four sixths of it: many leases that began together do not end together.
        let sixth = lease_ms / 6;
        let early = sixth * i64::try_from(spread % 1000).unwrap_or(0) / 1000;
        self.next_ms = now_ms + (4 * sixth - early).max(SHORTEST_RENEWAL_MS);
        true
    }

    /// The hub says that there is no subscription, now or any more. True if it is ours that it speaks of.
    pub fn deny(&mut self, topic: &str, now_ms: i64) -> bool {
        if topic != self.topic || self.mode == Mode::Unsubscribe {
            return false;
        }
        (self.until_ms, self.is_refused) = (0, true);
        (self.asked_ms, self.is_confirmed, self.via, self.redirects) = (0, false, None, 0);
        self.next_ms = now_ms + WEEK;
        true
    }

    /// Its feed is polled no more, or has another hub.
    pub fn end(&mut self, now_ms: i64) {
        if self.mode == Mode::Subscribe {
            (self.mode, self.asked_ms, self.is_confirmed) = (Mode::Unsubscribe, 0, false);
            (self.failures, self.next_ms, self.via) = (0, now_ms, None);
        }
    }

    /// Whether there is nothing more to do about it: then its row goes.
    pub fn is_over(&self, now_ms: i64) -> bool {
        match self.mode {
            Mode::Unsubscribe => {
                self.is_confirmed || self.failures >= MOST_FAILED_ENDS || self.until_ms <= now_ms
            }
            // Nobody offers it any more, and it has run out.
            Mode::Subscribe => !self.is_offered && self.until_ms <= now_ms,
        }
    }

    /// Whether the hub is to be asked now.
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.next_ms <= now_ms && (self.is_offered || self.mode == Mode::Unsubscribe)
    }

    /// The table's value.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail; a value that could not be read back would be asked for anew.
        postcard::to_extend(self, vec![FORM]).unwrap_or_default()
    }

    /// Reads it back; `None` for a form of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        let (earlier, missing) = EARLIER;
        match *form {
            FORM => postcard::from_bytes(rest).ok(),
            // Whoever were forgotten would be asked for anew, and be brought twice.
            form if form == earlier => postcard::from_bytes(&[rest, &missing].concat()).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
