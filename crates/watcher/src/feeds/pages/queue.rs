//! Whose turn it is: the pages of a registered domain stand in one line, and only the first of them asks for the budget. Polls that wait for the same
//! domain are not pushed back by a thousand pages.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use crate::feeds::budget::Domain;

/// An article: the place of its feed, and the hash of its id.
pub(super) type Key = (u32, u64);
/// Its place in a line: when it is due, and its number, the oldest first.
pub(super) type Place = (i64, u64);

#[derive(Debug)]
struct Line {
    pages: BTreeSet<(Place, Key)>,
    /// Nobody of it before this.
    not_before_ms: i64,
    /// Its entry in the heap that counts; later entries are out of date.
    wake_ms: i64,
    is_busy: bool,
    was_asked: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self { pages: BTreeSet::new(), not_before_ms: 0, wake_ms: i64::MAX, is_busy: false, was_asked: false }
    }
}

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: HashMap<Domain, Line>,
    heap: BinaryHeap<Reverse<(i64, Domain)>>,
}

impl Queue {
    /// A page joins a line.
    pub(super) fn add(&mut self, domain: Domain, place: Place, key: Key) {
        self.lines.entry(domain).or_default().pages.insert((place, key));
        self.wake(domain);
    }

    /// A page leaves it.
    pub(super) fn remove(&mut self, domain: Domain, place: Place, key: Key) {
        if let Some(line) = self.lines.get_mut(&domain) {
            line.pages.remove(&(place, key));
        }
    }

    /// Who is first in a line that may move now, and where. The line stands until one of the calls below is made for it.
    pub(super) fn next(&mut self, now_ms: i64) -> Option<(Domain, Place, Key)> {
        while let Some(Reverse((at_ms, domain))) = self.heap.peek().copied().filter(|head| head.0.0 <= now_ms)
        {
            self.heap.pop();
            let Some(line) = self.lines.get_mut(&domain) else { continue };
            if line.wake_ms != at_ms {
                continue;
            }
            line.wake_ms = i64::MAX;
            match line.pages.first() {
                Some((place, key)) if line.not_before_ms.max(place.0) <= now_ms => {
                    return Some((domain, *place, *key));
                }
                Some(_) => self.wake(domain),
                None => {}
            }
        }
        None
    }

    /// The line moves on when it may.
    pub(super) fn wake(&mut self, domain: Domain) {
        let Some(line) = self.lines.get_mut(&domain) else { return };
        let Some(((due_ms, _), _)) = line.pages.first() else { return };
        let at_ms = line.not_before_ms.max(*due_ms);
        if !line.is_busy && at_ms < line.wake_ms {
            line.wake_ms = at_ms;
            self.heap.push(Reverse((at_ms, domain)));
        }
    }

    /// Nobody of it before then.
    pub(super) fn hold(&mut self, domain: Domain, until_ms: i64) {
        if let Some(line) = self.lines.get_mut(&domain) {
            line.not_before_ms = line.not_before_ms.max(until_ms);
            self.wake(domain);
        }
    }

    /// A request for its first page goes out.
    pub(super) fn begin(&mut self, domain: Domain) {
        let line = self.lines.entry(domain).or_default();
        (line.is_busy, line.was_asked) = (true, true);
    }

    /// That request has ended; nobody before then.
    pub(super) fn end(&mut self, domain: Domain, until_ms: i64) {
        if let Some(line) = self.lines.get_mut(&domain) {
            line.is_busy = false;
        }
        self.hold(domain, until_ms);
    }

    /// Whether anything of it was asked since the start.
    pub(super) fn was_asked(&self, domain: Domain) -> bool {
        self.lines.get(&domain).is_some_and(|line| line.was_asked)
    }

    /// When the next line may move, if any waits.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// Whether a page is due by now, whenever its line may move.
    pub(super) fn has_due(&self, now_ms: i64) -> bool {
        self.lines.values().any(|line| line.pages.first().is_some_and(|((due_ms, _), _)| *due_ms <= now_ms))
    }

    /// Forgets lines that are empty and owed nothing.
    pub(super) fn sweep(&mut self, now_ms: i64) {
        self.lines.retain(|_, line| line.is_busy || !line.pages.is_empty() || line.not_before_ms > now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWS: Domain = Domain(1);

    #[test]
    fn a_line_moves_one_at_a_time_and_lines_do_not_wait_for_each_other() {
        let mut queue = Queue::default();
        queue.add(NEWS, (20, 2), (0, 2));
        queue.add(NEWS, (10, 1), (0, 1));
        queue.add(Domain(2), (15, 1), (1, 1));
        assert_eq!((queue.next(9), queue.next_ms()), (None, Some(10)));
        assert_eq!(queue.next(30), Some((NEWS, (10, 1), (0, 1))));
        queue.begin(NEWS);
        queue.remove(NEWS, (10, 1), (0, 1));
        assert_eq!(queue.next(30), Some((Domain(2), (15, 1), (1, 1))));
        queue.wake(NEWS);
        assert_eq!(queue.next(30), None, "one is under way");
        queue.end(NEWS, 1030);
        assert_eq!((queue.next(1029), queue.next(1030)), (None, Some((NEWS, (20, 2), (0, 2)))));
        assert_eq!(queue.next(1030), None, "it stands until it is told to move");
        queue.hold(NEWS, 2000);
        assert_eq!((queue.next(1999), queue.next(2000)), (None, Some((NEWS, (20, 2), (0, 2)))));
        queue.wake(NEWS);
        assert_eq!(queue.next(2000), Some((NEWS, (20, 2), (0, 2))));
    }

    #[test]
    fn whoever_is_due_sooner_wakes_the_line_sooner_and_empty_lines_are_forgotten() {
        let mut queue = Queue::default();
        queue.add(NEWS, (500, 1), (0, 1));
        queue.add(NEWS, (100, 2), (0, 2));
        assert_eq!((queue.has_due(99), queue.has_due(100)), (false, true));
        assert_eq!(queue.next(100), Some((NEWS, (100, 2), (0, 2))));
        queue.remove(NEWS, (100, 2), (0, 2));
        queue.wake(NEWS);
        assert_eq!((queue.next(499), queue.next(500)), (None, Some((NEWS, (500, 1), (0, 1)))));
        queue.remove(NEWS, (500, 1), (0, 1));
        queue.hold(NEWS, 900);
        queue.sweep(899);
        assert_eq!(queue.lines.len(), 1, "what the domain is owed is not forgotten");
        queue.sweep(900);
        assert!(queue.lines.is_empty());
    }
}
