//! What the stage counts. The verdicts of main articles and the rejected partition the documents.

use barid_log::register_metric;
use barid_record::{Kind, Reason, Verdict};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::StageError;
use crate::tally::Tally;

/// Counters of the stage.
#[derive(Debug, Clone)]
pub struct Metrics {
    documents: IntCounter,
    document_bytes: IntCounter,
    replaced_bytes: IntCounter,
    verdicts: IntCounterVec,
    rejected: IntCounterVec,
    pub(crate) batch_seconds: Histogram,
    latency_seconds: Histogram,
    order_gaps: IntCounter,
    pub(crate) order_waiting: IntGauge,
}

/// The label of a record's kind.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Article => "article",
        Kind::RelatedArticle => "related_article",
    }
}

impl Metrics {
    /// Creates and registers them, every label set at 0.
    pub fn register(registry: &Registry) -> Result<Self, StageError> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, StageError> {
            Ok(register_metric(registry, IntCounter::new(name, help))?)
        };
        let histogram = |name: &str, help: &str, buckets: &[f64]| -> Result<Histogram, StageError> {
            let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()));
            Ok(register_metric(registry, made)?)
        };
        let verdicts = register_metric(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "barid_stage_verdicts_total",
                    "So many articles got this verdict; those of kind `article` and the rejected documents add up to all documents.",
                ),
                &["kind", "verdict"],
            ),
        )?;
        let rejected = register_metric(
            registry,
            IntCounterVec::new(
                Opts::new("barid_stage_rejected_total", "So many documents were rejected for this reason."),
                &["reason"],
            ),
        )?;
        let order_waiting = register_metric(
            registry,
            IntGauge::new(
                "barid_stage_order_waiting",
                "So many parsed documents are in memory; most of them wait for an earlier one of their writer.",
            ),
        )?;
        for verdict in Verdict::ALL {
            for kind in [Kind::Article, Kind::RelatedArticle] {
                verdicts.with_label_values(&[kind_name(kind), verdict.name()]);
            }
        }
        for reason in Reason::ALL {
            rejected.with_label_values(&[reason.code()]);
        }
        Ok(Self {
            documents: counter(
                "barid_stage_documents_total",
                "The stage has taken so many documents from the log.",
            )?,
            document_bytes: counter(
                "barid_stage_document_bytes_total",
                "These documents had so many bytes.",
            )?,
            replaced_bytes: counter(
                "barid_stage_replaced_bytes_total",
                "So many input bytes were no text; each is shown as U+FFFD.",
            )?,
            order_gaps: counter(
                "barid_stage_order_gaps_total",
                "So many documents were decided although an earlier one of their writer was missing.",
            )?,
            order_waiting,
            verdicts,
            rejected,
            batch_seconds: histogram(
                "barid_stage_batch_duration_seconds",
                "A batch takes so long from being polled to its unit of work being submitted.",
                &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
            )?,
            latency_seconds: histogram(
                "barid_stage_latency_seconds",
                "A document takes so long from being noticed to its records being made.",
                &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0],
            )?,
        })
    }

    /// Counts what became durable.
    pub(crate) fn count(&self, tally: &Tally) {
        self.documents.inc_by(tally.summary.documents);
        self.document_bytes.inc_by(tally.summary.bytes);
        self.replaced_bytes.inc_by(tally.replaced_bytes);
        self.order_gaps.inc_by(tally.order_gaps);
        for (kind, counts) in [Kind::Article, Kind::RelatedArticle].into_iter().zip(tally.verdicts) {
            for (verdict, count) in Verdict::ALL.into_iter().zip(counts) {
                self.verdicts.with_label_values(&[kind_name(kind), verdict.name()]).inc_by(count);
            }
        }
        for (reason, count) in &tally.summary.rejected {
            self.rejected.with_label_values(&[reason]).inc_by(*count);
        }
        for seconds in &tally.latencies {
            self.latency_seconds.observe(*seconds);
        }
    }
}
