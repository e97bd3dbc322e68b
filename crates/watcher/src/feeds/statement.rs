//! A feed's health in words, for `barid.health`.

use barid_record::{FeedHealth, rfc3339};

use super::engine::{Feed, Outcome, is_failing};
use super::health::State;
use super::policy::{DAY, HOUR, MINUTE, SECOND};
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
        reason: reason(feed, state, outcome, now_ms),
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

/// Why it is in its state, for the person who asks: with numbers, and with what the last poll ended with where that was a failure.
fn reason(feed: &Feed, state: &FeedState, outcome: Option<Outcome>, now_ms: i64) -> String {
    let failed = outcome.filter(|outcome| !outcome.is_success());
    match state.health.state {
        State::Fresh => fresh(state, failed, now_ms),
        State::Moved => format!("its server sent it on for good, and it is now asked at {}", state.url),
        State::Undated => {
            format!(
                "most of the {} in its last document have no date that can be read",
                items(state.looks.items)
            )
        }
        State::ClockSkewed => skewed(state),
        State::Malformed if state.sitemaps.as_ref().is_some_and(|sitemaps| sitemaps.failing() > 0) => {
            let failing = state.sitemaps.as_ref().map_or(0, |sitemaps| sitemaps.failing());
            format!(
                "{failing} of its sitemaps cannot be read: `barid feed check` shows how they answer{}",
                sitemaps(state, false)
            )
        }
        State::Churning => format!(
            "most of its items came again as new or changed in {} documents in a row, though their links, titles or words were there before: it is asked every {} h at most",
            state.identity.churn.documents(),
            state.identity.churn.hours()
        ),
        State::Malformed if state.looks.lost_items => {
            "items of its last document could not be read: `barid feed check` says what is wrong with it"
                .to_owned()
        }
        State::Malformed => {
            let polls = state.looks.fault_polls;
            format!("the same faults in each of its last {polls} documents: `barid feed check` names them")
        }
        State::Late | State::Stale | State::Dead if is_failing(feed, state, now_ms) => {
            failing(state, failed, now_ms)
        }
        State::Late | State::Stale | State::Dead => silent(state, failed, now_ms),
        State::Throttled if state.retry_at_ms > now_ms => {
            let left = span(state.retry_at_ms - now_ms);
            format!("it asked to be left alone for {left} more, until {}", rfc3339(state.retry_at_ms))
        }
        State::Throttled => "it asked to be left alone for a while, which is over".to_owned(),
        State::Flapping => {
            let last = failed.map(|outcome| format!("; its last poll ended with {}", outcome.name()));
            format!("its state changed four times within a day{}", last.unwrap_or_default())
        }
        State::SilentEmpty => "it answers with a feed that has no item any more".to_owned(),
        State::WrongContent => wrong(state, failed, now_ms),
        State::Gone => {
            let since = span(now_ms - state.missing_since_ms);
            let word = if state.is_gone { "it is gone for good (410)" } else { "it is not there (404)" };
            format!("its server has said for {since} that {word}")
        }
    }
}

fn fresh(state: &FeedState, failed: Option<Outcome>, now_ms: i64) -> String {
    match failed {
        // What is told when it fails for the first time, or was told by chance.
        Some(outcome) if state.failures > 0 => {
            format!("its last poll ended with {}: a second one that fails would count", outcome.name())
        }
        Some(_) | None if state.failures > 0 => failing(state, failed, now_ms),
        Some(_) | None if !state.is_believed(now_ms) => format!(
            "it answers, but said \"not modified\" of what was: until {} it is asked for the whole once a day",
            rfc3339(state.lies_until_ms)
        ),
        Some(_) | None => {
            format!("it answers, and is not silent for longer than usual{}", sitemaps(state, true))
        }
    }
}

/// What of an index is not read, as the end of a sentence. `is_well` leaves out what failed, where that is said elsewhere.
fn sitemaps(state: &FeedState, is_well: bool) -> String {
    let Some(sitemaps) = &state.sitemaps else { return String::new() };
    let counts = [
        (sitemaps.waiting(), "still to be read"),
        (if is_well { sitemaps.failing() } else { 0 }, "unreadable"),
        (sitemaps.refused as usize, "refused for the address"),
        (sitemaps.left_out as usize, "beyond those that are known"),
    ];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    let known = sitemaps.count();
    if said.is_empty() {
        format!("; its {known} sitemaps are read")
    } else {
        format!("; sitemaps: {known} known, {}", said.join(", "))
    }
}

fn failing(state: &FeedState, failed: Option<Outcome>, now_ms: i64) -> String {
    let last = failed.map(|outcome| format!(": its last poll ended with {}", outcome.name()));
    let last = last.unwrap_or_default();
    let since_ms = now_ms - state.failing_since_ms;
    let polls = if state.failures == 1 { "1 poll".to_owned() } else { format!("{} polls", state.failures) };
    if state.looks.hash == 0 {
        return format!("it was never read: {polls} failed within {}{last}", span(now_ms - state.added_ms));
    }
    format!("no good answer in {polls} within {}{last}", span(since_ms))
}

fn silent(state: &FeedState, failed: Option<Outcome>, now_ms: i64) -> String {
    let silence = state.rhythm.silence(state.success_ms);
    let since = span(silence.since_ms);
    let mut said = match silence.limit {
        Some(limit) if silence.nats > limit => {
            format!("no item for {since}: {:.1} should have come, its limit is {limit:.1}", silence.nats)
        }
        Some(_) | None => {
            let longest_ms = state.rhythm.longest_gap_ms();
            let gap = if longest_ms > 18 * DAY {
                format!(", and than five times its longest gap of {}", span(longest_ms))
            } else {
                String::new()
            };
            format!("no item for {since}, which is more than 90 days{gap}")
        }
    };
    if let Some(outcome) = failed {
        said.push_str(&format!("; its last poll ended with {}", outcome.name()));
    } else if state.same_since_ms > 0 {
        let same = span(now_ms - state.same_since_ms);
        said.push_str(&format!(
            "; its server has said for {same} that nothing changed, which is looked into"
        ));
    }
    said
}

fn skewed(state: &FeedState) -> String {
    /// As far as [`super::health::Skew`] counts.
    const MOST_MINUTES: i64 = 20_000;
    let minutes = state.skew.median_minutes().unwrap_or(0);
    let beyond = if minutes.abs() >= MOST_MINUTES { "more than " } else { "" };
    let where_to = if minutes < 0 { "before" } else { "after" };
    let far = span(minutes.abs() * MINUTE);
    format!("its items are dated {beyond}{far} {where_to} they appear: its clock or its time zone is wrong")
}

fn wrong(state: &FeedState, failed: Option<Outcome>, now_ms: i64) -> String {
    if failed == Some(Outcome::Unasked304) {
        return "its server says \"not modified\" to who asked for everything (unasked_304): nothing can be read"
            .to_owned();
    }
    if state.looks.wrong_since_ms > 0 {
        let since = span(now_ms - state.looks.wrong_since_ms);
        return format!(
            "for {since} it has been another feed than it was: another title at another domain, or other letters; its items are delivered"
        );
    }
    let last = failed.map(|outcome| format!(": its last poll ended with {}", outcome.name()));
    format!("what it sends is no feed{}; `barid feed check` shows what came", last.unwrap_or_default())
}

fn items(count: u32) -> String {
    if count == 1 { "one item".to_owned() } else { format!("{count} items") }
}

/// A time in words, rounded down: seconds, minutes, hours from two on, days from three on.
fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let (count, unit) = if ms < MINUTE {
        (ms / SECOND, "second")
    } else if ms < 2 * HOUR {
        (ms / MINUTE, "minute")
    } else if ms < 3 * DAY {
        (ms / HOUR, "hour")
    } else {
        (ms / DAY, "day")
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

#[cfg(test)]
mod tests;
