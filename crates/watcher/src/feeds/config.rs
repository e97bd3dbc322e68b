//! What the poller is told, and what it says it has done.

use std::sync::Arc;

use barid_log::WorkerSpec;

use super::address::Allowed;
use super::engine::Feed;
use super::fetch::{Limits, Resolve, System, Trust};
use super::pages::{PAGES, ROBOTS, WAITING};
use super::state::{ASKED, FEED_ORDER, FEEDS};
use super::websub::{WEBSUB, WebSubConfig};

/// The poller's group, and its name as a writer unless it is given another.
pub const GROUP: &str = "feeds";

/// The worker that [`super::run`] wants. It owns tables: one such worker runs, others stand by. Where shards are shared out ([`super::run_shard`]) each is a worker with the
/// same tables.
pub fn worker_spec() -> WorkerSpec {
    WorkerSpec {
        group: GROUP.to_owned(),
        inputs: Vec::new(),
        tables: vec![FEEDS, ASKED, FEED_ORDER, PAGES, WAITING, ROBOTS, WEBSUB],
    }
}

/// Everything the poller is told.
#[derive(Debug, Clone)]
pub struct FeedsConfig {
    /// The feeds.
    pub feeds: Vec<Feed>,
    /// Of these: ids of those that have series of their own in the metrics.
    pub watch: Vec<String>,
    /// Ids of those whose items get the text of the pages they link to.
    pub full_text: Vec<String>,
    /// The `User-Agent`.
    pub agent: String,
    /// What may be connected to beside the public internet.
    pub allowed: Allowed,
    /// How much an answer may take.
    pub limits: Limits,
    /// Names to addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Who vouches for servers.
    pub trust: Trust,
    /// How hubs are heard; `None` to poll only.
    pub websub: Option<WebSubConfig>,
    /// Requests under way, at most.
    pub max_in_flight: usize,
    /// A unit is handed over when its documents have so many bytes.
    pub batch_bytes: usize,
    /// Names the one who counts the documents: see [`barid_record::Order`].
    pub writer: String,
}

impl Default for FeedsConfig {
    fn default() -> Self {
        Self {
            feeds: Vec::new(),
            watch: Vec::new(),
            full_text: Vec::new(),
            agent: concat!("barid/", env!("CARGO_PKG_VERSION")).to_owned(),
            allowed: Allowed::default(),
            limits: Limits::default(),
            resolver: Arc::new(System),
            trust: Trust::default(),
            websub: None,
            max_in_flight: 200,
            batch_bytes: 1 << 20,
            writer: GROUP.to_owned(),
        }
    }
}

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedsSummary {
    /// Polls that ended.
    pub polls: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Documents handed to the log.
    pub documents: u64,
    /// Of these, those with the text of the page their item links to.
    pub pages: u64,
    /// Answers that are no feed, handed to the log as rejected.
    pub unreadable: u64,
    /// Items that the log does not take, handed to it as rejected.
    pub too_large: u64,
}
