//! Why an answer could not be had, or not to its end: for people who look on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::rustls::{self, CertificateError};

use crate::feeds::engine::Failure;

/// A failure and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broke {
    /// Of which kind.
    pub failure: Failure,
    /// What happened, in a clause.
    pub detail: String,
}

impl Broke {
    pub(crate) fn new(failure: Failure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into() }
    }

    /// HTTP that nobody can read.
    pub(crate) fn protocol(detail: impl Into<String>) -> Self {
        Self::new(Failure::Protocol, detail)
    }
}

impl From<Broke> for Failure {
    fn from(broke: Broke) -> Self {
        broke.failure
    }
}

/// An address that leads to no host; such are not asked.
pub(super) fn no_host() -> Broke {
    Broke::protocol("the address has no host")
}

/// A step that took too long.
pub(super) fn late(step: &str, limit: Duration) -> Broke {
    Broke::new(Failure::Timeout, format!("{step} took longer than {} s", limit.as_secs()))
}

/// No connection with an address.
pub(super) fn of_connecting(at: SocketAddr, error: &io::Error) -> Broke {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Broke::new(Failure::Refused, format!("nobody listens at {at}: connection refused"))
        }
        io::ErrorKind::TimedOut => Broke::new(Failure::Timeout, format!("{at} does not answer")),
        // A network that cannot be reached is what our own outage looks like.
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkDown => {
            Broke::new(Failure::Timeout, format!("no way leads to {at}: {}", plain(error)))
        }
        _ => Broke::new(Failure::Connect, format!("no connection with {at}: {}", plain(error))),
    }
}

/// A name without addresses.
pub(super) fn of_name(name: &str, error: &io::Error) -> Broke {
    Broke::new(Failure::Dns, format!("no address of {name} can be had: {}", plain(error)))
}

/// A handshake that failed.
pub(super) fn of_handshake(name: &str, error: &io::Error) -> Broke {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let detail = match inner {
        Some(rustls::Error::InvalidCertificate(why)) => of_certificate(name, why),
        Some(rustls::Error::InvalidMessage(_)) => {
            "the port does not speak TLS: perhaps it is one for http".to_owned()
        }
        Some(other) => format!("no TLS with {name}: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("{name} hung up during the TLS handshake")
        }
        None => format!("no TLS with {name}: {}", plain(error)),
    };
    Broke::new(Failure::Tls, detail)
}

fn of_certificate(name: &str, why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is for another name than {name}")
        }
        CertificateError::UnknownIssuer => {
            "the certificate is of an authority that nobody here knows, or the server leaves out one in between: see feeds.extra_ca".to_owned()
        }
        CertificateError::Revoked => "the certificate was revoked".to_owned(),
        other => format!("the certificate is not good: {other}"),
    }
}

/// A connection that ended while an answer was read.
pub(super) fn of_reading(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            "the server reset the connection".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the connection ended".to_owned(),
        _ => format!("the connection broke: {}", plain(error)),
    }
}

/// Without `(os error 111)`, which says the same to a machine.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// The first bytes of something, fit for a terminal.
pub(super) fn begins(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
    text.escape_debug().to_string()
}

/// HTTP/2 that broke.
pub(super) fn of_http2(error: &hyper::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("HTTP/2: {source}"),
        None => format!("HTTP/2: {error}"),
    }
}
