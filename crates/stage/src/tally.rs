//! What a unit of work did, counted when it is durable: a unit that is undone and comes again counts once.

use std::collections::{HashMap, VecDeque};

use barid_log::Ticket;
use barid_record::{Kind, Reason, Verdict};

use crate::Metrics;

/// What one run of the stage did. Those of [`crate::run_parse`] and [`crate::run_decide`] add up to that of [`crate::run`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Documents taken from the watcher.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records produced.
    pub records: u64,
    /// Related articles among the records.
    pub related: u64,
    /// Main articles by verdict, in the order of [`Verdict::ALL`].
    pub verdicts: [u64; 5],
    /// Rejected documents by reason code.
    pub rejected: HashMap<&'static str, u64>,
}

impl Summary {
    /// Adds what another loop did.
    pub fn add(&mut self, other: &Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
        self.records += other.records;
        self.related += other.related;
        for (mine, others) in self.verdicts.iter_mut().zip(other.verdicts) {
            *mine += others;
        }
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
    }
}

/// What one unit of work did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) summary: Summary,
    pub(crate) replaced_bytes: u64,
    /// Main and related articles by verdict.
    pub(crate) verdicts: [[u64; 5]; 2],
    /// Seconds from a document being noticed to its records being made.
    pub(crate) latencies: Vec<f64>,
    pub(crate) order_gaps: u64,
}

impl Tally {
    /// A document of that size was taken from the watcher.
    pub(crate) fn document(&mut self, bytes: u64) {
        self.summary.documents += 1;
        self.summary.bytes += bytes;
    }

    pub(crate) fn rejected(&mut self, reason: Reason) {
        *self.summary.rejected.entry(reason.code()).or_default() += 1;
    }

    pub(crate) fn verdict(&mut self, kind: Kind, verdict: Verdict) {
        let is_related = match kind {
            Kind::Article => false,
            Kind::RelatedArticle => true,
        };
        if let Some(index) = Verdict::ALL.iter().position(|known| *known == verdict) {
            self.verdicts[usize::from(is_related)][index] += 1;
            if !is_related {
                self.summary.verdicts[index] += 1;
            }
        }
        if verdict != Verdict::Repeat {
            self.summary.records += 1;
            self.summary.related += u64::from(is_related);
        }
    }
}

/// The units in flight and what is counted.
pub(crate) struct Ledger<'a> {
    metrics: &'a Metrics,
    open: VecDeque<(Ticket, Tally)>,
    pub(crate) summary: Summary,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(metrics: &'a Metrics) -> Self {
        Self { metrics, open: VecDeque::new(), summary: Summary::default() }
    }

    pub(crate) fn submitted(&mut self, ticket: Ticket, tally: Tally) {
        self.open.push_back((ticket, tally));
    }

    /// The newest unit in flight.
    pub(crate) fn last(&self) -> Option<Ticket> {
        self.open.back().map(|(ticket, _)| *ticket)
    }

    /// Counts what is durable. True when that was anything.
    pub(crate) fn settle(&mut self, durable: Option<Ticket>) -> bool {
        let before = self.open.len();
        while let Some((_, tally)) = self.open.pop_front_if(|(ticket, _)| Some(*ticket) <= durable) {
            self.metrics.count(&tally);
            self.summary.add(&tally.summary);
        }
        self.open.len() < before
    }

    /// Forgets what is not durable: it comes again.
    pub(crate) fn forget(&mut self) {
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[test]
    fn what_comes_again_counts_once() {
        let metrics = Metrics::register(&Registry::new()).expect("a fresh registry");
        let mut ledger = Ledger::new(&metrics);
        let tally = |bytes| {
            let mut tally = Tally::default();
            tally.document(bytes);
            tally
        };
        for number in 1..=3 {
            ledger.submitted(Ticket(number), tally(number));
        }
        assert!(!ledger.settle(None), "nothing is durable");
        assert!(ledger.settle(Some(Ticket(1))));
        assert_eq!((ledger.summary.bytes, ledger.last()), (1, Some(Ticket(3))));
        assert!(ledger.settle(Some(Ticket(2))));
        ledger.forget();
        assert_eq!((ledger.summary.bytes, ledger.last()), (3, None));
        ledger.submitted(Ticket(4), tally(3));
        assert!(ledger.settle(Some(Ticket(4))));
        assert_eq!((ledger.summary.documents, ledger.summary.bytes), (3, 6));
    }
}
