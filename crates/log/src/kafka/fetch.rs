//! Fetched messages of a worker's partitions. Each partition has a queue of its own in the client, filled up to its share of `fetch_bytes`
//! and no further: live ones can overtake back-fill, and one that is held keeps none of the others waiting. Pausing would do neither well:
//! librdkafka throws away what it has fetched of a partition that is paused, and fetches it again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Context, Events, KafkaConsumer, Names, REQUEST, failed, words};
use super::cluster::Cluster;
use super::message;
use super::sync::lock;
use crate::LogError;
use crate::api::{Batch, Limit, Message, Position, WorkerSpec};

/// Events, or messages of a new partition, taken from the client at once.
const GULP: usize = 2_000;
/// Bytes of a partition that wait on our side of the client, about: as many as let the oldest head be found among all partitions and a batch be
/// filled without going back to the client.
const AT_HAND: usize = 512 << 10;
/// Messages ring when they come; rebalances do not, and are looked for this often.
const LOOK: Duration = Duration::from_millis(20);
/// How long back-fill waits for a live message that a broker has and the client does not.
const OVERTAKE: Duration = Duration::from_millis(30);
/// After a live message others are expected for so long, and back-fill goes in small steps.
const LIVELY: Duration = Duration::from_secs(10);
/// A step of back-fill: a live message waits for one in the making, and for one being committed.
pub(crate) const STEP: Limit = Limit { messages: 32, bytes: 1 << 20 };
/// Brokers are asked for live messages at most this often, and less often where steps are small.
const ASK_EVERY: Duration = Duration::from_millis(2);
const ASK_EVERY_LIVELY: Duration = Duration::from_millis(20);

/// One partition that is read.
pub(crate) struct Part {
    pub(crate) topic: Topic,
    pub(crate) partition: u32,
    /// Up to here messages were handed out.
    pub(crate) handed_out: u64,
    /// Up to here messages are covered by submitted units.
    pub(crate) submitted: u64,
    buffer: VecDeque<Message>,
    buffered_bytes: usize,
    held: bool,
    queue: PartitionQueue<Context>,
}

impl Part {
    /// Messages up to `end` that no submitted unit covers. Commit markers among those not fetched yet count as messages, the last one does not.
    pub(crate) fn lag(&self, end: u64) -> u64 {
        let known = (self.handed_out - self.submitted.min(self.handed_out)) + self.buffer.len() as u64;
        known + end.saturating_sub(self.next()).saturating_sub(1)
    }

    /// The offset after the newest message at hand.
    fn next(&self) -> u64 {
        self.buffer.back().map_or(self.handed_out, |last| last.offset + 1)
    }

    /// A message that came; one that was there before is left out.
    fn push(&mut self, message: Message) {
        if message.offset >= self.next() {
            self.buffered_bytes += size(&message);
            self.buffer.push_back(message);
        }
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.buffer.pop_front()?;
        self.handed_out = message.offset + 1;
        self.buffered_bytes -= size(&message);
        Some(message)
    }

    /// Starts over at a committed position.
    fn go_back(&mut self, next: u64) {
        self.buffer.clear();
        (self.buffered_bytes, self.held) = (0, false);
        (self.handed_out, self.submitted) = (next, next);
    }
}

/// A consumer and what it has fetched.
pub(crate) struct Fetcher {
    /// In the order of the inputs, then of the partitions.
    parts: Vec<Part>,
    pub(crate) consumer: Arc<KafkaConsumer>,
    events: Arc<Events>,
    cluster: Arc<Cluster>,
    names: Names,
    /// For messages to people.
    group: String,
    /// Another member with the same name has joined: this one is dead.
    pub(crate) fenced: bool,
    inputs: Vec<Topic>,
    /// The end of a live partition when it was last seen to have nothing more.
    drained: BTreeMap<(Topic, u32), u64>,
    /// Partitions of which a message came that found no place: they are gone back to when they are added.
    strays: BTreeSet<(Topic, u32)>,
    last_asked: Option<Instant>,
    last_live: Option<Instant>,
}

impl Fetcher {
    /// A reader for `spec` that has no partitions yet.
    pub(crate) fn new(
        cluster: &Arc<Cluster>,
        spec: &WorkerSpec,
        consumer: Arc<KafkaConsumer>,
        events: Arc<Events>,
    ) -> Self {
        Self {
            parts: Vec::new(),
            consumer,
            events,
            cluster: Arc::clone(cluster),
            names: cluster.names.clone(),
            group: spec.group.clone(),
            fenced: false,
            inputs: spec.inputs.clone(),
            drained: BTreeMap::new(),
            strays: BTreeSet::new(),
            last_asked: None,
            last_live: None,
        }
    }

    /// The partitions read now.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Bytes on our side of the client.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.buffered_bytes).sum()
    }

    pub(crate) fn part_mut(&mut self, topic: Topic, partition: u32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| (part.topic, part.partition) == (topic, partition))
    }

    /// Starts to keep what comes from these partitions, which the client has been told to read; `starts` are the group's committed positions.
    ///
    /// # Errors
    ///
    /// The client does not know such a partition.
    pub(crate) fn add(&mut self, starts: &[(Topic, u32, u64)]) -> Result<(), LogError> {
        for &(topic, partition, next) in starts {
            self.remove(topic, partition);
            let name = self.names.topic(topic);
            let queue = self.consumer.split_partition_queue(&name, partition.cast_signed());
            let mut queue = queue.ok_or(LogError::TopicMissing { topic: name })?;
            let bell = Arc::clone(&self.events.bell);
            queue.set_nonempty_callback(move || bell.ring());
            if self.strays.remove(&(topic, partition)) {
                self.seek(topic, partition, next)?;
            }
            let (buffer, buffered_bytes, held) = (VecDeque::new(), 0, false);
            let (handed_out, submitted) = (next, next);
            self.parts.push(Part {
                topic,
                partition,
                handed_out,
                submitted,
                buffer,
                buffered_bytes,
                held,
                queue,
            });
        }
        let rank = |topic| self.inputs.iter().position(|input| *input == topic);
        self.parts.sort_by_key(|part| (rank(part.topic), part.partition));
        Ok(())
    }

    /// Forgets a partition; true when messages of it were handed out that no submitted unit covers.
    pub(crate) fn remove(&mut self, topic: Topic, partition: u32) -> bool {
        let Some(at) = self.parts.iter().position(|part| (part.topic, part.partition) == (topic, partition))
        else {
            return false;
        };
        let part = self.parts.remove(at);
        self.drained.remove(&(topic, partition));
        part.handed_out > part.submitted
    }

    /// Makes the partitions kept those that the client reads; true when messages of one that went were handed out and not submitted.
    pub(crate) fn reconcile(&mut self) -> Result<bool, LogError> {
        let assigned = self.consumer.assignment().map_err(|error| failed("ask for", "partitions", &error))?;
        let mut ours: Vec<(Topic, u32)> = Vec::new();
        for element in assigned.elements() {
            let topic = self.names.topic_of(element.topic());
            ours.extend(topic.map(|topic| (topic, element.partition().cast_unsigned())));
        }
        let kept: Vec<_> = self.parts.iter().map(|part| (part.topic, part.partition)).collect();
        let mut half_done = false;
        for (topic, partition) in kept.iter().filter(|key| !ours.contains(key)) {
            half_done |= self.remove(*topic, *partition);
        }
        let new: Vec<_> = ours.into_iter().filter(|key| !kept.contains(key)).collect();
        if !new.is_empty() {
            let starts = self.committed(&new)?;
            self.add(&starts)?;
        }
        Ok(half_done)
    }

    /// The committed positions of partitions, read when no transaction that could still move them is open.
    fn committed(&self, parts: &[(Topic, u32)]) -> Result<Vec<(Topic, u32, u64)>, LogError> {
        committed(&self.consumer, &self.names, parts)
    }

    /// Goes back to the committed positions and forgets what was fetched.
    pub(crate) fn rewind(&mut self) -> Result<(), LogError> {
        self.reconcile()?;
        let parts: Vec<_> = self.parts.iter().map(|part| (part.topic, part.partition)).collect();
        if parts.is_empty() {
            return Ok(());
        }
        let starts = self.committed(&parts)?;
        for &(topic, partition, next) in &starts {
            self.seek(topic, partition, next)?;
        }
        for (topic, partition, next) in starts {
            if let Some(part) = self.part_mut(topic, partition) {
                part.go_back(next);
            }
        }
        Ok(())
    }

    fn seek(&self, topic: Topic, partition: u32, next: u64) -> Result<(), LogError> {
        let name = self.names.topic(topic);
        let sought = self.consumer.seek(&name, partition.cast_signed(), start_offset(next), REQUEST);
        sought.map_err(|error| failed("go back in", name, &error))
    }

    /// Holds a partition back, or lets it go on.
    pub(crate) fn hold(&mut self, topic: Topic, partition: u32, held: bool) {
        if let Some(part) = self.part_mut(topic, partition) {
            part.held = held;
        }
    }

    /// Takes what the client has, waiting that long for the first message. Serves rebalances too; when there was one, nothing else is done.
    pub(crate) fn pump(&mut self, wait: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.serve()? || self.draw()? {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.events.bell.wait(left.min(LOOK));
        }
    }

    /// Serves what does not come through the queues of the partitions. True when the queues must not be looked at yet: partitions have moved, or
    /// messages that came before a partition had its queue are still on their way.
    fn serve(&mut self) -> Result<bool, LogError> {
        if self.has_moved() {
            // Until the worker has taken note of it, messages of a partition that came would find no place here.
            return Ok(true);
        }
        let consumer = Arc::clone(&self.consumer);
        for _ in 0..GULP {
            match consumer.poll(Duration::ZERO) {
                // Nothing more, or a rebalance.
                None => return Ok(self.has_moved()),
                Some(Ok(message)) => {
                    let Some(topic) = self.names.topic_of(message.topic()) else { continue };
                    let partition = message.partition().cast_unsigned();
                    match self.part_mut(topic, partition) {
                        Some(part) => part.push(message::received(&message, topic)),
                        None => {
                            self.strays.insert((topic, partition));
                        }
                    }
                }
                Some(Err(error)) => self.trouble(&error)?,
            }
        }
        Ok(true)
    }

    fn has_moved(&self) -> bool {
        !lock(&self.events.moved).is_empty()
    }

    /// Fills up what is at hand of each partition that is not held. True when anything came.
    fn draw(&mut self) -> Result<bool, LogError> {
        let (mut came, mut errors) = (false, Vec::new());
        for part in self.parts.iter_mut().filter(|part| !part.held) {
            while part.buffered_bytes < AT_HAND {
                match part.queue.poll(Duration::ZERO) {
                    None => break,
                    Some(Ok(message)) => {
                        came = true;
                        let message = message::received(&message, part.topic);
                        part.push(message);
                    }
                    Some(Err(error)) => errors.push(error),
                }
            }
        }
        errors.iter().try_for_each(|error| self.trouble(error))?;
        Ok(came)
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<(), LogError> {
        const MISSING: [RDKafkaErrorCode; 2] =
            [RDKafkaErrorCode::UnknownTopicOrPartition, RDKafkaErrorCode::UnknownTopic];
        if let KafkaError::PartitionEOF(_) = error {
            self.events.ends.fetch_add(1, Ordering::AcqRel);
            return Ok(());
        }
        if matches!(error, KafkaError::MessageConsumption(code) if MISSING.contains(code)) {
            let topics: Vec<_> = self.inputs.iter().map(|topic| self.names.topic(*topic)).collect();
            return Err(LogError::TopicMissing { topic: topics.join(", ") });
        }
        if let KafkaError::MessageConsumptionFatal(code) = error {
            if *code == RDKafkaErrorCode::FencedInstanceId {
                self.fenced = true;
                return Ok(());
            }
            return Err(failed("read for", &self.group, error));
        }
        tracing::debug!(error = %words(error), "reading");
        Ok(())
    }

    /// Whether messages of these positions must not keep live ones waiting for long.
    pub(crate) fn is_unhurried(&self, consumed: &[Position]) -> bool {
        let is_live = |position: &Position| self.inputs.first() == Some(&position.topic);
        self.is_lively() && !consumed.is_empty() && !consumed.iter().any(is_live)
    }

    fn is_lively(&self) -> bool {
        self.last_live.is_some_and(|at| at.elapsed() < LIVELY)
    }

    /// Hands out what is there: earlier inputs first, within an input the oldest first.
    pub(crate) fn take(&mut self, limit: Limit) -> Result<Batch, LogError> {
        let (mut batch, mut bytes, mut limit) = (Batch::new(), 0, limit);
        for (rank, topic) in self.inputs.clone().into_iter().enumerate() {
            if rank > 0 && self.is_lively() {
                limit.messages = limit.messages.min(STEP.messages);
                limit.bytes = limit.bytes.min(STEP.bytes);
            }
            let has = |fetcher: &Self| fetcher.oldest(topic).is_some();
            if batch.is_empty() && rank > 0 && has(self) && self.live_came(rank)? {
                return self.take(limit);
            }
            while let Some(at) = self.oldest(topic) {
                let part = &mut self.parts[at];
                let Some(message) = part.buffer.front() else { break };
                let more = message.value.len();
                let fits = batch.len() < limit.messages && bytes + more <= limit.bytes;
                if !batch.is_empty() && !fits {
                    return Ok(batch);
                }
                let Some(message) = part.pop() else { break };
                if rank == 0 && self.inputs.len() > 1 {
                    self.last_live = Some(Instant::now());
                }
                bytes += more;
                batch.push(message);
            }
        }
        Ok(batch)
    }

    /// The partition of an input whose next message is the oldest.
    fn oldest(&self, topic: Topic) -> Option<usize> {
        let ready = self.parts.iter().enumerate().filter(|(_, part)| part.topic == topic && !part.held);
        let heads = ready.filter_map(|(at, part)| Some((part.buffer.front()?.timestamp_ms, at)));
        heads.min().map(|(_, at)| at)
    }

    /// Before a later input is handed out: whether messages of an earlier one have come. Asks the brokers, since what is on its way is
    /// not here yet.
    fn live_came(&mut self, rank: usize) -> Result<bool, LogError> {
        let every = if self.is_lively() { ASK_EVERY_LIVELY } else { ASK_EVERY };
        if self.last_asked.is_some_and(|asked| asked.elapsed() < every) {
            return Ok(false);
        }
        let earlier = self.inputs[..rank].to_vec();
        let is_earlier = |part: &Part| earlier.contains(&part.topic) && !part.held;
        let live: Vec<_> = self
            .parts
            .iter()
            .filter(|part| is_earlier(part))
            .map(|part| (part.topic, part.partition))
            .collect();
        let mut moved = Vec::new();
        for (topic, partition) in live {
            let name = self.names.topic(topic);
            // Through another client: a question of this one would wait behind the fetch that waits for messages.
            match self.cluster.extent(&name, partition) {
                Ok((_, end)) if self.drained.get(&(topic, partition)) != Some(&end) => {
                    moved.push((topic, partition, end));
                }
                Ok(_) => {}
                // Which comes first is a courtesy; when nobody answers there is nothing to wait for.
                Err(error) => tracing::debug!(%error, topic = name, "asking for live messages"),
            }
        }
        let came = |fetcher: &Self| earlier.iter().any(|topic| fetcher.oldest(*topic).is_some());
        if !moved.is_empty() {
            let deadline = Instant::now() + OVERTAKE;
            let ends = self.events.ends.load(Ordering::Acquire);
            while !came(self)
                && !self.has_moved()
                && Instant::now() < deadline
                && self.events.ends.load(Ordering::Acquire) == ends
            {
                self.pump(Duration::from_millis(2))?;
            }
        }
        self.last_asked = Some(Instant::now());
        if came(self) {
            return Ok(true);
        }
        self.drained.extend(moved.into_iter().map(|(topic, partition, end)| ((topic, partition), end)));
        Ok(false)
    }
}

/// The committed positions of a consumer's group; 0 where it has none. A `read_committed` consumer waits for transactions that could still move
/// them.
pub(crate) fn committed(
    consumer: &KafkaConsumer,
    names: &Names,
    parts: &[(Topic, u32)],
) -> Result<Vec<(Topic, u32, u64)>, LogError> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in parts {
        list.add_partition(&names.topic(*topic), partition.cast_signed());
    }
    let committed = consumer.committed_offsets(list, REQUEST);
    let committed = committed.map_err(|error| failed("read", "committed positions", &error))?;
    let mut starts = Vec::new();
    for element in committed.elements() {
        element.error().map_err(|error| failed("read committed position of", element.topic(), &error))?;
        let next = match element.offset() {
            Offset::Offset(next) => next.cast_unsigned(),
            Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => 0,
        };
        if let Some(topic) = names.topic_of(element.topic()) {
            starts.push((topic, element.partition().cast_unsigned(), next));
        }
    }
    Ok(starts)
}

/// Where to read from; a group without a position reads all there is.
pub(crate) fn start_offset(next: u64) -> Offset {
    if next == 0 { Offset::Beginning } else { Offset::Offset(next.cast_signed()) }
}

/// What a message takes in memory, about.
fn size(message: &Message) -> usize {
    const HANDLES_BYTES: usize = 200;
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len() + 64).sum();
    message.key.len() + message.value.len() + headers + HANDLES_BYTES
}
