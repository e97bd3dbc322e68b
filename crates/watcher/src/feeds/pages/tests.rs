//! Feeds with full text against a real server on the loopback interface and the real embedded log.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barid_log::{Change, Control, Log, Unit, Wish};
use barid_record::RawDocument;

use super::state::{Plan, from_bytes, to_bytes};
use super::{PAGES, PageOutcome};
use crate::feeds::policy::{DAY, HOUR, MINUTE};
use crate::feeds::tests::place::Place;
use crate::feeds::tests::server::{Asked, ReadWrite, Server, answer};
use crate::feeds::worker_spec;

mod hostile;

const SENTENCE: &str = "The council of the harbour town decided on Tuesday to build a fourth quay, after years of talks with the fishermen, who had feared for their berths, and with the railway.";

/// An RSS document of these items on the server that is asked: id, path of the page, text.
fn rss(asked: &Asked, items: &[(&str, &str, &str)]) -> String {
    let host = asked.header("host").unwrap_or_default();
    let item = |(id, path, text): &(&str, &str, &str)| {
        let link = if path.is_empty() { String::new() } else { format!("<link>http://{host}{path}</link>") };
        format!(
            "<item><guid isPermaLink='false'>{id}</guid><title>Title of {id}</title>{link}<description>{text}</description></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    format!("<rss version='2.0'><channel><title>Harbour News</title>{items}</channel></rss>")
}

/// A page whose article has three paragraphs that begin with `name`.
fn page(name: &str, head: &str) -> String {
    let text: String = (1..=3).map(|number| format!("<p>{name} {number}. {SENTENCE}</p>")).collect();
    format!(
        "<!DOCTYPE html><html lang=en><head><title>{name}</title>{head}</head><body><nav><a href=/>Home</a></nav><article><h1>{name}</h1>{text}</article></body></html>"
    )
}

fn html(stream: &mut dyn ReadWrite, body: &str) {
    answer(stream, "200 OK", &[("Content-Type", "text/html; charset=utf-8")], body.as_bytes());
}

fn missing(stream: &mut dyn ReadWrite) {
    answer(stream, "404 Not Found", &[], b"");
}

/// A poller of these feeds, all with full text, whose seconds are short.
fn place(urls: &[String]) -> Place {
    let mut place = Place::new(urls);
    place.config.full_text = place.config.feeds.iter().map(|feed| feed.id.clone()).collect();
    place.speed = 40;
    place
}

fn paths(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.path).collect()
}

/// Key, how its page ended, and the beginning of its text after the title.
fn told(documents: &[RawDocument]) -> Vec<(String, String, String)> {
    let one = |document: &RawDocument| {
        let body = String::from_utf8(document.body.to_vec()).expect("text");
        let text = body.split_once("\n\n").map_or("", |(_, text)| text);
        let page = document.hints.page.clone().unwrap_or_default();
        (document.key.clone(), page, text.chars().take_while(|letter| *letter != '.').collect())
    };
    documents.iter().map(one).collect()
}

fn said(key: &str, page: PageOutcome, text: &str) -> (String, String, String) {
    (key.to_owned(), page.name().to_owned(), text.to_owned())
}

#[test]
fn items_come_with_the_text_of_their_pages_once_and_their_pages_are_asked_once() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            let items = [("b", "/b?utm_source=rss", "short b"), ("a", "/a", "short a")];
            answer(stream, "200 OK", &[], rss(asked, &items).as_bytes());
        }
        "/robots.txt" => answer(stream, "200 OK", &[], b"user-agent: *\ndisallow: /private\n"),
        "/a" => html(stream, &page("First", "<link rel=canonical href='/story/a?fbclid=7'>")),
        _ => html(stream, &page("Second", "")),
    });
    let place = place(&[server.url("/feed")]);
    let summary = place.drain();
    assert_eq!((summary.polls, summary.documents, summary.pages), (1, 2, 2));
    let documents = place.documents();
    assert_eq!(
        told(&documents),
        [said("a", PageOutcome::Page, "First 1"), said("b", PageOutcome::Page, "Second 1")]
    );
    let asked = server.asked();
    let found: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(
        found,
        ["/feed", "/robots.txt", "/a", "/b?utm_source=rss"],
        "robots.txt first, and the oldest page"
    );
    assert!(asked[2].header("accept").is_some_and(|accept| accept.starts_with("text/html")));
    assert_eq!(asked[2].header("user-agent"), Some("barid-test/1 (+https://barid.example/)"));
    let hints = [&documents[0].hints, &documents[1].hints];
    assert_eq!(hints[0].headline.as_deref(), Some("Title of a"), "the feed's word goes first");
    let canonical = [server.url("/story/a"), server.url("/b")];
    assert_eq!(hints.map(|hints| hints.canonical_url.clone()), canonical.map(Some));
    assert_eq!(documents[1].uri, server.url("/b?utm_source=rss"));
    assert_eq!(
        documents[0].body,
        format!("Title of a\n\nFirst 1. {SENTENCE}\n\nFirst 2. {SENTENCE}\n\nFirst 3. {SENTENCE}")
    );
    let later = place.later(HOUR + HOUR / 5).drain();
    assert_eq!((later.polls, later.documents), (1, 0));
    assert_eq!(paths(&server), ["/feed"], "what is known is not asked for again");
}

/// Pages that cannot be had: the item's id, the path, and how it ends.
const BAD_PAGES: [(&str, &str, PageOutcome); 16] = [
    ("forbidden", "/private/1", PageOutcome::Robots),
    ("missing", "/404", PageOutcome::Gone),
    ("gone", "/410", PageOutcome::Gone),
    ("refused", "/403", PageOutcome::Refused),
    ("broken", "/500", PageOutcome::ServerError),
    ("pdf", "/pdf", PageOutcome::NotHtml),
    ("short", "/short", PageOutcome::Shorter),
    ("paid", "/paid", PageOutcome::Paywall),
    ("challenge", "/challenge", PageOutcome::Challenge),
    ("inside", "/inside", PageOutcome::RefusedAddress),
    ("loop", "/loop", PageOutcome::Redirects),
    ("home", "/home", PageOutcome::Gone),
    ("big", "/big", PageOutcome::TooBig),
    ("empty", "/empty", PageOutcome::NoArticle),
    ("dropped", "/dropped", PageOutcome::ServerError),
    ("nowhere", "", PageOutcome::NoLink),
];

fn bad_page(asked: &Asked, stream: &mut dyn ReadWrite) {
    let paid = "<script type='application/ld+json'>{\"isAccessibleForFree\":false}</script>";
    match asked.path.as_str() {
        "/robots.txt" => answer(stream, "200 OK", &[], b"user-agent: barid\ndisallow: /private"),
        "/410" => answer(stream, "410 Gone", &[], b""),
        "/403" => answer(stream, "403 Forbidden", &[], b""),
        "/500" => answer(stream, "500 Internal Server Error", &[], b""),
        "/pdf" => answer(stream, "200 OK", &[("Content-Type", "application/pdf")], b"%PDF-1.7"),
        "/short" => html(stream, &page("Short", "")),
        "/paid" => html(stream, &page("Paid", paid)),
        "/challenge" => {
            answer(stream, "200 OK", &[("cf-mitigated", "challenge")], page("Wait", "").as_bytes())
        }
        "/inside" => answer(stream, "302 Found", &[("Location", "http://10.0.0.1/")], b""),
        "/loop" => answer(stream, "302 Found", &[("Location", "/loop")], b""),
        "/home" => answer(stream, "301 Moved Permanently", &[("Location", "/")], b""),
        "/big" => html(stream, &format!("<p>{}", "x".repeat(3 << 20))),
        "/empty" => html(stream, "<html><body><p>Enable JavaScript.</p></body></html>"),
        "/dropped" => {}
        _ => missing(stream),
    }
}

#[test]
fn whatever_is_wrong_with_a_page_its_item_comes_with_its_own_text_and_the_reason() {
    let long = "A long text of the feed's own. ".repeat(40);
    let text = move |id| if id == "short" { long.clone() } else { "own".to_owned() };
    let server = Server::start(move |asked, stream| {
        if asked.path != "/feed" {
            return bad_page(asked, stream);
        }
        let texts = BAD_PAGES.map(|(id, ..)| text(id));
        let items: Vec<(&str, &str, &str)> =
            BAD_PAGES.iter().zip(&texts).map(|((id, path, _), text)| (*id, *path, text.as_str())).collect();
        answer(stream, "200 OK", &[], rss(asked, &items).as_bytes());
    });
    let place = place(&[server.url("/feed")]);
    let summary = place.drain();
    assert_eq!((summary.documents, summary.pages), (16, 0));
    let mut found = told(&place.documents());
    found.sort();
    let mut expected = BAD_PAGES.map(|(id, _, outcome)| {
        said(id, outcome, if id == "short" { "A long text of the feed's own" } else { "own" })
    });
    expected.sort();
    assert_eq!(found, expected);
    let asked = paths(&server);
    assert!(!asked.iter().any(|path| path.starts_with("/private")), "{asked:?}");
    assert_eq!(asked.iter().filter(|path| *path == "/loop").count(), 6, "one and five redirects");
    assert_eq!(asked.iter().filter(|path| *path == "/robots.txt").count(), 1);
    assert_eq!(place.later(DAY).drain().documents, 0, "each once");
}

#[test]
fn without_robots_txt_all_is_allowed_and_with_one_that_fails_nothing() {
    let round = Arc::new(AtomicUsize::new(0));
    let asked_for = Arc::clone(&round);
    let server = Server::start(move |asked, stream| {
        let round = asked_for.load(Ordering::Relaxed);
        match asked.path.as_str() {
            "/feed" => {
                let id = format!("item{round}");
                answer(stream, "200 OK", &[], rss(asked, &[(id.as_str(), "/page", "own")]).as_bytes());
            }
            "/robots.txt" if round == 1 || round == 4 => {
                answer(stream, "500 Internal Server Error", &[], b"")
            }
            "/robots.txt" if round >= 3 => {
                answer(stream, "301 Moved Permanently", &[("Location", "/moved/robots.txt")], b"")
            }
            "/moved/robots.txt" => answer(stream, "200 OK", &[], b"user-agent: *\ndisallow: /page"),
            "/robots.txt" => missing(stream),
            _ => html(stream, &page("Text", "")),
        }
    });
    let place = place(&[server.url("/feed")]);
    let mut outcomes = Vec::new();
    for (number, later) in
        [(0, 0), (1, DAY + HOUR), (2, 2 * HOUR), (3, DAY + HOUR), (4, DAY + 2 * HOUR), (5, 2 * HOUR)]
    {
        round.store(number, Ordering::Relaxed);
        place.later(later).drain();
        let last = place.documents().pop().expect("one a round");
        let robots = paths(&server).iter().filter(|path| path.ends_with("/robots.txt")).count();
        outcomes.push((last.key, last.hints.page.unwrap_or_default(), robots));
    }
    let expected = [
        ("item0", "page", 1),
        // It was read once, and what it said goes on: all is allowed.
        ("item1", "page", 1),
        ("item2", "page", 1),
        ("item3", "robots", 2),
        ("item4", "robots", 1),
        ("item5", "robots", 2),
    ];
    assert_eq!(outcomes, expected.map(|(key, page, asked)| (key.to_owned(), page.to_owned(), asked)));
}

#[test]
fn a_site_never_heard_of_allows_nothing_while_its_robots_txt_fails() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own"), ("b", "/b", "own")]).as_bytes())
        }
        "/robots.txt" => answer(stream, "500 Internal Server Error", &[], b""),
        _ => html(stream, &page("Text", "")),
    });
    let place = place(&[server.url("/feed")]);
    place.drain();
    let found = told(&place.documents());
    assert_eq!(found, ["b", "a"].map(|key| said(key, PageOutcome::RobotsUnreachable, "own")));
    assert_eq!(paths(&server), ["/feed", "/robots.txt"], "one answer is enough for both");
}

/// Runs until as many requests for a path were made, and a little longer.
fn run_until(place: &Place, control: &Control, is_done: impl Fn() -> bool + Send + Sync + 'static) {
    let stopping = control.clone();
    let watching = std::thread::spawn(move || {
        let started = Instant::now();
        while !is_done() && started.elapsed() < Duration::from_secs(300) {
            std::thread::sleep(Duration::from_millis(5));
        }
        stopping.ask(Wish::Stop);
    });
    place.run(control);
    watching.join().expect("it ends");
}

#[test]
fn a_page_that_fails_is_tried_again_for_hours_and_no_longer() {
    let tries: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&tries);
    let count =
        move |path: &str| seen.lock().expect("unbroken").iter().filter(|asked| *asked == path).count();
    let (counted, seen) = (count.clone(), Arc::clone(&tries));
    let server = Server::start(move |asked, stream| {
        seen.lock().expect("unbroken").push(asked.path.clone());
        match asked.path.as_str() {
            "/feed" => {
                let items = [("late", "/late", "own"), ("never", "/never", "own")];
                answer(stream, "200 OK", &[], rss(asked, &items).as_bytes());
            }
            "/late" if counted("/late") == 3 => html(stream, &page("Late", "")),
            "/robots.txt" | "/late" => missing(stream),
            _ => answer(stream, "500 Internal Server Error", &[], b""),
        }
    });
    let mut place = place(&[server.url("/feed")]);
    place.config.watch = vec!["feed0".to_owned()];
    let (control, metrics, now_ms) = (Control::default(), place.metrics.clone(), Arc::clone(&place.now_ms));
    let pauses = [10 * MINUTE, HOUR, 3 * HOUR];
    let answered = Arc::clone(&tries);
    let tried = std::sync::atomic::AtomicUsize::new(1);
    let too_early = Arc::new(AtomicUsize::new(0));
    let early = Arc::clone(&too_early);
    let texts = Arc::new(Mutex::new([0, 0]));
    let counted = Arc::clone(&texts);
    run_until(&place, &control, move || {
        let number = tried.load(Ordering::Relaxed);
        if count("/never") < number || count("/late") < number.min(3) {
            return false;
        }
        let Some(pause) = pauses.get(number - 1) else {
            let is_done = metrics.pages.total() == 2;
            *counted.lock().expect("unbroken") = metrics.pages.texts("feed0");
            return is_done;
        };
        if metrics.answered() < answered.lock().expect("unbroken").len() as u64 {
            return false;
        }
        // Early by more than the clock can go on while this thread waits for its turn.
        now_ms.fetch_add(pause - 9 * MINUTE, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(300));
        early.fetch_add(count("/never") - number, Ordering::Relaxed);
        now_ms.fetch_add(10 * MINUTE, Ordering::Relaxed);
        tried.store(number + 1, Ordering::Relaxed);
        false
    });
    assert_eq!(too_early.load(Ordering::Relaxed), 0);
    assert_eq!(*texts.lock().expect("unbroken"), [1, 1], "one with its page, one without");
    let documents = place.documents();
    let expected =
        [said("late", PageOutcome::Page, "Late 1"), said("never", PageOutcome::ServerError, "own")];
    assert_eq!(told(&documents), expected);
    let of = |path: &str| tries.lock().expect("unbroken").iter().filter(|asked| *asked == path).count();
    assert_eq!((of("/late"), of("/never"), of("/robots.txt")), (3, 4, 1));
}

#[test]
fn items_wait_over_a_restart_and_a_changed_item_comes_after_its_first_version() {
    let round = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&round);
    let server = Server::start(move |asked, stream| {
        let round = served.load(Ordering::Relaxed);
        match asked.path.as_str() {
            "/feed" if round == 0 => answer(
                stream,
                "200 OK",
                &[],
                rss(asked, &[("a", "/a", "first"), ("b", "/b", "own")]).as_bytes(),
            ),
            "/feed" => answer(
                stream,
                "200 OK",
                &[],
                rss(asked, &[("a", "/a", "changed"), ("b", "/b", "own")]).as_bytes(),
            ),
            "/robots.txt" => missing(stream),
            _ if round == 0 => answer(stream, "500 Internal Server Error", &[], b""),
            path => html(stream, &page(&format!("Page {}", &path[1..]), "")),
        }
    });
    let place = place(&[server.url("/feed")]);
    let control = Control::default();
    let (stopping, metrics) = (Arc::new(server), place.metrics.clone());
    let server = Arc::clone(&stopping);
    let failed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&failed);
    run_until(&place, &control, move || {
        let asked = stopping.asked();
        counted.fetch_add(
            asked.iter().filter(|asked| matches!(asked.path.as_str(), "/a" | "/b")).count(),
            Ordering::Relaxed,
        ) >= 2
    });
    assert_eq!(
        (failed.load(Ordering::Relaxed), metrics.pages.total(), place.documents().len()),
        (2, 0, 0),
        "both wait"
    );
    round.store(1, Ordering::Relaxed);
    let summary = place.later(2 * HOUR).drain();
    assert_eq!((summary.documents, summary.pages), (3, 2));
    let found = told(&place.documents());
    let of = |key: &str| found.iter().filter(|one| one.0 == key).cloned().collect::<Vec<_>>();
    assert_eq!(
        of("a"),
        [said("a", PageOutcome::Superseded, "first"), said("a", PageOutcome::Page, "Page a 1")]
    );
    assert_eq!(of("b"), [said("b", PageOutcome::Page, "Page b 1")]);
    drop(server);
}

#[test]
fn a_try_is_written_down_before_it_goes_out_and_a_page_that_ends_every_process_is_given_up() {
    let control = Control::default();
    let stopping = control.clone();
    let server = Server::start(move |asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
        "/robots.txt" => missing(stream),
        _ => {
            // The process ends, and the page never comes.
            stopping.ask(Wish::Stop);
            std::thread::sleep(Duration::from_secs(20));
        }
    });
    let place = place(&[server.url("/feed")]);
    place.run(&control);
    let log = place.log();
    let mut worker = log.worker(worker_spec()).expect("the only poller");
    let mut plans = Vec::new();
    worker
        .scan(PAGES, b"", &mut |key, value| {
            plans.push((key.to_vec(), from_bytes::<Plan>(value).expect("ours")))
        })
        .expect("readable");
    let (key, plan) = plans.pop().expect("it waits");
    assert_eq!((plan.tries, plans.len()), (1, 0));
    assert!(plan.again_ms >= plan.seen_ms + 10 * MINUTE, "{plan:?}");
    // As if that had happened three times more.
    let plan = Plan { tries: 4, again_ms: plan.seen_ms, ..plan };
    let change = Change::Put { table: PAGES, key: key.into(), value: to_bytes(&plan) };
    let ticket = worker.submit(Unit { state: vec![change], ..Unit::default() }).expect("taken");
    worker.wait(ticket).expect("durable");
    drop(worker);
    log.close().expect("the log closes");
    assert_eq!(paths(&server), ["/feed", "/robots.txt", "/a"]);
    place.later(HOUR / 2).drain();
    assert_eq!(told(&place.documents()), [said("a", PageOutcome::Interrupted, "own")]);
    assert_eq!(paths(&server).len(), 0);
}

#[test]
fn an_item_twice_in_one_document_comes_twice_and_in_order() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => {
            answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "new"), ("a", "/a", "old")]).as_bytes())
        }
        "/robots.txt" => missing(stream),
        _ => html(stream, &page("Text", "")),
    });
    let place = place(&[server.url("/feed")]);
    place.drain();
    assert_eq!(
        told(&place.documents()),
        [said("a", PageOutcome::Superseded, "old"), said("a", PageOutcome::Page, "Text 1")]
    );
}

#[test]
fn requests_to_a_site_keep_their_distance_and_the_one_it_asks_for() {
    let starts: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
    let seen = Arc::clone(&starts);
    let server = Server::start(move |asked, stream| {
        seen.lock().expect("unbroken").push((asked.path.clone(), Instant::now()));
        match asked.path.as_str() {
            "/feed" => answer(
                stream,
                "200 OK",
                &[],
                rss(asked, &[("a", "/a", "own"), ("b", "/b", "own"), ("c", "/c", "own")]).as_bytes(),
            ),
            "/robots.txt" => answer(stream, "200 OK", &[], b"user-agent: *\ncrawl-delay: 40\n"),
            _ => html(stream, &page("Text", "")),
        }
    });
    let place = place(&[server.url("/feed")]);
    assert_eq!(place.drain().pages, 3);
    let starts = starts.lock().expect("unbroken");
    let names: Vec<&str> = starts.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(names, ["/feed", "/robots.txt", "/c", "/b", "/a"]);
    // By the poller's clock, which is cut to ticks of 40 ms. A pause begins with the answer, and that comes after the time here.
    let gaps: Vec<u128> = starts.windows(2).map(|pair| (pair[1].1 - pair[0].1).as_millis() * 40).collect();
    assert!(
        gaps.iter().zip([1000, 40_000, 40_000, 40_000]).all(|(gap, least)| *gap + 80 >= least),
        "{gaps:?}"
    );
}

#[test]
fn who_says_too_many_requests_is_left_alone_by_all() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => answer(
            stream,
            "200 OK",
            &[],
            rss(asked, &[("a", "/a", "own"), ("b", "/b", "own"), ("c", "/c", "own")]).as_bytes(),
        ),
        "/robots.txt" => missing(stream),
        _ => answer(stream, "429 Too Many Requests", &[("Retry-After", "7200")], b""),
    });
    let place = place(&[server.url("/feed")]);
    place.drain();
    assert_eq!(told(&place.documents()), ["c", "b", "a"].map(|key| said(key, PageOutcome::Throttled, "own")));
    assert_eq!(paths(&server), ["/feed", "/robots.txt", "/c"]);
    assert_eq!(place.later(HOUR + HOUR / 2).drain().polls, 0, "the feed is due, and its site said two hours");
    assert_eq!(place.later(HOUR).drain().polls, 1);
}

#[test]
fn redirects_lead_to_other_sites_whose_own_rules_hold() {
    let other = Server::start_at("127.0.0.2", |asked, stream| match asked.path.as_str() {
        "/robots.txt" => answer(stream, "200 OK", &[], b"user-agent: *\ndisallow: /closed"),
        _ => html(stream, &page("Moved", "<link rel=canonical href='http://127.0.0.9/elsewhere'>")),
    });
    let to = other.url("");
    let server = Server::start(move |asked, stream| match asked.path.as_str() {
        "/feed" => answer(
            stream,
            "200 OK",
            &[],
            rss(asked, &[("a", "/open", "own"), ("b", "/closed", "own")]).as_bytes(),
        ),
        "/robots.txt" => missing(stream),
        path => answer(stream, "302 Found", &[("Location", &format!("{to}{path}?gclid=x"))], b""),
    });
    let place = place(&[server.url("/feed")]);
    place.drain();
    let mut documents = place.documents();
    documents.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(
        told(&documents),
        [said("a", PageOutcome::Page, "Moved 1"), said("b", PageOutcome::Robots, "own")]
    );
    assert_eq!(documents[0].uri, other.url("/open?gclid=x"));
    assert_eq!(
        documents[0].hints.canonical_url,
        Some(other.url("/open")),
        "another site's name is not believed"
    );
    assert_eq!(paths(&other), ["/robots.txt", "/open?gclid=x"]);
}

#[test]
fn items_of_a_feed_that_is_gone_from_the_configuration_come_with_their_own_text() {
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/feed" => answer(stream, "200 OK", &[], rss(asked, &[("a", "/a", "own")]).as_bytes()),
        "/robots.txt" => missing(stream),
        _ => answer(stream, "500 Internal Server Error", &[], b""),
    });
    let mut place = place(&[server.url("/feed")]);
    let control = Control::default();
    run_until(&place, &control, move || server.asked().iter().any(|asked| asked.path == "/a"));
    assert!(place.documents().is_empty());
    place.config.feeds.clear();
    place.drain();
    assert_eq!(told(&place.documents()), [said("a", PageOutcome::FeedRemoved, "own")]);
    place.drain();
    assert_eq!(place.documents().len(), 1);
}

#[test]
fn without_full_text_links_are_cleaned_and_nothing_else_is_asked() {
    let server = Server::start(|asked, stream| {
        answer(stream, "200 OK", &[], rss(asked, &[("a", "/a?id=1&amp;utm_campaign=x", "own")]).as_bytes())
    });
    let place = Place::new(&[server.url("/feed")]);
    place.drain();
    let document = place.documents().remove(0);
    assert_eq!((document.hints.page, document.hints.canonical_url), (None, Some(server.url("/a?id=1"))));
    assert_eq!(document.hints.url, Some(server.url("/a?id=1&utm_campaign=x")), "as found");
    assert_eq!(paths(&server), ["/feed"]);
}
