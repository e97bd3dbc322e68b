//! Gathers documents and their checkpoints into units of work and keeps several of those in flight.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use barid_log::{Change, Outgoing, Table, Ticket, Unit, Worker, failpoint};
use barid_record::{Header, RawDocument, RecordId, Rejected, Topic};
use bytes::Bytes;

use crate::WatcherError;
use crate::order::Numbers;

/// The log hears of us this often, whatever else there is to do.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// Whose documents an outbox takes, and how many at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// The table that [`Outbox::put`] writes to.
    pub(crate) state: Table,
    /// The table of the next numbers.
    pub(crate) order: Table,
    /// See [`barid_record::Order`].
    pub(crate) writer: &'a str,
    pub(crate) batch_documents: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) units_in_flight: usize,
    /// The crash point before a unit is handed over.
    pub(crate) point: &'static str,
}

/// What is on its way to the log.
pub(crate) struct Outbox {
    worker: Box<dyn Worker>,
    state: Table,
    tended: Instant,
    numbers: Numbers,
    unit: Unit,
    unit_bytes: usize,
    /// What was handed over and is not known to be durable, with its bytes of documents.
    in_flight: VecDeque<(Ticket, usize)>,
    in_flight_bytes: usize,
    batch_documents: usize,
    batch_bytes: usize,
    units_in_flight: usize,
    point: &'static str,
}

/// The log does not take a message as large as a document's would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oversize {
    /// What it would be, headers included.
    pub(crate) bytes: usize,
    /// What the log takes.
    pub(crate) limit_bytes: usize,
}

impl Outbox {
    pub(crate) fn new(mut worker: Box<dyn Worker>, sender: Sender<'_>) -> Result<Self, WatcherError> {
        let numbers = Numbers::load(worker.as_mut(), sender.order, sender.writer);
        Ok(Self {
            worker,
            state: sender.state,
            tended: Instant::now(),
            numbers: numbers.map_err(WatcherError::log("look up the count of documents"))?,
            unit: Unit::default(),
            unit_bytes: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            batch_documents: sender.batch_documents,
            batch_bytes: sender.batch_bytes,
            units_in_flight: sender.units_in_flight,
            point: sender.point,
        })
    }

    /// Tells the log now and then that we are there.
    pub(crate) fn tend(&mut self) -> Result<(), WatcherError> {
        if self.tended.elapsed() < TEND_EVERY {
            return Ok(());
        }
        self.tended = Instant::now();
        self.worker.tend().map_err(WatcherError::log("keep the membership"))
    }

    /// Adds a document, with the next number of its topic, unless the log would not take it.
    pub(crate) fn document(&mut self, topic: Topic, document: &RawDocument) -> Result<(), Oversize> {
        let message = self.fitting(topic, document)?;
        self.numbers.take(topic);
        self.produce(message);
        Ok(())
    }

    /// Whether the log would take a document.
    pub(crate) fn takes(&self, topic: Topic, document: &RawDocument) -> bool {
        self.fitting(topic, document).is_ok()
    }

    fn fitting(&self, topic: Topic, document: &RawDocument) -> Result<Outgoing, Oversize> {
        let mut headers = document.headers();
        headers.push(self.numbers.next(topic).header());
        let message = message(topic, message_key(document), headers, document);
        let (bytes, limit_bytes) = (message.bytes(), self.worker.message_limit(topic));
        if bytes > limit_bytes { Err(Oversize { bytes, limit_bytes }) } else { Ok(message) }
    }

    /// Most bytes of key and value together that a table takes: on Kafka a change is a message, too.
    pub(crate) fn change_limit(&self) -> usize {
        self.worker.message_limit(Topic::Raw)
    }

    /// Adds a rejected input, as much of it as the log takes; returns how many bytes are not kept.
    pub(crate) fn rejected(&mut self, mut rejected: Rejected) -> u64 {
        // By the whole key: the message's may be shorter.
        let key = message_key(&rejected.document);
        let bodyless = |rejected: &Rejected| {
            let whole = message(Topic::Rejected, key.clone(), rejected.headers(), &rejected.document);
            whole.bytes() - whole.value.len()
        };
        rejected.fit(self.worker.message_limit(Topic::Rejected), &bodyless);
        self.produce(message(Topic::Rejected, key, rejected.headers(), &rejected.document));
        rejected.dropped_bytes
    }

    /// Adds a message of another kind.
    pub(crate) fn produce(&mut self, message: Outgoing) {
        self.unit_bytes += message.value.len();
        self.unit.produced.push(message);
    }

    /// Adds a change of the table of state.
    pub(crate) fn put(&mut self, key: &[u8], value: Bytes) {
        self.put_in(self.state, key, value);
    }

    /// Adds a change of a table.
    pub(crate) fn put_in(&mut self, table: Table, key: &[u8], value: Bytes) {
        self.unit.state.push(Change::Put { table, key: Bytes::copy_from_slice(key), value });
    }

    /// Removes a key from a table.
    pub(crate) fn delete_in(&mut self, table: Table, key: &[u8]) {
        self.unit.state.push(Change::Delete { table, key: Bytes::copy_from_slice(key) });
    }

    /// Whether the unit is large enough to be handed over. Asked only where the unit holds all that belongs together.
    pub(crate) fn is_full(&self) -> bool {
        self.unit.produced.len() >= self.batch_documents
            || self.unit_bytes >= self.batch_bytes
            || self.unit.state.len() >= 4 * self.batch_documents
    }

    /// Whether there is nothing to hand over.
    pub(crate) fn is_empty(&self) -> bool {
        self.unit.is_empty()
    }

    /// Hands the unit over, however small.
    pub(crate) fn flush(&mut self) -> Result<(), WatcherError> {
        if self.unit.is_empty() {
            return Ok(());
        }
        failpoint(self.point);
        self.unit.state.extend(self.numbers.changes());
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

    /// The value of a key in the table of state, as of the last flush.
    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, WatcherError> {
        self.worker.get(self.state, key).map_err(WatcherError::log("look up what was read"))
    }

    /// The value of a key in a table, as of the last flush.
    pub(crate) fn get_in(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, WatcherError> {
        self.worker.get(table, key).map_err(WatcherError::log("look up what was read"))
    }

    /// Visits the table of state.
    pub(crate) fn scan(
        &mut self,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), WatcherError> {
        self.scan_in(self.state, prefix, visit)
    }

    /// Visits a table.
    pub(crate) fn scan_in(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), WatcherError> {
        self.worker.scan(table, prefix, visit).map_err(WatcherError::log("load what was read"))
    }
}

/// On Kafka the key chooses the partition: every version of a document goes to the same one, in order.
fn message_key(document: &RawDocument) -> Bytes {
    RecordId::main(&document.source_id, &document.key).to_string().into()
}

fn message(topic: Topic, key: Bytes, headers: Vec<Header>, document: &RawDocument) -> Outgoing {
    Outgoing { topic, timestamp_ms: document.observed_at_ms, key, headers, value: document.body.clone() }
}
