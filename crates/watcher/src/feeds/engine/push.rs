//! What a hub brings: read and known like an answer of the feed, but no poll. Its schedule, its validators and its looks stay as they are.

use url::Url;

use super::{Done, Ended, Sorted, sort_out};
use crate::feeds::engine::Outcome;
use crate::feeds::policy::DAY;
use crate::feeds::reading::Content;
use crate::feeds::silence::event_time;
use crate::feeds::state::FeedState;

/// Takes in a document that a hub brought, whole or in part. `from` is the address it speaks for.
pub fn push(state: &mut FeedState, content: Content, from: Url, now_ms: i64) -> Done {
    let ended = match content {
        // Known already, byte for byte.
        Content::Same => Ended::with(Outcome::SameHash),
        Content::NotAFeed { detail, bytes, may_be_broken, .. } => {
            let is_news = now_ms - state.rejected_ms >= DAY;
            if is_news {
                state.rejected_ms = now_ms;
            }
            let outcome = if may_be_broken { Outcome::Malformed } else { Outcome::WrongContent };
            Ended { unreadable: is_news.then_some((bytes, detail)), ..Ended::with(outcome) }
        }
        Content::Feed { mut reading, .. } => {
            let items = std::mem::take(&mut reading.items);
            let Sorted { delivered, counts, known, dates } = sort_out(state, items, now_ms);
            state.remember_too(&known);
            // A feed that no poll has read yet has no rhythm: its window would be taken for news.
            if state.looks.hash != 0 {
                if let Some(freshest) = dates.iter().max() {
                    state.skew.learn(*freshest, now_ms);
                }
                let new = delivered.iter().filter(|item| !item.is_update);
                let mut times: Vec<i64> =
                    new.map(|item| event_time(item.item.published_ms, now_ms, state.start_ms)).collect();
                state.rhythm.learn(&mut times, now_ms);
                if state.failures == 0 {
                    state.success_ms = now_ms;
                }
            }
            let outcome = match (known.is_empty(), delivered.is_empty()) {
                (true, _) => Outcome::Empty,
                (false, true) => Outcome::SameHash,
                (false, false) => Outcome::New,
            };
            Ended { items: delivered, counts, reading: Some(reading), ..Ended::with(outcome) }
        }
    };
    let Ended { outcome, items, counts, overlap, is_overrun, reading, unreadable, domain_until_ms, .. } =
        ended;
    Done {
        outcome,
        items,
        counts,
        left: None,
        domain_until_ms,
        overlap,
        is_overrun,
        reading,
        unreadable,
        from,
    }
}
