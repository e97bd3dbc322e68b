//! What is shown of a cluster and of the workers in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use barid_log::{LogStatus, TopicStatus};
use barid_record::Topic;
use barid_web::{Activity, ClusterMetrics, Workers};
use prometheus::{Registry, TextEncoder};

fn shown(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}

fn partition(topic: Topic, partition: u32, start_offset: u64, end_offset: u64) -> TopicStatus {
    TopicStatus { topic, partition, start_offset, end_offset, bytes: 0 }
}

#[test]
fn partitions_add_up_and_what_is_gone_is_not_shown() {
    let registry = Registry::new();
    let metrics = ClusterMetrics::register(&registry).unwrap();
    let status = LogStatus {
        topics: vec![
            partition(Topic::Raw, 0, 10, 100),
            partition(Topic::Raw, 1, 0, 7),
            partition(Topic::Records, 0, 0, 3),
        ],
        ..LogStatus::default()
    };
    metrics.answered(&status, 1.5);
    let text = shown(&registry);
    for line in [
        "barid_cluster_up 1",
        "barid_cluster_last_answer_timestamp_seconds 1.5",
        "barid_log_topic_messages{topic=\"barid.raw\"} 97",
        "barid_log_topic_end_offset{topic=\"barid.raw\"} 107",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }

    metrics.silent();
    let text = shown(&registry);
    assert!(text.contains("barid_cluster_up 0\n") && text.contains("topic=\"barid.records\"} 3\n"), "{text}");

    let less = LogStatus { topics: vec![partition(Topic::Raw, 0, 10, 100)], ..LogStatus::default() };
    metrics.answered(&less, 2.0);
    let text = shown(&registry);
    assert!(!text.contains("barid.records"), "{text}");
    assert!(text.contains("barid_log_topic_end_offset{topic=\"barid.raw\"} 100\n"), "{text}");
}

#[test]
fn standing_by_is_ready_and_not_active() {
    let registry = Registry::new();
    let workers = Workers::register(&registry, &["stage.parse", "stage.decide"]).unwrap();
    assert_eq!(workers.problems().len(), 2, "nobody has joined");
    workers.now("stage.parse", Activity::Working);
    workers.now("stage.decide", Activity::StandingBy);
    assert_eq!(workers.problems(), [""; 0]);
    let text = shown(&registry);
    assert!(text.contains("barid_role_active{worker=\"stage.parse\"} 1\n"), "{text}");
    assert!(text.contains("barid_role_active{worker=\"stage.decide\"} 0\n"), "{text}");

    workers.now("stage.parse", Activity::Failed { reason: "the broker is gone".to_owned() });
    workers.now("stage.decide", Activity::Ended);
    assert_eq!(
        workers.problems(),
        ["worker stage.parse joins again: the broker is gone", "worker stage.decide has ended"]
    );
    assert!(shown(&registry).contains("barid_role_active{worker=\"stage.parse\"} 0\n"));
}

#[test]
fn one_shard_that_fails_is_named_until_it_is_well() {
    let workers = Workers::register(&Registry::new(), &["feeds"]).unwrap();
    workers.now("feeds", Activity::Working);
    workers.shard_fails("feeds", 3, "its changelog has no leader".to_owned());
    workers.shard_fails("feeds", 5, "refused".to_owned());
    workers.shard_fails("feeds", 5, "refused again".to_owned());
    workers.shard_is_well("feeds", 0);
    assert_eq!(
        workers.problems(),
        [
            "worker feeds takes shard 3 again: its changelog has no leader",
            "worker feeds takes shard 5 again: refused again"
        ]
    );
    workers.shard_is_well("feeds", 5);
    workers.shard_is_well("feeds", 3);
    assert_eq!(workers.problems(), [""; 0]);
}
