//! Small workers on the Kafka log, in the test's own process or as one that can be killed: one copies, one counts, one takes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barid_log::{
    Batch, Change, Control, Delivery, Kafka, KafkaConfig, Limit, Log, LogError, Message, Outgoing, Position,
    Table, Unit, Wish, Worker, WorkerSpec,
};
use barid_record::Topic;
use bytes::Bytes;
use prometheus::Registry;

/// The table of the worker that counts.
pub const COUNTS: Table = Table("counts");
/// Messages of one unit: few, so that many transactions are under way when something happens.
const LIMIT: Limit = Limit { messages: 50, bytes: 1 << 20 };

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Shares partitions: every message of `barid.raw` goes to `barid.articles` as it is.
    Copy,
    /// Owns its group: every message of `barid.raw` goes to `barid.records` with its number, counted in the table from 1.
    Count,
    /// Shares partitions of `barid.raw`, takes one message and then no more.
    Hoard,
}

impl Job {
    /// What a process is told.
    pub fn word(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Count => "count",
            Self::Hoard => "hoard",
        }
    }

    /// The job of that word.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Copy, Self::Count, Self::Hoard].into_iter().find(|job| job.word() == word)
    }
}

/// One worker's place on a cluster.
#[derive(Debug, Clone)]
pub struct Post {
    /// Addresses of the brokers.
    pub brokers: String,
    /// In front of all names.
    pub prefix: String,
    /// Its local folder.
    pub dir: PathBuf,
    /// Its name, if it is given one.
    pub instance: Option<String>,
    /// What its commits promise.
    pub delivery: Delivery,
    /// Whether it keeps its place over a restart.
    pub static_membership: bool,
    /// What it may keep of fetched messages.
    pub fetch_bytes: usize,
}

impl Post {
    /// Exactly once, with static membership.
    pub fn new(brokers: &str, prefix: &str, dir: &Path) -> Self {
        Self {
            brokers: brokers.to_owned(),
            prefix: prefix.to_owned(),
            dir: dir.to_owned(),
            instance: None,
            delivery: Delivery::ExactlyOnce,
            static_membership: true,
            fetch_bytes: 64 << 20,
        }
    }

    /// The log's configuration: the shortest session that brokers take by default.
    pub fn config(&self, control: &Control) -> KafkaConfig {
        KafkaConfig {
            prefix: self.prefix.clone(),
            instance: self.instance.clone(),
            delivery: self.delivery,
            static_membership: self.static_membership,
            fetch_bytes: self.fetch_bytes,
            session_timeout: Duration::from_secs(6),
            control: control.clone(),
            ..KafkaConfig::new(&self.brokers, &self.dir)
        }
    }

    /// The words by which a process of [`Post::from_words`] knows it.
    pub fn words(&self) -> [String; 7] {
        let delivery = if self.delivery == Delivery::ExactlyOnce { "exactly" } else { "at-least" };
        let membership = if self.static_membership { "static" } else { "dynamic" };
        [
            self.brokers.clone(),
            self.prefix.clone(),
            self.dir.display().to_string(),
            self.instance.clone().unwrap_or_default(),
            delivery.to_owned(),
            membership.to_owned(),
            self.fetch_bytes.to_string(),
        ]
    }

    /// `None` when they are not these seven.
    pub fn from_words(words: &[String]) -> Option<Self> {
        let [brokers, prefix, dir, instance, delivery, membership, fetch_bytes] = words else { return None };
        Some(Self {
            instance: (!instance.is_empty()).then(|| instance.clone()),
            delivery: if delivery == "exactly" { Delivery::ExactlyOnce } else { Delivery::AtLeastOnce },
            static_membership: membership == "static",
            fetch_bytes: fetch_bytes.parse().ok()?,
            ..Self::new(brokers, prefix, Path::new(dir))
        })
    }
}

/// Works until told to stop, joining again as often as that helps. `told` hears `joined`, `rewound` and `lost`.
pub fn work(post: &Post, job: Job, control: &Control, told: &mut dyn FnMut(&str)) -> Result<(), LogError> {
    let log = again(control, || Kafka::open(post.config(control), &Registry::new()))?;
    let Some(log) = log else { return Ok(()) };
    let spec = match job {
        Job::Copy | Job::Hoard => {
            WorkerSpec { group: "copy".into(), inputs: vec![Topic::Raw], tables: Vec::new() }
        }
        Job::Count => WorkerSpec { group: "count".into(), inputs: vec![Topic::Raw], tables: vec![COUNTS] },
    };
    loop {
        let Some(mut worker) = again(control, || log.worker(spec.clone()))? else { return Ok(()) };
        told("joined");
        match serve(worker.as_mut(), job, control, told) {
            Err(error) if error.is_transient() => told("lost"),
            ended => return ended,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Tries until it is done, cannot be done, or nobody waits for it.
fn again<T>(control: &Control, mut call: impl FnMut() -> Result<T, LogError>) -> Result<Option<T>, LogError> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(_) if control.wish() != Wish::Run => return Ok(None),
            Err(error) if !error.is_transient() => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn serve(
    worker: &mut dyn Worker,
    job: Job,
    control: &Control,
    told: &mut dyn FnMut(&str),
) -> Result<(), LogError> {
    let mut newest = None;
    while control.wish() == Wish::Run {
        match step(worker, job, control) {
            Ok(ticket) => newest = ticket.or(newest),
            Err(error) if error.is_rewound() => told("rewound"),
            Err(error) => return Err(error),
        }
    }
    match newest.map(|ticket| worker.wait(ticket)) {
        None | Some(Ok(())) => Ok(()),
        // It comes again to whoever is next.
        Some(Err(error)) if error.is_transient() => Ok(()),
        Some(Err(error)) => Err(error),
    }
}

fn step(worker: &mut dyn Worker, job: Job, control: &Control) -> Result<Option<barid_log::Ticket>, LogError> {
    let batch = worker.poll(LIMIT, Duration::from_millis(100))?;
    while job == Job::Hoard && !batch.is_empty() && control.wish() == Wish::Run {
        worker.tend()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    if batch.is_empty() {
        return Ok(None);
    }
    let mut unit = Unit { consumed: positions(&batch), ..Unit::default() };
    match job {
        Job::Copy | Job::Hoard => {
            unit.produced.extend(
                batch.iter().map(|message| outgoing(message, Topic::Articles, message.value.clone())),
            );
        }
        Job::Count => {
            let mut total = number(worker.get(COUNTS, b"total")?);
            for message in &batch {
                total += 1;
                unit.produced.push(outgoing(message, Topic::Records, total.to_string().into()));
                unit.state.push(put(&message.value, total));
            }
            unit.state.push(put(b"total", total));
        }
    }
    worker.submit(unit).map(Some)
}

/// The position after the last message of each partition.
pub fn positions(batch: &Batch) -> Vec<Position> {
    let mut positions: Vec<Position> = Vec::new();
    for next in batch.iter().map(Message::next) {
        match positions
            .iter_mut()
            .find(|known| (known.topic, known.partition) == (next.topic, next.partition))
        {
            Some(known) => *known = next,
            None => positions.push(next),
        }
    }
    positions
}

fn outgoing(message: &Message, topic: Topic, value: Bytes) -> Outgoing {
    Outgoing {
        topic,
        timestamp_ms: message.timestamp_ms,
        key: message.key.clone(),
        headers: Vec::new(),
        value,
    }
}

fn put(key: &[u8], count: u64) -> Change {
    let value = Bytes::copy_from_slice(&count.to_be_bytes());
    Change::Put { table: COUNTS, key: Bytes::copy_from_slice(key), value }
}

/// A count of the table; 0 where there is none.
pub fn number(value: Option<Bytes>) -> u64 {
    value.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes)
}
