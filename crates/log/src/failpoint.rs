//! Named crash points, so that a test can kill the process exactly between two steps.
//!
//! `BARID_FAILPOINT=log.commit.after_fsync:3` kills the process with SIGKILL the third time that point is reached. Without the cargo
//! feature `failpoints` every call is empty and compiled away.

/// Marks a point where a test may kill the process. Names are `crate.step.moment`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &str) {}

/// Marks a point where a test may kill the process. Names are `crate.step.moment`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let spec = std::env::var("BARID_FAILPOINT").ok()?;
        let (name, nth) = spec.rsplit_once(':').unwrap_or((spec.as_str(), "1"));
        Some((name.to_owned(), AtomicU64::new(nth.parse().unwrap_or(1))))
    });
    if let Some((armed, left)) = ARMED.as_ref()
        && armed == name
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // SIGKILL needs no answer, but the signal may be delivered a moment later: go no further.
        loop {
            std::thread::park();
        }
    }
}
