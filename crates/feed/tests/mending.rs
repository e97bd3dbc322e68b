//! What is text and what is HTML; characters in halves; sections whose marks were escaped; documents that broke off; JSON of scripts.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use barid_feed::{Entry, Fault, Feed, Options, TextKind, parse};

fn read(bytes: impl AsRef<[u8]>) -> (Feed, Vec<Entry>) {
    let mut entries = Vec::new();
    let feed = parse(bytes.as_ref(), &Options::default(), &mut |entry| entries.push(entry)).expect("a feed");
    (feed, entries)
}

fn rss(items: &str) -> String {
    format!(
        "<rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel>{items}</channel></rss>"
    )
}

fn count(feed: &Feed, fault: Fault) -> u64 {
    feed.faults.iter().find(|met| met.fault == fault).map_or(0, |met| met.count)
}

fn lost(feed: &Feed) -> u64 {
    feed.faults.iter().map(|met| met.items_lost).sum()
}

#[test]
fn every_text_has_its_kind() {
    let atom = |inside: &str| {
        let text =
            format!("<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>i</id>{inside}</entry></feed>");
        read(text).1.remove(0)
    };
    let title = |kind: &str, inside: &str| {
        let title = atom(&format!("<title{kind}>{inside}</title>")).title.expect("a title");
        (title.value, title.kind)
    };
    for kind in ["", " type='text'", " type='text/plain'"] {
        assert_eq!(title(kind, "A&lt;B &amp;amp; C"), ("A<B &amp; C".to_owned(), TextKind::Plain), "{kind}");
    }
    for kind in [" type='html'", " type='text/html'"] {
        assert_eq!(title(kind, "&lt;b>C&lt;/b>"), ("<b>C</b>".to_owned(), TextKind::Html), "{kind}");
    }
    assert_eq!(title(" type='xhtml'", "<div><b>C</b></div>"), ("<b>C</b>".to_owned(), TextKind::Html));
    assert_eq!(title("", "a <b>C</b>").1, TextKind::Unknown, "tags where none belong");
    let entry = atom("<summary>s</summary><content type='html'>c</content>");
    assert_eq!(entry.summary.map(|text| text.kind), Some(TextKind::Plain));
    assert_eq!(entry.content[0].kind, TextKind::Html);
    let entry = atom("<content type='image/png'>R0lGODlhAQABAP8AACwAAAAAAQABAAA=</content>");
    assert_eq!(entry.content[0].kind, TextKind::Data);
    let (_, entries) = read(rss(
        "<item><title>t</title><description>d</description><content:encoded>c</content:encoded></item>",
    ));
    let kinds = [&entries[0].title, &entries[0].summary].map(|text| text.as_ref().map(|text| text.kind));
    assert_eq!(kinds, [Some(TextKind::Unknown); 2]);
    assert_eq!(entries[0].content[0].kind, TextKind::Html);
    let (_, entries) = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","items":[{"id":"1","title":"A<B","summary":"s","content_html":"h","content_text":"t"}]}"#,
    );
    let kinds = [&entries[0].title, &entries[0].summary].map(|text| text.as_ref().map(|text| text.kind));
    assert_eq!(kinds, [Some(TextKind::Plain); 2]);
    let kinds: Vec<_> = entries[0].content.iter().map(|text| (text.value.as_str(), text.kind)).collect();
    assert_eq!(kinds, [("h", TextKind::Html), ("t", TextKind::Plain)]);
}

#[test]
fn sections_whose_marks_became_text_are_unwrapped() {
    let title = |inside: &str| {
        let (feed, mut entries) = read(rss(&format!("<item><title>{inside}</title></item>")));
        (
            entries.remove(0).title.map(|title| title.value).unwrap_or_default(),
            count(&feed, Fault::EscapedCdata),
        )
    };
    let found = |text: &str, count| (text.to_owned(), count);
    assert_eq!(title("&lt;![CDATA[Crane]]&gt;"), found("Crane", 1));
    assert_eq!(title("&lt;![cdata[ Crane ]]&gt;"), found("Crane", 1));
    assert_eq!(title("&lt;![CDATA[&lt;b&gt;Crane&lt;/b&gt;]]>"), found("<b>Crane</b>", 1));
    assert_eq!(title("<![CDATA[&lt;![CDATA[Crane]]&gt;]]>"), found("Crane", 1));
    assert_eq!(title("&amp;lt;![CDATA[Crane]]&amp;gt;"), found("Crane", 1));
    assert_eq!(title("&lt;![CDATA[never ends"), found("never ends", 1));
    assert_eq!(title("a &lt;![CDATA[b]]&gt; c ]]&gt;"), found("a b c ]]>", 1));
    assert_eq!(title("a ]]&gt; b"), found("a ]]> b", 0));
    let (feed, entries) = read(rss(
        "<item><guid isPermaLink='false'>&lt;![CDATA[g-1]]&gt;</guid><link>&lt;![CDATA[https://news.example/1]]&gt;</link>\
         <pubDate>&lt;![CDATA[Tue, 05 Sep 2023 08:15:00 GMT]]&gt;</pubDate><category>&lt;![CDATA[ports]]&gt;</category></item>",
    ));
    let entry = &entries[0];
    assert_eq!((entry.id.as_str(), entry.link.as_deref()), ("g-1", Some("https://news.example/1")));
    assert_eq!(entry.published.as_ref().and_then(|date| date.ms), Some(1_693_901_700_000));
    assert_eq!((&entry.tags, count(&feed, Fault::EscapedCdata)), (&vec!["ports".to_owned()], 4));
    let plain = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>What &lt;![CDATA[ is</title><summary>&lt;![CDATA[&lt;p>s&lt;/p>]]&gt;</summary></entry></feed>";
    let (_, entries) = read(plain);
    assert_eq!(entries[0].title.as_deref(), Some("What <![CDATA[ is"));
    let summary = entries[0].summary.as_ref().expect("a summary");
    assert_eq!((summary.value.as_str(), summary.kind), ("<p>s</p>", TextKind::Unknown));
}

#[test]
fn two_halves_are_one_character_and_one_is_a_sign_of_loss() {
    for (inside, title, pairs, alone) in [
        ("a &#55357;&#56960; b", "a 🚀 b", 1, 0),
        ("a &#xD83D;&#xDE80; b", "a 🚀 b", 1, 0),
        ("a &#55357;&#xde80; b", "a 🚀 b", 1, 0),
        ("a &#xD83D&#56960 b", "a 🚀 b", 1, 0),
        ("a &#55357; b", "a \u{FFFD} b", 0, 1),
        ("a &#56960; b", "a \u{FFFD} b", 0, 1),
        ("&#56960;&#55357;", "\u{FFFD}\u{FFFD}", 0, 2),
        ("&#55357;&#55357;&#56960;", "\u{FFFD}🚀", 1, 1),
        ("<![CDATA[a &#55357;&#56960; b]]>", "a 🚀 b", 1, 0),
        ("a &amp;#xD83D;&amp;#xDE80; &amp;#8217; b", "a 🚀 &#8217; b", 1, 0),
        ("<![CDATA[a &#55357; b]]>", "a \u{FFFD} b", 0, 1),
    ] {
        let (feed, entries) = read(rss(&format!("<item><title>{inside}</title></item>")));
        assert_eq!(entries[0].title.as_deref(), Some(title), "{inside}");
        let counts = (count(&feed, Fault::SurrogatePair), count(&feed, Fault::BadCharRef));
        assert_eq!(counts, (pairs, alone), "{inside}");
    }
    let (feed, entries) = read(rss("<item><enclosure url='https://news.example/&#55357;&#56960;'/></item>"));
    assert_eq!(entries[0].enclosures[0].href, "https://news.example/🚀");
    assert!(count(&feed, Fault::SurrogatePair) > 0);
}

#[test]
fn halves_in_bytes_of_their_own_are_read() {
    let with = |text: &[u8]| {
        let items = rss("<item><title>A B</title></item>");
        let (before, after) = items.split_once("A B").expect("there");
        let (feed, mut entries) = read([before.as_bytes(), text, after.as_bytes()].concat());
        let counts = (count(&feed, Fault::SurrogatePair), count(&feed, Fault::BadByte));
        (entries.remove(0).title.map(|title| title.value).unwrap_or_default(), feed.encoding, counts)
    };
    let found = |text: &str, pairs, bad| (text.to_owned(), "utf-8".to_owned(), (pairs, bad));
    assert_eq!(with(b"Go \xED\xA0\xBD\xED\xBA\x80 now"), found("Go 🚀 now", 1, 0));
    let arabic = ["عاجل ".as_bytes(), b"\xED\xA0\xBD\xED\xBA\x80\xED\xA0\xBD\xED\xBA\x80"].concat();
    assert_eq!(with(&arabic), found("عاجل 🚀🚀", 2, 0));
    assert_eq!(with("عاجل \u{1F680}".as_bytes()), found("عاجل 🚀", 0, 0));
    let alone = ["عاجل ".as_bytes(), b"\xED\xA0\xBD."].concat();
    assert_eq!(with(&alone), found("عاجل \u{FFFD}.", 0, 1));
}

#[test]
fn a_document_that_broke_off_says_so_and_marks_what_was_open() {
    let cut = |text: &str| {
        let (feed, entries) = read(text);
        let marks: Vec<_> = entries.iter().map(|entry| entry.is_cut).collect();
        (feed.is_cut, feed.cut_entries, marks)
    };
    let two = "<rss version='2.0'><channel><item><title>1</title></item><item><title>2</title>";
    assert_eq!(cut(two), (true, 1, vec![false, true]));
    assert_eq!(cut(&format!("{two}</ite")), (true, 1, vec![false, true]));
    assert_eq!(cut(&format!("{two}<description><![CDATA[some words")), (true, 1, vec![false, true]));
    assert_eq!(cut(&format!("{two}<!-- a note")), (true, 1, vec![false, true]));
    assert_eq!(
        cut(&format!("{two}<link>ht<br />\n<b>Fatal error</b>: out of memory")),
        (true, 1, vec![false, true])
    );
    // Items that were whole stay so, whatever else is missing.
    assert_eq!(cut(&format!("{two}</item>")), (true, 0, vec![false, false]));
    assert_eq!(cut(&format!("{two}</item></channel>")), (true, 0, vec![false, false]));
    assert_eq!(cut(&format!("{two}</channel></rss>")), (false, 0, vec![false, false]));
    assert_eq!(cut(&format!("{two}</item></channel></rss><scr")), (false, 0, vec![false, false]));
    // Software that ends nothing.
    let none = "<rss version='2.0'><channel><item><title>1</title><item><title>2</title>";
    assert_eq!(cut(none), (true, 0, vec![false, false]));
    assert_eq!(cut(&format!("{none}<link>http")), (true, 1, vec![false, true]));
    // Broken off and sent again from the start.
    let whole =
        "<?xml version='1.0'?><rss version='2.0'><channel><item><guid>a-12</guid></item></channel></rss>";
    for open in ["<guid>a-1", "<title>some", "<description>some <b>words"] {
        let begun = format!("<rss version='2.0'><channel><item>{open}");
        assert_eq!(cut(&format!("{begun}{whole}")), (false, 1, vec![true, false]), "{open}");
    }
    // Somebody's own element.
    let own = "<rss version='2.0'><channel><item><channel>Politics</channel><feed>main</feed><title>1</title></item></channel></rss>";
    assert_eq!(cut(own), (false, 0, vec![false]));
}

const JSON: &str = r#"{"version":"https://jsonfeed.org/version/1.1","title":"T","items":["#;

#[track_caller]
fn assert_json(items: &str, titles: &[&str], lost_items: u64) -> Feed {
    let (feed, entries) = read(format!("{JSON}{items}"));
    let found: Vec<_> = entries.iter().map(|entry| entry.title.as_deref().unwrap_or_default()).collect();
    assert_eq!(found, titles, "{items}: {:?}", feed.faults);
    assert_eq!(lost(&feed), lost_items, "{items}: {:?}", feed.faults);
    assert_eq!(feed.title.as_deref(), Some("T"), "{items}");
    feed
}

#[test]
fn json_of_scripts_is_mended_and_nothing_counts_as_lost() {
    for items in [
        r#"{"id":"1","title":"a"},{"id":"2","title":"b"},]}"#,
        r#"{"id":"1","title":"a",},{"id":"2","title":"b"}],}"#,
        r#"{"id":"1","title":"a"},,{"id":"2","title":"b"}]}"#,
        r#"{"id":"1","title":"a"} {"id":"2","title":"b"}]}"#,
        r#"{"id":"1" "title":"a"},{"id":"2","title":"b"}]}"#,
        "{\"id\":\"1\",\"title\":\"a\"}, // the first\n{\"id\":\"2\",\"title\":\"b\"} /* the , second */]}",
        "# note\n{\"id\":\"1\",\"title\":\"a\"},{\"id\":\"2\",\"title\":\"b\"}]}",
        "{'id':'1','title':'a'},{'id':'2','title':'b'}]}",
        "{id:1,title:'a'},{id:2,title:\"b\"}]}",
        r#"{"id":"1","title":"a","n":NaN,"u":undefined,"t":True,"p":+1,"q":.5},{"id":"2","title":"b"}]}"#,
        "{\"id\":\"1\",\"title\":\"a\",\"summary\":\"one\ntwo\tthree\"},{\"id\":\"2\",\"title\":\"b\"}]}",
        r#"{"id":"1","title":"a","summary":"it\'s \x41 \q"},{"id":"2","title":"b"}]}"#,
        r#"{"id":"1","title":"a","summary":"half \ud83d of it"},{"id":"2","title":"b"}]}"#,
        "\u{A0}{\"id\":\"1\",\"title\":\"a\"},{\"id\":\"2\",\"title\":\"b\"}]}",
    ] {
        let feed = assert_json(items, &["a", "b"], 0);
        let named = count(&feed, Fault::BadJson) + count(&feed, Fault::BadCharRef);
        assert!(named > 0 && !feed.is_cut, "{items}: {:?}", feed.faults);
    }
    let summary = |raw: &str| {
        let (_, entries) = read(format!("{JSON}{{\"id\":\"1\",\"summary\":{raw},\"title\":\"t\"}}]}}"));
        assert_eq!(entries[0].title.as_deref(), Some("t"), "{raw}");
        entries[0].summary.as_ref().map(|text| text.value.clone()).unwrap_or_default()
    };
    assert_eq!(summary("\"one\ntwo\""), "one\ntwo");
    assert_eq!(summary(r#"'it\'s "here", she said'"#), r#"it's "here", she said"#);
    assert_eq!(summary(r#""he said "go" and left""#), r#"he said "go" and left"#);
    assert_eq!(summary(r#""he said "go", and left""#), r#"he said "go", and left"#);
    assert_eq!(summary(r#""\ud83d\ude80 \ud83d \ude80 \u12",,"x":1"#), "🚀 \u{FFFD} \u{FFFD} \\u12");
    assert_eq!(
        summary(r#""http://news.example/ // no comment", /* "x": 1 */ "y":2"#),
        "http://news.example/ // no comment"
    );
}

#[test]
fn healthy_json_is_not_touched_and_junk_around_it_is_named() {
    let healthy = format!("{JSON}{{\"id\":\"1\",\"title\":\"a // b, 'c' \\ud83d\\ude80\"}}]}}");
    let (feed, entries) = read(&healthy);
    assert_eq!((feed.faults, entries[0].title.as_deref()), (vec![], Some("a // b, 'c' 🚀")));
    for (before, after) in [
        (")]}',\n", ""),
        ("show(", ");"),
        ("// served by hand\n", ""),
        ("/* served by hand */", ""),
        ("<br />\n<b>Notice</b>: undefined index in <b>/f.php</b><br />\n", ""),
        ("Warning: {x} is not set\n", ""),
    ] {
        let (feed, entries) = read(format!("{before}{healthy}{after}"));
        assert_eq!((entries.len(), lost(&feed)), (1, 0), "{before}");
        assert_eq!(count(&feed, Fault::JunkBefore), 1, "{before}: {:?}", feed.faults);
    }
    let (feed, entries) = read(format!("{healthy}<!-- cached -->"));
    assert_eq!((entries.len(), lost(&feed), feed.faults[0].fault), (1, 0, Fault::JunkAfter));
    let page = format!("<!DOCTYPE html><html><body><pre>{healthy}</pre></body></html>");
    let answer =
        parse(page.as_bytes(), &Options::default(), &mut |_| panic!("an item of a page about feeds"));
    assert!(answer.is_err());
}

#[test]
fn json_counts_what_is_lost_and_goes_on_behind_it() {
    let (a, b, c) =
        (r#"{"id":"1","title":"a"}"#, r#"{"id":"2","title":"b","x":{]}}"#, r#"{"id":"3","title":"c"}"#);
    assert_json(&format!("{a},{b},{c}]}}"), &["a", "c"], 1);
    assert_json(&format!("{b},{b},{c},{b},{a}]}}"), &["c", "a"], 3);
    assert_json(&format!("{a},\"words\",{c}]}}"), &["a", "c"], 1);
    assert_json(&format!("{a},null,{c}]}}"), &["a", "c"], 0);
    // Files of the item that broke begin with no id.
    let files = r#"{"id":"2","x":{]},"attachments":[{"url":"https://news.example/a.mp3"},{"url":"https://news.example/b.mp3"}]}"#;
    assert_json(&format!("{a},{files},{c}]}}"), &["a", "c"], 1);
    let deep = format!("{{\"id\":\"2\",\"x\":{}1{}}}", "[".repeat(300), "]".repeat(300));
    assert_json(&format!("{a},{deep},{c}]}}"), &["a", "c"], 1);
    // What PHP makes of a list with gaps, and one item without its list.
    let version = r#"{"version":"https://jsonfeed.org/version/1.1","title":"T","items":"#;
    let (feed, entries) = read(format!("{version}{{\"0\":{a},\"2\":{c}}}}}"));
    assert_eq!((entries.len(), lost(&feed), count(&feed, Fault::BadJson)), (2, 0, 1));
    let (feed, entries) = read(format!("{version}{a}}}"));
    assert_eq!((entries.len(), lost(&feed)), (1, 0));
}

#[test]
fn json_that_broke_off_has_what_was_whole() {
    let whole = format!("{JSON}{{\"id\":\"1\",\"title\":\"a\"}}, {{\"id\":\"2\",\"title\":\"b\"}}]}}");
    let first = whole.find("}, {").expect("the first ends") + 1;
    let second = whole.find("}]}").expect("the second ends") + 1;
    for text in [whole.clone(), whole.replace("}, {", "},/* x */{"), whole.replace("\"a\"", "'a'")] {
        let shift = text.len() - whole.len();
        for cut in text.find("[{").expect("items") + 1..text.len() {
            let (feed, entries) = read(&text[..cut]);
            let expected = usize::from(cut >= first) + usize::from(cut >= second + shift);
            assert_eq!(entries.len(), expected, "{}", &text[..cut]);
            assert!(feed.is_cut && lost(&feed) == 0, "{}: {:?}", &text[..cut], feed.faults);
            assert!(feed.cut_entries <= 1, "{}", &text[..cut]);
        }
        let open = text.find("\"2\"").expect("the second");
        assert_eq!(read(&text[..open]).0.cut_entries, 1);
        assert!(!read(&text).0.is_cut);
    }
}
