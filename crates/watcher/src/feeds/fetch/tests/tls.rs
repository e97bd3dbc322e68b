//! The real client over TLS: which protocol is agreed on, what is sent then, and whose word is taken.

use rcgen::{CertificateParams, date_time_ymd};

use super::*;
use crate::feeds::tests::secure_server::{Authority, SecureServer, whole};

/// A client that asks loopback servers and takes the word of these authorities beside the system's.
fn trusting(authorities: &[&Authority]) -> Client {
    let names = Names::default()
        .with("feeds.example", &[&["127.0.0.1"]])
        .with("other.example", &[&["127.0.0.1"]])
        .with("sub.feeds.example", &[&["127.0.0.1"]]);
    let allowed = Allowed(vec!["127.0.0.1/32".parse().expect("a block")]);
    let pem: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    let trust = Trust::default();
    let trust = if pem.is_empty() { trust } else { trust.with_pem(pem.as_bytes()).expect("certificates") };
    Client::new("t", allowed, limits(), Arc::new(names), &trust).expect("a client")
}

fn unchanged(_: &mut CertificateParams) {}

#[test]
fn http_2_is_agreed_on_where_it_is_offered_and_http_1_1_elsewhere_and_the_requests_are_the_same() {
    let authority = Authority::new();
    for (offered, agreed, version) in [
        (&["h2", "http/1.1"][..], Some("h2"), Version::HTTP_2),
        (&["http/1.1", "h2"], Some("http/1.1"), Version::HTTP_11),
        (&["h2"], Some("h2"), Version::HTTP_2),
        (&["http/1.1"], Some("http/1.1"), Version::HTTP_11),
        (&[], None, Version::HTTP_11),
    ] {
        let server = SecureServer::start(authority.vouch("feeds.example", unchanged), offered, |asked| {
            match asked.header("if-none-match") {
                Some("W/\"1\"") => {
                    let mut response = whole(&[], "");
                    *response.status_mut() = hyper::StatusCode::NOT_MODIFIED;
                    response
                }
                Some(_) | None => whole(&[("etag", "W/\"1\"")], "a document"),
            }
        });
        let (client, port) = (trusting(&[&authority]), server.address.port());
        let url = Url::parse(&format!("https://feeds.example:{port}/a/feed?x=1#y")).expect("a URL");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let send = |etag: Option<Vec<u8>>| {
            runtime.block_on(client.send(&Request {
                url: url.clone(),
                etag,
                last_modified: None,
                cookie: None,
            }))
        };
        let (response, cost) = send(None);
        let response = response.expect("an answer");
        assert_eq!((response.version, &response.body[..]), (version, &b"a document"[..]), "{offered:?}");
        assert!(cost.phases.iter().all(Option::is_some), "{:?}", cost.phases);
        let (again, _) = send(Some(b"W/\"1\"".to_vec()));
        assert_eq!(again.expect("an answer").status, 304, "{offered:?}");
        for asked in server.asked() {
            assert_eq!(asked.agreed.as_deref(), agreed.map(str::as_bytes));
            assert_eq!((asked.version, asked.path.as_str()), (version, "/a/feed"));
            let host = format!("feeds.example:{port}");
            let named =
                if version == Version::HTTP_2 { asked.authority.as_deref() } else { asked.header("host") };
            assert_eq!(named, Some(host.as_str()), "{offered:?}");
            let mut names: Vec<&str> = asked.headers.keys().map(HeaderName::as_str).collect();
            names.retain(|name| !["host", "connection", "if-none-match"].contains(name));
            names.sort_unstable();
            assert_eq!(names, ["accept", "accept-encoding", "user-agent"], "nothing else: {offered:?}");
            assert!(version != Version::HTTP_2 || asked.header("connection").is_none());
        }
    }
}

#[test]
fn packed_bodies_are_unpacked_over_both_protocols_and_floods_end() {
    let text = "خبر عاجل من الميناء ".repeat(4000);
    let authority = Authority::new();
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let body = text.clone().into_bytes();
        let server =
            SecureServer::start(authority.vouch("feeds.example", unchanged), &[protocol], move |asked| {
                let packed = match asked.path.as_str() {
                    "/gzip" => pack_gzip(&body),
                    "/deflate" => {
                        let mut encoder =
                            flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
                        encoder.write_all(&body).and_then(|()| encoder.finish()).expect("in memory")
                    }
                    "/zstd" => zstd::encode_all(body.as_slice(), 3).expect("in memory"),
                    // Brotli of "hello\n", made by its own program.
                    "/br" => vec![0x8f, 2, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x0a, 3],
                    "/flood" => return whole(&[], vec![b' '; (MOST_FEED_BYTES as usize) + 1]),
                    "/bomb" => {
                        return whole(&[("content-encoding", "gzip")], pack_gzip(&vec![b' '; 30 << 20]));
                    }
                    _ => body.clone(),
                };
                whole(&[("content-encoding", asked.path.trim_start_matches('/'))], packed)
            });
        let client = trusting(&[&authority]);
        let url = |path: &str| format!("https://feeds.example:{}/{path}", server.address.port());
        for coding in Coding::ALL {
            let (response, cost) = get_with(&client, &url(coding.name()));
            let response = response.expect("a body");
            let wanted = if coding == Coding::Br { "hello\n" } else { text.as_str() };
            assert_eq!(response.body, wanted.as_bytes(), "{coding:?} over {protocol}");
            assert_eq!((response.version, cost.coding), (version, coding));
        }
        for path in ["flood", "bomb"] {
            assert_eq!(
                get_with(&client, &url(path)).0.err(),
                Some(Failure::TooBig),
                "{path} over {protocol}"
            );
        }
        let sent =
            server.asked().into_iter().find_map(|asked| asked.header("accept-encoding").map(str::to_owned));
        assert_eq!(sent.as_deref(), Some("gzip, br, zstd"), "only what can be unpacked is asked for");
    }
}

#[test]
fn nobody_is_read_without_a_good_certificate() {
    let (ours, unknown) = (Authority::new(), Authority::new());
    let serve = |identity| SecureServer::start(identity, &["h2", "http/1.1"], |_| whole(&[], "secret"));
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2023, 9, 5);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(2100, 1, 1);
    let client = trusting(&[&ours]);
    for (why, identity, host) in [
        ("of an authority that nobody knows", unknown.vouch("feeds.example", unchanged), "feeds.example"),
        ("of another name", ours.vouch("other.example", unchanged), "feeds.example"),
        ("of the name above", ours.vouch("feeds.example", unchanged), "sub.feeds.example"),
        ("that covers its names below only", ours.vouch("*.feeds.example", unchanged), "feeds.example"),
        ("of a name and not the address", ours.vouch("feeds.example", unchanged), "127.0.0.1"),
        ("that ended", ours.vouch("feeds.example", expired), "feeds.example"),
        ("that has not begun", ours.vouch("feeds.example", early), "feeds.example"),
    ] {
        let server = serve(identity);
        let (result, cost) = get_with(&client, &format!("https://{host}:{}/", server.address.port()));
        assert_eq!(result.err(), Some(Failure::Tls), "a certificate {why}");
        assert!(cost.phases[1].is_some() && cost.body_bytes == 0, "{why}");
        assert_eq!(server.asked().len(), 0, "nothing was asked of who shows a certificate {why}");
    }
    for (identity, host) in [
        (ours.vouch("feeds.example", unchanged), "feeds.example"),
        (ours.vouch("*.feeds.example", unchanged), "sub.feeds.example"),
        (ours.vouch("127.0.0.1", unchanged), "127.0.0.1"),
    ] {
        let server = serve(identity);
        let (result, _) = get_with(&client, &format!("https://{host}:{}/", server.address.port()));
        assert_eq!(result.expect("a good certificate").body, "secret", "{host}");
    }
    let server = serve(ours.vouch("feeds.example", unchanged));
    let url = format!("https://feeds.example:{}/", server.address.port());
    assert_eq!(get_with(&trusting(&[]), &url).0.err(), Some(Failure::Tls), "nobody told this client of it");
    assert!(get_with(&trusting(&[&unknown, &ours]), &url).0.is_ok(), "the second in the file counts too");
    let (result, _) = get_with(&client, &url.replace("https", "http"));
    assert!(
        result.is_err_and(|failure| failure != Failure::Tls),
        "plain words to a TLS server are no success"
    );
}

#[test]
fn a_file_of_authorities_is_read_or_refused() {
    let (one, two) = (Authority::new(), Authority::new());
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let read = |pem: &str| Trust::default().with_pem(pem.as_bytes());
    assert!(read(&format!("a comment\n{}{key}{}", one.pem, two.pem)).is_ok(), "other sections are left out");
    let damaged = one.pem.replacen("MII", "MIX", 1);
    for (why, pem) in
        [("empty", ""), ("a key", key.as_str()), ("damaged", &damaged), ("cut", &one.pem[..200])]
    {
        let error = read(pem).expect_err(why).to_string();
        assert!(error.contains("feeds.extra_ca") && error.contains("BEGIN CERTIFICATE"), "{why}: {error}");
    }
}
