//! What a feed or a page may be made of to hurt the poller, or what a log does not take.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use barid_log::{Batch, Change, Control, Limit, Log, LogError, Table, Ticket, Unit, Wish, Worker};
use barid_record::Topic;
use bytes::Bytes;

use super::{SENTENCE, html, missing, page, paths, place, rss, run_until, said, told};
use crate::feeds::common::Common;
use crate::feeds::engine::Feed;
use crate::feeds::fetch::{Resolve, Resolved};
use crate::feeds::pages::state::Plan;
use crate::feeds::pages::{PageOutcome, Pages, ROBOTS};
use crate::feeds::policy::HOUR;
use crate::feeds::roster::{Roster, domain};
use crate::feeds::tests::place::Place;
use crate::feeds::tests::server::{Server, answer};
use crate::feeds::{FeedsSummary, worker_spec};

/// A log that takes messages and changes up to a limit, and counts what became durable.
struct Narrow {
    worker: Box<dyn Worker>,
    limit: usize,
    durable: Arc<Mutex<u64>>,
}

impl Worker for Narrow {
    fn poll(&mut self, limit: Limit, wait: Duration) -> Result<Batch, LogError> {
        self.worker.poll(limit, wait)
    }

    fn get(&mut self, table: Table, key: &[u8]) -> Result<Option<Bytes>, LogError> {
        self.worker.get(table, key)
    }

    fn scan(
        &mut self,
        table: Table,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), LogError> {
        self.worker.scan(table, prefix, visit)
    }

    fn submit(&mut self, unit: Unit) -> Result<Ticket, LogError> {
        let changes = unit.state.iter().map(|change| match change {
            Change::Put { key, value, .. } => key.len() + value.len(),
            Change::Delete { key, .. } => key.len(),
        });
        let largest = changes.chain(unit.produced.iter().map(|message| message.bytes())).max().unwrap_or(0);
        if largest > self.limit {
            let (object, limit_bytes) = ("a message", self.limit);
            return Err(LogError::TooLarge { object, bytes: largest, limit_bytes });
        }
        self.worker.submit(unit)
    }

    fn wait(&mut self, ticket: Ticket) -> Result<(), LogError> {
        self.worker.wait(ticket)?;
        *self.durable.lock().expect("unbroken") += 1;
        Ok(())
    }

    fn durable(&self) -> Option<Ticket> {
        self.worker.durable()
    }

    fn position(&self, topic: Topic, partition: u32) -> u64 {
        self.worker.position(topic, partition)
    }

    fn hold(&mut self, topic: Topic, partition: u32, held: bool) -> Result<(), LogError> {
        self.worker.hold(topic, partition, held)
    }

    fn partitions(&self, topic: Topic) -> Vec<u32> {
        self.worker.partitions(topic)
    }

    fn tend(&mut self) -> Result<(), LogError> {
        self.worker.tend()
    }

    fn message_limit(&self, topic: Topic) -> usize {
        self.worker.message_limit(topic).min(self.limit)
    }
}

/// Drains on a log that takes no more than that.
fn drain_narrow(place: &Place, limit: usize, durable: &Arc<Mutex<u64>>) -> FeedsSummary {
    let control = Control::default();
    control.ask(Wish::Drain);
    let durable = Arc::clone(durable);
    let narrow = |worker| -> Box<dyn Worker> { Box::new(Narrow { worker, limit, durable }) };
    place.run_on(&control, narrow).expect("it runs")
}

#[test]
fn a_host_that_no_name_can_be_costs_its_item_the_page_and_the_process_nothing() {
    // More than a key of a table, about as much as one, and the most that is a name.
    let hosts =
        [66_000, 65_520, 65_100, 254].map(|bytes| format!("{}.example", "a.".repeat((bytes - 8) / 2)));
    let links = hosts.clone();
    let server = Server::start(move |asked, stream| match asked.path.as_str() {
        "/feed" => {
            let names: Vec<String> =
                (0..hosts.len()).flat_map(|n| [format!("/link{n}"), format!("/to{n}")]).collect();
            let items: Vec<(&str, &str, &str)> =
                names.iter().map(|name| (&name[1..], name.as_str(), "own")).collect();
            let mut feed = rss(asked, &items);
            for (n, host) in hosts.iter().enumerate() {
                let here = asked.header("host").unwrap_or_default();
                feed = feed.replace(&format!("{here}/link{n}<"), &format!("{host}/link{n}<"));
            }
            answer(stream, "200 OK", &[], feed.as_bytes());
        }
        "/robots.txt" => missing(stream),
        path => {
            let number: usize = path.trim_start_matches("/to").parse().expect("one of ours");
            answer(stream, "302 Found", &[("Location", &format!("http://{}/", hosts[number]))], b"");
        }
    });
    let place = place(&[server.url("/feed")]);
    assert_eq!(place.drain().documents, 8);
    let documents = place.documents();
    let mut found = told(&documents);
    found.sort();
    let all = ["link0", "link1", "link2", "link3", "to0", "to1", "to2", "to3"];
    assert_eq!(found, all.map(|key| said(key, PageOutcome::RefusedAddress, "own")));
    let first = documents.iter().find(|document| document.key == "link0").expect("delivered");
    assert_eq!(first.hints.url, Some(format!("http://{}/link0", links[0])), "as found");
    assert_eq!(paths(&server).len(), 6);
    assert_eq!(place.later(HOUR + HOUR / 5).drain().documents, 0, "each once");
}

#[test]
fn each_request_of_a_page_has_a_commit_of_its_own() {
    let durable: Arc<Mutex<u64>> = Arc::default();
    let seen: Arc<Mutex<Vec<(String, u64)>>> = Arc::default();
    let (counted, noted) = (Arc::clone(&durable), Arc::clone(&seen));
    let server = Server::start(move |asked, stream| {
        let commits = *counted.lock().expect("unbroken");
        noted.lock().expect("unbroken").push((asked.path.clone(), commits));
        match asked.path.as_str() {
            "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
            "/robots.txt" => missing(stream),
            "/a" => answer(stream, "302 Found", &[("Location", "/b")], b""),
            "/b" => answer(stream, "302 Found", &[("Location", "/c")], b""),
            _ => html(stream, &page("Moved", "")),
        }
    });
    let place = place(&[server.url("/feed")]);
    assert_eq!(drain_narrow(&place, 1 << 20, &durable).pages, 1);
    let seen = seen.lock().expect("unbroken");
    let names: Vec<&str> = seen.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["/feed", "/robots.txt", "/a", "/b", "/c"]);
    assert!(seen.windows(2).all(|pair| pair[0].1 < pair[1].1), "{seen:?}");
}

#[test]
fn what_the_log_does_not_take_comes_with_less_and_the_rest_goes_on() {
    const LIMIT: usize = 100_000;
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            let long = SENTENCE.repeat(LIMIT / SENTENCE.len() + 1);
            let items =
                [("long", "/long", long.as_str()), ("page", "/page", "own"), ("good", "/good", "own")];
            answer(stream, "200 OK", &[], rss(asked, &items).as_bytes());
        }
        "/robots.txt" => missing(stream),
        "/page" => html(stream, &page(&"A name of its own ".repeat(LIMIT / 50), "")),
        _ => html(stream, &page("Good", "")),
    });
    let place = place(&[server.url("/feed")]);
    let summary = drain_narrow(&place, LIMIT, &Arc::default());
    assert_eq!((summary.documents, summary.pages, summary.too_large), (2, 1, 1));
    let mut found = told(&place.documents());
    found.sort();
    assert_eq!(found, [said("good", PageOutcome::Page, "Good 1"), said("page", PageOutcome::TooBig, "own")]);
    assert_eq!(place.messages(Topic::Rejected).len(), 1, "as long an item of any feed");
    let mut asked = paths(&server);
    asked.sort();
    assert_eq!(asked, ["/feed", "/good", "/page", "/robots.txt"]);
}

#[test]
fn items_that_wait_are_counted_for_all_pollers_of_a_process_and_leave_with_theirs() {
    let place = place(&["http://127.0.0.1:9/feed".to_owned()]);
    let common = Common::new(&place.config, 0).expect("a runtime");
    let roster = Roster::new(&place.config.feeds, &[]);
    let metrics = &place.metrics.pages;
    let poller = || Pages::new(&place.config, &roster, &common, metrics, place.clock()).expect("a runtime");
    let (mut first, mut second) = (poller(), poller());
    let plan = Plan { url: "http://127.0.0.1:9/a".to_owned(), seen_ms: 0, tries: 0, again_ms: 0 };
    first.wait_for((0, 1), &plan);
    first.wait_for((0, 2), &plan);
    second.wait_for((0, 3), &plan);
    first.show();
    second.show();
    first.show();
    assert_eq!(metrics.waiting_now(), 3);
    drop(second);
    assert_eq!(metrics.waiting_now(), 2);
    drop(first);
    assert_eq!(metrics.waiting_now(), 0);
}

/// A name that has this machine's address beside one of the public internet.
#[derive(Debug)]
struct Stranger;

impl Resolve for Stranger {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolved<'a> {
        let addresses = [[127, 0, 0, 1], [93, 184, 215, 14]];
        Box::pin(async move { Ok(addresses.map(|ip| (ip, port).into()).to_vec()) })
    }
}

#[test]
fn what_the_operator_allows_is_open_to_items_of_the_operators_own_feeds_only() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            let host = asked.header("host").unwrap_or_default();
            let (name, port) = host.rsplit_once(':').expect("both");
            let id = if name == "news.example" { "stranger" } else { "ours" };
            let feed = rss(asked, &[(id, "/inside", "own")]);
            let inside = feed.replace(&format!("http://{host}"), &format!("http://127.0.0.1:{port}"));
            answer(stream, "200 OK", &[], inside.as_bytes());
        }
        "/robots.txt" => missing(stream),
        _ => html(stream, &page("Inside", "")),
    });
    let strange = format!("http://news.example:{}/feed", server.address.port());
    let mut place = place(std::slice::from_ref(&strange));
    place.config.resolver = Arc::new(Stranger);
    place.drain();
    assert_eq!(told(&place.documents()), [said("stranger", PageOutcome::RefusedAddress, "own")]);
    assert_eq!(paths(&server), ["/feed"], "the feed itself may be there");
    let own = Feed { id: "own".to_owned(), url: server.url("/feed"), is_listed: false };
    place.config.full_text.push(own.id.clone());
    place.config.feeds.push(own);
    place.drain();
    assert_eq!(told(&place.documents())[1..], [said("ours", PageOutcome::Page, "Inside 1")]);
    assert_eq!(
        paths(&server),
        ["/feed", "/robots.txt", "/inside"],
        "a stranger's try said nothing of the site"
    );
}

#[test]
fn the_pause_that_a_site_asks_for_is_kept_by_all_pollers_of_a_process() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
        _ => answer(stream, "200 OK", &[], b"user-agent: *\ndisallow: /\ncrawl-delay: 60"),
    });
    let mut place = place(&[server.url("/feed")]);
    place.speed = 1;
    let clock = place.clock();
    let common = Common::new(&place.config, clock()).expect("a runtime");
    place.beside_in(&common, || {
        while place.metrics.answered() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(paths(&server), ["/feed", "/robots.txt"]);
    let site = domain(&server.url("/a"));
    // Long after the gap between any two requests.
    let now_ms = clock() + 5000;
    let later_ms =
        common.budget(clock()).take_unclaimed(site, now_ms).expect_err("a minute from the answer on");
    assert!(later_ms > now_ms + 10_000, "{later_ms} at {now_ms}");
}

#[test]
fn of_a_long_robots_txt_the_beginning_counts_and_an_empty_answer_is_none() {
    let long = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            let items = [("open", "/open", "own"), ("closed", "/closed", "own"), ("late", "/late", "own")];
            answer(stream, "200 OK", &[], rss(asked, &items).as_bytes());
        }
        "/robots.txt" => {
            let rest = "# nothing\n".repeat(500_000);
            let body = format!("user-agent: *\ndisallow: /closed\n{rest}disallow: /late\n");
            answer(stream, "200 OK", &[], body.as_bytes());
        }
        _ => html(stream, &page("Read", "")),
    });
    let empty = Server::start_at("127.0.0.2", |asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("any", "/any", "own")]).as_bytes()),
        "/robots.txt" => answer(stream, "204 No Content", &[], b""),
        _ => html(stream, &page("Read", "")),
    });
    let place = place(&[long.url("/feed"), empty.url("/feed")]);
    place.drain();
    let mut found = told(&place.documents());
    found.sort();
    let expected =
        [("any", true), ("closed", false), ("late", true), ("open", true)].map(|(key, is_read)| {
            if is_read {
                said(key, PageOutcome::Page, "Read 1")
            } else {
                said(key, PageOutcome::Robots, "own")
            }
        });
    assert_eq!(found, expected);
}

/// A feed whose pages fail, and a run that has tried each once.
fn tried_once(place: &Place) {
    let (control, metrics) = (Control::default(), place.metrics.clone());
    // Feed, robots.txt, page.
    run_until(place, &control, move || metrics.answered() >= 3);
    assert!(place.documents().is_empty());
}

fn failing() -> Server {
    Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
        "/robots.txt" => missing(stream),
        _ => answer(stream, "500 Internal Server Error", &[], b""),
    })
}

#[test]
fn a_drain_leaves_nothing_behind_that_waits_for_another_try() {
    let server = failing();
    let place = place(&[server.url("/feed")]);
    tried_once(&place);
    place.drain();
    assert_eq!(told(&place.documents()), [said("a", PageOutcome::ServerError, "own")]);
    assert_eq!(paths(&server), ["/feed", "/robots.txt", "/a", "/a"]);
}

#[test]
fn six_hours_are_over_six_hours_after_the_item_was_found_whoever_ran_meanwhile() {
    let server = failing();
    let mut place = place(&[server.url("/feed")]);
    tried_once(&place);
    place.speed = 1;
    paths(&server);
    place.later(7 * HOUR);
    let (control, metrics) = (Control::default(), place.metrics.clone());
    run_until(&place, &control, move || metrics.pages.total() == 1);
    assert_eq!(told(&place.documents()), [said("a", PageOutcome::NotReached, "own")]);
    assert!(!paths(&server).contains(&"/a".to_owned()), "its time was over");
}

#[test]
fn a_site_that_nobody_asks_about_is_forgotten_after_two_days() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
        "/robots.txt" => missing(stream),
        _ => html(stream, &page("Read", "")),
    });
    let place = place(&[server.url("/feed")]);
    let sites = |later_ms: i64| {
        place.later(later_ms).drain();
        let log = place.log();
        let mut worker = log.worker(worker_spec()).expect("the only poller");
        let mut sites = 0;
        worker.scan(ROBOTS, b"", &mut |_, _| sites += 1).expect("readable");
        drop(worker);
        log.close().expect("the log closes");
        sites
    };
    assert_eq!([0, 47 * HOUR, 2 * HOUR].map(sites), [1, 1, 0]);
}
