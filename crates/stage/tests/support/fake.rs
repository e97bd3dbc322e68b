//! A log of several partitions in memory, for what the embedded one cannot show: partitions that race, messages that come again, owners that
//! are lost. It stands in for no broker: what Kafka promises is tested on Kafka.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_log::{
    Batch, Change, Limit, LogError, Message, Outgoing, Position, Table, Ticket, Unit, Worker, WorkerSpec,
};
use barid_record::Topic;
use bytes::Bytes;

use super::corpus::Dice;

type Part = (Topic, u32);

/// What is durable, and how it behaves.
pub(crate) struct World {
    pub(crate) inputs: BTreeMap<Part, Vec<Message>>,
    /// How many of them have arrived, for each partition.
    arrived: BTreeMap<Part, usize>,
    pub(crate) positions: BTreeMap<Part, u64>,
    pub(crate) state: BTreeMap<(Table, Vec<u8>), Bytes>,
    pub(crate) produced: Vec<Outgoing>,
    /// How much was produced when each unit was durable.
    pub(crate) unit_ends: Vec<usize>,
    /// Polls in a row that brought nothing.
    idle: u64,
    dice: Dice,
    /// One call in this many fails; 0: none.
    pub(crate) failure_odds: u64,
    pub(crate) failures: u64,
    pub(crate) message_limit: usize,
    /// The most messages of one partition that were handed out and not consumed yet.
    pub(crate) most_ahead: usize,
    pub(crate) held_ever: BTreeSet<Part>,
    pub(crate) held: BTreeSet<Part>,
    /// Partitions that bring nothing until the others are at their end.
    pub(crate) slow: BTreeSet<Part>,
    /// So many messages of a partition arrive at once at most.
    pub(crate) burst: u64,
}

/// Handed to the test and to every worker.
pub(crate) type Shared = Arc<Mutex<World>>;

/// Lays messages out over partitions by their keys, with gaps between the offsets as on Kafka.
pub(crate) fn world(seed: u64, messages: &[Outgoing], partitions: u32) -> Shared {
    let mut dice = Dice(seed);
    let mut inputs: BTreeMap<Part, Vec<Message>> = BTreeMap::new();
    for message in messages {
        let hash =
            message.key.iter().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(*byte)));
        let part = (message.topic, hash % partitions);
        let log = inputs.entry(part).or_default();
        let offset = log.last().map_or(0, |last| last.offset + 1) + dice.roll(3);
        let Outgoing { topic, timestamp_ms, key, headers, value } = message.clone();
        log.push(Message { topic, partition: part.1, offset, timestamp_ms, key, headers, value });
    }
    Arc::new(Mutex::new(World {
        inputs,
        arrived: BTreeMap::new(),
        positions: BTreeMap::new(),
        state: BTreeMap::new(),
        produced: Vec::new(),
        unit_ends: Vec::new(),
        idle: 0,
        dice,
        failure_odds: 0,
        failures: 0,
        message_limit: 1 << 20,
        most_ahead: 0,
        held_ever: BTreeSet::new(),
        held: BTreeSet::new(),
        slow: BTreeSet::new(),
        burst: 40,
    }))
}

impl World {
    fn end(&self, part: Part) -> usize {
        self.inputs.get(&part).map_or(0, Vec::len)
    }

    /// Brings some more, of a partition or two.
    fn arrive(&mut self) {
        let parts: Vec<Part> = self.inputs.keys().copied().collect();
        let is_done =
            |world: &Self, part: &Part| world.arrived.get(part).copied().unwrap_or(0) >= world.end(*part);
        for _ in 0..2 {
            let open: Vec<Part> = parts.iter().copied().filter(|part| !is_done(self, part)).collect();
            let quick: Vec<Part> = open.iter().copied().filter(|part| !self.slow.contains(part)).collect();
            let from = if quick.is_empty() { open } else { quick };
            if from.is_empty() {
                return;
            }
            let part = from[self.dice.roll(from.len() as u64) as usize];
            let burst = self.burst;
            let more = self.dice.roll(burst) as usize;
            let arrived = self.arrived.get(&part).copied().unwrap_or(0);
            self.arrived.insert(part, (arrived + more).min(self.end(part)));
        }
    }

    fn apply(&mut self, unit: Unit) {
        for Position { topic, partition, next_offset } in unit.consumed {
            let before = self.positions.insert((topic, partition), next_offset).unwrap_or(0);
            assert!(next_offset > before, "positions only grow: {before} to {next_offset}");
        }
        for change in unit.state {
            match change {
                Change::Put { table, key, value } => self.state.insert((table, key.to_vec()), value),
                Change::Delete { table, key } => self.state.remove(&(table, key.to_vec())),
            };
        }
        self.produced.extend(unit.produced);
        self.unit_ends.push(self.produced.len());
    }
}

/// A member of a group on that log.
pub(crate) struct Fake {
    shared: Shared,
    spec: WorkerSpec,
    cursors: BTreeMap<Part, usize>,
    held: BTreeSet<Part>,
    pending: VecDeque<(u64, Unit)>,
    last: u64,
    durable: u64,
}

impl Fake {
    pub(crate) fn join(shared: &Shared, spec: WorkerSpec) -> Box<dyn Worker> {
        let mut fake = Self {
            shared: shared.clone(),
            spec,
            cursors: BTreeMap::new(),
            held: BTreeSet::new(),
            pending: VecDeque::new(),
            last: 0,
            durable: 0,
        };
        fake.rewind();
        Box::new(fake)
    }

    fn parts(&self) -> Vec<Part> {
        let world = self.shared.lock().expect("no panic");
        let ours = world.inputs.keys().filter(|(topic, _)| self.spec.inputs.contains(topic));
        let mut parts: Vec<Part> = ours.copied().collect();
        parts.sort_by_key(|(topic, partition)| {
            (self.spec.inputs.iter().position(|input| input == topic), *partition)
        });
        parts
    }

    fn rewind(&mut self) {
        self.pending.clear();
        for part in self.parts() {
            let world = self.shared.lock().expect("no panic");
            let next = world.positions.get(&part).copied().unwrap_or(0);
            let cursor = world.inputs[&part].iter().take_while(|message| message.offset < next).count();
            drop(world);
            self.cursors.insert(part, cursor);
        }
    }

    /// Now and then a transaction fails, after some of those before it went through. A worker with tables is no longer the owner then; the
    /// others go back.
    fn may_fail(&mut self) -> Result<(), LogError> {
        let mut world = self.shared.lock().expect("no panic");
        let odds = world.failure_odds;
        if odds == 0 || world.dice.roll(odds) != 0 {
            return Ok(());
        }
        world.failures += 1;
        let through = world.dice.roll(self.pending.len() as u64 + 1);
        let is_lost = !self.spec.tables.is_empty() && world.dice.roll(2) == 0;
        drop(world);
        self.commit(through as usize);
        self.rewind();
        let (group, cause) = (self.spec.group.clone(), "the test wants it".to_owned());
        Err(if is_lost { LogError::Lost { group, cause } } else { LogError::Rewound { group, cause } })
    }

    fn commit(&mut self, units: usize) {
        for (ticket, unit) in self.pending.drain(..units) {
            self.shared.lock().expect("no panic").apply(unit);
            self.durable = ticket;
        }
    }
}

impl Worker for Fake {
    fn poll(&mut self, limit: Limit, _: Duration) -> Result<Batch, LogError> {
        self.may_fail()?;
        let parts = self.parts();
        let mut world = self.shared.lock().expect("no panic");
        world.arrive();
        let mut batch = Batch::new();
        for part in parts.into_iter().filter(|part| !self.held.contains(part)) {
            let arrived = world.arrived.get(&part).copied().unwrap_or(0);
            let cursor = self.cursors.entry(part).or_default();
            let take = arrived.saturating_sub(*cursor).min(limit.messages - batch.len());
            batch.extend(world.inputs[&part][*cursor..*cursor + take].iter().cloned());
            *cursor += take;
            let next = world.positions.get(&part).copied().unwrap_or(0);
            let ahead =
                world.inputs[&part][..*cursor].iter().filter(|message| message.offset >= next).count();
            world.most_ahead = world.most_ahead.max(ahead);
        }
        world.idle = if batch.is_empty() { world.idle + 1 } else { 0 };
        assert!(world.idle < 100_000, "the loop goes on and nothing moves");
        drop(world);
        // Nothing waits for ever to become durable.
        if batch.is_empty() {
            self.commit(self.pending.len());
        }
        Ok(batch)
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        let mut found = None;
        self.scan(table, key, &mut |found_key, value| {
            if found_key == key {
                found = Some(Bytes::copy_from_slice(value));
            }
        })?;
        Ok(found)
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        self.may_fail()?;
        let world = self.shared.lock().expect("no panic");
        let from = (table, prefix.to_vec());
        let own = world
            .state
            .range(from..)
            .take_while(|((found, key), _)| *found == table && key.starts_with(prefix));
        let mut seen: BTreeMap<Vec<u8>, Bytes> =
            own.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        for change in self.pending.iter().flat_map(|(_, unit)| &unit.state) {
            match change {
                Change::Put { table: changed, key, value }
                    if *changed == table && key.starts_with(prefix) =>
                {
                    seen.insert(key.to_vec(), value.clone());
                }
                Change::Delete { table: changed, key } if *changed == table => {
                    seen.remove(key.as_ref());
                }
                Change::Put { .. } | Change::Delete { .. } => {}
            }
        }
        seen.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        self.may_fail()?;
        let limit = self.shared.lock().expect("no panic").message_limit;
        if let Some(message) = unit.produced.iter().find(|message| message.bytes() > limit) {
            let (object, bytes) = ("a message", message.bytes());
            return Err(LogError::TooLarge { object, bytes, limit_bytes: limit });
        }
        self.last += 1;
        self.pending.push_back((self.last, unit));
        if self.pending.len() > 3 {
            self.commit(1);
        }
        Ok(Ticket(self.last))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        self.may_fail()?;
        let units = self.pending.iter().take_while(|(pending, _)| *pending <= ticket.0).count();
        self.commit(units);
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        (self.durable > 0).then_some(Ticket(self.durable))
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        self.shared.lock().expect("no panic").positions.get(&(topic, partition)).copied().unwrap_or(0)
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        self.may_fail()?;
        if held {
            self.held.insert((topic, partition));
        } else {
            self.held.remove(&(topic, partition));
        }
        let mut world = self.shared.lock().expect("no panic");
        world.held = self.held.clone();
        world.held_ever.extend(self.held.iter().copied());
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        self.parts().into_iter().filter(|part| part.0 == topic).map(|part| part.1).collect()
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.may_fail()
    }

    fn message_limit(&self, _: Topic) -> usize {
        self.shared.lock().expect("no panic").message_limit
    }
}
