//! Each state by what makes it, and none by a single poll.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_693_785_600_000;
const CALM: Silence = Silence { nats: 1.0, limit: Some(4.0), since_ms: HOUR };

fn fresh() -> Seen {
    Seen {
        now_ms: NOW,
        interval_ms: HOUR,
        last_success_ms: NOW,
        silence: CALM,
        longest_gap_ms: 8 * HOUR,
        is_gone: false,
        is_throttled: false,
        is_wrong: false,
        is_empty: false,
        is_malformed: false,
        is_churning: false,
        is_undated: false,
        is_skewed: false,
        is_moved: false,
    }
}

#[test]
fn each_state_has_its_evidence_and_the_worst_wins() {
    let silent = |nats, since_ms| Silence { nats, limit: Some(4.0), since_ms };
    let cases = [
        (State::Fresh, fresh()),
        (State::Late, Seen { last_success_ms: NOW - 4 * HOUR, ..fresh() }),
        (State::Late, Seen { silence: silent(4.1, 6 * HOUR), ..fresh() }),
        (State::Late, Seen { silence: silent(9.0, 15 * HOUR), ..fresh() }),
        (State::Stale, Seen { silence: silent(9.0, 17 * HOUR), ..fresh() }),
        (State::Stale, Seen { last_success_ms: NOW - 4 * DAY, ..fresh() }),
        (State::Dead, Seen { last_success_ms: NOW - 15 * DAY, ..fresh() }),
        (State::Dead, Seen { silence: silent(0.0, 91 * DAY), ..fresh() }),
        (State::Gone, Seen { is_gone: true, ..fresh() }),
        (State::Throttled, Seen { is_throttled: true, ..fresh() }),
        (State::WrongContent, Seen { is_wrong: true, is_malformed: true, ..fresh() }),
        (State::SilentEmpty, Seen { is_empty: true, ..fresh() }),
        (State::Malformed, Seen { is_malformed: true, is_undated: true, ..fresh() }),
        (State::Undated, Seen { is_undated: true, ..fresh() }),
        (State::ClockSkewed, Seen { is_skewed: true, ..fresh() }),
        (State::Moved, Seen { is_moved: true, ..fresh() }),
    ];
    for (state, seen) in cases {
        assert_eq!(judge(&seen), state, "{seen:?}");
    }
    let slow = Seen { silence: silent(0.0, 91 * DAY), longest_gap_ms: 30 * DAY, ..fresh() };
    assert_eq!(judge(&slow), State::Fresh, "a yearbook may pause for months");
    let unknown = Silence { nats: 99.0, limit: None, since_ms: 50 * DAY };
    assert_eq!(judge(&Seen { silence: unknown, ..fresh() }), State::Fresh);
    for state in State::ALL {
        assert_eq!(State::from_name(state.name()), Some(state));
    }
    assert!(State::ALL.is_sorted());
}

#[test]
fn one_bad_poll_changes_nothing_and_two_do() {
    let mut health = Health::default();
    assert_eq!(health.update(State::Malformed, NOW), None);
    assert_eq!(health.update(State::Fresh, NOW + 1), None);
    assert_eq!(health.update(State::Malformed, NOW + 2), None);
    assert_eq!(health.update(State::WrongContent, NOW + 3), Some(State::Fresh), "both are worse than fresh");
    assert_eq!((health.state, health.since_ms), (State::WrongContent, NOW + 3));
    assert_eq!(health.update(State::Fresh, NOW + 4), None);
    assert_eq!(health.update(State::Fresh, NOW + 5), Some(State::WrongContent));
    assert_eq!(health.update(State::Moved, NOW + 6), Some(State::Fresh), "a move was believed already");
}

#[test]
fn four_changes_in_a_day_are_flapping_and_a_calm_day_ends_it() {
    let mut health = Health::default();
    let mut now = NOW;
    let mut seen = Vec::new();
    for round in 0..12 {
        let candidate = if round % 2 == 0 { State::Late } else { State::Fresh };
        for _ in 0..2 {
            now += HOUR;
            if health.update(candidate, now).is_some() {
                seen.push(health.state);
            }
        }
    }
    assert_eq!(&seen[..5], [State::Late, State::Fresh, State::Late, State::Fresh, State::Flapping]);
    for _ in 0..30 {
        now += HOUR;
        health.update(State::Fresh, now);
    }
    assert_eq!(health.state, State::Fresh);
}

#[test]
fn clocks_ahead_and_zones_mislabelled_are_skewed_and_slow_desks_are_not() {
    let skew = |minutes: &[i64]| {
        let mut skew = Skew::default();
        for minutes in minutes {
            skew.learn(NOW + minutes * MINUTE, NOW);
        }
        skew
    };
    assert!(!skew(&[180, 180, 180]).is_skewed(HOUR), "too few");
    assert!(skew(&[170, 130, 175, 178]).is_skewed(HOUR), "three hours ahead");
    assert!(!skew(&[-5, -50, -20, -3, -40, -10, -1, -30]).is_skewed(HOUR));
    assert!(skew(&[-190, -182, -200, -185, -230, -181, -188, -210]).is_skewed(HOUR), "three hours behind");
    assert!(!skew(&[-170, -215, -200, -150, -230, -155, -188, -210]).is_skewed(HOUR), "a slow desk");
    assert!(!skew(&[-190, -182, -200, -185, -230, -181, -188, -210]).is_skewed(6 * HOUR));
    assert_eq!(skew(&[10, 20, 30, 40]).median_minutes(), Some(30));
    assert_eq!(skew(&[1_000_000; 20]).minutes.len(), 8);
}

proptest! {
    #[test]
    fn no_single_poll_moves_a_feed(candidates in prop::collection::vec(0_usize..13, 1..80)) {
        let mut health = Health::default();
        let mut had_differed = false;
        for (poll, candidate) in candidates.iter().enumerate() {
            // So far apart that nothing flaps.
            let now = NOW + i64::try_from(poll).unwrap_or(0) * 7 * HOUR;
            let candidate = State::ALL[*candidate];
            let state = health.state;
            if health.update(candidate, now).is_some() {
                prop_assert!(candidate == State::Moved || had_differed, "{state:?} left for {candidate:?}");
                prop_assert_ne!(health.state, state);
            }
            had_differed = candidate != state;
        }
    }
}
