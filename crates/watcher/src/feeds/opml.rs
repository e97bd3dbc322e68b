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

/// Reads a list: every outline with an `xmlUrl`, however deep, in order. An address that comes twice counts once.
///
/// # Errors
/// A text that is no OPML. Small faults, such as a bare `&`, are read over.
pub fn parse(text: &str) -> Result<Vec<Outline>, OpmlError> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut outlines: Vec<Outline> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut is_opml = false;
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| OpmlError { at, problem: error.to_string() })?;
        let start = match &event {
            Event::Start(start) | Event::Empty(start) => start,
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
        if start.local_name().as_ref().eq_ignore_ascii_case("outline")
            && let Some(outline) = outline(start)
            && seen.insert(outline.feed.url.clone())
        {
            outlines.push(outline);
        }
    }
    if is_opml {
        Ok(outlines)
    } else {
        Err(OpmlError { at: 0, problem: "there is no <opml> element".to_owned() })
    }
}

fn outline(start: &BytesStart<'_>) -> Option<Outline> {
    let (mut url, mut id, mut title, mut text, mut page, mut is_listed) =
        (None, None, None, None, None, false);
    for attribute in start.attributes().with_checks(false).filter_map(Result::ok) {
        let value = value(&attribute);
        match attribute.key.as_ref() {
            "xmlUrl" | "xmlurl" | "xmlURL" => url = value,
            "barid:id" => id = value,
            "barid:fast" => is_listed = value.as_deref() == Some("true"),
            "title" => title = value,
            "text" => text = value,
            "htmlUrl" | "htmlurl" | "htmlURL" => page = value,
            _ => {}
        }
    }
    let url = url?;
    let id = id.filter(|id| is_id(id)).unwrap_or_else(|| id_of(&url));
    Some(Outline { feed: Feed { id, url, is_listed }, title: title.or(text), page })
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
        assert_eq!(parse(str::from_utf8(&text).expect("UTF-8")).expect("ours"), list);
    }

    #[test]
    fn lists_of_other_programs_are_read_folders_faults_and_all() {
        let text = "\u{feff}<?xml version='1.0'?><opml version=1.1><head><title>x</title></head><body>\
            <outline text='News &lt;all&gt;'><outline type='rss' text='One' title='First' xmlUrl='https://www.one.example/rss' htmlUrl='https://one.example/'/>\
            <outline text='Two' xmlUrl='https://two.example/?a=1&b=2'></outline></outline>\
            <outline text='again' xmlUrl='https://www.one.example/rss'/><outline text='no feed' url='x'/></body></opml>";
        let list = parse(text).expect("readable");
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].title.as_deref(), list[1].feed.url.as_str()),
            (Some("First"), "https://two.example/?a=1&b=2")
        );
        let id = &list[0].feed.id;
        assert!(id.starts_with("one-example-") && is_id(id), "{id}");
        assert_eq!(parse(text).expect("readable"), list, "the same every time");
        assert!(is_id(&id_of("https://أخبار.example/")) && is_id(&id_of("nonsense")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(parse("<html><body>Sign in</body></html>").is_err());
        assert!(parse("").is_err());
        assert_eq!(parse("<opml version='2.0'><body/></opml>"), Ok(Vec::new()));
    }
}
