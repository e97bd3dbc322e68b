//! Feeds over https, from the handshake to the log.

use barid_record::Topic;
use hyper::Version;
use rcgen::{CertificateParams, date_time_ymd};

use super::place::Place;
use super::secure_server::{Authority, Identity, SecureServer, whole};
use super::server::rss;
use crate::feeds::FeedsSummary;
use crate::feeds::fetch::Trust;
use crate::feeds::policy::HOUR;

fn serve(identity: Identity) -> SecureServer {
    SecureServer::start(identity, &["h2", "http/1.1"], |_| {
        let headers = [("etag", "\"1\""), ("content-type", "application/rss+xml")];
        whole(&headers, rss(&[("b", "second"), ("a", "first")]))
    })
}

/// A poller that asks this server by address and trusts that authority.
fn place(server: &SecureServer, authority: &Authority) -> Place {
    let mut place = Place::new(&[format!("https://{}/feed", server.address)]);
    place.config.trust = Trust::default().with_pem(authority.pem.as_bytes()).expect("a certificate");
    place
}

#[test]
fn a_feed_over_https_is_delivered_by_http_2() {
    let authority = Authority::new();
    let server = serve(authority.vouch("127.0.0.1", |_| ()));
    let place = place(&server, &authority);
    assert_eq!(place.drain(), FeedsSummary { polls: 1, documents: 2, ..FeedsSummary::default() });
    assert_eq!(place.keys(), ["a", "b"]);
    assert_eq!(place.later(2 * HOUR).drain().polls, 1);
    let asked = server.asked();
    assert!(asked.iter().all(|asked| asked.version == Version::HTTP_2), "{asked:?}");
    assert_eq!(
        asked.iter().map(|asked| asked.header("if-none-match")).collect::<Vec<_>>(),
        [None, Some("\"1\"")]
    );
}

#[test]
fn a_bad_certificate_ends_as_tls_and_delivers_nothing() {
    let (ours, unknown) = (Authority::new(), Authority::new());
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2023, 9, 5);
    for (why, identity) in [
        ("unknown authority", unknown.vouch("127.0.0.1", |_| ())),
        ("wrong name", ours.vouch("feeds.example", |_| ())),
        ("expired", ours.vouch("127.0.0.1", expired)),
    ] {
        let server = serve(identity);
        let place = place(&server, &ours);
        for _ in 0..3 {
            let expected = FeedsSummary { polls: 1, failed: 1, ..FeedsSummary::default() };
            assert_eq!(place.drain(), expected, "{why}");
            place.later(6 * HOUR);
        }
        let told = place.health();
        assert!(told.iter().all(|told| told.outcome == "tls"), "{why}: {told:?}");
        assert_eq!(told.last().map(|told| told.state.as_str()), Some("late"), "{why}");
        assert_eq!(
            (place.messages(Topic::Raw).len(), place.messages(Topic::Rejected).len()),
            (0, 0),
            "{why}"
        );
        assert_eq!(server.asked().len(), 0, "{why}: no request was sent");
    }
}
