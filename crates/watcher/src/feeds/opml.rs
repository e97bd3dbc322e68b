//! Lists of feeds as other programs write and read them: OPML 1.0 and 2.0.
//!
//! A feed's id is ours: the attribute `barid:id`, written at the first import, since records are known by it for ever. Where it is missing, an id is made of the
//! address, the same every time.

use quick_xml::Reader;
use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use xxhash_rust::xxh3::xxh3_64;

use super::engine::Feed;
use super::given::{self, BadAddress};

/// One feed of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The feed.
    pub feed: Feed,
    /// What the list calls it.
    pub title: Option<String>,
    /// The page it belongs to.
    pub page: Option<String>,
}

/// Why a list cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the list at byte {at}: {problem}; hint: is it an OPML file?")]
pub struct OpmlError {
    /// Where.
    pub at: u64,
    /// What is wrong there.
    pub problem: String,
}

/// An outline that is no feed, or one that can never be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it begins, from 1.
    pub line: usize,
    /// The outline with its address as found.
    pub outline: Outline,
    /// Why.
    pub why: BadAddress,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, outline, why } = self;
        write!(formatter, "line {line}: ")?;
        if let Some(title) = &outline.title {
            write!(formatter, "{title}: ")?;
        }
        if !outline.feed.url.is_empty() {
            write!(formatter, "{}: ", given::shown(&outline.feed.url))?;
        }
        write!(formatter, "{why}")
    }
}

/// What a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The feeds, each once.
    pub feeds: Vec<Outline>,
    /// Outlines whose feed came before, under the same address however spelt.
    pub repeated: usize,
    /// What is no feed.
    pub refused: Vec<Refused>,
}

/// Reads a list: every outline with the address of a feed, however deep, in order. An address that comes twice counts once, and what it means is
/// taken where it is written as programs do: see [`given::address`].
///
/// # Errors
/// A text that is no OPML. Small faults, such as a bare `&`, are read over.
pub fn parse(text: &str) -> Result<List, OpmlError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut list = List::default();
    let mut seen = std::collections::HashSet::new();
    let mut is_opml = false;
    let mut lines = Lines { text, at: 0, line: 1 };
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| OpmlError { at, problem: error.to_string() })?;
        let (start, is_leaf) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::Eof => break,
            Event::End(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => continue,
        };
        is_opml |= start.local_name().as_ref().eq_ignore_ascii_case("opml");
        if !start.local_name().as_ref().eq_ignore_ascii_case("outline") {
            continue;
        }
        match outline(start, is_leaf) {
            None => {}
            Some(Ok(outline)) if seen.insert(given::identity(&outline.feed.url)) => list.feeds.push(outline),
            Some(Ok(_)) => list.repeated += 1,
            Some(Err((outline, why))) => {
                list.refused.push(Refused { line: lines.of(at), outline, why });
            }
        }
    }
    if is_opml {
        Ok(list)
    } else {
        Err(OpmlError { at: 0, problem: "there is no <opml> element".to_owned() })
    }
}

/// Counts lines, forwards.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of that byte, from 1.
    fn of(&mut self, at: u64) -> usize {
        let at = usize::try_from(at).unwrap_or(usize::MAX).min(self.text.len()).max(self.at);
        self.line += self.text.as_bytes()[self.at..at].iter().filter(|byte| **byte == b'\n').count();
        self.at = at;
        self.line
    }
}

/// What an outline is; `None` for a folder, a note or a bookmark.
fn outline(start: &BytesStart<'_>, is_leaf: bool) -> Option<Result<Outline, (Outline, BadAddress)>> {
    let (mut url, mut other, mut id, mut title, mut text, mut page) = (None, None, None, None, None, None);
    let (mut is_listed, mut is_feed) = (false, false);
    for attribute in start.attributes().with_checks(false).filter_map(Result::ok) {
        let value = value(&attribute);
        match attribute.key.as_ref().to_ascii_lowercase().as_str() {
            "xmlurl" => url = value,
            "url" => other = value,
            "type" => {
                let kind = value.unwrap_or_default().to_ascii_lowercase();
                is_feed = ["rss", "atom", "rdf", "feed"].iter().any(|known| kind.contains(known));
            }
            "barid:id" => id = value,
            "barid:fast" => is_listed = value.as_deref() == Some("true"),
            "title" => title = value,
            "text" => text = value,
            "htmlurl" => page = value,
            _ => {}
        }
    }
    // Some programs write `url`, which without a type is a bookmark.
    let found = url.or(other.filter(|_| is_feed));
    if found.is_none() && !(is_feed || is_leaf && page.is_some()) {
        return None;
    }
    let found = found.unwrap_or_default();
    let address = given::address(&found);
    let url = address.as_ref().unwrap_or(&found).clone();
    let id = id.filter(|id| is_id(id)).unwrap_or_else(|| id_of(&url));
    let outline = Outline { feed: Feed { id, url, is_listed }, title: title.or(text), page };
    Some(match address {
        Ok(_) => Ok(outline),
        Err(why) => Err((outline, why)),
    })
}

fn value(attribute: &Attribute<'_>) -> Option<String> {
    let raw = attribute.value.as_ref();
    // A bare `&` in an address is what most faulty lists have: then it is taken as it stands.
    let text = quick_xml::escape::unescape(raw).map_or_else(|_| raw.to_owned(), |text| text.into_owned());
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Whether this may be a feed's id: 1 to 64 of a-z 0-9 - _.
pub fn is_id(id: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(valid)
}

/// An id made of an address: its host, for people, and its hash.
pub fn id_of(url: &str) -> String {
    let host =
        url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_start_matches("www.").replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let host: String = host.to_ascii_lowercase().chars().take(40).collect();
    format!("{}-{:010x}", host.trim_matches('-'), xxh3_64(url.as_bytes()) >> 24)
        .trim_start_matches('-')
        .to_owned()
}

/// Writes a list.
///
/// # Errors
/// None that memory does not give; the type is the writer's.
pub fn write(title: &str, outlines: &[Outline]) -> std::io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut opml = BytesStart::new("opml");
    opml.push_attribute(("version", "2.0"));
    opml.push_attribute(("xmlns:barid", "urn:barid:opml:1"));
    writer.write_event(Event::Start(opml))?;
    writer.write_event(Event::Start(BytesStart::new("head")))?;
    writer.create_element("title").write_text_content(BytesText::new(title))?;
    writer.write_event(Event::End(BytesEnd::new("head")))?;
    writer.write_event(Event::Start(BytesStart::new("body")))?;
    for Outline { feed, title, page } in outlines {
        let mut outline = BytesStart::new("outline");
        outline.push_attribute(("type", "rss"));
        outline.push_attribute(("text", title.as_deref().unwrap_or(&feed.id)));
        outline.push_attribute(("xmlUrl", feed.url.as_str()));
        if let Some(page) = page {
            outline.push_attribute(("htmlUrl", page.as_str()));
        }
        outline.push_attribute(("barid:id", feed.id.as_str()));
        if feed.is_listed {
            outline.push_attribute(("barid:fast", "true"));
        }
        writer.write_event(Event::Empty(outline))?;
    }
    writer.write_event(Event::End(BytesEnd::new("body")))?;
    writer.write_event(Event::End(BytesEnd::new("opml")))?;
    let mut text = writer.into_inner();
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_with_its_ids() {
        let outline = |id: &str, url: &str, is_listed| Outline {
            feed: Feed { id: id.into(), url: url.into(), is_listed },
            title: Some("أخبار & \"more\"".into()),
            page: Some("https://news.example/".into()),
        };
        let list = [
            outline("a", "https://news.example/feed?a=1&b=2", false),
            outline("b", "https://b.example/", true),
        ];
        let text = write("Feeds", &list).expect("in memory");
        let read = parse(str::from_utf8(&text).expect("UTF-8")).expect("ours");
        assert_eq!((read.feeds.as_slice(), read.repeated, read.refused.len()), (&list[..], 0, 0));
    }

    #[test]
    fn lists_of_other_programs_are_read_folders_faults_and_all() {
        let text = "\u{feff}<?xml version='1.0'?><opml version=1.1><head><title>x</title></head><body>\
            <outline text='News &lt;all&gt;'><outline type='rss' text='One' title='First' xmlUrl='https://www.one.example/rss' htmlUrl='https://one.example/'/>\
            <outline text='Two' xmlUrl='https://two.example/?a=1&b=2'></outline></outline>\
            <outline text='again' xmlUrl='https://www.one.example/rss'/><outline text='no feed' url='x'/></body></opml>";
        let List { feeds: list, repeated, refused } = parse(text).expect("readable");
        assert_eq!((list.len(), repeated, refused.len()), (2, 1, 0));
        assert_eq!(
            (list[0].title.as_deref(), list[1].feed.url.as_str()),
            (Some("First"), "https://two.example/?a=1&b=2")
        );
        let id = &list[0].feed.id;
        assert!(id.starts_with("one-example-") && is_id(id), "{id}");
        assert_eq!(parse(text).expect("readable").feeds, list, "the same every time");
        assert!(is_id(&id_of("https://أخبار.example/")) && is_id(&id_of("nonsense")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(parse("<html><body>Sign in</body></html>").is_err());
        assert!(parse("").is_err());
        assert_eq!(parse("<opml version='2.0'><body/></opml>"), Ok(List::default()));
    }

    #[test]
    fn every_outline_is_a_feed_or_is_refused_by_its_line() {
        let text = "\u{feff}<opml version='2.0'>\n<body>\n<outline text='Folder' xmlUrl=''>\n\
            <outline text='a' type='rss' xmlUrl='https://news.example/a'/>\n\
            <outline text='again' type='rss' xmlUrl='https://news.example:443/a'/>\n\
            <outline text='reader' type='rss' XMLURL='feed://news.example/b'/>\n\
            <outline text='again' type='rss' xmlUrl='http://news.example/b'/>\n\
            <outline text='bare' xmlUrl='news.example/c'/>\n\
            <outline text='word'\n type='rss'\n xmlUrl='https://me:pw@news.example/d'/>\n\
            <outline text='other' type='ATOM' url='https://news.example/e'/>\n\
            <outline text='ftp' type='rss' xmlUrl='ftp://news.example/f'/>\n\
            <outline text='page' htmlUrl='https://news.example/'/>\n\
            <outline type='rss' text='blank' xmlUrl='  '/>\n\
            <outline text='bookmark' type='link' url='https://news.example/'/>\n\
            <outline text='twice escaped' xmlUrl='https://news.example/g?a=1&amp;amp;b=2'/>\n\
            </outline><outline text='note'/></body></opml>";
        let list = parse(text).expect("readable");
        let urls: Vec<&str> = list.feeds.iter().map(|outline| outline.feed.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://news.example/a",
                "http://news.example/b",
                "http://news.example/c",
                "https://news.example/e",
                "https://news.example/g?a=1&b=2",
            ]
        );
        assert_eq!(list.repeated, 2);
        let refused: Vec<String> = list.refused.iter().map(Refused::to_string).collect();
        assert_eq!(
            refused,
            [
                "line 9: word: https://***@news.example/d: it carries a user name or password",
                "line 13: ftp: ftp://news.example/f: only http: and https: are asked, and this is ftp:",
                "line 14: page: there is no address of a feed",
                "line 15: blank: there is no address of a feed",
            ]
        );
    }
}
