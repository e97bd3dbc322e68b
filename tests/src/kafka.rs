//! A real Apache Kafka broker for tests, faults and measurements: fetched, formatted, started, killed, frozen and cleaned away.

pub mod checks;
mod client;
mod error;
mod jars;
mod keeper;
mod node;
mod ready;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub use checks::checked;
pub use client::{create_topic, delete_topics};
pub use error::BrokerError;
pub use jars::{VERSION, target_dir};
pub use keeper::is_alive;
pub use node::{Node, Size, free_ports};

use keeper::Keeper;

/// Names a running broker, `host:port`, for the tests to use instead of one of their own.
pub const VARIABLE: &str = "BARID_TEST_KAFKA";

/// A broker that answers. One of ours dies with this process, whatever ends it, and its data with it.
#[derive(Debug)]
pub struct Broker {
    address: String,
    ours: Option<(Node, Mutex<Keeper>)>,
}

impl Broker {
    /// The broker of this test process, started at first use and put through the checks T1 to T5, on which every later claim rests; the one named by
    /// `BARID_TEST_KAFKA` where that is set. Topics, groups and transactional ids are the caller's to keep apart.
    pub fn for_tests() -> Result<&'static Self, BrokerError> {
        static CHECKED: Mutex<bool> = Mutex::new(false);
        let broker = Self::unchecked_for_tests()?;
        let mut is_checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_checked {
            checked(&broker.address)?;
            *is_checked = true;
        }
        Ok(broker)
    }

    /// [`Broker::for_tests`] before its checks: for the tests that are these checks.
    pub fn unchecked_for_tests() -> Result<&'static Self, BrokerError> {
        static BROKER: OnceLock<Broker> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(broker) = BROKER.get() {
            return Ok(broker);
        }
        let broker = match std::env::var(VARIABLE) {
            Ok(address) => Self::at(&address)?,
            Err(_) => Self::start(Size::Small)?,
        };
        Ok(BROKER.get_or_init(|| broker))
    }

    /// A broker that somebody else runs.
    pub fn at(address: &str) -> Result<Self, BrokerError> {
        ready::wait_until_ready(address, None, &|| None, &String::new)?;
        Ok(Self { address: address.to_owned(), ours: None })
    }

    /// A new broker with empty storage on free ports; returns when a transaction commits.
    pub fn start(size: Size) -> Result<Self, BrokerError> {
        const TRIES: usize = 5;
        let mut tries = 1;
        loop {
            let folder = tempfile::Builder::new().prefix("barid-kafka-").tempdir();
            let folder = folder.map_err(error::io("make", "a temporary folder"))?;
            let node = Node::lay_out(folder.path(), node::free_ports()?, size)?;
            let keeper = Keeper::new(&node)?;
            // From here on the keeper removes it.
            let _ = folder.keep();
            let broker = Self { address: node.address(), ours: Some((node, Mutex::new(keeper))) };
            match broker.start_again() {
                Ok(()) => return Ok(broker),
                Err(BrokerError::Died { .. }) if tries < TRIES && broker.port_was_taken() => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where clients reach it, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process, also where that is in a container. `None` while it is down, or is not ours.
    pub fn pid(&self) -> Option<u32> {
        let (_, keeper) = self.ours.as_ref()?;
        lock(keeper).pid()
    }

    /// Its log; `None` where it is not ours.
    pub fn log(&self) -> Option<PathBuf> {
        self.ours.as_ref().map(|(node, _)| node.log())
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.keeper("kill")?.kill()
    }

    /// SIGTERM, then waits for its orderly end. A frozen one is woken first.
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.keeper("stop")?.stop()
    }

    /// Starts it on the same data and ports after [`Broker::kill`] or [`Broker::stop`]; returns when a transaction commits.
    pub fn start_again(&self) -> Result<(), BrokerError> {
        let mut keeper = self.keeper("start")?;
        if !keeper.is_alive() {
            keeper.start()?;
        }
        drop(keeper);
        let Some((node, keeper)) = &self.ours else { return Ok(()) };
        node.wait_until_ready(&|| lock(keeper).is_alive())
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Result<(), BrokerError> {
        self.keeper("pause")?.pause()
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), BrokerError> {
        self.keeper("resume")?.resume()
    }

    fn keeper(&self, order: &'static str) -> Result<MutexGuard<'_, Keeper>, BrokerError> {
        match &self.ours {
            Some((_, keeper)) => Ok(lock(keeper)),
            None => Err(BrokerError::NotOurs { order, address: self.address.clone() }),
        }
    }

    fn port_was_taken(&self) -> bool {
        self.ours.as_ref().is_some_and(|(node, _)| node.port_was_taken())
    }
}

fn lock(keeper: &Mutex<Keeper>) -> MutexGuard<'_, Keeper> {
    keeper.lock().unwrap_or_else(PoisonError::into_inner)
}
