//! The poller under a virtual clock: the same engine, budget, guard and state as the real one; what is durable is what was encoded.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use barid_tests::Random;
use barid_watcher::feeds::address::Allowed;
use barid_watcher::feeds::budget::{Budget, Domain};
use barid_watcher::feeds::engine::{self, Answer, Outcome, Poll, Request, Step};
use barid_watcher::feeds::guard;
use barid_watcher::feeds::outage::Outage;
use barid_watcher::feeds::policy::outside_windows;
use barid_watcher::feeds::state::{Asked, FeedState};
use barid_watcher::feeds::take_over;
use url::Url;

use super::judge::{Judge, Kind};
use super::server::{Site, Words};
use super::writer::{DAY, HOUR};

/// A Monday.
pub(crate) const START: i64 = 1_693_785_600_000;
/// From then on hubs are wanted, and nobody names one: every feed known before is asked for its whole document once more.
const HUBS_FROM: i64 = START + 2 * DAY;

/// What happens next.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Due(usize),
    Lands(usize),
}

/// What the disk holds.
#[derive(Default)]
struct Disk {
    states: Vec<Option<Vec<u8>>>,
    asked: Vec<Option<Asked>>,
}

/// A request under way.
struct Flight {
    poll: Poll,
    request: Request,
    answer: Answer,
    heard_move: bool,
}

/// What the run found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) polls: u64,
    pub(crate) kills: u64,
    pub(crate) days: f64,
    pub(crate) feeds: usize,
    pub(crate) judge: Judge,
    pub(crate) guarded: u64,
    outcomes: BTreeMap<&'static str, u64>,
    delivered: u64,
    twice: u64,
    missed: u64,
    overrun: u64,
    outages: u64,
}

pub(crate) struct World {
    pub(crate) sites: Vec<Site>,
    disk: Disk,
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    ticks: u64,
    budget: Budget,
    outage: Outage,
    redirected: HashMap<usize, (Poll, Request, bool)>,
    flights: HashMap<usize, Flight>,
    random: Random,
    kill_one_in: u64,
    found: Found,
    /// Items by feed that were delivered and are durable: the highest number of each.
    delivered: Vec<std::collections::HashSet<u64>>,
}

/// Runs until so many polls were begun.
pub(crate) fn polite(feeds: usize, polls: u64, kill_one_in: u64, seed: u64) -> Found {
    let mut random = Random::new(seed);
    let sites: Vec<Site> = (0..feeds).map(|number| Site::new(number, START, &mut random)).collect();
    let mut world = World::new(sites, kill_one_in, random);
    let mut now_ms = START;
    while world.found.polls < polls {
        let Some(Reverse((at_ms, _, event))) = world.events.pop() else { break };
        now_ms = now_ms.max(at_ms);
        world.step(event, now_ms);
    }
    world.end(now_ms)
}

impl World {
    fn new(sites: Vec<Site>, kill_one_in: u64, random: Random) -> Self {
        let count = sites.len();
        let mut world = Self {
            disk: Disk { states: vec![None; count], asked: vec![None; count] },
            events: BinaryHeap::new(),
            ticks: 0,
            budget: Budget::new(START),
            outage: Outage::new(count),
            redirected: HashMap::new(),
            flights: HashMap::new(),
            random,
            kill_one_in,
            found: Found { feeds: count, ..Found::default() },
            delivered: vec![std::collections::HashSet::new(); count],
            sites,
        };
        world.start(START);
        world
    }

    fn at(&mut self, at_ms: i64, event: Event) {
        self.ticks += 1;
        self.events.push(Reverse((at_ms, self.ticks, event)));
    }

    /// A process begins with what the disk holds.
    fn start(&mut self, now_ms: i64) {
        self.events.clear();
        self.redirected.clear();
        self.flights.clear();
        self.budget = Budget::new(now_ms);
        self.outage = Outage::new(self.sites.len());
        for site in 0..self.sites.len() {
            let feed = &self.sites[site].feed;
            let asked = self.disk.asked[site];
            let stored = self.disk.states[site].as_deref().and_then(FeedState::from_bytes);
            let next_ms = match stored {
                Some(state) => {
                    let state = take_over(feed, state, asked, now_ms);
                    if let Some((domain, until_ms)) = state.refusal(now_ms) {
                        self.budget.back_off(domain, until_ms);
                    }
                    state.next_ms
                }
                None => asked.map_or(now_ms, |asked| asked.start_ms + HOUR + 120_000),
            };
            self.at(next_ms.max(now_ms), Event::Due(site));
        }
    }

    fn kill(&mut self, now_ms: i64) {
        self.found.kills += 1;
        // Whatever was under way, its servers have answered by the time the next process runs.
        for (site, flight) in self.flights.drain() {
            self.found.judge.answers(&self.sites[site].feed.id, &flight.request, &flight.answer, now_ms);
        }
        let pause = 500 + i64::try_from(self.random.below(30_000)).unwrap_or(0);
        self.start(now_ms + pause);
    }

    fn dies(&mut self) -> bool {
        self.kill_one_in > 0 && self.random.below(2 * self.kill_one_in) == 0
    }

    fn step(&mut self, event: Event, now_ms: i64) {
        match event {
            Event::Due(site) => self.due(site, now_ms),
            Event::Lands(site) => self.land(site, now_ms),
        }
    }

    fn load(&self, site: usize, now_ms: i64) -> FeedState {
        let feed = &self.sites[site].feed;
        let stored = self.disk.states[site].as_deref().and_then(FeedState::from_bytes);
        stored.map_or_else(
            || FeedState::new(feed.url.clone(), feed.hash(), now_ms, now_ms),
            |state| take_over(feed, state, None, now_ms),
        )
    }

    fn due(&mut self, site: usize, now_ms: i64) {
        if let Some((poll, request, heard_move)) = self.redirected.remove(&site) {
            match self.budget.take(Domain::of(&request.url), now_ms) {
                Ok(()) => {
                    let kind = Kind::Redirected { is_audit: poll.is_audit, seeks_hub: poll.seeks_hub };
                    self.send(site, poll, request, heard_move, kind, now_ms);
                }
                Err(later_ms) => {
                    self.redirected.insert(site, (poll, request, heard_move));
                    self.at(later_ms, Event::Due(site));
                }
            }
            return;
        }
        if let Err(later_ms) = self.outage.permits(now_ms) {
            return self.at(later_ms, Event::Due(site));
        }
        let state = self.load(site, now_ms);
        let state = take_over(&self.sites[site].feed, state, self.disk.asked[site], now_ms);
        let domain = Url::parse(&state.url).map_or(Domain(0), |url| Domain::of(&url));
        if let Err(later_ms) = self.budget.take(domain, now_ms) {
            return self.at(later_ms, Event::Due(site));
        }
        let feed = self.sites[site].feed.clone();
        let clear_ms = outside_windows(now_ms, &state.says, feed.hash());
        if clear_ms > now_ms {
            self.budget.give_back(domain, now_ms);
            return self.at(clear_ms, Event::Due(site));
        }
        let seeks_hub = now_ms >= HUBS_FROM && state.seeks_hub(now_ms);
        let Ok((poll, request)) = engine::begin(&state, now_ms, &Allowed::default(), seeks_hub) else {
            return;
        };
        if guard::broken(&feed, &state, &request, poll.is_audit || seeks_hub, now_ms).is_some() {
            self.found.guarded += 1;
            self.budget.give_back(domain, now_ms);
            return self.at(now_ms + HOUR, Event::Due(site));
        }
        self.disk.asked[site] = Some(Asked { start_ms: now_ms, is_whole: poll.is_whole() });
        self.found.polls += 1;
        if self.dies() {
            return self.kill(now_ms);
        }
        let kind = Kind::First { is_audit: poll.is_audit, seeks_hub };
        self.send(site, poll, request, false, kind, now_ms);
    }

    fn send(&mut self, site: usize, poll: Poll, request: Request, heard_move: bool, kind: Kind, now_ms: i64) {
        // The commit, and the way there.
        let arrives_ms = now_ms + 5 + i64::try_from(self.random.below(200)).unwrap_or(0);
        let took_ms = 20 + i64::try_from(self.random.below(3000)).unwrap_or(0);
        let moved = self.sites[site].has_moved(arrives_ms);
        let Site { feed, .. } = &self.sites[site];
        let (id, is_listed) = (feed.id.clone(), feed.is_listed);
        let answer = if is_down(now_ms) {
            Answer::Failed(if self.random.below(2) == 0 {
                engine::Failure::Dns
            } else {
                engine::Failure::Timeout
            })
        } else {
            self.sites[site].answer(&request, arrives_ms)
        };
        if is_down(now_ms) {
            // It reaches nobody: no server can judge it.
            self.at(now_ms + took_ms, Event::Lands(site));
            self.flights.insert(site, Flight { poll, request, answer, heard_move });
            return;
        }
        self.found.judge.arrives(&id, is_listed, &request, kind, moved, arrives_ms);
        let heard_move = heard_move || moved && request.url.as_str().ends_with("/feed");
        self.flights.insert(site, Flight { poll, request, answer, heard_move });
        self.at(arrives_ms + took_ms, Event::Lands(site));
    }

    fn land(&mut self, site: usize, now_ms: i64) {
        let Some(Flight { poll, request, answer, heard_move }) = self.flights.remove(&site) else { return };
        let id = self.sites[site].feed.id.clone();
        let is_down = matches!(answer, Answer::Failed(engine::Failure::Dns | engine::Failure::Timeout));
        self.found.judge.answers(&id, &request, &answer, now_ms);
        if self.dies() {
            return self.kill(now_ms);
        }
        let domain = Domain::of(&request.url);
        self.budget.give_back(domain, now_ms);
        let was_down = self.outage.since_ms().is_some();
        self.outage.note(domain, !is_down, now_ms);
        let is_frozen = self.outage.since_ms().is_some();
        self.found.outages += u64::from(is_frozen && !was_down);
        let whole = matches!(&answer, Answer::Came(came) if came.status == 200);
        let mut state = self.load(site, now_ms);
        let feed = self.sites[site].feed.clone();
        match engine::follow(&feed, &mut state, poll, answer, now_ms, &Allowed::default(), is_frozen) {
            Step::Ask(poll, request) => {
                self.redirected.insert(site, (*poll, request, heard_move));
                self.at(now_ms, Event::Due(site));
            }
            Step::Done(done) => {
                if now_ms >= HUBS_FROM {
                    state.searched(&done);
                }
                *self.found.outcomes.entry(done.outcome.name()).or_default() += 1;
                self.found.overrun += u64::from(done.is_overrun);
                if let Some((domain, until_ms)) = done.domain_until_ms {
                    self.budget.back_off(domain, until_ms);
                    let same = self
                        .sites
                        .iter()
                        .filter(|site| domain_of(site) == domain)
                        .map(|site| site.feed.id.clone());
                    self.found.judge.refuses(same.collect::<Vec<_>>().into_iter(), until_ms);
                }
                for one in &done.items {
                    self.found.delivered += 1;
                    self.found.twice += u64::from(!self.delivered[site].insert(one.item.id_hash));
                }
                let words: Option<Words> = whole.then(|| self.sites[site].words());
                let heard_move = heard_move && done.outcome.is_success();
                self.found.judge.keeps(&feed.id, request.url.as_str(), words, heard_move);
                self.disk.states[site] = Some(state.to_bytes());
                self.at(state.next_ms, Event::Due(site));
                if done.outcome == Outcome::New || done.outcome == Outcome::Moved {
                    self.count_missed(site);
                }
            }
        }
    }

    /// Items of the window that were not delivered: after a document was taken in there must be none.
    fn count_missed(&mut self, site: usize) {
        let Site { writer, manner, .. } = &self.sites[site];
        if *manner == super::server::Manner::Hijacked {
            return;
        }
        let missing = writer.window.iter().filter(|(number, _)| {
            !self.delivered[site].contains(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        });
        self.found.missed += missing.count() as u64;
    }

    fn end(mut self, now_ms: i64) -> Found {
        self.found.days = (now_ms - START) as f64 / DAY as f64;
        self.found
    }
}

fn domain_of(site: &Site) -> Domain {
    Url::parse(&site.feed.url).map_or(Domain(0), |url| Domain::of(&url))
}

/// Our own network is down for two hours on every eleventh day.
fn is_down(now_ms: i64) -> bool {
    let since = now_ms - START;
    since / DAY % 11 == 5 && (14..16).contains(&(since % DAY / HOUR))
}

impl Found {
    pub(crate) fn is_impolite(&self) -> bool {
        !self.judge.violations.is_empty() || self.guarded > 0 || self.twice > 0 || self.missed > 0
    }

    pub(crate) fn print(&self) {
        let judge = &self.judge;
        println!(
            "\npolite: {} polls of {} feeds in {:.0} days, {} requests, {} kills of the poller",
            self.polls, self.feeds, self.days, judge.requests, self.kills
        );
        let total: u64 = judge.violations.values().map(|(count, _)| count).sum();
        println!(
            "  politeness violations, by the servers: {total}; stopped by the poller's own guard: {}",
            self.guarded
        );
        for (rule, (count, first)) in &judge.violations {
            println!("    {rule}: {count}, first: {first}");
        }
        println!(
            "  whole documents sent unconditionally: {} first ones of an address, {} after a kill took the answer, {} audits, {} to find a hub, {} of these again after a kill; others are violations",
            judge.first, judge.after_loss, judge.audits, judge.sought, judge.sought_again
        );
        println!(
            "  items: {} delivered, {} of them twice, {} of the windows' items not; {} windows overran; {} outages of our own noticed",
            self.delivered, self.twice, self.missed, self.overrun, self.outages
        );
        let outcomes: Vec<String> =
            self.outcomes.iter().map(|(name, count)| format!("{name} {count}")).collect();
        println!("  outcomes: {}", outcomes.join(", "));
    }
}
