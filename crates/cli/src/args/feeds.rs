//! `barid feed`: the commands about polled feeds.

use std::path::PathBuf;

use clap::Subcommand;

use super::ConfigArg;

#[derive(Debug, Subcommand)]
pub(crate) enum FeedsCommand {
    /// List the polled feeds: state, since when, why
    #[command(after_help = "\
Examples:
  barid feed list
  barid feed list --state silent --json | jq -r .feed

A feed's state is told when it changes and once a day, in the topic barid.health.")]
    List {
        /// Only feeds in this state, such as late, gone or wrong_content; silent: late, stale, silent_empty or dead
        #[arg(long)]
        state: Option<String>,
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Poll one address once and explain everything: requests, rules, items, faults
    #[command(after_help = "\
Examples:
  barid feed check https://news.example/feed.xml
  barid feed check --full-text https://news.example/feed.xml

One request, and one for each redirect. With full text also robots.txt and the page that the newest item links
to, if it may be asked for. Nothing is stored. Exits with 1 when it is no good feed.")]
    Check {
        /// The feed's address
        url: String,
        /// Fetch an article's page too, also where full text is not configured
        #[arg(long)]
        full_text: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print everything that was said of a feed's health
    #[command(after_help = "\
Examples:
  barid feed history news-example-1a2b3c4d5e")]
    History {
        /// The feed's id
        id: String,
        /// Print JSON Lines
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Add the feeds of an OPML file to the first of `feeds.lists`
    #[command(after_help = "\
Examples:
  barid feed import subscriptions.opml

Feeds that are there already, by address, stay as they are. feed: addresses and bare hosts are taken as http.
What can never be asked is refused by line, and the exit code is 1. A running barid takes the list at its next start.")]
    Import {
        /// The OPML file
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Print every feed as OPML, with the addresses that they have moved to
    #[command(after_help = "\
Examples:
  barid feed export > feeds.opml")]
    Export {
        #[command(flatten)]
        config: ConfigArg,
    },
}
