//! A server behind TLS that speaks HTTP/2 and HTTP/1.1 as it is told, and remembers what it was asked and how; with an authority of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{HeaderMap, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Vouches for servers.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
}

/// What a server shows.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for a name or an address, changed as told.
    pub(crate) fn vouch(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        Identity { chain: vec![certificate.der().clone()], key }
    }
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct SecureAsked {
    pub(crate) version: Version,
    pub(crate) path: String,
    /// Host and port as HTTP/2 says them.
    pub(crate) authority: Option<String>,
    pub(crate) headers: HeaderMap,
    /// What was agreed on in the handshake.
    pub(crate) agreed: Option<Vec<u8>>,
}

impl SecureAsked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

type Answer = dyn Fn(&SecureAsked) -> Response<Full<Bytes>> + Send + Sync;

/// Answers until the process ends.
pub(crate) struct SecureServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<SecureAsked>>>,
}

impl SecureServer {
    /// `protocols` are offered, the best one first; none is a server that knows nothing of it.
    pub(crate) fn start(
        identity: Identity,
        protocols: &[&str],
        answer: impl Fn(&SecureAsked) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .expect("a certificate with its key");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (acceptor, remembered) = (TlsAcceptor::from(Arc::new(config)), Arc::clone(&asked));
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, remembered, answer) =
                        (acceptor.clone(), Arc::clone(&remembered), Arc::clone(&answer));
                    tokio::spawn(async move {
                        // Who is refused hangs up during the handshake.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, remembered, answer).await;
                        }
                    });
                }
            });
        });
        Self { address, asked }
    }

    /// What it was asked so far, and forgets it.
    pub(crate) fn asked(&self) -> Vec<SecureAsked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(
    stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    remembered: Arc<Mutex<Vec<SecureAsked>>>,
    answer: Arc<Answer>,
) {
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let is_http2 = agreed.as_deref() == Some(b"h2");
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let asked = SecureAsked {
            version: request.version(),
            path: request.uri().path().to_owned(),
            authority: request.uri().authority().map(ToString::to_string),
            headers: request.headers().clone(),
            agreed: agreed.clone(),
        };
        let response = answer(&asked);
        remembered.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        async move { Ok::<_, Infallible>(response) }
    });
    // A client that has seen enough hangs up: that is part of some tests.
    let io = TokioIo::new(stream);
    if is_http2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await;
    } else {
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    }
}

/// An answer of 200.
pub(crate) fn whole(headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).expect("a response")
}
