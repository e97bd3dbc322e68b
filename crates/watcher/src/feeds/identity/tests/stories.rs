//! Single stories: an upgrade, what two feeds do that look alike, churning.

use bytes::Bytes;

use super::world::{START, URL, came};
use crate::feeds::address::Allowed;
use crate::feeds::engine::{self, Answer, Came, Done, Feed, Step};
use crate::feeds::health::State;
use crate::feeds::policy::{DAY, HOUR, MINUTE};
use crate::feeds::read::read;
use crate::feeds::reading::Content;
use crate::feeds::state::{FeedState, Known};

/// A feed told document by document.
struct Told {
    feed: Feed,
    state: FeedState,
    now_ms: i64,
}

impl Told {
    fn new() -> Self {
        let feed = Feed { id: "quay".into(), url: URL.into(), is_listed: true };
        let state = FeedState::new(URL.into(), feed.hash(), START, START);
        Self { feed, state, now_ms: START }
    }

    fn document(items: &[String]) -> Content {
        let text = format!(
            "<rss version='2.0'><channel><title>Quay</title><link>https://quay.example/</link>{}</channel></rss>",
            items.concat()
        );
        read(&Bytes::from(text), None, URL, 0)
    }

    /// Polls, and gives the keys of what came.
    fn poll(&mut self, items: &[String]) -> (Vec<String>, Done) {
        self.now_ms = self.now_ms.max(self.state.next_ms);
        self.state = FeedState::from_bytes(&self.state.to_bytes()).expect("a state");
        let (poll, _) =
            engine::begin(&self.state, self.now_ms, &Allowed::default(), false).expect("a good address");
        let answer = Answer::Came(Came { content: Some(Self::document(items)), ..came() });
        let (state, allowed) = (&mut self.state, Allowed::default());
        let Step::Done(done) = engine::follow(&self.feed, state, poll, answer, self.now_ms, &allowed, false)
        else {
            panic!("no redirect")
        };
        (done.items.iter().map(|one| one.item.id.clone()).collect(), *done)
    }

    fn keys(&mut self, items: &[String]) -> Vec<String> {
        self.poll(items).0
    }

    fn hours_to_next(&self) -> i64 {
        (self.state.next_ms - self.state.start_ms) / HOUR
    }

    /// As 0.1.0 left it: nothing but halves of its own names.
    fn forget_like_0_1_0(&mut self, names: &[(&str, u64)]) {
        let known: Vec<Known> = names
            .iter()
            .map(|(name, content)| Known::new(xxhash_rust::xxh3::xxh3_64(name.as_bytes()), *content))
            .collect();
        self.state.identity = super::super::Identity::default();
        self.state.known.clear();
        self.state.remember(&known);
        let mut bytes = self.state.to_bytes();
        bytes.truncate(bytes.len() - 18);
        bytes[0] = 3;
        self.state = FeedState::from_bytes(&bytes).expect("a state of form 3");
        assert_eq!(self.state.known.len(), names.len());
    }
}

/// An item: guid element, link, title, minute, text.
fn item(guid: &str, link: &str, title: &str, minute: i64, text: &str) -> String {
    let date = barid_record::rfc3339(START - DAY + minute * MINUTE);
    let link = if link.is_empty() { String::new() } else { format!("<link>{link}</link>") };
    format!(
        "<item><title>{title}</title>{guid}{link}<pubDate>{date}</pubDate><description>{text}</description></item>"
    )
}

fn guid(value: &str) -> String {
    format!("<guid isPermaLink='false'>{value}</guid>")
}

fn article(id: &str, number: u64) -> String {
    let link = format!("https://quay.example/a/{number}");
    item(id, &link, &format!("Crane {number}"), number as i64, &format!("Crane {number} lifts."))
}

/// The content of what would be delivered, in the document's order.
fn contents(items: &[String]) -> Vec<u64> {
    let Content::Feed { reading, .. } = Told::document(items) else { panic!("a feed") };
    reading.items.iter().map(|item| item.content_hash).collect()
}

#[test]
fn an_upgrade_delivers_nothing_twice_whatever_0_1_0_took_for_an_id() {
    let blank: Vec<String> = (1..5).map(|number| article("<guid/>", number)).collect();
    let null: Vec<String> = (1..5).map(|number| article(&guid("null"), number)).collect();
    let good: Vec<String> = (1..5).map(|number| article(&guid(&format!("q-{number}")), number)).collect();
    let shared = |items: &[String], name: &'static str| {
        contents(items).into_iter().map(|content| (name, content)).collect::<Vec<_>>()
    };
    for (items, known) in [
        (&blank, shared(&blank, URL)),
        (&null, shared(&null, "null")),
        (&good, ["q-1", "q-2", "q-3", "q-4"].into_iter().zip(contents(&good)).collect()),
    ] {
        let mut told = Told::new();
        told.poll(items);
        told.forget_like_0_1_0(&known);
        let next = article(&guid("null"), 9);
        let all: Vec<String> = std::iter::once(next).chain(items.iter().cloned()).collect();
        let keys = told.keys(&all);
        assert_eq!(keys.len(), 1, "only what is new: {keys:?}");
        assert_eq!(told.keys(&all), [""; 0], "and that once");
    }
    // Links: http, tracking, fragments that count visitors, and letters that 0.1.0 did not escape.
    for (name, link) in [
        ("http://quay.example/a/1", "https://quay.example/a/1"),
        ("https://www.quay.example/a/1", "https://www.quay.example/a/1"),
        ("https://quay.example/خبر", "https://quay.example/خبر"),
        ("https://quay.example/a/1?utm_source=rss", "https://quay.example/a/1?utm_source=rss#xtor=RSS-1"),
    ] {
        let name = super::super::keys::of_link(&crate::feeds::reading::Item {
            link: Some(name.to_owned()),
            ..Default::default()
        });
        let old = &name[name.len().min(2) - 1];
        let items = [item("", link, "Crane", 1, "It lifts.")];
        let mut told = Told::new();
        told.poll(&items);
        told.forget_like_0_1_0(&[(old, contents(&items)[0])]);
        assert_eq!(told.keys(&items), [""; 0], "{link}");
        let edited = [item("", link, "Crane", 1, "It lifts again.")];
        assert_eq!(
            told.keys(&edited),
            [old.as_str()],
            "a later edit is a version of the record that it became"
        );
    }
}

#[test]
fn a_feed_of_0_1_0_whose_guids_are_made_anew_is_recognised_by_its_words() {
    let items = |poll: u64| -> Vec<String> {
        (1..5).map(|number| article(&guid(&format!("{poll}-{number}")), number)).collect()
    };
    let mut told = Told::new();
    told.poll(&items(0));
    let names = ["0-1", "0-2", "0-3", "0-4"];
    told.forget_like_0_1_0(&names.into_iter().zip(contents(&items(0))).collect::<Vec<_>>());
    assert_eq!(told.keys(&items(1)), [""; 0]);
    assert_eq!(told.keys(&items(2)), [""; 0]);
    let faults: Vec<_> = told.state.identity.worthless().map(|why| why.name()).collect();
    assert_eq!(faults, ["worthless_id_unstable"]);
}

#[test]
fn one_guid_twice_is_one_article_where_the_link_is_the_same_and_two_where_nothing_is() {
    let twice = |second: &str| vec![article(&guid("d"), 1), second.to_owned()];
    let corrected = item(&guid("d"), "https://quay.example/a/1", "Crane 1", 1, "Crane 1 lifts, at last.");
    let mut told = Told::new();
    assert_eq!(told.keys(&twice(&corrected)), ["d", "d"], "two versions");
    assert_eq!(told.keys(&twice(&article(&guid("d"), 1))), [""; 0]);
    let in_two_sections = article(&guid("d"), 1).replace("/a/1", "/sports/1");
    assert_eq!(Told::new().keys(&twice(&in_two_sections)), ["d"]);
    let mut other = Told::new();
    let keys = other.keys(&twice(&article(&guid("d"), 2)));
    assert!(keys.len() == 2 && keys[0] != keys[1] && !keys.contains(&"d".to_owned()), "{keys:?}");
    // Alone it is no id either: it was judged.
    let edited = article(&guid("d"), 1).replace("lifts.", "lifts again.");
    assert_eq!(other.keys(&[edited]), [keys[1].clone()]);
}

#[test]
fn a_guid_that_turns_out_to_be_shared_keeps_the_record_of_the_first_article() {
    let mut told = Told::new();
    assert_eq!(told.keys(&[article(&guid("N/A"), 1)]), ["N/A"], "nobody can know yet");
    let both = [article(&guid("N/A"), 2), article(&guid("N/A"), 1)];
    let keys = told.keys(&both);
    assert!(keys.len() == 1 && keys[0].starts_with("sha256:"), "{keys:?}");
    let edited = [both[0].clone(), both[1].replace("lifts", "fell")];
    assert_eq!(told.keys(&edited), ["N/A"], "an edit is a version of the record that it became");
}

#[test]
fn the_same_words_every_day_are_another_article_where_id_and_link_are_and_none_where_they_are_not() {
    let update = |day: i64, id: &str, link: &str| vec![item(id, link, "Traffic update", day * 1440, "")];
    let mut own = Told::new();
    let mut constant = Told::new();
    let mut linkless = Told::new();
    for day in 0..6 {
        let (id, link) = (guid(&format!("t-{day}")), format!("https://quay.example/traffic/{day}"));
        assert_eq!(own.keys(&update(day, &id, &link)).len(), 1, "day {day}");
        assert_eq!(linkless.keys(&update(day, &id, "")).len(), 1, "day {day}");
        let came = constant.keys(&update(day, &id, "https://quay.example/traffic")).len();
        assert_eq!(came, usize::from(day == 0), "one page that says the same");
    }
}

#[test]
fn a_live_page_with_honest_updates_is_not_churning_and_a_counter_of_visits_is() {
    let mut live = Told::new();
    let mut counter = Told::new();
    let entry = |number: u64, words: &str| {
        let link = format!("https://quay.example/live#{number}");
        item("", &link, &format!("Entry {number}"), number as i64, words)
    };
    for poll in 0..24_u64 {
        let entries: Vec<String> = (poll..poll + 8)
            .rev()
            .map(|number| entry(number, if number + 3 > poll + 8 { "Being written." } else { "Written." }))
            .collect();
        live.poll(&entries);
        let counted: Vec<String> =
            (0..8).map(|number| entry(number, &format!("Read {} times.", poll * 7 + number))).collect();
        let (keys, done) = counter.poll(&counted);
        assert_eq!(keys.len(), 8, "every change is delivered: nobody can say that it is none");
        assert_eq!(done.counts.updated, if poll == 0 { 0 } else { 8 });
    }
    assert_ne!(live.state.health.state, State::Churning);
    assert!(live.state.floor_ms(true) < HOUR);
    assert_eq!(counter.state.health.state, State::Churning);
    assert_eq!(counter.hours_to_next(), 4);
    let still: Vec<String> = (0..8).map(|number| entry(number, "Counted no more.")).collect();
    counter.poll(&still);
    counter.poll(&[still, vec![entry(9, "New.")]].concat());
    assert!(!counter.state.identity.churn.is_churning(), "it was mended");
}

#[test]
fn what_cannot_be_told_apart_at_all_is_churning_and_slows_down() {
    let mut told = Told::new();
    for poll in 0..12_u64 {
        let items: Vec<String> = (0..6)
            .map(|number| {
                let random = (poll * 6 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let (id, link) = (guid(&format!("{random:x}")), format!("https://quay.example/r/{random:x}"));
                item(&id, &link, &format!("Crane {number}"), poll as i64, &format!("Seen {random}."))
            })
            .collect();
        told.poll(&items);
    }
    assert_eq!(told.state.health.state, State::Churning);
    assert!(told.hours_to_next() >= 3);
}

#[test]
fn a_hub_brings_an_item_under_its_key_and_judges_no_ids() {
    let items = |poll: u64| -> Vec<String> {
        (1..5).map(|number| article(&guid(&format!("{poll}-{number}")), number)).collect()
    };
    let mut told = Told::new();
    told.poll(&items(0));
    let pushed = Told::document(&[article(&guid("7-2"), 2), article(&guid("7-9"), 9)]);
    let from = url::Url::parse(URL).expect("an address");
    let now_ms = told.now_ms + MINUTE;
    let done = engine::push(&told.feed, &mut told.state, pushed, from, told.now_ms, now_ms);
    let keys: Vec<&str> = done.items.iter().map(|one| one.item.id.as_str()).collect();
    assert_eq!(keys, ["7-9"], "the second is known by its link");
    assert_eq!(told.keys(&[items(1), vec![article(&guid("1-9"), 9)]].concat()), [""; 0]);
    let edited = article(&guid("2-9"), 9).replace("lifts", "fell");
    assert_eq!(told.keys(&[items(2), vec![edited]].concat()), ["7-9"]);
}

#[test]
fn a_site_that_makes_all_ids_anew_once_is_not_judged_for_it() {
    let items = |brand: &str, to: u64| -> Vec<String> {
        (1..to).map(|number| article(&guid(&format!("{brand}-{number}")), number)).collect()
    };
    let mut told = Told::new();
    told.poll(&items("old", 6));
    told.now_ms += 4 * DAY;
    assert_eq!(told.keys(&items("old", 7)), ["old-6"]);
    assert_eq!(told.keys(&items("new", 7)), [""; 0], "nothing twice");
    assert_eq!(told.keys(&items("new", 8)), ["new-7"], "and its ids are ids still");
    assert_eq!(told.state.identity.worthless().count(), 0);
    assert_eq!(told.keys(&items("newer", 8)), [""; 0]);
    assert_eq!(told.state.identity.worthless().count(), 1, "twice is a habit");
}
