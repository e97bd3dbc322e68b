//! Partitions that come and go, and a log that rewinds: nothing lost, nothing twice, whatever the moment.

mod group;

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::time::Duration;

use barid_log::{Control, LogError, Wish};
use prometheus::Registry;
use tempfile::TempDir;

use self::group::{Call, Fate, Group, Member, line, offset};
use crate::finish::{Written, finisher};
use crate::jsonl::{Around, run_with};
use crate::patient::Patience;
use crate::{JsonlConfig, Metrics, RecordFile, SinkError, Summary, name, run};

const COUNT: u64 = 40;

fn config(dir: &TempDir) -> JsonlConfig {
    JsonlConfig {
        dir: dir.path().join("out"),
        rotate_bytes: 1_000,
        rotate_after: Duration::from_secs(3600),
        zstd_level: None,
        ..JsonlConfig::default()
    }
}

fn metrics() -> Metrics {
    Metrics::register(&Registry::new()).expect("metrics")
}

fn draining() -> Control {
    let control = Control::default();
    control.ask(Wish::Drain);
    control
}

fn drain(config: &JsonlConfig, group: &Group, member: Member) -> Summary {
    run(config, Box::new(member), &|partition| Ok(group.end(partition)), &metrics(), &draining())
        .expect("drained")
}

/// Holds the finished files against the log: each partition's follow each other from its start without a gap, each has what its name says, and
/// together they have every record once.
fn check(dir: &Path, partitions: u32, count: u64) {
    let (files, temporary) = RecordFile::list(dir).expect("a folder");
    assert_eq!(temporary, Vec::<std::path::PathBuf>::new());
    for partition in 0..partitions {
        let (mut next, mut number) = (0, 0);
        for file in files.iter().filter(|file| file.partition == partition) {
            assert_eq!(file.from, next, "{}", file.path.display());
            for found in fs::read_to_string(&file.path).expect("text").lines() {
                assert_eq!(found, line(partition, number), "{}", file.path.display());
                assert!(offset(number) >= file.from && offset(number) <= file.last);
                number += 1;
            }
            next = file.last + 1;
            assert_eq!(file.last, offset(number - 1), "{}", file.path.display());
        }
        assert_eq!(number, count, "partition {partition}");
    }
}

#[test]
fn partitions_have_files_of_their_own_that_bridge_the_gaps() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group) = (config(&dir), Group::new(3, COUNT));
    let summary = drain(&config, &group, group.member(0));
    check(&config.dir, 3, COUNT);
    assert_eq!(summary.records, 3 * COUNT, "counted, not taken from offsets");
    assert_eq!(group.committed(), [offset(COUNT - 1) + 1; 3]);
    assert_eq!(drain(&config, &group, group.member(0)).records, 0);
}

#[test]
fn a_rewind_at_any_call_loses_and_repeats_nothing() {
    for (durable_after, is_slow) in [(0, false), (5, false), (u64::MAX, false), (5, true)] {
        for at in 1.. {
            let dir = tempfile::tempdir().expect("a folder");
            let (config, group, metrics) = (config(&dir), Group::new(2, COUNT), metrics());
            let member = group.member(0).durable_after(durable_after);
            let member = member.scripted(move |_, call| Fate::rewound_if(call == at));
            let member = if is_slow { member.slow() } else { member };
            run(&config, Box::new(member), &|partition| Ok(group.end(partition)), &metrics, &draining())
                .expect("drained");
            check(&config.dir, 2, COUNT);
            assert_eq!(group.committed(), [offset(COUNT - 1) + 1; 2], "rewound at call {at}");
            if metrics.rewinds.get() == 0 {
                assert!(at > 10, "the run was over after {at} calls");
                break;
            }
        }
    }
}

#[test]
fn rewinds_again_and_again_still_get_somewhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group) = (config(&dir), Group::new(2, COUNT));
    // One call of six, at random: evenly spaced ones may fall on every commit for ever.
    let mut state = 7_u32;
    let script = move |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Fate::rewound_if((state >> 16).is_multiple_of(6))
    };
    drain(&config, &group, group.member(0).durable_after(3).scripted(script));
    check(&config.dir, 2, COUNT);
}

fn around<'a>(
    config: &'a JsonlConfig,
    log_end: &'a dyn Fn(u32) -> Result<u64, LogError>,
    metrics: &'a Metrics,
    control: &Control,
) -> Around<'a> {
    let patience =
        Patience { control: control.clone(), storage_full: metrics.storage_full.clone(), most: None };
    Around { config, log_end, metrics, patience }
}

/// A channel with one file in it.
fn only(job: Written) -> Receiver<Written> {
    let (jobs, only) = sync_channel(1);
    jobs.send(job).expect("room");
    only
}

/// Runs a sink whose finisher lets no file go before the one rewind, which comes at the first poll that finds so many temporary files.
fn rewind_at(rotate_bytes: u64, temporary: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let config = JsonlConfig { rotate_bytes, ..config(&dir) };
    let group = Group::new(1, COUNT);
    let (metrics, control) = (metrics(), draining());
    let (let_go, is_let) = channel();
    let out = config.dir.clone();
    let mut is_rewound = false;
    let script = move |call, _| {
        let is_moment = || RecordFile::list(&out).expect("a folder").1.len() == temporary;
        let now = !is_rewound && call == Call::Poll && is_moment();
        if now {
            is_rewound = true;
            let_go.send(()).expect("the finisher is there");
        }
        Fate::rewound_if(now)
    };
    let log_end = |partition| Ok(group.end(partition));
    let around = around(&config, &log_end, &metrics, &control);
    let patience = around.patience.clone();
    let member = Box::new(group.member(0).scripted(script));
    let (dir, finish_metrics) = (config.dir.clone(), metrics.clone());
    run_with(around, member, &control, move |jobs, done| {
        let Ok(first) = jobs.recv() else { return };
        is_let.recv().expect("a rewind comes");
        finisher(&dir, &patience, &finish_metrics, &only(first), &done);
        finisher(&dir, &patience, &finish_metrics, &jobs, &done);
    })
    .expect("drained");
    assert_eq!(metrics.rewinds.get(), 1);
    check(&config.dir, 1, COUNT);
    assert_eq!(group.committed(), [offset(COUNT - 1) + 1]);
    assert_eq!(metrics.records.get(), COUNT, "what was dropped is not counted");
    // A file that was on its way was not written again: what it holds was acknowledged as it is.
    assert_eq!(metrics.adopted_files.get(), temporary as u64 - 1);
}

#[test]
fn a_rewind_in_the_middle_of_an_open_file_drops_it() {
    rewind_at(1 << 20, 1);
}

#[test]
fn a_rewind_while_a_file_is_being_finished_keeps_it() {
    rewind_at(1_500, 2);
}

#[test]
fn a_sink_that_ends_keeps_its_locks_until_its_last_file_is_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group, metrics, control) = (config(&dir), Group::new(1, COUNT), metrics(), draining());
    let out = config.dir.clone();
    let script = move |_, _| {
        let is_finishing = RecordFile::list(&out).expect("a folder").1.len() > 1;
        if is_finishing { Fate::Lost } else { Fate::Well }
    };
    let log_end = |partition| Ok(group.end(partition));
    let around = around(&config, &log_end, &metrics, &control);
    let patience = around.patience.clone();
    let (dir, finish_metrics) = (config.dir.clone(), metrics.clone());
    let member = Box::new(group.member(0).scripted(script));
    let lost = run_with(around, member, &control, move |jobs, done| {
        let first = jobs.recv().expect("a file");
        // Until the sink is gone.
        let rest: Vec<Written> = jobs.iter().collect();
        assert!(is_locked(&dir), "the next owner may write now, and so do we");
        for job in std::iter::once(first).chain(rest) {
            finisher(&dir, &patience, &finish_metrics, &only(job), &done);
        }
    });
    assert!(matches!(&lost, Err(SinkError::Log(error)) if error.is_lost()), "{lost:?}");
    let left = RecordFile::list(&config.dir).expect("a folder");
    assert!(!left.0.is_empty() && left.1.is_empty(), "{left:?}");
    assert_eq!(group.committed(), [0]);
    let next = drain(&config, &group, group.member(0));
    assert!(next.records < COUNT);
    check(&config.dir, 1, COUNT);
}

/// Whether partition 0 is locked, now and a moment later.
fn is_locked(dir: &Path) -> bool {
    std::thread::sleep(Duration::from_millis(50));
    fs::File::open(name::lock(dir, 0)).expect("there").try_lock().is_err()
}

#[test]
fn a_partition_is_not_given_back_before_its_last_file_is_finished() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group, metrics, control) = (config(&dir), Group::new(1, COUNT), metrics(), draining());
    let (let_go, is_let) = channel();
    let (out, owners, mut asked) = (config.dir.clone(), group.clone(), 0);
    let script = move |call, _| {
        if asked == 0 && call == Call::Poll && RecordFile::list(&out).expect("a folder").1.len() > 1 {
            owners.assign(&[1]);
        }
        // The sink waits for its file now, or has gone on without it.
        asked += u64::from(owners.owner(0) == 1);
        if asked == 2 {
            let_go.send(()).expect("the finisher is there");
        }
        Fate::Well
    };
    let log_end = |partition| Ok(group.end(partition));
    let around = around(&config, &log_end, &metrics, &control);
    let patience = around.patience.clone();
    let (dir, finish_metrics) = (config.dir.clone(), metrics.clone());
    let member = Box::new(group.member(0).telling_late().scripted(script));
    run_with(around, member, &control, move |jobs, done| {
        let first = jobs.recv().expect("a file");
        is_let.recv().expect("the partition goes");
        assert!(is_locked(&dir), "the next owner may write now, and so do we");
        finisher(&dir, &patience, &finish_metrics, &only(first), &done);
        finisher(&dir, &patience, &finish_metrics, &jobs, &done);
    })
    .expect("drained");
    drain(&config, &group, group.member(1));
    check(&config.dir, 1, COUNT);
}

#[test]
fn what_is_not_acknowledged_of_a_partition_that_went_is_for_its_next_owner() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group) = (config(&dir), Group::new(2, COUNT));
    let owners = group.clone();
    let script = move |_, call| {
        if call == 8 {
            owners.assign(&[0, 1]);
        }
        Fate::Well
    };
    // Nothing is durable before the end: both partitions have acknowledgements on their way when one goes.
    drain(&config, &group, group.member(0).durable_after(u64::MAX).telling_late().scripted(script));
    assert_eq!(group.committed(), [offset(COUNT - 1) + 1, 0]);
    let next = drain(&config, &group, group.member(1));
    assert!(next.records < COUNT, "some were finished");
    check(&config.dir, 2, COUNT);
}

/// Holds a partition's lock as another sink would.
fn lock(dir: &Path, partition: u32) -> fs::File {
    fs::create_dir_all(dir).expect("a folder");
    let file = fs::File::create(name::lock(dir, partition)).expect("created");
    file.try_lock().expect("free");
    file
}

/// A test that fails must not leave a sink waiting: the scope waits for it.
struct Ends<'a>(&'a Control);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ask(Wish::Stop);
    }
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_partition_whose_files_another_has_is_waited_for_while_the_others_go_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group, metrics) = (config(&dir), Group::new(3, COUNT), metrics());
    let others = lock(&config.dir, 1);
    // Of this sink's own earlier life, of the other one, and of one that has nothing to do with us.
    let [own, zombies, strangers] = [0, 1, 7].map(|partition| name::temporary(&config.dir, partition, 0));
    for path in [&own, &zombies, &strangers] {
        fs::write(path, "half").expect("written");
    }
    let control = draining();
    std::thread::scope(|scope| {
        let log_end = |partition| Ok(group.end(partition));
        let (config, metrics, control) = (&config, &metrics, &control);
        // A rewind ends what is held.
        let member = group.member(0).scripted(|_, call| Fate::rewound_if(call == 4));
        let sink = scope.spawn(move || run(config, Box::new(member), &log_end, metrics, control));
        let ends = Ends(control);
        let end = offset(COUNT - 1) + 1;
        let goes_on = |partition: usize| {
            group.polled()[partition] as u64 >= COUNT && group.committed()[partition] > offset(COUNT / 2)
        };
        wait_until(|| goes_on(0) && goes_on(2) || sink.is_finished());
        assert!(!sink.is_finished(), "not all is drained");
        assert_eq!((group.committed()[1], metrics.waiting_partitions.get()), (0, 1));
        assert!(group.polled()[1] <= 14, "no more than one poll's worth of it waits in memory");
        assert!(!own.exists() && zombies.exists() && strangers.exists());
        // The other one wakes up, finishes its file, and lets go.
        let finished = RecordFile::new(&config.dir, 1, 0, offset(9), false);
        let text: String = (0..10).map(|number| line(1, number) + "\n").collect();
        fs::write(&zombies, text).expect("written");
        fs::rename(&zombies, &finished.path).expect("renamed");
        drop(others);
        assert_eq!(sink.join().expect("no panic").expect("drained").records, 3 * COUNT - 10);
        assert_eq!(group.committed(), [end; 3]);
        drop(ends);
    });
    assert_eq!(metrics.waiting_partitions.get(), 0);
    fs::remove_file(strangers).expect("left alone");
    check(&config.dir, 3, COUNT);
}

#[test]
fn a_sink_that_waits_for_a_lock_still_stops() {
    let dir = tempfile::tempdir().expect("a folder");
    let (config, group, control) = (config(&dir), Group::new(2, COUNT), Control::default());
    let _others = lock(&config.dir, 0);
    std::thread::scope(|scope| {
        let (group, config, control) = (&group, &config, &control);
        let log_end = |partition| Ok(group.end(partition));
        let sink = scope.spawn(move || run(config, Box::new(group.member(0)), &log_end, &metrics(), control));
        wait_until(|| group.committed()[1] > 0);
        control.ask(Wish::Stop);
        sink.join().expect("no panic").expect("stopped");
    });
    assert_eq!(group.committed()[0], 0);
}

#[test]
fn sinks_that_share_a_folder_hand_partitions_over_without_loss() {
    const PARTITIONS: u32 = 4;
    const MANY: u64 = 3_000;
    let dir = tempfile::tempdir().expect("a folder");
    let config = JsonlConfig { rotate_bytes: 20_000, ..config(&dir) };
    let group = Group::new(PARTITIONS, MANY);
    let (control, metrics) = (Control::default(), [metrics(), metrics()]);
    std::thread::scope(|scope| {
        let sinks: Vec<_> = (0..2)
            .map(|id| {
                let (group, config, control, metrics) = (&group, &config, &control, &metrics[id]);
                scope.spawn(move || {
                    let log_end = |partition| Ok(group.end(partition));
                    let member = group.member(id).durable_after(3);
                    run(config, Box::new(member), &log_end, metrics, control)
                })
            })
            .collect();
        let mut state = 1_u32;
        for _ in 0..60 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let owners: Vec<usize> =
                (0..PARTITIONS).map(|partition| (state >> (partition + 8) & 1) as usize).collect();
            group.assign(&owners);
            std::thread::sleep(Duration::from_millis(u64::from(state >> 28)));
        }
        control.ask(Wish::Drain);
        let sunk: Vec<Result<Summary, SinkError>> =
            sinks.into_iter().map(|sink| sink.join().expect("no panic")).collect();
        let records: u64 = sunk.into_iter().map(|sunk| sunk.expect("drained").records).sum();
        assert_eq!(records, u64::from(PARTITIONS) * MANY);
    });
    assert!(metrics.iter().all(|metrics| metrics.rewinds.get() > 0));
    assert_eq!(group.committed(), [offset(MANY - 1) + 1; PARTITIONS as usize]);
    check(&config.dir, PARTITIONS, MANY);
}
