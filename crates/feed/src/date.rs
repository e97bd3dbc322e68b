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
    match ms {
        None => faults.note(Fault::BadDate),
        Some(ms) if is_buddhist(ms, raw) => faults.note(Fault::OtherCalendar),
        Some(_) => {}
    }
    Some(Instant { ms, raw: raw.to_owned() })
}

/// Years of the Buddhist calendar, as Thai software writes them, are ours and 543; day and month are the same. No article is of the 26th century.
const BUDDHIST: std::ops::Range<i64> = 2500..2600;
const BUDDHIST_YEARS: i64 = 543;
/// Older than any newspaper: such years are of other calendars.
const OLDEST_YEAR: i64 = 1600;

fn our_year(year: i64) -> i64 {
    if BUDDHIST.contains(&year) { year - BUDDHIST_YEARS } else { year }
}

/// Whether the words have another year than the instant that was read from them.
fn is_buddhist(ms: i64, raw: &str) -> bool {
    // Without detours for the dates of every day.
    if memchr::memmem::find(raw.as_bytes(), b"25").is_none() {
        return false;
    }
    let Ok(instant) = jiff::Timestamp::from_millisecond(ms) else { return false };
    let year = i64::from(instant.to_zoned(jiff::tz::TimeZone::UTC).year());
    // A zone may move an instant over the end of its year.
    (year - 1..=year + 1)
        .map(|year| year + BUDDHIST_YEARS)
        .any(|year| BUDDHIST.contains(&year) && raw.contains(&year.to_string()))
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
        [sign @ (b'+' | b'-'), a, b, c, d] | [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
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
    let zone = zone.strip_prefix(b" ").unwrap_or(zone);
    let offset = match zone {
        b"Z" | b"z" | b"UTC" | b"GMT" => 0,
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
    // 24:00:00 is the end of the day.
    let is_end = hour == 24 && minute == 0 && second == 0;
    if (hour > 23 && !is_end) || minute > 59 || second > 60 || offset.abs() > 16 * 60 {
        return None;
    }
    let year = our_year(year);
    // The Hijri and the Jalali calendar are there, and software that has no date.
    if year < OLDEST_YEAR {
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

/// Zones core leaves alone because an article may mean several by them; in the dates of feeds they have one meaning.
const ZONES: [(&str, &str); 10] = [
    ("MET", "+0100"),
    ("MEST", "+0200"),
    ("MSK", "+0300"),
    ("MSD", "+0400"),
    ("ET", "-0500"),
    ("CT", "-0600"),
    ("MT", "-0700"),
    ("PT", "-0800"),
    ("UT", "+0000"),
    ("AT", "-0400"),
];

/// Every other form, through core.
fn other(raw: &str) -> Option<i64> {
    // `2023-09-05T08:15:00+03:00[Asia/Riyadh]`: the offset says it already.
    let text = raw.split_once('[').map_or(raw, |(text, _)| text).trim_end();
    let known = text.rsplit_once(' ').and_then(|(head, zone)| {
        // `GMT-01:30` says the offset itself.
        let own = zone.strip_prefix("GMT").or_else(|| zone.strip_prefix("UTC")).filter(|own| own.len() >= 5);
        let listed =
            ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)).map(|(_, offset)| *offset);
        Some(format!("{head} {}", own.or(listed)?))
    });
    let text = known.as_deref().unwrap_or(text);
    let again = known.as_ref().and_then(|text| rfc822(text.as_bytes()).or_else(|| iso(text.as_bytes())));
    again.or_else(|| read(text)).or_else(|| {
        // A weekday in a language nobody here knows: `Di, 05 Sep 2023`.
        let (word, rest) = text.split_once(',')?;
        let is_word = word.len() <= 16 && !word.chars().any(|c| c.is_numeric() || c.is_whitespace());
        let rest = rest.trim_start();
        is_word.then(|| rfc822(rest.as_bytes()).or_else(|| read(rest))).flatten()
    })
}

/// What core reads, unless it had to leave out something that moves the instant: a clock it could not use, a zone it does not know.
fn read(text: &str) -> Option<i64> {
    let value = parse_date(text)?;
    let stated = value.value.as_str();
    match value.precision {
        Precision::Day => {
            let date: civil::Date = stated.parse().ok()?;
            (!has_clock(text)).then(|| days(date) * DAY_MS)
        }
        Precision::Minute | Precision::Second => match stated.parse::<jiff::Timestamp>() {
            Ok(timestamp) => Some(timestamp.as_millisecond()),
            Err(_) if has_unknown_zone(text) => None,
            // Without an offset: UTC, as every reader of feeds takes it.
            Err(_) => {
                format!("{stated}Z").parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
            }
        },
    }
}

/// `8:15` or `T08` somewhere in the text.
fn has_clock(text: &str) -> bool {
    let is_digit = |c: Option<&char>| c.is_some_and(|c| c.is_numeric());
    let letters: Vec<char> = text.chars().collect();
    (0..letters.len()).any(|at| {
        matches!(letters[at], ':' | 'T')
            && is_digit(at.checked_sub(1).and_then(|before| letters.get(before)))
            && is_digit(letters.get(at + 1))
    })
}

/// One word after the clock that is neither half of the day: a zone (`AST`, `GMT-01:01`).
fn has_unknown_zone(text: &str) -> bool {
    let Some((_, rest)) = text.rsplit_once(' ') else { return false };
    let is_zone_like = rest.len() <= 12
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b':' | b'/' | b'_'))
        && rest
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_uppercase() || matches!(first, b'+' | b'-'));
    let is_half = ["AM", "PM"].iter().any(|half| rest.ends_with(half));
    // `08:15 AM Tuesday`, `08:15 September`: the date may stand last. A single letter is UTC by RFC 2822.
    let is_name = rest.len() > 1
        && rest.bytes().skip(1).any(|byte| byte.is_ascii_lowercase())
        && !rest.contains(['/', '+']);
    is_zone_like && !is_half && !is_name && rest.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(raw: &str) -> Option<String> {
        Instant { ms: milliseconds(raw), raw: String::new() }.rfc3339()
    }

    #[test]
    fn short_cuts_and_detours_agree() {
        for (raw, expected) in [
            ("Tue, 05 Sep 2023 08:15:00 +0300", "2023-09-05T05:15:00Z"),
            ("5 Sep 2023 08:15 GMT", "2023-09-05T08:15:00Z"),
            ("Tue, 05 Sep 2023 08:15:00 -01:01", "2023-09-05T09:16:00Z"),
            ("Tue, 05 Sep 2023 24:00:00 GMT", "2023-09-06T00:00:00Z"),
            ("Wed, 05 Sep 2023 08:15:00 GMT-01:30", "2023-09-05T09:45:00Z"),
            ("Di, 05 Sep 2023 08:15:00 +0200", "2023-09-05T06:15:00Z"),
            ("Thu, 30 Apr 2015 08:57:00 MET", "2015-04-30T07:57:00Z"),
            ("2023-09-05T08:15:00.5+03:00", "2023-09-05T05:15:00.5Z"),
            ("2023-09-05T08:15:00.1234567+03:00", "2023-09-05T05:15:00.123Z"),
            ("2023-09-05 08:15:00 -00:20", "2023-09-05T08:35:00Z"),
            ("2023-09-05T08:15:00+03:00[Asia/Riyadh]", "2023-09-05T05:15:00Z"),
            ("2023-09-05 08:15:00", "2023-09-05T08:15:00Z"),
            ("2023-09", "2023-09-01T00:00:00Z"),
            ("2023", "2023-01-01T00:00:00Z"),
            ("1693901700", "2023-09-05T08:15:00Z"),
            ("الثلاثاء، ٥ أيلول ٢٠٢٣ ٠٨:١٥ م", "2023-09-05T20:15:00Z"),
            ("5th, September 2023 GMT", "2023-09-05T00:00:00Z"),
            ("Thu, 29 Feb 2024 23:59:59 Z", "2024-02-29T23:59:59Z"),
            ("Sat, 01 Jan 1600 00:00:00 Z", "1600-01-01T00:00:00Z"),
            ("Tue, 05 Sep 2566 08:15:00 +0700", "2023-09-05T01:15:00Z"),
            ("2567-02-29T08:15:00+07:00", "2024-02-29T01:15:00Z"),
        ] {
            assert_eq!(read_as(raw).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn a_year_of_another_calendar_is_named() {
        let named = |raw: &str| {
            let mut faults = Faults::default();
            instant(raw, &mut faults);
            faults.count(Fault::OtherCalendar)
        };
        assert_eq!(named("Tue, 05 Sep 2566 08:15:00 +0700"), 1);
        assert_eq!(named("Fri, 01 Jan 2567 03:00:00 +0700"), 1, "still the year before in Greenwich");
        assert_eq!(named("Tue, 05 Sep 2023 08:25:00 +0700"), 0);
        assert_eq!(
            named("2023-09-05T08:15:00.2566Z"),
            1,
            "a fraction that looks like the year: a count too many does no harm"
        );
    }

    #[test]
    fn no_instant_rather_than_a_wrong_one() {
        for raw in [
            "Tue, 05 Sep 2023 08:15:00 AST",
            "Tue, 05 Sep 2023 08:15:00 Asia/Riyadh",
            "Tue, 05 Sep 2023 25:15:00 GMT",
            "2023-09-05T08",
            "2023-02-30T08:15:00Z",
            "0000-00-00 00:00:00",
            "yesterday",
            "1445/02/20 هـ",
            "Tue, 14 Jun 1402 08:15:00 +0330",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(read_as(raw), None, "{raw}");
        }
    }
}
