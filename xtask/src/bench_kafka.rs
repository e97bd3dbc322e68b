//! barid over Apache Kafka: its throughput beside a bare copy loop on the same messages, its latency alone and beside a back-fill, its recovery.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use barid_record::Topic;
use barid_tests::kafka::{Broker, BrokerError, Size, VARIABLE, checked, create_topic, delete_topics};

use crate::bench::mib;
use crate::bench_kafka_barid::Barid;
use crate::bench_kafka_copy::Copy;
use crate::bench_kafka_load::{Articles, Loaded, audit, load};
use crate::error::TaskError;
use crate::tools::{barid, cargo};
use crate::usage::sample;
use crate::{bench_kafka_latency, bench_kafka_recovery};

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to measure; all of it where nothing is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Articles of about 6 KB, for the throughput.
    #[arg(long, default_value_t = 60_000)]
    articles: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 6)]
    pub(crate) partitions: i32,
    /// How often the copy loop copies each message: the stage reads and writes it twice.
    #[arg(long, default_value_t = 2)]
    hops: usize,
    /// Messages in a transaction of the copy loop, beside barid's own mean.
    #[arg(long, value_delimiter = ',')]
    transactions: Vec<u64>,
    /// Runs of each carrier; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Articles a second, for the latency.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u32,
    /// Seconds of it.
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// Articles back-filled beside them.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) backfill: usize,
    /// Entries of the index that is recovered.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) entries: u64,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// barid and the copy loop on the same messages.
    Throughput,
    /// From the raw topic to the records.
    Latency,
    /// The same with and without a back-fill.
    Backfill,
    /// Start and take-over with a large index.
    Recovery,
}

/// A figure beside its goal.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) value: String,
    pub(crate) goal: String,
}

/// Stands in front of the names of the topics that all carriers read.
const PREFIX: &str = "bench.";

/// The broker, and what lies on it to be carried.
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    pub(crate) partitions: i32,
    pub(crate) loaded: Loaded,
}

impl Rig {
    /// What the broker's process has used so far; unknown where it is not ours.
    pub(crate) fn broker_cpu(&self) -> Option<Duration> {
        self.broker.pid().and_then(sample).map(|usage| usage.cpu)
    }
}

/// One way of carrying every message of [`Loaded::topic`] to a last topic.
pub(crate) trait Carrier {
    /// What the report calls it.
    fn name(&self) -> String;

    /// Carries them all. Topics it makes start with `prefix`, which is new in every run.
    fn carry(&self, rig: &Rig, prefix: &str) -> Result<Carried, TaskError>;

    /// What must be true of the last topic afterwards: by default, that every message is there once.
    fn audit(&self, rig: &Rig, carried: &Carried) -> Result<(), TaskError> {
        audit(rig, &[carried.topics.last().map_or("", String::as_str)], false)
    }
}

/// What one run took.
pub(crate) struct Carried {
    /// From the word to go, with every client connected, until the last message is at its place for good.
    pub(crate) wall: Duration,
    /// Each process, or kind of threads, that had a part in it.
    pub(crate) steps: Vec<Step>,
    /// What the broker used meanwhile.
    pub(crate) broker_cpu: Option<Duration>,
    /// The topics it made, in the order messages pass them.
    pub(crate) topics: Vec<String>,
}

/// One process, or threads of one kind.
pub(crate) struct Step {
    pub(crate) name: String,
    /// Processor time after the word to go.
    pub(crate) cpu: Duration,
    /// More for the report.
    pub(crate) note: String,
}

/// One line of the report.
struct Figure {
    name: String,
    wall: Duration,
    cpu: Duration,
    broker_cpu: Option<Duration>,
}

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    if cfg!(debug_assertions) {
        // The clients' own processor time counts.
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        return cargo(&[&["run", "--release", "--package", "xtask", "--"], arguments.as_slice()].concat());
    }
    let binary = barid("release", &[])?;
    let broker = match std::env::var(VARIABLE) {
        Ok(address) => Broker::at(&address),
        Err(_) => Broker::start(Size::Stock),
    }
    .map_err(broker_error)?;
    checked(broker.address()).map_err(broker_error)?;
    println!("kafka: T1 to T5 hold on this broker");
    let address = broker.address().to_owned();
    let wants = |part| options.only.is_empty() || options.only.contains(&part);
    let mut rows = Vec::new();
    if wants(Part::Recovery) {
        told(&mut rows, bench_kafka_recovery::run(&binary, &address, options)?);
    }
    if wants(Part::Latency) || wants(Part::Backfill) {
        told(&mut rows, bench_kafka_latency::run(&binary, &address, options, wants(Part::Backfill))?);
    }
    if wants(Part::Throughput) {
        told(&mut rows, throughput(options, &binary, broker)?);
    }
    println!("\nall figures, at {} partitions; load average now {}:", options.partitions, load_average());
    rows.iter().for_each(show);
    Ok(())
}

/// Says it at once, and keeps it for the end.
fn told(rows: &mut Vec<Row>, new: Vec<Row>) {
    new.iter().for_each(show);
    rows.extend(new);
}

fn show(Row { what, value, goal }: &Row) {
    let goal = if goal.is_empty() { String::new() } else { format!("  (goal: {goal})") };
    println!("  {what}: {value}{goal}");
}

fn throughput(options: &Options, binary: &Path, broker: Broker) -> Result<Vec<Row>, TaskError> {
    let topic = format!("{PREFIX}{}", Topic::Raw.name());
    create_topic(broker.address(), &topic, options.partitions, &[]).map_err(broker_error)?;
    let loaded = load(broker.address(), &topic, &Articles::new("load", 42, options.articles)?)?;
    let rig = Rig { broker, partitions: options.partitions, loaded };
    println!(
        "kafka: {} messages, {:.0} MiB, {} partitions, {} hops",
        rig.loaded.messages,
        mib(rig.loaded.bytes),
        rig.partitions,
        options.hops
    );
    // The broker compiles its code as it runs: the first to use it would pay for the others. And barid says what its transactions hold.
    println!("warming the broker up");
    let barid = Barid { binary: binary.to_owned(), mean: Cell::new(0.0) };
    one_run(&rig, &barid, "bench-warm-a.")?;
    let same = (barid.mean.get().round() as u64).max(1);
    let copy = |transaction| Box::new(Copy { hops: options.hops, transaction });
    one_run(&rig, copy(Some(same)).as_ref(), "bench-warm-b.")?;
    let mut carriers: Vec<Box<dyn Carrier>> = vec![copy(None), copy(Some(same)), Box::new(barid)];
    for transaction in &options.transactions {
        carriers.push(copy(Some(*transaction)));
    }
    println!("measuring; load average {}", load_average());
    let mut figures = Vec::new();
    for round in 0..options.runs.max(1) {
        // In turn, so that a noisy minute hits all of them.
        for (index, carrier) in carriers.iter().enumerate() {
            figures.push(one_run(&rig, carrier.as_ref(), &format!("bench-{round}-{index}."))?);
        }
    }
    println!("\nmedians of {}:", options.runs.max(1));
    let medians: Vec<&Figure> =
        carriers.iter().filter_map(|carrier| median(&figures, &carrier.name())).collect();
    medians.iter().for_each(|median| tell(&rig, median));
    let [plain, transactional, ours, ..] = medians.as_slice() else { return Ok(Vec::new()) };
    Ok(ratios(&rig, plain, transactional, ours))
}

fn median<'a>(figures: &'a [Figure], name: &str) -> Option<&'a Figure> {
    let mut of_it: Vec<&Figure> = figures.iter().filter(|figure| figure.name == name).collect();
    of_it.sort_by_key(|figure| figure.wall);
    of_it.get(of_it.len() / 2).copied()
}

fn ratios(rig: &Rig, plain: &Figure, transactional: &Figure, ours: &Figure) -> Vec<Row> {
    let ratio = |other: &Figure, goal: &str| Row {
        what: format!("barid stage to {}", other.name),
        value: format!("{:.2}", other.wall.as_secs_f64() / ours.wall.as_secs_f64()),
        goal: goal.to_owned(),
    };
    let seconds = ours.wall.as_secs_f64();
    let rate = Row {
        what: "barid stage".to_owned(),
        value: format!(
            "{:.0} articles/s, {:.1} MB/s of raw text, {:.0} us CPU/article",
            rig.loaded.messages as f64 / seconds,
            rig.loaded.bytes as f64 / 1e6 / seconds,
            each(rig, ours.cpu)
        ),
        goal: String::new(),
    };
    vec![rate, ratio(plain, ">= 0.5"), ratio(transactional, ">= 0.8")]
}

/// Of the last minute, before anything is measured: other work on the machine makes every figure here smaller.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn one_run(rig: &Rig, carrier: &dyn Carrier, prefix: &str) -> Result<Figure, TaskError> {
    let carried = carrier.carry(rig, prefix)?;
    carrier.audit(rig, &carried)?;
    let topics: Vec<&str> = carried.topics.iter().map(String::as_str).collect();
    delete_topics(rig.broker.address(), &topics).map_err(broker_error)?;
    let figure = Figure {
        name: carrier.name(),
        wall: carried.wall,
        cpu: carried.steps.iter().map(|step| step.cpu).sum(),
        broker_cpu: carried.broker_cpu,
    };
    tell(rig, &figure);
    for step in &carried.steps {
        println!("    {:<14} {:>6.1} us CPU/message  {}", step.name, each(rig, step.cpu), step.note);
    }
    Ok(figure)
}

/// Microseconds for each message.
fn each(rig: &Rig, time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / rig.loaded.messages as f64
}

fn tell(rig: &Rig, figure: &Figure) {
    let seconds = figure.wall.as_secs_f64();
    let broker = figure.broker_cpu.map_or("?".to_owned(), |cpu| format!("{:.1}", each(rig, cpu)));
    println!(
        "{:<28} {seconds:>6.2} s  {:>6.0} messages/s  {:>6.1} MB/s  client {:>6.1} us CPU/message  broker {broker:>6}",
        figure.name,
        rig.loaded.messages as f64 / seconds,
        rig.loaded.bytes as f64 / 1e6 / seconds,
        each(rig, figure.cpu),
    );
}

pub(crate) fn broker_error(error: BrokerError) -> TaskError {
    TaskError::Said(error.to_string())
}
