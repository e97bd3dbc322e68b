//! What travels: documents as they arrived, records, and what was rejected.
//!
//! These are the only serde types of the project. This crate turns them into bytes and back; it computes nothing about an article
//! (see `barid-core`) and moves nothing (see `barid-log`).

mod topic;

pub use topic::Topic;
