//! The unit of work: take a batch, compute, commit. Consumed positions, produced messages and state changes become durable in ONE
//! atomic commit, or none of them does.
//!
//! ```text
//!            poll                     submit(Unit { consumed, produced, state })
//! topics ------------> worker's own computation ------------> one atomic, durable commit
//!                          ^ get / scan (own uncommitted changes included)
//! ```
//!
//! Nothing is marked as seen before what it caused is durable in the same commit. Everything blocks: workers are plain OS threads
//! (Kafka's transaction calls block, and an fsync does too). This crate does not know what a message means.
//!
//! [`Embedded`] keeps all of it in one folder of one process. [`conformance`] is what every backend must do.

mod api;
pub mod conformance;
mod control;
mod embedded;
mod error;
mod failpoint;
mod folder_lock;
mod kafka;

pub use api::{
    Batch, Change, GroupLag, Limit, Log, LogStatus, Message, Outgoing, Position, Table, Ticket, TopicStatus,
    Unit, Worker, WorkerSpec,
};
pub use control::{Control, Wish};
pub use embedded::{
    Backup, Codec, Embedded, EmbeddedConfig, EmbeddedReader, Extra, FAILPOINTS, Inventory, Required,
    Restored, Retention, SegmentStatus, TopicInventory, TopicVerified, Verified, backup, inventory, restore,
    verify,
};
pub use error::LogError;
pub use failpoint::hit as failpoint;
pub use kafka::{
    Delivery, KAFKA_FAILPOINTS, Kafka, KafkaConfig, Seat, Shards, StateTopic, TopicOutcome, TopicPlan,
    check_property,
};
