//! What is kept of sites: what their robots.txt said, and until when they want to be left alone. A cache with an end: what is not there is asked for.

use std::collections::{HashMap, VecDeque};

use url::Url;

use super::Desk;
use super::robots::Rules;
use super::state::{ROBOTS, Site, from_bytes, to_bytes};
use crate::WatcherError;
use crate::feeds::budget::Domain;
use crate::feeds::policy::{DAY, DOMAIN_CAP_MS, HOUR, MINUTE};
use crate::feeds::roster::domain;

/// A robots.txt is asked for again after so long where it could not be reached.
const UNREACHABLE_MS: i64 = 5 * MINUTE;
/// Where it cannot be reached, what it said goes on for so long.
const STALE_MS: i64 = 30 * DAY;
/// A site that nobody asked about again for so long after its robots.txt ran out is forgotten: two days after it was read.
const FORGET_MS: i64 = DAY;
/// They are looked through so often.
const SWEEP_MS: i64 = 6 * HOUR;
/// Sites kept of one registered domain. Whoever has more names below his own than this (a wildcard has any number) is asked anew.
const MOST_OF_DOMAIN: usize = 50;

/// The sites of a poller.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// Origins that have a row, the newest last.
    rows: HashMap<Domain, VecDeque<String>>,
    swept_ms: i64,
}

impl Sites {
    /// What is known of a site, where that still holds.
    pub(super) fn get(&self, desk: &mut Desk<'_>, origin: &str) -> Result<Option<Site>, WatcherError> {
        let now_ms = desk.now_ms;
        Ok(stored(desk, origin)?.filter(|site| now_ms < site.good_until_ms))
    }

    /// Keeps what a site said; or that it said nothing, and until when it wants to be left alone.
    pub(super) fn keep(
        &mut self,
        desk: &mut Desk<'_>,
        origin: &str,
        rules: Option<Rules>,
        until_ms: i64,
    ) -> Result<(), WatcherError> {
        let now_ms = desk.now_ms;
        desk.metrics.pages.site(rules.is_some());
        let site = match rules {
            Some(rules) => {
                Site { read_ms: now_ms, good_until_ms: now_ms + DAY, rules: Some(rules), until_ms: 0 }
            }
            None => {
                let last = stored(desk, origin)?.filter(|site| now_ms - site.read_ms < STALE_MS);
                let (read_ms, rules) = last.map_or((0, None), |site| (site.read_ms, site.rules));
                Site { read_ms, good_until_ms: now_ms + UNREACHABLE_MS, rules, until_ms }
            }
        };
        self.put(desk, origin, &site)
    }

    /// Writes down that a site wants to be left alone: the next process must know.
    pub(super) fn leave_alone(
        &mut self,
        desk: &mut Desk<'_>,
        url: &Url,
        until_ms: i64,
    ) -> Result<(), WatcherError> {
        let origin = url.origin().ascii_serialization();
        let site = stored(desk, &origin)?.unwrap_or_default();
        self.put(desk, &origin, &Site { until_ms, ..site })
    }

    fn put(&mut self, desk: &mut Desk<'_>, origin: &str, site: &Site) -> Result<(), WatcherError> {
        if let Some(oldest) = self.note(origin) {
            desk.outbox.delete_in(ROBOTS, oldest.as_bytes());
        }
        desk.outbox.put_in(ROBOTS, origin.as_bytes(), to_bytes(site));
        // The next turn reads it.
        desk.outbox.flush()
    }

    /// Notes that an origin has a row. Returns the one that has to go for it.
    fn note(&mut self, origin: &str) -> Option<String> {
        let rows = self.rows.entry(domain(origin)).or_default();
        rows.retain(|known| known != origin);
        rows.push_back(origin.to_owned());
        if rows.len() > MOST_OF_DOMAIN { rows.pop_front() } else { None }
    }

    /// Now and then.
    pub(super) fn sweep(&mut self, desk: &mut Desk<'_>) -> Result<(), WatcherError> {
        if desk.now_ms - self.swept_ms >= SWEEP_MS { self.look_through(desk) } else { Ok(()) }
    }

    /// Reads the table, and forgets what nobody asked about for long. Those that want to be left alone are.
    pub(super) fn look_through(&mut self, desk: &mut Desk<'_>) -> Result<(), WatcherError> {
        self.swept_ms = desk.now_ms;
        self.rows.clear();
        let (mut gone, mut held, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let before_ms = desk.now_ms - FORGET_MS;
        desk.outbox.scan_in(ROBOTS, b"", &mut |key, value| {
            let site = from_bytes::<Site>(value).unwrap_or_default();
            let origin = String::from_utf8_lossy(key).into_owned();
            if site.until_ms > desk.now_ms {
                // An earlier version kept up to a week.
                held.push((domain(&origin), site.until_ms.min(desk.now_ms + DOMAIN_CAP_MS)));
            } else if site.good_until_ms < before_ms {
                gone.push(origin);
                return;
            }
            kept.push((site.good_until_ms, origin));
        })?;
        held.into_iter().for_each(|(domain, until_ms)| desk.budget.back_off(domain, until_ms));
        kept.sort_unstable();
        gone.extend(kept.into_iter().filter_map(|(_, origin)| self.note(&origin)));
        gone.iter().for_each(|origin| desk.outbox.delete_in(ROBOTS, origin.as_bytes()));
        Ok(())
    }
}

fn stored(desk: &mut Desk<'_>, origin: &str) -> Result<Option<Site>, WatcherError> {
    Ok(desk.outbox.get_in(ROBOTS, origin.as_bytes())?.as_deref().and_then(from_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_registered_domain_the_newest_are_kept_and_others_have_their_own() {
        let mut sites = Sites::default();
        let origin = |number: usize| format!("https://a{number}.news.example.com");
        for number in 0..MOST_OF_DOMAIN {
            assert_eq!(sites.note(&origin(number)), None);
        }
        assert_eq!(sites.note(&origin(0)), None, "read again: it is the newest now");
        assert_eq!(sites.note("https://other.example.org"), None);
        assert_eq!(sites.note(&origin(99)), Some(origin(1)));
        assert_eq!(sites.note("http://www.example.com:81"), Some(origin(2)), "the same owner");
        assert_eq!(sites.rows.len(), 2);
    }
}
