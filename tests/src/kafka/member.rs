//! One node of a running cluster: its process, and what can be done to it.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::BrokerError;
use super::keeper::Keeper;
use super::node::Node;
use super::ready::wait_until_in_step;

/// A node that is ours to kill.
#[derive(Debug)]
pub struct Member {
    node: Node,
    keeper: Mutex<Keeper>,
}

impl Member {
    /// Of a node that is laid out; its process is not started yet.
    pub(super) fn new(node: Node) -> Result<Self, BrokerError> {
        let keeper = Mutex::new(Keeper::new(&node)?);
        Ok(Self { node, keeper })
    }

    /// Its number in the cluster, from 1: what the brokers call it.
    pub fn id(&self) -> i32 {
        self.node.id()
    }

    /// Where clients reach it, `host:port`.
    pub fn address(&self) -> String {
        self.node.address()
    }

    /// Its process, also where that is in a container. `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.keeper().pid()
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.node.log()
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.keeper().kill()
    }

    /// SIGTERM, then waits for its orderly end. A frozen one is woken first.
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.keeper().stop()
    }

    /// Starts it on the same data and ports; returns when it commits a transaction and has a whole copy of everything it should have.
    pub fn start_again(&self) -> Result<(), BrokerError> {
        self.begin()?;
        self.wait_until_ready()
    }

    /// Starts its process, if that does not run.
    pub(super) fn begin(&self) -> Result<(), BrokerError> {
        let mut keeper = self.keeper();
        if keeper.is_alive() { Ok(()) } else { keeper.start() }
    }

    pub(super) fn wait_until_ready(&self) -> Result<(), BrokerError> {
        self.node.wait_until_ready(&|| self.keeper().is_alive())?;
        wait_until_in_step(&self.address(), self.id())
    }

    /// SIGSTOP: it keeps its connections and answers nothing.
    pub fn pause(&self) -> Result<(), BrokerError> {
        self.keeper().pause()
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), BrokerError> {
        self.keeper().resume()
    }

    pub(super) fn port_was_taken(&self) -> bool {
        self.node.port_was_taken()
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
