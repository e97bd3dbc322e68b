//! Who may be asked now: one request at a time and one second apart for each registered domain, and nobody who said "too many requests".
//!
//! Being put off is no error and leaves no mark on the feed: its poll is merely later.

use std::collections::HashMap;

use url::{Host, Url};
use xxhash_rust::xxh3::xxh3_64;

/// Least time between the end of one request to a registered domain and the start of the next one to it.
pub const GAP_MS: i64 = 1000;

/// A registered domain (`example.co.uk` of `www.news.example.co.uk`), or a whole address where there is none: by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(pub u64);

impl Domain {
    /// The one that a URL belongs to. Providers whose customers have names below theirs count as one each customer, where the public suffix
    /// list says so.
    pub fn of(url: &Url) -> Self {
        let name = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                psl::domain_str(name).unwrap_or(name).to_owned()
            }
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        Self(xxh3_64(name.as_bytes()))
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    is_busy: bool,
    /// Nothing before this.
    free_at_ms: i64,
    /// Those put off so far have been given moments up to here.
    promised_ms: i64,
    /// No page before this: the pause that the site asks programs for. Polls come far apart anyway.
    pages_at_ms: i64,
}

/// What every domain is owed.
#[derive(Debug)]
pub struct Budget {
    /// Nobody before this: whoever ran before may have asked just now.
    open_at_ms: i64,
    slots: HashMap<Domain, Slot>,
    /// Domains that said 429, and until when.
    backing_off: HashMap<Domain, i64>,
}

impl Budget {
    /// Of a poller that starts now.
    pub fn new(now_ms: i64) -> Self {
        Self { open_at_ms: now_ms + GAP_MS, slots: HashMap::new(), backing_off: HashMap::new() }
    }

    /// More feeds have come from another poller: nobody before a moment from now, as after a start.
    pub fn open_again(&mut self, now_ms: i64) {
        self.open_at_ms = self.open_at_ms.max(now_ms + GAP_MS);
    }

    /// Asks for the right to send one request now.
    ///
    /// # Errors
    /// When to ask again, later than now. Each who is put off gets a moment of its own.
    pub fn take(&mut self, domain: Domain, now_ms: i64) -> Result<(), i64> {
        if let Some(&until) = self.backing_off.get(&domain) {
            if until > now_ms {
                return Err(until);
            }
            self.backing_off.remove(&domain);
        }
        let open_at_ms = self.open_at_ms;
        let slot =
            self.slots.entry(domain).or_insert_with(|| Slot { free_at_ms: open_at_ms, ..Slot::default() });
        slot.free_at_ms = slot.free_at_ms.max(open_at_ms);
        if slot.is_busy || slot.free_at_ms > now_ms {
            slot.promised_ms = slot.promised_ms.max(slot.free_at_ms).max(now_ms) + GAP_MS;
            return Err(slot.promised_ms);
        }
        slot.is_busy = true;
        Ok(())
    }

    /// Asks for the right to send one request now, for somebody who yields to everybody else: leaves no claim, and does not go before those who were
    /// given a moment.
    ///
    /// # Errors
    /// When to ask again, later than now.
    pub fn take_unclaimed(&mut self, domain: Domain, now_ms: i64) -> Result<(), i64> {
        /// Whoever was given a moment may come so much later.
        const LATE_MS: i64 = 250;
        if let Some(&until) = self.backing_off.get(&domain)
            && until > now_ms
        {
            return Err(until);
        }
        let slot = self.slots.get(&domain).copied();
        let slot = slot.unwrap_or(Slot { free_at_ms: self.open_at_ms, ..Slot::default() });
        let claimed_ms = if slot.promised_ms > 0 { slot.promised_ms + LATE_MS } else { 0 };
        match slot.free_at_ms.max(slot.pages_at_ms).max(self.open_at_ms).max(claimed_ms) {
            clear_ms if clear_ms > now_ms => Err(clear_ms),
            _ if slot.is_busy => Err(now_ms + GAP_MS),
            _ => self.take(domain, now_ms),
        }
    }

    /// The request has ended.
    pub fn give_back(&mut self, domain: Domain, now_ms: i64) {
        if let Some(slot) = self.slots.get_mut(&domain) {
            slot.is_busy = false;
            slot.free_at_ms = now_ms + GAP_MS;
        }
    }

    /// The site wants a pause between two pages, whoever asks for them.
    pub fn no_page_before(&mut self, domain: Domain, until_ms: i64) {
        let open_at_ms = self.open_at_ms;
        let slot =
            self.slots.entry(domain).or_insert_with(|| Slot { free_at_ms: open_at_ms, ..Slot::default() });
        slot.pages_at_ms = slot.pages_at_ms.max(until_ms);
    }

    /// The domain said 429: no feed of it is asked before then.
    pub fn back_off(&mut self, domain: Domain, until_ms: i64) {
        let until = self.backing_off.entry(domain).or_default();
        *until = until_ms.max(*until);
    }

    /// Domains that nobody is asked of at the moment. Forgets those that may be asked again, and who is owed nothing.
    pub fn sweep(&mut self, now_ms: i64) -> usize {
        self.backing_off.retain(|_, until| *until > now_ms);
        self.slots.retain(|_, slot| {
            slot.is_busy || slot.free_at_ms.max(slot.promised_ms).max(slot.pages_at_ms) > now_ms
        });
        self.backing_off.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn domain(url: &str) -> Domain {
        Domain::of(&Url::parse(url).expect(url))
    }

    #[test]
    fn hosts_of_one_owner_share_a_budget_and_customers_of_one_provider_do_not() {
        assert_eq!(domain("https://www.news.co.uk/a"), domain("http://feeds.news.co.uk:81/b"));
        assert_eq!(domain("https://a.tumblr.com/"), domain("https://b.tumblr.com/"));
        assert_ne!(domain("https://a.github.io/"), domain("https://b.github.io/"));
        assert_ne!(domain("https://news.co.uk/"), domain("https://other.co.uk/"));
        assert_eq!(domain("https://news.co.uk./"), domain("https://news.co.uk/"));
        assert_ne!(domain("http://192.0.2.1/"), domain("http://192.0.2.2/"));
        assert_ne!(domain("http://[2001:db8::1]/"), domain("http://[2001:db8::2]/"));
    }

    #[test]
    fn a_start_waits_a_moment_for_what_went_out_before_it() {
        let mut budget = Budget::new(5000);
        assert_eq!(budget.take(Domain(1), 5001), Err(7000));
        assert_eq!(budget.take(Domain(1), 6000), Ok(()));
    }

    #[test]
    fn a_slow_answer_and_a_429_hold_everybody_of_the_domain_back() {
        let (mut budget, one) = (Budget::new(-GAP_MS), Domain(1));
        assert_eq!(budget.take(one, 0), Ok(()));
        assert_eq!(budget.take(one, 5), Err(1005));
        assert_eq!(budget.take(one, 5), Err(2005), "each has a moment of its own");
        assert_eq!(budget.take(one, 60_000), Err(61_000), "still busy");
        budget.give_back(one, 60_500);
        assert_eq!(budget.take(one, 61_499), Err(62_500));
        assert_eq!(budget.take(one, 61_500), Ok(()));
        budget.give_back(one, 61_600);
        budget.back_off(one, 100_000);
        budget.back_off(one, 90_000);
        assert_eq!(budget.take(one, 99_999), Err(100_000));
        assert_eq!(
            (budget.take(Domain(2), 99_999), budget.sweep(99_999), budget.sweep(100_000)),
            (Ok(()), 1, 0)
        );
        assert_eq!(budget.take(one, 100_000), Ok(()));
    }

    #[test]
    fn whoever_yields_lets_everybody_else_go_first() {
        let (mut budget, one) = (Budget::new(-GAP_MS), Domain(1));
        assert_eq!(budget.take_unclaimed(one, 0), Ok(()));
        assert_eq!(budget.take_unclaimed(one, 10), Err(1010), "busy");
        assert_eq!(budget.take(one, 10), Err(1010), "no claim was left");
        budget.give_back(one, 50);
        assert_eq!(budget.take_unclaimed(one, 100), Err(1260), "after the one who has a moment");
        assert_eq!(budget.take_unclaimed(one, 1259), Err(1260));
        assert_eq!(budget.take(one, 1060), Ok(()));
        budget.give_back(one, 1100);
        assert_eq!(budget.take_unclaimed(one, 1260), Err(2100));
        assert_eq!(budget.take_unclaimed(one, 2100), Ok(()));
        budget.back_off(one, 9000);
        assert_eq!(budget.take_unclaimed(one, 8000), Err(9000));
        assert_eq!(Budget::new(500).take_unclaimed(one, 600), Err(1500), "a start waits");
    }

    #[test]
    fn a_pause_between_pages_is_everybodys_and_polls_do_not_wait_for_it() {
        let (mut budget, one) = (Budget::new(-GAP_MS), Domain(1));
        assert_eq!(budget.take_unclaimed(one, 0), Ok(()));
        budget.give_back(one, 100);
        budget.no_page_before(one, 40_100);
        budget.no_page_before(one, 1100);
        assert_eq!(budget.take_unclaimed(one, 2000), Err(40_100));
        assert_eq!(budget.take(one, 2000), Ok(()));
        budget.give_back(one, 2100);
        budget.sweep(40_099);
        assert_eq!(budget.take_unclaimed(one, 40_099), Err(40_100));
        assert_eq!(budget.take_unclaimed(one, 40_100), Ok(()));
    }

    proptest! {
        /// Whoever asks whenever, no two requests to a domain are nearer than the gap, and everybody gets a turn.
        #[test]
        fn the_gap_is_kept_for_any_crowd(starts in prop::collection::vec((0_u64..3, 0_i64..20_000, 0_i64..3_000), 1..60)) {
            let mut budget = Budget::new(-GAP_MS);
            let mut waiting: std::collections::BinaryHeap<_> = starts
                .iter()
                .enumerate()
                .map(|(index, &(domain, at, took))| std::cmp::Reverse((at, index, domain, took, false)))
                .collect();
            let mut free_at = [i64::MIN; 3];
            let mut served = 0;
            while let Some(std::cmp::Reverse((now, index, domain, took, is_end))) = waiting.pop() {
                let slot = usize::try_from(domain).unwrap_or(0);
                if is_end {
                    budget.give_back(Domain(domain), now);
                    free_at[slot] = now + GAP_MS;
                    served += 1;
                    continue;
                }
                match budget.take(Domain(domain), now) {
                    Ok(()) => {
                        prop_assert!(now >= free_at[slot]);
                        free_at[slot] = i64::MAX;
                        waiting.push(std::cmp::Reverse((now + took, index, domain, took, true)));
                    }
                    Err(later) => {
                        prop_assert!(later > now);
                        waiting.push(std::cmp::Reverse((later, index, domain, took, false)));
                    }
                }
            }
            prop_assert_eq!(served, starts.len());
        }
    }
}
