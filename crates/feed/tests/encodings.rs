//! Arabic feeds in every charset they come in, labelled rightly, wrongly or not at all.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use barid_feed::{Entry, Fault, Feed, Options, parse};
use encoding_rs::{ISO_8859_6, WINDOWS_1256};

const TITLES: [&str; 4] = [
    "افتتاح معرض الكتاب في مدينة الواحة",
    "الرئيس يستقبل وفدا من التجار",
    "انخفاض أسعار القمح والزيت هذا الأسبوع",
    "أمطار غزيرة على الساحل الغربي غدا",
];

fn feed(declared: Option<&str>) -> String {
    let items: String = TITLES.iter().map(|title| format!("<item><title>{title}</title></item>\n")).collect();
    let declared = declared.map(|label| format!(" encoding=\"{label}\"")).unwrap_or_default();
    format!("<?xml version=\"1.0\"{declared}?>\n<rss version=\"2.0\"><channel>\n{items}</channel></rss>")
}

fn read(bytes: &[u8], content_type: Option<&str>) -> (Feed, Vec<Entry>) {
    let mut entries = Vec::new();
    let options = Options { content_type, base: None };
    let feed = parse(bytes, &options, &mut |entry| entries.push(entry)).expect("a feed");
    (feed, entries)
}

#[track_caller]
fn assert_titles(bytes: &[u8], content_type: Option<&str>, encoding: &str) -> Feed {
    let (feed, entries) = read(bytes, content_type);
    let titles: Vec<_> = entries.iter().filter_map(|entry| entry.title.as_deref()).collect();
    assert_eq!(titles, TITLES, "read as {}", feed.encoding);
    assert_eq!(feed.encoding, encoding);
    feed
}

fn windows_1256(declared: Option<&str>) -> Vec<u8> {
    WINDOWS_1256.encode(&feed(declared)).0.into_owned()
}

#[test]
fn windows_1256_however_it_is_labelled() {
    for label in
        [Some("windows-1256"), Some("cp1256"), Some("utf-8"), Some("iso-8859-1"), Some("iso-8859-6"), None]
    {
        assert_titles(&windows_1256(label), None, "windows-1256");
    }
    assert_titles(&windows_1256(None), Some("text/xml; charset=\"windows-1256\""), "windows-1256");
}

#[test]
fn utf_8_however_it_is_labelled() {
    for label in [Some("utf-8"), None] {
        let read = assert_titles(feed(label).as_bytes(), None, "utf-8");
        assert_eq!(read.faults, []);
    }
    for label in ["windows-1256", "iso-8859-1", "utf-16"] {
        let read =
            assert_titles(feed(Some(label)).as_bytes(), Some("text/xml; charset=windows-1256"), "utf-8");
        assert_eq!(read.faults[0].fault, Fault::WrongEncoding);
    }
    assert_titles(format!("\u{FEFF}{}", feed(None)).as_bytes(), None, "utf-8");
}

#[test]
fn wide_charsets_with_and_without_a_mark() {
    let text = feed(Some("utf-16"));
    let units = |big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let with_mark = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    assert_titles(&units(true), None, "utf-16be");
    assert_titles(&units(false), None, "utf-16le");
    assert_titles(&with_mark(b"\xFE\xFF", units(true)), None, "utf-16be");
    assert_titles(&with_mark(b"\xFF\xFE", units(false)), None, "utf-16le");
    let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert_titles(&with_mark(b"\xFF\xFE\0\0", four), None, "utf-32le");
    let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    assert_titles(&four, None, "utf-32be");
}

#[test]
fn iso_8859_6() {
    let (bytes, _, failed) = ISO_8859_6.encode(Box::leak(feed(Some("iso-8859-6")).into_boxed_str()));
    assert!(!failed);
    assert_titles(&bytes, None, "iso-8859-6");
}

#[test]
fn one_bad_byte_costs_one_character() {
    let mut bytes = feed(Some("utf-8")).into_bytes();
    let at = bytes.windows(4).position(|part| part == "ال".as_bytes()).expect("an article");
    bytes.insert(at, 0xFF);
    let (feed, entries) = read(&bytes, None);
    assert_eq!(
        (feed.encoding.as_str(), feed.faults[0].fault, feed.faults[0].count),
        ("utf-8", Fault::BadByte, 1)
    );
    let right =
        entries.iter().zip(TITLES).filter(|(entry, title)| entry.title.as_deref() == Some(title)).count();
    assert_eq!(right, TITLES.len() - 1);
}

#[test]
fn double_encoding_is_undone() {
    let twice: String = feed(Some("utf-8")).bytes().map(char::from).collect();
    let read = assert_titles(twice.as_bytes(), None, "utf-8");
    assert_eq!(read.faults[0].fault, Fault::DoubleEncoded);
    let (once, _) = WINDOWS_1256
        .decode_without_bom_handling(Box::leak(feed(Some("utf-8")).into_bytes().into_boxed_slice()));
    assert_titles(once.as_bytes(), None, "utf-8");
}

#[test]
fn latin_1_in_a_latin_language_stays_what_it_says() {
    let text = "<rss version=\"2.0\"><channel><item><title>\u{A3}5</title></item></channel></rss>";
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let (feed, entries) = read(&bytes, Some("text/xml; charset=iso-8859-1"));
    assert_eq!((feed.encoding.as_str(), entries[0].title.as_deref()), ("windows-1252", Some("£5")));
}
