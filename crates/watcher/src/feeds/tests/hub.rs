//! A hub on the loopback interface: takes subscriptions, asks back, and brings what it is given.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use ring::hmac;
use url::Url;

use super::server::{Server, answer};

/// What it knows of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscriber {
    pub(super) callback: String,
    pub(super) secret: String,
}

/// How it behaves.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    pub(super) status: &'static str,
    pub(super) lease_s: i64,
    pub(super) asks_back: bool,
    pub(super) delay: Duration,
    /// Where it sends who asks.
    pub(super) location: String,
}

#[derive(Debug, Default)]
struct Books {
    requests: Vec<HashMap<String, String>>,
    subscribers: HashMap<String, Subscriber>,
    /// Statuses of answers to its questions.
    answers: Vec<u16>,
}

pub(super) struct Hub {
    pub(super) server: Server,
    books: Arc<Mutex<Books>>,
    manner: Arc<Mutex<Manner>>,
}

impl Hub {
    pub(super) fn start() -> Self {
        Self::start_at("127.0.0.1")
    }

    /// At another address of this machine: as far as budgets can tell, another site.
    pub(super) fn start_at(address: &str) -> Self {
        let books: Arc<Mutex<Books>> = Arc::default();
        let manner = Manner {
            status: "202 Accepted",
            lease_s: 864_000,
            asks_back: true,
            delay: Duration::ZERO,
            location: String::new(),
        };
        let manner = Arc::new(Mutex::new(manner));
        let (kept, behaves) = (Arc::clone(&books), Arc::clone(&manner));
        let server = Server::start_at(address, move |asked, stream| {
            let manner = lock(&behaves).clone();
            std::thread::sleep(manner.delay);
            let form: HashMap<String, String> =
                url::form_urlencoded::parse(&asked.body).into_owned().collect();
            assert_eq!(
                (asked.method.as_str(), asked.header("content-type")),
                ("POST", Some("application/x-www-form-urlencoded"))
            );
            lock(&kept).requests.push(form.clone());
            answer(stream, manner.status, &[("Location", manner.location.as_str())], b"");
            if manner.asks_back && manner.status.starts_with('2') {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || ask_back(&form, manner.lease_s, &kept));
            }
        });
        Self { server, books, manner }
    }

    pub(super) fn url(&self) -> String {
        self.server.url("/hub")
    }

    pub(super) fn behave(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut lock(&self.manner));
    }

    /// Every request so far.
    pub(super) fn requests(&self) -> Vec<HashMap<String, String>> {
        lock(&self.books).requests.clone()
    }

    /// Statuses of answers to its questions.
    pub(super) fn answers(&self) -> Vec<u16> {
        lock(&self.books).answers.clone()
    }

    pub(super) fn subscriber(&self, topic: &str) -> Option<Subscriber> {
        lock(&self.books).subscribers.get(topic).cloned()
    }

    /// Brings a document, signed as it should be. Returns the status.
    pub(super) fn bring(&self, topic: &str, document: &str) -> u16 {
        let subscriber = self.subscriber(topic).expect("a subscriber");
        let signature = sign(&subscriber.secret, document.as_bytes());
        post(&subscriber.callback, &[("X-Hub-Signature", &signature)], document.as_bytes())
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask_back(form: &HashMap<String, String>, lease_s: i64, books: &Mutex<Books>) {
    let (mode, topic) = (form["hub.mode"].as_str(), form["hub.topic"].as_str());
    let challenge = "c h&llenge=Ω";
    let lease = lease_s.to_string();
    let pairs = [
        ("hub.mode", mode),
        ("hub.topic", topic),
        ("hub.challenge", challenge),
        ("hub.lease_seconds", &lease),
    ];
    let (status, body) = question(&form["hub.callback"], &pairs);
    let mut books = lock(books);
    books.answers.push(status);
    if status == 200 && body == challenge.as_bytes() {
        let secret = form.get("hub.secret").cloned().unwrap_or_default();
        let subscriber = Subscriber { callback: form["hub.callback"].clone(), secret };
        match mode {
            "subscribe" => drop(books.subscribers.insert(topic.to_owned(), subscriber)),
            _ => drop(books.subscribers.remove(topic)),
        }
    }
}

/// The value of `X-Hub-Signature`.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    format!("sha256={}", HEXLOWER.encode(tag.as_ref()))
}

/// A question at a callback: its status and body.
pub(super) fn question(callback: &str, pairs: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let url = Url::parse(callback).expect("a callback");
    exchange(&url, &format!("GET {}?{query} HTTP/1.1\r\nHost: barid\r\n\r\n", url.path()).into_bytes())
}

/// A document at a callback: the status.
pub(super) fn post(callback: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    let url = Url::parse(callback).expect("a callback");
    exchange(&url, &message(&url, headers, body)).0
}

fn message(url: &Url, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: barid\r\nContent-Type: application/rss+xml\r\nContent-Length: {}\r\n{lines}\r\n",
        url.path(),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Brings a document and hangs up without hearing the answer.
pub(super) fn post_and_leave(callback: &str, headers: &[(&str, &str)], body: &[u8]) {
    let url = Url::parse(callback).expect("a callback");
    connect(&url).write_all(&message(&url, headers, body)).expect("sent");
}

pub(super) fn connect(url: &Url) -> TcpStream {
    let address = (url.host_str().expect("a host"), url.port().expect("a port"));
    // It may just be starting.
    until("somebody listens", || TcpStream::connect(address).is_ok());
    TcpStream::connect(address).expect("somebody listens")
}

/// Sends and reads to the end; status 0 where nothing came.
pub(super) fn exchange(url: &Url, request: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = connect(url);
    // Who has seen enough answers before it has read everything, and may hang up.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..head_end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer.get(head_end + 4..).unwrap_or_default().to_vec())
}

/// Waits until it is so. A story that never gets there ends with what it waited for.
pub(super) fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(300), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
