//! The topics, by name, in the order a document meets them.

/// A topic of the log. The same names on the embedded log and on Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Documents as they arrived, live.
    Raw,
    /// Documents as they arrived, bulk history: read only when `Raw` is drained.
    Backfill,
    /// Parsed articles, repartitioned (Kafka only).
    Articles,
    /// Enriched records: what sinks read.
    Records,
    /// What could not be processed, with its bytes and a reason.
    Rejected,
    /// Changes of feed health.
    Health,
}

impl Topic {
    /// Every topic, in the order above.
    pub const ALL: [Self; 6] =
        [Self::Raw, Self::Backfill, Self::Articles, Self::Records, Self::Rejected, Self::Health];

    /// The name on disk and on Kafka.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "barid.raw",
            Self::Backfill => "barid.backfill",
            Self::Articles => "barid.articles",
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
