//! Whether a server's "not modified" is believed. Caches get stuck, and then say 304 for weeks while items come and leave the window.
//!
//! ```text
//! late by its rhythm, or a 304 that does not fit --> the next poll asks for the whole (an audit): at most one in a day; while nothing comes of it after 1, 1, 3 and then each 7 days
//! an audit finds what a 304 kept back            --> the whole once a day for four weeks; between these its 304 is asked for, and proves nothing
//! 304 to who asked for everything                --> a failure
//! ```

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::policy::{DAY, HOUR, WEEK};
use super::reading::Item;
use super::state::{FeedState, Validators};

/// Least time between two requests for the whole document, by when they leave.
pub const WHOLE_EVERY_MS: i64 = DAY;
/// For so long a server that lied is not believed.
const DISTRUST_MS: i64 = 4 * WEEK;
/// A feed without a rhythm that says for so long that nothing has changed is looked into, unless its window ends sooner.
const UNKNOWN_MS: i64 = 4 * WEEK;
/// An item dated so long before a poll that brought "not modified" was there then. Publishers date items back by less.
const BACKDATED_MS: i64 = HOUR;
/// A document shows what a hub brought after so long at the latest.
const SHOWN_AFTER_MS: i64 = HOUR;

/// What is known of a server's word. Times are milliseconds since the Unix epoch, 0 for never.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Honesty {
    /// Whole documents in a row that were asked for on suspicion, and had nothing new.
    pub audits: u8,
    /// The last "not modified" does not fit what is known.
    pub is_doubted: bool,
    /// From the oldest date of the last document to its newest, in milliseconds: for so long its window lasts. 0 where that is not known.
    pub window_ms: i64,
    /// When a hub brought something new that no document of a poll has shown yet.
    pub pushed_ms: i64,
}

/// What a "not modified" says of the document it speaks of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim<'a> {
    /// `ETag`.
    pub(super) etag: Option<&'a [u8]>,
    /// `Last-Modified`.
    pub(super) last_modified: Option<&'a [u8]>,
}

impl FeedState {
    /// Whether its "not modified" counts as an answer.
    pub fn is_believed(&self, now_ms: i64) -> bool {
        self.lies_until_ms <= now_ms
    }

    /// Whether the next request leaves its validators out, to see whether "not modified" was true.
    pub(super) fn is_audit_due(&self, now_ms: i64) -> bool {
        let Honesty { audits, is_doubted, window_ms, .. } = self.honesty;
        let since_whole_ms = now_ms - self.whole_ms;
        if self.validators.is_none() || since_whole_ms < WHOLE_EVERY_MS {
            return false;
        }
        if !self.is_believed(now_ms) {
            return true;
        }
        // Had anything come since the last poll, it would be sent whole all the same. But what nobody looked at for days was not silent.
        let is_looked_at = now_ms - self.success_ms <= DAY;
        let silence = self.rhythm.silence(if is_looked_at { now_ms } else { self.success_ms });
        let is_long = match silence.limit {
            Some(limit) => silence.nats > limit,
            None => {
                let half = if window_ms > 0 { (window_ms / 2).clamp(DAY, UNKNOWN_MS) } else { UNKNOWN_MS };
                now_ms - self.same_since_ms > half
            }
        };
        let pause_ms = match audits {
            0 | 1 => WHOLE_EVERY_MS,
            2 => 3 * DAY,
            3.. => WEEK,
        };
        self.same_since_ms > 0 && (is_long || is_doubted) && since_whole_ms >= pause_ms
    }

    /// Takes in a "not modified": whether it can be true.
    pub(super) fn weigh(&mut self, claim: Claim<'_>, asked_ms: i64) {
        let Some(given) = &self.validators else { return };
        let pushed_ms = self.honesty.pushed_ms;
        let is_late = pushed_ms > 0 && asked_ms - pushed_ms >= SHOWN_AFTER_MS;
        self.honesty.is_doubted |= contradicts(claim, given) || is_late;
    }

    /// It said "not modified" to who asked for everything, and so has nothing to say.
    pub(super) fn distrust_unasked(&mut self, now_ms: i64) {
        self.looks.is_unreadable = true;
        if self.validators.is_some() {
            self.lies_until_ms = now_ms + DISTRUST_MS;
        }
    }

    /// Takes in a whole document: `new` are its new items, `is_whole` says that it was asked for without validators, `has_same_tag` that it came with those of the document before it.
    pub(super) fn learn_honesty<'a>(
        &mut self,
        new: impl Iterator<Item = &'a Item>,
        is_whole: bool,
        has_same_tag: bool,
        now_ms: i64,
    ) {
        // Of its last poll, which was told that nothing had changed.
        let told_ms =
            if is_whole && self.same_since_ms > 0 { self.start_ms - BACKDATED_MS } else { i64::MIN };
        let (mut count, mut was_kept_back) = (0_u32, false);
        for item in new {
            count += 1;
            was_kept_back |= item.published_ms.is_some_and(|date| date < told_ms);
        }
        // By the same tag the new document could never have been told from the old one.
        let is_blind = has_same_tag && count > 0 && (is_whole || self.same_since_ms > 0);
        if was_kept_back || is_blind {
            self.lies_until_ms = now_ms + DISTRUST_MS;
        }
        let audits = if is_whole && count == 0 { self.honesty.audits.saturating_add(1) } else { 0 };
        self.honesty = Honesty { audits, is_doubted: false, pushed_ms: 0, ..self.honesty };
    }
}

/// For how long a window with these dates lasts; 0 with fewer than two.
pub(super) fn window_ms(items: &[Item]) -> i64 {
    let dates = || items.iter().filter_map(|item| item.published_ms);
    dates().max().unwrap_or(0).saturating_sub(dates().min().unwrap_or(0))
}

/// Whether two answers carry the same tag, that can be sent back.
pub(super) fn same_tag(one: Option<&Validators>, other: Option<&Validators>) -> bool {
    let etag = |given: Option<&Validators>| given.and_then(|given| given.etag.clone());
    etag(one).is_some() && etag(one) == etag(other)
}

/// Whether a "not modified" names another document than the one it was asked about.
fn contradicts(claim: Claim<'_>, given: &Validators) -> bool {
    let is_other = match (claim.etag, &given.etag) {
        (Some(said), Some(sent)) => core_of(said) != core_of(sent),
        (Some(_) | None, _) => false,
    };
    let is_later = match (claim.last_modified.and_then(date), given.last_modified.as_deref().and_then(date)) {
        (Some(said), Some(sent)) => said > sent,
        (Some(_) | None, _) => false,
    };
    is_other || is_later
}

/// A tag without what servers and their caches put around it: weakness, quotes, the name of a coding.
fn core_of(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let tag = tag.strip_prefix(b"\"").unwrap_or(tag);
    let tag = tag.strip_suffix(b"\"").unwrap_or(tag);
    for coding in [&b"gzip"[..], b"br", b"zstd", b"deflate", b"df"] {
        let Some(start) = tag.strip_suffix(coding) else { continue };
        let core = start.trim_ascii_end();
        for mark in [&b"--"[..], b"-", b";", b":"] {
            if let Some(core) = core.strip_suffix(mark) {
                return core;
            }
        }
    }
    tag
}

fn date(text: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(text).ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::policy::MINUTE;

    const NOW: i64 = 1_693_785_600_000;

    fn given() -> Validators {
        Validators {
            etag: Some(b"W/\"a1\"".to_vec()),
            last_modified: Some(b"Tue, 05 Sep 2023 08:15:00 GMT".to_vec()),
            url: 1,
        }
    }

    /// A feed without a rhythm that has said so long that nothing has changed.
    fn same_for(days: i64) -> FeedState {
        let mut state = FeedState::new("https://news.example/".into(), 1, NOW, NOW);
        (state.validators, state.same_since_ms, state.success_ms) = (Some(given()), NOW - days * DAY, NOW);
        state.whole_ms = state.same_since_ms;
        state
    }

    #[test]
    fn audits_come_a_day_apart_and_ever_more_rarely_while_nothing_comes_of_them() {
        let mut state = same_for(60);
        for (audits, least_ms) in
            [(0, WHOLE_EVERY_MS), (1, WHOLE_EVERY_MS), (2, 3 * DAY), (3, WEEK), (200, WEEK)]
        {
            state.honesty.audits = audits;
            state.whole_ms = NOW - least_ms;
            assert!(state.is_audit_due(NOW), "{audits}");
            assert!(!state.is_audit_due(NOW - 1), "{audits}");
        }
    }

    #[test]
    fn a_feed_without_a_rhythm_is_looked_into_when_half_its_window_is_over() {
        assert!(same_for(29).is_audit_due(NOW) && !same_for(28).is_audit_due(NOW));
        for (hours, days) in [(6, 1), (36, 1), (24 * 10, 5), (24 * 365, 28)] {
            let due = |days| {
                let mut state = same_for(days);
                state.honesty.window_ms = hours * HOUR;
                state.whole_ms = NOW - 90 * DAY;
                state.is_audit_due(NOW)
            };
            assert!(due(days + 1) && !due(days), "{hours} hours");
        }
        assert!(!FeedState { validators: None, ..same_for(60) }.is_audit_due(NOW), "every request is whole");
        assert!(
            !FeedState { same_since_ms: 0, ..same_for(60) }.is_audit_due(NOW),
            "its last answer was a document"
        );
    }

    #[test]
    fn a_liar_is_asked_for_the_whole_once_a_day() {
        let mut state = FeedState { lies_until_ms: NOW + 1, same_since_ms: 0, ..same_for(1) };
        state.whole_ms = NOW - WHOLE_EVERY_MS;
        assert!(state.is_audit_due(NOW) && !state.is_audit_due(NOW - 1));
        assert!(!state.is_believed(NOW) && state.is_believed(NOW + 1));
    }

    #[test]
    fn a_304_about_another_document_is_doubted_and_one_about_a_packed_copy_is_not() {
        let doubts = |etag: Option<&str>, date: Option<&str>| {
            let mut state = same_for(2);
            let claim = Claim { etag: etag.map(str::as_bytes), last_modified: date.map(str::as_bytes) };
            state.weigh(claim, NOW);
            assert_eq!(state.is_audit_due(NOW), state.honesty.is_doubted);
            state.honesty.is_doubted
        };
        for tag in ["W/\"a1\"", "\"a1\"", "a1", "\"a1-gzip\"", "W/\"a1;br\"", "\"a1--gzip\"", " \"a1:zstd\""]
        {
            assert!(!doubts(Some(tag), None), "{tag}");
        }
        assert!(
            doubts(Some("\"a2\""), None) && doubts(Some("\"a2-gzip\""), None) && doubts(Some("\"\""), None)
        );
        assert!(doubts(None, Some("Tue, 05 Sep 2023 08:15:01 GMT")));
        for date in ["Tue, 05 Sep 2023 08:15:00 GMT", "Mon, 04 Sep 2023 08:15:00 GMT", "yesterday"] {
            assert!(!doubts(None, Some(date)), "{date}");
        }
        assert!(!doubts(None, None));
    }

    #[test]
    fn what_a_hub_brought_and_no_document_shows_is_doubted_after_an_hour() {
        let claim = Claim { etag: None, last_modified: None };
        for (minutes, is_doubted) in [(59, false), (60, true)] {
            let mut state = same_for(2);
            state.honesty.pushed_ms = NOW - minutes * MINUTE;
            state.weigh(claim, NOW);
            assert_eq!(state.honesty.is_doubted, is_doubted, "{minutes}");
        }
    }

    #[test]
    fn what_was_there_when_it_said_not_modified_is_a_lie_and_what_came_later_is_none() {
        let item = |before_ms: i64| Item { published_ms: Some(NOW - before_ms), ..Item::default() };
        let is_lie = |items: &[Item], is_whole, has_same_tag, same_since_ms| {
            let mut state = FeedState { start_ms: NOW, same_since_ms, ..same_for(9) };
            state.honesty.audits = 2;
            state.learn_honesty(items.iter(), is_whole, has_same_tag, NOW + HOUR);
            let audits = if is_whole && items.is_empty() { 3 } else { 0 };
            assert_eq!(state.honesty.audits, audits);
            !state.is_believed(NOW + HOUR)
        };
        let told = NOW - DAY;
        assert!(is_lie(&[item(5), item(HOUR + 1)], true, false, told));
        assert!(!is_lie(&[item(HOUR)], true, false, told), "dated back by an hour");
        assert!(!is_lie(&[item(9 * HOUR)], false, false, told), "it said itself that it had changed");
        assert!(!is_lie(&[item(9 * HOUR)], true, false, 0), "it had said nothing else before");
        assert!(is_lie(&[item(0)], true, true, told) && is_lie(&[item(0)], false, true, told));
        assert!(!is_lie(&[item(0)], false, true, 0), "it always sends the whole");
        assert!(!is_lie(&[], true, true, told), "an edit of what is no item");
    }
}
