//! Servers that lie, stall and flood, each on a real socket; and what gets through of redirects and names that lead inside.

use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use super::*;
use crate::feeds::tests::server::{Asked, ReadWrite, Server, answer};

mod odd;
mod tls;

/// Limits whose times no machine reaches, however busy it is: what ends is ended by something else.
fn limits() -> Limits {
    let long = Duration::from_secs(600);
    Limits { connect: long, first_byte: long, slow_window: long, total: long, ..Limits::default() }
}

/// Names to addresses as written; each further question gets the next answer.
#[derive(Debug, Default)]
struct Names(HashMap<&'static str, Mutex<Vec<Vec<IpAddr>>>>);

impl Names {
    fn with(mut self, name: &'static str, answers: &[&[&str]]) -> Self {
        let answers =
            answers.iter().rev().map(|one| one.iter().map(|ip| ip.parse().expect("an address")).collect());
        self.0.insert(name, Mutex::new(answers.collect()));
        self
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str, port: u16) -> Resolved<'a> {
        let found = self.0.get(name).map(|answers| {
            let mut answers = answers.lock().expect("no panic");
            if answers.len() > 1 { answers.pop().unwrap_or_default() } else { answers[0].clone() }
        });
        let found = found.map(|ips| ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        Box::pin(async move { found.ok_or_else(|| std::io::ErrorKind::NotFound.into()) })
    }
}

fn get_with(client: &Client, url: &str) -> (Result<Response, Failure>, Cost) {
    let request = Request { url: Url::parse(url).expect(url), etag: None, last_modified: None, cookie: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (result, cost) = runtime.block_on(client.send(&request));
    let whole = result.and_then(|response| match response.broke {
        Some(broke) => Err(broke),
        None => Ok(response),
    });
    (whole.map_err(Failure::from), cost)
}

/// Asks a loopback server, which the operator allowed.
fn get(url: &str, limits: Limits) -> (Result<Response, Failure>, Cost) {
    let loopback = Allowed(vec!["127.0.0.1/32".parse().expect("a block")]);
    get_with(&Client::new("t", loopback, limits, Arc::new(System), &Trust::default()).expect("a client"), url)
}

fn serve(handler: impl Fn(&Asked, &mut dyn ReadWrite) + Send + Sync + 'static) -> Server {
    Server::start(handler)
}

#[test]
fn bodies_come_unpacked_whatever_they_are_packed_in() {
    let text = "خبر عاجل ".repeat(5000);
    let body = text.clone().into_bytes();
    let server = serve(move |asked, stream| {
        let packed = match asked.path.as_str() {
            "/gzip" => pack_gzip(&body),
            "/zstd" => zstd::encode_all(body.as_slice(), 3).expect("in memory"),
            _ => body.clone(),
        };
        let coding = asked.path.trim_start_matches('/').to_owned();
        answer(stream, "200 OK", &[("Content-Encoding", &coding)], &packed);
    });
    for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
        let (response, cost) = get(&server.url(&format!("/{}", coding.name())), limits());
        let response = response.expect("a body");
        assert_eq!(response.body, text.as_bytes(), "{coding:?}");
        assert_eq!((cost.coding, cost.body_bytes), (coding, text.len() as u64));
        assert!(coding == Coding::Identity || cost.wire_bytes < cost.body_bytes / 10);
        assert!(cost.phases[1].is_some() && cost.phases[3].is_some() && cost.phases[4].is_some());
    }
    // Brotli of "hello\n", made by its own program.
    let server = serve(|_, stream| {
        answer(
            stream,
            "200 OK",
            &[("Content-Encoding", "br")],
            &[0x8f, 2, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a, 3],
        );
    });
    assert_eq!(get(&server.url("/"), limits()).0.expect("brotli").body, "hello\n");
}

fn pack_gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("in memory")
}

#[test]
fn floods_bombs_and_lies_end_early() {
    let bomb = pack_gzip(&vec![b' '; 30 << 20]);
    let medium_bomb = zstd::encode_all(vec![b' '; 15 << 20].as_slice(), 1).expect("in memory");
    let server = serve(move |asked, stream| match asked.path.as_str() {
        "/bomb" => answer(stream, "200 OK", &[("Content-Encoding", "gzip")], &bomb),
        "/medium" => answer(stream, "200 OK", &[("Content-Encoding", "zstd")], &medium_bomb),
        "/cut" => answer(stream, "200 OK", &[("Content-Encoding", "gzip")], &pack_gzip(b"some text")[..12]),
        "/short" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        }
        "/noise" => {
            let _ = stream.write_all(&[0xff; 4000]);
        }
        "/head" => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            while stream.write_all(format!("X: {}\r\n", "x".repeat(1000)).as_bytes()).is_ok() {}
        }
        _ => {
            // Without a length, for ever.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
        }
    });
    for (path, failure) in [
        ("/bomb", Failure::TooBig),
        ("/medium", Failure::TooBig),
        ("/flood", Failure::TooBig),
        ("/cut", Failure::Protocol),
        ("/short", Failure::Connect),
        ("/noise", Failure::Protocol),
        ("/head", Failure::TooBig),
    ] {
        let (result, cost) = get(&server.url(path), limits());
        assert_eq!(result.err(), Some(failure), "{path}");
        let most = MOST_FEED_BYTES;
        assert!(cost.wire_bytes <= most + (1 << 20) && cost.body_bytes <= most, "{path}: {cost:?}");
    }
}

#[test]
fn whoever_stalls_is_left() {
    let server = serve(|asked, stream| {
        // Each goes on until the client hangs up.
        let drip = |stream: &mut dyn ReadWrite, bytes: &[u8]| {
            for byte in bytes.iter().cycle() {
                std::thread::sleep(Duration::from_millis(20));
                if stream.write_all(&[*byte]).and_then(|()| stream.flush()).is_err() {
                    break;
                }
            }
        };
        const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        let sent = match asked.path.as_str() {
            "/silent" => Ok(()),
            "/headers" => return drip(stream, b"HTTP/1.1 200 OK\r\nX"),
            "/stops" => stream.write_all(HEAD).and_then(|()| stream.write_all(b"<rss>")),
            _ => return stream.write_all(HEAD).map_or((), |()| drip(stream, b"x")),
        };
        let _ = sent.and_then(|()| stream.read_to_end(&mut Vec::new()));
    });
    let first_byte = Limits { first_byte: Duration::from_millis(300), ..limits() };
    let slow = Limits { slow_window: Duration::from_millis(300), slow_bytes: 300, ..limits() };
    let total = Limits { slow_bytes: 0, total: Duration::from_millis(300), ..limits() };
    for (path, limits, failure) in [
        ("/silent", first_byte, Failure::Timeout),
        ("/headers", first_byte, Failure::Timeout),
        ("/stops", slow, Failure::Slow),
        ("/drips", slow, Failure::Slow),
        ("/drips", total, Failure::Timeout),
    ] {
        assert_eq!(get(&server.url(path), limits).0.err(), Some(failure), "{path}");
    }
}

#[test]
fn who_is_not_there_is_told_apart() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    assert_eq!(get(&format!("http://{closed}/"), limits()).0.err(), Some(Failure::Refused));
    let names = Names::default().with("nobody.example", &[&[]]);
    let client =
        Client::new("t", Allowed::default(), limits(), Arc::new(names), &Trust::default()).expect("a client");
    assert_eq!(get_with(&client, "http://unknown.example/").0.err(), Some(Failure::Dns));
    assert_eq!(get_with(&client, "http://nobody.example/").0.err(), Some(Failure::Dns));
    let plain = serve(|_, stream| answer(stream, "200 OK", &[], b""));
    let url = plain.url("/").replace("http:", "https:");
    assert_eq!(get(&url, limits()).0.err(), Some(Failure::Tls), "no TLS there");
}

#[test]
fn no_name_leads_inside_whatever_its_servers_say_and_however_often_they_change_their_mind() {
    // It listens, and must never be asked.
    let inside = serve(|_, stream| answer(stream, "200 OK", &[], b"secret"));
    let port = inside.address.port();
    let names = Names::default()
        .with("plain.example", &[&["127.0.0.1"]])
        .with("mapped.example", &[&["::ffff:127.0.0.1"]])
        .with("six.example", &[&["::1"]])
        .with("nat64.example", &[&["64:ff9b::7f00:1"]])
        .with("any.example", &[&["0.0.0.0"]])
        .with("link.example", &[&["169.254.169.254", "fe80::1"]])
        .with("many.example", &[&["10.0.0.1", "192.168.0.1", "127.0.0.1", "::1"]])
        // Public when looked at, inside when connected to: there is one look, and that address is connected to.
        .with("rebinding.example", &[&["192.0.2.1"], &["127.0.0.1"], &["127.0.0.1"]])
        .with("xn--4ca.example", &[&["127.0.0.1"]]);
    let client =
        Client::new("t", Allowed::default(), limits(), Arc::new(names), &Trust::default()).expect("a client");
    for name in [
        "plain.example",
        "mapped.example",
        "six.example",
        "nat64.example",
        "any.example",
        "link.example",
        "many.example",
        "rebinding.example",
        "rebinding.example",
        "rebinding.example",
        "plain.example.",
        "ä.example",
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
    ] {
        let (result, _) = get_with(&client, &format!("http://{name}:{port}/"));
        let refused = matches!(result, Err(Failure::RefusedAddress | Failure::Dns));
        assert!(refused, "{name}: {result:?}");
    }
    assert_eq!(inside.asked().len(), 0, "not one request got inside");
}

#[test]
fn a_name_with_a_permitted_address_among_others_is_asked_there_only() {
    let open = serve(|_, stream| answer(stream, "200 OK", &[], b"open"));
    let port = open.address.port();
    let names = Names::default().with("mixed.example", &[&["10.255.255.1", "::1", "127.0.0.1"]]);
    let allowed = Allowed(vec!["127.0.0.1/32".parse().expect("a block")]);
    let client = Client::new("t", allowed, limits(), Arc::new(names), &Trust::default()).expect("a client");
    let (result, _) = get_with(&client, &format!("http://mixed.example:{port}/x?y#z"));
    assert_eq!(result.expect("open").body, "open");
    let asked = open.asked().remove(0);
    assert_eq!(
        (asked.path.as_str(), asked.header("host")),
        ("/x?y", Some(format!("mixed.example:{port}").as_str()))
    );
}
