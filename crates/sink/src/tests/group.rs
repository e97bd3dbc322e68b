//! A log of several partitions with gaps between offsets, and a group whose members win and lose partitions while they work: the rules of
//! Kafka, kept by the letter, at moments that a test chooses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barid_log::{Batch, Limit, LogError, Message, Position, Table, Ticket, Unit, Worker};
use barid_record::Topic;
use bytes::Bytes;

/// What members share.
#[derive(Clone)]
pub(super) struct Group(Arc<Mutex<Shared>>);

struct Shared {
    partitions: Vec<Vec<Message>>,
    committed: Vec<u64>,
    /// Records given out, of each partition.
    polled: Vec<usize>,
    /// The member that has each partition.
    owners: Vec<usize>,
    /// Grows with each change of owners.
    generation: u64,
}

impl Group {
    /// Partitions of `count` records each, all owned by member 0.
    pub(super) fn new(partitions: u32, count: u64) -> Self {
        let message = |partition, number| Message {
            topic: Topic::Records,
            partition,
            offset: offset(number),
            timestamp_ms: 0,
            key: Bytes::new(),
            headers: Vec::new(),
            value: Bytes::from(line(partition, number)),
        };
        let filled = |partition| (0..count).map(|number| message(partition, number)).collect();
        Self(Arc::new(Mutex::new(Shared {
            partitions: (0..partitions).map(filled).collect(),
            committed: vec![0; partitions as usize],
            polled: vec![0; partitions as usize],
            owners: vec![0; partitions as usize],
            generation: 0,
        })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives each partition to a member.
    pub(super) fn assign(&self, owners: &[usize]) {
        let mut shared = self.shared();
        shared.owners = owners.to_vec();
        shared.generation += 1;
    }

    /// One past the newest offset: behind the mark of the last transaction.
    pub(super) fn end(&self, partition: u32) -> u64 {
        self.shared().partitions[partition as usize].last().map_or(0, |message| message.offset + 2)
    }

    pub(super) fn committed(&self) -> Vec<u64> {
        self.shared().committed.clone()
    }

    pub(super) fn owner(&self, partition: u32) -> usize {
        self.shared().owners[partition as usize]
    }

    pub(super) fn polled(&self) -> Vec<usize> {
        self.shared().polled.clone()
    }

    /// Joins as that member.
    pub(super) fn member(&self, id: usize) -> Member {
        let mut member = Member {
            group: self.clone(),
            id,
            generation: 0,
            fetch: BTreeMap::new(),
            held: BTreeSet::new(),
            in_flight: VecDeque::new(),
            last_ticket: 0,
            calls: 0,
            durable_after: 0,
            tells_late: false,
            is_slow: false,
            is_rewinding: false,
            stale: BTreeMap::new(),
            script: Box::new(|_, _| Fate::Well),
        };
        member.start_again();
        member
    }
}

/// The offset of a partition's n-th record. Not every place has one.
pub(super) fn offset(number: u64) -> u64 {
    3 + number + number / 4 * 2
}

pub(super) fn line(partition: u32, number: u64) -> String {
    format!("{{\"p\":{partition},\"n\":{number},\"text\":\"{}\"}}", "نص ".repeat(20))
}

/// Which call of a worker is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Poll,
    Submit,
    Wait,
    Tend,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    /// Everything since the last commit is lost, and comes again.
    Rewound,
    /// The membership is over.
    Lost,
}

impl Fate {
    pub(super) fn rewound_if(is_moment: bool) -> Self {
        if is_moment { Self::Rewound } else { Self::Well }
    }
}

pub(super) struct Member {
    group: Group,
    id: usize,
    generation: u64,
    /// The next offset to poll of each partition it has.
    fetch: BTreeMap<u32, u64>,
    held: BTreeSet<u32>,
    /// Not durable yet, with the count of calls at its submission.
    in_flight: VecDeque<(u64, u64, Vec<Position>)>,
    last_ticket: u64,
    calls: u64,
    durable_after: u64,
    tells_late: bool,
    is_slow: bool,
    is_rewinding: bool,
    /// While going back takes time: where its lost submissions ended.
    stale: BTreeMap<u32, u64>,
    script: Box<dyn FnMut(Call, u64) -> Fate + Send>,
}

impl Member {
    /// Makes units durable that many calls after their submission.
    pub(super) fn durable_after(self, calls: u64) -> Self {
        Self { durable_after: calls, ..self }
    }

    /// Partitions go at a poll, and the next call says so.
    pub(super) fn telling_late(self) -> Self {
        Self { tells_late: true, ..self }
    }

    /// Going back to the last commit takes one poll, which brings nothing, and until then positions are those of lost submissions: as while no broker
    /// answers.
    pub(super) fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// Asks at each call, the first is 1, what becomes of it.
    pub(super) fn scripted(self, script: impl FnMut(Call, u64) -> Fate + Send + 'static) -> Self {
        Self { script: Box::new(script), ..self }
    }

    /// Forgets what is not durable and takes the partitions it has now.
    fn start_again(&mut self) {
        if self.is_slow {
            let submitted = self.in_flight.iter().flat_map(|(_, _, positions)| positions);
            self.stale = submitted.map(|position| (position.partition, position.next_offset)).collect();
        }
        self.held.clear();
        let shared = self.group.shared();
        let own = (0u32..).zip(&shared.owners).filter(|(_, owner)| **owner == self.id);
        self.fetch = own.map(|(partition, _)| (partition, shared.committed[partition as usize])).collect();
        self.generation = shared.generation;
        self.in_flight.clear();
    }

    fn call(&mut self, call: Call) -> Result<(), LogError> {
        self.calls += 1;
        let is_unheard = self.tells_late && matches!(call, Call::Submit | Call::Tend);
        let is_moved = self.group.shared().generation != self.generation && !is_unheard;
        if is_moved && self.tells_late && call == Call::Poll {
            self.tells_late = false;
            let owners = self.group.shared().owners.clone();
            self.fetch.retain(|partition, _| owners[*partition as usize] == self.id);
            return Ok(());
        }
        let fate = if is_moved { Fate::Rewound } else { (self.script)(call, self.calls) };
        let (group, cause) = ("sink".into(), "a test".into());
        match fate {
            Fate::Well => {}
            Fate::Rewound => {
                self.start_again();
                self.is_rewinding = true;
                return Err(LogError::Rewound { group, cause });
            }
            Fate::Lost => return Err(LogError::Lost { group, cause }),
        }
        let due = self.calls.saturating_sub(self.durable_after);
        while self.in_flight.front().is_some_and(|(_, submitted, _)| *submitted <= due) {
            self.commit_oldest();
        }
        Ok(())
    }

    fn commit_oldest(&mut self) {
        let Some((_, _, positions)) = self.in_flight.pop_front() else { return };
        let mut shared = self.group.shared();
        // A generation ends what came before it in one piece, as a broker does.
        if shared.generation != self.generation {
            return;
        }
        for position in positions {
            assert_eq!(shared.owners[position.partition as usize], self.id, "a stranger's partition");
            let committed = &mut shared.committed[position.partition as usize];
            assert!(*committed <= position.next_offset, "back from {committed} to {position:?}");
            *committed = position.next_offset;
        }
    }
}

impl Worker for Member {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        self.call(Call::Poll)?;
        let mut batch = Vec::new();
        if self.is_slow && std::mem::take(&mut self.is_rewinding) {
            return Ok(batch);
        }
        self.stale.clear();
        for (partition, fetch) in
            self.fetch.iter_mut().filter(|(partition, _)| !self.held.contains(partition))
        {
            let mut shared = self.group.shared();
            let messages = &shared.partitions[*partition as usize];
            let from = messages.partition_point(|message| message.offset < *fetch);
            // A few of each: more polls, more moments.
            let some: Vec<_> = messages[from..].iter().take(limit.messages.min(7)).cloned().collect();
            *fetch = some.last().map_or(*fetch, |last| last.next().next_offset);
            shared.polled[*partition as usize] += some.len();
            batch.extend(some);
        }
        if batch.is_empty() {
            std::thread::sleep(wait.min(Duration::from_millis(1)));
        }
        Ok(batch)
    }

    fn get(&mut self, _: Table, _: &[u8]) -> Result<Option<Bytes>, LogError> {
        Ok(None)
    }

    fn scan(&mut self, _: Table, _: &[u8], _: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), LogError> {
        Ok(())
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        self.call(Call::Submit)?;
        assert!(unit.produced.is_empty() && unit.state.is_empty() && !unit.consumed.is_empty());
        self.last_ticket += 1;
        self.in_flight.push_back((self.last_ticket, self.calls, unit.consumed));
        Ok(Ticket(self.last_ticket))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        self.call(Call::Wait)?;
        while self.in_flight.front().is_some_and(|(oldest, ..)| *oldest <= ticket.0) {
            self.commit_oldest();
        }
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        None
    }

    fn position(&self, _: Topic, partition: u32) -> u64 {
        let own = self.in_flight.iter().rev().flat_map(|(_, _, positions)| positions);
        let own = own.filter(|position| position.partition == partition).map(|it| it.next_offset).max();
        let stale = self.stale.get(&partition).copied();
        own.or(stale).unwrap_or(if self.fetch.contains_key(&partition) {
            self.group.shared().committed[partition as usize]
        } else {
            0
        })
    }

    fn hold(&mut self, _: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        if held {
            self.held.insert(partition);
        } else {
            self.held.remove(&partition);
        }
        Ok(())
    }

    fn partitions(&self, _: Topic) -> Vec<u32> {
        self.fetch.keys().copied().collect()
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.call(Call::Tend)
    }

    fn message_limit(&self, _: Topic) -> usize {
        1 << 20
    }
}
