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
use super::policy::{DAY, FLOOR_MS, Failing, Plan, WEEK, adapt, back_off, is_audit_due, next_poll};
use super::reading::{Content, Reading};
use super::state::{FeedState, MOST_VALIDATOR_BYTES, Validators};

mod document;
mod moved;
mod push;
mod types;

use document::document;
use moved::store_move;
pub use push::push;
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
    sent_validators: bool,
    /// When the feed was last asked for the whole: by a poll that died, perhaps, of which the stored state knows nothing.
    whole_ms: i64,
}

impl Poll {
    /// Whether the first request carries no validators.
    pub fn is_whole(&self) -> bool {
        !self.sent_validators
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
    // What nobody looked at was not silent.
    let silence = state.rhythm.silence(state.success_ms);
    let is_audit = state.validators.is_some()
        && (state.lies_until_ms > now_ms
            || is_audit_due(now_ms, state.same_since_ms, state.whole_ms, silence.nats, silence.limit));
    let request = request(state, &at, is_audit || seeks_hub);
    let sent_validators = request.etag.is_some() || request.last_modified.is_some();
    Ok((
        Poll {
            start_ms: now_ms,
            is_audit,
            seeks_hub,
            hops: 0,
            at,
            for_good: true,
            moved_to: None,
            sent_validators,
            whole_ms: state.whole_ms,
        },
        request,
    ))
}

fn request(state: &FeedState, url: &Url, is_whole: bool) -> Request {
    let hash = xxh3_64(url.as_str().as_bytes());
    let given = state.validators.as_ref().filter(|given| given.url == hash && !is_whole);
    Request {
        url: url.clone(),
        etag: given.and_then(|given| given.etag.clone()),
        last_modified: given.and_then(|given| given.last_modified.clone()),
    }
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
    if let Answer::Came(came) = &answer
        && let 301 | 302 | 303 | 307 | 308 = came.status
    {
        match hop(&mut poll, came, allowed) {
            Ok(to) => {
                let request = request(state, &to, poll.is_audit || poll.seeks_hub);
                poll.at = to;
                poll.sent_validators |= request.etag.is_some() || request.last_modified.is_some();
                return Step::Ask(Box::new(poll), request);
            }
            Err(outcome) => return done(feed, state, &poll, Ended::with(outcome), now_ms, is_frozen),
        }
    }
    let ended = match answer {
        Answer::Failed(failure) => Ended::with(failure.into()),
        Answer::Came(came) => take_in(feed, state, &poll, came, now_ms),
    };
    done(feed, state, &poll, ended, now_ms, is_frozen)
}

/// Where a redirect leads.
fn hop(poll: &mut Poll, came: &Came, allowed: &Allowed) -> Result<Url, Outcome> {
    poll.hops += 1;
    if poll.hops > MOST_HOPS {
        return Err(Outcome::ClientError);
    }
    let location = came.location.as_deref().ok_or(Outcome::ClientError)?;
    let to = check_redirect(&poll.at, location, allowed)
        .map_err(|why| if why.is_refusal() { Outcome::RefusedAddress } else { Outcome::ClientError })?;
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
}

impl Ended {
    fn with(outcome: Outcome) -> Self {
        let failing = match outcome {
            Outcome::Gone => Failing::Gone,
            Outcome::Throttled => Failing::Throttled,
            Outcome::New | Outcome::Same304 | Outcome::SameHash | Outcome::Moved | Outcome::Empty => {
                Failing::Not
            }
            Outcome::ClientError
            | Outcome::ServerError
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
        }
    }
}

/// Takes in a status that is no redirect.
fn take_in(feed: &Feed, state: &mut FeedState, poll: &Poll, came: Came, now_ms: i64) -> Ended {
    state.retry_at_ms = came.retry_after_ms.map_or(0, |after| now_ms.saturating_add(after));
    if came.is_challenge {
        state.looks.is_unreadable = true;
        return Ended::with(Outcome::WrongContent);
    }
    match came.status {
        304 => {
            state.says.max_age_s = came.max_age_s;
            unchanged(feed, state, now_ms);
            Ended::with(Outcome::Same304)
        }
        200 | 226 => whole(feed, state, poll, came, now_ms),
        404 => {
            state.missing_since_ms = since(state.missing_since_ms, now_ms);
            Ended::with(Outcome::ClientError)
        }
        410 => {
            state.missing_since_ms = since(state.missing_since_ms, now_ms);
            state.is_gone = true;
            Ended::with(Outcome::Gone)
        }
        429 => {
            let pause = back_off(Failing::Throttled, state.failures + 1, FLOOR_MS);
            let until = now_ms.saturating_add(came.retry_after_ms.unwrap_or(pause).min(WEEK));
            state.retry_at_ms = until;
            let domain_until_ms = Some((Domain::of(&poll.at), until));
            state.refused = Some((Domain::of(&poll.at).0, until));
            Ended { domain_until_ms, ..Ended::with(Outcome::Throttled) }
        }
        500..=599 => Ended::with(Outcome::ServerError),
        100..=299 => Ended::with(Outcome::ServerError),
        _ => Ended::with(Outcome::ClientError),
    }
}

fn since(before_ms: i64, now_ms: i64) -> i64 {
    if before_ms > 0 { before_ms } else { now_ms }
}

/// Nothing new: known items only.
fn unchanged(feed: &Feed, state: &mut FeedState, now_ms: i64) {
    state.looks.is_unreadable = false;
    state.same_since_ms = since(state.same_since_ms, now_ms);
    adapted(feed, state, 1, 1, now_ms);
    state.rhythm.pass(now_ms);
}

fn adapted(feed: &Feed, state: &mut FeedState, known: usize, total: usize, now_ms: i64) {
    let floor_ms = state.says.floor_ms(feed.is_listed);
    let gap_ms = state.rhythm.mean_gap_ms(now_ms);
    (state.interval_ms, state.streak) =
        adapt(state.interval_ms, state.streak, known, total, floor_ms, gap_ms);
}

/// A whole answer.
fn whole(feed: &Feed, state: &mut FeedState, poll: &Poll, came: Came, now_ms: i64) -> Ended {
    let Came { etag, last_modified, max_age_s, content, .. } = came;
    state.says.max_age_s = max_age_s;
    let short = |value: Option<Vec<u8>>| value.filter(|value| value.len() <= MOST_VALIDATOR_BYTES);
    let (etag, last_modified) = (short(etag), short(last_modified));
    let validators = (etag.is_some() || last_modified.is_some()).then(|| Validators {
        etag,
        last_modified,
        url: xxh3_64(poll.at.as_str().as_bytes()),
    });
    match content {
        None => Ended::with(Outcome::ServerError),
        Some(Content::Same) => {
            state.validators = validators;
            unchanged(feed, state, now_ms);
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
        Some(Content::Feed { hash, reading }) => {
            state.validators = validators;
            state.same_since_ms = 0;
            document(feed, state, poll, hash, reading, now_ms)
        }
    }
}

fn fail(state: &mut FeedState, now_ms: i64) {
    state.failures = state.failures.saturating_add(1);
    state.failing_since_ms = since(state.failing_since_ms, now_ms);
}

fn plan<'a>(feed: &Feed, state: &'a FeedState, now_ms: i64, failing: Failing) -> Plan<'a> {
    let floor_ms = state.floor_ms(feed.is_listed, now_ms);
    Plan {
        end_ms: now_ms,
        floor_ms,
        interval_ms: state.interval_ms,
        back_off_ms: back_off(failing, state.failures, floor_ms),
        retry_at_ms: state.retry_at_ms,
        says: &state.says,
        hash: feed.hash(),
    }
}

/// Sets the schedule and judges.
fn done(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    mut ended: Ended,
    now_ms: i64,
    is_frozen: bool,
) -> Step {
    state.start_ms = poll.start_ms;
    state.whole_ms = if poll.is_whole() { poll.start_ms } else { state.whole_ms.max(poll.whole_ms) };
    let is_excused = is_frozen && ended.outcome.may_be_ours();
    if ended.outcome.is_success() {
        state.success_ms = now_ms;
        (state.failures, state.failing_since_ms) = (0, 0);
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
    let left = if is_excused { None } else { verdict(feed, state, now_ms) };
    let Ended { outcome, items, counts, overlap, is_overrun, reading, unreadable, domain_until_ms, .. } =
        ended;
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
        from: poll.at.clone(),
    }))
}

/// Judges the feed after a poll. Returns the state it left, if it did.
fn verdict(feed: &Feed, state: &mut FeedState, now_ms: i64) -> Option<State> {
    let candidate = judge(&seen(feed, state, now_ms));
    state.health.update(candidate, now_ms)
}

/// The evidence, as the state holds it.
pub fn seen(feed: &Feed, state: &FeedState, now_ms: i64) -> Seen {
    let interval_ms = state.interval_ms.max(state.says.floor_ms(feed.is_listed));
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
        is_malformed: state.looks.lost_items || state.looks.fault_polls >= 3,
        is_churning: state.identity.churn.is_churning(),
        is_undated: state.looks.is_undated && state.looks.items > 0,
        is_skewed: state.skew.is_skewed(interval_ms.max(state.next_ms - state.start_ms)),
        is_moved: state.moved_ms > 0 && now_ms - state.moved_ms < DAY,
    }
}

#[cfg(test)]
mod tests;
