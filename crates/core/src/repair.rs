//! Mojibake: UTF-8 that some server read as windows-1256 or windows-1252 and saved again, undone line by line.
//!
//! Arabic in UTF-8 is pairs that start with 0xD8 to 0xDB. Read as windows-1256 these are ط and ظ (and غ), every second letter;
//! in real Arabic text those two are one letter in two hundred. Read as windows-1252 they are `Ø` and `Ù`, Cyrillic `Ð` and `Ñ`.

use std::borrow::Cow;
use std::sync::LazyLock;

use encoding_rs::{Encoding, WINDOWS_1252, WINDOWS_1256};

use crate::decode::Line;
use crate::model::Note;
use crate::pairs;

/// Shorter runs are names or sounds, not evidence.
const MIN_LEADS: usize = 3;

/// The characters of the upper half of a single-byte charset, sorted, each with its byte.
type Upper = [(char, u8); 128];

static UPPER_1256: LazyLock<Upper> = LazyLock::new(|| upper_half(WINDOWS_1256));
static UPPER_1252: LazyLock<Upper> = LazyLock::new(|| upper_half(WINDOWS_1252));

/// Puts repaired text in place of lines that are clearly mojibake, and notes each (`mojibake_repaired`); input ranges stay.
pub(crate) fn repair_document(text: &mut Cow<'_, str>, lines: &mut [Line], notes: &mut Vec<Note>) {
    let Some(first) = lines.iter().position(|line| repaired(text, line).is_some()) else { return };
    let old = std::mem::take(text);
    let mut new = String::with_capacity(old.len());
    new.push_str(&old[..lines[first].text_start]);
    for index in first..lines.len() {
        let next = lines.get(index + 1).map_or(old.len(), |line| line.text_start);
        let line = &mut lines[index];
        let terminator = &old[line.text_end..next];
        let text_start = new.len();
        match repaired(&old, line) {
            None => new.push_str(&old[line.text_start..line.text_end]),
            Some(fixed) => {
                new.push_str(&fixed);
                notes.push(Note {
                    code: "mojibake_repaired",
                    line: u32::try_from(index + 1).unwrap_or(u32::MAX),
                    byte_start: line.byte_start,
                    byte_end: line.byte_end,
                });
            }
        }
        (line.text_start, line.text_end) = (text_start, new.len());
        new.push_str(terminator);
    }
    *text = Cow::Owned(new);
}

fn repaired(text: &str, line: &Line) -> Option<String> {
    repair_line(text.get(line.text_start..line.text_end)?)
}

/// The line as it was before a server read its UTF-8 as windows-1256 or windows-1252; `None` unless that is beyond doubt.
pub fn repair_line(line: &str) -> Option<String> {
    let upper = suspect(line.as_bytes())?;
    let bytes: Vec<u8> = line.chars().map(|c| byte_of(upper, c)).collect();
    let (mut good, mut bad) = (0_usize, 0_usize);
    let mut fixed = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        fixed.push_str(chunk.valid());
        good += chunk.valid().bytes().filter(|byte| *byte >= 0x80).count();
        if !chunk.invalid().is_empty() {
            fixed.push('\u{FFFD}');
            bad += chunk.invalid().len();
        }
    }
    // 95 % of what is not ASCII must turn out to be UTF-8, and a line break must not come out of it.
    (bad * 20 <= good + bad && !fixed.contains(['\n', '\r'])).then_some(fixed)
}

/// The charset the line seems to have been read in: lead characters make up more than a fifth of it.
fn suspect(line: &[u8]) -> Option<&'static Upper> {
    // Nearly all characters of such a line take two bytes, so a fifth of the characters is a tenth of the bytes.
    let enough = |leads: usize| leads >= MIN_LEADS && leads * 10 > line.len();
    if !enough(pairs::count(line, |first, second| is_1256_lead(first, second) | is_1252_lead(first, second)))
    {
        None
    } else if enough(pairs::count(line, is_1256_lead)) {
        Some(&UPPER_1256)
    } else {
        enough(pairs::count(line, is_1252_lead)).then_some(&UPPER_1252)
    }
}

/// `ط` or `ظ` in UTF-8.
fn is_1256_lead(first: u8, second: u8) -> bool {
    (first == 0xD8) & ((second == 0xB7) | (second == 0xB8))
}

/// `Ø`, `Ù`, `Ð` or `Ñ` in UTF-8.
fn is_1252_lead(first: u8, second: u8) -> bool {
    (first == 0xC3) & ((second & 0xF6) == 0x90)
}

/// What the character was before; 0xFF, which no UTF-8 holds, for characters the charset cannot have produced.
fn byte_of(upper: &Upper, c: char) -> u8 {
    if c.is_ascii() {
        return c as u8;
    }
    upper.binary_search_by_key(&c, |(known, _)| *known).map_or(0xFF, |index| upper[index].1)
}

fn upper_half(encoding: &'static Encoding) -> Upper {
    let mut upper = [('\0', 0); 128];
    for (slot, byte) in upper.iter_mut().zip(0x80_u8..=0xFF) {
        let (text, _) = encoding.decode_without_bom_handling(std::slice::from_ref(&byte));
        *slot = (text.chars().next().unwrap_or('\u{FFFD}'), byte);
    }
    upper.sort_unstable();
    upper
}

#[cfg(test)]
mod tests {
    //! All texts are composed for this file.

    use super::*;
    use crate::decode::decode;
    use encoding_rs::WINDOWS_1251;
    use proptest::prelude::*;

    const HEADLINE: &str = "افتتاح معرض الكتاب في مدينة الواحة، و«الحديقة» تستقبل 300 زائر";

    fn misread(text: &str, encoding: &'static Encoding) -> String {
        encoding.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn utf8_misread_as_a_windows_charset_is_undone() {
        for encoding in [WINDOWS_1256, WINDOWS_1252] {
            assert_eq!(repair_line(&misread(HEADLINE, encoding)).as_deref(), Some(HEADLINE));
        }
        let russian = "Открылась книжная ярмарка";
        assert_eq!(repair_line(&misread(russian, WINDOWS_1252)).as_deref(), Some(russian));
    }

    #[test]
    fn honest_text_is_left_alone() {
        for line in [
            "",
            HEADLINE,
            "ظل ظليل ولفظ غليظ وحظ ونطق وضبط ورباط وشرط وخطط",
            "ططط",
            "Ærø og Øresund: Ørsted",
            "Книжная ярмарка открылась",
            "a plain headline",
        ] {
            assert_eq!(repair_line(line), None, "{line}");
        }
        // Misread as something else: cannot be undone here, so it stays.
        assert_eq!(repair_line(&misread(HEADLINE, WINDOWS_1251)), None);
    }

    #[test]
    fn a_few_lost_bytes_cost_a_few_characters_and_many_prevent_the_repair() {
        let body = "قال مدير المعرض إن الدورة الحالية تستقبل الزوار صباحا ومساء كل يوم حتى نهاية الشهر";
        let broken = misread(body, WINDOWS_1256);
        let lost_one: String =
            broken.chars().enumerate().filter(|(at, _)| *at != 31).map(|(_, c)| c).collect();
        let fixed = repair_line(&lost_one).unwrap();
        assert_eq!(fixed.matches('\u{FFFD}').count(), 1, "{fixed}");
        let lost_many: String =
            broken.chars().enumerate().filter(|(at, _)| at % 7 != 0).map(|(_, c)| c).collect();
        assert_eq!(repair_line(&lost_many), None);
    }

    #[test]
    fn only_the_broken_lines_of_a_document_change_and_the_input_stays_covered() {
        let date = "27th, October 2023 GMT";
        let page = format!(
            "{}\r\n{date}\n{}\nخاتمة",
            misread(HEADLINE, WINDOWS_1256),
            misread(HEADLINE, WINDOWS_1252)
        );
        let decoded = decode(page.as_bytes(), None).unwrap();
        assert_eq!(decoded.text, format!("{HEADLINE}\r\n{date}\n{HEADLINE}\nخاتمة"));
        let notes: Vec<_> = decoded.notes.iter().map(|note| (note.code, note.line)).collect();
        assert_eq!(notes, [("mojibake_repaired", 1), ("mojibake_repaired", 3)]);
        assert_eq!(decoded.lines[0].byte_start, 0);
        assert_eq!(decoded.lines[3].byte_end, page.len());
        assert!(decoded.lines.windows(2).all(|pair| pair[0].byte_end == pair[1].byte_start));
        // Offsets: the repaired line as a whole, its neighbours exactly.
        let first = decoded.lines[0];
        assert_eq!(decoded.input_range(2..6), first.byte_start..first.byte_end);
        let at = decoded.text.find("October").unwrap();
        assert_eq!(&page[decoded.input_range(at..at + 7)], "October");
    }

    proptest! {
        #[test]
        fn arabic_survives_being_misread(text in "[ابتثجحخدذرزسشصضعغفقكلمنهوي ]{20,80}") {
            prop_assert_eq!(repair_line(&misread(&text, WINDOWS_1256)), Some(text));
        }

        #[test]
        fn anything_is_survived(text in "[طظØÙÐÑ§أ…¯a ]{0,60}|\\PC{0,60}") {
            if let Some(fixed) = repair_line(&text) {
                prop_assert!(!fixed.contains(['\n', '\r']));
            }
        }
    }
}
