//! What an answer's headers say about polling.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{
    AGE, CACHE_CONTROL, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER,
    SET_COOKIE,
};

use super::ending::{Ended, Ending};
use super::{Broke, HttpFault, HttpFaults, Response};
use crate::feeds::engine::{Came, Failure};
use crate::feeds::policy::SECOND;

/// The engine's view of an answer, content left out.
pub(super) fn came(response: &Response, now_ms: i64) -> Came {
    let headers = &response.headers;
    let bytes = |name: HeaderName| headers.get(name).map(|value| value.as_bytes().to_vec());
    Came {
        status: response.status,
        etag: bytes(ETAG),
        last_modified: bytes(LAST_MODIFIED),
        max_age_s: max_age_s(headers, now_ms),
        retry_after_ms: retry_after_ms(headers, now_ms),
        location: text(headers, &LOCATION).map(str::to_owned),
        is_challenge: headers.get("cf-mitigated").is_some_and(|value| value == "challenge"),
        is_cut: false,
        cookies: headers.get_all(SET_COOKIE).into_iter().map(|value| value.as_bytes().to_vec()).collect(),
        content: None,
    }
}

/// Whether a part (206) is the whole, though nobody asked for a part: then it counts as one, and else what it lacks is said.
pub(super) fn part(response: &mut Response, faults: &mut HttpFaults) {
    if response.status != 206 {
        return;
    }
    faults.note(HttpFault::Part);
    let range = text(&response.headers, &CONTENT_RANGE).unwrap_or_default().to_owned();
    let Some((first, last, whole)) = range_of(&range) else { return };
    let is_all = match whole {
        Some(whole) => last.checked_add(1) == Some(whole),
        None => Ending::of(&response.body) != Ended::No,
    };
    if (first > 0 || !is_all) && response.broke.is_none() {
        let why = format!("a part came and not the whole: {range}");
        response.broke = Some(Broke::new(Failure::Protocol, why));
    }
}

/// `bytes 0-99/100`, and `*` for a length that nobody knows.
fn range_of(range: &str) -> Option<(u64, u64, Option<u64>)> {
    let (places, whole) = range.trim().strip_prefix("bytes")?.split_once('/')?;
    let (first, last) = places.trim().split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, whole.trim().parse().ok()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // An address that is not ASCII is UTF-8 on the web.
    headers.get(name).and_then(|value| str::from_utf8(value.as_bytes()).ok()).map(str::trim)
}

/// How long the answer stays good: `max-age` less `Age`, or else `Expires` less `Date`. 0 where nothing is said, or where it must not be kept.
fn max_age_s(headers: &HeaderMap, now_ms: i64) -> u32 {
    let directives = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut max_age = None;
    for directive in directives.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => return 0,
            "max-age" => max_age = seconds(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    let age = text(headers, &AGE).and_then(seconds).unwrap_or(0);
    if let Some(max_age) = max_age {
        return max_age.saturating_sub(age);
    }
    let Some(expires) = text(headers, &EXPIRES).and_then(date_ms) else { return 0 };
    let from = text(headers, &DATE).and_then(date_ms).unwrap_or(now_ms);
    u32::try_from((expires - from) / SECOND).unwrap_or(if expires > from { u32::MAX } else { 0 })
}

/// Whole seconds; more than fit are as many as fit.
fn seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Seconds or a date, as the time from now on.
fn retry_after_ms(headers: &HeaderMap, now_ms: i64) -> Option<i64> {
    let value = text(headers, &RETRY_AFTER)?;
    // A fraction is against the rules, and clear.
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if let (Some(whole), Some(fraction)) = (seconds(whole), seconds(fraction)) {
        return Some((i64::from(whole) + i64::from(fraction > 0)) * SECOND);
    }
    // By the server's own clock, where it says what that is.
    let from = text(headers, &DATE).and_then(date_ms).unwrap_or(now_ms);
    Some((date_ms(value)? - from).max(0))
}

fn date_ms(text: &str) -> Option<i64> {
    let date: SystemTime = httpdate::parse_http_date(text).ok()?;
    let since: Duration = date.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tue, 05 Sep 2023 08:15:00 GMT.
    const NOW: i64 = 1_693_901_700_000;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    #[test]
    fn an_answer_is_good_for_as_long_as_it_says() {
        for (lines, wanted) in [
            (&[][..], 0),
            (&[("cache-control", "max-age=600")], 600),
            (&[("cache-control", "public, Max-Age=\"600\" ")], 600),
            (&[("cache-control", "max-age=600"), ("age", "500")], 100),
            (&[("cache-control", "max-age=600"), ("age", "700")], 0),
            (&[("cache-control", "max-age=600, no-cache")], 0),
            (&[("cache-control", "public"), ("cache-control", "max-age=60")], 60),
            (&[("cache-control", "max-age=99999999999999999999")], u32::MAX),
            (&[("cache-control", "max-age=-5")], 0),
            (&[("cache-control", "s-maxage=600")], 0),
            (&[("expires", "Tue, 05 Sep 2023 08:25:00 GMT")], 600),
            (&[("expires", "Tue, 05 Sep 2023 08:25:00 GMT"), ("date", "Tue, 05 Sep 2023 08:24:00 GMT")], 60),
            (&[("expires", "0")], 0),
            (&[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], 0),
            (&[("expires", "Tue, 05 Sep 2023 08:25:00 GMT"), ("cache-control", "max-age=5")], 5),
        ] {
            assert_eq!(max_age_s(&headers(lines), NOW), wanted, "{lines:?}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        for (lines, wanted) in [
            (&[][..], None),
            (&[("retry-after", "120")], Some(120_000)),
            (&[("retry-after", " 120 ")], Some(120_000)),
            (&[("retry-after", "Tue, 05 Sep 2023 09:15:00 GMT")], Some(3_600_000)),
            (&[("retry-after", "Tue, 05 Sep 2023 07:15:00 GMT")], Some(0)),
            (&[("retry-after", "Tuesday, 05-Sep-23 09:15:00 GMT")], Some(3_600_000)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "")], None),
            (&[("retry-after", "1.5")], Some(2000)),
            (&[("retry-after", "120.0")], Some(120_000)),
            (&[("retry-after", "1e9")], None),
            (&[("retry-after", "99999999999999999999")], Some(i64::from(u32::MAX) * SECOND)),
            (&[("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT")], Some(251_708_399_099_000)),
            (
                &[
                    ("retry-after", "Tue, 05 Sep 2023 11:15:00 GMT"),
                    ("date", "Tue, 05 Sep 2023 11:14:00 GMT"),
                ],
                Some(60_000),
            ),
        ] {
            assert_eq!(retry_after_ms(&headers(lines), NOW), wanted, "{lines:?}");
        }
    }
}
