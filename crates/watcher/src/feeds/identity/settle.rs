//! Gives each item of a document the key of the article that it is.

use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::xxh3_64;

use super::super::reading::Item;
use super::super::state::{FeedState, Known};
use super::document::{Stand, stands};
use super::evidence::{Grade, Index, Match, match_up, shown};
use super::{Identity, Worthless, half, keys};

/// What an item is, beside what its key and content say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// As these say.
    ByKey,
    /// It was delivered, under another key that cannot be made any more.
    Known,
    /// The same, with other content.
    Updated,
}

/// A document whose items have their keys.
#[derive(Debug)]
pub struct Settled {
    /// By item.
    pub seen: Vec<Seen>,
    /// By item: its link, its title or its words were there before.
    pub was_seen: Vec<bool>,
    /// Named faults with their counts.
    pub faults: Vec<(&'static str, u64)>,
}

/// What was found of one item.
struct Finding {
    stand: Stand,
    /// How it stood when its names were made.
    named: Stand,
    /// Where it is told by something else than its id: its names, the one it gets first.
    names: Vec<String>,
    /// The known item that its key leads to.
    told: Option<[u8; 4]>,
    /// The one that it is, by all that is known, and whether its content is the same.
    found: Option<([u8; 4], bool)>,
    was_seen: bool,
}

/// How often each [`Worthless`] was met.
type Counts = [u64; Worthless::ALL.len()];

/// Settles the items of a document. `own` are the addresses of the feed and its site. Only a whole document, `is_whole`, says something of items that are missing.
pub fn settle(
    state: &mut FeedState,
    feed_url: &str,
    items: &mut [Item],
    own: &[u64],
    is_whole: bool,
    now_ms: i64,
) -> Settled {
    let mut counts = [0; Worthless::ALL.len()];
    let mut stands = stands(&mut state.identity, items, own, &mut counts);
    restrict(&state.identity, &mut stands);
    let findings = find(state, items, stands, is_whole, now_ms, &mut counts);
    let identity = &mut state.identity;
    let is_mixed = identity.misses > 0 && !identity.ids.is_worthless();
    identity.is_open = is_mixed
        || findings.iter().any(|finding| match (finding.stand.has_id, finding.stand.has_link) {
            (true, _) => identity.ids.is_open(),
            (false, true) => identity.links.is_open(),
            (false, false) => identity.dates.is_open(),
        });
    for (why, is_worthless) in [
        (Worthless::IdUnstable, identity.ids.is_worthless()),
        (Worthless::LinkUnstable, identity.links.is_worthless()),
        (Worthless::DateUnstable, identity.dates.is_worthless()),
    ] {
        if is_worthless {
            counts[why as usize] += items.len() as u64;
        }
    }
    let met = |why: &Worthless| counts[*why as usize] > 0;
    if is_whole {
        identity.shown = Worthless::ALL.into_iter().filter(met).fold(0, |bits, why| bits | 1 << why as u8);
    }
    let faults =
        Worthless::ALL.into_iter().filter(met).map(|why| (why.name(), counts[why as usize])).collect();
    let was_seen = findings.iter().map(|finding| finding.was_seen).collect();
    Settled { seen: name(state, feed_url, items, findings), was_seen, faults }
}

/// What is worthless in the whole feed is none of any item.
fn restrict(identity: &Identity, stands: &mut [Stand]) {
    for stand in stands {
        stand.has_id &= !identity.ids.is_worthless();
        stand.has_link &= !identity.links.is_worthless();
    }
}

/// Finds out which known item each is, and learns from it what ids, links and dates are worth.
fn find(
    state: &mut FeedState,
    items: &[Item],
    mut stands: Vec<Stand>,
    is_whole: bool,
    now_ms: i64,
    counts: &mut Counts,
) -> Vec<Finding> {
    // What was learned before is looked into while more is learned.
    let before = std::mem::take(&mut state.identity);
    let mut identity = before.without_memory();
    let mut index = Index::new(&state.known, &before);
    let named = stands.clone();
    let mut names: Vec<Vec<String>> = Vec::with_capacity(items.len());
    let mut told: Vec<Option<usize>> = Vec::with_capacity(items.len());
    for (item, stand) in items.iter().zip(&stands) {
        let of = if stand.has_id { Vec::new() } else { names_of(&before, item, *stand) };
        told.push(told_by(&index, item, *stand, &of));
        names.push(of);
    }
    let by_key = |((item, stand), told): ((&Item, &Stand), &Option<usize>)| {
        let place = (*told).filter(|place| index.agrees(*place, item, *stand))?;
        Some(Match { place, grade: Grade::ByKey })
    };
    let mut found: Vec<Option<Match>> = items.iter().zip(&stands).zip(&told).map(by_key).collect();
    if found.iter().any(Option::is_none) {
        index.look_closer();
        match_up(&index, items, &stands, &told, &mut found);
    }
    let shown = shown(&index, items, &stands, &told, &found);
    if is_whole {
        identity.learn(&shown, now_ms - state.added_ms);
    }
    let (mut reused_ids, mut reused_links) = (Vec::new(), Vec::new());
    for (((item, stand), told), found) in items.iter().zip(&mut stands).zip(&told).zip(&found) {
        // What it is told by came with an article of which nothing else is the same.
        let is_reused = |place| shown.has_none_back(*stand) || index.is_another(place, item, *stand);
        if !is_whole || found.is_some() || !told.is_some_and(is_reused) {
            continue;
        }
        if stand.has_id {
            counts[Worthless::IdShared as usize] += 1;
            reused_ids.push(Known::new(item.id_hash, 0).id());
            stand.has_id = false;
        } else if stand.has_link {
            counts[Worthless::LinkShared as usize] += 1;
            reused_links.push(half(item.marks.link));
            stand.has_link = false;
        }
    }
    identity.add_shared(reused_ids, reused_links);
    restrict(&identity, &mut stands);
    let titles: HashSet<u64> = items.iter().map(|item| item.marks.title).collect();
    let titles_tell = titles.len() > 2;
    let mut findings = Vec::with_capacity(items.len());
    for (((item, stand), (told, found)), (names, named)) in
        items.iter().zip(stands).zip(told.into_iter().zip(found)).zip(names.into_iter().zip(named))
    {
        let is_told_wrong = told.is_some() && found.is_some_and(|found| found.grade != Grade::ByKey);
        let believed = found
            .filter(|found| identity.believes(*found, index.mark(found.place), stand, is_told_wrong, &shown));
        findings.push(Finding {
            stand,
            named,
            names,
            was_seen: told.is_some() || index.was_seen(item, titles_tell),
            told: told.map(|place| index.id(place)),
            found: believed.map(|found| (index.id(found.place), index.has_content(found.place, item))),
        });
    }
    let Identity { memory, .. } = before;
    state.identity = Identity { memory, ..identity };
    findings
}

/// The place among the known items that an item's key leads to.
fn told_by(index: &Index<'_>, item: &Item, stand: Stand, names: &[String]) -> Option<usize> {
    let place = |key: &str| index.ids.get(&id_of(key)).copied();
    if stand.has_id {
        let own = index.ids.get(&Known::new(item.id_hash, 0).id()).copied();
        return own.or_else(|| place(&keys::other_scheme(&item.id)?));
    }
    names.iter().find_map(|key| place(key))
}

/// The half of a key's hash.
fn id_of(key: &str) -> [u8; 4] {
    Known::new(xxh3_64(key.as_bytes()), 0).id()
}

/// The names of an item that is told by something else than its id, the one it gets first.
fn names_of(identity: &Identity, item: &Item, stand: Stand) -> Vec<String> {
    if stand.has_link {
        keys::of_link(item)
    } else if item.marks.title != 0 && !identity.dates.is_worthless() {
        keys::of_title(item)
    } else {
        keys::of_content(item)
    }
}

/// Gives each item its key.
fn name(state: &FeedState, feed_url: &str, items: &mut [Item], findings: Vec<Finding>) -> Vec<Seen> {
    let claimed: HashSet<[u8; 4]> =
        findings.iter().filter_map(|finding| finding.found.map(|(id, _)| id)).collect();
    let known = LazyCell::new(|| state.known.iter().copied().collect::<HashSet<Known>>());
    let ids = LazyCell::new(|| state.known.iter().map(Known::id).collect::<HashSet<[u8; 4]>>());
    let is_odd = |(item, finding): (&Item, &Finding)| {
        finding.found.is_some_and(|(id, _)| id != Known::new(item.id_hash, 0).id())
    };
    // Names that other items of the document bring: one of them may be that of a known item.
    let brought: HashMap<[u8; 4], String> = if items.iter().zip(&findings).any(is_odd) {
        items.iter().map(|item| (Known::new(item.id_hash, 0).id(), item.id.clone())).collect()
    } else {
        HashMap::new()
    };
    let mut seen = Vec::with_capacity(items.len());
    for (item, finding) in items.iter_mut().zip(findings) {
        let Finding { mut stand, named, mut names, told, found, .. } = finding;
        // The known item that its key leads to is another item of this document.
        if found.is_none() && told.is_some_and(|id| claimed.contains(&id)) {
            stand.has_link &= stand.has_id;
            stand.has_id = false;
        }
        if stand != named && !stand.has_id {
            names = names_of(&state.identity, item, stand);
        }
        let own = Known::new(item.id_hash, 0).id();
        let by_name = || {
            let mut ids_of = names.iter().map(|name| id_of(name));
            ids_of.find(|id| ids.contains(id) && !claimed.contains(id))
        };
        let id = found.map(|(id, _)| id).or(told.filter(|_| stand.has_id)).or_else(by_name);
        let today = if stand.has_id { Some(&item.id) } else { names.first() }.cloned().unwrap_or_default();
        let (key, what) = match id {
            Some(id) if stand.has_id && id == own => (item.id.clone(), Seen::ByKey),
            Some(id) => {
                let key = state.identity.memory.key(id);
                let key = key.or_else(|| names.iter().find(|name| id_of(name) == id).cloned());
                let other = || keys::other_scheme(&item.id).filter(|other| id_of(other) == id);
                let key = key.or_else(other).or_else(|| brought.get(&id).cloned());
                match (key, found) {
                    (Some(key), _) => (key, Seen::ByKey),
                    (None, Some((_, true))) => (today.clone(), Seen::Known),
                    (None, Some((_, false)) | None) => (today.clone(), Seen::Updated),
                }
            }
            None => {
                let halves = |key: &String| Known::new(xxh3_64(key.as_bytes()), item.content_hash);
                // Delivered by 0.1.0, which knew several items by one name.
                let is_known = !stand.has_id
                    && !state.known.is_empty()
                    && keys::ambiguous(item, feed_url).iter().any(|key| known.contains(&halves(key)));
                (today.clone(), if is_known { Seen::Known } else { Seen::ByKey })
            }
        };
        item.marks.keeps_key = state.identity.is_open || key != today;
        if !stand.has_link {
            item.marks.link = 0;
        }
        if key != item.id {
            item.id_hash = xxh3_64(key.as_bytes());
            item.id = key;
        }
        seen.push(what);
    }
    seen
}
