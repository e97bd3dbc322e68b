//! Files become raw documents, each in one atomic commit with the checkpoint that says it was read.
//!
//! ```text
//! scan (sorted) --+
//!                 +--> is it new? --> is it complete? --> read, unpack, hash --> is it news? --> Unit { document, checkpoint } --> log
//! kernel events --+      stamp          settled, closed                         SHA-256
//! ```
//!
//! A text file is named by the first path its text had: never by its first line, inode or modification time.
//! Those merely decide whether a file is read again; whether it is news is decided by the SHA-256 of its
//! content. So the same content gives nothing, also under another name once the first is gone; changed
//! content at a known path gives the document again (the stage calls it a revision); and one content at two
//! paths gives two documents (`texts.rs`). A line of JSON Lines is named by its id, address or content,
//! wherever it stands (`identity.rs`). This crate does not parse text: see `barid-stage`.

pub mod feeds;

mod config;
mod error;
mod metrics;

mod progress;
mod run;

mod events;
mod pending;
mod source;
mod targets;
mod walk;

mod filter;
mod key;

mod deliver;
mod intake;
mod jsonl;
mod large;
mod read;
mod texts;
mod unpack;

mod fields;
mod held;
mod identity;
mod lines;
mod links;
mod mend;
mod sketch;
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
