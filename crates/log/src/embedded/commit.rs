//! The committer: the one thread that writes. It takes every unit that gathered while the last sync ran, makes their blocks durable, then
//! their journal frame (the moment of commit), then shows them to everyone.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use barid_record::Topic;

use super::append::Appender;
use super::checkpoint::Checkpoint;
use super::journal::{Frame, Journal};
use super::shared::{Queued, Shared, lock, wait};
use super::{maintain, retain};
use crate::LogError;
use crate::api::Change;

/// The state of the committer thread.
pub(crate) struct Committer {
    shared: Arc<Shared>,
    journal: Journal,
    appenders: [Appender; Topic::ALL.len()],
    /// The last frame of the newest checkpoint.
    checkpointed_seq: u64,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, journal: Journal, checkpointed_seq: u64) -> Self {
        let appenders = Topic::ALL.map(|topic| Appender::new(shared.topics.get(topic)));
        Self { shared, journal, appenders, checkpointed_seq }
    }

    /// Commits until the log closes, then takes a last checkpoint.
    pub(crate) fn run(mut self) -> Result<(), LogError> {
        loop {
            let mut group = self.next_group();
            if group.is_empty() {
                return self.close();
            }
            self.commit(&mut group)?;
            self.publish(group);
            self.retain()?;
            self.checkpoint_if_due()?;
        }
    }

    /// Waits for units and takes as many as one commit may hold; none when the log closes.
    fn next_group(&self) -> Vec<Queued> {
        let mut queue = lock(&self.shared.queue);
        while queue.units.is_empty() && !queue.closing {
            queue = wait(&self.shared.work, queue);
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(unit) = queue.units.front() {
            if bytes > 0 && bytes + unit.bytes > self.shared.config.commit_bytes {
                break;
            }
            bytes += unit.bytes;
            group.extend(queue.units.pop_front());
        }
        queue.bytes -= bytes;
        drop(queue);
        self.shared.room.notify_all();
        group
    }

    /// Makes a group durable, waiting for space as long as it takes.
    fn commit(&mut self, group: &mut [Queued]) -> Result<(), LogError> {
        let shared = self.shared.clone();
        let started = Instant::now();
        shared.with_space(&shared.commits_full, || {
            let written = self.write(group);
            if matches!(written, Err(LogError::StorageFull { .. })) {
                for appender in &mut self.appenders {
                    appender.roll_back()?;
                }
            }
            written
        })?;
        shared.metrics.commits.inc();
        shared.metrics.commit_duration.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn write(&mut self, group: &mut [Queued]) -> Result<(), LogError> {
        crate::failpoint("log.append.before");
        let mut frame = Frame::new();
        for block in group.iter_mut().flat_map(|unit| &mut unit.blocks) {
            let placed =
                self.appenders[block.topic as usize].append(block, self.shared.config.segment_bytes)?;
            frame.block(block.topic.name(), &placed);
        }
        crate::failpoint("log.append.after");
        for unit in group.iter() {
            for position in &unit.consumed {
                frame.position(&unit.group, position.topic.name(), position.next_offset);
            }
            for change in &unit.state {
                match change {
                    Change::Put { table, key, value } => frame.put(table.0, key, value),
                    Change::Delete { table, key } => frame.delete(table.0, key),
                }
            }
        }
        let started = Instant::now();
        for appender in &self.appenders {
            appender.sync()?;
        }
        crate::failpoint("log.commit.segments_synced");
        self.journal.append(&mut frame)?;
        self.shared.metrics.fsync_duration.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// Shows a durable group: state first, then messages, then positions and tickets.
    fn publish(&mut self, group: Vec<Queued>) {
        let seq = self.journal.last_seq();
        for change in group.iter().flat_map(|unit| &unit.state) {
            match change {
                Change::Put { table, key, value } => self.shared.state.put(table.0, key, value, seq),
                Change::Delete { table, key } => self.shared.state.delete(table.0, key, seq),
            }
        }
        crate::failpoint("log.commit.after_apply");
        for topic in self.shared.topics.iter() {
            self.appenders[topic.topic as usize].publish(topic, self.shared.config.tail_bytes);
        }
        let mut progress = lock(&self.shared.progress);
        for unit in &group {
            for position in &unit.consumed {
                progress.positions.set(&unit.group, position.topic, position.next_offset);
            }
            unit.durable.store(unit.ticket, Ordering::Release);
        }
        progress.committed += group.len() as u64;
        drop(progress);
        self.shared.moved.notify_all();
        self.report(&group);
    }

    fn report(&self, group: &[Queued]) {
        let metrics = &self.shared.metrics;
        for block in group.iter().flat_map(|unit| &unit.blocks) {
            let topic = [block.topic.name()];
            metrics.appended_messages.with_label_values(&topic).inc_by(u64::from(block.count));
            metrics.appended_bytes.with_label_values(&topic).inc_by(block.bytes.len() as u64);
        }
        self.shared.report_extent();
    }

    /// Lets old segments go and tells producers to wait where they may not.
    fn retain(&mut self) -> Result<(), LogError> {
        match retain::run(&self.shared, &mut self.journal) {
            // Nothing was removed and nothing is lost: the next commit tries again.
            Err(LogError::StorageFull { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Hands a checkpoint to the maintenance thread when enough has gathered.
    fn checkpoint_if_due(&mut self) -> Result<(), LogError> {
        let config = &self.shared.config;
        let half = config.state_buffer_bytes / 2;
        let buffered = self.shared.state.buffered_bytes();
        if buffered < half && self.journal.bytes() < config.journal_bytes {
            return Ok(());
        }
        let mut maintenance = lock(&self.shared.maintenance);
        if maintenance.busy && buffered < half + half / 2 && self.journal.bytes() < config.journal_bytes * 4 {
            return Ok(());
        }
        while maintenance.busy {
            self.shared.check_running("checkpoint")?;
            maintenance = wait(&self.shared.maintained, maintenance);
        }
        drop(maintenance);
        match self.begin_checkpoint() {
            Ok(checkpoint) => {
                let mut maintenance = lock(&self.shared.maintenance);
                maintenance.busy = true;
                maintenance.job = Some(checkpoint);
                self.shared.maintained.notify_all();
                Ok(())
            }
            // The journal stays in its file: the next commit tries again.
            Err(LogError::StorageFull { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Draws the line of a checkpoint: everything up to the last frame is before it, and the journal goes on in a new file.
    fn begin_checkpoint(&mut self) -> Result<Checkpoint, LogError> {
        self.journal.roll()?;
        let seq = self.journal.last_seq();
        self.shared.state.rotate(seq);
        self.checkpointed_seq = seq;
        let positions = lock(&self.shared.progress).positions.clone();
        Ok(Checkpoint::take(seq, &self.shared.topics, &positions))
    }

    fn close(mut self) -> Result<(), LogError> {
        let mut maintenance = lock(&self.shared.maintenance);
        while maintenance.busy && self.shared.check_running("close").is_ok() {
            maintenance = wait(&self.shared.maintained, maintenance);
        }
        drop(maintenance);
        if self.journal.last_seq() == self.checkpointed_seq {
            return Ok(());
        }
        let checkpoint = self.begin_checkpoint()?;
        maintain::complete(&self.shared, &checkpoint)
    }
}
