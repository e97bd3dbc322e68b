//! Dates of feeds. The two forms nearly every feed uses are read here without detours; everything else goes to core, which reads the dates
//! of articles in every language and gives no instant rather than a wrong one.

use barid_core::{Precision, parse_date};
use jiff::civil;

use crate::fault::{Fault, Faults};
use crate::model::Instant;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Reads the words of a date; the words stay whatever comes out.
pub(crate) fn instant(raw: &str, faults: &mut Faults) -> Option<Instant> {
    let raw = raw.trim();
    if raw.is_empty() {
        return None;
    }
    let ms = milliseconds(raw);
    if ms.is_none() {
        faults.note(Fault::BadDate);
    }
    Some(Instant { ms, raw: raw.to_owned() })
}

/// Milliseconds since 1970 in UTC.
pub(crate) fn milliseconds(raw: &str) -> Option<i64> {
    rfc822(raw.as_bytes())
        .or_else(|| iso(raw.as_bytes()))
        .or_else(|| month(raw.as_bytes()))
        .or_else(|| other(raw))
}

/// `Tue, 05 Sep 2023 08:15:00 +0300`, strictly.
fn rfc822(text: &[u8]) -> Option<i64> {
    let text = match text {
        [_, _, _, b',', b' ', rest @ ..] => rest,
        _ => text,
    };
    let (day, rest) = match text {
        [a, b, b' ', rest @ ..] => (two(*a, *b)?, rest),
        [a, b' ', rest @ ..] if a.is_ascii_digit() => (i64::from(a - b'0'), rest),
        _ => return None,
    };
    let [m1, m2, m3, b' ', y1, y2, y3, y4, b' ', h1, h2, b':', n1, n2, rest @ ..] = rest else { return None };
    let month = match [m1 | 0x20, m2 | 0x20, m3 | 0x20].as_slice() {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let (second, zone) = match rest {
        [b':', s1, s2, b' ', zone @ ..] => (two(*s1, *s2)?, zone),
        [b' ', zone @ ..] => (0, zone),
        _ => return None,
    };
    let offset = match zone {
        b"GMT" | b"UTC" | b"Z" | b"UT" => 0,
        [sign @ (b'+' | b'-'), a, b, c, d] => {
            let minutes = two(*a, *b)? * 60 + two(*c, *d)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    at([year, month, day], [two(*h1, *h2)?, two(*n1, *n2)?, second], 0, offset)
}

/// `2023-09-05T08:15:00.123+03:00`, strictly, with a zone.
fn iso(text: &[u8]) -> Option<i64> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't' | b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        rest @ ..,
    ] = text
    else {
        return None;
    };
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let ms = rest.iter().chain(b"000").filter(|byte| byte.is_ascii_digit());
            let ms = ms.take(3).fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            let short = [1, 100, 10, 1][digits.min(3)];
            // Fewer than three digits: those of the zone must not count.
            let own: i64 =
                rest[..digits.min(3)].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            (if digits < 3 { own * short } else { ms }, &rest[digits..])
        }
        _ => (0, rest),
    };
    let offset = match zone {
        b"Z" | b"z" | b" UTC" | b" GMT" => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] | [sign @ (b'+' | b'-'), a, b, c, d] => {
            let minutes = two(*a, *b)? * 60 + two(*c, *d)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let year = two(*y1, *y2)? * 100 + two(*y3, *y4)?;
    let clock = [two(*h1, *h2)?, two(*n1, *n2)?, two(*s1, *s2)?];
    at([year, two(*m1, *m2)?, two(*d1, *d2)?], clock, fraction, offset)
}

/// `2023-09` and `2023`, which W3CDTF allows: the first day.
fn month(text: &[u8]) -> Option<i64> {
    let (year, month) = match text {
        [a, b, c, d, b'-', m1, m2] => (two(*a, *b)? * 100 + two(*c, *d)?, two(*m1, *m2)?),
        [a, b, c, d] => (two(*a, *b)? * 100 + two(*c, *d)?, 1),
        _ => return None,
    };
    (1900..2101).contains(&year).then(|| at([year, month, 1], [0; 3], 0, 0)).flatten()
}

fn two(a: u8, b: u8) -> Option<i64> {
    (a.is_ascii_digit() && b.is_ascii_digit()).then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
}

/// The instant of a day and a clock `offset` minutes east of Greenwich.
fn at([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3], ms: i64, offset: i64) -> Option<i64> {
    if hour > 23 || minute > 59 || second > 60 || offset.abs() > 16 * 60 {
        return None;
    }
    let date =
        civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let clock = ((hour * 60 + minute) * 60 + second.min(59)) * 1000 + ms;
    Some(days(date.ok()?) * DAY_MS + clock - offset * MINUTE_MS)
}

/// Days since 1970-01-01, by the usual arithmetic over 400-year cycles.
fn days(date: civil::Date) -> i64 {
    let (month, day) = (i64::from(date.month()), i64::from(date.day()));
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Every other form, through core.
fn other(raw: &str) -> Option<i64> {
    let value = parse_date(raw)?;
    let text = value.value.as_str();
    match value.precision {
        Precision::Day => {
            let date: civil::Date = text.parse().ok()?;
            Some(days(date) * DAY_MS)
        }
        Precision::Minute | Precision::Second => match text.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Some(timestamp.as_millisecond()),
            // Without an offset: UTC, as every reader of feeds takes it.
            Err(_) => format!("{text}Z").parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        },
    }
}
