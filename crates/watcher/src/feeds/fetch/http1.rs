//! One request and the head of its answer over HTTP/1: the connection is closed afterwards.

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderMap};
use hyper::{Method, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::Stream;
use super::faults::HttpFaults;
use super::head::{self, Found, Head, MOST_BYTES, head_end};
use super::why::{self, Broke};
use crate::feeds::engine::Failure;

/// So many answers of 1xx may go before.
const MOST_INTERIM: usize = 20;
const READ: usize = 16 << 10;

/// Sends a request, and reads the head of its answer with what came of the body.
pub(super) async fn ask(
    stream: &mut Stream,
    message: &Request<Bytes>,
    faults: &mut HttpFaults,
) -> Result<(Head, Vec<u8>), Broke> {
    let sent = async {
        stream.write_all(&written(message)).await?;
        stream.flush().await
    };
    // Who answers before all was sent may hang up on the rest: the answer counts.
    let unsent = sent.await.err();
    let mut came = Vec::new();
    let (mut looked_at, mut interim) = (0_usize, 0);
    loop {
        came.reserve(READ);
        let count = match stream.read_buf(&mut came).await {
            Ok(count) => count,
            Err(error) if came.is_empty() => {
                let error = unsent.as_ref().unwrap_or(&error);
                let why = format!("{} without an answer", why::of_reading(error));
                return Err(Broke::new(Failure::Connect, why));
            }
            // What came may be all of it.
            Err(_) => 0,
        };
        let is_all = count == 0;
        // Each byte is looked at once, until there is an end of a head.
        let from = looked_at.saturating_sub(3);
        let has_end = head_end(&came[from..]).is_some();
        let tells = looked_at < head::TELLING && came.len() >= head::TELLING;
        looked_at = came.len();
        if !(is_all || has_end || tells) {
            check_size(&came)?;
            continue;
        }
        loop {
            match head::find(&came, is_all, faults) {
                Found::Whole(head, body) => {
                    came.drain(..body);
                    if head.status == 101 {
                        return Err(Broke::protocol("it wants to speak another protocol (101)"));
                    }
                    if head.status >= 200 {
                        return Ok((head, came));
                    }
                    interim += 1;
                    if interim > MOST_INTERIM {
                        return Err(Broke::protocol(format!("more than {MOST_INTERIM} answers of 1xx")));
                    }
                    looked_at = 0;
                }
                Found::More => break,
                Found::Not(why) if came.is_empty() => return Err(Broke::new(Failure::Connect, why)),
                Found::Not(why) => return Err(Broke::protocol(why)),
            }
        }
        check_size(&came)?;
    }
}

fn check_size(came: &[u8]) -> Result<(), Broke> {
    if came.len() > MOST_BYTES {
        return Err(Broke::new(Failure::TooBig, format!("more than {MOST_BYTES} bytes of headers")));
    }
    Ok(())
}

/// The request as it goes out.
fn written(message: &Request<Bytes>) -> Vec<u8> {
    let mut out = format!("{} {} HTTP/1.1\r\n", message.method(), message.uri()).into_bytes();
    write_headers(message.headers(), &mut out);
    if message.method() == Method::POST {
        out.extend_from_slice(format!("{CONTENT_LENGTH}: {}\r\n", message.body().len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(message.body());
    out
}

fn write_headers(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        let mut begins = true;
        // As people write them: some servers know no other way.
        out.extend(name.as_str().bytes().map(|byte| {
            let byte = if begins { byte.to_ascii_uppercase() } else { byte };
            begins = byte == b'-';
            byte
        }));
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}
