//! The server: one thread, one current-thread runtime, four routes.

use std::fmt::Write;
use std::future::IntoFuture;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::TextEncoder;
use prometheus::proto::MetricFamily;
use tokio::sync::watch;

use crate::WebError;

/// Whether work can be taken on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Why not, one sentence each; empty is ready.
    pub problems: Vec<String>,
}

/// A running server. Dropping it stops it, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<M, H> {
    metrics: M,
    health: H,
}

const INDEX: &str = "barid: /metrics /livez /readyz\n";
const PLAIN: &str = "text/plain; charset=utf-8";
/// How long requests in hand may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);
/// Answers are about now: nobody may keep them.
const FRESH: (HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// Starts serving on `listen` (port 0 takes a free one; see [`Server::address`]) until [`Server::stop`]. `metrics` is asked at each
/// `/metrics` (such as by [`gather`](prometheus::Registry::gather)), `health` at each `/readyz`; they must not block.
///
/// # Errors
/// [`WebError::Listen`] when the address is taken or not ours, [`WebError::Start`] when there is no thread for it.
pub fn serve(
    listen: SocketAddr,
    metrics: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static,
    health: impl Fn() -> Health + Send + Sync + 'static,
) -> Result<Server, WebError> {
    let cannot_listen = |source| WebError::Listen { listen, source };
    let listener = TcpListener::bind(listen).map_err(cannot_listen)?;
    listener.set_nonblocking(true).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| WebError::Start { source })?;
    let (stop, stopped) = watch::channel(());
    let routes = routes(Arc::new(Shared { metrics, health }));
    let work = async move {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => attend(listener, routes, stopped).await,
            Err(error) => tracing::error!(%error, "the web server has stopped"),
        }
    };
    let thread = thread::Builder::new()
        .name("web".into())
        .spawn(move || runtime.block_on(work))
        .map_err(|source| WebError::Start { source })?;
    tracing::info!(%address, "serving /metrics, /livez and /readyz");
    Ok(Server { address, stop: Some(stop), thread: Some(thread) })
}

/// Serves until the sender of `stopped` is gone, and then a little longer for the requests in hand.
async fn attend(listener: tokio::net::TcpListener, routes: Router, stopped: watch::Receiver<()>) {
    let gone = |mut stopped: watch::Receiver<()>| async move { while stopped.changed().await.is_ok() {} };
    let served = axum::serve(listener, routes).with_graceful_shutdown(gone(stopped.clone()));
    tokio::select! {
        served = served.into_future() => {
            if let Err(error) = served {
                tracing::error!(%error, "the web server has stopped");
            }
        }
        // A client that does not end its request must not keep the process from ending.
        () = async { gone(stopped).await; tokio::time::sleep(GRACE).await } => {}
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the requests in hand, for at most 2 s, and returns.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It logs its own failures, and a panic in it has been printed.
            let _ = thread.join();
        }
    }
}

fn routes<M, H>(shared: Arc<Shared<M, H>>) -> Router
where
    M: Fn() -> Vec<MetricFamily> + Send + Sync + 'static,
    H: Fn() -> Health + Send + Sync + 'static,
{
    let for_metrics = Arc::clone(&shared);
    Router::new()
        .route("/", get(async || ([(CONTENT_TYPE, PLAIN)], INDEX)))
        .route("/livez", get(async || ([(CONTENT_TYPE, PLAIN), FRESH], "ok\n")))
        .route("/readyz", get(move || async move { ready(&(shared.health)()) }))
        .route("/metrics", get(move || async move { metrics(&(for_metrics.metrics)()) }))
}

fn ready(health: &Health) -> impl IntoResponse + use<> {
    let (status, text) = if health.problems.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let mut text = String::new();
        for problem in &health.problems {
            let _ = writeln!(text, "not ready: {problem}");
        }
        (StatusCode::SERVICE_UNAVAILABLE, text)
    };
    (status, [(CONTENT_TYPE, PLAIN), FRESH], text)
}

fn metrics(families: &[MetricFamily]) -> impl IntoResponse + use<> {
    let mut text = String::with_capacity(16 << 10);
    match TextEncoder::new().encode_utf8(families, &mut text) {
        Ok(()) => (StatusCode::OK, [(CONTENT_TYPE, prometheus::TEXT_FORMAT), FRESH], text),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, PLAIN), FRESH], format!("{error}\n"))
        }
    }
}
