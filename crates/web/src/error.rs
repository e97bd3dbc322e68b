//! What can go wrong in serving metrics and probes.

use std::io;
use std::net::SocketAddr;

/// A failed operation of the web server.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address cannot be listened on.
    #[error("listen on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The server's thread cannot be started.
    #[error("start the web server: {source}")]
    Start {
        /// Why not.
        source: io::Error,
    },
    /// A metric was registered twice, or badly.
    #[error("register {metric}: {source}")]
    Metric {
        /// The metric.
        metric: &'static str,
        /// Why not.
        source: prometheus::Error,
    },
}

impl WebError {
    /// The stable code, for manuals and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "E0601",
            Self::Start { .. } => "E0602",
            Self::Metric { .. } => "E0603",
        }
    }

    /// True when the same call may succeed later without anybody repairing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Listen { source, .. } => source.kind() == io::ErrorKind::AddrInUse,
            Self::Start { .. } | Self::Metric { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { .. } => {
                "choose another address with `web.listen` (BARID_WEB_LISTEN), or \"\" to serve nothing"
            }
            Self::Start { .. } => "check the limits of this process (ulimit -a)",
            Self::Metric { .. } => "barid has a fault: please report it",
        }
    }
}
