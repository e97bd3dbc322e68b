//! JSON Lines: S5, resumption at every line, growth, rotation, bad lines.

use std::fs::File;
use std::io::Write;

use barid_log::Wish;
use barid_record::Reason;

use super::{Place, gzip};
use crate::{Fields, Format};

fn place(id: Option<&str>) -> Place {
    let mut place = Place::new();
    place.source.include = vec!["**/*.jsonl".into()];
    place.source.format = Format::JsonLines(Box::new(Fields {
        id: id.map(str::to_owned),
        headline: Some("title".into()),
        ..Fields::default()
    }));
    place
}

fn line(n: usize) -> String {
    format!("{{\"id\":\"n{n}\",\"title\":\"عنوان {n}\",\"text\":\"نص المقال {n}\"}}\n")
}

fn lines(range: std::ops::Range<usize>) -> String {
    range.map(line).collect()
}

fn append(place: &Place, name: &str, text: &str) {
    let mut file = File::options().append(true).create(true).open(place.path(name)).expect("opened");
    file.write_all(text.as_bytes()).expect("appended");
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("id:n{n}")).collect()
}

#[test]
fn a_line_is_a_document_with_its_hints() {
    let place = place(Some("id"));
    place.write("a.jsonl", lines(0..2));
    let brought = place.drain();
    assert_eq!(brought.texts(), [("id:n0", "نص المقال 0"), ("id:n1", "نص المقال 1")]);
    assert_eq!(brought.raw[1].hints.headline.as_deref(), Some("عنوان 1"));
    assert!(brought.raw[1].uri.ends_with("/a.jsonl#L2"), "{}", brought.raw[1].uri);
}

#[test]
fn a_corrected_headline_is_another_delivery_of_the_same_text() {
    let place = place(Some("id"));
    place.write("a.jsonl", line(1));
    let first = place.drain().raw.remove(0);
    place.write("a.jsonl", line(1).replace("عنوان", "العنوان"));
    let second = place.drain().raw.remove(0);
    assert_eq!((&second.key, second.raw_sha256), (&first.key, first.raw_sha256));
    assert_ne!(second.id, first.id);
}

#[test]
fn s5_gzip_restart_midway() {
    for (name, pack) in [
        ("a.jsonl.gz", gzip as fn(&[u8]) -> Vec<u8>),
        ("a.jsonl.zst", |text| zstd::encode_all(text, 1).expect("in memory")),
    ] {
        let place = place(None);
        place.write(name, pack(lines(0..20_000).as_bytes()));
        let first = place.drain_hearing(&|control, progress| {
            if progress.counts.documents >= 5000 {
                control.ask(Wish::Stop);
            }
        });
        assert!((5000..6000).contains(&first.raw.len()), "{}", first.raw.len());
        let second = place.drain();
        let texts = first.raw.iter().chain(&second.raw).map(|document| document.body.clone());
        assert!(texts.eq((0..20_000).map(|n| format!("نص المقال {n}"))), "each line once, in order");
        assert_eq!(second.summary.unchanged, 0, "read on from where it was left");
        assert_eq!(place.drain().raw, []);
    }
}

#[test]
fn reading_stops_and_goes_on_at_every_line() {
    let mut place = place(None);
    place.batch_documents = 1;
    place.write("a.jsonl", lines(0..40).trim_end());
    let mut bodies = Vec::new();
    for run in 0..40 {
        let brought = place.drain_hearing(&|control, progress| {
            if progress.counts.documents > 0 {
                control.ask(Wish::Stop);
            }
        });
        assert_eq!(brought.raw.len(), 1, "run {run}");
        bodies.extend(brought.raw.into_iter().map(|document| document.body));
    }
    assert_eq!(bodies, (0..40).map(|n| format!("نص المقال {n}")).collect::<Vec<_>>());
    assert_eq!(place.drain().raw, []);
}

#[test]
fn a_run_that_dies_among_the_lines_loses_and_repeats_none() {
    let mut place = place(Some("id"));
    place.batch_documents = 10;
    for (n, name) in ["a.jsonl", "b.jsonl", "c.jsonl"].into_iter().enumerate() {
        place.write(name, lines(n * 95..(n + 1) * 95));
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut keys = Vec::new();
    for looks in 3..8 {
        place.dies_after = Some(looks);
        keys.extend(place.drain().keys().into_iter().map(str::to_owned));
    }
    place.dies_after = None;
    keys.extend(place.drain().keys().into_iter().map(str::to_owned));
    assert_eq!(keys, ids(0..285));
}

#[test]
fn a_growing_file_gives_its_new_lines_only() {
    let place = place(Some("id"));
    append(&place, "a.jsonl", &lines(0..3));
    assert_eq!(place.drain().keys(), ids(0..3));
    append(&place, "a.jsonl", &lines(3..5));
    let brought = place.drain();
    assert_eq!(brought.keys(), ids(3..5));
    assert_eq!(brought.raw[0].uri.rsplit_once('#').expect("a fragment").1, "L4");
    // A last line without its end, then its end, then more.
    append(&place, "a.jsonl", line(5).trim_end());
    assert_eq!(place.drain().keys(), ids(5..6));
    append(&place, "a.jsonl", "\n");
    assert_eq!(place.drain().raw, []);
    append(&place, "a.jsonl", &lines(6..7));
    assert_eq!(place.drain().keys(), ids(6..7));
}

#[test]
fn a_last_line_cut_short_is_rejected_and_then_read() {
    let place = place(None);
    let (start, rest) = (lines(0..2), line(2));
    place.write("a.jsonl", format!("{start}{}", &rest[..20]));
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len()), (2, 1));
    assert_eq!(brought.rejected[0].document.body, rest[..20]);
    append(&place, "a.jsonl", &rest[20..]);
    let brought = place.drain();
    assert_eq!(brought.texts().iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["نص المقال 2"]);
    assert_eq!(brought.rejected, []);
}

#[test]
fn a_file_cut_rewritten_or_rotated_is_read_again_and_gives_what_is_new() {
    let place = place(Some("id"));
    place.write("a.jsonl", lines(0..100));
    assert_eq!(place.drain().keys(), ids(0..100));
    // Cut and rewritten shorter, in place.
    place.write("a.jsonl", lines(90..103));
    assert_eq!(place.drain().keys(), ids(100..103));
    // Rotated: a new file under the old name, longer than the old one.
    std::fs::rename(place.path("a.jsonl"), place.path("a.jsonl.1")).expect("renamed");
    place.write("a.jsonl", lines(103..400));
    assert_eq!(place.drain().keys(), ids(103..400));
    // One line corrected in the middle, same length.
    place.write("a.jsonl", lines(103..400).replace("مقال 250", "خبار 250"));
    assert_eq!(place.drain().texts(), [("id:n250", "نص الخبار 250")]);
    // Rewritten in place, longer, with another beginning; the correction is taken back.
    place.write("a.jsonl", lines(0..2) + &lines(103..500));
    assert_eq!(place.drain().keys(), [ids(400..500), ids(250..251)].concat());
}

#[test]
fn a_correction_in_the_middle_of_a_file_renamed_over_is_seen() {
    let place = place(Some("id"));
    place.write("a.jsonl", lines(0..400));
    assert_eq!(place.drain().raw.len(), 400);
    // Longer than before, and the same at both ends of what was read.
    place.write("new", lines(0..410).replace("مقال 200", "خبار 200"));
    std::fs::rename(place.path("new"), place.path("a.jsonl")).expect("renamed");
    assert_eq!(place.drain().keys(), [ids(200..201), ids(400..410)].concat());
}

#[test]
fn bad_lines_are_rejected_with_their_bytes_and_place() {
    let mut place = place(None);
    place.source.max_document_bytes = 200;
    place.source.max_rejected_bytes = 300;
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(500));
    place.write("a.jsonl", format!("{}{{bad\n\n{long}\r\n{{\"title\":1}}\n{}", line(0), line(1)));
    let brought = place.drain();
    assert_eq!(brought.raw.len(), 2);
    let found: Vec<_> = brought
        .rejected
        .iter()
        .map(|rejected| {
            let place = rejected.document.uri.rsplit_once('#').expect("a fragment").1;
            (rejected.reason, place, rejected.document.body.len(), rejected.dropped_bytes)
        })
        .collect();
    assert_eq!(
        found,
        [
            (Reason::BadJson, "L2", 4, 0),
            (Reason::TooLarge, "L4", 300, long.len() as u64 + 2 - 300),
            (Reason::BadJson, "L5", 11, 0),
        ]
    );
    assert_eq!(place.drain().rejected, []);
}

#[test]
fn an_archive_that_breaks_off_gives_its_lines_and_itself() {
    let place = place(Some("id"));
    let archive = gzip(lines(0..5000).as_bytes());
    place.write("a.jsonl.gz", &archive[..archive.len() / 2]);
    let brought = place.drain();
    let count = brought.raw.len();
    assert!((1000..4000).contains(&count), "{count}");
    assert_eq!(brought.rejected.len(), 1);
    assert_eq!(brought.rejected[0].reason, Reason::BadCompression);
    assert_eq!(brought.rejected[0].document.body, archive[..archive.len() / 2]);
    place.write("a.jsonl.gz", &archive);
    let rest = place.drain();
    assert_eq!(rest.raw.len(), 5000 - count, "only what was missing");
    assert_eq!(rest.rejected, []);
}

/// The texts of what a run brought, in order.
fn texts(place: &Place) -> Vec<String> {
    place.drain().raw.iter().map(|document| String::from_utf8_lossy(&document.body).into_owned()).collect()
}

#[test]
fn a_file_written_over_each_day_gives_each_article_once() {
    let place = place(None);
    let mut keys = std::collections::BTreeSet::new();
    for day in 0..3 {
        place.write("a.jsonl", lines(day * 3..day * 3 + 3));
        keys.extend(place.drain().keys().into_iter().map(str::to_owned));
    }
    assert_eq!(keys.len(), 9);
    // Yesterday's and today's together, one in front, in another file.
    place.write("b.jsonl", line(20) + &lines(3..9));
    assert_eq!(texts(&place), ["نص المقال 20"]);
}

#[test]
fn the_same_id_in_another_file_is_the_same_article_and_its_newer_version() {
    let place = place(Some("id"));
    place.write("a.jsonl", lines(0..3));
    assert_eq!(place.drain().keys(), ids(0..3));
    place.write("b.jsonl", lines(0..3) + &line(1).replace("نص", "نص مصحح"));
    assert_eq!(place.drain().texts(), [("id:n1", "نص مصحح المقال 1")]);
    // Both files are read again, from their starts.
    place.write("a.jsonl", line(7) + &lines(0..3));
    place.write("b.jsonl", line(8) + &lines(0..3) + &line(1).replace("نص", "نص مصحح"));
    assert_eq!(place.drain().keys(), ["id:n7", "id:n8"]);
}

#[test]
fn a_correction_that_is_taken_back_is_a_version_and_an_old_line_is_none() {
    let place = place(Some("id"));
    let corrected = line(1).replace("نص", "نص مصحح");
    place.write("a.jsonl", lines(0..3));
    assert_eq!(place.drain().raw.len(), 3);
    for (content, expected) in [(line(0) + &corrected, 1), (lines(0..3), 1), (line(0) + &corrected, 1)] {
        place.write("a.jsonl", content);
        let brought = place.drain();
        assert_eq!((brought.raw.len(), brought.raw[0].key.as_str()), (expected, "id:n1"));
    }
    // A file that keeps both lines, in any order, takes nothing back; nor does one that loses the newer line.
    for (name, content) in [
        ("b.jsonl", lines(0..2) + &corrected),
        ("c.jsonl", corrected.clone() + &line(1)),
        ("b.jsonl", lines(0..2)),
    ] {
        place.write(name, content);
        assert_eq!(place.drain().raw, [], "{name}");
    }
}

#[test]
fn what_is_said_again_behind_a_correction_is_a_version() {
    let place = place(Some("id"));
    append(&place, "a.jsonl", &line(1));
    assert_eq!(place.drain().raw.len(), 1);
    for text in ["نص مصحح", "نص", "نص مصحح"] {
        append(&place, "a.jsonl", &line(1).replace("نص", text));
        assert_eq!(texts(&place), [format!("{text} المقال 1")]);
    }
    std::fs::rename(place.path("a.jsonl"), place.path("b.jsonl")).expect("renamed");
    assert_eq!(place.drain().raw, []);
    place.write("b.jsonl.gz", gzip(&std::fs::read(place.path("b.jsonl")).expect("there")));
    assert_eq!(place.drain().raw, []);
}

#[test]
fn odd_lines_are_mended_counted_once_and_kept_apart_from_bad_ones() {
    let place = place(None);
    let odd = [
        &line(1).trim_end().replace("1\"}", "1 \\ud83d\"}").into_bytes()[..],
        b"\n{\"text\":\"caf\xe9 \xe0 midi\",\"x\":NaN,}\n{'text':'x'}\n\0\0\0\n",
    ]
    .concat();
    place.write("a.jsonl", &odd);
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len()), (2, 1));
    assert_eq!(brought.raw[0].body, "نص المقال 1 \u{FFFD}");
    assert_eq!(brought.rejected[0].document.key, "a.jsonl#L3");
    let count = |fault: &str| place.metrics.odd.mended.with_label_values(&[fault]).get();
    let counts = ["surrogate", "bad_bytes", "not_a_number", "trailing_comma", "control"].map(count);
    assert_eq!(counts, [1; 5]);
    std::fs::rename(place.path("a.jsonl"), place.path("b.jsonl")).expect("renamed");
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len(), count("surrogate")), (0, 0, 1));
}

#[test]
fn lines_are_read_in_the_charset_of_their_source_and_in_utf16() {
    let text = "{\"text\":\"الخبر الأول\"}\n{\"text\":\"الخبر الثاني\"}\n";
    let more = "{\"text\":\"الخبر الثالث\"}\n";
    let windows = |text: &str| encoding_rs::WINDOWS_1256.encode(text).0.into_owned();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let marked = |text: &str| utf16(&format!("\u{FEFF}{text}"));
    for (charset, start, encode) in [
        (Some("windows-1256"), windows(text), &windows as &dyn Fn(&str) -> Vec<u8>),
        (None, marked(text), &utf16),
        (Some("utf-16le"), utf16(text), &utf16),
    ] {
        let mut place = place(None);
        place.source.charset = charset.map(str::to_owned);
        place.write("a.jsonl", &start);
        place.write("b.jsonl.gz", gzip(&start));
        assert_eq!(texts(&place), ["الخبر الأول", "الخبر الثاني"], "{charset:?}");
        // It grows.
        place.write("a.jsonl", [start, encode(more)].concat());
        let brought = place.drain();
        assert_eq!(
            (brought.raw.len(), brought.summary.unchanged),
            (1, 1),
            "read on from where it was: {charset:?}"
        );
        assert_eq!(brought.raw[0].body, "الخبر الثالث");
    }
}

#[test]
fn lines_packed_with_something_behind_them_or_not_packed_at_all() {
    let place = place(None);
    let packed = gzip(lines(0..3).as_bytes());
    place.write("a.jsonl.gz", [&packed[..], &[0; 512]].concat());
    place.write("b.jsonl.gz", lines(3..5));
    place.write("c.jsonl.zst", lines(5..7));
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len()), (7, 0));
    assert_eq!(place.metrics.odd.tail_bytes.get(), 512);
    assert_eq!(place.metrics.odd.mended.with_label_values(&["not_packed"]).get(), 2);
    assert_eq!(place.drain().raw, []);
}
