//! One hop of the bare copy loop, a process of its own: read a message, write the same message, and nothing else. Its settings are those of barid's own
//! clients, so that what is compared is the work between them.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use barid_tests::kafka::create_topic;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::error::{TaskError, io};
use crate::usage::sample;

/// Which hop.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The broker.
    #[arg(long)]
    address: String,
    /// The topic to read.
    #[arg(long)]
    from: String,
    /// The topic to write.
    #[arg(long)]
    to: String,
    /// Partitions of both.
    #[arg(long)]
    partitions: i32,
    /// Messages to copy.
    #[arg(long)]
    messages: u64,
    /// Messages in a transaction; 0 is none.
    #[arg(long)]
    transaction: u64,
}

/// Waiting for deliveries: the client's own `flush` never takes less than 100 ms.
const PARK: Duration = Duration::from_micros(300);

/// What took how long.
#[derive(Default)]
struct Times {
    commits: u64,
    drain: Duration,
    commit: Duration,
}

/// Connects, says `ready`, waits for a line, copies, and tells in one line of JSON what it took.
pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    create_topic(&options.address, &options.to, options.partitions, &[])
        .map_err(super::bench_kafka::broker_error)?;
    let consumer = consumer(options)?;
    let producer = producer(options)?;
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).map_err(io("saying ready"))?;
    let mut go = String::new();
    std::io::stdin().lock().read_line(&mut go).map_err(io("waiting for the word to go"))?;
    let cpu = || sample(std::process::id()).map_or(0, |usage| usage.cpu.as_micros() as u64);
    let (started, cpu_before) = (Instant::now(), cpu());
    let times = copy(options, &consumer, &producer)?;
    let result = serde_json::json!({
        "wall_us": started.elapsed().as_micros() as u64,
        "cpu_us": cpu() - cpu_before,
        "commits": times.commits,
        "drain_us": times.drain.as_micros() as u64,
        "commit_us": times.commit.as_micros() as u64,
    });
    writeln!(out, "{result}").map_err(io("telling the result"))
}

fn consumer(options: &Options) -> Result<BaseConsumer, TaskError> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &options.address)
        .set("group.id", format!("copy.{}", options.to))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("fetch.wait.max.ms", "250")
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", (4 << 20).to_string())
        .set("queued.max.messages.kbytes", (16 << 10).to_string());
    let consumer: BaseConsumer = settings.create().map_err(kafka_error("making a consumer"))?;
    let mut from = TopicPartitionList::new();
    for partition in 0..options.partitions {
        let added = from.add_partition_offset(&options.from, partition, Offset::Beginning);
        added.map_err(kafka_error("assigning partitions"))?;
    }
    consumer.assign(&from).map_err(kafka_error("assigning partitions"))?;
    // It fetches from now on; a hop that waits for its word must not have its input in memory already.
    consumer.pause(&from).map_err(kafka_error("holding the input"))?;
    consumer
        .fetch_metadata(Some(&options.from), Duration::from_secs(60))
        .map_err(kafka_error("connecting"))?;
    Ok(consumer)
}

/// The settings every producer here starts from.
pub(crate) fn producer_settings(address: &str) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", address)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "zstd")
        .set("compression.level", "1")
        .set("linger.ms", "2")
        .set("batch.size", "1000000")
        .set("batch.num.messages", "10000")
        .set("message.max.bytes", (32 << 20).to_string())
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", (128 << 10).to_string());
    settings
}

fn producer(options: &Options) -> Result<BaseProducer, TaskError> {
    let mut settings = producer_settings(&options.address);
    if options.transaction > 0 {
        settings.set("transactional.id", &options.to);
    }
    let producer: BaseProducer = settings.create().map_err(kafka_error("making a producer"))?;
    if options.transaction > 0 {
        producer.init_transactions(Timeout::Never).map_err(kafka_error("beginning with transactions"))?;
    }
    let connected = producer.client().fetch_metadata(Some(&options.to), Duration::from_secs(60));
    connected.map_err(kafka_error("connecting"))?;
    Ok(producer)
}

fn copy(options: &Options, consumer: &BaseConsumer, producer: &BaseProducer) -> Result<Times, TaskError> {
    const SERVE_EVERY: u64 = 64;
    const LONGEST_SILENCE: Duration = Duration::from_secs(60);
    let input = consumer.assignment().map_err(kafka_error("asking for the assignment"))?;
    consumer.resume(&input).map_err(kafka_error("releasing the input"))?;
    let mut times = Times::default();
    let mut next = vec![None; usize::try_from(options.partitions).unwrap_or(0)];
    let (mut copied, mut in_transaction, mut heard) = (0, 0, Instant::now());
    while copied < options.messages {
        // Served before it waits: deliveries are what frees the producer's memory.
        if copied % SERVE_EVERY == 0 {
            producer.poll(Duration::ZERO);
        }
        let message = match consumer.poll(Duration::from_millis(20)) {
            None if heard.elapsed() > LONGEST_SILENCE => {
                let wanted = options.messages;
                return Err(TaskError::Said(format!("{copied} of {wanted} messages came, then none")));
            }
            None => continue,
            Some(message) => message.map_err(kafka_error("reading"))?,
        };
        heard = Instant::now();
        if options.transaction > 0 && in_transaction == 0 {
            producer.begin_transaction().map_err(kafka_error("beginning a transaction"))?;
        }
        let mut record = BaseRecord::to(&options.to)
            .partition(message.partition())
            .key(message.key().unwrap_or_default())
            .payload(message.payload().unwrap_or_default());
        if let Some(timestamp) = message.timestamp().to_millis() {
            record = record.timestamp(timestamp);
        }
        if let Some(headers) = message.headers() {
            record = record.headers(headers.detach());
        }
        send(producer, record)?;
        if let Some(next) = usize::try_from(message.partition()).ok().and_then(|at| next.get_mut(at)) {
            *next = Some(message.offset() + 1);
        }
        (copied, in_transaction) = (copied + 1, in_transaction + 1);
        if in_transaction == options.transaction || copied == options.messages {
            let begun = Instant::now();
            drain(producer);
            times.drain += begun.elapsed();
            if options.transaction > 0 {
                commit(options, consumer, producer, &next)?;
            }
            times.commit += begun.elapsed();
            times.commits += 1;
            in_transaction = 0;
        }
    }
    Ok(times)
}

fn commit(
    options: &Options,
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    next: &[Option<i64>],
) -> Result<(), TaskError> {
    let mut offsets = TopicPartitionList::new();
    for (partition, next) in (0..).zip(next) {
        if let Some(next) = next {
            let added = offsets.add_partition_offset(&options.from, partition, Offset::Offset(*next));
            added.map_err(kafka_error("naming offsets"))?;
        }
    }
    let group = consumer.group_metadata();
    let group = group.ok_or_else(|| TaskError::Said("the consumer has no group".to_owned()))?;
    let sent = producer.send_offsets_to_transaction(&offsets, &group, Timeout::Never);
    sent.map_err(kafka_error("sending offsets"))?;
    producer.commit_transaction(Timeout::Never).map_err(kafka_error("committing"))
}

/// Sends, waiting while the producer's memory is full.
pub(crate) fn send<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
    producer: &BaseProducer,
    record: BaseRecord<'_, K, P>,
) -> Result<(), TaskError> {
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                producer.poll(Duration::ZERO);
                std::thread::sleep(PARK);
            }
            Err((error, _)) => return Err(kafka_error("writing")(error)),
        }
    }
}

/// Waits until the broker has everything that was sent.
pub(crate) fn drain(producer: &BaseProducer) {
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::ZERO);
        std::thread::sleep(PARK);
    }
}

/// Names what was tried, for `map_err`.
pub(crate) fn kafka_error(what: &'static str) -> impl FnOnce(KafkaError) -> TaskError {
    move |error| TaskError::Said(format!("{what}: {error}"))
}
