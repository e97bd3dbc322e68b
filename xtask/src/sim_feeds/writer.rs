//! Who writes the items: rhythms of the day and the week, with bursts.

use std::collections::VecDeque;

use barid_tests::Random;

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;

/// How a feed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rhythm {
    /// All day, more at noon: about 150 a day.
    Agency,
    /// From six to ten at night, less on Friday and Saturday: about 30 a day.
    Daily,
    /// Sunday to Thursday, eight to four: about 12 a day.
    Office,
    /// About four a day, whenever.
    Few,
    /// Once a week, on Thursday morning.
    Weekly,
}

impl Rhythm {
    pub(crate) const ALL: [Self; 5] = [Self::Agency, Self::Daily, Self::Office, Self::Few, Self::Weekly];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agency => "agency, ~150 a day",
            Self::Daily => "daily, ~30 a day, nights off",
            Self::Office => "office hours, ~12 a day",
            Self::Few => "~4 a day",
            Self::Weekly => "weekly column",
        }
    }

    /// What the goals for noticing silence are about.
    pub(crate) fn has_ten_a_day(self) -> bool {
        match self {
            Self::Agency | Self::Daily | Self::Office => true,
            Self::Few | Self::Weekly => false,
        }
    }

    /// Items an hour at that time.
    fn rate(self, at_ms: i64) -> f64 {
        let hour = (at_ms.rem_euclid(DAY) / HOUR) as f64;
        let day = (at_ms.div_euclid(DAY) + 3).rem_euclid(7);
        let wave = 1.0 + 0.8 * ((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos();
        match self {
            Self::Agency => 6.25 * wave,
            Self::Daily if !(6.0..22.0).contains(&hour) => 0.0,
            Self::Daily if day == 4 || day == 5 => 0.9,
            Self::Daily => 2.2,
            Self::Office if day == 4 || day == 5 || !(8.0..16.0).contains(&hour) => 0.0,
            Self::Office => 2.1,
            Self::Few => 4.0 / 24.0,
            Self::Weekly if day == 3 && (7.0..10.0).contains(&hour) => 1.0 / 3.0,
            Self::Weekly => 0.0,
        }
    }
}

/// One feed's writer, and the window of its newest items.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) rhythm: Rhythm,
    pub(crate) has_bursts: bool,
    /// Number and time, oldest first.
    pub(crate) window: VecDeque<(u64, i64)>,
    pub(crate) written: u64,
    until_ms: i64,
    keeps: usize,
    random: Random,
    /// Nothing is written from then on.
    pub(crate) stops_ms: i64,
}

impl Writer {
    pub(crate) fn new(rhythm: Rhythm, has_bursts: bool, start_ms: i64, seed: u64) -> Self {
        let random = Random::new(seed);
        let mut writer = Self {
            rhythm,
            has_bursts,
            window: VecDeque::new(),
            written: 0,
            until_ms: start_ms - 7 * DAY,
            keeps: 40,
            random,
            stops_ms: i64::MAX,
        };
        writer.write_until(start_ms);
        writer
    }

    /// Writes what was written by then.
    pub(crate) fn write_until(&mut self, now_ms: i64) {
        while self.until_ms < now_ms {
            let end_ms = ((self.until_ms.div_euclid(HOUR) + 1) * HOUR).min(now_ms);
            let hours = (end_ms - self.until_ms) as f64 / HOUR as f64;
            let mut mean = self.rhythm.rate(self.until_ms) * hours;
            if self.has_bursts && self.random.below(100) < 2 {
                mean *= 5.0;
            }
            let mut times = Vec::new();
            // Knuth's way of drawing from a Poisson distribution; `mean` stays below 60.
            let (limit, mut product) = ((-mean).exp(), self.fraction());
            while product > limit {
                let span = u64::try_from(end_ms - self.until_ms).unwrap_or(1).max(1);
                times.push(self.until_ms + i64::try_from(self.random.below(span)).unwrap_or(0));
                product *= self.fraction();
            }
            times.sort_unstable();
            for time in times.into_iter().filter(|time| *time < self.stops_ms) {
                self.written += 1;
                self.window.push_back((self.written, time));
                if self.window.len() > self.keeps {
                    self.window.pop_front();
                }
            }
            self.until_ms = end_ms;
        }
    }

    fn fraction(&mut self) -> f64 {
        self.random.below(1 << 30) as f64 / f64::from(1 << 30)
    }
}
