//! Lines that say again what their article said before: they count only if nothing else follows in the same
//! file.
//!
//! A file that keeps each version of an article as a line of its own, old before new, is read from its start
//! when it is packed or a line is put in front. There the old line is no news: the file's last word is the
//! new one.

use std::collections::{BTreeMap, HashSet};

use crate::deliver::Delivery;
use crate::identity::{Name, Saying};

/// A line that waits for the end of its file.
pub(crate) struct HeldLine {
    /// Which of the name's articles it is.
    pub(crate) at: usize,
    pub(crate) name: Name,
    pub(crate) saying: Saying,
    /// The line's number in the file, from 1.
    pub(crate) number: u64,
    pub(crate) delivery: Delivery,
}

/// The lines of a file that are held, one an article, and the names that were met in this reading of it.
#[derive(Default)]
pub(crate) struct Held {
    lines: BTreeMap<([u8; 16], usize), HeldLine>,
    met: HashSet<u64>,
    /// Articles whose newest words stand in the file: nobody took them back.
    stands: HashSet<u64>,
}

/// Names that are remembered while a file is read, about 40 MB of them. Of a file with more, old lines among
/// the rest may count as taken back.
const MOST_MET: usize = 1 << 20;

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a line of that name was met before in this reading.
    pub(crate) fn meet(&mut self, name: &Name) -> bool {
        let short = short(name, 0);
        self.met.contains(&short) || self.met.len() < MOST_MET && !self.met.insert(short)
    }

    /// Holds a line in place of an earlier one of the same article; false if the article's newest words stand
    /// in the file too.
    pub(crate) fn hold(&mut self, line: HeldLine) -> bool {
        if self.stands.contains(&short(&line.name, line.at)) {
            return false;
        }
        self.lines.insert((line.name.hash(), line.at), line);
        true
    }

    /// The newest words of an article stand in the file. True if an older line of it was held: no more.
    pub(crate) fn stands(&mut self, name: &Name, at: usize) -> bool {
        if self.stands.len() < MOST_MET {
            self.stands.insert(short(name, at));
        }
        !self.lines.is_empty() && self.lines.remove(&(name.hash(), at)).is_some()
    }

    /// Gives all of them, in the order of the file.
    pub(crate) fn release(&mut self) -> Vec<HeldLine> {
        let mut lines: Vec<_> = std::mem::take(&mut self.lines).into_values().collect();
        lines.sort_by_key(|line| line.number);
        lines
    }
}

fn short(name: &Name, at: usize) -> u64 {
    let short = name.hash().iter().take(8).fold(0, |short, byte| short << 8 | u64::from(*byte));
    // Few articles have a name in common.
    short ^ at as u64
}
