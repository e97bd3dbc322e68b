//! What can go wrong on the command line, its exit code and its hint.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use barid_log::LogError;
use barid_record::RecordError;
use barid_watcher::feeds::opml::OpmlError;
use barid_web::WebError;
use miette::{Diagnostic, SourceCode};

use crate::config::ConfigError;
use crate::run::RunError;

/// The codes of `sysexits.h` that barid uses.
pub(crate) mod exit {
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const SOFTWARE: u8 = 70;
    pub(crate) const IO: u8 = 74;
    pub(crate) const TEMPORARY: u8 = 75;
    /// `run --once` did not finish.
    pub(crate) const UNFINISHED: u8 = 76;
    pub(crate) const CONFIG: u8 = 78;
    /// A check found something.
    pub(crate) const FOUND: u8 = 1;
    /// A check could not be made.
    pub(crate) const UNREADABLE: u8 = 2;
    /// 128 and the number of SIGINT.
    pub(crate) const INTERRUPTED: u8 = 130;
}

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The configuration cannot be read or used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Standard output is gone.
    #[error("write to standard output: {source}")]
    Output {
        /// Why.
        #[from]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A list of feeds cannot be read.
    #[error("{}: {source}", path.display())]
    FeedList {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: OpmlError,
    },
    /// A file cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `init` met a file.
    #[error("write {}: the file exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// No file, no code.
    #[error("explain {subject}: neither a file nor a code")]
    UnknownSubject {
        /// As typed.
        subject: String,
        /// The nearest code.
        near: Option<&'static str>,
    },
    /// An argument that only looks right.
    #[error("{object} `{value}` is not {expected}")]
    Argument {
        /// Which argument.
        object: &'static str,
        /// As typed.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// A signal handler cannot be installed, or a thread cannot be started.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A message that is not one of ours.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Metrics and probes.
    #[error(transparent)]
    Web(#[from] WebError),
    /// A command that looks at the log found none.
    #[error("open {}: there is no log in this folder", dir.display())]
    NoLog {
        /// The folder.
        dir: PathBuf,
    },
    /// `run --once` ended before everything was read and written.
    #[error("run --once did not finish: {why}")]
    Unfinished {
        /// Interrupted, or what the disk had no space for.
        why: String,
    },
    /// The pipeline, while it ran.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl CliError {
    /// The stable code; `barid explain <code>` tells more.
    pub(crate) fn stable_code(&self) -> &'static str {
        match self {
            Self::Config(ConfigError::Unreadable { .. }) => "E0101",
            Self::Config(ConfigError::Invalid { .. }) => "E0100",
            Self::Output { .. } => "E0201",
            Self::Read { .. } => "E0202",
            Self::FeedList { .. } => "E0116",
            Self::Write { .. } => "E0203",
            Self::Exists { .. } => "E0204",
            Self::UnknownSubject { .. } => "E0205",
            Self::Argument { .. } => "E0206",
            Self::System { .. } => "E0207",
            Self::Record(_) => "E0208",
            Self::Log(error) => error.code(),
            Self::Web(error) => error.code(),
            Self::NoLog { .. } => "E0209",
            Self::Unfinished { .. } => "E0210",
            Self::Run(error) => error.code(),
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Config(ConfigError::Unreadable { .. }) => {
                Some("check the path, or write one with `barid init`".into())
            }
            Self::Exists { .. } => Some("name another file, or move this one away".into()),
            Self::UnknownSubject { near, .. } => near.map(|near| format!("did you mean `{near}`?")),
            Self::Log(error) => Some(error.hint().into()),
            Self::Web(error) => Some(error.hint().into()),
            Self::Record(_) => Some("another program writes to this topic".into()),
            Self::NoLog { .. } => {
                Some("run `barid run` first, or name the right `data_dir` with --config".into())
            }
            Self::Run(error) => error.hint().map(Into::into),
            Self::Unfinished { .. } => {
                Some("run it again: what was committed is safe, and the rest is read then".into())
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::FileTooLarge => {
                Some("name a smaller file, or a part of it".into())
            }
            Self::Read { .. } | Self::Write { .. } => Some("check the path and its permissions".into()),
            Self::System { .. } => Some("check the limits of this process (ulimit -a)".into()),
            Self::Config(ConfigError::Invalid { .. })
            | Self::FeedList { .. }
            | Self::Output { .. }
            | Self::Argument { .. } => None,
        }
    }

    /// The log's failure, if that is what it is.
    pub(crate) fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Log(error) => Some(error),
            Self::Run(error) => error.log_error(),
            Self::Config(_)
            | Self::Output { .. }
            | Self::Read { .. }
            | Self::FeedList { .. }
            | Self::Write { .. }
            | Self::Exists { .. }
            | Self::UnknownSubject { .. }
            | Self::Argument { .. }
            | Self::System { .. }
            | Self::Record(_)
            | Self::Web(_)
            | Self::Unfinished { .. }
            | Self::NoLog { .. } => None,
        }
    }

    /// The exit code: 1 or 2 for checks, that of `sysexits.h` otherwise.
    pub(crate) fn exit_code(&self, check: bool) -> ExitCode {
        if let Some(error) = self.log_error().filter(|_| !check) {
            return ExitCode::from(log_exit(error));
        }
        let code = match self {
            Self::Config(ConfigError::Invalid { .. }) if check => exit::FOUND,
            Self::Argument { .. } | Self::UnknownSubject { .. } => exit::USAGE,
            _ if check => exit::UNREADABLE,
            Self::Config(_) | Self::FeedList { .. } => exit::CONFIG,
            Self::Output { .. } | Self::Read { .. } | Self::Write { .. } | Self::Exists { .. } => exit::IO,
            Self::System { .. } => exit::UNAVAILABLE,
            Self::Log(_) => exit::IO,
            Self::NoLog { .. } => exit::UNAVAILABLE,
            Self::Unfinished { .. } => exit::UNFINISHED,
            Self::Record(_) => exit::SOFTWARE,
            Self::Web(_) => exit::UNAVAILABLE,
            Self::Run(RunError::Fault { .. }) => exit::SOFTWARE,
            Self::Run(_) => exit::IO,
        };
        ExitCode::from(code)
    }
}

/// What a failed log is to whoever started us: what is unavailable may come back by itself, a configuration does not heal.
fn log_exit(error: &LogError) -> u8 {
    if is_configured_wrongly(error) {
        exit::CONFIG
    } else if error.is_transient() || matches!(error, LogError::TopicMissing { .. }) {
        exit::UNAVAILABLE
    } else {
        exit::IO
    }
}

fn is_configured_wrongly(error: &LogError) -> bool {
    matches!(
        error,
        LogError::TopicUnfit { .. }
            | LogError::BadProperty { .. }
            | LogError::Refused { .. }
            | LogError::Fenced { .. }
    )
}

impl Diagnostic for CliError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.stable_code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let Self::Config(ConfigError::Invalid { source_code, .. }) = self else { return None };
        Some(source_code)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let Self::Config(ConfigError::Invalid { problems, .. }) = self else { return None };
        Some(Box::new(problems.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}
