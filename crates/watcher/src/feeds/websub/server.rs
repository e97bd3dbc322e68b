//! The callback's server: HTTP/1.1 behind whoever ends TLS. It knows tokens and secrets, and hands what is signed to the poller, which answers when it is durable.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::Token;
use super::lease::Mode;
use super::metrics::{Brought, WebSubMetrics};
use super::sign::is_signed;
use crate::WatcherError;
use crate::feeds::config::Clock;
use crate::feeds::fetch::Limits;
use crate::feeds::policy::MINUTE;
use crate::feeds::read;
use crate::feeds::reading::Content;

/// Open connections, at most: hubs are few.
const MOST_CONNECTIONS: usize = 256;
/// Bodies in memory, at most.
const MOST_BODIES: usize = 16;
const HEADERS: Duration = Duration::from_secs(10);
/// A body waits so long for its turn, and its hub so long for the answer.
const TURN: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);
/// An address that cannot be listened at is tried again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// After a start or a move not every door is hung yet: for so long nobody is told that there is none.
const SETTLES_MS: i64 = MINUTE;
/// A longer challenge is no challenge.
const MOST_CHALLENGE_BYTES: usize = 4096;

/// A subscription's callback, as far as this server needs to know it.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) secret: String,
    /// What relative ids of the document are resolved against.
    pub(super) base: String,
    /// Nothing is taken any more; the hub may ask whether that is meant.
    pub(super) is_closed: bool,
    /// To the poller that has the feed.
    pub(super) visitors: SyncSender<Visit>,
}

/// All of them, by token, and whether anybody hears who knocks.
#[derive(Debug, Clone)]
pub(in crate::feeds) struct Doors {
    all: Arc<RwLock<HashMap<Token, Door>>>,
    /// Until then there may be doors that are not hung yet.
    settled_ms: Arc<AtomicI64>,
    /// Since when hubs are heard; in the far future while they are not.
    heard_ms: Arc<AtomicI64>,
}

impl Default for Doors {
    fn default() -> Self {
        Self { all: Arc::default(), settled_ms: Arc::default(), heard_ms: Arc::new(AtomicI64::new(i64::MAX)) }
    }
}

impl Doors {
    /// A poller comes: it hangs the doors of its feeds from now on.
    pub(super) fn unsettle(&self, now_ms: i64) {
        self.settled_ms.fetch_max(now_ms + SETTLES_MS, Ordering::AcqRel);
    }

    fn is_settled(&self, now_ms: i64) -> bool {
        now_ms >= self.settled_ms.load(Ordering::Acquire)
    }

    /// Hubs are heard from now on.
    pub(super) fn hear(&self, now_ms: i64) {
        self.heard_ms.fetch_min(now_ms, Ordering::AcqRel);
    }

    /// Since when hubs are heard; `None` while they are not.
    pub(super) fn heard_ms(&self) -> Option<i64> {
        Some(self.heard_ms.load(Ordering::Acquire)).filter(|heard_ms| *heard_ms < i64::MAX)
    }

    pub(super) fn set(&self, token: Token, door: Door) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).insert(token, door);
    }

    pub(super) fn remove(&self, token: &Token) {
        self.all.write().unwrap_or_else(PoisonError::into_inner).remove(token);
    }

    fn get(&self, path: &str) -> Option<(Token, Door)> {
        // Whatever stands in front of us may have put its own path before the token, or taken it away.
        let hex = path.rsplit('/').next()?;
        let token: Token = HEXLOWER.decode(hex.as_bytes()).ok()?.try_into().ok()?;
        let doors = self.all.read().unwrap_or_else(PoisonError::into_inner);
        doors.get(&token).map(|door| (token, door.clone()))
    }
}

/// What a hub wants to know.
#[derive(Debug)]
pub(in crate::feeds) enum Question {
    /// Did you ask for this?
    Intent { mode: Mode, lease_s: Option<i64> },
    /// It is not given.
    Denied,
}

/// Somebody at a door.
#[derive(Debug)]
pub(in crate::feeds) enum Visit {
    Question { token: Token, question: Question, topic: String, reply: oneshot::Sender<bool> },
    Push(Box<Push>),
}

/// A signed document.
#[derive(Debug)]
pub(in crate::feeds) struct Push {
    pub(in crate::feeds) token: Token,
    pub(in crate::feeds) content: Content,
    pub(in crate::feeds) reply: oneshot::Sender<bool>,
}

/// What every request needs.
pub(super) struct Hall {
    pub(super) doors: Doors,
    pub(super) limits: Limits,
    pub(super) metrics: WebSubMetrics,
    pub(super) bodies: Semaphore,
    pub(super) connections: Arc<Semaphore>,
    pub(super) clock: Clock,
}

impl Hall {
    pub(super) fn new(doors: Doors, limits: Limits, metrics: WebSubMetrics, clock: Clock) -> Arc<Self> {
        let (bodies, connections) = (Semaphore::new(MOST_BODIES), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
        Arc::new(Self { doors, limits, metrics, bodies, connections, clock })
    }
}

/// Listens at once, so that a port that is taken is known before anything is asked for.
pub(super) fn bind(listen: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The listener, as soon as there is one: `bound` is what came of the first try.
async fn listening(
    listen: SocketAddr,
    mut bound: io::Result<std::net::TcpListener>,
    hall: &Hall,
) -> TcpListener {
    let mut is_told = false;
    loop {
        match bound.and_then(TcpListener::from_std) {
            Ok(listener) => {
                hall.doors.hear((hall.clock)());
                if is_told {
                    tracing::info!(%listen, "hubs are heard now");
                }
                return listener;
            }
            Err(source) if !is_told => {
                let error = WatcherError::Listen { listen, source };
                tracing::warn!(code = error.code(), %error, "hubs are not heard: feeds are polled as usual, and it is tried again");
                is_told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
        bound = bind(listen);
    }
}

/// Answers until the runtime ends.
pub(super) async fn serve(listen: SocketAddr, bound: io::Result<std::net::TcpListener>, hall: Arc<Hall>) {
    let listener = listening(listen, bound, &hall).await;
    loop {
        let Ok(permit) = Arc::clone(&hall.connections).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of files, such as: others end, and it goes on.
                tracing::warn!(%error, "a hub could not be heard");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let hall = Arc::clone(&hall);
        tokio::spawn(async move {
            let total = hall.limits.total + TURN + ANSWER;
            let service = service_fn(move |request| {
                let hall = Arc::clone(&hall);
                async move { Ok::<_, Infallible>(hear(request, &hall).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(64 << 10);
            // No connection is kept for another request: who has more to bring comes again.
            server.keep_alive(false);
            // Who has said everything may hang up: it is taken in all the same.
            server.half_close(true);
            // Whoever hangs up has heard enough.
            let _ = timeout(total, server.serve_connection(TokioIo::new(stream), service)).await;
            drop(permit);
        });
    }
}

async fn hear(request: Request<Incoming>, hall: &Arc<Hall>) -> Response<Full<Bytes>> {
    let found = hall.doors.get(request.uri().path());
    match (request.method(), found) {
        (&Method::GET, Some((token, door))) => {
            asked(request.uri().query().unwrap_or_default(), token, &door, hall).await
        }
        (&Method::GET | &Method::POST, None) if !hall.doors.is_settled((hall.clock)()) => {
            hall.metrics.brought(Brought::Busy);
            later()
        }
        (&Method::GET, None) => {
            hall.metrics.questioned(false);
            said(StatusCode::NOT_FOUND, Bytes::new())
        }
        (&Method::POST, Some((_, door))) if door.is_closed => {
            hall.metrics.brought(Brought::Unknown);
            said(StatusCode::GONE, Bytes::new())
        }
        (&Method::POST, Some((token, door))) => brought(request, token, door, hall).await,
        (&Method::POST, None) => {
            hall.metrics.brought(Brought::Unknown);
            said(StatusCode::NOT_FOUND, Bytes::new())
        }
        _ => {
            let mut response = said(StatusCode::METHOD_NOT_ALLOWED, Bytes::new());
            response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, POST"));
            response
        }
    }
}

fn said(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let plain = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    // A challenge is somebody else's text: no browser may take it for a page.
    response.headers_mut().insert(CONTENT_TYPE, plain);
    let as_said = hyper::header::HeaderValue::from_static("nosniff");
    response.headers_mut().insert("x-content-type-options", as_said);
    response
}

fn later() -> Response<Full<Bytes>> {
    let mut response = said(StatusCode::SERVICE_UNAVAILABLE, Bytes::new());
    response.headers_mut().insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("60"));
    response
}

/// The hub asks, or tells that it denies.
async fn asked(query: &str, token: Token, door: &Door, hall: &Hall) -> Response<Full<Bytes>> {
    let pairs: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| pairs.get(name).map(String::as_str);
    let refused = || {
        hall.metrics.questioned(false);
        said(StatusCode::NOT_FOUND, Bytes::new())
    };
    let (Some(mode), Some(topic)) = (value("hub.mode"), value("hub.topic")) else { return refused() };
    let (question, challenge) = if mode == "denied" {
        (Question::Denied, "")
    } else {
        let challenge = value("hub.challenge").filter(|text| text.len() <= MOST_CHALLENGE_BYTES);
        let (Some(mode), Some(challenge)) = (Mode::from_name(mode), challenge) else { return refused() };
        let lease_s = value("hub.lease_seconds").and_then(|seconds| seconds.trim().parse().ok());
        (Question::Intent { mode, lease_s }, challenge)
    };
    let (reply, answer) = oneshot::channel();
    let visit = Visit::Question { token, question, topic: topic.to_owned(), reply };
    match hand_over(visit, answer, door).await {
        Some(true) => said(StatusCode::OK, Bytes::copy_from_slice(challenge.as_bytes())),
        Some(false) => said(StatusCode::NOT_FOUND, Bytes::new()),
        None => later(),
    }
}

/// A hub brings a document. Its answer says that the document is durable, or was not signed: nobody learns which from it.
async fn brought(
    request: Request<Incoming>,
    token: Token,
    door: Door,
    hall: &Arc<Hall>,
) -> Response<Full<Bytes>> {
    let (parts, incoming) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let length: Option<u64> = header(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > hall.limits.wire_bytes) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, Brought::TooBig, hall);
    }
    if header(CONTENT_ENCODING.as_str()).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, Brought::TooBig, hall);
    }
    let Ok(Ok(_turn)) = timeout(TURN, hall.bodies.acquire()).await else {
        hall.metrics.brought(Brought::Busy);
        return later();
    };
    let body =
        match timeout(hall.limits.total, body(incoming, &hall.limits)).await.unwrap_or(Err(Brought::Slow)) {
            Ok(body) => body,
            Err(Brought::TooBig) => return refuse(StatusCode::PAYLOAD_TOO_LARGE, Brought::TooBig, hall),
            Err(why) => return refuse(StatusCode::REQUEST_TIMEOUT, why, hall),
        };
    if !is_signed(header("x-hub-signature"), &door.secret, &body) {
        return refuse(StatusCode::OK, Brought::BadSignature, hall);
    }
    let media = header(CONTENT_TYPE.as_str()).map(str::to_owned);
    // Once it is here it is taken in, whether or not the hub waits for that.
    let taking = tokio::spawn(take(token, door, body, media, Arc::clone(hall)));
    taking.await.unwrap_or_else(|_| later())
}

/// Reads a signed document and hands it to the poller.
async fn take(
    token: Token,
    door: Door,
    body: Bytes,
    media: Option<String>,
    hall: Arc<Hall>,
) -> Response<Full<Bytes>> {
    // Reading is work: other connections' time limits run meanwhile.
    let base = door.base.clone();
    let content = tokio::task::spawn_blocking(move || read::read(&body, media.as_deref(), &base, 0));
    let Ok(content) = content.await else { return later() };
    let (reply, answer) = oneshot::channel();
    match hand_over(Visit::Push(Box::new(Push { token, content, reply })), answer, &door).await {
        Some(true) => said(StatusCode::OK, Bytes::new()),
        Some(false) => said(StatusCode::GONE, Bytes::new()),
        None => {
            hall.metrics.brought(Brought::Busy);
            later()
        }
    }
}

fn refuse(status: StatusCode, why: Brought, hall: &Hall) -> Response<Full<Bytes>> {
    hall.metrics.brought(why);
    said(status, Bytes::new())
}

/// The poller's answer; `None` where it has none in time.
async fn hand_over(visit: Visit, answer: oneshot::Receiver<bool>, door: &Door) -> Option<bool> {
    door.visitors.try_send(visit).ok()?;
    timeout(ANSWER, answer).await.ok()?.ok()
}

/// A body, given up as soon as it is too big or too slow.
async fn body(mut incoming: Incoming, limits: &Limits) -> Result<Bytes, Brought> {
    let mut whole = BytesMut::new();
    let mut window = (Instant::now(), 0_u64);
    loop {
        let frame = timeout(limits.slow_window, incoming.frame()).await.map_err(|_| Brought::Slow)?;
        let Some(frame) = frame else { return Ok(whole.freeze()) };
        // A body that was cut is as good as one that never ends.
        let Ok(data) = frame.map_err(|_| Brought::Slow)?.into_data() else { continue };
        if (whole.len() + data.len()) as u64 > limits.wire_bytes {
            return Err(Brought::TooBig);
        }
        whole.extend_from_slice(&data);
        window.1 += data.len() as u64;
        if window.0.elapsed() >= limits.slow_window {
            if window.1 < limits.slow_bytes {
                return Err(Brought::Slow);
            }
            window = (Instant::now(), 0);
        }
    }
}
