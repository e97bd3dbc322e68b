//! The subscriber's metrics.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::lease::{Mode, Standing};
use crate::WatcherError;
use crate::feeds::metrics::Add;

/// What became of a message that a hub, or somebody else, brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::feeds) enum Brought {
    /// It had something new.
    New,
    /// Everything in it was known.
    Known,
    /// Signed, and no feed.
    Unreadable,
    /// Not signed, or not by who knows the secret.
    BadSignature,
    /// To an address that no subscription has.
    Unknown,
    /// More bytes than a feed has, or packed.
    TooBig,
    /// Too few bytes a second.
    Slow,
    /// Nobody had time for it: it must come again.
    Busy,
}

impl Brought {
    const ALL: [Self; 8] = [
        Self::New,
        Self::Known,
        Self::Unreadable,
        Self::BadSignature,
        Self::Unknown,
        Self::TooBig,
        Self::Slow,
        Self::Busy,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Unreadable => "unreadable",
            Self::BadSignature => "bad_signature",
            Self::Unknown => "unknown",
            Self::TooBig => "too_big",
            Self::Slow => "slow",
            Self::Busy => "busy",
        }
    }
}

const REPLIES: [&str; 4] = ["accepted", "redirected", "refused", "failed"];
const QUESTIONS: [&str; 3] = ["confirmed", "refused", "denied"];

/// Cloning shares them.
#[derive(Debug, Clone)]
pub(in crate::feeds) struct WebSubMetrics {
    subscriptions: IntGaugeVec,
    messages: IntCounterVec,
    requests: IntCounterVec,
    questions: IntCounterVec,
    missed: IntCounter,
}

impl WebSubMetrics {
    pub(in crate::feeds) fn register(registry: &Registry) -> Result<Self, WatcherError> {
        let add = Add(registry);
        let metrics = Self {
            subscriptions: add.gauges("barid_feed_websub", "Subscriptions at hubs by state", &["state"])?,
            messages: add.counters(
                "barid_feed_websub_messages_total",
                "Messages brought to callbacks by what became of them",
                &["result"],
            )?,
            requests: add.counters(
                "barid_feed_websub_requests_total",
                "Requests to hubs by what they said",
                &["mode", "reply"],
            )?,
            questions: add.counters(
                "barid_feed_websub_questions_total",
                "Questions of hubs whether a request was meant, and denials",
                &["result"],
            )?,
            missed: add.counter(
                "barid_feed_websub_missed_total",
                "Items that a poll found and a hub should have brought",
            )?,
        };
        metrics.standing(&mut [0; Standing::ALL.len()], &[0; Standing::ALL.len()]);
        Brought::ALL.iter().for_each(|one| drop(metrics.messages.with_label_values(&[one.name()])));
        QUESTIONS.iter().for_each(|one| drop(metrics.questions.with_label_values(&[one])));
        for mode in Mode::ALL {
            REPLIES.iter().for_each(|reply| drop(metrics.requests.with_label_values(&[mode.name(), reply])));
        }
        Ok(metrics)
    }

    /// How a poller's subscriptions stand; `told` is what it said before, and is brought up to date.
    pub(super) fn standing(
        &self,
        told: &mut [i64; Standing::ALL.len()],
        counts: &[i64; Standing::ALL.len()],
    ) {
        for ((standing, told), count) in Standing::ALL.iter().zip(told).zip(counts) {
            self.subscriptions.with_label_values(&[standing.name()]).add(count - *told);
            *told = *count;
        }
    }

    pub(in crate::feeds) fn brought(&self, what: Brought) {
        self.messages.with_label_values(&[what.name()]).inc();
    }

    pub(super) fn replied(&self, mode: Mode, reply: &'static str) {
        self.requests.with_label_values(&[mode.name(), reply]).inc();
    }

    pub(super) fn questioned(&self, is_confirmed: bool) {
        self.questions.with_label_values(&[if is_confirmed { "confirmed" } else { "refused" }]).inc();
    }

    pub(super) fn denied(&self) {
        self.questions.with_label_values(&["denied"]).inc();
    }

    pub(super) fn missed(&self, items: u64) {
        self.missed.inc_by(items);
    }

    #[cfg(test)]
    pub(in crate::feeds) fn messages(&self, what: Brought) -> u64 {
        self.messages.with_label_values(&[what.name()]).get()
    }

    #[cfg(test)]
    pub(in crate::feeds) fn failed(&self) -> u64 {
        self.requests.with_label_values(&[Mode::Subscribe.name(), "failed"]).get()
    }

    #[cfg(test)]
    pub(in crate::feeds) fn all_missed(&self) -> u64 {
        self.missed.get()
    }

    #[cfg(test)]
    pub(in crate::feeds) fn standing_of(&self, standing: Standing) -> i64 {
        self.subscriptions.with_label_values(&[standing.name()]).get()
    }
}
