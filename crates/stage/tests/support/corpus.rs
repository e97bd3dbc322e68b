//! A generated corpus in which everything happens: first texts, copies under other headlines, revisions, repeats, read-also panels that many
//! pages share, alerts too short to be evidence, the same alerts at one address or under one guid, and what cannot be processed.

use barid_log::Outgoing;
use barid_record::{Hints, Order, RawDocument, Topic};
use bytes::Bytes;

use super::{document, message};

/// SplitMix64: the same numbers from the same seed, everywhere.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

const WORDS: [&str; 24] = [
    "المدينة",
    "السوق",
    "الميناء",
    "أعلنت",
    "قالت",
    "البلدية",
    "الوزارة",
    "الشهر",
    "المقبل",
    "الجديد",
    "مشروع",
    "ترميم",
    "الطريق",
    "التجار",
    "العمال",
    "السفينة",
    "الحديقة",
    "الجسر",
    "المدرسة",
    "الأطفال",
    "المطر",
    "الربيع",
    "الجدول",
    "الخطة",
];

fn words(dice: &mut Dice, count: u64) -> String {
    let words = (0..count).map(|_| WORDS[dice.roll(WORDS.len() as u64) as usize]);
    words.collect::<Vec<_>>().join(" ")
}

/// A text of its own for each number.
fn text(number: u64) -> String {
    let mut dice = Dice(number.wrapping_mul(7919));
    format!("{}.\n{}.\n", words(&mut dice, 30), words(&mut dice, 30))
}

fn page(headline: u64, text_number: u64, panel: Option<u64>) -> String {
    let mut dice = Dice(headline ^ 0xabcd);
    let headline = words(&mut dice, 7);
    let panel = panel.map(|number| {
        let related = words(&mut Dice(number ^ 0x77), 6);
        format!("المصدر: بوابة الصنوبر\nإقرأ أيضاً:\n{related}\n{}", text(1_000_000 + number))
    });
    format!(
        "{headline}\nتاريخ النشر: 5th, September 2031 GMT\n{}{}",
        text(text_number),
        panel.unwrap_or_default()
    )
}

/// A short item of one of a few feeds: its text, address and guid are those of others as well, each for itself.
fn alert(key: &str, dice: &mut Dice) -> RawDocument {
    let number = dice.roll(12);
    let mut alert = document(key, words(&mut Dice(number), 5));
    alert.source_id = format!("feed-{}", dice.roll(3));
    alert.hints = Hints {
        canonical_url: (dice.roll(4) > 0).then(|| format!("https://news.example/{}", number + dice.roll(2))),
        guid: (dice.roll(3) > 0).then(|| format!("tag:news.example,2031:{}", number + dice.roll(2))),
        ..Hints::default()
    };
    alert
}

/// That many messages as a watcher writes them, each with its number. `backfill` percent of them are bulk history.
pub(crate) fn messages(seed: u64, count: u64, backfill: u64) -> Vec<Outgoing> {
    let mut dice = Dice(seed);
    let mut next = [0_u64; 2];
    let made = (0..count).map(|number| {
        let key = format!("{}.txt", dice.roll(count / 2 + 1));
        let shared = dice.roll(count / 4 + 1);
        let panel = (dice.roll(3) == 0).then(|| dice.roll(count / 8 + 1));
        let mut message = match dice.roll(20) {
            0 => message(&document(&key, "")),
            1 => message(&document(&key, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01".as_slice())),
            2 => message(&document(&key, words(&mut dice, 4))),
            4 | 5 => message(&alert(&key, &mut dice)),
            3 => Outgoing { headers: Vec::new(), ..message(&document(&key, "what another program wrote")) },
            _ => message(&document(&key, page(dice.roll(40), shared, panel))),
        };
        let is_backfill = dice.roll(100) < backfill;
        message.topic = if is_backfill { Topic::Backfill } else { Topic::Raw };
        message.timestamp_ms = 1_000 + number as i64 / 4;
        let next = &mut next[usize::from(is_backfill)];
        message.headers.push(Order { writer: "watcher".into(), sequence: *next }.header());
        *next += 1;
        if dice.roll(50) == 0 {
            message.headers.push((Bytes::from("barid_unknown"), Bytes::from("ignored")));
        }
        message
    });
    made.collect()
}
