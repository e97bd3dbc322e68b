//! What can stop a sink.

use std::path::PathBuf;

use barid_log::LogError;

/// A sink that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The operating system refused. A full disk is not among these: the sink waits for space.
    #[error("{operation} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The output holds more than the log does: they do not belong together.
    #[error(
        "`{}` holds records up to offset {file_last}, but the log ends at {log_end}: this output was written from another log, or the \
         log was restored from an older copy", path.display()
    )]
    AheadOfLog {
        /// The newest file.
        path: PathBuf,
        /// Its last offset.
        file_last: u64,
        /// One past the log's last offset.
        log_end: u64,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A metric could not be registered: a fault of the wiring.
    #[error("registering sink metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl SinkError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Io { .. } | Self::AheadOfLog { .. } | Self::Metrics(_) => false,
            Self::Log(error) => error.is_transient(),
        }
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "check the output folder's permissions and disk, then start again: nothing is lost."
            }
            Self::AheadOfLog { .. } => {
                "point [sink.jsonl] dir at an empty folder, or restore the log that wrote these files."
            }
            Self::Log(error) => error.hint(),
            Self::Metrics(_) => "this is a fault in barid: please report it.",
        }
    }
}
