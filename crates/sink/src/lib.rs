//! Records to files, exactly once. A sink never looks into a record: what the stage wrote is what the file holds.
//!
//! ```text
//! barid.records --poll--> .records-<p>-<from>.tmp --fsync, rename, fsync dir--> records-<p>-<from>-<last>.jsonl --commit position-->
//! ```
//!
//! The file's name says which offsets of which partition it holds, so a crash between the rename and the commit is seen by whoever reads the
//! partition next: the file is adopted, not written again. A crash before the rename leaves only a temporary file, which is removed.
//!
//! Many sinks may share the partitions and the folder. Who writes a partition's files has its lock; the log gives a partition to another
//! sink without asking, so that one waits for the lock, and meanwhile writes the other partitions. When the log takes partitions away or
//! rewinds, open files are dropped and everything is as after a crash.

mod error;
mod finish;
mod jsonl;
mod lock;
mod metrics;
mod name;
mod open;
mod partitions;
mod patient;
mod retain;
mod rewrite;
#[cfg(test)]
mod tests;

pub use error::SinkError;
pub use jsonl::{FAILPOINTS, GROUP, JsonlConfig, Summary, run, spec};
pub use metrics::Metrics;
pub use name::{Layout, RecordFile};
pub use retain::{Keep, Pruned, prune};
pub use rewrite::{Gap, Rewritten, gaps, rewrite};
