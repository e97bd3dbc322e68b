//! One pass over the tokens of a line: every token must belong to a date or a label, or the line is none.

use std::ops::Range;

use super::DateLine;
use super::draft::{Draft, Meridiem, Number, Zone};
use super::token::{Kind, Token};
use super::vocabulary::Word;
use crate::model::DateValue;

mod numbers;

/// What a label says about the date after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Published,
    Modified,
}

/// Signs that may stand in a date line and say nothing.
const PUNCTUATION: &str = "/-|•.,،;؛:()[]*@'’📅🗓🕐🕒🕓⏰";

/// A finished date under what its label said.
type Finished = (Option<Role>, Draft);

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
                if self.draft.is_full() {
                    self.begin_calendar();
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
            time.meridiem = Some(if word == Word::Am {
                Meridiem::Am
            } else if word == Word::Night {
                Meridiem::Night
            } else {
                Meridiem::Pm
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
        let zone = if let Word::Zone(minutes) = word {
            minutes.map_or(Zone::Unclear, Zone::Fixed)
        } else if word == Word::ZoneIntro {
            self.introduced_zone()?
        } else {
            // A place without `بتوقيت` names no zone.
            return None;
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
        let (mut is_published, mut is_modified) = (false, false);
        while let Some(word) = self.word_at(0) {
            is_published |= word == Word::Published;
            is_modified |= word == Word::Modified;
            if !matches!(word, Word::Published | Word::Modified | Word::LabelFiller | Word::First) {
                break;
            }
            self.at += 1;
        }
        self.role = if is_published { Some(Role::Published) } else { is_modified.then_some(Role::Modified) };
        let range = self.tokens[start].range.start..self.tokens[self.at - 1].range.end;
        self.label.get_or_insert(range);
    }

    fn punct(&mut self, sign: char) -> Option<()> {
        if matches!(sign, '+' | '-') && self.time_end == self.at && self.offset(sign).is_some() {
            return Some(());
        }
        self.at += 1;
        PUNCTUATION.contains(sign).then_some(())
    }

    /// A calendar date begins: the one before is finished, or was the same day in another calendar.
    fn begin_calendar(&mut self) {
        if self.draft.is_other_calendar {
            self.draft.forget_calendar();
        } else if self.draft.is_full() {
            let is_repeat = matches!(self.word_at(0), Some(Word::SameDay | Word::OtherMonth));
            self.flush();
            self.is_repeat = is_repeat;
        }
    }

    /// Ends the draft and files it under its role; the same day in another calendar only adds its time to the date before it.
    fn flush(&mut self) {
        let draft = std::mem::take(&mut self.draft);
        let role = self.role.take();
        let is_repeat = std::mem::take(&mut self.is_repeat) || (draft.is_other_calendar && role.is_none());
        match self.finished.last_mut() {
            Some((_, last)) if is_repeat => last.absorb(draft),
            Some(_) | None if draft.has_calendar() => self.finished.push((role, draft)),
            Some(_) | None => {}
        }
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
        let published = one_value(self.line, &self.finished, |role| role != Some(Role::Modified));
        let modified = one_value(self.line, &self.finished, |role| role == Some(Role::Modified));
        let is_only_numbers = !self.has_triple && !self.has_time && !self.tokens.iter().any(is_word);
        if published.is_none() && modified.is_none() && is_only_numbers {
            return None;
        }
        let span = self.tokens.first()?.range.start..self.tokens.last()?.range.end;
        Some(DateLine { published, modified, label: self.label, rest: None, span })
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
fn one_value(
    line: &str,
    finished: &[Finished],
    is_role: fn(Option<Role>) -> bool,
) -> Option<(DateValue, Range<usize>)> {
    let mut dates = finished.iter().filter(|(role, _)| is_role(*role)).map(|(_, draft)| {
        let span = draft.span.clone()?;
        Some((draft.value(&line[span.clone()])?, span))
    });
    let (value, span) = dates.next()??;
    dates.all(|other| other.is_some_and(|(other, _)| other.value == value.value)).then_some((value, span))
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
