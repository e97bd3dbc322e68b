//! Links that are switched, and what they lead to: seen by events alone.

use std::os::unix::fs::symlink;

use super::Place;
use super::live::{by_events, live};

/// Puts a link in the place of another one, at once.
fn switch(place: &Place, name: &str, target: &str) {
    let next = place.path(".next");
    symlink(target, &next).expect("linked");
    std::fs::rename(next, place.path(name)).expect("renamed");
}

#[test]
fn a_hidden_link_on_the_way_to_a_file() {
    let place = by_events();
    for version in ["1", "2", "3"] {
        place.write(&format!("..v{version}/a.txt"), version);
    }
    symlink("..v1", place.path("..data")).expect("linked");
    symlink("..data/a.txt", place.path("a.txt")).expect("linked");
    age(&place, &["..v1/a.txt"]);
    live(&place, |live| {
        assert_eq!(live.next_text().1, "1");
        for version in ["2", "3"] {
            switch(&place, "..data", &format!("..v{version}"));
            assert_eq!(live.next_text(), ("a.txt".into(), version.into()));
        }
        // The newest target itself.
        place.write("..v3/a.txt", "3 corrected");
        assert_eq!(live.next_text(), ("a.txt".into(), "3 corrected".into()));
    });
}

#[test]
fn the_target_of_a_linked_file() {
    let place = by_events();
    let outside = Place::new();
    outside.write("one.txt", "one");
    age(&outside, &["one.txt"]);
    symlink(outside.path("one.txt"), place.path("a.txt")).expect("linked");
    live(&place, |live| {
        assert_eq!(live.next_text().1, "one");
        outside.write("one.txt", "corrected");
        assert_eq!(live.next_text(), ("a.txt".into(), "corrected".into()));
        outside.write("new", "renamed over");
        std::fs::rename(outside.path("new"), outside.path("one.txt")).expect("renamed");
        assert_eq!(live.next_text(), ("a.txt".into(), "renamed over".into()));
    });
}

#[test]
fn a_linked_folder_and_one_on_the_way_to_it() {
    let place = by_events();
    let outside = Place::new();
    for version in ["1", "2", "3"] {
        outside.write(&format!("v{version}/news/{version}.txt"), version);
        age(&outside, &[&format!("v{version}/news/{version}.txt")]);
    }
    symlink("v1", outside.path("current")).expect("linked");
    symlink(outside.path("current/news"), place.path("sub")).expect("linked");
    live(&place, |live| {
        assert_eq!(live.next_text().1, "1");
        switch(&outside, "current", "v2");
        assert_eq!(live.next_text(), ("sub/2.txt".into(), "2".into()));
        switch(&place, "sub", outside.path("v3/news").to_str().expect("text"));
        assert_eq!(live.next_text(), ("sub/3.txt".into(), "3".into()));
        outside.write("v3/news/4.txt", "4");
        assert_eq!(live.next_text(), ("sub/4.txt".into(), "4".into()));
    });
}

#[test]
fn the_root() {
    let mut place = by_events();
    let outside = Place::new();
    for version in ["1", "2"] {
        outside.write(&format!("v{version}/{version}.txt"), version);
        age(&outside, &[&format!("v{version}/{version}.txt")]);
    }
    symlink("v1", outside.path("in")).expect("linked");
    place.source.root = outside.path("in");
    live(&place, |live| {
        assert_eq!(live.next_text().1, "1");
        switch(&outside, "in", "v2");
        assert_eq!(live.next_text(), ("2.txt".into(), "2".into()));
        // A folder that is renamed over the link's name later.
        std::fs::remove_file(outside.path("in")).expect("removed");
        outside.write("v3/3.txt", "3");
        age(&outside, &["v3/3.txt"]);
        std::fs::rename(outside.path("v3"), outside.path("in")).expect("renamed");
        assert_eq!(live.next_text(), ("3.txt".into(), "3".into()));
    });
}

/// Written long ago: it need not settle.
fn age(place: &Place, names: &[&str]) {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100_000);
    for name in names {
        let file = std::fs::File::options().write(true).open(place.path(name)).expect("there");
        file.set_times(std::fs::FileTimes::new().set_modified(long_ago)).expect("set");
    }
}
