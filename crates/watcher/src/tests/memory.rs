//! A log in memory, for thousands of runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_log::{Batch, Change, Limit, LogError, Outgoing, Table, Ticket, Unit, Worker};
use barid_record::Topic;
use bytes::Bytes;

/// What is durable, shared by the workers of one test.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Durable>>);

#[derive(Debug, Default)]
struct Durable {
    tables: BTreeMap<(Table, Vec<u8>), Bytes>,
    produced: Vec<Outgoing>,
    /// Units that are still taken; then the log is lost.
    takes: Option<u32>,
}

impl Memory {
    pub(super) fn worker(&self) -> Box<dyn Worker> {
        Box::new(self.clone())
    }

    /// What was produced since the last call.
    pub(super) fn produced(&self) -> Vec<Outgoing> {
        std::mem::take(&mut self.0.lock().expect("no poison").produced)
    }

    /// Takes so many units and is lost with the next one.
    pub(super) fn takes(&self, units: Option<u32>) {
        self.0.lock().expect("no poison").takes = units;
    }

    pub(super) fn value(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.0.lock().expect("no poison").tables.get(&(table, key.to_vec())).cloned()
    }

    pub(super) fn put(&self, table: Table, key: &[u8], value: &[u8]) {
        let mut durable = self.0.lock().expect("no poison");
        durable.tables.insert((table, key.to_vec()), Bytes::copy_from_slice(value));
    }
}

impl Worker for Memory {
    fn poll(&mut self, _limit: Limit, _wait: Duration) -> Result<Batch, LogError> {
        Ok(Batch::default())
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        Ok(self.0.lock().expect("no poison").tables.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        let durable = self.0.lock().expect("no poison");
        let from = (table, prefix.to_vec());
        for ((_, key), value) in
            durable.tables.range(from..).take_while(|((of, key), _)| *of == table && key.starts_with(prefix))
        {
            visit(key, value);
        }
        Ok(())
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        let mut durable = self.0.lock().expect("no poison");
        match &mut durable.takes {
            Some(0) => return Err(LogError::Lost { group: "watcher".into(), cause: "a test".into() }),
            Some(left) => *left -= 1,
            None => (),
        }
        durable.produced.extend(unit.produced);
        for change in unit.state {
            match change {
                Change::Put { table, key, value } => durable.tables.insert((table, key.to_vec()), value),
                Change::Delete { table, key } => durable.tables.remove(&(table, key.to_vec())),
            };
        }
        Ok(Ticket(0))
    }

    fn wait(&mut self, _ticket: Ticket) -> Result<(), LogError> {
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        Some(Ticket(0))
    }

    fn position(&self, _topic: Topic, _partition: u32) -> u64 {
        0
    }

    fn hold(&mut self, _topic: Topic, _partition: u32, _held: bool) -> Result<(), LogError> {
        Ok(())
    }

    fn partitions(&self, _topic: Topic) -> Vec<u32> {
        Vec::new()
    }

    fn tend(&mut self) -> Result<(), LogError> {
        Ok(())
    }

    fn message_limit(&self, _topic: Topic) -> usize {
        usize::MAX
    }
}
