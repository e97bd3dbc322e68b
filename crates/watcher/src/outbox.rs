//! Gathers documents and their checkpoints into units of work and keeps several of those in flight.

use std::collections::VecDeque;

use barid_log::{Change, Outgoing, Ticket, Unit, Worker, failpoint};
use barid_record::{RawDocument, Rejected, Topic};
use bytes::Bytes;

use crate::checkpoint::FILES;
use crate::{Config, WatcherError};

/// What is on its way to the log.
pub(crate) struct Outbox {
    worker: Box<dyn Worker>,
    unit: Unit,
    unit_bytes: usize,
    /// What was handed over and is not known to be durable, with its bytes of documents.
    in_flight: VecDeque<(Ticket, usize)>,
    in_flight_bytes: usize,
    batch_documents: usize,
    batch_bytes: usize,
    units_in_flight: usize,
}

impl Outbox {
    pub(crate) fn new(worker: Box<dyn Worker>, config: &Config) -> Self {
        Self {
            worker,
            unit: Unit::default(),
            unit_bytes: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            batch_documents: config.batch_documents,
            batch_bytes: config.batch_bytes,
            units_in_flight: config.units_in_flight,
        }
    }

    /// Adds a document.
    pub(crate) fn document(&mut self, document: RawDocument) {
        self.produce(Topic::Raw, document.headers(), &document);
    }

    /// Adds a rejected input.
    pub(crate) fn rejected(&mut self, rejected: &Rejected) {
        self.produce(Topic::Rejected, rejected.headers(), &rejected.document);
    }

    /// On Kafka the key sends all versions of a document to one partition, in order.
    fn produce(&mut self, topic: Topic, headers: Vec<(Bytes, Bytes)>, document: &RawDocument) {
        self.unit_bytes += document.body.len();
        self.unit.produced.push(Outgoing {
            topic,
            timestamp_ms: document.observed_at_ms,
            key: Bytes::from([document.source_id.as_bytes(), document.key.as_bytes()].join(&b'/')),
            headers,
            value: document.body.clone(),
        });
    }

    /// Adds a change of the table of checkpoints.
    pub(crate) fn put(&mut self, key: &[u8], value: Bytes) {
        self.unit.state.push(Change::Put { table: FILES, key: Bytes::copy_from_slice(key), value });
    }

    /// Whether the unit is large enough to be handed over. Asked only where the unit holds all that belongs together.
    pub(crate) fn is_full(&self) -> bool {
        self.unit.produced.len() >= self.batch_documents
            || self.unit_bytes >= self.batch_bytes
            || self.unit.state.len() >= 4 * self.batch_documents
    }

    /// Hands the unit over, however small.
    pub(crate) fn flush(&mut self) -> Result<(), WatcherError> {
        if self.unit.is_empty() {
            return Ok(());
        }
        failpoint("watcher.submit.before");
        let bytes = std::mem::take(&mut self.unit_bytes);
        let unit = std::mem::take(&mut self.unit);
        let ticket = self.worker.submit(unit).map_err(WatcherError::log("submit documents"))?;
        self.in_flight.push_back((ticket, bytes));
        self.in_flight_bytes += bytes;
        // An over-long rejected input makes a large unit: bytes are limited as well as units.
        while self.in_flight.len() > self.units_in_flight
            || self.in_flight_bytes > (self.units_in_flight + 1) * self.batch_bytes
        {
            self.wait_oldest()?;
        }
        Ok(())
    }

    /// Waits until everything that was handed over is durable.
    pub(crate) fn wait(&mut self) -> Result<(), WatcherError> {
        while !self.in_flight.is_empty() {
            self.wait_oldest()?;
        }
        Ok(())
    }

    fn wait_oldest(&mut self) -> Result<(), WatcherError> {
        let Some((ticket, bytes)) = self.in_flight.pop_front() else { return Ok(()) };
        self.in_flight_bytes -= bytes;
        self.worker.wait(ticket).map_err(WatcherError::log("wait for documents to be durable"))
    }

    /// The value of a key in the table of checkpoints, as of the last flush.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, WatcherError> {
        self.worker.get(FILES, key).map_err(WatcherError::log("look up a checkpoint"))
    }

    /// Visits the table of checkpoints.
    pub(crate) fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), WatcherError> {
        self.worker.scan(FILES, prefix, visit).map_err(WatcherError::log("load the checkpoints"))
    }
}
