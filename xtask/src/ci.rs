//! What CI runs, cheapest first; stops at the first failure.

use crate::error::TaskError;
use crate::tools::{cargo, from_cargo, promtool};
use crate::{chaos, root, tools};

const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> Result<(), TaskError> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    let promtool = promtool()?;
    let mut tests = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    println!("\n$ cargo test --workspace");
    tools::run(tests.args(["test", "--workspace"]).env("BARID_PROMTOOL", promtool).current_dir(root()?))?;
    chaos::run(&chaos::Options::short())?;
    cargo(&["doc", "--workspace", "--no-deps", "--quiet"])?;
    let deny = from_cargo("cargo-deny", CARGO_DENY)?;
    tools::run(
        std::process::Command::new(deny)
            .args(["--offline", "check", "bans", "licenses", "sources"])
            .current_dir(root()?),
    )
}
