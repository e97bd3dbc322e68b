//! The workers of each role: what they join as, and what they do then.

use std::sync::Arc;

use barid_log::{Control, Log, Worker, WorkerSpec};
use barid_record::Topic;
use barid_watcher::feeds::FeedMetrics;
use prometheus::Registry;

use super::Role;
use crate::config::Config;
use crate::error::CliError;
use crate::run::{RunError, now_ms};
use crate::settings;

type Work<'a> = Box<dyn Fn(&dyn Log, Box<dyn Worker>) -> Result<(), RunError> + Send + Sync + 'a>;

/// One worker of a role.
pub(super) struct Part<'a> {
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
) -> Result<Vec<Part<'a>>, CliError> {
    Ok(match role {
        Role::Watch => sources(config, registry, control)?,
        Role::Stage => stage(config, registry, control)?.into(),
        Role::Sink => vec![sink(config, registry, control)?],
        Role::Web => Vec::new(),
    })
}

/// Folders, feeds, or both.
fn sources<'a>(
    config: &Config,
    registry: &Registry,
    control: &'a Control,
) -> Result<Vec<Part<'a>>, CliError> {
    let mut parts = Vec::new();
    if !config.files.is_empty() {
        parts.push(watch(config, registry, control)?);
    }
    if config.feeds.is_used() {
        parts.push(poll(config, registry, control)?);
    }
    Ok(parts)
}

fn poll<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<Part<'a>, CliError> {
    let metrics = FeedMetrics::register(registry).map_err(RunError::from)?;
    let config = settings::feeds(config)?;
    let work = move |_: &dyn Log, worker| {
        let done = barid_watcher::feeds::run(&config, worker, &metrics, Arc::new(now_ms), control, &|_| ())?;
        tracing::info!(polls = done.polls, documents = done.documents, "the poller has ended");
        Ok(())
    };
    Ok(Part { spec: barid_watcher::feeds::worker_spec(), work: Box::new(work) })
}

fn watch<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<Part<'a>, RunError> {
    let metrics = barid_watcher::Metrics::register(registry)?;
    let config = settings::watcher(config);
    let work = move |_: &dyn Log, worker| {
        let summary = barid_watcher::run(&config, worker, &metrics, now_ms, control, &|_| ())?;
        tracing::info!(documents = summary.documents, rejected = summary.rejected, "the watcher has ended");
        Ok(())
    };
    Ok(Part { spec: barid_watcher::worker_spec(), work: Box::new(work) })
}

fn stage<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<[Part<'a>; 2], RunError> {
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
        Part { spec: barid_stage::parse_spec(), work: Box::new(parse) },
        Part { spec: barid_stage::decide_spec(), work: Box::new(decide) },
    ])
}

fn sink<'a>(config: &Config, registry: &Registry, control: &'a Control) -> Result<Part<'a>, RunError> {
    let metrics = barid_sink::Metrics::register(registry)?;
    let config = settings::sink(config);
    let work = move |log: &dyn Log, worker| {
        let end = |partition| log.end(Topic::Records, partition);
        let done = barid_sink::run(&config, worker, &end, &metrics, control)?;
        tracing::info!(records = done.records, files = done.files, "the sink has ended");
        Ok(())
    };
    Ok(Part { spec: barid_sink::spec(), work: Box::new(work) })
}
