//! What can be wrong with a message that claims to be one of ours.

/// A message that could not be read back. Never worth a retry: the same bytes give the same answer.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A header that every such message carries is not there.
    #[error(
        "reading {object}: header `{header}` is missing (was it produced by another program? see docs/topics.md)"
    )]
    MissingHeader {
        /// What was read.
        object: &'static str,
        /// The header.
        header: &'static str,
    },
    /// A header holds what it cannot hold.
    #[error("reading {object}: header `{header}` is not {expected}")]
    BadHeader {
        /// What was read.
        object: &'static str,
        /// The header.
        header: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A message on `barid.health` that is not of this version.
    #[error("reading a feed's health: {problem}")]
    BadHealth {
        /// What is wrong with it.
        problem: String,
    },
    /// What should be a record without its verdict is something else.
    #[error("completing a record: its {bytes} bytes are not the JSON object of a template")]
    NoTemplate {
        /// Their number.
        bytes: usize,
    },
    /// The JSON of a record does not hold a record.
    #[error("reading record JSON: {source}")]
    Json {
        /// Where and why.
        #[from]
        source: serde_json::Error,
    },
}
