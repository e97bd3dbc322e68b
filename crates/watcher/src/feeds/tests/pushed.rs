//! What hubs bring, from their socket to the log; polling goes on beside it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use barid_log::Worker;
use url::Url;

use super::dying::{Death, Dying};
use super::hub::{Hub, connect, exchange, post, post_and_leave, question, sign, until};
use super::place::{NOW, Place};
use super::server::{Server, answer};
use crate::feeds::common::Common;
use crate::feeds::policy::{DAY, HOUR, MINUTE, SECOND};
use crate::feeds::websub::lease::Standing;
use crate::feeds::websub::{Brought, WebSubConfig};

/// What the publisher shows: ids with the time of each, newest first.
type Items = Arc<Mutex<Vec<(String, i64)>>>;

/// A publisher, its hub and the poller.
pub(super) struct Story {
    pub(super) hub: Hub,
    pub(super) publisher: Server,
    items: Items,
    /// What the publisher answers with; while it is empty it does not answer.
    status: Arc<Mutex<&'static str>>,
    pub(super) place: Place,
}

/// Never the same 32 bytes.
fn random() -> io::Result<[u8; 32]> {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(&drawn.to_be_bytes()).to_be_bytes());
    Ok(bytes)
}

/// A document of these items that names a hub and itself in its text.
pub(super) fn document(items: &[(String, i64)], links: &str) -> String {
    let item = |(id, ms): &(String, i64)| {
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs()));
        format!(
            "<item><guid isPermaLink=\"false\">{id}</guid><title>Title of {id}</title><pubDate>{date}</pubDate><description>Text of {id}</description></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel><title>Harbour News</title>{links}{items}</channel></rss>"
    )
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

impl Story {
    /// `by_header`: the hub is named in the answer's head, else in the document.
    pub(super) fn new(by_header: bool) -> Self {
        Self::with(by_header, &["/feed"])
    }

    /// One publisher and hub of several feeds.
    pub(super) fn with(by_header: bool, paths: &[&str]) -> Self {
        let hub = Hub::start();
        let items: Items = Arc::new(Mutex::new(vec![("a".to_owned(), NOW - HOUR)]));
        let status = Arc::new(Mutex::new("200 OK"));
        let (shown, says, hub_url) = (Arc::clone(&items), Arc::clone(&status), hub.url());
        let publisher = Server::start(move |asked, stream| {
            let says = || *says.lock().unwrap_or_else(PoisonError::into_inner);
            until("it answers", || !says().is_empty());
            let topic = format!("http://{}{}", asked.header("host").unwrap_or_default(), asked.path);
            let in_text = format!(
                "<atom:link rel=\"hub\" href=\"{hub_url}\"/><atom:link rel=\"self\" href=\"{topic}\"/>"
            );
            let in_head = format!("<{hub_url}>; rel=\"hub\", <{}>; rel=\"self\"", asked.path);
            let items = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let body = document(&items, if by_header { "" } else { &in_text });
            let headers = if by_header { &[("Link", in_head.as_str())][..] } else { &[] };
            answer(stream, says(), headers, body.as_bytes());
        });
        let urls: Vec<String> = paths.iter().map(|path| publisher.url(path)).collect();
        let mut place = Place::new(&urls);
        let port = free_port();
        place.config.websub = Some(WebSubConfig {
            listen: ([127, 0, 0, 1], port).into(),
            callback: format!("http://127.0.0.1:{port}/hubs/"),
            random,
        });
        Self { hub, publisher, items, status, place }
    }

    /// One whose feed was polled for four days before anything was known of hubs, with an item each `gap_ms`. `window` of them are still there.
    pub(super) fn with_a_past(gap_ms: i64, window: usize) -> Self {
        let mut story = Self::new(false);
        let websub = story.place.config.websub.take();
        story.place.beside(|| {
            story.place.later(2 * SECOND);
            until("a first poll", || story.polls() == 1);
            (1..=4 * DAY / gap_ms).for_each(|n| story.publish(&format!("past{n}"), NOW + n * gap_ms));
            story.poll(4 * DAY + MINUTE);
            story.publish("last", story.now_ms());
            story.poll(2 * HOUR);
        });
        story.keep(window);
        story.place.config.websub = websub;
        story
    }

    /// The publisher shows so many items from now on.
    pub(super) fn keep(&self, window: usize) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).truncate(window);
    }

    /// The publisher answers with that from now on; not at all with nothing.
    pub(super) fn says(&self, status: &'static str) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(super) fn standing(&self, standing: Standing) -> i64 {
        self.place.metrics.websub.standing_of(standing)
    }

    pub(super) fn topic(&self) -> String {
        self.publisher.url("/feed")
    }

    pub(super) fn publish(&self, id: &str, ms: i64) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).insert(0, (id.to_owned(), ms));
    }

    /// What the publisher shows now, as a hub brings it.
    pub(super) fn whole(&self) -> String {
        document(&self.items.lock().unwrap_or_else(PoisonError::into_inner), "")
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.place.now_ms.load(Ordering::Relaxed)
    }

    pub(super) fn brought(&self, what: Brought) -> u64 {
        self.place.metrics.websub.messages(what)
    }

    /// Lets time pass until the hub has confirmed a lease.
    pub(super) fn subscribe(&self) {
        self.place.later(2 * SECOND);
        until("a subscriber", || self.hub.subscriber(&self.topic()).is_some());
    }

    /// Lets time pass, and waits for the poll that is due by then.
    pub(super) fn poll(&self, step_ms: i64) {
        let before = self.polls();
        self.place.later(step_ms);
        until("a poll", || self.polls() > before);
    }

    pub(super) fn polls(&self) -> u64 {
        self.place.metrics.polls()
    }
}

#[test]
fn a_hub_is_found_in_the_document_or_its_head_and_what_it_brings_comes_once() {
    for by_header in [false, true] {
        let story = Story::new(by_header);
        story.place.beside(|| {
            story.subscribe();
            story.publish("b", NOW);
            assert_eq!(story.hub.bring(&story.topic(), &story.whole()), 200);
            // A hub may bring the new item alone.
            assert_eq!(story.hub.bring(&story.topic(), &document(&[("c".into(), NOW)], "")), 200);
            story.publish("c", NOW);
            // It did not hear our answer.
            assert_eq!(story.hub.bring(&story.topic(), &story.whole()), 200);
            assert_eq!((story.brought(Brought::New), story.brought(Brought::Known)), (2, 1));
            story.poll(2 * HOUR);
            story.poll(12 * HOUR);
        });
        assert_eq!(story.place.keys(), ["a", "b", "c"], "by header: {by_header}");
        let requests = story.hub.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let [secret, callback] = ["hub.secret", "hub.callback"].map(|name| requests[0][name].as_str());
        assert!(secret.len() >= 64 && secret.len() < 200, "{secret}");
        let (base, token) = callback.rsplit_once('/').expect("a path");
        assert!(base.ends_with("/hubs") && token.len() == 40 && !secret.starts_with(token), "{callback}");
        assert_eq!(story.hub.answers(), [200]);
    }
}

#[test]
fn what_is_not_signed_is_answered_alike_and_ignored() {
    let mut story = Story::new(false);
    story.place.config.limits.wire_bytes = 100_000;
    story.place.beside(|| {
        story.subscribe();
        let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
        let forged = document(&[("forged".into(), NOW)], "");
        let body = forged.as_bytes();
        let good = sign(&to.secret, body);
        for signature in
            ["sha256=00", "sha1", &sign("guess", body), &good[..good.len() - 2], &sign(&to.secret, b"other")]
        {
            assert_eq!(post(&to.callback, &[("X-Hub-Signature", signature)], body), 200, "{signature}");
        }
        assert_eq!(post(&to.callback, &[], body), 200, "not signed at all");
        assert_eq!(story.brought(Brought::BadSignature), 6);
        let elsewhere = to.callback.replace(&to.callback[to.callback.len() - 4..], "0000");
        story.place.later(MINUTE);
        assert_eq!(post(&elsewhere, &[("X-Hub-Signature", &good)], body), 404);
        assert_eq!(post(&to.callback[..to.callback.len() - 2], &[("X-Hub-Signature", &good)], body), 404);
        let packed = [("X-Hub-Signature", good.as_str()), ("Content-Encoding", "gzip")];
        assert_eq!(post(&to.callback, &packed, body), 415);
        let large = vec![b' '; 100_001];
        assert_eq!(post(&to.callback, &[("X-Hub-Signature", &sign(&to.secret, &large))], &large), 413);
        let url = Url::parse(&to.callback).expect("a callback");
        let chunk = format!("{:x}\r\n{}\r\n", large.len(), " ".repeat(large.len()));
        let endless =
            format!("POST {} HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}", url.path());
        assert_eq!(exchange(&url, endless.as_bytes()).0, 413, "without a length");
        assert_eq!(
            exchange(&url, format!("PUT {} HTTP/1.1\r\nHost: b\r\n\r\n", url.path()).as_bytes()).0,
            405
        );
        assert_eq!(story.brought(Brought::TooBig), 3);
        // Signed, and no feed: it is kept as rejected, as from a poll.
        let page = "<!DOCTYPE html><html><body>Sign in</body></html>";
        assert_eq!(story.hub.bring(&story.topic(), page), 200);
        assert_eq!(story.brought(Brought::Unreadable), 1);
        assert_eq!(
            post(&to.callback, &[("X-Hub-Signature", &good)], body),
            200,
            "and the good one still counts"
        );
    });
    assert_eq!(story.place.keys(), ["a", "forged"]);
    assert_eq!(story.place.messages(barid_record::Topic::Rejected).len(), 1);
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let mut story = Story::new(false);
    story.place.beside(|| story.subscribe());
    // Only now: a busy machine may be as slow for the feed itself.
    story.place.config.limits.slow_window = Duration::from_millis(300);
    let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
    let url = Url::parse(&to.callback).expect("a callback");
    let stalled = format!("POST {} HTTP/1.1\r\nHost: b\r\nContent-Length: 900\r\n\r\nhalf", url.path());
    story.place.beside(|| assert_eq!(exchange(&url, stalled.as_bytes()).0, 408));
    assert_eq!(story.brought(Brought::Slow), 1);
}

#[test]
fn only_what_was_asked_for_is_confirmed_and_a_denial_ends_it() {
    let story = Story::new(false);
    story.place.beside(|| {
        story.subscribe();
        let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
        let topic = story.topic();
        let ask = |mode: &str, topic: &str, callback: &str| {
            question(
                callback,
                &[
                    ("hub.mode", mode),
                    ("hub.topic", topic),
                    ("hub.challenge", "x"),
                    ("hub.lease_seconds", "9"),
                ],
            )
        };
        assert_eq!(
            ask("subscribe", &topic, &to.callback),
            (200, b"x".to_vec()),
            "its answer may have got lost"
        );
        story.place.later(MINUTE);
        assert_eq!(ask("subscribe", "http://news.example/other", &to.callback).0, 404);
        assert_eq!(ask("unsubscribe", &topic, &to.callback).0, 404, "we want to stay");
        assert_eq!(ask("publish", &topic, &to.callback).0, 404);
        assert_eq!(ask("subscribe", &topic, &format!("{}00", to.callback)).0, 404);
        assert_eq!(
            question(&to.callback, &[("hub.mode", "subscribe"), ("hub.topic", &topic)]).0,
            404,
            "no challenge"
        );
        assert_eq!(question(&to.callback, &[("hub.mode", "denied"), ("hub.topic", "other")]).0, 404);
        assert_eq!(question(&to.callback, &[("hub.mode", "denied"), ("hub.topic", &topic)]).0, 200);
        until("it shows", || story.place.metrics.websub.standing_of(Standing::Refused) == 1);
        story.poll(2 * HOUR);
        assert_eq!(story.hub.requests().len(), 1, "not within the week");
        story.place.later(8 * DAY);
        until("asked again", || story.hub.requests().len() == 2);
    });
}

#[test]
fn a_lease_is_renewed_by_the_clock_and_when_the_hub_is_away_polling_goes_on() {
    let story = Story::new(false);
    story.hub.behave(|manner| manner.lease_s = 6 * 3600);
    story.place.beside(|| {
        story.subscribe();
        story.place.later(3 * HOUR - 5 * MINUTE);
        story.place.later(MINUTE);
        assert_eq!(story.hub.requests().len(), 1, "half a lease at the soonest");
        story.place.later(HOUR + 10 * MINUTE);
        until("renewed", || story.hub.answers().len() == 2);
        let requests = story.hub.requests();
        assert_eq!(requests[0], requests[1], "the same callback and secret");
        story.hub.behave(|manner| manner.status = "503 Service Unavailable");
        for _ in 0..12 {
            let before = story.hub.requests().len();
            story.place.later(HOUR);
            std::thread::sleep(Duration::from_millis(100));
            assert!(story.hub.requests().len() <= before + 2);
        }
        until("expired", || story.place.metrics.websub.standing_of(Standing::Expired) == 1);
        story.publish("b", story.now_ms());
        // By now it is asked more rarely.
        story.poll(DAY);
        story.hub.behave(|manner| manner.status = "202 Accepted");
        let answers = story.hub.answers().len();
        story.place.later(DAY);
        until("held again", || story.hub.answers().len() > answers);
        until("it shows", || story.place.metrics.websub.standing_of(Standing::Unproven) == 1);
    });
    assert_eq!(story.place.keys(), ["a", "b"]);
}

#[test]
fn a_restart_keeps_the_lease_and_asks_nobody() {
    let story = Story::new(false);
    let before = story.place.beside(|| {
        story.subscribe();
        story.hub.subscriber(&story.topic()).expect("a subscriber")
    });
    for id in ["b", "c"] {
        story.place.later(10 * MINUTE);
        story.place.beside(|| {
            story.publish(id, story.now_ms());
            assert_eq!(story.hub.bring(&story.topic(), &story.whole()), 200);
            story.place.later(3 * SECOND);
            until("it shows", || {
                let of = |standing| story.place.metrics.websub.standing_of(standing);
                of(Standing::Unproven) + of(Standing::Active) == 1
            });
        });
    }
    assert_eq!(story.hub.requests().len(), 1);
    assert_eq!(story.hub.subscriber(&story.topic()), Some(before));
    assert_eq!(story.place.keys(), ["a", "b", "c"]);
}

#[test]
fn what_a_hub_brings_again_because_it_heard_no_answer_comes_once() {
    let story = Story::new(false);
    let (to, document) = story.place.beside(|| {
        story.subscribe();
        let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
        story.publish("b", NOW);
        let document = story.whole();
        let signature = sign(&to.secret, document.as_bytes());
        post_and_leave(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes());
        until("it arrived", || story.brought(Brought::New) == 1);
        (to, document)
    });
    assert_eq!(story.place.keys(), ["a", "b"]);
    story.place.beside(|| {
        let signature = sign(&to.secret, document.as_bytes());
        assert_eq!(post(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes()), 200);
    });
    assert_eq!(story.place.keys(), ["a", "b"]);
    assert_eq!((story.brought(Brought::New), story.brought(Brought::Known)), (1, 1));
}

#[test]
fn a_hub_that_comes_while_subscriptions_are_still_read_is_heard() {
    let story = Story::new(false);
    let to = story.place.beside(|| {
        story.subscribe();
        story.hub.subscriber(&story.topic()).expect("a subscriber")
    });
    story.publish("b", NOW);
    let document = story.whole();
    let signature = sign(&to.secret, document.as_bytes());
    let (word, slow) = channel();
    let death = Arc::new(Mutex::new(None));
    let make =
        |worker| -> Box<dyn Worker> { Box::new(Dying { worker, death, is_dead: false, slow: Some(slow) }) };
    let (status, result) = story.place.beside_on(make, || {
        std::thread::scope(|scope| {
            let bring = || post(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes());
            let bringing = scope.spawn(bring);
            // The socket is open before the log is read, and a hub may be that quick. Where it is told at once that there is no such door, it is so within this time.
            drop(connect(&Url::parse(&to.callback).expect("a callback")));
            std::thread::sleep(Duration::from_millis(300));
            word.send(()).expect("it waits");
            bringing.join().expect("no panic")
        })
    });
    result.expect("it runs");
    assert_eq!(status, 200);
    assert_eq!(story.place.keys(), ["a", "b"]);
}

#[test]
fn a_hub_that_comes_between_two_pollers_of_a_process_is_told_to_come_again() {
    let story = Story::new(false);
    let clock = story.place.clock();
    let common = Common::new(&story.place.config, clock()).expect("a runtime");
    story.place.beside_in(&common, || story.subscribe());
    let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
    story.publish("b", NOW);
    let document = story.whole();
    let signature = sign(&to.secret, document.as_bytes());
    let bring = || post(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes());
    assert_eq!(bring(), 503);
    story.place.beside_in(&common, || until("the next poller has it", || bring() == 200));
    assert_eq!(story.place.keys(), ["a", "b"]);
}

#[test]
fn who_knocks_where_no_door_is_hung_yet_is_told_to_come_again() {
    let story = Story::new(false);
    story.place.beside(|| {
        story.subscribe();
        let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
        // Of a feed whose shard is being taken over, perhaps.
        let elsewhere = to.callback.replace(&to.callback[to.callback.len() - 4..], "0000");
        let knock = || (post(&elsewhere, &[], b""), question(&elsewhere, &[]).0);
        assert_eq!(knock(), (503, 503));
        story.place.later(MINUTE);
        assert_eq!(knock(), (404, 404));
    });
}

#[test]
fn feeds_are_polled_as_usual_until_the_address_for_hubs_is_free() {
    let story = Story::new(false);
    let listen = story.place.config.websub.as_ref().expect("hubs are wanted").listen;
    let other = std::net::TcpListener::bind(listen).expect("a free port");
    story.place.beside(|| {
        story.place.later(2 * SECOND);
        until("a poll", || story.polls() == 1);
        story.place.later(2 * SECOND);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(story.hub.requests().len(), 0, "it would ask back in vain");
        drop(other);
        until("it is heard", || {
            story.place.later(SECOND);
            story.hub.subscriber(&story.topic()).is_some()
        });
        story.publish("b", story.now_ms());
        assert_eq!(story.hub.bring(&story.topic(), &story.whole()), 200);
    });
    assert_eq!(story.place.keys(), ["a", "b"]);
}

#[test]
fn a_crash_before_or_after_a_pushed_document_is_durable_loses_nothing_and_doubles_nothing() {
    for death in [Death::Before, Death::After] {
        let story = Story::new(false);
        let to = story.place.beside(|| {
            story.subscribe();
            story.hub.subscriber(&story.topic()).expect("a subscriber")
        });
        story.publish("b", NOW);
        let (document, end) = (story.whole(), Arc::new(Mutex::new(None)));
        let signature = sign(&to.secret, document.as_bytes());
        let bring = || post(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes());
        let dies = Arc::clone(&end);
        let (status, result) = story.place.beside_on(
            move |worker| Box::new(Dying { worker, death: dies, is_dead: false, slow: None }),
            || {
                *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(death);
                bring()
            },
        );
        assert!(result.is_err(), "{death:?}");
        assert!(!(200..300).contains(&status), "{death:?}: the hub must bring it again, and heard {status}");
        let there = if death == Death::After { &["a", "b"][..] } else { &["a"] };
        assert_eq!(story.place.keys(), there, "{death:?}");
        // As hubs do.
        story.place.beside(|| assert_eq!(bring(), 200));
        assert_eq!(story.place.keys(), ["a", "b"], "{death:?}");
    }
}

#[test]
fn who_leaves_the_list_is_unsubscribed_and_its_door_is_shut() {
    let mut story = Story::new(false);
    story.place.beside(|| story.subscribe());
    let to = story.hub.subscriber(&story.topic()).expect("a subscriber");
    story.place.config.feeds.clear();
    story.place.beside(|| {
        let document = document(&[("late".into(), NOW)], "");
        let signature = sign(&to.secret, document.as_bytes());
        assert_eq!(post(&to.callback, &[("X-Hub-Signature", &signature)], document.as_bytes()), 410);
        story.place.later(2 * SECOND);
        until("it has let us go", || story.hub.subscriber(&story.topic()).is_none());
        story.place.later(MINUTE);
        until("forgotten", || post(&to.callback, &[], b"") == 404);
    });
    let last = story.hub.requests().pop().expect("asked");
    assert_eq!(
        (last["hub.mode"].as_str(), last["hub.callback"].as_str()),
        ("unsubscribe", to.callback.as_str())
    );
    assert_eq!(story.place.keys(), ["a"]);
    story.place.beside(|| story.place.later(DAY).later(0));
    assert_eq!(story.hub.requests().len(), 2, "and that is all");
}

#[test]
fn a_hub_that_does_not_answer_delays_no_poll() {
    let story = Story::new(false);
    story.hub.behave(|manner| manner.delay = Duration::from_secs(40));
    story.place.beside(|| {
        story.place.later(2 * SECOND);
        until("asked", || story.polls() == 1);
        for _ in 0..3 {
            story.poll(2 * HOUR);
        }
        assert_eq!(story.hub.requests().len(), 0, "it has not answered yet");
    });
}
