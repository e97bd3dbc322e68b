//! Whether a feed's documents overlap as they used to. How much of a document is known already depends on the publisher and on us, but for one feed it stays about the same; when it does
//! not, ids are made anew (everything comes twice), or the publisher shows another window.

use serde::{Deserialize, Serialize};

/// Nothing is said before so many documents.
const FEWEST: u16 = 20;
/// How fast the recent share follows: about three documents count.
const RECENT: f32 = 0.5;
/// And the usual one: about seventy.
const USUAL: f32 = 0.03;
/// Shares that never differ would make any difference a large one: one of five percent is noise.
const NOISE: f32 = 5.0;
/// The recent share of three documents spreads less than one document's: by the square root of `RECENT / (2 - RECENT)`.
const RECENT_SPREAD: f32 = 0.577;

/// The share of a feed's documents that was known already, in percent: recently, usually, and how much single documents differ from that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct KnownShare {
    recent: f32,
    usual: f32,
    /// Mean square of the difference.
    variance: f32,
    documents: u16,
}

impl KnownShare {
    /// Takes in a document's share, 0 to 100.
    pub fn learn(&mut self, percent: f32) {
        if self.documents == 0 {
            (self.recent, self.usual) = (percent, percent);
        }
        // The first ones count alike, or the very first would weigh for long.
        let usual = USUAL.max(1.0 / f32::from(self.documents.saturating_add(1)));
        let off = percent - self.usual;
        self.recent += RECENT * (percent - self.recent);
        self.usual += usual * off;
        // What lies far off is what is looked for: it must not become the measure of itself.
        let most = if self.documents < FEWEST { f32::MAX } else { 2.0 * self.variance.max(NOISE * NOISE) };
        self.variance += usual * ((off * off).min(most) - self.variance);
        self.documents = self.documents.saturating_add(1);
    }

    /// The share of recent documents, in percent; `None` before the first.
    pub fn recent(&self) -> Option<f32> {
        (self.documents > 0).then_some(self.recent)
    }

    /// How far recent documents lie from usual ones, in standard deviations: below 0 where less is known than usual. `None` until enough is known.
    pub fn drift(&self) -> Option<f32> {
        let spread = self.variance.sqrt().max(NOISE) * RECENT_SPREAD;
        (self.documents >= FEWEST).then(|| (self.recent - self.usual) / spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(shares: impl Iterator<Item = f32>) -> KnownShare {
        let mut share = KnownShare::default();
        shares.for_each(|percent| share.learn(percent));
        share
    }

    /// Shares that spread as documents do, by no chance: 40 to 80.
    fn usual(documents: u32) -> impl Iterator<Item = f32> {
        (0..documents).map(|document| 40.0 + (document * 17 % 41) as f32)
    }

    #[test]
    fn ids_made_anew_show_within_three_documents_and_usual_ones_never() {
        assert_eq!(after(usual(19)).drift(), None);
        let mut worst = 0.0_f32;
        for documents in 20..2000 {
            worst = worst.max(after(usual(documents)).drift().expect("enough").abs());
        }
        assert!(worst < 3.0, "{worst}");
        let anew =
            |documents| after(usual(200).chain(std::iter::repeat_n(0.0, documents))).drift().expect("enough");
        assert!((2..16).all(|documents| anew(documents) < -4.0), "{} to {}", anew(2), anew(15));
        assert!(anew(300).abs() < 0.5, "in the end that is how it is: {}", anew(300));
    }

    #[test]
    fn a_feed_that_always_shows_the_same_is_not_off_for_one_item() {
        let steady = |last| after(std::iter::repeat_n(95.0, 100).chain([last])).drift().expect("enough");
        assert!(steady(90.0).abs() < 1.0, "{}", steady(90.0));
        assert!(steady(0.0) < -3.0, "{}", steady(0.0));
        let stuck = after(usual(200).chain(std::iter::repeat_n(100.0, 6))).drift().expect("enough");
        assert!(stuck > 4.0, "{stuck}");
        assert_eq!(size_of::<KnownShare>(), 16);
    }
}
