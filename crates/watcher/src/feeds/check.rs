//! One poll of one feed for a person who looks on: nothing is stored, nothing delivered, and the same rules hold.

use std::time::Duration;

use tokio::runtime::Runtime;
use url::Url;

use super::answered::Unread;
use super::budget::{Domain, GAP_MS};
use super::config::{Clock, FeedsConfig};
use super::engine::{self, Answer, Done, Feed, Request, Step};
use super::fetch::{self, Broke, Client, Cost, Response};
use super::pages::check::{PageCheck, look};
use super::state::FeedState;
use crate::WatcherError;

/// One request of the poll.
#[derive(Debug)]
pub struct Hop {
    /// Where.
    pub url: String,
    /// Status, protocol and the headers that matter; or why there is none.
    pub answer: Result<HopAnswer, Broke>,
    /// What is missing of the document, where it broke off.
    pub broke: Option<String>,
    /// What it took.
    pub cost: Cost,
}

/// What a hop was answered.
#[derive(Debug)]
pub struct HopAnswer {
    /// The status.
    pub status: u16,
    /// The line with it, as it came, such as `HTTP/1.1 200 OK`.
    pub line: String,
    /// Such as `HTTP/2.0`.
    pub protocol: String,
    /// Names and values of the headers that a poller heeds.
    pub headers: Vec<(&'static str, String)>,
}

/// A whole poll.
#[derive(Debug)]
pub struct Check {
    /// Every request, in order.
    pub hops: Vec<Hop>,
    /// How it ended; `None` where the address must not be asked: then `refused` says why.
    pub done: Option<Done>,
    /// Why nothing was asked.
    pub refused: Option<String>,
    /// What the poller would know of the feed now.
    pub state: FeedState,
    /// An article of it, where that was wanted and the feed has one.
    pub page: Option<PageCheck>,
}

const HEEDED: [&str; 14] = [
    "location",
    "etag",
    "last-modified",
    "cache-control",
    "age",
    "expires",
    "date",
    "retry-after",
    "content-type",
    "content-encoding",
    "content-length",
    "link",
    "server",
    "cf-mitigated",
];

/// Sends requests one after another, a pause between two to the same registered domain, and keeps what came of each.
pub(super) struct Asker {
    runtime: Runtime,
    clock: Clock,
    asked: Vec<Domain>,
    pub(super) hops: Vec<Hop>,
}

impl Asker {
    fn new(clock: &Clock) -> Result<Self, WatcherError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| WatcherError::Threads { source })?;
        Ok(Self { runtime, clock: clock.clone(), asked: Vec::new(), hops: Vec::new() })
    }

    /// Whether a host is the operator's own: see [`Client::is_inside`].
    pub(super) fn is_inside(&self, client: &Client, url: &Url) -> bool {
        self.runtime.block_on(client.is_inside(url)).unwrap_or(false)
    }

    /// Sends a request, `pause_ms` after an earlier one to its domain.
    pub(super) fn send(
        &mut self,
        client: &Client,
        request: &Request,
        pause_ms: i64,
    ) -> (Answer, Option<Response>) {
        let domain = Domain::of(&request.url);
        if self.asked.contains(&domain) {
            std::thread::sleep(Duration::from_millis(pause_ms.unsigned_abs()));
        }
        self.asked.push(domain);
        let (result, cost) = self.runtime.block_on(client.send(request));
        let answer = match &result {
            Ok(response) => Ok(HopAnswer {
                status: response.status,
                line: response.line.clone(),
                protocol: format!("{:?}", response.version),
                headers: heeded(&response.headers),
            }),
            Err(broke) => Err(broke.clone()),
        };
        let broke = result.as_ref().ok().and_then(|response| response.broke.as_ref());
        let broke = broke.map(|broke| broke.detail.clone());
        self.hops.push(Hop { url: request.url.to_string(), answer, broke, cost });
        match result {
            Ok(response) => (Answer::Came(fetch::came(&response, (self.clock)())), Some(response)),
            Err(broke) => (Answer::Failed(broke.failure), None),
        }
    }
}

/// Polls `url` once, redirects and all; with `full_text`, and where it is a feed, also the page that its newest item links to.
///
/// # Errors
/// A configuration that cannot work.
pub fn check(config: &FeedsConfig, url: &str, full_text: bool, clock: &Clock) -> Result<Check, WatcherError> {
    let client = Client::of(config)?;
    let mut asker = Asker::new(clock)?;
    let feed = Feed { id: "check".to_owned(), url: url.to_owned(), is_listed: false };
    let now_ms = clock();
    let state = FeedState::new(url.to_owned(), feed.hash(), now_ms, now_ms);
    let mut check = Check { hops: Vec::new(), done: None, refused: None, state, page: None };
    let (mut poll, mut request) = match engine::begin(&check.state, now_ms, &config.allowed, false) {
        Ok(begun) => begun,
        Err(why) => {
            check.refused = Some(why.to_string());
            return Ok(check);
        }
    };
    let mut checked: Option<Done> = None;
    loop {
        let (mut answer, response) = asker.send(&client, &request, GAP_MS);
        if let Some(response) = response {
            let hubs = fetch::hubs(&response, &request.url);
            answer = Unread::new(response, clock()).read(url, 0).0.naming(hubs);
        }
        match engine::follow(&feed, &mut check.state, poll, answer, clock(), &config.allowed, false) {
            Step::Done(done) => {
                // An index, and its sitemaps one by one.
                let whole = match checked.take() {
                    None => *done,
                    Some(mut index) => {
                        Done::absorb(&mut index, *done);
                        index
                    }
                };
                let whole = checked.insert(whole);
                match whole.more.take() {
                    Some((next, next_request)) => (poll, request) = (*next, next_request),
                    None => break,
                }
            }
            Step::Ask(next, next_request) => (poll, request) = (*next, next_request),
        }
    }
    check.hops = std::mem::take(&mut asker.hops);
    if let (true, Some(done)) = (full_text, &checked) {
        check.page = look(&mut asker, &client, url, &done.items, &config.allowed);
    }
    check.done = checked;
    Ok(check)
}

fn heeded(headers: &hyper::HeaderMap) -> Vec<(&'static str, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    HEEDED.iter().filter_map(|name| headers.get(*name).map(|value| (*name, text(value)))).collect()
}
