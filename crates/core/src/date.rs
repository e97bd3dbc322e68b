//! Date lines: recognising a line that *is* a date, and reading the instant it states.
//!
//! A line is a date line when every word of it belongs to the vocabulary of dates (months, weekdays, labels, zones, fillers) and it
//! states something; at most a short source name may stand beside it behind a strong separator. Prose that contains a date and
//! fixture lists fail at their first foreign word.
//!
//! A wrong instant is worse than none. So these give a date line *without* a value: relative forms (`منذ يومين`), a weekday or time
//! alone, no year, Hijri or Jalali alone, a range of days, an impossible day. The rules for what can be read two ways:
//! - `05/09/2023`: the day stands first, unless only the other order exists or a weekday in the line settles it. `9/5/2023 8:15:00 AM`
//!   (slashes, no padding, seconds, Latin AM/PM) is the United States form, month first.
//! - a two-digit year counts only beside a month name (RFC 822); `05-09-23` has no value.
//! - a 24-hour time wins over a contradicting "pm": `16:00 مساء` is 16:00.
//! - offsets come from the text: `+0300`, GMT, RFC 2822 zones, abbreviations with one meaning, Mecca and the Gulf, Algiers. Zones with
//!   summer time (Jerusalem, Cairo, Beirut) give a local time and [`TzSource::Unknown`]: core carries no zone database.
//! - Hijri beside Gregorian (`الموافق`): Gregorian wins.

use std::ops::Range;

use jiff::Timestamp;

use crate::model::{DateValue, Precision, TzSource};

mod draft;
mod scan;
#[cfg(test)]
mod tests;
mod token;
mod vocabulary;

use scan::Scan;
use token::{Kind, Token};

/// Longer lines are prose: the longest real form (dual calendar, two zones, two labels) takes about 220 bytes.
const MAX_LINE_BYTES: usize = 300;
/// Without a digit only short relative forms and weekdays remain.
const MAX_BYTES_WITHOUT_DIGIT: usize = 64;
/// Foreign words of a zone (`بتوقيت شرق أوروبا`).
const MAX_ZONE_WORDS: usize = 2;
/// Words of a source name beside the date.
const MAX_REST_WORDS_AFTER: usize = 6;
const MAX_REST_WORDS_BEFORE: usize = 3;

/// A line that is a date line. All ranges are byte ranges in the line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DateLine {
    /// When the text was published; a date without a label counts as this. `None` when the line states no instant.
    pub(crate) published: Option<(DateValue, Range<usize>)>,
    /// When it was last changed, if labelled so.
    pub(crate) modified: Option<(DateValue, Range<usize>)>,
    /// The first label.
    pub(crate) label: Option<Range<usize>>,
    /// What is left beside the date behind a separator: a source or place name, trimmed.
    pub(crate) rest: Option<Range<usize>>,
    /// Everything that is date, labels included.
    pub(crate) span: Range<usize>,
}

/// Reads a line as a date line; `None` when it is anything else. `line` is one line without its terminator.
pub(crate) fn find_dates(line: &str) -> Option<DateLine> {
    if line.len() > MAX_LINE_BYTES {
        return None;
    }
    let has_digit = has_digit(line);
    if !has_digit && line.len() > MAX_BYTES_WITHOUT_DIGIT {
        return None;
    }
    // Without a digit there is no date for a source to stand beside.
    let tokens = token::tokens(line, if has_digit { MAX_ZONE_WORDS + MAX_REST_WORDS_AFTER } else { 0 })?;
    if let Some(found) = Scan::run(line, &tokens) {
        return Some(found);
    }
    with_rest(line, &tokens)
}

/// Reads a text that states one instant: RFC 3339, RFC 2822, asctime, Unix seconds or milliseconds, and every form of
/// `find_dates`. `None` when it states none, or more than one.
pub fn parse_date(text: &str) -> Option<DateValue> {
    let text = text.trim();
    if text.len() > MAX_LINE_BYTES {
        return None;
    }
    if let Some(value) = unix_time(text) {
        return Some(value);
    }
    let tokens = token::tokens(text, MAX_ZONE_WORDS)?;
    let found = Scan::run(text, &tokens)?;
    match (found.published, found.modified) {
        (Some((value, _)), None) | (None, Some((value, _))) => Some(value),
        (Some((published, _)), Some((modified, _))) => {
            (published.value == modified.value).then_some(published)
        }
        (None, None) => None,
    }
}

/// `date | source` and `source | date`.
fn with_rest(line: &str, tokens: &[Token]) -> Option<DateLine> {
    let separators = (0..tokens.len()).filter(|at| token::is_strong_separator(tokens, *at)).take(6);
    for at in separators {
        let (before, after) = (&tokens[..at], &tokens[at + 1..]);
        for (date, rest, max_words) in
            [(before, after, MAX_REST_WORDS_AFTER), (after, before, MAX_REST_WORDS_BEFORE)]
        {
            if !is_name(rest, max_words) {
                continue;
            }
            let found =
                Scan::run(line, date).filter(|found| found.published.is_some() || found.modified.is_some());
            if let (Some(found), Some(first), Some(last)) = (found, rest.first(), rest.last()) {
                return Some(DateLine { rest: Some(first.range.start..last.range.end), ..found });
            }
        }
    }
    None
}

/// A source or place: a few words, no digit, no end of a sentence, no second column of a fixture list.
fn is_name(tokens: &[Token], max_words: usize) -> bool {
    let mut words = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Unknown | Kind::Word(_) => words += 1,
            Kind::Number { .. } => return false,
            Kind::Punct('!' | '?' | '؟' | '×' | '…') => return false,
            Kind::Punct('-') if token::is_strong_separator(tokens, at) => return false,
            Kind::Punct('.') if at + 1 == tokens.len() => return false,
            Kind::Punct(_) => {}
        }
    }
    (1..=max_words).contains(&words) && tokens.iter().any(|token| matches!(token.kind, Kind::Unknown))
}

/// ASCII, Arabic-Indic (U+0660) or Persian (U+06F0) digits.
fn has_digit(line: &str) -> bool {
    let bytes = line.as_bytes();
    bytes.iter().any(u8::is_ascii_digit)
        || bytes.windows(2).any(|pair| {
            (pair[0] == 0xD9 && (0xA0..=0xA9).contains(&pair[1]))
                || (pair[0] == 0xDB && (0xB0..=0xB9).contains(&pair[1]))
        })
}

/// Seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970, 1973 to 2100.
fn unix_time(text: &str) -> Option<DateValue> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(text.len(), 9 | 10 | 12 | 13) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let seconds = if text.len() >= 12 { number / 1000 } else { number };
    if !(100_000_000..4_102_444_800).contains(&seconds) || looks_like_calendar(text) {
        return None;
    }
    let value = Timestamp::from_second(seconds).ok()?.to_string();
    Some(DateValue { value, precision: Precision::Second, raw: text.to_owned(), tz_source: TzSource::Stated })
}

/// `202309050815`: twelve digits that read as a date and time of our age are one, not milliseconds of 1976.
fn looks_like_calendar(text: &str) -> bool {
    text.len() == 12 && (text.starts_with("19") || text.starts_with("20"))
}
