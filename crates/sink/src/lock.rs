//! Who writes the files of a partition. The log says who reads a partition, but cannot reach into a process that was stopped half-way and wakes up
//! when another has taken over: so the files have a lock of their own, which the system holds for exactly as long as its owner lives.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use crate::name;

/// The partitions whose files this sink writes. The locks go with the value.
#[derive(Debug, Default)]
pub(crate) struct Locks(BTreeMap<u32, File>);

/// What came of asking for a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is ours.
    Ours,
    /// It is another's, who says this of itself.
    Others(String),
}

impl Locks {
    /// Takes a partition's lock if nobody else has it.
    pub(crate) fn take(&mut self, dir: &Path, partition: u32) -> io::Result<Taken> {
        if self.0.contains_key(&partition) {
            return Ok(Taken::Ours);
        }
        let path = name::lock(dir, partition);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // For people only: what cannot be read says nothing.
                let _ = file.read_to_string(&mut holder);
                return Ok(Taken::Others(holder));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // On a full disk nobody learns who holds it; it is held all the same.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(us().as_bytes()));
        self.0.insert(partition, file);
        Ok(Taken::Ours)
    }

    /// Gives a partition's lock back. Nothing may be on its way to that partition's files any more.
    pub(crate) fn release(&mut self, partition: u32) {
        self.0.remove(&partition);
    }
}

fn us() -> String {
    let system = rustix::system::uname();
    format!("process {} on {}", std::process::id(), system.nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_one_owner_until_that_one_lets_go() {
        let dir = tempfile::tempdir().expect("a folder");
        let (mut one, mut other) = (Locks::default(), Locks::default());
        assert_eq!(one.take(dir.path(), 1).expect("locked"), Taken::Ours);
        assert_eq!(one.take(dir.path(), 1).expect("locked"), Taken::Ours, "again");
        assert_eq!(other.take(dir.path(), 2).expect("locked"), Taken::Ours, "another partition");
        let Taken::Others(holder) = other.take(dir.path(), 1).expect("asked") else { panic!("two owners") };
        assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
        one.release(1);
        assert_eq!(other.take(dir.path(), 1).expect("locked"), Taken::Ours);
        drop(other);
        assert_eq!(one.take(dir.path(), 2).expect("locked"), Taken::Ours);
    }
}
