//! Bringing a local copy of the state up to what the changelogs say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{self, Context, KafkaConsumer, failed};
use super::cluster::Cluster;
use super::config::Delivery;
use super::stall::Stalls;
use super::store::Store;
use crate::LogError;
use crate::api::Table;

/// The longest wait between two looks at whether transactions have ended.
const LOOK: Duration = Duration::from_millis(20);
/// Messages of a changelog that a standby takes over in one go.
const STEP: usize = 4096;

/// Reads the changelogs of a group's tables, each with a consumer of its own: an end of a partition is told without its topic.
pub(crate) struct Follower {
    tables: Vec<(Table, String, Arc<KafkaConsumer>)>,
    /// The partition of all of them.
    shard: u32,
    cluster: Arc<Cluster>,
}

impl Follower {
    pub(crate) fn new(cluster: &Arc<Cluster>, group: &str, tables: &[Table]) -> Result<Self, LogError> {
        let settings = client::consumer(&cluster.config, &cluster.names.group(group), tables.len());
        let mut all = Vec::new();
        for &table in tables {
            let consumer: KafkaConsumer = settings
                .create_with_context(Context::default())
                .map_err(|error| failed("connect", "a reader of changelogs", &error))?;
            all.push((table, cluster.names.changelog(table), Arc::new(consumer)));
        }
        Ok(Self { tables: all, shard: 0, cluster: Arc::clone(cluster) })
    }

    /// One for a shard, which only catches up: one table after the other, with one consumer for all.
    pub(crate) fn of_shard(
        cluster: &Arc<Cluster>,
        group: &str,
        tables: &[Table],
        shard: u32,
    ) -> Result<Self, LogError> {
        let mut settings = client::consumer(&cluster.config, &cluster.names.group(group), 1);
        // An end is told once a broker has waited so long for more, table by table.
        settings.set("fetch.wait.max.ms", "10");
        let consumer: KafkaConsumer = settings
            .create_with_context(Context::default())
            .map_err(|error| failed("connect", "a reader of changelogs", &error))?;
        let consumer = Arc::new(consumer);
        let all = tables.iter().map(|&table| (table, cluster.names.changelog(table), Arc::clone(&consumer)));
        Ok(Self { tables: all.collect(), shard, cluster: Arc::clone(cluster) })
    }

    /// Starts reading where the copy ends.
    pub(crate) fn start(&self, store: &Store) -> Result<(), LogError> {
        for (table, topic, consumer) in &self.tables {
            assign(consumer, topic, self.shard, store.next(*table))?;
        }
        Ok(())
    }

    /// Takes over some of what has arrived, without waiting for more: keeps a standby warm. True when there is more at hand; a standby serves
    /// its membership between two steps.
    pub(crate) fn follow(&self, store: &mut Store) -> Result<bool, LogError> {
        let mut is_more = false;
        for (table, topic, consumer) in &self.tables {
            let mut taken = 0;
            while taken < STEP && take(*table, topic, consumer, store, Duration::ZERO)? == Step::Message {
                taken += 1;
            }
            is_more |= taken == STEP;
        }
        store.maintain();
        Ok(is_more)
    }

    /// Reads to the end of what was written before this call, waiting for transactions that are still open: after this, nothing that a
    /// predecessor committed is missing. `tick` is called all the time and may end it. False when the copy says it is ahead of the
    /// changelog, which then is another one.
    pub(crate) fn catch_up(
        &self,
        store: &mut Store,
        tick: &mut dyn FnMut() -> Result<(), LogError>,
    ) -> Result<bool, LogError> {
        let started = Instant::now();
        for (table, topic, consumer) in &self.tables {
            // Commit markers reach partitions one after another: only the end with open transactions included is safe to wait for.
            let written = answered(tick, || self.cluster.written(topic, self.shard))?.cast_signed();
            if store.next(*table) > written {
                return Ok(false);
            }
            if store.next(*table) == written {
                // Nothing is there that was not read: nothing is open either.
                continue;
            }
            let stable = || Ok(self.cluster.extent(topic, self.shard)?.1.cast_signed());
            let mut end = answered(tick, stable)?;
            let mut stalls = Stalls::new(self.cluster.config.session_timeout);
            while end < written {
                let ends = (end.cast_unsigned(), written.cast_unsigned());
                stalls.look(&self.cluster.config.brokers, topic, self.shard, ends, Instant::now());
                std::thread::sleep(LOOK);
                end = answered(tick, stable)?;
            }
            if store.next(*table) == end {
                continue;
            }
            self.read_to((*table, topic, consumer), end, store, tick)?;
            store.advance(*table, end);
        }
        tracing::debug!(seconds = started.elapsed().as_secs_f64(), "the state is complete");
        Ok(true)
    }

    /// Reads one changelog up to `end`.
    ///
    /// A node that has just become the leader tells readers an end that is behind the true one, until it knows what its followers have. So the
    /// end that a reader comes to counts when nothing but one end marker can be missing, or when it comes to it again after the leader, asked for its
    /// end, has named that far: a leader refuses that question until it knows (KIP-207).
    fn read_to(
        &self,
        (table, topic, consumer): (Table, &String, &Arc<KafkaConsumer>),
        end: i64,
        store: &mut Store,
        tick: &mut dyn FnMut() -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        let markers = match self.cluster.config.delivery {
            Delivery::ExactlyOnce => 1,
            Delivery::AtLeastOnce => 0,
        };
        let mut is_known = false;
        assign(consumer, topic, self.shard, store.next(table))?;
        loop {
            tick()?;
            match take(table, topic, consumer, store, Duration::from_millis(100))? {
                Step::Message => store.maintain(),
                Step::End if is_known || store.next(table) + markers >= end => return Ok(()),
                Step::End => {
                    is_known =
                        answered(tick, || self.cluster.extent(topic, self.shard))?.1.cast_signed() >= end;
                    assign(consumer, topic, self.shard, store.next(table))?;
                }
                Step::Nothing => {}
            }
        }
    }
}

/// Asks until there is an answer, or nobody waits for one any more.
fn answered<T>(
    tick: &mut dyn FnMut() -> Result<(), LogError>,
    ask: impl Fn() -> Result<T, LogError>,
) -> Result<T, LogError> {
    loop {
        tick()?;
        match ask() {
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "restoring the state");
                std::thread::sleep(LOOK);
            }
            answer => return answer,
        }
    }
}

fn assign(consumer: &KafkaConsumer, topic: &str, shard: u32, next: i64) -> Result<(), LogError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, shard.cast_signed(), Offset::Offset(next))
        .and_then(|()| consumer.assign(&list))
        .map_err(|error| failed("read", topic, &error))
}

/// What a look at a changelog brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Message,
    End,
    Nothing,
}

fn take(
    table: Table,
    topic: &str,
    consumer: &KafkaConsumer,
    store: &mut Store,
    wait: Duration,
) -> Result<Step, LogError> {
    match consumer.poll(wait) {
        None => Ok(Step::Nothing),
        Some(Err(KafkaError::PartitionEOF(_))) => Ok(Step::End),
        Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(failed("read", topic, &error)),
        Some(Err(error)) => {
            tracing::debug!(%error, topic, "reading a changelog");
            Ok(Step::Nothing)
        }
        // One consumer may read several changelogs, one after the other.
        Some(Ok(message)) if message.topic() != topic => Ok(Step::Nothing),
        Some(Ok(message)) => {
            store.restore(table, message.offset(), message.key().unwrap_or_default(), message.payload());
            Ok(Step::Message)
        }
    }
}
