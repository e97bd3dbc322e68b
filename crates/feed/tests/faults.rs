//! One fault in a healthy feed: every item is kept, and the fault has a name.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use barid_feed::{Entry, Fault, Feed, Options, parse};

const ITEMS: usize = 6;

fn healthy() -> String {
    let items: String = (0..ITEMS)
        .map(|n| {
            format!(
                "<item><title>Headline {n}</title><link>https://oasis.example/{n}</link><guid>https://oasis.example/{n}</guid>\
                 <pubDate>Tue, 05 Sep 2023 08:1{n}:00 GMT</pubDate><description>Text {n}</description></item>\n"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?>\n<rss version=\"2.0\"><channel><title>الواحة</title>\n{items}</channel></rss>\n"
    )
}

fn read(bytes: &[u8]) -> (Feed, Vec<Entry>) {
    let mut entries = Vec::new();
    let feed = parse(bytes, &Options::default(), &mut |entry| entries.push(entry)).expect("a feed");
    (feed, entries)
}

/// All items are there with their own titles but the third's, which may show the fault, and the fault is named.
#[track_caller]
fn assert_mended(bytes: &[u8], fault: Fault, third_title: &str) {
    let (feed, entries) = read(bytes);
    let titles: Vec<_> = entries.iter().map(|entry| entry.title.as_deref().unwrap_or_default()).collect();
    let expected: Vec<_> =
        (0..ITEMS).map(|n| if n == 3 { third_title.to_owned() } else { format!("Headline {n}") }).collect();
    assert_eq!(titles, expected, "{fault:?}: {:?}", feed.faults);
    assert!(
        feed.faults.iter().any(|met| met.fault == fault && met.count > 0),
        "{fault:?} in {:?}",
        feed.faults
    );
    assert!(feed.faults.iter().all(|met| met.items_lost == 0), "{:?}", feed.faults);
    let links: Vec<_> = entries.iter().filter_map(|entry| entry.link.as_deref()).collect();
    assert_eq!(links.len(), ITEMS, "{fault:?}: {links:?}");
}

#[test]
fn a_healthy_feed_has_no_fault() {
    let (feed, entries) = read(healthy().as_bytes());
    assert_eq!((feed.faults, entries.len()), (vec![], ITEMS));
}

#[test]
fn faults_inside_a_title() {
    let with = |text: &str| healthy().replace("Headline 3", text).into_bytes();
    assert_mended(&with("R & D"), Fault::BareAmp, "R & D");
    assert_mended(&with("3 < 4"), Fault::BareLt, "3 < 4");
    assert_mended(&with("a<b or c"), Fault::BareLt, "a<b or c");
    assert_mended(&with("a&#x1;b"), Fault::BadCharRef, "ab");
    assert_mended(&with("a&nbsp;b"), Fault::HtmlEntity, "a\u{A0}b");
    assert_mended(&with("a&oasis;b"), Fault::UnknownEntity, "a&oasis;b");
    assert_mended(&with("a\0b"), Fault::NulByte, "ab");
    assert_mended(&with("a\u{B}b"), Fault::ControlChar, "ab");
    assert_mended(&with("a <b>c"), Fault::UnclosedTag, "a <b>c");
    assert_mended(&with("a</p></div>"), Fault::StrayEndTag, "a");
    assert_mended(&with("a<![CDATA[b</title>"), Fault::UnclosedCdata, "ab");
    let mut bad = healthy().into_bytes();
    let at = bad.windows(10).position(|part| part == b"Headline 3").expect("the third");
    bad.insert(at, 0xFF);
    assert_mended(&bad, Fault::BadByte, "\u{FFFD}Headline 3");
}

#[test]
fn faults_around_an_item() {
    let third = "<item><title>Headline 3";
    let before = |text: &str| healthy().replace(third, &format!("{text}{third}")).into_bytes();
    let inside =
        |text: &str| healthy().replace(third, &format!("<item>{text}<title>Headline 3")).into_bytes();
    assert_mended(&before("<?xml version=\"1.0\"?>"), Fault::MisplacedDeclaration, "Headline 3");
    assert_mended(&before("<!-- a -- b -->"), Fault::BadComment, "Headline 3");
    assert_mended(&before("<!-- a >"), Fault::BadComment, "Headline 3");
    assert_mended(&before("</p></div>"), Fault::StrayEndTag, "Headline 3");
    assert_mended(&inside("<zz:note>x</zz:note>"), Fault::UndeclaredPrefix, "Headline 3");
    assert_mended(&inside("<note a='1' a='2'>x</note>"), Fault::DuplicateAttribute, "Headline 3");
    assert_mended(&inside("<note a='1>x</note>"), Fault::BadAttribute, "Headline 3");
    assert_mended(&inside("<pubDate>the day before</pubDate>"), Fault::BadDate, "Headline 3");
    assert_mended(&inside("<note>x"), Fault::MissingEndTag, "Headline 3");
    let no_end = healthy().replacen("</item>", "", 4);
    assert_mended(no_end.as_bytes(), Fault::MissingEndTag, "Headline 3");
    let third_is_open =
        healthy().replace("Headline 3</title>", "Headline 3</title><note>").replacen("</item>", "", 4);
    assert_mended(third_is_open.as_bytes(), Fault::MissingEndTag, "Headline 3");
    let no_title_end = healthy().replace("Headline 3</title>", "Headline 3");
    assert_mended(no_title_end.as_bytes(), Fault::MissingEndTag, "Headline 3");
    let broken = healthy().replace("<title>Headline 3</title>", "<title>Headline 3</title");
    assert_mended(broken.as_bytes(), Fault::BrokenTag, "Headline 3");
}

#[test]
fn faults_around_the_feed() {
    let junk = "<br />\n<b>Warning</b>: in <b>/f.php</b> on line <b>3</b><br />\n";
    assert_mended(format!("{junk}{}", healthy()).as_bytes(), Fault::JunkBefore, "Headline 3");
    assert_mended(format!("\n {}", healthy()).as_bytes(), Fault::SpaceBefore, "Headline 3");
    assert_mended(format!("{}<p>bye", healthy()).as_bytes(), Fault::JunkAfter, "Headline 3");
    assert_mended(healthy().replace("</channel></rss>", "").as_bytes(), Fault::Truncated, "Headline 3");
    let start = healthy().find("<item>").expect("an item");
    let end = healthy().find("</channel>").expect("the end");
    assert_mended(&healthy().as_bytes()[start..end], Fault::NoRoot, "Headline 3");
    let deep = healthy()
        .replace("<item><title>Headline 3", &format!("{}<item><title>Headline 3", "<x>".repeat(2000)));
    assert_mended(deep.as_bytes(), Fault::TooDeep, "Headline 3");
}

#[test]
fn a_feed_cut_anywhere_keeps_every_item_that_began() {
    let whole = healthy();
    for cut in whole.find("<item>").expect("an item") + 6..whole.len() - 1 {
        let part = &whole[..cut];
        let (feed, entries) = read(part.as_bytes());
        assert_eq!(entries.len(), part.matches("<item>").count(), "cut at {cut}");
        assert_eq!(feed.faults.is_empty(), part.contains("</rss>"), "cut at {cut}: {:?}", feed.faults);
    }
}

#[test]
fn entities_are_not_expanded_into_an_attack() {
    let doctype = "<!DOCTYPE rss [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;\"><!ENTITY x SYSTEM \"file:///etc/hostname\">]>";
    let text = healthy().replace("<rss", &format!("{doctype}<rss")).replace("Headline 3", "&a; &b; &x;");
    let (feed, entries) = read(text.as_bytes());
    assert_eq!(entries[3].title.as_deref(), Some("lol &b; &x;"));
    assert!(
        feed.faults.iter().any(|met| met.fault == Fault::UnknownEntity && met.count == 2),
        "{:?}",
        feed.faults
    );
}

#[test]
fn json_keeps_what_stands_before_a_syntax_error() {
    let text = br#"{"version":"https://jsonfeed.org/version/1","items":[{"id":"1"},{"id":"2"},{"id":"#;
    let (feed, entries) = read(text);
    assert_eq!(entries.len(), 2);
    let lost: u64 = feed.faults.iter().map(|met| met.items_lost).sum();
    // What was open is in the document still: nothing is lost.
    assert_eq!((feed.faults[0].fault, lost), (Fault::Truncated, 0));
    assert_eq!((feed.is_cut, feed.cut_entries), (true, 1));
}

#[test]
fn names_of_faults_are_all_different() {
    let mut names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fault::ALL.len());
}
