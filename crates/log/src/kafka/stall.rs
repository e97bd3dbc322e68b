//! Notices a partition whose committed end stands still although more is written: a transaction that nobody ends stands in front of its readers.
//!
//! Our own transactions end within two thirds of the session timeout, whatever becomes of their producer. One that a broker has forgotten (ADR 5) does
//! not, and only an administrator can end it: readers wait for ever, and must say for what.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// No stall is shorter: transactions of other programs may take as long as a minute by default.
const SHORTEST: Duration = Duration::from_secs(90);
/// It is said again this often.
const SAY_EVERY: Duration = Duration::from_secs(600);

/// The stable code of the warning.
pub(crate) const CODE: &str = "E0323";

/// What is known of one partition.
#[derive(Debug, Clone, Copy)]
struct Seen {
    stable: u64,
    since: Instant,
    said: Option<Instant>,
}

/// The partitions that one reader waits for.
#[derive(Debug)]
pub(crate) struct Stalls {
    /// Any of our transactions is over long before.
    longest: Duration,
    seen: BTreeMap<(String, u32), Seen>,
}

impl Stalls {
    pub(crate) fn new(session_timeout: Duration) -> Self {
        Self { longest: (session_timeout * 2).max(SHORTEST), seen: BTreeMap::new() }
    }

    /// Takes a look: readers of committed messages see up to `stable`, and `written` is the end with open transactions. True while it is stalled.
    pub(crate) fn look(
        &mut self,
        brokers: &str,
        topic: &str,
        partition: u32,
        (stable, written): (u64, u64),
        now: Instant,
    ) -> bool {
        let key = (topic.to_owned(), partition);
        if stable >= written {
            self.seen.remove(&key);
            return false;
        }
        let new = Seen { stable, since: now, said: None };
        let seen = self.seen.entry(key).or_insert(new);
        if seen.stable != stable {
            *seen = new;
        }
        let stood = now.duration_since(seen.since);
        if stood < self.longest {
            return false;
        }
        if seen.said.is_none_or(|said| now.duration_since(said) >= SAY_EVERY) {
            seen.said = Some(now);
            tracing::warn!(
                code = CODE,
                topic,
                partition,
                offset = stable,
                seconds = stood.as_secs(),
                hint = hint(brokers, topic, partition, stable),
                "an open transaction stands in front of the readers: nothing behind it comes until it is ended"
            );
        }
        true
    }
}

/// The command that ends the transaction.
fn hint(brokers: &str, topic: &str, partition: u32, offset: u64) -> String {
    format!(
        "look at it with `kafka-transactions.sh --bootstrap-server {brokers} find-hanging --topic {topic}`; if nobody works on it, end it with \
         `kafka-transactions.sh --bootstrap-server {brokers} abort --topic {topic} --partition {partition} --start-offset {offset}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_end_that_stands_still_with_more_behind_it_is_a_stall() {
        let (mut stalls, start) = (Stalls::new(Duration::from_secs(15)), Instant::now());
        let mut look = |seconds: u64, stable: u64, written: u64| {
            stalls.look("b:1", "t", 3, (stable, written), start + Duration::from_secs(seconds))
        };
        assert!(!look(0, 5, 5), "nothing behind it");
        assert!(!look(100, 5, 9), "it has just begun");
        assert!(!look(130, 6, 12), "it moves");
        assert!(!look(219, 6, 12));
        assert!(look(220, 6, 40), "90 s at 6");
        assert!(look(221, 6, 40));
        assert!(!look(222, 7, 40), "it moves again");
        assert!(!look(300, 40, 40));
        assert!(!look(400, 40, 41), "what was is over");
    }

    #[test]
    fn the_command_names_the_first_message_of_the_transaction() {
        let hint = hint("b:1", "p.barid.raw", 3, 17);
        assert!(hint.contains("abort --topic p.barid.raw --partition 3 --start-offset 17"));
    }
}
