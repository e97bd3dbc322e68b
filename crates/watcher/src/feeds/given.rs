//! A feed's address as lists, programs and people write it: taken as the address of the web that it means, or refused with a reason.
//!
//! ```text
//! https://news.example/a, http://...     as written: ids and states of feeds hang on these bytes
//! feed://news.example/a, itpc:, pcast:   http://news.example/a
//! feed:https://news.example/a            https://news.example/a
//! news.example/a, //news.example/a       http://news.example/a
//! ```
//! Where nothing else is said it is http: every server that only speaks https sends on there, and that is stored.

use std::borrow::Cow;

use url::Url;

use super::address::{Allowed, BadUrl, check_url};

/// Schemes that programs gave to feeds: a name for "open this with a feed reader", spoken as http.
const READERS: [&str; 5] = ["feed", "itpc", "pcast", "podcast", "rss"];
/// Endings of files that no host has: `feed.xml` alone is a file somewhere, and nobody knows where.
const FILES: [&str; 13] =
    ["xml", "rss", "rdf", "atom", "json", "php", "html", "htm", "asp", "aspx", "jsp", "cgi", "opml"];

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing is there.
    #[error("there is no address of a feed")]
    Blank,
    /// Another scheme.
    #[error("only http: and https: are asked, and this is {0}:")]
    Scheme(String),
    /// A path without a host.
    #[error("it is a part of an address: the host is missing")]
    Relative,
    /// See [`BadUrl`].
    #[error(transparent)]
    Url(#[from] BadUrl),
}

/// The address of the web that was meant. What can be asked as it stands stays as it stands, byte for byte but for blanks around it.
///
/// # Errors
/// Why it can never be asked. Whether its host is one of the public internet is found when it is asked.
pub fn address(text: &str) -> Result<String, BadAddress> {
    let text = cleaned(text);
    if text.is_empty() {
        return Err(BadAddress::Blank);
    }
    let mut address = Cow::Borrowed(text.as_ref());
    // `feed:feed://https://...` was seen.
    for _ in 0..3 {
        match scheme(&address) {
            Some((scheme, rest)) if READERS.contains(&scheme.as_str()) => {
                let inner = rest.trim_start_matches('/');
                let is_whole = self::scheme(inner).is_some_and(|(inner, _)| is_known(&inner));
                address = Cow::Owned(if is_whole { inner.to_owned() } else { format!("http://{inner}") });
            }
            Some((scheme, _)) if is_web(&scheme) => break,
            Some((scheme, _)) => return Err(BadAddress::Scheme(scheme)),
            None => address = Cow::Owned(format!("http://{}", of_host(&address)?)),
        }
    }
    match check_url(&address, &Allowed::default()) {
        // Only the poller knows what its operator allows.
        Ok(_) | Err(BadUrl::NotPublic | BadUrl::LocalName) => Ok(address.into_owned()),
        Err(BadUrl::Unreadable) if address.len() < 9 => Err(BadAddress::Relative),
        Err(why) => Err(why.into()),
    }
}

/// Tells whether two addresses are one feed: the same but for how they are spelt. `http` and `https` are two.
pub fn identity(address: &str) -> String {
    let Ok(mut url) = Url::parse(address.trim()) else { return address.to_owned() };
    url.set_fragment(None);
    if let Some(host) = url.host_str().and_then(|host| host.strip_suffix('.')).map(str::to_owned) {
        // What was a host without its dot is one with it.
        let _ = url.set_host(Some(&host));
    }
    url.into()
}

/// The address for people, without what is nobody's business.
pub fn shown(address: &str) -> String {
    let secret = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = secret.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((before, _)) => address.replacen(before, "***", 1),
        None => address.to_owned(),
    }
}

/// Without blanks, quotes and angle brackets around it; what was escaped for HTML and then again for XML is put back.
fn cleaned(text: &str) -> Cow<'_, str> {
    let is_around = |letter: char| {
        letter.is_whitespace()
            || letter.is_control()
            || matches!(letter, '<' | '>' | '"' | '\'' | '\u{feff}' | '\u{200b}')
    };
    let text = text.trim_matches(is_around);
    if text.contains("&amp;") { Cow::Owned(text.replace("&amp;", "&")) } else { Cow::Borrowed(text) }
}

/// The scheme in small letters, and what stands behind its colon. `news.example:8080/feed` has none.
fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_name = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    let port = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_name && !is_port).then(|| (scheme.to_ascii_lowercase(), rest))
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

fn is_known(scheme: &str) -> bool {
    is_web(scheme) || READERS.contains(&scheme) || matches!(scheme, "ftp" | "file")
}

/// What begins with a host, without slashes before it.
fn of_host(text: &str) -> Result<&str, BadAddress> {
    let (text, is_marked) = text.strip_prefix("//").map_or((text, false), |text| (text, true));
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    let name = name.rsplit_once(':').map_or(name, |(name, port)| if port.is_empty() { host } else { name });
    let last = name.rsplit_once('.').map(|(_, last)| last.to_ascii_lowercase());
    let is_host = match last {
        Some(last) => !name.starts_with('.') && !FILES.contains(&last.as_str()),
        None => is_marked || name == "localhost" || name.starts_with('['),
    };
    let is_clean = !name.is_empty() && !name.contains(char::is_whitespace);
    if is_host && is_clean { Ok(text) } else { Err(BadAddress::Relative) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_is_taken_as_what_it_means() {
        for (text, meant) in [
            ("https://news.example/a?b=1&c=2#top", "https://news.example/a?b=1&c=2#top"),
            ("  https://News.Example/A \n", "https://News.Example/A"),
            ("HTTPS://news.example/a", "HTTPS://news.example/a"),
            ("feed://news.example/a", "http://news.example/a"),
            ("FEED://news.example/a", "http://news.example/a"),
            ("feed:news.example/a", "http://news.example/a"),
            ("feed:https://news.example/a", "https://news.example/a"),
            ("feed://https://news.example/a", "https://news.example/a"),
            ("feed:feed://news.example/a", "http://news.example/a"),
            ("feed:HTTPS://news.example/a", "HTTPS://news.example/a"),
            ("itpc://news.example/a", "http://news.example/a"),
            ("pcast:news.example/a", "http://news.example/a"),
            ("rss://news.example:8080/a", "http://news.example:8080/a"),
            ("news.example/a", "http://news.example/a"),
            ("news.example", "http://news.example"),
            (
                "www.news.example:8080/a?b=http://x.example/",
                "http://www.news.example:8080/a?b=http://x.example/",
            ),
            ("//news.example/a", "http://news.example/a"),
            ("localhost:8080/a", "http://localhost:8080/a"),
            ("192.0.2.1/a", "http://192.0.2.1/a"),
            ("[2001:db8::1]/a", "http://[2001:db8::1]/a"),
            ("أخبار.example/تغذية.xml", "http://أخبار.example/تغذية.xml"),
            ("https://أخبار.example/تغذية.xml", "https://أخبار.example/تغذية.xml"),
            ("https://news.example/a?b=1&amp;c=2", "https://news.example/a?b=1&c=2"),
            ("<https://news.example/a>", "https://news.example/a"),
            ("\"https://news.example/a\"", "https://news.example/a"),
            ("http://10.0.0.1/a", "http://10.0.0.1/a"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(meant), "{text}");
            assert_eq!(address(meant).as_deref(), Ok(meant), "and that stays");
        }
    }

    #[test]
    fn what_can_never_be_asked_is_refused_with_its_reason() {
        let scheme = |name: &str| BadAddress::Scheme(name.to_owned());
        for (text, why) in [
            ("", BadAddress::Blank),
            (" \u{feff}\t", BadAddress::Blank),
            ("<>", BadAddress::Blank),
            ("ftp://news.example/a", scheme("ftp")),
            ("feed:ftp://news.example/a", scheme("ftp")),
            ("file:///etc/passwd", scheme("file")),
            ("FILE:/etc/passwd", scheme("file")),
            ("javascript:alert(1)", scheme("javascript")),
            ("mailto:desk@news.example", scheme("mailto")),
            ("data:text/xml,<rss/>", scheme("data")),
            ("gopher://news.example/a", scheme("gopher")),
            ("/feed.xml", BadAddress::Relative),
            ("feed.xml", BadAddress::Relative),
            ("index.php?feed=rss", BadAddress::Relative),
            ("../a", BadAddress::Relative),
            ("./a", BadAddress::Relative),
            ("feeds/all", BadAddress::Relative),
            ("?feed=rss", BadAddress::Relative),
            ("All the news", BadAddress::Relative),
            ("the news.today", BadAddress::Relative),
            ("http://", BadAddress::Relative),
            ("https://me:word@news.example/a", BadAddress::Url(BadUrl::Credentials)),
            ("me@news.example/a", BadAddress::Url(BadUrl::Credentials)),
            ("feed://me:word@news.example/a", BadAddress::Url(BadUrl::Credentials)),
            ("https://news example/a", BadAddress::Url(BadUrl::Unreadable)),
            ("https://news.example:99999/a", BadAddress::Url(BadUrl::Unreadable)),
        ] {
            assert_eq!(address(text), Err(why), "{text}");
        }
        let long = format!("https://news.example/{}", "a".repeat(9000));
        assert_eq!(address(&long), Err(BadAddress::Url(BadUrl::TooLong)));
    }

    #[test]
    fn two_spellings_are_one_feed_and_two_feeds_are_two() {
        let one = |text: &str| identity(&address(text).expect(text));
        for (first, second) in [
            ("feed://news.example/a", "http://news.example/a"),
            ("http://news.example:80/a", "http://news.example/a"),
            ("https://news.example:443/a", "https://NEWS.example/a"),
            ("news.example", "HTTP://news.example/"),
            ("https://أخبار.example/a", "https://xn--igbicxr.example/a"),
            ("https://news.example./a", "https://news.example/a#b"),
            ("https://news.example/x/../a", "https://news.example/a"),
        ] {
            assert_eq!(one(first), one(second), "{first} {second}");
        }
        for (first, second) in [
            ("http://news.example/a", "https://news.example/a"),
            ("https://news.example/a", "https://news.example/A"),
            ("https://news.example/a", "https://news.example/a/"),
            ("https://news.example/a?b", "https://news.example/a"),
            ("https://www.news.example/a", "https://news.example/a"),
        ] {
            assert_ne!(one(first), one(second), "{first} {second}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("https://me:pw@news.example/a@b"), "https://***@news.example/a@b");
        assert_eq!(shown("me@news.example/a"), "***@news.example/a");
        assert_eq!(shown("https://news.example/a@b"), "https://news.example/a@b");
    }
}
