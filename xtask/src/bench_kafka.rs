//! The same messages through one broker in several ways: the bare copy loop over as many hops as the stage has, without transactions and with them.

use std::time::Duration;

use barid_tests::kafka::{Broker, BrokerError, Size, VARIABLE, checked, delete_topics};

use crate::bench::mib;
use crate::bench_kafka_copy::Copy;
use crate::bench_kafka_load::{Loaded, audit, load};
use crate::error::TaskError;
use crate::tools::cargo;
use crate::usage::sample;

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Articles of about 6 KB.
    #[arg(long, default_value_t = 60_000)]
    articles: usize,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// How often the copy loop copies each message: the stage reads and writes it twice.
    #[arg(long, default_value_t = 2)]
    hops: usize,
    /// Messages in a transaction of the copy loop.
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000])]
    transactions: Vec<u64>,
    /// Runs of each; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// The broker, and what lies on it to be carried.
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    pub(crate) partitions: i32,
    pub(crate) loaded: Loaded,
}

/// One way of carrying every message of [`Loaded::topic`] to a last topic.
pub(crate) trait Carrier {
    /// What the report calls it.
    fn name(&self) -> String;

    /// Carries them all. Topics it makes start with `prefix`, which is new in every run.
    fn carry(&self, rig: &Rig, prefix: &str) -> Result<Carried, TaskError>;

    /// What must be true of the last topic afterwards: by default, that every message is there once.
    fn audit(&self, rig: &Rig, carried: &Carried) -> Result<(), TaskError> {
        audit(rig, carried.topics.last().map_or("", String::as_str))
    }
}

/// What one run took.
pub(crate) struct Carried {
    /// From the word to go, with every client connected, until the last message is at its place for good.
    pub(crate) wall: Duration,
    /// Each process that had a part in it.
    pub(crate) steps: Vec<Step>,
    /// The topics it made, in the order messages pass them.
    pub(crate) topics: Vec<String>,
}

/// One process.
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
    let broker = match std::env::var(VARIABLE) {
        Ok(address) => Broker::at(&address),
        Err(_) => Broker::start(Size::Stock),
    }
    .map_err(broker_error)?;
    checked(broker.address()).map_err(broker_error)?;
    let loaded = load(broker.address(), options.articles, options.partitions)?;
    let rig = Rig { broker, partitions: options.partitions, loaded };
    println!(
        "kafka: {} messages, {:.0} MiB, {} partitions, {} hops; T1 to T5 hold on this broker",
        rig.loaded.messages,
        mib(rig.loaded.bytes),
        rig.partitions,
        options.hops
    );
    let mut carriers: Vec<Box<dyn Carrier>> = vec![Box::new(Copy { hops: options.hops, transaction: None })];
    for transaction in &options.transactions {
        carriers.push(Box::new(Copy { hops: options.hops, transaction: Some(*transaction) }));
    }
    // The broker compiles its code as it runs: the first to use it would pay for the others.
    println!("warming the broker up");
    one_run(&rig, &Copy { hops: options.hops, transaction: Some(1000) }, "bench-warm.")?;
    println!("measuring; load average {}", load_average());
    let mut figures = Vec::new();
    for round in 0..options.runs.max(1) {
        // In turn, so that a noisy minute hits all of them.
        for (index, carrier) in carriers.iter().enumerate() {
            figures.push(one_run(&rig, carrier.as_ref(), &format!("bench-{round}-{index}."))?);
        }
    }
    println!("\nmedians of {}:", options.runs.max(1));
    let mut fastest = None;
    for carrier in &carriers {
        let mut of_it: Vec<&Figure> = figures.iter().filter(|figure| figure.name == carrier.name()).collect();
        of_it.sort_by_key(|figure| figure.wall);
        let median = of_it[of_it.len() / 2];
        let first = *fastest.get_or_insert(median.wall);
        tell(&rig, median, &format!("  {:.2} of the first", first.as_secs_f64() / median.wall.as_secs_f64()));
    }
    Ok(())
}

/// Of the last minute, before anything is measured: other work on the machine makes every figure here smaller.
fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn one_run(rig: &Rig, carrier: &dyn Carrier, prefix: &str) -> Result<Figure, TaskError> {
    let broker_cpu = || rig.broker.pid().and_then(sample).map(|usage| usage.cpu);
    let before = broker_cpu();
    let carried = carrier.carry(rig, prefix)?;
    let broker_cpu = broker_cpu().zip(before).map(|(after, before)| after.saturating_sub(before));
    carrier.audit(rig, &carried)?;
    let topics: Vec<&str> = carried.topics.iter().map(String::as_str).collect();
    delete_topics(rig.broker.address(), &topics).map_err(broker_error)?;
    let figure = Figure {
        name: carrier.name(),
        wall: carried.wall,
        cpu: carried.steps.iter().map(|step| step.cpu).sum(),
        broker_cpu,
    };
    tell(rig, &figure, "");
    for step in &carried.steps {
        println!("    {:<12} {:>6.1} us CPU/message  {}", step.name, each(rig, step.cpu), step.note);
    }
    Ok(figure)
}

/// Microseconds for each message.
fn each(rig: &Rig, time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / rig.loaded.messages as f64
}

fn tell(rig: &Rig, figure: &Figure, more: &str) {
    let seconds = figure.wall.as_secs_f64();
    let broker = figure.broker_cpu.map_or("?".to_owned(), |cpu| format!("{:.1}", each(rig, cpu)));
    println!(
        "{:<28} {seconds:>6.2} s  {:>6.0} messages/s  {:>6.1} MB/s  client {:>6.1} us CPU/message  broker {broker:>6}{more}",
        figure.name,
        rig.loaded.messages as f64 / seconds,
        rig.loaded.bytes as f64 / 1e6 / seconds,
        each(rig, figure.cpu),
    );
}

pub(crate) fn broker_error(error: BrokerError) -> TaskError {
    TaskError::Said(error.to_string())
}
