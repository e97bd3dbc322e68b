//! Everything in one loop, on the embedded log: raw documents in, records out.

use std::time::Duration;

use barid_log::{Control, Message, Worker, WorkerSpec};
use barid_record::Topic;

use crate::pipeline::{Setup, pipeline};
use crate::prepare::{Limits, Prepared, prepare};
use crate::{BODIES, Metrics, SOURCES, StageError, Summary};

/// The consumer group of the stage that both parses and decides.
pub const GROUP: &str = "stage";

/// The named crash points of [`run`].
pub const FAILPOINTS: &[&str] = &POINTS;
const POINTS: [&str; 3] = ["stage.poll.after", "stage.decide.after", "stage.submit.after"];

/// How the stage works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageConfig {
    /// Threads that parse.
    pub parser_threads: usize,
    /// Most documents in one unit of work.
    pub batch_documents: usize,
    /// Most document bytes in one unit of work.
    pub batch_bytes: usize,
    /// How long [`crate::run_decide`] waits for a document that its writer's numbering says must come, while no other of that writer can be
    /// taken. Longer than Kafka's session timeout: as long may the partitions of a parser that was killed stand still.
    pub order_wait: Duration,
}

impl Default for StageConfig {
    fn default() -> Self {
        let parser_threads = std::thread::available_parallelism().map_or(2, usize::from).min(16);
        Self {
            parser_threads,
            batch_documents: 512,
            batch_bytes: 4 << 20,
            order_wait: Duration::from_secs(60),
        }
    }
}

/// Who [`run`] is.
pub fn spec() -> WorkerSpec {
    WorkerSpec {
        group: GROUP.to_owned(),
        inputs: vec![Topic::Raw, Topic::Backfill],
        tables: vec![SOURCES, BODIES],
    }
}

/// Turns raw documents into records until asked to end. With [`barid_log::Wish::Drain`] every document there is comes out first. `clock` gives
/// milliseconds since the Unix epoch. `progress` is told what is durable, whenever that grew.
///
/// # Errors
///
/// What the log says, but for [`barid_log::LogError::Rewound`]: then the messages come again. Faults of barid.
pub fn run(
    config: &StageConfig,
    worker: Box<dyn Worker>,
    metrics: &Metrics,
    clock: &dyn Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(&Summary),
) -> Result<Summary, StageError> {
    let limits = Limits::of(worker.as_ref());
    let setup = Setup { config, metrics, control, progress, points: POINTS };
    let parse = move |raw: Message| {
        (raw.value.len() as u64, prepare(&raw, |document| document.fitting(limits.records)))
    };
    pipeline(&setup, worker, &parse, &mut |(bytes, prepared), worker, hand| {
        hand.tally.document(bytes);
        match prepared {
            Prepared::Articles { made, replaced } => {
                hand.tally.replaced_bytes += u64::from(replaced);
                hand.document(worker, &made, clock())
            }
            Prepared::Rejected(rejected) => {
                hand.rejected(&rejected, limits.rejected);
                Ok(())
            }
        }
    })
}
