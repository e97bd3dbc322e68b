//! The real binary with half a million feeds, at the rate that a poll every half an hour gives: processor time, memory, delay of starts.
//!
//! The feeds are set up as a poller leaves them that has run for weeks: each with its state of usual size, due somewhere in the next half an hour. A server on the loopback
//! interface says "not modified" to all but every twentieth, which gets a new document.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use barid_log::{Change, Embedded, EmbeddedConfig, Log, Unit};
use barid_watcher::feeds::engine::Feed;
use barid_watcher::feeds::opml::{self, Outline};
use barid_watcher::feeds::state::{FEEDS, FeedState, Known, Validators};
use bytes::Bytes;
use prometheus::Registry;

use crate::error::{TaskError, io};
use crate::feed_server::{self, Answer};
use crate::{tools, usage};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Feeds.
    #[arg(long, default_value_t = 500_000)]
    feeds: u64,
    /// The mean time between two polls of one feed.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// How long to measure, once it polls.
    #[arg(long, default_value_t = 240)]
    seconds: u64,
    /// Cargo profile of the binary under test.
    #[arg(long, default_value = "release")]
    profile: String,
}

const HOUR: i64 = 3_600_000;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(0)
}

fn log<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> TaskError {
    move |error| TaskError::Said(format!("{what}: {error}"))
}

pub(crate) fn run(options: &Options) -> Result<(), TaskError> {
    let binary = tools::barid(&options.profile, &[])?;
    let folder =
        std::path::absolute(tools::target_dir()?.join("bench-feeds")).map_err(io("finding the folder"))?;
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(io("making the folder"))?;
    let port = feed_server::serve(8, answer)?;
    let max_age_s = options.minutes * 60;
    MAX_AGE.store(max_age_s, std::sync::atomic::Ordering::Relaxed);
    let bytes = prepare(options, &folder, port)?;
    println!("feeds: {} of {bytes} bytes of state each", options.feeds);
    let web = 19_464;
    let config = format!(
        "data_dir = \"data\"\n[feeds]\ncontact = \"https://barid.example/bench\"\nlists = [\"feeds.opml\"]\nallow_addresses = [\"127.0.0.0/8\"]\nmax_in_flight = 500\n[web]\nlisten = \"127.0.0.1:{web}\"\n"
    );
    std::fs::write(folder.join("barid.toml"), config).map_err(io("writing the configuration"))?;
    let started = Instant::now();
    let log_file = std::fs::File::create(folder.join("stderr")).map_err(io("making a file"))?;
    let mut child = Command::new(binary)
        .args(["run", "--config", "barid.toml"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(log_file)
        .spawn()
        .map_err(io("starting barid"))?;
    let result = measure(options, child.id(), web, started);
    let _ = child.kill();
    let _ = child.wait();
    result
}

static MAX_AGE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1800);

fn answer(asked: &feed_server::Asked) -> Answer {
    let number: u64 = asked.path.trim_start_matches("/f").parse().unwrap_or(0);
    let max_age_s = u32::try_from(MAX_AGE.load(std::sync::atomic::Ordering::Relaxed)).unwrap_or(1800);
    if !number.is_multiple_of(20) {
        return Answer { etag: asked.etag.clone().unwrap_or_default(), max_age_s, body: None };
    }
    let items: Vec<(String, String)> = (0..30)
        .map(|item| {
            (
                format!("{number}-{item}"),
                format!("The harbour council met for the {item}th time about quay {number}. ").repeat(8),
            )
        })
        .collect();
    Answer { etag: format!("\"{number}-new\""), max_age_s, body: Some(feed_server::rss(&items, None)) }
}

/// Writes the list and the states; returns the bytes of one.
fn prepare(options: &Options, folder: &Path, port: u16) -> Result<usize, TaskError> {
    let now = now_ms();
    let log_at = Embedded::open(EmbeddedConfig::new(folder.join("data")), &Registry::new())
        .map_err(log("open a log"))?;
    let mut worker = log_at.worker(barid_watcher::feeds::worker_spec()).map_err(log("join"))?;
    let model = model(now);
    let span = i64::try_from(options.minutes * 60_000).unwrap_or(1).max(1);
    let count = i64::try_from(options.feeds).unwrap_or(1);
    let (mut outlines, mut unit, mut bytes) = (Vec::new(), Unit::default(), 0);
    let hosts = (options.feeds / 5).max(1);
    for number in 0..options.feeds {
        let host = number % hosts;
        let url =
            format!("http://127.{}.{}.{}:{port}/f{number}", 1 + host / 65_536, host / 256 % 256, host % 256);
        let feed = Feed { id: format!("feed-{number:06}"), url: url.clone(), is_listed: false };
        let mut state = FeedState { url: url.clone(), configured: feed.hash(), ..model.clone() };
        // From ten seconds on: time to read it all.
        let place = i64::try_from(number).unwrap_or(0).wrapping_mul(2_654_435_761) % count;
        state.next_ms = now + 30_000 + place.abs() * span / count;
        state.validators = Some(Validators {
            etag: Some(format!("W/\"{number:040x}\"").into_bytes()),
            last_modified: Some(b"Tue, 05 Sep 2023 08:15:00 GMT".to_vec()),
            url: xxhash_rust::xxh3::xxh3_64(url.as_bytes()),
        });
        let value = state.to_bytes();
        bytes = value.len();
        unit.state.push(Change::Put { table: FEEDS, key: Bytes::from(feed.id.clone()), value: value.into() });
        outlines.push(Outline { feed, title: None, page: None });
        if unit.state.len() == 2000 {
            worker.submit(std::mem::take(&mut unit)).map_err(log("submit"))?;
        }
    }
    let ticket = worker.submit(unit).map_err(log("submit"))?;
    worker.wait(ticket).map_err(log("wait"))?;
    drop(worker);
    log_at.close().map_err(log("close"))?;
    let list = opml::write("bench", &outlines).map_err(io("writing a list"))?;
    std::fs::write(folder.join("feeds.opml"), list).map_err(io("writing the list"))?;
    Ok(bytes)
}

/// A feed after eight weeks of two items an hour.
fn model(now: i64) -> FeedState {
    let mut state = FeedState::new(String::new(), 0, now - 60 * 24 * HOUR, now);
    state.rhythm.begin(Some(now - 56 * 24 * HOUR), now - 56 * 24 * HOUR);
    for hour in 0..56 * 24 {
        let time = now - (56 * 24 - hour) * HOUR;
        state.rhythm.learn(&mut [time, time + 1000], time + 2000);
    }
    let known: Vec<Known> =
        (0..100_u64).map(|item| Known::new(item.wrapping_mul(0x9E37_79B9_7F4A_7C15), item << 40)).collect();
    state.remember(&known);
    (state.start_ms, state.success_ms) = (now - HOUR, now - HOUR);
    (state.looks.hash, state.looks.items, state.told_ms) = (1, 30, now);
    state
}

fn measure(options: &Options, pid: u32, web: u16, started: Instant) -> Result<(), TaskError> {
    let polls = |text: &str| sum(text, "barid_feed_fetches_total");
    let ready = loop {
        std::thread::sleep(Duration::from_millis(500));
        match scrape(web) {
            Some(text) if polls(&text) >= 1000.0 => break text,
            Some(_) | None if started.elapsed() > Duration::from_secs(300) => {
                return Err(TaskError::Said("nothing was polled within 300 s: see its stderr".to_owned()));
            }
            Some(_) | None => {}
        }
    };
    println!("  polling after {:.1} s", started.elapsed().as_secs_f64());
    let before = usage::sample(pid).ok_or_else(|| TaskError::Said("it is gone".to_owned()))?;
    let since = Instant::now();
    std::thread::sleep(Duration::from_secs(options.seconds));
    let after = usage::sample(pid).ok_or_else(|| TaskError::Said("it is gone".to_owned()))?;
    let wall = since.elapsed().as_secs_f64();
    let end = scrape(web).ok_or_else(|| TaskError::Said("no metrics".to_owned()))?;
    let count = polls(&end) - polls(&ready);
    println!("  {count:.0} polls in {wall:.0} s: {:.0} a second", count / wall);
    println!("  processor: {:.2} cores", (after.cpu - before.cpu).as_secs_f64() / wall);
    println!("  memory: {} MiB at most", after.peak_rss_bytes >> 20);
    let name = "barid_feed_schedule_delay_seconds";
    let total = value(&end, &format!("{name}_count")) - value(&ready, &format!("{name}_count"));
    for bound in ["0.05", "0.1", "0.25", "0.5", "1", "2.5", "10"] {
        let key = format!("{name}_bucket{{le=\"{bound}\"}}");
        println!(
            "  began within {bound} s: {:.2} %",
            (value(&end, &key) - value(&ready, &key)) * 100.0 / total.max(1.0)
        );
    }
    println!("  politeness violations: {}", sum(&end, "barid_feed_politeness_violations_total"));
    for line in
        end.lines().filter(|line| line.starts_with("barid_feed_fetches_total") && !line.ends_with(" 0"))
    {
        println!("  {line}");
    }
    Ok(())
}

fn scrape(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

fn sum(text: &str, family: &str) -> f64 {
    let ours = text.lines().filter(|line| line.starts_with(&format!("{family}{{")));
    ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
