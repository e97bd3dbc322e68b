//! The three stores under the same work.

use std::path::Path;

use barid_log::{
    Change, Codec, Embedded, EmbeddedConfig, Log, Outgoing, Position, Table, Ticket, Unit, Worker, WorkerSpec,
};
use barid_record::Topic;
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use prometheus::Registry;
use redb::{ReadableDatabase, TableDefinition};

/// The table of index entries.
pub(crate) const INDEX: Table = Table("index");
const REDB_MESSAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("messages");
const REDB_INDEX: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("index");
const REDB_POSITIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("positions");

/// A store and the commit being gathered.
pub(crate) enum Engine {
    Log {
        worker: Box<dyn Worker>,
        _log: Box<Embedded>,
        unit: Unit,
        last: Option<Ticket>,
    },
    Fjall {
        db: Database,
        messages: Keyspace,
        index: Keyspace,
        positions: Keyspace,
        batch: fjall::OwnedWriteBatch,
    },
    Redb {
        db: redb::Database,
        messages: Vec<(u64, Bytes)>,
        index: Vec<(Vec<u8>, Vec<u8>)>,
    },
}

impl Engine {
    pub(crate) fn open(name: &str, dir: &Path, codec: Codec) -> Self {
        match name {
            "fjall" => Self::open_fjall(dir),
            "redb" => {
                let db = redb::Database::builder().set_cache_size(64 << 20).create(dir.join("redb")).unwrap();
                Self::Redb { db, messages: Vec::new(), index: Vec::new() }
            }
            _ => {
                let log =
                    Embedded::open(EmbeddedConfig { codec, ..EmbeddedConfig::new(dir) }, &Registry::new())
                        .unwrap();
                let spec = WorkerSpec { group: "writer".to_owned(), inputs: Vec::new(), tables: vec![INDEX] };
                let worker = log.worker(spec).unwrap();
                Self::Log { worker, _log: Box::new(log), unit: Unit::default(), last: None }
            }
        }
    }

    fn open_fjall(dir: &Path) -> Self {
        let db = Database::builder(dir.join("fjall")).cache_size(32 << 20).open().unwrap();
        let small = || KeyspaceCreateOptions::default().max_memtable_size(16 << 20);
        let open = |name: &str| db.keyspace(name, small).unwrap();
        let (messages, index, positions) = (open("messages"), open("index"), open("positions"));
        Self::Fjall { batch: db.batch(), db, messages, index, positions }
    }

    pub(crate) fn put_message(&mut self, n: u64, text: &Bytes) {
        match self {
            Self::Log { unit, .. } => unit.produced.push(Outgoing {
                topic: Topic::Raw,
                timestamp_ms: n as i64,
                key: Bytes::new(),
                headers: Vec::new(),
                value: text.clone(),
            }),
            Self::Fjall { messages, batch, .. } => batch.insert(messages, n.to_be_bytes(), &text[..]),
            Self::Redb { messages, .. } => messages.push((n, text.clone())),
        }
    }

    pub(crate) fn put_index(&mut self, key: &[u8; 32], value: &[u8; 64]) {
        match self {
            Self::Log { unit, .. } => {
                let (key, value) = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                unit.state.push(Change::Put { table: INDEX, key, value });
            }
            Self::Fjall { index, batch, .. } => batch.insert(index, key, value),
            Self::Redb { index, .. } => index.push((key.to_vec(), value.to_vec())),
        }
    }

    /// Ends a commit. The log works on while the next is gathered; the others have no way to.
    pub(crate) fn commit(&mut self, next: u64) {
        match self {
            Self::Log { worker, unit, last, .. } => {
                unit.consumed.push(Position { topic: Topic::Backfill, partition: 0, next_offset: next });
                *last = Some(worker.submit(std::mem::take(unit)).unwrap());
            }
            Self::Fjall { db, positions, batch, .. } => {
                let mut full = std::mem::replace(batch, db.batch());
                full.insert(positions, "writer", next.to_be_bytes());
                full.commit().unwrap();
                db.persist(PersistMode::SyncData).unwrap();
            }
            Self::Redb { db, messages, index } => commit_redb(db, messages, index, next),
        }
    }

    pub(crate) fn finish(&mut self) {
        if let Self::Log { worker, last: Some(last), .. } = self {
            worker.wait(*last).unwrap();
        }
    }

    pub(crate) fn get_index(&mut self, key: &[u8; 32]) -> bool {
        match self {
            Self::Log { worker, .. } => worker.get(INDEX, key).unwrap().is_some(),
            Self::Fjall { index, .. } => index.get(key).unwrap().is_some(),
            Self::Redb { db, .. } => {
                let read = db.begin_read().unwrap();
                read.open_table(REDB_INDEX).unwrap().get(&key[..]).unwrap().is_some()
            }
        }
    }
}

fn commit_redb(
    db: &redb::Database,
    messages: &mut Vec<(u64, Bytes)>,
    index: &mut Vec<(Vec<u8>, Vec<u8>)>,
    next: u64,
) {
    let write = db.begin_write().unwrap();
    {
        let mut table = write.open_table(REDB_MESSAGES).unwrap();
        for (n, text) in messages.drain(..) {
            table.insert(n, &text[..]).unwrap();
        }
        let mut table = write.open_table(REDB_INDEX).unwrap();
        for (key, value) in index.drain(..) {
            table.insert(&key[..], &value[..]).unwrap();
        }
        write.open_table(REDB_POSITIONS).unwrap().insert("writer", next).unwrap();
    }
    write.commit().unwrap();
}
