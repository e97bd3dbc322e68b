//! Threads that read pages: few at a time. One that a page keeps busy for good costs that thread and nobody else's turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

/// Pages read at the same time.
const AT_ONCE: usize = 2;
/// With so many threads given up no page is read any more: each takes a processor.
const MOST_GIVEN_UP: i64 = 8;
/// A page that takes longer is given up.
pub(super) const MOST_TIME: Duration = Duration::from_secs(60);

/// The readers of a process.
#[derive(Debug)]
pub(in crate::feeds) struct Readers {
    turns: Semaphore,
    given_up: Arc<AtomicI64>,
}

impl Default for Readers {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_ONCE), given_up: Arc::default() }
    }
}

impl Readers {
    /// Reads on a thread of its own when it is its turn, for at most so long from then on. `None` where that was not enough, where it panicked, or where too many
    /// are stuck already.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        most: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // Held here and not by the thread: who is given up has no turn.
        let _turn = self.turns.acquire().await;
        if self.given_up() >= MOST_GIVEN_UP {
            return None;
        }
        let is_left = Arc::new(AtomicBool::new(false));
        let thread = Thread { is_left: Arc::clone(&is_left), given_up: Arc::clone(&self.given_up) };
        let _waiter = Waiter { is_left, given_up: Arc::clone(&self.given_up) };
        let reading = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            read()
        });
        tokio::time::timeout(most, reading).await.ok()?.ok()
    }

    /// Threads that are still at a page that nobody waits for.
    pub(super) fn given_up(&self) -> i64 {
        self.given_up.load(Ordering::Acquire).max(0)
    }
}

/// One that waits for a thread; of the two the first to go sets `is_left`.
struct Waiter {
    is_left: Arc<AtomicBool>,
    given_up: Arc<AtomicI64>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.is_left.swap(true, Ordering::AcqRel) {
            self.given_up.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The thread's end of it.
struct Thread {
    is_left: Arc<AtomicBool>,
    given_up: Arc<AtomicI64>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        if self.is_left.swap(true, Ordering::AcqRel) {
            self.given_up.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    /// Reads what does not end before it is told to.
    async fn stuck(readers: &Readers, most: Duration) -> (Option<()>, Sender<()>) {
        let (end, ended) = channel();
        let read = move || {
            // Told, or nobody can tell any more.
            let _ = ended.recv();
        };
        (readers.read(most, read).await, end)
    }

    #[tokio::test]
    async fn pages_that_never_end_keep_no_turn_and_are_counted_until_they_do() {
        let readers = Readers::default();
        let mut ends = Vec::new();
        for number in 0..MOST_GIVEN_UP {
            assert_eq!(readers.given_up(), number);
            assert_eq!(readers.read(MOST_TIME, || 7).await, Some(7), "after {number} that did not end");
            let (read, end) = stuck(&readers, SOON).await;
            assert_eq!(read, None);
            ends.push(end);
        }
        assert_eq!(readers.read(MOST_TIME, || 7).await, None, "enough threads are stuck");
        ends.pop();
        while readers.given_up() == MOST_GIVEN_UP {
            tokio::task::yield_now().await;
        }
        assert_eq!(readers.read(MOST_TIME, || 7).await, Some(7));
        drop(ends);
    }

    #[tokio::test]
    async fn who_waits_for_a_turn_has_all_the_time_for_its_page() {
        let readers = Readers::default();
        let most = Duration::from_secs(3);
        let (first, second) = (stuck(&readers, most), stuck(&readers, most));
        // Less than it waits.
        let third = readers.read(most * 2 / 3, || 7);
        let (first, second, third) = tokio::join!(first, second, third);
        assert_eq!((first.0, second.0, third), (None, None, Some(7)));
    }

    #[tokio::test]
    async fn a_page_whose_poller_goes_is_given_up_too() {
        let readers = Arc::new(Readers::default());
        let (end, ended) = channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let ours = Arc::clone(&readers);
        let reading = tokio::spawn(async move {
            let read = move || (begin.send(()), ended.recv().is_ok());
            ours.read(MOST_TIME, read).await.is_some()
        });
        begun.await.expect("it reads");
        reading.abort();
        assert!(reading.await.is_err());
        assert_eq!((readers.given_up(), readers.turns.available_permits()), (1, AT_ONCE));
        drop(end);
        while readers.given_up() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
