//! How long a feed may be silent, by its own rhythm.
//!
//! A feed's items are counted by hour of the week. Silence is measured not in hours but in items that should have come: the sum of the usual rate over
//! the hours since the last one. A quiet night weighs nothing, an empty morning a lot. The limit is a little more than the largest such gap that was normal for this feed.

use serde::{Deserialize, Serialize};

use super::policy::{DAY, HOUR, MINUTE, WEEK, day_of_week, hour_of_day};

const HOURS: usize = 168;
/// Below so many items a week's hours are known by hour of the day and by day: 31 numbers.
const ITEMS_FOR_HOURS: u32 = 300;
/// What a count is a part of, so that the past fades without fractions.
const UNIT: u32 = 64;
/// Each week keeps this share of the past: about four months count.
const FADE: (u32, u32) = (15, 16);
/// The limit never is below this many expected items.
const LEAST: f32 = 4.0;
/// The limit is so many times the largest gap that was normal: of a busy feed that is well known after some weeks, of a thin one less so. Chosen by
/// `cargo xtask sim feeds`: half a false alarm in a year at most.
const BEYOND_LARGEST: (f32, f32) = (1.1, 1.2);
/// Items in a week that make a feed a busy one: ten a day.
const BUSY_ITEMS: f32 = 70.0;
/// A gap that a feed of this rate has by chance once in 10,000 times: -ln 1e-4. The limit until four weeks are known.
const UNLEARNT: f32 = 9.21;
const LEARNT_WEEKS: f32 = 4.0;
/// A rhythm of less than this is no rhythm.
const FEWEST_ITEMS: u32 = 10;
const FEWEST_WEEKS: f32 = 1.0;
/// The hours that no item was seen in are taken as if so many weeks at the mean rate had been seen too.
const PRIOR_WEEKS: f32 = 0.25;

/// A feed's rhythm as learned so far: about 100 to 500 bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rhythm {
    /// By hour of the day and then by day of the week (31), or by hour of the week (168); empty before the first item.
    counts: Vec<u32>,
    /// Items ever counted.
    items: u32,
    /// The weeks behind `counts`, faded alike, up to `week_ms`.
    weeks: f32,
    /// When the week began that is not yet in `weeks`.
    week_ms: i64,
    /// The newest item's time; 0 before the first.
    last_ms: i64,
    /// The largest gap that was normal, in expected items.
    largest: f32,
    /// The longest gap in milliseconds.
    longest_ms: i64,
    /// Items of this week and the four before it.
    recent: [u32; 5],
}

/// A feed's silence beside its limit, in expected items ("nats": a feed of steady chance is that silent with the probability e^-silence).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Silence {
    /// Items that should have come since the last one did.
    pub nats: f32,
    /// More is too long; `None` until enough is known.
    pub limit: Option<f32>,
    /// Milliseconds since the last item; 0 without any.
    pub since_ms: i64,
}

impl Silence {
    /// How often the limit goes into the silence; 0 where nothing is known.
    pub fn ratio(&self) -> f32 {
        self.limit.map_or(0.0, |limit| self.nats / limit)
    }
}

impl Rhythm {
    /// Counts new items by their times. `now_ms` is when they were seen; times later than that count as then.
    pub fn learn(&mut self, times_ms: &mut [i64], now_ms: i64) {
        times_ms.iter_mut().for_each(|time| *time = (*time).min(now_ms));
        times_ms.sort_unstable();
        if self.counts.is_empty() && !times_ms.is_empty() {
            self.counts = vec![0; 31];
        }
        for &time in times_ms.iter() {
            self.one(time);
        }
    }

    /// The feed's window at its first poll: its newest item's time, and no rate. The window's older items are what the publisher kept, so their rate is not
    /// that of the feed.
    pub fn begin(&mut self, newest_ms: Option<i64>, now_ms: i64) {
        self.week_ms = now_ms;
        self.last_ms = newest_ms.unwrap_or(now_ms).min(now_ms);
    }

    fn one(&mut self, time: i64) {
        if self.week_ms == 0 {
            self.week_ms = time;
        }
        while time - self.week_ms >= WEEK {
            self.turn_week();
        }
        if self.last_ms > 0 && time > self.last_ms {
            let gap = self.expected(self.last_ms, time);
            let silence = self.silence(time);
            // A gap beyond the limit was an alarm: it counts as one, not as what is normal.
            let normal = silence.limit.map_or(gap, |limit| gap.min(limit));
            if self.weeks >= 2.0 {
                self.largest = self.largest.max(normal);
            }
            self.longest_ms = self.longest_ms.max(time - self.last_ms);
        }
        self.count(time);
        self.last_ms = self.last_ms.max(time);
    }

    fn count(&mut self, time: i64) {
        self.items = self.items.saturating_add(1);
        self.recent[0] = self.recent[0].saturating_add(1);
        let (day, hour) = (day_of_week(time), hour_of_day(time));
        if self.counts.len() == HOURS {
            self.counts[day * 24 + hour] += UNIT;
            return;
        }
        self.counts[hour] += UNIT;
        self.counts[24 + day] += UNIT;
        if self.items >= ITEMS_FOR_HOURS && self.weeks >= 2.0 {
            self.spread();
        }
    }

    /// From 31 numbers to 168.
    fn spread(&mut self) {
        let total: u32 = self.counts[..24].iter().sum();
        let product = |bin: usize| {
            let both = u64::from(self.counts[bin % 24]) * u64::from(self.counts[24 + bin / 24]);
            u32::try_from(both / u64::from(total.max(1))).unwrap_or(u32::MAX)
        };
        self.counts = (0..HOURS).map(product).collect();
    }

    fn turn_week(&mut self) {
        self.week_ms += WEEK;
        self.weeks = (self.weeks + 1.0) * FADE.0 as f32 / FADE.1 as f32;
        for count in &mut self.counts {
            *count = (u64::from(*count) * u64::from(FADE.0) / u64::from(FADE.1)) as u32;
        }
        // A single odd gap is forgotten in the course of a year.
        self.largest *= 0.99;
        self.recent.rotate_right(1);
        self.recent[0] = 0;
    }

    /// Weeks that the counts stand for, at that time.
    fn exposure(&self, at_ms: i64) -> f32 {
        self.weeks + (at_ms - self.week_ms).clamp(0, WEEK) as f32 / WEEK as f32
    }

    /// Items that usually come between two times.
    fn expected(&self, from_ms: i64, to_ms: i64) -> f32 {
        if self.counts.is_empty() || to_ms <= from_ms {
            return 0.0;
        }
        let exposure = self.exposure(from_ms).max(0.25);
        let whole_weeks = (to_ms - from_ms) / WEEK;
        let mut sum = whole_weeks as f32 * self.total() / exposure;
        let mut at = from_ms + whole_weeks * WEEK;
        while at < to_ms {
            let end = ((at.div_euclid(HOUR) + 1) * HOUR).min(to_ms);
            sum += self.rate(at, exposure) * (end - at) as f32 / HOUR as f32;
            at = end;
        }
        sum
    }

    /// Counted items, faded.
    fn total(&self) -> f32 {
        let counts = if self.counts.len() == HOURS { &self.counts[..] } else { &self.counts[..24] };
        counts.iter().sum::<u32>() as f32 / UNIT as f32
    }

    /// Items an hour around that time of the week, each hour smoothed with its neighbours.
    fn rate(&self, at_ms: i64, exposure: f32) -> f32 {
        let (day, hour) = (day_of_week(at_ms), hour_of_day(at_ms));
        let mean = self.total() / HOURS as f32;
        let smooth = |counts: &[u32], bin: usize| {
            let length = counts.len();
            let [before, here, after] =
                [(bin + length - 1) % length, bin, (bin + 1) % length].map(|bin| counts[bin] as f32);
            (before + 2.0 * here + after) / 4.0 / UNIT as f32
        };
        let counted = if self.counts.len() == HOURS {
            smooth(&self.counts, day * 24 + hour)
        } else {
            // Rows times columns; a day is not smoothed with its neighbours: a weekend begins at midnight.
            let of_day = self.counts[24 + day] as f32 / UNIT as f32;
            smooth(&self.counts[..24], hour) * of_day / self.total().max(1.0)
        };
        (counted + mean / exposure * PRIOR_WEEKS) / (exposure + PRIOR_WEEKS)
    }

    /// The silence at that time, beside its limit.
    pub fn silence(&self, at_ms: i64) -> Silence {
        let since_ms = if self.last_ms > 0 { (at_ms - self.last_ms).max(0) } else { 0 };
        let exposure = self.exposure(at_ms);
        let is_known = self.items >= FEWEST_ITEMS && exposure >= FEWEST_WEEKS;
        let is_busy = self.total_or_none().is_some_and(|total| total >= BUSY_ITEMS * exposure);
        let beyond = if is_busy { BEYOND_LARGEST.0 } else { BEYOND_LARGEST.1 };
        let learnt = LEAST.max(beyond * self.largest);
        let limit = is_known.then(|| if exposure < LEARNT_WEEKS { learnt.max(UNLEARNT) } else { learnt });
        Silence { nats: self.expected(self.last_ms, at_ms), limit, since_ms }
    }

    /// The longest time without an item so far, in milliseconds.
    pub fn longest_gap_ms(&self) -> i64 {
        self.longest_ms
    }

    /// The newest item's time; `None` before the first.
    pub fn last_item_ms(&self) -> Option<i64> {
        (self.last_ms > 0).then_some(self.last_ms)
    }

    /// The mean time between items; `None` until enough is known.
    pub fn mean_gap_ms(&self, at_ms: i64) -> Option<i64> {
        let exposure = self.exposure(at_ms);
        let total = self.total_or_none()?;
        (self.items >= FEWEST_ITEMS && exposure >= 0.5)
            .then(|| (f64::from(exposure) * WEEK as f64 / f64::from(total.max(0.01))) as i64)
    }

    /// How long so many items take to come from then on, in milliseconds: at the mean rate, or at that of the hours ahead (half a day at most) where these are busier. `None`
    /// until enough is known.
    pub fn lasts_ms(&self, items: u32, at_ms: i64) -> Option<i64> {
        const STEP_MS: i64 = 5 * MINUTE;
        let mean_ms = self.mean_gap_ms(at_ms)?.saturating_mul(i64::from(items));
        let ahead = (1..=DAY / 2 / STEP_MS).map(|step| step * STEP_MS);
        let full_ms = ahead.into_iter().find(|&ms| self.expected(at_ms, at_ms + ms) > items as f32);
        Some(full_ms.map_or(mean_ms, |full_ms| mean_ms.min(full_ms - STEP_MS)))
    }

    fn total_or_none(&self) -> Option<f32> {
        (!self.counts.is_empty()).then(|| self.total())
    }

    /// How far the last seven full days' volume lies from the four weeks before, in standard deviations of chance; `None` before five weeks. 0 for
    /// weeks too thin to say.
    pub fn volume_drift(&self) -> Option<f32> {
        if self.exposure(self.week_ms) < 3.9 {
            return None;
        }
        let earlier: u32 = self.recent[2..].iter().sum();
        let mean = earlier as f32 / 3.0;
        if mean < 5.0 {
            return Some(0.0);
        }
        // News is burstier than chance: the variance is taken as twice the mean.
        Some((self.recent[1] as f32 - mean) / (2.0 * mean).sqrt())
    }

    /// Tells the rhythm that time has passed without an item, so that weeks turn.
    pub fn pass(&mut self, now_ms: i64) {
        while self.week_ms > 0 && now_ms - self.week_ms >= WEEK {
            self.turn_week();
        }
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.counts.capacity() * size_of::<u32>()
    }
}

/// What a publication time is worth for the rhythm: the time itself when it can be true, or else when it was seen.
pub fn event_time(published_ms: Option<i64>, seen_ms: i64, last_poll_ms: i64) -> i64 {
    // What was published long before the last poll and was not in it was put there later.
    let earliest = last_poll_ms - DAY;
    published_ms.filter(|&time| time <= seen_ms && time >= earliest).unwrap_or(seen_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: i64 = 1_693_785_600_000;

    /// Items at these hours of each day for so many weeks.
    fn daily(hours: &[i64], days: &[i64], weeks: i64) -> Rhythm {
        let mut rhythm = Rhythm::default();
        rhythm.begin(Some(MONDAY), MONDAY);
        for day in (0..weeks * 7).filter(|day| days.contains(&(day % 7))) {
            for hour in hours {
                let time = MONDAY + day * DAY + hour * HOUR + 1_234_567;
                rhythm.learn(&mut [time], time);
            }
        }
        rhythm
    }

    const WHOLE_WEEK: [i64; 7] = [0, 1, 2, 3, 4, 5, 6];

    #[test]
    fn a_night_weighs_little_and_an_empty_morning_a_lot() {
        let rhythm = daily(&[6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17], &WHOLE_WEEK, 10);
        let end = MONDAY + 70 * DAY;
        let at = |hours: i64| rhythm.silence(end + hours * HOUR);
        assert!(at(5).nats < 1.5, "{:?}", at(5));
        assert!(at(6).ratio() < 0.5 && at(8).ratio() < 1.0, "{:?}", at(8));
        assert!(at(12).ratio() > 1.0, "{:?}", at(12));
        assert_eq!(at(12).since_ms, 30 * HOUR - 17 * HOUR + 6 * HOUR + HOUR - 1_234_567 - HOUR);
    }

    #[test]
    fn a_weekend_off_is_normal_for_who_has_it_off() {
        let office = daily(&[8, 9, 10, 11, 12, 13, 14, 15], &[0, 1, 2, 3, 4], 10);
        let always = daily(&[8, 9, 10, 11, 12, 13, 14, 15], &WHOLE_WEEK, 10);
        let sunday_noon = MONDAY + 69 * DAY + 12 * HOUR;
        assert!(office.silence(sunday_noon).ratio() < 0.7, "{:?}", office.silence(sunday_noon));
        let sunday_evening = MONDAY + 70 * DAY + 20 * HOUR;
        assert!(always.silence(sunday_evening).ratio() > 1.0);
    }

    #[test]
    fn nothing_is_said_before_enough_is_known() {
        let week = daily(&[6, 12, 18], &WHOLE_WEEK, 1);
        assert_eq!(daily(&[6], &WHOLE_WEEK, 1).silence(MONDAY + 30 * DAY).limit, None);
        assert!(week.silence(MONDAY + 8 * DAY).limit.is_some_and(|limit| limit >= UNLEARNT));
        assert_eq!(Rhythm::default().silence(MONDAY).ratio(), 0.0);
        assert_eq!(Rhythm::default().mean_gap_ms(MONDAY), None);
        let gap = daily(&[6, 12, 18], &WHOLE_WEEK, 10).mean_gap_ms(MONDAY + 70 * DAY).unwrap_or(0);
        assert!((7 * HOUR..9 * HOUR).contains(&gap), "{}", gap / HOUR);
    }

    #[test]
    fn a_window_lasts_by_the_mean_or_by_busier_hours_ahead() {
        // Twelve items a day, all in the same hour.
        let rhythm = daily(&[8; 12], &WHOLE_WEEK, 10);
        let monday = MONDAY + 70 * DAY;
        let before_the_rush = rhythm.lasts_ms(6, monday + 7 * HOUR).expect("enough");
        assert!(before_the_rush < 3 * HOUR, "{} minutes", before_the_rush / MINUTE);
        let after_it = rhythm.lasts_ms(6, monday + 11 * HOUR).expect("enough");
        assert!((11 * HOUR..13 * HOUR).contains(&after_it), "{} minutes", after_it / MINUTE);
        assert_eq!(Rhythm::default().lasts_ms(6, MONDAY), None);
    }

    #[test]
    fn an_alarm_is_not_learned_as_normal() {
        let mut rhythm = daily(&[6, 12, 18], &WHOLE_WEEK, 10);
        let limit = rhythm.silence(MONDAY + 70 * DAY).limit.unwrap_or(0.0);
        let back = MONDAY + 90 * DAY;
        rhythm.learn(&mut [back], back);
        let after = rhythm.silence(back).limit.unwrap_or(0.0);
        assert!(after <= 1.5 * limit + 0.01, "{limit} became {after}");
        assert!(rhythm.longest_gap_ms() > 20 * DAY);
    }

    #[test]
    fn half_the_volume_shows_and_so_does_a_dry_week() {
        let mut rhythm = daily(&[2, 4, 6, 8, 10, 12, 14, 16, 18, 20], &WHOLE_WEEK, 10);
        assert!(rhythm.volume_drift().is_some_and(|drift| drift.abs() < 1.0), "{:?}", rhythm.volume_drift());
        rhythm.pass(MONDAY + 77 * DAY + HOUR);
        rhythm.pass(MONDAY + 84 * DAY + HOUR);
        assert!(rhythm.volume_drift().is_some_and(|drift| drift < -4.0), "{:?}", rhythm.volume_drift());
    }

    #[test]
    fn it_stays_small() {
        let busy = daily(&(0..24).collect::<Vec<_>>(), &WHOLE_WEEK, 10);
        assert!(busy.bytes() < 900, "{}", busy.bytes());
        assert_eq!(event_time(Some(MONDAY - 5), MONDAY, MONDAY - HOUR), MONDAY - 5);
        assert_eq!(event_time(Some(MONDAY + 5), MONDAY, MONDAY - HOUR), MONDAY);
        assert_eq!(event_time(Some(MONDAY - 9 * DAY), MONDAY, MONDAY - HOUR), MONDAY);
    }
}
