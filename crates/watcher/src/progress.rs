//! What a run tells of itself.

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files looked at, counted each time.
    pub files_seen: u64,
    /// Documents handed to the log.
    pub documents: u64,
    /// Bytes of these.
    pub document_bytes: u64,
    /// Files and lines looked at that gave nothing new.
    pub unchanged: u64,
    /// Inputs handed to the log as rejected.
    pub rejected: u64,
    /// Failed reads, each tried again later.
    pub read_errors: u64,
    /// Files that were still being written at the end: the next run reads them.
    pub unfinished: u64,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everything there is.
    FirstScan,
    /// What changes.
    Watching,
    /// What is left, to end.
    Draining,
}

/// Said whenever something was handed to the log, after each scan, and at least every 100 ms between scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What the run is doing.
    pub phase: Phase,
    /// What it has done.
    pub counts: Summary,
}
