//! One member of a group on the embedded log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use barid_record::Topic;
use bytes::Bytes;

use super::block::{self, Encoded, Encoder};
use super::cursor::{Cursor, Room};
use super::overlay::Overlay;
use super::shared::{Progress, Queue, Queued, Shared, lock, wait, wait_until};
use super::state::MAX_KEY_BYTES;
use crate::LogError;
use crate::api::{Batch, Change, Limit, Outgoing, Table, Ticket, Unit, Worker, WorkerSpec};

/// About what a unit takes in the journal besides its changes.
const UNIT_BYTES: usize = 64;

/// How long a poll waits when it is to wait for ever.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A worker: reads, computes, submits.
pub(crate) struct EmbeddedWorker {
    shared: Arc<Shared>,
    spec: WorkerSpec,
    group: Arc<str>,
    /// In the order of the specification's inputs.
    cursors: Vec<(Topic, Cursor)>,
    positions: HashMap<Topic, u64>,
    held: BTreeSet<Topic>,
    overlay: Overlay,
    encoder: Encoder,
    last_ticket: u64,
    durable: Arc<AtomicU64>,
}

impl EmbeddedWorker {
    /// Joins the group: continues where its last durable commit ended.
    pub(crate) fn join(shared: Arc<Shared>, spec: WorkerSpec) -> Result<Self, LogError> {
        shared.check_running("join")?;
        if !lock(&shared.progress).live_groups.insert(spec.group.clone()) {
            return Err(LogError::GroupBusy { group: spec.group });
        }
        let encoder = Encoder::new(shared.config.codec, shared.config.block_bytes);
        let mut worker = Self {
            group: spec.group.as_str().into(),
            spec,
            shared,
            cursors: Vec::new(),
            positions: HashMap::new(),
            held: BTreeSet::new(),
            overlay: Overlay::default(),
            encoder,
            last_ticket: 0,
            durable: Arc::default(),
        };
        // A predecessor's units may still be on their way.
        worker.shared.barrier("join")?;
        let mut progress = lock(&worker.shared.progress);
        for &topic in &worker.spec.inputs {
            progress.positions.register(&worker.spec.group, topic);
        }
        for topic in Topic::ALL {
            let next = progress.positions.get(&worker.spec.group, topic).unwrap_or(0);
            worker.positions.insert(topic, next);
        }
        drop(progress);
        let cursor = |&topic: &Topic| (topic, Cursor::new(worker.positions[&topic]));
        worker.cursors = worker.spec.inputs.iter().map(cursor).collect();
        Ok(worker)
    }

    fn read_available(&mut self, limit: Limit) -> Result<Batch, LogError> {
        let mut room = Room::new(limit);
        let mut batch = Vec::new();
        for (topic, cursor) in self.cursors.iter_mut().filter(|(topic, _)| !self.held.contains(topic)) {
            if !cursor.read(self.shared.topics.get(*topic), &mut room, &mut batch)? {
                break;
            }
        }
        Ok(batch)
    }

    fn has_more(&self) -> bool {
        self.cursors
            .iter()
            .filter(|(topic, _)| !self.held.contains(topic))
            .any(|(topic, cursor)| cursor.next_offset() < self.shared.topics.get(*topic).view().end_offset)
    }

    fn check_table(&self, table: Table) -> Result<(), LogError> {
        if self.spec.tables.contains(&table) {
            return Ok(());
        }
        Err(LogError::UnknownTable { table: table.0, group: self.spec.group.clone() })
    }

    fn check(&self, unit: &Unit) -> Result<(), LogError> {
        for change in &unit.state {
            let (Change::Put { table, key, .. } | Change::Delete { table, key }) = change;
            self.check_table(*table)?;
            let bytes = table.0.len() + key.len();
            if bytes > MAX_KEY_BYTES {
                return Err(LogError::TooLarge {
                    object: "the key of a state change",
                    bytes,
                    limit_bytes: MAX_KEY_BYTES,
                });
            }
        }
        for bytes in unit.produced.iter().map(Outgoing::bytes) {
            if bytes > block::MAX_RAW_BYTES {
                return Err(LogError::TooLarge {
                    object: "a message",
                    bytes,
                    limit_bytes: block::MAX_RAW_BYTES,
                });
            }
        }
        for position in &unit.consumed {
            check_partition(position.topic, position.partition)?;
        }
        Ok(())
    }

    fn encode(&mut self, produced: &[Outgoing]) -> Vec<Encoded> {
        let of = |topic| produced.iter().filter(|message| message.topic == topic).collect::<Vec<_>>();
        Topic::ALL.into_iter().flat_map(|topic| self.encoder.encode(topic, &of(topic))).collect()
    }

    fn enqueue(&self, unit: Queued) -> Result<(), LogError> {
        let must_wait = |queue: &Queue| {
            let full = queue.bytes > 0 && queue.bytes + unit.bytes > self.shared.config.queue_bytes;
            full || unit.blocks.iter().any(|block| self.shared.topics.get(block.topic).is_blocked())
        };
        let mut queue = lock(&self.shared.queue);
        loop {
            if queue.closing {
                return Err(LogError::Stopped {
                    operation: "submit",
                    cause: "the log is closing".to_owned(),
                });
            }
            if !must_wait(&queue) {
                break;
            }
            drop(queue);
            self.shared.check_running("submit")?;
            queue = lock(&self.shared.queue);
            if must_wait(&queue) && !queue.closing {
                queue = wait(&self.shared.room, queue);
            }
        }
        queue.bytes += unit.bytes;
        queue.submitted += 1;
        queue.units.push_back(unit);
        drop(queue);
        self.shared.work.notify_all();
        Ok(())
    }
}

/// The embedded log has one partition a topic.
pub(crate) fn check_partition(topic: Topic, partition: u32) -> Result<(), LogError> {
    if partition == 0 { Ok(()) } else { Err(LogError::UnknownPartition { topic: topic.name(), partition }) }
}

impl Worker for EmbeddedWorker {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        let now = Instant::now();
        let deadline = now.checked_add(wait).unwrap_or(now + LONGEST_WAIT);
        loop {
            let batch = self.read_available(limit)?;
            if !batch.is_empty() || self.cursors.is_empty() && wait.is_zero() {
                return Ok(batch);
            }
            let progress = lock(&self.shared.progress);
            Shared::running(&progress, "poll")?;
            if self.has_more() {
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(batch);
            }
            drop(wait_until(&self.shared.moved, progress, deadline));
        }
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.check_table(table)?;
        self.overlay.forget(self.durable.load(Ordering::Acquire));
        match self.overlay.get(table, key) {
            Some(pending) => Ok(pending),
            None => self.shared.state.get(table.0, key),
        }
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        self.check_table(table)?;
        self.overlay.forget(self.durable.load(Ordering::Acquire));
        self.overlay.scan(&self.shared.state, table, prefix, visit)
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        self.shared.check_running("submit")?;
        self.check(&unit)?;
        let ticket = self.last_ticket + 1;
        let blocks = self.encode(&unit.produced);
        let changed: usize = unit.state.iter().map(change_bytes).sum();
        let bytes = UNIT_BYTES
            + changed
            + blocks.iter().map(|block| block.bytes.len() + block.raw.len()).sum::<usize>();
        self.overlay.forget(self.durable.load(Ordering::Acquire));
        let changes = unit.state.clone();
        let positions = unit.consumed.clone();
        self.enqueue(Queued {
            group: self.group.clone(),
            ticket,
            durable: self.durable.clone(),
            blocks,
            consumed: unit.consumed,
            state: unit.state,
            bytes,
        })?;
        self.last_ticket = ticket;
        self.overlay.add(ticket, &changes);
        for position in positions {
            self.positions.insert(position.topic, position.next_offset);
        }
        Ok(Ticket(ticket))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        let mut progress: std::sync::MutexGuard<'_, Progress> = lock(&self.shared.progress);
        while self.durable.load(Ordering::Acquire) < ticket.0 {
            Shared::running(&progress, "wait")?;
            progress = wait(&self.shared.moved, progress);
        }
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        let newest = self.durable.load(Ordering::Acquire);
        (newest > 0).then_some(Ticket(newest))
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        if partition == 0 { self.positions.get(&topic).copied().unwrap_or(0) } else { 0 }
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        check_partition(topic, partition)?;
        if held {
            self.held.insert(topic);
        } else {
            self.held.remove(&topic);
        }
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        if self.spec.inputs.contains(&topic) { vec![0] } else { Vec::new() }
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.shared.check_running("tend")
    }

    fn message_limit(&self, _topic: Topic) -> usize {
        block::MAX_RAW_BYTES
    }
}

impl Drop for EmbeddedWorker {
    fn drop(&mut self) {
        lock(&self.shared.progress).live_groups.remove(&self.spec.group);
    }
}

/// What a change takes in memory while it is on its way: its bytes, its handles, its place in the overlay.
fn change_bytes(change: &Change) -> usize {
    const HANDLES_BYTES: usize = 300;
    match change {
        Change::Put { key, value, .. } => key.len() + value.len() + HANDLES_BYTES,
        Change::Delete { key, .. } => key.len() + HANDLES_BYTES,
    }
}
