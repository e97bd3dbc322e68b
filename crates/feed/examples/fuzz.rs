//! Tries mutated feeds until the time is up: no panic, no parse over a second of processor time, the same answer twice, ids for all entries.
//!
//! `cargo run --profile fuzz -p barid-feed --example fuzz -- --seconds 60 [--seed N] [FOLDER...]`. Feeds of the folders and a few of its own
//! are mutated by bytes, by pieces of markup and by splicing. It needs no nightly compiler. An input that breaks something is written
//! to `fuzz-failure-*.bin` in the working folder, and the exit code is 1.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program at a terminal"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use barid_feed::{Entry, Feed, NotAFeed, Options, parse};
use rustix::time::{ClockId, clock_gettime};

/// Longer than any mutated feed takes by five orders.
const SLOW: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = 1 << 17;

/// Pieces that steer a parser: openings and ends of everything, odd charsets, odd references.
const PIECES: [&str; 64] = [
    "<",
    ">",
    "&",
    "\"",
    "'",
    "/>",
    "</",
    "<!--",
    "-->",
    "--",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [",
    "]>",
    "<!ENTITY a \"b\">",
    "<item>",
    "</item>",
    "<entry>",
    "</entry>",
    "<title>",
    "</title>",
    "<link>",
    "</link>",
    "<link href='x'/>",
    "<description>",
    "</description>",
    "<content type='xhtml'>",
    "<content type='application/xml'>",
    "</content>",
    "<content:encoded>",
    "<summary mode='base64'>",
    "QUJD",
    "<div>",
    "</div>",
    "<b>",
    "</b>",
    "<channel>",
    "</channel>",
    "<rss version='2.0'>",
    "</rss>",
    "<feed xmlns='http://www.w3.org/2005/Atom'>",
    "</feed>",
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>",
    " xml:base='http://a.example/'",
    " xml:base='..'",
    " xmlns='http://www.w3.org/1999/xhtml'",
    " a='",
    "=\"",
    "&#x1;",
    "&#65;",
    "&#99999999;",
    "&nbsp;",
    "&lt;",
    "&a;",
    "<?xml version='1.0' encoding='windows-1256'?>",
    "<?xml version='1.0' encoding='utf-16'?>",
    "<image>",
    "<source>",
    "<author>a@b.example (c)</author>",
    "<pubDate>Tue, 05 Sep 2023 08:15:00 +0300</pubDate>",
    "{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[",
    "{\"id\":1},",
];

/// splitmix64: small, and the same numbers for the same seed everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// 0 to `end`, `end` excluded.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).expect("below a usize")
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let longest = 1 << random.below(12);
        let end = at + random.below(1 + (input.len() - at).min(longest));
        match random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(random.below(256)).expect("a byte"),
            2 => drop(input.drain(at..end)),
            3 => {
                let copy = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, copy);
            }
            4 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let to = (from + random.below(512)).min(other.len());
                input.splice(at..at, other[from..to].iter().copied());
            }
            5 => {
                let piece = PIECES[random.below(PIECES.len())].repeat(1 + random.below(40));
                input.splice(at..at, piece.into_bytes());
            }
            6 => input.truncate(at),
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                input.splice(at..at, piece.bytes());
            }
        }
        input.truncate(MAX_BYTES);
    }
}

/// Processor time of this thread: on a busy machine the clock on the wall says nothing about a parser.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

fn read(input: &[u8], options: &Options<'_>) -> (Result<Feed, NotAFeed>, Vec<Entry>) {
    let mut entries = Vec::new();
    let feed = parse(input, options, &mut |entry| entries.push(entry));
    (feed, entries)
}

/// What is wrong with the answer to this input, if anything.
fn check(input: &[u8], options: &Options<'_>) -> Option<String> {
    let start = cpu();
    let first = catch_unwind(AssertUnwindSafe(|| read(input, options)));
    let took = cpu().saturating_sub(start);
    let Ok((feed, entries)) = first else { return Some("a panic".to_owned()) };
    if took > SLOW {
        return Some(format!("{took:?}"));
    }
    match &feed {
        Ok(feed) if feed.entries != entries.len() as u64 => return Some("entries counted wrong".to_owned()),
        Err(_) if !entries.is_empty() => return Some("entries of no feed".to_owned()),
        Ok(_) | Err(_) => {}
    }
    if entries.iter().any(|entry| entry.id.is_empty()) {
        return Some("an entry without id".to_owned());
    }
    let blank = |text: Option<&str>| text.is_some_and(str::is_empty);
    if entries.iter().any(|entry| {
        blank(entry.title.as_deref()) || blank(entry.link.as_deref()) || blank(entry.summary.as_deref())
    }) {
        return Some("an empty text that should be absent".to_owned());
    }
    (read(input, options) != (feed, entries)).then(|| "another answer the second time".to_owned())
}

fn collect(folder: &Path, corpus: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, corpus);
        } else {
            let bytes = std::fs::read(&path).expect("a file");
            if bytes.len() <= MAX_BYTES {
                corpus.push(bytes);
            }
        }
    }
}

fn main() -> ExitCode {
    let (mut seconds, mut seed, mut corpus) = (60_u64, 1_u64, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => seconds = arguments.next().and_then(|n| n.parse().ok()).expect("--seconds N"),
            "--seed" => seed = arguments.next().and_then(|n| n.parse().ok()).expect("--seed N"),
            folder => collect(Path::new(folder), &mut corpus),
        }
    }
    corpus.extend([PIECES.concat(), PIECES[..50].concat()].map(String::into_bytes));
    corpus.push(
        b"<rss version='2.0'><channel><title>a</title><item><title>b</title></item></channel></rss>".to_vec(),
    );
    let mut random = Random(seed);
    let start = Instant::now();
    let (mut tries, mut failures, mut slowest) = (0_u64, 0, Duration::ZERO);
    while start.elapsed().as_secs() < seconds {
        let mut input = corpus[random.below(corpus.len())].clone();
        mutate(&mut input, &corpus, &mut random);
        let options = Options {
            content_type: (random.below(4) == 0).then_some("text/xml; charset=windows-1256"),
            base: (random.below(2) == 0).then_some("https://oasis.example/feed/"),
        };
        let begin = cpu();
        if let Some(what) = check(&input, &options) {
            failures += 1;
            let name = format!("fuzz-failure-{seed}-{tries}.bin");
            println!("{what}: {name} ({options:?})");
            std::fs::write(&name, &input).expect("the working folder can be written");
        }
        slowest = slowest.max(cpu().saturating_sub(begin));
        tries += 1;
        if tries.is_multiple_of(200_000) {
            println!(
                "{} s, {} s of CPU, {tries} inputs, {failures} failures, slowest check {slowest:?}",
                start.elapsed().as_secs(),
                cpu().as_secs()
            );
        }
    }
    println!(
        "{} s, {} s of CPU, {tries} inputs, {failures} failures, slowest check {slowest:?}",
        start.elapsed().as_secs(),
        cpu().as_secs()
    );
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
