//! Makes a written file durable and visible on a thread of its own, so that the next file fills meanwhile.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use barid_log::failpoint;

use crate::open::Temporary;
use crate::patient::Patience;
use crate::{Metrics, RecordFile, SinkError};

/// A file whose bytes are all written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: File,
    pub(crate) temporary: Temporary,
    pub(crate) finished: RecordFile,
    pub(crate) records: u64,
    /// Before compression.
    pub(crate) bytes: u64,
}

/// A file that is durable under its final name.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) file: RecordFile,
    pub(crate) records: u64,
    /// Before compression.
    pub(crate) bytes: u64,
}

/// Finishes files in the order given; sends each back when it is durable under its final name. Ends with the channel.
pub(crate) fn finisher(
    dir: &Path,
    patience: &Patience,
    metrics: &Metrics,
    jobs: &Receiver<Written>,
    done: &SyncSender<Result<Finished, SinkError>>,
) {
    for job in jobs {
        let started = Instant::now();
        let result = finish(dir, patience, job);
        metrics.finish_seconds.observe(started.elapsed().as_secs_f64());
        let failed = result.is_err();
        if done.send(result).is_err() || failed {
            return;
        }
    }
}

pub(crate) fn finish(dir: &Path, patience: &Patience, job: Written) -> Result<Finished, SinkError> {
    let Written { file, temporary, finished, records, bytes } = job;
    patience.wait_for_space(|| file.sync_all()).map_err(SinkError::io("making durable", &temporary.path))?;
    let folder = finished.path.parent().unwrap_or(dir);
    if !folder.is_dir() {
        patience
            .wait_for_space(|| std::fs::create_dir_all(folder))
            .map_err(SinkError::io("making the folder", folder))?;
        sync_dir(dir).map_err(SinkError::io("making durable the folder", dir))?;
    }
    failpoint("sink.rename.before");
    patience
        .wait_for_space(|| std::fs::rename(&temporary.path, &finished.path))
        .map_err(SinkError::io("renaming into place", &finished.path))?;
    failpoint("sink.rename.after");
    sync_dir(folder).map_err(SinkError::io("making durable the folder", folder))?;
    Ok(Finished { file: finished, records, bytes })
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
