//! What decides that content is news: S1 to S4, packed files, limits.

use barid_record::Reason;

use super::{Place, gzip, noise};

#[test]
fn s1_five_files_without_final_newline() {
    let place = Place::new();
    let texts: Vec<String> = (0..5).map(|n| format!("عنوان {n}\n\nالسطر الأول\nالسطر الأخير {n}")).collect();
    for (n, text) in texts.iter().enumerate() {
        place.write(&format!("{n}.txt"), text);
    }
    let brought = place.drain();
    let bodies: Vec<_> = brought.raw.iter().map(|document| document.body.clone()).collect();
    assert_eq!(bodies, texts, "every byte, in the order of the names");
    assert_eq!(place.drain().raw, [], "and once");
}

#[test]
fn s1_the_real_documents_where_they_are() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seeds");
    let Ok(listing) = std::fs::read_dir(&seeds) else { return };
    let mut place = Place::new();
    place.source.root.clone_from(&seeds);
    let brought = place.drain();
    assert_eq!(brought.raw.len(), listing.count());
    for document in &brought.raw {
        assert_eq!(document.body, std::fs::read(seeds.join(&document.key)).expect("still there"));
    }
}

#[test]
fn s2_second_article_same_headline() {
    let place = Place::new();
    place.write("1.txt", "Breaking news\nThe first body");
    assert_eq!(place.drain().texts(), [("1.txt", "Breaking news\nThe first body")]);
    place.write("2.txt", "Breaking news\nAnother body");
    assert_eq!(place.drain().texts(), [("2.txt", "Breaking news\nAnother body")]);
    for n in 3..60 {
        place.write(&format!("{n}.txt"), format!("Breaking news\n{n}"));
    }
    assert_eq!(place.drain().raw.len(), 57);
}

#[test]
fn s3_corrected_article_renamed_over() {
    let place = Place::new();
    place.write("a.txt", "Headline\nwrong");
    let first = place.drain().raw;
    place.write("a.tmp", "Headline\nright");
    std::fs::rename(place.path("a.tmp"), place.path("a.txt")).expect("renamed");
    let second = place.drain().raw;
    assert_eq!(second.len(), 1);
    assert_eq!((&*second[0].body, &second[0].key), (&b"Headline\nright"[..], &first[0].key));
    assert_ne!(second[0].id, first[0].id, "another delivery of the same document");
}

#[test]
fn s4_one_line_no_newline() {
    let place = Place::new();
    place.write("a.txt", "one line");
    assert_eq!(place.drain().texts(), [("a.txt", "one line")]);
}

#[test]
fn same_content_again_is_no_news() {
    let place = Place::new();
    place.write("a.txt", "text");
    assert_eq!(place.drain().raw.len(), 1);
    // Touched, rewritten, deleted and delivered again.
    place.write("a.txt", "text");
    let again = place.drain();
    assert_eq!((again.raw.len(), again.summary.unchanged), (0, 1));
    std::fs::remove_file(place.path("a.txt")).expect("deleted");
    assert_eq!(place.drain().summary.files_seen, 0);
    place.write("a.txt", "text");
    assert_eq!(place.drain().raw, []);
    // And back again after a change: each change is news.
    place.write("a.txt", "other");
    assert_eq!(place.drain().texts(), [("a.txt", "other")]);
    place.write("a.txt", "text");
    assert_eq!(place.drain().texts(), [("a.txt", "text")]);
}

#[test]
fn an_empty_file_is_handed_on() {
    let place = Place::new();
    place.write("a.txt", "");
    place.write("b.txt.gz", "");
    assert_eq!(place.drain().texts(), [("a.txt", ""), ("b.txt.gz", "")]);
    assert_eq!(place.drain().raw, []);
}

#[test]
fn archives_are_unpacked_whole() {
    let place = Place::new();
    let members = [gzip(b"first member\n"), gzip(b"second member")].concat();
    place.write("a.txt.gz", members);
    let frames: Vec<u8> = ["first frame\n", "second frame"]
        .iter()
        .flat_map(|text| zstd::encode_all(text.as_bytes(), 1).expect("in memory"))
        .collect();
    place.write("b.txt.zst", frames);
    assert_eq!(
        place.drain().texts(),
        [("a.txt.gz", "first member\nsecond member"), ("b.txt.zst", "first frame\nsecond frame")]
    );
    // Packed anew, the same text: no news.
    place.write("a.txt.gz", gzip(b"first member\nsecond member"));
    assert_eq!(place.drain().raw, []);
}

#[test]
fn an_archive_cut_anywhere_is_rejected_with_its_bytes() {
    let text = noise(4096);
    let archives = [("gz", gzip(&text)), ("zst", zstd::encode_all(&text[..], 1).expect("in memory"))];
    for (suffix, archive) in archives {
        let place = Place::new();
        for sixteenth in 1..16 {
            place.write(&format!("{sixteenth:02}.txt.{suffix}"), &archive[..archive.len() * sixteenth / 16]);
        }
        let brought = place.drain();
        assert_eq!(brought.raw, []);
        assert_eq!(brought.rejected.len(), 15);
        for (rejected, sixteenth) in brought.rejected.iter().zip(1..) {
            assert_eq!(rejected.reason, Reason::BadCompression);
            assert_eq!(rejected.document.body, archive[..archive.len() * sixteenth / 16]);
        }
        assert_eq!(place.drain().rejected, [], "once");
        place.write(&format!("07.txt.{suffix}"), &archive);
        let mended = place.drain();
        assert_eq!((mended.raw.len(), &mended.raw[0].body[..]), (1, &text[..]));
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut place = Place::new();
    place.source.max_document_bytes = 100_000;
    let bomb = gzip(&vec![b' '; 50_000_000]);
    place.write("a.txt.gz", &bomb);
    let rejected = place.drain().rejected;
    assert_eq!(rejected[0].reason, Reason::TooLarge);
    assert_eq!(rejected[0].document.body, bomb);
}

#[test]
fn a_file_that_was_too_large_is_read_when_the_limit_is_raised() {
    let mut place = Place::new();
    place.source.max_document_bytes = 1000;
    let text = noise(1500);
    place.write("plain.txt", &text);
    place.write("packed.txt.gz", gzip(&text));
    place.write("small.txt", &text[..900]);
    let brought = place.drain();
    assert_eq!((brought.keys(), brought.rejected.len()), (vec!["small.txt"], 2));
    place.source.max_document_bytes = 1200;
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len()), (0, 0), "still too large: no news");
    place.source.max_document_bytes = 1500;
    let brought = place.drain();
    assert_eq!((brought.raw.len(), brought.rejected.len()), (2, 0));
    assert!(brought.raw.iter().all(|document| document.body == text));
    place.source.max_document_bytes = 3000;
    assert_eq!(place.drain().raw.len(), 0);
}

#[test]
fn an_over_long_file_is_rejected_with_what_is_kept_of_it() {
    let mut place = Place::new();
    place.source.max_document_bytes = 1000;
    place.source.max_rejected_bytes = 2500;
    let text = noise(600_000);
    place.write("at-the-limit.txt", &text[..1000]);
    place.write("kept.txt", &text[..1001]);
    place.write("long.txt", &text);
    let brought = place.drain();
    assert_eq!(brought.keys(), ["at-the-limit.txt"]);
    let [kept, long] = &brought.rejected[..] else { panic!("{:?}", brought.rejected) };
    assert_eq!(
        (kept.reason, kept.dropped_bytes, &kept.document.body[..]),
        (Reason::TooLarge, 0, &text[..1001])
    );
    assert_eq!((long.dropped_bytes, &long.document.body[..]), (597_500, &text[..2500]));
    let sha256: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&text).into();
    assert_eq!(long.document.raw_sha256, sha256, "of all of it");
    // A change beyond what is kept is a change.
    let mut changed = text.clone();
    changed[599_999] ^= 1;
    place.write("long.txt", &changed);
    assert_eq!(place.drain().rejected.len(), 1);
}

#[test]
fn documents_say_where_they_come_from() {
    let mut place = Place::new();
    place.source.charset = Some("windows-1256".into());
    place.write("a/خبر 1.txt", "text");
    let brought = place.drain();
    let document = &brought.raw[0];
    assert_eq!(document.source_id, "files");
    assert_eq!(document.key, "a/خبر 1.txt");
    assert_eq!(document.uri, format!("file://{}/a/خبر%201.txt", place.source.root.display()));
    assert_eq!(document.collector, barid_record::Collector::File);
    assert_eq!(document.charset.as_deref(), Some("windows-1256"));
    assert_eq!(document.raw_sha256, <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest("text")));
    assert_eq!(document.id, barid_record::document_id("files", &document.key, &document.raw_sha256));
    assert_eq!((brought.summary.documents, brought.summary.document_bytes), (1, 4));
    assert_eq!(place.metrics.documents.with_label_values(&["files"]).get(), 1);
}

#[test]
fn archives_with_something_behind_them_and_plain_files_named_as_archives_are_read() {
    let place = Place::new();
    place.write("a.txt.gz", [gzip(b"with zeros"), vec![0; 512]].concat());
    place.write("b.txt.gz", [&gzip(b"with words")[..], b"<!-- cached -->"].concat());
    place.write("c.txt.gz", "plain");
    place.write("d.txt.zst", "plain too");
    let brought = place.drain();
    let bodies: Vec<_> = brought.texts().into_iter().map(|(_, text)| text).collect();
    assert_eq!(bodies, ["with zeros", "with words", "plain", "plain too"]);
    let mended = |fault: &str| place.metrics.odd.mended.with_label_values(&[fault]).get();
    assert_eq!(
        (mended("packed_tail"), mended("not_packed"), place.metrics.odd.tail_bytes.get()),
        (2, 2, 527)
    );
    assert_eq!(place.drain().raw, []);
}
