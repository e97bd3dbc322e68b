//! Each rule of the next poll alone, then all of them against what no combination may do.

use proptest::prelude::*;

use super::*;

/// A Monday, 00:00 UTC.
const MONDAY: i64 = 1_693_785_600_000;

fn plan(says: &Says) -> Plan<'_> {
    Plan {
        end_ms: MONDAY,
        floor_ms: says.floor_ms(false),
        interval_ms: 0,
        back_off_ms: 0,
        retry_at_ms: 0,
        says,
        hash: 0,
    }
}

#[test]
fn each_word_puts_the_poll_off_by_itself() {
    let none = Says::default();
    assert_eq!(next_poll(&plan(&none)), MONDAY + HOUR);
    assert_eq!(next_poll(&Plan { interval_ms: 3 * HOUR, ..plan(&none) }), MONDAY + 3 * HOUR);
    assert_eq!(next_poll(&Plan { back_off_ms: 3 * DAY, ..plan(&none) }), MONDAY + 3 * DAY);
    assert_eq!(next_poll(&Plan { retry_at_ms: MONDAY + 2 * DAY, ..plan(&none) }), MONDAY + 2 * DAY);
    let max_age = Says { max_age_s: 7200, ..Says::default() };
    assert_eq!(next_poll(&plan(&max_age)), MONDAY + 2 * HOUR);
    let ttl = Says { ttl_s: 7200, ..Says::default() };
    assert_eq!(next_poll(&plan(&ttl)), MONDAY + 2 * HOUR);
    let period = Says { period_s: 10_800, ..Says::default() };
    assert_eq!(next_poll(&plan(&period)), MONDAY + 3 * HOUR);
    let years = Says { max_age_s: 16 * 365 * 86_400, ttl_s: u32::MAX, period_s: u32::MAX, ..Says::default() };
    assert_eq!(next_poll(&plan(&years)), MONDAY + DAY, "a day is enough");
    assert_eq!(next_poll(&Plan { retry_at_ms: i64::MAX, ..plan(&none) }), MONDAY + WEEK);
}

#[test]
fn a_feed_is_asked_more_often_than_hourly_only_when_somebody_says_so() {
    let floor = |max_age_s, ttl_s, listed| Says { max_age_s, ttl_s, ..Says::default() }.floor_ms(listed);
    assert_eq!(floor(0, 0, false), HOUR);
    assert_eq!(floor(1800, 0, false), HOUR / 2);
    assert_eq!(floor(0, 60, false), 15 * MINUTE);
    assert_eq!(floor(86_400, 86_400, false), HOUR);
    assert_eq!(floor(0, 0, true), 15 * MINUTE);
}

#[test]
fn skip_windows_are_left_and_impossible_ones_ignored() {
    // 01:00 to 04:59, and Tuesday.
    let says = Says { skip_hours: 0b1_1110, skip_days: 0b10, ..Says::default() };
    assert_eq!(next_poll(&plan(&says)), MONDAY + 5 * HOUR);
    assert_eq!(next_poll(&Plan { hash: 999, ..plan(&says) }), MONDAY + 5 * HOUR + 999 * 900);
    let tuesday = Plan { interval_ms: 24 * HOUR, ..plan(&says) };
    assert_eq!(next_poll(&tuesday), MONDAY + 2 * DAY, "Wednesday");
    for always in
        [Says { skip_hours: u32::MAX, ..Says::default() }, Says { skip_days: 127, ..Says::default() }]
    {
        assert_eq!(next_poll(&plan(&always)), MONDAY + HOUR);
        assert!(!is_skipped(MONDAY, &always));
    }
    assert_eq!((hour_of_day(MONDAY - 1), day_of_week(MONDAY - 1), day_of_week(MONDAY)), (23, 6, 0));
}

#[test]
fn two_documents_in_a_row_change_the_interval_and_one_does_not() {
    let adapt = |interval, streak, known, gap| adapt(interval, streak, known, 30, HOUR, gap);
    assert_eq!(adapt(2 * HOUR, 0, 30, None), (2 * HOUR, 1));
    assert_eq!(adapt(2 * HOUR, 1, 30, None), (3 * HOUR, 0));
    assert_eq!(adapt(3 * HOUR, -1, 9, None), (2 * HOUR, 0));
    assert_eq!(adapt(3 * HOUR, 1, 9, None), (3 * HOUR, -1));
    assert_eq!(adapt(3 * HOUR, 1, 15, None), (3 * HOUR, 0));
    assert_eq!(adapt(HOUR, -1, 0, None), (HOUR, 0), "never below the floor");
    assert_eq!(adapt(20 * HOUR, 1, 30, None), (24 * HOUR, 0), "never beyond a day");
    assert_eq!(adapt(2 * HOUR, 1, 30, Some(2 * HOUR)), (2 * HOUR, 0), "never slower than the feed writes");
    assert_eq!(super::adapt(2 * HOUR, 1, 0, 0, HOUR, None), (2 * HOUR, 0));
}

#[test]
fn failures_slow_down_and_never_end_it() {
    let otherwise = |failures| back_off(Failing::Otherwise, failures, HOUR);
    assert_eq!([1, 2, 3, 10].map(otherwise), [HOUR, HOUR * 3 / 2, 2 * HOUR, HOUR * 11 / 2]);
    assert_eq!([100, u32::MAX].map(otherwise), [DAY, DAY]);
    assert_eq!([1, 3, 100].map(|failures| back_off(Failing::Gone, failures, HOUR)), [DAY, 2 * DAY, WEEK]);
    assert_eq!(back_off(Failing::Throttled, 1, HOUR), 4 * HOUR);
    assert_eq!(back_off(Failing::Not, 9, HOUR), 0);
}

fn says() -> impl Strategy<Value = Says> {
    (0_u32..200_000, 0_u32..200_000, 0_u32..200_000, any::<u32>(), any::<u8>()).prop_map(
        |(max_age_s, ttl_s, period_s, skip_hours, skip_days)| Says {
            max_age_s,
            ttl_s,
            period_s,
            skip_hours,
            skip_days,
        },
    )
}

proptest! {
    #[test]
    fn no_combination_polls_early_or_never(
        says in says(),
        end in 0_i64..4_000_000_000_000,
        interval in 0_i64..2 * DAY,
        back_off in 0_i64..10 * DAY,
        retry in 0_i64..10 * DAY,
        hash: u64,
        listed: bool,
    ) {
        let plan = Plan {
            end_ms: end,
            floor_ms: says.floor_ms(listed),
            interval_ms: interval,
            back_off_ms: back_off,
            retry_at_ms: end + retry,
            says: &says,
            hash,
        };
        let next = next_poll(&plan);
        prop_assert!(next >= end + plan.floor_ms && plan.floor_ms >= SHORT_FLOOR_MS);
        prop_assert!(next >= end + (i64::from(says.max_age_s) * SECOND).min(CAP_MS));
        prop_assert!(next >= end + (i64::from(says.ttl_s) * SECOND).min(CAP_MS));
        prop_assert!(next >= end + retry.min(RETRY_AFTER_CAP_MS));
        prop_assert!(!is_skipped(next, &says));
        // A week, its tenth, and the longest window.
        prop_assert!(next <= end + WEEK + WEEK / 10 + WEEK + HOUR, "{}", (next - end) / HOUR);
        prop_assert_eq!(next, next_poll(&plan));
        // More of anything is never earlier, but for the windows.
        let open = Says { skip_hours: 0, skip_days: 0, ..says.clone() };
        let less = next_poll(&Plan { says: &open, ..plan });
        let more = next_poll(&Plan { says: &open, interval_ms: interval + HOUR, retry_at_ms: end + retry + HOUR, ..plan });
        prop_assert!(more >= less);
    }
}
