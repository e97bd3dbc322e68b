//! What each key takes, as [`super::reader::Reader`] is asked for it: the schema for editors is made of this, so the two cannot differ.

use std::ops::RangeInclusive;

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Such as `log.retention_bytes` or `files[0].id`.
    pub(crate) path: String,
    /// What it takes.
    pub(crate) kind: Kind,
}

/// What a key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text; somebody must write one where there is no default.
    Text {
        /// What it is when nobody sets it.
        default: Option<String>,
    },
    /// A whole number.
    Integer {
        /// What it is when nobody sets it.
        default: u64,
        /// What it may be.
        range: RangeInclusive<u64>,
    },
    /// `true` or `false`.
    Boolean {
        /// What it is when nobody sets it.
        default: bool,
    },
    /// One of these words; the first is the default.
    Choice {
        /// The words.
        words: Vec<&'static str>,
    },
    /// A list of texts.
    List {
        /// What it is when nobody sets it.
        default: Vec<String>,
    },
    /// A table of names that are not ours.
    Properties,
}
