//! What is carried: documents as the watcher writes them, on one topic, once; and whether they all arrived.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_record::{Collector, Hints, Order, RawDocument, RecordId, Topic, document_id};
use barid_tests::kafka::create_topic;
use barid_tests::{Corpus, Prose, seeds_dir};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sha2::{Digest, Sha256};

use crate::bench_kafka::{Rig, broker_error};
use crate::bench_kafka_hop::{drain, kafka_error, producer_settings, send};
use crate::error::{TaskError, io};

/// The topic that every carrier reads.
pub(crate) struct Loaded {
    pub(crate) topic: String,
    pub(crate) messages: u64,
    /// Of payload.
    pub(crate) bytes: u64,
}

/// Stands in front of the raw topic's name.
pub(crate) const PREFIX: &str = "bench.";
const SOURCE: &str = "corpus";

/// Writes that many articles to a new raw topic.
pub(crate) fn load(address: &str, articles: usize, partitions: i32) -> Result<Loaded, TaskError> {
    let topic = format!("{PREFIX}{}", Topic::Raw.name());
    create_topic(address, &topic, partitions, &[]).map_err(broker_error)?;
    let corpus = Corpus { seed: 42, articles, copies_percent: 20, article_bytes: 6000 };
    let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
    let mut settings = producer_settings(address);
    // The partition that barid would choose.
    settings.set("partitioner", "murmur2_random");
    let producer: BaseProducer = settings.create().map_err(kafka_error("making a producer"))?;
    let mut bytes = 0;
    for index in 0..articles {
        let (document, key) = document(&corpus, &prose, index)?;
        let order = Order { writer: "watcher".to_owned(), sequence: index as u64 };
        let headers = document.headers().into_iter().chain([order.header()]);
        let headers = headers.fold(OwnedHeaders::new(), |headers, (name, value)| {
            let key = String::from_utf8_lossy(&name).into_owned();
            headers.insert(Header { key: &key, value: Some(value.as_ref()) })
        });
        bytes += document.body.len() as u64;
        let record = BaseRecord::to(&topic).key(key.as_bytes()).payload(document.body.as_ref());
        send(&producer, record.headers(headers).timestamp(document.observed_at_ms))?;
    }
    drain(&producer);
    producer.flush(Duration::from_secs(60)).map_err(kafka_error("loading the raw topic"))?;
    Ok(Loaded { topic, messages: articles as u64, bytes })
}

/// A document as the watcher would deliver it, and its message's key.
fn document(corpus: &Corpus, prose: &Prose, index: usize) -> Result<(RawDocument, String), TaskError> {
    let text = corpus.article(prose, index);
    let key = format!("{:03}/{index:06}.txt", index / 1000);
    let raw_sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|error| TaskError::Said(error.to_string()))?;
    let document = RawDocument {
        id: document_id(SOURCE, &key, &raw_sha256),
        source_id: SOURCE.to_owned(),
        uri: format!("file:///corpus/{key}"),
        collector: Collector::File,
        observed_at_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body: text.into(),
        key,
    };
    let message_key = RecordId::main(SOURCE, &document.key).to_string();
    Ok((document, message_key))
}

/// An error unless every loaded message is in that topic, committed, exactly once.
pub(crate) fn audit(rig: &Rig, topic: &str) -> Result<(), TaskError> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", rig.broker.address())
        .set("group.id", "bench-audit")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = settings.create().map_err(kafka_error("making an auditor"))?;
    let mut from = TopicPartitionList::new();
    for partition in 0..rig.partitions {
        let added = from.add_partition_offset(topic, partition, Offset::Beginning);
        added.map_err(kafka_error("assigning an auditor"))?;
    }
    consumer.assign(&from).map_err(kafka_error("assigning an auditor"))?;
    let (mut keys, mut seen, mut silent) = (HashSet::new(), 0_u64, 0);
    // The end of a partition may be told before its last transaction's end is written: only silence after all of them counts.
    while seen < rig.loaded.messages && silent < 100 {
        match consumer.poll(Duration::from_millis(100)) {
            None => silent += 1,
            Some(Ok(message)) => {
                (seen, silent) = (seen + 1, 0);
                keys.insert(message.key().unwrap_or_default().to_vec());
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(kafka_error("auditing")(error)),
        }
    }
    // One more look: what comes now is too much.
    while let Some(more) = consumer.poll(Duration::from_millis(200)) {
        seen += u64::from(more.is_ok());
    }
    if seen == rig.loaded.messages && keys.len() as u64 == seen {
        return Ok(());
    }
    Err(TaskError::Said(format!(
        "{topic}: {seen} messages of {} keys arrived, wanted {} of as many",
        keys.len(),
        rig.loaded.messages
    )))
}
