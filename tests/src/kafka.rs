//! A real Apache Kafka broker for tests, faults and measurements: fetched, formatted, started, killed, frozen and cleaned away.

pub mod checks;
mod client;
mod error;
mod jars;
mod keeper;
mod member;
mod node;
mod ready;

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};

pub use checks::checked;
pub use client::{configure_topic, create_topic, delete_topics};
pub use error::BrokerError;
pub use jars::{VERSION, target_dir};
pub use keeper::is_alive;
pub use member::Member;
pub use node::{Node, Size, free_ports};

use node::Seat;

/// Names a running broker, `host:port`, for the tests to use instead of one of their own.
pub const VARIABLE: &str = "BARID_TEST_KAFKA";

/// A broker that answers, or several that are one cluster. Ours die with this process, whatever ends it, and their data with them.
#[derive(Debug)]
pub struct Broker {
    address: String,
    /// None where somebody else runs it.
    nodes: Vec<Member>,
}

impl Broker {
    /// The broker of this test process, started at first use and put through the checks T1 to T5, on which every later claim rests; the one named by
    /// `BARID_TEST_KAFKA` where that is set. Topics, groups and transactional ids are the caller's to keep apart.
    pub fn for_tests() -> Result<&'static Self, BrokerError> {
        static CHECKED: Mutex<bool> = Mutex::new(false);
        let broker = Self::unchecked_for_tests()?;
        check_once(&CHECKED, broker)
    }

    /// [`Broker::for_tests`] before its checks: for the tests that are these checks.
    pub fn unchecked_for_tests() -> Result<&'static Self, BrokerError> {
        static BROKER: OnceLock<Broker> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        made_once(&BROKER, &STARTING, || match std::env::var(VARIABLE) {
            Ok(address) => Self::at(&address),
            Err(_) => Self::start(Size::Small),
        })
    }

    /// Three nodes that hold a copy of everything each and need two to write: started at first use, checked, and always our own, since the tests that
    /// want them take nodes down.
    pub fn three_for_tests() -> Result<&'static Self, BrokerError> {
        static BROKER: OnceLock<Broker> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        static CHECKED: Mutex<bool> = Mutex::new(false);
        let broker = made_once(&BROKER, &STARTING, || Self::start_nodes(Size::Small, 3))?;
        check_once(&CHECKED, broker)
    }

    /// A broker that somebody else runs.
    pub fn at(address: &str) -> Result<Self, BrokerError> {
        ready::wait_until_ready(address, None, &|| None, &String::new)?;
        Ok(Self { address: address.to_owned(), nodes: Vec::new() })
    }

    /// A new broker with empty storage on free ports; returns when a transaction commits.
    pub fn start(size: Size) -> Result<Self, BrokerError> {
        Self::start_nodes(size, 1)
    }

    /// The same as a cluster of so many nodes; returns when each commits a transaction and has its copy of everything.
    pub fn start_nodes(size: Size, nodes: usize) -> Result<Self, BrokerError> {
        const TRIES: usize = 5;
        let mut tries = 1;
        loop {
            let broker = Self::lay_out(size, nodes)?;
            match broker.start_again() {
                Ok(()) => return Ok(broker),
                Err(BrokerError::Died { .. }) if tries < TRIES && broker.port_was_taken() => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn lay_out(size: Size, nodes: usize) -> Result<Self, BrokerError> {
        let lay_out = |seat: Seat| {
            let folder = tempfile::Builder::new().prefix("barid-kafka-").tempdir();
            let folder = folder.map_err(error::io("make", "a temporary folder"))?;
            let member = Member::new(Node::lay_out_as(folder.path(), seat, size)?)?;
            // From here on the keeper removes it.
            let _ = folder.keep();
            Ok(member)
        };
        let panicked = || error::io("lay out", "a node")(std::io::ErrorKind::Other.into());
        let nodes: Result<Vec<Member>, BrokerError> = std::thread::scope(|scope| {
            let started: Vec<_> =
                Seat::of(nodes)?.into_iter().map(|seat| scope.spawn(move || lay_out(seat))).collect();
            started.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        let nodes = nodes?;
        let addresses: Vec<String> = nodes.iter().map(Member::address).collect();
        Ok(Self { address: addresses.join(","), nodes })
    }

    /// Where clients reach it: `host:port` of each node, comma-separated.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its nodes, to be killed one by one; none where somebody else runs it.
    pub fn nodes(&self) -> &[Member] {
        &self.nodes
    }

    /// The node that the cluster calls that.
    pub fn node(&self, id: i32) -> Result<&Member, BrokerError> {
        self.nodes.iter().find(|node| node.id() == id).ok_or_else(|| self.not_ours("find a node of"))
    }

    /// The process of the first node, also where that is in a container. `None` while it is down, or is not ours.
    pub fn pid(&self) -> Option<u32> {
        self.nodes.first()?.pid()
    }

    /// The log of the first node; `None` where it is not ours.
    pub fn log(&self) -> Option<PathBuf> {
        self.nodes.first().map(Member::log)
    }

    /// SIGKILL to every node; returns when they are gone.
    pub fn kill(&self) -> Result<(), BrokerError> {
        self.each("kill", Member::kill)
    }

    /// SIGTERM to one node after the other, each waited for. Frozen ones are woken first.
    pub fn stop(&self) -> Result<(), BrokerError> {
        self.each("stop", Member::stop)
    }

    /// Starts what does not run on the same data and ports after [`Broker::kill`] or [`Broker::stop`]; returns when every node commits a transaction.
    pub fn start_again(&self) -> Result<(), BrokerError> {
        self.each("start", Member::begin)?;
        self.each("start", Member::wait_until_ready)
    }

    /// SIGSTOP: they keep their connections and answer nothing.
    pub fn pause(&self) -> Result<(), BrokerError> {
        self.each("pause", Member::pause)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), BrokerError> {
        self.each("resume", Member::resume)
    }

    /// The node that keeps a group's members and positions at the moment.
    pub fn group_coordinator(&self, group: &str) -> Result<&Member, BrokerError> {
        self.node(client::leader_for_key(&self.address, "__consumer_offsets", group)?)
    }

    /// The node that keeps the transactions of a transactional id at the moment.
    pub fn transaction_coordinator(&self, id: &str) -> Result<&Member, BrokerError> {
        self.node(client::leader_for_key(&self.address, "__transaction_state", id)?)
    }

    fn each(
        &self,
        order: &'static str,
        what: impl Fn(&Member) -> Result<(), BrokerError>,
    ) -> Result<(), BrokerError> {
        if self.nodes.is_empty() {
            return Err(self.not_ours(order));
        }
        self.nodes.iter().try_for_each(what)
    }

    fn not_ours(&self, order: &'static str) -> BrokerError {
        BrokerError::NotOurs { order, address: self.address.clone() }
    }

    fn port_was_taken(&self) -> bool {
        self.nodes.iter().any(Member::port_was_taken)
    }
}

fn made_once(
    made: &'static OnceLock<Broker>,
    making: &Mutex<()>,
    make: impl Fn() -> Result<Broker, BrokerError>,
) -> Result<&'static Broker, BrokerError> {
    let _one_at_a_time = making.lock().unwrap_or_else(PoisonError::into_inner);
    match made.get() {
        Some(broker) => Ok(broker),
        None => make().map(|broker| made.get_or_init(|| broker)),
    }
}

fn check_once(done: &Mutex<bool>, broker: &'static Broker) -> Result<&'static Broker, BrokerError> {
    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
    if !*done {
        checked(&broker.address)?;
        *done = true;
    }
    Ok(broker)
}
