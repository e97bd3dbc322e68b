//! Subscriptions told as short stories, with a clock that is set.

use super::*;

const NOW: i64 = 1_693_785_600_000;
const HUB: &str = "https://hub.example/";
const TOPIC: &str = "https://news.example/feed";

fn subscription() -> Subscription {
    let offer = Offer { hub: HUB.into(), topic: TOPIC.into() };
    Subscription::new("news", offer, "https://barid.example/hub/00ff".into(), "secret".into(), NOW)
}

fn reply(subscription: &mut Subscription, reply: Reply, now_ms: i64) {
    subscription.replied(&reply, &Url::parse(HUB).expect("a URL"), &Allowed::default(), now_ms);
}

/// Asked, accepted and confirmed for so long.
fn held(lease_s: i64) -> Subscription {
    let mut held = subscription();
    held.ask(NOW);
    reply(&mut held, Reply::Accepted, NOW + 100);
    assert!(held.confirm(Mode::Subscribe, TOPIC, Some(lease_s), 0, NOW + 200));
    held
}

#[test]
fn a_hub_is_asked_in_its_own_words() {
    let mut one = subscription();
    assert!(one.is_due(NOW) && one.standing(NOW) == Standing::Asked);
    let (url, form) = one.ask(NOW);
    assert_eq!(url, HUB);
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let wanted = [
        ("hub.callback", "https://barid.example/hub/00ff"),
        ("hub.mode", "subscribe"),
        ("hub.topic", TOPIC),
        ("hub.lease_seconds", "864000"),
        ("hub.secret", "secret"),
    ];
    assert_eq!(pairs, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    one.end(NOW);
    let (_, form) = one.ask(NOW);
    assert!(form.contains("hub.mode=unsubscribe") && !form.contains("secret"), "{form}");
}

#[test]
fn only_what_was_asked_for_is_confirmed() {
    let mut one = subscription();
    assert!(!one.confirm(Mode::Subscribe, TOPIC, Some(60), 0, NOW), "nobody asked");
    one.ask(NOW);
    assert!(!one.confirm(Mode::Unsubscribe, TOPIC, Some(60), 0, NOW + 1), "not for that");
    assert!(!one.confirm(Mode::Subscribe, "https://news.example/other", Some(60), 0, NOW + 1), "not that");
    assert!(!one.confirm(Mode::Subscribe, TOPIC, Some(60), 0, NOW + DAY + 1), "long ago");
    assert!(!one.holds(NOW + 1));
    assert!(one.confirm(Mode::Subscribe, TOPIC, Some(6000), 0, NOW + 5000), "before its 202");
    assert!(one.confirm(Mode::Subscribe, TOPIC, Some(6000), 0, NOW + 6000), "our answer got lost");
    assert_eq!((one.held_ms(NOW + 7000), one.until_ms()), (NOW + 5000, NOW + 6000 + 6_000_000));
    assert_eq!(one.standing(NOW + 7000), Standing::Unproven);
    reply(&mut one, Reply::Accepted, NOW + 8000);
    assert!(!one.is_due(NOW + HOUR) && one.is_due(NOW + 2 * HOUR), "the 202 changes nothing then");
}

#[test]
fn a_lease_is_renewed_in_time_and_through_failures_holds_to_its_end() {
    let mut one = held(10 * DAY / SECOND);
    let renewal = NOW + 200 + 10 * DAY * 2 / 3;
    assert!((one.next_ms - renewal).abs() < 10 && !one.is_due(renewal - MINUTE));
    let (held_ms, until_ms) = (one.held_ms(renewal), one.until_ms());
    let (mut now, mut tries) = (one.next_ms, 0);
    while now < until_ms {
        one.ask(now);
        reply(&mut one, Reply::Failed(None), now + 1000);
        (now, tries) = (one.next_ms, tries + 1);
        assert!(one.holds(until_ms - 1), "until it ends");
    }
    assert!((5..=8).contains(&tries), "{tries} in 3.3 days");
    assert_eq!((one.standing(until_ms), one.holds(until_ms)), (Standing::Expired, false));
    one.ask(now);
    assert!(one.confirm(Mode::Subscribe, TOPIC, None, 0, now + 500));
    assert_eq!(one.held_ms(now + 500), now + 500, "there was a gap");
    let again = one.next_ms;
    one.ask(again);
    assert!(one.confirm(Mode::Subscribe, TOPIC, None, 0, again + 500));
    assert_eq!(one.held_ms(again + 500), now + 500, "no gap this time");
    assert!(held_ms < now);
    let early = held(600);
    assert_eq!(early.next_ms, NOW + 200 + 10 * MINUTE, "a lease of ten minutes is not renewed every seven");
    let mut spread = subscription();
    spread.ask(NOW);
    spread.confirm(Mode::Subscribe, TOPIC, Some(6 * DAY / SECOND), 999, NOW);
    assert!(
        spread.next_ms < NOW + 3 * DAY + HOUR && spread.next_ms > NOW + 3 * DAY,
        "half a lease at the soonest"
    );
    let mut long = subscription();
    long.ask(NOW);
    long.confirm(Mode::Subscribe, TOPIC, Some(i64::MAX), 0, NOW);
    assert_eq!(long.until_ms(), NOW + 30 * DAY);
}

#[test]
fn who_does_not_ask_back_or_fails_is_asked_ever_later() {
    let mut silent = subscription();
    let mut pauses = Vec::new();
    let mut now = NOW;
    for _ in 0..4 {
        silent.ask(now);
        reply(&mut silent, Reply::Accepted, now);
        pauses.push((silent.next_ms - now) / MINUTE);
        now = silent.next_ms;
    }
    assert_eq!(pauses, [60, 60, 160, 640], "it may ask back for an hour");
    let mut failing = subscription();
    let mut now = NOW;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        failing.ask(now);
        reply(&mut failing, Reply::Failed(None), now);
        pauses.push((failing.next_ms - now) / MINUTE);
        now = failing.next_ms;
    }
    assert_eq!(pauses, [10, 40, 160, 640, 1440, 1440]);
    assert_eq!(failing.standing(now), Standing::Asked);
    failing.ask(now);
    reply(&mut failing, Reply::Failed(Some(3 * DAY)), now);
    assert_eq!(failing.next_ms, now + 3 * DAY, "as it asked");
    reply(&mut failing, Reply::Refused, now);
    assert_eq!(failing.standing(now), Standing::Refused);
    for (status, location, wanted) in [
        (202, None, Reply::Accepted),
        (204, None, Reply::Accepted),
        (307, Some("/x"), Reply::Elsewhere("/x".into())),
        (308, None, Reply::Refused),
        (303, Some("/x"), Reply::Refused),
        (404, None, Reply::Refused),
        (429, None, Reply::Failed(Some(7))),
        (503, None, Reply::Failed(Some(7))),
    ] {
        assert_eq!(Reply::of(status, location, Some(7)), wanted, "{status}");
    }
    for (status, pause_ms) in [(429, Some(10 * MINUTE)), (502, Some(10 * MINUTE)), (408, None)] {
        assert_eq!(Reply::of(status, None, None), Reply::Failed(pause_ms), "{status}");
    }
}

#[test]
fn a_hub_may_send_us_on_but_not_inside_and_not_in_circles() {
    let mut one = subscription();
    one.ask(NOW);
    reply(&mut one, Reply::Elsewhere("https://second.example/h".into()), NOW);
    assert!(one.is_due(NOW) && one.target() == "https://second.example/h");
    assert_eq!(one.ask(NOW).0, "https://second.example/h");
    reply(&mut one, Reply::Accepted, NOW);
    assert_eq!(one.ask(NOW + HOUR).0, HUB, "the next time it is asked where it is known");
    for inside in ["http://127.0.0.1/", "http://hub.example/", "ftp://hub.example/"] {
        reply(&mut one, Reply::Elsewhere(inside.into()), NOW);
        assert_eq!((one.standing(NOW), one.is_due(NOW)), (Standing::Refused, false), "{inside}");
    }
    let mut circle = subscription();
    let mut asked = 0;
    while circle.is_due(NOW) {
        circle.ask(NOW);
        reply(&mut circle, Reply::Elsewhere("/again".into()), NOW);
        asked += 1;
    }
    assert_eq!(asked, 6);
}

#[test]
fn a_denied_subscription_is_over_for_a_week() {
    let mut one = held(10 * DAY / SECOND);
    assert!(!one.deny("https://news.example/other", NOW + HOUR) && one.holds(NOW + HOUR));
    assert!(one.deny(TOPIC, NOW + HOUR));
    assert_eq!((one.standing(NOW + HOUR), one.holds(NOW + HOUR)), (Standing::Refused, false));
    assert!(!one.is_due(NOW + 6 * DAY) && one.is_due(NOW + 8 * DAY) && !one.is_over(NOW + 8 * DAY));
    // A hub may deny before it has answered the request: what it answers then is not asked for again.
    for late in [Reply::Accepted, Reply::Refused, Reply::Failed(None), Reply::Elsewhere("/x".into())] {
        let mut one = subscription();
        one.ask(NOW);
        assert!(one.deny(TOPIC, NOW + 100));
        reply(&mut one, late.clone(), NOW + 200);
        assert!(!one.is_due(NOW + 6 * DAY) && one.is_due(NOW + 8 * DAY), "{late:?}");
        assert!(!one.confirm(Mode::Subscribe, TOPIC, None, 0, NOW + 300), "it said no");
    }
}

#[test]
fn an_end_is_asked_for_confirmed_and_forgotten_or_given_up() {
    let mut one = held(10 * DAY / SECOND);
    one.end(NOW + HOUR);
    assert_eq!((one.standing(NOW + HOUR), one.is_due(NOW + HOUR)), (Standing::Ending, true));
    assert!(!one.confirm(Mode::Unsubscribe, TOPIC, None, 0, NOW + HOUR), "not asked for yet");
    one.ask(NOW + HOUR);
    assert!(!one.confirm(Mode::Subscribe, TOPIC, None, 0, NOW + HOUR), "it wants us back");
    assert!(!one.is_over(NOW + HOUR) && !one.deny(TOPIC, NOW + HOUR));
    let mut stubborn = one.clone();
    assert!(one.confirm(Mode::Unsubscribe, TOPIC, None, 0, NOW + HOUR) && one.is_over(NOW + HOUR));
    for _ in 0..5 {
        assert!(!stubborn.is_over(NOW + HOUR));
        reply(&mut stubborn, Reply::Failed(None), NOW + HOUR);
    }
    assert!(stubborn.is_over(NOW + HOUR));
    let mut never = subscription();
    never.end(NOW);
    assert!(never.is_over(NOW), "what never held need not be ended");
    let mut unlisted = held(600);
    unlisted.is_offered = false;
    assert!(!unlisted.is_due(NOW + DAY) && !unlisted.is_over(NOW + MINUTE) && unlisted.is_over(NOW + DAY));
}

#[test]
fn a_row_is_read_back_and_a_damaged_one_is_none() {
    let one = held(6000);
    let bytes = one.to_bytes();
    assert_eq!(Subscription::from_bytes(&bytes).as_ref(), Some(&one));
    for cut in 0..bytes.len() {
        assert_eq!(Subscription::from_bytes(&bytes[..cut]), None, "cut at {cut}");
    }
    assert!(bytes.len() < 400, "{} bytes", bytes.len());
    let earlier = [&[EARLIER.0], &bytes[1..bytes.len() - EARLIER.1.len()]].concat();
    assert_eq!(Subscription::from_bytes(&earlier), Some(one), "its lease, secret and address stay");
}

#[test]
fn the_usual_time_counts_only_while_the_plan_is_the_one_that_was_put_off() {
    let mut one = held(10 * DAY / SECOND);
    assert_eq!(one.usual_ms(0), None);
    assert!(one.put_off(Some((NOW + HOUR, NOW + 4 * HOUR))));
    assert!(!one.put_off(Some((NOW + HOUR, NOW + 4 * HOUR))), "nothing new");
    assert_eq!(one.usual_ms(NOW + 4 * HOUR), Some(NOW + HOUR));
    assert_eq!(one.usual_ms(NOW + DAY), None, "a poll failed since then, and the feed is left alone");
    assert!(one.put_off(None) && !one.put_off(None));
    assert_eq!(one.usual_ms(NOW + 4 * HOUR), None);
}
