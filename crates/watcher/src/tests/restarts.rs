//! Runs that end early, inodes that come back, times that lie: S6, S7, K.

use std::fs::{File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use barid_log::Wish;

use super::Place;

#[test]
fn s6_truncate_shorter_rewrite_same_headline() {
    let place = Place::new();
    place.write("a.txt", "Headline\nA long first version of the text");
    assert_eq!(place.drain().raw.len(), 1);
    let inode = std::fs::metadata(place.path("a.txt")).expect("there").ino();
    place.write("a.txt", "Headline\nShort");
    assert_eq!(std::fs::metadata(place.path("a.txt")).expect("there").ino(), inode, "rewritten in place");
    assert_eq!(place.drain().texts(), [("a.txt", "Headline\nShort")]);
}

#[test]
fn s7_inode_reuse_after_delete_and_restart() {
    let place = Place::new();
    place.write("a.txt", "Headline\nfirst article");
    assert_eq!(place.drain().raw.len(), 1);
    // The second name of an inode that lost its first: the surest way to a reused inode, size and time.
    std::fs::hard_link(place.path("a.txt"), place.path("b.txt")).expect("linked");
    std::fs::remove_file(place.path("a.txt")).expect("deleted");
    assert_eq!(place.drain().texts(), [("b.txt", "Headline\nfirst article")]);
    // And the same inode with other content under the old name, with the old size and modification time.
    let modified =
        std::fs::metadata(place.path("b.txt")).and_then(|status| status.modified()).expect("there");
    place.write("b.txt", "Headline\nother article");
    let file = File::options().write(true).open(place.path("b.txt")).expect("there");
    file.set_times(FileTimes::new().set_modified(modified)).expect("set back");
    drop(file);
    std::fs::rename(place.path("b.txt"), place.path("a.txt")).expect("renamed");
    assert_eq!(place.drain().texts(), [("a.txt", "Headline\nother article")]);
}

#[test]
fn a_modification_time_may_go_backwards_or_lie_in_the_future() {
    let place = Place::new();
    place.write("a.txt", "first");
    assert_eq!(place.drain().raw.len(), 1);
    let day = Duration::from_secs(86_400);
    for (text, time) in [("older", SystemTime::now() - 365 * day), ("newer", SystemTime::now() + day)] {
        place.write("a.txt", text);
        let file = File::options().write(true).open(place.path("a.txt")).expect("there");
        file.set_times(FileTimes::new().set_modified(time)).expect("set");
        assert_eq!(place.drain().texts(), [("a.txt", text)]);
    }
}

#[test]
fn k_kill_and_restart() {
    let mut place = Place::new();
    place.batch_documents = 7;
    let names: Vec<String> = (0..100).map(|n| format!("{n:03}.txt")).collect();
    for name in &names {
        place.write(name, format!("text of {name}"));
    }
    let mut keys = Vec::new();
    let mut runs = 0;
    while keys.len() < names.len() {
        // Each run is stopped in its third unit: what it had read and not handed over dies with it.
        let stopped = place.drain_hearing(&|control, progress| {
            if progress.counts.documents >= 15 {
                control.ask(Wish::Stop);
            }
        });
        keys.extend(stopped.keys().into_iter().map(str::to_owned));
        runs += 1;
    }
    assert_eq!(keys, names, "nothing lost, nothing twice, the same order as a run without a stop");
    assert!(runs > 3, "{runs}");
    assert_eq!(place.drain().raw, []);
}

#[test]
fn two_runs_over_the_same_files_give_the_same_order() {
    let place = Place::new();
    let other = Place::new();
    let names = ["b.txt", "a/z.txt", "a.txt", "a-b/c.txt", "a/b/c.txt", "a0.txt", "خبر/1.txt", "Z.txt"];
    for name in names {
        place.write(name, name);
    }
    for name in names.iter().rev() {
        other.write(name, name);
    }
    let mut sorted = names;
    sorted.sort_unstable();
    assert_eq!(place.drain().keys(), sorted);
    assert_eq!(other.drain().keys(), sorted);
}
