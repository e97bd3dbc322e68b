//! Makes a written file durable and visible on a thread of its own, so that the next file fills meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use barid_log::failpoint;

use crate::patient::Patience;
use crate::{Metrics, RecordFile, SinkError};

/// A file whose bytes are all written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: File,
    pub(crate) temporary: PathBuf,
    pub(crate) finished: RecordFile,
}

/// Finishes files in the order given; sends each back when it is durable under its final name. Ends with the channel.
pub(crate) fn finisher(
    dir: &Path,
    patience: &Patience,
    metrics: &Metrics,
    jobs: &Receiver<Written>,
    done: &SyncSender<Result<RecordFile, SinkError>>,
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

fn finish(dir: &Path, patience: &Patience, job: Written) -> Result<RecordFile, SinkError> {
    let io = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| SinkError::Io { operation, path, source }
    };
    patience.wait_for_space(|| job.file.sync_all()).map_err(io("making durable", &job.temporary))?;
    failpoint("sink.rename.before");
    patience
        .wait_for_space(|| std::fs::rename(&job.temporary, &job.finished.path))
        .map_err(io("renaming into place", &job.finished.path))?;
    failpoint("sink.rename.after");
    sync_dir(dir).map_err(io("making durable the folder", dir))?;
    Ok(job.finished)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
