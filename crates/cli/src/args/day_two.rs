//! The arguments of `barid log`, `records`, `backup` and `restore`: what is done to a store that is there.

use std::path::PathBuf;

use clap::Subcommand;

use super::ConfigArg;

#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// List what the log holds: topics, segments, journal, how far each reader is
    #[command(after_help = "\
Examples:
  barid log list
  barid log list --json | jq '.topics[] | {topic, bytes}'

Also while barid runs.")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Read all of the log against its checksums
    #[command(after_help = "\
Examples:
  barid log verify
  barid log verify --dir /mnt/backup/barid-2026-05-01      # a back-up is a log, too

Also while barid runs. Exits with 1 when something is damaged, and says in which file and where.")]
    Verify {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// The log in this folder, instead of that of the configuration
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordsCommand {
    /// List the record files: which records, how many bytes, what is missing
    #[command(after_help = "\
Examples:
  barid records list
  barid records list --json | jq -r 'select(.missing) | .from'")]
    List {
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Remove record files beyond what is to be kept
    #[command(after_help = "\
Examples:
  barid records prune --keep-days 30 --dry-run
  barid records prune                              # as [sink.jsonl] keep_days and keep_bytes say

Files that are not committed yet stay, whatever their age.")]
    Prune {
        /// Files older than so many days go [default: sink.jsonl.keep_days]
        #[arg(long, value_name = "DAYS")]
        keep_days: Option<u64>,
        /// The oldest go until no more than so many bytes are left [default: sink.jsonl.keep_bytes]
        #[arg(long, value_name = "BYTES")]
        keep_bytes: Option<u64>,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Write record files that are missing again, from the log
    #[command(after_help = "\
Examples:
  barid records rewrite
  barid records rewrite --dir elsewhere            # all that the log still holds, to another folder

Also while barid runs. What the log's retention has removed cannot be written again.")]
    Rewrite {
        /// Write to this folder, instead of that of the configuration
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Not what is before this offset: see `barid records list`
        #[arg(long, value_name = "OFFSET", default_value_t = 0)]
        from: u64,
        #[command(flatten)]
        config: ConfigArg,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// Where to: a folder that is empty or not there
    pub(crate) to: PathBuf,
    /// Copy the record files, too
    #[arg(long)]
    pub(crate) records: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// A folder that `barid backup` wrote
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}

impl LogCommand {
    /// Checks answer 0, 1 or 2.
    pub(crate) fn is_check(&self) -> bool {
        match self {
            Self::Verify { .. } => true,
            Self::List { .. } => false,
        }
    }
}
