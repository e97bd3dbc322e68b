//! Raw documents to records.
//!
//! ```text
//! barid.raw --poll--> prepare (parser threads) --> decide (one thread, in order) --> one Unit: records, rejected, state, positions
//! ```
//!
//! Preparing is stateless: decode, parse, split, hash, and lay the records out. Deciding is ordered: a verdict depends on what came
//! before, so one owner looks up and claims each text. Both halves end in the same atomic commit as the positions they cover.

mod assemble;
mod decide;
mod error;
mod metrics;
mod offline;
mod prepare;
mod run;

pub use decide::{BODIES, Decision, Entry, Owner, Place, SOURCES, decide};
pub use error::StageError;
pub use metrics::Metrics;
pub use offline::offline;
pub use run::{FAILPOINTS, GROUP, StageConfig, Summary, run};
