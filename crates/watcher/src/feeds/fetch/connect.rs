//! A connection to an address that was checked, and to no other.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::resolve::Resolve;
use super::why::{self, Broke};
use crate::WatcherError;
use crate::feeds::address::Allowed;
use crate::feeds::engine::Failure;

/// Of a name's addresses so many are tried.
const MOST_TRIES: usize = 3;
/// One try takes no longer: the next address may answer.
const TRY: Duration = Duration::from_secs(4);

/// What speaks HTTP.
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) is_http2: bool,
}

/// Plain or encrypted.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Trusting these; HTTP/2 before HTTP/1.1.
pub(super) fn tls(roots: RootCertStore) -> Result<Arc<ClientConfig>, WatcherError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| WatcherError::Tls { problem: source.to_string() })?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connects to where the URL leads, if that is permitted.
pub(super) async fn connect(
    url: &Url,
    resolver: &dyn Resolve,
    allowed: &Allowed,
    config: &Arc<ClientConfig>,
    phases: &mut [Option<f64>; 5],
) -> Result<Connected, Broke> {
    let port = url.port_or_known_default().ok_or_else(why::no_host)?;
    let addresses = addresses(url, port, resolver, allowed, phases).await?;
    let started = Instant::now();
    let stream = first(&addresses).await?;
    phases[1] = Some(started.elapsed().as_secs_f64());
    // Nothing waits for more of a request.
    stream.set_nodelay(true).map_err(|error| Broke::new(Failure::Connect, why::of_reading(&error)))?;
    if url.scheme() == "http" {
        return Ok(Connected { stream: Stream::Plain(stream), is_http2: false });
    }
    let host = url.host_str().unwrap_or_default();
    let name = match url.host().ok_or_else(why::no_host)? {
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(address))),
    };
    let name =
        name.map_err(|_| Broke::new(Failure::Tls, format!("no certificate can be for the name {host}")))?;
    let started = Instant::now();
    let shaken = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    let stream = shaken.map_err(|error| why::of_handshake(host, &error))?;
    phases[2] = Some(started.elapsed().as_secs_f64());
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Connected { stream: Stream::Tls(Box::new(stream)), is_http2 })
}

/// The permitted addresses. A name that leads to a forbidden one beside them is asked at the permitted ones only.
async fn addresses(
    url: &Url,
    port: u16,
    resolver: &dyn Resolve,
    allowed: &Allowed,
    phases: &mut [Option<f64>; 5],
) -> Result<Vec<SocketAddr>, Broke> {
    let found = match url.host().ok_or_else(why::no_host)? {
        Host::Ipv4(address) => vec![SocketAddr::from((address, port))],
        Host::Ipv6(address) => vec![SocketAddr::from((address, port))],
        Host::Domain(name) => {
            let started = Instant::now();
            let found = resolver.resolve(name, port).await;
            phases[0] = Some(started.elapsed().as_secs_f64());
            found.map_err(|error| why::of_name(name, &error))?
        }
    };
    let Some(one) = found.first().map(SocketAddr::ip) else {
        return Err(Broke::new(Failure::Dns, "the name has no address"));
    };
    // The port is the URL's, whatever the resolver says.
    let permitted =
        found.into_iter().filter(|address| allowed.permits(address.ip()) && address.port() == port);
    let permitted: Vec<SocketAddr> = permitted.collect();
    if permitted.is_empty() {
        let why = format!("it leads to {one}, which is not public: see feeds.allow_addresses");
        return Err(Broke::new(Failure::RefusedAddress, why));
    }
    Ok(permitted)
}

async fn first(addresses: &[SocketAddr]) -> Result<TcpStream, Broke> {
    let mut broke = Broke::new(Failure::Connect, "the name has no address");
    for address in addresses.iter().take(MOST_TRIES) {
        broke = match timeout(TRY, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why::of_connecting(*address, &error),
            Err(_) => why::late(&format!("connecting to {address}"), TRY),
        };
    }
    Err(broke)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
