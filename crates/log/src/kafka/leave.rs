//! Leaving a group, which must not hold up who leaves.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::client::KafkaConsumer;

/// Leaving takes a moment; after so long it never ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last hold on a member of a group: dropped after all others, it closes the member on a thread of its own.
///
/// Closing can hang for ever (librdkafka 2.12): the client asks its own main thread for the rebalance protocol, and where the group has ended in
/// between that thread throws the question away (`rd_kafka_cgrp_op_serve`, `rkcg_terminated`) instead of answering it. Seen with members that
/// come back after their session has timed out.
pub(crate) struct Farewell {
    member: Option<Arc<KafkaConsumer>>,
    group: String,
}

impl Farewell {
    pub(crate) fn new(member: KafkaConsumer, group: &str) -> (Self, Arc<KafkaConsumer>) {
        let member = Arc::new(member);
        (Self { member: Some(Arc::clone(&member)), group: group.to_owned() }, member)
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let (done, ended) = sync_channel(1);
        let member = self.member.take();
        let closing = std::thread::Builder::new().name("log-leave".to_owned()).spawn(move || {
            drop(member);
            // Nobody may wait any more.
            let _ = done.send(());
        });
        // Where no thread can be started the member has been closed here.
        if closing.is_ok() && ended.recv_timeout(PATIENCE).is_err() {
            tracing::warn!(
                group = self.group,
                "a member of the group does not close: going on without waiting for it"
            );
        }
    }
}
