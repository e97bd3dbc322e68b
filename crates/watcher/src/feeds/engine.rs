//! One poll, without the network: what to ask, what to make of the answer, and what the feed is like afterwards.
//!
//! ```text
//! begin --> Request --> (network) --> Answer --> follow --> Step::Ask (a redirect) ...
//!                                                   +-----> Step::Done: items, outcome, new state, next poll
//! ```
//! The poller and the simulator drive the same functions; time comes from outside.

use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::address::{Allowed, BadUrl, check_redirect, check_url};
use super::budget::Domain;
use super::health::{Seen, State, judge};
use super::honesty::{Claim, same_tag, window_ms};
use super::policy::{
    DAY, DOMAIN_CAP_MS, FLOOR_MS, Failing, Plan, RETRY_AFTER_CAP_MS, WEEK, adapt, back_off, next_poll,
};
use super::reading::{Content, Reading};
use super::state::{FeedState, MOST_VALIDATOR_BYTES, Validators};

mod cookies;
mod document;
mod moved;
mod push;
mod sitemaps;
mod types;

use cookies::Jar;
use document::document;
use moved::store_move;
pub use push::push;
use sitemaps::Child;
pub use sitemaps::{IndexSeen, last_hash, sitemap_asked_ms};
pub use types::{Answer, Came, Counts, Delivered, Failure, Feed, Outcome, Request};

/// Redirects followed in one poll.
pub const MOST_HOPS: u8 = 5;

/// A poll under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// When it began.
    pub start_ms: i64,
    /// Asks without validators though there are some.
    pub is_audit: bool,
    /// So does this, once for a feed that may have a hub.
    pub seeks_hub: bool,
    hops: u8,
    at: Url,
    /// Where redirects for good have led, as long as all were.
    for_good: bool,
    moved_to: Option<Url>,
    /// The last request carried validators: a 304 to any other says nothing.
    is_conditional: bool,
    /// It asks a sitemap that the feed, an index, names.
    child: Option<Child>,
    /// What redirects of this poll have set.
    cookies: Jar,
    /// Where redirects of this poll came from.
    visited: Vec<Url>,
    /// When the feed was last asked for the whole: by a poll that died, perhaps, of which the stored state knows nothing.
    whole_ms: i64,
}

impl Poll {
    /// Whether its last request asks for the whole document of the feed.
    pub fn is_whole(&self) -> bool {
        !self.is_conditional && self.child.is_none()
    }
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Ask there: a redirect.
    Ask(Box<Poll>, Request),
    /// The poll is over.
    Done(Box<Done>),
}

/// A poll that is over; the state given to [`follow`] is the new one.
#[derive(Debug)]
pub struct Done {
    /// How.
    pub outcome: Outcome,
    /// What to deliver, oldest first.
    pub items: Vec<Delivered>,
    /// Of all items of the document.
    pub counts: Counts,
    /// The state that the feed left by this poll, if it left one.
    pub left: Option<State>,
    /// No feed of the asked domain before then: it said 429.
    pub domain_until_ms: Option<(Domain, i64)>,
    /// The share of the window that was known, for a document after another one.
    pub overlap: Option<f32>,
    /// The window shared no item with the one before.
    pub is_overrun: bool,
    /// What the document was, where it was one.
    pub reading: Option<Box<Reading>>,
    /// A document that is no feed and is to be kept: its bytes, and what it was.
    pub unreadable: Option<(bytes::Bytes, String)>,
    /// The address that gave the answer.
    pub from: Url,
    /// Of an index of sitemaps: what of it is read.
    pub index: Option<IndexSeen>,
    /// What happened, where the outcome alone does not say it: a clause for people.
    pub detail: Option<String>,
    /// A sitemap of the index that is to be asked now. Its answer is followed as that of a redirect is; what was found so far is to be delivered.
    pub more: Option<(Box<Poll>, Request)>,
}

impl Done {
    /// Whether it was one of the sitemaps of an index, and not the feed itself.
    pub fn is_sitemap(&self) -> bool {
        self.index.as_ref().is_some_and(|index| index.is_sitemap)
    }

    /// Adds what the sitemaps of this index brought, for who looks at all of it.
    pub fn absorb(&mut self, sitemap: Self) {
        self.items.extend(sitemap.items);
        self.counts.add(sitemap.counts);
        self.more = sitemap.more;
        let refused = self.index.take().map(|index| index.refused);
        self.index = sitemap.index.map(|mut index| {
            index.refused.splice(0..0, refused.unwrap_or_default());
            IndexSeen { is_sitemap: false, ..index }
        });
    }
}

/// Begins a poll; `seeks_hub` asks for the whole document, see [`FeedState::seeks_hub`]. What it promises not to do again (its time, and whether it is whole) must be durable before the request is sent.
///
/// # Errors
/// Why the feed's address must not be asked.
pub fn begin(
    state: &FeedState,
    now_ms: i64,
    allowed: &Allowed,
    seeks_hub: bool,
) -> Result<(Poll, Request), BadUrl> {
    let at = check_url(&state.url, allowed)?;
    let is_audit = state.is_audit_due(now_ms);
    let mut poll = Poll {
        start_ms: now_ms,
        is_audit,
        seeks_hub,
        hops: 0,
        at: at.clone(),
        for_good: true,
        moved_to: None,
        is_conditional: false,
        child: None,
        whole_ms: state.whole_ms,
        cookies: Jar::default(),
        visited: Vec::new(),
    };
    let request = request(state, &mut poll, at);
    Ok((poll, request))
}

/// What a poll asks next, at that address: for changes where that gave validators.
fn request(state: &FeedState, poll: &mut Poll, url: Url) -> Request {
    let hash = xxh3_64(url.as_str().as_bytes());
    let is_sent = |given: &&Validators| given.url == hash && !poll.is_audit && !poll.seeks_hub;
    let given = sitemaps::validators(state, poll).filter(is_sent);
    let request = Request {
        url: url.clone(),
        etag: given.and_then(|given| given.etag.clone()),
        last_modified: given.and_then(|given| given.last_modified.clone()),
        cookie: poll.cookies.header(&url),
    };
    (poll.at, poll.is_conditional) = (url, request.is_conditional());
    request
}

/// Says that a feed's address must not be asked: as if the poll had been refused.
pub fn refuse(feed: &Feed, state: &mut FeedState, now_ms: i64) -> Option<State> {
    state.start_ms = now_ms;
    fail(state, now_ms);
    state.next_ms = next_poll(&plan(feed, state, now_ms, Failing::Otherwise));
    verdict(feed, state, now_ms)
}

/// Takes in an answer. `is_frozen` says that our own network is down: then a failure is not the feed's.
pub fn follow(
    feed: &Feed,
    state: &mut FeedState,
    mut poll: Poll,
    answer: Answer,
    now_ms: i64,
    allowed: &Allowed,
    is_frozen: bool,
) -> Step {
    let ended = match answer {
        Answer::Came(came) if matches!(came.status, 301 | 302 | 303 | 307 | 308) => {
            match hop(&mut poll, &came, allowed) {
                Ok(to) => {
                    let request = request(state, &mut poll, to);
                    return Step::Ask(Box::new(poll), request);
                }
                Err((outcome, why)) => Ended { detail: Some(why), ..Ended::with(outcome) },
            }
        }
        Answer::Failed(failure) => Ended::with(failure.into()),
        Answer::Came(came) => take_in(feed, state, &poll, came, now_ms, allowed),
    };
    let mut ended = match poll.child {
        Some(child) => sitemaps::answered(feed, state, child, ended, now_ms),
        None => ended,
    };
    let left =
        if poll.child.is_none() { settle(feed, state, &poll, &mut ended, now_ms, is_frozen) } else { None };
    let more = sitemaps::next(feed, state, &poll, &ended, allowed, now_ms);
    done(poll, ended, left, more)
}

/// Where a redirect leads, or why it leads nowhere.
fn hop(poll: &mut Poll, came: &Came, allowed: &Allowed) -> Result<Url, (Outcome, String)> {
    let is_news = poll.cookies.take(&poll.at, &came.cookies);
    poll.hops += 1;
    if poll.hops > MOST_HOPS {
        return Err((Outcome::ClientError, format!("more than {MOST_HOPS} redirects in one poll")));
    }
    let Some(location) = came.location.as_deref() else {
        return Err((
            Outcome::ClientError,
            format!("a redirect ({}) that does not say where to", came.status),
        ));
    };
    let to = check_redirect(&poll.at, location, allowed).map_err(|why| {
        let outcome = if why.is_refusal() { Outcome::RefusedAddress } else { Outcome::ClientError };
        (outcome, format!("a redirect ({}) to {location}: {why}", came.status))
    })?;
    poll.visited.push(poll.at.clone());
    // Once more to the same place is sensible only with a new cookie.
    if poll.visited.contains(&to) && !is_news {
        return Err((
            Outcome::ClientError,
            format!("redirects in a circle: {to} was asked before in this poll"),
        ));
    }
    poll.for_good &= matches!(came.status, 301 | 308);
    if poll.for_good {
        poll.moved_to = Some(to.clone());
    }
    Ok(to)
}

/// What an answer comes to, before the schedule and the verdict.
struct Ended {
    outcome: Outcome,
    failing: Failing,
    items: Vec<Delivered>,
    counts: Counts,
    overlap: Option<f32>,
    is_overrun: bool,
    reading: Option<Box<Reading>>,
    unreadable: Option<(bytes::Bytes, String)>,
    domain_until_ms: Option<(Domain, i64)>,
    index: Option<IndexSeen>,
    /// What happened, where the outcome alone does not say it.
    detail: Option<String>,
}

impl Ended {
    fn with(outcome: Outcome) -> Self {
        let failing = match outcome {
            Outcome::Gone => Failing::Gone,
            Outcome::Throttled => Failing::Throttled,
            Outcome::New | Outcome::Same304 | Outcome::SameHash | Outcome::Moved | Outcome::Empty => {
                Failing::Not
            }
            Outcome::Unasked304
            | Outcome::ClientError
            | Outcome::ServerError
            | Outcome::Refused
            | Outcome::BadHttp
            | Outcome::Cut
            | Outcome::Timeout
            | Outcome::Dns
            | Outcome::Tls
            | Outcome::RefusedAddress
            | Outcome::TooBig
            | Outcome::Slow
            | Outcome::Malformed
            | Outcome::WrongContent => Failing::Otherwise,
        };
        Self {
            outcome,
            failing,
            items: Vec::new(),
            counts: Counts::default(),
            overlap: None,
            is_overrun: false,
            reading: None,
            unreadable: None,
            domain_until_ms: None,
            index: None,
            detail: None,
        }
    }
}

/// Takes in a status that is no redirect.
fn take_in(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    came: Came,
    now_ms: i64,
    allowed: &Allowed,
) -> Ended {
    state.retry_at_ms =
        came.retry_after_ms.map_or(0, |after| now_ms.saturating_add(after.min(RETRY_AFTER_CAP_MS)));
    // Whoever answers again refuses nobody any more.
    state.refused = None;
    if let Some(child) = poll.child {
        return sitemaps::child(feed, state, poll, child, came, allowed, now_ms);
    }
    if came.is_challenge {
        state.looks.is_unreadable = true;
        let detail = Some("the server lets only browsers in (cf-mitigated: challenge)".to_owned());
        return Ended { detail, ..Ended::with(Outcome::WrongContent) };
    }
    match came.status {
        304 if !poll.is_conditional => {
            state.distrust_unasked(now_ms);
            let detail = "it says \"not modified\" (304), and was asked for the whole document".to_owned();
            Ended { detail: Some(detail), ..Ended::with(Outcome::Unasked304) }
        }
        304 => {
            state.says.max_age_s = came.max_age_s;
            let claim = Claim { etag: came.etag.as_deref(), last_modified: came.last_modified.as_deref() };
            state.weigh(claim, poll.start_ms);
            unchanged(feed, state, state.is_believed(now_ms), now_ms);
            Ended::with(Outcome::Same304)
        }
        200 | 202 | 203 | 206 | 226 => whole(feed, state, poll, came, now_ms, allowed),
        404 => {
            state.missing_since_ms = since(state.missing_since_ms, now_ms);
            Ended::with(Outcome::ClientError)
        }
        410 => {
            state.missing_since_ms = since(state.missing_since_ms, now_ms);
            state.is_gone = true;
            Ended::with(Outcome::Gone)
        }
        429 => throttled(state, came.retry_after_ms, state.failures + 1, &poll.at, now_ms),
        500..=599 => Ended::with(Outcome::ServerError),
        100..=299 => Ended::with(Outcome::ServerError),
        _ => Ended::with(Outcome::ClientError),
    }
}

/// It was asked too often: it is left alone, and for a day at most so are the others of its registered domain.
fn throttled(state: &mut FeedState, after_ms: Option<i64>, failures: u32, at: &Url, now_ms: i64) -> Ended {
    // A time that has passed says as little as none.
    let pause = || back_off(Failing::Throttled, failures, FLOOR_MS);
    let after = after_ms.filter(|after| *after > 0).unwrap_or_else(pause);
    state.retry_at_ms = now_ms.saturating_add(after.min(RETRY_AFTER_CAP_MS));
    let (domain, until) = (Domain::of(at), now_ms.saturating_add(after.min(DOMAIN_CAP_MS)));
    state.refused = Some((domain.0, until));
    Ended { domain_until_ms: Some((domain, until)), ..Ended::with(Outcome::Throttled) }
}

fn since(before_ms: i64, now_ms: i64) -> i64 {
    if before_ms > 0 { before_ms } else { now_ms }
}

/// Nothing new: known items only. `is_seen` where that is certain.
fn unchanged(feed: &Feed, state: &mut FeedState, is_seen: bool, now_ms: i64) {
    state.looks.is_unreadable &= !is_seen;
    state.same_since_ms = since(state.same_since_ms, now_ms);
    adapted(feed, state, 1, 1, now_ms);
    state.rhythm.pass(now_ms);
}

fn adapted(feed: &Feed, state: &mut FeedState, known: usize, total: usize, now_ms: i64) {
    let floor_ms = state.floor_ms(feed.is_listed);
    let gap_ms = state.rhythm.mean_gap_ms(now_ms);
    (state.interval_ms, state.streak) =
        adapt(state.interval_ms, state.streak, known, total, floor_ms, gap_ms);
}

/// A whole answer.
fn whole(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    mut came: Came,
    now_ms: i64,
    allowed: &Allowed,
) -> Ended {
    let (validators, is_cut, content) = (validators_of(&mut came, &poll.at), came.is_cut, came.content);
    state.says.max_age_s = came.max_age_s;
    // Asked for without validators though there were some.
    let is_whole = !poll.is_conditional && state.validators.is_some();
    match content {
        None => Ended::with(Outcome::ServerError),
        Some(Content::Same) => {
            state.validators = validators;
            state.learn_honesty([].iter(), is_whole, false, now_ms);
            unchanged(feed, state, true, now_ms);
            Ended::with(Outcome::SameHash)
        }
        Some(Content::NotAFeed { hash, may_be_broken, detail, bytes }) => {
            // What was not read must come again: its validators are not kept.
            let is_news = state.looks.hash != hash && now_ms - state.rejected_ms >= DAY;
            if is_news {
                state.rejected_ms = now_ms;
            }
            let outcome = if may_be_broken { Outcome::Malformed } else { Outcome::WrongContent };
            state.looks.is_unreadable = true;
            Ended { unreadable: is_news.then_some((bytes, detail)), ..Ended::with(outcome) }
        }
        Some(Content::Feed { hash, mut reading }) => {
            let has_same_tag = same_tag(validators.as_ref(), state.validators.as_ref());
            // What broke off is asked for again: as if the last whole document were still the last one.
            let (is_partial, last_hash) = (is_cut || reading.is_cut, state.looks.hash);
            if !is_partial {
                state.validators = validators;
            }
            state.honesty.window_ms = window_ms(&reading.items);
            let mut ended = match reading.index.take() {
                Some(listed) => sitemaps::index(feed, state, poll, hash, (listed, reading), allowed, now_ms),
                None => {
                    state.sitemaps = None;
                    document(feed, state, poll, hash, reading, now_ms)
                }
            };
            let new = ended.items.iter().filter(|one| !one.is_update).map(|one| &one.item);
            state.learn_honesty(new, is_whole, has_same_tag, now_ms);
            state.same_since_ms = 0;
            if is_partial {
                state.looks.hash = last_hash;
            }
            if is_cut {
                (ended.outcome, ended.failing) = (Outcome::Cut, Failing::Otherwise);
            }
            ended
        }
    }
}

/// What an answer is to be recognised by; what is too long to be sent with every request is not kept.
fn validators_of(came: &mut Came, at: &Url) -> Option<Validators> {
    let short = |value: Option<Vec<u8>>| value.filter(|value| value.len() <= MOST_VALIDATOR_BYTES);
    let (etag, last_modified) = (short(came.etag.take()), short(came.last_modified.take()));
    let url = xxh3_64(at.as_str().as_bytes());
    (etag.is_some() || last_modified.is_some()).then_some(Validators { etag, last_modified, url })
}

fn fail(state: &mut FeedState, now_ms: i64) {
    state.failures = state.failures.saturating_add(1);
    state.failing_since_ms = since(state.failing_since_ms, now_ms);
}

fn plan<'a>(feed: &Feed, state: &'a FeedState, now_ms: i64, failing: Failing) -> Plan<'a> {
    let floor_ms = state.floor_ms(feed.is_listed);
    Plan {
        end_ms: now_ms,
        floor_ms,
        // What waits in turn is not to wait for the index to change.
        interval_ms: if state.has_sitemaps_to_ask() { floor_ms } else { state.interval_ms },
        back_off_ms: back_off(failing, state.failures, floor_ms),
        retry_at_ms: state.retry_at_ms,
        says: &state.says,
        hash: feed.hash(),
    }
}

/// Sets the schedule and judges. Returns the state that the feed left, if it did.
fn settle(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    ended: &mut Ended,
    now_ms: i64,
    is_frozen: bool,
) -> Option<State> {
    state.start_ms = poll.start_ms;
    state.whole_ms = if poll.is_whole() { poll.start_ms } else { state.whole_ms.max(poll.whole_ms) };
    let is_excused = is_frozen && ended.outcome.may_be_ours();
    if ended.outcome.is_success() {
        // The word of a server that lied proves nothing, neither that it is well nor that nothing came.
        if ended.outcome != Outcome::Same304 || state.is_believed(now_ms) {
            state.success_ms = now_ms;
            (state.failures, state.failing_since_ms) = (0, 0);
        }
        (state.missing_since_ms, state.is_gone) = (0, false);
        if store_move(state, poll, now_ms) && ended.outcome == Outcome::New {
            ended.outcome = Outcome::Moved;
        }
    } else if !is_excused {
        fail(state, now_ms);
        if ended.outcome != Outcome::Gone && ended.outcome != Outcome::ClientError {
            (state.missing_since_ms, state.is_gone) = (0, false);
        }
    }
    let failing = if is_excused { Failing::Not } else { ended.failing };
    state.next_ms = next_poll(&plan(feed, state, now_ms, failing));
    if is_excused { None } else { verdict(feed, state, now_ms) }
}

fn done(poll: Poll, ended: Ended, left: Option<State>, more: Option<(Box<Poll>, Request)>) -> Step {
    let Ended {
        outcome,
        items,
        counts,
        overlap,
        is_overrun,
        reading,
        unreadable,
        domain_until_ms,
        index,
        detail,
        failing: _,
    } = ended;
    Step::Done(Box::new(Done {
        outcome,
        items,
        counts,
        left,
        domain_until_ms,
        overlap,
        is_overrun,
        reading,
        unreadable,
        from: poll.at,
        index,
        detail,
        more,
    }))
}

/// Judges the feed after a poll. Returns the state it left, if it did.
fn verdict(feed: &Feed, state: &mut FeedState, now_ms: i64) -> Option<State> {
    let candidate = candidate(feed, state, now_ms);
    let left = state.health.update(candidate, now_ms);
    if state.looks.hash == 0 {
        // What never was a feed has no good state to keep until a second poll agrees.
        return left.or_else(|| state.health.update(candidate, now_ms));
    }
    left
}

/// The state by this poll's evidence. A poll that failed saw nothing of the silence: that counts as far as polls that saw it agreed, and no further.
fn candidate(feed: &Feed, state: &FeedState, now_ms: i64) -> State {
    let seen = seen(feed, state, now_ms);
    if state.failures == 0 {
        return judge(&seen);
    }
    judge(&seen.without_silence()).max(judge(&seen).min(state.health.state))
}

/// Whether the state is that of failing polls alone, and not that of a feed which is silent.
pub(super) fn is_failing(feed: &Feed, state: &FeedState, now_ms: i64) -> bool {
    state.failures > 0 && judge(&seen(feed, state, now_ms).without_silence()) >= state.health.state
}

/// The evidence, as the state holds it.
pub fn seen(feed: &Feed, state: &FeedState, now_ms: i64) -> Seen {
    let interval_ms = state.interval_ms.max(state.floor_ms(feed.is_listed));
    Seen {
        now_ms,
        interval_ms,
        // Only what was tried is a failure: a poller that was off knows nothing of the time between.
        last_success_ms: if state.failures > 0 { state.failing_since_ms } else { now_ms },
        // Nobody can see an item while the feed cannot be read.
        silence: state.rhythm.silence(state.success_ms),
        longest_gap_ms: state.rhythm.longest_gap_ms(),
        is_gone: state.is_gone || state.missing_since_ms > 0 && now_ms - state.missing_since_ms >= WEEK,
        is_throttled: state.retry_at_ms > now_ms,
        is_wrong: state.looks.wrong_since_ms > 0 || state.looks.is_unreadable,
        is_empty: state.looks.is_empty,
        is_malformed: state.looks.lost_items
            || state.looks.fault_polls >= 3
            || state.sitemaps.as_ref().is_some_and(|sitemaps| sitemaps.failing() > 0),
        is_churning: state.identity.churn.is_churning(),
        is_undated: state.looks.is_undated && state.looks.items > 0,
        is_skewed: state.skew.is_skewed(interval_ms.max(state.next_ms - state.start_ms)),
        is_moved: state.moved_ms > 0 && now_ms - state.moved_ms < DAY,
    }
}

#[cfg(test)]
mod tests;
