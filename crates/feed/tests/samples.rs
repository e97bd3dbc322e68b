//! The sample feeds of this repository, the lint on them, and what must hold for any bytes made of them.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on must say so; the samples are files"
)]

use std::path::Path;

use barid_feed::{Entry, Feed, NotAFeed, Options, Rule, lint, parse};
use proptest::prelude::*;

const SAMPLES: [&str; 5] =
    ["oasis-rss.xml", "harbour-atom.xml", "broken-rss.xml", "oasis-sitemap.xml", "harbour.json"];

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds/feeds");
    std::fs::read(folder.join(name)).expect("a sample")
}

fn read(bytes: &[u8]) -> (Result<Feed, NotAFeed>, Vec<Entry>) {
    let mut entries = Vec::new();
    let options = Options { content_type: None, base: Some("https://oasis.example/feed") };
    let feed = parse(bytes, &options, &mut |entry| entries.push(entry));
    (feed, entries)
}

fn faults(name: &str) -> Vec<&'static str> {
    let (feed, _) = read(&sample(name));
    feed.expect("a feed").faults.iter().map(|met| met.fault.name()).collect()
}

#[test]
fn healthy_samples() {
    for name in SAMPLES.iter().filter(|name| **name != "broken-rss.xml") {
        assert_eq!(faults(name), [""; 0], "{name}");
    }
    let (feed, entries) = read(&sample("oasis-rss.xml"));
    let feed = feed.expect("a feed");
    assert_eq!(feed.links.iter().filter(|link| link.rel == "hub").count(), 1);
    assert_eq!((feed.schedule.ttl_minutes, feed.schedule.sy_frequency), (Some(30), Some(2)));
    assert_eq!((&feed.schedule.skip_days, &feed.schedule.skip_hours), (&vec![4], &vec![1, 2]));
    let dates: Vec<_> = entries.iter().map(|entry| entry.published.as_ref()?.rfc3339()).collect();
    let expected = ["2023-09-05T05:15:00Z", "2023-09-05T07:40:00Z", "2023-09-05T00:00:00Z"];
    assert_eq!(dates, expected.map(|date| Some(date.to_owned())));
    assert!(
        entries[0].content[0].contains("src=\"https://oasis.example/i/1.jpg\""),
        "{:?}",
        entries[0].content
    );
    assert_eq!(entries[0].media[0].href, "https://oasis.example/i/1.jpg");
    let (_, entries) = read(&sample("harbour-atom.xml"));
    assert_eq!(entries[1].author.as_deref(), Some("M. Reed (reed@harbour.example)"));
    assert!(entries[0].content[0].contains("href=\"https://harbour.example/news/map.html\""));
}

#[test]
fn the_broken_sample_loses_nothing() {
    let (_, entries) = read(&sample("broken-rss.xml"));
    let titles: Vec<_> = entries.iter().filter_map(|entry| entry.title.as_deref()).collect();
    assert_eq!(titles, ["Dates 3 < 4 coins", "No end tag", "Café reopens", "Cut off"]);
    assert_eq!(entries[3].summary.as_deref(), Some("The last words of"));
    assert_eq!(entries[2].author.as_deref(), Some("R. Amari"));
    let named = faults("broken-rss.xml");
    for fault in [
        "junk_before",
        "bare_amp",
        "bare_lt",
        "unclosed_tag",
        "missing_end_tag",
        "html_entity",
        "undeclared_prefix",
        "stray_end_tag",
        "truncated",
    ] {
        assert!(named.contains(&fault), "{fault} in {named:?}");
    }
}

#[test]
fn lint_names_line_and_rule() {
    let said = |text: &str| -> Vec<(usize, &'static str)> {
        let found = lint(text.as_bytes(), &Options::default()).expect("a feed");
        found.iter().map(|finding| (finding.line, finding.rule.code())).collect()
    };
    let clean = lint(&sample("harbour-atom.xml"), &Options::default()).expect("a feed");
    let clean: Vec<_> = clean.iter().map(|finding| finding.rule.code()).collect();
    // The markup in the first title is declared as HTML.
    assert_eq!(clean, [""; 0]);
    let rss = said(
        "<rss version=\"2.0\"><channel><title>T</title><link>x</link>\n<title>U</title><foo/>\n\
         <item><title>a &lt;b&gt;c&lt;/b&gt;</title><pubDate>2023-09-05</pubDate>\n<author>nobody</author><enclosure url=\"http://a.example/\"/>\n\
         <description>&lt;script>x&lt;/script></description></item></channel></rss>",
    );
    let expected = [
        (1, "missing_element"),
        (1, "invalid_link"),
        (2, "duplicate_element"),
        (2, "undefined_element"),
        (3, "contains_html"),
        (3, "invalid_date"),
        (3, "missing_guid"),
        (4, "invalid_email"),
        (4, "missing_attribute"),
        (4, "missing_attribute"),
        (5, "script"),
    ];
    for one in expected {
        assert!(rss.contains(&one), "{one:?} in {rss:?}");
    }
    let atom = said(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title/><id>tag:x</id><updated>today</updated>\n<entry><id>http://a.example/</id>\
         <title>t</title><updated>2023-09-05T08:15:00Z</updated><link/></entry></feed>",
    );
    for one in [
        (1, "blank"),
        (1, "invalid_id"),
        (1, "invalid_date"),
        (1, "missing_self_link"),
        (2, "missing_attribute"),
        (2, "missing_element"),
    ] {
        assert!(atom.contains(&one), "{one:?} in {atom:?}");
    }
    let broken = said("<rss version=\"2.0\"><channel>\n\n<item><title>a & b</title></item></channel></rss>");
    assert!(broken.contains(&(3, "bare_amp")), "{broken:?}");
    assert_eq!(lint(b"hello", &Options::default()), Err(NotAFeed::NoRoot));
    assert_eq!(Rule::MissingDiv.code(), "missing_div");
}

#[test]
fn what_is_no_feed_is_said() {
    let error = |text: &str| read(text.as_bytes()).0.expect_err("no feed");
    assert_eq!(error(" \n"), NotAFeed::Empty);
    assert_eq!(
        error("<!DOCTYPE html><html><head><title>x</title></head><body>y</body></html>"),
        NotAFeed::Html
    );
    assert_eq!(error("just words"), NotAFeed::NoRoot);
    assert_eq!(error("{\"a\": 1}"), NotAFeed::OtherJson);
    assert_eq!(read(b"%PDF-1.7 \xE2\xE3\xCF\xD3").0.expect_err("no feed").code(), "binary");
}

/// Openings of each kind, again and again: what takes the square of that does not end.
#[test]
fn hostile_input_takes_linear_time() {
    const TIMES: usize = 300_000;
    for piece in [
        "<",
        "&",
        "<a b=\"",
        "<a b='<c d=\"",
        "<!--",
        "<!-- >",
        "<![CDATA[",
        "<![CDATA[</item>",
        "<?",
        "<?a <b>",
        "</b>",
        "<a>",
        "<div>",
        "<title>",
        "<item>",
    ] {
        for around in ["<item>{}</item>", "<item><title>{}</title></item>", "<item>{}]]></item>"] {
            let text = format!("<rss><channel>{}", around.replace("{}", &piece.repeat(TIMES / piece.len())));
            let (feed, entries) = read(text.as_bytes());
            assert_eq!(feed.expect("a feed").entries, entries.len() as u64, "{piece}");
        }
    }
    // A search through the whole rest for each of these: hours instead of a second.
    for piece in ["<!-- >", "<?a <b>", "<![CDATA[</item>"] {
        for end in ["", "-->", "?>", "]]>"] {
            let text = format!("<rss><channel><item>{}{end}", piece.repeat(24_000_000 / piece.len()));
            let (feed, entries) = read(text.as_bytes());
            assert_eq!(feed.expect("a feed").entries, entries.len() as u64, "{piece} {end}");
        }
    }
    for doctype in ["<!DOCTYPE a [", "<!DOCTYPE a [>", "<!DOCTYPE"] {
        let text = format!("{}<rss><channel><item/></channel></rss>", doctype.repeat(TIMES / 10));
        assert!(read(text.as_bytes()).1.len() <= 1, "{doctype}");
    }
}

proptest! {
    /// Cut, spliced and flipped samples: no panic, the same answer twice, an id for every entry.
    #[test]
    fn any_bytes_give_an_answer(
        which in 0..SAMPLES.len(),
        cuts in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64, any::<u8>()), 0..6),
    ) {
        let mut bytes = sample(SAMPLES[which]);
        for (from, to, byte) in cuts {
            let place = |share: f64| ((bytes.len() as f64 * share) as usize).min(bytes.len());
            let (from, to) = (place(from.min(to)), place(from.max(to)));
            match byte % 3 {
                0 => drop(bytes.drain(from..to)),
                1 => { let part = bytes[from..to].to_vec(); bytes.splice(from..from, part); }
                _ => if let Some(one) = bytes.get_mut(from) { *one = byte },
            }
        }
        let (feed, entries) = read(&bytes);
        prop_assert_eq!(&read(&bytes), &(feed.clone(), entries.clone()));
        prop_assert!(entries.iter().all(|entry| !entry.id.is_empty()));
        match feed {
            Ok(feed) => prop_assert_eq!(feed.entries, entries.len() as u64),
            Err(_) => prop_assert!(entries.is_empty()),
        }
    }
}
