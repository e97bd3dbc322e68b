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
    assert_eq!(place.drain().raw, [], "the same article under another name");
    // And the same inode with other content under the old name, with the old size and modification time.
    let modified =
        std::fs::metadata(place.path("b.txt")).and_then(|status| status.modified()).expect("there");
    place.write("b.txt", "Headline\nother article");
    let file = File::options().write(true).open(place.path("b.txt")).expect("there");
    file.set_times(FileTimes::new().set_modified(modified)).expect("set back");
    drop(file);
    std::fs::rename(place.path("b.txt"), place.path("a.txt")).expect("renamed");
    let brought = place.drain();
    assert_eq!(&*brought.raw[0].body, b"Headline\nother article");
    assert_ne!(brought.raw[0].key, "a.txt", "the article of that path went elsewhere");
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
    pause_until_settled();
    let mut keys = Vec::new();
    let mut deaths = 0;
    while keys.len() < names.len() {
        // Each run dies after another number of files, mostly between two commits.
        place.dies_after = Some(20 + 5 * deaths);
        keys.extend(place.drain().keys().into_iter().map(str::to_owned));
        deaths += 1;
        assert!(keys.len() % 7 == 0 || keys.len() == names.len(), "whole units only: {}", keys.len());
    }
    assert_eq!(keys, names, "nothing lost, nothing twice, the same order as a run without a death");
    assert!(deaths > 3, "{deaths}");
    place.dies_after = None;
    assert_eq!(place.drain().raw, []);
}

#[test]
fn a_run_that_is_stopped_finishes_the_batch() {
    let place = Place::new();
    for n in 0..1000 {
        place.write(&format!("{n:04}.txt"), n.to_string());
    }
    let stopped = place.drain_hearing(&|control, progress| {
        if progress.counts.documents > 0 {
            control.ask(Wish::Stop);
        }
    });
    assert_eq!(stopped.raw.len() as u64, stopped.summary.documents);
    assert!(stopped.raw.len() < 1000);
    assert_eq!(stopped.raw.len() + place.drain().raw.len(), 1000);
}

/// A scan that need not wait asks for the time about once a file.
fn pause_until_settled() {
    std::thread::sleep(Duration::from_millis(50));
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
