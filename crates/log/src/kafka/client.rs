//! What every client of librdkafka shares: names, settings, the events it tells of, and errors in our words.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::config::KafkaConfig;
use super::sync::{Bell, lock};
use crate::LogError;
use crate::api::Table;

/// A request that a broker does not answer within this time counts as unanswered.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);

/// A consumer of ours.
pub(crate) type KafkaConsumer = BaseConsumer<Context>;

/// The names of things on the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
    /// Behind the names of groups and of their state, with its dot.
    scope: String,
}

impl Names {
    pub(crate) fn new(prefix: &str, scope: &str) -> Self {
        let scope = if scope.is_empty() { String::new() } else { format!(".{scope}") };
        Self { prefix: prefix.to_owned(), scope }
    }

    pub(crate) fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.name())
    }

    /// The topic of that full name.
    pub(crate) fn topic_of(&self, name: &str) -> Option<Topic> {
        Topic::from_name(name.strip_prefix(&self.prefix)?)
    }

    pub(crate) fn changelog(&self, table: Table) -> String {
        format!("{}barid.state.{}{}", self.prefix, table.0, self.scope)
    }

    /// The topic whose one partition goes to the owner of a group's state.
    pub(crate) fn owners(&self) -> String {
        format!("{}barid.owners", self.prefix)
    }

    pub(crate) fn group(&self, group: &str) -> String {
        format!("{}barid.{group}{}", self.prefix, self.scope)
    }

    /// The topic whose partitions are the shards of a group's state.
    pub(crate) fn seats(&self, group: &str) -> String {
        self.group(group)
    }

    /// A group's name below the folder of local state.
    pub(crate) fn folder(&self, group: &str) -> String {
        format!("{group}{}", self.scope)
    }

    /// Our name of a group of the cluster.
    pub(crate) fn group_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(&self.prefix)?.strip_prefix("barid.")
    }
}

/// The settings that every client starts from.
fn base(config: &KafkaConfig) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "barid")
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", millis(REQUEST))
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000")
        .set("topic.metadata.refresh.interval.ms", "60000");
    settings
}

/// The same with the user's own properties: for administration.
pub(crate) fn base_with_properties(config: &KafkaConfig) -> ClientConfig {
    passthrough(base(config), config)
}

/// A consumer's settings. Positions are ours to commit: librdkafka keeps none. It may read up to that many partitions,
/// and each gets the same share of the memory.
pub(crate) fn consumer(config: &KafkaConfig, group: &str, partitions: usize) -> ClientConfig {
    let mut settings = base(config);
    let share = (config.fetch_bytes / partitions.max(1)).max(128 << 10);
    let receive = (config.message_bytes * 2).max(100_000_000);
    // What is on its way comes on top of what is there, and grows when it is unpacked.
    let partition = (share / 4).clamp(64 << 10, 1 << 20);
    settings
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "250")
        .set("fetch.error.backoff.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", partition.to_string())
        .set("receive.message.max.bytes", receive.to_string())
        .set("queued.max.messages.kbytes", (share >> 10).to_string());
    passthrough(settings, config)
}

/// A group member's settings, on top of a consumer's.
pub(crate) fn member(config: &KafkaConfig, group: &str, instance: &str, partitions: usize) -> ClientConfig {
    let mut settings = consumer(config, group, partitions);
    let session = config.session_timeout;
    settings
        // Whoever stands by names the owner by it.
        .set("client.id", format!("barid.{instance}"))
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", millis(session))
        .set("heartbeat.interval.ms", millis((session / 10).min(Duration::from_secs(3))))
        .set("max.poll.interval.ms", millis(session.max(Duration::from_secs(300))));
    if config.static_membership {
        settings.set("group.instance.id", format!("{group}.{instance}"));
    }
    passthrough(settings, config)
}

/// A producer's settings; with `id`, a transactional one.
pub(crate) fn producer(config: &KafkaConfig, id: Option<&str>) -> ClientConfig {
    let mut settings = base(config);
    // A transaction must be over before its member is given up, or a successor would wait for it.
    let transaction = config.session_timeout * 2 / 3;
    settings
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "zstd")
        .set("compression.level", "1")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "2")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "10000")
        .set("message.max.bytes", (config.message_bytes + OVERHEAD_BYTES).to_string())
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", ((config.transaction_bytes >> 10) * 4 + (64 << 10)).to_string())
        .set("socket.timeout.ms", millis(transaction.min(REQUEST)))
        .set("message.timeout.ms", millis(transaction));
    if let Some(id) = id {
        settings.set("transactional.id", id).set("transaction.timeout.ms", millis(transaction));
    }
    passthrough(settings, config)
}

/// What Kafka's own framing may add to a message.
pub(crate) const OVERHEAD_BYTES: usize = 64 << 10;

/// The user's own properties have the last word, each where it belongs: librdkafka only warns of a producer's property on a consumer.
fn passthrough(mut settings: ClientConfig, config: &KafkaConfig) -> ClientConfig {
    for (name, value) in &config.properties {
        settings.set(name, value);
    }
    settings
}

fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

/// What clients tell: logs, connection errors, moved partitions, delivered changes of state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context(pub(crate) Arc<Events>);

/// Who must finish its work before partitions go.
pub(crate) trait Barrier: Send + Sync {
    /// Returns when everything submitted is durable or given up; where the partitions `taken` are lost already, it is given up.
    fn settle(&self, taken: &[Moved], are_lost: bool);
}

/// A partition that came to this member or went from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Its full name.
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) given: bool,
}

/// What became known since the last look.
#[derive(Default)]
pub(crate) struct Events {
    /// Partitions that came or went, in that order.
    pub(crate) moved: Mutex<Vec<Moved>>,
    /// Rings when messages come.
    pub(crate) bell: Arc<Bell>,
    /// An end of a partition was reached: counts up.
    pub(crate) ends: AtomicU64,
    /// Messages that could not be delivered.
    pub(crate) undelivered: AtomicU64,
    /// The last global error, for messages to people.
    pub(crate) last_error: Mutex<Option<String>>,
    /// Why brokers did not accept this client.
    pub(crate) refusal: Mutex<Option<String>>,
    /// Changelog topics by the number that their messages carry (from 1), with the offset after the newest delivered message.
    pub(crate) delivered: Mutex<HashMap<usize, i64>>,
    /// Settles work before partitions are given back.
    pub(crate) barrier: Mutex<Option<Arc<dyn Barrier>>>,
    /// Brokers answered lately: milliseconds since the Unix epoch of the last error of connection, 0 for none.
    pub(crate) last_trouble_ms: AtomicI64,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        // A user's property goes to every client: that half of them have no use for it is no news.
        if fac == "CONFWARN" && message.contains(" property and will be ignored by this ") {
            tracing::debug!(target: "librdkafka", "{fac} {message}");
            return;
        }
        // Consumers get the reason in no other way.
        if let Some(at) = message.find("SASL authentication error") {
            *lock(&self.0.refusal) = Some(message[at..].to_owned());
        }
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{fac} {message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                tracing::info!(target: "librdkafka", "{fac} {message}");
            }
            RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{fac} {message}"),
        }
    }

    fn stats_raw(&self, _statistics: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, reason, "client error");
        self.0.last_trouble_ms.store(super::sync::now_ms(), Ordering::Relaxed);
        *lock(&self.0.last_error) = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(given) => lock(&self.0.moved).extend(moved(given, true)),
            Rebalance::Revoke(taken) => {
                let barrier = lock(&self.0.barrier).clone();
                let taken = moved(taken, false);
                if let Some(barrier) = barrier {
                    barrier.settle(&taken, consumer.assignment_lost());
                }
                lock(&self.0.moved).extend(taken);
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance"),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, changelog: usize) {
        match result {
            Ok(message) if changelog > 0 => {
                let next = message.offset() + 1;
                let mut delivered = lock(&self.0.delivered);
                let newest = delivered.entry(changelog).or_insert(next);
                *newest = next.max(*newest);
            }
            Ok(_) => {}
            Err((error, message)) => {
                tracing::debug!(%error, topic = message.topic(), "a message was not delivered");
                self.0.undelivered.fetch_add(1, Ordering::AcqRel);
                *lock(&self.0.last_error) = Some(format!("{}: {error}", message.topic()));
            }
        }
    }
}

fn moved(partitions: &TopicPartitionList, given: bool) -> Vec<Moved> {
    let elements = partitions.elements();
    let moved = elements.iter().map(|element| Moved {
        topic: element.topic().to_owned(),
        partition: element.partition(),
        given,
    });
    moved.collect()
}

/// An error of librdkafka in our words.
pub(crate) fn failed(operation: &'static str, object: impl Into<String>, error: &KafkaError) -> LogError {
    if let KafkaError::ClientConfig(_, what, property, value) = error {
        return LogError::BadProperty { property: property.clone(), what: without(what, value) };
    }
    if let KafkaError::ClientCreation(what) = error {
        return LogError::BadProperty { property: "(together)".to_owned(), what: what.clone() };
    }
    LogError::Kafka { operation, object: object.into(), what: words(error), transient: is_transient(error) }
}

/// A message without a value that may be a secret.
fn without(what: &str, value: &str) -> String {
    if value.is_empty() { what.to_owned() } else { what.replace(value, "(the value)") }
}

/// What no article lost and none twice rests on: barid alone sets these, by `kafka.delivery`, `kafka.prefix`, `kafka.instance` and `kafka.static_membership`.
const OWN: [&str; 13] = [
    "acks",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "partition.assignment.strategy",
    "request.required.acks",
    "transactional.id",
];

/// Whether the client takes a property of that name with that value, as far as that can be told without brokers.
///
/// # Errors
///
/// [`LogError::BadProperty`], without the value: it may be a secret.
pub fn check_property(name: &str, value: &str) -> Result<(), LogError> {
    if OWN.contains(&name) {
        let what = "barid sets it: what is lost or comes twice rests on it".to_owned();
        return Err(LogError::BadProperty { property: name.to_owned(), what });
    }
    let mut alone = ClientConfig::new();
    alone.set(name, value);
    alone.create_native_config().map(drop).map_err(|error| failed("set", name, &error))
}

/// Why nobody answered a client just now: where brokers did not accept it, that is told beside the answer.
pub(crate) fn unanswered(config: &KafkaConfig, client: &KafkaConsumer, error: &KafkaError) -> LogError {
    const LISTENS: Duration = Duration::from_millis(500);
    let (operation, brokers) = ("connect", config.brokers.clone());
    let started = Instant::now();
    while started.elapsed() < LISTENS {
        // What it returns are other errors, or nothing: serving the client is what counts.
        drop(client.poll(Duration::from_millis(20)));
        if let Some(what) = lock(&client.context().0.refusal).take() {
            return LogError::Refused { operation, brokers, what };
        }
    }
    LogError::Unreachable { operation, brokers, what: words(error) }
}

/// What the library says, without its wrapping.
pub(crate) fn words(error: &KafkaError) -> String {
    if let KafkaError::Transaction(error) = error {
        return format!("{} ({})", error.string(), error.name());
    }
    error.to_string()
}

/// False when waiting cannot help.
fn is_transient(error: &KafkaError) -> bool {
    !matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::UnsupportedVersion
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::InvalidConfig
                | RDKafkaErrorCode::InvalidReplicationFactor
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
    )
}
