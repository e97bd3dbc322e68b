//! What can go wrong in a task.

use std::io;

/// A failed task.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// A program could not be started, or ended badly.
    #[error("`{command}` {outcome}")]
    Command {
        /// What was run.
        command: String,
        /// How it ended.
        outcome: String,
    },
    /// A file or folder.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// What the task found.
    #[error("{0}")]
    Said(String),
}

/// Names what was tried, for `map_err`.
pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> TaskError {
    let what = what.into();
    move |source| TaskError::Io { what, source }
}
