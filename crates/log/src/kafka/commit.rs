//! From submitted units to committed transactions, on two threads.
//!
//! The *filler* takes units from the queue, hands their messages to a producer and waits until the brokers have them all. The *ender* then commits
//! that transaction while the filler fills the next one on the other producer. Nothing of a transaction is sent before everything of the one before
//! is delivered, so messages of one worker keep their order; and a transaction is committed only after the one before it was.
//!
//! After anything but a plain success both producers are thrown away: the outcome of a transaction that was not answered is only certain once a
//! new producer of the same id has been made (librdkafka has no KIP-890).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::{Barrier, Context, KafkaConsumer, Moved, Names, REQUEST};
use super::config::{Delivery, KafkaConfig};
use super::fetch::STEP;
use super::message;
use super::metrics::Metrics;
use super::producer::{Failure, Producers, ended};
use super::store::Store;
use super::sync::{lock, wait_for};
use crate::LogError;
use crate::api::{Change, Table, Unit};
use crate::failpoint;

/// Units wait in memory up to this many transactions' worth.
const QUEUED_TRANSACTIONS: usize = 2;
/// Between looks at what the brokers have taken. Shorter is a busy loop.
const PARK: Duration = Duration::from_micros(300);
/// Threads look around at least this often.
const TICK: Duration = Duration::from_millis(100);

/// Where a test may kill the process, in the order a unit meets them.
pub const KAFKA_FAILPOINTS: &[&str] =
    &["log.kafka.begin", "log.kafka.sent", "log.kafka.delivered", "log.kafka.offsets", "log.kafka.committed"];

/// A submitted unit.
struct Pending {
    ticket: u64,
    unit: Unit,
    bytes: usize,
}

/// What the threads share with the worker.
#[derive(Default)]
struct Inner {
    units: VecDeque<Pending>,
    bytes: usize,
    /// The filler has a transaction in the making.
    filling: bool,
    /// Bytes of it.
    filling_bytes: usize,
    /// The ender has one.
    ending: bool,
    failed: Option<Failure>,
    /// The producers are those of a failed transaction: the filler throws them away.
    stale: bool,
    closing: bool,
}

impl Inner {
    /// Whether `more` bytes are too many beside those that the transaction in the making has, and those behind it.
    fn is_behind(&self, more: usize, most: usize) -> bool {
        let before = self.bytes + self.filling_bytes;
        before > 0 && before + more > most
    }

    fn is_settled(&self) -> bool {
        self.units.is_empty() && !self.filling && !self.ending
    }
}

/// The state shared by all.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    durable: AtomicU64,
    patience: Duration,
}

/// What a committer works with.
pub(crate) struct Parts {
    pub(crate) config: KafkaConfig,
    pub(crate) names: Names,
    pub(crate) tables: Vec<Table>,
    /// The partition of the tables' changelogs.
    pub(crate) shard: u32,
    /// Whose membership guards the offsets; `None` for a producer alone.
    pub(crate) member: Option<Arc<KafkaConsumer>>,
    pub(crate) store: Option<Arc<Mutex<Store>>>,
    pub(crate) metrics: Metrics,
}

/// The two threads of a worker.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    filler: Option<JoinHandle<()>>,
    queue_bytes: usize,
}

impl Committer {
    /// Starts the threads.
    pub(crate) fn start(parts: Parts, producers: Producers) -> Result<Self, LogError> {
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            changed: Condvar::new(),
            durable: AtomicU64::new(0),
            patience: parts.config.session_timeout / 2,
        });
        let queue_bytes = parts.config.transaction_bytes * QUEUED_TRANSACTIONS;
        let (sender, receiver) = sync_channel(1);
        let parts = Arc::new(parts);
        let ender = Ender { shared: Arc::clone(&shared), parts: Arc::clone(&parts) };
        let ender = spawn("log-end", move || ender.run(&receiver))?;
        let filler = Filler { shared: Arc::clone(&shared), parts, producers, ender: sender, turn: 0 };
        let filler = spawn("log-fill", move || {
            filler.run();
            let _ = ender.join();
        })?;
        Ok(Self { shared, filler: Some(filler), queue_bytes })
    }

    /// Who to wait for before partitions go.
    pub(crate) fn barrier(&self) -> Arc<dyn Barrier> {
        Arc::clone(&self.shared) as Arc<dyn Barrier>
    }

    /// Queues a unit if there is room, waiting a little for it; gives it back if there is none. There is little room for a unit that is unhurried: what
    /// comes after it may be in a hurry.
    pub(crate) fn push(&self, ticket: u64, unit: Unit, bytes: usize, is_unhurried: bool) -> Result<(), Unit> {
        let is_full = |inner: &Inner| match is_unhurried {
            true => inner.is_behind(bytes, STEP.bytes),
            false => inner.bytes > 0 && inner.bytes + bytes > self.queue_bytes,
        };
        let mut inner = lock(&self.shared.inner);
        if is_full(&inner) {
            inner = wait_for(&self.shared.changed, inner, TICK);
            if is_full(&inner) {
                return Err(unit);
            }
        }
        if inner.failed.is_none() {
            inner.bytes += bytes;
            inner.units.push_back(Pending { ticket, unit, bytes });
        }
        drop(inner);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// The newest durable ticket; 0 for none.
    pub(crate) fn durable(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// Waits a little for that ticket.
    pub(crate) fn wait(&self, ticket: u64) {
        let inner = lock(&self.shared.inner);
        if self.durable() < ticket && inner.failed.is_none() {
            drop(wait_for(&self.shared.changed, inner, TICK));
        }
    }

    /// Why nothing is committed any more, if so.
    pub(crate) fn failure(&self) -> Option<Failure> {
        lock(&self.shared.inner).failed.clone()
    }

    /// Gives up everything that is not durable and starts over.
    pub(crate) fn reset(&self) {
        self.shared.fail(Failure::Again("given up".to_owned()));
        let mut inner = lock(&self.shared.inner);
        while inner.stale || inner.filling || inner.ending {
            inner = wait_for(&self.shared.changed, inner, TICK);
        }
        inner.failed = None;
    }
}

impl Drop for Committer {
    /// Commits what was submitted, as a drop of the embedded log's worker does.
    fn drop(&mut self) {
        lock(&self.shared.inner).closing = true;
        self.shared.changed.notify_all();
        if let Some(filler) = self.filler.take() {
            let _ = filler.join();
        }
    }
}

impl Barrier for Shared {
    fn settle(&self, _: &[Moved], are_lost: bool) {
        if are_lost {
            return self.fail(Failure::Again("the partitions were lost".to_owned()));
        }
        let deadline = Instant::now() + self.patience;
        let mut inner = lock(&self.inner);
        while !inner.is_settled() && inner.failed.is_none() {
            if Instant::now() >= deadline {
                drop(inner);
                return self.fail(Failure::Again("partitions went before the commit".to_owned()));
            }
            inner = wait_for(&self.changed, inner, TICK);
        }
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut lock(&self.inner));
        self.changed.notify_all();
    }

    /// Notes the first failure.
    fn fail(&self, failure: Failure) {
        self.change(|inner| {
            inner.failed.get_or_insert(failure);
            inner.stale = true;
            inner.units.clear();
            inner.bytes = 0;
        });
    }

    fn failed(inner: &Inner) -> Result<(), Failure> {
        match &inner.failed {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }
}

/// A transaction on its way.
#[derive(Default)]
struct Transaction {
    newest: u64,
    bytes: usize,
    messages: usize,
    offsets: HashMap<(barid_record::Topic, u32), u64>,
    changes: Vec<Change>,
    /// The next offset of each changelog once this is committed.
    progress: Vec<(Table, i64)>,
    started: Option<Instant>,
}

impl Transaction {
    fn absorb(&mut self, pending: Pending) {
        self.newest = pending.ticket;
        self.bytes += pending.bytes;
        self.messages += pending.unit.produced.len();
        for position in pending.unit.consumed {
            self.offsets.insert((position.topic, position.partition), position.next_offset);
        }
        self.changes.extend(pending.unit.state);
    }

    fn offsets(&self, names: &Names) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (&(topic, partition), &next) in &self.offsets {
            let next = Offset::Offset(next.cast_signed());
            // Fails only for what is no offset.
            let _ = list.add_partition_offset(&names.topic(topic), partition.cast_signed(), next);
        }
        list
    }
}

/// Work for the ender; no producer where only positions are committed.
struct Job {
    producer: Option<Arc<BaseProducer<Context>>>,
    transaction: Transaction,
}

struct Filler {
    shared: Arc<Shared>,
    parts: Arc<Parts>,
    producers: Producers,
    ender: SyncSender<Job>,
    turn: usize,
}

impl Filler {
    fn run(mut self) {
        while let Some(first) = self.first() {
            let started = Instant::now();
            if let Err(failure) = self.fill(first, started) {
                self.shared.fail(failure);
            }
            self.shared.change(|inner| (inner.filling, inner.filling_bytes) = (false, 0));
        }
        self.producers.clear();
    }

    /// The next unit, once there is one and nothing stands in its way; `None` when all is done and the worker has gone.
    fn first(&mut self) -> Option<Pending> {
        let mut inner = lock(&self.shared.inner);
        loop {
            if inner.stale && !inner.ending {
                drop(inner);
                self.throw_away();
                inner = lock(&self.shared.inner);
                continue;
            }
            if inner.failed.is_none()
                && let Some(pending) = inner.units.pop_front()
            {
                inner.filling = true;
                inner.filling_bytes = pending.bytes;
                inner.bytes -= pending.bytes;
                drop(inner);
                self.shared.changed.notify_all();
                return Some(pending);
            }
            if inner.closing && !inner.ending {
                return None;
            }
            inner = wait_for(&self.shared.changed, inner, TICK);
        }
    }

    /// Fills one transaction and hands it to the ender.
    fn fill(&mut self, first: Pending, started: Instant) -> Result<(), Failure> {
        let mut transaction = Transaction { started: Some(started), ..Transaction::default() };
        // Positions of an owner go through its transactional id too: a late commit without it could move those of its successor back.
        let are_shared = self.parts.tables.is_empty();
        if are_shared && first.unit.produced.is_empty() && first.unit.state.is_empty() {
            transaction.absorb(first);
            while let Some(next) = self.next(|unit| unit.produced.is_empty() && unit.state.is_empty())? {
                transaction.absorb(next);
            }
            return self.hand_over(Job { producer: None, transaction });
        }
        let exactly_once = self.parts.config.delivery == Delivery::ExactlyOnce;
        let producer = self.producers.get(self.turn)?;
        if exactly_once {
            let producer = Arc::clone(&producer);
            ended(self.parts.config.session_timeout, "begin", move || producer.begin_transaction())?;
        }
        failpoint("log.kafka.begin");
        let mut pending = first;
        loop {
            self.send(&producer, &pending.unit)?;
            transaction.absorb(pending);
            if transaction.bytes >= self.parts.config.transaction_bytes {
                break;
            }
            match self.next(|_| true)? {
                Some(next) => pending = next,
                None => break,
            }
        }
        failpoint("log.kafka.sent");
        self.drain(&producer)?;
        failpoint("log.kafka.delivered");
        let delivered = lock(&self.producers.events.delivered).clone();
        let numbered = self.parts.tables.iter().enumerate();
        transaction.progress =
            numbered.filter_map(|(index, table)| Some((*table, *delivered.get(&(index + 1))?))).collect();
        self.turn = if exactly_once { 1 - self.turn } else { 0 };
        self.hand_over(Job { producer: Some(producer), transaction })
    }

    /// One more unit for the transaction in the making: what is queued, and what comes while the one before is being committed, since
    /// this one cannot be committed sooner.
    fn next(&self, fits: impl Fn(&Unit) -> bool) -> Result<Option<Pending>, Failure> {
        let mut inner = lock(&self.shared.inner);
        loop {
            Shared::failed(&inner)?;
            if inner.units.front().is_some_and(|pending| !fits(&pending.unit)) {
                return Ok(None);
            }
            if let Some(pending) = inner.units.pop_front() {
                inner.bytes -= pending.bytes;
                inner.filling_bytes += pending.bytes;
                drop(inner);
                self.shared.changed.notify_all();
                return Ok(Some(pending));
            }
            if !inner.ending {
                return Ok(None);
            }
            inner = wait_for(&self.shared.changed, inner, TICK);
        }
    }

    fn send(&self, producer: &BaseProducer<Context>, unit: &Unit) -> Result<(), Failure> {
        let full = |sent: Result<bool, rdkafka::error::KafkaError>| -> Result<bool, Failure> {
            let sent = sent.map_err(|error| Failure::of("send", &error))?;
            if !sent {
                self.check_running()?;
                serve(producer);
                std::thread::sleep(PARK);
            }
            Ok(sent)
        };
        for outgoing in &unit.produced {
            let topic = self.parts.names.topic(outgoing.topic);
            while !full(message::send(producer, &topic, outgoing))? {}
        }
        for change in &unit.state {
            let (Change::Put { table, key, .. } | Change::Delete { table, key }) = change;
            let value = match change {
                Change::Put { value, .. } => Some(value.as_ref()),
                Change::Delete { .. } => None,
            };
            let number = self.parts.tables.iter().position(|known| known == table).map_or(0, |at| at + 1);
            let topic = self.parts.names.changelog(*table);
            while !full(message::send_change(producer, (&topic, self.parts.shard), key, value, number))? {}
        }
        serve(producer);
        Ok(())
    }

    /// Waits until the brokers have everything. The library's own flush would take 100 ms.
    fn drain(&self, producer: &BaseProducer<Context>) -> Result<(), Failure> {
        loop {
            serve(producer);
            if producer.in_flight_count() == 0 {
                break;
            }
            self.check_running()?;
            std::thread::sleep(PARK);
        }
        self.producers.check_delivered()
    }

    fn check_running(&self) -> Result<(), Failure> {
        let inner = lock(&self.shared.inner);
        Shared::failed(&inner)
    }

    /// Waits for the transaction before, then lets the ender commit this one.
    fn hand_over(&self, job: Job) -> Result<(), Failure> {
        let mut inner: MutexGuard<'_, Inner> = lock(&self.shared.inner);
        while inner.ending {
            Shared::failed(&inner)?;
            inner = wait_for(&self.shared.changed, inner, TICK);
        }
        Shared::failed(&inner)?;
        inner.ending = true;
        drop(inner);
        self.ender.send(job).map_err(|_| Failure::Again("the thread that commits has ended".to_owned()))
    }

    /// Throws the producers away. The ender has let go of them.
    fn throw_away(&mut self) {
        self.parts.metrics.transactions.with_label_values(&["aborted"]).inc();
        self.producers.abort();
        self.turn = 0;
        self.shared.change(|inner| inner.stale = false);
    }
}

/// Takes the delivery reports there are.
fn serve(producer: &BaseProducer<Context>) {
    for _ in 0..8 {
        producer.poll(Duration::ZERO);
    }
}

struct Ender {
    shared: Arc<Shared>,
    parts: Arc<Parts>,
}

impl Ender {
    fn run(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            match self.end(&job) {
                Ok(()) => self.done(job.transaction),
                Err(failure) => {
                    // The filler must find the failure before it finds the ender free.
                    self.shared.fail(failure);
                    drop(job);
                    self.shared.change(|inner| inner.ending = false);
                }
            }
        }
    }

    fn end(&self, job: &Job) -> Result<(), Failure> {
        let offsets = job.transaction.offsets(&self.parts.names);
        let transactional = self.parts.config.delivery == Delivery::ExactlyOnce;
        match &job.producer {
            Some(producer) if transactional => {
                self.send_offsets(producer, &offsets)?;
                failpoint("log.kafka.offsets");
                let producer = Arc::clone(producer);
                ended(self.parts.config.session_timeout, "commit", move || {
                    producer.commit_transaction(REQUEST)
                })?;
            }
            Some(_) | None => self.commit_offsets(&offsets)?,
        }
        failpoint("log.kafka.committed");
        Ok(())
    }

    fn send_offsets(
        &self,
        producer: &Arc<BaseProducer<Context>>,
        offsets: &TopicPartitionList,
    ) -> Result<(), Failure> {
        if offsets.count() == 0 {
            return self.check_sound();
        }
        // Fresh each time: its generation is what keeps out a member that has lost its partitions. Taken before the look at whether
        // they have gone, so that one taken later would not pass.
        let membership = self.parts.member.as_ref().and_then(|member| member.group_metadata());
        let membership = membership.ok_or_else(|| Failure::Again("the membership has ended".to_owned()))?;
        self.check_sound()?;
        let (producer, offsets) = (Arc::clone(producer), offsets.clone());
        ended(self.parts.config.session_timeout, "send offsets", move || {
            producer.send_offsets_to_transaction(&offsets, &membership, REQUEST)
        })
    }

    fn commit_offsets(&self, offsets: &TopicPartitionList) -> Result<(), Failure> {
        self.check_sound()?;
        let Some(member) = &self.parts.member else { return Ok(()) };
        if offsets.count() == 0 {
            return Ok(());
        }
        member.commit(offsets, CommitMode::Sync).map_err(|error| Failure::of("commit positions", &error))
    }

    /// An error once the worker has been told that this transaction does not count.
    fn check_sound(&self) -> Result<(), Failure> {
        Shared::failed(&lock(&self.shared.inner))
    }

    /// Makes a committed transaction known.
    fn done(&self, transaction: Transaction) {
        if let Some(store) = &self.parts.store {
            let mut store = lock(store);
            store.apply(&transaction.changes);
            for (table, next) in &transaction.progress {
                store.advance(*table, *next);
            }
            store.maintain();
        }
        let metrics = &self.parts.metrics;
        metrics.transactions.with_label_values(&["committed"]).inc();
        metrics.messages.inc_by(transaction.messages as u64);
        if let Some(started) = transaction.started {
            metrics.transaction_seconds.observe(started.elapsed().as_secs_f64());
        }
        self.shared.durable.fetch_max(transaction.newest, Ordering::AcqRel);
        self.shared.change(|inner| inner.ending = false);
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, LogError> {
    let body = move || {
        let _last = Last;
        body();
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|source| LogError::Io {
        operation: "start",
        object: format!("the thread {name}"),
        source,
    })
}

/// Ends the process when its thread panics: a worker without it would stand still for ever, keep its partitions, and nobody would take over. What
/// was not committed is read again.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a thread that commits has panicked: ending the process");
            std::process::abort();
        }
    }
}
