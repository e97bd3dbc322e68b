//! What can go wrong in a log: each cause with its operation and object, whether to try again, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A failed log operation.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("{operation} {object}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// Why not.
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error("open {}: {holder} is using this folder", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
        /// Who has it, in words: the number and command of the process where they are known.
        holder: String,
    },
    /// The group has a live worker already.
    #[error("join group {group}: it has a live worker already")]
    GroupBusy {
        /// The group.
        group: String,
    },
    /// A worker touched a table its specification does not name.
    #[error("use table {table}: the worker of group {group} did not declare it")]
    UnknownTable {
        /// The table.
        table: &'static str,
        /// The group.
        group: String,
    },
    /// The topic has no such partition.
    #[error("read {topic}: it has no partition {partition}")]
    UnknownPartition {
        /// The topic.
        topic: &'static str,
        /// The partition asked for.
        partition: u32,
    },
    /// A message, key or value is larger than the format can hold.
    #[error("submit {object}: {bytes} bytes, the limit is {limit_bytes}")]
    TooLarge {
        /// What is too large.
        object: &'static str,
        /// Its size.
        bytes: usize,
        /// The largest size accepted.
        limit_bytes: usize,
    },
    /// The disk is full, and waiting for space was not possible (the log is being opened or closed).
    #[error("{operation} {object}: the disk is full")]
    StorageFull {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
    },
    /// A file of the commit journal is missing or does not hold what was committed.
    #[error("recover {} at byte {offset}: {what}", file.display())]
    JournalDamaged {
        /// The journal file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A topic segment is missing or does not hold what was committed.
    #[error("read {} at byte {offset}: {what}", file.display())]
    SegmentDamaged {
        /// The segment file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// No checkpoint can be read although the log has had one.
    #[error("recover {} at byte {offset}: {what}", file.display())]
    CheckpointDamaged {
        /// The checkpoint file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The state store cannot be read, or is older than the checkpoint says.
    #[error("{operation} {}: {what}", dir.display())]
    StateDamaged {
        /// What was tried.
        operation: &'static str,
        /// The folder of the state store.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An earlier failure stopped the log: nothing was committed after it.
    #[error("{operation}: the log has stopped: {cause}")]
    Stopped {
        /// What was tried.
        operation: &'static str,
        /// The first failure.
        cause: String,
    },
    /// What was polled and is not durable comes again: partitions moved to another member, or a transaction did not commit.
    #[error("group {group}: reading again from the last commit: {cause}")]
    Rewound {
        /// The group.
        group: String,
        /// What happened.
        cause: String,
    },
    /// The worker is no longer the owner of its group's state: another member is, or may be.
    #[error("group {group}: no longer its owner: {cause}")]
    Lost {
        /// The group.
        group: String,
        /// What happened.
        cause: String,
    },
    /// No broker answers.
    #[error("{operation}: no Kafka broker answers at {brokers}: {what}")]
    Unreachable {
        /// What was tried.
        operation: &'static str,
        /// The configured addresses.
        brokers: String,
        /// What the client says.
        what: String,
    },
    /// Brokers answer, and do not accept this client.
    #[error("{operation}: the Kafka brokers at {brokers} do not accept this client: {what}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// The configured addresses.
        brokers: String,
        /// What they say.
        what: String,
    },
    /// Kafka refused, or the client failed.
    #[error("{operation} {object}: {what}")]
    Kafka {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What Kafka, or its client, says.
        what: String,
        /// Whether the same call may succeed later.
        transient: bool,
    },
    /// Another process runs under the same instance name.
    #[error("group {group}: another process has taken over the instance name `{instance}`")]
    Fenced {
        /// The group.
        group: String,
        /// The name both use.
        instance: String,
    },
    /// The topic does not exist.
    #[error("use topic {topic}: it does not exist")]
    TopicMissing {
        /// Its full name.
        topic: String,
    },
    /// The topic is not as it must be.
    #[error("use topic {topic}: {what}")]
    TopicUnfit {
        /// Its full name.
        topic: String,
        /// What is wrong.
        what: String,
    },
    /// The client does not take a configured property.
    #[error("set Kafka property {property}: {what}")]
    BadProperty {
        /// The property.
        property: String,
        /// What the client says.
        what: String,
    },
    /// The log was opened for reading only.
    #[error("{operation}: the log is open for reading only")]
    ReadOnly {
        /// What was tried.
        operation: &'static str,
    },
}

impl LogError {
    /// True when the same call may succeed later without anybody repairing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::GroupBusy { .. }
            | Self::StorageFull { .. }
            | Self::Rewound { .. }
            | Self::Lost { .. }
            | Self::Unreachable { .. } => true,
            Self::Kafka { transient, .. } => *transient,
            Self::Io { source, .. } => is_full(source) || source.kind() == io::ErrorKind::Interrupted,
            Self::UnknownTable { .. }
            | Self::UnknownPartition { .. }
            | Self::TooLarge { .. }
            | Self::JournalDamaged { .. }
            | Self::SegmentDamaged { .. }
            | Self::CheckpointDamaged { .. }
            | Self::StateDamaged { .. }
            | Self::Stopped { .. }
            | Self::Fenced { .. }
            | Self::TopicMissing { .. }
            | Self::TopicUnfit { .. }
            | Self::BadProperty { .. }
            | Self::Refused { .. }
            | Self::ReadOnly { .. } => false,
        }
    }

    /// True when the worker that said it goes on: what it gave out and is not durable comes again.
    pub fn is_rewound(&self) -> bool {
        matches!(self, Self::Rewound { .. })
    }

    /// True when a new worker of the same group may go on where this one ended.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// The stable code, for manuals and alerts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "E0301",
            Self::Locked { .. } => "E0302",
            Self::GroupBusy { .. } => "E0303",
            Self::UnknownTable { .. } => "E0304",
            Self::UnknownPartition { .. } => "E0305",
            Self::TooLarge { .. } => "E0306",
            Self::StorageFull { .. } => "E0307",
            Self::JournalDamaged { .. } => "E0308",
            Self::SegmentDamaged { .. } => "E0309",
            Self::CheckpointDamaged { .. } => "E0310",
            Self::StateDamaged { .. } => "E0311",
            Self::Stopped { .. } => "E0312",
            Self::ReadOnly { .. } => "E0313",
            Self::Rewound { .. } => "E0314",
            Self::Lost { .. } => "E0315",
            Self::Unreachable { .. } => "E0316",
            Self::Kafka { .. } => "E0317",
            Self::Fenced { .. } => "E0318",
            Self::TopicMissing { .. } => "E0319",
            Self::TopicUnfit { .. } => "E0320",
            Self::BadProperty { .. } => "E0321",
            Self::Refused { .. } => "E0322",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the disk and the permissions of the data folder, then start again",
            Self::Locked { .. } => "stop that process, or give this one its own data folder",
            Self::GroupBusy { .. } => "give each worker its own group, or wait until the first one has gone",
            Self::UnknownTable { .. } => "name the table in the worker's specification",
            Self::UnknownPartition { .. } => "the embedded log has one partition a topic: 0",
            Self::TooLarge { .. } => "split it, or put it aside as rejected",
            Self::StorageFull { .. } => "free some space on the disk of the data folder",
            Self::JournalDamaged { .. } | Self::CheckpointDamaged { .. } => {
                "restore the data folder from a backup taken with the log stopped, or start on an empty folder and ingest again"
            }
            Self::SegmentDamaged { .. } => {
                "restore the data folder from a backup; messages of other segments are intact and can be read with the read-only opener"
            }
            Self::StateDamaged { .. } => {
                "restore the data folder from a backup; the journal no longer reaches back far enough to rebuild the state"
            }
            Self::Stopped { .. } => {
                "read the first failure in the log, repair its cause and start again: committed units are safe"
            }
            Self::ReadOnly { .. } => "open the log for writing in the process that owns it",
            Self::Rewound { .. } => "nothing: the messages come again",
            Self::Lost { .. } => {
                "nothing: the worker joins again, and stands by while another one is the owner"
            }
            Self::Unreachable { .. } => {
                "start the brokers, or correct `kafka.brokers`; barid goes on by itself"
            }
            Self::Refused { .. } => {
                "correct `sasl.username`, `sasl.password` and `sasl.mechanism` below `[kafka.properties]`, or the user on the brokers"
            }
            Self::Kafka { .. } => "read what the broker says; barid tries again where that can help",
            Self::Fenced { .. } => "give every process its own `kafka.instance`, or leave it out",
            Self::TopicMissing { .. } => "run `barid topics create`",
            Self::TopicUnfit { .. } => {
                "correct the topic's settings, or delete it and run `barid topics create`"
            }
            Self::BadProperty { .. } => {
                "see librdkafka's CONFIGURATION.md for the names and values of properties"
            }
        }
    }

    /// An [`LogError::Io`] or, when the disk is full, an [`LogError::StorageFull`].
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let object = path.display().to_string();
        if is_full(&source) {
            Self::StorageFull { operation, object }
        } else {
            Self::Io { operation, object, source }
        }
    }
}

/// No space left, or the owner's quota is used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        let full = LogError::io("write", Path::new("x"), io::Error::from_raw_os_error(28));
        assert!(matches!(full, LogError::StorageFull { .. }) && full.is_transient());
        let broken = LogError::io("write", Path::new("x"), io::Error::from_raw_os_error(5));
        assert!(matches!(broken, LogError::Io { .. }) && !broken.is_transient());
    }
}
