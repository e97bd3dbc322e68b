//! One owner at a time: it hands over when it goes, and is shut out when it was only asleep.

use std::time::Duration;

use barid_log::{Control, Kafka, Limit, Log, Unit, Wish, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::kafka::Broker;
use barid_tests::worker::{COUNTS, Job, number, positions, work};
use prometheus::Registry;
use rustix::process::Signal;

use super::lab::{Lab, Stops, assert_counted, until};

fn spec() -> WorkerSpec {
    WorkerSpec { group: "hand-over".into(), inputs: vec![Topic::Raw], tables: vec![COUNTS] }
}

/// Takes so many messages, and notes each in the table.
fn take(worker: &mut dyn Worker, count: usize) -> Vec<String> {
    let mut taken = Vec::new();
    until("messages", || {
        let limit = Limit { messages: count - taken.len(), bytes: 1 << 20 };
        let batch = worker.poll(limit, Duration::from_millis(200)).expect("messages");
        let state = batch.iter().map(|message| barid_log::Change::Put {
            table: COUNTS,
            key: message.value.clone(),
            value: 7_u64.to_be_bytes().to_vec().into(),
        });
        let unit = Unit { consumed: positions(&batch), state: state.collect(), ..Unit::default() };
        if !unit.is_empty() {
            let ticket = worker.submit(unit).expect("submitted");
            worker.wait(ticket).expect("durable");
        }
        taken.extend(batch.iter().map(|message| String::from_utf8_lossy(&message.value).into_owned()));
        taken.len() == count
    });
    taken
}

fn hand_over(static_membership: bool) {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    lab.produce(0..1000);
    let control = Control::default();
    let open = |place: &str| -> Kafka {
        let post = barid_tests::worker::Post { static_membership, ..lab.post(place) };
        Kafka::open(post.config(&control), &Registry::new()).expect("a log")
    };
    let (first, second) = (open("first"), open("second"));
    let mut owner = first.worker(spec()).expect("the first is the owner");
    let mut all = take(owner.as_mut(), 500);
    std::thread::scope(|scope| {
        let _stops = Stops(control.clone());
        let standby = scope.spawn(|| second.worker(spec()));
        // Long enough to be a member, and to read the changelog.
        std::thread::sleep(Duration::from_secs(2));
        assert!(!standby.is_finished(), "it stands by while there is an owner");
        all.extend(take(owner.as_mut(), 100));
        drop(owner);
        let mut heir = standby.join().expect("no panic").expect("it takes over");
        for taken in &all {
            let noted = heir.get(COUNTS, taken.as_bytes()).expect("state");
            assert_eq!(number(noted), 7, "the state of {taken} is there");
        }
        all.extend(take(heir.as_mut(), 400));
        assert!(
            heir.poll(Limit { messages: 1, bytes: 1 }, Duration::from_secs(1)).expect("a look").is_empty()
        );
        // The former owner now stands by, until nobody waits for it any more.
        let again = scope.spawn(|| first.worker(spec()));
        std::thread::sleep(Duration::from_secs(1));
        assert!(!again.is_finished());
        control.ask(Wish::Stop);
        assert!(again.join().expect("no panic").is_err(), "told to end, it does not take over");
    });
    let mut numbers: Vec<u64> = all.iter().map(|text| text.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>(), "each message went to one of the two, once");
}

#[test]
fn a_standby_goes_on_where_a_static_owner_ended() {
    hand_over(true);
}

#[test]
fn a_standby_goes_on_where_a_dynamic_owner_ended() {
    hand_over(false);
}

#[test]
fn an_owner_that_was_stopped_commits_nothing_after_its_successor_came() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let mut asleep = lab.process(Job::Count, &lab.post("asleep"));
    asleep.wait_for("joined");
    let control = Control::default();
    std::thread::scope(|scope| {
        let _stops = Stops(control.clone());
        // It is in the middle of its work whenever it is stopped.
        let flow = scope.spawn(|| (0..40).for_each(|part| lab.produce(part * 500..(part + 1) * 500)));
        lab.wait_for(Topic::Records, 3_000);
        asleep.signal(Signal::STOP);
        let (post, stop) = (lab.post("heir"), control.clone());
        let heir = scope.spawn(move || work(&post, Job::Count, &stop, &mut |_| {}));
        flow.join().expect("no panic");
        assert_counted(&lab.read(Topic::Records, 20_000), 20_000);
        asleep.signal(Signal::CONT);
        asleep.wait_for("lost");
        lab.produce(20_000..21_000);
        assert_counted(&lab.read(Topic::Records, 21_000), 21_000);
        assert_eq!(asleep.said("joined"), 1, "it stands by");
        control.ask(Wish::Stop);
        heir.join().expect("no panic").expect("a good end");
    });
    asleep.stop();
}

#[test]
fn of_two_processes_with_one_name_one_ends() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let twin = |place: &str| {
        let post = barid_tests::worker::Post { instance: Some("twin".to_owned()), ..lab.post(place) };
        lab.process(Job::Copy, &post)
    };
    let mut twins = [twin("one"), twin("two")];
    until("one of them to end", || {
        twins.iter_mut().any(|twin| twin.child.try_wait().expect("a process of ours").is_some())
    });
    let (mut ended, mut going): (Vec<_>, Vec<_>) = twins.into_iter().partition(|twin| twin.said("E0318") > 0);
    assert_eq!((ended.len(), going.len()), (1, 1), "one says why it ended, the other goes on");
    assert_eq!(ended[0].child.wait().expect("its end").code(), Some(2));
    lab.produce(0..1000);
    super::lab::assert_copied(&lab.read(Topic::Articles, 1000), 0..1000, true);
    going.remove(0).stop();
}
