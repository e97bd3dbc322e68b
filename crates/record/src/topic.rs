//! The topics, by name, in the order a document meets them.

/// A topic of the log. The same names on the embedded log and on Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Documents as they arrived, live.
    Raw,
    /// Documents as they arrived, bulk history: read only when `Raw` is drained.
    Backfill,
    /// Parsed documents on their way to deduplication (Kafka only).
    Articles,
    /// Parsed documents of [`Topic::Backfill`] (Kafka only): decided when nothing in `Articles` waits.
    ArticlesBackfill,
    /// Enriched records: what sinks read.
    Records,
    /// What could not be processed, with its bytes and a reason.
    Rejected,
    /// Changes of feed health.
    Health,
}

impl Topic {
    /// Every topic, in the order above.
    pub const ALL: [Self; 7] = [
        Self::Raw,
        Self::Backfill,
        Self::Articles,
        Self::ArticlesBackfill,
        Self::Records,
        Self::Rejected,
        Self::Health,
    ];

    /// The name on disk and on Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "barid.raw",
            Self::Backfill => "barid.backfill",
            Self::Articles => "barid.articles",
            Self::ArticlesBackfill => "barid.articles.backfill",
            Self::Records => "barid.records",
            Self::Rejected => "barid.rejected",
            Self::Health => "barid.health",
        }
    }

    /// The topic of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}
