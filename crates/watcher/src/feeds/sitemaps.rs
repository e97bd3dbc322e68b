//! The sitemaps of an index: which of them are read when. An index is a feed whose document names other documents, up to 50,000 of them.
//!
//! ```text
//! index (or a 304 of it) --> at most 4 sitemaps in the same poll: what changed, the newest first, and in turn those that do not say when they change
//!                             each a request of its own: address guard, budget of its domain, written down before; never sooner than a feed's floor
//! others wait for later polls; one place of the four is for who has waited longest
//! ```

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::address::{Allowed, check_url};
use super::policy::{DAY, HOUR};
use super::reading::Listed;
use super::state::Validators;

/// Sitemaps read in one poll, at most.
pub const MOST_A_POLL: u8 = 4;
/// Of one index so many are known; where it names more, the newest.
pub const MOST_KNOWN: usize = 1000;
/// Of these, so many that do not say when they changed: the first and the last ones.
const MOST_UNDATED: usize = 250;
/// Bytes of the addresses that wait.
const MOST_BYTES: usize = 256 << 10;
/// A sitemap that fails is left alone for so much longer each time, a day at most.
const AGAIN_MS: i64 = 4 * HOUR;
/// A sitemap that had news so lately goes before those that had none.
const ACTIVE_MS: i64 = 3 * DAY;
/// After so many failures in a row a sitemap's articles count as lost.
const LOST_TRIES: u8 = 2;

/// What is known of an index's sitemaps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sitemaps {
    maps: Vec<Map>,
    /// Named by the last index and never asked, for their addresses.
    pub refused: u32,
    /// Named by it beyond what is known at once.
    pub left_out: u32,
}

/// One sitemap. Times are milliseconds since the Unix epoch, 0 for never.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Map {
    /// Of its address.
    key: u64,
    /// Of the index that names it; 0 for the feed's own.
    parent: u64,
    /// Empty while it need not be asked.
    url: String,
    /// When it changed, as the index says.
    modified_ms: i64,
    /// It was read since then.
    is_read: bool,
    /// Since when it waits.
    since_ms: i64,
    /// When it was last asked.
    asked_ms: i64,
    /// When it last had something new, the first time left out.
    changed_ms: i64,
    /// Failures in a row.
    tries: u8,
    /// Of its last document.
    hash: u64,
    /// That it came with.
    validators: Option<Validators>,
}

impl Map {
    fn is_dated(&self) -> bool {
        self.modified_ms != 0
    }

    fn waits(&self) -> bool {
        let is_over = self.is_dated() && self.is_read;
        !self.url.is_empty() && !is_over
    }

    fn waits_since_ms(&self) -> i64 {
        if self.is_dated() { self.since_ms } else { self.asked_ms }
    }
}

/// What an index named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Addresses that are never asked, each with why.
    pub refused: Vec<(String, String)>,
    /// One is to be read that was not before.
    pub has_news: bool,
}

/// What can be asked: its key, its address, and when it changed.
type Asked = (u64, String, i64);

/// A sitemap to ask now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    pub(super) key: u64,
    pub(super) url: String,
}

impl Sitemaps {
    /// How many are known.
    pub fn count(&self) -> usize {
        self.maps.len()
    }

    /// How many were never read, or not since they changed.
    pub fn waiting(&self) -> usize {
        self.maps.iter().filter(|map| map.waits() && (map.is_dated() || map.hash == 0)).count()
    }

    /// How many failed again and again.
    pub fn failing(&self) -> usize {
        self.maps.iter().filter(|map| map.tries >= LOST_TRIES).count()
    }

    /// Bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let map = |map: &Map| {
            let given = map.validators.as_ref();
            let tag = |tag: &Option<Vec<u8>>| tag.as_ref().map_or(0, Vec::capacity);
            map.url.capacity() + given.map_or(0, |given| tag(&given.etag) + tag(&given.last_modified))
        };
        size_of::<Self>() + self.maps.capacity() * size_of::<Map>() + self.maps.iter().map(map).sum::<usize>()
    }

    /// Whether there is something to ask at every poll.
    pub fn has_work(&self) -> bool {
        self.maps.iter().any(Map::waits)
    }

    /// Takes over what an index names: the feed's own, or that of this key within it. `at` is where it was read.
    pub(super) fn take(
        &mut self,
        listed: Vec<Listed>,
        parent: u64,
        at: &Url,
        allowed: &Allowed,
        now_ms: i64,
    ) -> Named {
        let mut named = Named::default();
        let (dated, undated) = Self::sort_out(listed, at, allowed, &mut named);
        let before: HashMap<u64, Map> =
            self.maps.extract_if(.., |map| map.parent == parent).map(|map| (map.key, map)).collect();
        let room = MOST_KNOWN.saturating_sub(self.maps.len());
        let (all, mut bytes) = (dated.len() + undated.len(), 0);
        let mut kept = HashSet::new();
        for (key, url, modified_ms) in ends(undated).into_iter().chain(dated).take(room) {
            let known = before.get(&key).cloned();
            let is_new = known.as_ref().is_none_or(|map| map.modified_ms != modified_ms);
            let mut map = known.unwrap_or_default();
            if is_new {
                // Who waits already has waited since then, however often its index gives it a new date.
                map.since_ms = if map.waits() { map.since_ms } else { now_ms };
                (map.tries, map.is_read) = (0, false);
            }
            (map.key, map.parent, map.modified_ms) = (key, parent, modified_ms);
            if map.is_dated() && map.is_read {
                map.validators = map.validators.filter(|_| now_ms - map.asked_ms < ACTIVE_MS);
            } else {
                bytes += url.len();
                map.url = url;
            }
            if bytes > MOST_BYTES {
                break;
            }
            named.has_news |= is_new;
            kept.insert(key);
            self.maps.push(map);
        }
        // What an index named that is not named itself any more went with it.
        let gone: HashSet<u64> = before.into_keys().filter(|key| !kept.contains(key)).collect();
        self.maps.retain(|map| !gone.contains(&map.parent));
        if parent == 0 {
            (self.refused, self.left_out) = (0, 0);
        }
        self.refused += count(named.refused.len());
        self.left_out += count(all - kept.len());
        named
    }

    /// What can be asked of it: the dated ones, the newest first, and the others.
    fn sort_out(
        listed: Vec<Listed>,
        at: &Url,
        allowed: &Allowed,
        named: &mut Named,
    ) -> (Vec<Asked>, Vec<Asked>) {
        let mut places: HashMap<u64, usize> = HashMap::new();
        let mut all: Vec<Asked> = Vec::new();
        for Listed { url, modified_ms } in listed {
            let to = match address(&url, at, allowed) {
                Ok(to) => to,
                Err(why) => {
                    named.refused.push((url, why));
                    continue;
                }
            };
            let (key, modified_ms) = (key_of(&to), modified_ms.unwrap_or(0));
            match places.get(&key) {
                Some(place) => all[*place].2 = all[*place].2.max(modified_ms),
                None => {
                    places.insert(key, all.len());
                    all.push((key, to.into(), modified_ms));
                }
            }
        }
        let (mut dated, undated): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.2 != 0);
        // Stable: of the same time, the index's own order.
        dated.sort_by_key(|one| std::cmp::Reverse(one.2));
        (dated, undated)
    }

    /// The next one to ask in a poll that began then and may ask so many more.
    pub(super) fn pick(&self, begun_ms: i64, left: u8, floor_ms: i64, now_ms: i64) -> Option<Pick> {
        let is_due = |map: &&Map| {
            let pause_ms = floor_ms.max((AGAIN_MS * i64::from(map.tries)).min(DAY));
            map.waits() && (map.asked_ms == 0 || map.asked_ms < begun_ms && now_ms - map.asked_ms >= pause_ms)
        };
        let due = || self.maps.iter().filter(is_due);
        let newest = || due().filter(|map| map.is_dated()).max_by_key(|map| (map.modified_ms, -map.since_ms));
        let in_turn = || {
            let is_active = |map: &Map| map.changed_ms > 0 && now_ms - map.changed_ms < ACTIVE_MS;
            due().filter(|map| !map.is_dated()).min_by_key(|map| (!is_active(map), map.asked_ms))
        };
        // Of those that came together the oldest.
        let longest = || due().rev().min_by_key(|map| map.waits_since_ms());
        let picked = match left {
            0 => None,
            1 => longest(),
            3 => in_turn().or_else(newest),
            2 | 4.. => newest().or_else(in_turn),
        };
        picked.map(|map| Pick { key: map.key, url: map.url.clone() })
    }

    /// What the last document of one had, to send with the next request for it, and to know it again by.
    pub(super) fn last_of(&self, key: u64) -> (Option<&Validators>, u64) {
        let map = self.maps.iter().find(|map| map.key == key);
        (map.and_then(|map| map.validators.as_ref()), map.map_or(0, |map| map.hash))
    }

    /// When it was last asked; 0 for never.
    pub(super) fn asked_ms(&self, key: u64) -> i64 {
        self.maps.iter().find(|map| map.key == key).map_or(0, |map| map.asked_ms)
    }

    /// Whether it is named by an index that is named by another: a third is not followed.
    pub(super) fn is_nested(&self, key: u64) -> bool {
        self.maps.iter().any(|map| map.key == key && map.parent != 0)
    }

    /// One was read: `document` is the new one, unless it is the same as before. Returns whether it was read before.
    pub(super) fn read(
        &mut self,
        key: u64,
        document: Option<(u64, Option<Validators>)>,
        has_news: bool,
        now_ms: i64,
    ) -> bool {
        let Some(map) = self.maps.iter_mut().find(|map| map.key == key) else { return false };
        let was_read = map.hash != 0;
        (map.asked_ms, map.tries, map.is_read) = (now_ms, 0, true);
        if let Some((hash, validators)) = document {
            (map.hash, map.validators) = (hash, validators);
        }
        if was_read && has_news {
            map.changed_ms = now_ms;
        }
        if map.is_dated() {
            map.url = String::new();
        }
        was_read
    }

    /// One could not be read: it waits on.
    pub(super) fn fail(&mut self, key: u64, now_ms: i64) {
        if let Some(map) = self.maps.iter_mut().find(|map| map.key == key) {
            (map.asked_ms, map.tries) = (now_ms, map.tries.saturating_add(1));
        }
    }
}

fn key_of(url: &Url) -> u64 {
    // 0 is the feed's own index.
    xxh3_64(url.as_str().as_bytes()).max(1)
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The first and the last ones, where there are too many: lists grow at either end.
fn ends<T>(mut all: Vec<T>) -> Vec<T> {
    if all.len() > MOST_UNDATED {
        all.drain(MOST_UNDATED / 2..all.len() - MOST_UNDATED / 2);
    }
    all
}

/// Where a sitemap is asked that an index at `at` names.
fn address(url: &str, at: &Url, allowed: &Allowed) -> Result<Url, String> {
    let mut to = check_url(url, allowed).map_err(|why| why.to_string())?;
    if at.scheme() == "https" && to.scheme() == "http" && to.port().is_none() {
        // Its server speaks https; the list is older than that.
        let _ = to.set_scheme("https");
    }
    if at.scheme() == "https" && to.scheme() == "http" {
        return Err("it leads from https: to http:".to_owned());
    }
    if to == *at { Err("it is the index itself".to_owned()) } else { Ok(to) }
}

#[cfg(test)]
mod tests;
