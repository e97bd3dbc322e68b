//! The Kafka backend against what every backend must do, on a real broker.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use barid_log::conformance::{CASES, Subject};
use barid_log::{Delivery, Kafka, KafkaConfig, Log, Table, TopicPlan};
use barid_tests::kafka::Broker;
use prometheus::Registry;
use tempfile::TempDir;

struct Cluster {
    brokers: &'static str,
    prefix: String,
    delivery: Delivery,
    dir: TempDir,
}

impl Cluster {
    fn new(delivery: Delivery) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let brokers = Broker::for_tests().unwrap().address();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("t{}-{number}.", std::process::id());
        let cluster = Self { brokers, prefix, delivery, dir: tempfile::tempdir().unwrap() };
        let plan = TopicPlan {
            partitions: 1,
            retention: Duration::from_secs(100 * 365 * 24 * 3600),
            ..TopicPlan::default()
        };
        cluster.connect().create_topics(&plan, &[Table("index"), Table("other")]).unwrap();
        cluster
    }

    fn connect(&self) -> Kafka {
        let config = KafkaConfig {
            prefix: self.prefix.clone(),
            delivery: self.delivery,
            session_timeout: Duration::from_secs(6),
            ..KafkaConfig::new(self.brokers, self.dir.path())
        };
        Kafka::open(config, &Registry::new()).unwrap()
    }
}

impl Subject for Cluster {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.connect())
    }
}

#[test]
fn exactly_once() {
    for (_, case) in CASES {
        case(&Cluster::new(Delivery::ExactlyOnce));
    }
}

#[test]
fn at_least_once() {
    for (_, case) in CASES {
        case(&Cluster::new(Delivery::AtLeastOnce));
    }
}
