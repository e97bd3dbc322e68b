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
                came.into_iter().try_for_each(|seat| start(shared, log, seat, workers, scope, &mut held))
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
    workers: &'scope Workers,
    scope: &'scope Scope<'scope, '_>,
    held: &mut Vec<Held<'scope>>,
) -> Result<(), CliError> {
    let thread = std::thread::Builder::new().name(format!("{}.{}", shared.group, seat.number()));
    let spawned = thread.spawn_scoped(scope, move || hold(shared, log, &seat, workers));
    held.push(spawned.map_err(|source| CliError::System { operation: "start a thread", source })?);
    Ok(())
}

/// Works on one shard until it goes to another process, or all stop.
fn hold(shared: &Shared<'_>, log: &Kafka, seat: &Seat, workers: &Workers) -> Result<(), CliError> {
    let post = Post { group: shared.group, shard: seat.number(), control: seat.control(), workers };
    post.hold(&|| {
        let worker = log.seat_worker(seat, &shared.tables)?;
        post.is_well();
        Ok((shared.hold)(seat, worker)?)
    })
}

/// One shard's place in this process.
struct Post<'a> {
    group: &'a str,
    shard: u32,
    control: &'a Control,
    workers: &'a Workers,
}

impl Post<'_> {
    fn hold(&self, once: &dyn Fn() -> Result<(), CliError>) -> Result<(), CliError> {
        let mut trouble = Trouble::default();
        while self.control.wish() == Wish::Run {
            let started = Instant::now();
            let Err(error) = once() else { continue };
            let is_over = self.control.wish() > Wish::Run;
            if is_over && (may_join_again(&error) || is_stopped(&error)) {
                tracing::debug!(%error, shard = self.shard, "the shard has gone");
                break;
            }
            if !may_join_again(&error) {
                return Err(error);
            }
            let length = trouble.pause_after(started.elapsed());
            if trouble.is_news(error.stable_code(), Instant::now()) {
                let (worker, shard) = (self.group, self.shard);
                tracing::warn!(%error, code = error.stable_code(), worker, shard, "taking the shard again");
            }
            self.workers.shard_fails(self.group, self.shard, error.to_string());
            pause(length, self.control);
        }
        Ok(())
    }

    fn is_well(&self) {
        self.workers.shard_is_well(self.group, self.shard);
    }
}

impl Drop for Post<'_> {
    /// However it ended: what is another process's is no trouble of this one.
    fn drop(&mut self) {
        self.is_well();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use barid_log::LogError;
    use prometheus::Registry;

    use super::*;

    fn lost() -> LogError {
        LogError::Lost { group: "feeds.3".into(), cause: "its changelog has no leader".into() }
    }

    fn unfit() -> LogError {
        LogError::TopicUnfit { topic: "t.barid.feeds".into(), what: "two partitions".into() }
    }

    /// Takes the shard again and again, ending each time with the next of these; told to stop with the last. What made the process unready before
    /// each time, and after each time that the worker was there.
    fn held(
        ends: impl IntoIterator<Item = (bool, LogError)>,
    ) -> (Result<(), CliError>, Vec<Vec<String>>, Workers) {
        let workers = Workers::register(&Registry::new(), &[]).unwrap();
        let control = Control::default();
        let mut ends = ends.into_iter().peekable();
        let (ends, seen) = (Mutex::new(&mut ends), Mutex::new(Vec::new()));
        let post = Post { group: "feeds", shard: 3, control: &control, workers: &workers };
        let result = post.hold(&|| {
            let mut ends = ends.lock().unwrap();
            let (is_there, error) = ends.next().expect("nobody takes it after the end");
            seen.lock().unwrap().push(workers.problems());
            if is_there {
                post.is_well();
                seen.lock().unwrap().push(workers.problems());
            }
            if ends.peek().is_none() {
                control.ask(Wish::Stop);
            }
            Err(error.into())
        });
        drop(post);
        (result, seen.into_inner().unwrap(), workers)
    }

    #[test]
    fn a_shard_that_keeps_failing_makes_the_process_unready_until_it_is_worked_on() {
        let (result, seen, workers) =
            held([(false, lost()), (false, lost()), (true, lost()), (false, lost())]);
        result.unwrap();
        let named = vec![format!("worker feeds takes shard 3 again: {}", lost())];
        let well: Vec<String> = Vec::new();
        assert_eq!(seen, [well.clone(), named.clone(), named.clone(), well.clone(), named]);
        assert_eq!(workers.problems(), well, "a shard that has gone is no trouble of this process");
    }

    #[test]
    fn what_taking_it_again_cannot_heal_ends_it() {
        let (result, _, workers) = held([(false, lost()), (false, unfit()), (false, lost())]);
        assert_eq!(result.unwrap_err().stable_code(), "E0320");
        assert_eq!(workers.problems(), [""; 0], "the process says so by its end");
    }
}
