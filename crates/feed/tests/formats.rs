//! Every format, healthy: what the fields say.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

use barid_feed::{Entry, Feed, IdSource, Options, parse};

fn read(text: &str) -> (Feed, Vec<Entry>) {
    let mut entries = Vec::new();
    let options = Options { content_type: None, base: Some("https://news.example/feed/") };
    let feed = parse(text.as_bytes(), &options, &mut |entry| entries.push(entry)).expect("a feed");
    (feed, entries)
}

#[test]
fn rss() {
    let (feed, entries) = read(
        r#"<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"
          xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>نشرة الواحة</title>
          <link>/</link><ttl>30</ttl><skipHours><hour>1</hour><hour>24</hour></skipHours>
          <item><title>افتتاح &amp; عرض</title><link>a/1</link><guid isPermaLink="false">n-1</guid>
          <pubDate>Tue, 05 Sep 2023 08:15:00 +0300</pubDate><dc:creator>ليلى</dc:creator>
          <description>&lt;p&gt;قصير&lt;/p&gt;</description><content:encoded><![CDATA[<p>طويل</p>]]></content:encoded>
          <category>ثقافة</category><enclosure url="a.mp3" type="audio/mpeg" length="5"/></item>
          <item><title>بلا معرّف</title><link>a/2#top</link></item></channel></rss>"#,
    );
    assert_eq!(feed.version, "rss20");
    assert_eq!(feed.title.as_deref(), Some("نشرة الواحة"));
    assert_eq!(feed.link.as_deref(), Some("https://news.example/"));
    assert_eq!((feed.schedule.ttl_minutes, &feed.schedule.skip_hours), (Some(30), &vec![1, 0]));
    assert_eq!(feed.faults, []);
    assert_eq!(feed.entries, 2);
    let first = &entries[0];
    assert_eq!(first.title.as_deref(), Some("افتتاح & عرض"));
    assert_eq!(first.link.as_deref(), Some("https://news.example/feed/a/1"));
    assert_eq!((first.id.as_str(), first.id_source), ("n-1", IdSource::Guid));
    assert_eq!(first.published.as_ref().and_then(|date| date.ms), Some(1_693_890_900_000));
    assert_eq!(first.author.as_deref(), Some("ليلى"));
    assert_eq!(first.summary.as_deref(), Some("<p>قصير</p>"));
    assert_eq!(first.content, ["<p>طويل</p>"]);
    assert_eq!(first.tags, ["ثقافة"]);
    assert_eq!(first.enclosures[0].href, "https://news.example/feed/a.mp3");
    assert_eq!(entries[1].id_source, IdSource::Link);
    assert!(entries[1].id.starts_with("sha256:"));
}

#[test]
fn atom() {
    let (feed, entries) = read(
        r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://oasis.example/b/"><title type="html">A &amp;amp; B</title>
          <link rel="hub" href="https://hub.example/"/><link href="."/><id>urn:f</id>
          <entry><title>One</title><link href="1.html"/><id>urn:1</id><updated>2023-09-05T08:15:00.5Z</updated>
          <author><name>L</name><email>l@oasis.example</email></author>
          <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>x &lt; <b>y</b></p></div></content></entry></feed>"#,
    );
    assert_eq!((feed.version, feed.title.as_deref()), ("atom10", Some("A &amp; B")));
    assert_eq!(feed.link.as_deref(), Some("https://oasis.example/b/"));
    assert_eq!(feed.links[0].rel, "hub");
    assert_eq!(feed.faults, []);
    let entry = &entries[0];
    assert_eq!(entry.link.as_deref(), Some("https://oasis.example/b/1.html"));
    assert_eq!(entry.updated.as_ref().and_then(|date| date.ms), Some(1_693_901_700_500));
    assert_eq!(entry.author.as_deref(), Some("L (l@oasis.example)"));
    assert_eq!(entry.content, ["<p>x &lt; <b>y</b></p>"]);
    assert_eq!(entry.summary.as_deref(), Some("<p>x &lt; <b>y</b></p>"));
}

#[test]
fn json_feed() {
    let (feed, entries) = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"T","home_page_url":"/h","items":[
          {"id":7,"url":"u","title":"One","content_html":"<p>x</p>","date_published":"2023-09-05T08:15:00Z",
           "authors":[{"name":"L"}],"tags":["a"],"attachments":[{"url":"f.mp3","mime_type":"audio/mpeg","size_in_bytes":9}]},
          {"id":"8","content_text":"y"}]}"#,
    );
    assert_eq!((feed.version, feed.entries, feed.faults), ("json11", 2, vec![]));
    assert_eq!(entries[0].id, "7");
    assert_eq!(entries[0].link.as_deref(), Some("https://news.example/feed/u"));
    assert_eq!(entries[0].enclosures[0].length.as_deref(), Some("9"));
    assert_eq!(entries[1].content, ["y"]);
}

#[test]
fn sitemap_and_cdf() {
    let (feed, entries) = read(
        r#"<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">
          <url><loc>https://oasis.example/1</loc><lastmod>2023-09-06</lastmod><news:news><news:publication><news:name>الواحة</news:name>
          <news:language>ar</news:language></news:publication><news:publication_date>2023-09-05T08:15:00Z</news:publication_date>
          <news:title>عنوان</news:title><news:keywords>أ, ب</news:keywords></news:news></url></urlset>"#,
    );
    assert_eq!(feed.version, "sitemap");
    assert_eq!(entries[0].title.as_deref(), Some("عنوان"));
    assert_eq!(entries[0].link.as_deref(), Some("https://oasis.example/1"));
    assert_eq!(entries[0].tags, ["أ", "ب"]);
    let (feed, entries) = read(
        r#"<Channel HREF="http://oasis.example/"><Item HREF="http://oasis.example/1" LASTMOD="2002-11-05T12:20:15"><Title>T</Title>
          <Abstract>S</Abstract></Item></Channel>"#,
    );
    assert_eq!((feed.version, feed.link.as_deref()), ("cdf", Some("http://oasis.example/")));
    assert_eq!(entries[0].summary.as_deref(), Some("S"));
}

#[test]
fn a_blank_id_is_none_and_links_that_differ_in_the_fragment_are_two() {
    let rss = |guid: &str| {
        let item = |number: u8| {
            format!("<item><title>{number}</title><link>https://oasis.example/{number}</link>{guid}</item>")
        };
        format!("<rss version=\"2.0\"><channel>{}{}</channel></rss>", item(1), item(2))
    };
    let blank =
        ["<guid></guid>", "<guid/>", "<guid isPermaLink=\"false\"> \n </guid>", "<guid>&#160;&#8203;</guid>"];
    let mut documents: Vec<String> = blank.iter().map(|guid| rss(guid)).collect();
    documents.push(
        "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{\"id\":\" \",\"url\":\"https://oasis.example/1\"},{\"id\":\"\",\"url\":\"https://oasis.example/2\"}]}".to_owned(),
    );
    documents.push(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\"><item rdf:about=\" \"><link>https://oasis.example/1</link></item><item rdf:about=\"\"><link>https://oasis.example/2</link></item></rdf:RDF>".to_owned(),
    );
    documents.push(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><id/><link href=\"https://oasis.example/1\"/></entry><entry><id> </id><link href=\"https://oasis.example/2\"/></entry></feed>".to_owned(),
    );
    for document in &documents {
        let (_, entries) = read(document);
        assert!(
            entries.iter().all(|entry| entry.id_source == IdSource::Link && entry.has_blank_id),
            "{document}"
        );
        assert_ne!(entries[0].id, entries[1].id, "{document}");
    }
    let (_, absent) = read(&rss(""));
    assert!(absent.iter().all(|entry| !entry.has_blank_id));
    let (_, live) = read(&rss("").replace("oasis.example/", "oasis.example/live#post-"));
    assert_ne!(live[0].id, live[1].id);
}

#[test]
fn extensions_do_not_overwrite_what_the_item_says() {
    let item = |inside: &str| {
        let text = format!(
            "<rss version=\"2.0\" xmlns:media=\"http://search.yahoo.com/mrss/\" xmlns:itunes=\"http://www.itunes.com/dtds/podcast-1.0.dtd\">\
             <channel><item>{inside}</item></channel></rss>"
        );
        read(&text).1.remove(0)
    };
    let (own, foreign) = ("<title>own</title>", "<media:title>foreign</media:title>");
    for inside in [
        format!("{own}{foreign}"),
        format!("{foreign}{own}"),
        format!("<media:group>{foreign}</media:group>{own}"),
        format!("{own}<media:group>{foreign}</media:group>"),
    ] {
        assert_eq!(item(&inside).title.as_deref(), Some("own"), "{inside}");
    }
    assert_eq!(item(foreign).title.as_deref(), Some("foreign"));
    let entry = item("<description>first</description><itunes:summary>second</itunes:summary>");
    assert_eq!(entry.summary.as_deref(), Some("first"));
    assert_eq!(entry.content, ["second"]);
    let entry = item(
        "<image><title>picture</title><link>https://p.example/</link></image><title>own</title><link>https://a.example/</link>",
    );
    assert_eq!((entry.title.as_deref(), entry.link.as_deref()), (Some("own"), Some("https://a.example/")));
    let entry = item("<source url=\"https://s.example/\">Other</source><title>own</title>");
    assert_eq!(entry.source.and_then(|source| source.title).as_deref(), Some("Other"));
    assert_eq!(entry.title.as_deref(), Some("own"));
}

#[test]
fn an_index_of_sitemaps_is_told_from_a_sitemap() {
    for text in [
        r#"<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
            <sitemap><loc>https://estuary.example/map-1.xml</loc><lastmod>2023-09-05T08:15:00Z</lastmod></sitemap>
            <sitemap><loc>/map-2.xml.gz</loc></sitemap></sitemapindex>"#,
        "<SitemapIndex><sitemap><loc>\n https://estuary.example/map-1.xml </loc><lastmod>2023-09-05T08:15:00Z</lastmod></sitemap><sitemap><loc>/map-2.xml.gz</loc></sitemap>",
        "<s:sitemapindex xmlns:s='http://www.google.com/schemas/sitemap/0.84'><s:sitemap><s:loc>https://estuary.example/map-1.xml</s:loc><s:lastmod>2023-09-05T08:15:00Z</s:lastmod></s:sitemap><s:sitemap><s:loc>/map-2.xml.gz</s:loc></s:sitemap></s:sitemapindex>",
    ] {
        let (feed, entries) = read(text);
        assert!(feed.is_index(), "{}", feed.version);
        let named: Vec<_> = entries
            .iter()
            .map(|entry| (entry.link.as_deref(), entry.updated.as_ref().and_then(|updated| updated.ms)))
            .collect();
        let first = (Some("https://estuary.example/map-1.xml"), Some(1_693_901_700_000));
        assert_eq!(named, [first, (Some("https://news.example/map-2.xml.gz"), None)]);
    }
    assert!(!read("<urlset><url><loc>https://estuary.example/a</loc></url></urlset>").0.is_index());
}
