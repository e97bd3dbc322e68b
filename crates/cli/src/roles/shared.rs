//! A worker that is shared out: the process has some shards of it, each on a thread of its own, and gets more or fewer as others come and go.

use std::thread::{Scope, ScopedJoinHandle};
use std::time::Instant;

use barid_log::{Control, Kafka, Seat, Table, Wish, Worker};
use barid_web::{Activity, Workers};

use super::attend::is_stopped;
use super::attend::{Trouble, again};
use super::{TICK, may_join_again, pause};
use crate::error::CliError;
use crate::run::{RunError, joined};

/// What is done with a shard's worker; may be done again after a loss.
pub(super) type Hold<'a> = Box<dyn Fn(&Seat, Box<dyn Worker>) -> Result<(), RunError> + Send + Sync + 'a>;

/// A worker in shards.
pub(super) struct Shared<'a> {
    /// The group that shares them out.
    pub(super) group: &'static str,
    /// The tables, each shard of which is a worker's own.
    pub(super) tables: Vec<Table>,
    pub(super) hold: Hold<'a>,
}

/// Is a member until told to stop, and works on the shards it is given.
///
/// # Errors
/// What joining again does not help against.
pub(super) fn attend(
    shared: &Shared<'_>,
    log: &Kafka,
    control: &Control,
    workers: &Workers,
) -> Result<(), CliError> {
    again(shared.group, control, workers, &|| once(shared, log, control, workers))
}

type Held<'scope> = ScopedJoinHandle<'scope, Result<(), CliError>>;

fn once(shared: &Shared<'_>, log: &Kafka, control: &Control, workers: &Workers) -> Result<(), CliError> {
    workers.now(shared.group, Activity::StandingBy);
    let mut shards = log.shards(shared.group)?;
    workers.now(shared.group, Activity::Working);
    tracing::info!(worker = shared.group, shards = shards.count(), "joined");
    std::thread::scope(|scope| {
        let mut held: Vec<Held<'_>> = Vec::new();
        let mut result = Ok(());
        while result.is_ok() && control.wish() == Wish::Run {
            result = shards.turn(TICK).map_err(CliError::from).and_then(|came| {
                came.into_iter().try_for_each(|seat| start(shared, log, seat, scope, &mut held))
            });
            let ended: Vec<Held<'_>> = held.extract_if(.., |held| held.is_finished()).collect();
            result = ended.into_iter().fold(result, |result, held| result.and(joined(held.join())));
        }
        shards.stop();
        held.into_iter().fold(result, |result, held| result.and(joined(held.join())))
    })
}

fn start<'scope>(
    shared: &'scope Shared<'_>,
    log: &'scope Kafka,
    seat: Seat,
    scope: &'scope Scope<'scope, '_>,
    held: &mut Vec<Held<'scope>>,
) -> Result<(), CliError> {
    let thread = std::thread::Builder::new().name(format!("{}.{}", shared.group, seat.number()));
    let spawned = thread.spawn_scoped(scope, move || hold(shared, log, &seat));
    held.push(spawned.map_err(|source| CliError::System { operation: "start a thread", source })?);
    Ok(())
}

/// Works on one shard until it goes to another process, or all stop.
fn hold(shared: &Shared<'_>, log: &Kafka, seat: &Seat) -> Result<(), CliError> {
    let mut trouble = Trouble::default();
    while seat.control().wish() == Wish::Run {
        let started = Instant::now();
        let worked = log.seat_worker(seat, &shared.tables).map_err(CliError::from);
        let Err(error) = worked.and_then(|worker| Ok((shared.hold)(seat, worker)?)) else { continue };
        let is_over = seat.control().wish() > Wish::Run;
        if is_over && (may_join_again(&error) || is_stopped(&error)) {
            tracing::debug!(%error, shard = seat.number(), "the shard has gone");
            break;
        }
        if !may_join_again(&error) {
            return Err(error);
        }
        let length = trouble.pause_after(started.elapsed());
        if trouble.is_news(error.stable_code(), Instant::now()) {
            tracing::warn!(%error, code = error.stable_code(), worker = shared.group, shard = seat.number(), "taking the shard again");
        }
        pause(length, seat.control());
    }
    Ok(())
}
