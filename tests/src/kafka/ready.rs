//! Is a broker ready? It answers, it is the one that was started, and a transaction commits: the coordinator comes last.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataPartition;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::client::{CALL, consumer, create_topic, producer};
use super::error::{BrokerError, client};
use super::node::random;

/// Longer than the slowest start seen on a loaded machine; only a broker that never comes up meets it.
const LONGEST_START: Duration = Duration::from_secs(180);

/// Waits until a transaction commits. `cluster` is the id it must have, where known; `died` is asked now and then whether waiting is in vain.
pub(super) fn wait_until_ready(
    address: &str,
    cluster: Option<&str>,
    died: &dyn Fn() -> Option<BrokerError>,
    log: &dyn Fn() -> String,
) -> Result<(), BrokerError> {
    let started = Instant::now();
    loop {
        let last = match TcpStream::connect(address) {
            Err(error) => error.to_string(),
            Ok(_) => match commit_one(address) {
                Ok(found) if cluster.is_none() || cluster == found.as_deref() => return Ok(()),
                Ok(found) => format!("another broker answers there, of cluster {found:?}"),
                Err(error) => error.to_string(),
            },
        };
        if let Some(error) = died() {
            return Err(error);
        }
        if started.elapsed() > LONGEST_START {
            return Err(BrokerError::NotReady { address: address.to_owned(), last, log: log() });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until that node has a whole copy of every partition it should have: only then may another node go down.
pub(super) fn wait_until_in_step(address: &str, id: i32) -> Result<(), BrokerError> {
    let started = Instant::now();
    let consumer: BaseConsumer = consumer(address, "barid-tests.ask", "read_uncommitted")?;
    loop {
        let metadata =
            consumer.fetch_metadata(None, CALL).map_err(client("ask for the topics of", address))?;
        let parts = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let is_behind =
            |part: &&MetadataPartition| part.replicas().contains(&id) && !part.isr().contains(&id);
        let behind = parts.filter(is_behind).count();
        if behind == 0 {
            return Ok(());
        }
        if started.elapsed() > LONGEST_START {
            let found = format!("{behind} partitions it is behind in");
            let (object, seconds) = (format!("node {id}"), LONGEST_START.as_secs());
            return Err(BrokerError::Waited { operation: "bring up to date", object, seconds, found });
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One transaction of one record; returns the id of the cluster that took it.
fn commit_one(address: &str) -> Result<Option<String>, BrokerError> {
    const TOPIC: &str = "barid-tests.ready";
    create_topic(address, TOPIC, 1, &[])?;
    let id = format!("barid-tests.ready.{:x}", random());
    let producer: BaseProducer = producer(address, Some(&id))?;
    producer.init_transactions(CALL).map_err(client("init transactions at", address))?;
    producer.begin_transaction().map_err(client("begin a transaction at", address))?;
    let record = BaseRecord::<(), str>::to(TOPIC).payload("ready");
    producer.send(record).map_err(|(error, _)| client("send to", address)(error))?;
    producer.commit_transaction(CALL).map_err(client("commit at", address))?;
    Ok(producer.client().fetch_cluster_id(CALL))
}
