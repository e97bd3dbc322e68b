//! Metrics about the process itself.

use std::time::{SystemTime, UNIX_EPOCH};

use barid_log::register_collector;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntGaugeVec, Opts, Registry};

use crate::WebError;
use crate::cluster::add;

/// What this binary was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo<'a> {
    /// Version of barid.
    pub version: &'a str,
    /// Commit it was built from; `unknown` outside a release build.
    pub commit: &'a str,
    /// Version of the compiler.
    pub rustc: &'a str,
}

/// Registers `process_*`, `barid_build_info` and `barid_clock_timestamp_seconds`.
///
/// # Errors
/// [`WebError::Metric`] when the registry has them already.
pub fn register_process(registry: &Registry, build: &BuildInfo<'_>) -> Result<(), WebError> {
    const BUILD_INFO: &str = "barid_build_info";
    let failed = |metric| move |source| WebError::Metric { metric, source };
    register_collector(registry, Box::new(ProcessCollector::for_self())).map_err(failed("process_*"))?;
    let opts = Opts::new(BUILD_INFO, "The labels say what this binary was made of; the value is always 1.");
    let info = add(registry, BUILD_INFO, IntGaugeVec::new(opts, &["version", "commit", "rustc"]))?;
    info.with_label_values(&[build.version, build.commit, build.rustc]).set(1);
    const CLOCK: &str = "barid_clock_timestamp_seconds";
    let now = Gauge::new(CLOCK, "The clock of this process showed this time when it was asked.")
        .map_err(failed(CLOCK))?;
    register_collector(registry, Box::new(Clock(now))).map_err(failed(CLOCK))
}

/// The system's clock, read whenever somebody asks: whoever scrapes can compare it with theirs.
struct Clock(Gauge);

impl Collector for Clock {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        self.0.set(since.map_or_else(|error| -error.duration().as_secs_f64(), |since| since.as_secs_f64()));
        self.0.collect()
    }
}
