//! A log that dies with a unit, as a process does: before the unit is durable, or right after. And one that is slow to read.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barid_log::{Batch, Limit, LogError, Table, Ticket, Unit, Worker};
use barid_record::Topic;
use bytes::Bytes;

use crate::feeds::websub::WEBSUB;

/// When it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The unit is lost.
    Before,
    /// The unit is durable, and nobody hears of it.
    After,
}

/// Dies with the next unit that holds a document, once it is told how.
pub(super) struct Dying {
    pub(super) worker: Box<dyn Worker>,
    pub(super) death: Arc<Mutex<Option<Death>>>,
    pub(super) is_dead: bool,
    /// Subscriptions are not read before a word comes.
    pub(super) slow: Option<Receiver<()>>,
}

fn dead<T>() -> Result<T, LogError> {
    Err(LogError::Lost { group: "feeds".to_owned(), cause: "this story ends here".to_owned() })
}

impl Dying {
    fn alive(&mut self) -> Result<&mut dyn Worker, LogError> {
        if self.is_dead { dead() } else { Ok(self.worker.as_mut()) }
    }
}

impl Worker for Dying {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        self.alive()?.poll(limit, wait)
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.alive()?.get(table, key)
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        if let Some(word) = self.slow.take_if(|_| table == WEBSUB) {
            word.recv().expect("the story goes on");
        }
        self.alive()?.scan(table, prefix, visit)
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        let death = *self.death.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(death) = death.filter(|_| unit.produced.iter().any(|one| one.topic == Topic::Raw)) else {
            return self.alive()?.submit(unit);
        };
        self.is_dead = true;
        if death == Death::After {
            let ticket = self.worker.submit(unit)?;
            self.worker.wait(ticket)?;
        }
        dead()
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        self.alive()?.wait(ticket)
    }

    fn durable(&self) -> Option<Ticket> {
        self.worker.durable()
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        self.worker.position(topic, partition)
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        self.alive()?.hold(topic, partition, held)
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        self.worker.partitions(topic)
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.alive()?.tend()
    }

    fn message_limit(&self, topic: Topic) -> usize {
        self.worker.message_limit(topic)
    }
}
