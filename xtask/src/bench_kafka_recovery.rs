//! How soon the owner of a large index is there: from the changelog alone, from its snapshot, and in the place of one that was killed.

use std::path::Path;
use std::time::{Duration, Instant};

use barid_tests::Random;
use rdkafka::producer::{BaseRecord, Producer};

use crate::bench::mib;
use crate::bench_kafka::{Options, Row};
use crate::bench_kafka_hop::{drain, kafka_error, send};
use crate::bench_kafka_load::producer;
use crate::bench_kafka_stage::{Pipeline, Stage};
use crate::error::TaskError;
use crate::usage::sample;

/// barid's default, in seconds.
const SESSION: f64 = 15.0;
const KEY_BYTES: usize = 32;
const VALUE_BYTES: usize = 51;

pub(crate) fn run(binary: &Path, address: &str, options: &Options) -> Result<Vec<Row>, TaskError> {
    let pipeline = Pipeline::new(binary, address, "bench-recovery.", options.partitions)?;
    println!("writing {} entries to the changelog", options.entries);
    fill(address, &pipeline.named("barid.state.stage.bodies"), options.entries)?;
    let mut stage = pipeline.start("one")?;
    let cold = owner(&mut stage, "from the changelog alone")?;
    let stopped = stage.stop()?;
    println!("stopped within {:.1} s", stopped.as_secs_f64());
    let mut stage = pipeline.start("one")?;
    let warm = owner(&mut stage, "from its snapshot")?;
    let mut standby = pipeline.start("two")?;
    standby.hears("standing by", Some("stage.decide"))?;
    until_idle(&mut standby)?;
    let killed = stage.kill()?;
    let taken = standby.hears("owner of the state", None)?.at.saturating_duration_since(killed);
    standby.stop()?;
    pipeline.remove()?;
    let row = |what: &str, time: Duration, goal: String| Row {
        what: format!("{what}, {} entries", options.entries),
        value: format!("{:.1} s", time.as_secs_f64()),
        goal,
    };
    Ok(vec![
        row("start from the changelog alone", cold, String::new()),
        row("start from its snapshot after a stop", warm, "<= 10 s with 10000000".to_owned()),
        row(
            "take-over by a warm standby after SIGKILL",
            taken,
            format!("<= {:.0} s, the session timeout and 3", SESSION + 3.0),
        ),
    ])
}

/// From the start of the process until it owns the whole state.
fn owner(stage: &mut Stage, how: &str) -> Result<Duration, TaskError> {
    let said = stage.hears("owner of the state", None)?;
    let time = said.at.saturating_duration_since(stage.started);
    let memory = sample(stage.pid()).map_or(0, |usage| usage.peak_rss_bytes);
    println!(
        "owner {how} {:.2} s after its start, {:.2} s after its turn came; memory {:.0} MiB",
        time.as_secs_f64(),
        said.line["fields"]["seconds"].as_f64().unwrap_or(f64::NAN),
        mib(memory)
    );
    Ok(time)
}

/// A standby that has read the whole changelog does nothing more.
fn until_idle(stage: &mut Stage) -> Result<(), TaskError> {
    const WINDOW: Duration = Duration::from_secs(3);
    const LITTLE: Duration = Duration::from_millis(150);
    let started = Instant::now();
    let mut before = None;
    loop {
        let now = sample(stage.pid()).ok_or_else(|| stage.failed("the standby has ended"))?.cpu;
        if before.is_some_and(|before| now.saturating_sub(before) < LITTLE) {
            println!("the standby is warm after {:.1} s", started.elapsed().as_secs_f64());
            return Ok(());
        }
        before = Some(now);
        std::thread::sleep(WINDOW);
    }
}

fn fill(address: &str, topic: &str, entries: u64) -> Result<(), TaskError> {
    const SERVE_EVERY: u64 = 1024;
    let producer = producer(address)?;
    let mut random = Random::new(11);
    let mut bytes = [0; KEY_BYTES + VALUE_BYTES];
    for entry in 0..entries {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_le_bytes()[..chunk.len()]);
        }
        let (key, value) = bytes.split_at(KEY_BYTES);
        send(&producer, BaseRecord::to(topic).key(key).payload(value))?;
        if entry % SERVE_EVERY == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    drain(&producer);
    producer.flush(Duration::from_secs(60)).map_err(kafka_error("filling a changelog"))
}
