//! Written to `barid.raw` to visible at read_committed in `barid.records`, at a steady rate; alone, and beside a back-fill.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::bench_kafka::{Options, Row};
use crate::bench_kafka_hop::{drain, kafka_error};
use crate::bench_kafka_load::{Articles, Made, load, now_ms, producer};
use crate::bench_kafka_stage::{Pipeline, Stage};
use crate::error::TaskError;

/// Written before what counts, at the same rate: the broker compiles its code as it runs.
const WARM_UP: Duration = Duration::from_secs(5);

/// What one run showed.
struct Measured {
    /// Of the live articles, in order. Beside a back-fill: of those written while it lasted.
    latencies: Vec<Duration>,
    written: usize,
    /// Back-filled articles a second while the live articles came.
    backfilled: f64,
}

impl Measured {
    fn at(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    fn row(&self, what: String, goal: &str) -> Row {
        let ms = |share: f64| self.at(share).as_secs_f64() * 1e3;
        let value = format!("p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms", ms(0.5), ms(0.99), ms(1.0));
        Row { what, value, goal: goal.to_owned() }
    }
}

/// Without a back-fill, and with one where that is asked for.
pub(crate) fn run(
    binary: &Path,
    address: &str,
    options: &Options,
    with_backfill: bool,
) -> Result<Vec<Row>, TaskError> {
    let calm = measure(binary, address, options, 0)?;
    let what = format!("latency of {} articles at {}/s", calm.written, options.rate);
    let mut rows = vec![calm.row(what, "p50 <= 60 ms, p99 <= 250 ms")];
    if with_backfill {
        let busy = measure(binary, address, options, options.backfill)?;
        if busy.latencies.is_empty() {
            return Err(TaskError::Said(
                "the back-fill was over too soon: give a larger --backfill".to_owned(),
            ));
        }
        let what = format!(
            "the same beside a back-fill of {} ({:.0}/s): {} of {} articles were written while it lasted",
            options.backfill,
            busy.backfilled,
            busy.latencies.len(),
            busy.written
        );
        rows.push(busy.row(what, ""));
        let ratio = busy.at(0.99).as_secs_f64() / calm.at(0.99).as_secs_f64();
        rows.push(Row {
            what: "p99 beside the back-fill to p99 without".to_owned(),
            value: format!("{ratio:.2}"),
            goal: "<= 2".to_owned(),
        });
    }
    Ok(rows)
}

fn measure(binary: &Path, address: &str, options: &Options, backfill: usize) -> Result<Measured, TaskError> {
    let prefix = if backfill > 0 { "bench-backfill." } else { "bench-latency." };
    let pipeline = Pipeline::new(binary, address, prefix, options.partitions)?;
    let mut old = HashSet::new();
    if backfill > 0 {
        println!("writing {backfill} articles to the back-fill");
        let articles = Articles::new("old", 42, backfill)?;
        old = load(address, &pipeline.topic(Topic::Backfill), &articles)?.keys;
    }
    let rate = f64::from(options.rate.max(1));
    let count = |length: f64| (length * rate) as usize;
    let warm_up = count(WARM_UP.as_secs_f64());
    let total = warm_up + count(f64::from(options.seconds));
    let articles = Articles::new("live", 7, total)?;
    let articles: Vec<Made> = (0..total).map(|index| articles.make(index)).collect::<Result<_, _>>()?;
    let reader = reader(address, &pipeline.topic(Topic::Records), options.partitions)?;
    let producer = producer(address)?;
    producer
        .client()
        .fetch_metadata(Some(&pipeline.topic(Topic::Raw)), Duration::from_secs(60))
        .map_err(kafka_error("connecting"))?;
    let mut stage = pipeline.start("data")?;
    stage.hears("partitions moved", Some("stage.parse"))?;
    stage.hears("owner of the state", None)?;
    println!("writing {total} articles at {rate}/s; the first {warm_up} warm up");
    let raw = pipeline.topic(Topic::Raw);
    let flow = Flow { producer, reader, raw, articles: &articles, old: &old, rate };
    let seen = drop_and_follow(&flow, warm_up).map_err(|error| stuck(&mut stage, &error))?;
    stage.stop()?;
    pipeline.remove()?;
    let lasted = |written: Instant| backfill == 0 || seen.last_old.is_some_and(|last| written <= last);
    let counted = seen.live.into_iter().filter(|(written, _)| lasted(*written));
    let mut latencies: Vec<Duration> = counted.map(|(written, seen)| seen - written).collect();
    latencies.sort();
    let while_it_lasted = seen.last_old.map_or(1.0, |last| (last - seen.started).as_secs_f64());
    Ok(Measured {
        latencies,
        written: total - warm_up,
        backfilled: seen.old as f64 / while_it_lasted.max(0.001),
    })
}

/// With what the stage shows of itself.
fn stuck(stage: &mut Stage, error: &TaskError) -> TaskError {
    let shown = stage.metrics().map_or_else(|error| error.to_string(), |metrics| metrics.of_work());
    stage.failed(&format!("{error}\n{shown}"))
}

/// What flows, and through what.
struct Flow<'a> {
    producer: BaseProducer,
    reader: BaseConsumer,
    raw: String,
    articles: &'a [Made],
    /// The keys of what is back-filled.
    old: &'a HashSet<Vec<u8>>,
    rate: f64,
}

/// What came out.
struct Seen {
    started: Instant,
    /// When each article after the warm-up was written and when its record was read.
    live: Vec<(Instant, Instant)>,
    /// Back-filled articles that came.
    old: u64,
    last_old: Option<Instant>,
}

/// Writes the articles when they are due and reads records in between, until all are there.
fn drop_and_follow(flow: &Flow<'_>, warm_up: usize) -> Result<Seen, TaskError> {
    const LONGEST_SILENCE: Duration = Duration::from_secs(120);
    let numbers: HashMap<&str, usize> =
        flow.articles.iter().enumerate().map(|(number, article)| (article.key.as_str(), number)).collect();
    let mut written: Vec<Instant> = Vec::new();
    let mut read: Vec<Option<Instant>> = vec![None; flow.articles.len()];
    let (mut missing, mut last_live) = (flow.articles.len(), Instant::now());
    let mut seen = Seen { started: Instant::now(), live: Vec::new(), old: 0, last_old: None };
    while missing > 0 {
        let due = (seen.started.elapsed().as_secs_f64() * flow.rate) as usize + 1;
        while written.len() < due.min(flow.articles.len()) {
            let article = &flow.articles[written.len()];
            written.push(Instant::now());
            article.send(&flow.producer, &flow.raw, now_ms()?)?;
        }
        flow.producer.poll(Duration::ZERO);
        let Some(message) = flow.reader.poll(Duration::from_millis(1)) else {
            if last_live.elapsed() > LONGEST_SILENCE {
                let first = read.iter().position(Option::is_none);
                return Err(TaskError::Said(format!(
                    "{missing} of {} live articles have no record, the first of them number {first:?}; {} back-filled ones have",
                    read.len(),
                    seen.old
                )));
            }
            continue;
        };
        let message = message.map_err(kafka_error("reading records"))?;
        let key = message.key().unwrap_or_default();
        match str::from_utf8(key).ok().and_then(|key| numbers.get(key)) {
            Some(&number) if read[number].is_none() => {
                last_live = Instant::now();
                read[number] = Some(last_live);
                missing -= 1;
            }
            Some(_) => {
                return Err(TaskError::Said(format!("{} has two records", String::from_utf8_lossy(key))));
            }
            None if flow.old.contains(key) => {
                (seen.old, seen.last_old) = (seen.old + 1, Some(Instant::now()))
            }
            // A related article.
            None => {}
        }
    }
    drain(&flow.producer);
    let pairs = written.into_iter().zip(read).skip(warm_up);
    seen.live = pairs.filter_map(|(written, read)| Some((written, read?))).collect();
    Ok(seen)
}

fn reader(address: &str, topic: &str, partitions: i32) -> Result<BaseConsumer, TaskError> {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", address)
        .set("group.id", "bench-reader")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "1")
        .set("fetch.message.max.bytes", (4 << 20).to_string());
    let reader: BaseConsumer = settings.create().map_err(kafka_error("making a reader"))?;
    let mut from = TopicPartitionList::new();
    for partition in 0..partitions {
        from.add_partition_offset(topic, partition, Offset::Beginning).map_err(kafka_error("assigning"))?;
    }
    reader.assign(&from).map_err(kafka_error("assigning"))?;
    Ok(reader)
}
