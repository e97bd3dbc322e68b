//! Brokers that are away: all of them frozen for longer than sessions and transactions last, and each of them killed.

use std::time::Duration;

use barid_log::{Control, Wish};
use barid_record::Topic;
use barid_tests::kafka::Broker;
use barid_tests::worker::{Job, work};

use super::lab::{Lab, Stops, assert_copied, assert_counted};

#[test]
fn workers_outlive_brokers_that_freeze_or_die() {
    const PART: u64 = 4000;
    let cluster = Broker::three_for_tests().expect("three nodes");
    let lab = Lab::new(cluster);
    let control = Control::default();
    std::thread::scope(|scope| {
        let _stops = Stops(control.clone());
        let workers: Vec<_> = [(Job::Copy, "a"), (Job::Copy, "b"), (Job::Count, "c"), (Job::Count, "d")]
            .map(|(job, place)| {
                let (post, stop) = (lab.post(place), control.clone());
                scope.spawn(move || work(&post, job, &stop, &mut |_| {}))
            })
            .into();
        lab.produce(0..PART);
        lab.wait_for(Topic::Records, 500);
        cluster.pause().expect("frozen");
        std::thread::sleep(Duration::from_secs(20));
        cluster.resume().expect("woken");
        let mut written = PART;
        for node in cluster.nodes() {
            lab.produce(written..written + PART);
            written += PART;
            node.kill().expect("killed");
            std::thread::sleep(Duration::from_secs(1));
            node.start_again().expect("started again");
        }
        let copied = lab.read(Topic::Articles, written as usize);
        assert_copied(&copied, 0..written, true);
        assert_counted(&lab.read(Topic::Records, written as usize), written);
        control.ask(Wish::Stop);
        for worker in workers {
            worker.join().expect("no panic").expect("a good end");
        }
    });
}
