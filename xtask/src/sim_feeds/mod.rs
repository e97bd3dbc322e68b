//! Feeds in a world of our own, with a clock that jumps: the poller's real rules against servers that judge every request.
//!
//! `polite` kills the poller once in a hundred polls, anywhere, and counts what the servers hold against it. `silence` lets feeds of five rhythms run for a
//! year, counts false alarms, then silences each and measures how long that goes unnoticed.

mod judge;
mod poller;
mod server;
mod silence;
mod writer;

use std::time::Instant;

use crate::error::TaskError;

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Polls of the politeness run.
    #[arg(long, default_value_t = 1_000_000)]
    polls: u64,
    /// Feeds of that run.
    #[arg(long, default_value_t = 1000)]
    feeds: usize,
    /// One poll in so many is cut short by a kill of the whole poller.
    #[arg(long, default_value_t = 100)]
    kill_one_in: u64,
    /// Feeds of each rhythm in the silence run; 0 leaves it out.
    #[arg(long, default_value_t = 60)]
    silent: usize,
    /// Weeks of health after the eight that are learned.
    #[arg(long, default_value_t = 44)]
    weeks: i64,
    /// Seed of everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Options {
    /// The form CI runs: as every run with one seed, always the same.
    pub(crate) fn short() -> Self {
        Self { polls: 20_000, feeds: 200, kill_one_in: 50, silent: 10, weeks: 16, seed: 1 }
    }
}

/// `cargo xtask sim ...`.
#[derive(clap::Subcommand)]
pub(crate) enum Sim {
    /// Thousands of synthetic feeds under a virtual clock.
    Feeds(Options),
}

/// Runs the simulation; fails when a request was impolite or silence is noticed too late or too often.
pub(crate) fn run(Sim::Feeds(options): &Sim) -> Result<(), TaskError> {
    let started = Instant::now();
    let polite = poller::polite(options.feeds, options.polls, options.kill_one_in, options.seed);
    polite.print();
    println!("  ({:.0} s of this machine)", started.elapsed().as_secs_f64());
    let mut failed = polite.is_impolite();
    if options.silent > 0 {
        let started = Instant::now();
        let rows = silence::run(options.silent, options.weeks, options.seed);
        failed |= silence::print(&rows);
        println!("  ({:.0} s of this machine)", started.elapsed().as_secs_f64());
    }
    if failed {
        return Err(TaskError::Said("the simulation found what must not be: see above".to_owned()));
    }
    Ok(())
}
