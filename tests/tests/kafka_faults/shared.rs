//! Members that share partitions: they come, go, and die.

use std::thread::JoinHandle;
use std::time::Duration;

use barid_log::{Control, Delivery, LogError, Wish};
use barid_record::Topic;
use barid_tests::Random;
use barid_tests::kafka::{Broker, configure_topic};
use barid_tests::worker::{Job, Post, work};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::lab::{Lab, PARTITIONS, assert_copied, until};

/// A member in a thread, and what stops it.
struct Member {
    control: Control,
    thread: JoinHandle<Result<(), LogError>>,
}

impl Member {
    fn start(post: Post) -> Self {
        let control = Control::default();
        let stop = control.clone();
        Self { control, thread: std::thread::spawn(move || work(&post, Job::Copy, &stop, &mut |_| {})) }
    }

    fn stop(self) {
        self.control.ask(Wish::Stop);
        self.thread.join().expect("no panic").expect("a good end");
    }
}

#[test]
fn members_from_one_to_three_and_back_copy_each_message_once() {
    const MESSAGES: u64 = 20_000;
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let post = |place: &str| Post { static_membership: false, ..lab.post(place) };
    std::thread::scope(|scope| {
        let flow = scope.spawn(|| {
            for part in 0..20 {
                lab.produce(part * MESSAGES / 20..(part + 1) * MESSAGES / 20);
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let first = Member::start(post("first"));
        lab.wait_for(Topic::Articles, 2_000);
        let more = ["second", "third"].map(|place| Member::start(post(place)));
        lab.wait_for(Topic::Articles, 10_000);
        for member in more {
            member.stop();
        }
        flow.join().expect("no panic");
        let seen = lab.read(Topic::Articles, MESSAGES as usize);
        assert_copied(&seen, 0..MESSAGES, true);
        assert!(in_order(&seen), "each partition is in the order of its input");
        first.stop();
    });
}

/// Copies keep their key, so a partition's input is one partition too: its numbers rise.
fn in_order(seen: &[super::lab::Seen]) -> bool {
    (0..super::lab::PARTITIONS.cast_signed()).all(|partition| {
        let of_partition = seen.iter().filter(|message| message.partition == partition);
        of_partition.map(|message| message.value.parse::<u64>().expect("a number")).is_sorted()
    })
}

/// Two processes, killed in turn while messages flow.
fn killed(delivery: Delivery) -> Vec<super::lab::Seen> {
    const KILLS: u64 = 8;
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let post = |place: usize| Post { delivery, ..lab.post(&format!("member-{place}")) };
    let mut random = Random::new(7);
    let mut members = [0, 1].map(|place| Some(lab.process(Job::Copy, &post(place))));
    for kill in 0..KILLS {
        lab.produce(kill * 1000..(kill + 1) * 1000);
        std::thread::sleep(Duration::from_millis(random.below(700)));
        let place = (kill % 2) as usize;
        if let Some(member) = members[place].take() {
            member.kill();
        }
        members[place] = Some(lab.process(Job::Copy, &post(place)));
    }
    until("all to be copied", || {
        for member in members.iter_mut().flatten() {
            member.assert_running();
        }
        let numbers: std::collections::BTreeSet<_> =
            lab.read(Topic::Articles, 0).into_iter().map(|seen| seen.value).collect();
        numbers.len() as u64 == KILLS * 1000
    });
    let seen = lab.read(Topic::Articles, (KILLS * 1000) as usize);
    for member in members.into_iter().flatten() {
        member.stop();
    }
    seen
}

#[test]
fn killed_members_copy_each_message_once() {
    assert_copied(&killed(Delivery::ExactlyOnce), 0..8000, true);
}

#[test]
fn killed_members_without_transactions_lose_nothing() {
    assert_copied(&killed(Delivery::AtLeastOnce), 0..8000, false);
}

/// Positions of the copying group that are committed, as the brokers have them.
fn committed(lab: &Lab) -> Vec<i64> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &lab.brokers).set("group.id", format!("{}barid.copy", lab.prefix));
    let look: BaseConsumer = settings.create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS.cast_signed() {
        list.add_partition(&lab.name(Topic::Raw), partition);
    }
    let found = look.committed_offsets(list, Duration::from_secs(60)).expect("positions");
    let offsets = found.elements().into_iter().filter_map(|part| match part.offset() {
        Offset::Offset(next) => Some(next),
        Offset::Invalid | Offset::Beginning | Offset::End | Offset::Stored | Offset::OffsetTail(_) => None,
    });
    offsets.collect()
}

#[test]
fn without_transactions_no_position_is_committed_before_what_it_covers_is_delivered() {
    const MESSAGES: u64 = 1000;
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let articles = lab.name(Topic::Articles);
    let configure = |settings: &[(&str, &str)]| {
        let forever = [("retention.ms", "-1")];
        let settings = [&forever, settings].concat();
        configure_topic(&lab.brokers, &articles, &settings).expect("configured");
    };
    // The messages are of some day in the past: the brokers refuse them, and would take positions.
    configure(&[("message.timestamp.before.max.ms", "1000")]);
    lab.produce(0..MESSAGES);
    let mut member = lab.process(Job::Copy, &Post { delivery: Delivery::AtLeastOnce, ..lab.post("member") });
    member.wait_for("joined");
    // It sends, is refused, and begins anew.
    until("refusals", || member.said("rewound") >= 3 || !committed(&lab).is_empty());
    assert_eq!(committed(&lab), [0; 0], "nothing was delivered");
    // What it has in hand now is lost with it.
    member.kill();
    configure(&[]);
    let member = lab.process(Job::Copy, &Post { delivery: Delivery::AtLeastOnce, ..lab.post("member") });
    assert_copied(&lab.read(Topic::Articles, MESSAGES as usize), 0..MESSAGES, false);
    until("positions", || committed(&lab).len() == PARTITIONS as usize);
    member.stop();
}
