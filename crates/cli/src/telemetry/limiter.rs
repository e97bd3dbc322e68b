//! At most so many log lines from one place in the code in so much time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;

/// Lines from one place before the rest is hidden.
const BURST: u32 = 10;
/// How long they count.
const WINDOW: Duration = Duration::from_secs(10);

/// What to do with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Show it.
    Show,
    /// Count it.
    Hide,
    /// Show it, and say how many from the same place were hidden before it.
    ShowAfter {
        /// How many.
        hidden: u64,
    },
}

/// Counts lines by the place that wrote them. The places are fixed when barid is compiled, so the map is bounded.
#[derive(Debug, Default)]
pub(super) struct Limiter(HashMap<Identifier, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    shown: u32,
    hidden: u64,
}

impl Limiter {
    /// Decides on a line written at `now`.
    pub(super) fn admit(&mut self, place: Identifier, now: Instant) -> Admission {
        let window = self.0.entry(place).or_insert(Window { since: now, shown: 0, hidden: 0 });
        if now.duration_since(window.since) >= WINDOW {
            let hidden = window.hidden;
            *window = Window { since: now, shown: 1, hidden: 0 };
            return if hidden == 0 { Admission::Show } else { Admission::ShowAfter { hidden } };
        }
        if window.shown < BURST {
            window.shown += 1;
            return Admission::Show;
        }
        window.hidden += 1;
        Admission::Hide
    }
}

#[cfg(test)]
mod tests {
    use tracing::Callsite;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let place = tracing::callsite! { name: "flood", kind: tracing::metadata::Kind::EVENT, fields: }
            .metadata()
            .callsite();
        let start = Instant::now();
        let mut limiter = Limiter::default();
        let shown = (0..100).filter(|_| limiter.admit(place.clone(), start) == Admission::Show).count();
        assert_eq!(shown, 10);
        assert_eq!(limiter.admit(place.clone(), start + WINDOW), Admission::ShowAfter { hidden: 90 });
        assert_eq!(limiter.admit(place, start + WINDOW), Admission::Show);
    }
}
