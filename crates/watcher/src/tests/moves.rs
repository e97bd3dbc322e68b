//! Text files that are renamed, moved, packed, copied; paths that are used again.

use std::os::unix::fs::MetadataExt;

use super::{Place, gzip};

fn rename(place: &Place, from: &str, to: &str) {
    let to = place.path(to);
    std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
    std::fs::rename(place.path(from), to).expect("renamed");
}

/// A text of so many words that share nothing with those of another number.
fn article(number: usize) -> String {
    let words = (0..60).map(|n| format!("w{}o{} ", number * 1000 + n, n * 37 % 101));
    format!("Headline {number}\n{}", words.collect::<String>())
}

#[test]
fn a_file_that_is_renamed_moved_and_packed_stays_one_article() {
    let place = Place::new();
    place.write("a.txt", article(1));
    place.write("short.txt", "Ferry delayed\nFog.");
    assert_eq!(place.drain().keys(), ["a.txt", "short.txt"]);
    for (from, to) in
        [("a.txt", "z.txt"), ("z.txt", "done/a.txt"), ("short.txt", "done/0.txt"), ("done/a.txt", "a.txt")]
    {
        rename(&place, from, to);
        let brought = place.drain();
        assert_eq!((brought.raw.len(), brought.summary.unchanged), (0, 2), "{from} to {to}");
    }
    for (name, bytes) in
        [("a.txt", gzip(article(1).as_bytes())), ("done/0.txt", gzip(b"Ferry delayed\nFog."))]
    {
        place.write(&format!("{name}.gz"), bytes);
        assert_eq!(place.drain().raw, [], "packed beside it");
        std::fs::remove_file(place.path(name)).expect("removed");
        assert_eq!(place.drain().raw, [], "packed");
    }
    assert_eq!(place.metrics.odd.moved.get(), 6);
    // A correction in its new place is a version of the same article.
    place.write("a.txt.gz", gzip(article(1).replace("Headline", "New headline").as_bytes()));
    assert_eq!(place.drain().keys(), ["a.txt"]);
}

#[test]
fn a_copy_beside_its_original_is_a_document_of_its_own() {
    let place = Place::new();
    place.write("b.txt", article(1));
    assert_eq!(place.drain().keys(), ["b.txt"]);
    place.write("a.txt", article(1));
    place.write("c/b.txt", article(1));
    assert_eq!(place.drain().keys(), ["a.txt", "c/b.txt"]);
    place.write("b.txt", article(1) + "and more");
    place.write("d.txt", article(1));
    assert_eq!(place.drain().keys(), ["d.txt", "b.txt"], "a copy of the old text, then the correction");
}

#[test]
fn another_article_under_the_old_name_is_another_article() {
    // The new one sorts before the old one and behind it, is alike and not.
    for (old, text) in [
        ("a.txt", article(2)),
        ("z.txt", article(2)),
        ("a.txt", article(1).replace("Headline 1", "Headline 3")),
    ] {
        let place = Place::new();
        place.write("today.txt", article(1));
        assert_eq!(place.drain().keys(), ["today.txt"]);
        rename(&place, "today.txt", old);
        place.write("today.txt", &text);
        let inodes = [old, "today.txt"].map(|name| std::fs::metadata(place.path(name)).expect("there").ino());
        assert_ne!(inodes[0], inodes[1]);
        let brought = place.drain();
        assert_eq!(brought.raw.len(), 1);
        let key = brought.raw[0].key.clone();
        assert!(key.starts_with("today.txt%23"), "{key}");
        assert!(brought.raw[0].uri.ends_with("/today.txt"), "{}", brought.raw[0].uri);
        // Each has its own corrections.
        place.write(old, article(1) + "corrected");
        place.write("today.txt", text.clone() + "corrected");
        let mut keys = [key.as_str(), "today.txt"];
        let brought = place.drain();
        let mut brought = brought.keys();
        keys.sort_unstable();
        brought.sort_unstable();
        assert_eq!(brought, keys);
        assert_eq!(place.drain().raw, []);
    }
}

#[test]
fn a_file_that_is_written_over_with_another_text_begins_another_article() {
    let place = Place::new();
    let mut keys = Vec::new();
    for day in 1..4 {
        place.write("today.txt", article(day));
        let brought = place.drain();
        assert_eq!(brought.raw.len(), 1);
        keys.push(brought.raw[0].key.clone());
        place.write("today.txt", article(day).replace("w1000o0", "corrected"));
        assert!(place.drain().keys().iter().all(|key| *key == keys[day - 1]), "{day}");
    }
    keys.dedup();
    assert_eq!((keys.len(), keys[0].as_str()), (3, "today.txt"));
    // An old text that comes back under another name is known.
    place.write("monday.txt", article(1).replace("w1000o0", "corrected"));
    assert_eq!(place.drain().raw, []);
}

#[test]
fn a_text_packed_under_a_name_that_is_used_again() {
    let place = Place::new();
    place.write("today.txt", "Ferry 1 delayed\nFog.");
    assert_eq!(place.drain().keys(), ["today.txt"]);
    place.write("today.txt.gz", gzip(b"Ferry 1 delayed\nFog."));
    assert_eq!(place.drain().raw, []);
    place.write("next", "Ferry 2 delayed\nFog.");
    rename(&place, "next", "today.txt");
    let brought = place.drain();
    assert_eq!(brought.raw.len(), 1);
    assert_ne!(brought.raw[0].key, "today.txt");
}

#[test]
fn what_was_read_before_names_of_contents_were_kept_can_be_renamed_too() {
    use super::memory::Memory;
    use crate::checkpoint::{Checkpoint, FILES, files_prefix};
    let mut place = Place::new();
    place.source.settle_ms = 0;
    place.write("a.txt", article(1));
    let log = Memory::default();
    place.drain_memory(&log);
    let document = log.produced().remove(0);
    // As 0.1.0 kept it.
    let key = [&files_prefix("files")[..], b"a.txt"].concat();
    let value = log.value(FILES, &key).expect("a checkpoint");
    let checkpoint = Checkpoint::from_bytes(&value).expect("readable");
    let earlier = Memory::default();
    earlier.put(FILES, &key, &checkpoint.to_earlier_bytes());
    rename(&place, "a.txt", "done/b.txt");
    place.drain_memory(&earlier);
    assert_eq!(earlier.produced().len(), 0);
    place.write("done/b.txt", article(1) + "corrected");
    place.drain_memory(&earlier);
    assert_eq!(earlier.produced()[0].key, document.key, "a version of the same record");
}
