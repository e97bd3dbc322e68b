//! A server of feeds on this machine's loopback addresses, for measuring and for killing pollers.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use crate::error::{TaskError, io};

/// One request: the path, and `If-None-Match`.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) etag: Option<String>,
}

/// An answer: 304 where `body` is absent. A page is sent as one.
pub(crate) struct Answer {
    pub(crate) etag: String,
    pub(crate) max_age_s: u32,
    pub(crate) body: Option<String>,
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// Serves on every loopback address at one port until the process ends; returns the port.
pub(crate) fn serve(
    threads: usize,
    handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> Result<u16, TaskError> {
    // Every address of 127.0.0.0/8 is this machine: only the unspecified one listens on all of them.
    let listener = TcpListener::bind("0.0.0.0:0").map_err(io("listening"))?;
    let port = listener.local_addr().map_err(io("listening"))?.port();
    let (listener, handler): (_, Arc<Handler>) = (Arc::new(listener), Arc::new(handler));
    for _ in 0..threads {
        let (listener, handler) = (Arc::clone(&listener), Arc::clone(&handler));
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                if is_ours(&from) {
                    // A client that hangs up is its own business.
                    let _ = answer(stream, handler.as_ref());
                }
            }
        });
    }
    Ok(port)
}

fn is_ours(from: &SocketAddr) -> bool {
    from.ip().is_loopback()
}

fn answer(stream: TcpStream, handler: &Handler) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut asked = Asked { path: line.split(' ').nth(1).unwrap_or("/").to_owned(), etag: None };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("if-none-match") {
            asked.etag = Some(value.to_owned());
        }
    }
    let Answer { etag, max_age_s, body } = handler(&asked);
    let (status, body) = body.map_or(("304 Not Modified", String::new()), |body| ("200 OK", body));
    let media = if body.starts_with("<!DOCTYPE html>") { "text/html" } else { "application/rss+xml" };
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: {etag}\r\nCache-Control: max-age={max_age_s}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    reader.get_mut().write_all(format!("{head}{body}").as_bytes())
}

/// An RSS document of these items: id and text, newest first. `pages` is what stands before the id in the link of each.
pub(crate) fn rss(items: &[(String, String)], pages: Option<&str>) -> String {
    let item = |(id, text): &(String, String)| {
        let link = pages.map(|pages| format!("<link>{pages}{id}</link>")).unwrap_or_default();
        format!(
            "<item><guid isPermaLink=\"false\">{id}</guid><title>Story {id}</title>{link}<description>{text}</description></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Harbour News</title><link>http://news.example/</link>{items}</channel></rss>"
    )
}
