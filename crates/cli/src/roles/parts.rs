//! The workers of each role: what they join as, and what they do then.

use std::sync::Arc;

use barid_log::{Control, Log, Seat, Worker, WorkerSpec};
use barid_record::Topic;
use barid_watcher::feeds::{self, Common, FeedMetrics, Shard};
use prometheus::Registry;

use super::Role;
use super::shared::Shared;
use crate::config::Config;
use crate::error::CliError;
use crate::run::{RunError, now_ms};
use crate::settings;

type Work<'a> = Box<dyn Fn(&dyn Log, Box<dyn Worker>) -> Result<(), RunError> + Send + Sync + 'a>;

/// One worker of a role.
pub(super) enum Part<'a> {
    /// One that has its group's work, or stands by, or shares partitions.
    Alone(Alone<'a>),
    /// One that has shards of it.
    Shared(Shared<'a>),
}

impl Part<'_> {
    /// The group it joins.
    pub(super) fn group(&self) -> &str {
        match self {
            Self::Alone(alone) => &alone.spec.group,
            Self::Shared(shared) => shared.group,
        }
    }
}

/// The workers of a role.
pub(super) struct Parts<'a>(pub(super) Vec<Part<'a>>);

impl Parts<'_> {
    /// The groups they join.
    pub(super) fn groups(&self) -> Vec<&str> {
        self.0.iter().map(Part::group).collect()
    }
}

/// A worker and what it joins as.
pub(super) struct Alone<'a> {
    /// What it joins as.
    pub(super) spec: WorkerSpec,
    /// What it does once it has joined; may be done again after a loss.
    pub(super) work: Work<'a>,
}

/// The workers of a role, with their metrics registered.
pub(super) fn of<'a>(
    role: Role,
    config: &'a Config,
    registry: &Registry,
    control: &'a Control,
) -> Result<Parts<'a>, CliError> {
    Ok(Parts(match role {
        Role::Watch => sources(config, registry, control)?,
        Role::Stage => stage(config, registry, control)?.map(Part::Alone).into(),
        Role::Sink => vec![Part::Alone(sink(config, registry, control)?)],
        Role::Web => Vec::new(),
    }))
}

/// Folders, feeds, or both.
fn sources<'a>(
    config: &Config,
    registry: &Registry,
    control: &'a Control,
) -> Result<Vec<Part<'a>>, CliError> {
    let mut parts = Vec::new();
    if !config.files.is_empty() {
        parts.push(Part::Alone(watch(config, registry, control)?));
    }
    if config.feeds.is_used() {
        parts.push(poll(config, registry)?);
    }
    Ok(parts)
}

/// Every process has shards of the feeds, and all of them the same network.
fn poll<'a>(config: &Config, registry: &Registry) -> Result<Part<'a>, CliError> {
    let metrics = FeedMetrics::register(registry).map_err(RunError::from)?;
    let config = settings::feeds(config)?;
    let common = Common::new(&config, now_ms()).map_err(RunError::from)?;
    let hold = move |seat: &Seat, worker| {
        let shard = Shard { number: seat.number(), of: seat.count() };
        let (clock, control) = (Arc::new(now_ms), seat.control());
        let done = feeds::run_shard(&common, shard, &config, worker, &metrics, clock, control, &|_| ())?;
        tracing::info!(
            shard = shard.number,
            polls = done.polls,
            documents = done.documents,
            "the poller has ended"
        );
        Ok(())
    };
    Ok(Part::Shared(Shared {
        group: feeds::GROUP,
        tables: feeds::worker_spec().tables,
        hold: Box::new(hold),
    }))
}

fn watch<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<Alone<'a>, RunError> {
    let metrics = barid_watcher::Metrics::register(registry)?;
    let config = settings::watcher(config);
    let work = move |_: &dyn Log, worker| {
        let summary = barid_watcher::run(&config, worker, &metrics, now_ms, control, &|_| ())?;
        tracing::info!(documents = summary.documents, rejected = summary.rejected, "the watcher has ended");
        Ok(())
    };
    Ok(Alone { spec: barid_watcher::worker_spec(), work: Box::new(work) })
}

fn stage<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<[Alone<'a>; 2], RunError> {
    let metrics = barid_stage::Metrics::register(registry)?;
    let config = settings::stage(config);
    let for_deciding = metrics.clone();
    let parse = move |_: &dyn Log, worker| {
        let done = barid_stage::run_parse(&config, worker, &metrics, &now_ms, control, &|_| ())?;
        tracing::info!(documents = done.documents, "parsing has ended");
        Ok(())
    };
    let decide = move |_: &dyn Log, worker| {
        let done = barid_stage::run_decide(&config, worker, &for_deciding, &now_ms, control, &|_| ())?;
        tracing::info!(records = done.records, "deciding has ended");
        Ok(())
    };
    Ok([
        Alone { spec: barid_stage::parse_spec(), work: Box::new(parse) },
        Alone { spec: barid_stage::decide_spec(), work: Box::new(decide) },
    ])
}

fn sink<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<Alone<'a>, RunError> {
    let metrics = barid_sink::Metrics::register(registry)?;
    let config = settings::sink(config);
    let work = move |log: &dyn Log, worker| {
        let end = |partition| log.end(Topic::Records, partition);
        let done = barid_sink::run(&config, worker, &end, &metrics, control)?;
        tracing::info!(records = done.records, files = done.files, "the sink has ended");
        Ok(())
    };
    Ok(Alone { spec: barid_sink::spec(), work: Box::new(work) })
}
