//! Files that were seen and are not complete yet.

use std::collections::BTreeMap;

use crate::events::Happened;
use crate::intake::Writer;
use crate::stamp::{GRAIN_MS, Stamp};
use crate::{FilesConfig, Format};

/// A file waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    /// When to look at it, in milliseconds since the Unix epoch.
    due_ms: i64,
    /// When it was first noticed.
    noticed_ms: i64,
    /// What is known of its writer.
    writer: Writer,
    /// The file as it was last seen, if it was.
    stamp: Option<Stamp>,
}

/// A source's index and a document key.
pub(crate) type FileName = (usize, String);

/// The files waited for, by source and key: those due at once are looked at in that order.
#[derive(Debug, Default)]
pub(crate) struct Pending(BTreeMap<FileName, Waiting>);

impl Pending {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of the writer of a file.
    pub(crate) fn writer(&self, name: &FileName) -> Option<Writer> {
        self.0.get(name).map(|waiting| waiting.writer)
    }

    /// Takes in what the kernel tells of a file.
    pub(crate) fn hear(&mut self, name: FileName, now_ms: i64, happened: Happened, config: &FilesConfig) {
        let before = self.0.get(&name);
        let (writer, due_ms) = match (happened, &config.format) {
            (Happened::Finished, Format::Text | Format::JsonLines(_)) => {
                (Writer::Done { closed_ms: now_ms }, now_ms + GRAIN_MS)
            }

            (Happened::Written, Format::Text) => (Writer::Open, now_ms + config.open_limit_ms),
            // Its whole lines are documents already. Those of one moment are read together.
            (Happened::Written, Format::JsonLines(_)) => {
                let due_ms = before.map_or(i64::MAX, |before| before.due_ms);
                (Writer::Open, due_ms.min(now_ms + GRAIN_MS))
            }
            (Happened::Created, Format::Text | Format::JsonLines(_)) if before.is_some() => return,
            (Happened::Created, Format::Text | Format::JsonLines(_)) => {
                (Writer::Unknown { since_ms: now_ms }, now_ms)
            }
        };
        let noticed_ms = before.map_or(now_ms, |before| before.noticed_ms);
        let stamp = before.and_then(|before| before.stamp);
        self.0.insert(name, Waiting { due_ms, noticed_ms, writer, stamp });
    }

    /// Waits for a file that was looked at, with that knowledge of its writer, and is not complete. Where nothing is known, it settles from
    /// when its present state was first met.
    pub(crate) fn wait(&mut self, name: FileName, now_ms: i64, due_ms: i64, stamp: Stamp, writer: Writer) {
        let before = self.0.get(&name);
        let is_as_before = before.is_some_and(|before| before.stamp == Some(stamp));
        let noticed_ms = before.map_or(now_ms, |before| before.noticed_ms);
        let writer = match writer {
            Writer::Unknown { .. } if !is_as_before => Writer::Unknown { since_ms: now_ms },
            Writer::Unknown { .. } | Writer::Open | Writer::Done { .. } => writer,
        };
        self.0.insert(name, Waiting { due_ms, noticed_ms, writer, stamp: Some(stamp) });
    }

    pub(crate) fn remove(&mut self, name: &FileName) {
        self.0.remove(name);
    }

    /// Events were lost, perhaps of files being closed: what was open may not be.
    pub(crate) fn distrust(&mut self, now_ms: i64) {
        for waiting in self.0.values_mut().filter(|waiting| waiting.writer == Writer::Open) {
            waiting.writer = Writer::Unknown { since_ms: now_ms };
            waiting.due_ms = now_ms;
        }
    }

    /// Whether any of them is known to become complete on its own.
    pub(crate) fn is_settling(&self) -> bool {
        self.0.values().any(|waiting| waiting.writer != Writer::Open)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_held_open_waits_for_its_writer_until_events_are_lost() {
        let config = FilesConfig::default();
        let name = || (0, "a.txt".to_owned());
        let mut pending = Pending::default();
        pending.hear(name(), 1000, Happened::Written, &config);
        assert_eq!((pending.writer(&name()), pending.is_settling()), (Some(Writer::Open), false));
        assert_eq!(pending.next_due_ms(), Some(1000 + config.open_limit_ms));
        pending.distrust(2000);
        assert_eq!(pending.writer(&name()), Some(Writer::Unknown { since_ms: 2000 }));
        assert_eq!(pending.due(2000), [name()]);
        assert!(pending.is_settling());
        pending.hear(name(), 3000, Happened::Finished, &config);
        assert_eq!(pending.due(3000 + GRAIN_MS), [name()]);
        assert_eq!(pending.oldest_ms(), Some(1000), "since it was first noticed");
    }

    #[test]
    fn what_settles_does_so_from_when_its_present_state_was_met() {
        let stamp = Stamp { size: 1, inode: 2, modified_ns: 3, changed_ns: 4 };
        let name = || (0, "a.txt".to_owned());
        let mut pending = Pending::default();
        for (now_ms, stamp, since_ms) in
            [(1000, stamp, 1000), (2000, stamp, 1000), (3000, Stamp { size: 9, ..stamp }, 3000)]
        {
            let writer = pending.writer(&name()).unwrap_or(Writer::Unknown { since_ms: now_ms });
            pending.wait(name(), now_ms, now_ms + 500, stamp, writer);
            assert_eq!(pending.writer(&name()), Some(Writer::Unknown { since_ms }), "{now_ms}");
        }
    }
}
