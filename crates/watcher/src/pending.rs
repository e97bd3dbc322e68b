//! Files that were seen and are not complete yet.

use std::collections::BTreeMap;

use crate::intake::Writer;
use crate::stamp::Stamp;

/// A file waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// When to look at it, in milliseconds since the Unix epoch.
    pub(crate) due_ms: i64,
    /// When it was first noticed.
    pub(crate) noticed_ms: i64,
    /// What is known of its writer when that time comes.
    pub(crate) writer: Writer,
    /// The file as it was last seen, where it was.
    pub(crate) stamp: Option<Stamp>,
    /// True while its writer holds it open, as far as is known.
    pub(crate) is_open: bool,
}

/// A source's index and a document key.
pub(crate) type FileName = (usize, String);

/// The files waited for, by source and key: those due at once are looked at in that order.
#[derive(Debug, Default)]
pub(crate) struct Pending(BTreeMap<FileName, Waiting>);

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, name: &FileName) -> Option<&Waiting> {
        self.0.get(name)
    }

    pub(crate) fn insert(&mut self, name: FileName, waiting: Waiting) {
        self.0.insert(name, waiting);
    }

    /// Waits for a file that was looked at and is not complete. It settles from when its present state was first met.
    pub(crate) fn wait(&mut self, name: FileName, now_ms: i64, due_ms: i64, stamp: Stamp) {
        let before = self.0.get(&name).copied();
        let since_ms = match before {
            Some(Waiting { stamp: Some(seen), writer: Writer::Unknown { since_ms }, .. })
                if seen == stamp =>
            {
                since_ms
            }
            Some(_) | None => now_ms,
        };
        let waiting = Waiting {
            due_ms,
            noticed_ms: before.map_or(now_ms, |before| before.noticed_ms),
            writer: Writer::Unknown { since_ms },
            stamp: Some(stamp),
            is_open: false,
        };
        self.0.insert(name, waiting);
    }

    pub(crate) fn remove(&mut self, name: &FileName) {
        self.0.remove(name);
    }

    /// When the next file is due.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.0.values().map(|waiting| waiting.due_ms).min()
    }

    /// When the file that waits longest was noticed.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        self.0.values().map(|waiting| waiting.noticed_ms).min()
    }

    /// The files due by then, in order.
    pub(crate) fn due(&self, now_ms: i64) -> Vec<FileName> {
        let due = self.0.iter().filter(|(_, waiting)| waiting.due_ms <= now_ms);
        due.map(|(name, _)| name.clone()).collect()
    }
}
