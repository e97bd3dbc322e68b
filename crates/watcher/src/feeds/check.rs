//! One poll of one feed for a person who looks on: nothing is stored, nothing delivered, and the same rules hold.

use std::time::Duration;

use super::budget::{Domain, GAP_MS};
use super::config::{Clock, FeedsConfig};
use super::engine::{self, Answer, Done, Failure, Feed, Step};
use super::fetch::{self, Client, Cost};
use super::read;
use super::state::FeedState;
use crate::WatcherError;

/// One request of the poll.
#[derive(Debug)]
pub struct Hop {
    /// Where.
    pub url: String,
    /// Status, protocol and the headers that matter; or why there is none.
    pub answer: Result<HopAnswer, Failure>,
    /// What it took.
    pub cost: Cost,
}

/// What a hop was answered.
#[derive(Debug)]
pub struct HopAnswer {
    /// The status.
    pub status: u16,
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

/// Polls `url` once, redirects and all.
///
/// # Errors
/// A configuration that cannot work.
pub fn check(config: &FeedsConfig, url: &str, clock: &Clock) -> Result<Check, WatcherError> {
    let client = Client::of(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| WatcherError::Threads { source })?;
    let feed = Feed { id: "check".to_owned(), url: url.to_owned(), is_listed: false };
    let now_ms = clock();
    let state = FeedState::new(url.to_owned(), feed.hash(), now_ms, now_ms);
    let mut check = Check { hops: Vec::new(), done: None, refused: None, state };
    let (mut poll, mut request) = match engine::begin(&check.state, now_ms, &config.allowed) {
        Ok(begun) => begun,
        Err(why) => {
            check.refused = Some(why.to_string());
            return Ok(check);
        }
    };
    loop {
        let (result, cost) = runtime.block_on(client.send(&request));
        let answer = match &result {
            Err(failure) => Answer::Failed(*failure),
            Ok(response) => {
                let mut came = fetch::came(response, clock());
                if matches!(came.status, 200 | 226) {
                    let media = response.headers.get(hyper::header::CONTENT_TYPE);
                    let media = media.and_then(|value| value.to_str().ok());
                    came.content = Some(read::read(&response.body, media, url, 0));
                }
                Answer::Came(came).naming(fetch::hubs(response, &request.url))
            }
        };
        let seen = result.map(|response| HopAnswer {
            status: response.status,
            protocol: format!("{:?}", response.version),
            headers: heeded(&response.headers),
        });
        check.hops.push(Hop { url: request.url.to_string(), answer: seen, cost });
        let here = Domain::of(&request.url);
        match engine::follow(&feed, &mut check.state, poll, answer, clock(), &config.allowed, false) {
            Step::Done(done) => {
                check.done = Some(*done);
                return Ok(check);
            }
            Step::Ask(next, next_request) => {
                if Domain::of(&next_request.url) == here {
                    std::thread::sleep(Duration::from_millis(GAP_MS.unsigned_abs()));
                }
                (poll, request) = (*next, next_request);
            }
        }
    }
}

fn heeded(headers: &hyper::HeaderMap) -> Vec<(&'static str, String)> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    HEEDED.iter().filter_map(|name| headers.get(*name).map(|value| (*name, text(value)))).collect()
}
