//! A feed that is written, edited and asked, with one of the habits that feeds have; and a judge of what is delivered.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::feeds::address::Allowed;
use crate::feeds::engine::{self, Answer, Came, Done, Feed, Step};
use crate::feeds::policy::{DAY, HOUR, MINUTE};
use crate::feeds::read::read;
use crate::feeds::state::FeedState;

/// A Monday.
pub(super) const START: i64 = 1_693_785_600_000;
pub(super) const URL: &str = "https://quay.example/feeds/all.xml";

/// How a feed spoils the identity of its items, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    Plain,
    NoGuid,
    BlankGuid,
    SelfClosedGuid,
    GuidOfSpaces,
    GuidIsDash,
    SomeBlank,
    GuidNull,
    GuidOfFeed,
    GuidOfHome,
    GuidRandom,
    GuidRandomHomeLink,
    GuidRandomLinkRandom,
    GuidOfTitle,
    GuidOfVersion,
    GuidOfDay,
    GuidCounter,
    GuidPosition,
    GuidBuildTime,
    GuidWithTracking,
    SomeGuidsRandom,
    GuidsOfTwoSections,
    GuidsBehindHash,
    GuidCase,
    ToHttps,
    ToHttpsNoGuid,
    ToWwwNoGuid,
    NewGuidsOnce,
    NewHostOnce,
    LinkFragment,
    LinkSession,
    LinkPathSession,
    LinkRandomParameter,
    LinkTracking,
    LinkOrder,
    LinkPosition,
    HomeLinkGoodGuid,
    HomeLinkNoGuid,
    OneLinkNoGuid,
    NoLinkNoGuid,
    NoLinkRedated,
    Redated,
    RedatedNoGuid,
    SameWords,
    SameWordsNoGuid,
    Twice,
    OneItemGuidNull,
    OneItemGuidRandom,
    OneItemOneLink,
    JsonBlankId,
    AtomBlankId,
    AtomIdOfFeed,
}

impl Habit {
    pub(super) const ALL: [Self; 52] = [
        Self::Plain,
        Self::NoGuid,
        Self::BlankGuid,
        Self::SelfClosedGuid,
        Self::GuidOfSpaces,
        Self::GuidIsDash,
        Self::SomeBlank,
        Self::GuidNull,
        Self::GuidOfFeed,
        Self::GuidOfHome,
        Self::GuidRandom,
        Self::GuidRandomHomeLink,
        Self::GuidRandomLinkRandom,
        Self::GuidOfTitle,
        Self::GuidOfVersion,
        Self::GuidOfDay,
        Self::GuidCounter,
        Self::GuidPosition,
        Self::GuidBuildTime,
        Self::GuidWithTracking,
        Self::SomeGuidsRandom,
        Self::GuidsOfTwoSections,
        Self::GuidsBehindHash,
        Self::GuidCase,
        Self::ToHttps,
        Self::ToHttpsNoGuid,
        Self::ToWwwNoGuid,
        Self::NewGuidsOnce,
        Self::NewHostOnce,
        Self::LinkFragment,
        Self::LinkSession,
        Self::LinkPathSession,
        Self::LinkRandomParameter,
        Self::LinkTracking,
        Self::LinkOrder,
        Self::LinkPosition,
        Self::HomeLinkGoodGuid,
        Self::HomeLinkNoGuid,
        Self::OneLinkNoGuid,
        Self::NoLinkNoGuid,
        Self::NoLinkRedated,
        Self::Redated,
        Self::RedatedNoGuid,
        Self::SameWords,
        Self::SameWordsNoGuid,
        Self::Twice,
        Self::OneItemGuidNull,
        Self::OneItemGuidRandom,
        Self::OneItemOneLink,
        Self::JsonBlankId,
        Self::AtomBlankId,
        Self::AtomIdOfFeed,
    ];

    /// Items that the window has.
    fn window(self) -> usize {
        if matches!(self, Self::OneItemGuidNull | Self::OneItemGuidRandom | Self::OneItemOneLink) {
            1
        } else {
            8
        }
    }

    /// Whether an edit can be told from another article: something else stays.
    fn edits(self) -> Edits {
        // Nothing but the words tells one from another.
        if matches!(self, Self::NoLinkRedated | Self::SameWords | Self::SameWordsNoGuid) {
            return Edits::None;
        }
        let only_title_and_date_do = matches!(
            self,
            Self::NoLinkNoGuid
                | Self::HomeLinkNoGuid
                | Self::OneLinkNoGuid
                | Self::OneItemOneLink
                | Self::LinkPosition
                | Self::LinkRandomParameter
                | Self::GuidRandomHomeLink
                | Self::GuidRandomLinkRandom
                | Self::NewHostOnce
        );
        if only_title_and_date_do { Edits::Text } else { Edits::All }
    }

    /// Where nobody can tell: an article is not edited in the feed's first hours, and not once its site was made anew; from then on it would be a record of its own.
    fn is_quiet(self, day: i64, article: &Article) -> bool {
        let is_before = (article.published_ms - START) / DAY < 10;
        day == 0 || matches!(self, Self::NewGuidsOnce | Self::NewHostOnce) && day >= 9 && is_before
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edits {
    None,
    Text,
    All,
}

/// Splitmix64.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// An article as its publisher has it.
#[derive(Debug, Clone)]
struct Article {
    number: u64,
    version: u64,
    title_version: u64,
    published_ms: i64,
}

/// A feed and its story so far.
pub(super) struct World {
    habit: Habit,
    pub(super) chance: Chance,
    /// Newest first.
    window: Vec<Article>,
    /// Those that fell out of it.
    gone: Vec<Article>,
    written: u64,
    answers: u64,
    feed: Feed,
    pub(super) state: FeedState,
    pub(super) now_ms: i64,
    /// By article: the key it was delivered under, and the versions that came.
    delivered: HashMap<u64, (String, HashSet<u64>)>,
    keys: HashMap<String, u64>,
    pub(super) wrong: Vec<String>,
    pub(super) records: usize,
}

impl World {
    pub(super) fn new(habit: Habit, seed: u64) -> Self {
        let feed = Feed { id: "quay".into(), url: URL.into(), is_listed: true };
        let state = FeedState::new(URL.into(), feed.hash(), START, START);
        let mut world = Self {
            habit,
            chance: Chance(seed),
            window: Vec::new(),
            gone: Vec::new(),
            written: 0,
            answers: 0,
            feed,
            state,
            now_ms: START,
            delivered: HashMap::new(),
            keys: HashMap::new(),
            wrong: Vec::new(),
            records: 0,
        };
        (0..habit.window()).for_each(|_| world.write());
        world
    }

    pub(super) fn write(&mut self) {
        self.written += 1;
        let published_ms = self.now_ms - 7 * MINUTE - i64::try_from(self.written % 61).unwrap_or(0) * 1000;
        let article = Article { number: self.written, version: 1, title_version: 1, published_ms };
        self.window.insert(0, article);
        if self.window.len() > self.habit.window() {
            self.gone.extend(self.window.pop());
        }
    }

    /// Lets time go by until the next poll, and a little more.
    pub(super) fn rest(&mut self) {
        let later_ms = i64::try_from(self.chance.below(5)).unwrap_or(0) * HOUR / 2;
        let end_ms = self.state.next_ms.max(self.now_ms) + later_ms;
        while self.now_ms < end_ms {
            self.now_ms = (self.now_ms + 2 * HOUR).min(end_ms);
            self.live();
        }
    }

    /// What happens meanwhile: a new article, an edit, one that comes back.
    fn live(&mut self) {
        if self.chance.below(4) == 0 {
            self.write();
        }
        let day = (self.now_ms - START) / DAY;
        let edits = self.habit.edits();
        let at = self.chance.below(self.window.len() as u64) as usize;
        let is_quiet = self.habit.is_quiet(day, &self.window[at]);
        // An id that changes with every edit is found out by two edits, before ids count as proven.
        let is_told_early = matches!(self.habit, Habit::GuidOfTitle | Habit::GuidOfVersion) && day < 3;
        let one_in = if is_told_early { 2 } else { 6 };
        if edits != Edits::None && !is_quiet && self.chance.below(one_in) == 0 {
            let has_title = edits == Edits::All && self.chance.below(2) == 0;
            let article = &mut self.window[at];
            article.version += 1;
            article.title_version += u64::from(has_title);
        }
        if self.window.len() > 1 && self.chance.below(20) == 0 {
            let at = self.chance.below(self.window.len() as u64) as usize;
            let taken = self.window.remove(at);
            self.gone.push(taken);
            if let Some(back) = self.gone.pop() {
                self.window.push(back);
            }
        }
    }

    /// Asks the feed. A poll that dies takes its answer with it.
    pub(super) fn poll(&mut self, dies: bool) -> Option<Done> {
        self.now_ms = self.now_ms.max(self.state.next_ms);
        self.answers += 1;
        let text = self.document();
        // What is durable is what was encoded.
        let bytes = self.state.to_bytes();
        let mut state = FeedState::from_bytes(&bytes).expect("a state");
        let (poll, _) =
            engine::begin(&state, self.now_ms, &Allowed::default(), false).expect("a good address");
        let content = read(&Bytes::from(text), None, URL, state.looks.hash);
        let answer = Answer::Came(Came { content: Some(content), ..came() });
        let step =
            engine::follow(&self.feed, &mut state, poll, answer, self.now_ms, &Allowed::default(), false);
        let Step::Done(done) = step else { panic!("no redirect") };
        if dies {
            self.now_ms += HOUR;
            return None;
        }
        self.state = state;
        self.judge(&done);
        Some(*done)
    }

    /// The same items once more, as a process sees them that knows nothing of the answer before. Nothing is judged.
    pub(super) fn document_again(&mut self) -> Done {
        let (wrong, records) = (self.wrong.clone(), self.records);
        let done = self.poll(false).expect("it lives");
        (self.wrong, self.records) = (wrong, records);
        done
    }

    fn judge(&mut self, done: &Done) {
        for one in &done.items {
            self.records += 1;
            let text = one.item.title.as_deref().unwrap_or_default().to_owned() + " " + &one.item.text;
            let number = |mark: &str| -> Option<u64> {
                let rest = text.split_once(mark)?.1;
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
            };
            let same_words = || {
                let all = self.window.iter().chain(&self.gone);
                all.clone().find(|a| Some(a.published_ms / 1000) == one.item.published_ms.map(|ms| ms / 1000))
            };
            let (article, version) = match number("crane ").zip(number("report ")) {
                Some(both) => both,
                None => (same_words().expect("an article").number, 1),
            };
            let key = one.item.id.clone();
            let owner = *self.keys.entry(key.clone()).or_insert(article);
            if owner != article {
                self.wrong.push(format!("article {article} came under the key of {owner}: {key}"));
            }
            let (first, versions) = self.delivered.entry(article).or_insert((key.clone(), HashSet::new()));
            if *first != key {
                self.wrong
                    .push(format!("article {article} v{version} came under {key}, before under {first}"));
            }
            if !versions.insert(version) {
                self.wrong.push(format!("article {article} v{version} came twice"));
            }
            if one.is_update != (versions.len() > 1) {
                self.wrong.push(format!("article {article} v{version}: update {}", one.is_update));
            }
        }
        for article in &self.window {
            let has = |(_, versions): &(String, HashSet<u64>)| versions.contains(&article.version);
            if !self.delivered.get(&article.number).is_some_and(has) {
                self.wrong.push(format!("article {} v{} was lost", article.number, article.version));
            }
        }
    }

    /// What the server answers now.
    pub(super) fn document(&mut self) -> String {
        let day = (self.now_ms - START) / DAY;
        let mut entries = String::new();
        for (place, article) in self.window.clone().iter().enumerate() {
            let entry = self.entry(article, place, day);
            entries.push_str(&entry);
            if self.habit == Habit::Twice && place < 2 {
                entries.push_str(&entry);
            }
        }
        if self.habit == Habit::JsonBlankId {
            format!(
                "{{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"Quay\",\"feed_url\":\"{URL}\",\"items\":[{}]}}",
                entries.trim_end_matches(',')
            )
        } else if matches!(self.habit, Habit::AtomBlankId | Habit::AtomIdOfFeed) {
            format!(
                "<feed xmlns='http://www.w3.org/2005/Atom'><title>Quay</title><id>tag:quay.example,2023:feed</id><link href='https://quay.example/'/>{entries}</feed>"
            )
        } else {
            format!(
                "<rss version='2.0'><channel><title>Quay</title><link>https://quay.example/</link>{entries}</channel></rss>"
            )
        }
    }

    fn entry(&mut self, article: &Article, place: usize, day: i64) -> String {
        let Article { number, version, title_version, published_ms } = *article;
        let mut title = format!("Crane {number} returns, take {title_version}");
        let mut text = format!("The port said crane {number} lifts again. This is report {version} of it.");
        let mut date_ms = published_ms;
        if matches!(self.habit, Habit::SameWords | Habit::SameWordsNoGuid) {
            (title, text) = ("Traffic update".to_owned(), String::new());
        }
        if matches!(self.habit, Habit::NoLinkRedated | Habit::Redated | Habit::RedatedNoGuid) {
            date_ms = self.now_ms;
        }
        let (guid, link) = self.ids(article, place, day);
        let guid = guid.replace('&', "&amp;");
        if self.habit == Habit::JsonBlankId {
            let date = barid_record::rfc3339(date_ms);
            return format!(
                "{{\"id\":\" \",\"url\":\"{link}\",\"title\":\"{title}\",\"content_text\":\"{text}\",\"date_published\":\"{date}\"}},"
            );
        }
        let date = barid_record::rfc3339(date_ms);
        if matches!(self.habit, Habit::AtomBlankId | Habit::AtomIdOfFeed) {
            return format!(
                "<entry><title>{title}</title>{guid}<link href='{link}'/><updated>{date}</updated><summary>{text}</summary></entry>"
            );
        }
        let link = link.replace('&', "&amp;");
        let link = if link.is_empty() { link } else { format!("<link>{link}</link>") };
        format!(
            "<item><title>{title}</title>{guid}{link}<pubDate>{date}</pubDate><description>{text}</description></item>"
        )
    }

    /// An item's guid, as an element, and its link.
    fn ids(&mut self, article: &Article, place: usize, day: i64) -> (String, String) {
        let random = self.chance.next();
        let Article { number, version, title_version, .. } = article;
        let link = self.link(*number, place, day, random);
        let guid = match self.habit {
            Habit::GuidOfTitle => format!("<guid isPermaLink='false'>Crane {number}, {title_version}</guid>"),
            Habit::GuidOfVersion => format!("<guid isPermaLink='false'>{number}-v{version}</guid>"),
            Habit::GuidWithTracking | Habit::ToHttps => format!("<guid>{link}</guid>"),
            _ => self.guid(*number, place, day, random),
        };
        (guid, link)
    }

    fn guid(&self, number: u64, place: usize, day: i64, random: u64) -> String {
        let word = |value: String| format!("<guid isPermaLink='false'>{value}</guid>");
        let address = |value: String| format!("<guid>{value}</guid>");
        match self.habit {
            Habit::BlankGuid => "<guid></guid>".into(),
            Habit::SelfClosedGuid => "<guid/>".into(),
            Habit::GuidOfSpaces => "<guid> \u{a0}\u{200b} </guid>".into(),
            Habit::GuidIsDash => address("-".into()),
            Habit::SomeBlank if number.is_multiple_of(3) => "<guid/>".into(),
            Habit::GuidNull | Habit::OneItemGuidNull => word("null".into()),
            Habit::GuidOfFeed => address(URL.into()),
            Habit::GuidOfHome => address("http://www.quay.example".into()),
            Habit::GuidRandom
            | Habit::OneItemGuidRandom
            | Habit::GuidRandomHomeLink
            | Habit::GuidRandomLinkRandom => word(format!("{random:x}")),
            Habit::GuidOfDay => word(format!("{number}-{day}")),
            Habit::GuidCounter => word((self.answers * 1000 + place as u64).to_string()),
            Habit::GuidPosition => word(format!("item-{place}")),
            Habit::GuidBuildTime => word(format!("built-{}", self.answers)),
            Habit::SomeGuidsRandom if number.is_multiple_of(4) => word(format!("{random:x}")),
            Habit::GuidsOfTwoSections => word(format!("section-{}", number % 2)),
            Habit::GuidsBehindHash => address(format!("https://quay.example/tool#{number}")),
            Habit::GuidCase if number.is_multiple_of(2) => word(format!("quay{}", number / 2)),
            Habit::GuidCase => word(format!("QUAY{}", number / 2)),
            Habit::NewGuidsOnce => word(format!("{}-{number}", if day >= 10 { "new" } else { "old" })),
            Habit::AtomBlankId => "<id> </id>".into(),
            Habit::AtomIdOfFeed => "<id>tag:quay.example,2023:feed</id>".into(),
            Habit::Plain
            | Habit::Redated
            | Habit::Twice
            | Habit::SameWords
            | Habit::SomeBlank
            | Habit::SomeGuidsRandom
            | Habit::HomeLinkGoodGuid => word(format!("quay-{number}")),
            Habit::NoGuid
            | Habit::RedatedNoGuid
            | Habit::SameWordsNoGuid
            | Habit::ToHttpsNoGuid
            | Habit::ToWwwNoGuid
            | Habit::NewHostOnce
            | Habit::LinkFragment
            | Habit::LinkSession
            | Habit::LinkPathSession
            | Habit::LinkRandomParameter
            | Habit::LinkTracking
            | Habit::LinkOrder
            | Habit::LinkPosition
            | Habit::OneItemOneLink
            | Habit::GuidOfTitle
            | Habit::GuidOfVersion
            | Habit::GuidWithTracking
            | Habit::ToHttps
            | Habit::HomeLinkNoGuid
            | Habit::OneLinkNoGuid
            | Habit::NoLinkNoGuid
            | Habit::NoLinkRedated
            | Habit::JsonBlankId => String::new(),
        }
    }

    fn link(&self, number: u64, place: usize, day: i64, random: u64) -> String {
        let plain = format!("https://quay.example/a/{number}");
        let turned = day >= 10;
        let is = |habits: &[Habit]| habits.contains(&self.habit);
        if is(&[Habit::ToHttps, Habit::ToHttpsNoGuid]) {
            format!("{}://quay.example/a/{number}", if turned { "https" } else { "http" })
        } else if is(&[Habit::ToWwwNoGuid]) {
            format!("https://{}quay.example/a/{number}", if turned { "www." } else { "" })
        } else if is(&[Habit::NewHostOnce]) {
            format!("https://{}.example/a/{number}", if turned { "harbour" } else { "quay" })
        } else if is(&[Habit::GuidWithTracking]) {
            format!("{plain}?utm_campaign=poll{}", self.answers)
        } else if is(&[Habit::LinkTracking]) {
            format!("{plain}?utm_source=rss&utm_campaign=poll{}", self.answers)
        } else if is(&[Habit::GuidsBehindHash]) {
            "https://quay.example/tool".into()
        } else if is(&[Habit::LinkFragment]) {
            format!("https://quay.example/live#post-{number}")
        } else if is(&[Habit::LinkSession]) {
            format!("{plain}?PHPSESSID={random:016x}")
        } else if is(&[Habit::LinkPathSession]) {
            format!("{plain};jsessionid={random:016X}?page=1")
        } else if is(&[Habit::LinkRandomParameter, Habit::GuidRandomLinkRandom]) {
            format!("{plain}?visit={:x}", random.rotate_left(9))
        } else if is(&[Habit::LinkOrder]) && random.is_multiple_of(2) {
            format!("https://quay.example/a?p=1&id={number}")
        } else if is(&[Habit::LinkOrder]) {
            format!("https://quay.example/a/?id={number}&p=1")
        } else if is(&[Habit::HomeLinkGoodGuid, Habit::GuidRandomHomeLink]) {
            "https://quay.example/".into()
        } else if is(&[Habit::HomeLinkNoGuid]) {
            "http://quay.example".into()
        } else if is(&[Habit::LinkPosition]) {
            format!("https://quay.example/latest?n={place}")
        } else if is(&[Habit::OneLinkNoGuid, Habit::OneItemOneLink]) {
            "https://quay.example/news.php".into()
        } else if is(&[Habit::NoLinkNoGuid, Habit::NoLinkRedated]) {
            String::new()
        } else {
            plain
        }
    }
}

pub(super) fn came() -> Came {
    Came {
        status: 200,
        etag: None,
        last_modified: None,
        max_age_s: 0,
        retry_after_ms: None,
        location: None,
        is_challenge: false,
        is_cut: false,
        cookies: Vec::new(),
        content: None,
    }
}
