//! One worker's life: join, work, and join again after a loss or while brokers are away.

use std::time::{Duration, Instant};

use barid_log::{Control, Log, LogError, Wish};
use barid_web::{Activity, Workers};

use super::parts::Alone;
use super::{SAY_EVERY, may_join_again, pause};
use crate::error::CliError;

/// Joins and works until told to stop.
///
/// # Errors
/// What joining again does not help against.
pub(super) fn attend(
    part: &Alone<'_>,
    log: &dyn Log,
    control: &Control,
    workers: &Workers,
) -> Result<(), CliError> {
    again(&part.spec.group, control, workers, &|| once(part, log, workers))
}

/// Does it until it ends well, is told to stop, or fails for good; pauses in between.
///
/// # Errors
/// What doing it again does not help against.
pub(super) fn again(
    group: &str,
    control: &Control,
    workers: &Workers,
    once: &dyn Fn() -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut trouble = Trouble::default();
    while control.wish() == Wish::Run {
        let started = Instant::now();
        let Err(error) = once() else { break };
        let again = may_join_again(&error) || trouble.may_appear(&error, Instant::now());
        if control.wish() > Wish::Run && (again || is_stopped(&error)) {
            tracing::debug!(%error, worker = group, "ended while stopping: what was not committed comes again");
            break;
        }
        if !again {
            workers.now(group, Activity::Failed { reason: error.to_string() });
            return Err(error);
        }
        let length = trouble.pause_after(started.elapsed());
        if trouble.is_news(error.stable_code(), Instant::now()) {
            let pause_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(%error, code = error.stable_code(), worker = group, pause_ms, "joining again");
        }
        workers.now(group, Activity::Failed { reason: error.to_string() });
        pause(length, control);
    }
    workers.now(group, Activity::Ended);
    Ok(())
}

fn once(part: &Alone<'_>, log: &dyn Log, workers: &Workers) -> Result<(), CliError> {
    let group = part.spec.group.as_str();
    workers.now(group, Activity::StandingBy);
    tracing::debug!(worker = group, "joining");
    let worker = log.worker(part.spec.clone())?;
    workers.now(group, Activity::Working);
    tracing::info!(worker = group, "joined");
    Ok((part.work)(log, worker)?)
}

/// What a log says to a worker that waited when all stop.
pub(super) fn is_stopped(error: &CliError) -> bool {
    error.log_error().is_some_and(|error| matches!(error, LogError::Stopped { .. }))
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After so much time of work what went wrong before is over.
const HEALED_AFTER: Duration = Duration::from_secs(60);

/// A topic that was made just now may be unknown to a broker for so long.
const NEW_TOPIC: Duration = Duration::from_secs(5);

/// How long to pause and what to say while one failure follows another.
#[derive(Debug)]
pub(super) struct Trouble {
    pause: Duration,
    said: Option<(&'static str, Instant)>,
    missing_since: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, said: None, missing_since: None }
    }
}

impl Trouble {
    /// The pause after a failure that came `worked` after joining began: 0.2 s, doubling to 10 s.
    pub(super) fn pause_after(&mut self, worked: Duration) -> Duration {
        if worked >= HEALED_AFTER {
            *self = Self::default();
        }
        let now = self.pause;
        self.pause = (now * 2).min(LONGEST_PAUSE);
        now
    }

    /// Whether this is a missing topic that may be a new one.
    fn may_appear(&mut self, error: &CliError, now: Instant) -> bool {
        if !matches!(error.log_error(), Some(LogError::TopicMissing { .. })) {
            self.missing_since = None;
            return false;
        }
        let since = *self.missing_since.get_or_insert(now);
        now.duration_since(since) < NEW_TOPIC
    }

    /// Whether a failure with this code is said: once, and again when it goes on.
    pub(super) fn is_news(&mut self, code: &'static str, now: Instant) -> bool {
        let old = self.said.is_some_and(|(said, at)| said == code && now.duration_since(at) < SAY_EVERY);
        if !old {
            self.said = Some((code, now));
        }
        !old
    }
}

#[cfg(test)]
mod tests;
