//! What travels: documents as they arrived, records, and what was rejected.
//!
//! These are the only serde types of the project. This crate turns them into bytes and back; it computes nothing about an article
//! (see `barid-core`) and moves nothing (see `barid-log`).
//!
//! ```text
//! RawDocument  -> message on barid.raw       value: the bytes as they arrived, headers: CloudEvents binary mode
//! Record       -> message on barid.records   value: one line of JSON, key: record_id
//! Rejected     -> message on barid.rejected  value: the bytes as they arrived, headers: why
//! FeedHealth   -> message on barid.health    value: one JSON object, key: the feed's id
//! ```

mod error;
mod fit;
mod health;
mod id;
mod observed;
mod order;
mod raw;
mod record;
mod rejected;
mod schema;
mod template;
mod time;
mod topic;

pub use error::RecordError;
pub use health::FeedHealth;
pub use id::{RecordId, document_id, related_key};
pub use observed::Observed;
pub use order::Order;
pub use raw::{Collector, Header, Hints, RawDocument};
pub use record::{
    Attribution, Date, Dedup, Hashes, Kind, Origin, Provenance, Quality, Record, Related, RelatedKind,
    Removed, SCHEMA_VERSION, Section, Source, Verdict,
};
pub use rejected::{Reason, Rejected};
pub use schema::record_schema;
pub use template::Decided;
pub use time::rfc3339;
pub use topic::Topic;
