//! One request over the network: connects only to an address that was checked, and takes no more bytes or time than a feed needs.
//!
//! Redirects are answers here: who follows them asks again, and every address is checked anew. No cookie, no Referer, no proxy of the environment: what is sent
//! is what stands in this file.

mod body;
mod connect;
mod headers;
mod resolve;
mod trust;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;
use url::{Host, Url};

use self::connect::{Connected, Stream};
pub use self::resolve::{Resolve, Resolved, System};
pub use self::trust::Trust;
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
    /// For everything.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire_bytes: 10 << 20,
            body_bytes: 20 << 20,
            ratio_from_bytes: 1 << 20,
            ratio: 100,
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(15),
            slow_window: Duration::from_secs(10),
            slow_bytes: 10 << 10,
            total: Duration::from_secs(60),
        }
    }
}

/// How a body was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip.
    Gzip,
    /// Brotli.
    Br,
    /// Zstandard.
    Zstd,
}

impl Coding {
    /// Every coding.
    pub const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Br, Self::Zstd];

    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
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
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, unpacked; of 200 and 226 only.
    pub body: Bytes,
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
    pub(crate) async fn is_inside(&self, url: &Url) -> Result<bool, Failure> {
        if self.allowed.0.is_empty() {
            return Ok(false);
        }
        let found = match url.host().ok_or(Failure::Protocol)? {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => {
                let port = url.port_or_known_default().ok_or(Failure::Protocol)?;
                let found = timeout(self.limits.connect, self.resolver.resolve(name, port)).await;
                let found = found.map_err(|_| Failure::Timeout)?.map_err(|_| Failure::Dns)?;
                found.into_iter().map(|address| address.ip()).collect()
            }
        };
        Ok(!found.is_empty() && found.into_iter().all(|address| self.allowed.is_inside(address)))
    }

    /// Sends one request and takes its answer.
    pub async fn send(&self, request: &Request) -> (Result<Response, Failure>, Cost) {
        self.exchange(&Asking::Get(request)).await
    }

    /// Sends a form and takes its answer; by the same rules about addresses, bytes and time.
    pub async fn post(&self, url: &Url, form: Bytes) -> (Result<Response, Failure>, Cost) {
        self.exchange(&Asking::Post(url, form)).await
    }

    async fn exchange(&self, asking: &Asking<'_>) -> (Result<Response, Failure>, Cost) {
        let mut cost = Cost::default();
        let result = timeout(self.limits.total, self.take(asking, &mut cost)).await;
        (result.unwrap_or(Err(Failure::Timeout)), cost)
    }

    async fn take(&self, asking: &Asking<'_>, cost: &mut Cost) -> Result<Response, Failure> {
        let connecting = connect::connect(
            asking.url(),
            self.resolver.as_ref(),
            &self.allowed,
            &self.tls,
            &mut cost.phases,
        );
        let connected = timeout(self.limits.connect, connecting).await.unwrap_or(Err(Failure::Timeout))?;
        let started = Instant::now();
        let (answer, _driver) = timeout(self.limits.first_byte, self.ask(asking, connected))
            .await
            .unwrap_or(Err(Failure::Timeout))?;
        cost.phases[3] = Some(started.elapsed().as_secs_f64());
        let (parts, incoming) = answer.into_parts();
        let status = parts.status.as_u16();
        let body = if matches!(status, 200 | 226) {
            let started = Instant::now();
            let body = body::read(incoming, &parts.headers, &self.limits, self.first, cost).await;
            cost.phases[4] = Some(started.elapsed().as_secs_f64());
            body?
        } else {
            Bytes::new()
        };
        Ok(Response { status, version: parts.version, headers: parts.headers, body })
    }

    async fn ask(
        &self,
        asking: &Asking<'_>,
        connected: Connected,
    ) -> Result<(hyper::Response<hyper::body::Incoming>, Driver), Failure> {
        let Connected { stream, is_http2 } = connected;
        let protocol = |_| Failure::Protocol;
        if is_http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .map_err(protocol)?;
            let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
            let message = self.message(asking, asking.url().as_str(), true)?;
            return Ok((sender.send_request(message).await.map_err(failed)?, driver));
        }
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(256 << 10)
            .handshake::<TokioIo<Stream>, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(protocol)?;
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        let target = &asking.url()[url::Position::BeforePath..url::Position::AfterQuery];
        let message = self.message(asking, target, false)?;
        Ok((sender.send_request(message).await.map_err(failed)?, driver))
    }

    /// The request as it goes out: this, and nothing else.
    fn message(
        &self,
        asking: &Asking<'_>,
        target: &str,
        is_http2: bool,
    ) -> Result<hyper::Request<Full<Bytes>>, Failure> {
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
                let conditions: [(HeaderName, &Option<Vec<u8>>); 2] = [
                    (header::IF_NONE_MATCH, &request.etag),
                    (header::IF_MODIFIED_SINCE, &request.last_modified),
                ];
                for (name, value) in conditions {
                    if let Some(value) = value {
                        message = message.header(name, value.as_slice());
                    }
                }
                Bytes::new()
            }
        };
        message.body(Full::new(body)).map_err(|_| Failure::Protocol)
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

fn failed(error: hyper::Error) -> Failure {
    if error.is_parse() || error.is_user() { Failure::Protocol } else { Failure::Connect }
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
