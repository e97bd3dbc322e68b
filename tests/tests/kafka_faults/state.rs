//! The local copy of the state is a copy: gone, damaged or of another changelog, it is made anew from what Kafka holds.

use std::fs;
use std::path::{Path, PathBuf};

use barid_log::{Change, Log, Table, Unit, Worker, WorkerSpec};
use barid_record::Topic;
use barid_tests::kafka::{Broker, create_topic, delete_topics};
use barid_tests::worker::{COUNTS, number};

use super::lab::Lab;

const KEYS: u64 = 1000;

fn owner(lab: &Lab) -> Box<dyn Worker> {
    let spec = WorkerSpec { group: "keeper".into(), inputs: vec![Topic::Raw], tables: vec![COUNTS] };
    lab.open("here").worker(spec).expect("the owner")
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
    let Table(table) = COUNTS;
    let changelog = format!("{}barid.state.{table}", lab.prefix);
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
