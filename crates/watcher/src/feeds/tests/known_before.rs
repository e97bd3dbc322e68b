//! Feeds that were known before hubs were wanted: how their hub is found although nothing has changed.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hub::{Hub, until};
use super::place::Place;
use super::server::{Asked, Server, answer, rss};
use crate::feeds::policy::{DAY, HOUR, SECOND};
use crate::feeds::websub::WebSubConfig;

/// Where the publisher names its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// In the head of every answer.
    Head,
    /// In the document.
    Document,
    Nowhere,
}

/// Never the same 32 bytes.
fn random() -> io::Result<[u8; 32]> {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Ok(bytes)
}

/// A publisher that says "not modified" to who has its only document.
fn publisher(hub: &Hub, names: Names) -> Server {
    let hub = hub.url();
    Server::start(move |asked, stream| {
        let link = format!("<{hub}>; rel=\"hub\"");
        let head = [("ETag", "\"1\""), ("Link", link.as_str())];
        let head = if names == Names::Head { &head[..] } else { &head[..1] };
        if asked.header("if-none-match") == Some("\"1\"") {
            return answer(stream, "304 Not Modified", head, b"");
        }
        let links =
            format!("<atom:link xmlns:atom=\"http://www.w3.org/2005/Atom\" rel=\"hub\" href=\"{hub}\"/>");
        let title = "<title>Harbour News</title>";
        let named = rss(&[("a", "text")]).replacen(title, &format!("{title}{links}"), 1);
        let document = if names == Names::Document { named } else { rss(&[("a", "text")]) };
        answer(stream, "200 OK", head, document.as_bytes());
    })
}

/// A poller that has asked a feed once, and from now on wants hubs.
fn known(publisher: &Server) -> Place {
    let mut place = Place::new(&[publisher.url("/feed")]);
    place.drain();
    assert_eq!(wholes(&publisher.asked()), [true]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    place.config.websub = Some(WebSubConfig {
        listen: ([127, 0, 0, 1], port).into(),
        callback: format!("http://127.0.0.1:{port}/hubs"),
        random,
    });
    place
}

/// Of each request whether it asked for the whole document.
fn wholes(asked: &[Asked]) -> Vec<bool> {
    asked.iter().map(|asked| asked.header("if-none-match").is_none()).collect()
}

/// Lets so many polls come, each that much later.
fn poll(place: &Place, polls: u32, step_ms: i64) {
    for _ in 0..polls {
        let before = place.metrics.polls();
        place.later(step_ms);
        until("a poll", || place.metrics.polls() > before);
    }
}

#[test]
fn the_head_of_an_answer_without_a_document_names_the_hub_and_nothing_more_is_asked() {
    let hub = Hub::start();
    let publisher = publisher(&hub, Names::Head);
    let place = known(&publisher);
    place.beside(|| {
        poll(&place, 1, 2 * HOUR);
        place.later(2 * SECOND);
        until("a subscriber", || hub.subscriber(&publisher.url("/feed")).is_some());
        poll(&place, 3, DAY);
    });
    assert_eq!(wholes(&publisher.asked()), [false; 4]);
    assert_eq!(hub.requests().len(), 1);
    assert_eq!(place.keys(), ["a"]);
}

#[test]
fn a_hub_in_the_document_is_found_by_one_whole_document_a_day_after_the_last_and_never_again() {
    let hub = Hub::start();
    let publisher = publisher(&hub, Names::Document);
    let place = known(&publisher);
    place.beside(|| {
        // Two hours and four hours after the last whole document; then a day.
        poll(&place, 2, 2 * HOUR);
        assert_eq!(wholes(&publisher.asked()), [false, false], "not within a day");
    });
    // What it knows of its search outlives the process.
    place.beside(|| {
        poll(&place, 1, DAY);
        assert_eq!(wholes(&publisher.asked()), [true]);
        place.later(2 * SECOND);
        until("a subscriber", || hub.subscriber(&publisher.url("/feed")).is_some());
        poll(&place, 3, 2 * DAY);
    });
    assert_eq!(wholes(&publisher.asked()), [false; 3]);
    assert_eq!((hub.requests().len(), place.keys()), (1, vec!["a".to_owned()]));
}

#[test]
fn a_feed_without_a_hub_is_asked_for_its_whole_document_once_more_and_without_websub_never() {
    let hub = Hub::start();
    for (is_wanted, expected) in [(true, vec![false, true, false, false, false]), (false, vec![false; 5])] {
        let publisher = publisher(&hub, Names::Nowhere);
        let mut place = known(&publisher);
        if !is_wanted {
            place.config.websub = None;
        }
        place.beside(|| poll(&place, 2, DAY + HOUR));
        place.beside(|| poll(&place, 3, DAY + HOUR));
        assert_eq!(wholes(&publisher.asked()), expected, "with WebSub: {is_wanted}");
        assert_eq!(place.keys(), ["a"]);
    }
    assert_eq!(hub.requests().len(), 0);
}

#[test]
fn a_feed_that_is_new_when_hubs_are_wanted_is_asked_for_its_whole_document_once() {
    let hub = Hub::start();
    let publisher = publisher(&hub, Names::Nowhere);
    let (first, mut place) = (known(&publisher), Place::new(&[publisher.url("/feed")]));
    place.config.websub = first.config.websub.clone();
    place.beside(|| {
        until("a poll", || place.metrics.polls() == 1);
        poll(&place, 4, DAY + HOUR);
    });
    assert_eq!(wholes(&publisher.asked()), [true, false, false, false, false]);
}
