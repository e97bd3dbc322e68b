//! What a feed's known items say beside their ids: so that one whose id is made anew is known all the same.
//!
//! Links are kept for every known item, dates for those of the last document. Titles and the names themselves are kept only until ids have proven themselves, and where they have not.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::{Identity, Marks, half};
use crate::feeds::state::{FeedState, Known};

/// Names of items that left the window take no more than this together, and of the window's not more than that.
const MOST_OLD_KEY_BYTES: usize = 1 << 10;
const MOST_KEY_BYTES: usize = 64 << 10;

/// Beside [`FeedState::known`], by its places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The link, where it leads to this item alone; zeros without. Shorter than the list of known items where the rest has none.
    pub(super) links: Vec<[u8; 4]>,
    /// Title and date.
    pub(super) titles: Vec<[u8; 8]>,
    /// Names that cannot be made again, by the known half.
    pub(super) keys: Vec<([u8; 4], Key)>,
}

/// What one known item says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) link: [u8; 4],
    pub(super) title: [u8; 4],
    pub(super) date: [u8; 4],
}

impl Mark {
    pub(super) fn of(marks: &Marks) -> Self {
        Self { link: half(marks.link), title: half(marks.title), date: half(marks.date) }
    }

    fn title_and_date(&self) -> [u8; 8] {
        let mut both = [0; 8];
        both[..4].copy_from_slice(&self.title);
        both[4..].copy_from_slice(&self.date);
        both
    }
}

impl Memory {
    pub(super) fn mark(&self, place: usize) -> Mark {
        let [a, b, c, d, e, f, g, h] = self.titles.get(place).copied().unwrap_or_default();
        Mark {
            link: self.links.get(place).copied().unwrap_or_default(),
            title: [a, b, c, d],
            date: [e, f, g, h],
        }
    }

    pub(super) fn key(&self, id: [u8; 4]) -> Option<String> {
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, key)| key.text())
    }

    pub(super) fn bytes(&self) -> usize {
        self.links.capacity() * 4
            + self.titles.capacity() * 8
            + self.keys.iter().map(|(_, key)| 4 + key.bytes()).sum::<usize>()
    }

    /// Nothing is kept of places at the end that say nothing.
    fn trim(&mut self) {
        let last = self.links.iter().rposition(|link| *link != [0; 4]).map_or(0, |last| last + 1);
        self.links.truncate(last);
        let last = self.titles.iter().rposition(|title| *title != [0; 8]).map_or(0, |last| last + 1);
        self.titles.truncate(last);
    }

    fn push(&mut self, mark: Mark) {
        self.links.push(mark.link);
        self.titles.push(mark.title_and_date());
    }
}

/// An item of a document, as it is remembered.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// Its halves.
    pub known: Known,
    marks: Marks,
    key: Option<Key>,
}

impl Remembered {
    /// Of an item that is settled.
    pub(in super::super) fn of(item: &crate::feeds::reading::Item) -> Self {
        Self {
            known: Known::new(item.id_hash, item.content_hash),
            marks: item.marks,
            key: item.marks.keeps_key.then(|| Key::new(&item.id)),
        }
    }

    /// Of an item of which nothing else is known.
    pub(in super::super) fn bare(known: Known) -> Self {
        Self { known, marks: Marks::default(), key: None }
    }
}

impl Identity {
    /// Whether names that are in no document any more are kept.
    fn keeps_keys(&self) -> bool {
        self.is_open || self.ids.is_worthless() || self.links.is_worthless()
    }
}

/// The names that are kept: those of the document, and of earlier ones where `keeps_old` says so. Each once, and none of an item that is not among `ids`.
fn kept(
    document: &[Remembered],
    old: Vec<([u8; 4], Key)>,
    mut ids: HashSet<[u8; 4]>,
    keeps_old: bool,
) -> Vec<([u8; 4], Key)> {
    let mut keys = Vec::new();
    let mut bytes = 0;
    let named = document.iter().filter_map(|one| Some((one.known.id(), one.key.clone()?)));
    let old = old.into_iter().filter(|_| keeps_old);
    for ((id, key), most) in
        named.map(|one| (one, MOST_KEY_BYTES)).chain(old.map(|one| (one, MOST_OLD_KEY_BYTES)))
    {
        if bytes + key.bytes() <= most && ids.remove(&id) {
            bytes += key.bytes();
            keys.push((id, key));
        }
    }
    keys
}

impl FeedState {
    /// Puts known items in the place of those before. `document` are the first of them, and what else there is was known before.
    pub(in super::super) fn know(&mut self, known: Vec<Known>, document: &[Remembered]) {
        let mut here = HashMap::with_capacity(document.len());
        for one in document.iter().rev() {
            here.insert(one.known, one.marks);
        }
        let before: HashMap<Known, usize> =
            self.known.iter().rev().copied().zip((0..self.known.len()).rev()).collect();
        let Memory { links, titles, keys } = std::mem::take(&mut self.identity.memory);
        let old = Memory { links, titles, keys: Vec::new() };
        let ids = known.iter().map(Known::id).collect();
        let mut new =
            Memory { keys: kept(document, keys, ids, self.identity.keeps_keys()), ..Memory::default() };
        // Who has a name that cannot be made again is looked for by everything that it says.
        let keeps_titles =
            self.identity.is_open || self.identity.churn.is_suspected() || !new.keys.is_empty();
        for (place, one) in known.iter().enumerate() {
            let mut mark = match (here.get(one), before.get(one)) {
                (Some(marks), _) => Mark::of(marks),
                (None, Some(place)) => old.mark(*place),
                (None, None) => Mark::default(),
            };
            if !keeps_titles {
                // Of the document the dates stay: an id may be made anew when an item is edited.
                mark.title = [0; 4];
                mark.date = if place < here.len() { mark.date } else { [0; 4] };
            }
            new.push(mark);
        }
        new.trim();
        self.identity.memory = new;
        self.known = known;
    }

    /// Adds an item that was handed over before the others of its document: between them a unit may end.
    pub(in super::super) fn took(&mut self, one: Remembered) {
        let memory = &mut self.identity.memory;
        memory.links.resize(self.known.len(), [0; 4]);
        memory.titles.resize(self.known.len(), [0; 8]);
        memory.push(Mark::of(&one.marks));
        if let Some(key) = one.key {
            memory.keys.retain(|(id, _)| *id != one.known.id());
            memory.keys.push((one.known.id(), key));
        }
        self.known.push(one.known);
    }
}
