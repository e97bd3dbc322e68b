//! Metrics about the process itself.

use barid_log::register_collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGaugeVec, Opts, Registry};

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

/// Registers `process_*` and `barid_build_info`.
///
/// # Errors
/// [`WebError::Metric`] when the registry has them already.
pub fn register_process(registry: &Registry, build: &BuildInfo<'_>) -> Result<(), WebError> {
    const BUILD_INFO: &str = "barid_build_info";
    let failed = |metric| move |source| WebError::Metric { metric, source };
    register_collector(registry, Box::new(ProcessCollector::for_self())).map_err(failed("process_*"))?;
    let opts = Opts::new(BUILD_INFO, "Always 1; the labels say what this binary was made of.");
    let info = add(registry, BUILD_INFO, IntGaugeVec::new(opts, &["version", "commit", "rustc"]))?;
    info.with_label_values(&[build.version, build.commit, build.rustc]).set(1);
    Ok(())
}
