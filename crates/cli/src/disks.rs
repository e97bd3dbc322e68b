//! Looks every few seconds how much room is left where this process writes.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use barid_web::{DiskSpace, Place};

use crate::config::Config;
use crate::error::CliError;

const EVERY: Duration = Duration::from_secs(10);

/// Looks until the process ends, on a thread of its own: a file system that does not answer keeps nobody else waiting.
///
/// # Errors
/// [`CliError::System`] when there is no thread for it.
pub(crate) fn watch(disk: DiskSpace) -> Result<(), CliError> {
    let body = move || {
        let mut said = HashSet::new();
        loop {
            let failed = disk.measure();
            said.retain(|said| failed.iter().any(|(place, _)| place.name() == *said));
            for (place, error) in failed {
                if said.insert(place.name()) {
                    tracing::warn!(%error, place = place.name(), "free disk space is not known");
                }
            }
            thread::sleep(EVERY);
        }
    };
    let spawned = thread::Builder::new().name("disks".to_owned()).spawn(body);
    spawned.map(drop).map_err(|source| CliError::System { operation: "start a thread", source })
}

/// Where a process writes that has a log of its own, and that writes records or not.
pub(crate) fn places(config: &Config, writes_records: bool) -> Vec<(Place, std::path::PathBuf)> {
    let records = writes_records.then(|| (Place::Records, config.jsonl.dir.clone()));
    [(Place::DataDir, config.data_dir.clone())].into_iter().chain(records).collect()
}
