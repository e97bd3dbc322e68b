//! How a feed's hub is found that was known before hubs were wanted: a server that says "not modified" sends no document to find it in.
//!
//! The head of that answer may name it. Where it does not, one whole document is asked for, once, when the feed is due anyway and the last one is a day old.

use serde::{Deserialize, Serialize};

use crate::feeds::engine::{Done, Outcome};
use crate::feeds::policy::DAY;
use crate::feeds::state::FeedState;

/// How far it was looked for, while hubs were wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Search {
    /// Not yet.
    #[default]
    Open,
    /// An answer without a document did not name one.
    InHead,
    /// A whole document was read: whatever comes later comes with a document that has changed.
    Over,
}

impl FeedState {
    /// Whether the next poll is to ask for the whole document to find a hub. For feeds without a subscription, while hubs are wanted.
    pub fn seeks_hub(&self, now_ms: i64) -> bool {
        self.hub_search == Search::InHead && self.validators.is_some() && now_ms - self.whole_ms >= DAY
    }

    /// Takes down what a poll showed of hubs, while they are wanted.
    pub fn searched(&mut self, done: &Done) {
        self.hub_search = match (self.hub_search, done.outcome) {
            (Search::Over, _) => Search::Over,
            _ if done.reading.is_some() => Search::Over,
            (Search::Open, Outcome::Same304) => Search::InHead,
            // It came whole, and was no feed: once is enough.
            (Search::InHead, Outcome::Malformed | Outcome::WrongContent) => Search::Over,
            (before, _) => before,
        };
    }

    /// The hash of the document that need not be read again; 0 while a hub is looked for, which may be in it.
    pub fn read_hash(&self, wants_hub: bool) -> u64 {
        if wants_hub && self.hub_search != Search::Over { 0 } else { self.looks.hash }
    }
}
