//! What a hub brings: read and known like an answer of the feed, but no poll. Its validators and its looks stay as they are, and so does its schedule, but where
//! only a poll can settle what is right.

use std::collections::HashSet;

use url::Url;

use super::document::{Sorted, sort_out};
use super::{Done, Ended, Feed};
use crate::feeds::engine::Outcome;
use crate::feeds::identity::{Seen, Settled, address, settle};
use crate::feeds::policy::{DAY, LONGEST_POLL_MS, Plan, next_poll, outside_windows};
use crate::feeds::reading::{Content, Item};
use crate::feeds::silence::event_time;
use crate::feeds::state::{FeedState, Known};

/// Takes in a document that a hub brought, whole or in part. `from` is the address it speaks for. Only items that were never seen are delivered: a known one with other
/// content may be newer, or come late out of a hub's queue, and would then put back what was corrected. The feed's next poll is planned as soon as is polite: it knows.
/// `asked_ms` is when the feed was last asked, also where no answer came.
pub fn push(
    feed: &Feed,
    state: &mut FeedState,
    content: Content,
    from: Url,
    asked_ms: i64,
    now_ms: i64,
) -> Done {
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
            let mut items = std::mem::take(&mut reading.items);
            let own: Vec<u64> =
                reading.own.iter().copied().chain([address(&state.url), address(from.as_str())]).collect();
            let settled = settle(state, &feed.url, &mut items, &own, false, now_ms);
            reading.faults.extend(&settled.faults);
            let (items, settled, doubtful) = doubt(state, items, settled);
            if doubtful > 0 && state.failures == 0 {
                state.next_ms = state.next_ms.min(soonest(feed, state, asked_ms, now_ms));
            }
            let Sorted { delivered, counts, known, dates, .. } = sort_out(state, items, &settled, now_ms);
            state.remember_too(&known);
            if counts.new > 0 {
                state.honesty.pushed_ms = now_ms;
            }
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
            let outcome = match (known.is_empty() && doubtful == 0, delivered.is_empty()) {
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
        detail: None,
        index: None,
        more: None,
    }
}

/// Leaves out what is known with other content, and counts it.
fn doubt(state: &FeedState, items: Vec<Item>, settled: Settled) -> (Vec<Item>, Settled, usize) {
    let known: HashSet<Known> = state.known.iter().copied().collect();
    let ids: HashSet<[u8; 4]> = state.known.iter().map(Known::id).collect();
    let Settled { seen, was_seen, faults } = settled;
    let total = items.len();
    let told = items.into_iter().zip(seen.into_iter().zip(was_seen));
    let clear = told.filter(|(item, (seen, _))| {
        let one = Known::new(item.id_hash, item.content_hash);
        match seen {
            Seen::ByKey => known.contains(&one) || !ids.contains(&one.id()),
            Seen::Known => true,
            Seen::Updated => false,
        }
    });
    let (items, (seen, was_seen)): (Vec<Item>, (Vec<Seen>, Vec<bool>)) = clear.unzip();
    let doubtful = total - items.len();
    (items, Settled { seen, was_seen, faults }, doubtful)
}

/// The first moment at which the feed may be asked again, by all that it says.
fn soonest(feed: &Feed, state: &FeedState, asked_ms: i64, now_ms: i64) -> i64 {
    let floor_ms = state.says.floor_ms(feed.is_listed);
    let plan = Plan {
        end_ms: state.start_ms.max(asked_ms) + LONGEST_POLL_MS,
        floor_ms,
        interval_ms: floor_ms,
        back_off_ms: 0,
        retry_at_ms: state.retry_at_ms,
        says: &state.says,
        hash: feed.hash(),
    };
    outside_windows(next_poll(&plan).max(now_ms), &state.says, feed.hash())
}
