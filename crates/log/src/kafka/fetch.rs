//! Fetched messages of a worker's partitions, kept apart so that live ones can overtake back-fill and single partitions can be held.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Events, KafkaConsumer, Names, REQUEST, failed, words};
use super::cluster::Cluster;
use super::message;
use crate::LogError;
use crate::api::{Batch, Limit, Message, WorkerSpec};

/// Messages taken from the client at once.
const GULP: usize = 2_000;
/// How long back-fill waits for a live message that a broker has and the client does not.
const OVERTAKE: Duration = Duration::from_millis(30);
/// Brokers are asked for live messages at most this often.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// One partition that is read.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) topic: Topic,
    pub(crate) partition: u32,
    /// Up to here messages were handed out.
    pub(crate) handed_out: u64,
    /// Up to here messages are covered by submitted units.
    pub(crate) submitted: u64,
    buffer: VecDeque<Message>,
    held: bool,
    paused: bool,
}

impl Part {
    /// Messages up to `end` that no submitted unit covers. Commit markers among those not fetched yet count as messages, the last one does not.
    pub(crate) fn lag(&self, end: u64) -> u64 {
        let fetched = self.buffer.back().map_or(self.handed_out, |last| last.offset + 1);
        let known = (self.handed_out - self.submitted.min(self.handed_out)) + self.buffer.len() as u64;
        known + end.saturating_sub(fetched).saturating_sub(1)
    }
}

/// A consumer and what it has fetched.
pub(crate) struct Fetcher {
    pub(crate) consumer: Arc<KafkaConsumer>,
    events: Arc<Events>,
    names: Names,
    /// For messages to people.
    group: String,
    /// Another member with the same name has joined: this one is dead.
    pub(crate) fenced: bool,
    inputs: Vec<Topic>,
    /// In the order of the inputs, then of the partitions.
    parts: Vec<Part>,
    buffered_bytes: usize,
    most_bytes: usize,
    /// The end of a live partition when it was last seen to have nothing more.
    drained: BTreeMap<(Topic, u32), i64>,
    last_asked: Option<Instant>,
}

impl Fetcher {
    /// A reader for `spec` that has no partitions yet.
    pub(crate) fn new(
        cluster: &Cluster,
        spec: &WorkerSpec,
        consumer: Arc<KafkaConsumer>,
        events: Arc<Events>,
    ) -> Self {
        let most_bytes = cluster.config.fetch_bytes;
        Self {
            consumer,
            events,
            names: cluster.names.clone(),
            group: spec.group.clone(),
            fenced: false,
            inputs: spec.inputs.clone(),
            parts: Vec::new(),
            buffered_bytes: 0,
            most_bytes,
            drained: BTreeMap::new(),
            last_asked: None,
        }
    }

    /// The partitions read now.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    pub(crate) fn part_mut(&mut self, topic: Topic, partition: u32) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| (part.topic, part.partition) == (topic, partition))
    }

    /// Starts to keep what comes from these partitions; `starts` are the group's committed positions.
    pub(crate) fn add(&mut self, starts: &[(Topic, u32, u64)]) {
        for &(topic, partition, next) in starts {
            self.remove(topic, partition);
            let (buffer, held, paused) = (VecDeque::new(), false, false);
            self.parts.push(Part {
                topic,
                partition,
                handed_out: next,
                submitted: next,
                buffer,
                held,
                paused,
            });
        }
        let rank = |topic| self.inputs.iter().position(|input| *input == topic);
        self.parts.sort_by_key(|part| (rank(part.topic), part.partition));
    }

    /// Forgets a partition; true when messages of it were handed out that no submitted unit covers.
    pub(crate) fn remove(&mut self, topic: Topic, partition: u32) -> bool {
        let Some(at) = self.parts.iter().position(|part| (part.topic, part.partition) == (topic, partition))
        else {
            return false;
        };
        let part = self.parts.remove(at);
        self.buffered_bytes -= part.buffer.iter().map(size).sum::<usize>();
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
            self.add(&starts);
            // The client may remember a pause from the last time it had them.
            self.set_paused(&new, false)?;
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
            let name = self.names.topic(topic);
            let offset = start_offset(next);
            self.consumer
                .seek(&name, partition.cast_signed(), offset, REQUEST)
                .map_err(|error| failed("go back in", name, &error))?;
        }
        self.add(&starts);
        // A partition that was paused is not any more as far as we know.
        let all: Vec<_> = self.parts.iter().map(|part| (part.topic, part.partition)).collect();
        self.set_paused(&all, false)
    }

    /// Holds a partition back, or lets it go on.
    pub(crate) fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        if let Some(part) = self.part_mut(topic, partition) {
            part.held = held;
        }
        self.balance()
    }

    /// Takes what the client has, waiting that long for the first message. Serves rebalances too.
    pub(crate) fn pump(&mut self, wait: Duration) -> Result<(), LogError> {
        let mut wait = wait;
        // Paused partitions deliver nothing, so this ends; the client must be served even when memory is full.
        for _ in 0..GULP {
            let consumer = Arc::clone(&self.consumer);
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let topic = self.names.topic_of(message.topic());
                    let part =
                        topic.and_then(|topic| self.part_mut(topic, message.partition().cast_unsigned()));
                    if let Some(part) = part {
                        let next = part.buffer.back().map_or(part.handed_out, |last| last.offset + 1);
                        if message.offset().cast_unsigned() >= next {
                            let message = message::received(&message, part.topic);
                            let bytes = size(&message);
                            part.buffer.push_back(message);
                            self.buffered_bytes += bytes;
                        }
                    }
                    if self.buffered_bytes >= self.most_bytes {
                        break;
                    }
                }
                Some(Err(error)) => self.trouble(&error)?,
            }
            wait = Duration::ZERO;
        }
        self.balance()
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

    /// Stops and restarts fetching so that memory stays bounded and held partitions bring no more.
    fn balance(&mut self) -> Result<(), LogError> {
        self.make_room()?;
        let full = self.buffered_bytes >= self.most_bytes;
        let roomy = self.buffered_bytes < self.most_bytes / 2;
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let key = (part.topic, part.partition);
            if !part.paused && (full || part.held) {
                pause.push(key);
            } else if part.paused && roomy && !part.held {
                resume.push(key);
            }
        }
        self.set_paused(&pause, true)?;
        self.set_paused(&resume, false)
    }

    /// Forgets what was fetched of held partitions when that alone keeps the others from being fetched: who holds them waits for one of the
    /// others. It is fetched again when they are let go.
    fn make_room(&mut self) -> Result<(), LogError> {
        let none_to_hand_out = self.parts.iter().all(|part| part.held || part.buffer.is_empty());
        if self.buffered_bytes < self.most_bytes / 2 || !none_to_hand_out {
            return Ok(());
        }
        for part in self.parts.iter_mut().filter(|part| part.held && !part.buffer.is_empty()) {
            let name = self.names.topic(part.topic);
            let back = Offset::Offset(part.handed_out.cast_signed());
            let done = self.consumer.seek(&name, part.partition.cast_signed(), back, REQUEST);
            done.map_err(|error| failed("go back in", name, &error))?;
            self.buffered_bytes -= part.buffer.drain(..).map(|message| size(&message)).sum::<usize>();
        }
        Ok(())
    }

    fn set_paused(&mut self, parts: &[(Topic, u32)], paused: bool) -> Result<(), LogError> {
        if parts.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in parts {
            list.add_partition(&self.names.topic(*topic), partition.cast_signed());
        }
        let done = if paused { self.consumer.pause(&list) } else { self.consumer.resume(&list) };
        done.map_err(|error| failed("pause or resume", "partitions", &error))?;
        for &(topic, partition) in parts {
            if let Some(part) = self.part_mut(topic, partition) {
                part.paused = paused;
            }
        }
        Ok(())
    }

    /// Hands out what is there: earlier inputs first, within an input the oldest first.
    pub(crate) fn take(&mut self, limit: Limit) -> Result<Batch, LogError> {
        let mut batch = Batch::new();
        let mut bytes = 0;
        for (rank, topic) in self.inputs.clone().into_iter().enumerate() {
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
                let Some(message) = part.buffer.pop_front() else { break };
                part.handed_out = message.offset + 1;
                self.buffered_bytes -= size(&message);
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
        if self.last_asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
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
            match self.consumer.fetch_watermarks(&name, partition.cast_signed(), Duration::from_secs(1)) {
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
            while !came(self) && Instant::now() < deadline && self.events.ends.load(Ordering::Acquire) == ends
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
