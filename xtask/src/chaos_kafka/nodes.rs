//! What is done to single nodes of the Kafka cluster while articles come in.

use std::time::{Duration, Instant};

use barid_tests::Random;
use barid_tests::kafka::Member;

use super::faults::{pass, said};
use super::fleet::{Fleet, SESSION};
use crate::error::TaskError;

/// The brokers notice a dead one within 3 s; only spent on failure, or on a very busy machine.
const LONGEST_ELECTION: Duration = Duration::from_secs(120);

/// SIGKILL of one node at a time, each drawn once before any is drawn again. The next one goes as soon as the last one has all its copies back.
pub(super) fn kills(fleet: &mut Fleet<'_>, random: &mut Random, wanted: usize) -> Result<(), TaskError> {
    let mut left: Vec<&Member> = Vec::new();
    for kill in 1..=wanted {
        if left.is_empty() {
            left.extend(fleet.broker().nodes());
        }
        let node = left.swap_remove(random.below(left.len() as u64) as usize);
        pass(fleet, Duration::from_millis(1000 + random.below(4_000)))?;
        node.kill().map_err(said)?;
        pass(fleet, Duration::from_millis(random.below(6_000)))?;
        node.start_again().map_err(said)?;
        println!("chaos: kill {kill}: node {}", node.id());
    }
    Ok(())
}

/// The node that coordinates each kind of thing the roles rely on is killed, and then frozen for longer than sessions and transactions last. The
/// cluster is asked each time who that is.
pub(super) fn coordinators(fleet: &mut Fleet<'_>) -> Result<(), TaskError> {
    let (broker, prefix) = (fleet.broker(), fleet.prefix.clone());
    let who = [
        ("transactions of stage.decide", format!("{prefix}barid.stage.decide.a"), true),
        ("group stage.decide", format!("{prefix}barid.stage.decide"), false),
        ("group stage.parse", format!("{prefix}barid.stage.parse"), false),
        ("transactions of watcher", format!("{prefix}barid.watcher.b"), true),
    ];
    for (what, id, transactions) in &who {
        let ask = || {
            let node =
                if *transactions { broker.transaction_coordinator(id) } else { broker.group_coordinator(id) };
            node.map_err(said)
        };
        pass(fleet, Duration::from_secs(4))?;
        let killed = ask()?;
        killed.kill().map_err(said)?;
        let gone = Instant::now();
        let mut heir = ask()?;
        while heir.id() == killed.id() {
            if gone.elapsed() > LONGEST_ELECTION {
                return Err(TaskError::Said(format!("nobody takes {what} over from node {}", killed.id())));
            }
            pass(fleet, Duration::from_millis(500))?;
            heir = ask()?;
        }
        pass(fleet, Duration::from_secs(2))?;
        killed.start_again().map_err(said)?;
        pass(fleet, Duration::from_secs(4))?;
        let frozen = ask()?;
        frozen.pause().map_err(said)?;
        pass(fleet, SESSION + Duration::from_secs(4))?;
        frozen.resume().map_err(said)?;
        println!(
            "chaos: {what}: node {} killed, node {} took over, node {} frozen",
            killed.id(),
            heir.id(),
            frozen.id()
        );
        frozen.start_again().map_err(said)?;
    }
    Ok(())
}
