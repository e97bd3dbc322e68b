//! How the wiring tells a worker's loop to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What a worker's loop should do next. Wishes only grow: from running to draining to stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Go on until told otherwise.
    Run,
    /// Finish all the input there is, commit, return.
    Drain,
    /// Finish the batch in hand, commit, return.
    Stop,
}

/// The wish shared between the wiring and one or more loops. Loops look at it between batches, at least every 100 ms.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<AtomicU8>);

impl Control {
    /// The wish now.
    pub fn wish(&self) -> Wish {
        match self.0.load(Ordering::Acquire) {
            0 => Wish::Run,
            1 => Wish::Drain,
            _ => Wish::Stop,
        }
    }

    /// Asks for at least that much.
    pub fn ask(&self, wish: Wish) {
        self.0.fetch_max(wish as u8, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_never_shrinks() {
        let control = Control::default();
        assert_eq!(control.wish(), Wish::Run);
        control.ask(Wish::Stop);
        control.clone().ask(Wish::Drain);
        assert_eq!(control.wish(), Wish::Stop);
    }
}
