//! JSON Lines that 0.1.0 read: it remembered lines by their file and their id or offset.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Place;
use super::memory::Memory;
use crate::checkpoint::{Checkpoint, FILES, Lines, More, earlier_line, files_prefix};
use crate::stamp::Stamp;
use crate::{Fields, Format};

fn line(n: usize) -> String {
    format!(
        "{{\"id\":\"n{n}\",\"url\":\"https://news.example/{n}\",\"text\":\"Ferry {n} delayed\\nFog.\"}}\n"
    )
}

fn place(fields: Fields) -> Place {
    let mut place = Place::new();
    place.source.include = vec!["**/*.jsonl".into()];
    place.source.format = Format::JsonLines(Box::new(fields));
    place.source.settle_ms = 0;
    place
}

/// A table as 0.1.0 left it after reading a file whole.
fn read_by_0_1_0(place: &Place, name: &str, has_id: bool) -> Memory {
    let log = Memory::default();
    let content = std::fs::read_to_string(place.path(name)).expect("there");
    let (mut offset, mut prefix) = (0, crate::lines::Prefix::default());
    for (n, line) in content.split_inclusive('\n').enumerate() {
        let id = if has_id { format!("n{n}") } else { offset.to_string() };
        let sha256 = Sha256::digest(line.trim_end());
        log.put(FILES, &earlier_line("files", &format!("{name}#{id}")), &sha256[..16]);
        offset += line.len();
        prefix.extend(line.as_bytes());
    }
    let file = std::fs::File::open(place.path(name)).expect("there");
    let checkpoint = Checkpoint {
        stamp: Stamp::of(&rustix::fs::fstat(&file).expect("there")),
        complete: true,
        sha256: prefix.proof(),
        lines: Lines { offset_bytes: prefix.bytes(), count: content.lines().count() as u64, restarts: 0 },
        more: More::default(),
    };
    log.put(FILES, &[&files_prefix("files")[..], name.as_bytes()].concat(), &checkpoint.to_earlier_bytes());
    log
}

fn keys(log: &Memory) -> BTreeMap<String, usize> {
    let mut keys = BTreeMap::new();
    for message in log.produced() {
        let subject = message.headers.iter().find(|(name, _)| name == "ce_subject").expect("a subject");
        *keys.entry(String::from_utf8_lossy(&subject.1).into_owned()).or_default() += 1;
    }
    keys
}

#[test]
fn nothing_comes_again_and_an_article_keeps_its_record() {
    for (has_id, has_url) in [(true, false), (false, true), (false, false)] {
        let named = |is_mapped: bool, name: &str| is_mapped.then(|| name.to_owned());
        let place =
            place(Fields { id: named(has_id, "id"), url: named(has_url, "url"), ..Fields::default() });
        let lines = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
        place.write("a#1.jsonl", lines(0..20));
        // Its keys have an escaped `#`.
        std::fs::rename(place.path("a#1.jsonl"), place.path("a.jsonl")).expect("renamed");
        let log = read_by_0_1_0(&place, "a.jsonl", has_id);
        place.drain_memory(&log);
        assert_eq!(keys(&log), BTreeMap::new(), "{has_id} {has_url}");
        // Rotated afterwards, with one line more in front.
        std::fs::rename(place.path("a.jsonl"), place.path("b.jsonl")).expect("renamed");
        place.write("b.jsonl", line(50) + &lines(0..20));
        place.write("a.jsonl", line(20));
        place.drain_memory(&log);
        assert_eq!(keys(&log).len(), 2, "{has_id} {has_url}");
        // A correction goes on under the key of then, where the article has a name.
        place.write(
            "b.jsonl",
            line(50) + &lines(0..20).replace("Ferry 7 delayed\\nFog.", "Ferry 7 delayed\\nThick fog."),
        );
        place.drain_memory(&log);
        let expected = match (has_id, has_url) {
            (true, _) => "a.jsonl#n7".to_owned(),
            (false, true) => format!("a.jsonl#{}", lines(0..7).len()),
            (false, false) => {
                keys(&log).into_keys().next().inspect(|key| assert!(key.starts_with("sha256:"))).expect("one")
            }
        };
        if has_id || has_url {
            assert_eq!(keys(&log), BTreeMap::from([(expected, 1)]));
        }
    }
}

#[test]
fn what_changed_between_the_two_versions_of_this_program_is_a_version() {
    let place = place(Fields { id: Some("id".into()), ..Fields::default() });
    place.write("a.jsonl", (0..5).map(line).collect::<String>());
    let log = read_by_0_1_0(&place, "a.jsonl", true);
    place.write("a.jsonl", (0..6).map(line).collect::<String>().replace("Ferry 3", "Ship 3"));
    place.drain_memory(&log);
    assert_eq!(keys(&log), BTreeMap::from([("a.jsonl#n3".into(), 1), ("id:n5".into(), 1)]));
    place.drain_memory(&log);
    assert_eq!(keys(&log), BTreeMap::new());
}
