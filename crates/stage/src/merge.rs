//! The writers' order again, out of partitions that race each other. Pure: time is an argument, and nothing is read or written here.
//!
//! Each partition is a queue that is never reordered; the question is only whose head goes next. A head is *ready* when no earlier message of
//! its writer is missing (`sequence <= next`), or when it has no order. A head that is not ready waits, because a partition may still bring
//! what comes before it, until something shows that none will in time:
//!
//! - Every partition has a head. Within a partition a writer's numbers rise, so what is missing is behind none of them: it is gone (expired
//!   unread), or stands behind the head of another writer, whose order against this one is nobody's to keep.
//! - What is missing stands behind the head itself: then numbers do not rise, because the topics before and behind the parsers do not have
//!   equally many partitions, or another program wrote them.
//! - Nothing of its writer could be taken for `order_wait`.
//!
//! Then the smallest head goes, and a gap is counted. What turns up later is taken at once.

use std::collections::{BTreeMap, HashMap, VecDeque};

use barid_record::Order;

/// A partition with more waiting messages, or bytes, is not to be read on ...
const FULL_MESSAGES: usize = 1024;
const FULL_BYTES: usize = 8 << 20;
/// ... until it has fewer than these.
const ROOM_MESSAGES: usize = 256;
const ROOM_BYTES: usize = 2 << 20;
/// The most that counts as waiting between two looks: a process that was stopped in between did not wait.
const LONGEST_LOOK_MS: i64 = 1_000;

/// A message that arrived.
#[derive(Debug)]
pub(crate) struct Arrival<T> {
    pub(crate) partition: u32,
    pub(crate) order: Option<Order>,
    pub(crate) timestamp_ms: i64,
    pub(crate) offset: u64,
    pub(crate) bytes: usize,
    pub(crate) item: T,
}

/// The partitions of one topic, merged.
#[derive(Debug)]
pub(crate) struct Merge<T> {
    queues: BTreeMap<u32, Queue<T>>,
    names: HashMap<String, usize>,
    writers: Vec<Writer>,
    looked_ms: Option<i64>,
    gaps: u64,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<T> {
    /// Writer, as an index, and sequence.
    turn: Option<(usize, u64)>,
    timestamp_ms: i64,
    offset: u64,
    bytes: usize,
    item: T,
}

#[derive(Debug)]
struct Writer {
    name: String,
    /// The number that is to come.
    next: u64,
    /// Whether `next` was taken further since it was last asked for.
    moved: bool,
    /// How long it has had heads and none could be taken.
    waited_ms: i64,
}

impl<T> Default for Merge<T> {
    fn default() -> Self {
        Self { queues: BTreeMap::new(), names: HashMap::new(), writers: Vec::new(), looked_ms: None, gaps: 0 }
    }
}

impl<T> Merge<T> {
    /// A writer's next number, as it was remembered.
    pub(crate) fn restore(&mut self, writer: &str, next: u64) {
        let index = self.writer(writer);
        self.writers[index].next = next;
    }

    /// A message arrived, behind all earlier ones of its partition.
    pub(crate) fn push(&mut self, arrival: Arrival<T>) {
        let Arrival { partition, order, timestamp_ms, offset, bytes, item } = arrival;
        let turn = order.map(|order| (self.writer(&order.writer), order.sequence));
        let queue =
            self.queues.entry(partition).or_insert_with(|| Queue { waiting: VecDeque::new(), bytes: 0 });
        queue.bytes += bytes;
        queue.waiting.push_back(Waiting { turn, timestamp_ms, offset, bytes, item });
    }

    /// The next message, given the partitions that are read now. `None` when there is none, or when an earlier one may still come.
    pub(crate) fn pop(&mut self, partitions: &[u32], now_ms: i64, order_wait_ms: i64) -> Option<T> {
        self.look(now_ms);
        let overdue = |merge: &Self, _, waiting: &Waiting<T>| {
            let writer = waiting.turn.map(|(writer, _)| &merge.writers[writer]);
            !merge.is_ready(waiting) && writer.is_some_and(|writer| writer.waited_ms >= order_wait_ms)
        };
        // An overdue head first: those of other writers may never pause.
        if let Some(partition) = self.smallest(overdue) {
            return self.take(partition);
        }
        if let Some(partition) = self.smallest(|merge, _, head| merge.is_ready(head)) {
            return self.take(partition);
        }
        if let Some(partition) = self.smallest(Self::hides_what_it_waits_for) {
            return self.take(partition);
        }
        let has_head = |partition: &u32| self.queues.get(partition).is_some_and(|queue| !queue.is_empty());
        if !partitions.is_empty() && partitions.iter().all(has_head) {
            return self.smallest(|_, _, _| true).and_then(|partition| self.take(partition));
        }
        None
    }

    /// Whether any message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.values().all(Queue::is_empty)
    }

    /// Messages that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.waiting.len()).sum()
    }

    /// Whether a partition should be held, given whether it is.
    pub(crate) fn wants_hold(&self, partition: u32, held: bool) -> bool {
        let (messages, bytes) =
            self.queues.get(&partition).map_or((0, 0), |queue| (queue.waiting.len(), queue.bytes));
        match held {
            true => messages >= ROOM_MESSAGES || bytes >= ROOM_BYTES,
            false => messages > FULL_MESSAGES || bytes > FULL_BYTES,
        }
    }

    /// The writers whose next number was taken further since the last call, with it.
    pub(crate) fn moved(&mut self) -> Vec<(&str, u64)> {
        let moved = self.writers.iter_mut().filter_map(|writer| {
            std::mem::take(&mut writer.moved).then_some((writer.name.as_str(), writer.next))
        });
        moved.collect()
    }

    /// Heads taken although an earlier number was missing, since the last call.
    pub(crate) fn gaps(&mut self) -> u64 {
        std::mem::take(&mut self.gaps)
    }

    fn writer(&mut self, name: &str) -> usize {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let index = self.writers.len();
        self.writers.push(Writer { name: name.to_owned(), next: 0, moved: false, waited_ms: 0 });
        self.names.insert(name.to_owned(), index);
        index
    }

    fn heads(&self) -> impl Iterator<Item = (u32, &Waiting<T>)> {
        self.queues.iter().filter_map(|(partition, queue)| Some((*partition, queue.waiting.front()?)))
    }

    fn is_ready(&self, waiting: &Waiting<T>) -> bool {
        waiting.turn.is_none_or(|(writer, sequence)| sequence <= self.writers[writer].next)
    }

    fn hides_what_it_waits_for(&self, partition: u32, head: &Waiting<T>) -> bool {
        let Some((writer, _)) = head.turn else { return false };
        let missing = Some((writer, self.writers[writer].next));
        self.queues[&partition].waiting.iter().skip(1).any(|waiting| waiting.turn == missing)
    }

    /// Lets the time since the last look count for the writers that wait.
    fn look(&mut self, now_ms: i64) {
        let before_ms = self.looked_ms.replace(now_ms).unwrap_or(now_ms);
        let waited_ms = now_ms.saturating_sub(before_ms).clamp(0, LONGEST_LOOK_MS);
        if waited_ms == 0 {
            return;
        }
        let turns = self.heads().filter_map(|(_, head)| head.turn.filter(|_| !self.is_ready(head)));
        let mut late: Vec<usize> = turns.map(|(writer, _)| writer).collect();
        late.sort_unstable();
        late.dedup();
        for writer in late {
            self.writers[writer].waited_ms += waited_ms;
        }
    }

    /// The partition of the first head by time, partition and offset among those that pass, or of an earlier one of the same writer.
    fn smallest(&self, pass: impl Fn(&Self, u32, &Waiting<T>) -> bool) -> Option<u32> {
        let passing = || self.heads().filter(|(partition, head)| pass(self, *partition, head));
        let (first, head) =
            passing().min_by_key(|(partition, head)| (head.timestamp_ms, *partition, head.offset))?;
        let Some((writer, _)) = head.turn else { return Some(first) };
        let own = passing().filter_map(|(partition, head)| {
            head.turn.filter(|turn| turn.0 == writer).map(|(_, sequence)| (sequence, partition))
        });
        own.min().map(|(_, partition)| partition)
    }

    fn take(&mut self, partition: u32) -> Option<T> {
        let queue = self.queues.get_mut(&partition)?;
        let Waiting { turn, bytes, item, .. } = queue.waiting.pop_front()?;
        queue.bytes -= bytes;
        if let Some((writer, sequence)) = turn {
            let writer = &mut self.writers[writer];
            self.gaps += u64::from(sequence > writer.next);
            writer.waited_ms = 0;
            if sequence >= writer.next {
                writer.next = sequence.saturating_add(1);
                writer.moved = true;
            }
        }
        Some(item)
    }
}

impl<T> Queue<T> {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
