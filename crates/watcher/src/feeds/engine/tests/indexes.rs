//! An index of sitemaps as a feed, against the engine alone: its schedule and what is known of its articles.

use super::*;
use crate::feeds::reading::Listed;

const DAY_MAP: &str = "https://news.example/day.xml";

fn index(hash: u64, maps: &[(&str, i64)]) -> Answer {
    let listed = maps.iter().map(|(url, modified_ms)| Listed {
        url: (*url).to_owned(),
        modified_ms: (*modified_ms != 0).then_some(*modified_ms),
    });
    whole(hash, Reading { index: Some(listed.collect()), ..reading(Vec::new()) })
}

/// Begins the feed's poll, answers it, and gives back what is asked next.
fn ask(story: &mut Story, answer: Answer) -> Option<(Poll, Request)> {
    let (_, mut done) = story.poll(answer);
    done.more.take().map(|(poll, request)| (*poll, request))
}

fn next(story: &mut Story, poll: Poll, answer: Answer) -> Done {
    match story.follow(poll, answer) {
        Step::Done(done) => *done,
        Step::Ask(_, request) => panic!("asks {}", request.url),
    }
}

#[test]
fn an_index_with_sitemaps_to_ask_in_turn_is_polled_at_the_floor_and_another_as_it_changes() {
    for (modified_ms, hours) in [(0, 1..2), (NOW, 24..27)] {
        let mut story = Story::new();
        let mut asked = ask(&mut story, index(1, &[(DAY_MAP, modified_ms)]));
        for hash in 0..40 {
            if let Some((poll, request)) = asked.take() {
                assert_eq!(request.url.as_str(), DAY_MAP);
                next(&mut story, poll, items(hash + 1, 1..9, NOW));
            }
            asked = ask(&mut story, status(304));
        }
        assert!(hours.contains(&story.hours_to_next()), "{modified_ms}: {} h", story.hours_to_next());
    }
}

#[test]
fn articles_of_one_sitemap_are_not_forgotten_for_those_of_another() {
    let mut story = Story::new();
    let other = "https://news.example/small.xml";
    let (poll, _) = ask(&mut story, index(1, &[(DAY_MAP, NOW), (other, NOW - DAY)])).expect("the newest");
    let mut done = next(&mut story, poll, items(1, 1..600, NOW));
    assert_eq!((done.counts.new, done.is_sitemap()), (599, true));
    let (poll, request) = done.more.take().expect("the other");
    assert_eq!(request.url.as_str(), other);
    let done = next(&mut story, *poll, items(2, 1000..1002, NOW));
    assert_eq!((done.counts.new, done.more.is_none()), (2, true));
    let (poll, _) =
        ask(&mut story, index(2, &[(DAY_MAP, NOW + DAY), (other, NOW - DAY)])).expect("it changed");
    let done = next(&mut story, poll, items(3, 1..601, NOW));
    assert_eq!((done.counts.new, done.counts.known), (1, 599));
}

#[test]
fn a_sitemap_has_its_own_validators_and_redirects_of_its_own_and_moves_no_feed() {
    let mut story = Story::new();
    let (poll, request) = ask(&mut story, index(1, &[(DAY_MAP, 0)])).expect("it");
    assert!(!request.is_conditional() && !poll.is_whole(), "it is not the feed that is asked whole");
    next(&mut story, poll, items(7, 1..9, NOW));
    for day in 0..3 {
        story.now_ms += DAY;
        let (poll, request) = ask(&mut story, status(304)).expect("in turn");
        let tag: Option<&[u8]> = if day == 0 { Some(b"W/\"7\"") } else { None };
        assert_eq!(request.etag.as_deref(), tag, "that of the sitemap, to who gave it");
        let Step::Ask(poll, request) = story.follow(poll, redirect(301, "/moved.xml")) else {
            panic!("a redirect");
        };
        assert_eq!((request.url.path(), request.is_conditional()), ("/moved.xml", day > 0));
        next(&mut story, *poll, items(7, 1..9, NOW));
    }
    assert_eq!((story.state.url.as_str(), story.state.moving.is_none()), (URL, true));
    assert_eq!(story.state.failures, 0);
}

#[test]
fn a_late_index_is_asked_whole_and_so_are_its_sitemaps() {
    let mut story = Story::new();
    let (poll, _) = ask(&mut story, index(1, &[(DAY_MAP, 0)])).expect("it");
    next(&mut story, poll, items(7, 1..9, NOW));
    let (poll, request) = ask(&mut story, status(304)).expect("in turn");
    assert!(request.is_conditional());
    next(&mut story, poll, status(304));
    (story.state.honesty.is_doubted, story.now_ms) = (true, story.now_ms + 2 * DAY);
    let (poll, request) = story.begin();
    assert!(!request.is_conditional());
    let mut done = next(&mut story, poll, index(1, &[(DAY_MAP, 0)]));
    let (_, request) = done.more.take().expect("in turn");
    assert!(!request.is_conditional());
}
