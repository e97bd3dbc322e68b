//! Cookies of one poll: what a redirect sets goes back to its server with the next hop, and is forgotten when the poll is over.
//!
//! Some servers send a feed only to who brings back the cookie that their redirect to itself has set. Nothing of it is stored, so that no poll can be told
//! to belong to an earlier one. The rules are those of RFC 6265 that matter within one chain of redirects.

use url::{Host, Url};

use crate::feeds::budget::Domain;

/// So many are kept at once.
const MOST: usize = 50;
/// A cookie with its name is no longer, in bytes.
const MOST_BYTES: usize = 4 << 10;
/// All that go with one request are no longer, in bytes.
const MOST_SENT_BYTES: usize = 8 << 10;

/// The cookies of one poll.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Jar(Vec<Cookie>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    /// The host that set it, or the domain that it named.
    domain: String,
    /// Hosts below the domain get it as well.
    with_hosts_below: bool,
    path: String,
    is_secure: bool,
}

impl Jar {
    /// Takes in the `Set-Cookie` lines of an answer from `at`. Whether anything changed.
    pub(super) fn take(&mut self, at: &Url, lines: &[Vec<u8>]) -> bool {
        let before = self.0.clone();
        for line in lines {
            let Some((cookie, is_over)) = parse(at, line) else { continue };
            self.0.retain(|old| {
                (&old.name, &old.domain, &old.path) != (&cookie.name, &cookie.domain, &cookie.path)
            });
            if !is_over && self.0.len() < MOST {
                self.0.push(cookie);
            }
        }
        self.0 != before
    }

    /// The `Cookie` header of a request to `to`: the longest paths first.
    pub(super) fn header(&self, to: &Url) -> Option<Vec<u8>> {
        let mut mine: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.goes_to(to)).collect();
        mine.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = Vec::new();
        for cookie in mine {
            if header.len() + cookie.name.len() + cookie.value.len() + 3 > MOST_SENT_BYTES {
                break;
            }
            if !header.is_empty() {
                header.extend_from_slice(b"; ");
            }
            header.extend_from_slice(&cookie.name);
            header.push(b'=');
            header.extend_from_slice(&cookie.value);
        }
        (!header.is_empty()).then_some(header)
    }
}

impl Cookie {
    fn goes_to(&self, to: &Url) -> bool {
        let host = to.host_str().unwrap_or_default();
        let is_host = host == self.domain || self.with_hosts_below && is_below(host, &self.domain);
        let path = to.path();
        let is_path = path == self.path
            || path
                .strip_prefix(&self.path)
                .is_some_and(|rest| self.path.ends_with('/') || rest.starts_with('/'));
        is_host && is_path && (to.scheme() == "https" || !self.is_secure)
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

/// A cookie, and whether it is to be forgotten.
fn parse(at: &Url, line: &[u8]) -> Option<(Cookie, bool)> {
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next()?;
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
    let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    if name.is_empty() || name.len() + value.len() > MOST_BYTES || !is_plain(name) || !is_plain(value) {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_vec(),
        value: value.to_vec(),
        domain: at.host_str()?.to_owned(),
        with_hosts_below: false,
        path: folder(at.path()).to_owned(),
        is_secure: false,
    };
    let mut is_over = false;
    for part in parts {
        let part = String::from_utf8_lossy(part);
        let (attribute, value) = part.split_once('=').unwrap_or((&part, ""));
        let value = value.trim();
        match attribute.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                if !is_own(at, &domain) {
                    return None;
                }
                (cookie.domain, cookie.with_hosts_below) = (domain, true);
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.is_secure = true,
            // A date in the past says the same; within one poll nobody asks for that.
            "max-age" => is_over = value.starts_with('-') || value == "0",
            _ => {}
        }
    }
    Some((cookie, is_over))
}

/// Whether a host may set cookies for a domain: its own or one above, but not all of a registry's.
fn is_own(at: &Url, domain: &str) -> bool {
    let Some(Host::Domain(host)) = at.host() else { return at.host_str() == Some(domain) };
    let above = Url::parse(&format!("http://{domain}/"));
    host == domain || is_below(host, domain) && above.is_ok_and(|above| Domain::of(&above) == Domain::of(at))
}

/// The path up to its last slash.
fn folder(path: &str) -> &str {
    match path.rfind('/') {
        Some(at) if at > 0 => &path[..at],
        Some(_) | None => "/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn sent(from: &str, lines: &[&str], to: &str) -> String {
        let mut jar = Jar::default();
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
        jar.take(&url(from), &lines);
        String::from_utf8(jar.header(&url(to)).unwrap_or_default()).expect("text")
    }

    #[test]
    fn a_cookie_goes_back_to_who_set_it_and_to_nobody_else() {
        const FROM: &str = "https://www.news.example/a/feed";
        for (lines, to, wanted) in [
            (&["k=v"][..], "https://www.news.example/a/feed", "k=v"),
            (&["k=v"], "https://www.news.example/a", "k=v"),
            (&["k=v"], "https://www.news.example/ab", ""),
            (&["k=v; path=/"], "https://www.news.example/b?c", "k=v"),
            (&["k=v; path=/"], "https://news.example/", ""),
            (&["k=v; path=/"], "https://other.example/", ""),
            (&["k=v; Path=/; Domain=.News.Example"], "https://m.news.example/", "k=v"),
            (&["k=v; path=/; domain=example"], "https://www.news.example/", ""),
            (&["k=v; path=/; domain=other.example"], "https://www.news.example/", ""),
            (&["k=v; path=/; secure"], "http://www.news.example/", ""),
            (&["k=v; path=/; Secure; HttpOnly"], "https://www.news.example/", "k=v"),
            (&["k=v; path=/", "k=w; path=/"], "https://www.news.example/", "k=w"),
            (&["k=v; path=/", "l==a b=; path=/a"], "https://www.news.example/a/", "l==a b=; k=v"),
            (&["k=v; path=/", "k=; max-age=0; path=/"], "https://www.news.example/", ""),
            (&["no cookie", "=v", "", ";", "k\u{1}=v"], "https://www.news.example/a/feed", ""),
            (&["k=v; expires=Wed, 09 Jun 2100 10:18:14 GMT"], "https://www.news.example/a/", "k=v"),
        ] {
            assert_eq!(sent(FROM, lines, to), wanted, "{lines:?} to {to}");
        }
        assert_eq!(sent("http://127.0.0.1/", &["k=v; domain=127.0.0.1"], "http://127.0.0.1/"), "k=v");
        assert_eq!(sent("http://127.0.0.1/", &["k=v; domain=0.0.1"], "http://127.0.0.1/"), "");
    }

    #[test]
    fn what_a_server_can_make_a_poll_carry_has_an_end() {
        let lines: Vec<String> = (0..500).map(|n| format!("k{n}={}; path=/", "v".repeat(1000))).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let header = sent("https://news.example/", &lines, "https://news.example/");
        assert!(header.len() <= MOST_SENT_BYTES && header.starts_with("k0="), "{}", header.len());
        let long = format!("k={}; path=/", "v".repeat(MOST_BYTES));
        assert_eq!(sent("https://news.example/", &[&long], "https://news.example/"), "");
    }

    #[test]
    fn the_same_cookie_again_changes_nothing() {
        let (at, mut jar) = (url("https://news.example/"), Jar::default());
        assert!(jar.take(&at, &[b"k=v; path=/".to_vec()]));
        assert!(!jar.take(&at, &[b"k=v; path=/".to_vec()]));
        assert!(jar.take(&at, &[b"k=w; path=/".to_vec()]));
    }
}
