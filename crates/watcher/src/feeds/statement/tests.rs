//! Each reason as an operator reads it: true, with its numbers, and without a zero where a number is meant.

use super::*;
use crate::feeds::health::Health;
use crate::feeds::state::Looks;

const NOW: i64 = 1_693_785_600_000;

fn feed() -> Feed {
    Feed { id: "news".into(), url: "https://news.example/feed".into(), is_listed: false }
}

/// A feed that was read once, in that state.
fn being(state: State) -> FeedState {
    let mut feed = FeedState::new("https://news.example/feed".into(), 1, NOW - 9 * DAY, NOW);
    feed.looks = Looks { hash: 1, items: 9, ..Looks::default() };
    feed.health = Health::default();
    feed.health.state = state;
    feed.success_ms = NOW;
    feed
}

fn said(state: &FeedState, outcome: Outcome) -> String {
    reason(&feed(), state, Some(outcome), NOW)
}

#[test]
fn times_are_said_in_the_unit_that_fits_and_in_the_singular() {
    for (ms, words) in [
        (-5, "0 seconds"),
        (999, "0 seconds"),
        (SECOND, "1 second"),
        (59 * SECOND, "59 seconds"),
        (MINUTE, "1 minute"),
        (119 * MINUTE, "119 minutes"),
        (2 * HOUR, "2 hours"),
        (71 * HOUR, "71 hours"),
        (3 * DAY, "3 days"),
        (1189 * DAY + HOUR, "1189 days"),
    ] {
        assert_eq!(span(ms), words);
    }
}

#[test]
fn a_feed_that_failed_once_is_said_to_have_failed_once_and_how() {
    let mut state = being(State::Fresh);
    (state.failures, state.failing_since_ms) = (1, NOW);
    assert_eq!(
        said(&state, Outcome::ServerError),
        "its last poll ended with server_error: a second one that fails would count"
    );
    state.health.state = State::Late;
    (state.failures, state.failing_since_ms) = (4, NOW - 5 * HOUR);
    let words = "no good answer in 4 polls within 5 hours: its last poll ended with timeout";
    assert_eq!(said(&state, Outcome::Timeout), words);
    state.looks.hash = 0;
    let words = "it was never read: 4 polls failed within 9 days: its last poll ended with dns";
    assert_eq!(said(&state, Outcome::Dns), words);
}

#[test]
fn a_silent_feed_whose_server_fails_once_is_silent_and_not_failing() {
    let mut state = being(State::Dead);
    state.rhythm.begin(Some(NOW - 1189 * DAY), NOW - 9 * DAY);
    let silent = "no item for 1189 days, which is more than 90 days";
    assert_eq!(said(&state, Outcome::SameHash), silent);
    (state.failures, state.failing_since_ms) = (1, NOW);
    let words = format!("{silent}; its last poll ended with server_error");
    assert_eq!(said(&state, Outcome::ServerError), words);
    (state.failures, state.failing_since_ms) = (20, NOW - 15 * DAY);
    let words = "no good answer in 20 polls within 15 days: its last poll ended with server_error";
    assert_eq!(said(&state, Outcome::ServerError), words, "that alone is enough now");
}

#[test]
fn what_should_have_come_is_numbered_and_a_denial_is_said() {
    let mut state = being(State::Late);
    let start = NOW - 70 * DAY;
    state.rhythm.begin(Some(start), start);
    let mut times: Vec<i64> = (1..12 * 68).map(|item| start + item * 2 * HOUR).collect();
    state.rhythm.learn(&mut times, NOW - 2 * DAY);
    state.same_since_ms = NOW - 47 * HOUR;
    let words = said(&state, Outcome::Same304);
    assert!(words.starts_with("no item for 50 hours: 2"), "{words}");
    assert!(words.contains(" should have come, its limit is 4.0; "), "{words}");
    let end = "its server has said for 47 hours that nothing changed, which is looked into";
    assert!(words.ends_with(end), "{words}");
}

#[test]
fn a_server_that_lies_is_said_to() {
    let state = FeedState { lies_until_ms: NOW + DAY, ..being(State::Fresh) };
    let words = said(&state, Outcome::Same304);
    assert!(words.contains("said \"not modified\" of what was: until 2023-09-05T00:00:00"), "{words}");
    let never = said(&being(State::WrongContent), Outcome::Unasked304);
    assert!(never.contains("says \"not modified\" to who asked for everything (unasked_304)"), "{never}");
}

#[test]
fn every_state_has_a_reason_of_its_own() {
    let mut reasons = std::collections::HashSet::new();
    for state in State::ALL {
        let mut feed = being(state);
        (feed.missing_since_ms, feed.retry_at_ms, feed.looks.fault_polls) = (NOW - 8 * DAY, NOW + HOUR, 4);
        (0..8).for_each(|poll| feed.skew.learn(NOW + 3 * HOUR, NOW + poll));
        let words = said(&feed, Outcome::New);
        // These count what this state of a test has none of.
        let counts = matches!(state, State::Dead | State::Late | State::Stale | State::Churning);
        assert!(counts || !words.contains(" 0 "), "{words}");
        reasons.insert(words);
    }
    // Late, stale and dead say the same of the same evidence.
    assert_eq!(reasons.len(), State::ALL.len() - 2);
    let mut skewed = being(State::ClockSkewed);
    (0..8).for_each(|_| skewed.skew.learn(NOW + 900 * DAY, NOW));
    let words =
        "its items are dated more than 13 days after they appear: its clock or its time zone is wrong";
    assert_eq!(said(&skewed, Outcome::New), words);
    let mut missing = being(State::Gone);
    missing.missing_since_ms = NOW - 8 * DAY;
    let words = "its server has said for 8 days that it is not there (404)";
    assert_eq!(said(&missing, Outcome::ClientError), words);
}
