//! One request over the network: connects only to an address that was checked, and takes no more bytes or time than a feed needs.
//!
//! Redirects are answers here: who follows them asks again, and every address is checked anew. No cookie, no Referer, no proxy of the environment: what is sent
//! is what stands in this file.

mod body;
mod coding;
mod connect;
pub(crate) mod ending;
mod faults;
mod framing;
mod head;
mod headers;
mod http1;
mod resolve;
mod trust;
mod unpack;
mod why;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{Instant as Moment, timeout};
use tokio_rustls::rustls::ClientConfig;
use url::{Host, Url};

use self::body::{Rules, Source};
pub use self::coding::Coding;
use self::connect::Connected;
pub use self::faults::{HttpFault, HttpFaults};
use self::head::Head;
pub use self::resolve::{Resolve, Resolved, System};
pub use self::trust::Trust;
use self::unpack::{Sink, Stop, Unpacker};
pub use self::why::Broke;
use super::address::Allowed;
use super::config::FeedsConfig;
use super::engine::{Failure, Request};
use super::websub::discover::Hubs;
use crate::WatcherError;

const ACCEPT_FEEDS: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1";
const ACCEPT_PAGES: &str = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1";

/// How much of everything an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as sent.
    pub wire_bytes: u64,
    /// Bytes of it unpacked.
    pub body_bytes: u64,
    /// Once this many bytes were unpacked ...
    pub ratio_from_bytes: u64,
    /// ... they may be at most so many times those that were sent.
    pub ratio: u64,
    /// For name, connection and handshake together.
    pub connect: Duration,
    /// From the request to the first byte of the answer.
    pub first_byte: Duration,
    /// In any such time ...
    pub slow_window: Duration,
    /// ... at least so many bytes must come.
    pub slow_bytes: u64,
    /// Behind the end that a document reached by itself, or that its server announced, nobody waits longer for more.
    pub grace: Duration,
    /// For everything.
    pub total: Duration,
}

/// Bytes of a feed, as sent and unpacked, where the operator says nothing else.
pub const MOST_FEED_BYTES: u64 = 20 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire_bytes: MOST_FEED_BYTES,
            body_bytes: MOST_FEED_BYTES,
            ratio_from_bytes: 1 << 20,
            ratio: 100,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(15),
            slow_window: Duration::from_secs(10),
            slow_bytes: 10 << 10,
            grace: Duration::from_secs(1),
            total: Duration::from_secs(60),
        }
    }
}

/// What a request took, whatever came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Seconds for the name, the connection, the handshake, the first byte and the body, where they were reached.
    pub phases: [Option<f64>; 5],
    /// Bytes of the body as sent.
    pub wire_bytes: u64,
    /// Bytes of it unpacked.
    pub body_bytes: u64,
    /// How it was packed.
    pub coding: Coding,
    /// What was wrong with the answer, and was mended.
    pub faults: HttpFaults,
}

/// The names of [`Cost::phases`].
pub const PHASES: [&str; 5] = ["dns", "connect", "tls", "first_byte", "body"];

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: Version,
    /// The line with its status, as it came; made up for HTTP/2, which has none.
    pub line: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unpacked; only of the statuses that bring a document: see [`brings_document`].
    pub body: Bytes,
    /// Why that is not all of it, where it is not.
    pub broke: Option<Broke>,
}

/// Whether an answer of that status holds the document itself. 202 and 203 are what some caches and firewalls make of 200; 206 is a part, which
/// may be all of it.
pub(crate) fn brings_document(status: u16) -> bool {
    matches!(status, 200 | 202 | 203 | 206 | 226)
}

/// Sends requests. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Client {
    limits: Limits,
    agent: HeaderValue,
    accept: &'static str,
    /// Of a body no more than this is taken, and the rest is no fault.
    first: Option<usize>,
    allowed: Allowed,
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolve>,
}

/// Where a body comes from, and the head in front of it.
type Answered = (Head, Source);

impl Client {
    /// `agent` is the `User-Agent`; `allowed` what may be connected to beside the public internet; `trust` who vouches for servers.
    ///
    /// # Errors
    /// An agent that HTTP cannot carry.
    pub fn new(
        agent: &str,
        allowed: Allowed,
        limits: Limits,
        resolver: Arc<dyn Resolve>,
        trust: &Trust,
    ) -> Result<Self, WatcherError> {
        let agent =
            HeaderValue::from_str(agent).map_err(|_| WatcherError::UserAgent { agent: agent.to_owned() })?;
        let tls = connect::tls(trust.roots())?;
        Ok(Self { limits, agent, accept: ACCEPT_FEEDS, first: None, allowed, tls, resolver })
    }

    /// As the poller is told.
    ///
    /// # Errors
    /// An agent that HTTP cannot carry.
    pub fn of(config: &FeedsConfig) -> Result<Self, WatcherError> {
        let FeedsConfig { agent, allowed, limits, resolver, trust, .. } = config;
        Self::new(agent, allowed.clone(), *limits, Arc::clone(resolver), trust)
    }

    /// The same for pages: it asks for HTML, and takes no more than an article has.
    pub(crate) fn for_pages(&self) -> Self {
        let limits = Limits {
            wire_bytes: self.limits.wire_bytes.min(2 << 20),
            body_bytes: self.limits.body_bytes.min(4 << 20),
            ..self.limits
        };
        Self { limits, accept: ACCEPT_PAGES, ..self.clone() }
    }

    /// The same for what counts as far as it is read: the first bytes of it.
    pub(crate) fn first(&self, bytes: usize) -> Self {
        Self { first: Some(bytes), ..self.clone() }
    }

    /// The same for what a stranger names: the public internet only.
    pub(crate) fn outside(&self) -> Self {
        Self { allowed: Allowed::default(), ..self.clone() }
    }

    /// Whether a host is one of the operator's: every address of it is permitted by the operator's list alone. A name that only adds such an address to its
    /// own is none.
    pub(crate) async fn is_inside(&self, url: &Url) -> Result<bool, Broke> {
        if self.allowed.0.is_empty() {
            return Ok(false);
        }
        let found = match url.host().ok_or_else(why::no_host)? {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => {
                let port = url.port_or_known_default().ok_or_else(why::no_host)?;
                let found = timeout(self.limits.connect, self.resolver.resolve(name, port)).await;
                let found = found.map_err(|_| why::late("connecting", self.limits.connect))?;
                let found = found.map_err(|error| why::of_name(name, &error))?;
                found.into_iter().map(|address| address.ip()).collect()
            }
        };
        Ok(!found.is_empty() && found.into_iter().all(|address| self.allowed.is_inside(address)))
    }

    /// Sends one request and takes its answer.
    pub async fn send(&self, request: &Request) -> (Result<Response, Broke>, Cost) {
        self.exchange(&Asking::Get(request)).await
    }

    /// Sends a form and takes its answer; by the same rules about addresses, bytes and time.
    pub async fn post(&self, url: &Url, form: Bytes) -> (Result<Response, Broke>, Cost) {
        self.exchange(&Asking::Post(url, form)).await
    }

    async fn exchange(&self, asking: &Asking<'_>) -> (Result<Response, Broke>, Cost) {
        let mut cost = Cost::default();
        let result = self.take(asking, &mut cost).await;
        (result, cost)
    }

    async fn take(&self, asking: &Asking<'_>, cost: &mut Cost) -> Result<Response, Broke> {
        let limits = &self.limits;
        let by = Moment::now() + limits.total;
        let left = |most: Duration| most.min(by.saturating_duration_since(Moment::now()));
        let connecting = connect::connect(
            asking.url(),
            self.resolver.as_ref(),
            &self.allowed,
            &self.tls,
            &mut cost.phases,
        );
        let connected = timeout(left(limits.connect), connecting)
            .await
            .unwrap_or_else(|_| Err(why::late("connecting", limits.connect)))?;
        let started = Instant::now();
        let asked = self.ask(asking, connected, &mut cost.faults);
        let (head, source) = timeout(left(limits.first_byte), asked)
            .await
            .unwrap_or_else(|_| Err(why::late("the head of the answer", limits.first_byte)))?;
        cost.phases[3] = Some(started.elapsed().as_secs_f64());
        let Head { status, version, line, headers } = head;
        let mut response = Response { status, version, line, headers, body: Bytes::new(), broke: None };
        if brings_document(status) {
            let started = Instant::now();
            let is_feed = self.accept == ACCEPT_FEEDS && self.first.is_none();
            let rules =
                Rules { limits, is_feed, first: self.first, may_be_packed: is_packed(asking, &response), by };
            let taken = body::read(source, &response.headers, rules, cost).await;
            cost.phases[4] = Some(started.elapsed().as_secs_f64());
            (response.body, response.broke) = (taken.body, taken.broke);
            headers::part(&mut response, &mut cost.faults);
            if !is_feed && let Some(broke) = response.broke {
                return Err(broke);
            }
        }
        Ok(response)
    }

    async fn ask(
        &self,
        asking: &Asking<'_>,
        connected: Connected,
        faults: &mut HttpFaults,
    ) -> Result<Answered, Broke> {
        let Connected { mut stream, is_http2 } = connected;
        if !is_http2 {
            let target = &asking.url()[url::Position::BeforePath..url::Position::AfterQuery];
            let message = self.message(asking, target, false)?;
            let (head, ahead) = http1::ask(&mut stream, &message, faults).await?;
            return Ok((head, Source::Http1(stream, ahead)));
        }
        let protocol = |error: hyper::Error| Broke::protocol(why::of_http2(&error));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(protocol)?;
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        let message = self.message(asking, asking.url().as_str(), true)?.map(Full::new);
        let answer = sender.send_request(message).await.map_err(|error| {
            let is_ours = error.is_parse() || error.is_user();
            let failure = if is_ours { Failure::Protocol } else { Failure::Connect };
            Broke::new(failure, why::of_http2(&error))
        })?;
        let (parts, incoming) = answer.into_parts();
        let (status, version) = (parts.status.as_u16(), parts.version);
        let head = Head { status, version, line: format!("{version:?} {status}"), headers: parts.headers };
        Ok((head, Source::Http2(incoming, driver)))
    }

    /// The request as it goes out: this, and nothing else.
    fn message(
        &self,
        asking: &Asking<'_>,
        target: &str,
        is_http2: bool,
    ) -> Result<hyper::Request<Bytes>, Broke> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let mut message = match asking {
            Asking::Get(_) => hyper::Request::get(target),
            Asking::Post(..) => hyper::Request::post(target),
        };
        if !is_http2 {
            let host = &asking.url()[url::Position::BeforeHost..url::Position::AfterPort];
            message = message.header(header::HOST, host).header(header::CONNECTION, "close");
        }
        message =
            message.header(header::USER_AGENT, &self.agent).header(header::ACCEPT_ENCODING, "gzip, br, zstd");
        let body = match asking {
            Asking::Post(_, form) => {
                message = message.header(header::CONTENT_TYPE, FORM);
                form.clone()
            }
            Asking::Get(request) => {
                message = message.header(header::ACCEPT, self.accept);
                let conditions: [(HeaderName, &Option<Vec<u8>>); 3] = [
                    (header::IF_NONE_MATCH, &request.etag),
                    (header::IF_MODIFIED_SINCE, &request.last_modified),
                    (header::COOKIE, &request.cookie),
                ];
                for (name, value) in conditions {
                    if let Some(value) = value {
                        message = message.header(name, value.as_slice());
                    }
                }
                Bytes::new()
            }
        };
        message.body(body).map_err(|error| Broke::protocol(format!("the request cannot be sent: {error}")))
    }
}

/// A request to send.
enum Asking<'a> {
    Get(&'a Request),
    Post(&'a Url, Bytes),
}

impl Asking<'_> {
    fn url(&self) -> &Url {
        match self {
            Self::Get(request) => &request.url,
            Self::Post(url, _) => url,
        }
    }
}

/// The bytes of a file, unpacked where they are packed, however often.
///
/// # Errors
/// More bytes than `most_bytes`, a bomb, or packing that is damaged: in a sentence.
pub fn unpacked(bytes: Vec<u8>, most_bytes: u64) -> Result<Vec<u8>, String> {
    let mut unpacker = Unpacker::new(Vec::new());
    let limits = Limits { body_bytes: most_bytes, ..Limits::default() };
    let mut sink = Sink::new(&limits);
    sink.wire = bytes.len() as u64;
    let stopped = |stop| match stop {
        Stop::TooBig(why) | Stop::Damaged(why) => why,
    };
    unpacker.push(&bytes, &mut sink).map_err(stopped)?;
    match unpacker.finish(&mut sink).map_err(stopped)? {
        // What is there is good; its end is missing, and the parser says so.
        Some(_) | None => Ok(sink.bytes),
    }
}

/// Whether a body may be packed without a header that says so: the file itself is.
fn is_packed(asking: &Asking<'_>, response: &Response) -> bool {
    let media = response.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    let is_named = media.is_some_and(|media| memchr::memmem::find(&media, b"gzip").is_some());
    is_named || asking.url().path().to_ascii_lowercase().ends_with(".gz")
}

/// Moves a connection's bytes; ends with the exchange, answered or not.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What of an answer the engine asks about, without its content. `now_ms` is for dates.
pub(crate) fn came(response: &Response, now_ms: i64) -> super::engine::Came {
    headers::came(response, now_ms)
}

/// The hubs that an answer's headers name, seen from the address that gave it.
pub(crate) fn hubs(response: &Response, at: &Url) -> Hubs {
    let lines = response.headers.get_all(header::LINK).into_iter();
    Hubs::of_headers(lines.filter_map(|line| str::from_utf8(line.as_bytes()).ok()), at)
}

#[cfg(test)]
mod tests;
