//! `barid run`: the whole pipeline in one process.
//!
//! ```text
//! watcher thread --+
//! feeds thread ----+--barid.raw--> stage thread --barid.records--> sink thread        one embedded log between them
//! ```
//!
//! An orderly end goes down the line: the watcher ends first, then the stage has everything, then the sink. If one of them fails, all
//! stop; what is committed is durable, and the next start goes on from there.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_log::{Control, Embedded, EmbeddedConfig, Log, LogError, Wish};
use barid_record::{Reason, Topic};
use barid_sink::{JsonlConfig, SinkError};
use barid_stage::StageError;
use barid_watcher::WatcherError;
use barid_watcher::feeds::{FeedMetrics, FeedsConfig, FeedsSummary};
use barid_web::{BuildInfo, Health};
use prometheus::Registry;

use crate::args::Global;
use crate::config::{Config, Loaded};
use crate::error::CliError;
use crate::progress::{self, Progress, Totals};
use crate::settings;
use crate::signals::{self, STOP_LIMIT};
use crate::summary::Summary;
use crate::telemetry;

/// What can stop a run once it has started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// The watcher failed.
    #[error(transparent)]
    Watcher(#[from] WatcherError),
    /// The stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A metric could not be registered, or a thread panicked: a fault of ours.
    #[error("{what}: this is a fault in barid, please report it with the log lines before")]
    Fault {
        /// What happened.
        what: String,
    },
}

impl RunError {
    /// The log's failure, if that is what it is.
    pub(crate) fn log_error(&self) -> Option<&LogError> {
        match self {
            Self::Watcher(WatcherError::Log { source, .. }) => Some(source),
            Self::Stage(StageError::Log(error)) | Self::Sink(SinkError::Log(error)) => Some(error),
            Self::Watcher(_) | Self::Stage(_) | Self::Sink(_) | Self::Fault { .. } => None,
        }
    }

    /// The stable code; `barid explain <code>` tells more.
    pub(crate) fn code(&self) -> &'static str {
        if let Some(error) = self.log_error() {
            return error.code();
        }
        match self {
            Self::Watcher(error) => error.code(),
            Self::Stage(_) => "E0501",
            Self::Sink(_) => "E0502",
            Self::Fault { .. } => "E0701",
        }
    }

    /// What to do about it, where the message does not say it already.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Watcher(WatcherError::Log { source, .. }) => Some(source.hint()),
            Self::Watcher(_) | Self::Fault { .. } => None,
            Self::Stage(error) => Some(error.hint()),
            Self::Sink(error) => Some(error.hint()),
        }
    }
}

/// Runs the pipeline until a signal, or with `once` until the folders are drained; so long it waits then for space on a full disk.
pub(crate) fn run(loaded: &Loaded, once: Option<Duration>, global: &Global) -> Result<ExitCode, CliError> {
    let started = Instant::now();
    let (config, patience, once) = (&loaded.config, once, once.is_some());
    let bars = progress::bars();
    telemetry::start(&config.telemetry, global, &bars);
    telemetry::tell_warnings(loaded);
    if config.kafka.brokers.is_some() {
        tracing::info!("[kafka] is not used: `barid run` works on the embedded log");
    }
    let registry = Registry::new();
    barid_web::register_process(&registry, &BUILD)?;
    let embedded = EmbeddedConfig { space_patience: patience, ..settings::embedded(config) };
    let log = Arc::new(Embedded::open(embedded, &registry)?);
    let has_feeds = config.feeds.is_used();
    let controls = Controls {
        loops: LOOPS + usize::from(has_feeds),
        sources: Arc::new(AtomicUsize::new(1 + usize::from(has_feeds))),
        ..Controls::default()
    };
    let stopping = controls.clone();
    signals::watch(STOP_LIMIT, move || stopping.drain_then_stop())?;
    let server = match config.web.listen {
        Some(listen) if !once || config.web.chosen => {
            let shown = registry.clone();
            let metrics = move || shown.gather();
            Some(barid_web::serve(listen, metrics, health(Arc::clone(&log), controls.clone()))?)
        }
        Some(_) | None => None,
    };
    if once {
        controls.watcher.ask(Wish::Drain);
        controls.feeds.ask(Wish::Drain);
    }
    let progress = Progress::new(&bars, once);
    let pipeline = Pipeline {
        config,
        log: log.as_ref(),
        registry: &registry,
        controls: &controls,
        progress: &progress,
        patience,
    };
    let result = pipeline.run();
    progress.finish();
    let unfinished = if once { unfinished(&result, log.as_ref(), &controls, patience) } else { None };
    if let Some(server) = server {
        server.stop();
    }
    let mut summary = match (result, &unfinished) {
        (Ok(summary), _) => summary,
        (Err(_), Some(why)) => return Err(CliError::Unfinished { why: why.clone() }),
        (Err(error), None) => return Err(error),
    };
    // Whoever held the log beside us (the readiness probe) is gone: the last owner drains and checkpoints it.
    if let Ok(log) = Arc::try_unwrap(log).map_err(drop) {
        log.close()?;
    }
    summary.duration = started.elapsed();
    summary.tell()?;
    match unfinished {
        Some(why) => Err(CliError::Unfinished { why }),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Why a run that should end by itself has not done all it should.
fn unfinished(
    result: &Result<Summary, CliError>,
    log: &Embedded,
    controls: &Controls,
    patience: Option<Duration>,
) -> Option<String> {
    let status = log.status().ok()?;
    match result {
        Ok(summary) => {
            let waits = status.lags.iter().any(|lag| lag.messages > 0) || summary.unaccounted() > 0;
            let was_cut = controls.interrupted.load(Ordering::Acquire);
            let was_reading = controls.interrupted_reading.load(Ordering::Acquire);
            (was_reading || was_cut && waits).then(|| "it was interrupted".to_owned())
        }
        Err(error) => {
            let sinks = matches!(error, CliError::Run(RunError::Sink(error)) if error.is_storage_full());
            let waited = patience.unwrap_or_default().as_secs();
            (sinks || status.storage_full).then(|| format!("the disk stayed full for {waited} s: {error}"))
        }
    }
}

/// What this binary was made of.
pub(crate) const BUILD: BuildInfo<'static> = BuildInfo {
    version: env!("CARGO_PKG_VERSION"),
    commit: match option_env!("BUILD_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    },
    rustc: env!("BUILD_RUSTC"),
};

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX).saturating_add(clock_ahead_ms())
}

/// Only the build that tests kill has another clock than the system's: a killed poller may not ask again for an hour, and a test cannot wait for that.
#[cfg(feature = "failpoints")]
fn clock_ahead_ms() -> i64 {
    static AHEAD: std::sync::LazyLock<i64> = std::sync::LazyLock::new(|| {
        let seconds = std::env::var("BARID_CLOCK_AHEAD_SECONDS").ok().and_then(|text| text.parse().ok());
        seconds.unwrap_or(0_i64).saturating_mul(1000)
    });
    // One that moves under processes that run: they look into a file.
    static FILE: std::sync::LazyLock<Option<std::ffi::OsString>> =
        std::sync::LazyLock::new(|| std::env::var_os("BARID_CLOCK_AHEAD_FILE"));
    let said = FILE.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    let seconds = said.and_then(|text| text.trim().parse::<i64>().ok());
    seconds.map_or(*AHEAD, |seconds| seconds.saturating_mul(1000))
}

#[cfg(not(feature = "failpoints"))]
fn clock_ahead_ms() -> i64 {
    0
}

/// What each loop is asked to do, and how many of them run.
#[derive(Debug, Clone, Default)]
struct Controls {
    watcher: Control,
    feeds: Control,
    stage: Control,
    sink: Control,
    running: Arc<AtomicUsize>,
    /// Loops that bring documents and have not ended.
    sources: Arc<AtomicUsize>,
    /// How many should run.
    loops: usize,
    /// Told to end before it ended by itself.
    interrupted: Arc<AtomicBool>,
    /// The same, while documents were still being read.
    interrupted_reading: Arc<AtomicBool>,
}

/// The watcher, the stage and the sink.
const LOOPS: usize = 3;

/// The part of the limit that an orderly end spends on draining; the rest is for finishing what is in hand.
const DRAIN_LIMIT: Duration = STOP_LIMIT.saturating_sub(Duration::from_secs(15));

impl Controls {
    /// The watcher ends now, and everything down the line has what it found; after the limit all stop where they are, with the rest
    /// left in the log for the next run.
    fn drain_then_stop(self) {
        self.interrupted.store(self.running.load(Ordering::Acquire) > 0, Ordering::Release);
        self.interrupted_reading.store(self.sources.load(Ordering::Acquire) > 0, Ordering::Release);
        self.watcher.ask(Wish::Stop);
        self.feeds.ask(Wish::Stop);
        std::thread::spawn(move || {
            std::thread::sleep(DRAIN_LIMIT);
            self.stop_all();
        });
    }

    /// One of those that bring documents has ended well: after the last one the stage may drain.
    fn source_ended(&self) {
        if self.sources.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.stage.ask(Wish::Drain);
        }
    }

    fn stop_all(&self) {
        for control in [&self.watcher, &self.feeds, &self.stage, &self.sink] {
            control.ask(Wish::Stop);
        }
    }
}

/// Ready means: every loop runs and the disk takes what they write.
fn health(log: Arc<Embedded>, controls: Controls) -> impl Fn() -> Health + Send + Sync + 'static {
    move || {
        let mut problems = Vec::new();
        let running = controls.running.load(Ordering::Acquire);
        let loops = controls.loops;
        if running < loops {
            let feeds = if loops > LOOPS { "feeds, " } else { "" };
            problems.push(format!("{running} of {loops} loops (watcher, {feeds}stage, sink) run"));
        }
        match log.status() {
            Ok(status) if status.storage_full => problems.push("the disk of data_dir is full".to_owned()),
            Ok(_) => {}
            Err(error) => problems.push(error.to_string()),
        }
        Health { problems }
    }
}

/// What the three threads share.
struct Pipeline<'a> {
    config: &'a Config,
    log: &'a Embedded,
    registry: &'a Registry,
    controls: &'a Controls,
    progress: &'a Progress,
    /// How long a full disk is waited for; none waits as long as it takes.
    patience: Option<Duration>,
}

impl Pipeline<'_> {
    fn run(&self) -> Result<Summary, CliError> {
        let watcher_metrics = barid_watcher::Metrics::register(self.registry).map_err(RunError::from)?;
        let stage_metrics = barid_stage::Metrics::register(self.registry).map_err(RunError::from)?;
        let sink_metrics = barid_sink::Metrics::register(self.registry).map_err(RunError::from)?;
        let feeds = self.config.feeds.is_used().then(|| settings::feeds(self.config)).transpose()?;
        let feed_metrics = feeds.as_ref().map(|_| FeedMetrics::register(self.registry)).transpose();
        let feed_metrics = feed_metrics.map_err(RunError::from)?;
        let totals = Mutex::new(Totals::default());
        let controls = self.controls;
        let (watched, polled, staged, sunk) = std::thread::scope(|scope| {
            let ended = || controls.source_ended();
            let watcher = spawn(scope, "watcher", controls, ended, || self.watch(&watcher_metrics, &totals))?;
            let poller = match feeds.as_ref().zip(feed_metrics.as_ref()) {
                Some((feeds, metrics)) => {
                    Some(spawn(scope, "feeds", controls, ended, || self.poll(feeds, metrics, &totals))?)
                }
                None => None,
            };
            let drain_sink = || controls.sink.ask(Wish::Drain);
            let stage = spawn(scope, "stage", controls, drain_sink, || self.stage(&stage_metrics, &totals))?;
            let sink = spawn(scope, "sink", controls, drain_sink, || self.sink(&sink_metrics))?;
            let polled = poller.map_or(Ok(FeedsSummary::default()), |poller| joined(poller.join()));
            Ok::<_, CliError>((joined(watcher.join()), polled, joined(stage.join()), joined(sink.join())))
        })?;
        // The sink's and the stage's failures come first: they are what stopped the others.
        let sunk = sunk?;
        let staged = staged?;
        watched?;
        let polled = polled?;
        let mut summary = Summary {
            documents: staged.documents,
            bytes: staged.bytes,
            verdicts: staged.verdicts,
            related: staged.related,
            records: sunk.records,
            files: sunk.files,
            records_dir: self.config.jsonl.dir.clone(),
            rejected: staged.rejected.into_iter().collect(),
            ..Summary::default()
        };
        for reason in Reason::ALL {
            let count = watcher_metrics.rejected_for(reason);
            if count > 0 {
                summary.documents += count;
                *summary.rejected.entry(reason.code()).or_default() += count;
            }
        }
        for (reason, count) in [(Reason::BadFeed, polled.unreadable), (Reason::TooLarge, polled.too_large)] {
            if count > 0 {
                summary.documents += count;
                *summary.rejected.entry(reason.code()).or_default() += count;
            }
        }
        Ok(summary)
    }

    fn poll(
        &self,
        config: &FeedsConfig,
        metrics: &FeedMetrics,
        totals: &Mutex<Totals>,
    ) -> Result<FeedsSummary, CliError> {
        let worker = self.log.worker(barid_watcher::feeds::worker_spec())?;
        let told = |told: FeedsSummary| {
            self.show(totals, |totals| totals.entries_found = told.documents);
        };
        let control = &self.controls.feeds;
        Ok(barid_watcher::feeds::run(config, worker, metrics, Arc::new(now_ms), control, &told)
            .map_err(RunError::from)?)
    }

    fn watch(
        &self,
        metrics: &barid_watcher::Metrics,
        totals: &Mutex<Totals>,
    ) -> Result<barid_watcher::Summary, CliError> {
        let worker = self.log.worker(barid_watcher::worker_spec())?;
        let told = |told: barid_watcher::Progress| {
            self.show(totals, |totals| totals.files_found = told.counts.documents);
        };
        let config = settings::watcher(self.config);
        Ok(barid_watcher::run(&config, worker, metrics, now_ms, &self.controls.watcher, &told)
            .map_err(RunError::from)?)
    }

    fn stage(
        &self,
        metrics: &barid_stage::Metrics,
        totals: &Mutex<Totals>,
    ) -> Result<barid_stage::Summary, CliError> {
        let worker = self.log.worker(barid_stage::spec())?;
        let told = |summary: &barid_stage::Summary| {
            self.show(totals, |totals| {
                totals.documents_done = summary.documents;
                totals.bytes_done = summary.bytes;
                totals.records = summary.records;
                totals.rejected = summary.rejected.values().sum();
            });
        };
        let config = settings::stage(self.config);
        Ok(barid_stage::run(&config, worker, metrics, &now_ms, &self.controls.stage, &told)
            .map_err(RunError::from)?)
    }

    fn sink(&self, metrics: &barid_sink::Metrics) -> Result<barid_sink::Summary, CliError> {
        let worker = self.log.worker(barid_sink::spec())?;
        let log_end = |partition| self.log.end(Topic::Records, partition);
        let config = JsonlConfig { space_patience: self.patience, ..settings::sink(self.config) };
        Ok(barid_sink::run(&config, worker, &log_end, metrics, &self.controls.sink)
            .map_err(RunError::from)?)
    }

    fn show(&self, totals: &Mutex<Totals>, change: impl FnOnce(&mut Totals)) {
        let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut totals);
        self.progress.show(&totals);
    }
}

type Handle<'scope, T> = std::thread::ScopedJoinHandle<'scope, Result<T, CliError>>;

/// Starts one loop. When it ends well, the next one down the line may drain; when it fails or panics, everything stops.
fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: &'static str,
    controls: &'scope Controls,
    next: impl FnOnce() + Send + 'scope,
    body: impl FnOnce() -> Result<T, CliError> + Send + 'scope,
) -> Result<Handle<'scope, T>, CliError> {
    let thread = move || {
        let mut end = End { controls, well: false };
        controls.running.fetch_add(1, Ordering::AcqRel);
        let result = body();
        match &result {
            Ok(_) => {
                end.well = true;
                next();
            }
            Err(error) => tracing::error!(%error, "the {name} failed: stopping"),
        }
        result
    };
    std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, thread).map_err(|source| {
        controls.stop_all();
        CliError::System { operation: "start a thread", source }
    })
}

/// Stops everything unless told that all went well: also when its thread unwinds.
struct End<'a> {
    controls: &'a Controls,
    well: bool,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.controls.running.fetch_sub(1, Ordering::AcqRel);
        if !self.well {
            self.controls.stop_all();
        }
    }
}

/// A thread's result; a panic is a fault of ours.
pub(crate) fn joined<T>(result: std::thread::Result<Result<T, CliError>>) -> Result<T, CliError> {
    result.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(RunError::Fault { what: said.unwrap_or_else(|| "a thread panicked".to_owned()) }.into())
    })
}
