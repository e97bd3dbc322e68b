//! Which hub a feed has, and under which name that knows it.

use url::Url;

use crate::feeds::address::{Allowed, check_url};

/// A longer address is nobody's.
const MOST_BYTES: usize = 2048;
/// More hubs are not read.
const MOST_HUBS: usize = 8;

/// What an answer says, as found; absolute where its base is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hubs {
    /// The hubs, in order.
    pub hubs: Vec<String>,
    /// The address that the publisher has for the feed: the topic.
    pub topic: Option<String>,
}

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Where to ask.
    pub hub: String,
    /// For what.
    pub topic: String,
}

impl Hubs {
    /// Takes in a link.
    pub fn link(&mut self, rel: &str, href: &str) {
        if href.is_empty() || href.len() > MOST_BYTES {
            return;
        }
        for rel in rel.split_ascii_whitespace() {
            if rel.eq_ignore_ascii_case("hub") && self.hubs.len() < MOST_HUBS {
                self.hubs.push(href.to_owned());
            } else if rel.eq_ignore_ascii_case("self") && self.topic.is_none() {
                self.topic = Some(href.to_owned());
            }
        }
    }

    /// What `Link` headers say, seen from the address that sent them.
    pub fn of_headers<'a>(lines: impl Iterator<Item = &'a str>, base: &Url) -> Self {
        let mut hubs = Self::default();
        for (href, rel) in lines.flat_map(links) {
            if let Ok(href) = base.join(href) {
                hubs.link(&rel, href.as_str());
            }
        }
        hubs
    }

    /// The headers' word goes before the document's.
    #[must_use]
    pub fn or(self, document: Self) -> Self {
        Self {
            hubs: if self.hubs.is_empty() { document.hubs } else { self.hubs },
            topic: self.topic.or(document.topic),
        }
    }

    /// The hub to take: the first that may be asked, over https before http. A feed that does not say what it is called is called by the address it was read at.
    pub fn offer(&self, read_at: &Url, allowed: &Allowed) -> Option<Offer> {
        let mut good: Vec<Url> = self.hubs.iter().filter_map(|hub| check_url(hub, allowed).ok()).collect();
        good.sort_by_key(|hub| hub.scheme() != "https");
        let hub = good.into_iter().next()?;
        let topic = self.topic.clone().unwrap_or_else(|| read_at.to_string());
        Some(Offer { hub: hub.to_string(), topic })
    }
}

/// The links of a header (RFC 8288), each with its relations.
fn links(line: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((href, after)) = after.split_once('>') else { break };
        let end = next_outside(after, b',');
        found.push((href.trim(), relations(&after[..end])));
        rest = &after[end..];
    }
    found
}

/// Where the next such sign outside quotes is, or the end.
fn next_outside(text: &str, sign: u8) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == sign && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// The value of the first `rel`; a link with an `anchor` speaks of another page.
fn relations(parameters: &str) -> String {
    let mut rel = String::new();
    let mut rest = parameters;
    while !rest.is_empty() {
        let end = next_outside(rest, b';');
        let parameter = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "anchor" => return String::new(),
            "rel" if rel.is_empty() => rel = value.trim().trim_matches('"').to_owned(),
            _ => {}
        }
    }
    rel
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://news.example/feeds/all").expect("a URL")
    }

    fn of(lines: &[&str]) -> Hubs {
        Hubs::of_headers(lines.iter().copied(), &base())
    }

    fn hubs(hubs: &[&str], topic: Option<&str>) -> Hubs {
        Hubs { hubs: hubs.iter().map(|&hub| hub.to_owned()).collect(), topic: topic.map(str::to_owned) }
    }

    #[test]
    fn link_headers_are_read_in_all_their_forms() {
        let (hub, own) = ("https://hub.example/", "https://news.example/feeds/all");
        for (lines, wanted) in [
            (
                &["<https://hub.example/>; rel=\"hub\", <https://news.example/feeds/all>; rel=\"self\""][..],
                hubs(&[hub], Some(own)),
            ),
            (&["<https://hub.example/>;rel=hub", "<all>;REL=\"Self\""], hubs(&[hub], Some(own))),
            (&["<https://hub.example/>; title=\"a, b; rel=self <x>\"; rel=hub"], hubs(&[hub], None)),
            (&["<https://hub.example/>; rel=\"alternate hub\"; rel=self"], hubs(&[hub], None)),
            (&["<//hub.example/>; rel=hub; type=\"x\""], hubs(&[hub], None)),
            (&["<https://hub.example/>; rel=hub; anchor=\"#other\""], hubs(&[], None)),
            (&["<https://hub.example/>; rel=stylesheet, <style>; rel=\"hubs\""], hubs(&[], None)),
            (&["<https://hub.example/; rel=hub", "", "rel=hub", ",,<>;,"], hubs(&[], None)),
        ] {
            assert_eq!(of(lines), wanted, "{lines:?}");
        }
        let many = "<https://hub.example/>; rel=hub, ".repeat(100);
        assert_eq!(of(&[&many]).hubs.len(), MOST_HUBS);
        let long = format!("<https://hub.example/{}>; rel=hub", "x".repeat(MOST_BYTES));
        assert_eq!(of(&[&long]), Hubs::default());
    }

    #[test]
    fn the_header_goes_before_the_document_and_https_before_http() {
        let header = hubs(&["https://one.example/"], None);
        let document = hubs(&["https://two.example/"], Some("https://news.example/atom"));
        assert_eq!(
            header.clone().or(document.clone()),
            hubs(&["https://one.example/"], Some("https://news.example/atom"))
        );
        assert_eq!(Hubs::default().or(document.clone()), document);
        let allowed = Allowed::default();
        let offer = |hubs: &Hubs| hubs.offer(&base(), &allowed);
        let both = hubs(&["http://10.0.0.1/", "http://plain.example/", "https://hub.example/h"], None);
        assert_eq!(
            offer(&both),
            Some(Offer {
                hub: "https://hub.example/h".into(),
                topic: "https://news.example/feeds/all".into()
            })
        );
        assert_eq!(
            offer(&hubs(&["http://127.0.0.1/", "ftp://hub.example/", "https://user@hub.example/"], None)),
            None
        );
        assert_eq!(offer(&document).map(|offer| offer.topic).as_deref(), Some("https://news.example/atom"));
    }
}
