//! `barid watch`, `stage`, `sink` and `web`: one role a process, on Kafka, any number of each.
//!
//! ```text
//! brokers answer? --> join the group (stand by while another one owns it) --> work --+--> stopped: commit what is in hand, exit 0
//!        ^                       ^                                                   +--> lost, or brokers away: pause, join again
//!        +-- wait                +---------------------------------------------------+--> anything else: exit with its code
//! ```
//!
//! Nothing is lost by joining again: what was not committed comes again, to this process or to another one.

mod attend;
mod monitor;
mod parts;
mod shared;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use barid_log::{Control, Kafka, KafkaConfig, Log, LogError, Wish};
use barid_web::{ClusterMetrics, Server, Workers};
use prometheus::Registry;
use prometheus::proto::MetricFamily;

use self::attend::attend;
use self::monitor::Monitor;
use self::parts::{Part, Parts};
use crate::args::Global;
use crate::config::{Loaded, is_same_listener};
use crate::error::CliError;
use crate::run::{BUILD, RunError, joined};
use crate::signals::{self, STOP_LIMIT};
use crate::{progress, settings, telemetry};

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Folders to `barid.raw` and `barid.backfill`.
    Watch,
    /// Raw documents to records.
    Stage,
    /// Records to files.
    Sink,
    /// Metrics and probes of the cluster.
    Web,
}

impl Role {
    /// The command's name, and that of its folder below `data_dir`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Stage => "stage",
            Self::Sink => "sink",
            Self::Web => "web",
        }
    }
}

/// Runs a role until a signal, or until it cannot go on.
pub(crate) fn run(
    role: Role,
    loaded: &Loaded,
    listen: Option<SocketAddr>,
    global: &Global,
) -> Result<ExitCode, CliError> {
    let config = &loaded.config;
    let brokers = loaded.brokers()?;
    let listen = address(role, loaded, listen)?;
    if let (Role::Watch, Some(listen), Some(hubs)) = (role, listen, &config.feeds.websub)
        && is_same_listener(listen, hubs.listen)
    {
        let expected = "free: `feeds.websub.listen` is the same address".to_owned();
        return Err(CliError::Argument { object: "listen", value: listen.to_string(), expected });
    }
    telemetry::start(&config.telemetry, global, &progress::bars());
    telemetry::tell_warnings(loaded);
    let control = Control::default();
    let stopping = control.clone();
    signals::watch(STOP_LIMIT, move || stopping.ask(Wish::Stop))?;
    let kafka = settings::kafka(config, brokers, role.name(), control.clone());
    let registry = Registry::new();
    barid_web::register_process(&registry, &BUILD)?;
    let parts = parts::of(role, config, &registry, &control)?;
    let groups = parts.groups();
    let workers = Workers::register(&registry, &groups)?;
    let cluster = match role {
        Role::Web => Some(ClusterMetrics::register(&registry)?),
        Role::Watch | Role::Stage | Role::Sink => None,
    };
    let monitor = Arc::new(Monitor::new(cluster));
    // The log's metrics come with the log, which may take a while.
    let of_log = Arc::new(OnceLock::new());
    let (ours, late) = (registry.clone(), Arc::clone(&of_log));
    let metrics = move || {
        let late = late.get().map(Registry::gather);
        ours.gather().into_iter().chain(late.into_iter().flatten()).collect()
    };
    let server = serve(listen, metrics, &workers, &monitor)?;
    let result = match open(&kafka, &control)? {
        Some((log, metrics)) => {
            let log = Arc::new(log);
            of_log.get_or_init(|| metrics);
            if server.is_some() {
                let log: Arc<dyn Log> = Arc::<Kafka>::clone(&log);
                monitor.start(&log, &control)?;
            }
            work(&parts, &log, &control, &workers)
        }
        None => Ok(()),
    };
    if let Some(server) = server {
        server.stop();
    }
    result?;
    tracing::info!(role = role.name(), "stopped");
    Ok(ExitCode::SUCCESS)
}

/// Where to serve: what the command line says, else the configuration's choice. The default port is nobody's choice: several roles share
/// one file on one machine, and it must not make the second one fail. Only `barid web` takes it, which is there to serve.
fn address(role: Role, loaded: &Loaded, listen: Option<SocketAddr>) -> Result<Option<SocketAddr>, CliError> {
    let web = &loaded.config.web;
    if listen.is_some() {
        return Ok(listen);
    }
    match role {
        Role::Web if web.listen.is_none() => Err(CliError::Argument {
            object: "web.listen",
            value: String::new(),
            expected: "an address; `barid web` serves nothing without one: see --listen".to_owned(),
        }),
        Role::Web => Ok(web.listen),
        Role::Watch | Role::Stage | Role::Sink => Ok(web.listen.filter(|_| web.chosen)),
    }
}

fn serve(
    listen: Option<SocketAddr>,
    metrics: impl Fn() -> Vec<MetricFamily> + Send + Sync + 'static,
    workers: &Workers,
    monitor: &Arc<Monitor>,
) -> Result<Option<Server>, CliError> {
    let Some(listen) = listen else {
        tracing::info!("serving no metrics: --listen or [web] listen would say where");
        return Ok(None);
    };
    let (workers, monitor) = (workers.clone(), Arc::clone(monitor));
    Ok(Some(barid_web::serve(listen, metrics, move || monitor.health(&workers))?))
}

/// Between two attempts to reach the brokers.
const OPEN_PAUSE: Duration = Duration::from_secs(1);
/// Trouble that goes on is said this often.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Connects, and waits for brokers as long as it takes; the log comes with its metrics. `None` when told to stop before they came.
fn open(config: &KafkaConfig, control: &Control) -> Result<Option<(Kafka, Registry)>, CliError> {
    tracing::info!(brokers = config.brokers, "connecting to Kafka");
    let mut said: Option<Instant> = None;
    loop {
        match attempt(config.clone(), control)? {
            None => return Ok(None),
            Some(Ok(opened)) => return Ok(Some(opened)),
            Some(Err(error)) if !error.is_transient() => return Err(error.into()),
            Some(Err(error)) => {
                if said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
                    tracing::warn!(%error, code = error.code(), "waiting for Kafka");
                    said = Some(Instant::now());
                }
            }
        }
        if pause(OPEN_PAUSE, control) > Wish::Run {
            return Ok(None);
        }
    }
}

/// A log with its metrics, or why not.
type Opened = Result<(Kafka, Registry), LogError>;

/// Tries once. The client asks for seconds before it says that nobody answers: an end does not wait for that, the thread is left behind.
fn attempt(config: KafkaConfig, control: &Control) -> Result<Option<Opened>, CliError> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let body = move || {
        // It goes to whoever serves, once there is a log.
        let registry = Registry::new();
        // Nobody listens any more when all stop.
        let _ = sender.send(Kafka::open(config, &registry).map(|kafka| (kafka, registry)));
    };
    let spawned = std::thread::Builder::new().name("connect".to_owned()).spawn(body);
    spawned.map_err(|source| CliError::System { operation: "start a thread", source })?;
    while control.wish() == Wish::Run {
        match receiver.recv_timeout(TICK) {
            Ok(opened) => return Ok(Some(opened)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let what = "connecting to Kafka panicked".to_owned();
                return Err(RunError::Fault { what }.into());
            }
        }
    }
    Ok(None)
}

/// The wish is looked at this often.
const TICK: Duration = Duration::from_millis(50);

/// Sleeps, but not beyond the wish to end. Returns the wish.
fn pause(length: Duration, control: &Control) -> Wish {
    let end = Instant::now() + length;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let wish = control.wish();
        if left.is_zero() || wish > Wish::Run {
            return wish;
        }
        std::thread::sleep(left.min(TICK));
    }
}

/// Attends to every worker on a thread of its own, until all have ended. When one cannot go on, all stop.
fn work(parts: &Parts<'_>, log: &Kafka, control: &Control, workers: &Workers) -> Result<(), CliError> {
    if parts.0.is_empty() {
        while pause(Duration::from_secs(3600), control) == Wish::Run {}
        return Ok(());
    }
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for part in &parts.0 {
            let group = part.group();
            let body = move || {
                let mut end = End { control, well: false };
                let result = match part {
                    Part::Alone(alone) => attend(alone, log, control, workers),
                    Part::Shared(shared) => shared::attend(shared, log, control, workers),
                };
                if let Err(error) = &result {
                    tracing::error!(%error, worker = group, "cannot go on: stopping");
                }
                end.well = result.is_ok();
                result
            };
            let thread = std::thread::Builder::new().name(group.to_owned());
            let spawned = thread.spawn_scoped(scope, body).map_err(|source| {
                control.ask(Wish::Stop);
                CliError::System { operation: "start a thread", source }
            })?;
            threads.push(spawned);
        }
        // Every thread is waited for; the first failure is what this process ends with.
        let results: Vec<_> = threads.into_iter().map(|thread| joined(thread.join())).collect();
        results.into_iter().collect()
    })
}

/// Stops the other workers unless told that all went well: also when its thread unwinds.
struct End<'a> {
    control: &'a Control,
    well: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if !self.well {
            self.control.ask(Wish::Stop);
        }
    }
}

/// Whether joining again may help.
fn may_join_again(error: &CliError) -> bool {
    error.log_error().is_some_and(LogError::is_transient)
}
