//! The command line as typed. Nothing is read or checked here.

mod day_two;
mod feed;
mod feeds;
mod roles;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::LogFormat;
use crate::error::exit;
use crate::output;

pub(crate) use day_two::{BackupArgs, LogCommand, RecordsCommand, RestoreArgs};
pub(crate) use feed::{FeedCommand, FeedLintArgs, FeedParseArgs};
pub(crate) use feeds::FeedsCommand;
pub(crate) use roles::{RoleArgs, Topics, TopicsArgs};

const EXIT_STATUS: &str = "\
Exit status:
  0    success; for checks, nothing found
  1    a check found something: a file that cannot be parsed, a faulty configuration, a topic that differs
  2    a check could not be made: its input cannot be read
  64   the command line is wrong
  69   something needed is not available, such as a data folder that another process holds
  70   barid has a fault: please report it
  74   reading or writing failed
  75   stopping took too long; nothing is lost, the next start goes on from there
  76   `run --once` did not finish: it was interrupted, or the disk stayed full; the next run goes on
  78   the configuration is wrong
  130  forced to stop by a second interrupt

Data goes to stdout, logs and messages to stderr. NO_COLOR is honoured.";

/// Streaming news ingestion: scraped pages in, enriched records out
///
/// Watches folders, keeps every document in a log on disk, splits "read also" tails into records of their own, recognises copies, and
/// writes records as JSON Lines.
#[derive(Debug, Parser)]
#[command(name = "barid", version, max_term_width = 100, after_long_help = EXIT_STATUS, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// How log lines look: text or json [default: telemetry.format]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) log_format: Option<LogFormat>,
    /// When to use colour: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: Color,
    /// Log more: -v debug, -vv trace
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Log less: -q errors only, -qq nothing
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) quiet: u8,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration [default: barid.toml where it exists, else built-in defaults]
    #[arg(short, long, value_name = "FILE", env = "BARID_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process on the embedded log
    #[command(after_help = "\
Examples:
  barid run --once                  # read what is in seeds/, write barid-data/records/, exit
  barid run --config barid.toml     # keep watching; Ctrl-C drains and stops")]
    Run(RunArgs),
    /// Watch the folders and write their documents to Kafka
    #[command(after_help = "\
Examples:
  barid watch --config config/kafka.toml

One process watches the folders; a second one stands by and takes over. Feeds are shared among all.")]
    Watch(RoleArgs),
    /// Turn the documents on Kafka into records: parse, split, deduplicate
    #[command(after_help = "\
Examples:
  barid stage --config config/kafka.toml
  barid stage --config config/kafka.toml --listen 127.0.0.1:9465

Any number of processes parse. One of them decides; the others stand by and take over.")]
    Stage(RoleArgs),
    /// Write the records on Kafka to files
    #[command(after_help = "\
Examples:
  barid sink --config config/kafka.toml

Any number of processes write, each its partitions of the records.")]
    Sink(RoleArgs),
    /// Serve metrics and probes of the whole cluster
    #[command(after_help = "\
Examples:
  barid web --config config/kafka.toml --listen 0.0.0.0:9464")]
    Web(RoleArgs),
    /// Create and list the topics on Kafka
    #[command(subcommand, disable_help_subcommand = true)]
    Topics(Topics),
    /// Parse files without any log, and show what was found
    #[command(after_help = "\
Examples:
  barid parse page.txt                         # a readable view: sections in the margin
  barid parse --json seeds/*.txt | jq .headline

Exits with 1 when a file could not be parsed; the others are printed all the same.")]
    Parse(ParseArgs),
    /// Feeds: what one says and what is wrong with it, and how the polled ones are doing
    #[command(subcommand, disable_help_subcommand = true)]
    Feed(FeedCommand),
    /// Say why: which bytes became which section, why a record is a copy, what a code means
    #[command(after_help = "\
Examples:
  barid explain page.txt                       # every section with the rule that decided
  barid explain --record urn:barid:rec:4f...   # why this record is a copy, with the word diff
  barid explain E0103                          # an error code
  barid explain too_large                      # a reason of `barid rejected list`")]
    Explain(ExplainArgs),
    /// Look at what could not be processed, and try it again
    #[command(subcommand, disable_help_subcommand = true)]
    Rejected(Rejected),
    /// The log on disk: what it holds, and whether it is whole
    #[command(subcommand, disable_help_subcommand = true)]
    Log(LogCommand),
    /// The record files: list them, remove old ones, write missing ones again
    #[command(subcommand, disable_help_subcommand = true)]
    Records(RecordsCommand),
    /// Copy the log to a folder, also while barid runs
    #[command(after_help = "\
Examples:
  barid backup /mnt/backup/barid-2026-05-01
  barid backup --records /mnt/backup/all           # with the record files

The copy is of one moment, read back and checked. The configuration is in it. The data folder and
the copy may be on different disks; links are made in the data folder meanwhile.")]
    Backup(BackupArgs),
    /// Put a back-up in the place of the data folder
    #[command(after_help = "\
Examples:
  barid restore /mnt/backup/barid-2026-05-01       # after: mv barid-data barid-data.old

The data folder must hold no log. Documents that came after the back-up are read again by the next
run, as long as their files and feeds still have them.")]
    Restore(RestoreArgs),
    /// Check a configuration without running it
    #[command(after_help = "\
Examples:
  barid check-config barid.toml && barid run --config barid.toml
  barid check-config barid.toml --json | jq -r '.problems[] | \"\\(.line): \\(.message)\"'

Every problem at once, with line and hint: the file, its environment, and what this machine lacks
for it. Exits with 0 when it can be used, 1 when it has problems, 2 when it cannot be read.")]
    CheckConfig(CheckConfigArgs),
    /// The configuration in effect
    #[command(subcommand, disable_help_subcommand = true)]
    Config(ConfigCommand),
    /// Write a commented barid.toml with every key and its default
    #[command(after_help = "\
Examples:
  barid init                        # writes ./barid.toml; an existing file is never overwritten
  barid init /etc/barid/barid.toml")]
    Init {
        /// Where to write it
        #[arg(default_value = "barid.toml")]
        file: PathBuf,
    },
    /// Print the completions of a shell
    #[command(after_help = "\
Examples:
  barid completions bash > /etc/bash_completion.d/barid
  barid completions fish > ~/.config/fish/completions/barid.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    #[command(after_help = "\
Examples:
  barid man | man -l -
  barid man --out /usr/local/share/man/man1")]
    Man {
        /// A folder for the pages of all commands
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print the JSON Schema of a record
    #[command(after_help = "\
Examples:
  barid schema > record.schema.json")]
    Schema,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckConfigArgs {
    /// The configuration
    pub(crate) file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit with 1 for warnings, too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Read everything there is, write its records, exit
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: a disk that stays full for so many seconds ends the run with 76
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "once")]
    pub(crate) wait_for_space: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ParseArgs {
    /// The files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Print JSON Lines: of each file the main record, then the related ones
    #[arg(long)]
    pub(crate) json: bool,
    /// The charset of the files, such as windows-1256 [default: detected]
    #[arg(long, value_name = "LABEL")]
    pub(crate) charset: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A file, an error code such as E0103, or a reason code such as `too_large`
    #[arg(required_unless_present = "record", conflicts_with = "record")]
    pub(crate) subject: Option<PathBuf>,
    /// A record of the log, by id
    #[arg(long, value_name = "ID")]
    pub(crate) record: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rejected {
    /// List rejected documents: id, reason, when, where from
    #[command(after_help = "\
Examples:
  barid rejected list
  barid rejected list --reason too_large --json | jq -r .uri")]
    List {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
        /// Only this reason, such as `binary`
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show one rejected document: everything known, and its bytes
    #[command(after_help = "\
Examples:
  barid rejected show 17
  barid rejected show 17 --bytes > page.bin")]
    Show {
        /// Its id in `barid rejected list`
        id: u64,
        /// Print its bytes as they arrived, and nothing else
        #[arg(long, conflicts_with = "json")]
        bytes: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Send rejected documents through the pipeline again, after the cause is repaired
    #[command(after_help = "\
Examples:
  barid rejected retry 17
  barid rejected retry --all --reason undecodable

Needs the data folder for itself: stop `barid run` first. The documents are read by the next run.
A document is sent once; --again sends it once more.")]
    Retry {
        /// Ids in `barid rejected list`
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<u64>,
        /// Every one that was not retried yet
        #[arg(long)]
        all: bool,
        /// With --all: only this reason
        #[arg(long, requires = "all")]
        reason: Option<String>,
        /// Also those that were retried before
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its value and where that came from
    #[command(after_help = "\
Examples:
  barid config show
  BARID_LOG_COMPRESSION=zstd barid config show --config barid.toml")]
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print the JSON Schema of a configuration, for editors
    #[command(after_help = "\
Examples:
  barid config schema > barid.schema.json      # then, as the first line of barid.toml: #:schema ./barid.schema.json")]
    Schema,
}

impl Command {
    /// Checks answer 0, 1 or 2; everything else answers as daemons do.
    pub(crate) fn is_check(&self) -> bool {
        match self {
            Self::Parse(_) | Self::Explain(_) | Self::CheckConfig(_) => true,
            Self::Feed(command) => command.is_check(),
            Self::Log(command) => command.is_check(),
            Self::Run(_)
            | Self::Watch(_)
            | Self::Stage(_)
            | Self::Sink(_)
            | Self::Web(_)
            | Self::Topics(_)
            | Self::Rejected(_)
            | Self::Records(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Config(_)
            | Self::Init { .. }
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Schema => false,
        }
    }
}

/// How standard error looks before a configuration is read: as the command line says, else as the environment does.
pub(crate) fn early_format(words: &[OsString]) -> LogFormat {
    let of = |word: &str| LogFormat::from_str(word, true).ok();
    let said = words.iter().enumerate().find_map(|(index, word)| {
        let word = word.to_str()?;
        match word.strip_prefix("--log-format")? {
            "" => of(words.get(index + 1)?.to_str()?),
            rest => of(rest.strip_prefix('=')?),
        }
    });
    let from_env = || of(&std::env::var("BARID_TELEMETRY_FORMAT").ok()?);
    said.or_else(from_env).unwrap_or(LogFormat::Text)
}

/// Prints what clap has to say: help and version are successes, anything else is a wrong command line.
pub(crate) fn answer(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that went away is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if output::lines::is_json() {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        output::complaint(text, "barid --help");
    } else {
        let _ = error.print();
    }
    ExitCode::from(exit::USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_known_before_anything_is_read() {
        let format = |words: &[&str]| early_format(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(format(&["barid", "--log-format", "json", "run"]), LogFormat::Json);
        assert_eq!(format(&["barid", "rum", "--log-format=JSON"]), LogFormat::Json);
        assert_eq!(format(&["barid", "--log-format", "text"]), LogFormat::Text);
        assert_eq!(format(&["barid", "--log-format"]), LogFormat::Text);
    }
}
