//! A document beside what is known: which item is which known one, whatever its id says, and what that says of ids, links and dates.

use std::collections::{HashMap, HashSet};

use super::super::policy::DAY;
use super::super::reading::Item;
use super::super::state::Known;
use super::document::Stand;
use super::memory::Mark;
use super::{Came, Identity, Worth, half};

/// Ids are called proven when they held for so long: some are made anew once a day.
const PROVEN_AFTER_MS: i64 = 3 * DAY;
/// In so many documents some ids were made anew, though most were not: then none is trusted.
const MOST_MISSES: u8 = 2;

/// How an item was found among the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grade {
    /// By its key, and what else is known agrees.
    ByKey,
    /// The same link, and the same content or date: it is that one.
    Sure,
    /// The same content and date, and another link.
    Likely,
    /// The same link, or the same title and date, and nothing else: an edit, if the id says nothing.
    Edited,
    /// The same content.
    Weak,
}

/// A known item that is one of the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    /// Its place among the known ones.
    pub(super) place: usize,
    pub(super) grade: Grade,
}

/// What is known, to look things up in.
pub(super) struct Index<'a> {
    list: &'a [Known],
    identity: &'a Identity,
    known: HashSet<Known>,
    pub(super) ids: HashMap<[u8; 4], usize>,
    links: HashMap<[u8; 4], Vec<usize>>,
    titles: HashMap<[u8; 4], Vec<usize>>,
    contents: HashMap<[u8; 4], Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(super) fn new(list: &'a [Known], identity: &'a Identity) -> Self {
        let count = list.len();
        let mut index = Self {
            list,
            identity,
            known: list.iter().copied().collect(),
            ids: HashMap::with_capacity(count),
            links: HashMap::new(),
            titles: HashMap::new(),
            contents: HashMap::new(),
        };
        for (place, known) in list.iter().enumerate() {
            index.ids.entry(known.id()).or_insert(place);
        }
        index
    }

    /// Also by what items say: only needed where ids do not tell.
    pub(super) fn look_closer(&mut self) {
        for (place, known) in self.list.iter().enumerate() {
            let mark = self.mark(place);
            for (of, value) in [
                (&mut self.links, mark.link),
                (&mut self.titles, mark.title),
                (&mut self.contents, known.content()),
            ] {
                if value != [0; 4] {
                    of.entry(value).or_default().push(place);
                }
            }
        }
    }

    pub(super) fn mark(&self, place: usize) -> Mark {
        self.identity.memory.mark(place)
    }

    pub(super) fn id(&self, place: usize) -> [u8; 4] {
        self.list[place].id()
    }

    pub(super) fn has_content(&self, place: usize, item: &Item) -> bool {
        self.known.contains(&Known::of_halves(self.id(place), content_half(item)))
    }

    /// Whether a reader has seen it: its link was there before; or its title or words, where those tell the document's items apart.
    pub(super) fn was_seen(&self, item: &Item, titles_tell: bool) -> bool {
        let seen = |of: &HashMap<[u8; 4], Vec<usize>>, value| value != [0; 4] && of.contains_key(&value);
        seen(&self.links, half(item.marks.link))
            || titles_tell
                && (seen(&self.titles, half(item.marks.title)) || seen(&self.contents, content_half(item)))
    }

    /// Whether a known item, found by its key, is the same one by everything else that is known of it.
    pub(super) fn agrees(&self, place: usize, item: &Item, stand: Stand) -> bool {
        let mark = self.mark(place);
        let link = if stand.has_link { half(item.marks.link) } else { [0; 4] };
        let title = half(item.marks.title);
        if self.has_content(place, item) {
            return true;
        }
        if stand.has_id && mark.link != [0; 4] && link != [0; 4] {
            return mark.link == link || mark.title != [0; 4] && mark.title == title;
        }
        let is_redated = mark.date != [0; 4] && mark.date != half(item.marks.date);
        mark.title == [0; 4] || title == [0; 4] || mark.title == title || !is_redated
    }

    /// Whether a known item with this one's id is another one for certain: link, title, date and content all differ.
    pub(super) fn is_another(&self, place: usize, item: &Item, stand: Stand) -> bool {
        let (mark, marks) = (self.mark(place), item.marks);
        let differ = |known: [u8; 4], said: u64| known != [0; 4] && said != 0 && known != half(said);
        stand.has_link
            && differ(mark.link, marks.link)
            && differ(mark.title, marks.title)
            && differ(mark.date, marks.date)
            && !self.has_content(place, item)
    }

    /// The grade at which an item is that known one; `None` where it is not.
    fn grade(&self, place: usize, item: &Item, stand: Stand) -> Option<Grade> {
        let mark = self.mark(place);
        let is_link = stand.has_link && mark.link != [0; 4] && mark.link == half(item.marks.link);
        let is_title = mark.title != [0; 4] && mark.title == half(item.marks.title);
        let is_date = mark.date != [0; 4] && mark.date == half(item.marks.date);
        let has_time = item.published_ms.is_some_and(|ms| ms.rem_euclid(DAY) != 0);
        // Without a word all contents are the same.
        let has_words = item.marks.title != 0 || item.marks.text != 0;
        let is_content = self.has_content(place, item) && (has_words || is_link);
        match (is_link, is_content, is_title && is_date) {
            (true, true, _) | (true, _, true) => Some(Grade::Sure),
            (true, false, false) if is_date && has_time => Some(Grade::Sure),
            (true, false, false) => Some(Grade::Edited),
            (false, true, true) if has_time => Some(Grade::Likely),
            (false, true, _) => Some(Grade::Weak),
            (false, false, true) if !stand.has_link => Some(Grade::Edited),
            (false, false, true | false) => None,
        }
    }

    /// The known items that an item may be, best first.
    fn candidates(&self, item: &Item, stand: Stand) -> Vec<Match> {
        let content = content_half(item);
        let lists = [
            self.links.get(&half(item.marks.link)).filter(|_| stand.has_link),
            self.titles.get(&half(item.marks.title)),
            self.contents.get(&content),
        ];
        let places: HashSet<usize> = lists.into_iter().flatten().flatten().copied().collect();
        let graded = places.into_iter().filter_map(|place| {
            let grade = self.grade(place, item, stand)?;
            Some(Match { place, grade })
        });
        let mut graded: Vec<Match> = graded.collect();
        graded.sort_by_key(|found| (found.grade, found.place));
        graded
    }
}

fn content_half(item: &Item) -> [u8; 4] {
    let [a, b, c, d, ..] = item.content_hash.to_be_bytes();
    [a, b, c, d]
}

/// Finds the known items that items of the document are, for those that their keys do not tell, or tell wrong: `told` leads to another then. Each known one is one item at most.
pub(super) fn match_up(
    index: &Index<'_>,
    items: &[Item],
    stands: &[Stand],
    told: &[Option<usize>],
    found: &mut [Option<Match>],
) {
    let mut taken: HashSet<[u8; 4]> = found.iter().flatten().map(|found| index.id(found.place)).collect();
    let mut open: Vec<(usize, Vec<Match>)> = (0..items.len())
        .filter(|at| found[*at].is_none())
        .map(|at| (at, index.candidates(&items[at], stands[at])))
        .collect();
    for grade in [Grade::Sure, Grade::Likely, Grade::Edited, Grade::Weak] {
        open.retain(|(at, candidates)| {
            let best = candidates
                .iter()
                .filter(|one| {
                    one.grade == grade && told[*at].is_none_or(|told| index.id(told) != index.id(one.place))
                })
                .find(|one| !taken.contains(&index.id(one.place)));
            if let Some(best) = best {
                taken.insert(index.id(best.place));
                found[*at] = Some(*best);
            }
            best.is_none()
        });
    }
}

/// How often something came back, was made anew although its item stayed, or was new with its item.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    back: usize,
    missed: usize,
    new: usize,
}

impl Tally {
    fn is_made_anew(self) -> bool {
        self.missed > 0 && self.missed > self.back
    }

    /// What it comes to.
    fn judge(self, before: Worth, came: &mut Came, is_old: bool) -> Worth {
        came.back |= self.back > 0;
        came.new |= self.new > 0;
        match before {
            Worth::Untested | Worth::Struck if self.is_made_anew() => Worth::Worthless,
            Worth::Proven if self.is_made_anew() => Worth::Struck,
            Worth::Untested if is_old && came.back && came.new && self.missed == 0 => Worth::Proven,
            Worth::Untested | Worth::Proven | Worth::Struck | Worth::Worthless => before,
        }
    }
}

/// What a document showed of ids, links and dates.
pub(super) struct Shown {
    ids: Tally,
    links: Tally,
    dates: Tally,
    /// Items that are found by nothing but their content may be believed: several at once, or with dates made for this poll.
    pub(super) believes_weak: bool,
}

/// Counts. `told` has the places that the items' keys lead to, whether or not the rest agrees.
pub(super) fn shown(
    index: &Index<'_>,
    items: &[Item],
    stands: &[Stand],
    told: &[Option<usize>],
    found: &[Option<Match>],
) -> Shown {
    let [mut ids, mut links, mut dates] = [Tally::default(); 3];
    let is_weak = |found: &Option<Match>| found.is_some_and(|found| found.grade == Grade::Weak);
    let weak: HashSet<[u8; 4]> = items
        .iter()
        .zip(found)
        .filter(|(_, found)| is_weak(found))
        .map(|(item, _)| content_half(item))
        .collect();
    // One date for the whole document is that of the answer.
    let first = items.first().map_or(0, |item| item.marks.date);
    let is_made = items.len() > 2 && first != 0 && items.iter().all(|item| item.marks.date == first);
    let believes_weak = weak.len() > 1 || !weak.is_empty() && is_made;
    for (((item, stand), told), found) in items.iter().zip(stands).zip(told).zip(found) {
        let grade = found.map(|found| found.grade);
        let is_same = match grade {
            Some(Grade::Sure | Grade::Likely) => true,
            Some(Grade::Weak) => believes_weak,
            Some(Grade::Edited | Grade::ByKey) | None => false,
        };
        let is_by_key = grade == Some(Grade::ByKey);
        if stand.has_id {
            ids.back += usize::from(is_by_key);
            ids.missed += usize::from(is_same);
            ids.new += usize::from(told.is_none() && !is_same);
        }
        if stand.has_link {
            let mark = found.map(|found| index.mark(found.place)).unwrap_or_default();
            let is_back = mark.link == half(item.marks.link);
            let is_sure =
                is_same || is_by_key && found.is_some_and(|found| index.has_content(found.place, item));
            links.back += usize::from(is_back);
            links.missed += usize::from(!is_back && mark.link != [0; 4] && is_sure);
            links.new += usize::from(told.is_none() && !is_back && !is_sure);
        }
        if !stand.has_id && !stand.has_link {
            dates.back += usize::from(is_by_key);
            dates.missed += usize::from(is_same && grade == Some(Grade::Weak));
            dates.new += usize::from(grade.is_none());
        }
    }
    Shown { ids, links, dates, believes_weak }
}

impl Shown {
    /// No id, or where items go by their links no link, came back with the item that had it.
    pub(super) fn has_none_back(&self, stand: Stand) -> bool {
        if stand.has_id { self.ids.back == 0 } else { self.links.back == 0 }
    }
}

impl Identity {
    /// Takes in what a document showed.
    pub(super) fn learn(&mut self, shown: &Shown, age_ms: i64) {
        let is_old = age_ms >= PROVEN_AFTER_MS;
        let [ids, links, dates] = &mut self.came;
        self.ids = shown.ids.judge(self.ids, ids, is_old);
        let is_mixed = shown.ids.missed > 0 && !shown.ids.is_made_anew();
        self.misses = self.misses.saturating_add(u8::from(is_mixed));
        if self.misses >= MOST_MISSES {
            self.ids = Worth::Worthless;
        }
        self.links = shown.links.judge(self.links, links, is_old);
        self.dates = shown.dates.judge(self.dates, dates, is_old);
    }

    /// Whether a match counts, for an item that stands so. Who `is_told_wrong` by its key is rather that one.
    pub(super) fn believes(
        &self,
        found: Match,
        mark: Mark,
        stand: Stand,
        is_told_wrong: bool,
        shown: &Shown,
    ) -> bool {
        let is_doubted = |worth: Worth| match worth {
            Worth::Struck | Worth::Worthless => true,
            Worth::Untested | Worth::Proven => false,
        };
        match found.grade {
            Grade::ByKey | Grade::Sure => true,
            Grade::Likely if is_told_wrong => true,
            Grade::Edited => !stand.has_id || shown.ids.is_made_anew(),
            Grade::Likely | Grade::Weak => {
                let by_id = !stand.has_id || is_doubted(self.ids);
                let by_link = !stand.has_link || mark.link == [0; 4] || is_doubted(self.links);
                let by_date = stand.has_id || stand.has_link || is_doubted(self.dates);
                // Where dates are known to be made anew, content is what items are told apart by.
                let is_enough = self.dates.is_worthless() && !stand.has_id && !stand.has_link;
                let is_likely = found.grade == Grade::Likely;
                by_id && by_link && (is_likely || is_enough || by_date && shown.believes_weak)
            }
        }
    }
}
