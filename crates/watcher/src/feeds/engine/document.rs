//! A document beside the ones before it: which of its items are new, and what it looks like.

use super::super::budget::Domain;
use super::super::identity::{Remembered, Seen, Settled, address, settle};
use super::super::policy::{MINUTE, Says, WEEK};
use super::super::reading::{Item, Reading};
use super::super::silence::event_time;
use super::super::state::{FeedState, Known, Looks};
use super::{Counts, Delivered, Ended, Feed, Outcome, Poll, adapted, since};

/// An item dated later than this after it was seen is counted as one from the future.
const FUTURE_MS: i64 = 15 * MINUTE;

/// A document that can be read and is not the last one.
pub(super) fn document(
    feed: &Feed,
    state: &mut FeedState,
    poll: &Poll,
    hash: u64,
    mut reading: Box<Reading>,
    now_ms: i64,
) -> Ended {
    let is_first = state.looks.hash == 0;
    let last_poll_ms = state.start_ms.max(state.added_ms);
    let mut items = std::mem::take(&mut reading.items);
    let own: Vec<u64> =
        reading.own.iter().copied().chain([address(&state.url), address(poll.at.as_str())]).collect();
    let settled = settle(state, &feed.url, &mut items, &own, !reading.is_cut, now_ms);
    reading.faults.extend(&settled.faults);
    let Sorted { delivered, counts, known, dates, again } = sort_out(state, items, &settled, now_ms);
    let total = known.len();
    look(state, poll, hash, &reading, &counts, total, now_ms);
    state.says = Says {
        ttl_s: reading.ttl_s,
        period_s: reading.period_s,
        skip_hours: reading.skip_hours,
        skip_days: reading.skip_days,
        ..state.says.clone()
    };
    let had_known = !state.known.is_empty();
    if !is_first {
        state.identity.churn.learn(again, total);
    }
    state.remember_items(&known);
    if is_first {
        let newest = dates.iter().copied().filter(|date| *date <= now_ms).max();
        state.rhythm.begin(newest, now_ms);
    } else {
        if let Some(freshest) = dates.iter().max() {
            state.skew.learn(*freshest, now_ms);
        }
        let is_churning = state.identity.churn.is_churning();
        // What comes at every poll is no rhythm, and nothing to hurry for: its floor rises.
        let new = delivered.iter().filter(|item| !item.is_update && !is_churning);
        let mut times: Vec<i64> =
            new.map(|item| event_time(item.item.published_ms, now_ms, last_poll_ms)).collect();
        state.rhythm.learn(&mut times, now_ms);
        if !is_churning {
            adapted(feed, state, counts.known as usize, total, now_ms);
        }
    }
    state.rhythm.pass(now_ms);
    let after_another = !is_first && total > 0 && had_known;
    if after_another {
        state.known_share.learn(counts.known as f32 * 100.0 / total as f32);
    }
    // An update keeps its item: only new ones leave a gap.
    let overlap = after_another.then(|| (counts.known + counts.updated) as f32 / total as f32);
    let is_overrun = overlap.is_some_and(|overlap| overlap == 0.0);
    state.overruns += u32::from(is_overrun);
    let outcome = if total == 0 { Outcome::Empty } else { Outcome::New };
    Ended { items: delivered, counts, overlap, is_overrun, reading: Some(reading), ..Ended::with(outcome) }
}

/// A document's items, told apart.
pub(super) struct Sorted {
    pub(super) delivered: Vec<Delivered>,
    pub(super) counts: Counts,
    /// Of every item.
    pub(super) known: Vec<Remembered>,
    /// Of the new ones.
    pub(super) dates: Vec<i64>,
    /// Those that are delivered although they were there before.
    pub(super) again: usize,
}

pub(super) fn sort_out(state: &FeedState, items: Vec<Item>, settled: &Settled, now_ms: i64) -> Sorted {
    let before: std::collections::HashSet<Known> = state.known.iter().copied().collect();
    let ids: std::collections::HashSet<[u8; 4]> = state.known.iter().map(Known::id).collect();
    let mut sorted = Sorted {
        delivered: Vec::new(),
        counts: Counts::default(),
        known: Vec::with_capacity(items.len()),
        dates: Vec::new(),
        again: 0,
    };
    let mut here = std::collections::HashSet::new();
    let settled = settled.seen.iter().zip(&settled.was_seen);
    // Feeds begin with the newest; what is older goes first.
    for (item, (seen, was_seen)) in items.into_iter().zip(settled).rev() {
        let known = Known::new(item.id_hash, item.content_hash);
        sorted.known.push(Remembered::of(&item));
        let (is_known, is_update) = match seen {
            Seen::ByKey => (before.contains(&known), ids.contains(&known.id())),
            Seen::Known => (true, false),
            Seen::Updated => (false, true),
        };
        if !here.insert(known) || is_known {
            sorted.counts.known += 1;
            continue;
        }
        sorted.again += usize::from(*was_seen);
        match item.published_ms {
            None => sorted.counts.undated += 1,
            Some(date) => {
                sorted.counts.future += u64::from(date > now_ms + FUTURE_MS);
                if !is_update {
                    sorted.dates.push(date);
                }
            }
        }
        if is_update {
            sorted.counts.updated += 1;
        } else {
            sorted.counts.new += 1;
        }
        sorted.delivered.push(Delivered { item, is_update });
    }
    sorted.known.reverse();
    sorted
}

/// What the document looks like beside the one before it.
fn look(
    state: &mut FeedState,
    poll: &Poll,
    hash: u64,
    reading: &Reading,
    counts: &Counts,
    total: usize,
    now_ms: i64,
) {
    let before = &state.looks;
    let domain = Domain::of(&poll.at).0;
    let nothing_known = counts.known + counts.updated == 0 && total > 0;
    let is_parked = before.hash != 0
        && before.title != reading.title_hash
        && before.domain != domain
        && (nothing_known || before.wrong_since_ms > 0);
    let lost_its_script = before.arabic_percent > 80 && reading.arabic_percent < 20 && total > 0;
    let is_wrong = is_parked || lost_its_script;
    let wrong_since_ms = if is_wrong { since(before.wrong_since_ms, now_ms) } else { 0 };
    // Who stays another for a week is that one.
    let is_taken_over = is_wrong && now_ms - wrong_since_ms < WEEK;
    let share = if total == 0 { 100.0 } else { counts.known as f32 * 100.0 / total as f32 };
    let same_faults = reading.faults_hash != 0 && before.faults == reading.faults_hash;
    let next = Looks {
        hash,
        items: u32::try_from(total).unwrap_or(u32::MAX),
        title: if is_taken_over { before.title } else { reading.title_hash },
        domain: if is_taken_over { before.domain } else { domain },
        arabic_percent: if is_taken_over || total == 0 {
            before.arabic_percent
        } else {
            reading.arabic_percent
        },
        wrong_since_ms: if is_taken_over { wrong_since_ms } else { 0 },
        is_empty: total == 0 && (before.items > 0 || before.is_empty || !state.known.is_empty()),
        is_unreadable: false,
        lost_items: reading.items_lost > 0,
        is_undated: 2 * reading.undated > total,
        faults: reading.faults_hash,
        fault_polls: if same_faults {
            before.fault_polls.saturating_add(1)
        } else {
            u8::from(reading.faults_hash != 0)
        },
        known_percent: if before.hash == 0 { share } else { before.known_percent * 0.9 + share * 0.1 },
    };
    state.looks = next;
}
