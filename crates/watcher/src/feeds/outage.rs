//! Is it them or us? When most of the domains asked lately cannot be reached at all, it is our own network.

use std::collections::{HashMap, VecDeque};

use super::budget::Domain;
use super::policy::{MINUTE, SECOND};

/// So many of the last requests are looked at, none older than this.
const LATEST: usize = 24;
const WINDOW_MS: i64 = 10 * MINUTE;
/// At least so many domains must have been asked.
const FEWEST_DOMAINS: usize = 5;
/// During an outage one request is sent in so much time.
const PROBE_EVERY_MS: i64 = 20 * SECOND;

/// What the network let through lately.
#[derive(Debug)]
pub struct Outage {
    latest: VecDeque<(i64, Domain, bool)>,
    /// Of all feeds; where there are few, fewer are enough.
    domains: usize,
    since_ms: Option<i64>,
    probe_ms: i64,
}

impl Outage {
    /// For so many registered domains.
    pub fn new(domains: usize) -> Self {
        Self { latest: VecDeque::new(), domains, since_ms: None, probe_ms: 0 }
    }

    /// Since when our network is down.
    pub fn since_ms(&self) -> Option<i64> {
        self.since_ms
    }

    /// A request ended: `is_reached` when anybody answered, with whatever.
    pub fn note(&mut self, domain: Domain, is_reached: bool, now_ms: i64) {
        if is_reached && self.since_ms.is_some() {
            self.since_ms = None;
            self.latest.clear();
        }
        self.latest.push_back((now_ms, domain, is_reached));
        while self.latest.len() > LATEST
            || self.latest.front().is_some_and(|(at, ..)| now_ms - at > WINDOW_MS)
        {
            self.latest.pop_front();
        }
        // By domain: one dead domain with many feeds says nothing about the others.
        let mut reached: HashMap<Domain, bool> = HashMap::new();
        for (_, domain, is_reached) in &self.latest {
            *reached.entry(*domain).or_default() |= is_reached;
        }
        let domains = reached.len();
        let missed = reached.values().filter(|is_reached| !**is_reached).count();
        // Two domains that fail together are no accident either, where there are only two; one alone proves nothing.
        let is_enough = domains >= FEWEST_DOMAINS.min(self.domains.max(2));
        if self.since_ms.is_none() && is_enough && missed * 10 >= domains * 8 {
            self.since_ms = Some(now_ms);
        }
    }

    /// Whether a request may be sent now: always, but for an outage, when one in a while finds out whether it is over.
    ///
    /// # Errors
    /// When to ask again.
    pub fn permits(&mut self, now_ms: i64) -> Result<(), i64> {
        if self.since_ms.is_none() {
            return Ok(());
        }
        if now_ms < self.probe_ms {
            return Err(self.probe_ms);
        }
        self.probe_ms = now_ms + PROBE_EVERY_MS;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_nobody_is_reached_it_is_us_and_one_answer_ends_it() {
        let mut outage = Outage::new(1000);
        for domain in 0..4 {
            outage.note(Domain(domain), false, 0);
        }
        assert_eq!(outage.since_ms(), None, "four may be down together");
        outage.note(Domain(4), false, 5);
        assert_eq!(outage.since_ms(), Some(5));
        assert_eq!((outage.permits(10), outage.permits(11)), (Ok(()), Err(20_010)));
        assert_eq!(outage.permits(20_010), Ok(()));
        outage.note(Domain(7), true, 20_020);
        assert_eq!((outage.since_ms(), outage.permits(20_021)), (None, Ok(())));
    }

    #[test]
    fn one_dead_domain_with_many_feeds_is_not_us() {
        let mut outage = Outage::new(1000);
        for at in 0..100 {
            outage.note(Domain(1), false, at);
        }
        assert_eq!(outage.since_ms(), None);
        for at in 0..100_u64 {
            outage.note(Domain(at), at % 3 == 0, 200);
            assert_eq!(outage.since_ms(), None, "a third answers");
        }
    }

    #[test]
    fn with_two_feeds_both_must_fail_and_with_one_nobody_can_tell() {
        let mut two = Outage::new(2);
        two.note(Domain(1), false, 0);
        assert_eq!(two.since_ms(), None);
        two.note(Domain(2), false, 1);
        assert_eq!(two.since_ms(), Some(1));
        let mut one = Outage::new(1);
        (0..50).for_each(|at| one.note(Domain(1), false, at));
        assert_eq!(one.since_ms(), None);
    }

    #[test]
    fn what_is_long_ago_proves_nothing() {
        let mut outage = Outage::new(1000);
        for domain in 0..4 {
            outage.note(Domain(domain), false, 0);
        }
        outage.note(Domain(4), false, WINDOW_MS + 1);
        assert_eq!(outage.since_ms(), None);
    }
}
