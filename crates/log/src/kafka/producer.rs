//! The two producers of a worker, and what their failures mean.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};

use super::client::{self, Context, Events, words};
use super::config::{Delivery, KafkaConfig};
use super::sync::lock;

/// Why a commit did not come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Read again from the last commit.
    Again(String),
    /// A younger producer of the same id has taken over, or the brokers gave up on this one while it slept.
    Fenced(String),
    /// Waiting cannot help.
    Fatal(String),
}

impl Failure {
    /// What an error of the library means.
    pub(crate) fn of(operation: &'static str, error: &KafkaError) -> Self {
        let what = format!("{operation}: {}", words(error));
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::FencedInstanceId,
            ) => Self::Fenced(what),
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed,
            ) => Self::Fatal(what),
            Some(_) | None => Self::Again(what),
        }
    }

    /// What happened.
    pub(crate) fn what(&self) -> &str {
        match self {
            Self::Again(what) | Self::Fenced(what) | Self::Fatal(what) => what,
        }
    }
}

/// Repeats a call that says it can be repeated: any other call would be refused until it is answered.
fn retried(longest: Duration, mut call: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    let deadline = Instant::now() + longest;
    loop {
        match call() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && !error.txn_requires_abort() && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            outcome => return outcome,
        }
    }
}

/// Makes a call of the library on a thread of its own, and goes on without it when it has not returned after `longest`.
///
/// Ending a transaction can wait for ever (librdkafka 2.12): the library asks its own main thread and sets no limit to the answer, which got lost
/// when a coordinator was killed. Who gives up makes new producers of the same id, and those shut out what the lost call may still do.
fn within<T: Send + 'static>(
    longest: Duration,
    operation: &'static str,
    call: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = sync_channel(1);
    // What the call holds, it has let go of before its outcome is told.
    let made = move || sender.send(call());
    let thread = std::thread::Builder::new().name("log-call".to_owned()).spawn(made);
    thread.map_err(|error| Failure::Again(format!("{operation}: no thread for it: {error}")))?;
    receiver.recv_timeout(longest).unwrap_or_else(|error| {
        let why = match error {
            RecvTimeoutError::Timeout => "the client did not answer",
            RecvTimeoutError::Disconnected => "a panic",
        };
        tracing::warn!(operation, why, "going on with new producers");
        Err(Failure::Again(format!("{operation}: {why}")))
    })
}

/// A call about a transaction, repeated while that can help, and given up when it does not return.
pub(crate) fn ended(
    longest: Duration,
    operation: &'static str,
    call: impl FnMut() -> KafkaResult<()> + Send + 'static,
) -> Result<(), Failure> {
    within(longest + 2 * client::REQUEST, operation, move || {
        retried(longest, call).map_err(|error| Failure::of(operation, &error))
    })
}

/// Two producers, made when they are needed.
pub(crate) struct Producers {
    config: KafkaConfig,
    id: String,
    made: [Option<Arc<BaseProducer<Context>>>; 2],
    /// What both tell.
    pub(crate) events: Arc<Events>,
    undelivered: u64,
    aborted: Option<Instant>,
}

/// A new producer of an id is refused for half a second when it comes before the markers of the last transaction are written.
const MARKERS: Duration = Duration::from_millis(50);
/// The longest wait for a transaction to be aborted.
const ABORT: Duration = Duration::from_secs(2);

impl Producers {
    pub(crate) fn new(config: &KafkaConfig, id: &str) -> Self {
        Self {
            config: config.clone(),
            id: id.to_owned(),
            made: [None, None],
            events: Arc::default(),
            undelivered: 0,
            aborted: None,
        }
    }

    /// True when there is one to throw away.
    pub(crate) fn any(&self) -> bool {
        self.made.iter().any(Option::is_some)
    }

    /// The producer of that turn. Making the first one makes both: what a predecessor of either id left open ends now, not later.
    pub(crate) fn get(&mut self, turn: usize) -> Result<Arc<BaseProducer<Context>>, Failure> {
        if !self.any() {
            if let Some(aborted) = self.aborted {
                std::thread::sleep(MARKERS.saturating_sub(aborted.elapsed()));
            }
            self.made = match self.config.delivery {
                Delivery::ExactlyOnce => std::thread::scope(|scope| {
                    let second = scope.spawn(|| self.make(1));
                    let first = self.make(0);
                    let second = second.join().unwrap_or_else(|_| Err(Failure::Again("a panic".to_owned())));
                    Ok([Some(first?), Some(second?)])
                })?,
                Delivery::AtLeastOnce => [Some(self.make(0)?), None],
            };
        }
        self.made[turn].clone().ok_or_else(|| Failure::Again("no producer of that turn".to_owned()))
    }

    fn make(&self, turn: usize) -> Result<Arc<BaseProducer<Context>>, Failure> {
        let id = match self.config.delivery {
            Delivery::ExactlyOnce => Some(format!("{}.{}", self.id, ["a", "b"][turn])),
            Delivery::AtLeastOnce => None,
        };
        let settings = client::producer(&self.config, id.as_deref());
        let context = Context(Arc::clone(&self.events));
        let producer: BaseProducer<Context> = BaseProducer::from_config_and_context(&settings, context)
            .map_err(|error| Failure::Fatal(words(&error)))?;
        let producer = Arc::new(producer);
        if id.is_some() {
            let made = Arc::clone(&producer);
            ended(self.config.session_timeout, "start transactions", move || {
                made.init_transactions(client::REQUEST)
            })?;
        }
        Ok(producer)
    }

    /// An error when a message could not be delivered since the last look.
    pub(crate) fn check_delivered(&self) -> Result<(), Failure> {
        if self.events.undelivered.load(Ordering::Acquire) == self.undelivered {
            return Ok(());
        }
        let what = lock(&self.events.last_error).clone().unwrap_or_default();
        Err(Failure::Again(format!("a message was not delivered: {what}")))
    }

    /// Ends open transactions as aborted, where the brokers still listen, and lets the producers go.
    pub(crate) fn abort(&mut self) {
        for producer in self.made.iter_mut().filter_map(Option::take) {
            // One that is held is still in a call that was given up: it would not answer this one either.
            if self.config.delivery == Delivery::ExactlyOnce && Arc::strong_count(&producer) == 1 {
                // One that cannot be ended so is ended by its successor.
                let _ = within(2 * ABORT, "abort", move || {
                    if let Err(error) = producer.abort_transaction(ABORT) {
                        tracing::debug!(error = %words(&error), "ending a transaction as aborted");
                    }
                    Ok(())
                });
            }
        }
        self.aborted = Some(Instant::now());
        self.undelivered = self.events.undelivered.load(Ordering::Acquire);
        lock(&self.events.delivered).clear();
    }

    /// Lets the producers go.
    pub(crate) fn clear(&mut self) {
        for producer in self.made.iter_mut().filter_map(Option::take) {
            // Its last holder waits for its threads.
            let _ = within(2 * ABORT, "close", move || {
                drop(producer);
                Ok(())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_return_is_given_up_with_what_it_holds() {
        let held = Arc::new(());
        let (release, gate) = sync_channel::<()>(1);
        let holds = Arc::clone(&held);
        let stuck = within(Duration::from_millis(20), "end", move || {
            let _ = (gate.recv(), &holds);
            Ok(())
        });
        assert_eq!(stuck, Err(Failure::Again("end: the client did not answer".to_owned())));
        assert_eq!(Arc::strong_count(&held), 2, "which is how it is known that it still runs");
        release.send(()).unwrap();
        let holds = Arc::clone(&held);
        let answered = within(Duration::from_secs(600), "end", move || Ok(Arc::strong_count(&holds)));
        assert!(answered.is_ok_and(|count| count >= 2));
        let failed: Result<(), _> =
            within(Duration::from_secs(600), "end", || Err(Failure::Fatal("no".to_owned())));
        assert_eq!(failed, Err(Failure::Fatal("no".to_owned())));
    }
}
