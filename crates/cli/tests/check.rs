//! `barid feed check` against a site on the loopback interface: what it asks, in which order, and what it says of full text.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "not every test file needs every helper")]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{barid, code, run, stderr, stdout};

const SENTENCE: &str = "The ferry that runs between the two banks of the estuary was laid up on Monday, after its captain of thirty years had found a crack in the shaft. ";

/// Answers every path as told, and remembers who was asked for: a status line and a body.
struct Site {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn start(answer: impl Fn(&str) -> (&'static str, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let path = path(&stream).unwrap_or_default();
                remembered.lock().unwrap().push(path.clone());
                let (status, body) = answer(&path);
                let head =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
                // Who sent no HTTP has gone.
                let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// None where what comes is no HTTP.
fn path(stream: &TcpStream) -> Option<String> {
    const TLS_HANDSHAKE: u8 = 22;
    let mut first = [0];
    if stream.peek(&mut first).ok()? == 0 || first[0] == TLS_HANDSHAKE {
        return None;
    }
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    lines.find(String::is_empty)?;
    first.split(' ').nth(1).map(str::to_owned)
}

/// A feed of two items, the newest first. Links without a host are the site's own.
fn feed() -> String {
    let item = |id: &str, link: &str| {
        format!(
            "<item><guid isPermaLink='false'>{id}</guid><title>Title of {id}</title><link>{link}</link><description>Short {id}</description></item>"
        )
    };
    let items = item("new", "/new?utm_source=rss") + &item("old", "/old");
    format!("<rss version='2.0'><channel><title>Estuary News</title>{items}</channel></rss>")
}

fn article() -> String {
    let paragraph = format!("<p>{SENTENCE}</p>").repeat(4);
    format!(
        "<!DOCTYPE html><html><head><title>Ferry</title></head><body><article><h1>Ferry</h1>{paragraph}</article></body></html>"
    )
}

/// Checks the feed at that site; `table` is more of the configuration.
fn check(site: &Site, table: &str, arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{}/feed", site.port);
    let config = format!(
        "[feeds]\ncontact = \"https://barid.example/\"\nallow_addresses = [\"127.0.0.0/8\"]\n{}",
        table.replace("URL", &url)
    );
    std::fs::write(folder.path().join("barid.toml"), config).unwrap();
    let output = run(folder.path(), &[&["feed", "check", &url], arguments].concat());
    assert_eq!(stderr(&output), "");
    (code(&output), stdout(&output))
}

fn check_json(site: &Site, table: &str, arguments: &[&str]) -> Value {
    let (code, out) = check(site, table, &[arguments, &["--json"]].concat());
    assert_eq!(code, 0, "the feed is good, whatever its pages are: {out}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn the_page_of_the_newest_item_is_fetched_and_held_against_the_feeds_own_text() {
    let site = Site::start(|path| match path {
        "/feed" => ("200 OK", feed()),
        "/robots.txt" => ("200 OK", "user-agent: *\ndisallow: /old\n".to_owned()),
        _ => ("200 OK", article()),
    });
    let said = check_json(&site, "", &["--full-text"]);
    let page = &said["page"];
    let letters = 4 * SENTENCE.chars().filter(|letter| !letter.is_whitespace()).count();
    let at = |path: &str| format!("http://127.0.0.1:{}{path}", site.port);
    assert_eq!(page["outcome"], "page");
    assert_eq!((&page["item"], &page["link"]), (&json!("Title of new"), &json!(at("/new?utm_source=rss"))));
    assert_eq!((&page["letters"], &page["own_letters"]), (&json!(letters), &json!("Shortnew".len())));
    assert_eq!((&page["canonical_url"], &page["tried_again"]), (&json!(at("/new")), &json!(false)));
    let site_said =
        json!([{ "origin": at(""), "robots": "allowed", "status": 200, "crawl_delay_seconds": 0.0 }]);
    assert_eq!(page["sites"], site_said);
    let asked: Vec<&Value> = page["requests"].as_array().unwrap().iter().map(|hop| &hop["url"]).collect();
    assert_eq!(asked, [&json!(at("/robots.txt")), &json!(at("/new?utm_source=rss"))]);
    assert_eq!(said["requests"].as_array().unwrap().len(), 1, "the feed's own");
    assert_eq!(site.asked(), ["/feed", "/robots.txt", "/new?utm_source=rss"]);
    let (_, words) = check(&site, "", &["--full-text"]);
    for line in [
        "item        Title of new",
        &format!("robots.txt  allowed of {} (200)", at("")),
        "page        page: the item comes with the text of its page",
        &format!("characters  {letters} of the page's article, 8 in the feed"),
        &format!("canonical   {}", at("/new")),
    ] {
        assert!(words.lines().any(|said| said == line), "{line}: {words}");
    }
}

#[test]
fn a_page_is_fetched_where_full_text_is_on_and_nowhere_else() {
    let site = Site::start(|path| match path {
        "/feed" => ("200 OK", feed()),
        "/robots.txt" => ("404 Not Found", String::new()),
        _ => ("200 OK", article()),
    });
    for (table, is_wanted) in [
        ("", false),
        ("full_text = true\n", true),
        ("[[feed]]\nurl = \"URL\"\nfull_text = true\n", true),
        ("full_text = true\n[[feed]]\nurl = \"URL\"\nfull_text = false\n", false),
        ("[[feed]]\nurl = \"URL?other\"\nfull_text = true\n", false),
    ] {
        let before = site.asked().len();
        let said = check_json(&site, table, &[]);
        assert_eq!(said["page"]["outcome"], if is_wanted { json!("page") } else { Value::Null }, "{table}");
        let asked = site.asked()[before..].to_vec();
        assert_eq!(asked.len(), if is_wanted { 3 } else { 1 }, "{table}: {asked:?}");
        assert!(!is_wanted || said["page"]["sites"][0]["status"] == 404, "no robots.txt allows all");
    }
}

#[test]
fn what_robots_txt_forbids_is_not_asked_for_also_behind_a_redirect_or_where_nobody_can_say() {
    for (robots, robots_says, redirects, verdict, outcome, asked) in [
        (
            "200 OK",
            "user-agent: barid\ndisallow: /new\n",
            false,
            "forbidden",
            "robots",
            &["/feed", "/robots.txt"][..],
        ),
        (
            "500 Internal Server Error",
            "",
            false,
            "unreachable",
            "robots_unreachable",
            &["/feed", "/robots.txt"],
        ),
        (
            "200 OK",
            "user-agent: *\ndisallow: /closed\n",
            true,
            "forbidden",
            "robots",
            &["/feed", "/robots.txt", "/new?utm_source=rss"],
        ),
    ] {
        let site = Site::start(move |path| match path {
            "/feed" => ("200 OK", feed()),
            "/robots.txt" => (robots, robots_says.to_owned()),
            // With its location in front of the length.
            _ if redirects => ("302 Found\r\nLocation: /closed", String::new()),
            _ => ("200 OK", article()),
        });
        let page = check_json(&site, "", &["--full-text"])["page"].take();
        assert_eq!((&page["outcome"], &page["sites"][0]["robots"]), (&json!(outcome), &json!(verdict)));
        assert_eq!((&page["letters"], &page["own_letters"]), (&Value::Null, &json!(8)));
        assert_eq!(site.asked(), asked);
    }
}

#[test]
fn a_page_that_cannot_be_had_is_explained() {
    for (answer, outcome, is_tried_again, words) in [
        (
            ("404 Not Found", String::new()),
            "gone",
            true,
            "page        gone: it is not there, or leads to the front page",
        ),
        (("403 Forbidden", String::new()), "refused", false, "page        refused: the site refuses it"),
        (
            ("200 OK", "<html><p>Enable JavaScript.</html>".to_owned()),
            "no_article",
            false,
            "page        no_article: no article was found in it",
        ),
    ] {
        let site = Site::start(move |path| match path {
            "/feed" => ("200 OK", feed()),
            "/robots.txt" => ("404 Not Found", String::new()),
            _ => answer.clone(),
        });
        let page = check_json(&site, "", &["--full-text"])["page"].take();
        assert_eq!((&page["outcome"], &page["tried_again"]), (&json!(outcome), &json!(is_tried_again)));
        let (_, said) = check(&site, "", &["--full-text"]);
        assert!(
            said.contains(&format!("{words}\n            the item comes with the feed's own text\n")),
            "{said}"
        );
        assert_eq!(said.contains("tries four times"), is_tried_again, "{said}");
    }
}

/// Every spelling that programs take a proxy from.
const PROXY_VARIABLES: [&str; 7] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "FTP_PROXY"];

#[test]
fn no_proxy_of_the_environment_is_asked_for_it_would_connect_where_no_address_was_checked() {
    let proxy = Site::start(|_| ("502 Bad Gateway", String::new()));
    let site = Site::start(|path| match path {
        "/feed" => ("200 OK", feed()),
        "/robots.txt" => ("404 Not Found", String::new()),
        _ => ("200 OK", article()),
    });
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[feeds]\ncontact = \"https://barid.example/\"\nallow_addresses = [\"127.0.0.0/8\"]\nfull_text = true\n[[feed]]\nid = \"plain\"\nurl = \"http://127.0.0.1:{0}/feed\"\n[[feed]]\nid = \"secure\"\nurl = \"https://127.0.0.2:{0}/feed\"\n",
        site.port
    );
    std::fs::write(folder.path().join("barid.toml"), config).unwrap();
    let beside = |words: &[&str]| {
        let mut command = barid(folder.path(), words);
        let at = format!("http://127.0.0.1:{}", proxy.port);
        command
            .envs(PROXY_VARIABLES.map(|name| (name, at.as_str())))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy");
        command.output().expect("barid starts")
    };
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://127.0.0.1:{}/feed", site.port);
        let output = beside(&["feed", "check", "--full-text", &url]);
        assert_eq!(code(&output), i32::from(scheme == "https"), "no TLS there: {}", stdout(&output));
    }
    let output = beside(&["run", "--once"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(proxy.asked(), [""; 0]);
    let asked = site.asked();
    let of = |path: &str| asked.iter().filter(|asked| *asked == path).count();
    // Both commands, straight at the site; the poller fetches the pages of both items.
    assert_eq!((of("/feed"), of("/new?utm_source=rss"), of("/old")), (2, 2, 1), "{asked:?}");
}

#[test]
fn an_index_is_read_with_its_sitemaps_and_says_what_is_not() {
    let site = Site::start(|path| {
        match path {
        "/feed" => (
            "200 OK",
            "<sitemapindex><sitemap><loc>/map.xml</loc></sitemap><sitemap><loc>ftp://me:pw@estuary.example/x</loc></sitemap></sitemapindex>"
                .to_owned(),
        ),
        _ => ("200 OK", "<urlset><url><loc>https://estuary.example/a</loc></url></urlset>".to_owned()),
    }
    });
    let said = check_json(&site, "", &[]);
    let refused = json!([{ "url": "ftp://***@estuary.example/x", "why": "only http: and https: are asked" }]);
    assert_eq!(said["index"], json!({ "sitemaps": 1, "waiting": 0, "refused": refused, "left_out": 0 }));
    assert_eq!((&said["items"], said["requests"].as_array().unwrap().len()), (&json!(1), 2));
    let (code, words) = check(&site, "", &[]);
    assert_eq!(code, 0);
    assert!(
        words.contains("\nindex       of 1 sitemaps, 0 left to later polls\nrefused     ftp://***@"),
        "{words}"
    );
}

#[test]
fn a_304_to_who_asked_for_everything_is_no_good_feed() {
    let site = Site::start(|_| ("304 Not Modified", String::new()));
    let (code, words) = check(&site, "", &[]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("outcome     unasked_304"), "{words}");
}
