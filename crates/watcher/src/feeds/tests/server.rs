//! A server that answers as it is told, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

/// One request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// `GET`, such as.
    pub(crate) method: String,
    /// The path with its query.
    pub(crate) path: String,
    /// All lines after the first, in lower case up to the colon.
    pub(crate) headers: Vec<(String, String)>,
    /// As long as its `Content-Length` says.
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What is done on a connection after its request was read.
pub(crate) type Handler = dyn Fn(&Asked, &mut dyn ReadWrite) + Send + Sync;

/// A connection, plain or not.
pub(crate) trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Answers until the process ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Asked, &mut dyn ReadWrite) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1", handler)
    }

    /// At another address of this machine: as far as budgets can tell, another site.
    pub(crate) fn start_at(
        address: &str,
        handler: impl Fn(&Asked, &mut dyn ReadWrite) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (remembered, handler): (_, Arc<Handler>) = (Arc::clone(&asked), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (remembered, handler) = (Arc::clone(&remembered), Arc::clone(&handler));
                std::thread::spawn(move || serve(stream, &remembered, handler.as_ref()));
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far, and forgets it.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) fn serve<S: ReadWrite>(stream: S, asked: &Mutex<Vec<Asked>>, handler: &Handler) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read_request(&mut reader) else { return };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    handler(&request, reader.get_mut());
    let _ = reader.get_mut().flush();
}

fn read_request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut asked = Asked { method, path, headers, body: Vec::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body.resize(length, 0);
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

/// Writes a whole answer.
pub(crate) fn answer(stream: &mut dyn ReadWrite, status: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    // A client that has seen enough hangs up: that is part of some tests.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// An RSS document of these items: id and text.
pub(crate) fn rss(items: &[(&str, &str)]) -> String {
    let item = |(id, text): &(&str, &str)| {
        format!(
            "<item><guid isPermaLink=\"false\">{id}</guid><title>Title of {id}</title><link>http://news.example/{id}</link><description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"
        )
    };
    let items: String = items.iter().map(item).collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Harbour News</title>{items}</channel></rss>"
    )
}
