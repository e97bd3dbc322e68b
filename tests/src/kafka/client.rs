//! Clients for the checks and measurements: producers, consumers and topics with the settings that matter said aloud.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::{BrokerError, client, io};

/// How long one call may take before it is a failure. Generous: brokers here share two cores with builds.
pub(super) const CALL: Duration = Duration::from_secs(60);

/// Creates a topic with one copy; it is no error when it is there already.
pub fn create_topic(
    address: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<(), BrokerError> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let results = administer(address, async |admin, options| admin.create_topics([&topic], options).await)?
        .map_err(client("create topic", name))?;
    match results.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(client("create topic", name)(KafkaError::AdminOp(code))),
        None => Err(client("create topic", name)(KafkaError::AdminOp(RDKafkaErrorCode::NoError))),
    }
}

/// Removes topics with their data.
pub fn delete_topics(address: &str, names: &[&str]) -> Result<(), BrokerError> {
    let results = administer(address, async |admin, options| admin.delete_topics(names, options).await)?
        .map_err(client("delete topics at", address))?;
    results.into_iter().try_for_each(|result| {
        result.map(|_| ()).map_err(|(name, code)| client("delete topic", name)(KafkaError::AdminOp(code)))
    })
}

fn administer<T>(
    address: &str,
    request: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> T,
) -> Result<T, BrokerError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    let admin: AdminClient<DefaultClientContext> =
        config.create().map_err(client("make a client for", address))?;
    let options = AdminOptions::new().request_timeout(Some(CALL)).operation_timeout(Some(CALL));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    Ok(runtime.map_err(io("start", "a tokio runtime"))?.block_on(request(&admin, &options)))
}

/// A producer; transactional where an id is given.
pub(super) fn producer<P: FromClientConfig>(
    address: &str,
    transactional_id: Option<&str>,
) -> Result<P, BrokerError> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("linger.ms", "0");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    config.create().map_err(client("make a producer for", address))
}

/// A consumer of a group that reports the end of each partition. `level` is librdkafka's `isolation.level`.
pub(super) fn consumer<C: FromClientConfig>(
    address: &str,
    group: &str,
    level: &str,
) -> Result<C, BrokerError> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("group.id", group)
        .set("isolation.level", level)
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "10000")
        .set("heartbeat.interval.ms", "200");
    config.create().map_err(client("make a consumer for", address))
}
