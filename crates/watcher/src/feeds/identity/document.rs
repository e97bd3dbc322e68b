//! What a document says of its own ids and links: one that is blank, that is the feed's own address, or that two articles share is none.

use std::collections::HashMap;

use super::super::reading::Item;
use super::{Identity, Marks, Worthless, half};

/// Shared ids, and shared links, that are remembered; those not seen for longest go.
const MOST_SHARED: usize = 32;

/// By what an item can be told from others, as far as its document goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    /// Its id is one.
    pub(super) has_id: bool,
    /// Its link is one.
    pub(super) has_link: bool,
}

/// Judges the items of a document. What is found worthless is remembered.
pub(super) fn stands(
    identity: &mut Identity,
    items: &[Item],
    own: &[u64],
    counts: &mut [u64; Worthless::ALL.len()],
) -> Vec<Stand> {
    let mut note = |why: Worthless| counts[why as usize] += 1;
    let mut stands: Vec<Stand> = Vec::with_capacity(items.len());
    for item in items {
        let Marks { is_computed, is_blank, id, link, .. } = item.marks;
        let is_nothing = !is_computed && !item.id.is_empty() && !item.id.chars().any(char::is_alphanumeric);
        let is_feeds = id != 0 && own.contains(&id);
        if is_blank || is_nothing {
            note(Worthless::IdBlank);
        } else if is_feeds {
            note(Worthless::IdOfFeed);
        }
        let has_id = !is_computed && !is_nothing && !is_feeds;
        if !has_id && link != 0 && own.contains(&link) {
            note(Worthless::LinkOfFeed);
        }
        stands.push(Stand { has_id, has_link: link != 0 && !own.contains(&link) });
    }
    let ids = |item: &Item| half(item.id_hash);
    let links = |item: &Item| half(item.marks.link);
    share(&mut identity.bad_ids, items, &stands, &|stand| stand.has_id, &ids, &is_another_by_id);
    for (item, stand) in items.iter().zip(&mut stands) {
        if stand.has_id && identity.bad_ids.contains(&ids(item)) {
            note(Worthless::IdShared);
            stand.has_id = false;
        }
    }
    share(&mut identity.bad_links, items, &stands, &|stand| stand.has_link, &links, &is_another_by_link);
    for (item, stand) in items.iter().zip(&mut stands) {
        if stand.has_link && identity.bad_links.contains(&links(item)) {
            if !stand.has_id {
                note(Worthless::LinkShared);
            }
            stand.has_link = false;
        }
    }
    stands
}

/// Whether two items with one value are two articles.
type IsAnother = dyn Fn((&Item, &Stand), (&Item, &Stand)) -> bool;

/// Adds the values that two articles of the document share to those known as such; these come to the front.
fn share(
    bad: &mut Vec<[u8; 4]>,
    items: &[Item],
    stands: &[Stand],
    counts: &dyn Fn(&Stand) -> bool,
    value: &dyn Fn(&Item) -> [u8; 4],
    is_another: &IsAnother,
) {
    let mut first: HashMap<[u8; 4], (&Item, &Stand)> = HashMap::with_capacity(items.len());
    let mut found = Vec::new();
    for one in items.iter().zip(stands).filter(|(_, stand)| counts(stand)) {
        let value = value(one.0);
        let is_shared = bad.contains(&value)
            || match first.get(&value) {
                Some(other) => is_another(*other, one),
                None => {
                    first.insert(value, one);
                    false
                }
            };
        if is_shared && !found.contains(&value) && found.len() < MOST_SHARED {
            found.push(value);
        }
    }
    add(bad, found);
}

/// Brings values to the front of a list, and drops those at its end.
fn add(bad: &mut Vec<[u8; 4]>, found: Vec<[u8; 4]>) {
    if !found.is_empty() {
        bad.retain(|value| !found.contains(value));
        bad.splice(0..0, found);
        bad.truncate(MOST_SHARED);
    }
}

impl Identity {
    /// Ids and links that were found to be none over polls.
    pub(super) fn add_shared(&mut self, ids: Vec<[u8; 4]>, links: Vec<[u8; 4]>) {
        add(&mut self.bad_ids, ids);
        add(&mut self.bad_links, links);
    }
}

/// Whether two items with one id are two articles. One that is shown twice, once corrected, has the same link; one that stands in two sections the same title, text and date.
fn is_another_by_id((a, a_stands): (&Item, &Stand), (b, b_stands): (&Item, &Stand)) -> bool {
    let (a, b) = (a.marks, b.marks);
    if a_stands.has_link && b_stands.has_link {
        return a.link != b.link && (a.title, a.text, a.date) != (b.title, b.text, b.date);
    }
    reads_otherwise(a, b)
}

/// Whether two items with one link are two articles. Their ids say so where they have some, unless they read the same.
fn is_another_by_link((a, a_stands): (&Item, &Stand), (b, b_stands): (&Item, &Stand)) -> bool {
    if a_stands.has_id && b_stands.has_id {
        return a.id_hash != b.id_hash && (a.marks.title, a.marks.text) != (b.marks.title, b.marks.text);
    }
    reads_otherwise(a.marks, b.marks)
}

/// Another title, and not over the same text: that is a corrected headline. Or another text of another date under the same title: "Weather today".
fn reads_otherwise(a: Marks, b: Marks) -> bool {
    let is_redated = a.date != b.date && a.date != 0 && b.date != 0;
    if a.title == b.title { a.text != b.text && is_redated } else { a.text != b.text || a.text == 0 }
}
