//! Clients for the checks and measurements: producers, consumers and topics with the settings that matter said aloud.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::error::{BrokerError, client, io};

/// How long one call may take before it is a failure. Generous: brokers here share two cores with builds.
pub(super) const CALL: Duration = Duration::from_secs(60);

/// Creates a topic with as many copies as the brokers make by themselves; it is no error when it is there already.
pub fn create_topic(
    address: &str,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<(), BrokerError> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let results = administer(address, async |admin, options| admin.create_topics([&topic], options).await)?
        .map_err(client("create topic", name))?;
    match results.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) => Ok(()),
        Some(Err((_, code))) => Err(client("create topic", name)(KafkaError::AdminOp(code))),
        None => Err(client("create topic", name)(KafkaError::AdminOp(RDKafkaErrorCode::NoError))),
    }
}

/// Changes settings of a topic. What is not named goes back to the brokers' choice.
pub fn configure_topic(address: &str, name: &str, settings: &[(&str, &str)]) -> Result<(), BrokerError> {
    let topic = AlterConfig::new(ResourceSpecifier::Topic(name));
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let results = administer(address, async |admin, options| admin.alter_configs([&topic], options).await)?
        .map_err(client("configure topic", name))?;
    let refused = |code| client("configure topic", name)(KafkaError::AdminOp(code));
    results.into_iter().try_for_each(|result| result.map(drop).map_err(|(_, code)| refused(code)))
}

/// Removes topics with their data.
pub fn delete_topics(address: &str, names: &[&str]) -> Result<(), BrokerError> {
    let results = administer(address, async |admin, options| admin.delete_topics(names, options).await)?
        .map_err(client("delete topics at", address))?;
    results.into_iter().try_for_each(|result| {
        result.map(|_| ()).map_err(|(name, code)| client("delete topic", name)(KafkaError::AdminOp(code)))
    })
}

/// The node that leads the partition of one of the brokers' own topics where they keep what belongs to a key.
pub(super) fn leader_for_key(address: &str, topic: &str, key: &str) -> Result<i32, BrokerError> {
    let consumer: BaseConsumer = consumer(address, "barid-tests.ask", "read_uncommitted")?;
    let asked = std::time::Instant::now();
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), CALL).map_err(client("ask for", topic))?;
        let partitions = metadata.topics().first().map_or(&[][..], |topic| topic.partitions());
        let count = i32::try_from(partitions.len()).unwrap_or(i32::MAX).max(1);
        // `Utils.abs` of Kafka: what has no opposite is 0.
        let wanted = java_hash(key).wrapping_abs().max(0) % count;
        let leader = partitions.iter().find(|part| part.id() == wanted).map(|part| part.leader());
        match leader {
            Some(leader) if leader >= 0 => return Ok(leader),
            Some(_) | None if asked.elapsed() > CALL => {
                let found = format!("{} partitions, of which {wanted} has no leader", partitions.len());
                let (object, seconds) = (format!("{topic} for {key}"), CALL.as_secs());
                return Err(BrokerError::Waited { operation: "ask who leads", object, seconds, found });
            }
            Some(_) | None => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// `String.hashCode` of Java, by which brokers place keys in their own topics.
fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
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

#[cfg(test)]
mod tests {
    use super::java_hash;

    /// Values of a Java runtime.
    #[test]
    fn keys_are_placed_as_java_does() {
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }
}
