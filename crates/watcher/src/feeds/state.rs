//! What must be known of a feed after a restart, in one value of the table of feeds: at most 2 KiB for a usual feed.
//!
//! ```text
//! feeds.state   <feed> -> form 4, FeedState          written with the items it covers, in one unit
//! feeds.asked   <feed> -> start i64, whole u8        written, and durable, before the request goes out
//! ```

use barid_log::Table;
use serde::{Deserialize, Serialize};

use super::budget::Domain;
use super::drift::KnownShare;
use super::health::{Health, Skew};
use super::honesty::Honesty;
use super::identity::{Identity, Remembered};
use super::policy::{DOMAIN_CAP_MS, FLOOR_MS, HOUR, LONGEST_POLL_MS, Says};
use super::silence::Rhythm;
use super::sitemaps::Sitemaps;
use super::websub::search::Search;

/// The table of feeds.
pub const FEEDS: Table = Table("feeds.state");
/// The table of requests: when each feed was last asked, whether or not an answer came.
pub const ASKED: Table = Table("feeds.asked");
/// The table of the next numbers of what the poller writes.
pub const FEED_ORDER: Table = Table("feeds.order");

const FORM: u8 = 4;
/// Earlier forms, and how many bytes they lack: form 1 ended before the share of known items, form 2 before the search for a hub, form 3 before
/// the server's honesty, the sitemaps and what tells items apart. As bytes, that of a feed without documents or hubs is zeros.
const EARLIER: [(u8, usize); 3] =
    [(1, 19 + IDENTITY_BYTES), (2, 6 + IDENTITY_BYTES), (3, 5 + IDENTITY_BYTES)];
/// An [`Identity`] that learned nothing.
const IDENTITY_BYTES: usize = 18;
/// Beyond what any window holds; a feed with more gets its oldest items again when it changes, and the stage says `repeat`.
const MOST_KNOWN: usize = 20_000;
/// Items that have left the window are remembered up to here: feeds put them back.
const KEPT_KNOWN: usize = 100;
/// A longer validator is not kept: it would be sent with every request.
pub(crate) const MOST_VALIDATOR_BYTES: usize = 512;

/// What a server gave to recognise its answer by, byte for byte, and only from one answer of 200.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`, with quotes and `W/`.
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified`.
    pub last_modified: Option<Vec<u8>>,
    /// The address that gave them, by hash: no other is sent them.
    pub url: u64,
}

/// An item by the first half of the hash of its id and the first half of that of its content. An unlucky hash makes a new item look changed,
/// which is delivered all the same; to be lost both halves must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Known(pub [u8; 8]);

impl Known {
    /// Of an item with these hashes.
    pub fn new(id: u64, content: u64) -> Self {
        let [mut both, content] = [id.to_be_bytes(), content.to_be_bytes()];
        both[4..].copy_from_slice(&content[..4]);
        Self(both)
    }

    /// Of halves.
    pub(super) fn of_halves([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> Self {
        Self([a, b, c, d, e, f, g, h])
    }

    /// The half of its content.
    pub(super) fn content(&self) -> [u8; 4] {
        [self.0[4], self.0[5], self.0[6], self.0[7]]
    }

    /// The half that names the item.
    pub fn id(&self) -> [u8; 4] {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }
}

/// A redirect for good that was met, and is stored when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// Where to.
    pub url: String,
    /// First met then.
    pub since_ms: i64,
}

/// What the last whole document was like.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Looks {
    /// Of its bytes.
    pub hash: u64,
    /// Items in it.
    pub items: u32,
    /// Of its title; 0 without.
    pub title: u64,
    /// Of the registered domain that served it.
    pub domain: u64,
    /// Letters of its titles that are Arabic, in percent.
    pub arabic_percent: u8,
    /// It looked like another feed; since when, 0 for not.
    pub wrong_since_ms: i64,
    /// What came since then was no feed.
    pub is_unreadable: bool,
    /// It had no item though an earlier one had.
    pub is_empty: bool,
    /// Items of it were lost.
    pub lost_items: bool,
    /// More than half of its items have no date.
    pub is_undated: bool,
    /// Which faults it had, by hash; 0 for none.
    pub faults: u64,
    /// Documents in a row with those.
    pub fault_polls: u8,
    /// How much of it was known already, in percent, averaged over documents.
    pub known_percent: f32,
}

/// Everything that outlives the process. Times are milliseconds since the Unix epoch, 0 for never.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedState {
    /// Where it is asked: what was configured, or where that moved to.
    pub url: String,
    /// The configured address by hash: another one starts anew.
    pub configured: u64,
    /// What to send with the next request.
    pub validators: Option<Validators>,
    /// Items delivered.
    pub known: Vec<Known>,
    /// What server and document say about polling.
    pub says: Says,
    /// The rhythm of its items.
    pub rhythm: Rhythm,
    /// Its state.
    pub health: Health,
    /// Its clock.
    pub skew: Skew,
    /// The last whole document.
    pub looks: Looks,
    /// When it was first known.
    pub added_ms: i64,
    /// When the last poll began.
    pub start_ms: i64,
    /// When the next may begin.
    pub next_ms: i64,
    /// When a poll last brought a feed or "not modified".
    pub success_ms: i64,
    /// The adapted interval.
    pub interval_ms: i64,
    /// See [`super::policy::adapt`].
    pub streak: i8,
    /// Failed polls in a row, those of our own outages left out.
    pub failures: u32,
    /// When the first of these was.
    pub failing_since_ms: i64,
    /// Nobody asks before this: `Retry-After`.
    pub retry_at_ms: i64,
    /// When the server began to say 404 or 410.
    pub missing_since_ms: i64,
    /// It said 410.
    pub is_gone: bool,
    /// A redirect on its way to being stored.
    pub moving: Option<Moving>,
    /// When the address was last changed.
    pub moved_ms: i64,
    /// When it was last asked without validators.
    pub whole_ms: i64,
    /// Since when it says that nothing changed.
    pub same_since_ms: i64,
    /// It said "not modified" of what was modified: until then its word is not believed, and it is asked for the whole once a day.
    pub lies_until_ms: i64,
    /// Windows that shared no item with the one before: items may have been missed.
    pub overruns: u32,
    /// When an unreadable document was last kept.
    pub rejected_ms: i64,
    /// The registered domain that said 429, by hash, and until when nobody of it is asked.
    pub refused: Option<(u64, i64)>,
    /// When its health was last told.
    pub told_ms: i64,
    /// How much of its documents is known already.
    pub known_share: KnownShare,
    /// How far its hub was looked for.
    pub hub_search: Search,
    /// What is known of its server's word.
    pub honesty: Honesty,
    /// Of an index of sitemaps: what it names.
    pub sitemaps: Option<Box<Sitemaps>>,
    /// How its items are told apart.
    pub identity: Identity,
}

impl FeedState {
    /// A feed never asked.
    pub fn new(url: String, configured: u64, now_ms: i64, next_ms: i64) -> Self {
        Self {
            url,
            configured,
            added_ms: now_ms,
            success_ms: now_ms,
            next_ms,
            interval_ms: FLOOR_MS,
            ..Self::default()
        }
    }

    /// The registered domain that nobody is asked of, and until when. An earlier version kept what the server had said, however long.
    pub fn refusal(&self, now_ms: i64) -> Option<(Domain, i64)> {
        let (domain, until_ms) = self.refused?;
        let until_ms = until_ms.min(self.start_ms + LONGEST_POLL_MS + DOMAIN_CAP_MS);
        (until_ms > now_ms).then_some((Domain(domain), until_ms))
    }

    /// The least time between two polls, in milliseconds: see [`Says::floor_ms`]; whose items come again and again is asked less often.
    pub fn floor_ms(&self, is_listed: bool) -> i64 {
        self.says.floor_ms(is_listed).max(self.identity.churn.hours() * HOUR)
    }

    /// Whether it is an index of sitemaps of which some are asked in turn, or wait.
    pub fn has_sitemaps_to_ask(&self) -> bool {
        self.sitemaps.as_ref().is_some_and(|sitemaps| sitemaps.has_work())
    }

    /// The table's value.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to memory cannot fail; a value that could not be read back would be a new feed.
        postcard::to_extend(self, vec![FORM]).unwrap_or_default()
    }

    /// Reads it back; `None` for a form of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        if *form == FORM {
            return postcard::from_bytes(rest).ok();
        }
        // A state that could not be read would be a new feed: its whole window once more.
        let (_, missing) = EARLIER.iter().find(|(earlier, _)| earlier == form)?;
        let mut state: Self = postcard::from_bytes(&[rest, &vec![0; *missing]].concat()).ok()?;
        if state.looks.hash != 0 && state.url.to_ascii_lowercase().contains("sitemap") {
            // It may be an index, which those forms did not know: a server that says "not modified" would never name its sitemaps.
            (state.validators, state.looks.hash) = (None, 1);
        }
        Some(state)
    }

    /// Takes over what a document held, by halves alone.
    pub fn remember(&mut self, document: &[Known]) {
        let document: Vec<Remembered> = document.iter().copied().map(Remembered::bare).collect();
        self.remember_items(&document);
    }

    /// Takes over what a document held. Those in the document stay; of the others so many that a feed may drop items and put them back. An item
    /// that changed is known by its new content only: when it changes back, that is news.
    pub(super) fn remember_items(&mut self, document: &[Remembered]) {
        let mut here: Vec<Known> = Vec::with_capacity(document.len());
        let mut all: std::collections::HashSet<Known> = std::collections::HashSet::new();
        let mut ids: std::collections::HashSet<[u8; 4]> = std::collections::HashSet::new();
        for Remembered { known, .. } in document.iter().take(MOST_KNOWN) {
            if all.insert(*known) {
                here.push(*known);
            }
            ids.insert(known.id());
        }
        let room = KEPT_KNOWN.max(2 * here.len()).min(MOST_KNOWN);
        let earlier = self.known.iter().filter(|known| !ids.contains(&known.id()));
        let missing = room.saturating_sub(here.len());
        here.extend(earlier.take(missing));
        self.know(here, document);
    }

    /// Takes over what a hub brought: a part of the window or all of it. Nothing else is forgotten for it before the next whole document.
    pub(super) fn remember_too(&mut self, pushed: &[Remembered]) {
        let ids: std::collections::HashSet<[u8; 4]> = pushed.iter().map(|one| one.known.id()).collect();
        let mut all: Vec<Known> = pushed.iter().take(MOST_KNOWN).map(|one| one.known).collect();
        all.extend(self.known.iter().filter(|known| !ids.contains(&known.id())));
        all.truncate(MOST_KNOWN);
        self.know(all, pushed);
    }

    /// Bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        let validators = self.validators.as_ref().map_or(0, |validators| {
            validators.etag.as_ref().map_or(0, Vec::capacity)
                + validators.last_modified.as_ref().map_or(0, Vec::capacity)
        });
        size_of::<Self>() - size_of::<Rhythm>()
            + self.rhythm.bytes()
            + self.url.capacity()
            + validators
            + self.known.capacity() * size_of::<Known>()
            + self.sitemaps.as_ref().map_or(0, |sitemaps| sitemaps.bytes())
            + self.identity.bytes()
            + self.moving.as_ref().map_or(0, |moving| moving.url.capacity())
    }
}

/// What is durable before a request goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub start_ms: i64,
    /// Without validators.
    pub is_whole: bool,
}

impl Asked {
    /// The table's value.
    pub fn to_bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&self.start_ms.to_be_bytes());
        bytes[8] = u8::from(self.is_whole);
        bytes
    }

    /// Reads it back.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (start, flag) = bytes.split_at_checked(8)?;
        let start_ms = i64::from_be_bytes(start.try_into().ok()?);
        Some(Self { start_ms, is_whole: flag == [1] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::policy::{DAY, HOUR};

    const NOW: i64 = 1_693_785_600_000;

    /// A feed with everything a busy one has.
    fn busy() -> FeedState {
        let url =
            "https://www.example-newspaper.com/arabic/section/world/feed/rss.xml?format=full".to_owned();
        let mut state = FeedState::new(url.clone(), 1, NOW, NOW);
        state.validators = Some(Validators {
            etag: Some(b"W/\"5f3759df-a1b2c3d4e5f60718293a4b5c6d7e8f90\"".to_vec()),
            last_modified: Some(b"Tue, 05 Sep 2023 08:15:00 GMT".to_vec()),
            url: 7,
        });
        state.rhythm.begin(Some(NOW), NOW);
        for hour in 1..(8 * 168) {
            let time = NOW + hour * HOUR;
            state.rhythm.learn(&mut [time; 5], time);
        }
        state.remember(
            &(0..100_u64)
                .map(|item| Known::new(item.wrapping_mul(0x9E37_79B9_7F4A_7C15), item))
                .collect::<Vec<_>>(),
        );
        state.moving = Some(Moving { url, since_ms: NOW });
        (0..8).for_each(|poll| state.skew.learn(NOW - poll, NOW));
        state.looks =
            Looks { hash: u64::MAX, title: u64::MAX, domain: u64::MAX, faults: 9, ..Looks::default() };
        state.next_ms = NOW + DAY;
        state
    }

    #[test]
    fn a_busy_feed_takes_less_than_two_kibibytes_on_disk_and_off_it() {
        let state = busy();
        let bytes = state.to_bytes();
        assert_eq!(FeedState::from_bytes(&bytes).as_ref(), Some(&state));
        assert!(bytes.len() <= 2048, "{} bytes on disk", bytes.len());
        let read = FeedState::from_bytes(&bytes).map_or(usize::MAX, |state| state.bytes());
        assert!(read <= 2560, "{read} bytes in memory, of which one feed at a time is there");
    }

    #[test]
    fn a_state_of_the_form_before_is_read_with_everything_it_knew() {
        let mut state = busy();
        let bytes = state.to_bytes();
        for (form, missing) in EARLIER {
            let mut earlier = bytes[..bytes.len() - missing].to_vec();
            earlier[0] = form;
            assert_eq!(
                FeedState::from_bytes(&earlier).as_ref(),
                Some(&state),
                "it had learned nothing of that"
            );
            for cut in 0..earlier.len() {
                assert_eq!(FeedState::from_bytes(&earlier[..cut]), None, "form {form} cut at {cut}");
            }
        }
        state.known_share.learn(50.0);
        for form in [2, 3] {
            let missing =
                EARLIER.iter().find(|(earlier, _)| *earlier == form).map_or(0, |(_, missing)| *missing);
            let mut before = state.to_bytes();
            before.truncate(before.len() - missing);
            before[0] = form;
            assert_eq!(
                FeedState::from_bytes(&before).as_ref(),
                Some(&state),
                "what form {form} knew of shares"
            );
        }
        state.hub_search = Search::Over;
        state.sitemaps = Some(Box::default());
        state.honesty = Honesty { audits: 3, is_doubted: true, window_ms: 7 * HOUR, pushed_ms: NOW };
        assert_eq!(FeedState::from_bytes(&state.to_bytes()), Some(state));
    }

    #[test]
    fn what_may_be_an_index_of_an_earlier_form_is_asked_whole_once_more() {
        let mut state = busy();
        state.url = "https://estuary.example/Sitemap_index.xml".into();
        let now = FeedState::from_bytes(&state.to_bytes()).expect("readable");
        assert_eq!((now.validators.is_some(), now.looks.hash), (true, u64::MAX));
        let mut before = state.to_bytes();
        before.truncate(before.len() - 5);
        before[0] = 3;
        let before = FeedState::from_bytes(&before).expect("readable");
        assert_eq!((before.validators, before.looks.hash), (None, 1), "1: it was read before");
        assert_eq!(before.known, state.known);
    }

    #[test]
    fn a_damaged_value_is_no_feed() {
        let bytes = busy().to_bytes();
        for cut in 0..bytes.len() {
            assert_eq!(FeedState::from_bytes(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(FeedState::from_bytes(&[FORM]), None);
        assert_eq!(FeedState::from_bytes(&[FORM + 1]), None);
        let asked = Asked { start_ms: NOW, is_whole: true };
        assert_eq!(Asked::from_bytes(&asked.to_bytes()), Some(asked));
        assert_eq!(Asked::from_bytes(&[1; 7]), None);
    }

    #[test]
    fn what_a_hub_brings_makes_nothing_else_forgotten() {
        let item = |id: u64, content: u64| Known::new(id << 32, content << 32);
        let window: Vec<Known> = (0..400).map(|id| item(id, 1)).collect();
        let mut state = FeedState::default();
        let bare = |known: &[Known]| known.iter().copied().map(Remembered::bare).collect::<Vec<_>>();
        state.remember(&window);
        state.remember_too(&bare(&[item(500, 1), item(7, 2)]));
        assert_eq!((state.known.len(), state.known[0], state.known[1]), (401, item(500, 1), item(7, 2)));
        assert!(!state.known.contains(&item(7, 1)) && state.known.contains(&item(399, 1)));
        state.remember_too(&bare(&(1000..30_000).map(|id| item(id, 1)).collect::<Vec<_>>()));
        assert_eq!(state.known.len(), MOST_KNOWN);
    }

    #[test]
    fn what_left_the_window_is_remembered_for_a_while_and_a_change_back_is_news() {
        let item = |id: u64, content: u64| Known::new(id << 32, content << 32);
        let mut state = FeedState::default();
        state.remember(&[item(1, 1), item(2, 1), item(2, 1)]);
        state.remember(&[item(2, 2), item(3, 1)]);
        assert_eq!(state.known, [item(2, 2), item(3, 1), item(1, 1)]);
        state.remember(&(10..210).map(|id| item(id, 1)).collect::<Vec<_>>());
        assert_eq!(state.known.len(), 203);
        state.remember(&(300..301).map(|id| item(id, 1)).collect::<Vec<_>>());
        assert_eq!(state.known.len(), 100);
        state.remember(&[]);
        assert_eq!(state.known.len(), 100, "an empty document forgets nothing");
    }
}
