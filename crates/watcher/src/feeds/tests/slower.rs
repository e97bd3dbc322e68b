//! Polls that come later for a hub that has proved itself: how much later, and when as usual again.

use std::time::Duration;

use super::hub::{question, until};
use super::pushed::Story;
use crate::feeds::policy::{HOUR, MINUTE, SECOND};
use crate::feeds::websub::lease::Standing;

/// Lets the hub bring two new items, and polls once: from then on it is relied on.
fn prove(story: &Story) {
    story.publish("found", story.now_ms());
    story.poll(2 * HOUR);
    story.subscribe();
    for id in ["b", "c"] {
        story.publish(id, story.now_ms());
        assert_eq!(story.hub.bring(&story.topic(), &story.whole()), 200);
    }
    // The next poll is planned already; the one after it is later.
    story.poll(2 * HOUR);
    until("it shows", || story.standing(Standing::Active) == 1);
    story.publisher.asked();
}

/// A moment in which a start would ask whom it thinks due.
fn a_moment(story: &Story) {
    story.place.later(2 * SECOND);
    std::thread::sleep(Duration::from_millis(500));
}

/// One that is relied on, and whose next poll is hours away.
fn relied_on() -> Story {
    let story = Story::with_a_past(8 * HOUR, 100);
    story.place.beside(|| prove(&story));
    story
}

#[test]
fn a_proven_hub_makes_polls_rarer_and_one_missed_item_brings_them_back() {
    let story = Story::with_a_past(8 * HOUR, 100);
    story.place.beside(|| {
        prove(&story);
        story.place.later(3 * HOUR);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(story.publisher.asked().len(), 0, "no poll within four hours");
        // Two items that no push brings: one an hour old, the other on its way perhaps.
        story.publish("d", story.now_ms());
        story.publish("e", story.now_ms() + 2 * HOUR - MINUTE);
        story.poll(2 * HOUR);
        assert_eq!(story.place.metrics.websub.all_missed(), 1);
        until("it shows", || story.standing(Standing::Unproven) == 1);
        story.publish("f", story.now_ms());
        story.poll(3 * HOUR);
        story.poll(3 * HOUR);
        assert_eq!(story.place.metrics.websub.all_missed(), 2, "and it was polled as usual");
    });
    let keys = story.place.keys();
    assert_eq!(keys[keys.len() - 5..], ["b", "c", "d", "e", "f"]);
}

#[test]
fn a_hub_that_falls_silent_costs_no_item_of_a_window_that_is_soon_full() {
    // An item each six minutes and room for twenty: two hours.
    let story = Story::with_a_past(6 * MINUTE, 20);
    story.place.beside(|| {
        prove(&story);
        let mut published = 0;
        for _ in 0..4 {
            let from_ms = story.now_ms();
            for n in 1..=13 {
                published += 1;
                story.publish(&format!("silent{published}"), from_ms + n * 6 * MINUTE);
            }
            story.keep(20);
            // Not hours later.
            story.poll(80 * MINUTE);
        }
    });
    let keys = story.place.keys();
    let silent = keys.iter().filter(|key| key.starts_with("silent")).count();
    assert_eq!(silent, 52, "{:?}", &keys[keys.len() - 60..]);
}

#[test]
fn after_a_start_a_feed_is_asked_as_if_there_were_no_hub() {
    let story = relied_on();
    story.place.beside(|| story.poll(2 * HOUR));
    assert_eq!(story.place.metrics.violations(), 0);
}

#[test]
fn a_poll_that_died_is_not_begun_again_before_its_time() {
    let story = relied_on();
    story.says("");
    story.place.beside(|| {
        story.place.later(2 * HOUR);
        until("it is asked", || !story.publisher.asked().is_empty());
    });
    story.says("200 OK");
    story.place.beside(|| {
        a_moment(&story);
        story.place.later(30 * MINUTE);
        a_moment(&story);
        assert_eq!((story.publisher.asked().len(), story.place.metrics.violations()), (0, 0));
        story.poll(4 * HOUR);
    });
    assert_eq!(story.place.metrics.violations(), 0);
}

#[test]
fn a_poll_without_a_lease_ends_what_was_usual_before() {
    let story = relied_on();
    story.place.beside(|| {
        let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
        let denied = [("hub.mode", "denied"), ("hub.topic", &story.topic())];
        assert_eq!(question(&to.callback, &denied).0, 200);
        story.poll(5 * HOUR);
    });
    story.publisher.asked();
    story.place.beside(|| a_moment(&story));
    assert_eq!((story.publisher.asked().len(), story.place.metrics.violations()), (0, 0));
}

#[test]
fn a_feed_that_is_gone_is_left_alone_after_a_start_too() {
    let story = relied_on();
    story.says("410 Gone");
    story.place.beside(|| story.poll(5 * HOUR));
    story.publisher.asked();
    story.place.later(2 * HOUR);
    story.place.beside(|| a_moment(&story));
    assert_eq!((story.publisher.asked().len(), story.place.metrics.violations()), (0, 0));
}

#[test]
fn an_article_that_a_hub_brings_late_puts_nothing_back_and_is_settled_by_a_poll() {
    let story = relied_on();
    let before = story.place.keys().len();
    story.place.beside(|| {
        let old = story.whole();
        story.poll(5 * HOUR);
        story.publisher.asked();
        let corrected = old.replace("Text of c", "Corrected text of c");
        assert_eq!(story.hub.bring(&story.topic(), &corrected), 200);
        // Hours before its turn; what the publisher shows is what it showed before.
        story.poll(2 * HOUR);
    });
    assert_eq!((story.place.keys().len(), story.place.metrics.violations()), (before, 0));
}
