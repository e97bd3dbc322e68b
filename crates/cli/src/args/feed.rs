//! The arguments of `barid feed`.

use std::path::PathBuf;

use clap::Subcommand;

use super::FeedsCommand;

#[derive(Debug, Subcommand)]
pub(crate) enum FeedCommand {
    /// Show what a feed says: RSS, Atom, RDF, CDF, JSON Feed, sitemaps
    #[command(after_help = "\
Examples:
  barid feed parse feed.xml                                  # a readable view
  curl -s https://example.org/feed | barid feed parse - --base https://example.org/feed
  barid feed parse feed.xml --json | jq -r '.entries[].link'

Exits with 1 when the file is no feed. A broken feed is mended, and every repair is named.")]
    Parse(FeedParseArgs),
    /// Say what is wrong with a feed, line by line
    #[command(after_help = "\
Examples:
  barid feed lint feed.xml
  barid feed lint feed.xml --json | jq -r .code | sort | uniq -c

Exits with 1 when the feed has errors, 0 when it has warnings only.")]
    Lint(FeedLintArgs),
    #[command(flatten)]
    Polled(FeedsCommand),
}

impl FeedCommand {
    /// Checks answer 0, 1 or 2.
    pub(crate) fn is_check(&self) -> bool {
        match self {
            Self::Parse(_) | Self::Lint(_) => true,
            Self::Polled(command) => match command {
                FeedsCommand::Check { .. } => true,
                FeedsCommand::List { .. }
                | FeedsCommand::History { .. }
                | FeedsCommand::Import { .. }
                | FeedsCommand::Export { .. } => false,
            },
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct FeedParseArgs {
    /// The feed; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// What relative links are resolved against: the feed's address or its Content-Location
    #[arg(long, value_name = "URL")]
    pub(crate) base: Option<String>,
    /// The Content-Type header the feed came with; its charset is used
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FeedLintArgs {
    /// The feed; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
    /// The Content-Type header the feed came with
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
}
