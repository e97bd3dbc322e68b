//! What CI runs, cheapest first; stops at the first failure.

use std::path::Path;
use std::process::Command;

use crate::error::TaskError;
use crate::tools::{cargo, cargo_with, promtool};
use crate::{chaos, lint, root, sim_feeds, tools};

pub(crate) fn run() -> Result<(), TaskError> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    let promtool = promtool()?;
    cargo_with(&["test", "--workspace"], &[("BARID_PROMTOOL", &promtool)])?;
    lint::run()?;
    sim_feeds::run(&sim_feeds::Sim::Feeds(sim_feeds::Options::short()))?;
    chaos::run(&chaos::Options::short())?;
    chaos::run(&chaos::Options::short_on_feeds())?;
    chaos::run(&chaos::Options::short_on_kafka())?;
    cargo_with(
        &["doc", "--workspace", "--no-deps", "--quiet"],
        &[("RUSTDOCFLAGS", Path::new("-Dwarnings"))],
    )?;
    // Licences are read from the sources of every dependency on every platform: fetch those that this one does not build.
    cargo(&["fetch", "--quiet"])?;
    println!("\n$ cargo deny check bans licenses sources");
    tools::run(
        Command::new(tools::cargo_deny()?)
            .args(["--offline", "check", "bans", "licenses", "sources"])
            .current_dir(root()?),
    )
}
