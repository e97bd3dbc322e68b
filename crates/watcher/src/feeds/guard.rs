//! A last look at each request before it is sent, by rules of its own: what the schedule promised is not taken from the schedule. A request that
//! breaks one is not sent, and counted; that count must stay 0.

use super::engine::{Feed, Request};
use super::policy::{CAP_MS, SECOND, is_skipped};
use super::state::FeedState;

/// What a request can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Sooner than the floor.
    Floor,
    /// While the last answer was still good.
    MaxAge,
    /// Before `Retry-After`.
    RetryAfter,
    /// In a window the feed asks to be left alone in.
    Skip,
    /// Less than a second after another request to the domain, or beside one.
    HostGap,
    /// With a validator that nobody gave, or half a pair.
    Validator,
    /// To the old address of a feed that moved, or by too many redirects.
    Redirect,
    /// Without validators though there are some.
    Unconditional,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::Floor,
        Self::MaxAge,
        Self::RetryAfter,
        Self::Skip,
        Self::HostGap,
        Self::Validator,
        Self::Redirect,
        Self::Unconditional,
    ];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::MaxAge => "max_age",
            Self::RetryAfter => "retry_after",
            Self::Skip => "skip",
            Self::HostGap => "host_gap",
            Self::Validator => "validator",
            Self::Redirect => "redirect",
            Self::Unconditional => "unconditional",
        }
    }
}

/// What the first request of a poll would break, by what is known of the feed.
pub fn broken(
    feed: &Feed,
    state: &FeedState,
    request: &Request,
    is_audit: bool,
    now_ms: i64,
) -> Option<Rule> {
    let since_ms = now_ms - state.start_ms;
    let was_asked = state.start_ms > 0;
    let max_age_ms = (i64::from(state.says.max_age_s) * SECOND).min(CAP_MS);
    let given = state.validators.as_ref();
    let is_of = |sent: &Option<Vec<u8>>, kept: Option<&Option<Vec<u8>>>| sent.is_none() || Some(sent) == kept;
    let is_ours = is_of(&request.etag, given.map(|given| &given.etag))
        && is_of(&request.last_modified, given.map(|given| &given.last_modified));
    let is_whole = request.etag.is_none() && request.last_modified.is_none();
    let gave_here =
        given.is_some_and(|given| given.url == xxhash_rust::xxh3::xxh3_64(request.url.as_str().as_bytes()));
    let rules = [
        (Rule::Floor, was_asked && since_ms < state.says.floor_ms(feed.is_listed)),
        (Rule::MaxAge, was_asked && since_ms < max_age_ms),
        (Rule::RetryAfter, now_ms < state.retry_at_ms),
        (Rule::Skip, is_skipped(now_ms, &state.says)),
        (Rule::Validator, !is_ours),
        (Rule::Unconditional, is_whole && gave_here && !is_audit),
    ];
    rules.into_iter().find(|(_, is_broken)| *is_broken).map(|(rule, _)| rule)
}

/// What a request for one of an index's sitemaps would break, that was last asked then; 0 for never.
pub fn broken_by_sitemap(feed: &Feed, state: &FeedState, asked_ms: i64, now_ms: i64) -> Option<Rule> {
    if now_ms < state.retry_at_ms {
        return Some(Rule::RetryAfter);
    }
    let is_early = asked_ms > 0 && now_ms - asked_ms < state.says.floor_ms(feed.is_listed);
    is_early.then_some(Rule::Floor)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::feeds::policy::{HOUR, MINUTE};
    use crate::feeds::state::Validators;

    #[test]
    fn a_sitemap_is_asked_no_sooner_than_a_feed() {
        const NOW: i64 = 1_693_785_600_000;
        let feed = Feed { id: "news".into(), url: "https://news.example/".into(), is_listed: false };
        let mut state = FeedState::new(feed.url.clone(), 1, 1, 1);
        assert_eq!(broken_by_sitemap(&feed, &state, 0, NOW), None);
        assert_eq!(broken_by_sitemap(&feed, &state, NOW - HOUR, NOW), None);
        assert_eq!(broken_by_sitemap(&feed, &state, NOW - HOUR + 1, NOW), Some(Rule::Floor));
        state.retry_at_ms = NOW + 1;
        assert_eq!(broken_by_sitemap(&feed, &state, 0, NOW), Some(Rule::RetryAfter));
    }

    #[test]
    fn each_rule_stops_a_request_by_itself() {
        const NOW: i64 = 1_693_785_600_000;
        let url = Url::parse("https://news.example/feed").expect("a URL");
        let feed = Feed { id: "news".into(), url: url.to_string(), is_listed: false };
        let given = Validators {
            etag: Some(b"\"1\"".to_vec()),
            last_modified: Some(b"yesterday".to_vec()),
            url: xxhash_rust::xxh3::xxh3_64(url.as_str().as_bytes()),
        };
        let good = Request {
            cookie: None,
            url: url.clone(),
            etag: given.etag.clone(),
            last_modified: given.last_modified.clone(),
        };
        let mut state = FeedState::new(url.to_string(), 1, 1, 1);
        (state.start_ms, state.validators) = (NOW - HOUR, Some(given));
        let check = |state: &FeedState, request: &Request, audit| broken(&feed, state, request, audit, NOW);
        assert_eq!(check(&state, &good, false), None);
        let early = FeedState { start_ms: NOW - 59 * MINUTE, ..state.clone() };
        assert_eq!(check(&early, &good, false), Some(Rule::Floor));
        let mut cached = state.clone();
        cached.says.max_age_s = 3601;
        assert_eq!(check(&cached, &good, false), Some(Rule::MaxAge));
        let mut told = state.clone();
        told.retry_at_ms = NOW + 1;
        assert_eq!(check(&told, &good, false), Some(Rule::RetryAfter));
        let mut skipped = state.clone();
        skipped.says.skip_days = 1;
        assert_eq!(check(&skipped, &good, false), Some(Rule::Skip));
        let invented = Request { etag: Some(b"\"2\"".to_vec()), ..good.clone() };
        assert_eq!(check(&state, &invented, false), Some(Rule::Validator));
        let whole = Request { etag: None, last_modified: None, ..good.clone() };
        assert_eq!(check(&state, &whole, false), Some(Rule::Unconditional));
        assert_eq!(check(&state, &whole, true), None);
    }
}
