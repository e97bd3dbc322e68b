//! What barid costs while nothing happens, with many known files.

use std::fs;
use std::time::Duration;

use barid_tests::Stand;

use crate::bench::{bench_dir, corpus, mib};
use crate::error::{TaskError, io};
use crate::tools::barid;
use crate::usage::sample;

/// How much to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Known files.
    #[arg(long, default_value_t = 100_000)]
    files: usize,
    /// Seconds to watch: several rescans.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { files: 100_000, seconds: 180 }
    }
}

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let binary = barid("release", &[])?;
    let (input, _) = corpus(options.files)?;
    let root = bench_dir("idle")?;
    let _ = fs::remove_dir_all(&root);
    let stand =
        Stand::new(&binary, &root, &input, "\n[web]\nlisten = \"\"\n").map_err(io("preparing a run"))?;
    stand.once(None).map_err(io("reading the files once"))?;
    let mut child = stand.start(false, None).map_err(io("starting barid"))?;
    // Start-up: the known files are checked once; what comes after is idling.
    std::thread::sleep(Duration::from_secs(15));
    let gone = || TaskError::Said("barid ended while idle".to_owned());
    let before = sample(child.id()).ok_or_else(gone)?;
    std::thread::sleep(Duration::from_secs(options.seconds));
    let after = sample(child.id()).ok_or_else(gone)?;
    let _ = child.kill();
    let _ = child.wait();
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    println!(
        "idle with {} known files: {:.2} s CPU in {} s = {:.2} % of a core, start-up {:.2} s CPU, peak RSS {:.0} MiB (goal: <= 1 %)",
        options.files,
        cpu,
        options.seconds,
        cpu * 100.0 / options.seconds as f64,
        before.cpu.as_secs_f64(),
        mib(after.peak_rss_bytes)
    );
    Ok(())
}
