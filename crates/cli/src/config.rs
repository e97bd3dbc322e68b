//! The configuration: one TOML file and its environment twins, read once into plain values.
//!
//! Every key goes through [`reader::Reader`], which remembers where its value came from, so that `config show` and every error can
//! name the line. All problems are reported together. Relative paths are relative to the working directory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use miette::NamedSource;

mod check;
mod declared;
mod feeds;
mod files;
mod findings;
mod kafka;
mod paths;
mod problem;
mod reader;
mod said;
mod schema;
mod sections;
mod show;
#[cfg(test)]
mod tests;
mod world;

pub(crate) use check::{is_same_listener, is_usable_level};
pub(crate) use feeds::FeedsSection;
pub(crate) use files::{FileSource, Format};
pub(crate) use kafka::{Delivery, KafkaSection};
pub(crate) use problem::{Problem, Severity, nearest};
pub(crate) use reader::{Env, Setting};
pub(crate) use schema::schema;
pub(crate) use show::{as_json, as_toml};
pub(crate) use world::Duty;

/// The commented file that `barid init` writes: every key with its default.
pub(crate) const TEMPLATE: &str = include_str!("../../../config/barid.toml");

/// Everything a run needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The folder of the embedded log and its state.
    pub(crate) data_dir: PathBuf,
    /// What to watch; at least one where no feed is polled.
    pub(crate) files: Vec<FileSource>,
    /// What to poll.
    pub(crate) feeds: FeedsSection,
    /// Who stands by for whom.
    pub(crate) watch: WatchConfig,
    /// The log.
    pub(crate) log: LogConfig,
    /// Parsing.
    pub(crate) stage: StageConfig,
    /// JSON Lines files.
    pub(crate) jsonl: JsonlConfig,
    /// Metrics and probes.
    pub(crate) web: WebConfig,
    /// Logs.
    pub(crate) telemetry: TelemetryConfig,
    /// The cluster of the roles. `barid run` does not use it.
    pub(crate) kafka: KafkaSection,
}

/// `[watch]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchConfig {
    /// Processes of `barid watch` with the same one have the same folders and feeds.
    pub(crate) id: String,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Most bytes on disk a topic may have.
    pub(crate) retention_bytes: u64,
    /// Messages this much older than the newest go; `None` keeps them until `retention_bytes` is reached.
    pub(crate) retention_hours: Option<u64>,
    /// How blocks of messages are compressed.
    pub(crate) compression: Compression,
}

/// Compression of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// Zstandard, level 1.
    Zstd,
}

/// `[stage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StageConfig {
    /// Threads that parse; `None` takes one per core.
    pub(crate) parser_threads: Option<usize>,
}

/// `[sink.jsonl]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonlConfig {
    /// The folder of the record files.
    pub(crate) dir: PathBuf,
    /// A file is finished once it holds this many bytes (before compression).
    pub(crate) rotate_bytes: u64,
    /// A file is finished once its first record is this old.
    pub(crate) rotate_seconds: u64,
    /// `None` writes plain `.jsonl`.
    pub(crate) zstd_level: Option<i32>,
    /// Whether each day has a folder.
    pub(crate) layout: barid_sink::Layout,
    /// Older files go; `None` keeps them.
    pub(crate) keep_days: Option<u64>,
    /// The oldest files go beyond this; `None` keeps them.
    pub(crate) keep_bytes: Option<u64>,
}

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebConfig {
    /// Where to serve; `None` serves nothing.
    pub(crate) listen: Option<SocketAddr>,
    /// True when somebody chose `listen`. A run with `--once` serves only then: a short run has no scraper.
    pub(crate) chosen: bool,
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TelemetryConfig {
    /// Filter directives, such as `info` or `info,barid_log=debug`.
    pub(crate) level: String,
    /// How log lines look.
    pub(crate) format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration with the story of each value.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    /// Every key with its value and origin, in the order of `config/barid.toml`.
    pub(crate) settings: Vec<Setting>,
    /// What is odd but no obstacle.
    pub(crate) warnings: Vec<Problem>,
    /// The file, where one was read.
    pub(crate) file: Option<PathBuf>,
    /// Its text; empty without a file.
    pub(crate) text: String,
}

impl Loaded {
    /// The brokers, which `barid run` does without and everything on Kafka does not.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when nobody named them.
    pub(crate) fn brokers(&self) -> Result<&str, ConfigError> {
        self.config.kafka.brokers.as_deref().ok_or_else(|| ConfigError::Invalid {
            problems: vec![Problem {
                severity: Severity::Error,
                code: "E0106",
                message: "`kafka.brokers` is missing: this command works on Kafka".to_owned(),
                span: None,
                hint: Some(
                    "add `brokers = \"host:9092\"` below [kafka], or set BARID_KAFKA_BROKERS; without Kafka there is `barid run`"
                        .to_owned(),
                ),
            }],
            source_code: named(self.file.as_deref(), self.text.clone()),
        })
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What it says cannot be used; every problem is in the list, warnings too.
    #[error("the configuration has {} problem(s)", problems.len())]
    Invalid {
        /// What is wrong, in file order.
        problems: Vec<Problem>,
        /// The file and its text, for carets.
        source_code: NamedSource<String>,
    },
}

/// A text that was read and checked, with all that is wrong with it.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The values; a bad one is replaced by its default.
    loaded: Loaded,
    /// What is wrong, in file order.
    pub(crate) problems: Vec<Problem>,
}

impl Examined {
    /// Looks at this machine, too: what `duty` needs of it.
    pub(crate) fn look_around(mut self, duty: Duty) -> Self {
        let more = world::check(&self.loaded.config, &self.loaded.settings, duty);
        // A key that cannot be read needs nothing.
        let is_new = |problem: &Problem| !self.problems.iter().any(|known| known.is_about_the_same(problem));
        let more: Vec<Problem> = more.into_iter().filter(is_new).collect();
        self.problems.extend(more);
        in_order(&mut self.problems);
        self
    }

    /// The configuration, where no problem is an error.
    pub(crate) fn settled(self) -> Result<Loaded, ConfigError> {
        let Self { mut loaded, problems } = self;
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return Err(ConfigError::Invalid {
                problems,
                source_code: named(loaded.file.as_deref(), loaded.text),
            });
        }
        loaded.warnings = problems;
        Ok(loaded)
    }

    /// What was read, whatever is wrong with it.
    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }
}

fn in_order(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| problem.span.as_ref().map_or(usize::MAX, |span| span.start));
}

/// Reads `file`, lays the environment over it and checks it. Without a file there are only defaults and the environment.
pub(crate) fn load(file: Option<&Path>, env: &Env) -> Result<Loaded, ConfigError> {
    parse(file, text_of(file)?, env)
}

/// The same, for a command that is about to use it: what this machine lacks is refused, too.
pub(crate) fn load_for(duty: Duty, file: Option<&Path>, env: &Env) -> Result<Loaded, ConfigError> {
    examine(file, text_of(file)?, env).look_around(duty).settled()
}

/// The text of a file.
pub(crate) fn text_of(file: Option<&Path>) -> Result<String, ConfigError> {
    let Some(path) = file else { return Ok(String::new()) };
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    crate::input::text(path, crate::input::OF_CONFIG).map_err(unreadable)
}

/// [`load`] on a text already read.
pub(crate) fn parse(file: Option<&Path>, text: String, env: &Env) -> Result<Loaded, ConfigError> {
    examine(file, text, env).settled()
}

/// Reads a text with everything that is wrong with it.
pub(crate) fn examine(file: Option<&Path>, text: String, env: &Env) -> Examined {
    let read = sections::read(&text, env);
    let mut problems = read.problems;
    problems.extend(check::check(&read.config, &read.settings, env));
    problems.extend(paths::check(&read.config, &read.settings));
    in_order(&mut problems);
    let loaded = Loaded {
        config: read.config,
        settings: read.settings,
        warnings: Vec::new(),
        file: file.map(Path::to_owned),
        text,
    };
    Examined { loaded, problems }
}

/// The text under the name that messages give it.
pub(crate) fn named(file: Option<&Path>, text: String) -> NamedSource<String> {
    let name = file.map_or_else(|| "environment".to_owned(), |path| path.display().to_string());
    NamedSource::new(name, text)
}

/// The variables that may override keys: `BARID_*` of this process.
pub(crate) fn environment() -> Env {
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        let name = name.into_string().ok()?;
        name.starts_with("BARID_").then(|| (name, value.to_string_lossy().into_owned()))
    };
    std::env::vars_os().filter_map(ours).collect::<BTreeMap<_, _>>()
}
