//! Looking at the cluster: messages, extents, lags.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{self, Context, KafkaConsumer, REQUEST, failed};
use super::cluster::Cluster;
use super::message;
use super::sync::lock;
use crate::LogError;
use crate::api::{GroupLag, Limit, LogStatus, Message, TopicStatus};

/// How long markers of a commit may take.
const SETTLES: Duration = Duration::from_millis(300);
/// Below this difference of offsets a lag is counted message by message: commit markers take offsets too.
const COUNTED: u64 = 256;

impl Cluster {
    /// Reads committed messages from an offset on, up to the end as it is now.
    pub(crate) fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        limit: Limit,
    ) -> Result<Vec<Message>, LogError> {
        let name = self.names.topic(topic);
        let count = lock(&self.known).partitions(&name)?;
        if partition >= count {
            return Err(LogError::UnknownPartition { topic: topic.name(), partition });
        }
        let (start, end) = self.settled_extent(&name, partition)?;
        let from = from.max(start);
        let mut messages = Vec::new();
        if from >= end {
            return Ok(messages);
        }
        let probe = lock(&self.reader);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&name, partition.cast_signed(), Offset::Offset(from.cast_signed()))
            .and_then(|()| probe.assign(&list))
            .map_err(|error| failed("read", &name, &error))?;
        let mut bytes = 0;
        let deadline = Instant::now() + REQUEST;
        while Instant::now() < deadline {
            match probe.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let message = message::received(&message, topic);
                    if message.offset >= end {
                        break;
                    }
                    bytes += message.value.len();
                    if !messages.is_empty() && bytes > limit.bytes {
                        break;
                    }
                    let is_last = message.offset + 1 >= end;
                    messages.push(message);
                    if is_last || messages.len() >= limit.messages.max(1) {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(failed("read", &name, &error));
                }
                // A broker that was away and is back: the client goes on by itself.
                Some(Err(error)) => tracing::debug!(%error, topic = name, "reading"),
            }
        }
        probe.unassign().map_err(|error| failed("read", &name, &error))?;
        Ok(messages)
    }

    /// First offset and end of a partition once what was committed before this call can be read: brokers answer a commit before every
    /// partition has its marker. Waits a little for it, not for transactions that stay open.
    pub(crate) fn settled_extent(&self, topic: &str, partition: u32) -> Result<(u64, u64), LogError> {
        self.extent_settled_by(Instant::now() + SETTLES, topic, partition)
    }

    fn extent_settled_by(
        &self,
        deadline: Instant,
        topic: &str,
        partition: u32,
    ) -> Result<(u64, u64), LogError> {
        let written = self.written(topic, partition)?;
        loop {
            let (start, end) = self.extent(topic, partition)?;
            if end >= written || Instant::now() >= deadline {
                return Ok((start, end));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Extents of all topics, and the lag of every group of ours that the cluster knows.
    pub(crate) fn status(&self) -> Result<LogStatus, LogError> {
        self.refresh()?;
        let mut status = LogStatus::default();
        let mut parts = Vec::new();
        for topic in Topic::ALL {
            // A topic that nobody made has no extent.
            if let Ok(partitions) = self.partitions(topic) {
                parts.extend(partitions);
            }
        }
        for &(topic, partition) in &parts {
            let (start_offset, end_offset) = self.extent(&self.names.topic(topic), partition)?;
            status.topics.push(TopicStatus { topic, partition, start_offset, end_offset, bytes: 0 });
        }
        for group in self.groups()? {
            self.group_lags(&group, &parts, &mut status)?;
        }
        for lag in &status.lags {
            let messages = i64::try_from(lag.messages).unwrap_or(i64::MAX);
            let labels = [lag.group.as_str(), lag.topic.name()];
            self.metrics.lag_messages.with_label_values(&labels).set(messages);
        }
        Ok(status)
    }

    /// Our groups: those the brokers know, and those of this process.
    fn groups(&self) -> Result<Vec<String>, LogError> {
        let known = self.group_names()?;
        let known = known.iter().filter_map(|name| self.names.group_of(name));
        let mut groups: Vec<String> = known.map(str::to_owned).collect();
        groups.extend(self.joined().into_keys());
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    fn group_lags(
        &self,
        group: &str,
        parts: &[(Topic, u32)],
        status: &mut LogStatus,
    ) -> Result<(), LogError> {
        let mut settings = client::consumer(&self.config, &self.names.group(group), 1);
        // A look does not wait for transactions.
        settings.set("isolation.level", "read_uncommitted");
        let consumer: KafkaConsumer = settings
            .create_with_context(Context::default())
            .map_err(|error| failed("ask for positions of", group, &error))?;
        let mut list = TopicPartitionList::new();
        for (topic, partition) in parts {
            list.add_partition(&self.names.topic(*topic), partition.cast_signed());
        }
        let committed = consumer
            .committed_offsets(list, REQUEST)
            .map_err(|error| failed("ask for positions of", group, &error))?;
        let registered = self.joined().remove(group).unwrap_or_default();
        for topic in Topic::ALL {
            let name = self.names.topic(topic);
            let of_topic = committed.elements_for_topic(&name);
            let next = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element
                .offset()
            {
                Offset::Offset(next) => Some(next.cast_unsigned()),
                Offset::Beginning
                | Offset::End
                | Offset::Stored
                | Offset::Invalid
                | Offset::OffsetTail(_) => None,
            };
            let reads = registered.contains(&topic) || of_topic.iter().any(|part| next(part).is_some());
            if !reads {
                continue;
            }
            let parts: Vec<_> = of_topic
                .iter()
                .map(|part| (part.partition().cast_unsigned(), next(part).unwrap_or(0)))
                .collect();
            let messages = self.lag(topic, &parts)?;
            status.lags.push(GroupLag { group: group.to_owned(), topic, messages });
        }
        Ok(())
    }

    /// Messages between positions in the partitions of a topic and the ends that readers see. Exact in a partition where there are few; all such
    /// partitions are read at once, since each would wait for its broker.
    fn lag(&self, topic: Topic, positions: &[(u32, u64)]) -> Result<u64, LogError> {
        let name = self.names.topic(topic);
        let settled_by = Instant::now() + SETTLES;
        let (mut messages, mut few) = (0, BTreeMap::new());
        for &(partition, next) in positions {
            let (start, end) = self.extent_settled_by(settled_by, &name, partition)?;
            let next = next.max(start);
            match end.saturating_sub(next) {
                0 => {}
                most if most > COUNTED => messages += most,
                _ => drop(few.insert(partition, (next, end))),
            }
        }
        Ok(messages + self.count(&name, few)?)
    }

    /// Committed messages of a topic in these spans of offsets, by partition.
    fn count(&self, topic: &str, mut spans: BTreeMap<u32, (u64, u64)>) -> Result<u64, LogError> {
        let mut messages = 0;
        if spans.is_empty() {
            return Ok(messages);
        }
        let probe = lock(&self.reader);
        let mut list = TopicPartitionList::new();
        for (partition, (from, _)) in &spans {
            list.add_partition_offset(topic, partition.cast_signed(), Offset::Offset(from.cast_signed()))
                .map_err(|error| failed("read", topic, &error))?;
        }
        probe.assign(&list).map_err(|error| failed("read", topic, &error))?;
        let deadline = Instant::now() + REQUEST;
        while !spans.is_empty() && Instant::now() < deadline {
            match probe.poll(Duration::from_millis(100)) {
                None => {}
                Some(Ok(message)) => {
                    let (partition, offset) =
                        (message.partition().cast_unsigned(), message.offset().cast_unsigned());
                    let Some((_, end)) = spans.get(&partition).copied() else { continue };
                    messages += u64::from(offset < end);
                    if offset + 1 >= end {
                        spans.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    spans.remove(&partition.cast_unsigned());
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(failed("read", topic, &error));
                }
                Some(Err(error)) => tracing::debug!(%error, topic, "reading"),
            }
        }
        probe.unassign().map_err(|error| failed("read", topic, &error))?;
        Ok(messages)
    }
}
