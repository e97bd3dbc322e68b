//! Kills the real binary while it polls, at its named points and at random moments: no item is lost, none comes twice.
//!
//! A poller that was killed may not ask again for an hour. So the build under test takes its clock from the environment: each start is an hour and a half later: long enough for the next poll, and short enough for
//! items that wait for their pages to outlive a few kills in their six hours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use barid_tests::Random;

use crate::chaos_hubs;
use crate::error::{TaskError, io};
use crate::feed_server::{self, Answer, Asked};
use crate::tools;

const FEEDS: u64 = 40;
/// Each request that is not answered with 304 finds so many items more.
const GROWTH: u64 = 3;
/// A window keeps so many: more than a row of kills can take.
const WINDOW: u64 = 400;
/// This feed has articles so large that those of one answer go into several units. It shows others once it hears that the last ones have arrived.
const LARGE: u64 = 0;
const LARGE_GROWTH: u64 = 8;
const LARGE_BYTES: usize = 220_000;
/// One feed in so many has full text: its items wait for their pages.
const FULL_TEXT_EVERY: u64 = 4;
/// From one start to the next, in seconds.
const STEP_S: i64 = 5400;

/// What the server has shown so far.
#[derive(Default)]
struct Served {
    /// Items, by feed.
    shown: BTreeMap<u64, u64>,
    /// How often a version was asked for by who had it, by feed and items.
    told: BTreeMap<(u64, u64), u32>,
}

/// Kills until so many are counted, then lets it run to its end and compares.
pub(crate) fn run(kills: usize, profile: &str, seed: u64) -> Result<(), TaskError> {
    let binary = tools::barid(profile, &["failpoints"])?;
    let folder =
        std::path::absolute(tools::target_dir()?.join("chaos-feeds")).map_err(io("finding the folder"))?;
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(io("making the folder"))?;
    let served: Arc<Mutex<Served>> = Arc::default();
    let serving = Arc::clone(&served);
    // Links name the port, which is known once the server runs.
    let own_port = Arc::new(AtomicU16::new(0));
    let known_port = Arc::clone(&own_port);
    let port = feed_server::serve(4, move |asked| {
        page(asked).unwrap_or_else(|| answer(asked, &serving, known_port.load(Ordering::Relaxed)))
    })?;
    own_port.store(port, Ordering::Relaxed);
    chaos_hubs::run(&binary, &folder.join("hubs"))?;
    let mut config = "data_dir = \"data\"\n[web]\nlisten = \"\"\n[feeds]\ncontact = \"https://barid.example/chaos\"\nallow_addresses = [\"127.0.0.0/8\"]\n".to_owned();
    for feed in 0..FEEDS {
        config.push_str(&format!(
            "[[feed]]\nid = \"feed{feed}\"\nurl = \"http://127.0.1.{feed}:{port}/f{feed}\"\nfull_text = {}\n",
            has_full_text(feed)
        ));
    }
    std::fs::write(folder.join("barid.toml"), config).map_err(io("writing the configuration"))?;
    let mut chaos = Chaos { binary, folder, starts: 0 };
    let mut random = Random::new(seed);
    let mut killed = 0;
    for point in barid_watcher::feeds::FAILPOINTS {
        let mut reached = 0;
        for nth in [1, 2, 5, 9] {
            reached += usize::from(chaos.once(Some(&format!("{point}:{nth}")), None)?);
        }
        println!("chaos: {point}: {reached} kills");
        if reached == 0 {
            return Err(TaskError::Said(format!("nothing was killed at {point}: it was never reached")));
        }
        killed += reached;
    }
    let named = killed;
    while killed < kills {
        let after = Duration::from_millis(900 + random.below(3400));
        killed += usize::from(chaos.once(None, Some(after))?);
    }
    if chaos.once(None, None)? || chaos.once(None, None)? {
        return Err(TaskError::Said("the last run did not end well".to_owned()));
    }
    let (found, pages) = chaos.records()?;
    let served = served.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut lost, mut twice, mut items) = (0, 0, 0);
    for (feed, count) in &served.shown {
        for item in 0..*count {
            items += 1;
            match found.get(&(format!("feed{feed}"), format!("{feed}-{item}"))).copied().unwrap_or(0) {
                0 => lost += 1,
                1 => {}
                more => twice += more - 1,
            }
        }
    }
    println!("chaos: articles of feeds with full text by how their page ended: {pages:?}");
    if pages.get("page").is_none_or(|count| 2 * count < pages.values().sum()) {
        return Err(TaskError::Said("most pages can be had, and few articles have their text".to_owned()));
    }
    let strangers = found.len().saturating_sub(items - lost);
    println!(
        "chaos: {killed} kills of the poller ({named} at named points) in {} starts: {items} items shown, {lost} lost, {twice} doubled, {strangers} that nobody wrote",
        chaos.starts
    );
    if items == 0 || lost + twice + strangers > 0 {
        return Err(TaskError::Said(format!("see {}", chaos.folder.display())));
    }
    Ok(())
}

fn has_full_text(feed: u64) -> bool {
    feed % FULL_TEXT_EVERY == 1
}

/// What a site allows, and its articles. One page in seven cannot be had, one in ten is not allowed.
fn page(asked: &Asked) -> Option<Answer> {
    let text = |body: String| Answer { etag: String::new(), max_age_s: 0, body: Some(body) };
    if asked.path == "/robots.txt" {
        return Some(text("user-agent: *\ndisallow: /p/*5$\n".to_owned()));
    }
    let name = asked.path.strip_prefix("/p/")?;
    let item: u64 = name.split('-').nth(1)?.parse().ok()?;
    if item % 7 == 3 {
        return Some(Answer { etag: String::new(), max_age_s: 0, body: None });
    }
    let paragraph = format!(
        "<p>Page of {name}. The council spoke, at length and in the words of its oldest member, of quay number {item}, of its cranes, of the railway, and of who would pay for them.</p>"
    );
    Some(text(format!(
        "<!DOCTYPE html><html><head><title>Story {name}</title></head><body><article>{}</article></body></html>",
        paragraph.repeat(6)
    )))
}

fn answer(asked: &Asked, served: &Mutex<Served>, port: u16) -> Answer {
    let feed: u64 = asked.path.trim_start_matches("/f").parse().unwrap_or(0);
    let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
    let Served { shown, told } = &mut *served;
    let count = shown.entry(feed).or_default();
    let etag = |count: u64| format!("\"{feed}-{count}\"");
    if feed == LARGE {
        let has_arrived = asked.etag.as_deref() == Some(etag(*count).as_str());
        *count += if *count == 0 || has_arrived { LARGE_GROWTH } else { 0 };
        let body = window(feed, *count, LARGE_GROWTH, LARGE_BYTES, port);
        return Answer { etag: etag(*count), max_age_s: 0, body: Some(body) };
    }
    // Now and then nothing is new: one version in four is asked for twice.
    let told = told.entry((feed, *count)).or_default();
    *told += 1;
    if asked.etag.as_deref() == Some(etag(*count).as_str())
        && *told == 1
        && (*count / GROWTH + feed).is_multiple_of(4)
    {
        return Answer { etag: etag(*count), max_age_s: 0, body: None };
    }
    grown(feed, count, port)
}

fn grown(feed: u64, count: &mut u64, port: u16) -> Answer {
    *count += GROWTH;
    Answer {
        etag: format!("\"{feed}-{count}\""),
        max_age_s: 0,
        body: Some(window(feed, *count, WINDOW, 500, port)),
    }
}

/// The newest items, each of about that many bytes.
fn window(feed: u64, count: u64, most: u64, bytes: usize, port: u16) -> String {
    let items: Vec<(String, String)> = (count.saturating_sub(most)..count)
        .rev()
        .map(|item| {
            let text = format!(
                "Item {item} of feed {feed}. The council spoke of quay number {} for the {item}th time. ",
                item * 7 + feed
            );
            (format!("{feed}-{item}"), text.repeat(bytes.div_ceil(text.len())))
        })
        .collect();
    let pages = has_full_text(feed).then(|| format!("http://127.0.1.{feed}:{port}/p/"));
    feed_server::rss(&items, pages.as_deref())
}

/// Records by source and key.
type Found = BTreeMap<(String, String), usize>;

struct Chaos {
    binary: PathBuf,
    folder: PathBuf,
    starts: i64,
}

impl Chaos {
    /// One start, a step after the last. True when it was killed.
    fn once(&mut self, point: Option<&str>, kill_after: Option<Duration>) -> Result<bool, TaskError> {
        self.starts += 1;
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("stderr"))
            .map_err(io("opening a file"))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["run", "--once", "--config", "barid.toml"])
            .current_dir(&self.folder)
            .env("BARID_CLOCK_AHEAD_SECONDS", (self.starts * STEP_S).to_string())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(point) = point {
            command.env("BARID_FAILPOINT", point);
        }
        let mut child = command.spawn().map_err(io("starting barid"))?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(io("waiting for barid"))? {
                return match status.code() {
                    Some(0) => Ok(false),
                    None => Ok(true),
                    Some(code) => Err(TaskError::Said(format!(
                        "barid ended with {code}: see {}",
                        self.folder.display()
                    ))),
                };
            }
            if kill_after.is_some_and(|after| started.elapsed() >= after) {
                child.kill().map_err(io("killing barid"))?;
                child.wait().map_err(io("waiting for barid"))?;
                return Ok(true);
            }
            if started.elapsed() > Duration::from_secs(600) {
                let _ = child.kill();
                return Err(TaskError::Said("a run did not end within 600 s".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// How often each item stands in the sink, by source and key; and how the pages of those with full text ended.
    fn records(&self) -> Result<(Found, BTreeMap<String, usize>), TaskError> {
        let (mut found, mut pages) = (Found::new(), BTreeMap::new());
        for path in files(&self.folder.join("data/records"))? {
            let text = std::fs::read_to_string(&path).map_err(io("reading records"))?;
            for line in text.lines() {
                let record: serde_json::Value = serde_json::from_str(line)
                    .map_err(|error| TaskError::Said(format!("a record: {error}")))?;
                let part = |name: &str| record["source"][name].as_str().unwrap_or_default().to_owned();
                *found.entry((part("source_id"), part("key"))).or_default() += 1;
                let Some(ended) = record["provenance"]["page"].as_str() else { continue };
                *pages.entry(ended.to_owned()).or_default() += 1;
                let text = record["body_text"].as_str().unwrap_or_default();
                let (has_page, key) = (text.contains("Page of"), part("key"));
                if has_page != (ended == "page") || has_page && key.ends_with('5') {
                    return Err(TaskError::Said(format!(
                        "{key} ended as {ended}, and its text says: {text:.60}"
                    )));
                }
            }
        }
        Ok((found, pages))
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, TaskError> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io("listing records"))? {
        let path = entry.map_err(io("listing records"))?.path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            files.push(path);
        }
    }
    Ok(files)
}
