//! Feeds that bring items at every poll although a reader would find nothing new: a counter of visits in the text, or no identity that holds.

use serde::{Deserialize, Serialize};

/// Hours between two polls at most for that.
const MOST_HOURS: i64 = 4;

/// How many documents in a row did so. A live page with honest news does not: its new entries have titles and links that were not there before, and the old ones stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Churn {
    documents: u8,
    /// More documents than this are no chance: it depends on how many items the window has.
    limit: u8,
}

impl Churn {
    /// Takes in a document of so many items, of which so many came again although they, or their link, title or words, were there before.
    pub fn learn(&mut self, again: usize, items: usize) {
        if 3 * again >= 2 * items && again > 0 {
            self.documents = self.documents.saturating_add(1);
            // One or two items may be a page that is written all day.
            self.limit = match items {
                0..=2 => 47,
                3 | 4 => 11,
                5.. => 2,
            };
        } else if 3 * again < items || items == 0 {
            *self = Self::default();
        }
    }

    /// It began, and may be nothing.
    pub(super) fn is_suspected(self) -> bool {
        self.documents > 0
    }

    /// It went on for too long to be news.
    pub fn is_churning(self) -> bool {
        self.documents > self.limit
    }

    /// So many hours lie between two polls at least; 0 where nothing is wrong.
    pub fn hours(self) -> i64 {
        if self.is_churning() { i64::from(self.documents - self.limit).min(MOST_HOURS) } else { 0 }
    }

    /// Documents in a row.
    pub fn documents(self) -> u8 {
        self.documents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(documents: usize, again: usize, items: usize) -> Churn {
        let mut churn = Churn::default();
        (0..documents).for_each(|_| churn.learn(again, items));
        churn
    }

    #[test]
    fn a_window_that_comes_whole_at_every_poll_is_churning_and_slows_down_step_by_step() {
        assert!(!after(2, 10, 10).is_churning());
        let hours: Vec<i64> = (3..9).map(|documents| after(documents, 10, 10).hours()).collect();
        assert_eq!(hours, [1, 2, 3, 4, 4, 4]);
        assert!(after(300, 7, 10).is_churning());
        let mut churn = after(5, 10, 10);
        churn.learn(5, 10);
        assert!(churn.is_churning(), "half is neither");
        churn.learn(3, 10);
        assert_eq!(churn, Churn::default());
    }

    #[test]
    fn honest_updates_are_not() {
        assert!(!after(200, 6, 10).is_churning(), "six of ten entries of a live page");
        assert!(!after(11, 3, 3).is_churning() && after(12, 3, 3).is_churning());
        assert!(!after(47, 1, 1).is_churning() && after(48, 1, 1).is_churning(), "two days of one page");
        assert!(!after(9, 0, 0).is_churning());
    }
}
