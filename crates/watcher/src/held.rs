//! Lines that say again what their article said before: they count only if nothing else follows in the same file.
//!
//! A file that keeps each version of an article as a line of its own, old before new, is read from its start when it is packed or a line is put in front.
//! There the old line is no news: the file's last word is the new one.

use std::collections::BTreeMap;

use crate::deliver::Delivery;
use crate::identity::{Name, Saying};

/// A line that waits for the end of its file.
pub(crate) struct HeldLine {
    /// Which of the name's articles it is.
    pub(crate) at: usize,
    pub(crate) name: Name,
    pub(crate) saying: Saying,
    /// The article's document key.
    pub(crate) key: String,
    /// The line's number in the file, from 1.
    pub(crate) number: u64,
    pub(crate) delivery: Delivery,
}

/// The lines of a file that are held, one an article.
#[derive(Default)]
pub(crate) struct Held(BTreeMap<([u8; 16], usize), HeldLine>);

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Holds a line in place of an earlier one of the same article.
    pub(crate) fn hold(
        &mut self,
        at: usize,
        name: Name,
        saying: Saying,
        key: String,
        number: u64,
        delivery: Delivery,
    ) {
        self.0.insert((name.hash(), at), HeldLine { at, name, saying, key, number, delivery });
    }

    /// Something newer was said of an article.
    pub(crate) fn drop_of(&mut self, name: &Name, at: usize) {
        if !self.0.is_empty() {
            self.0.remove(&(name.hash(), at));
        }
    }

    /// Gives all of them, in the order of the file.
    pub(crate) fn release(&mut self) -> Vec<HeldLine> {
        let mut lines: Vec<_> = std::mem::take(&mut self.0).into_values().collect();
        lines.sort_by_key(|line| line.number);
        lines
    }
}
