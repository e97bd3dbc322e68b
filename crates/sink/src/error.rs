//! What can stop a sink.

use std::path::{Path, PathBuf};

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
    /// The output holds more of a partition than the log does, or other pieces: they do not belong together.
    #[error(
        "`{}` holds records up to offset {file_last}, which do not follow what is acknowledged or lie behind the partition's end \
         {log_end}: this output was written from another log, or the log was restored from an older copy", path.display()
    )]
    AheadOfLog {
        /// The newest file.
        path: PathBuf,
        /// Its last offset.
        file_last: u64,
        /// One past the partition's last offset.
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
    /// Says what was tried, and on what.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { operation, path, source }
    }

    /// Whether the sink waited for space on the disk, and its patience ended.
    pub fn is_storage_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => crate::patient::is_full(source),
            Self::Log(LogError::StorageFull { .. }) => true,
            Self::AheadOfLog { .. } | Self::Metrics(_) | Self::Log(_) => false,
        }
    }

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
