//! One member of a group on Kafka: reads, computes, submits.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_record::Topic;
use bytes::Bytes;

use super::client::{Events, KafkaConsumer, failed, words};
use super::cluster::{Cluster, Place};
use super::commit::Committer;
use super::fetch::Fetcher;
use super::leave::Farewell;
use super::producer::Failure;
use super::shards::Held;
use super::stall::Stalls;
use super::store::Store;
use super::sync::lock;
use crate::LogError;
use crate::api::{Batch, Change, Limit, Outgoing, Table, Ticket, Unit, Worker, WorkerSpec};
use crate::embedded::overlay::Overlay;
use crate::embedded::state::{MAX_KEY_BYTES, StateStore};

/// The longest a call of the client blocks: the membership is served in between.
const SLICE: Duration = Duration::from_millis(100);
/// Lag is told this often.
const LAG_EVERY: Duration = Duration::from_secs(5);
/// How a worker belongs to its group.
pub(crate) enum Membership {
    /// It reads nothing and owns nothing.
    None,
    /// It shares partitions; the fetcher's consumer is the member.
    Shared,
    /// It owns the group's state as long as this member has the owners' partition.
    Owner(Arc<KafkaConsumer>),
    /// It owns a shard as long as it is not given away.
    Seat(Arc<Held>),
}

impl Membership {
    /// Whether there is state that one worker at a time owns.
    fn is_owner(&self) -> bool {
        match self {
            Self::Owner(_) | Self::Seat(_) => true,
            Self::None | Self::Shared => false,
        }
    }
}

/// A worker. Fields are dropped in this order: what was submitted is committed while the membership lasts, the member leaves when nobody holds it
/// any more, and the place in the group is free again once the local state is closed.
pub(crate) struct KafkaWorker {
    pub(crate) committer: Committer,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) spec: WorkerSpec,
    pub(crate) membership: Membership,
    /// What the member tells.
    pub(crate) events: Arc<Events>,
    pub(crate) fetcher: Option<Fetcher>,
    pub(crate) state: Option<(StateStore, Arc<Mutex<Store>>)>,
    pub(crate) overlay: Overlay,
    pub(crate) last_ticket: u64,
    /// Positions must be read again before anything else is.
    pub(crate) must_rewind: bool,
    pub(crate) lost: Option<String>,
    pub(crate) last_lag: Instant,
    pub(crate) _farewell: Option<Farewell>,
    pub(crate) stalls: Stalls,
    pub(crate) _place: Place,
}

impl KafkaWorker {
    /// Ends in an error when something has happened that the caller must know before it goes on.
    fn check(&mut self) -> Result<(), LogError> {
        if let Some(cause) = &self.lost {
            return Err(self.lost_error(cause.clone()));
        }
        let Some(failure) = self.committer.failure() else { return Ok(()) };
        let cause = failure.what().to_owned();
        match failure {
            Failure::Fatal(what) => {
                return Err(LogError::Kafka {
                    operation: "commit",
                    object: self.spec.group.clone(),
                    what,
                    transient: false,
                });
            }
            // Where there is one owner, this is how its successor shuts it out. Elsewhere nobody else should have our id.
            Failure::Fenced(_) if !self.membership.is_owner() => {
                let error = self.cluster.fenced(&self.spec.group, cause.clone());
                if !error.is_lost() {
                    return Err(error);
                }
            }
            Failure::Fenced(_) | Failure::Again(_) => {}
        }
        tracing::debug!(group = self.spec.group, cause, "reading again from the last commit");
        self.cluster.metrics.rewinds.with_label_values(&[&self.spec.group]).inc();
        if self.membership.is_owner() {
            self.lost = Some(cause.clone());
            return Err(self.lost_error(cause));
        }
        self.committer.reset();
        self.must_rewind = true;
        Err(LogError::Rewound { group: self.spec.group.clone(), cause })
    }

    fn lost_error(&self, cause: String) -> LogError {
        LogError::Lost { group: self.spec.group.clone(), cause }
    }

    /// Serves the membership, and reads what has come, waiting that long for the first message.
    fn serve(&mut self, wait: Duration) -> Result<(), LogError> {
        if let Membership::Owner(member) = &self.membership {
            let member = Arc::clone(member);
            let own_wait = if self.fetcher.is_some() { Duration::ZERO } else { wait };
            if let Err(error) = serve_member(&member, &self.cluster, &self.spec.group, own_wait) {
                self.lost = Some(error.to_string());
                return Err(error);
            }
            if !lock(&self.events.moved).last().is_some_and(|moved| moved.given) {
                self.lost = Some("another member takes over".to_owned());
            }
        }
        if let Membership::Seat(held) = &self.membership
            && held.is_gone()
        {
            self.lost = Some("another member has the shard".to_owned());
        }
        if self.must_rewind {
            self.rewind(wait);
        } else if let Some(fetcher) = &mut self.fetcher {
            fetcher.pump(wait)?;
        } else if matches!(self.membership, Membership::None | Membership::Seat(_)) && !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if self.fetcher.as_ref().is_some_and(|fetcher| fetcher.fenced) {
            let cause = "a member with the same name joined".to_owned();
            return Err(self.cluster.fenced(&self.spec.group, cause));
        }
        if matches!(self.membership, Membership::Shared) {
            self.rebalanced()?;
        }
        self.tell_lag();
        self.check()
    }

    /// Goes back to the committed positions; tried again while brokers do not answer.
    fn rewind(&mut self, wait: Duration) {
        let Some(fetcher) = &mut self.fetcher else {
            self.must_rewind = false;
            return;
        };
        // Rebalances are served in between.
        match fetcher.pump(Duration::ZERO).and_then(|()| fetcher.rewind()) {
            Ok(()) => self.must_rewind = false,
            Err(error) => {
                tracing::debug!(%error, group = self.spec.group, "going back to the last commit");
                std::thread::sleep(wait.min(SLICE));
            }
        }
    }

    /// Takes note of partitions that came and went. What the client reads now is the truth; the events say what to forget.
    fn rebalanced(&mut self) -> Result<(), LogError> {
        let moved = std::mem::take(&mut *lock(&self.events.moved));
        let Some(fetcher) = &mut self.fetcher else { return Ok(()) };
        if moved.is_empty() {
            return Ok(());
        }
        let mut half_done = false;
        for moved in &moved {
            if let Some(topic) = self.cluster.names.topic_of(&moved.topic) {
                half_done |= fetcher.remove(topic, moved.partition.cast_unsigned());
            }
        }
        half_done |= fetcher.reconcile()?;
        let given = moved.iter().filter(|moved| moved.given).count();
        tracing::info!(
            group = self.spec.group,
            taken = moved.len() - given,
            given,
            reading = fetcher.parts().len(),
            "partitions moved"
        );
        if half_done {
            let cause = "partitions moved to another member".to_owned();
            self.cluster.metrics.rewinds.with_label_values(&[&self.spec.group]).inc();
            self.committer.reset();
            self.must_rewind = true;
            return Err(LogError::Rewound { group: self.spec.group.clone(), cause });
        }
        Ok(())
    }

    fn tell_lag(&mut self) {
        let Some(fetcher) = &self.fetcher else { return };
        let metrics = &self.cluster.metrics;
        let buffered = i64::try_from(fetcher.buffered_bytes()).unwrap_or(i64::MAX);
        metrics.buffered_bytes.with_label_values(&[&self.spec.group]).set(buffered);
        if self.last_lag.elapsed() < LAG_EVERY {
            return;
        }
        self.last_lag = Instant::now();
        let (now, mut stalled) = (Instant::now(), 0);
        for &topic in &self.spec.inputs {
            let name = self.cluster.names.topic(topic);
            let mut lag = Some(0);
            for part in fetcher.parts().iter().filter(|part| part.topic == topic) {
                let Ok((_, end)) = self.cluster.extent(&name, part.partition) else {
                    lag = None;
                    break;
                };
                lag = lag.map(|lag| lag + part.lag(end));
                if let Ok(written) = self.cluster.written(&name, part.partition) {
                    let brokers = &self.cluster.config.brokers;
                    let is_stalled = self.stalls.look(brokers, &name, part.partition, (end, written), now);
                    stalled += i64::from(is_stalled);
                }
            }
            if let Some(lag) = lag {
                let lag = i64::try_from(lag).unwrap_or(i64::MAX);
                metrics.lag_messages.with_label_values(&[&self.spec.group, topic.name()]).set(lag);
            }
        }
        metrics.stalled.with_label_values(&[&self.spec.group]).set(stalled);
    }

    fn check_table(&self, table: Table) -> Result<(), LogError> {
        if self.spec.tables.contains(&table) {
            return Ok(());
        }
        Err(LogError::UnknownTable { table: table.0, group: self.spec.group.clone() })
    }

    fn check_unit(&mut self, unit: &Unit) -> Result<(), LogError> {
        for change in &unit.state {
            let (Change::Put { table, key, .. } | Change::Delete { table, key }) = change;
            self.check_table(*table)?;
            let bytes = table.0.len() + key.len();
            if bytes > MAX_KEY_BYTES {
                let object = "the key of a state change";
                return Err(LogError::TooLarge { object, bytes, limit_bytes: MAX_KEY_BYTES });
            }
        }
        for message in &unit.produced {
            let (bytes, limit_bytes) = (message.bytes(), self.message_limit(message.topic));
            if bytes > limit_bytes {
                return Err(LogError::TooLarge { object: "a message", bytes, limit_bytes });
            }
        }
        let group = &self.spec.group;
        let Some(fetcher) = &mut self.fetcher else { return Ok(()) };
        // What was read from a partition that has gone belongs to its new reader.
        if unit.consumed.iter().any(|position| fetcher.part_mut(position.topic, position.partition).is_none())
        {
            self.must_rewind = true;
            self.committer.reset();
            let cause = "partitions moved to another member".to_owned();
            return Err(LogError::Rewound { group: group.clone(), cause });
        }
        Ok(())
    }

    fn refresh(&mut self, table: Table) -> Result<(), LogError> {
        self.check_table(table)?;
        self.check()?;
        self.overlay.forget(self.committer.durable());
        Ok(())
    }

    fn reader(&self) -> Result<&StateStore, LogError> {
        let reader = self.state.as_ref().map(|(reader, _)| reader);
        reader.ok_or_else(|| self.lost_error("it has no state".to_owned()))
    }
}

/// Serves a member that only holds the owners' partition.
pub(crate) fn serve_member(
    member: &KafkaConsumer,
    cluster: &Cluster,
    group: &str,
    wait: Duration,
) -> Result<(), LogError> {
    match member.poll(wait) {
        Some(Err(rdkafka::error::KafkaError::MessageConsumptionFatal(code))) => {
            if code == rdkafka::error::RDKafkaErrorCode::FencedInstanceId {
                return Err(cluster.fenced(group, "a member with the same name joined".to_owned()));
            }
            let error = rdkafka::error::KafkaError::MessageConsumptionFatal(code);
            Err(failed("stay in", group, &error))
        }
        Some(Err(error)) => {
            tracing::trace!(error = %words(&error), group, "member");
            Ok(())
        }
        Some(Ok(_)) | None => Ok(()),
    }
}

impl Worker for KafkaWorker {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        let started = Instant::now();
        let mut slice = Duration::ZERO;
        loop {
            self.serve(slice)?;
            if !self.must_rewind
                && let Some(fetcher) = &mut self.fetcher
            {
                let batch = fetcher.take(limit)?;
                if !batch.is_empty() {
                    return Ok(batch);
                }
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(Batch::new());
            }
            // The client waits whole milliseconds and spins for the rest.
            slice = Duration::from_millis(left.as_millis() as u64 + 1).min(SLICE);
        }
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.refresh(table)?;
        match self.overlay.get(table, key) {
            Some(pending) => Ok(pending),
            None => self.reader()?.get(table.0, key),
        }
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        self.refresh(table)?;
        self.overlay.scan(self.reader()?, table, prefix, visit)
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        self.check()?;
        self.check_unit(&unit)?;
        let ticket = self.last_ticket + 1;
        let bytes: usize = unit.produced.iter().map(Outgoing::bytes).sum::<usize>()
            + unit.state.iter().map(change_bytes).sum::<usize>();
        let changes = unit.state.clone();
        let consumed = unit.consumed.clone();
        let is_unhurried = self.fetcher.as_ref().is_some_and(|fetcher| fetcher.is_unhurried(&unit.consumed));
        let mut unit = unit;
        while let Err(back) = self.committer.push(ticket, unit, bytes, is_unhurried) {
            unit = back;
            self.serve(Duration::ZERO)?;
        }
        self.last_ticket = ticket;
        self.overlay.forget(self.committer.durable());
        self.overlay.add(ticket, &changes);
        if let Some(fetcher) = &mut self.fetcher {
            for position in consumed {
                if let Some(part) = fetcher.part_mut(position.topic, position.partition) {
                    part.submitted = position.next_offset;
                }
            }
        }
        Ok(Ticket(ticket))
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        while self.committer.durable() < ticket.0 {
            self.committer.wait(ticket.0);
            if self.committer.durable() >= ticket.0 {
                break;
            }
            self.serve(Duration::ZERO)?;
        }
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        let newest = self.committer.durable();
        (newest > 0).then_some(Ticket(newest))
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        let parts = self.fetcher.iter().flat_map(Fetcher::parts);
        let mut ours = parts.filter(|part| (part.topic, part.partition) == (topic, partition));
        ours.next().map_or(0, |part| part.submitted)
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        if let Some(fetcher) = &mut self.fetcher {
            fetcher.hold(topic, partition, held);
        }
        Ok(())
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        let parts = self.fetcher.iter().flat_map(Fetcher::parts);
        parts.filter(|part| part.topic == topic).map(|part| part.partition).collect()
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.serve(Duration::ZERO)
    }

    fn message_limit(&self, topic: Topic) -> usize {
        let name = self.cluster.names.topic(topic);
        lock(&self.cluster.known).limit(&name, self.cluster.config.message_bytes)
    }
}

impl Drop for KafkaWorker {
    fn drop(&mut self) {
        if !self.spec.tables.is_empty() {
            self.cluster.metrics.owner.with_label_values(&[&self.spec.group]).set(0);
        }
    }
}

/// What a change takes in memory while it is on its way.
fn change_bytes(change: &Change) -> usize {
    const HANDLES_BYTES: usize = 300;
    match change {
        Change::Put { key, value, .. } => key.len() + value.len() + HANDLES_BYTES,
        Change::Delete { key, .. } => key.len() + HANDLES_BYTES,
    }
}
