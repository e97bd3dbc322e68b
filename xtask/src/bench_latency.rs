//! File dropped to record durable: articles are dropped at a steady rate; a reader beside the running process follows the log.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use barid_log::{EmbeddedReader, Limit, Log};
use barid_record::{Record, Topic};
use barid_tests::{Corpus, Prose, Stand, seeds_dir};

use crate::bench::bench_dir;
use crate::error::{TaskError, io};
use crate::tools::barid;

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Files dropped a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Files dropped in all.
    #[arg(long, default_value_t = 3000)]
    files: usize,
}

/// The follower looks this often: the resolution of the measurement.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let binary = barid("release", &[])?;
    for (how, renamed) in [("renamed into place", true), ("written in place", false)] {
        let latencies = measure(options, &binary, renamed)?;
        let at =
            |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        println!(
            "latency, {how}: {} files at {}/s: p50 {:.1} ms  p99 {:.1} ms  max {:.1} ms (goal: p99 <= 150 ms)",
            latencies.len(),
            options.rate,
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

fn measure(options: &Options, binary: &Path, renamed: bool) -> Result<Vec<Duration>, TaskError> {
    let root = bench_dir("latency")?;
    let _ = fs::remove_dir_all(&root);
    let input = root.join("input");
    fs::create_dir_all(&input).map_err(io("making the input folder"))?;
    let stand = Stand::new(binary, &root.join("run"), &input, "\n[web]\nlisten = \"\"\n")
        .map_err(io("preparing a run"))?;
    let mut child = stand.start(false, None).map_err(io("starting barid"))?;
    let corpus = Corpus { seed: 7, articles: options.files, copies_percent: 0, article_bytes: 6000 };
    let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
    let texts: Vec<String> = (0..options.files).map(|index| corpus.article(&prose, index)).collect();
    // The first look at the folder must be over before the first drop.
    std::thread::sleep(Duration::from_secs(2));
    let follower = {
        let (data_dir, wanted) = (stand.data_dir(), options.files);
        std::thread::spawn(move || follow(&data_dir, wanted))
    };
    let mut dropped = HashMap::new();
    let started = Instant::now();
    for (index, text) in texts.iter().enumerate() {
        let due = Duration::from_secs_f64(index as f64 / f64::from(options.rate));
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let name = format!("{index:06}.txt");
        let write_to = if renamed { input.join(format!(".{name}.part")) } else { input.join(&name) };
        fs::write(&write_to, text).map_err(io("dropping a file"))?;
        dropped.insert(name.clone(), Instant::now());
        if renamed {
            fs::rename(&write_to, input.join(&name)).map_err(io("renaming a file into place"))?;
        }
    }
    let seen = follower.join().map_err(|_| TaskError::Said("the follower ended badly".to_owned()))??;
    let _ = child.kill();
    let _ = child.wait();
    let latency =
        |(name, when): (&String, &Instant)| seen.get(name).map(|at| at.saturating_duration_since(*when));
    let mut latencies: Vec<Duration> = dropped.iter().filter_map(latency).collect();
    if latencies.len() != options.files {
        return Err(TaskError::Said(format!("{} of {} files came out", latencies.len(), options.files)));
    }
    latencies.sort();
    Ok(latencies)
}

/// When each document's record was first seen durable, by the document's key.
fn follow(data_dir: &Path, wanted: usize) -> Result<HashMap<String, Instant>, TaskError> {
    let log_error = |error: barid_log::LogError| TaskError::Said(format!("following the log: {error}"));
    let (mut seen, mut next) = (HashMap::new(), 0);
    let mut last_news = Instant::now();
    while seen.len() < wanted && last_news.elapsed() < Duration::from_secs(30) {
        // A reader beside a running process is a picture of the log at its opening.
        let reader = EmbeddedReader::open(data_dir).map_err(log_error)?;
        let messages = reader
            .read(Topic::Records, 0, next, Limit { messages: 1000, bytes: 8 << 20 })
            .map_err(log_error)?;
        let now = Instant::now();
        for message in &messages {
            next = message.offset + 1;
            last_news = now;
            let record =
                Record::from_json(&message.value).map_err(|error| TaskError::Said(error.to_string()))?;
            seen.entry(record.source.key).or_insert(now);
        }
        std::thread::sleep(LOOK);
    }
    Ok(seen)
}
