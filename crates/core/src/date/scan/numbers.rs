//! Numbers: dates of three, clock times, days and years, offsets.

use super::super::draft::{Number, Time, Zone, is_other_year};
use super::super::token::Kind;
use super::super::vocabulary::Word;
use super::Scan;

impl Scan<'_> {
    pub(super) fn number(&mut self, first: Number) -> Option<()> {
        let is_relative = matches!(self.word_at(1), Some(Word::Unit | Word::Hour)) && self.has_ago;
        if is_relative {
            self.take(2);
            self.has_unit = true;
            return Some(());
        }
        if self.compact(first) || self.triple(first) || self.clock(first) || self.hour_alone(first) {
            return Some(());
        }
        if let (true, Some(day)) = (
            self.is_punct(1, &['-']) && self.is_glued(1) && self.is_glued(2) && first.digits == 4,
            self.number_at(2),
        ) {
            // `2023-248` (day of the year) and `2023-09` state no day we read.
            let is_year_and_part = day.digits <= 3;
            self.draft.is_partial |= is_year_and_part;
            if is_year_and_part {
                self.take(3);
                return Some(());
            }
        }
        if self.is_punct(1, &['/', '-', '.'])
            && self.is_glued(1)
            && self.is_glued(2)
            && self.number_at(2).is_some()
        {
            // `11/22`: no year; `5-6 September 2023`: no one day. Four numbers in a row are an address or a telephone.
            if self.is_punct(3, &['/', '-', '.']) && self.is_glued(3) && self.number_at(4).is_some() {
                return None;
            }
            self.begin_calendar();
            self.draft.is_partial = true;
            self.take(3);
            return Some(());
        }
        if first.digits > 4 {
            return None;
        }
        if self.draft.is_full() {
            self.begin_calendar();
        }
        self.draft.is_other_calendar |= is_other_year(first);
        self.draft.numbers.push(first);
        self.take(1);
        (self.draft.numbers.len() <= 2).then_some(())
    }

    /// `20230905`, `202309050815`, `20230905081500`, and the `081500` after `T`.
    fn compact(&mut self, number: Number) -> bool {
        let part = |from: u32, width: u32| {
            let below = 10_u64.pow(u32::try_from(number.digits).unwrap_or(0).saturating_sub(from + width));
            let digits = usize::try_from(width).unwrap_or(0);
            Number { value: number.value / below % 10_u64.pow(width), digits }
        };
        let after_t = self.at > 0 && matches!(self.tokens[self.at - 1].kind, Kind::Word(Word::IsoT));
        if after_t && matches!(number.digits, 4 | 6) {
            let second = (number.digits == 6).then(|| part(4, 2).value);
            self.push_time(
                Time { hour: part(0, 2).value, minute: part(2, 2).value, second, ..Time::default() },
                1,
            );
            return true;
        }
        if !matches!(number.digits, 8 | 12 | 14) || !(1900..2101).contains(&part(0, 4).value) {
            return false;
        }
        self.begin_calendar();
        self.draft.triple = Some(([part(0, 4), part(4, 2), part(6, 2)], '-'));
        if number.digits > 8 {
            let second = (number.digits == 14).then(|| part(12, 2).value);
            self.push_time(
                Time { hour: part(8, 2).value, minute: part(10, 2).value, second, ..Time::default() },
                1,
            );
        } else {
            self.take(1);
        }
        true
    }

    /// Three numbers between two equal separators.
    fn triple(&mut self, first: Number) -> bool {
        let Some(Kind::Punct(separator @ ('/' | '-' | '.'))) = self.kind(1) else { return false };
        let (Some(second), true, Some(third)) =
            (self.number_at(2), self.is_punct(3, &[separator]), self.number_at(4))
        else {
            return false;
        };
        let widths = [first, second, third].map(|number| number.digits);
        // `1/2/3` is a score.
        if widths.iter().sum::<usize>() < 4
            || widths.iter().any(|digits| *digits > 4)
            || widths.iter().filter(|digits| **digits > 2).count() > 1
        {
            return false;
        }
        self.begin_calendar();
        self.draft.is_other_calendar = is_other_year(first) || is_other_year(third);
        self.draft.triple = Some(([first, second, third], separator));
        self.has_triple = true;
        self.take(5);
        true
    }

    /// `9:07`, `09:07:30`, `08:15:00.250`, `18h30`; `18.30` where a date or an hour word goes before.
    fn clock(&mut self, hour: Number) -> bool {
        let Some(minute) = self.number_at(2).filter(|_| hour.digits <= 2) else { return false };
        let is_h = matches!(self.word_at(1), Some(Word::Hour)) && self.is_glued(1) && self.is_glued(2);
        let after_hour_word = self.at > 0 && matches!(self.tokens[self.at - 1].kind, Kind::Word(Word::Hour));
        let is_dotted = self.is_punct(1, &['.'])
            && self.is_glued(1)
            && self.is_glued(2)
            && minute.digits == 2
            && (self.draft.is_full() || after_hour_word || matches!(self.word_at(3), Some(Word::Hour)));
        let second = self.number_at(4).filter(|second| self.is_punct(3, &[':']) && second.digits <= 2);
        let is_colon =
            self.is_punct(1, &[':']) && (minute.digits == 2 || (second.is_some() && minute.digits == 1));
        if !(is_colon || is_h || is_dotted) {
            return false;
        }
        let second = second.filter(|_| is_colon);
        let mut count = if second.is_some() { 5 } else { 3 };
        let has_fraction = second.is_some()
            && self.is_punct(count, &['.', ','])
            && self.is_glued(count)
            && self.is_glued(count + 1)
            && self.number_at(count + 1).is_some();
        if has_fraction {
            count += 2;
        }
        let second = second.map(|second| second.value);
        self.push_time(Time { hour: hour.value, minute: minute.value, second, ..Time::default() }, count);
        true
    }

    /// `9 pm`, `9 صباحا`, `18 Uhr`.
    fn hour_alone(&mut self, hour: Number) -> bool {
        let is_hour = match self.word_at(1) {
            Some(Word::Am | Word::Pm | Word::Night | Word::PmOrEra) => (1..=12).contains(&hour.value),
            Some(Word::Hour) => hour.value < 24 && self.draft.is_full(),
            Some(_) | None => false,
        };
        if is_hour && hour.digits <= 2 {
            let count = if self.word_at(1) == Some(Word::Hour) { 2 } else { 1 };
            self.push_time(Time { hour: hour.value, ..Time::default() }, count);
            return true;
        }
        false
    }

    fn push_time(&mut self, time: Time, count: usize) {
        self.draft.times.push(time);
        self.has_time = true;
        self.take(count);
        self.time_end = self.at;
    }

    /// `+0300`, `-05:00`, `+3`, `GMT+3`.
    pub(super) fn offset(&mut self, sign: char) -> Option<()> {
        let hours = self.number_at(1).filter(|_| self.is_glued(2) || self.is_glued(1))?;
        let colon = self.number_at(3).filter(|minutes| self.is_punct(2, &[':']) && minutes.digits == 2);
        let (minutes, count) = match (hours.digits, colon) {
            (1 | 2, Some(minutes)) => (hours.value * 60 + minutes.value, 4),
            (4, _) => (hours.value / 100 * 60 + hours.value % 100, 2),
            (1 | 2, None) if sign == '+' || self.after_zone() || self.is_short_offset(hours) => {
                (hours.value * 60, 2)
            }
            _ => return None,
        };
        let is_possible = self.is_glued(1) && minutes <= 14 * 60 && minutes % 15 == 0;
        // `10:00-12:00` is a span of time: a negative offset with a colon needs seconds before it.
        let has_seconds = self.draft.times.last().is_some_and(|time| time.second.is_some());
        let after_t = self.tokens[..self.at].iter().any(|token| token.kind == Kind::Word(Word::IsoT));
        if !is_possible || (sign == '-' && count == 4 && !has_seconds && !after_t && !self.after_zone()) {
            return None;
        }
        let minutes = i32::try_from(minutes).ok()?;
        let zone = Zone::Fixed(if sign == '-' { -minutes } else { minutes });
        match self.draft.times.last_mut() {
            Some(time) => time.zone = zone,
            None => self.draft.zone = zone,
        }
        self.take(count);
        Some(())
    }

    /// `10:00:00-03` as databases write it: two digits and nothing that makes them the start of a date.
    fn is_short_offset(&self, hours: Number) -> bool {
        let follows_full_time = self.draft.times.last().is_some_and(|time| time.second.is_some());
        let is_alone = !self.is_punct(2, &['-', '/', '.', ':']);
        hours.digits == 2 && is_alone && (follows_full_time || !self.is_glued(0)) && self.draft.is_full()
    }

    fn after_zone(&self) -> bool {
        self.at > 0 && matches!(self.tokens[self.at - 1].kind, Kind::Word(Word::Zone(_)))
    }
}
