//! What something costs, however busy the machine is.

use rustix::time::{ClockId, clock_gettime};

/// What this thread has used of a processor while it did something, in nanoseconds.
pub(crate) fn cost<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let used = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    };
    let before = used();
    let result = work();
    (result, used() - before)
}
