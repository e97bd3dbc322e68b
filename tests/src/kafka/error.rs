//! What can go wrong with a broker for tests.

use std::io;

use rdkafka::error::KafkaError;

/// A broker that is not there, or does not do what it must.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Neither a Java runtime with Maven nor a container engine is here, so no broker can be started.
    #[error(
        "start Apache Kafka: {missing}; do not retry; install Java 17 or newer and Maven (Debian: openjdk-17-jre-headless maven), or start \
         docker or podman, or name a running broker in BARID_TEST_KAFKA=host:port"
    )]
    Missing {
        /// What was looked for, and what was found.
        missing: String,
    },
    /// A file or folder.
    #[error("{operation} {object}: {source}; do not retry; is the disk full or the folder not writable?")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program of the set-up ended badly.
    #[error(
        "run `{command}`: {outcome}; retry once when it fetches something; the text above is the program's own"
    )]
    Command {
        /// What was run.
        command: String,
        /// How it ended, and the end of what it printed.
        outcome: String,
    },
    /// The broker's process ended before it was ready.
    #[error("start the broker at {address}: its process ended; do not retry; the end of its log:\n{log}")]
    Died {
        /// Where it should have answered.
        address: String,
        /// The last lines of its log.
        log: String,
    },
    /// The broker did not become ready.
    #[error("reach the broker at {address}: {last}; retry when it is up; the end of its log:\n{log}")]
    NotReady {
        /// Where it should have answered.
        address: String,
        /// The last thing that failed.
        last: String,
        /// The last lines of its log; empty where it is not ours.
        log: String,
    },
    /// The shell that keeps the broker's process is gone, or gave no answer that makes sense.
    #[error(
        "{order} the broker at {address}: its keeper said {answer:?}; do not retry; start another broker"
    )]
    Keeper {
        /// What it was told.
        order: &'static str,
        /// The broker.
        address: String,
        /// What it answered.
        answer: String,
    },
    /// A broker that somebody else runs cannot be killed or paused from here.
    #[error(
        "{order} the broker at {address}: BARID_TEST_KAFKA names it, so it is not ours; do not retry; unset the variable"
    )]
    NotOurs {
        /// What was asked for.
        order: &'static str,
        /// The broker.
        address: String,
    },
    /// A call of the client failed.
    #[error("{operation} {object}: {source}; retry when the broker is up; its log says more")]
    Client {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the client said.
        source: KafkaError,
    },
    /// Something that must come did not within a minute.
    #[error("{operation} {object}: not within {seconds} s, so far {found}; retry on a quieter machine")]
    Waited {
        /// What was waited for.
        operation: &'static str,
        /// Of what.
        object: String,
        /// How long.
        seconds: u64,
        /// What had come.
        found: String,
    },
    /// The broker breaks a promise that exactly-once delivery rests on.
    #[error("{check}: wanted {wanted}, found {found}; do not retry; no claim holds on this broker")]
    Check {
        /// Which promise.
        check: &'static str,
        /// What should have been.
        wanted: String,
        /// What was.
        found: String,
    },
}

/// Names what was tried on which file, for `map_err`.
pub(super) fn io(operation: &'static str, object: impl ToString) -> impl FnOnce(io::Error) -> BrokerError {
    let object = object.to_string();
    move |source| BrokerError::Io { operation, object, source }
}

/// Names what was tried on what, for `map_err` of a client's call.
pub(super) fn client(
    operation: &'static str,
    object: impl ToString,
) -> impl FnOnce(KafkaError) -> BrokerError {
    let object = object.to_string();
    move |source| BrokerError::Client { operation, object, source }
}
