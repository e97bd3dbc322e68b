//! What ends the watcher, and what to do about it. Trouble with one file never does.

use barid_log::LogError;

/// A failed operation of the watcher.
#[derive(Debug, thiserror::Error)]
pub enum WatcherError {
    /// Two sources have the same id, or one is empty or holds a NUL character. Do not retry.
    #[error("watch source `{id}`: its id is {problem}; hint: give every source a short name of its own")]
    SourceId {
        /// The id.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A glob cannot be read. Do not retry.
    #[error(
        "read glob `{glob}` of source `{id}`: {problem}; hint: `*` stays within a folder, `**` does not, `[[]` is a bracket"
    )]
    Glob {
        /// The source.
        id: String,
        /// The glob.
        glob: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A `User-Agent` that HTTP cannot carry. Do not retry.
    #[error(
        "send `{agent}` as User-Agent: not allowed in HTTP; hint: use letters, digits and punctuation of ASCII"
    )]
    UserAgent {
        /// What was configured.
        agent: String,
    },
    /// TLS could not be set up. Do not retry.
    #[error("set up TLS: {problem}; hint: this is a fault in barid, please report it")]
    Tls {
        /// Why not.
        problem: String,
    },
    /// The operator's own certificates cannot be used. Do not retry.
    #[error(
        "read the certificates of `feeds.extra_ca`: {problem}; hint: a PEM file, with `-----BEGIN CERTIFICATE-----` before each of them"
    )]
    Authorities {
        /// Why not.
        problem: String,
    },
    /// The callback for hubs cannot be opened. It is tried again until the address is free: nothing ends for it.
    #[error(
        "listen for hubs on {listen}: {source}; hint: change `feeds.websub.listen`, or stop what has that port"
    )]
    Listen {
        /// Where.
        listen: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The network's threads could not be started. Retry later.
    #[error("start the threads of the network: {source}; hint: check the limits of this process (ulimit -a)")]
    Threads {
        /// Why not.
        source: std::io::Error,
    },
    /// The log failed. Retry when the log's own error says so: nothing that was not durable is marked as read.
    #[error("{operation}: {source}")]
    Log {
        /// What was asked of the log.
        operation: &'static str,
        /// Its answer.
        source: LogError,
    },
    /// A metric could not be registered. Do not retry.
    #[error(
        "register metric `{metric}`: {source}; hint: the watcher's metrics are registered once a process"
    )]
    Metric {
        /// The metric.
        metric: &'static str,
        /// Why not.
        source: prometheus::Error,
    },
}

impl WatcherError {
    /// The stable code; `barid explain <code>` tells more.
    pub fn code(&self) -> &'static str {
        "E0401"
    }

    /// Turns the log's answer into ours. A worker that owns tables is never rewound, it loses its group: should a log say so all the same, what
    /// was read since its last commit is only found again by a new run.
    pub(crate) fn log(operation: &'static str) -> impl FnOnce(LogError) -> Self {
        move |source| {
            let source = if let LogError::Rewound { group, cause } = source {
                LogError::Lost { group, cause }
            } else {
                source
            };
            Self::Log { operation, source }
        }
    }
}
