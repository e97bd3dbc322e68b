//! Files become raw documents, each in one atomic commit with the checkpoint that says it was read.
//!
//! ```text
//! scan (sorted) --+
//!                 +--> is it new? --> is it complete? --> read, unpack, hash --> is it news? --> Unit { document, checkpoint } --> log
//! kernel events --+      stamp          settled, closed                         SHA-256
//! ```
//!
//! A document is named by its path below the source's root, and only by that: never by its first line, inode or modification time. Those
//! merely decide whether a file is read again; whether it is news is decided by the SHA-256 of its content. So the same content gives
//! nothing, changed content at a known path gives the document again (the stage calls it a revision), and one content at two paths gives
//! two documents. This crate does not parse text: see `barid-stage`.

pub mod feeds;

mod config;
mod error;
mod metrics;

mod progress;
mod run;

mod events;
mod pending;
mod source;
mod walk;

mod filter;
mod key;

mod deliver;
mod intake;
mod jsonl;
mod read;

mod fields;
mod lines;
mod links;
mod stamp;

mod checkpoint;
mod order;
mod outbox;

#[cfg(test)]
mod tests;

pub use checkpoint::FILES;
pub use config::{Config, Fields, FilesConfig, Format};
pub use error::WatcherError;
pub use metrics::Metrics;
pub use order::ORDER;
pub use progress::{Phase, Progress, Summary};
pub use run::{FAILPOINTS, run, worker_spec};
