//! Folders with loops, links, odd names, and a hundred thousand files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::Place;

#[test]
fn a_link_into_its_own_parents_is_not_followed() {
    let place = Place::new();
    place.write("a/b/1.txt", "one");
    symlink(place.path("a"), place.path("a/b/up")).expect("linked");
    symlink(place.path("a/b/self"), place.path("a/b/self")).expect("linked");
    symlink(place.path("a/b"), place.path("side")).expect("linked");
    let brought = place.drain();
    assert_eq!(brought.keys(), ["a/b/1.txt", "side/1.txt"]);
    assert!(brought.summary.read_errors > 0, "the loops are counted");
}

#[test]
fn links_are_followed_only_where_that_is_wanted() {
    let mut place = Place::new();
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("1.txt"), "one").expect("a file");
    symlink(outside.path(), place.path("folder")).expect("linked");
    symlink(outside.path().join("1.txt"), place.path("file.txt")).expect("linked");
    place.source.follow_symlinks = false;
    assert_eq!(place.drain().raw, []);
    place.source.follow_symlinks = true;
    assert_eq!(place.drain().keys(), ["file.txt", "folder/1.txt"]);
}

#[test]
fn two_names_of_one_file_are_two_documents() {
    let place = Place::new();
    place.write("a.txt", "text");
    std::fs::hard_link(place.path("a.txt"), place.path("b.txt")).expect("linked");
    assert_eq!(place.drain().keys(), ["a.txt", "b.txt"]);
    assert_eq!(place.drain().raw, []);
}

#[test]
fn hidden_temporary_and_unwanted_names_are_not_read() {
    let mut place = Place::new();
    place.source.exclude = vec!["old/**".into()];
    for name in
        [".a.txt", ".git/a.txt", "a.txt~", "a.txt.part", "a.txt.tmp", "a.csv", "old/a.txt", "old/x/a.txt"]
    {
        place.write(name, name);
    }
    place.write("new/a.txt", "wanted");
    assert_eq!(place.drain().keys(), ["new/a.txt"]);
}

#[test]
fn a_name_that_is_not_utf8_has_a_key_that_leads_back() {
    let place = Place::new();
    let name = OsStr::from_bytes(b"caf\xe9 #1.txt");
    std::fs::write(place.path(name), "latin").expect("a file");
    place.write("caf%E9 #1.txt", "percent");
    let brought = place.drain();
    assert_eq!(brought.texts(), [("caf%25E9 #1.txt", "percent"), ("caf%E9 #1.txt", "latin")]);
    assert!(brought.raw[1].uri.ends_with("/caf%E9%20%231.txt"), "{}", brought.raw[1].uri);
    std::fs::write(place.path(name), "changed").expect("a file");
    assert_eq!(place.drain().texts(), [("caf%E9 #1.txt", "changed")]);
}

/// Reading a process's memory at address 0 fails for everyone, also for root, and says EIO.
#[test]
fn what_cannot_be_read_is_tried_again_and_not_rejected() {
    let place = Place::new();
    symlink("/proc/self/mem", place.path("a.txt")).expect("linked");
    place.write("b.txt", "text");
    for _ in 0..2 {
        let brought = place.drain();
        assert_eq!(brought.summary.read_errors, 1);
        assert_eq!(brought.rejected, []);
    }
    std::fs::remove_file(place.path("a.txt")).expect("unlinked");
    place.write("a.txt", "readable now");
    assert_eq!(place.drain().texts(), [("a.txt", "readable now")]);
}

#[test]
fn a_missing_folder_is_waited_for() {
    let mut place = Place::new();
    place.source.root = place.path("later");
    assert_eq!(place.drain().summary.read_errors, 1);
    place.write("later/a.txt", "text");
    assert_eq!(place.drain().keys(), ["a.txt"]);
}

#[test]
fn a_hundred_thousand_files_in_one_folder() {
    let place = Place::new();
    for n in 0..100_000 {
        std::fs::write(place.path(format!("{n:06}.txt")), n.to_string()).expect("a file");
    }
    let brought = place.drain();
    assert_eq!(brought.raw.len(), 100_000);
    assert!(brought.raw.iter().enumerate().all(|(n, document)| document.body == n.to_string()), "in order");
    place.write("050000.txt", "changed");
    let again = place.drain();
    assert_eq!(again.texts(), [("050000.txt", "changed")]);
    assert_eq!(again.summary.unchanged, 99_999);
}
