//! Documents as what a poll takes out of them.

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
fn rss(items: &str) -> Reading {
    feed(&format!(
        "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:atom='http://www.w3.org/2005/Atom'><channel>\
         <title>Harbour</title>{items}</channel></rss>"
    ))
}

#[test]
fn an_item_that_was_open_when_the_document_broke_off_is_no_item() {
    let whole = "<rss version='2.0'><channel><item><guid isPermaLink='false'>a-1</guid><title>One</title></item>\
                 <item><guid isPermaLink='false'>a-2</guid><title>Two</title></item></channel></rss>";
    let second = whole.find("a-2").expect("the second");
    let end = whole.find("</item></channel>").expect("its end") + "</item>".len();
    for cut in second..whole.len() - "</rss>".len() {
        let reading = feed(&whole[..cut]);
        let ids: Vec<_> = reading.items.iter().map(|item| item.id.as_str()).collect();
        let expected = if cut < end { vec!["a-1"] } else { vec!["a-1", "a-2"] };
        assert_eq!((ids, reading.cut_items), (expected, u64::from(cut < end)), "{}", &whole[..cut]);
        assert!(reading.is_cut, "{}", &whole[..cut]);
    }
    let reading = feed(whole);
    assert_eq!((reading.items.len(), reading.is_cut, reading.cut_items), (2, false, 0));
    let json = "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\"1\",\"title\":\"One\"},{\"id\":\"2";
    let reading = feed(json);
    assert_eq!((reading.items.len(), reading.is_cut, reading.cut_items, reading.items_lost), (1, true, 1, 0));
}

#[test]
fn a_good_date_goes_before_one_that_cannot_be_read() {
    let good = 1_693_901_700_000;
    let bad = "<pubDate>the day before</pubDate>";
    for second in [
        "<dc:date>2023-09-05T08:15:00Z</dc:date>",
        "<atom:updated>2023-09-05T08:15:00Z</atom:updated>",
        "<dcterms:created xmlns:dcterms='http://purl.org/dc/terms/'>2023-09-05T08:15:00Z</dcterms:created>",
        "<pubDate>Tue, 05 Sep 2023 08:15:00 GMT</pubDate>",
    ] {
        for both in [format!("{bad}{second}"), format!("{second}{bad}")] {
            let reading = rss(&format!("<item><title>a</title>{both}</item>"));
            let item = &reading.items[0];
            assert_eq!((item.published_ms, reading.undated), (Some(good), 0), "{both}");
            assert_eq!(item.modified, None, "{both}");
        }
    }
    let reading = rss(&format!("<item><title>a</title>{bad}<dc:date>some day</dc:date></item>"));
    let item = &reading.items[0];
    assert_eq!((item.published_ms, item.published.as_deref()), (None, Some("the day before")));
    let reading = rss(&format!("<item><title>a</title>{bad}</item>"));
    assert_eq!(reading.items[0].published.as_deref(), Some("the day before"));
}

#[test]
fn a_change_is_told_where_it_is_another_instant_than_the_publication() {
    let modified = |updated: &str| {
        let published = "<pubDate>Tue, 05 Sep 2023 08:15:00 GMT</pubDate>";
        rss(&format!("<item><title>a</title>{published}{updated}</item>")).items[0].modified.clone()
    };
    assert_eq!(modified(""), None);
    assert_eq!(modified("<dc:date>2023-09-05T11:15:00+03:00</dc:date>"), None, "the same instant");
    assert_eq!(
        modified("<atom:updated>2023-09-06T00:00:00Z</atom:updated>").as_deref(),
        Some("2023-09-06T00:00:00.000Z")
    );
    assert_eq!(modified("<atom:updated>later that day</atom:updated>").as_deref(), Some("later that day"));
    let reading = rss("<item><title>a</title><atom:updated>2023-09-06T00:00:00Z</atom:updated></item>");
    assert_eq!(
        (reading.items[0].modified.as_deref(), reading.items[0].published_ms),
        (None, Some(1_693_958_400_000))
    );
}

#[test]
fn what_the_entry_knows_of_its_article_goes_with_it() {
    let reading = rss(
        "<dc:publisher>House</dc:publisher><item><title>a</title><dc:creator>L. Reed</dc:creator><dc:creator>M. Amari</dc:creator>\
         <dc:creator>L. Reed</dc:creator><category> ports </category><category>R&amp;amp;D</category><category>ports</category>\
         <category>&lt;b&gt;sea&lt;/b&gt;</category><source url='https://other.example/'>The Other</source></item>\
         <item><title>b</title><author>desk@news.example (The Desk)</author></item>",
    );
    let item = &reading.items[0];
    assert_eq!(item.author.as_deref(), Some("L. Reed, M. Amari"));
    assert_eq!(item.keywords, ["ports", "R&D", "sea"]);
    assert_eq!(item.publisher.as_deref(), Some("The Other"));
    let item = &reading.items[1];
    assert_eq!((item.author.as_deref(), item.publisher.as_deref()), (Some("The Desk"), Some("House")));
    let of = |entry: &str| {
        let text = format!(
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>T</title><author><name>A</name></author><author><name>B</name></author>{entry}</feed>"
        );
        feed(&text).items.remove(0)
    };
    assert_eq!(of("<entry><title>a</title></entry>").author.as_deref(), Some("A, B"));
    assert_eq!(
        of("<entry><title>a</title><author><name>C</name></author></entry>").author.as_deref(),
        Some("C")
    );
    assert_eq!(
        of("<entry><title>a</title><source><title>S</title></source></entry>").author,
        None,
        "another feed's"
    );
    assert_eq!(of("<entry><title>a</title></entry>").publisher, None, "a feed's title is no house");
    let sitemap = feed(
        "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:news='http://www.google.com/schemas/sitemap-news/0.9'><url>\
         <loc>https://news.example/1</loc><news:news><news:publication><news:name>House</news:name></news:publication>\
         <news:title>a</news:title></news:news></url></urlset>",
    );
    assert_eq!(
        (sitemap.items[0].publisher.as_deref(), sitemap.items[0].author.as_deref()),
        (Some("House"), None)
    );
}

#[test]
fn too_many_categories_are_counted() {
    let tags: String = (0..=MOST_KEYWORDS).map(|number| format!("<category>{number}</category>")).collect();
    let reading =
        rss(&format!("<item><title>a</title>{tags}<category>{}</category></item>", "x".repeat(300)));
    assert_eq!(reading.items[0].keywords.len(), MOST_KEYWORDS);
    assert!(reading.faults.contains(&("keywords_left_out", 2)), "{:?}", reading.faults);
}

#[test]
fn an_item_without_words_takes_them_from_what_has_some() {
    let one = |inside: &str| {
        let item =
            rss(&format!("<item><guid isPermaLink='false'>id-7</guid>{inside}</item>")).items.remove(0);
        (item.title, item.text)
    };
    let content = "<content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'><![CDATA[<img src='/a/b/c/d.png'/>]]></content:encoded>";
    let itunes = "xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd'";
    for (inside, text) in [
        (format!("<title>T</title><description>Words</description>{content}"), "Words"),
        (format!("<itunes:summary {itunes}>Words</itunes:summary>{content}"), "Words"),
        (format!("<itunes:subtitle {itunes}>Words</itunes:subtitle>"), "Words"),
        (
            "<media:description xmlns:media='http://search.yahoo.com/mrss/'>Words</media:description>"
                .to_owned(),
            "Words",
        ),
        ("<atom:link rel='enclosure' href='/a.mp3' title='Words'/>".to_owned(), "Words"),
        ("<enclosure url='https://news.example/a.mp3'/>".to_owned(), "https://news.example/a.mp3"),
        ("<title>T</title><enclosure url='https://news.example/a.mp3'/>".to_owned(), ""),
        (String::new(), ""),
    ] {
        assert_eq!(one(&inside).1, text, "{inside}");
    }
    assert_eq!(
        one("<media:title xmlns:media='http://search.yahoo.com/mrss/'>Words</media:title>").0.as_deref(),
        Some("Words")
    );
}

#[test]
fn a_change_of_words_that_stand_in_for_a_text_is_a_change() {
    let hash = |words: &str| {
        let content = "<content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'><![CDATA[<img src='/a/b/c/d.png'/>]]></content:encoded>";
        rss(&format!("<item><title>T</title><description>{words}</description>{content}</item>")).items[0]
            .content_hash
    };
    assert_ne!(hash("One"), hash("Two"));
}

#[test]
fn what_is_mended_in_texts_is_among_the_faults() {
    let reading = rss(
        "<item><title>&lt;title&gt;Crane&lt;/title&gt;</title><description>It&amp;amp;#8217;s back</description></item>",
    );
    let item = &reading.items[0];
    assert_eq!((item.title.as_deref(), item.text.as_str()), (Some("Crane"), "It’s back"));
    assert!(
        reading.faults.contains(&("text_kept", 1)) && reading.faults.contains(&("double_escaped", 1)),
        "{:?}",
        reading.faults
    );
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
