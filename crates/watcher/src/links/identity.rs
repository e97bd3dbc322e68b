//! What tells one article's address from another's. It is compared and hashed, never asked.

use url::Url;

use super::{MOST_URL_BYTES, is_tracking, names_user};

/// Parameters that name a session of a reader by the software that writes them. They count as one where their value looks like one: `sid=8` is a story's number.
const SESSIONS: [&str; 13] = [
    // PHP's default name and its spellings in link rewriting; ASP; ColdFusion; Java servlets.
    "phpsessid",
    "aspsessionid*",
    "cfid",
    "cftoken",
    "jsessionid",
    // Forums and shops that put theirs into links.
    "oscsid",
    "zenid",
    "s_id",
    "sid",
    "sessid",
    "sessionid",
    "session_id",
    "session",
];
/// A session's value has so many letters and digits at least, where the name alone does not say it.
const LEAST_SESSION: usize = 16;

/// Two links with the same one lead to the same article. `None` where the link is no address of the web, or names a user.
///
/// What does not count: scheme (http and https are one), a leading `www.`, a default port, the case of host and escapes, a `/` at the end of the path, the order of parameters,
/// tracking parameters and ids of sessions. What counts is everything else, also the fragment: entries of a live page differ by nothing else.
pub(crate) fn identity(link: &str) -> Option<String> {
    let link = Some(link.trim()).filter(|link| link.len() <= MOST_URL_BYTES)?;
    let url =
        Url::parse(link).ok().filter(|url| matches!(url.scheme(), "http" | "https") && !names_user(url))?;
    let host = url.host_str()?.trim_end_matches('.');
    let mut out = String::with_capacity(link.len());
    // A host of one more label than a bare suffix: `www.example` itself keeps its name.
    out.push_str(host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host));
    if let Some(port) = url.port().filter(|port| !matches!(port, 80 | 443)) {
        out.push(':');
        out.push_str(&port.to_string());
    }
    escaped(without_session(url.path()).trim_end_matches('/'), &mut out);
    let mut pairs: Vec<&str> = url.query().map_or(Vec::new(), |query| {
        query.split('&').filter(|pair| !pair.is_empty() && !is_tracking(pair) && !is_session(pair)).collect()
    });
    pairs.sort_by_key(|pair| pair.split('=').next());
    for (pair, mark) in pairs.into_iter().zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        out.push(mark);
        escaped(pair, &mut out);
    }
    if let Some(fragment) = url.fragment().filter(|fragment| !is_only_counting(fragment)) {
        out.push('#');
        escaped(fragment, &mut out);
    }
    Some(out)
}

/// Whether a fragment is no part of the page: it counts visitors, or marks words of the text.
pub(crate) fn is_only_counting(fragment: &str) -> bool {
    let parts = || fragment.split('&').filter(|part| !part.is_empty());
    fragment.starts_with(":~:") || parts().all(|part| is_tracking(part) || is_session(part))
}

/// A path without `;jsessionid=...`.
fn without_session(path: &str) -> &str {
    match path.rsplit_once(';') {
        Some((before, pair)) if !pair.contains('/') && is_session(pair) => before,
        Some(_) | None => path,
    }
}

fn is_session(pair: &str) -> bool {
    let Some((name, value)) = pair.split_once('=') else { return false };
    let name = name.to_ascii_lowercase();
    let is_named = SESSIONS.iter().any(|known| match known.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == *known,
    });
    let says_it = matches!(name.as_str(), "phpsessid" | "jsessionid" | "cfid" | "cftoken")
        || name.starts_with("aspsessionid");
    let is_long = value.len() >= LEAST_SESSION
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'!'))
        && value.bytes().any(|byte| byte.is_ascii_digit());
    is_named && (says_it || is_long)
}

/// Writes a part with its escapes in one spelling: upper case, and none for what needs none.
fn escaped(part: &str, out: &mut String) {
    let mut rest = part;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                out.push(char::from(byte));
            }
            Some(_) => out.push_str(&rest[at..at + 3].to_ascii_uppercase()),
            None => {
                out.push('%');
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        let plain = "quay.example/a/7";
        for link in [
            "https://quay.example/a/7",
            "http://quay.example/a/7",
            "HTTP://WWW.Quay.Example:80/a/7/",
            "https://quay.example.:443/a/7?",
            "http://quay.example:443/a/7#",
            "https://quay.example/%61/7?utm_source=x&utm_campaign=day%203",
            "https://quay.example/a/7?PHPSESSID=5f3759dfa1b2c3d4e5f60718293a4b5c",
            "https://quay.example/a/7;jsessionid=A1B2C3.node7",
            "https://quay.example/a/7?sid=0123456789abcdef0123#xtor=RSS-7",
            "https://quay.example/a/7#utm_source=rss&utm_medium=feed",
            "https://quay.example/a/7#:~:text=crane",
            " https://quay.example/a/./7 ",
        ] {
            assert_eq!(identity(link).as_deref(), Some(plain), "{link}");
        }
        let one = identity("https://quay.example/خبر?b=2&a=1&b=1");
        assert_eq!(one, identity("https://quay.example/%d8%ae%D8%a8%d8%B1?a=1&b=2&b=1"));
    }

    #[test]
    fn addresses_of_two_articles_are_two() {
        let all = [
            "https://quay.example/a/7",
            "https://quay.example/A/7",
            "https://quay.example/a/7#post-1",
            "https://quay.example/a/7#post-2",
            "https://quay.example/a/7?id=1",
            "https://quay.example/a/7?id=2",
            "https://quay.example/a/7?b=1&b=2",
            "https://quay.example/a/7?b=2&b=1",
            "https://quay.example/a/7?sid=8",
            "https://quay.example/a/7?sid=9",
            "https://quay.example/a/7?session=morning",
            "https://quay.example/a/7?session=evening",
            "https://quay.example:8080/a/7",
            "https://m.quay.example/a/7",
            "https://quay.example/a/7%2Fb",
            "https://quay.example/a/7/b",
            "https://quay.example/#/a/7",
            "https://quay.example/a/7;v=1",
            "https://quay.example/100%25",
        ];
        let identities: std::collections::BTreeSet<_> = all.iter().map(|link| identity(link)).collect();
        assert_eq!(identities.len(), all.len());
        assert!(identities.iter().all(Option::is_some));
        assert_eq!(identity("https://www.example/").as_deref(), Some("www.example"), "no suffix alone");
        for none in ["urn:uuid:7", "mailto:a@quay.example", "quay.example/a", "", "https://me@quay.example/a"]
        {
            assert_eq!(identity(none), None, "{none}");
        }
        let broken = identity("https://quay.example/a%zz%4").expect("an address");
        assert_eq!(broken, "quay.example/a%zz%4");
    }
}
