//! The first half on Kafka: raw documents in, their records but for the verdicts out. Any number of these share the partitions.

use barid_log::{Control, Message, Outgoing, Worker, WorkerSpec};
use barid_record::{Rejected, Topic};

use crate::pipeline::{Setup, pipeline};
use crate::prepare::{Limits, Prepared, prepare};
use crate::template::Document;
use crate::{Metrics, StageConfig, StageError, Summary, articles};

/// The consumer group of the parsers.
pub const PARSE_GROUP: &str = "stage.parse";

/// The named crash points of [`run_parse`].
pub const PARSE_FAILPOINTS: &[&str] = &POINTS;
const POINTS: [&str; 3] = ["stage.parse.poll.after", "stage.parse.finish.after", "stage.parse.submit.after"];

/// Who [`run_parse`] is.
pub fn parse_spec() -> WorkerSpec {
    WorkerSpec {
        group: PARSE_GROUP.to_owned(),
        inputs: vec![Topic::Raw, Topic::Backfill],
        tables: Vec::new(),
    }
}

/// What becomes of one raw message: always one articles message, so that its writer's numbering has no gap.
struct Parcel {
    articles: Outgoing,
    bytes: u64,
    replaced: u32,
    rejected: Option<Box<Rejected>>,
}

fn parcel(raw: &Message, limits: &Limits) -> Parcel {
    let bytes = raw.value.len() as u64;
    let articles =
        |document: Document| articles::message(raw, &document.fitting(limits.records)?, limits.articles);
    match prepare(raw, articles) {
        Prepared::Articles { made, replaced } => Parcel { articles: made, bytes, replaced, rejected: None },
        Prepared::Rejected(rejected) => {
            let hole = articles::hole(raw, rejected.reason, limits.articles);
            Parcel { articles: hole, bytes, replaced: 0, rejected: Some(rejected) }
        }
    }
}

/// Turns raw documents into articles for [`crate::run_decide`] until asked to end; otherwise as [`crate::run`]. `_clock` is not looked at:
/// parsing knows no time.
///
/// # Errors
///
/// What the log says, but for [`barid_log::LogError::Rewound`]: then the messages come again. Faults of barid.
pub fn run_parse(
    config: &StageConfig,
    worker: Box<dyn Worker>,
    metrics: &Metrics,
    _clock: &dyn Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(&Summary),
) -> Result<Summary, StageError> {
    let limits = Limits::of(worker.as_ref());
    let setup = Setup { config, metrics, control, progress, points: POINTS };
    let parse = move |raw: Message| parcel(&raw, &limits);
    pipeline(&setup, worker, &parse, &mut |parcel, _, hand| {
        hand.tally.document(parcel.bytes);
        hand.tally.replaced_bytes += u64::from(parcel.replaced);
        hand.unit.produced.push(parcel.articles);
        if let Some(rejected) = parcel.rejected {
            hand.rejected(&rejected, limits.rejected);
        }
        Ok(())
    })
}
