//! What the pollers of one process share: the network, who may be asked now, whether it is them or us. Each of them polls one shard of the feeds.
//!
//! A poller that ends in the middle of things, because its shard went to another process, gives back what it had taken from the others.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

use super::budget::{self, Domain};
use super::config::FeedsConfig;
use super::engine::Feed;
use super::fetch::Client;
use super::outage;
use super::pages::Readers;
use super::roster::domain;
use super::websub::Doors;
use crate::WatcherError;

/// A part of the feeds: those whose configured addresses belong to the registered domains that fall into it. So the budget of a domain is one poller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub number: u32,
    /// Of so many.
    pub of: u32,
}

impl Shard {
    /// All feeds.
    pub const ALL: Self = Self { number: 0, of: 1 };

    /// Whether a feed with that configured address is one of them. Changing this moves feeds away from their state.
    pub fn has(self, url: &str) -> bool {
        domain(url).0 % u64::from(self.of.max(1)) == u64::from(self.number)
    }

    /// Of these feeds, its own. Of feeds with the same id the first one counts, in whichever shard it is.
    pub(super) fn feeds(self, all: &[Feed]) -> Cow<'_, [Feed]> {
        if self.of <= 1 {
            return Cow::Borrowed(all);
        }
        let mut seen = HashSet::new();
        let first = all.iter().filter(|feed| seen.insert(feed.id.as_str()));
        first.filter(|feed| self.has(&feed.url)).cloned().collect()
    }

    /// The name it counts documents under.
    pub(super) fn writer(self, name: &str) -> String {
        if self.of <= 1 { name.to_owned() } else { format!("{name}.{}", self.number) }
    }
}

/// What the pollers of a process share.
#[derive(Debug)]
pub struct Common {
    pub(super) client: Client,
    runtime: Option<Runtime>,
    budget: Arc<Mutex<budget::Budget>>,
    outage: Arc<Mutex<outage::Outage>>,
    polls: Arc<AtomicUsize>,
    pages: Arc<AtomicUsize>,
    readers: Arc<Readers>,
    /// Of hubs.
    hubs: Arc<Mutex<budget::Budget>>,
    asks: Arc<AtomicUsize>,
    /// The callback of hubs, once it is open.
    doors: Mutex<Option<Doors>>,
    /// Hears them.
    hearing: Mutex<Option<JoinHandle<()>>>,
}

impl Common {
    /// For the pollers of these feeds.
    ///
    /// # Errors
    /// A configuration that cannot work, or no threads.
    pub fn new(config: &FeedsConfig, now_ms: i64) -> Result<Self, WatcherError> {
        let client = Client::of(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("feeds-net")
            .enable_all()
            .build()
            .map_err(|source| WatcherError::Threads { source })?;
        let domains: HashSet<Domain> = config.feeds.iter().map(|feed| domain(&feed.url)).collect();
        Ok(Self {
            client,
            runtime: Some(runtime),
            budget: Arc::new(Mutex::new(budget::Budget::new(now_ms))),
            outage: Arc::new(Mutex::new(outage::Outage::new(domains.len()))),
            polls: Arc::default(),
            pages: Arc::default(),
            readers: Arc::default(),
            hubs: Arc::new(Mutex::new(budget::Budget::new(now_ms))),
            asks: Arc::default(),
            doors: Mutex::default(),
            hearing: Mutex::default(),
        })
    }

    /// The runtime of the requests.
    pub(super) fn runtime(&self) -> Result<Handle, WatcherError> {
        let gone = || WatcherError::Threads { source: std::io::ErrorKind::NotConnected.into() };
        self.runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(gone)
    }

    /// The budget, for a poller that starts now: whoever had its feeds before may have asked just now.
    pub(super) fn budget(&self, now_ms: i64) -> Budget {
        locked(&self.budget).open_again(now_ms);
        Budget { all: Arc::clone(&self.budget), mine: HashSet::new(), now_ms }
    }

    /// The budget of hubs.
    pub(super) fn hub_budget(&self, now_ms: i64) -> Budget {
        Budget { all: Arc::clone(&self.hubs), mine: HashSet::new(), now_ms }
    }

    /// The doors of the callback, which `open` opens for the first poller that wants one.
    pub(super) fn doors(&self, open: impl FnOnce() -> Doors) -> Doors {
        locked(&self.doors).get_or_insert_with(open).clone()
    }

    /// What hears hubs, from now on until the process has no pollers any more.
    pub(super) fn hear(&self, hearing: JoinHandle<()>) {
        *locked(&self.hearing) = Some(hearing);
    }

    pub(super) fn outage(&self) -> Outage {
        Outage(Arc::clone(&self.outage))
    }

    /// Of polls.
    pub(super) fn load(&self) -> Load {
        Load { all: Arc::clone(&self.polls), mine: 0 }
    }

    /// Of pages.
    pub(super) fn page_load(&self) -> Load {
        Load { all: Arc::clone(&self.pages), mine: 0 }
    }

    /// Of requests to hubs.
    pub(super) fn hub_load(&self) -> Load {
        Load { all: Arc::clone(&self.asks), mine: 0 }
    }

    pub(super) fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.readers)
    }
}

impl Drop for Common {
    /// Requests still under way end with the process: they were written down, and count.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if let Some(hearing) = locked(&self.hearing).take() {
            hearing.abort();
            // The socket must be shut when this returns: a hub that still got in would hear nothing, and who starts next could not open it.
            let _ = runtime.block_on(hearing);
        }
        runtime.shutdown_background();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One poller's hold on the [`budget::Budget`] of the process.
#[derive(Debug)]
pub(super) struct Budget {
    all: Arc<Mutex<budget::Budget>>,
    /// Taken and not given back.
    mine: HashSet<Domain>,
    /// The newest time it was told.
    now_ms: i64,
}

impl Budget {
    /// See [`budget::Budget::take`].
    ///
    /// # Errors
    /// When to ask again.
    pub(super) fn take(&mut self, domain: Domain, now_ms: i64) -> Result<(), i64> {
        self.now_ms = now_ms;
        locked(&self.all).take(domain, now_ms)?;
        self.mine.insert(domain);
        Ok(())
    }

    /// See [`budget::Budget::take_unclaimed`].
    ///
    /// # Errors
    /// When to ask again.
    pub(super) fn take_unclaimed(&mut self, domain: Domain, now_ms: i64) -> Result<(), i64> {
        self.now_ms = now_ms;
        locked(&self.all).take_unclaimed(domain, now_ms)?;
        self.mine.insert(domain);
        Ok(())
    }

    /// See [`budget::Budget::give_back`].
    pub(super) fn give_back(&mut self, domain: Domain, now_ms: i64) {
        self.now_ms = now_ms;
        self.mine.remove(&domain);
        locked(&self.all).give_back(domain, now_ms);
    }

    /// See [`budget::Budget::no_page_before`].
    pub(super) fn no_page_before(&mut self, domain: Domain, until_ms: i64) {
        locked(&self.all).no_page_before(domain, until_ms);
    }

    /// See [`budget::Budget::back_off`].
    pub(super) fn back_off(&mut self, domain: Domain, until_ms: i64) {
        locked(&self.all).back_off(domain, until_ms);
    }

    /// See [`budget::Budget::sweep`].
    pub(super) fn sweep(&mut self, now_ms: i64) -> usize {
        locked(&self.all).sweep(now_ms)
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        let mut all = locked(&self.all);
        self.mine.iter().for_each(|domain| all.give_back(*domain, self.now_ms));
    }
}

/// The [`outage::Outage`] of the process.
#[derive(Debug, Clone)]
pub(super) struct Outage(Arc<Mutex<outage::Outage>>);

impl Outage {
    /// See [`outage::Outage::since_ms`].
    pub(super) fn since_ms(&self) -> Option<i64> {
        locked(&self.0).since_ms()
    }

    /// See [`outage::Outage::note`]. True when this began an outage, false when it ended one.
    pub(super) fn note(&self, domain: Domain, is_reached: bool, now_ms: i64) -> Option<bool> {
        let mut outage = locked(&self.0);
        let was_down = outage.since_ms().is_some();
        outage.note(domain, is_reached, now_ms);
        let is_down = outage.since_ms().is_some();
        (was_down != is_down).then_some(is_down)
    }

    /// See [`outage::Outage::permits`].
    ///
    /// # Errors
    /// When to ask again.
    pub(super) fn permits(&self, now_ms: i64) -> Result<(), i64> {
        locked(&self.0).permits(now_ms)
    }
}

/// Requests under way in the process, and how many of them are one poller's.
#[derive(Debug)]
pub(super) struct Load {
    all: Arc<AtomicUsize>,
    mine: usize,
}

impl Load {
    /// Adds one, unless there are so many already.
    pub(super) fn take(&mut self, most: usize) -> bool {
        let add = |all: usize| (all < most).then_some(all + 1);
        let taken = self.all.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok();
        self.mine += usize::from(taken);
        taken
    }

    /// One has ended.
    pub(super) fn give_back(&mut self) {
        if self.mine > 0 {
            self.mine -= 1;
            self.all.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// How many are this poller's.
    pub(super) fn own(&self) -> usize {
        self.mine
    }

    /// How many there are.
    pub(super) fn total(&self) -> usize {
        self.all.load(Ordering::Acquire)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.all.fetch_sub(self.mine, Ordering::AcqRel);
    }
}

/// A request under way, given up with the poller that sent it.
#[derive(Debug)]
pub(super) struct Task(pub(super) AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_693_785_600_000;

    fn feed(id: &str, url: &str) -> Feed {
        Feed { id: id.into(), url: url.into(), is_listed: false }
    }

    fn config(feeds: Vec<Feed>) -> FeedsConfig {
        FeedsConfig { feeds, ..FeedsConfig::default() }
    }

    #[test]
    fn each_feed_is_in_one_shard_and_a_domain_is_not_divided() {
        let url = |n: usize| format!("https://www{}.site{}.example/feed", n % 2, n / 2);
        let feeds: Vec<Feed> = (0..400).map(|n| feed(&n.to_string(), &url(n))).collect();
        let shards: Vec<Shard> = (0..8).map(|number| Shard { number, of: 8 }).collect();
        for pair in feeds.chunks(2) {
            let places = pair.iter().map(|feed| shards.iter().filter(|shard| shard.has(&feed.url)));
            let places: Vec<Vec<u32>> =
                places.map(|shards| shards.map(|shard| shard.number).collect()).collect();
            assert!(places[0].len() == 1 && places[0] == places[1], "{places:?}");
        }
        let sizes: Vec<usize> = shards.iter().map(|shard| shard.feeds(&feeds).len()).collect();
        assert!(sizes.iter().sum::<usize>() == 400 && sizes.iter().all(|size| *size > 15), "{sizes:?}");
        assert_eq!(Shard::ALL.feeds(&feeds).len(), 400);
    }

    #[test]
    fn where_a_feed_lives_does_not_change_with_the_version() {
        let place = |url| (0..8).find(|&number| Shard { number, of: 8 }.has(url));
        let places = ["https://news.example/feed", "https://www.herald.co.uk/rss", "http://192.0.2.7/f"];
        assert_eq!(places.map(place), [Some(4), Some(6), Some(5)], "such feeds would lose their state");
    }

    #[test]
    fn each_shard_counts_its_documents_under_a_name_of_its_own() {
        let name = |number, of| Shard { number, of }.writer("feeds");
        assert_eq!([name(0, 8), name(3, 8)], ["feeds.0", "feeds.3"], "a count moves with its shard");
        assert_eq!(Shard::ALL.writer("feeds"), "feeds");
    }

    #[test]
    fn of_two_feeds_with_one_id_the_first_counts_in_all_shards_together() {
        let feeds: Vec<Feed> =
            (0..40).map(|n| feed("same", &format!("https://site{n}.example/feed"))).collect();
        let found: Vec<Feed> =
            (0..8).flat_map(|number| Shard { number, of: 8 }.feeds(&feeds).into_owned()).collect();
        assert_eq!(found, feeds[..1]);
    }

    #[test]
    fn a_poller_that_goes_leaves_nothing_taken() {
        let common = Common::new(&config(Vec::new()), 0).expect("a runtime");
        let (one, other) = (Domain(1), Domain(2));
        let mut gone = common.budget(0);
        assert_eq!((gone.take(one, NOW), gone.take(other, NOW)), (Ok(()), Ok(())));
        gone.give_back(other, NOW);
        let mut stays = common.budget(NOW);
        assert!(stays.take(one, NOW + 60_000).is_err(), "the other poller asks it");
        drop(gone);
        assert_eq!(stays.take(one, NOW + 60_000), Ok(()));
        let (mut first, mut second) = (common.load(), common.load());
        assert!(first.take(2) && second.take(2) && !second.take(2));
        drop(first);
        assert!(second.total() == 1 && second.take(2));
        let (mut first, mut second) = (common.hub_load(), common.hub_load());
        assert!(first.take(1) && !second.take(1), "hubs are asked by all of them together");
        drop(first);
        assert!(second.take(1));
    }

    #[test]
    fn a_poller_that_comes_waits_a_moment_also_where_others_have_asked() {
        let common = Common::new(&config(Vec::new()), 0).expect("a runtime");
        let mut first = common.budget(0);
        assert_eq!(first.take(Domain(1), NOW), Ok(()));
        first.give_back(Domain(1), NOW);
        let mut second = common.budget(NOW + 60_000);
        assert!(second.take(Domain(1), NOW + 60_999).is_err());
        assert!(second.take(Domain(3), NOW + 60_999).is_err());
        assert_eq!(second.take(Domain(4), NOW + 61_000), Ok(()));
    }

    #[test]
    fn an_outage_is_everybodys_and_told_once() {
        let feeds = ["a", "b"].map(|name| feed(name, &format!("https://{name}.example/feed")));
        let common = Common::new(&config(feeds.into()), 0).expect("a runtime");
        let (first, second) = (common.outage(), common.outage());
        assert_eq!(first.note(Domain(1), false, 10), None);
        assert_eq!(second.note(Domain(2), false, 20), Some(true));
        assert_eq!((first.since_ms(), first.permits(30)), (Some(20), Ok(())));
        assert!(second.permits(31).is_err(), "one request in a while, of all pollers");
        assert_eq!(first.note(Domain(1), true, 40), Some(false));
        assert_eq!(second.since_ms(), None);
    }
}
