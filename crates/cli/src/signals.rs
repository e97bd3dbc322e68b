//! TERM and INT ask for an orderly end within a limit, a second INT forces it, HUP says what to do instead.

use std::process;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Interval;

use crate::error::{CliError, exit};
use crate::manager::Manager;

/// How long an orderly end may take.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Watches for signals on a thread of its own until the process ends. `stop` is called once, at the first TERM or INT; if the process
/// is still there `limit` later it exits with 75, and at a further INT with 130. Neither loses anything: what is committed is durable.
///
/// # Errors
/// [`CliError::System`] when handlers cannot be installed.
pub(crate) fn watch(
    limit: Duration,
    manager: &Manager,
    stop: impl FnOnce() + Send + 'static,
) -> Result<(), CliError> {
    let failed = |operation| move |source| CliError::System { operation, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("start the signal watcher"))?;
    let manager = manager.clone();
    let signals = {
        let _guard = runtime.enter();
        let on = |kind| signal(kind).map_err(failed("install a signal handler"));
        Signals {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
            pulse: manager.pulse().map(tokio::time::interval),
            manager,
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(signals.attend(limit, stop)))
        .map_err(failed("start the signal watcher"))?;
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// Who hears signals can be stopped in order: that is what the manager's watchdog watches.
    pulse: Option<Interval>,
    manager: Manager,
}

impl Signals {
    async fn attend(mut self, limit: Duration, stop: impl FnOnce()) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => break,
                _ = self.terminate.recv() => break,
                _ = self.hangup.recv() => hangup(),
                () = beat(&mut self.pulse) => self.manager.alive(),
            }
        }
        self.manager.stopping();
        tracing::info!(
            limit_seconds = limit.as_secs(),
            "stopping: what is in hand is finished first; interrupt again to force"
        );
        stop();
        let deadline = tokio::time::sleep(limit);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => {
                    tracing::warn!("forced to stop: the next start goes on from the last commit");
                    process::exit(exit::INTERRUPTED.into());
                }
                () = &mut deadline => {
                    tracing::error!(limit_seconds = limit.as_secs(), "stopping took too long: the next start goes on from the last commit");
                    process::exit(exit::TEMPORARY.into());
                }
                _ = self.terminate.recv() => {}
                _ = self.hangup.recv() => hangup(),
                () = beat(&mut self.pulse) => self.manager.alive(),
            }
        }
    }
}

/// The next time that the watchdog wants to hear of us.
async fn beat(pulse: &mut Option<Interval>) {
    match pulse {
        Some(pulse) => drop(pulse.tick().await),
        None => std::future::pending().await,
    }
}

fn hangup() {
    tracing::warn!("the configuration is read at start only: restart barid to apply changes");
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    use rustix::process::{Pid, Signal as Os, kill_process};

    use super::*;

    const CHILD: &str = "BARID_TEST_SIGNALS_LIMIT_MS";

    /// Not a test of its own: in a process started by the tests below it waits for signals, elsewhere it checks that it was not.
    #[test]
    fn child() {
        let Ok(limit_ms) = std::env::var(CHILD) else { return };
        let say = |word: &str| writeln!(std::io::stderr(), "{word}").unwrap();
        watch(Duration::from_millis(limit_ms.parse().unwrap()), &Manager::default(), move || say("stopping"))
            .unwrap();
        writeln!(std::io::stderr(), "watching").unwrap();
        loop {
            thread::park();
        }
    }

    struct Watched {
        child: Child,
        lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
    }

    impl Watched {
        fn start(limit_ms: u64) -> Self {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "signals::tests::child", "--nocapture"])
                .env(CHILD, limit_ms.to_string())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let mut watched = Self { child, lines };
            watched.wait_for("watching");
            watched
        }

        fn wait_for(&mut self, word: &str) {
            assert!(self.lines.any(|line| line.unwrap() == word), "it ended before it said {word}");
        }

        fn send(&self, signal: Os) {
            kill_process(Pid::from_child(&self.child), signal).unwrap();
        }

        fn exit_code(mut self) -> Option<i32> {
            self.child.wait().unwrap().code()
        }
    }

    impl Drop for Watched {
        /// A failed test leaves no process behind. One that has ended already cannot be killed.
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn a_second_interrupt_forces_the_end() {
        let mut watched = Watched::start(60_000);
        watched.send(Os::HUP);
        watched.send(Os::TERM);
        watched.wait_for("stopping");
        watched.send(Os::INT);
        assert_eq!(watched.exit_code(), Some(130));
    }

    #[test]
    fn an_end_that_takes_too_long_is_cut() {
        let mut watched = Watched::start(50);
        watched.send(Os::INT);
        watched.wait_for("stopping");
        assert_eq!(watched.exit_code(), Some(75));
    }
}
