//! Servers that say "not modified": to whom, and whether it is true.

use super::*;
use crate::feeds::honesty::WHOLE_EVERY_MS;
use crate::feeds::websub::search::Search;

/// A server that writes so many items a day, keeps a window of them, and from a day on says 304 to every conditional request.
struct Stuck {
    story: Story,
    every_ms: i64,
    window: i64,
    stuck_ms: i64,
    delivered: std::collections::HashSet<String>,
    /// Of each request for the whole: when.
    wholes: Vec<i64>,
}

impl Stuck {
    fn new(a_day: i64, window: i64, stuck_days: i64) -> Self {
        let mut story = Story::new();
        story.feed.is_listed = true;
        let (every_ms, stuck_ms) = (DAY / a_day, NOW + stuck_days * DAY);
        Self { story, every_ms, window, stuck_ms, delivered: Default::default(), wholes: Vec::new() }
    }

    /// Numbers of the items written so far; the first window was there before.
    fn written(&self, now_ms: i64) -> i64 {
        self.window + (now_ms - NOW) / self.every_ms
    }

    fn document(&self, has_tag: bool) -> Answer {
        let now_ms = self.story.now_ms;
        let last = self.written(now_ms);
        let date = |number: i64| NOW + (number - self.window) * self.every_ms;
        let window = (last - self.window + 1..=last).rev();
        let items = window.map(|number| item(number.unsigned_abs(), 1, date(number))).collect();
        match whole(last.unsigned_abs(), reading(items)) {
            Answer::Came(came) if has_tag => {
                Answer::Came(Came { etag: Some(b"\"same\"".to_vec()), last_modified: None, ..came })
            }
            other @ (Answer::Came(_) | Answer::Failed(_)) => other,
        }
    }

    /// Polls until then; `has_tag` says that every answer has the same `ETag`.
    fn run(&mut self, days: i64, has_tag: bool) {
        while self.story.state.next_ms < NOW + days * DAY {
            let (poll, request) = self.story.begin();
            let now_ms = self.story.now_ms;
            if request.etag.is_none() {
                self.wholes.push(now_ms);
            }
            let is_same = request.etag.is_some() && now_ms >= self.stuck_ms;
            let answer = if is_same { status(304) } else { self.document(has_tag) };
            let Step::Done(done) = self.story.follow(poll, answer) else { panic!("no redirect") };
            self.delivered.extend(done.items.into_iter().map(|one| one.item.id));
        }
    }

    /// Items that have left the window and were never delivered.
    fn lost(&self) -> i64 {
        let last = self.written(self.story.now_ms);
        let left = 1..=last - self.window;
        left.filter(|number| !self.delivered.contains(&number.to_string())).count() as i64
    }
}

#[test]
fn a_stuck_etag_costs_no_article_where_a_days_items_fit_into_the_window() {
    for has_tag in [true, false] {
        // Figure 4: twenty a day, a window of thirty, stuck after ten days for eleven.
        let mut stuck = Stuck::new(20, 30, 10);
        stuck.run(21, has_tag);
        assert_eq!(stuck.lost(), 0, "tag {has_tag}: {:?}", stuck.wholes);
        let late = stuck.wholes.iter().filter(|at| **at >= stuck.stuck_ms).count();
        assert!((10..=11).contains(&late), "{late} whole documents in eleven days");
        assert!(stuck.wholes[2..].windows(2).all(|pair| pair[1] - pair[0] >= WHOLE_EVERY_MS));
        assert!(!stuck.story.state.is_believed(stuck.story.now_ms));
        assert_eq!(stuck.story.state.health.state, State::Fresh, "whole documents come");
        let notice_ms = stuck.wholes[1] - stuck.stuck_ms;
        // 9.21 items at twenty a day, counted from the last one, and the poll that is due then.
        assert!(notice_ms <= 15 * HOUR, "noticed after {} h", notice_ms / HOUR);
    }
}

#[test]
fn a_window_that_is_shorter_loses_what_leaves_it_before_lateness_can_be_known_and_then_what_a_day_brings_too_much()
 {
    for (a_day, window) in [(20, 10), (40, 30), (48, 60), (96, 100), (96, 20)] {
        let mut stuck = Stuck::new(a_day, window, 10);
        stuck.run(21, true);
        let notice_ms = stuck.wholes[1] - stuck.stuck_ms;
        let first = (notice_ms / stuck.every_ms + 2 - window).max(0);
        let ends = [&stuck.wholes[1..], &[stuck.story.now_ms]].concat();
        let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
        let later: i64 = gaps.map(|gap_ms| (gap_ms / stuck.every_ms + 1 - window).max(0)).sum();
        let lost = stuck.lost();
        assert!(lost <= first + later, "{a_day} a day, window {window}: {lost} of {first} + {later}");
        assert!(a_day * 26 / 24 > window || lost == 0, "{a_day} a day, window {window}: {lost}");
        // 9.21 items, or a little more than the largest gap so far, and one poll.
        let items = notice_ms as f64 / stuck.every_ms as f64;
        let poll_items = 1.1 * HOUR as f64 / stuck.every_ms as f64;
        assert!(items <= 9.3 + poll_items.max(3.0), "{a_day} a day: noticed after {items:.1} items");
    }
}

#[test]
fn a_server_that_lies_now_and_then_still_delivers_between_the_audits() {
    let mut stuck = Stuck::new(60, 20, 10);
    stuck.run(12, true);
    assert!(!stuck.story.state.is_believed(stuck.story.now_ms));
    let (lost, polls) = (stuck.lost(), stuck.story.now_ms);
    // Its cache was emptied: the next conditional request is answered truly.
    stuck.stuck_ms = i64::MAX;
    stuck.run(15, false);
    assert!(stuck.lost() <= lost + 20, "{} more", stuck.lost() - lost);
    assert!(stuck.story.now_ms - polls > 2 * DAY);
    assert!(stuck.story.state.next_ms - stuck.story.state.start_ms < 3 * HOUR, "asked as often as others");
}

#[test]
fn a_304_to_who_asked_for_everything_is_a_failure_and_its_feed_is_never_fresh() {
    let mut story = Story::new();
    let (request, done) = story.poll(status(304));
    assert!(!request.is_conditional() && !done.outcome.is_success());
    assert_eq!((done.outcome, done.outcome.name()), (Outcome::Unasked304, "unasked_304"));
    assert_eq!((done.left, story.state.health.state), (Some(State::Fresh), State::WrongContent));
    let mut longest = 0;
    while story.now_ms < NOW + 32 * DAY {
        story.poll(status(304));
        assert_ne!(story.state.health.state, State::Fresh);
        longest = longest.max(story.hours_to_next());
    }
    assert_eq!((story.state.health.state, story.state.failures > 20), (State::Dead, true));
    assert!((20..=27).contains(&longest), "{longest} h");
    story.poll(items(1, 1..9, story.now_ms));
    story.poll(status(304));
    assert_eq!(story.state.health.state, State::Fresh, "never given up");
}

#[test]
fn the_304_of_a_liar_is_no_success_and_its_whole_document_is() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    let success_ms = story.state.success_ms;
    (story.state.lies_until_ms, story.state.failures) = (NOW + WEEK, 1);
    let (request, done) = story.poll(status(304));
    assert_eq!((request.is_conditional(), done.outcome), (true, Outcome::Same304));
    assert_eq!((story.state.success_ms, story.state.failures), (success_ms, 1));
    story.poll(items(2, 1..12, story.now_ms));
    assert_eq!((story.state.success_ms, story.state.failures), (story.now_ms, 0));
}

#[test]
fn a_304_behind_a_redirect_that_was_sent_no_validators_is_none() {
    let mut story = Story::new();
    story.poll_through(&[(302, "/a")], items(1, 1..9, NOW));
    let (request, done) = story.poll_through(&[(302, "/a")], status(304));
    assert_eq!((request.is_conditional(), done.outcome), (true, Outcome::Same304));
    let (request, done) = story.poll_through(&[(302, "/b")], status(304));
    assert_eq!((request.is_conditional(), done.outcome), (false, Outcome::Unasked304), "/b never gave one");
    let mut back = Story::new();
    back.poll(items(1, 1..9, NOW));
    let (request, done) = back.poll_through(&[(302, "/b")], status(304));
    assert_eq!((request.is_conditional(), done.outcome), (false, Outcome::Unasked304), "the first hop did");
}

#[test]
fn a_server_that_was_good_and_says_304_to_everybody_is_found_out_by_one_audit() {
    let mut story = Story::new();
    let daily = (0..9).map(|id| item(id, 1, NOW - i64::try_from(id).unwrap_or(0) * DAY)).rev().collect();
    story.poll(whole(1, reading(daily)));
    let mut states = Vec::new();
    let mut wholes = Vec::new();
    while story.now_ms < NOW + 40 * DAY {
        let (request, _) = story.poll(status(304));
        if !request.is_conditional() {
            wholes.push((story.now_ms - NOW) / DAY);
        }
        states.push(story.state.health.state);
    }
    assert_eq!(wholes[0], 4, "half of the eight days of its window");
    assert!(wholes.windows(2).all(|pair| pair[1] > pair[0]), "once a day: {wholes:?}");
    let first = states.iter().position(|state| *state != State::Fresh).expect("found out");
    assert!(states[first..].iter().all(|state| *state != State::Fresh), "its 304 proves nothing: {states:?}");
    assert_eq!(states.last(), Some(&State::Dead));
}

#[test]
fn a_late_feed_is_asked_whole_at_its_next_poll_and_an_honest_server_ever_more_rarely() {
    let mut story = Story::new();
    let mut id = 1;
    story.poll(items(1, 1..9, NOW));
    // Twelve a day for four weeks, then nothing, truly.
    while story.now_ms < NOW + 28 * DAY {
        let (poll, _) = story.begin();
        id += u64::try_from((story.now_ms - story.state.start_ms) / (2 * HOUR)).unwrap_or(0).max(1);
        let document = reading((id..id + 20).rev().map(|id| item(id, 1, story.now_ms)).collect());
        assert!(matches!(story.follow(poll, whole(id, document)), Step::Done(_)));
    }
    let last_ms = story.now_ms;
    let mut wholes = Vec::new();
    let mut late_ms = None;
    while story.now_ms < last_ms + 40 * DAY {
        let silence = story.state.rhythm.silence(story.state.next_ms);
        let is_late = silence.limit.is_some_and(|limit| silence.nats > limit);
        let (request, _) = story.poll(status(304));
        if is_late && late_ms.is_none() {
            late_ms = Some(story.state.start_ms);
        }
        if !request.is_conditional() {
            wholes.push(story.state.start_ms);
        }
        story.state.lies_until_ms = 0;
        if story.state.honesty.audits < wholes.len() as u8 {
            // What came was the document that it had given before.
            story.state.honesty.audits = wholes.len() as u8;
            (story.state.failures, story.state.looks.is_unreadable) = (0, false);
        }
    }
    assert_eq!(Some(wholes[0]), late_ms, "the next poll, not the next week");
    let days: Vec<i64> = wholes.windows(2).map(|pair| (pair[1] - pair[0]) / DAY).collect();
    assert_eq!(&days[..5], [1, 3, 7, 7, 7], "{days:?}");
}

#[test]
fn an_audit_that_finds_nothing_new_counts_and_one_that_does_starts_over() {
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    (story.state.honesty.is_doubted, story.state.same_since_ms) = (true, NOW);
    story.now_ms += 2 * DAY;
    let same = || Answer::Came(Came { content: Some(Content::Same), ..came(200) });
    let (request, _) = story.poll(same());
    assert!(!request.is_conditional());
    assert_eq!((story.state.honesty.audits, story.state.honesty.is_doubted), (1, false));
    assert!(story.state.is_believed(story.now_ms), "it was true");
    story.poll(items(2, 1..12, story.now_ms));
    assert_eq!(story.state.honesty.audits, 0);
}

#[test]
fn what_a_hub_brought_and_the_feed_denies_is_looked_into() {
    let url = || Url::parse(URL).expect("a URL");
    let mut story = Story::new();
    story.poll(items(1, 1..9, NOW));
    (story.state.whole_ms, story.state.hub_search) = (NOW - 9 * DAY, Search::Over);
    let pushed = Content::Feed { hash: 9, reading: Box::new(reading(vec![item(50, 1, story.now_ms)])) };
    let (asked_ms, now_ms) = (story.state.start_ms, story.now_ms);
    push(&story.feed, &mut story.state, pushed, url(), asked_ms, now_ms);
    story.now_ms += 2 * HOUR;
    assert!(story.poll(status(304)).0.is_conditional());
    assert!(!story.poll(items(2, 1..9, NOW)).0.is_conditional(), "it knows nothing of that item");
}
