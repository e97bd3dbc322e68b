//! Articles and their versions under ids, addresses and contents.

use super::*;

fn line(id: Option<&str>, url: Option<&str>, text: &str) -> Line {
    Line {
        text: text.to_owned(),
        id: id.map(str::to_owned),
        hints: Hints { url: url.map(str::to_owned), ..Hints::default() },
        mended: Vec::new(),
    }
}

/// The articles of one name, heard through their stored form as the table would keep them.
struct Table(std::collections::HashMap<[u8; 16], Vec<u8>>);

impl Table {
    fn hear(&mut self, path: &str, line: &Line) -> Word {
        self.hear_behind(path, line, false)
    }

    fn hear_behind(&mut self, path: &str, line: &Line, stands_behind: bool) -> Word {
        let name = Name::of(line);
        let stored = self.0.get(&name.hash());
        let mut articles = stored
            .map_or_else(Articles::default, |bytes| Articles::from_bytes(&name, bytes).expect("reads back"));
        let (_, word) = articles.hear(&name, &Saying::of(line, path), stands_behind);
        self.0.insert(name.hash(), articles.to_bytes(&name));
        word
    }

    fn is_news(&mut self, path: &str, line: &Line) -> Option<String> {
        match self.hear(path, line) {
            Word::News(key) => Some(key),
            Word::Known | Word::Past => None,
            other @ (Word::Back(_) | Word::NoName) => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_id_names_one_article_in_every_file() {
    let mut table = Table(Default::default());
    let (a, b) = (line(Some("7"), None, "first"), line(Some("7"), None, "second"));
    assert_eq!(table.is_news("a", &a).as_deref(), Some("id:7"));
    assert_eq!(table.is_news("b", &a), None);
    assert_eq!(table.is_news("b", &b).as_deref(), Some("id:7"));
    // The old file is read again, under any name.
    assert_eq!((table.is_news("a", &a), table.is_news("c", &a)), (None, None));
    // The file that said otherwise in between takes it back.
    assert_eq!(table.hear("b", &a), Word::Back("id:7".into()));
    assert_eq!(table.is_news("b", &line(Some("8"), None, "first")).as_deref(), Some("id:8"));
}

#[test]
fn of_a_file_that_keeps_each_version_the_older_line_is_no_news() {
    let mut table = Table(Default::default());
    let (a, b, c) =
        (line(Some("7"), None, "first"), line(Some("7"), None, "second"), line(Some("7"), None, "third"));
    assert!(table.is_news("a", &a).is_some());
    assert_eq!(table.hear_behind("a", &b, true), Word::News("id:7".into()));
    assert_eq!(table.hear("a", &a), Word::Past, "the newer line was deleted");
    // A file that was written over with the correction alone can take it back.
    assert_eq!(table.hear("a", &c), Word::News("id:7".into()));
    assert_eq!(table.hear("a", &b), Word::Back("id:7".into()));
}

#[test]
fn an_address_names_an_article_as_long_as_headline_or_text_stays() {
    let mut table = Table(Default::default());
    let at = |text: &str| line(None, Some("https://news.example/live?utm_source=x"), text);
    let first = table.is_news("a", &at("Port closed\nStorm at sea.")).expect("news");
    assert_eq!(first, "url:news.example/live");
    assert_eq!(table.is_news("a", &at("Port closed\nStorm at sea, and fog.")), Some(first.clone()));
    assert_eq!(table.is_news("a", &at("Port is closed\nStorm at sea, and fog.")), Some(first.clone()));
    let second = table.is_news("a", &at("Ferry delayed\nFog.")).expect("news");
    assert_ne!(second, first);
    assert_eq!(table.is_news("a", &at("Ferry delayed\nThick fog.")), Some(second));
    assert_eq!(table.is_news("b", &at("Port is closed\nStorm at sea, and fog.")), None);
    // An address like any other site's front page is none.
    for n in 0..MOST_ARTICLES - 2 {
        assert!(table.is_news("a", &at(&format!("Headline {n}\nText {n}"))).is_some());
    }
    assert_eq!(table.hear("a", &at("One more\nText")), Word::NoName);
}

#[test]
fn texts_of_one_line_under_one_address_are_articles_of_their_own() {
    let mut table = Table(Default::default());
    let at = |text: &str| line(None, Some("https://news.example/"), text);
    assert!(table.is_news("a", &at("Port closed")).is_some());
    assert!(table.is_news("a", &at("Ferry delayed")).is_some_and(|key| key != "url:news.example/"));
    assert_eq!(table.is_news("b", &at("Port closed")), None);
}

#[test]
fn a_long_line_that_is_corrected_under_its_address_stays_its_article() {
    let mut table = Table(Default::default());
    let at = |text: &str| line(None, Some("https://news.example/a"), text);
    let told = "The harbour master said that the northern basin would stay shut until the dredger has gone and the pilots agree";
    let first = table.is_news("a", &at(told)).expect("news");
    let corrected = table.is_news("a", &at(&told.replace("northern", "southern")));
    assert_eq!(corrected, Some(first.clone()));
    let other = "Nine bakers of the old town sell bread from carts this week, since a fire took the ovens of their street on Friday";
    assert_ne!(table.is_news("a", &at(other)).expect("news"), first);
}

#[test]
fn without_id_and_address_the_content_is_the_article() {
    let mut table = Table(Default::default());
    let key = table.is_news("a", &line(None, None, "Port closed\nuntil noon")).expect("news");
    assert!(key.starts_with("sha256:"), "{key}");
    assert_eq!(table.is_news("b", &line(None, None, "  Port closed until\tnoon ")), None);
    assert!(table.is_news("b", &line(None, Some("urn:x"), "Port closed until two")).is_some());
    let mut with_headline = line(None, None, "Port closed\nuntil noon");
    with_headline.hints.headline = Some("Storm".into());
    assert!(table.is_news("a", &with_headline).is_some());
}

#[test]
fn what_was_said_before_is_known_for_a_hundred_versions() {
    let mut table = Table(Default::default());
    for n in 0..150 {
        assert!(table.is_news("a", &line(Some("7"), None, &format!("version {n}"))).is_some());
    }
    assert_eq!(table.is_news("b", &line(Some("7"), None, "version 60")), None);
    assert!(table.is_news("b", &line(Some("7"), None, "version 20")).is_some(), "long forgotten");
}

#[test]
fn a_long_address_makes_no_long_key() {
    let line = line(None, Some(&format!("https://news.example/{}", "a".repeat(4000))), "text");
    assert!(Name::of(&line).key().len() < 100);
}
