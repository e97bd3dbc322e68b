//! State in shards: they spread over the members, take their state along, and a member that was not heard of for too long is shut out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use barid_log::{
    Change, Control, Kafka, LogError, Outgoing, Shards, StateTopic, TopicPlan, Unit, Wish, Worker,
};
use barid_record::Topic;
use barid_tests::kafka::Broker;
use barid_tests::worker::{COUNTS, number};
use bytes::Bytes;
use prometheus::Registry;

use super::lab::{FOR_EVER, Lab, Stops, until};

const GROUP: &str = "shared-out";
const SCOPE: &str = "harbour";
const SHARDS: u32 = 6;

fn open(lab: &Lab, place: &str, control: &Control, longest_pause: Option<&str>) -> Kafka {
    let mut config = lab.post(place).config(control);
    config.scope = SCOPE.to_owned();
    if let Some(millis) = longest_pause {
        // The client takes no shorter pause than its session, whose default is longer than ours.
        for property in ["session.timeout.ms", "max.poll.interval.ms"] {
            config.properties.push((property.to_owned(), millis.to_owned()));
        }
    }
    Kafka::open(config, &Registry::new()).expect("a log")
}

fn lab() -> Lab {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let plan = TopicPlan { partitions: super::lab::PARTITIONS, retention: FOR_EVER, ..TopicPlan::default() };
    let states = [
        StateTopic::Changelog { table: COUNTS, scope: SCOPE, shards: SHARDS },
        StateTopic::Seats { group: GROUP, scope: SCOPE, shards: SHARDS },
    ];
    lab.open("maker").create_topics_with(&plan, &states).expect("topics");
    lab
}

/// Joins. A broker may not know topics yet that were made just now.
fn join(log: &Kafka) -> Shards {
    let mut joined = None;
    until("the topics", || match log.shards(GROUP) {
        Ok(shards) => joined.insert(shards).count() > 0,
        Err(LogError::TopicMissing { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    joined.expect("a member")
}

fn count_up(worker: &mut dyn Worker) -> Result<u64, LogError> {
    let next = number(worker.get(COUNTS, b"turns")?) + 1;
    let value = Bytes::copy_from_slice(&next.to_be_bytes());
    let state = vec![Change::Put { table: COUNTS, key: Bytes::from_static(b"turns"), value }];
    let produced = vec![Outgoing {
        topic: Topic::Raw,
        timestamp_ms: 1_693_785_600_000,
        key: Bytes::from_static(b"turn"),
        headers: Vec::new(),
        value: next.to_string().into(),
    }];
    let ticket = worker.submit(Unit { produced, state, ..Unit::default() })?;
    worker.wait(ticket)?;
    Ok(next)
}

/// What each member has, and how often each shard was taken.
type Board = Mutex<BTreeMap<(&'static str, u32), u64>>;

/// Is a member until told to stop. Each shard it gets counts up once, and once more after it was asked back, when it takes a moment to finish.
fn host(log: &Kafka, name: &'static str, control: &Control, board: &Board) {
    let mut shards = join(log);
    assert_eq!(shards.count(), SHARDS);
    std::thread::scope(|scope| {
        while control.wish() == Wish::Run {
            for seat in shards.turn(Duration::from_millis(50)).expect("a turn") {
                scope.spawn(move || {
                    let mut worker = log.seat_worker(&seat, &[COUNTS]).expect("its state");
                    let turns = count_up(worker.as_mut()).expect("a commit");
                    board.lock().expect("no panic").insert((name, seat.number()), turns);
                    while seat.control().wish() == Wish::Run {
                        worker.tend().expect("it has the shard");
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    std::thread::sleep(Duration::from_millis(500));
                    worker.tend().expect("who asked waits");
                    count_up(worker.as_mut()).expect("what is in hand is committed before it goes");
                    board.lock().expect("no panic").remove(&(name, seat.number()));
                });
            }
        }
        shards.stop();
    });
}

fn has(board: &Board, name: &str) -> Vec<u64> {
    let board = board.lock().expect("no panic");
    board.iter().filter(|((known, _), _)| *known == name).map(|(_, turns)| *turns).collect()
}

#[test]
fn shards_spread_over_the_members_and_take_their_state_along() {
    let lab = lab();
    let board = Board::default();
    let (control, second_control) = (Control::default(), Control::default());
    let first = open(&lab, "first", &control, None);
    let second = open(&lab, "second", &second_control, None);
    std::thread::scope(|scope| {
        let (_stops, _stops_second) = (Stops(control.clone()), Stops(second_control.clone()));
        scope.spawn(|| host(&first, "first", &control, &board));
        until("all shards for one", || has(&board, "first") == [1; SHARDS as usize]);
        let other = scope.spawn(|| host(&second, "second", &second_control, &board));
        until("half of them each", || has(&board, "first").len() == 3 && has(&board, "second") == [3; 3]);
        second_control.ask(Wish::Stop);
        other.join().expect("no panic");
        until("all shards for one again", || {
            let mut turns = has(&board, "first");
            turns.sort_unstable();
            turns == [1, 1, 1, 5, 5, 5]
        });
        control.ask(Wish::Stop);
    });
}

#[test]
fn a_member_that_was_not_heard_of_commits_nothing_after_its_successor_came() {
    let lab = lab();
    let control = Control::default();
    let sleeper = open(&lab, "sleeper", &control, Some("6000"));
    let mut shards = join(&sleeper);
    let mut seats = Vec::new();
    until("all shards", || {
        seats.extend(shards.turn(Duration::from_millis(50)).expect("a turn"));
        seats.len() == SHARDS as usize
    });
    let mut asleep = sleeper.seat_worker(&seats[0], &[COUNTS]).expect("its state");
    assert_eq!(count_up(asleep.as_mut()).expect("a commit"), 1);
    // From here on it takes no turn: it cannot know that the others have its shards.
    let heir = open(&lab, "heir", &control, None);
    let mut heirs = join(&heir);
    let mut taken = Vec::new();
    until("all shards for the heir", || {
        taken.extend(heirs.turn(Duration::from_millis(50)).expect("a turn"));
        taken.len() == SHARDS as usize
    });
    let seat = taken.iter().find(|seat| seat.number() == seats[0].number()).expect("the same shard");
    let mut awake = heir.seat_worker(seat, &[COUNTS]).expect("its state");
    assert_eq!(count_up(awake.as_mut()).expect("a commit"), 2, "it goes on where the sleeper was");
    let error = count_up(asleep.as_mut()).expect_err("a unit of who has lost the shard");
    assert!(error.is_lost(), "{error}");
    assert_eq!(count_up(awake.as_mut()).expect("a commit"), 3);
    let mut values: Vec<String> = lab.read(Topic::Raw, 3).into_iter().map(|seen| seen.value).collect();
    values.sort_unstable();
    assert_eq!(values, ["1", "2", "3"]);
}

#[test]
fn changelogs_of_another_number_of_shards_are_refused() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let plan = TopicPlan { retention: FOR_EVER, ..TopicPlan::default() };
    let seats = [StateTopic::Seats { group: GROUP, scope: "", shards: 2 }];
    let log = lab.open("member");
    log.create_topics_with(&plan, &seats).expect("topics");
    let mut shards = join(&log);
    let mut given = Vec::new();
    until("a shard", || {
        given.extend(shards.turn(Duration::from_millis(50)).expect("a turn"));
        !given.is_empty()
    });
    // The table is one that a single owner used to have.
    let error = log.seat_worker(&given[0], &[COUNTS]).err().expect("one partition for two shards");
    assert!(matches!(error, LogError::TopicUnfit { .. }), "{error}");
    assert!(error.to_string().contains("it has 1 partitions, and"), "{error}");
}
