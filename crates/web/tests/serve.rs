//! The server over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use barid_web::{BuildInfo, Health, WebError, register_process, serve};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, Registry};

const FREE_PORT: &str = "127.0.0.1:0";

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connects");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: barid\r\nConnection: close\r\n\r\n").expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, body.to_owned())
}

/// What a registry shows when asked.
fn of(registry: Registry) -> impl Fn() -> Vec<MetricFamily> + Send + Sync {
    move || registry.gather()
}

fn registry() -> Registry {
    let registry = Registry::new();
    register_process(&registry, &BuildInfo { version: "1.2.3", commit: "abc", rustc: "1.95" })
        .expect("registers");
    registry
}

#[test]
fn metrics_are_those_of_the_shared_registry_at_the_time_of_asking() {
    let registry = registry();
    let counter = IntCounter::new("barid_test_things_total", "Things.").unwrap();
    registry.register(Box::new(counter.clone())).unwrap();
    let server = serve(FREE_PORT.parse().unwrap(), of(registry), Health::default).expect("serves");
    assert!(get(server.address(), "/metrics").1.contains("barid_test_things_total 0\n"));
    counter.inc_by(7);
    let (status, text) = get(server.address(), "/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("barid_test_things_total 7\n"), "{text}");
    assert!(text.contains("barid_build_info{commit=\"abc\",rustc=\"1.95\",version=\"1.2.3\"} 1"), "{text}");
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    let said = |text: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix("barid_clock_timestamp_seconds "));
        line.expect("a clock").parse().expect("a number")
    };
    let (earlier, later) = (said(&text), said(&get(server.address(), "/metrics").1));
    assert!(earlier > 1.7e9 && later > earlier, "it is read anew each time: {earlier}, {later}");
    server.stop();
}

#[test]
fn readiness_follows_health_and_says_why_not() {
    let full = Arc::new(AtomicBool::new(true));
    let seen = Arc::clone(&full);
    let health = move || {
        let problems =
            if seen.load(Ordering::SeqCst) { vec!["the disk is full".to_owned()] } else { Vec::new() };
        Health { problems }
    };
    let server = serve(FREE_PORT.parse().unwrap(), of(registry()), health).expect("serves");
    assert_eq!(get(server.address(), "/readyz"), (503, "not ready: the disk is full\n".to_owned()));
    assert_eq!(get(server.address(), "/livez"), (200, "ok\n".to_owned()));
    full.store(false, Ordering::SeqCst);
    assert_eq!(get(server.address(), "/readyz"), (200, "ok\n".to_owned()));
    let (status, index) = get(server.address(), "/");
    assert_eq!((status, index.lines().count()), (200, 1));
    assert!(["/metrics", "/livez", "/readyz"].iter().all(|path| index.contains(path)), "{index}");
    assert_eq!(get(server.address(), "/nothing").0, 404);
}

#[test]
fn a_stopped_server_frees_its_address_and_a_taken_one_is_named() {
    let server = serve(FREE_PORT.parse().unwrap(), of(registry()), Health::default).expect("serves");
    let address = server.address();
    let error = serve(address, of(registry()), Health::default).expect_err("taken");
    assert!(matches!(error, WebError::Listen { listen, .. } if listen == address), "{error}");
    assert!(error.is_transient() && error.code() == "E0601");
    // A client that never ends its request does not keep the server.
    let mut lazy = TcpStream::connect(address).unwrap();
    lazy.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    server.stop();
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn registering_twice_is_an_error_and_no_panic() {
    let registry = registry();
    let build = BuildInfo { version: "1", commit: "c", rustc: "r" };
    let error = register_process(&registry, &build).expect_err("it is there");
    assert_eq!(error.code(), "E0603");
}
