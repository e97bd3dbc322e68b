//! Speed beside feed-rs, in MB of input a second of this thread's processor time: `cargo bench -p barid-feed --bench against -- [DIR]`.
//!
//! Three corpora: small files and large files (of DIR, where given: every file that looks like a feed; else generated), and Arabic
//! news. Both readers see the same bytes in the same run, in turns, and the median of the passes counts. feed-rs builds one struct of
//! the whole feed; this crate hands out entries, which are dropped as the struct is. What feed-rs refuses is counted, not left out.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use barid_feed::{Options, parse};
use rustix::time::{ClockId, clock_gettime};

const PASSES: usize = 15;
const LARGE_BYTES: usize = 32 * 1024;
const ENDINGS: [&str; 6] = ["xml", "rss", "atom", "rdf", "json", "cdf"];

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().and_then(|ending| ending.to_str()).is_some_and(|e| ENDINGS.contains(&e)) {
            found.push(std::fs::read(&path).expect("a file"));
        }
    }
}

/// News in Arabic: `items` items, escaped HTML or CDATA.
fn arabic(items: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "الواحة",
        "مدينة",
        "افتتاح",
        "معرض",
        "الكتاب",
        "أسعار",
        "القمح",
        "هذا",
        "الأسبوع",
        "في",
        "على",
        "الساحل",
    ];
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel><title>نشرة الواحة</title><link>https://oasis.example/</link>",
    );
    for item in 0..items {
        let words =
            |count: usize| -> Vec<&str> { (0..count).map(|at| WORDS[(at * 7 + item) % 12]).collect() };
        let (title, lead, body) = (words(9).join(" "), words(40).join(" "), words(400).join(" "));
        let _ = writeln!(
            text,
            "<item><title>{title}</title><link>https://oasis.example/n/{item}?a=1&amp;b=2</link><guid isPermaLink=\"false\">n{item}</guid>\
             <pubDate>Tue, 05 Sep 2023 08:15:00 +0300</pubDate><dc:creator>ليلى</dc:creator><category>أخبار</category>\
             <description>&lt;p&gt;{lead}&lt;/p&gt;</description><content:encoded><![CDATA[<p>{body}</p>]]></content:encoded></item>"
        );
    }
    text.push_str("</channel></rss>");
    text.into_bytes()
}

/// Atom in English with XHTML.
fn atom(entries: usize) -> Vec<u8> {
    let mut text =
        String::from("<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Oasis</title><id>urn:o</id>");
    for entry in 0..entries {
        let body = "<p>The caravan came in <b>late</b> &amp; left early, <a href=\"https://oasis.example/\">they</a> said.</p>"
            .repeat(6);
        let _ = write!(
            text,
            "<entry><title>Number {entry}</title><id>urn:{entry}</id><link href=\"https://oasis.example/{entry}\"/>\
             <updated>2023-09-05T08:15:00Z</updated><author><name>L</name></author>\
             <content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\">{body}</div></content></entry>"
        );
    }
    text.push_str("</feed>");
    text.into_bytes()
}

fn ours(document: &[u8]) -> bool {
    parse(document, &Options::default(), &mut |entry| {
        black_box(entry);
    })
    .map(black_box)
    .is_ok()
}

/// A panic of theirs counts as a refusal.
fn theirs(document: &[u8]) -> bool {
    std::panic::catch_unwind(|| feed_rs::parser::parse(document).map(black_box).is_ok()).unwrap_or(false)
}

fn measure(name: &str, corpus: &[Vec<u8>]) {
    let bytes: usize = corpus.iter().map(Vec::len).sum();
    let mut times = [Vec::new(), Vec::new()];
    let mut read = [0, 0];
    for pass in 0..PASSES {
        for (at, reader) in [ours as fn(&[u8]) -> bool, theirs].into_iter().enumerate() {
            let start = cpu_seconds();
            let count = corpus.iter().filter(|document| reader(document)).count();
            times[at].push(cpu_seconds() - start);
            read[at] = count;
        }
        black_box(pass);
    }
    let [ours, theirs] = times.map(|mut all| {
        all.sort_by(f64::total_cmp);
        bytes as f64 / 1e6 / all[PASSES / 2]
    });
    println!(
        "{name:8} {:5} files {:7.2} MB   barid {ours:7.1} MB/s, reads {}   feed-rs {theirs:7.1} MB/s, reads {}   ratio {:.2}",
        corpus.len(),
        bytes as f64 / 1e6,
        read[0],
        read[1],
        ours / theirs
    );
}

fn main() {
    // Their panics would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mut given = Vec::new();
    if let Some(folder) = &folder {
        files(Path::new(folder), &mut given);
    }
    let (small, large) = if given.is_empty() {
        let small: Vec<_> =
            (0..400).map(|n| if n % 2 == 0 { arabic(1 + n % 3) } else { atom(1 + n % 3) }).collect();
        (small, (0..20).map(|n| if n % 2 == 0 { arabic(60) } else { atom(80) }).collect::<Vec<_>>())
    } else {
        let large = given.iter().filter(|document| document.len() >= LARGE_BYTES).cloned().collect();
        (given, large)
    };
    measure("small", &small);
    measure("large", &large);
    measure("Arabic", &(0..40).map(|_| arabic(50)).collect::<Vec<_>>());
}
