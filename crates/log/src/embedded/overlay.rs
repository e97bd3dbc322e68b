//! A worker's submitted state changes that the state store may not have yet: what makes it read its own writes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::state::StateStore;
use crate::LogError;
use crate::api::{Change, Table};

/// Changes by table and key (hashed: keys come in no order, and looking one up is what happens all the time), each with the ticket of the newest unit that made it.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    tables: HashMap<Table, HashMap<Bytes, Pending>>,
    order: VecDeque<(u64, Table, Bytes)>,
}

#[derive(Debug, Clone)]
struct Pending {
    ticket: u64,
    /// `None`: deleted.
    value: Option<Bytes>,
}

impl Overlay {
    /// Remembers the changes of a unit.
    pub(crate) fn add(&mut self, ticket: u64, changes: &[Change]) {
        for change in changes {
            let (table, key, value) = match change {
                Change::Put { table, key, value } => (*table, key, Some(value.clone())),
                Change::Delete { table, key } => (*table, key, None),
            };
            self.tables.entry(table).or_default().insert(key.clone(), Pending { ticket, value });
            self.order.push_back((ticket, table, key.clone()));
        }
    }

    /// Forgets what the state store has: everything up to the ticket `durable`.
    pub(crate) fn forget(&mut self, durable: u64) {
        while let Some((ticket, table, key)) = self.order.pop_front_if(|(ticket, ..)| *ticket <= durable) {
            if let Some(keys) = self.tables.get_mut(&table)
                && keys.get(&key).is_some_and(|pending| pending.ticket == ticket)
            {
                keys.remove(&key);
            }
        }
    }

    /// What is known of a key: `None` when nothing, `Some(None)` when it is deleted.
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Option<Option<Bytes>> {
        Some(self.tables.get(&table)?.get(key)?.value.clone())
    }

    /// Visits the keys with a prefix in byte order: what the store has, with the changes it does not have yet.
    pub(crate) fn scan(
        &self,
        state: &StateStore,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        let mut pending = self.with_prefix(table, prefix).into_iter().peekable();
        state.scan(table.0, prefix, &mut |key, value| {
            while let Some((newer, value)) = pending.next_if(|(newer, _)| newer.as_ref() < key) {
                value.iter().for_each(|value| visit(&newer, value));
            }
            match pending.next_if(|(newer, _)| newer.as_ref() == key) {
                Some((_, newer)) => newer.iter().for_each(|newer| visit(key, newer)),
                None => visit(key, value),
            }
        })?;
        for (key, value) in pending {
            value.iter().for_each(|value| visit(&key, value));
        }
        Ok(())
    }

    /// The changes of the keys with a prefix, in byte order.
    fn with_prefix(&self, table: Table, prefix: &[u8]) -> Vec<(Bytes, Option<Bytes>)> {
        let Some(keys) = self.tables.get(&table) else { return Vec::new() };
        let matching = keys.iter().filter(|(key, _)| key.starts_with(prefix));
        let mut found: Vec<_> = matching.map(|(key, pending)| (key.clone(), pending.value.clone())).collect();
        found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table("t");

    fn put(key: &'static str, value: &'static str) -> Change {
        Change::Put { table: TABLE, key: key.into(), value: value.into() }
    }

    #[test]
    fn the_newest_change_counts_until_it_is_durable() {
        let mut overlay = Overlay::default();
        overlay.add(1, &[put("a", "1"), put("b", "1")]);
        overlay.add(2, &[put("a", "2"), Change::Delete { table: TABLE, key: "b".into() }]);
        overlay.forget(1);
        assert_eq!(overlay.get(TABLE, b"a"), Some(Some("2".into())));
        assert_eq!(overlay.get(TABLE, b"b"), Some(None));
        assert_eq!(overlay.get(TABLE, b"c"), None);
        assert_eq!(overlay.with_prefix(TABLE, b"a"), [("a".into(), Some("2".into()))]);
        overlay.forget(2);
        assert_eq!(overlay.get(TABLE, b"a"), None);
        assert!(overlay.order.is_empty());
    }
}
