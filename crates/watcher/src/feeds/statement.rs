//! A feed's health in words, for `barid.health`.

use barid_record::{FeedHealth, rfc3339};

use super::engine::{Feed, Outcome};
use super::health::State;
use super::policy::{DAY, HOUR};
use super::state::FeedState;

/// What is to be said of a feed after a poll.
pub(super) fn statement(
    feed: &Feed,
    state: &FeedState,
    left: Option<State>,
    outcome: Option<Outcome>,
    title: Option<&str>,
    now_ms: i64,
) -> FeedHealth {
    let silence = state.rhythm.silence(state.success_ms);
    let since = if state.health.since_ms > 0 { state.health.since_ms } else { state.added_ms };
    FeedHealth {
        feed: feed.id.clone(),
        at: rfc3339(now_ms),
        state: state.health.state.name().to_owned(),
        previous: left.map(|left| left.name().to_owned()),
        since: rfc3339(since),
        reason: reason(state, outcome, now_ms),
        outcome: outcome.map_or("not_asked", Outcome::name).to_owned(),
        url: state.url.clone(),
        title: title.filter(|title| !title.is_empty()).map(str::to_owned),
        next_poll: rfc3339(state.next_ms),
        last_success: (state.looks.hash != 0).then(|| rfc3339(state.success_ms)),
        last_item: state.rhythm.last_item_ms().map(rfc3339),
        failures: state.failures,
        silence: silence.nats,
        silence_limit: silence.limit,
        clock_skew_minutes: state.skew.median_minutes(),
        volume_drift: state.rhythm.volume_drift(),
        known_percent: state.looks.known_percent,
        known_drift: state.known_share.drift(),
        push: None,
        overruns: state.overruns,
        worthless_ids: state.identity.worthless().map(|why| why.name().to_owned()).collect(),
    }
}

fn reason(state: &FeedState, outcome: Option<Outcome>, now_ms: i64) -> String {
    let silence = state.rhythm.silence(state.success_ms);
    let hours =
        |ms: i64| if ms < 3 * DAY { format!("{} h", ms / HOUR) } else { format!("{} days", ms / DAY) };
    let failing =
        || format!("no good answer for {}, {} polls", hours(now_ms - state.failing_since_ms), state.failures);
    let silent = || {
        let limit = silence.limit.unwrap_or(0.0);
        format!(
            "no item for {}: {:.1} should have come, the limit is {limit:.1}",
            hours(silence.since_ms),
            silence.nats
        )
    };
    match state.health.state {
        State::Fresh if state.failures > 0 => {
            let outcome = outcome.map_or("not_asked", Outcome::name);
            format!("its last poll ended with {outcome}: what happens twice counts")
        }
        State::Fresh => "it answers, and is not silent for longer than usual".to_owned(),
        State::Moved => format!("its address is now {}", state.url),
        State::Undated => "most of its items have no date that can be read".to_owned(),
        State::ClockSkewed => {
            let minutes = state.skew.median_minutes().unwrap_or(0);
            format!("its dates lie {minutes} minutes from when its items appear")
        }
        State::Malformed => "its documents are faulty: `barid feed lint` tells how".to_owned(),
        State::Churning => format!(
            "most of its items came again as new or changed in {} documents in a row, though their links, titles or words were there before: it is asked every {} h at most",
            state.identity.churn.documents(),
            state.identity.churn.hours()
        ),
        State::Late | State::Stale | State::Dead => {
            if state.failures > 0 {
                failing()
            } else {
                silent()
            }
        }
        State::Throttled => format!("it asked to be left alone until {}", rfc3339(state.retry_at_ms)),
        State::Flapping => "its state changed four times within a day".to_owned(),
        State::SilentEmpty => "it answers with a feed that has no item any more".to_owned(),
        State::WrongContent => "what it sends is no feed, or another one".to_owned(),
        State::Gone => "its server says that it is gone".to_owned(),
    }
}
