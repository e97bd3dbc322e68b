//! Kills the real binary between the moment a pushed document is durable and the answer to its hub: the hub brings it again, and each item is in the sink once.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use barid_log::{EmbeddedReader, Log};
use barid_record::Topic;
use barid_watcher::feeds::websub::PUSHED;
use ring::hmac;
use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use crate::error::{TaskError, io};
use crate::feed_server::rss;

/// The process dies with the first, second ... document of a start.
const DEATHS: [u32; 4] = [1, 2, 1, 3];
/// Nothing of this takes so long, on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where documents are brought, and what signs them.
#[derive(Debug, Clone)]
struct Subscriber {
    callback: Url,
    secret: String,
}

type Known = Arc<Mutex<Option<Subscriber>>>;

/// Returns how often it was killed.
pub(crate) fn run(binary: &Path, folder: &Path) -> Result<usize, TaskError> {
    std::fs::create_dir_all(folder).map_err(io("making the folder"))?;
    let known = Known::default();
    let port = publish(Arc::clone(&known))?;
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let listen = free.map_err(io("finding a port"))?;
    let config = format!(
        "data_dir = \"data\"\n[web]\nlisten = \"\"\n[feeds]\ncontact = \"https://barid.example/chaos\"\nallow_addresses = [\"127.0.0.0/8\"]\n[feeds.websub]\nlisten = \"{listen}\"\ncallback = \"http://{listen}/hubs\"\n[[feed]]\nid = \"pushed\"\nurl = \"http://127.0.0.1:{port}/feed\"\n"
    );
    std::fs::write(folder.join("barid.toml"), config).map_err(io("writing the configuration"))?;
    let stand = Stand { binary: binary.to_owned(), folder: folder.to_owned() };
    let mut items = 1;
    for nth in DEATHS {
        let mut process = stand.start(Some(&format!("{PUSHED}:{nth}")))?;
        let to = until("a subscription", || known.lock().unwrap_or_else(PoisonError::into_inner).clone())?;
        for document in 1..=nth {
            // Who dies says nothing; who has just started may not listen yet.
            let status = match document {
                1 => until("an answer", || bring(&to, items).or_else(|| process.has_ended().then_some(0)))?,
                _ => bring(&to, items).unwrap_or(0),
            };
            if status != if document == nth { 0 } else { 200 } {
                return said(&format!("document {document} of {nth} was answered with {status}"));
            }
            items += 1;
        }
        if process.end()?.is_some() {
            return said("it was not killed before it answered");
        }
        // What was durable then is in the sink before the hub comes again.
        let mut once = stand.spawn(&["run", "--once"], None)?;
        if once.end()? != Some(0) {
            return said("the run after a kill did not end well");
        }
        stand.each_once(items)?;
        let mut process = stand.start(None)?;
        if until("an answer", || bring(&to, items - 1))? != 200 {
            return said("what was brought again was not taken");
        }
        process.stop()?;
        stand.each_once(items)?;
    }
    println!("chaos: {PUSHED}: {} kills: {items} items pushed, 0 lost, 0 doubled", DEATHS.len());
    Ok(DEATHS.len())
}

fn said<T>(what: &str) -> Result<T, TaskError> {
    Err(TaskError::Said(what.to_owned()))
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, TaskError> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            return said(&format!("waited in vain for {what}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Stand {
    binary: PathBuf,
    folder: PathBuf,
}

impl Stand {
    fn start(&self, point: Option<&str>) -> Result<Process, TaskError> {
        self.spawn(&["run"], point)
    }

    fn spawn(&self, arguments: &[&str], point: Option<&str>) -> Result<Process, TaskError> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("stderr"));
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--config", "barid.toml"]).current_dir(&self.folder);
        command.stdout(Stdio::null()).stderr(file.map_err(io("opening a file"))?);
        if let Some(point) = point {
            command.env("BARID_FAILPOINT", point);
        }
        command.spawn().map(Process).map_err(io("starting barid"))
    }

    /// Item 0, which the poll brought, and those that were pushed: `items` in all. In the sink, and before that as a document: the stage would leave out a second one.
    fn each_once(&self, items: u64) -> Result<(), TaskError> {
        let reader = EmbeddedReader::open(&self.folder.join("data"));
        let documents = reader.and_then(|reader| reader.end(Topic::Raw, 0));
        let documents = documents.map_err(|error| TaskError::Said(format!("reading the log: {error}")))?;
        if documents != items {
            return said(&format!("{items} items, and {documents} documents"));
        }
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for entry in std::fs::read_dir(self.folder.join("data/records")).map_err(io("listing records"))? {
            let path = entry.map_err(io("listing records"))?.path();
            if path.extension().is_none_or(|ending| ending != "jsonl") {
                continue;
            }
            for line in std::fs::read_to_string(&path).map_err(io("reading records"))?.lines() {
                let record: serde_json::Value = serde_json::from_str(line)
                    .map_err(|error| TaskError::Said(format!("a record: {error}")))?;
                let key = record["source"]["key"].as_str().unwrap_or_default().to_owned();
                *found.entry(key).or_default() += 1;
            }
        }
        let wanted: BTreeMap<String, usize> = (0..items).map(|item| (item.to_string(), 1)).collect();
        if found == wanted { Ok(()) } else { said(&format!("{items} items, each once, and found {found:?}")) }
    }
}

/// One that fails leaves no process behind.
struct Process(Child);

impl Process {
    fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }

    /// Its exit code; none where it was killed.
    fn end(&mut self) -> Result<Option<i32>, TaskError> {
        let status = until("the end of barid", || self.0.try_wait().transpose())?;
        Ok(status.map_err(io("waiting for barid"))?.code())
    }

    fn stop(&mut self) -> Result<(), TaskError> {
        let told = kill_process(Pid::from_child(&self.0), Signal::TERM);
        told.map_err(|error| TaskError::Said(format!("telling barid to stop: {error}")))?;
        if self.end()? == Some(0) { Ok(()) } else { said("it did not stop well") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn document(item: u64) -> String {
    let text = format!("The council of the harbour town spoke of quay number {item}, and of who would pay. ");
    rss(&[(item.to_string(), text.repeat(6))], None)
}

/// Brings an item as a hub does. The status; 0 where the other side hung up, none where nobody listens.
fn bring(to: &Subscriber, item: u64) -> Option<u16> {
    let body = document(item);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, to.secret.as_bytes()), body.as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let request = format!(
        "POST {} HTTP/1.1\r\nHost: barid\r\nContent-Type: application/rss+xml\r\nX-Hub-Signature: sha256={tag}\r\nContent-Length: {}\r\n\r\n{body}",
        to.callback.path(),
        body.len()
    );
    exchange(&to.callback, &request).map(|(status, _)| status)
}

fn exchange(url: &Url, request: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect((url.host_str()?, url.port()?)).ok()?;
    // Who dies meanwhile has said nothing.
    let mut answer = String::new();
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Some((status, answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned()))
}

/// A publisher whose feed names a hub, and the hub. Returns the port.
fn publish(known: Known) -> Result<u16, TaskError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io("listening"))?;
    let port = listener.local_addr().map_err(io("listening"))?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who hangs up comes again.
            let _ = answer(stream, port, &known);
        }
    });
    Ok(port)
}

fn answer(stream: TcpStream, port: u16, known: &Known) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_feed = line.starts_with("GET /feed ");
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    if is_feed {
        let body = document(0);
        let links = format!("<http://127.0.0.1:{port}/hub>; rel=\"hub\", </feed>; rel=\"self\"");
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nLink: {links}\r\nConnection: close\r\n\r\n"
        );
        return reader.get_mut().write_all(format!("{head}{body}").as_bytes());
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form)?;
    let form: HashMap<String, String> = url::form_urlencoded::parse(&form).into_owned().collect();
    let known = Arc::clone(known);
    std::thread::spawn(move || ask_back(&form, &known));
    reader.get_mut().write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Asks whether the subscription is meant, until it hears.
fn ask_back(form: &HashMap<String, String>, known: &Known) -> Option<()> {
    let callback = Url::parse(form.get("hub.callback")?).ok()?;
    let mut question = callback.clone();
    question
        .query_pairs_mut()
        .append_pair("hub.mode", form.get("hub.mode")?)
        .append_pair("hub.topic", form.get("hub.topic")?)
        .append_pair("hub.challenge", "quay")
        .append_pair("hub.lease_seconds", "864000");
    let request = format!(
        "GET {}?{} HTTP/1.1\r\nHost: barid\r\n\r\n",
        question.path(),
        question.query().unwrap_or_default()
    );
    if exchange(&callback, &request)? == (200, "quay".to_owned()) {
        let secret = form.get("hub.secret")?.clone();
        *known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Subscriber { callback, secret });
    }
    Some(())
}
