//! Three brokers as one cluster: it keeps its promises, one node may go at any time, and it says who coordinates what.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use std::time::Duration;

use barid_tests::kafka::checks::Lab;
use barid_tests::kafka::{Broker, Member, checked};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

#[test]
fn three_nodes_keep_all_promises_whichever_of_them_is_down() {
    let cluster = Broker::three_for_tests().expect("three nodes that pass T1 to T5");
    assert_eq!(cluster.nodes().len(), 3);
    // One test after the other: what follows moves the coordinators about.
    coordinators_are_the_nodes_that_members_join(cluster);
    let lab = Lab::new(cluster.address());
    let topic = lab.topic(1).expect("a topic");
    let mut written = Vec::new();
    for node in cluster.nodes() {
        node.kill().expect("killed");
        let line = format!("while node {} is down", node.id());
        lab.write(&topic, std::slice::from_ref(&line)).expect("the two others take it");
        written.push(line);
        checked(cluster.address()).expect("all promises");
        node.start_again().expect("back, with its copies");
    }
    assert_eq!(lab.read(&topic, "read_committed").expect("the records"), written);
}

/// Brokers write into their logs who joins a group that they keep.
fn coordinators_are_the_nodes_that_members_join(cluster: &Broker) {
    let lab = Lab::new(cluster.address());
    // On a busy machine a node may be taken for dead in between, and another one lead: nearly all must agree. With a wrong way of placing keys two in three did.
    const GROUPS: usize = 9;
    const AGREE: usize = 8;
    let (mut agree, mut seen) = (0, Vec::new());
    for _ in 0..GROUPS {
        let topic = lab.topic(1).expect("a topic, whose name is a group's too");
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", cluster.address()).set("group.id", &topic);
        let member: BaseConsumer = settings.create().expect("a consumer");
        member.subscribe(&[&topic]).expect("subscribed");
        while member.assignment().expect("an assignment").count() == 0 {
            drop(member.poll(Duration::from_millis(100)));
        }
        let joined = |node: &&Member| {
            let log = std::fs::read_to_string(node.log()).expect("a log");
            log.lines().any(|line| line.contains("joins group") && line.contains(&topic))
        };
        let joined: Vec<i32> = cluster.nodes().iter().filter(joined).map(Member::id).collect();
        let named = cluster.group_coordinator(&topic).expect("a coordinator").id();
        agree += usize::from(joined == [named]);
        seen.push(format!("{topic}: joined at {joined:?}, named {named}"));
    }
    assert!(agree >= AGREE, "of {GROUPS} groups {agree} were at the node that was named: {seen:#?}");
}
