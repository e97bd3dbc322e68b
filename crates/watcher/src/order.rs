//! Numbers the documents of each topic in the order they are written: partitions race, and deduplication needs the order back.

use barid_log::{Change, LogError, Table, Worker};
use barid_record::{Order, Topic};
use bytes::Bytes;

/// The table of the next numbers. Keys: `<topic> NUL <writer>`; values: 8 bytes, big-endian.
pub const ORDER: Table = Table("watcher.order");

/// The topics documents go to.
const TOPICS: [Topic; 2] = [Topic::Raw, Topic::Backfill];

/// The next number of each topic, as far as the unit being gathered goes.
#[derive(Debug)]
pub(crate) struct Numbers {
    table: Table,
    writer: String,
    counts: [Count; TOPICS.len()],
}

#[derive(Debug, Clone, Copy)]
struct Count {
    topic: Topic,
    next: u64,
    /// What the table says, or will with the units handed over.
    stored: u64,
}

impl Numbers {
    /// Goes on where that table says.
    pub(crate) fn load(worker: &mut dyn Worker, table: Table, writer: &str) -> Result<Self, LogError> {
        let mut counts = TOPICS.map(|topic| Count { topic, next: 0, stored: 0 });
        for count in &mut counts {
            let Some(value) = worker.get(table, &table_key(count.topic, writer))? else { continue };
            match value.as_ref().try_into().map(u64::from_be_bytes) {
                Ok(next) => (count.next, count.stored) = (next, next),
                // Deduplication takes what it has counted past as it comes: only the order is weaker, nothing is lost.
                Err(_) => tracing::warn!(
                    topic = count.topic.name(),
                    writer,
                    "the count of documents cannot be read: counting from 0"
                ),
            }
        }
        Ok(Self { table, writer: writer.to_owned(), counts })
    }

    /// The number for the next message to a topic; it is used up with [`Numbers::take`].
    pub(crate) fn next(&self, topic: Topic) -> Order {
        let next = self.counts.iter().find(|count| count.topic == topic).map_or(0, |count| count.next);
        Order { writer: self.writer.clone(), sequence: next }
    }

    /// Uses up a number.
    pub(crate) fn take(&mut self, topic: Topic) {
        if let Some(count) = self.counts.iter_mut().find(|count| count.topic == topic) {
            count.next += 1;
        }
    }

    /// What the unit must write to the table.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for count in self.counts.iter_mut().filter(|count| count.next != count.stored) {
            count.stored = count.next;
            changes.push(Change::Put {
                table: self.table,
                key: table_key(count.topic, &self.writer).into(),
                value: Bytes::copy_from_slice(&count.next.to_be_bytes()),
            });
        }
        changes
    }
}

fn table_key(topic: Topic, writer: &str) -> Vec<u8> {
    [topic.name().as_bytes(), writer.as_bytes()].join(&0)
}
