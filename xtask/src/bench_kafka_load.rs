//! What is carried: documents as the watcher writes them, on one topic, once; and whether they all arrived.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use barid_record::{Collector, Hints, Order, RawDocument, RecordId, document_id};
use barid_tests::{Corpus, Prose, seeds_dir};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sha2::{Digest, Sha256};

use crate::bench_kafka::Rig;
use crate::bench_kafka_hop::{drain, kafka_error, producer_settings, send};
use crate::error::{TaskError, io};

/// A topic full of articles.
pub(crate) struct Loaded {
    pub(crate) topic: String,
    pub(crate) messages: u64,
    /// Of payload.
    pub(crate) bytes: u64,
    /// The messages' keys: those of the records made of them, too.
    pub(crate) keys: HashSet<Vec<u8>>,
}

const SOURCE: &str = "corpus";

/// Articles of about 6 KB, from a folder of their own.
pub(crate) struct Articles {
    corpus: Corpus,
    prose: Prose,
    folder: &'static str,
}

/// One of them as the watcher would write it.
pub(crate) struct Made {
    pub(crate) key: String,
    headers: OwnedHeaders,
    document: RawDocument,
}

impl Articles {
    pub(crate) fn new(folder: &'static str, seed: u64, articles: usize) -> Result<Self, TaskError> {
        let corpus = Corpus { seed, articles, copies_percent: 20, article_bytes: 6000 };
        let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
        Ok(Self { corpus, prose, folder })
    }

    pub(crate) fn make(&self, index: usize) -> Result<Made, TaskError> {
        let text = self.corpus.article(&self.prose, index);
        let key = format!("{}/{:03}/{index:06}.txt", self.folder, index / 1000);
        let raw_sha256: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let document = RawDocument {
            id: document_id(SOURCE, &key, &raw_sha256),
            source_id: SOURCE.to_owned(),
            uri: format!("file:///corpus/{key}"),
            collector: Collector::File,
            observed_at_ms: now_ms()?,
            charset: None,
            content_type: None,
            hints: Hints::default(),
            raw_sha256,
            body: text.into(),
            key,
        };
        let order = Order { writer: "watcher".to_owned(), sequence: index as u64 };
        let headers = document.headers().into_iter().chain([order.header()]);
        let headers = headers.fold(OwnedHeaders::new(), |headers, (name, value)| {
            let key = String::from_utf8_lossy(&name).into_owned();
            headers.insert(Header { key: &key, value: Some(value.as_ref()) })
        });
        let key = RecordId::main(SOURCE, &document.key).to_string();
        Ok(Made { key, headers, document })
    }
}

impl Made {
    /// Writes it, with that timestamp.
    pub(crate) fn send(
        &self,
        producer: &BaseProducer,
        topic: &str,
        timestamp_ms: i64,
    ) -> Result<(), TaskError> {
        let record = BaseRecord::to(topic).key(self.key.as_bytes()).payload(self.document.body.as_ref());
        send(producer, record.headers(self.headers.clone()).timestamp(timestamp_ms))
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> Result<i64, TaskError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_err(|error| TaskError::Said(error.to_string()))?;
    Ok(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

/// A producer without transactions that chooses the partitions that barid would choose.
pub(crate) fn producer(address: &str) -> Result<BaseProducer, TaskError> {
    let mut settings = producer_settings(address);
    settings.set("partitioner", "murmur2_random");
    settings.create().map_err(kafka_error("making a producer"))
}

/// Writes all those articles to a topic.
pub(crate) fn load(address: &str, topic: &str, articles: &Articles) -> Result<Loaded, TaskError> {
    let producer = producer(address)?;
    let (mut bytes, mut keys) = (0, HashSet::new());
    for index in 0..articles.corpus.articles {
        let made = articles.make(index)?;
        bytes += made.document.body.len() as u64;
        made.send(&producer, topic, now_ms()?)?;
        keys.insert(made.key.into_bytes());
    }
    drain(&producer);
    producer.flush(Duration::from_secs(60)).map_err(kafka_error("loading a topic"))?;
    Ok(Loaded { topic: topic.to_owned(), messages: keys.len() as u64, bytes, keys })
}

/// An error unless every loaded message is in one of those topics, committed, exactly once. `and_others` allows for messages with other keys, of
/// which none may come twice either.
pub(crate) fn audit(rig: &Rig, topics: &[&str], and_others: bool) -> Result<(), TaskError> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", rig.broker.address())
        .set("group.id", "bench-audit")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "10");
    let consumer: BaseConsumer = settings.create().map_err(kafka_error("making an auditor"))?;
    let mut from = TopicPartitionList::new();
    for topic in topics {
        let found = consumer.fetch_metadata(Some(topic), Duration::from_secs(60));
        let found = found.map_err(kafka_error("looking at a topic"))?;
        for partition in found.topics().iter().flat_map(MetadataTopic::partitions) {
            let added = from.add_partition_offset(topic, partition.id(), Offset::Beginning);
            added.map_err(kafka_error("assigning an auditor"))?;
        }
    }
    consumer.assign(&from).map_err(kafka_error("assigning an auditor"))?;
    let (mut ours, mut others, mut silent) = (HashSet::new(), HashSet::new(), 0);
    let (mut seen, wanted) = (0_u64, rig.loaded.keys.len());
    // The last transaction's end may still be on its way: only silence counts. Once all are there, a short one: what comes now is too much.
    while silent < if ours.len() < wanted { 100 } else { 5 } {
        match consumer.poll(Duration::from_millis(100)) {
            None => silent += 1,
            Some(Ok(message)) => {
                (seen, silent) = (seen + 1, 0);
                let key = message.key().unwrap_or_default();
                let set = if rig.loaded.keys.contains(key) { &mut ours } else { &mut others };
                set.insert(key.to_vec());
            }
            Some(Err(error)) => return Err(kafka_error("auditing")(error)),
        }
    }
    let is_once = seen == (ours.len() + others.len()) as u64;
    if ours.len() == wanted && is_once && (and_others || others.is_empty()) {
        return Ok(());
    }
    Err(TaskError::Said(format!(
        "{topics:?}: {seen} messages arrived, with {} of {wanted} keys and {} others",
        ours.len(),
        others.len()
    )))
}
