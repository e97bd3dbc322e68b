//! Records to files, exactly once. A sink never looks into a record: what the stage wrote is what the file holds.
//!
//! ```text
//! barid.records --poll--> .records-0-<first>.jsonl.tmp --fsync, rename, fsync dir--> records-0-<first>-<last>.jsonl --commit position-->
//! ```
//!
//! The file's name says which offsets it holds, so a crash between the rename and the commit is seen at the next start: the file is
//! adopted, not written again. A crash before the rename leaves only a temporary file, which is removed.

mod error;
mod finish;
mod jsonl;
mod metrics;
mod name;
mod patient;

pub use error::SinkError;
pub use jsonl::{FAILPOINTS, GROUP, JsonlConfig, Summary, run, spec};
pub use metrics::Metrics;
pub use name::RecordFile;
