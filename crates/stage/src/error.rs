//! What can stop the stage. A document that cannot be processed is not among these: it goes to `barid.rejected`.

use barid_log::LogError;
use barid_record::RecordError;

/// A stage that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record could not be written as JSON: a fault of ours.
    #[error("writing {record}: {source}")]
    Serialise {
        /// The record.
        record: String,
        /// Why not.
        source: RecordError,
    },
    /// State was written by a newer or broken barid.
    #[error("reading {table} state: {bytes} bytes in a form this version does not know")]
    UnknownState {
        /// The table.
        table: &'static str,
        /// Size of the value.
        bytes: usize,
    },
    /// A parser thread ended: a fault of ours.
    #[error("a parser thread ended before its work did")]
    ParserGone,
    /// A metric could not be registered: a fault of the wiring.
    #[error("registering stage metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl StageError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Log(error) => error.is_transient(),
            Self::Serialise { .. } | Self::UnknownState { .. } | Self::ParserGone | Self::Metrics(_) => false,
        }
    }

    /// Whether a new worker of the same group may go on where this one ended: see [`LogError::is_lost`].
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Log(error) => error.is_lost(),
            Self::Serialise { .. } | Self::UnknownState { .. } | Self::ParserGone | Self::Metrics(_) => false,
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Log(error) => error.hint(),
            Self::UnknownState { .. } => "start the barid version that wrote this data_dir, or a newer one.",
            Self::Serialise { .. } | Self::ParserGone | Self::Metrics(_) => {
                "this is a fault in barid: please report it with the log lines before."
            }
        }
    }
}
