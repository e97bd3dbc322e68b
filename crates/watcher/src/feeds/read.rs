//! A document's bytes to what the engine asks about: the parser's entries as items, their HTML as text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use barid_feed::{Entry, Feed, IdSource, Instant, NotAFeed, Options, Person, Text};
use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::identity::{self, Marks};
use super::reading::{Content, Item, Listed, Reading};
use super::text::{Mends, line, one_line, words};
use super::websub::discover::Hubs;

/// More categories than this, and longer ones, say nothing of an article.
const MOST_KEYWORDS: usize = 100;
const MOST_KEYWORD_BYTES: usize = 256;

/// Reads a document. `last_hash` is the hash of the last one, 0 for none. `url` is the address as configured, wherever
/// it came from: ids that are relative to it must not change when the feed moves.
pub(crate) fn read(bytes: &Bytes, content_type: Option<&str>, url: &str, last_hash: u64) -> Content {
    let hash = content_hash(bytes);
    if hash == last_hash {
        return Content::Same;
    }
    // A fault of a parser, ours or the HTML library's, must not end the polling of all other feeds.
    let read = catch_unwind(AssertUnwindSafe(|| parse(bytes, content_type, url)));
    match read {
        Ok(Ok(reading)) => Content::Feed { hash, reading: Box::new(reading) },
        Ok(Err(why)) => Content::NotAFeed {
            hash,
            may_be_broken: may_be_broken(why, bytes),
            detail: why.to_string(),
            bytes: bytes.clone(),
        },
        Err(_) => Content::NotAFeed {
            hash,
            may_be_broken: true,
            detail: "the parser panicked: this is a fault in barid, please report it".to_owned(),
            bytes: bytes.clone(),
        },
    }
}

/// Of a document's bytes; never 0, which means none.
pub(crate) fn content_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes).max(1)
}

/// Whether what is no feed may have been meant as one.
fn may_be_broken(why: NotAFeed, bytes: &[u8]) -> bool {
    match why {
        NotAFeed::Empty => true,
        NotAFeed::NoRoot => bytes.trim_ascii_start().starts_with(b"<?xml"),
        NotAFeed::Binary { .. } | NotAFeed::Html | NotAFeed::OtherJson => false,
    }
}

fn parse(bytes: &[u8], content_type: Option<&str>, url: &str) -> Result<Reading, NotAFeed> {
    let options = Options { content_type, base: Some(url) };
    let mut items = Vec::new();
    // Of items that do not say whose they are, and are nobody else's.
    let mut of_the_feed = Vec::new();
    let (mut script, mut mends) = (Script::default(), Mends::default());
    let mut undated = 0;
    let feed = barid_feed::parse(bytes, &options, &mut |entry| {
        // Any part of it may be half: its id would be another article's. The next document has it whole.
        if entry.is_cut {
            return;
        }
        let is_copied = entry.source.is_some();
        let item = item(entry, &mut mends);
        script.add(item.title.as_deref().unwrap_or_default());
        undated += usize::from(item.published_ms.is_none());
        of_the_feed.push(item.author.is_none() && !is_copied);
        items.push(item);
    })?;
    // What an index names are documents, and no articles.
    let listed = |item: Item| Some(Listed { url: item.link?, modified_ms: item.published_ms });
    let index = feed.is_index().then(|| items.drain(..).filter_map(listed).collect());
    undated = if index.is_some() { 0 } else { undated };
    inherit(&feed, &mut items, &of_the_feed, &mut mends);
    let title = feed.title.as_ref().map(|title| words(title, &mut mends)).unwrap_or_default();
    Ok(Reading {
        ttl_s: feed.schedule.ttl_minutes.map_or(0, |minutes| minutes.saturating_mul(60)),
        period_s: period_s(&feed),
        skip_hours: feed
            .schedule
            .skip_hours
            .iter()
            .filter(|hour| **hour < 24)
            .fold(0, |bits, hour| bits | 1 << hour),
        skip_days: feed
            .schedule
            .skip_days
            .iter()
            .filter(|day| **day < 7)
            .fold(0, |bits, day| bits | 1 << day),
        title_hash: if title.is_empty() { 0 } else { content_hash(title.as_bytes()) },
        title,
        arabic_percent: script.percent(),
        faults: feed.faults.iter().map(|met| (met.fault.name(), met.count)).chain(mends.list()).collect(),
        faults_hash: faults_hash(&feed),
        items_lost: feed.faults.iter().map(|met| met.items_lost).sum(),
        undated,
        is_cut: feed.is_cut,
        cut_items: feed.cut_entries,
        hubs: hubs(&feed),
        own: identity::own(addresses(&feed, url)),
        items,
        index,
    })
}

/// What means the feed itself, or its site.
fn addresses<'a>(feed: &'a Feed, url: &'a str) -> impl Iterator<Item = &'a str> {
    let links = feed.links.iter().filter(|link| matches!(link.rel.as_str(), "self" | "alternate"));
    let said = [feed.link.as_deref(), feed.id.as_deref(), Some(url), identity::home(url)];
    said.into_iter().flatten().chain(links.map(|link| link.href.as_str()))
}

fn hubs(feed: &Feed) -> Hubs {
    let mut hubs = Hubs::default();
    feed.links.iter().for_each(|link| hubs.link(&link.rel, &link.href));
    hubs
}

fn period_s(feed: &Feed) -> u32 {
    let period = feed.schedule.sy_period_seconds.unwrap_or(0);
    period / feed.schedule.sy_frequency.unwrap_or(1).max(1)
}

fn faults_hash(feed: &Feed) -> u64 {
    if feed.faults.is_empty() {
        return 0;
    }
    let mut hash = Xxh3::new();
    feed.faults.iter().for_each(|met| hash.update(met.fault.name().as_bytes()));
    hash.digest().max(1)
}

/// What the feed says of all its items where they say nothing themselves: Atom and JSON Feed have it so for authors.
fn inherit(feed: &Feed, items: &mut [Item], of_the_feed: &[bool], mends: &mut Mends) {
    let is_inherited = feed.version.starts_with("atom") || feed.version.starts_with("json");
    let author = byline(&feed.authors, mends).filter(|_| is_inherited);
    let publisher = feed.publisher.as_deref().map(|name| line(name, mends)).filter(|name| !name.is_empty());
    for (item, is_of_the_feed) in items.iter_mut().zip(of_the_feed) {
        if item.language.is_none() {
            item.language.clone_from(&feed.language);
        }
        if *is_of_the_feed {
            item.author.clone_from(&author);
        }
        if item.publisher.is_none() {
            item.publisher.clone_from(&publisher);
        }
    }
}

fn item(entry: Entry, mends: &mut Mends) -> Item {
    let dates = dates(&entry);
    // The longest is the whole text; the others are the same in another form, or a part of it.
    let whole = entry.content.iter().max_by_key(|content| content.len());
    let whole = whole.filter(|whole| !whole.is_empty()).or(entry.summary.as_ref());
    let mut hash = Xxh3::new();
    let mut add = |part: &str| {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    let raw_title = entry.title.as_deref().unwrap_or_default();
    add(raw_title);
    add(whole.map_or("", |whole| whole.value.as_str()));
    let title = entry.title.as_ref().map(|title| one_line(&words(title, mends)));
    let title = title.filter(|title| !title.is_empty());
    let mut text = whole.map_or_else(String::new, |whole| words(whole, mends));
    if text.is_empty() {
        // A picture has no words: another of the texts may have some.
        text = others(&entry, whole, title.is_none(), mends);
        if !text.is_empty() {
            add(&text);
        }
    }
    let publisher = entry.source.as_ref().and_then(|source| source.title.as_deref());
    let publisher = publisher.or(entry.publisher.as_deref()).map(|name| line(name, mends));
    let author = byline(&entry.authors, mends);
    let (is_computed, is_blank) = (entry.id_source != IdSource::Guid, entry.has_blank_id);
    let mut item = Item {
        id_hash: xxh3_64(entry.id.as_bytes()),
        id: entry.id,
        content_hash: hash.digest(),
        published_ms: dates.published.as_ref().and_then(|date| date.ms),
        published: dates.published.map(|date| date.raw),
        title,
        link: entry.link,
        author: author.or_else(|| entry.author.as_deref().map(|author| line(author, mends))),
        text,
        language: entry.language,
        keywords: keywords(&entry.tags, mends),
        modified: dates.modified,
        publisher: publisher.filter(|name| !name.is_empty()),
        marks: Marks::default(),
    };
    item.marks = identity::marks(&item, is_computed, is_blank);
    item
}

/// The words of an entry whose text has none. Where it has no title either, also those about its
/// files, and at last the address of a file.
fn others(entry: &Entry, tried: Option<&Text>, has_no_title: bool, mends: &mut Mends) -> String {
    let mut texts: Vec<&Text> = entry.content.iter().chain(&entry.summary).collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let texts = texts.into_iter().filter(|text| tried != Some(*text)).chain(&entry.subtitle);
    let found = texts.map(|text| words(text, mends)).find(|text| !text.is_empty());
    if let Some(found) = found.or_else(|| (!has_no_title).then(String::new)) {
        return found;
    }
    let titles = entry.links.iter().filter_map(|link| link.title.as_deref());
    let mut found: Vec<String> = titles.map(|title| line(title, mends)).collect();
    found.retain(|words| !words.is_empty());
    found.dedup();
    if found.is_empty() && entry.link.is_none() {
        let mut files = entry.enclosures.iter().chain(&entry.media);
        found.extend(files.find(|file| !file.href.is_empty()).map(|file| file.href.clone()));
    }
    found.join("\n")
}

/// When it was published, and when it was changed after that, as found or, where it could be read, in RFC 3339.
struct Dates {
    published: Option<Instant>,
    modified: Option<String>,
}

/// A date that cannot be read gives way to one that can; where none can, its words stay.
fn dates(entry: &Entry) -> Dates {
    let all = [&entry.published, &entry.updated, &entry.created];
    let read = all.into_iter().flatten().find(|date| date.ms.is_some());
    let published = read.or_else(|| all.into_iter().flatten().next());
    let is_first = |date: &&Instant| entry.published.as_ref() == Some(*date);
    let own = published.filter(is_first).filter(|own| own.ms.is_some());
    let modified = entry.updated.as_ref().filter(|updated| own.is_some_and(|own| own.ms != updated.ms));
    let modified =
        modified.map(|updated| updated.ms.map_or_else(|| updated.raw.clone(), barid_record::rfc3339));
    Dates { published: published.cloned(), modified }
}

/// All authors, by their names, or else by their addresses.
fn byline(authors: &[Person], mends: &mut Mends) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for person in authors {
        let name = person.name.as_deref().or(person.email.as_deref()).or(person.uri.as_deref());
        let name = name.map(|name| line(name, mends)).unwrap_or_default();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// Categories as words, each once.
fn keywords(tags: &[String], mends: &mut Mends) -> Vec<String> {
    let mut keywords: Vec<String> = Vec::new();
    for tag in tags {
        let tag = line(tag, mends);
        if tag.is_empty() || keywords.contains(&tag) {
            continue;
        }
        if tag.len() > MOST_KEYWORD_BYTES || keywords.len() == MOST_KEYWORDS {
            mends.keywords += 1;
        } else {
            keywords.push(tag);
        }
    }
    keywords
}

/// Counts letters.
#[derive(Debug, Default)]
struct Script {
    letters: u64,
    arabic: u64,
}

impl Script {
    fn add(&mut self, text: &str) {
        for letter in text.chars().filter(|letter| letter.is_alphabetic()) {
            self.letters += 1;
            let is_arabic = matches!(letter, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}');
            self.arabic += u64::from(is_arabic);
        }
    }

    fn percent(&self) -> u8 {
        u8::try_from(self.arabic * 100 / self.letters.max(1)).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::text_of;
    use super::*;

    fn feed(text: &str) -> Reading {
        let content = read(&Bytes::copy_from_slice(text.as_bytes()), None, "https://news.example/feed", 0);
        let Content::Feed { reading, .. } = content else { panic!("{content:?}") };
        *reading
    }

    #[test]
    fn an_entry_becomes_an_item_of_text() {
        let reading = feed(
            "<rss version='2.0'><channel><title>الميناء</title><language>ar</language><ttl>90</ttl>\
             <skipHours><hour>1</hour><hour>23</hour></skipHours><skipDays><day>Friday</day></skipDays>\
             <item><guid>a1</guid><title>قرار &lt;b&gt;جديد&lt;/b&gt;</title><link>/a?x=1</link><pubDate>Tue, 05 Sep 2023 08:15:00 GMT</pubDate>\
             <description><![CDATA[<p>Short</p>]]></description>\
             <content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'><![CDATA[<p>One <a href='/x'>link</a> &amp; more.</p><script>bad()</script><p>Two<br>lines <img src=x alt=picture></p><table><tr><td>cell</td></tr></table>]]></content:encoded></item>\
             <item><title>No date</title></item></channel></rss>",
        );
        assert_eq!((reading.ttl_s, reading.skip_hours, reading.skip_days), (5400, 1 << 1 | 1 << 23, 1 << 4));
        assert_eq!((reading.title.as_str(), reading.undated, reading.items.len()), ("الميناء", 1, 2));
        let item = &reading.items[0];
        assert_eq!(
            (item.id.as_str(), item.link.as_deref()),
            ("https://news.example/a1", Some("https://news.example/a?x=1"))
        );
        assert_eq!(item.title.as_deref(), Some("قرار جديد"));
        assert_eq!((item.published_ms, item.language.as_deref()), (Some(1_693_901_700_000), Some("ar")));
        assert!(item.text.starts_with("One link & more.\n\nTwo\nlines"), "{:?}", item.text);
        assert!(item.text.contains("cell") && !item.text.contains("bad()"), "{:?}", item.text);
        assert!(reading.arabic_percent > 40 && reading.arabic_percent < 60);
    }

    #[test]
    fn an_index_names_sitemaps_and_has_no_items() {
        let reading = feed(
            "<sitemapindex><sitemap><loc>https://news.example/1.xml</loc><lastmod>2023-09-05T08:15:00Z</lastmod></sitemap>\
             <sitemap><loc>/2.xml.gz</loc></sitemap><sitemap><lastmod>2023-09-05</lastmod></sitemap></sitemapindex>",
        );
        let listed = |url: &str, modified_ms| Listed { url: url.to_owned(), modified_ms };
        let first = listed("https://news.example/1.xml", Some(1_693_901_700_000));
        assert_eq!(reading.index, Some(vec![first, listed("https://news.example/2.xml.gz", None)]));
        assert_eq!((reading.items.len(), reading.undated), (0, 0));
        assert_eq!(feed("<urlset><url><loc>https://news.example/a</loc></url></urlset>").index, None);
    }

    #[test]
    fn a_date_alone_is_no_change_and_a_word_is() {
        let one = |title: &str, date: &str, text: &str| {
            let item = format!(
                "<item><guid>1</guid><title>{title}</title><pubDate>{date}</pubDate><description>{text}</description></item>"
            );
            let reading = feed(&format!("<rss version='2.0'><channel>{item}</channel></rss>"));
            (reading.items[0].id_hash, reading.items[0].content_hash)
        };
        let first = one("A", "Tue, 05 Sep 2023 08:15:00 GMT", "text");
        assert_eq!(one("A", "Tue, 05 Sep 2023 09:15:00 GMT", "text"), first);
        assert_ne!(one("A", "Tue, 05 Sep 2023 08:15:00 GMT", "other"), first);
        assert_ne!(one("At", "Tue, 05 Sep 2023 08:15:00 GMT", "ext"), first);
    }

    #[test]
    fn the_same_bytes_are_not_read_twice_and_other_things_are_named() {
        let bytes = Bytes::from_static(b"<rss version='2.0'><channel/></rss>");
        let hash = content_hash(&bytes);
        assert!(matches!(read(&bytes, None, "https://news.example/", hash), Content::Same));
        for (text, broken) in [
            ("<!DOCTYPE html><html><body>Sign in</body></html>", false),
            ("", true),
            ("{\"error\": 1}", false),
            ("<?xml version='1.0'?><error/>", true),
            ("\u{1f}\u{8b}\0\0", false),
        ] {
            let content = read(&Bytes::from_static(text.as_bytes()), None, "https://news.example/", 0);
            let Content::NotAFeed { may_be_broken, .. } = content else { panic!("{text}: {content:?}") };
            assert_eq!(may_be_broken, broken, "{text}");
        }
    }

    #[test]
    fn html_of_a_hostile_depth_is_text_all_the_same() {
        for (open, close) in [("<div>", "</div>"), ("<b>", ""), ("<table><tr><td>", "</td></tr></table>")] {
            let deep = format!("{}deep{}", open.repeat(100_000), close.repeat(100_000));
            assert_eq!(text_of(&deep).trim(), "deep");
        }
        let attributes: String = (0..100_000).map(|number| format!(" a{number}")).collect();
        assert_eq!(text_of(&format!("<p{attributes}>many")).trim(), "many");
        let flat = "<p>one<br>two".repeat(1000);
        assert_eq!(text_of(&flat).lines().filter(|line| *line == "two").count(), 1000);
        assert_eq!(text_of("5 < 6 &amp; 7"), "5 < 6 & 7");
        assert_eq!(text_of(" plain\n\ntext "), "plain\n\ntext");
    }
}
