//! Servers that break rules which browsers and curl forgive, each on a real socket, and what comes of each.

use super::*;

const FEED: &str =
    "<rss version=\"2.0\"><channel><title>Quay</title><item><title>One</title></item></channel></rss>";

/// What is read of an answer of these bytes: the body, what is missing of it, and the faults.
fn read(answer: Vec<u8>) -> Result<(String, Option<Failure>, Vec<&'static str>), Failure> {
    let server = serve(move |_, stream| drop(stream.write_all(&answer)));
    let loopback = Allowed(vec!["127.0.0.1/32".parse().expect("a block")]);
    let limits = Limits { grace: Duration::from_millis(200), ..limits() };
    let client = Client::new("t", loopback, limits, Arc::new(System), &Trust::default()).expect("a client");
    let request = Request {
        url: Url::parse(&server.url("/feed")).expect("a URL"),
        etag: None,
        last_modified: None,
        cookie: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (result, cost) = runtime.block_on(client.send(&request));
    let response = result.map_err(Failure::from)?;
    let body = String::from_utf8_lossy(&response.body).into_owned();
    Ok((body, response.broke.map(Failure::from), cost.faults.iter().map(HttpFault::name).collect()))
}

fn with(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

#[test]
fn a_feed_that_is_whole_is_read_whatever_was_said_of_it() {
    let gzip = pack_gzip(FEED.as_bytes());
    let chunk = |end: &str| format!("{:x}\r\n{FEED}\r\n{end}", FEED.len()).into_bytes();
    let ok = "HTTP/1.1 200 OK\nContent-Type: text/xml";
    let tail = [&gzip[..], b"<!-- cached -->"].concat();
    for (head, body, fault) in [
        ("HTTP/1.1 203 Non-Authoritative Information", FEED.into(), None),
        ("HTTP/1.1 202 Accepted", FEED.into(), None),
        ("HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-89/90", FEED.into(), Some("part")),
        ("ICY 200 OK", FEED.into(), Some("status_line")),
        (&format!("{ok}\nno header at all"), FEED.into(), Some("header_line")),
        (&format!("{ok}\nContent-Length: 100000"), FEED.into(), Some("length_too_large")),
        (&format!("{ok}\nContent-Length: 20"), FEED.into(), Some("length_too_small")),
        (&format!("{ok}\nContent-Length: -1"), FEED.into(), Some("length")),
        (&format!("{ok}\nTransfer-Encoding: chunked"), chunk(""), Some("chunks_end")),
        (&format!("{ok}\nTransfer-Encoding: chunked"), chunk("0"), Some("chunks_end")),
        (&format!("{ok}\nTransfer-Encoding: chunked"), FEED.into(), Some("not_chunked")),
        (&format!("{ok}\nContent-Encoding: aws-chunked"), FEED.into(), Some("coding_name")),
        (&format!("{ok}\nContent-Encoding: gzip"), FEED.into(), Some("coding_wrong")),
        (&format!("{ok}\nContent-Encoding: br"), gzip.clone(), Some("coding_wrong")),
        (ok, gzip.clone(), Some("coding_unsaid")),
        ("HTTP/1.1 200 OK\nContent-Type: application/gzip", gzip.clone(), None),
        (&format!("{ok}\nContent-Encoding: gzip, gzip"), gzip.clone(), Some("coding_wrong")),
        (&format!("{ok}\nContent-Encoding: gzip"), tail, Some("packed_tail")),
        (&format!("{ok}\nContent-Encoding: gzip"), gzip[..gzip.len() - 8].into(), Some("packed_end")),
    ] {
        let (got, missing, faults) = read(with(head, &body)).expect(head);
        assert_eq!((got.as_str(), missing), (FEED, None), "{head}");
        assert_eq!(faults, Vec::from_iter(fault), "{head}");
    }
}

#[test]
fn what_breaks_off_is_handed_over_as_far_as_it_came_and_said_to_be_cut() {
    let cut = &FEED.as_bytes()[..60];
    let chunk = [format!("{:x}\r\n", FEED.len()).as_bytes(), cut].concat();
    for (head, body, failure) in [
        ("HTTP/1.1 200 OK\nContent-Length: 90", cut.to_vec(), Failure::Connect),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", chunk, Failure::Connect),
        ("HTTP/1.1 206 Partial Content\nContent-Range: bytes 0-59/90", cut.to_vec(), Failure::Protocol),
    ] {
        let (got, missing, _) = read(with(head, &body)).expect(head);
        assert_eq!((got.as_bytes(), missing), (cut, Some(failure)), "{head}");
    }
    // Nobody said how long it is: only the document itself knows.
    let (got, missing, _) = read(with("HTTP/1.1 200 OK", cut)).expect("a body");
    assert_eq!((got.as_bytes(), missing), (cut, None));
}

#[test]
fn what_is_no_http_has_a_reason() {
    for (bytes, failure) in [(&b"SSH-2.0-x\r\n"[..], Failure::Protocol), (b"", Failure::Connect)] {
        assert_eq!(read(bytes.to_vec()).err(), Some(failure));
    }
}
