//! Full text: the page that an item links to is fetched, and the item is delivered with the page's text, or with its own where the page cannot be had.
//!
//! ```text
//! poll ---> Unit { FeedState, Plan, Saved }               the item waits: it is known, and not delivered
//! turn ---> robots.txt known and kind? budget? ---> Plan (one try more) durable ---> request ---> answer
//! answer -> Unit { document, no Plan, no Saved }          the article, or the reason why it is the feed's own text
//!        -> Plan: again later                             for a while
//! ```
//! An item leaves the tables in the unit that delivers it, so a crash anywhere costs a request and nothing else. Memory holds the schedule only, about
//! 150 bytes an item.

mod answer;
pub(super) mod article;
pub mod check;
mod metrics;
mod outcome;
mod queue;
mod readers;
mod robots;
mod sites;
mod state;
mod turn;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use barid_log::Wish;
use barid_record::Topic;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use url::Url;

use self::article::Article;
pub(crate) use self::metrics::PageMetrics;
pub use self::outcome::PageOutcome;
use self::queue::{Key, Queue};
pub(super) use self::readers::Readers;
use self::sites::Sites;
pub use self::state::{PAGES, ROBOTS, WAITING};
use self::state::{Plan, Saved, from_bytes, from_key, to_bytes};
use super::address::check_url;
use super::budget::Domain;
use super::common::{Budget, Common, Load};
use super::config::{Clock, FeedsConfig, FeedsSummary};
use super::deliver;
use super::engine::Delivered;
use super::fetch::Client;
use super::metrics::FeedMetrics;
use super::policy::{HOUR, MINUTE};
use super::reading::Item;
use super::roster::{Entry, Roster};
use crate::WatcherError;
use crate::outbox::Outbox;

/// The crash points of this module.
pub(super) const FAILPOINTS: [&str; 4] =
    ["feeds.page.waiting", "feeds.page.asked", "feeds.page.answer", "feeds.page.done"];

/// An item is delivered this long after it was found, whatever became of its page, of the process or of our own network.
pub const PATIENCE_MS: i64 = 6 * HOUR;
/// Tries of a page, so long after one another.
const PAUSES_MS: [i64; 3] = [10 * MINUTE, HOUR, 3 * HOUR];
/// An item with so much text of its own needs no page.
const MOST_OWN_BYTES: usize = 1 << 20;
/// So many wait at most; further ones are delivered with their own text.
const MOST_WAITING: usize = 500_000;
/// A drain waits so long for a domain that said 429, no longer.
const DRAIN_PATIENCE_MS: i64 = MINUTE;
/// Pages under way, at most: each may be a few megabytes.
const MOST_IN_FLIGHT: usize = 50;

/// What the poller lends.
pub(super) struct Desk<'a> {
    pub(super) outbox: &'a mut Outbox,
    pub(super) budget: &'a mut Budget,
    pub(super) roster: &'a Roster,
    pub(super) metrics: &'a FeedMetrics,
    pub(super) config: &'a FeedsConfig,
    pub(super) summary: &'a mut FeedsSummary,
    pub(super) now_ms: i64,
    pub(super) wish: Wish,
    /// Our own network is.
    pub(super) is_down: bool,
    /// Polls under way in the process.
    pub(super) polls: usize,
}

impl Desk<'_> {
    /// What fails in a drain is delivered at once with the feed's own text: nobody tries again.
    fn is_last_try(&self) -> bool {
        match self.wish {
            Wish::Drain => true,
            Wish::Run | Wish::Stop => false,
        }
    }
}

/// An item that waits for its page.
#[derive(Debug)]
struct Waiting {
    /// Tells it from an earlier or later one with the same key.
    number: u64,
    /// The line it stands in.
    domain: Domain,
    due_ms: i64,
    seen_ms: i64,
    tries: u8,
    /// A try is under way: it was written down.
    is_trying: bool,
    trail: Option<Box<Trail>>,
}

impl Waiting {
    /// Where it stands in its line.
    fn place(&self) -> queue::Place {
        (self.due_ms, self.number)
    }
}

/// Where redirects have led in this try.
#[derive(Debug, Default)]
struct Trail {
    page: Option<(Url, u8)>,
    /// Of the robots.txt of an origin.
    robots: Option<(String, Url, u8)>,
}

/// How the wait for a page ended.
enum End {
    Page(Box<Article>, Url),
    Own(PageOutcome),
}

/// All items that wait.
pub(super) struct Pages {
    /// For feeds of the operator's own.
    client: Client,
    /// For all others: an item or a robots.txt must not lead where only the operator may.
    outside: Client,
    /// Addresses of feeds, where some may be the operator's own.
    homes: HashMap<u32, Url>,
    runtime: Handle,
    clock: Clock,
    readers: Arc<Readers>,
    metrics: PageMetrics,
    /// Items that wait, as the metrics have them.
    told: usize,
    /// Feeds whose items get their pages' text.
    wanted: HashSet<u32>,
    /// Ids of those that have series of their own.
    watched: HashSet<String>,
    waiting: HashMap<Key, Waiting>,
    queue: Queue,
    /// Pages under way, among those of the process.
    under_way: Load,
    tasks: JoinSet<()>,
    landing: Sender<answer::Landed>,
    landed: Receiver<answer::Landed>,
    started_ms: i64,
    sites: Sites,
    /// A drain has begun: all that waits is due.
    is_draining: bool,
    number: u64,
    /// Something was delivered since the last look.
    has_delivered: bool,
}

impl Pages {
    pub(super) fn new(
        config: &FeedsConfig,
        roster: &Roster,
        common: &Common,
        metrics: &PageMetrics,
        clock: Clock,
    ) -> Result<Self, WatcherError> {
        let ids: HashSet<&str> = config.full_text.iter().map(String::as_str).collect();
        let wanted = roster.entries.iter().zip(0..).filter(|(entry, _)| ids.contains(entry.feed.id.as_str()));
        let watched = wanted.clone().filter(|(entry, _)| entry.is_watched);
        let watched: HashSet<String> = watched.map(|(entry, _)| entry.feed.id.clone()).collect();
        watched.iter().for_each(|feed| metrics.watch(feed));
        let home = |(entry, place): (&Entry, u32)| Some((place, Url::parse(&entry.feed.url).ok()?));
        let has_inside = !config.allowed.0.is_empty();
        let homes = wanted.clone().filter(|_| has_inside).filter_map(home).collect();
        let (landing, landed) = channel();
        let started_ms = clock();
        Ok(Self {
            client: common.client.for_pages(),
            outside: common.client.for_pages().outside(),
            homes,
            runtime: common.runtime()?,
            clock,
            readers: common.readers(),
            metrics: metrics.clone(),
            told: 0,
            wanted: wanted.map(|(_, place)| place).collect(),
            watched,
            waiting: HashMap::new(),
            queue: Queue::default(),
            under_way: common.page_load(),
            tasks: JoinSet::new(),
            landing,
            landed,
            started_ms,
            sites: Sites::default(),
            is_draining: false,
            number: 0,
            has_delivered: false,
        })
    }

    /// Reads the tables. Items of feeds that are no longer configured are delivered with their own text.
    pub(super) fn restore(
        &mut self,
        desk: &mut Desk<'_>,
        places: &HashMap<String, u32>,
    ) -> Result<(), WatcherError> {
        let mut orphans = Vec::new();
        let mut plans = Vec::new();
        desk.outbox.scan_in(PAGES, b"", &mut |key, value| {
            let place = from_key(key).and_then(|(feed, item)| Some((*places.get(feed)?, item)));
            match place.zip(from_bytes::<Plan>(value)) {
                Some((key, plan)) => plans.push((key, plan)),
                None => orphans.push(key.to_vec()),
            }
        })?;
        plans.sort_by_key(|(_, plan)| plan.seen_ms);
        for (key, plan) in plans {
            self.wait_for(key, &plan);
        }
        for key in orphans {
            self.deliver(desk, &key, End::Own(PageOutcome::FeedRemoved))?;
            if desk.outbox.is_full() {
                desk.outbox.flush()?;
            }
        }
        self.sites.look_through(desk)
    }

    /// Whether a feed's items wait for their pages.
    pub(super) fn wants(&self, place: u32) -> bool {
        self.wanted.contains(&place)
    }

    /// Takes an item of a poll: puts it into the unit as a document, or to wait for its page. `has_twin` says that the same document has it once more, changed.
    /// Returns about how many bytes that took.
    pub(super) fn take(
        &mut self,
        desk: &mut Desk<'_>,
        place: u32,
        item: Item,
        from: &str,
        has_twin: bool,
    ) -> Result<usize, WatcherError> {
        let key = (place, item.id_hash);
        let feed = desk.roster.entries[place as usize].feed.id.clone();
        if self.waiting.contains_key(&key) {
            // The versions of an item come in order.
            self.finish(desk, key, End::Own(PageOutcome::Superseded))?;
        }
        if !self.wants(place) {
            let document = deliver::document(&feed, item, desk.now_ms, from, None);
            return Ok(deliver::hand_over(desk, document));
        }
        let key_bytes = state::key(&feed, key.1);
        let url = item.link.as_deref().ok_or(PageOutcome::NoLink);
        let url = url
            .and_then(|link| check_url(link, &desk.config.allowed).map_err(|_| PageOutcome::RefusedAddress));
        let refusal = if has_twin {
            Some(PageOutcome::Superseded)
        } else if own_bytes(&item) > MOST_OWN_BYTES {
            Some(PageOutcome::OwnText)
        } else if self.waiting.len() >= MOST_WAITING {
            Some(PageOutcome::NotReached)
        } else {
            None
        };
        let url = match refusal.map_or(url, Err) {
            Ok(url) => url,
            Err(outcome) => return Ok(self.own_text(desk, &feed, item, from, outcome)),
        };
        let plan = Plan { url: url.into(), seen_ms: desk.now_ms, tries: 0, again_ms: desk.now_ms };
        let saved = Saved { item, from: from.to_owned() };
        let bytes = to_bytes(&saved);
        if key_bytes.len() + bytes.len() > desk.outbox.change_limit() {
            // It cannot be kept until its page comes.
            return Ok(self.own_text(desk, &feed, saved.item, from, PageOutcome::OwnText));
        }
        let taken = bytes.len();
        desk.outbox.put_in(PAGES, &key_bytes, to_bytes(&plan));
        desk.outbox.put_in(WAITING, &key_bytes, bytes);
        self.wait_for(key, &plan);
        Ok(taken)
    }

    /// Delivers an item that does not wait. Returns about how many bytes that took.
    fn own_text(
        &self,
        desk: &mut Desk<'_>,
        feed: &str,
        item: Item,
        from: &str,
        outcome: PageOutcome,
    ) -> usize {
        desk.metrics.pages.ended(outcome, self.watched.get(feed).map(String::as_str));
        let page = Some(deliver::FromPage::Own(outcome));
        let document = deliver::document(feed, item, desk.now_ms, from, page);
        deliver::hand_over(desk, document)
    }

    fn wait_for(&mut self, key: Key, plan: &Plan) {
        self.number += 1;
        let domain = super::roster::domain(&plan.url);
        let waiting = Waiting {
            number: self.number,
            domain,
            due_ms: plan.again_ms,
            seen_ms: plan.seen_ms,
            tries: plan.tries,
            is_trying: false,
            trail: None,
        };
        let place = waiting.place();
        self.waiting.insert(key, waiting);
        self.queue.add(domain, place, key);
    }

    /// Delivers an item that waited, in the unit that ends its wait.
    fn finish(&mut self, desk: &mut Desk<'_>, key: Key, end: End) -> Result<(), WatcherError> {
        let feed = desk.roster.entries[key.0 as usize].feed.id.as_str();
        let key_bytes = state::key(feed, key.1);
        if let Some(waiting) = self.waiting.remove(&key) {
            self.queue.remove(waiting.domain, waiting.place(), key);
        }
        self.deliver(desk, &key_bytes, end)
    }

    fn deliver(&mut self, desk: &mut Desk<'_>, key: &[u8], end: End) -> Result<(), WatcherError> {
        let feed = from_key(key).map_or("unknown", |(feed, _)| feed);
        let stored = desk.outbox.get_in(WAITING, key)?;
        match stored.as_deref().map(from_bytes::<Saved>) {
            Some(Some(Saved { item, from })) => {
                let with_page = match end {
                    End::Page(article, at) => {
                        let page = Some(deliver::FromPage::Text(article, at));
                        let document = deliver::document(feed, item.clone(), desk.now_ms, &from, page);
                        Some(document)
                            .filter(|it| desk.outbox.takes(Topic::Raw, it))
                            .ok_or(PageOutcome::TooBig)
                    }
                    End::Own(outcome) => Err(outcome),
                };
                match with_page {
                    Ok(document) => {
                        desk.metrics
                            .pages
                            .ended(PageOutcome::Page, self.watched.get(feed).map(String::as_str));
                        desk.summary.pages += 1;
                        deliver::hand_over(desk, document);
                    }
                    Err(outcome) => {
                        self.own_text(desk, feed, item, &from, outcome);
                    }
                }
            }
            // Nobody else writes there: a fault, or a later version's value. Its bytes are kept.
            Some(None) => {
                let detail = "an item that waited for its page cannot be read: this is a fault in barid, please report it";
                let bytes = stored.unwrap_or_default();
                let rejected =
                    deliver::unreadable(feed, "feeds.waiting", bytes, detail.to_owned(), desk.now_ms);
                deliver::reject(desk, rejected);
            }
            None => tracing::warn!(
                feed,
                "an item that waited for its page is gone: this is a fault in barid, please report it"
            ),
        }
        desk.outbox.delete_in(PAGES, key);
        desk.outbox.delete_in(WAITING, key);
        self.has_delivered = true;
        Ok(())
    }

    /// Pages under way in the process.
    pub(super) fn in_flight_of_all(&self) -> usize {
        self.under_way.total()
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> usize {
        self.under_way.own()
    }

    /// Whether a drain has a page left to ask.
    pub(super) fn has_more(&self, now_ms: i64) -> bool {
        self.in_flight() > 0 || self.queue.has_due(now_ms)
    }

    /// When there is something to do, if there is.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.queue.next_ms()
    }

    /// Now and then.
    pub(super) fn sweep(&mut self, desk: &mut Desk<'_>) -> Result<(), WatcherError> {
        self.show();
        self.queue.sweep(desk.now_ms);
        self.end_waits(desk)?;
        self.sites.sweep(desk)
    }

    /// Delivers what has waited for as long as it may, wherever it stands: in a line that is held, or while nobody is asked.
    fn end_waits(&mut self, desk: &mut Desk<'_>) -> Result<(), WatcherError> {
        let is_over = |one: &Waiting| !one.is_trying && desk.now_ms >= one.seen_ms + PATIENCE_MS;
        let mut over: Vec<(u64, Key)> = self
            .waiting
            .iter()
            .filter(|(_, one)| is_over(one))
            .map(|(key, one)| (one.number, *key))
            .collect();
        over.sort_unstable();
        // What was put to wait just now is looked up.
        desk.outbox.flush()?;
        for (_, key) in over {
            self.finish(desk, key, End::Own(PageOutcome::NotReached))?;
            if desk.outbox.is_full() {
                desk.outbox.flush()?;
            }
        }
        Ok(())
    }

    /// A drain leaves nothing behind: whoever waits for another try has it now.
    fn hasten(&mut self, now_ms: i64) {
        for (key, waiting) in self.waiting.iter_mut().filter(|(_, one)| one.due_ms > now_ms) {
            self.queue.remove(waiting.domain, waiting.place(), *key);
            waiting.due_ms = now_ms;
            self.queue.add(waiting.domain, waiting.place(), *key);
        }
    }

    fn show(&mut self) {
        self.metrics.waiting(&mut self.told, self.waiting.len());
        self.metrics.given_up(self.readers.given_up());
    }
}

impl Drop for Pages {
    /// The items are another process's now, or nobody's.
    fn drop(&mut self) {
        self.metrics.waiting(&mut self.told, 0);
    }
}

/// About what an item takes in its table.
fn own_bytes(item: &Item) -> usize {
    let parts = [&item.title, &item.link, &item.author, &item.published, &item.language];
    item.id.len() + item.text.len() + parts.into_iter().flatten().map(String::len).sum::<usize>()
}

/// Items that their own document has once more, changed: by hash of id and of content.
pub(super) fn twins(items: &[Delivered]) -> HashSet<(u64, u64)> {
    let mut later = HashSet::new();
    let ids = items.iter().rev().map(|one| (one.item.id_hash, one.item.content_hash));
    ids.filter(|(id, _)| !later.insert(*id)).collect()
}
