//! One date in the making: the parts a scan has met, and the instant they add up to, if they do.

use std::ops::Range;

use jiff::civil;

use crate::model::{DateValue, Precision, TzSource};

/// Years a news text may state; what lies outside is another calendar or no year.
const YEARS: Range<i16> = 1900..2101;

/// How a clock time was qualified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meridiem {
    Am,
    Pm,
    Night,
}

/// A clock time as stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Time {
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: Option<u64>,
    pub(super) meridiem: Option<Meridiem>,
    /// The meridiem is written in Latin letters.
    pub(super) is_latin: bool,
    pub(super) zone: Zone,
}

/// What the text says about the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Zone {
    #[default]
    Absent,
    /// Named, but its offset depends on the season or the reader.
    Unclear,
    /// Minutes east of Greenwich.
    Fixed(i32),
}

/// A bare number beside a month name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) value: u64,
    pub(super) digits: usize,
}

/// The parts of one date.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    pub(super) span: Option<Range<usize>>,
    pub(super) weekday: Option<i8>,
    pub(super) month: Option<i8>,
    pub(super) numbers: Vec<Number>,
    /// Three numbers with separators, in the order of the text.
    pub(super) triple: Option<([Number; 3], char)>,
    pub(super) times: Vec<Time>,
    /// A zone that stands before or without a time.
    pub(super) zone: Zone,
    /// A Hijri or Jalali date so far.
    pub(super) is_other_calendar: bool,
    /// Day and month without a year, or another form that states no instant.
    pub(super) is_partial: bool,
    /// Parts that contradict each other.
    pub(super) is_contradictory: bool,
}

impl Draft {
    /// Extends the bytes of the date over a token.
    pub(super) fn cover(&mut self, range: &Range<usize>) {
        let start = self.span.as_ref().map_or(range.start, |span| span.start);
        self.span = Some(start..range.end);
    }

    /// Day, month and year have all been met, in whatever calendar.
    pub(super) fn is_full(&self) -> bool {
        self.triple.is_some() || ((self.month.is_some() || self.is_other_calendar) && self.numbers.len() >= 2)
    }

    /// Forgets the calendar date, keeps weekday, time and bytes: the same day follows in another calendar.
    pub(super) fn forget_calendar(&mut self) {
        (self.month, self.triple, self.is_other_calendar) = (None, None, false);
        self.numbers.clear();
    }

    /// Takes over what the same day in another calendar adds: its clock time.
    pub(super) fn absorb(&mut self, repeat: Self) {
        self.times.extend(repeat.times);
        if self.zone == Zone::Absent {
            self.zone = repeat.zone;
        }
        if let Some(span) = repeat.span {
            self.cover(&span);
        }
    }

    /// A named or numeric day in any calendar, readable or not.
    pub(super) fn has_calendar(&self) -> bool {
        let is_named = self.month.is_some() || self.is_other_calendar;
        self.triple.is_some() || self.is_partial || (is_named && !self.numbers.is_empty())
    }

    /// The instant, if the parts state one.
    pub(super) fn value(&self, raw: &str) -> Option<DateValue> {
        if self.is_contradictory || self.is_partial || self.is_other_calendar {
            return None;
        }
        let date = self.date()?;
        let raw = raw.to_owned();
        let Some((time, precision)) = self.time() else {
            let tz_source =
                if matches!(self.any_zone(), Zone::Fixed(_)) { TzSource::Stated } else { TzSource::Unknown };
            return Some(DateValue { value: date.to_string(), precision: Precision::Day, raw, tz_source });
        };
        let zone = if time.zone == Zone::Absent { self.zone } else { time.zone };
        let clock = format!("{date}T{:02}:{:02}:{:02}", time.hour, time.minute, time.second.unwrap_or(0));
        Some(match zone {
            Zone::Fixed(minutes) => {
                DateValue { value: clock + &offset(minutes), precision, raw, tz_source: TzSource::Stated }
            }
            Zone::Absent | Zone::Unclear => {
                DateValue { value: clock, precision, raw, tz_source: TzSource::Unknown }
            }
        })
    }

    fn any_zone(&self) -> Zone {
        self.times.iter().map(|time| time.zone).find(|zone| *zone != Zone::Absent).unwrap_or(self.zone)
    }

    fn date(&self) -> Option<civil::Date> {
        if let Some((numbers, separator)) = self.triple {
            return self.numeric_date(numbers, separator);
        }
        let [first, second] = self.numbers[..] else { return None };
        let month = self.month?;
        // `2024 Nov 21`, else the day stands before the year.
        let (year, day) = if first.digits == 4 { (first, second) } else { (second, first) };
        if day.digits > 2 {
            return None;
        }
        let year = match year.digits {
            4 => year.value,
            2 => year.value + if year.value < 70 { 2000 } else { 1900 },
            _ => return None,
        };
        date(year, u64::try_from(month).ok()?, day.value)
    }

    fn numeric_date(&self, [a, b, c]: [Number; 3], separator: char) -> Option<civil::Date> {
        if a.digits == 4 {
            return (b.digits <= 2 && c.digits <= 2).then(|| date(a.value, b.value, c.value)).flatten();
        }
        if c.digits != 4 || a.digits > 2 || b.digits > 2 {
            return None;
        }
        let day_first = date(c.value, b.value, a.value);
        let month_first = date(c.value, a.value, b.value);
        if let (Some(weekday), Some(one), Some(other)) = (self.weekday, day_first, month_first) {
            let fits = |date: civil::Date| date.weekday().to_monday_one_offset() == weekday;
            match (fits(one), fits(other)) {
                (true, _) => return Some(one),
                (false, true) => return Some(other),
                (false, false) => {}
            }
        }
        let is_american = separator == '/'
            && a.digits.min(b.digits) == 1
            && self.times.iter().any(|time| time.is_latin && time.second.is_some());
        if is_american { month_first.or(day_first) } else { day_first.or(month_first) }
    }

    /// The time to report, on the 24-hour clock: of several, the first whose offset is known. Several without (opening hours) state none.
    fn time(&self) -> Option<(Time, Precision)> {
        let known = self.times.iter().find(|time| matches!(time.zone, Zone::Fixed(_)));
        let mut time = match (known, &self.times[..]) {
            (Some(known), _) => *known,
            (None, [only]) => *only,
            (None, _) => return None,
        };
        time.hour = match (time.meridiem, time.hour) {
            (Some(Meridiem::Am), 12) => 0,
            (Some(Meridiem::Pm), 1..=11) => time.hour + 12,
            // `00:30 pm` may be half past noon or midnight.
            (Some(Meridiem::Pm), 0) => return None,
            (Some(Meridiem::Night), 12) => 0,
            (Some(Meridiem::Night), 6..=11) => time.hour + 12,
            (Some(_) | None, hour) => hour,
        };
        let is_valid = time.hour < 24 && time.minute < 60 && time.second.is_none_or(|second| second < 60);
        let precision = if time.second.is_some() { Precision::Second } else { Precision::Minute };
        is_valid.then_some((time, precision))
    }
}

/// True for a year of the Hijri or Jalali calendar in our age.
pub(super) fn is_other_year(number: Number) -> bool {
    number.digits == 4 && (1300..1500).contains(&number.value)
}

fn date(year: u64, month: u64, day: u64) -> Option<civil::Date> {
    let year = i16::try_from(year).ok().filter(|year| YEARS.contains(year))?;
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn offset(minutes: i32) -> String {
    if minutes == 0 {
        return "Z".to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}
