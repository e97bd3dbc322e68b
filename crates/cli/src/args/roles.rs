//! The arguments of the commands that work on Kafka.

use std::net::SocketAddr;

use clap::Subcommand;

use super::ConfigArg;

#[derive(Debug, clap::Args)]
pub(crate) struct RoleArgs {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Serve /metrics, /livez and /readyz there [default: web.listen where the configuration sets it]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Topics {
    /// Create the topics there are not yet; tell which differ from the configuration
    #[command(after_help = "\
Examples:
  barid topics create --config config/kafka.toml
  barid topics create --json | jq -r 'select(.differs != []) | .name'

A topic that exists is left as it is. Exits with 1 when one differs from [kafka.topics].")]
    Create(TopicsArgs),
    /// List partitions with their offsets, and how far each group is behind
    #[command(after_help = "\
Examples:
  barid topics list --config config/kafka.toml
  barid topics list --json | jq 'select(.lag_messages > 1000)'")]
    List(TopicsArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TopicsArgs {
    /// Print JSON Lines
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) config: ConfigArg,
}
