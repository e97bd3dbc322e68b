//! Indexes of sitemaps, from the socket to the log: what is asked, in which order, and what becomes of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use barid_log::{Control, Wish};

use super::place::{NOW, Place};
use super::server::{Server, answer};
use crate::feeds::check;
use crate::feeds::policy::{DAY, HOUR};

/// Paths with their documents; a path without one is not there.
type Site = Arc<Mutex<HashMap<String, String>>>;

fn set(site: &Site, path: &str, document: String) {
    site.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), document);
}

/// Serves them, each with an `ETag` of its own.
fn serve(site: &Site) -> Server {
    let site = Arc::clone(site);
    Server::start(move |asked, stream| {
        let document = site.lock().unwrap_or_else(PoisonError::into_inner).get(&asked.path).cloned();
        let Some(document) = document else { return answer(stream, "404 Not Found", &[], b"") };
        if document.starts_with("429") {
            return answer(stream, "429 Too Many Requests", &[("Retry-After", "90000")], b"");
        }
        let tag = format!("\"{:x}\"", xxhash_rust::xxh3::xxh3_64(document.as_bytes()));
        if asked.header("if-none-match") == Some(&tag) {
            return answer(stream, "304 Not Modified", &[("ETag", &tag)], b"");
        }
        answer(stream, "200 OK", &[("ETag", &tag)], document.as_bytes());
    })
}

/// An index of these: address, and the day of September 2023 it changed on, 0 for not said.
fn index(maps: &[(String, u32)]) -> String {
    let map = |(url, day): &(String, u32)| {
        let date =
            if *day == 0 { String::new() } else { format!("<lastmod>2023-09-{day:02}T00:00:00Z</lastmod>") };
        format!("<sitemap><loc>{url}</loc>{date}</sitemap>")
    };
    let maps: String = maps.iter().map(map).collect();
    format!(
        "<?xml version=\"1.0\"?><sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{maps}</sitemapindex>"
    )
}

/// A news sitemap of these articles.
fn map(articles: &[&str]) -> String {
    let article = |name: &&str| {
        format!(
            "<url><loc>https://estuary.example/{name}</loc><news:news><news:publication_date>2023-09-05T06:00:00Z</news:publication_date><news:title>Title of {name}</news:title></news:news></url>"
        )
    };
    let articles: String = articles.iter().map(article).collect();
    format!(
        "<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\" xmlns:news=\"http://www.google.com/schemas/sitemap-news/0.9\">{articles}</urlset>"
    )
}

/// A clock that runs, so that the second between two requests to a host passes.
fn place(server: &Server) -> Place {
    let mut place = Place::new(&[server.url("/index.xml")]);
    place.speed = 50;
    place
}

/// What was asked, and whether only for changes.
fn asked(server: &Server) -> Vec<(String, bool)> {
    let one = |asked: super::server::Asked| {
        let is_conditional = asked.header("if-none-match").is_some();
        (asked.path, is_conditional)
    };
    server.asked().into_iter().map(one).collect()
}

fn paths(server: &Server) -> Vec<String> {
    asked(server).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn sitemaps_are_read_newest_first_a_few_a_poll_and_their_articles_are_the_feeds() {
    let site = Site::default();
    let server = serve(&site);
    let maps: Vec<(String, u32)> = (1..=6).map(|day| (server.url(&format!("/{day}.xml")), day)).collect();
    set(&site, "/index.xml", index(&maps));
    (1..=6).for_each(|day| set(&site, &format!("/{day}.xml"), map(&[&format!("a{day}")])));
    let place = place(&server);
    assert_eq!(place.drain().polls, 1);
    assert_eq!(paths(&server), ["/index.xml", "/6.xml", "/5.xml", "/4.xml", "/1.xml"]);
    let documents = place.documents();
    assert!(documents.iter().all(|document| document.source_id == "feed0"));
    let urls: Vec<_> = documents.iter().filter_map(|document| document.hints.url.as_deref()).collect();
    let at = |name: &str| format!("https://estuary.example/{name}");
    assert_eq!(urls, ["a6", "a5", "a4", "a1"].map(at));
    assert_eq!(documents[0].hints.headline.as_deref(), Some("Title of a6"));
    assert_eq!(place.later(HOUR / 2).drain().polls, 0, "not due");
    assert_eq!(paths(&server), Vec::<String>::new());
    place.later(HOUR).drain();
    let rest = [("/index.xml", true), ("/3.xml", false), ("/2.xml", false)];
    assert_eq!(asked(&server), rest.map(|(path, is)| (path.to_owned(), is)), "the index has not changed");
    // Nothing has changed: nothing but the index is asked. Then one changes.
    place.later(DAY).drain();
    assert_eq!(asked(&server), [("/index.xml".to_owned(), true)]);
    let mut changed = maps.clone();
    changed[2].1 = 7;
    set(&site, "/index.xml", index(&changed));
    set(&site, "/3.xml", map(&["a3", "new"]));
    assert_eq!(place.later(DAY).drain().documents, 1);
    assert_eq!(
        asked(&server).iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["/index.xml", "/3.xml"]
    );
    assert_eq!(place.documents().len(), 7, "and none twice");
    place.later(2 * DAY).drain();
    let told = place.health().pop().expect("told");
    assert!(told.reason.ends_with("; its 6 sitemaps are read"), "{}", told.reason);
    assert_eq!(place.metrics.violations(), 0);
}

#[test]
fn what_says_nothing_of_when_it_changed_is_asked_for_changes_with_its_own_tag() {
    let site = Site::default();
    let server = serve(&site);
    let maps = [(server.url("/a.xml"), 0), (server.url("/b.xml"), 0)];
    set(&site, "/index.xml", index(&maps));
    set(&site, "/a.xml", map(&["a1"]));
    set(&site, "/b.xml", map(&["b1"]));
    let place = place(&server);
    assert_eq!(place.drain().documents, 2);
    set(&site, "/b.xml", map(&["b1", "b2"]));
    server.asked();
    assert_eq!(place.later(2 * HOUR).drain().documents, 1);
    let mut again = asked(&server);
    again.sort();
    let all = ["/a.xml", "/b.xml", "/index.xml"].map(|path| (path.to_owned(), true));
    assert_eq!(again, all, "each with the tag that it gave");
    place.later(2 * HOUR).drain();
    assert_eq!((asked(&server).len(), place.documents().len()), (3, 3));
}

#[test]
fn a_sitemap_that_fails_is_no_failure_of_the_feed_and_is_named_when_it_goes_on() {
    let site = Site::default();
    let server = serve(&site);
    let maps = [(server.url("/gone.xml"), 5), (server.url("/page.xml"), 4), (server.url("/good.xml"), 3)];
    set(&site, "/index.xml", index(&maps));
    set(&site, "/page.xml", "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned());
    set(&site, "/good.xml", map(&["a1"]));
    let place = place(&server);
    let summary = place.drain();
    assert_eq!((summary.polls, summary.failed, summary.documents, summary.unreadable), (1, 0, 1, 1));
    for _ in 0..4 {
        place.later(DAY + HOUR).drain();
    }
    let told = place.health().pop().expect("told");
    assert_eq!((told.state.as_str(), told.failures), ("malformed", 0));
    assert!(told.reason.starts_with("2 of its sitemaps cannot be read"), "{}", told.reason);
    set(&site, "/gone.xml", map(&["a2"]));
    set(&site, "/page.xml", map(&["a3"]));
    let found = place.later(2 * DAY).drain().documents;
    assert_eq!((found, place.documents().len()), (2, 3));
}

#[test]
fn an_index_may_name_indexes_and_those_no_others_and_nothing_inside() {
    let site = Site::default();
    let server = serve(&site);
    let inner = [(server.url("/map.xml"), 5), (server.url("/deeper.xml"), 4)];
    set(
        &site,
        "/index.xml",
        index(&[(server.url("/inner.xml"), 5), ("http://10.0.0.1/x.xml".to_owned(), 5)]),
    );
    set(&site, "/inner.xml", index(&inner));
    set(&site, "/deeper.xml", index(&[(server.url("/never.xml"), 5)]));
    set(&site, "/map.xml", map(&["a1"]));
    set(&site, "/never.xml", map(&["a2"]));
    let place = place(&server);
    assert_eq!(place.drain().documents, 1);
    assert_eq!(paths(&server), ["/index.xml", "/inner.xml", "/map.xml", "/deeper.xml"]);
    place.later(2 * DAY).drain();
    assert_eq!(paths(&server), ["/index.xml"], "and none of them again");
    let told = place.health().pop().expect("told");
    assert!(told.reason.contains("sitemaps: 3 known, 1 refused for the address"), "{}", told.reason);
}

#[test]
fn who_says_too_many_requests_is_asked_for_no_more_of_its_sitemaps() {
    let site = Site::default();
    let server = serve(&site);
    let maps: Vec<(String, u32)> = (1..=3).map(|day| (server.url(&format!("/{day}.xml")), day)).collect();
    set(&site, "/index.xml", index(&maps));
    set(&site, "/3.xml", "429".to_owned());
    (1..=2).for_each(|day| set(&site, &format!("/{day}.xml"), map(&[&format!("a{day}")])));
    let place = place(&server);
    assert_eq!(place.drain().documents, 0);
    assert_eq!(paths(&server), ["/index.xml", "/3.xml"]);
    assert_eq!(place.later(DAY).drain().polls, 0, "25 hours were asked for");
    set(&site, "/3.xml", map(&["a3"]));
    assert_eq!(place.later(5 * HOUR).drain().documents, 3, "and a tenth more at most");
}

#[test]
fn what_leads_to_a_domain_that_said_too_many_requests_is_left_to_a_later_poll() {
    let site = Site::default();
    let here = serve(&site);
    let first = AtomicBool::new(true);
    let there = Server::start_at("127.0.0.2", move |asked, stream| {
        if asked.path == "/feed" && first.swap(false, Ordering::Relaxed) {
            return answer(stream, "429 Too Many Requests", &[("Retry-After", "80000")], b"");
        }
        answer(stream, "200 OK", &[], map(&["a1"]).as_bytes());
    });
    set(&site, "/index.xml", index(&[(there.url("/1.xml"), 1)]));
    let redirecting = there.url("/to");
    let old = Server::start_at("127.0.0.3", move |_, stream| {
        answer(stream, "302 Found", &[("Location", &redirecting)], b"");
    });
    let mut place = Place::new(&[there.url("/feed"), here.url("/index.xml"), old.url("/old")]);
    place.speed = 50;
    let summary = place.drain();
    assert_eq!(
        (summary.polls, summary.documents),
        (2, 0),
        "a run that ends by itself does not wait for that"
    );
    assert_eq!(paths(&there), ["/feed"]);
    place.later(26 * HOUR).drain();
    let mut asked = paths(&there);
    asked.sort();
    assert_eq!(asked, ["/1.xml", "/feed", "/to"]);
    assert_eq!(place.metrics.violations(), 0);
}

#[test]
fn a_sitemap_is_written_down_before_it_is_asked_and_read_after_the_process_that_asked_died() {
    let site = Site::default();
    let control = Control::default();
    let (stopping, served) = (control.clone(), Arc::clone(&site));
    let first = AtomicBool::new(true);
    let server = Server::start(move |asked, stream| {
        if asked.path == "/1.xml" && first.swap(false, Ordering::Relaxed) {
            // The run ends with this request under way.
            stopping.ask(Wish::Stop);
            std::thread::sleep(std::time::Duration::from_secs(20));
            return;
        }
        let document = served.lock().unwrap_or_else(PoisonError::into_inner).get(&asked.path).cloned();
        answer(stream, "200 OK", &[], document.unwrap_or_default().as_bytes());
    });
    set(&site, "/index.xml", index(&[(server.url("/1.xml"), 1)]));
    set(&site, "/1.xml", map(&["a1"]));
    let place = place(&server);
    place.run(&control);
    assert_eq!((paths(&server).len(), place.documents().len()), (2, 0));
    // It counts as asked, although no answer came.
    place.later(HOUR / 2).drain();
    assert_eq!(paths(&server), Vec::<String>::new());
    assert_eq!(place.later(2 * HOUR).drain().documents, 1);
    assert_eq!((paths(&server).len(), place.documents().len()), (2, 1));
}

#[test]
fn a_check_reads_an_index_with_its_sitemaps_and_names_what_it_refuses() {
    let site = Site::default();
    let server = serve(&site);
    let maps = [(server.url("/a.xml"), 5), ("ftp://estuary.example/x.xml".to_owned(), 5)];
    set(&site, "/index.xml", index(&maps));
    set(&site, "/a.xml", map(&["a1", "a2"]));
    let place = place(&server);
    let checked =
        check::check(&place.config, &server.url("/index.xml"), false, &place.clock()).expect("it runs");
    let done = checked.done.expect("it was asked");
    assert_eq!((checked.hops.len(), done.counts.new, done.items.len()), (2, 2, 2));
    let index = done.index.expect("it is one");
    assert_eq!((index.known, index.waiting, index.refused.len()), (1, 0, 1));
    assert_eq!(index.refused[0].1, "only http: and https: are asked");
    assert!(checked.state.next_ms >= NOW + HOUR);
}
