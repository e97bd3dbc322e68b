//! Feeds that are polled by several processes on Kafka: a server that notes who asks when, a clock that the test moves, and the processes.
//!
//! A poller may not ask a feed again for an hour. So the processes (of the build with failpoints) read their clock's lead from a file: each round is more than a
//! day later than the one before, and every feed is due in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::dies_with_us;

/// The least time between two requests to a feed: what `Cache-Control: max-age=0` allows.
pub const FLOOR_MS: i64 = 15 * 60 * 1000;
/// Each request that is answered finds so many items more.
const GROWTH: u64 = 3;
/// From one round to the next: no feed waits longer.
const ROUND_SECONDS: i64 = 30 * 3600;
/// Waiting for what must come ends after so long, so that a test does not hang.
const HANGS: Duration = Duration::from_secs(150);
/// Nobody asked for so long: a round is over, also where processes died in it.
const QUIET: Duration = Duration::from_millis(2500);

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The number of the feed.
    pub feed: u64,
    /// When, by the clock of the pollers.
    pub at_ms: i64,
    /// The process that asked.
    pub by: String,
    /// The same feed was being asked by somebody else.
    pub is_together: bool,
}

#[derive(Debug, Default)]
struct Served {
    asked: Vec<Asked>,
    shown: BTreeMap<u64, u64>,
    serving: BTreeSet<u64>,
    last: Option<Instant>,
}

/// The feeds, the clock, the configuration.
#[derive(Debug)]
pub struct Polled {
    binary: PathBuf,
    root: PathBuf,
    feeds: u64,
    served: Arc<Mutex<Served>>,
    rounds: i64,
}

/// A process.
#[derive(Debug)]
pub struct Process {
    /// Its name: that of its log, and what its requests say.
    pub name: String,
    /// What runs.
    pub child: Child,
    address: String,
}

impl Process {
    /// The samples of a metric, with these labels if any are given, added up.
    pub fn metric(&self, name: &str) -> io::Result<f64> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: barid\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let rest = answer.lines().filter_map(|line| line.strip_prefix(name));
        let values =
            rest.filter(|rest| rest.starts_with([' ', '{'])).filter_map(|rest| rest.rsplit(' ').next());
        Ok(values.filter_map(|value| value.parse::<f64>().ok()).sum())
    }

    /// Shards of the feeds that it polls.
    pub fn shards(&self) -> io::Result<u64> {
        Ok(self.metric("barid_feed_shards")? as u64)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn said(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

impl Polled {
    /// So many feeds, each of a domain of its own, in a new folder. `kafka` is the rest of the configuration, from `[kafka]` on.
    pub fn new(binary: &Path, root: &Path, feeds: u64, kafka: &str) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let served: Arc<Mutex<Served>> = Arc::default();
        let polled = Self { binary: binary.to_owned(), root: root.to_owned(), feeds, served, rounds: 0 };
        polled.set_clock()?;
        let port = polled.serve()?;
        let mut config = format!(
            "data_dir = {:?}\n[sink.jsonl]\ndir = {:?}\nrotate_seconds = 1\n[feeds]\nallow_addresses = [\"127.0.0.0/8\"]\n",
            root.join("data"),
            polled.records_dir(),
        );
        for feed in 0..feeds {
            let address = format!("127.0.{}.{}", 1 + feed / 200, feed % 200);
            config.push_str(&format!(
                "[[feed]]\nid = \"feed{feed}\"\nurl = \"http://{address}:{port}/f{feed}\"\n"
            ));
        }
        config.push_str(kafka);
        fs::write(root.join("barid.toml"), config)?;
        Ok(polled)
    }

    fn records_dir(&self) -> PathBuf {
        self.root.join("records")
    }

    fn clock(&self) -> PathBuf {
        self.root.join("clock")
    }

    fn set_clock(&self) -> io::Result<()> {
        let next = self.root.join("clock-next");
        fs::write(&next, (self.rounds * ROUND_SECONDS).to_string())?;
        fs::rename(next, self.clock())
    }

    /// A day and more passes.
    pub fn next_round(&mut self) -> io::Result<()> {
        self.rounds += 1;
        self.set_clock()
    }

    fn serve(&self) -> io::Result<u16> {
        let listener = Arc::new(TcpListener::bind("0.0.0.0:0")?);
        let port = listener.local_addr()?.port();
        for _ in 0..4 {
            let (listener, served, clock) = (Arc::clone(&listener), Arc::clone(&self.served), self.clock());
            std::thread::spawn(move || {
                while let Ok((stream, from)) = listener.accept() {
                    if from.ip().is_loopback() {
                        // A client that hangs up is its own business.
                        let _ = answer(stream, &served, &clock);
                    }
                }
            });
        }
        Ok(port)
    }

    fn command(&self, words: &[&str], name: &str) -> Command {
        let mut command = dies_with_us(&self.binary);
        command.args(words).arg("--config").arg(self.root.join("barid.toml")).stdin(Stdio::null());
        for (variable, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BARID_"))
        {
            command.env_remove(variable);
        }
        command
            .env("BARID_CLOCK_AHEAD_FILE", self.clock())
            .env("BARID_FEEDS_CONTACT", format!("https://barid.example/{name}"));
        command
    }

    /// Runs a command to its end; what it wrote.
    pub fn run(&self, words: &[&str]) -> io::Result<String> {
        let output = self.command(words, "command").output()?;
        if !output.status.success() {
            return Err(said(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a role; what it says goes to a log of that name. With a crash point it is armed.
    pub fn start(&self, role: &str, name: &str, point: Option<&str>) -> io::Result<Process> {
        let log = self.root.join(format!("{name}.log"));
        let before = fs::metadata(&log).map_or(0, |found| found.len());
        let file = File::options().create(true).append(true).open(&log)?;
        let words = [role, "--log-format", "json", "--listen", "127.0.0.1:0"];
        let mut command = self.command(&words, name);
        if let Some(point) = point {
            command.env("BARID_FAILPOINT", point);
        }
        let child = command.stdout(Stdio::null()).stderr(file).spawn()?;
        let mut process = Process { name: name.to_owned(), child, address: String::new() };
        let began = Instant::now();
        while process.address.is_empty() {
            let text = fs::read(&log)?;
            let text = String::from_utf8_lossy(text.get(before as usize..).unwrap_or_default()).into_owned();
            let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut found = events.filter_map(|event| event["fields"]["address"].as_str().map(str::to_owned));
            process.address = found.next_back().unwrap_or_default();
            if began.elapsed() > HANGS || process.child.try_wait()?.is_some() {
                return Err(said(format!("{name} does not start: {text}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Waits for what must come; the limit only ends what would hang.
    pub fn wait_for(&self, what: &str, mut come: impl FnMut() -> io::Result<bool>) -> io::Result<Duration> {
        let began = Instant::now();
        while !come()? {
            if began.elapsed() > HANGS {
                return Err(said(format!("waited in vain for {what}: see {}", self.root.display())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(began.elapsed())
    }

    /// Waits until these processes have so many shards each.
    pub fn wait_for_shards(&self, wanted: &[(&Process, u64)]) -> io::Result<Duration> {
        let names: Vec<_> =
            wanted.iter().map(|(process, count)| format!("{} {count}", process.name)).collect();
        self.wait_for(&format!("shards: {}", names.join(", ")), || {
            for (process, count) in wanted {
                if process.shards()? != *count {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Waits until every feed was asked in this round.
    pub fn wait_for_round(&self) -> io::Result<Duration> {
        let from = self.began_ms();
        self.wait_for("every feed to be asked", || {
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            let asked: BTreeSet<u64> =
                served.asked.iter().filter(|asked| asked.at_ms >= from).map(|asked| asked.feed).collect();
            Ok(asked.len() as u64 == self.feeds)
        })
    }

    /// Waits until nobody has asked for a while: who was killed may have left feeds for the next round.
    pub fn wait_for_quiet(&self) -> io::Result<Duration> {
        self.wait_for("quiet", || {
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(served.last.is_some_and(|last| last.elapsed() > QUIET))
        })
    }

    fn began_ms(&self) -> i64 {
        // No round takes as long as a clock jumps.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
        now + (self.rounds * ROUND_SECONDS - ROUND_SECONDS / 2) * 1000
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// Who asked in this round.
    pub fn askers(&self) -> BTreeSet<String> {
        let from = self.began_ms();
        self.asked().into_iter().filter(|asked| asked.at_ms >= from).map(|asked| asked.by).collect()
    }

    /// Requests that came too early, or while another process was asking.
    pub fn impolite(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut last: BTreeMap<u64, Asked> = BTreeMap::new();
        for asked in self.asked() {
            if asked.is_together {
                found.push(format!("feed {} was being asked when {} asked", asked.feed, asked.by));
            }
            if let Some(before) = last.get(&asked.feed)
                && asked.at_ms - before.at_ms < FLOOR_MS
            {
                let after = asked.at_ms - before.at_ms;
                let (by, then) = (&asked.by, &before.by);
                found.push(format!("feed {}: asked by {by} {after} ms after {then}", asked.feed));
            }
            last.insert(asked.feed, asked);
        }
        found
    }

    /// Items the feeds have shown: feed and item.
    pub fn shown(&self) -> Vec<(String, String)> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let items = |(feed, count): (&u64, &u64)| {
            let feed = *feed;
            (0..*count).map(move |item| (format!("feed{feed}"), format!("{feed}-{item}"))).collect::<Vec<_>>()
        };
        served.shown.iter().flat_map(items).collect()
    }

    /// How often each item stands in the sink.
    pub fn records(&self) -> io::Result<BTreeMap<(String, String), usize>> {
        let mut found = BTreeMap::new();
        let Ok(entries) = fs::read_dir(self.records_dir()) else { return Ok(found) };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != "jsonl") {
                continue;
            }
            for line in fs::read_to_string(&path)?.lines() {
                let record: Value = serde_json::from_str(line).map_err(io::Error::other)?;
                let part = |name: &str| record["source"][name].as_str().unwrap_or_default().to_owned();
                *found.entry((part("source_id"), part("key"))).or_default() += 1;
            }
        }
        Ok(found)
    }

    /// What is wrong with what reached the stage: the stage marks an item that comes twice as a repeat, and the sink shows nothing of it.
    pub fn doubled(&self, stage: &Process) -> io::Result<Option<String>> {
        let (taken, shown) = (stage.metric("barid_stage_documents_total")? as usize, self.shown().len());
        Ok((taken != shown).then(|| format!("{shown} items were shown, {taken} delivered")))
    }

    /// What is wrong with the sink: items that are missing, there twice, or nobody's. Waits until none is missing, or nothing comes any more.
    pub fn wrong_records(&self) -> io::Result<Vec<String>> {
        let shown = self.shown();
        let (mut before, mut since) = (0, Instant::now());
        self.wait_for("the sink", || {
            let found = self.records()?;
            if found.len() > before {
                (before, since) = (found.len(), Instant::now());
            }
            Ok(shown.iter().all(|item| found.contains_key(item)) || since.elapsed() > HANGS / 3)
        })?;
        let mut found = self.records()?;
        let mut wrong = Vec::new();
        for item in &shown {
            match found.remove(item) {
                None => wrong.push(format!("{item:?} is lost")),
                Some(1) => {}
                Some(times) => wrong.push(format!("{item:?} is there {times} times")),
            }
        }
        wrong.extend(found.into_keys().map(|item| format!("{item:?} was never shown")));
        Ok(wrong)
    }
}

fn answer(stream: TcpStream, served: &Mutex<Served>, clock: &Path) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut by, mut etag) = (String::new(), None);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("user-agent") {
            by = value.rsplit('/').next().unwrap_or_default().trim_end_matches(')').to_owned();
        }
        if name.eq_ignore_ascii_case("if-none-match") {
            etag = Some(value.to_owned());
        }
    }
    let Ok(feed) = path.trim_start_matches("/f").parse::<u64>() else { return Ok(()) };
    let ahead: i64 = fs::read_to_string(clock)?.trim().parse().map_err(io::Error::other)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let (tag, body) = {
        let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
        let is_together = !served.serving.insert(feed);
        served.asked.push(Asked { feed, at_ms: now + ahead * 1000, by, is_together });
        served.last = Some(Instant::now());
        let asked = served.asked.len() as u64;
        let count = served.shown.entry(feed).or_default();
        let tag = |count: u64| format!("\"{feed}-{count}\"");
        // Now and then nothing is new.
        if etag.as_deref() == Some(tag(*count).as_str()) && (asked + feed).is_multiple_of(4) {
            (tag(*count), None)
        } else {
            *count += GROWTH;
            (tag(*count), Some(window(feed, *count)))
        }
    };
    let (status, body) = body.map_or(("304 Not Modified", String::new()), |body| ("200 OK", body));
    // Slow enough for a kill to meet it.
    std::thread::sleep(Duration::from_millis(15));
    let sent = write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\nETag: {tag}\r\nCache-Control: max-age=0\r\nContent-Type: application/rss+xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    served.lock().unwrap_or_else(PoisonError::into_inner).serving.remove(&feed);
    sent
}

/// The newest items, more than any row of lost answers shows.
fn window(feed: u64, count: u64) -> String {
    const WINDOW: u64 = 300;
    let items: String = (count.saturating_sub(WINDOW)..count)
        .rev()
        .map(|item| {
            format!(
                "<item><guid isPermaLink=\"false\">{feed}-{item}</guid><title>Story {item} of harbour {feed}</title><description>The council spoke of quay number {} for the {item}th time, and put the matter off until the tide of day {feed} turns.</description></item>",
                item * 7 + feed
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Harbour {feed}</title><link>http://harbour.example/</link>{items}</channel></rss>"
    )
}
