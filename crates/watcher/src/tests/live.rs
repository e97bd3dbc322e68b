//! A run that watches: writers that pause, files that appear, events that are lost.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use barid_log::{Control, Embedded, Wish};
use barid_record::{RawDocument, Topic};

use super::{Place, end, raw_since};
use crate::{Phase, Summary};

/// A run in a thread of its own, and the log it writes to.
pub(super) struct Live<'a> {
    log: &'a Embedded,
    read: u64,
}

impl Live<'_> {
    /// Waits for that many documents, and returns what has come. A run that never brings them fails the test, after far longer than any
    /// machine takes.
    pub(super) fn next(&mut self, count: usize) -> Vec<RawDocument> {
        for _ in 0..6000 {
            if end(self.log, Topic::Raw) >= self.read + count as u64 {
                let documents = raw_since(self.log, self.read);
                self.read += documents.len() as u64;
                return documents;
            }
            pause(10);
        }
        panic!("{:?}", raw_since(self.log, self.read));
    }

    pub(super) fn next_text(&mut self) -> (String, String) {
        let mut documents = self.next(1);
        assert_eq!(documents.len(), 1, "{documents:?}");
        let document = documents.remove(0);
        (document.key, String::from_utf8(document.body.to_vec()).expect("text"))
    }

    /// Nothing more has come.
    fn silent(&self) {
        assert_eq!(raw_since(self.log, self.read), []);
    }
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Runs until `script` is done with it.
pub(super) fn live(place: &Place, script: impl FnOnce(&mut Live<'_>)) -> Summary {
    live_hearing(place, &|_| (), script)
}

fn live_hearing(
    place: &Place,
    hear: &(dyn Fn(crate::Progress) + Sync),
    script: impl FnOnce(&mut Live<'_>),
) -> Summary {
    let log = place.log();
    let control = Control::default();
    let summary = std::thread::scope(|scope| {
        // A script that fails must not leave the run running: the scope waits for it.
        let ends = Ends(control.clone());
        let (watching, is_watching) = std::sync::mpsc::channel();
        let (log, control) = (&log, &control);
        let run = scope.spawn(move || {
            place.run(log, control, &|progress| {
                hear(progress);
                if progress.phase == Phase::Watching {
                    let _ = watching.send(());
                }
            })
        });
        let read = end(log, Topic::Raw);
        is_watching.recv().expect("the first scan ends");
        script(&mut Live { log, read });
        drop(ends);
        run.join().expect("the run ends").expect("the watcher runs")
    });
    log.close().expect("the log closes");
    summary
}

struct Ends(Control);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.ask(Wish::Drain);
    }
}

/// No scan after the first, and nothing settles on its own: what comes, comes by events.
pub(super) fn by_events() -> Place {
    let mut place = Place::new();
    place.source.rescan_seconds = 100_000;
    place.source.settle_ms = 100_000;
    place
}

#[test]
fn s8_append_after_idle() {
    let place = by_events();
    live(&place, |live| {
        place.write("a.txt", "Headline\nfirst");
        assert_eq!(live.next_text(), ("a.txt".into(), "Headline\nfirst".into()));
        pause(300);
        let mut file = File::options().append(true).open(place.path("a.txt")).expect("there");
        file.write_all(b"\nsecond").expect("appended");
        drop(file);
        assert_eq!(live.next_text(), ("a.txt".into(), "Headline\nfirst\nsecond".into()));
    });
}

#[test]
fn a_writer_that_pauses_is_waited_for() {
    let mut place = by_events();
    place.source.settle_ms = 30;
    let summary = live(&place, |live| {
        let mut file = File::create(place.path("a.txt")).expect("created");
        pause(200);
        live.silent();
        file.write_all("نصف الم".as_bytes()).expect("written");
        pause(200);
        live.silent();
        file.write_all("قال".as_bytes()).expect("written");
        drop(file);
        assert_eq!(live.next_text(), ("a.txt".into(), "نصف المقال".into()));
    });
    assert_eq!((summary.documents, summary.unfinished), (1, 0));
}

#[test]
fn a_writer_that_never_closes_is_given_up_on() {
    let mut place = by_events();
    place.source.settle_ms = 30;
    place.source.open_limit_ms = 300;
    live(&place, |live| {
        let mut file = File::create(place.path("a.txt")).expect("created");
        file.write_all(b"all there is").expect("written");
        assert_eq!(live.next_text().1, "all there is");
        drop(file);
    });
}

#[test]
fn a_file_renamed_into_place_is_read_at_once_and_once() {
    let place = by_events();
    let summary = live(&place, |live| {
        place.write("a.txt.part", "first");
        std::fs::rename(place.path("a.txt.part"), place.path("a.txt")).expect("renamed");
        assert_eq!(live.next_text().1, "first");
        place.write("a.txt.part", "second");
        std::fs::rename(place.path("a.txt.part"), place.path("a.txt")).expect("renamed");
        assert_eq!(live.next_text().1, "second");
        place.write("a.txt.part", "second");
        std::fs::rename(place.path("a.txt.part"), place.path("a.txt")).expect("renamed");
        place.write("b.txt", "another");
        assert_eq!(live.next_text().0, "b.txt");
    });
    assert_eq!(summary.documents, 3);
}

#[test]
fn new_folders_are_watched_with_what_is_in_them() {
    let mut place = by_events();
    place.source.settle_ms = 30;
    let away = Place::new();
    away.write("tree/deep/er/2.txt", "two");
    live(&place, |live| {
        place.write("new/folder/1.txt", "one");
        assert_eq!(live.next_text(), ("new/folder/1.txt".into(), "one".into()));
        std::fs::rename(away.path("tree"), place.path("tree")).expect("same file system");
        assert_eq!(live.next_text(), ("tree/deep/er/2.txt".into(), "two".into()));
        std::fs::rename(place.path("tree/deep"), place.path("moved")).expect("renamed");
        pause(200);
        live.silent();
        place.write("moved/er/3.txt", "three");
        assert_eq!(live.next_text(), ("moved/er/3.txt".into(), "three".into()));
    });
}

#[test]
fn events_that_are_lost_are_made_up_for_by_a_scan() {
    let mut place = by_events();
    place.source.settle_ms = 30;
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("inotify");
    // Each file is three events: more than the kernel keeps, while the run is held up in its first report.
    let files = limit.trim().parse::<usize>().expect("a number") / 2;
    let is_filled = std::sync::atomic::AtomicBool::new(false);
    let fill = |progress: crate::Progress| {
        if progress.phase == Phase::Watching && !is_filled.swap(true, std::sync::atomic::Ordering::Relaxed) {
            for n in 0..files {
                place.write(&format!("{n:06}.txt"), n.to_string());
            }
        }
    };
    live_hearing(&place, &fill, |live| {
        let mut documents = live.next(files);
        documents.sort_by(|a, b| a.key.cmp(&b.key));
        assert!(documents.iter().enumerate().all(|(n, document)| document.body == n.to_string()));
    });
    assert!(place.metrics.notify_overflows.get() > 0, "events were lost");
}

#[test]
fn folders_beyond_the_limit_of_watches_are_found_by_scans() {
    let mut place = Place::new();
    place.max_watched_folders = 2;
    place.source.rescan_seconds = 0;
    for folder in ["a", "b", "c"] {
        std::fs::create_dir(place.path(folder)).expect("a folder");
    }
    live(&place, |live| {
        for folder in ["c", "a", "b"] {
            place.write(&format!("{folder}/1.txt"), folder);
            assert_eq!(live.next_text(), (format!("{folder}/1.txt"), folder.to_owned()));
        }
    });
    assert_eq!((place.metrics.watched_folders.get(), place.metrics.unwatched_folders.get()), (2, 2));
}

#[test]
fn a_first_scan_that_had_to_wait_does_not_put_off_the_next() {
    let mut place = Place::new();
    place.max_watched_folders = 0;
    place.source.rescan_seconds = 0;
    place.source.settle_ms = 3000;
    // The first scan waits for it.
    place.write("fresh.txt", "fresh");
    let old = std::time::SystemTime::now() - Duration::from_secs(1000);
    live(&place, |live| {
        assert_eq!(live.next_text().0, "fresh.txt");
        place.write("new.part", "new");
        let file = File::options().write(true).open(place.path("new.part")).expect("there");
        file.set_times(std::fs::FileTimes::new().set_modified(old)).expect("set");
        std::fs::rename(place.path("new.part"), place.path("new.txt")).expect("renamed");
        assert_eq!(live.next_text().0, "new.txt");
    });
    assert!(place.metrics.rescan_duration.get_sample_count() > 1);
}

#[test]
fn large_files_let_the_others_go_first() {
    let mut place = by_events();
    place.source.include = vec!["*".into()];
    place.source.max_document_bytes = 1 << 20;
    live(&place, |live| {
        let huge = File::create(place.path("a-huge.txt")).expect("created");
        huge.set_len(2 << 30).expect("set");
        drop(huge);
        pause(200);
        place.write("b.txt", "news");
        assert_eq!(live.next_text().0, "b.txt");
        assert_eq!(
            place.metrics.rejected.with_label_values(&["too_large"]).get(),
            0,
            "it is still being read"
        );
        std::fs::remove_file(place.path("a-huge.txt")).expect("removed");
        place.write("c.txt", "more news");
        assert_eq!(live.next_text().0, "c.txt");
    });
}

#[test]
fn a_large_file_of_lines_is_read_in_slices_each_line_once() {
    let mut place = by_events();
    place.source.include = vec!["*".into()];
    place.source.format = crate::Format::JsonLines(Box::default());
    /// Of 200 kB each: five slices.
    const LINES: usize = 200;
    let line = |n: usize| format!("{{\"text\":\"{n} {}\"}}\n", "long ".repeat(40_000));
    for packed in [false, true] {
        let large: String = (0..LINES).map(line).collect();
        let (name, bytes) = if packed {
            ("z.gz", super::gzip(large.replace("long", "more").as_bytes()))
        } else {
            ("z", large.into_bytes())
        };
        // News comes while the first lines are handed over.
        let is_written = std::sync::atomic::AtomicBool::new(false);
        let write = |progress: crate::Progress| {
            if progress.counts.documents > 0 && !is_written.swap(true, std::sync::atomic::Ordering::Relaxed) {
                place.write("small", format!("{{\"text\":\"news {packed}\"}}\n"));
            }
        };
        live_hearing(&place, &write, |live| {
            std::fs::write(place.path(".z"), &bytes).expect("written");
            std::fs::rename(place.path(".z"), place.path(name)).expect("renamed");
            let mut documents = Vec::new();
            while documents.len() <= LINES {
                documents.extend(live.next(1));
            }
            let news =
                documents.iter().position(|document| document.body.starts_with(b"news")).expect("it came");
            assert!(news < LINES, "between two slices, not behind all of them");
            documents.remove(news);
            let numbers = documents
                .iter()
                .map(|document| String::from_utf8_lossy(&document.body).split(' ').next().map(str::to_owned));
            assert!(numbers.eq((0..LINES).map(|n| Some(n.to_string()))));
        });
    }
}

#[test]
fn another_name_of_a_file_is_noticed() {
    let place = by_events();
    live(&place, |live| {
        place.write("a.txt", "text");
        assert_eq!(live.next_text().0, "a.txt");
        place.write("x.csv", "old");
        let file = File::options().write(true).open(place.path("x.csv")).expect("there");
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(1000);
        file.set_times(std::fs::FileTimes::new().set_modified(long_ago)).expect("set");
        std::fs::hard_link(place.path("x.csv"), place.path("b.txt")).expect("linked");
        assert_eq!(live.next_text(), ("b.txt".into(), "old".into()));
    });
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again() {
    let place = by_events();
    let last = vec![b'!'; 4 << 20];
    live(&place, |live| {
        // Cut and written anew just when the time to read it has come.
        for letter in (b'a'..=b'z').cycle().take(60) {
            std::fs::write(place.path("a.txt"), vec![letter; 4 << 20]).expect("written");
            pause(u64::try_from(crate::stamp::GRAIN_MS).expect("positive") + u64::from(letter % 4));
        }
        std::fs::write(place.path("a.txt"), &last).expect("written");
        let mut newest = None;
        while newest.as_ref() != Some(&last[0]) {
            for document in live.next(1) {
                assert_eq!(document.body.len(), last.len());
                assert!(document.body.iter().all(|letter| *letter == document.body[0]), "of one piece");
                newest = Some(document.body[0]);
            }
        }
    });
}
