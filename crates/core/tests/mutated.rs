//! Whatever arrives, the sections tile it: 100,000 documents made by cutting, splicing, repeating, flipping and re-encoding samples.
//!
//! The mutator is a small generator of our own with a fixed seed, so that a failure comes again; its number and bytes are printed.

#![allow(clippy::unwrap_used, reason = "a test")]

use barid_core::{Parsed, SectionKind, parse_bytes, parse_bytes_with};

const DOCUMENTS: u32 = 100_000;

const SAMPLES: [&str; 4] = [
    "مدينة الرمال تفتح مكتبة في المحطة\nتاريخ النشر: 5th, March 2021 GMT\nقال رئيس البلدية، الإثنين، إن المكتبةالجديدة ستفتح أبوابها كل يوم من الصباح حتى المساء.\nوأضاف أن \"الكتب\" جمعها سكان الحي على مدى ثلاثة أعوام من التبرعات.\nالمصدر: جريدة المرفأ\nكلمات دلالية: مدينة الرمال المکتبة\nإقرأ أيضاً:\nالميناء الجديد يستقبل السفن\nمارس 3, 2022آخر تحديث: مارس 4, 2022\nالمرفأ/- استقبل الميناء الجديد في آذار/ مارس أولى السفن القادمة من الجنوب.\nمقالات مشابهة\n  • السفن تعود\n  • الميناء يغلق\nالتعليقات\nرائع",
    "Harbour ferry gets a library\n\nBy Orla Fenwether\n\nPassengers on the night ferry can now borrow a novel at one end and hand it back at the other.\n\nRead more: The island that sells its wind\n\nThe idea came from a steward, the company told Reuters.\n\nRelated stories\n• One\n• Two of them\n\nMost of the books are about the sea.\n\nSource: Harbour Ledger\nTags: ferry, library\nShare this article\nThe post Ferry first appeared on Ledger.",
    "霧ヶ浦の連絡船\n2021年3月5日\n港の市長は橋の話を避けた。船は来月から動く。\n関連記事\n灯台の新しい番人\n港の市場\n出典：港新聞",
    "Маяк получил смотрителя\nНовый смотритель приехал на остров в понедельник и сразу зажёг огонь.\nЧитайте также: Порт закрыт\nИсточник: Портовый листок\nعاجل: خبر\nبیشتر بخوانید: فانوس\n",
];

const INJECTED: [&str; 16] = [
    "\n",
    "\r\n",
    "\r",
    "\u{FEFF}",
    "\u{A0}",
    "إقرأ أيضاً:",
    "\nإقرأ أيضاً:\n",
    "\nالمصدر:",
    "\nRead more: ",
    "..",
    "/",
    "\"",
    "ة",
    "\u{202B}",
    "٢٠٢١",
    "🙂",
];

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % end.max(1)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

fn document(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(&SAMPLES).as_bytes().to_vec();
    for _ in 0..=random.below(6) {
        mutate(&mut bytes, random);
    }
    if random.below(16) == 0 {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        bytes = [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let (from, to) = (random.below(bytes.len() + 1), random.below(bytes.len() + 1));
    let range = from.min(to)..from.max(to);
    match random.below(7) {
        0 => drop(bytes.drain(range.start..range.end.min(range.start + 200))),
        1 => bytes.truncate(from.max(1)),
        2 => drop(bytes.splice(from..from, random.pick(&INJECTED).bytes())),
        3 => {
            let other = random.pick(&SAMPLES).as_bytes();
            drop(bytes.splice(from..from, other[random.below(other.len())..].iter().copied()));
        }
        4 => {
            let lines: Vec<Vec<u8>> = bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
            let at = random.below(lines.len());
            bytes.extend(lines.get(at).into_iter().flatten());
        }
        5 => {
            if let Some(byte) = bytes.get_mut(from) {
                *byte ^= 1 << random.below(8);
            }
        }
        _ => {
            *bytes =
                bytes.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect()
        }
    }
}

/// What must hold for every document.
fn fault(bytes: &[u8], parsed: &Parsed) -> Option<String> {
    let (mut byte, mut line) = (0, 1);
    for section in &parsed.sections {
        if (section.byte_start, section.line_start) != (byte, line) || section.byte_end <= section.byte_start
        {
            return Some(format!("no tile: {section:?} after byte {byte}, line {line}"));
        }
        if usize::try_from(section.owner).unwrap() > parsed.related.len()
            || !(0.0..=1.0).contains(&section.confidence)
        {
            return Some(format!("bad section: {section:?}"));
        }
        (byte, line) = (section.byte_end, section.line_end + 1);
    }
    let ranges = parsed.notes.iter().map(|note| (note.byte_start, note.byte_end));
    let ranges = ranges.chain(parsed.links.iter().map(|link| (link.byte_start, link.byte_end)));
    let bad_range = ranges.into_iter().find(|(start, end)| start > end || *end > bytes.len());
    let items = [SectionKind::RelatedItem, SectionKind::InlineRelated];
    let has_items = parsed.sections.iter().any(|section| items.contains(&section.kind));
    match bad_range {
        Some(range) => Some(format!("range {range:?} outside")),
        None if byte != bytes.len() => Some(format!("covers {byte} of {} bytes", bytes.len())),
        None if has_items == parsed.links.is_empty() => Some("links and items disagree".to_owned()),
        None => None,
    }
}

/// None for half of the documents; else one of its lines, or a part of it, or something else.
fn given_headline(bytes: &[u8], random: &mut Random) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().nth(random.below(4)).unwrap_or_default();
    match random.below(6) {
        0 => Some(line.to_owned()),
        1 => Some(format!("{line} - Harbour Ledger")),
        2 => Some(format!("{}…", line.chars().take(20).collect::<String>())),
        _ => None,
    }
}

#[test]
fn sections_tile_a_hundred_thousand_damaged_documents() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut parsed_documents = 0;
    for number in 0..DOCUMENTS {
        let bytes = document(&mut random);
        let given = given_headline(&bytes, &mut random);
        let Ok(parsed) = parse_bytes_with(&bytes, None, given.as_deref()) else { continue };
        parsed_documents += 1;
        if let Some(fault) = fault(&bytes, &parsed) {
            panic!("document {number}: {fault}\n{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(parsed_documents > DOCUMENTS / 10 * 9, "only {parsed_documents} of {DOCUMENTS} were text");
}

#[test]
fn parsing_is_a_function_of_the_bytes() {
    let mut random = Random(7);
    for _ in 0..1000 {
        let bytes = document(&mut random);
        assert_eq!(parse_bytes(&bytes, None), parse_bytes(&bytes, None));
    }
}
