//! One article's page for a person who looks on: robots.txt, the page, and what would become of its item. Nothing is stored; the same rules hold.

use url::Url;

use super::PageOutcome;
use super::article::{self, letters};
use super::robots::{MOST_BYTES, Rules};
use super::verdict::{Site, Verdict, of_page, of_site};
use crate::feeds::address::{Allowed, check_url};
use crate::feeds::budget::GAP_MS;
use crate::feeds::check::{Asker, Hop};
use crate::feeds::engine::{Answer, Delivered, Request};
use crate::feeds::fetch::Client;
use crate::feeds::reading::Item;

/// What a site's robots.txt says of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robots {
    /// It may be asked for.
    Allowed,
    /// It may not.
    Forbidden,
    /// Nobody can say: nothing may be asked for.
    Unreachable,
}

impl Robots {
    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Forbidden => "forbidden",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What was asked of one site.
#[derive(Debug)]
pub struct SiteCheck {
    /// Its scheme, host and port.
    pub origin: String,
    /// The status of the last answer; none where no answer came.
    pub status: Option<u16>,
    /// What it says of the page.
    pub robots: Robots,
    /// The pause between two requests that it asks for, in milliseconds; 0 for none.
    pub delay_ms: i64,
}

/// How the page of an item was fetched, or why it was not.
#[derive(Debug)]
pub struct PageCheck {
    /// The item's title, else its id.
    pub item: String,
    /// What it links to, as found.
    pub link: Option<String>,
    /// Every request, in order.
    pub hops: Vec<Hop>,
    /// The sites, in order: a redirect may lead to another.
    pub sites: Vec<SiteCheck>,
    /// What would become of the item.
    pub outcome: PageOutcome,
    /// The poller would try again before that.
    pub is_tried_again: bool,
    /// Characters of the article's text that are no white space, where there is one.
    pub letters: Option<usize>,
    /// Those of the feed's own text: a page with fewer is not taken.
    pub own_letters: usize,
    /// The article's one address, where its page was read.
    pub canonical: Option<String>,
}

/// Fetches the page of the newest item that links to one. `None` where the feed has no items.
pub(in crate::feeds) fn look(
    asker: &mut Asker,
    client: &Client,
    feed: &str,
    items: &[Delivered],
    allowed: &Allowed,
) -> Option<PageCheck> {
    // The oldest is the first.
    let linked = items.iter().rev().find(|one| one.item.link.is_some());
    let item = &linked.or(items.last())?.item;
    let mut check = PageCheck::of(item);
    let first = asker.hops.len();
    let link = item.link.as_deref().ok_or(PageOutcome::NoLink);
    let url = link.and_then(|link| check_url(link, allowed).map_err(|_| PageOutcome::RefusedAddress));
    match url {
        Ok(url) => {
            let client = client.for_pages();
            let is_inside = Url::parse(feed).is_ok_and(|feed| asker.is_inside(&client, &feed));
            check.follow(asker, &if is_inside { client } else { client.outside() }, url, allowed);
        }
        Err(outcome) => check.outcome = outcome,
    }
    check.hops = asker.hops.split_off(first);
    Some(check)
}

impl PageCheck {
    fn of(item: &Item) -> Self {
        Self {
            item: item.title.clone().unwrap_or_else(|| item.id.clone()),
            link: item.link.clone(),
            hops: Vec::new(),
            sites: Vec::new(),
            outcome: PageOutcome::Fault,
            is_tried_again: false,
            letters: None,
            own_letters: letters(&item.text),
            canonical: None,
        }
    }

    fn follow(&mut self, asker: &mut Asker, client: &Client, mut at: Url, allowed: &Allowed) {
        let mut hops = 0;
        let mut rules = Rules::default();
        loop {
            let origin = at.origin().ascii_serialization();
            if self.sites.last().is_none_or(|site| site.origin != origin) {
                let (status, said) = robots(asker, client, &at, allowed);
                let robots = if said.is_ok() { Robots::Allowed } else { Robots::Unreachable };
                if let Err(outcome) = said {
                    self.outcome = outcome;
                    self.is_tried_again = outcome == PageOutcome::RobotsUnreachable;
                }
                rules = said.unwrap_or_default();
                self.sites.push(SiteCheck { origin, status, robots, delay_ms: rules.delay_ms });
            }
            let Some(site) = self.sites.last_mut() else { return };
            if site.robots == Robots::Unreachable {
                return;
            }
            if !rules.allows(&at) {
                site.robots = Robots::Forbidden;
                self.outcome = PageOutcome::Robots;
                return;
            }
            let request = Request { url: at.clone(), etag: None, last_modified: None, cookie: None };
            let (answer, response) = asker.send(client, &request, rules.delay_ms.max(GAP_MS));
            let article = response.filter(|response| matches!(response.status, 200 | 226)).map(|response| {
                let media = response.headers.get(hyper::header::CONTENT_TYPE);
                article::read(&response.body, media.and_then(|value| value.to_str().ok()), &at)
            });
            match of_page(&at, hops, Some(answer), article, allowed) {
                Verdict::Page(article) => {
                    let found = letters(&article.text);
                    let is_shorter = found < self.own_letters;
                    self.outcome = if is_shorter { PageOutcome::Shorter } else { PageOutcome::Page };
                    (self.letters, self.canonical) = (Some(found), Some(article.canonical));
                    return;
                }
                Verdict::Elsewhere(to) => (at, hops) = (to, hops + 1),
                Verdict::Own(outcome) => {
                    self.outcome = outcome;
                    return;
                }
                Verdict::Again(outcome) => {
                    (self.outcome, self.is_tried_again) = (outcome, true);
                    return;
                }
            }
        }
    }
}

/// What the site of a page says: the last status, and its rules or why nobody can say.
fn robots(
    asker: &mut Asker,
    client: &Client,
    page: &Url,
    allowed: &Allowed,
) -> (Option<u16>, Result<Rules, PageOutcome>) {
    let mut at = page.clone();
    at.set_path("/robots.txt");
    at.set_query(None);
    let mut hops = 0;
    let client = client.first(MOST_BYTES + 1);
    loop {
        let request = Request { url: at.clone(), etag: None, last_modified: None, cookie: None };
        let (answer, response) = asker.send(&client, &request, GAP_MS);
        let status = match &answer {
            Answer::Came(came) => Some(came.status),
            Answer::Failed(_) => None,
        };
        let rules = response.map(|response| Rules::parse(&response.body));
        match of_site(&at, hops, Some(&answer), rules.as_ref(), allowed) {
            Site::Says(rules) => return (status, Ok(rules)),
            Site::Elsewhere(to) => (at, hops) = (to, hops + 1),
            Site::Unreachable => return (status, Err(PageOutcome::RobotsUnreachable)),
            Site::Refused => return (status, Err(PageOutcome::RefusedAddress)),
        }
    }
}
