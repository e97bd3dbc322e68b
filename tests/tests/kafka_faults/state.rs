//! The local copy of the state is a copy: gone, damaged or of another changelog, it is made anew from what Kafka holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barid_log::{Change, Control, Kafka, Log, Table, Unit, Wish, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::kafka::{Broker, create_topic, delete_topics};
use barid_tests::worker::{COUNTS, number};

use prometheus::Registry;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::lab::{Lab, Stops, until};

const KEYS: u64 = 1000;

/// What may take a while to come, and only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn spec() -> WorkerSpec {
    WorkerSpec { group: "keeper".into(), inputs: vec![Topic::Raw], tables: vec![COUNTS] }
}

fn owner(lab: &Lab) -> Box<dyn Worker> {
    lab.open("here").worker(spec()).expect("the owner")
}

fn changelog(lab: &Lab) -> String {
    let Table(table) = COUNTS;
    format!("{}barid.state.{table}", lab.prefix)
}

fn put(worker: &mut dyn Worker, keys: std::ops::Range<u64>, value: u64) {
    let change = |key: u64| Change::Put {
        table: COUNTS,
        key: key.to_string().into(),
        value: value.to_be_bytes().to_vec().into(),
    };
    let unit = Unit { state: keys.map(change).collect(), ..Unit::default() };
    let ticket = worker.submit(unit).expect("submitted");
    worker.wait(ticket).expect("durable");
}

fn assert_has(worker: &mut dyn Worker, keys: std::ops::Range<u64>, value: u64) {
    for key in keys {
        let found = worker.get(COUNTS, key.to_string().as_bytes()).expect("state");
        assert_eq!(number(found), value, "key {key}");
    }
}

fn copy_of(lab: &Lab) -> PathBuf {
    lab.dir.path().join("here/0/state/keeper")
}

/// Every file of a folder with what is below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_local_copy_that_is_gone_or_damaged_is_made_anew() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let mut worker = owner(&lab);
    put(worker.as_mut(), 0..KEYS, 1);
    put(worker.as_mut(), 0..KEYS / 2, 2);
    let unit = Unit { state: vec![Change::Delete { table: COUNTS, key: "7".into() }], ..Unit::default() };
    let ticket = worker.submit(unit).expect("submitted");
    worker.wait(ticket).expect("durable");
    drop(worker);
    let check = |worker: &mut dyn Worker| {
        assert_has(worker, 8..KEYS / 2, 2);
        assert_has(worker, KEYS / 2..KEYS, 1);
        assert_eq!(worker.get(COUNTS, b"7").expect("state"), None, "what was removed stays so");
    };
    fs::remove_dir_all(copy_of(&lab)).expect("the copy goes");
    let mut worker = owner(&lab);
    check(worker.as_mut());
    drop(worker);

    let copy = files(&copy_of(&lab));
    assert!(!copy.is_empty(), "there is a copy to damage");
    for file in copy {
        let mut bytes = fs::read(&file).expect("a file");
        bytes.iter_mut().skip(16).for_each(|byte| *byte ^= 0x5A);
        fs::write(&file, bytes).expect("damaged");
    }
    let mut worker = owner(&lab);
    check(worker.as_mut());
}

#[test]
fn a_copy_of_a_changelog_that_was_made_anew_is_forgotten() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let mut worker = owner(&lab);
    put(worker.as_mut(), 0..KEYS, 1);
    drop(worker);
    let changelog = changelog(&lab);
    delete_topics(&lab.brokers, &[&changelog]).expect("the changelog goes");
    let mut made = Ok(());
    // A name is taken until the broker has cleaned up.
    for _ in 0..100 {
        made = create_topic(&lab.brokers, &changelog, 1, &[("cleanup.policy", "compact")]);
        if made.is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    made.expect("a new changelog");
    let mut worker = owner(&lab);
    assert_eq!(worker.get(COUNTS, b"1").expect("state"), None, "the new changelog does not say so");
    put(worker.as_mut(), 5..6, 3);
    drop(worker);
    let mut worker = owner(&lab);
    assert_has(worker.as_mut(), 5..6, 3);
    assert_eq!(worker.get(COUNTS, b"1").expect("state"), None);
}

/// Somebody's transaction in the changelog that is not over: nothing behind it can be read.
fn obstacle(lab: &Lab) -> BaseProducer {
    let mut settings = ClientConfig::new();
    settings
        .set("bootstrap.servers", &lab.brokers)
        .set("transactional.id", format!("{}obstacle", lab.prefix));
    let producer: BaseProducer = settings.create().expect("a producer");
    producer.init_transactions(PATIENCE).and_then(|()| producer.begin_transaction()).expect("a transaction");
    let topic = changelog(lab);
    producer.send(BaseRecord::to(&topic).partition(0).key("obstacle").payload("?")).expect("sent");
    producer.flush(PATIENCE).expect("it is there");
    producer
}

#[test]
fn an_owner_does_not_work_before_it_has_read_what_its_predecessor_committed() {
    let lab = Lab::new(Broker::for_tests().expect("a broker"));
    let control = Control::default();
    let open = |place: &str| {
        let post = barid_tests::worker::Post { static_membership: false, ..lab.post(place) };
        Kafka::open(post.config(&control), &Registry::new()).expect("a log")
    };
    let (first, second) = (open("here"), open("there"));
    let mut worker = first.worker(spec()).expect("the owner");
    put(worker.as_mut(), 0..1, 1);
    let obstacle = obstacle(&lab);
    // Committed, and yet to be seen by nobody who stands by.
    put(worker.as_mut(), 0..KEYS, 2);
    drop(worker);
    std::thread::scope(|scope| {
        let _stops = Stops(control.clone());
        let heir = scope.spawn(|| second.worker(spec()));
        // It is the only member: long enough for it to be assigned the state.
        std::thread::sleep(Duration::from_secs(8));
        assert!(!heir.is_finished(), "it works, but cannot know all that was committed");
        obstacle.abort_transaction(PATIENCE).expect("out of the way");
        until("the heir", || heir.is_finished());
        let mut heir = heir.join().expect("no panic").expect("it takes over");
        assert_has(heir.as_mut(), 0..KEYS, 2);
        assert_eq!(heir.get(COUNTS, b"obstacle").expect("state"), None, "that was given up");
        control.ask(Wish::Stop);
    });
}
