//! Becoming a member of a group: at once where partitions are shared, by standing by where there is state to own.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_record::Topic;
use rdkafka::consumer::Consumer;
use rdkafka::topic_partition_list::TopicPartitionList;

use super::client::{self, Context, Events, KafkaConsumer, failed};
use super::cluster::{Cluster, Place};
use super::commit::{Committer, Parts};
use super::fetch::{Fetcher, committed, start_offset};
use super::leave::Farewell;
use super::producer::{Failure, Producers};
use super::restore::Follower;
use super::shards::Seat;
use super::stall::Stalls;
use super::store::Store;
use super::sync::lock;
use super::worker::{KafkaWorker, Membership, serve_member};
use crate::api::{Table, WorkerSpec};
use crate::embedded::overlay::Overlay;
use crate::{LogError, Wish};

/// The group is looked at this often while standing by.
const LOOK: Duration = Duration::from_millis(100);

/// Joins: returns when the worker may work.
pub(crate) fn join(cluster: &Arc<Cluster>, spec: WorkerSpec) -> Result<KafkaWorker, LogError> {
    let place = cluster.enter(&spec.group, &spec.inputs)?;
    cluster.refresh()?;
    if spec.tables.is_empty() { join_shared(cluster, spec, place) } else { join_owner(cluster, spec, place) }
}

fn join_shared(cluster: &Arc<Cluster>, spec: WorkerSpec, place: Place) -> Result<KafkaWorker, LogError> {
    let names = &cluster.names;
    let events = Arc::<Events>::default();
    // Locals are dropped in reverse: who holds the member goes before the last hold on it.
    let (mut farewell, mut fetcher) = (None, None);
    if !spec.inputs.is_empty() {
        let mut most = 0;
        for &topic in &spec.inputs {
            most += cluster.partitions(topic)?.len();
        }
        let (last, member) = Farewell::new(member(cluster, &spec.group, &events, most)?, &spec.group);
        farewell = Some(last);
        let topics: Vec<_> = spec.inputs.iter().map(|topic| names.topic(*topic)).collect();
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        member.subscribe(&topics).map_err(|error| failed("join", &spec.group, &error))?;
        fetcher = Some(Fetcher::new(cluster, &spec, member, Arc::clone(&events)));
    }
    let id = format!("{}.{}", names.group(&spec.group), cluster.instance);
    let producers = Producers::new(&cluster.config, &id);
    let membership = if fetcher.is_some() { Membership::Shared } else { Membership::None };
    let consumer = fetcher.as_ref().map(|fetcher| Arc::clone(&fetcher.consumer));
    let committer = Committer::start(parts(cluster, &spec, 0, consumer, None), producers)?;
    *lock(&events.barrier) = Some(committer.barrier());
    Ok(assemble(cluster, spec, membership, events, fetcher, committer, None, farewell, place))
}

fn join_owner(cluster: &Arc<Cluster>, spec: WorkerSpec, place: Place) -> Result<KafkaWorker, LogError> {
    let names = &cluster.names;
    lock(&cluster.known).partitions(&names.owners())?;
    for &table in &spec.tables {
        lock(&cluster.known).partitions(&names.changelog(table))?;
    }
    let dir = cluster.state_dir(&spec.group);
    let mut store = Store::open(&dir, &spec.tables)?;
    let follower = Follower::new(cluster, &spec.group, &spec.tables)?;
    follower.start(&store)?;
    let events = Arc::<Events>::default();
    let (farewell, member) = Farewell::new(member(cluster, &spec.group, &events, 1)?, &spec.group);
    member.subscribe(&[&names.owners()]).map_err(|error| failed("join", &spec.group, &error))?;
    let waiting = Waiting { cluster, group: &spec.group, member: &member, events: &events };
    loop {
        cluster.metrics.owner.with_label_values(&[&spec.group]).set(0);
        waiting.until_owner(&follower, &mut store)?;
        let started = Instant::now();
        let Some((producers, fetcher)) = waiting.take_over(&spec, &follower, &mut store)? else {
            if waiting.is_owner() {
                tracing::warn!(group = spec.group, "the changelog is another one: reading all of it");
                store = store.emptied(&dir)?;
                follower.start(&store)?;
            }
            continue;
        };
        cluster.metrics.restore_seconds.observe(started.elapsed().as_secs_f64());
        cluster.metrics.owner.with_label_values(&[&spec.group]).set(1);
        tracing::info!(group = spec.group, seconds = started.elapsed().as_secs_f64(), "owner of the state");
        let state = (store.reader(), Arc::new(Mutex::new(store)));
        let shared_store = Some(Arc::clone(&state.1));
        let committer =
            Committer::start(parts(cluster, &spec, 0, Some(Arc::clone(&member)), shared_store), producers)?;
        *lock(&events.barrier) = Some(committer.barrier());
        let membership = Membership::Owner(member);
        let farewell = Some(farewell);
        return Ok(assemble(
            cluster,
            spec,
            membership,
            events,
            fetcher,
            committer,
            Some(state),
            farewell,
            place,
        ));
    }
}

/// Takes over a shard. Its id of transactions is its lock: whoever comes ends what was before, and finds all of it in the changelogs.
pub(crate) fn join_seat(
    cluster: &Arc<Cluster>,
    seat: &Seat,
    tables: &[Table],
) -> Result<KafkaWorker, LogError> {
    let held = Arc::clone(&seat.held);
    let group = format!("{}.{}", held.group, held.number);
    let place = cluster.enter(&group, &[])?;
    for &table in tables {
        let topic = cluster.names.changelog(table);
        let found = lock(&cluster.known).partitions(&topic)?;
        if found != held.of {
            let seats = cluster.names.seats(&held.group);
            let what = format!("it has {found} partitions, and {seats} has {}", held.of);
            return Err(LogError::TopicUnfit { topic, what });
        }
    }
    let started = Instant::now();
    let dir = cluster.state_dir(&group);
    let mut store = Store::open_one_of(held.of, &dir, tables)?;
    let mut producers = Producers::new(&cluster.config, &cluster.names.group(&group));
    while let Err(failure) = producers.get(0) {
        if let Failure::Fatal(what) = failure {
            return Err(LogError::Kafka { operation: "take over", object: group, what, transient: false });
        }
        tracing::debug!(group, cause = failure.what(), "taking over");
        producers.clear();
        held.check(&group)?;
        std::thread::sleep(LOOK);
    }
    let follower = Follower::of_shard(cluster, &group, tables, held.number)?;
    if !follower.catch_up(&mut store, &mut || held.check(&group))? {
        tracing::warn!(group, "the changelog is another one: reading all of it");
        store = store.emptied(&dir)?;
        if !follower.catch_up(&mut store, &mut || held.check(&group))? {
            let cause = "its changelog was made anew meanwhile".to_owned();
            return Err(LogError::Lost { group, cause });
        }
    }
    // It asks brokers far too often for somebody who stays.
    drop(follower);
    held.check(&group)?;
    let spec = WorkerSpec { group: group.clone(), inputs: Vec::new(), tables: tables.to_vec() };
    let state = (store.reader(), Arc::new(Mutex::new(store)));
    let shared_store = Some(Arc::clone(&state.1));
    let committer = Committer::start(parts(cluster, &spec, held.number, None, shared_store), producers)?;
    cluster.metrics.restore_seconds.observe(started.elapsed().as_secs_f64());
    cluster.metrics.owner.with_label_values(&[&group]).set(1);
    tracing::info!(group, seconds = started.elapsed().as_secs_f64(), "owner of the shard");
    let (membership, events) = (Membership::Seat(held), Arc::<Events>::default());
    Ok(assemble(cluster, spec, membership, events, None, committer, Some(state), None, place))
}

/// A member on its way to being the owner.
struct Waiting<'a> {
    cluster: &'a Arc<Cluster>,
    group: &'a str,
    member: &'a Arc<KafkaConsumer>,
    events: &'a Arc<Events>,
}

impl Waiting<'_> {
    /// Serves the membership; ends in an error when nobody waits for the worker any more.
    fn tick(&self, wait: Duration) -> Result<(), LogError> {
        if self.cluster.config.control.wish() != Wish::Run {
            return Err(LogError::Stopped { operation: "join", cause: "asked to end".to_owned() });
        }
        serve_member(self.member, self.cluster, self.group, wait)
    }

    /// True while the owners' partition is ours.
    fn is_owner(&self) -> bool {
        lock(&self.events.moved).last().is_some_and(|moved| moved.given)
    }

    /// Stands by, with the state kept warm, until it is this member's turn.
    fn until_owner(&self, follower: &Follower, store: &mut Store) -> Result<(), LogError> {
        let started = Instant::now();
        let (mut told, mut is_more) = (false, false);
        while !self.is_owner() {
            self.tick(if is_more { Duration::ZERO } else { LOOK })?;
            is_more = follower.follow(store)?;
            if !told && started.elapsed() > Duration::from_secs(2) {
                told = true;
                let owner = self.cluster.owner_of(self.group);
                let owner = owner.as_deref().unwrap_or("not known");
                let hint = self.cluster.config.standby_hint;
                tracing::warn!(
                    group = self.group,
                    owner,
                    hint,
                    "standing by: another process owns the state"
                );
            }
        }
        Ok(())
    }

    /// Ends what a predecessor left open and gets the whole state. `None` when the ownership went away meanwhile, or when the local copy
    /// belongs to another changelog.
    fn take_over(
        &self,
        spec: &WorkerSpec,
        follower: &Follower,
        store: &mut Store,
    ) -> Result<Option<(Producers, Option<Fetcher>)>, LogError> {
        let config = &self.cluster.config;
        let mut producers = Producers::new(config, &self.cluster.names.group(self.group));
        // One id for all who may own the group: whoever comes shuts out who was before.
        while let Err(failure) = producers.get(0) {
            if let Failure::Fatal(what) = failure {
                let object = self.group.to_owned();
                return Err(LogError::Kafka { operation: "take over", object, what, transient: false });
            }
            tracing::debug!(group = self.group, cause = failure.what(), "taking over");
            producers.clear();
            self.tick(LOOK)?;
            if !self.is_owner() {
                return Ok(None);
            }
        }
        let fetcher = self.fetcher(spec)?;
        let mut is_owner = true;
        let caught_up = follower.catch_up(store, &mut || {
            is_owner = is_owner && self.is_owner();
            self.tick(Duration::ZERO)
        })?;
        Ok((caught_up && is_owner && self.is_owner()).then_some((producers, fetcher)))
    }

    /// Reads every partition of the inputs from the group's positions on.
    fn fetcher(&self, spec: &WorkerSpec) -> Result<Option<Fetcher>, LogError> {
        if spec.inputs.is_empty() {
            return Ok(None);
        }
        let (config, names) = (&self.cluster.config, &self.cluster.names);
        let events = Arc::<Events>::default();
        let mut all: Vec<(Topic, u32)> = Vec::new();
        for &topic in &spec.inputs {
            all.extend(self.cluster.partitions(topic)?);
        }
        let settings = client::consumer(config, &names.group(&spec.group), all.len());
        let consumer: KafkaConsumer = settings
            .create_with_context(Context(Arc::clone(&events)))
            .map_err(|error| failed("read", &spec.group, &error))?;
        let consumer = Arc::new(consumer);
        let mut fetcher = Fetcher::new(self.cluster, spec, Arc::clone(&consumer), events);
        // Every transaction that moved these positions was one of our two ids, and those have just been ended: nothing is pending. Asking
        // for stable positions would wait for ever where a broker that was killed holds on to offsets of a transaction that is over.
        let mut settings = settings;
        settings.set("isolation.level", "read_uncommitted");
        let positions: KafkaConsumer = settings
            .create_with_context(Context::default())
            .map_err(|error| failed("read", &spec.group, &error))?;
        let starts = committed(&positions, names, &all)?;
        let mut list = TopicPartitionList::new();
        for &(topic, partition, next) in &starts {
            list.add_partition_offset(&names.topic(topic), partition.cast_signed(), start_offset(next))
                .map_err(|error| failed("read", topic.name(), &error))?;
        }
        consumer.assign(&list).map_err(|error| failed("read", &spec.group, &error))?;
        fetcher.add(&starts)?;
        Ok(Some(fetcher))
    }
}

pub(crate) fn member(
    cluster: &Cluster,
    group: &str,
    events: &Arc<Events>,
    partitions: usize,
) -> Result<KafkaConsumer, LogError> {
    let (config, name) = (&cluster.config, cluster.names.group(group));
    let settings = client::member(config, &name, &cluster.instance, partitions);
    settings.create_with_context(Context(Arc::clone(events))).map_err(|error| failed("join", group, &error))
}

fn parts(
    cluster: &Arc<Cluster>,
    spec: &WorkerSpec,
    shard: u32,
    member: Option<Arc<KafkaConsumer>>,
    store: Option<Arc<Mutex<Store>>>,
) -> Parts {
    Parts {
        config: cluster.config.clone(),
        names: cluster.names.clone(),
        tables: spec.tables.clone(),
        shard,
        member,
        store,
        metrics: cluster.metrics.clone(),
    }
}

#[expect(clippy::too_many_arguments, reason = "puts the parts of one struct together, in one place")]
fn assemble(
    cluster: &Arc<Cluster>,
    spec: WorkerSpec,
    membership: Membership,
    events: Arc<Events>,
    fetcher: Option<Fetcher>,
    committer: Committer,
    state: Option<(crate::embedded::state::StateStore, Arc<Mutex<Store>>)>,
    farewell: Option<Farewell>,
    place: Place,
) -> KafkaWorker {
    KafkaWorker {
        committer,
        cluster: Arc::clone(cluster),
        spec,
        membership,
        events,
        fetcher,
        state,
        overlay: Overlay::default(),
        last_ticket: 0,
        must_rewind: false,
        lost: None,
        last_lag: Instant::now(),
        _farewell: farewell,
        stalls: Stalls::new(cluster.config.session_timeout),
        _place: place,
    }
}
