//! What a feed's life brings, from the socket to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use barid_log::{Control, Log, Wish};
use barid_record::{Reason, Rejected, Topic};

use super::place::{NOW, Place};
use super::server::{Server, answer, rss};
use crate::feeds::policy::{DAY, HOUR};
use crate::feeds::{FeedsSummary, run, worker_spec};

#[test]
fn items_become_documents_once_over_restarts_and_the_second_request_is_conditional() {
    let server = Server::start(|asked, stream| {
        if asked.header("if-none-match") == Some("W/\"one\"") {
            return answer(stream, "304 Not Modified", &[], b"");
        }
        let headers = [("ETag", "W/\"one\""), ("Last-Modified", "Tue, 05 Sep 2023 08:00:00 GMT")];
        answer(stream, "200 OK", &headers, rss(&[("b", "second"), ("a", "first")]).as_bytes());
    });
    let place = Place::new(&[server.url("/feed")]);
    assert_eq!(place.drain(), FeedsSummary { polls: 1, documents: 2, ..FeedsSummary::default() });
    let documents = place.documents();
    assert_eq!(documents.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["a", "b"], "oldest first");
    assert_eq!(documents[0].body, "Title of a\n\nfirst");
    assert_eq!(documents[0].hints.url.as_deref(), Some("http://news.example/a"));
    assert_eq!(documents[0].source_id, "feed0");
    assert_eq!(place.drain().polls, 0, "not due");
    assert_eq!(place.later(HOUR - 1).drain().polls, 0, "not due by a millisecond");
    assert_eq!(place.later(HOUR).drain(), FeedsSummary { polls: 1, ..FeedsSummary::default() });
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("if-none-match"), None);
    assert_eq!(asked[1].header("if-none-match"), Some("W/\"one\""));
    assert_eq!(asked[1].header("if-modified-since"), Some("Tue, 05 Sep 2023 08:00:00 GMT"));
    let mut names: Vec<&str> = asked[1].headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let sent = [
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "if-modified-since",
        "if-none-match",
        "user-agent",
    ];
    assert_eq!(names, sent, "and no cookie, no Referer");
    assert_eq!(asked[1].header("user-agent"), Some("barid-test/1 (+https://barid.example/)"));
    let told: Vec<String> = place.health().into_iter().map(|told| told.state).collect();
    assert_eq!(told, ["fresh", "undated"], "at first, and when it changes");
}

#[test]
fn a_changed_item_comes_again_under_its_key_and_a_changed_date_does_not() {
    let round = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&round);
    let server = Server::start(move |_, stream| {
        let text = ["first", "first", "corrected", "first"][served.fetch_add(1, Ordering::Relaxed) % 4];
        let document = rss(&[("a", text)]);
        let stamped =
            document.replace("</channel>", &format!("<!-- {} --></channel>", served.load(Ordering::Relaxed)));
        answer(stream, "200 OK", &[], stamped.as_bytes());
    });
    let place = Place::new(&[server.url("/")]);
    for expected in [1, 0, 1, 1] {
        assert_eq!(place.drain().documents, expected);
        place.later(DAY);
    }
    assert_eq!(place.keys(), ["a", "a", "a"], "back to the first text is news too");
}

#[test]
fn redirects_are_followed_by_the_rules_and_a_loop_ends() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/old" => answer(stream, "301 Moved Permanently", &[("Location", "/feed")], b""),
        "/inside" => answer(stream, "302 Found", &[("Location", "http://10.0.0.1/feed")], b""),
        "/loop" => answer(stream, "302 Found", &[("Location", "/loop")], b""),
        "/wall" if asked.header("cookie") == Some("seen=1") => {
            answer(stream, "200 OK", &[], rss(&[("b", "text")]).as_bytes());
        }
        "/wall" => {
            let headers = [("Set-Cookie", "seen=1; path=/"), ("Location", "/wall")];
            answer(stream, "302 Found", &headers, b"");
        }
        path if path.starts_with("/far") => {
            answer(stream, "302 Found", &[("Location", &format!("{path}x"))], b"");
        }
        _ => answer(stream, "200 OK", &[], rss(&[("a", "text")]).as_bytes()),
    });
    let place = Place::new(&["/old", "/inside", "/loop", "/wall", "/far"].map(|path| server.url(path)));
    // The second between two requests to a host is one of the clock's: let it run.
    let now_ms = Arc::clone(&place.now_ms);
    let (ticking, tick) = (Control::default(), Control::default());
    let ticker = std::thread::spawn({
        let ticking = ticking.clone();
        move || {
            while ticking.wish() == Wish::Run {
                now_ms.fetch_add(200, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    });
    drop(tick);
    let summary = place.drain();
    ticking.ask(Wish::Stop);
    ticker.join().expect("it ends");
    assert_eq!((summary.polls, summary.failed, summary.documents), (5, 3, 2));
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths.iter().filter(|path| *path == "/loop").count(), 1, "a circle is seen at once");
    assert_eq!(paths.iter().filter(|path| path.starts_with("/far")).count(), 6, "one and five redirects");
    assert_eq!(paths.iter().filter(|path| *path == "/wall").count(), 2, "once more with the cookie");
    assert_eq!(paths.iter().filter(|path| *path == "/feed").count(), 1);
}

#[test]
fn what_is_no_feed_is_kept_with_its_reason_and_an_unreachable_feed_is_only_late() {
    let server = Server::start(|_, stream| {
        answer(stream, "200 OK", &[], b"<!DOCTYPE html><html><body>Sign in</body></html>")
    });
    let place = Place::new(&[server.url("/")]);
    assert_eq!(place.drain(), FeedsSummary { polls: 1, failed: 1, unreadable: 1, ..FeedsSummary::default() });
    let rejected = place.messages(Topic::Rejected).remove(0);
    let rejected = Rejected::from_message(0, &rejected.headers, rejected.value).expect("ours");
    assert_eq!((rejected.reason, rejected.document.source_id.as_str()), (Reason::BadFeed, "feed0"));
    assert!(rejected.document.body.starts_with(b"<!DOCTYPE html>"), "with its bytes");
    for _ in 0..6 {
        place.later(3 * HOUR).drain();
    }
    let last = place.health().pop().expect("told");
    assert_eq!((last.state.as_str(), last.previous.as_deref()), ("wrong_content", Some("fresh")));
}

#[test]
fn a_crash_between_request_and_answer_asks_no_sooner_and_loses_nothing() {
    let server = Server::start(|_, stream| {
        answer(stream, "200 OK", &[("ETag", "\"1\"")], rss(&[("a", "text")]).as_bytes())
    });
    let place = Place::new(&[server.url("/")]);
    {
        // What a run leaves that dies right after its request was written down.
        let log = place.log();
        let mut worker = log.worker(worker_spec()).expect("the only poller");
        let asked = crate::feeds::state::Asked { start_ms: NOW, is_whole: true };
        let change = barid_log::Change::Put {
            table: crate::feeds::state::ASKED,
            key: bytes::Bytes::from_static(b"feed0"),
            value: bytes::Bytes::copy_from_slice(&asked.to_bytes()),
        };
        let unit = barid_log::Unit { state: vec![change], ..barid_log::Unit::default() };
        let ticket = worker.submit(unit).expect("taken");
        worker.wait(ticket).expect("durable");
        drop(worker);
        log.close().expect("the log closes");
    }
    assert_eq!(place.later(1000).drain().polls, 0);
    assert_eq!(place.later(HOUR - 1001).drain().polls, 0);
    assert_eq!(place.later(3 * 60_000).drain().documents, 1);
    assert_eq!((server.asked().len(), place.keys()), (1, vec!["a".to_owned()]));
}

#[test]
fn a_feed_larger_than_a_unit_arrives_whole_and_numbered() {
    let text = "word ".repeat(2000);
    let ids: Vec<String> = (0..500).map(|id| id.to_string()).collect();
    let items: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), text.as_str())).collect();
    let document = rss(&items);
    let server = Server::start(move |_, stream| answer(stream, "200 OK", &[], document.as_bytes()));
    let place = Place::new(&[server.url("/")]);
    assert_eq!(place.drain().documents, 500);
    let expected: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(place.keys(), expected);
    assert_eq!(place.later(DAY).drain(), FeedsSummary { polls: 1, ..FeedsSummary::default() });
}

#[test]
fn a_request_is_written_down_before_it_goes_out() {
    let control = Control::default();
    let stopping = control.clone();
    // Whoever it asks first ends the run, and never answers.
    let server = Server::start(move |_, _| {
        stopping.ask(Wish::Stop);
        std::thread::sleep(std::time::Duration::from_secs(20));
    });
    let place = Place::new(&[server.url("/")]);
    {
        let log = place.log();
        let worker = log.worker(worker_spec()).expect("the only poller");
        let ticking = AtomicI64::new(NOW);
        let clock = Arc::new(move || ticking.fetch_add(50, Ordering::Relaxed));
        let summary = run(&place.config, worker, &place.metrics, clock, &control, &|_| ()).expect("it runs");
        assert_eq!(summary.polls, 0, "no answer came");
        log.close().expect("the log closes");
    }
    assert_eq!(server.asked().len(), 1);
    assert_eq!(place.later(HOUR / 2).drain().polls, 0);
    assert_eq!(server.asked().len(), 0, "it counts, although nothing came of it");
}
