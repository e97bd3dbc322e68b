//! Files that are missing are written again from the log, as far as it reaches back, beside a sink that runs.

use std::ops::Range;
use std::path::Path;

use barid_log::{Control, Limit, Log};
use barid_record::Topic;
use prometheus::IntGauge;

use crate::finish::finish;
use crate::open::OpenFile;
use crate::patient::Patience;
use crate::{JsonlConfig, RecordFile, SinkError, name};

const READ: Limit = Limit { messages: 4096, bytes: 4 << 20 };

/// Records of a partition that are in no file: from one place to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first offset.
    pub from: u64,
    /// One past the last one.
    pub end: u64,
}

/// What was written again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Records.
    pub records: u64,
    /// Files.
    pub files: u64,
    /// Offsets that the log no longer holds: their records are lost for files.
    pub lost: u64,
}

/// What is in no file of `dir`, below `end` of a partition.
///
/// # Errors
/// A folder that cannot be listed; one that is not there has no files.
pub fn gaps(dir: &Path, partition: u32, end: u64) -> Result<Vec<Gap>, SinkError> {
    let files = match RecordFile::list(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        files => files.map_err(SinkError::io("listing", dir))?.0,
    };
    let (mut gaps, mut next) = (Vec::new(), 0);
    for file in files.iter().filter(|file| file.partition == partition) {
        if file.from > next {
            gaps.push(Gap { from: next, end: file.from.min(end) });
        }
        next = next.max(file.last.saturating_add(1));
    }
    gaps.push(Gap { from: next, end });
    gaps.retain(|gap| gap.from < gap.end);
    Ok(gaps)
}

/// Writes what is in no file, of these offsets of a partition of [`Topic::Records`]. They must be acknowledged: no sink writes there any more.
///
/// # Errors
/// The file system's and the log's. What was finished before stays.
pub fn rewrite(
    config: &JsonlConfig,
    log: &dyn Log,
    partition: u32,
    offsets: Range<u64>,
) -> Result<Rewritten, SinkError> {
    std::fs::create_dir_all(&config.dir).map_err(SinkError::io("making the folder", &config.dir))?;
    let storage_full = IntGauge::new("rewrite_storage_full", "1 while it waits for disk space.")?;
    let patience = Patience { control: Control::default(), storage_full, most: config.space_patience };
    let mut rewriter = Rewriter { config, patience, partition, open: None, done: Rewritten::default() };
    for gap in gaps(&config.dir, partition, offsets.end)?.into_iter().filter(|gap| gap.end > offsets.start) {
        let gap = Gap { from: gap.from.max(offsets.start), ..gap };
        rewriter.fill(log, gap)?;
    }
    Ok(rewriter.done)
}

struct Rewriter<'a> {
    config: &'a JsonlConfig,
    patience: Patience,
    partition: u32,
    open: Option<OpenFile>,
    done: Rewritten,
}

impl Rewriter<'_> {
    fn fill(&mut self, log: &dyn Log, gap: Gap) -> Result<(), SinkError> {
        let mut next = gap.from;
        while next < gap.end {
            let batch = log.read(Topic::Records, self.partition, next, READ)?;
            let inside = batch.iter().take_while(|message| message.offset < gap.end);
            let before = next;
            for message in inside {
                // What retention has removed is skipped by the log.
                self.done.lost += message.offset - next;
                let is_other_day = |open: &OpenFile| {
                    open.first_ms()
                        .is_some_and(|first| !self.config.layout.is_together(first, message.timestamp_ms))
                };
                if self.open.as_ref().is_some_and(is_other_day) {
                    self.close()?;
                }
                let open = match &mut self.open {
                    Some(open) => open,
                    none => {
                        let path = name::rewritten(&self.config.dir, self.partition, message.offset);
                        none.insert(OpenFile::create_at(
                            path,
                            self.config,
                            &self.patience,
                            self.partition,
                            message.offset,
                        )?)
                    }
                };
                open.write(message)?;
                next = message.offset + 1;
                if open.bytes() >= self.config.rotate_bytes {
                    self.close()?;
                }
            }
            if next == before {
                self.done.lost += gap.end - next;
                break;
            }
        }
        self.close()
    }

    fn close(&mut self) -> Result<(), SinkError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let finished = finish(&self.config.dir, &self.patience, open.close(self.config)?)?;
        self.done.records += finished.records;
        self.done.files += 1;
        Ok(())
    }
}
