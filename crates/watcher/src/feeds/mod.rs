//! Feeds become raw documents: each is asked when it may be, and what is new in it goes to the log in one unit with the feed's new state.
//!
//! ```text
//! schedule --due--> budget --> Asked durable --> request --> answer --> Reading --> Unit { items, FeedState, numbers, health } --> log
//!    ^                |  put off, no error                     |                            |
//!    +----------------+                                        +-- redirect: budget again   +--> next poll
//! ```
//! A crash between the two commits loses the answer and nothing else: the feed is asked again when it may be, by the time that was durable before
//! the request, and gives what was not delivered.

pub mod address;
mod answered;
pub mod budget;
pub mod check;
mod common;
mod config;
mod deliver;
pub mod drift;
pub mod engine;
pub mod fetch;
pub mod given;
pub mod guard;
pub mod health;
pub mod honesty;
pub mod identity;
mod markup;
mod metrics;
pub mod opml;
pub mod outage;
pub mod pages;
pub mod policy;
mod poller;
mod read;
pub mod reading;
mod roster;
pub mod silence;
pub mod sitemaps;
pub mod state;
mod statement;
mod tags;
mod text;
pub mod websub;

#[cfg(test)]
mod tests;

pub use common::{Common, Shard};
pub use config::{Clock, FeedsConfig, FeedsSummary, GROUP, worker_spec};
pub use metrics::FeedMetrics;
pub use poller::{FAILPOINTS, run, run_shard};
pub use roster::take_over;
