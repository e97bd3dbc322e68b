//! One pass over the tokens of a line: every token must belong to a date or a label, or the line is none.

use std::ops::Range;

use super::DateLine;
use super::draft::{Draft, Meridiem, Number, Time, Zone, is_other_year};
use super::token::{Kind, Token};
use super::vocabulary::Word;
use crate::model::DateValue;

/// What a label says about the date after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Published,
    Modified,
}

/// A finished date: what its label said, its value if it has one, its bytes.
type Finished = (Option<Role>, Option<DateValue>, Range<usize>);

/// The state of a pass.
pub(super) struct Scan<'t> {
    line: &'t str,
    tokens: &'t [Token],
    at: usize,
    draft: Draft,
    role: Option<Role>,
    label: Option<Range<usize>>,
    finished: Vec<Finished>,
    /// Index of the token after the last time (with its am/pm) or GMT: an offset may stand there.
    time_end: usize,
    /// The draft is the same day in another calendar; its value is not wanted.
    is_repeat: bool,
    has_ago: bool,
    has_unit: bool,
    has_today: bool,
    has_weekday: bool,
    has_time: bool,
    has_triple: bool,
}

impl<'t> Scan<'t> {
    /// Reads all tokens; `None` at the first that belongs to no date, or when they state nothing.
    pub(super) fn run(line: &'t str, tokens: &'t [Token]) -> Option<DateLine> {
        if tokens.iter().any(|token| matches!(token.kind, Kind::Unknown)) && !has_zone_intro(tokens) {
            return None;
        }
        let mut scan = Self {
            line,
            tokens,
            at: 0,
            draft: Draft::default(),
            role: None,
            label: None,
            finished: Vec::new(),
            time_end: usize::MAX,
            is_repeat: false,
            has_ago: (0..tokens.len()).any(|at| is_ago(tokens, at)),
            has_unit: false,
            has_today: false,
            has_weekday: false,
            has_time: false,
            has_triple: false,
        };
        while let Some(token) = tokens.get(scan.at) {
            match token.kind {
                Kind::Unknown => return None,
                Kind::Number { value, digits } => scan.number(Number { value, digits })?,
                Kind::Word(word) => scan.word(word)?,
                Kind::Punct(sign) => scan.punct(sign)?,
            }
        }
        scan.finish()
    }

    fn kind(&self, ahead: usize) -> Option<Kind> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    fn number_at(&self, ahead: usize) -> Option<Number> {
        match self.kind(ahead)? {
            Kind::Number { value, digits } => Some(Number { value, digits }),
            Kind::Word(_) | Kind::Unknown | Kind::Punct(_) => None,
        }
    }

    fn word_at(&self, ahead: usize) -> Option<Word> {
        match self.kind(ahead)? {
            Kind::Word(word) => Some(word),
            Kind::Number { .. } | Kind::Unknown | Kind::Punct(_) => None,
        }
    }

    fn is_punct(&self, ahead: usize, signs: &[char]) -> bool {
        matches!(self.kind(ahead), Some(Kind::Punct(sign)) if signs.contains(&sign))
    }

    fn is_glued(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| !token.spaced)
    }

    /// Moves over tokens that belong to the draft.
    fn take(&mut self, count: usize) {
        for token in &self.tokens[self.at..(self.at + count).min(self.tokens.len())] {
            self.draft.cover(&token.range);
        }
        self.at += count;
    }

    fn number(&mut self, first: Number) -> Option<()> {
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
        if widths.iter().any(|digits| *digits > 4) || widths.iter().filter(|digits| **digits > 2).count() > 1
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

    fn word(&mut self, word: Word) -> Option<()> {
        match word {
            Word::Month(month) => self.month(month),
            Word::MonthStem(second) => {
                let (is_first, is_second) =
                    (self.word_at(1) == Some(Word::First), self.word_at(1) == Some(Word::Second));
                if !is_first && !is_second {
                    return None;
                }
                self.at += 1;
                self.month(if is_second { second } else { (second + 10) % 12 + 1 });
            }
            Word::AgoOrAugust if is_ago(self.tokens, self.at) => self.take(1),
            Word::AgoOrAugust => self.month(8),
            Word::OtherMonth => {
                if self.draft.is_full() {
                    self.begin_calendar();
                }
                self.draft.is_other_calendar = true;
                self.take(1);
            }
            Word::OtherEra => {
                self.draft.is_other_calendar |= self.draft.is_full();
                self.take(1);
            }
            Word::SameDay => {
                self.begin_calendar();
                self.take(1);
            }
            Word::Weekday(day) => self.weekday(day),
            Word::Am | Word::Pm | Word::Night | Word::PmOrEra => self.meridiem(word),
            Word::Zone(_) | Word::ZoneIntro | Word::Place(_) => return self.zone(word),
            Word::Unit | Word::TwoUnits if !self.has_ago => return None,
            Word::Unit | Word::TwoUnits => {
                self.has_unit = true;
                self.take(1);
            }
            Word::Hour => {
                self.has_unit |= self.has_ago;
                self.take(1);
            }
            Word::Today => {
                self.has_today = true;
                self.take(1);
            }
            Word::Ago => self.take(1),
            Word::Published | Word::Modified | Word::LabelFiller => self.label(),
            Word::First | Word::Second | Word::IsoT | Word::Filler => self.at += 1,
        }
        Some(())
    }

    fn month(&mut self, month: i8) {
        match self.draft.month {
            // `تشرين الثاني / نوفمبر`: one month under two names.
            Some(known) if known == month => {}
            Some(_) if !self.draft.is_full() => self.draft.is_contradictory = true,
            Some(_) | None => {
                if self.draft.is_full() || self.draft.is_other_calendar {
                    self.begin_calendar_keeping_numbers();
                }
                self.draft.month = Some(month);
            }
        }
        self.take(1);
    }

    fn weekday(&mut self, day: i8) {
        self.has_weekday = true;
        if self.draft.is_full() && self.draft.weekday.is_some() {
            self.begin_calendar();
        }
        self.draft.weekday = Some(day);
        self.take(1);
    }

    fn meridiem(&mut self, word: Word) {
        let follows_time = self.time_end == self.at;
        if let (true, Some(time)) = (follows_time, self.draft.times.last_mut()) {
            time.meridiem = Some(match word {
                Word::Am => Meridiem::Am,
                Word::Night => Meridiem::Night,
                _ => Meridiem::Pm,
            });
            time.is_latin =
                self.line.as_bytes().get(self.tokens[self.at].range.start).is_some_and(u8::is_ascii);
            self.take(1);
            self.time_end = self.at;
        } else {
            // The era `م`, or German "am".
            self.at += 1;
        }
    }

    fn zone(&mut self, word: Word) -> Option<()> {
        let zone = match word {
            Word::Zone(Some(minutes)) => Zone::Fixed(minutes),
            Word::Zone(None) => Zone::Unclear,
            Word::ZoneIntro => self.introduced_zone()?,
            // A place without `بتوقيت` names no zone.
            _ => return None,
        };
        self.take(1);
        self.set_zone(zone);
        if zone == Zone::Fixed(0) {
            self.time_end = self.at;
        }
        Some(())
    }

    /// `بتوقيت غرينتش`, `بتوقيت القدس`, `بتوقيت شرق أوروبا`: up to two words; leaves the last for the caller to take.
    fn introduced_zone(&mut self) -> Option<Zone> {
        let zone = match self.kind(1)? {
            Kind::Word(Word::Zone(Some(minutes)) | Word::Place(minutes)) => Zone::Fixed(minutes),
            Kind::Word(Word::Zone(None)) => Zone::Unclear,
            Kind::Unknown => {
                let has_second = matches!(self.kind(2), Some(Kind::Unknown));
                self.take(usize::from(has_second));
                Zone::Unclear
            }
            Kind::Word(_) | Kind::Number { .. } | Kind::Punct(_) => return None,
        };
        self.take(1);
        Some(zone)
    }

    fn set_zone(&mut self, zone: Zone) {
        match self.draft.times.last_mut() {
            Some(time) if time.zone == Zone::Absent => time.zone = zone,
            Some(_) => {}
            None if self.draft.zone == Zone::Absent => self.draft.zone = zone,
            None => {}
        }
    }

    /// A run of label words: the date before it is complete, the date after it has its role.
    fn label(&mut self) {
        self.flush();
        let start = self.at;
        let mut roles = Vec::new();
        while let Some(word) = self.word_at(0) {
            match word {
                Word::Published => roles.push(Role::Published),
                Word::Modified => roles.push(Role::Modified),
                Word::LabelFiller | Word::First => {}
                _ => break,
            }
            self.at += 1;
        }
        self.role =
            if roles.contains(&Role::Published) { Some(Role::Published) } else { roles.first().copied() };
        let range = self.tokens[start].range.start..self.tokens[self.at - 1].range.end;
        self.label.get_or_insert(range);
    }

    fn punct(&mut self, sign: char) -> Option<()> {
        if matches!(sign, '+' | '-') && self.time_end == self.at && self.offset(sign).is_some() {
            return Some(());
        }
        let is_plain = matches!(
            sign,
            '/' | '-'
                | '|'
                | '•'
                | '.'
                | ','
                | '،'
                | ';'
                | '؛'
                | ':'
                | '('
                | ')'
                | '['
                | ']'
                | '*'
                | '\''
                | '’'
        );
        self.at += 1;
        is_plain.then_some(())
    }

    /// `+0300`, `-05:00`, `+3`, `GMT+3`.
    fn offset(&mut self, sign: char) -> Option<()> {
        let hours = self.number_at(1).filter(|_| self.is_glued(2) || self.is_glued(1))?;
        let colon = self.number_at(3).filter(|minutes| self.is_punct(2, &[':']) && minutes.digits == 2);
        let (minutes, count) = match (hours.digits, colon) {
            (1 | 2, Some(minutes)) => (hours.value * 60 + minutes.value, 4),
            (4, _) => (hours.value / 100 * 60 + hours.value % 100, 2),
            (1 | 2, None) if sign == '+' || self.after_zone() => (hours.value * 60, 2),
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

    fn after_zone(&self) -> bool {
        self.at > 0 && matches!(self.tokens[self.at - 1].kind, Kind::Word(Word::Zone(_)))
    }

    /// A calendar date begins: the one before is finished, or was the same day in another calendar.
    fn begin_calendar(&mut self) {
        if self.draft.is_other_calendar {
            self.draft.forget_calendar();
        } else if self.draft.is_full() {
            let starts_repeat =
                self.word_at(0) == Some(Word::SameDay) || self.word_at(0) == Some(Word::OtherMonth);
            self.flush();
            self.is_repeat = starts_repeat;
        }
    }

    /// The same at a month name: the day may already stand before it.
    fn begin_calendar_keeping_numbers(&mut self) {
        if self.draft.is_full() {
            self.begin_calendar();
        }
    }

    /// Ends the draft and files it under its role.
    fn flush(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let (role, is_repeat) = (self.role.take(), std::mem::take(&mut self.is_repeat));
        let Some(span) = draft.span.clone() else { return };
        if is_repeat || !draft.has_calendar() {
            return;
        }
        let value = draft.value(&self.line[span.clone()]);
        self.finished.push((role, value, span));
    }

    fn finish(mut self) -> Option<DateLine> {
        self.flush();
        let has_label = self.label.is_some();
        let is_relative = self.has_ago && self.has_unit;
        let is_moment =
            self.has_time && (has_label || self.has_weekday || self.has_today || self.has_zone_or_meridiem());
        let is_day = self.has_weekday || (self.has_today && has_label);
        if self.finished.is_empty() && !is_relative && !is_moment && !is_day {
            return None;
        }
        let only_partial = self.finished.iter().all(|(_, value, _)| value.is_none());
        let is_only_numbers = !self.has_triple && !self.has_time && !self.tokens.iter().any(is_word);
        if only_partial && is_only_numbers {
            return None;
        }
        let first = self.tokens.first()?.range.start;
        let last = self.tokens.last()?.range.end;
        let mut found = DateLine { label: self.label, span: first..last, ..DateLine::default() };
        found.modified = one_value(&self.finished, |role| role == Some(Role::Modified));
        found.published = one_value(&self.finished, |role| role != Some(Role::Modified));
        Some(found)
    }

    fn has_zone_or_meridiem(&self) -> bool {
        self.tokens.iter().any(|token| {
            matches!(
                token.kind,
                Kind::Word(
                    Word::Zone(_) | Word::ZoneIntro | Word::Am | Word::Pm | Word::PmOrEra | Word::Night
                )
            )
        })
    }
}

/// The one value among the dates of a role; two that differ say nothing for certain.
fn one_value(finished: &[Finished], is_role: fn(Option<Role>) -> bool) -> Option<(DateValue, Range<usize>)> {
    let mut dates = finished.iter().filter(|(role, _, _)| is_role(*role));
    let (_, value, range) = dates.next()?;
    let value = value.clone()?;
    let agrees = |other: &Finished| other.1.as_ref().is_some_and(|other| other.value == value.value);
    dates.all(agrees).then(|| (value, range.clone()))
}

fn is_word(token: &Token) -> bool {
    matches!(token.kind, Kind::Word(_))
}

fn has_zone_intro(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| token.kind == Kind::Word(Word::ZoneIntro))
}

/// A word that makes the line relative; `ago` is August unless a unit stands before it.
fn is_ago(tokens: &[Token], at: usize) -> bool {
    match tokens[at].kind {
        Kind::Word(Word::Ago) => true,
        Kind::Word(Word::AgoOrAugust) => {
            at > 0 && matches!(tokens[at - 1].kind, Kind::Word(Word::Unit | Word::TwoUnits | Word::Hour))
        }
        Kind::Word(_) | Kind::Number { .. } | Kind::Unknown | Kind::Punct(_) => false,
    }
}
