//! An index of sitemaps as a feed: its document says what to read, and the sitemaps are asked after it, in the same poll.

use super::super::address::{Allowed, check_url};
use super::super::budget::Domain;
use super::super::identity::{address, settle};
use super::super::policy::{DAY, Failing, next_poll};
use super::super::reading::{Content, Listed, Reading};
use super::super::silence::event_time;
use super::super::sitemaps::{MOST_A_POLL, Named, Pick, Sitemaps};
use super::super::state::{FeedState, Looks, Validators};
use super::document::{Sorted, sort_out};
use super::{Came, Ended, Feed, Outcome, Poll, Request, adapted, plan, request, throttled, validators_of};

/// What a poll found of an index's sitemaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexSeen {
    /// It was the answer of one of them, and not of the index.
    pub is_sitemap: bool,
    /// How many are known.
    pub known: usize,
    /// How many wait to be read.
    pub waiting: usize,
    /// What the index named and is never asked, with why.
    pub refused: Vec<(String, String)>,
    /// How many it names beyond those that are known.
    pub left_out: u32,
}

/// The sitemap that a poll asks now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Child {
    /// Which.
    pub(super) key: u64,
    /// How many more after it.
    left: u8,
}

fn seen(state: &FeedState, is_sitemap: bool, named: Named) -> Option<IndexSeen> {
    let sitemaps = state.sitemaps.as_ref()?;
    Some(IndexSeen {
        is_sitemap,
        known: sitemaps.count(),
        waiting: sitemaps.waiting(),
        refused: named.refused,
        left_out: sitemaps.left_out,
    })
}

/// Takes in the document of the feed's own index.
pub(super) fn index(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    hash: u64,
    (listed, mut reading): (Vec<Listed>, Box<Reading>),
    allowed: &Allowed,
    now_ms: i64,
) -> Ended {
    if state.looks.hash == 0 {
        state.rhythm.begin(None, now_ms);
    }
    let sitemaps = state.sitemaps.get_or_insert_default();
    let named = sitemaps.take(listed, 0, &poll.at, allowed, now_ms);
    adapted(feed, state, usize::from(!named.has_news), 1, now_ms);
    state.rhythm.pass(now_ms);
    let is_same = reading.faults_hash != 0 && state.looks.faults == reading.faults_hash;
    let polls = if is_same { state.looks.fault_polls.saturating_add(1) } else { 0 };
    state.looks = Looks {
        hash,
        title: reading.title_hash,
        domain: Domain::of(&poll.at).0,
        lost_items: reading.items_lost > 0,
        faults: reading.faults_hash,
        fault_polls: polls.max(u8::from(reading.faults_hash != 0)),
        ..Looks::default()
    };
    reading.index = None;
    let index = seen(state, false, named);
    Ended { index, reading: Some(reading), ..Ended::with(Outcome::New) }
}

/// Takes in the answer of one of its sitemaps.
pub(super) fn child(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    Child { key, .. }: Child,
    came: Came,
    allowed: &Allowed,
    now_ms: i64,
) -> Ended {
    match came.status {
        _ if came.is_challenge => Ended::with(Outcome::WrongContent),
        304 if poll.is_conditional => unchanged(state, key, None, Outcome::Same304, now_ms),
        304 => Ended::with(Outcome::Unasked304),
        200 | 202 | 203 | 206 | 226 => whole(feed, state, poll, key, came, allowed, now_ms),
        429 => throttled(state, came.retry_after_ms, 1, &poll.at, now_ms),
        410 => Ended::with(Outcome::Gone),
        100..=299 | 500..=599 => Ended::with(Outcome::ServerError),
        _ => Ended::with(Outcome::ClientError),
    }
}

/// Takes down how one of its sitemaps was answered, and sets the schedule: the feed is left alone from its last request on, whatever that was for. A sitemap that
/// fails is no failure of the feed.
pub(super) fn answered(
    feed: &Feed,
    state: &mut FeedState,
    Child { key, .. }: Child,
    ended: Ended,
    now_ms: i64,
) -> Ended {
    if let (false, Some(sitemaps)) = (ended.outcome.is_success(), &mut state.sitemaps) {
        sitemaps.fail(key, now_ms);
    }
    let next_ms = next_poll(&plan(feed, state, now_ms, Failing::Not));
    state.next_ms = state.next_ms.max(next_ms);
    let index = ended.index.or_else(|| seen(state, true, Named::default()));
    Ended { index, ..ended }
}

fn unchanged(
    state: &mut FeedState,
    key: u64,
    document: Option<(u64, Option<Validators>)>,
    outcome: Outcome,
    now_ms: i64,
) -> Ended {
    if let Some(sitemaps) = &mut state.sitemaps {
        sitemaps.read(key, document, false, now_ms);
    }
    Ended::with(outcome)
}

fn whole(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    key: u64,
    mut came: Came,
    allowed: &Allowed,
    now_ms: i64,
) -> Ended {
    let validators = validators_of(&mut came, &poll.at);
    let sitemaps = state.sitemaps.get_or_insert_default();
    match came.content {
        None => Ended::with(Outcome::ServerError),
        Some(Content::Same) => {
            let hash = sitemaps.last_of(key).1;
            unchanged(state, key, Some((hash, validators)), Outcome::SameHash, now_ms)
        }
        Some(Content::NotAFeed { may_be_broken, detail, bytes, .. }) => {
            let is_news = now_ms - state.rejected_ms >= DAY;
            if is_news {
                state.rejected_ms = now_ms;
            }
            let outcome = if may_be_broken { Outcome::Malformed } else { Outcome::WrongContent };
            Ended { unreadable: is_news.then_some((bytes, detail)), ..Ended::with(outcome) }
        }
        Some(Content::Feed { hash, mut reading }) => match reading.index.take() {
            Some(_) if sitemaps.is_nested(key) => {
                // An index in an index in an index: it will not become a sitemap, and is not asked again until it changes.
                sitemaps.read(key, Some((hash, validators)), false, now_ms);
                let why = "an index within an index of an index is not followed".to_owned();
                let named = Named { refused: vec![(poll.at.to_string(), why)], has_news: false };
                let index = seen(state, true, named);
                Ended { index, reading: Some(reading), ..Ended::with(Outcome::Empty) }
            }
            Some(listed) => {
                sitemaps.read(key, Some((hash, validators)), true, now_ms);
                let named = sitemaps.take(listed, key, &poll.at, allowed, now_ms);
                let index = seen(state, true, named);
                Ended { index, reading: Some(reading), ..Ended::with(Outcome::New) }
            }
            None => items(feed, state, poll, (key, hash, validators), reading, now_ms),
        },
    }
}

/// The articles of a sitemap. Nothing else that is known is forgotten for them: the other sitemaps have theirs.
fn items(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    (key, hash, validators): (u64, u64, Option<Validators>),
    mut reading: Box<Reading>,
    now_ms: i64,
) -> Ended {
    let document = (hash, validators);
    let mut items = std::mem::take(&mut reading.items);
    let own: Vec<u64> =
        reading.own.iter().copied().chain([address(&state.url), address(poll.at.as_str())]).collect();
    // One of several: it says nothing of articles that are missing.
    let settled = settle(state, &feed.url, &mut items, &own, false, now_ms);
    reading.faults.extend(&settled.faults);
    let Sorted { delivered, counts, known, dates, .. } = sort_out(state, items, &settled, now_ms);
    state.remember_too(&known);
    let asked_ms = state.sitemaps.as_ref().map_or(0, |sitemaps| sitemaps.asked_ms(key));
    let sitemaps = state.sitemaps.get_or_insert_default();
    let was_read = sitemaps.read(key, Some(document), !delivered.is_empty(), now_ms);
    let new = delivered.iter().filter(|item| !item.is_update).map(|item| item.item.published_ms);
    // The first time it holds what was there before: only what was written since the feed is known is its rhythm.
    let is_news =
        |published_ms: &Option<i64>| was_read || published_ms.is_some_and(|date| date >= state.added_ms);
    let since_ms = if was_read { asked_ms } else { state.added_ms };
    let mut times: Vec<i64> =
        new.filter(is_news).map(|published_ms| event_time(published_ms, now_ms, since_ms)).collect();
    if let (Some(freshest), true) = (dates.iter().max(), was_read) {
        state.skew.learn(*freshest, now_ms);
    }
    state.rhythm.learn(&mut times, now_ms);
    state.looks.is_undated = 2 * reading.undated > known.len();
    state.looks.items = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let outcome = match (known.is_empty(), delivered.is_empty()) {
        (true, _) => Outcome::Empty,
        (false, true) => Outcome::SameHash,
        (false, false) => Outcome::New,
    };
    Ended { items: delivered, counts, reading: Some(reading), ..Ended::with(outcome) }
}

/// The next sitemap to ask, after the index or another one was answered.
pub(super) fn next(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    ended: &Ended,
    allowed: &Allowed,
    now_ms: i64,
) -> Option<(Box<Poll>, Request)> {
    // Where our own network fails, the others would too.
    let is_good =
        if poll.child.is_some() { !ended.outcome.may_be_ours() } else { ended.outcome.is_success() };
    if !is_good || state.retry_at_ms > now_ms {
        return None;
    }
    let mut left = poll.child.map_or(MOST_A_POLL, |child| child.left);
    let floor_ms = state.says.floor_ms(feed.is_listed);
    loop {
        let sitemaps: &mut Sitemaps = state.sitemaps.as_mut()?;
        let Pick { key, url } = sitemaps.pick(poll.start_ms, left, floor_ms, now_ms)?;
        left -= 1;
        // What is allowed may have changed since the index was read.
        let Ok(at) = check_url(&url, allowed) else {
            sitemaps.fail(key, now_ms);
            continue;
        };
        // Where the index is not believed, its sitemaps are not either: an audit is one of them too.
        let (hops, for_good, moved_to) = (0, false, None);
        let mut next = Poll { hops, for_good, moved_to, child: Some(Child { key, left }), ..poll.clone() };
        let request = request(state, &mut next, at);
        return Some((Box::new(next), request));
    }
}

/// What the document of a poll is compared with, by hash; 0 for nothing.
pub fn last_hash(state: &FeedState, poll: &Poll, wants_hub: bool) -> u64 {
    match (poll.child, &state.sitemaps) {
        (Some(Child { key, .. }), Some(sitemaps)) => sitemaps.last_of(key).1,
        (Some(_), None) => 0,
        (None, _) => state.read_hash(wants_hub),
    }
}

/// When the sitemap that a poll asks was last asked; `None` where it asks none.
pub fn sitemap_asked_ms(state: &FeedState, poll: &Poll) -> Option<i64> {
    let Child { key, .. } = poll.child?;
    Some(state.sitemaps.as_ref().map_or(0, |sitemaps| sitemaps.asked_ms(key)))
}

/// What the document came with that a poll asks for again.
pub(super) fn validators<'a>(state: &'a FeedState, poll: &Poll) -> Option<&'a Validators> {
    match (poll.child, &state.sitemaps) {
        (Some(Child { key, .. }), Some(sitemaps)) => sitemaps.last_of(key).0,
        (Some(_), None) => None,
        (None, _) => state.validators.as_ref(),
    }
}
