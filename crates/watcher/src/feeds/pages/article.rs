//! A page's bytes to its article: the part with the text, found as browsers' reader views find it, and laid out as an item's HTML is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use dom_smoothie::{Config, Readability};
use url::Url;

use super::outcome::PageOutcome;
use crate::feeds::{markup, text};
use crate::links;

/// What a page says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::feeds) struct Article {
    /// The text: a paragraph a line.
    pub(in crate::feeds) text: String,
    /// The headline.
    pub(in crate::feeds) title: Option<String>,
    /// Who wrote it.
    pub(in crate::feeds) author: Option<String>,
    /// When it was published, as found.
    pub(in crate::feeds) published: Option<String>,
    /// A BCP-47 tag.
    pub(in crate::feeds) language: Option<String>,
    /// Its one address.
    pub(in crate::feeds) canonical: String,
}

/// A document with more elements is no article.
const MOST_ELEMENTS: usize = 20_000;
/// More data about an article than this is not looked into.
const MOST_DATA_BYTES: usize = 64 << 10;
/// Of a headline or a list of authors: each is a header of a message.
const MOST_LINE_BYTES: usize = 1024;
/// Of a date or a language.
const MOST_WORD_BYTES: usize = 64;
/// A text with fewer letters is a notice ("enable JavaScript", "accept cookies").
const FEWEST_LETTERS: usize = 100;
/// Declarations of a charset stand at the start.
const HEAD_BYTES: usize = 4096;

/// Reads a page that was found at `url`.
///
/// # Errors
/// What it is instead of an article.
pub(super) fn read(bytes: &[u8], content_type: Option<&str>, url: &Url) -> Result<Article, PageOutcome> {
    let media =
        content_type.and_then(|value| value.split(';').next()).map(|media| media.trim().to_ascii_lowercase());
    let is_html = media.as_deref().is_none_or(|media| {
        matches!(media, "" | "text/html" | "application/xhtml+xml" | "application/xml" | "text/xml")
    });
    if !is_html {
        return Err(PageOutcome::NotHtml);
    }
    let declared = content_type.and_then(charset).or_else(|| declared(bytes));
    let decoded = barid_core::decode(bytes, declared.as_deref()).map_err(|_| PageOutcome::NotHtml)?;
    let html: &str = &decoded.text;
    if !html.contains('<') {
        return Err(PageOutcome::NotHtml);
    }
    if markup::is_hostile(html) {
        return Err(PageOutcome::NoArticle);
    }
    // A fault of the HTML library must not end the polling of all feeds.
    catch_unwind(AssertUnwindSafe(|| extract(html, url))).unwrap_or(Err(PageOutcome::Fault))
}

fn extract(html: &str, url: &Url) -> Result<Article, PageOutcome> {
    let config = Config { max_elements_to_parse: MOST_ELEMENTS, ..Config::default() };
    let mut page =
        Readability::new(html, Some(url.as_str()), Some(config)).map_err(|_| PageOutcome::NoArticle)?;
    let data = page.doc.select("script[type='application/ld+json']");
    let data: Vec<String> = data.iter().map(|data| data.text().to_string()).collect();
    let is_paid =
        data.iter().any(|data| is_not_free(data))
            || page.doc.select("meta[itemprop='isAccessibleForFree']").iter().any(|meta| {
                meta.attr("content").is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
            });
    // Reading it takes time by the square of its length.
    page.config.disable_json_ld = data.iter().map(String::len).sum::<usize>() > MOST_DATA_BYTES;
    if is_paid {
        return Err(PageOutcome::Paywall);
    }
    let canonical = page.doc.select("link[rel~='canonical'][href]");
    let canonical =
        links::of_page(url, canonical.iter().next().and_then(|link| link.attr("href")).as_deref());
    let article = page.parse().map_err(|_| PageOutcome::NoArticle)?;
    let words = text::text_of(&article.content);
    if letters(&words) < FEWEST_LETTERS {
        return Err(PageOutcome::NoArticle);
    }
    // What is longer is no date and no language; a headline is one as far as it goes.
    let short = |value: Option<String>| told(value?).filter(|value| value.len() <= MOST_WORD_BYTES);
    Ok(Article {
        text: words,
        title: told(cut(text::one_line(&article.title))),
        author: article.byline.and_then(|byline| told(cut(text::one_line(&byline)))),
        published: short(article.published_time),
        language: short(article.lang),
        canonical,
    })
}

/// What a page says, if it says something.
fn told(value: String) -> Option<String> {
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A line up to the limit, and its last word whole.
fn cut(mut line: String) -> String {
    if line.len() > MOST_LINE_BYTES {
        line.truncate(line.floor_char_boundary(MOST_LINE_BYTES));
        line.truncate(line.rfind(' ').unwrap_or(line.len()));
    }
    line
}

/// How much of a text can be read: white space does not count.
pub(super) fn letters(text: &str) -> usize {
    text.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// schema.org: `"isAccessibleForFree": false`, as a word or a string.
fn is_not_free(data: &str) -> bool {
    data.split("\"isAccessibleForFree\"").skip(1).any(|after| {
        let value =
            after.trim_start().strip_prefix(':').map(|value| value.trim_start().trim_start_matches('"'));
        value.and_then(|value| value.get(..5)).is_some_and(|value| value.eq_ignore_ascii_case("false"))
    })
}

/// The charset of a `Content-Type`.
fn charset(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("charset=")? + "charset=".len();
    let name: String = content_type[at..]
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ':' | '.'))
        .collect();
    Some(name).filter(|name| !name.is_empty())
}

/// The charset that a page's `<meta>` names, in either form, or its XML declaration.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(HEAD_BYTES)]);
    let xml = head.trim_start().strip_prefix("<?xml").and_then(|rest| rest.split_once("?>"));
    let xml = xml.and_then(|(declaration, _)| charset(&declaration.replace("encoding=", "charset=")));
    // Only a letter of ASCII changes its case here, so places stay the same.
    let lower = head.to_ascii_lowercase();
    let metas = lower.match_indices("<meta").map(|(at, _)| head[at..].split('>').next().unwrap_or_default());
    xml.or_else(|| metas.into_iter().find_map(charset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::tests::processor;

    const PARAGRAPH: &str = "The council of the harbour town decided on Tuesday to build a fourth quay, after years of talks with the fishermen, who had feared for their berths, and with the railway.";

    fn url() -> Url {
        Url::parse("https://news.example/2023/quay?utm_source=rss").expect("an address")
    }

    fn page(head: &str, body: &str) -> String {
        format!(
            "<!DOCTYPE html><html lang=\"en-GB\"><head><title>Fourth quay - Harbour News</title>{head}</head><body>\
            <nav><ul><li><a href=/>Home</a></li><li><a href=/sport>Sport</a></li></ul></nav>\
            <div class=\"article\"><h1>Fourth quay</h1>{body}</div>\
            <footer><p>Copyright of Harbour News. All rights are ours, and so are all wrongs.</p></footer></body></html>"
        )
    }

    fn three() -> String {
        (1..=3).map(|number| format!("<p>{number}. {PARAGRAPH}</p>")).collect()
    }

    fn found(html: &str) -> Result<Article, PageOutcome> {
        read(html.as_bytes(), Some("text/html; charset=utf-8"), &url())
    }

    #[test]
    fn the_article_comes_without_what_stands_around_it() {
        let head = "<link rel='canonical' href='https://www.news.example/quay?utm_medium=x'><meta property='article:published_time' content='2023-09-05T08:15:00Z'><meta name='author' content=' Ada Quill '>";
        let article = found(&page(head, &three())).expect("an article");
        let lines: Vec<&str> = article.text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, [1, 2, 3].map(|number| format!("{number}. {PARAGRAPH}")), "a paragraph a line");
        assert_eq!(article.canonical, "https://www.news.example/quay");
        assert_eq!(
            (article.author.as_deref(), article.published.as_deref(), article.language.as_deref()),
            (Some("Ada Quill"), Some("2023-09-05T08:15:00Z"), Some("en-GB"))
        );
        assert!(article.title.is_some_and(|title| title.starts_with("Fourth quay")));
    }

    #[test]
    fn arabic_comes_in_the_charsets_it_is_served_in() {
        let text = "قرر مجلس المدينة يوم الثلاثاء بناء رصيف رابع، بعد سنوات من المحادثات مع الصيادين الذين خافوا على مراسيهم، ومع السكك الحديدية.";
        let body: String = (1..=3).map(|number| format!("<p>{number} {text}</p>")).collect();
        let html = page("<meta charset=windows-1256>", &body);
        let legacy: Vec<u8> = encoding_rs::WINDOWS_1256.encode(&html).0.into_owned();
        let old = page("<meta http-equiv='Content-Type' content='text/html; charset=windows-1256'>", &body);
        let old: Vec<u8> = encoding_rs::WINDOWS_1256.encode(&old).0.into_owned();
        for (bytes, content_type) in [
            (html.as_bytes(), Some("text/html; charset=windows-1256")),
            (&legacy, Some("text/html")),
            (&old, None),
            (&legacy, Some("text/html; charset=\"windows-1256\"")),
        ] {
            let article = read(bytes, content_type, &url()).expect("an article");
            assert!(article.text.starts_with(&format!("1 {text}")), "{content_type:?}: {}", article.text);
        }
    }

    #[test]
    fn what_is_no_article_is_named() {
        let free = |value: &str| {
            let data = format!(
                "<script type=\"application/ld+json\">{{\"@type\":\"NewsArticle\",\"isAccessibleForFree\" : {value}}}</script>"
            );
            found(&page(&data, &three())).map(drop)
        };
        assert_eq!(
            (free("false"), free("\"False\""), free("true")),
            (Err(PageOutcome::Paywall), Err(PageOutcome::Paywall), Ok(()))
        );
        assert_eq!(
            found(&page("<meta itemprop=isAccessibleForFree content=False>", &three())),
            Err(PageOutcome::Paywall)
        );
        assert_eq!(
            found("<html><body><p>Please enable JavaScript.</p></body></html>"),
            Err(PageOutcome::NoArticle)
        );
        assert_eq!(found("just words"), Err(PageOutcome::NotHtml));
        for (bytes, content_type) in [
            (&b"%PDF-1.7\n\x00\x01\x02"[..], Some("text/html")),
            (b"{\"a\": 1}", Some("application/json")),
            (b"<html><p>x</p>", Some("image/png")),
            (b"", None),
        ] {
            assert_eq!(read(bytes, content_type, &url()), Err(PageOutcome::NotHtml), "{content_type:?}");
        }
    }

    #[test]
    fn what_a_page_says_of_itself_has_an_end() {
        let long = "word ".repeat(100_000);
        let head = format!(
            "<meta property='og:title' content='{long}'><meta name='author' content='{long}'><meta property='article:published_time' content='{long}'>"
        );
        let html = page(&head, &three()).replace("en-GB", &long).replace("Fourth quay - Harbour News", &long);
        let article = found(&html).expect("an article");
        let kept = "word ".repeat(MOST_LINE_BYTES / 5);
        let kept = Some(kept.trim());
        assert_eq!((article.title.as_deref(), article.author.as_deref()), (kept, kept));
        assert_eq!((article.published, article.language), (None, None));
    }

    #[test]
    fn hostile_pages_cost_no_more_than_long_articles() {
        let article = page("", &three().repeat(1000));
        let (read, usual) = processor::cost(|| found(&article));
        assert!(read.is_ok());
        let for_each_byte = usual as f64 / article.len() as f64;
        let attributes: String = (0..100_000).map(|number| format!(" a{number}")).collect();
        let bodies = ["<div>".repeat(100_000), "<p>x".repeat(30_000), "<table>".repeat(5_000)];
        for body in bodies.into_iter().chain([format!("<p{attributes}>")]) {
            let html = page("", &body);
            let (read, cost) = processor::cost(|| found(&html));
            assert_eq!(read, Err(PageOutcome::NoArticle));
            let factor = cost as f64 / html.len() as f64 / for_each_byte;
            assert!(factor < 8.0, "{factor} times the processor of an article for each byte");
        }
    }
}
