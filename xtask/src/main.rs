//! The project's own commands. `cargo xtask ci` is what CI runs.
#![allow(clippy::print_stdout, reason = "these commands talk to a person at a terminal")]

mod bench;
mod bench_feeds;
mod bench_idle;
mod bench_kafka;
mod bench_kafka_barid;
mod bench_kafka_copy;
mod bench_kafka_hop;
mod bench_kafka_latency;
mod bench_kafka_load;
mod bench_kafka_recovery;
mod bench_kafka_stage;
mod bench_latency;
mod bench_pipeline;
mod chaos;
mod chaos_feeds;
mod chaos_feeds_kafka;
mod chaos_hubs;
mod chaos_kafka;
mod ci;
mod error;
mod feed_server;
mod kafka;
mod lint;
mod sim_feeds;
mod tools;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "barid's project tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything CI runs: formatting, layers, clippy, tests, faults, docs, dependencies.
    Ci,
    /// Lint what is in deploy/: the image's recipe, units, manifests.
    Lint,
    /// Kill barid at every named point and at random; compare its output with a run without faults.
    Chaos(chaos::Options),
    /// Measure; see docs/benchmarks.md.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// A world of our own, with a clock that jumps.
    #[command(subcommand)]
    Sim(sim_feeds::Sim),
    /// A real Apache Kafka broker on this machine, to try barid on by hand.
    #[command(subcommand)]
    Kafka(kafka::Kafka),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Ci => ci::run(),
        Task::Lint => lint::run(),
        Task::Chaos(options) => chaos::run(&options),
        Task::Bench(bench) => bench::run(bench),
        Task::Sim(sim) => sim_feeds::run(&sim),
        Task::Kafka(kafka) => kafka::run(&kafka),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
fn root() -> Result<std::path::PathBuf, TaskError> {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .map(std::path::Path::to_path_buf)
        .ok_or(TaskError::Said("xtask has no parent folder".to_owned()))
}
