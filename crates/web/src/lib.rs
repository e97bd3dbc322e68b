//! Metrics and probes over HTTP: `/metrics`, `/livez`, `/readyz`, and `/`, a page that names them.
//!
//! ```text
//! metrics()              -> /metrics  Prometheus text 0.0.4
//! health()               -> /readyz   200, or 503 and the reasons
//! ```
//!
//! [`DiskSpace`] shows how much room is left. [`Workers`] and [`ClusterMetrics`] are what the roles on Kafka show beside their own metrics.
//!
//! It runs on one thread of its own and reads only shared counters, so a scrape never waits for the pipeline. It holds no state and
//! knows nothing of articles.

mod cluster;
mod disk;
mod error;
mod process;
mod server;
mod workers;

pub use cluster::ClusterMetrics;
pub use disk::{DiskSpace, Place};
pub use error::WebError;
pub use process::{BuildInfo, register_process};
pub use server::{Health, Server, serve};
pub use workers::{Activity, Workers};
