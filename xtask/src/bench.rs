//! The measurements, one command each. Every figure in a document of this repository comes from one of them.

use std::path::PathBuf;

use barid_tests::{Corpus, Prose, seeds_dir};

use crate::error::{TaskError, io};
use crate::tools::{cargo, target_dir};
use crate::{bench_feeds, bench_idle, bench_kafka, bench_kafka_hop, bench_latency, bench_pipeline};

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// A folder of articles to enriched records: rate, memory, processor time, beside rsyslog's file reader on the same files.
    Pipeline(bench_pipeline::Options),
    /// File dropped to record durable, then what an idle barid costs with many known files.
    Latency(bench_latency::Options),
    /// What an idle barid costs with many known files.
    Idle(bench_idle::Options),
    /// barid on Apache Kafka: throughput beside a bare copy loop, latency, a back-fill beside it, recovery of a large index.
    Kafka(bench_kafka::Options),
    /// One hop of that copy loop.
    #[command(hide = true)]
    KafkaHop(bench_kafka_hop::Options),
    /// Half a million feeds in one process.
    Feeds(bench_feeds::Options),
    /// Parse, split, fold and hash alone (criterion).
    Core,
    /// The feed parser beside feed-rs, in the same run.
    Feed {
        /// A folder of feeds to measure small and large files on [default: generated ones].
        folder: Option<PathBuf>,
    },
    /// The embedded log beside the stores it could have been built on; the figures of ADR 1.
    Store {
        /// Index entries for the restart measurement.
        #[arg(long, default_value_t = 10_000_000)]
        entries: u64,
    },
}

pub(crate) fn run(bench: Bench) -> Result<(), TaskError> {
    match bench {
        Bench::Pipeline(options) => bench_pipeline::run(&options),
        Bench::Latency(options) => {
            bench_latency::run(&options)?;
            bench_idle::run(&bench_idle::Options::default())
        }
        Bench::Feeds(options) => bench_feeds::run(&options),
        Bench::Idle(options) => bench_idle::run(&options),
        Bench::Kafka(options) => bench_kafka::run(&options),
        Bench::KafkaHop(options) => bench_kafka_hop::run(&options),
        Bench::Feed { folder } => {
            // The bench runs in the crate's folder.
            let folder = folder.and_then(|folder| std::path::absolute(folder).ok());
            let folder = folder.map(|folder| folder.display().to_string()).unwrap_or_default();
            let mut arguments = vec!["bench", "-p", "barid-feed", "--bench", "against", "--"];
            arguments.extend((!folder.is_empty()).then_some(folder.as_str()));
            cargo(&arguments)
        }
        Bench::Core => cargo(&["bench", "--package", "barid-core", "--bench", "parse"]),
        Bench::Store { entries } => {
            let entries = entries.to_string();
            let store = |arguments: &[&str]| {
                let example =
                    ["run", "--release", "--package", "barid-log", "--example", "store_bench", "--"];
                cargo(&[&example, arguments].concat())
            };
            for engine in ["log", "fjall", "redb"] {
                store(&["write", "--engine", engine])?;
                store(&["index", "--engine", engine, "--entries", &entries])?;
            }
            store(&["pipe"])?;
            Ok(())
        }
    }
}

/// The folder benchmarks work in: on the same disk as the build.
pub(crate) fn bench_dir(name: &str) -> Result<PathBuf, TaskError> {
    let dir = target_dir()?.join("bench").join(name);
    std::fs::create_dir_all(&dir).map_err(io(format!("making {}", dir.display())))?;
    std::path::absolute(&dir).map_err(io("finding the bench folder"))
}

/// Generated articles, written once and kept; returns their folder and bytes.
pub(crate) fn corpus(articles: usize) -> Result<(PathBuf, u64), TaskError> {
    let corpus = Corpus { seed: 42, articles, copies_percent: 20, article_bytes: 6000 };
    let dir = bench_dir(&format!("corpus-{articles}"))?;
    let done = dir.join("bytes");
    let input = dir.join("input");
    if let Ok(bytes) = std::fs::read_to_string(&done)
        && let Ok(bytes) = bytes.trim().parse()
    {
        return Ok((input, bytes));
    }
    println!("writing {articles} articles (once)");
    let prose = Prose::read(&seeds_dir()).map_err(io("reading the sample articles"))?;
    let bytes = corpus.write(&prose, &input).map_err(io("writing the corpus"))?;
    std::fs::write(&done, bytes.to_string()).map_err(io("noting the corpus size"))?;
    Ok((input, bytes))
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
