//! A feed that has moved for good: its new address is stored when the redirect holds.

use super::Poll;
use crate::feeds::policy::DAY;
use crate::feeds::state::{FeedState, Moving};

/// The same redirect must be met so far apart to be stored.
const MOVE_AFTER_MS: i64 = DAY;

/// Stores a redirect for good that was met before, a day ago or more. True when the address changed.
pub(super) fn store_move(state: &mut FeedState, poll: &Poll, now_ms: i64) -> bool {
    let Some(to) = &poll.moved_to else {
        state.moving = None;
        return false;
    };
    match &state.moving {
        Some(moving) if moving.url == to.as_str() => {
            if poll.start_ms - moving.since_ms < MOVE_AFTER_MS {
                return false;
            }
            state.url = to.to_string();
            (state.moving, state.moved_ms) = (None, now_ms);
            true
        }
        Some(_) | None => {
            state.moving = Some(Moving { url: to.to_string(), since_ms: poll.start_ms });
            false
        }
    }
}
