//! What a single value must look like.

use crate::url;

/// RFC 3339, as Atom demands it: date, `T`, time with seconds, zone.
pub(super) fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let shape = digits(0..4)
        && digits(5..7)
        && digits(8..10)
        && digits(11..13)
        && digits(14..16)
        && digits(17..19)
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .iter()
            .all(|(at, sign)| bytes.get(*at) == Some(sign));
    let below = |range: std::ops::Range<usize>, end: u8| {
        text.get(range).is_some_and(|part| part.parse::<u8>().is_ok_and(|n| n < end))
    };
    if !shape || !below(11..13, 24) || !below(14..16, 60) || !below(17..19, 61) {
        return false;
    }
    let mut zone = &text[19..];
    if let Some(fraction) = zone.strip_prefix('.') {
        let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if rest.len() == fraction.len() {
            return false;
        }
        zone = rest;
    }
    let is_zone = zone == "Z"
        || (zone.len() == 6
            && zone.starts_with(['+', '-'])
            && zone.as_bytes()[3] == b':'
            && zone[1..3].parse::<u8>().is_ok_and(|hours| hours < 24)
            && zone[4..6].parse::<u8>().is_ok_and(|minutes| minutes < 60));
    is_zone && crate::date::milliseconds(text).is_some()
}

/// W3CDTF, as Dublin Core and Atom 0.3 use it: a year, a month, a day, or a day with a time and zone.
pub(super) fn is_w3cdtf(text: &str) -> bool {
    let is_short = matches!(text.len(), 4 | 7 | 10)
        && text.split('-').enumerate().all(|(at, part)| {
            part.len() == if at == 0 { 4 } else { 2 } && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    if is_short {
        return crate::date::milliseconds(text).is_some();
    }
    // Seconds may be left out here.
    let with_seconds = text.get(..16).zip(text.get(16..)).map(|(start, zone)| format!("{start}:00{zone}"));
    is_rfc3339(text) || with_seconds.is_some_and(|text| is_rfc3339(&text))
}

/// RFC 822 with years of two or four digits, as RSS demands it.
pub(super) fn is_rfc822(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const ZONES: [&str; 12] =
        ["UT", "GMT", "UTC", "Z", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT"];
    let rest = match text.split_once(',') {
        Some((day, rest)) if DAYS.contains(&day.trim()) => rest,
        Some(_) => return false,
        None => text,
    };
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let [day, month, year, clock, zone] = words[..] else { return false };
    let is_number = |text: &str, lengths: &[usize]| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_zone = ZONES.contains(&zone)
        || (zone.len() == 5 && zone.starts_with(['+', '-']) && is_number(&zone[1..], &[4]));
    is_number(day, &[1, 2])
        && MONTHS.contains(&month)
        && is_number(year, &[2, 4])
        && (2..=3).contains(&clock.split(':').count())
        && clock.split(':').all(|part| is_number(part, &[2]))
        && is_zone
        && crate::date::milliseconds(text).is_some()
}

/// Characters no address may hold unescaped, and nothing at all. Letters of every script may stand in it.
pub(super) fn is_reference(text: &str) -> bool {
    let is_clean = !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c));
    let web = ["http:", "https:", "ftp:"].iter().find_map(|scheme| {
        text.get(..scheme.len())
            .filter(|start| start.eq_ignore_ascii_case(scheme))
            .map(|_| &text[scheme.len()..])
    });
    let has_host = web.is_none_or(|rest| {
        rest.strip_prefix("//").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    is_clean && has_host && !text.starts_with(':')
}

/// An address with its scheme.
pub(super) fn is_absolute(text: &str) -> bool {
    is_reference(text) && url::scheme(text).is_some()
}

/// `None` where the id is no `tag:` and no `urn:`; else whether it is one without mistakes (RFC 4151, RFC 8141).
pub(super) fn id_of_known_scheme(text: &str) -> Option<bool> {
    if let Some(rest) = text.strip_prefix("tag:") {
        return Some(is_tag(rest));
    }
    let rest = text.get(..4).filter(|start| start.eq_ignore_ascii_case("urn:")).map(|_| &text[4..])?;
    let Some((namespace, specific)) = rest.split_once(':') else { return Some(false) };
    let is_name = (2..=32).contains(&namespace.len())
        && namespace.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !namespace.starts_with('-')
        && !namespace.eq_ignore_ascii_case("urn");
    let is_specific = !specific.is_empty()
        && specific.bytes().all(|b| b.is_ascii_alphanumeric() || b"()+,-.:=@;$_!*'%/?#&~".contains(&b));
    let is_uuid = !namespace.eq_ignore_ascii_case("uuid")
        || (specific.len() == 36 && specific.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'));
    Some(is_name && is_specific && is_uuid)
}

/// `authority,date:specific`.
fn is_tag(rest: &str) -> bool {
    let Some((authority, rest)) = rest.split_once(',') else { return false };
    let Some((date, specific)) = rest.split_once(':') else { return false };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let is_host = !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        });
    let is_authority = is_host && (!authority.contains('@') || is_email(authority));
    let is_date = matches!(date.len(), 4 | 7 | 10) && is_w3cdtf(date);
    is_authority && is_date && !specific.contains(|c: char| c.is_whitespace() || "<>\"{}|\\^`[]#".contains(c))
}

/// An address on its own.
pub(super) fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
    };
    let is_name = !name.is_empty()
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || "()<>,;:\\\"[]@".contains(c))
        && !name.starts_with('.')
        && !name.ends_with('.');
    is_name && host.contains('.') && host.split('.').all(is_label)
}

/// `en`, `ar-EG`, `zh-Hant-TW`: shape only.
pub(super) fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let is_first = (matches!(first.len(), 2 | 3) || matches!(first, "i" | "x"))
        && first.bytes().all(|b| b.is_ascii_alphabetic());
    is_first
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// `type/subtype` with parameters.
pub(super) fn is_media_type(text: &str) -> bool {
    let name = text.split(';').next().unwrap_or_default().trim();
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&b))
    };
    name.split_once('/').is_some_and(|(kind, part)| is_token(kind) && is_token(part))
}

/// Text that a reader would show as tags: an HTML element's tag, or an entity.
pub(super) fn has_markup(text: &str) -> bool {
    const TAGS: [&str; 30] = [
        "a",
        "abbr",
        "b",
        "big",
        "blockquote",
        "br",
        "code",
        "div",
        "em",
        "font",
        "h1",
        "h2",
        "h3",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tt",
        "u",
        "ul",
    ];
    text.split('<').skip(1).any(|rest| {
        let rest = rest.strip_prefix('/').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(0);
        rest.contains('>') && TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&rest[..end]))
    })
}

/// Text with an element that runs or loads something, or an attribute that does.
pub(super) fn has_script(text: &str) -> bool {
    const TAGS: [&str; 9] =
        ["script", "meta", "embed", "object", "applet", "iframe", "frame", "frameset", "link"];
    text.split('<').skip(1).any(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(&rest[..end]))
    })
}
