//! Polls told as short stories against the engine alone.

use super::super::policy::MINUTE;
use super::super::reading::Item;
use super::super::state::Known;
use super::*;
use crate::feeds::policy::{HOUR, SECOND};

mod indexes;
mod lying;

const NOW: i64 = 1_693_785_600_000;
const URL: &str = "https://news.example/feed";

/// A feed, the poller's side of it.
struct Story {
    feed: Feed,
    state: FeedState,
    now_ms: i64,
    frozen: bool,
}

impl Story {
    fn new() -> Self {
        let feed = Feed { id: "news".into(), url: URL.into(), is_listed: false };
        let state = FeedState::new(URL.into(), feed.hash(), NOW, NOW);
        Self { feed, state, now_ms: NOW, frozen: false }
    }

    fn begin(&mut self) -> (Poll, Request) {
        self.now_ms = self.now_ms.max(self.state.next_ms);
        begin(&self.state, self.now_ms, &Allowed::default(), false).expect("a good address")
    }

    fn follow(&mut self, poll: Poll, answer: Answer) -> Step {
        self.now_ms += 300;
        follow(&self.feed, &mut self.state, poll, answer, self.now_ms, &Allowed::default(), self.frozen)
    }

    /// Waits for the next poll and answers it.
    fn poll(&mut self, answer: Answer) -> (Request, Done) {
        let (poll, request) = self.begin();
        match self.follow(poll, answer) {
            Step::Done(done) => (request, *done),
            Step::Ask(_, request) => panic!("asks {}", request.url),
        }
    }

    /// Waits for the next poll and answers it with redirects, then with the document.
    fn poll_through(&mut self, redirects: &[(u16, &str)], answer: Answer) -> (Request, Done) {
        let (mut poll, mut request) = self.begin();
        for (status, location) in redirects {
            match self.follow(poll, redirect(*status, location)) {
                Step::Ask(next, asked) => (poll, request) = (*next, asked),
                Step::Done(done) => return (request, *done),
            }
        }
        match self.follow(poll, answer) {
            Step::Done(done) => (request, *done),
            Step::Ask(_, request) => panic!("asks {}", request.url),
        }
    }

    fn hours_to_next(&self) -> i64 {
        (self.state.next_ms - self.state.start_ms) / HOUR
    }
}

fn came(status: u16) -> Came {
    Came {
        status,
        etag: None,
        last_modified: None,
        max_age_s: 0,
        retry_after_ms: None,
        location: None,
        is_challenge: false,
        is_cut: false,
        cookies: Vec::new(),
        content: None,
    }
}

fn status(status: u16) -> Answer {
    Answer::Came(came(status))
}

fn redirect(status: u16, location: &str) -> Answer {
    Answer::Came(Came { location: Some(location.into()), ..came(status) })
}

fn item(id: u64, content: u64, published_ms: i64) -> Item {
    Item {
        id: id.to_string(),
        id_hash: id << 32,
        content_hash: content << 32,
        published_ms: Some(published_ms),
        ..Item::default()
    }
}

fn reading(items: Vec<Item>) -> Reading {
    Reading { title_hash: 1, arabic_percent: 95, items, ..Reading::default() }
}

fn whole(hash: u64, reading: Reading) -> Answer {
    let content = Some(Content::Feed { hash, reading: Box::new(reading) });
    Answer::Came(Came {
        etag: Some(format!("W/\"{hash}\"").into_bytes()),
        last_modified: Some(b"Mon, 04 Sep 2023 00:00:00 GMT".to_vec()),
        content,
        ..came(200)
    })
}

/// A document of these items, newest first as feeds have them.
fn items(hash: u64, ids: std::ops::Range<u64>, now_ms: i64) -> Answer {
    whole(hash, reading(ids.rev().map(|id| item(id, 1, now_ms - HOUR)).collect()))
}

#[test]
fn each_item_comes_once_and_again_when_it_changes_and_oldest_first() {
    let mut story = Story::new();
    let now = NOW;
    let ids =
        |done: &Done| done.items.iter().map(|one| (one.item.id.clone(), one.is_update)).collect::<Vec<_>>();
    let (request, done) = story.poll(items(1, 1..4, now));
    assert_eq!((request.etag, done.outcome, done.counts.new), (None, Outcome::New, 3));
    assert_eq!(ids(&done), [("1".into(), false), ("2".into(), false), ("3".into(), false)]);
    assert_eq!(done.overlap, None);
    let (request, done) = story.poll(items(2, 2..6, now));
    assert_eq!(request.etag.as_deref(), Some(b"W/\"1\"".as_slice()), "verbatim");
    assert_eq!(
        request.last_modified.as_deref(),
        Some(b"Mon, 04 Sep 2023 00:00:00 GMT".as_slice()),
        "as a pair"
    );
    assert_eq!((ids(&done), done.overlap), (vec![("4".into(), false), ("5".into(), false)], Some(0.5)));
    let changed = reading(vec![item(5, 2, now), item(4, 1, now), item(4, 1, now)]);
    let (_, done) = story.poll(whole(3, changed));
    assert_eq!((ids(&done), done.counts.known, done.counts.updated), (vec![("5".into(), true)], 2, 1));
    let (_, done) = story.poll(status(304));
    assert_eq!((done.outcome, done.items.len()), (Outcome::Same304, 0));
    let same = Answer::Came(Came { content: Some(Content::Same), ..came(200) });
    assert_eq!(story.poll(same).1.outcome, Outcome::SameHash);
    assert_eq!(story.begin().1.etag, None, "that answer had no validators, so there are none");
}

#[test]
fn a_push_delivers_what_is_new_and_leaves_what_changed_to_a_poll() {
    let url = || Url::parse(URL).expect("a URL");
    let content = |items| Content::Feed { hash: 9, reading: Box::new(reading(items)) };
    let mut story = Story::new();
    story.poll(items(1, 1..4, NOW));
    let known = vec![item(3, 2, NOW), item(2, 1, NOW), item(1, 1, NOW)];
    story.poll(whole(2, reading(known)));
    story.state.next_ms = story.state.start_ms + 9 * HOUR;
    // Out of a queue: what the third said before it was corrected, and a new one that was never seen.
    let before = story.state.clone();
    let late = content(vec![item(4, 1, NOW), item(3, 1, NOW), item(2, 1, NOW)]);
    let now_ms = before.start_ms + 5 * MINUTE;
    let done = push(&story.feed, &mut story.state, late, url(), before.start_ms, now_ms);
    let ids: Vec<_> = done.items.iter().map(|one| (one.item.id.as_str(), one.is_update)).collect();
    assert_eq!((ids, done.outcome, done.counts.known), (vec![("4", false)], Outcome::New, 1));
    let (old, new) = (Known::new(3 << 32, 1 << 32), Known::new(3 << 32, 2 << 32));
    assert!(story.state.known.contains(&new) && !story.state.known.contains(&old), "nothing is remembered");
    assert_eq!(story.hours_to_next(), 1, "a poll settles it, at the feed's floor");
    assert!(story.state.next_ms >= before.start_ms + HOUR);
    let (_, done) = story.poll(whole(3, reading(vec![item(4, 1, NOW), item(3, 2, NOW)])));
    assert_eq!((done.items.len(), done.counts.known), (0, 2), "it did not change");
    // Alone it is no news, and no empty feed; a poll that began and died counts as one.
    story.state.next_ms = story.state.start_ms + 9 * HOUR;
    let asked_ms = story.state.start_ms + 2 * HOUR;
    let again = content(vec![item(3, 1, NOW)]);
    let done = push(&story.feed, &mut story.state, again, url(), asked_ms, asked_ms + MINUTE);
    assert_eq!((done.outcome, done.items.len(), story.hours_to_next()), (Outcome::SameHash, 0, 3));
    // Who fails is left alone for as long as before.
    (story.state.failures, story.state.next_ms) = (1, story.state.start_ms + 9 * HOUR);
    push(&story.feed, &mut story.state, content(vec![item(3, 1, NOW)]), url(), asked_ms, asked_ms + HOUR);
    assert_eq!(story.hours_to_next(), 9);
}

#[test]
fn a_window_that_shares_nothing_with_the_last_is_an_overrun() {
    let mut story = Story::new();
    story.poll(items(1, 1..31, NOW));
    let (_, done) = story.poll(items(2, 40..70, NOW));
    assert_eq!((done.is_overrun, done.overlap, story.state.overruns), (true, Some(0.0), 1));
    let (_, done) = story.poll(items(3, 69..99, NOW));
    assert_eq!((done.is_overrun, story.state.overruns), (false, 1));
}

#[test]
fn a_move_for_good_is_stored_when_it_holds_for_a_day_and_validators_go_to_who_gave_them() {
    const NEW: &str = "https://news.example/new";
    let mut story = Story::new();
    let (request, done) = story.poll_through(&[(301, "/new")], items(1, 1..9, NOW));
    assert_eq!((request.url.as_str(), done.outcome), (NEW, Outcome::New));
    assert_eq!(story.begin().1.etag, None, "the old address gave no validator");
    let (request, done) = story.poll_through(&[(301, "/new")], status(304));
    assert_eq!(request.etag.as_deref(), Some(b"W/\"1\"".as_slice()), "the new one did");
    assert_eq!((done.outcome, story.state.url.as_str()), (Outcome::Same304, URL));
    story.now_ms += DAY;
    let (_, done) = story.poll_through(&[(301, "/new")], items(2, 1..12, NOW));
    assert_eq!((done.outcome, story.state.url.as_str()), (Outcome::Moved, NEW));
    assert_eq!(story.state.health.state, State::Moved);
    let (request, _) = story.poll(status(304));
    assert_eq!((request.url.as_str(), request.etag.is_some()), (NEW, true));
}

#[test]
fn a_move_for_now_a_wavering_one_and_one_behind_it_are_not_stored() {
    for redirects in [&[(302, "/new")][..], &[(307, "/new"), (301, "/newer")]] {
        let mut story = Story::new();
        for hash in 1..5 {
            story.poll_through(redirects, items(hash, 1..9, NOW));
            story.now_ms += DAY;
        }
        assert_eq!(story.state.url, URL);
    }
    let mut story = Story::new();
    for hash in 1..9 {
        let to = if hash % 2 == 0 { "/even" } else { "/odd" };
        story.poll_through(&[(308, to)], items(hash, 1..9, NOW));
        story.now_ms += DAY;
    }
    assert_eq!(story.state.url, URL);
}

#[test]
fn redirects_end_and_lead_to_no_forbidden_place() {
    let mut story = Story::new();
    let round = [(302, "/a"), (302, "/b"), (302, "/c"), (302, "/d"), (302, "/e"), (302, "/f")];
    assert_eq!(story.poll_through(&round, status(200)).1.outcome, Outcome::ClientError);
    for (location, outcome) in [
        ("http://news.example/feed", Outcome::RefusedAddress),
        ("https://127.0.0.1/", Outcome::RefusedAddress),
        ("https://[::ffff:169.254.169.254]/", Outcome::RefusedAddress),
        ("file:///etc/passwd", Outcome::RefusedAddress),
        ("https://", Outcome::ClientError),
    ] {
        assert_eq!(story.poll(redirect(301, location)).1.outcome, outcome, "{location}");
    }
    assert_eq!(story.poll(status(301)).1.outcome, Outcome::ClientError, "no Location");
    assert!(story.state.moving.is_none());
}

#[test]
fn failures_slow_a_feed_down_and_success_forgives() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    let mut longest = 0;
    for _ in 0..60 {
        story.poll(status(500));
        longest = longest.max(story.hours_to_next());
    }
    assert!((20..=27).contains(&longest), "{longest} h");
    story.poll(status(304));
    assert_eq!((story.state.failures, story.hours_to_next()), (0, 1));
    for _ in 0..30 {
        story.poll(status(410));
    }
    assert!(story.hours_to_next() >= 7 * 24 && story.hours_to_next() <= 8 * 24);
    assert_eq!(story.state.health.state, State::Dead);
    story.poll(items(2, 1..12, NOW));
    story.poll(items(3, 1..15, NOW));
    assert_eq!(story.state.health.state, State::Fresh, "never given up");
}

#[test]
fn who_asks_for_time_gets_it_for_the_feed_or_for_the_whole_domain() {
    let after =
        |status, hours: i64| Answer::Came(Came { retry_after_ms: Some(hours * HOUR), ..came(status) });
    let mut story = Story::new();
    let (_, done) = story.poll(after(503, 5));
    assert!(done.domain_until_ms.is_none() && story.state.next_ms >= story.now_ms + 5 * HOUR);
    let (_, done) = story.poll(after(429, 7));
    let (domain, until) = done.domain_until_ms.expect("the whole domain");
    assert_eq!((domain, until), (Domain::of(&Url::parse(URL).expect("a URL")), story.now_ms + 7 * HOUR));
    assert!(story.state.next_ms >= until);
    let (_, done) = story.poll(status(429));
    assert!(done.domain_until_ms.is_some_and(|(_, until)| until >= story.now_ms + 2 * HOUR));
    assert_eq!(story.state.health.state, State::Throttled, "three in a row");
}

#[test]
fn a_year_of_retry_after_is_a_week_for_the_feed_and_a_day_for_its_neighbours() {
    let after = |status, ms: i64| Answer::Came(Came { retry_after_ms: Some(ms), ..came(status) });
    for ms in [365 * DAY, 251_708_399_099_000, i64::MAX] {
        let mut story = Story::new();
        let (_, done) = story.poll(after(429, ms));
        let now_ms = story.now_ms;
        assert_eq!(done.domain_until_ms.map(|(_, until)| until), Some(now_ms + DAY));
        assert_eq!(story.state.refusal(now_ms).map(|(_, until)| until), Some(now_ms + DAY), "over a restart");
        assert_eq!(story.state.retry_at_ms, now_ms + WEEK);
        assert!((7 * 24..8 * 24).contains(&story.hours_to_next()), "{} h", story.hours_to_next());
        story.poll(items(1, 1..9, NOW));
        assert_eq!(story.state.refused, None, "it answers again");
        let mut weak = Story::new();
        weak.poll(after(503, ms));
        assert_eq!(
            weak.state.retry_at_ms,
            weak.now_ms + WEEK,
            "or its next poll would be too soon for a year"
        );
        let (_, request) = weak.begin();
        assert_eq!(
            crate::feeds::guard::broken(&weak.feed, &weak.state, &request, false, weak.now_ms),
            None,
            "the schedule and the guard agree"
        );
    }
    for ms in [0, -5] {
        let mut story = Story::new();
        let (_, done) = story.poll(after(429, ms));
        let until = done.domain_until_ms.map_or(0, |(_, until)| until);
        assert!(until >= story.now_ms + 2 * HOUR, "a time that has passed is none");
    }
}

#[test]
fn a_cached_answer_is_not_asked_for_before_it_is_stale() {
    let mut story = Story::new();
    let max_age = |max_age_s| Answer::Came(Came { max_age_s, ..came(304) });
    story.poll(items(9, 1..9, NOW));
    story.poll(max_age(10_000));
    assert!(story.state.next_ms >= story.now_ms + 10_000 * SECOND);
    story.poll(max_age(0));
    assert_eq!(story.hours_to_next(), 1, "what it said last counts");
    let windows = Reading { ttl_s: 9000, skip_hours: 0xff_ff00, ..reading(vec![item(1, 1, NOW)]) };
    story.poll(whole(1, windows));
    assert!(story.state.next_ms >= story.state.start_ms + 9000 * SECOND);
    for _ in 0..20 {
        story.poll(status(304));
        assert!(!crate::feeds::policy::is_skipped(story.state.next_ms, &story.state.says));
    }
}

#[test]
fn our_own_outage_is_nobodys_failure() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    story.frozen = true;
    for _ in 0..30 {
        story.poll(Answer::Failed(Failure::Dns));
        story.poll(Answer::Failed(Failure::Timeout));
    }
    assert_eq!((story.state.failures, story.state.health.state), (0, State::Fresh));
    assert_eq!(story.hours_to_next(), 1);
    story.poll(Answer::Failed(Failure::Tls));
    assert_eq!(story.state.failures, 1, "that was the feed's");
}

#[test]
fn a_failed_poll_confirms_no_silence_and_ends_none() {
    let mut story = Story::new();
    let old = || items(1, 1..9, NOW - 1189 * DAY);
    story.poll(old());
    story.poll(status(502));
    assert_eq!(story.state.health.state, State::Fresh, "one document with old dates, and one failure");
    story.poll(items(2, 1..10, NOW - 1189 * DAY));
    assert_eq!(story.state.health.state, State::Fresh, "an item came");
    let mut dead = Story::new();
    dead.poll(old());
    dead.poll(status(304));
    assert_eq!(dead.state.health.state, State::Dead, "two polls saw that it is silent");
    for _ in 0..3 {
        dead.poll(status(502));
        assert_eq!(dead.state.health.state, State::Dead, "and no failure makes that better");
    }
}

#[test]
fn what_is_no_feed_is_kept_once_a_day_and_never_its_validators() {
    let page = |hash, may_be_broken| {
        let content = Some(Content::NotAFeed {
            hash,
            may_be_broken,
            detail: "a page".into(),
            bytes: bytes::Bytes::from_static(b"<html>"),
        });
        Answer::Came(Came { etag: Some(b"\"p\"".to_vec()), content, ..came(200) })
    };
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    let (_, done) = story.poll(page(5, false));
    assert_eq!((done.outcome, done.unreadable.is_some()), (Outcome::WrongContent, true));
    let (request, done) = story.poll(page(6, false));
    assert_eq!(request.etag.as_deref(), Some(b"W/\"1\"".as_slice()));
    assert!(done.unreadable.is_none(), "within the day");
    assert_eq!(story.state.health.state, State::WrongContent);
    assert_eq!(story.poll(page(7, true)).1.outcome, Outcome::Malformed);
    story.poll(status(304));
    story.poll(status(304));
    assert_eq!(story.state.health.state, State::Fresh);
}

#[test]
fn a_parked_domain_and_a_change_of_script_are_seen_and_a_redesign_is_not() {
    let parked = |hash, ids: std::ops::Range<u64>| {
        let items = ids.map(|id| item(id, 1, NOW)).collect();
        whole(hash, Reading { title_hash: 99, ..reading(items) })
    };
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    story.poll_through(&[(302, "https://parked.example/")], parked(2, 50..60));
    assert_eq!(story.state.health.state, State::Fresh, "once is not enough");
    let (_, done) = story.poll_through(&[(302, "https://parked.example/")], parked(3, 50..61));
    assert_eq!((done.left, story.state.health.state), (Some(State::Fresh), State::WrongContent));
    assert_eq!(done.counts.new, 1, "nothing is held back: a person decides");
    let mut renamed = Story::new();
    renamed.poll(items(1, 1..9, NOW));
    for hash in 2..6 {
        renamed.poll_through(&[(302, "https://renamed.example/")], parked(hash, 8..20));
    }
    assert_eq!(renamed.state.health.state, State::Fresh, "it kept an item");
    let mut hijacked = Story::new();
    hijacked.poll(items(1, 1..9, NOW));
    for hash in 2..4 {
        let items = (hash * 10..hash * 10 + 9).map(|id| item(id, 1, NOW)).collect();
        hijacked.poll(whole(hash, Reading { arabic_percent: 3, ..reading(items) }));
    }
    assert_eq!(hijacked.state.health.state, State::WrongContent);
}

#[test]
fn an_empty_feed_an_undated_one_and_one_with_a_standing_fault_are_told() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    story.poll(whole(2, reading(Vec::new())));
    let (_, done) = story.poll(status(304));
    assert_eq!((done.left, story.state.health.state), (Some(State::Fresh), State::SilentEmpty));
    let never = Story::new();
    let mut never = never;
    never.poll(whole(1, reading(Vec::new())));
    never.poll(whole(2, reading(Vec::new())));
    assert_eq!(never.state.health.state, State::Fresh, "it never had one");
    let mut undated = Story::new();
    for hash in 1..4 {
        let items = (0..9).map(|id| Item { published_ms: None, ..item(hash * 10 + id, 1, 0) }).collect();
        undated.poll(whole(hash, Reading { undated: 9, ..reading(items) }));
    }
    assert_eq!(undated.state.health.state, State::Undated);
    let mut faulty = Story::new();
    for hash in 1..6 {
        let document = Reading { faults_hash: 7, ..reading(vec![item(hash, 1, NOW)]) };
        faulty.poll(whole(hash, document));
        assert_eq!(faulty.state.health.state == State::Malformed, hash >= 4, "poll {hash}");
    }
}

#[test]
fn an_address_that_must_not_be_asked_is_a_failure_like_any_other() {
    let mut story = Story::new();
    story.state.url = "http://10.0.0.1/".into();
    assert!(begin(&story.state, NOW, &Allowed::default(), false).is_err());
    refuse(&story.feed, &mut story.state, NOW);
    assert!(story.state.next_ms >= NOW + HOUR && story.state.failures == 1);
}

#[test]
fn a_whole_document_that_died_with_its_process_is_remembered_beyond_the_next_poll() {
    let mut story = Story::new();
    story.poll(items(1, 1..2, NOW));
    let died_ms = NOW + 9 * DAY;
    let asked = crate::feeds::state::Asked { start_ms: died_ms, is_whole: true };
    // The process that asks knows of it; the stored state, which takes the answer in, does not.
    let knows = crate::feeds::take_over(&story.feed, story.state.clone(), Some(asked), died_ms);
    story.now_ms = knows.next_ms;
    let (poll, request) = begin(&knows, story.now_ms, &Allowed::default(), false).expect("a good address");
    assert!(request.etag.is_some());
    story.follow(poll, status(304));
    assert_eq!(story.state.whole_ms, died_ms);
    story.state.hub_search = crate::feeds::websub::search::Search::InHead;
    assert!(!story.state.seeks_hub(died_ms + DAY - 1) && story.state.seeks_hub(died_ms + DAY));
}

#[test]
fn what_broke_off_is_taken_as_far_as_it_came_and_asked_for_again_as_before() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    let before = story.state.validators.clone();
    let cut = |hash| {
        let Answer::Came(came) = whole(hash, reading((1..12).map(|id| item(id, 1, NOW)).collect())) else {
            panic!("an answer")
        };
        Answer::Came(Came { is_cut: true, etag: Some(b"\"cut\"".to_vec()), ..came })
    };
    let (_, done) = story.poll(cut(2));
    assert_eq!((done.outcome, done.counts.new, story.state.failures), (Outcome::Cut, 3, 1));
    assert_eq!((&story.state.validators, story.state.looks.hash), (&before, 1));
    // The document itself says so: the server did its part.
    let broken = Reading { is_cut: true, ..reading((1..13).map(|id| item(id, 1, NOW)).collect()) };
    let (request, done) = story.poll(whole(3, broken));
    assert_eq!(request.etag, before.as_ref().and_then(|given| given.etag.clone()));
    assert_eq!((done.outcome, done.counts.new, story.state.looks.hash), (Outcome::New, 1, 1));
}
