//! Raw documents to records.
//!
//! ```text
//! run         barid.raw --poll--> prepare (parser threads) --> decide (one thread, in order) --> one Unit: records, rejected, state, positions
//!
//! run_parse   barid.raw --poll--> prepare (parser threads) --> one Unit: articles, rejected, positions      any number of processes
//! run_decide  barid.articles --poll--> merge (the writer's order) --> decide --> one Unit: records, state, positions      one owner
//! ```
//!
//! Preparing is stateless: decode, parse, split, hash, and write all of a record that is known by then. Deciding is ordered: a verdict depends
//! on what came before, so one owner looks up and claims each text. Both end in the same atomic commit as the positions they cover.

mod articles;
mod assemble;
mod decide;
mod error;
mod hand;
mod hints;
mod merge;
#[cfg(test)]
mod merge_tests;
mod metrics;
mod offline;
mod owner;
mod parse;
mod pipeline;
mod prepare;
mod reject;
mod run;
mod short;
mod tally;
mod template;
mod wire;

pub use decide::{BODIES, Decision, Entry, Owner, Place, SOURCES, decide};
pub use error::StageError;
pub use metrics::Metrics;
pub use offline::offline;
pub use owner::{DECIDE_FAILPOINTS, DECIDE_GROUP, ORDER, decide_spec, run_decide};
pub use parse::{PARSE_FAILPOINTS, PARSE_GROUP, parse_spec, run_parse};
pub use run::{FAILPOINTS, GROUP, StageConfig, run, spec};
pub use tally::Summary;
