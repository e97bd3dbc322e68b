//! Which partitions' files are ours to write, and where each goes on.

use std::time::{Duration, Instant};

use barid_log::Message;
use barid_record::Topic;

use crate::finish::sync_dir;
use crate::jsonl::Sink;
use crate::lock::Taken;
use crate::open::OpenFile;
use crate::{RecordFile, SinkError, name};

/// Another's lock is asked for this often.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A partition that the log gave us.
#[derive(Default)]
pub(crate) struct Partition {
    /// We have the lock and know where its files end.
    pub(crate) is_ours: bool,
    /// When the lock was asked for in vain.
    asked: Option<Instant>,
    /// Somebody was told that we wait.
    is_told: bool,
    /// What was polled before the lock was ours: at most one poll's worth, since the log holds the partition from then on.
    pub(crate) waiting: Vec<Message>,
    /// The next offset to write: below it is in finished files, of ours or of others.
    pub(crate) next: u64,
    pub(crate) open: Option<OpenFile>,
}

impl Partition {
    /// What was polled comes again, and where the files end is to be looked up anew.
    pub(crate) fn forget(&mut self) {
        self.is_ours = false;
        self.asked = None;
        self.waiting.clear();
    }

    fn is_due(&self) -> bool {
        !self.is_ours && self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
    }
}

impl Sink<'_> {
    /// Gives back what the log took from us, and makes ours what it gave; true when everything it gave was ours before.
    pub(crate) fn meet(&mut self) -> Result<bool, SinkError> {
        let given = self.worker.partitions(Topic::Records);
        let taken: Vec<u32> =
            self.partitions.keys().filter(|number| !given.contains(number)).copied().collect();
        if !taken.is_empty() {
            self.give_back(&taken)?;
        }
        for number in given {
            self.partitions.entry(number).or_default();
        }
        let due: Vec<u32> =
            self.partitions.iter().filter(|(_, it)| it.is_due()).map(|(number, _)| *number).collect();
        let was_all_ours = self.partitions.values().all(|partition| partition.is_ours);
        let mut locked = Vec::new();
        for number in due {
            if self.lock(number)? {
                locked.push(number);
            }
        }
        if !locked.is_empty() {
            self.recover(&locked)?;
            for number in locked {
                self.begin(number)?;
            }
            self.acknowledge()?;
        }
        let waiting = self.partitions.values().filter(|partition| !partition.is_ours).count();
        self.around.metrics.waiting_partitions.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(was_all_ours)
    }

    /// The next owner goes on where our finished files end.
    fn give_back(&mut self, taken: &[u32]) -> Result<(), SinkError> {
        self.settle()?;
        for number in taken {
            if let Some(open) = self.partitions.remove(number).and_then(|partition| partition.open) {
                open.discard();
            }
            self.finished.remove(number);
            self.acknowledged.iter_mut().for_each(|(_, positions)| positions.retain(|it, _| it != number));
            self.retainer.forget(*number);
            self.locks.release(*number);
        }
        tracing::info!(partitions = ?taken, "partitions went to another sink");
        Ok(())
    }

    /// Takes the lock of a partition, or sees to it that nothing more of it is polled meanwhile.
    fn lock(&mut self, number: u32) -> Result<bool, SinkError> {
        let dir = &self.around.config.dir;
        let lock = name::lock(dir, number);
        let locks = &mut *self.locks;
        let taken = self.around.patience.wait_for_space(|| locks.take(dir, number));
        let taken = taken.map_err(SinkError::io("locking", &lock))?;
        let Some(partition) = self.partitions.get_mut(&number) else { return Ok(false) };
        let Taken::Others(holder) = taken else { return Ok(true) };
        if !std::mem::replace(&mut partition.is_told, true) {
            tracing::warn!(
                partition = number,
                lock = %lock.display(),
                holder,
                "another sink still has this partition's files: waiting until it lets go; hint: if it hangs, end it"
            );
        }
        partition.asked = Some(Instant::now());
        // Said each time: a rewind may have ended it.
        self.worker.hold(Topic::Records, number, true)?;
        Ok(false)
    }

    /// Removes what a crash left half-written, adopts what it left unacknowledged; sets the next offset to write. Other partitions' files are
    /// other sinks' to care for.
    fn recover(&mut self, locked: &[u32]) -> Result<(), SinkError> {
        let dir = &self.around.config.dir;
        // Only now: before, another one wrote.
        let (finished, temporary) = RecordFile::list(dir).map_err(SinkError::io("listing", dir))?;
        let is_locked = |path: &&std::path::PathBuf| {
            name::temporary_partition(path).is_some_and(|number| locked.contains(&number))
        };
        for path in temporary.iter().filter(is_locked) {
            std::fs::remove_file(path).map_err(SinkError::io("removing", path))?;
        }
        for &number in locked {
            let acknowledged = self.worker.position(Topic::Records, number);
            let (mut next, mut log_end) = (acknowledged, None);
            self.retainer.note(number, acknowledged);
            for file in finished.iter().filter(|it| it.partition == number && it.last >= acknowledged) {
                let log_end = match log_end {
                    Some(end) => end,
                    None => *log_end.insert((self.around.log_end)(number)?),
                };
                if file.from != next || file.last >= log_end {
                    return Err(SinkError::AheadOfLog {
                        path: file.path.clone(),
                        file_last: file.last,
                        log_end,
                    });
                }
                tracing::info!(file = %file.path.display(), "adopting a file that is finished and not acknowledged");
                self.around.metrics.adopted_files.inc();
                // Its name may not be durable yet.
                let folder = file.path.parent().unwrap_or(dir);
                sync_dir(folder).map_err(SinkError::io("making durable the folder", folder))?;
                next = file.last + 1;
            }
            if next > acknowledged {
                self.finished.insert(number, next);
            }
            if self.finished.get(&number).is_some_and(|finished| *finished < acknowledged) {
                self.finished.remove(&number);
            }
            self.partitions.entry(number).or_default().next = next;
        }
        if !self.finished.is_empty() {
            sync_dir(dir).map_err(SinkError::io("making durable the folder", dir))?;
        }
        Ok(())
    }

    /// Goes on with a partition whose files are ours now.
    fn begin(&mut self, number: u32) -> Result<(), SinkError> {
        self.worker.hold(Topic::Records, number, false)?;
        let Some(partition) = self.partitions.get_mut(&number) else { return Ok(()) };
        partition.is_ours = true;
        if std::mem::take(&mut partition.is_told) {
            tracing::info!(partition = number, "the other sink has let go of this partition's files");
        }
        let waiting = std::mem::take(&mut partition.waiting);
        waiting.iter().try_for_each(|message| self.take(message))
    }
}
