//! The maintenance thread: completes checkpoints, lets old journal files go, and keeps the state store in shape, beside the committer.

use std::sync::Arc;

use super::checkpoint::{self, Checkpoint};
use super::shared::{Shared, lock, wait};
use super::{disk, journal};
use crate::LogError;

/// Checkpoints kept.
const KEPT: usize = 2;

/// Works until the log closes.
pub(crate) fn run(shared: &Arc<Shared>) -> Result<(), LogError> {
    loop {
        let mut maintenance = lock(&shared.maintenance);
        while maintenance.job.is_none() && !maintenance.closing {
            maintenance = wait(&shared.maintained, maintenance);
        }
        let Some(job) = maintenance.job.take() else { return Ok(()) };
        drop(maintenance);
        let completed = shared.with_space(&shared.checkpoints_full, || complete(shared, &job));
        lock(&shared.maintenance).busy = false;
        shared.maintained.notify_all();
        match completed {
            Ok(()) => {}
            // The journal still has everything.
            Err(LogError::StorageFull { .. }) if lock(&shared.queue).closing => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes the state store complete on disk up to the checkpoint, writes the checkpoint, and removes what it makes superfluous.
pub(crate) fn complete(shared: &Shared, job: &Checkpoint) -> Result<(), LogError> {
    crate::failpoint("log.checkpoint.before");
    shared.state.flush()?;
    crate::failpoint("log.checkpoint.middle");
    job.write(&shared.layout.root)?;
    crate::failpoint("log.checkpoint.after");
    remove_older(shared)?;
    shared.state.compact()?;
    shared.metrics.checkpoints.inc();
    shared.metrics.state_bytes.set(shared.state.disk_bytes() as i64);
    Ok(())
}

/// Removes all but the newest checkpoints, and the journal files before the oldest of those.
fn remove_older(shared: &Shared) -> Result<(), LogError> {
    let checkpoints = disk::numbered(&shared.layout.root, checkpoint::EXTENSION)?;
    let Some(first_kept) = checkpoints.len().checked_sub(KEPT) else { return Ok(()) };
    for &seq in &checkpoints[..first_kept] {
        disk::remove(&checkpoint::path(&shared.layout.root, seq))?;
    }
    for first_seq in disk::numbered(&shared.layout.commits, journal::EXTENSION)? {
        if first_seq <= checkpoints[first_kept] {
            disk::remove(&journal::path(&shared.layout.commits, first_seq))?;
        }
    }
    Ok(())
}
