//! The second half on Kafka: articles in, records out. One owner decides, in the order of the writers; others stand by.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use barid_log::{Change, Control, Limit, Message, Table, Wish, Worker, WorkerSpec, failpoint};
use barid_record::{Order, Reason, Topic};
use bytes::Bytes;

use crate::articles::{Content, read};
use crate::hand::Hand;
use crate::merge::{Arrival, Merge};
use crate::pipeline::{POLL_WAIT, Setup};
use crate::prepare::Limits;
use crate::reject::reject_message;
use crate::tally::Ledger;
use crate::template::TooLarge;
use crate::wire::{FORM, Reader};
use crate::{BODIES, Metrics, Place, SOURCES, StageConfig, StageError, Summary};

/// The consumer group of the owner of the verdicts.
pub const DECIDE_GROUP: &str = "stage.decide";

/// Topic and writer -> the number that writer's next message there has.
pub const ORDER: Table = Table("stage.order");

/// The named crash points of [`run_decide`].
pub const DECIDE_FAILPOINTS: &[&str] = &POINTS;
const POINTS: [&str; 3] =
    ["stage.decide.poll.after", "stage.decide.finish.after", "stage.decide.submit.after"];

/// Most back-filled documents in a unit: what is live waits for one unit at most.
const BACKFILL_UNIT: usize = 32;

/// Who [`run_decide`] is.
pub fn decide_spec() -> WorkerSpec {
    WorkerSpec {
        group: DECIDE_GROUP.to_owned(),
        inputs: vec![Topic::Articles, Topic::ArticlesBackfill],
        tables: vec![SOURCES, BODIES, ORDER],
    }
}

/// Turns what [`crate::run_parse`] made into records until asked to end; otherwise as [`crate::run`].
///
/// # Errors
///
/// What the log says, but for [`barid_log::LogError::Rewound`]: then the messages come again. Faults of barid.
pub fn run_decide(
    config: &StageConfig,
    mut worker: Box<dyn Worker>,
    metrics: &Metrics,
    clock: &dyn Fn() -> i64,
    control: &Control,
    progress: &dyn Fn(&Summary),
) -> Result<Summary, StageError> {
    let limits = Limits::of(worker.as_ref());
    let setup = Setup { config, metrics, control, progress, points: POINTS };
    let mut owner = Owner {
        setup: &setup,
        worker: worker.as_mut(),
        clock,
        limits,
        lanes: decide_spec().inputs.into_iter().map(Lane::new).collect(),
        ledger: Ledger::new(metrics),
        is_fresh: true,
        is_busy: false,
    };
    loop {
        match owner.turn() {
            Ok(false) => {}
            Ok(true) => return Ok(owner.ledger.summary),
            Err(StageError::Log(error)) if error.is_rewound() => {
                tracing::debug!(%error, "rewound");
                owner.settle();
                owner.ledger.forget();
                owner.is_fresh = true;
            }
            Err(error) => {
                // What is durable counts, whoever goes on from there.
                owner.settle();
                return Err(error);
            }
        }
    }
}

/// One input, most urgent first.
struct Lane {
    topic: Topic,
    merge: Merge<Message>,
    held: BTreeSet<u32>,
}

impl Lane {
    fn new(topic: Topic) -> Self {
        Self { topic, merge: Merge::default(), held: BTreeSet::new() }
    }

    /// What the keys of this topic in [`ORDER`] begin with.
    fn prefix(&self) -> Vec<u8> {
        [self.topic.name().as_bytes(), &[0]].concat()
    }
}

struct Owner<'a> {
    setup: &'a Setup<'a>,
    worker: &'a mut dyn Worker,
    clock: &'a dyn Fn() -> i64,
    limits: Limits,
    lanes: Vec<Lane>,
    ledger: Ledger<'a>,
    /// Nothing is in hand, and what the state says is to be read.
    is_fresh: bool,
    /// The last turn found something to do: do not wait for more.
    is_busy: bool,
}

impl Owner<'_> {
    /// One unit further. True when the loop is to end.
    fn turn(&mut self) -> Result<bool, StageError> {
        let [polled, finished, submitted] = self.setup.points;
        let wish = self.setup.control.wish();
        if self.is_fresh {
            self.restore()?;
        }
        let got_any = wish != Wish::Stop && self.poll()?;
        failpoint(polled);
        let started = Instant::now();
        let hand = if wish == Wish::Stop { Hand::default() } else { self.hand()? };
        self.hold()?;
        self.is_busy = !hand.unit.is_empty();
        if self.is_busy {
            failpoint(finished);
            let ticket = self.worker.submit(hand.unit)?;
            failpoint(submitted);
            self.ledger.submitted(ticket, hand.tally);
            self.setup.metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
        }
        let is_drained = !got_any && !self.is_busy && self.lanes.iter().all(|lane| lane.merge.is_empty());
        let is_done = wish == Wish::Stop || wish == Wish::Drain && is_drained;
        if is_done && let Some(ticket) = self.ledger.last() {
            self.worker.wait(ticket)?;
        }
        self.settle();
        Ok(is_done)
    }

    fn settle(&mut self) {
        if self.ledger.settle(self.worker.durable()) {
            (self.setup.progress)(&self.ledger.summary);
        }
    }

    /// Starts from what is durable: what was in hand comes again.
    fn restore(&mut self) -> Result<(), StageError> {
        for lane in &mut self.lanes {
            let mut merge = Merge::default();
            let prefix = lane.prefix();
            let mut unknown = None;
            self.worker.scan(ORDER, &prefix, &mut |key, value| {
                let mut reader = Reader::new(value);
                let next = reader.u64().filter(|_| reader.is_done());
                // A writer's name came from a header of text.
                match (next, str::from_utf8(&key[prefix.len()..])) {
                    (Some(next), Ok(writer)) => merge.restore(writer, next),
                    (Some(_) | None, Ok(_) | Err(_)) => unknown = Some(value.len()),
                }
            })?;
            if let Some(bytes) = unknown {
                return Err(StageError::UnknownState { table: ORDER.0, bytes });
            }
            lane.merge = merge;
        }
        self.is_fresh = false;
        Ok(())
    }

    /// True when anything came.
    fn poll(&mut self) -> Result<bool, StageError> {
        let config = self.setup.config;
        let limit = Limit { messages: config.batch_documents.max(1), bytes: config.batch_bytes };
        let wait = if self.is_busy { Duration::ZERO } else { POLL_WAIT };
        let batch = self.worker.poll(limit, wait)?;
        let got_any = !batch.is_empty();
        for message in batch {
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.topic == message.topic) {
                lane.merge.push(Arrival {
                    partition: message.partition,
                    order: Order::from_headers(&message.headers),
                    timestamp_ms: message.timestamp_ms,
                    offset: message.offset,
                    bytes: message.value.len(),
                    item: message,
                });
            }
        }
        Ok(got_any)
    }

    /// Decides what can be decided now, a unit at most.
    fn hand(&mut self) -> Result<Hand, StageError> {
        let config = self.setup.config;
        let most = config.batch_documents.max(1);
        let mut hand = Hand::default();
        let (mut documents, mut bytes) = (0, 0);
        for index in 0..self.lanes.len() {
            let most = if index == 0 { most } else { most.min(documents + BACKFILL_UNIT) };
            let partitions = self.worker.partitions(self.lanes[index].topic);
            while documents < most && (documents == 0 || bytes < config.batch_bytes) {
                let (now_ms, lane) = ((self.clock)(), &mut self.lanes[index]);
                let Some(message) = lane.merge.pop(&partitions, now_ms, wait_ms(config)) else { break };
                documents += 1;
                bytes += message.value.len();
                self.message(&message, now_ms, &mut hand)?;
                hand.consumed(message.next());
            }
            self.remember(index, &mut hand);
        }
        let waiting: usize = self.lanes.iter().map(|lane| lane.merge.waiting()).sum();
        self.setup.metrics.order_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(hand)
    }

    fn message(&mut self, message: &Message, now_ms: i64, hand: &mut Hand) -> Result<(), StageError> {
        let position = || Place::new(message, 0).name();
        match read(message) {
            Ok(Content::Hole) => {}
            Ok(Content::Document(document)) => match document.fitting(self.limits.records) {
                Ok(document) => hand.document(self.worker, &document, now_ms)?,
                // Parsers of another configuration let it pass. What they wrote is kept; the document itself is still in its raw topic.
                Err(TooLarge(detail)) => {
                    let rejected = reject_message(message, position(), Reason::TooLarge, detail);
                    hand.rejected(&rejected, self.limits.rejected);
                }
            },
            Err(detail) => {
                // No parser has counted it.
                hand.tally.document(message.value.len() as u64);
                let rejected = reject_message(message, position(), Reason::BadMessage, detail.to_owned());
                hand.rejected(&rejected, self.limits.rejected);
            }
        }
        Ok(())
    }

    /// The order goes into the same unit as what was taken in it.
    fn remember(&mut self, index: usize, hand: &mut Hand) {
        let lane = &mut self.lanes[index];
        let prefix = lane.prefix();
        hand.tally.order_gaps += lane.merge.gaps();
        for (writer, next) in lane.merge.moved() {
            hand.unit.state.push(Change::Put {
                table: ORDER,
                key: Bytes::from([prefix.as_slice(), writer.as_bytes()].concat()),
                value: Bytes::from([[FORM].as_slice(), &next.to_be_bytes()].concat()),
            });
        }
    }

    /// Partitions that run ahead wait in the log, not in memory.
    fn hold(&mut self) -> Result<(), StageError> {
        for lane in &mut self.lanes {
            let partitions = self.worker.partitions(lane.topic);
            lane.held.retain(|partition| partitions.contains(partition));
            for partition in partitions {
                let is_held = lane.held.contains(&partition);
                let wants = lane.merge.wants_hold(partition, is_held);
                if wants == is_held {
                    continue;
                }
                self.worker.hold(lane.topic, partition, wants)?;
                if wants {
                    lane.held.insert(partition);
                } else {
                    lane.held.remove(&partition);
                }
            }
        }
        Ok(())
    }
}

fn wait_ms(config: &StageConfig) -> i64 {
    i64::try_from(config.order_wait.as_millis()).unwrap_or(i64::MAX)
}
