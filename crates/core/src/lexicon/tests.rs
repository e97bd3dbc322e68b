//! Every entry of every word list, run through the real parser: its example is found, its prose trap stays body.

use std::collections::BTreeSet;

use super::*;
use crate::model::{Parsed, SectionKind};
use crate::parse::parse_bytes;

const HEADLINE: &str = "مدينة الرمال تفتح مكتبة في محطة القطار القديمة";
const PARAGRAPH: &str = "قال رئيس البلدية إن المكتبة ستفتح أبوابها كل يوم من الصباح حتى المساء، وإن الكتب جمعها سكان الحي على مدى ثلاثة أعوام من التبرعات.";

fn files() -> Vec<(&'static str, File)> {
    files::ALL
        .iter()
        .map(|(name, text)| (*name, toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))))
        .collect()
}

/// A page with `line` where the entry belongs, and the number of that line.
fn page(entry: &Entry, line: &str) -> (String, u32) {
    match entry.class {
        Class::Byline | Class::Chrome | Class::Caption if entry.position != Position::Body => {
            (format!("{HEADLINE}\n{line}\n{PARAGRAPH}\n{PARAGRAPH}\n"), 2)
        }
        Class::Source
        | Class::Keywords
        | Class::Comments
        | Class::Share
        | Class::Promo
        | Class::Chrome
        | Class::Byline => (format!("{HEADLINE}\n{PARAGRAPH}\n{PARAGRAPH}\n{line}\n"), 4),
        Class::ReadAlso | Class::Similar | Class::Caption | Class::Agency | Class::Place => {
            (format!("{HEADLINE}\n{PARAGRAPH}\n{line}\n{PARAGRAPH}\n"), 3)
        }
    }
}

fn kind_of(parsed: &Parsed, line: u32) -> (SectionKind, &'static str) {
    let section = parsed
        .sections
        .iter()
        .find(|section| (section.line_start..=section.line_end).contains(&line))
        .unwrap();
    (section.kind, section.rule)
}

fn expected(class: Class) -> &'static [SectionKind] {
    match class {
        Class::ReadAlso | Class::Similar => &[SectionKind::ReadAlsoMarker, SectionKind::InlineRelated],
        Class::Source => &[SectionKind::Source],
        Class::Keywords => &[SectionKind::Keywords],
        Class::Byline => &[SectionKind::Byline],
        Class::Caption => &[SectionKind::Caption],
        Class::Comments => &[SectionKind::Comments],
        Class::Share => &[SectionKind::Share],
        Class::Promo => &[SectionKind::Promo],
        Class::Chrome => &[SectionKind::Chrome],
        Class::Agency | Class::Place => &[],
    }
}

#[test]
fn every_entry_finds_its_example_and_leaves_its_prose_trap() {
    let mut faults = Vec::new();
    for (_, file) in files() {
        for entry in &file.entry {
            let (text, line) = page(entry, &entry.positive);
            let (kind, rule) = kind_of(&parse_bytes(text.as_bytes(), None).unwrap(), line);
            // Languages share words ("Foto"); the class is what counts.
            if rule.split('.').nth(1) != entry.id.split('.').nth(1) || !expected(entry.class).contains(&kind)
            {
                faults.push(format!(
                    "{}: example is {} by {rule}: {}",
                    entry.id,
                    kind.name(),
                    entry.positive
                ));
            }
            let (text, line) = page(entry, &entry.prose_trap);
            let (kind, rule) = kind_of(&parse_bytes(text.as_bytes(), None).unwrap(), line);
            if kind != SectionKind::Body {
                faults.push(format!("{}: trap is {} by {rule}: {}", entry.id, kind.name(), entry.prose_trap));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_word_list_reads_and_its_ids_are_its_own() {
    let mut ids = BTreeSet::new();
    for (name, file) in files() {
        assert_eq!(file.language, name);
        assert!(!file.entry.is_empty(), "{name}");
        for entry in &file.entry {
            assert!(ids.insert(entry.id.clone()), "{} comes twice", entry.id);
            let class = format!("{:?}", entry.class).to_lowercase();
            let parts: Vec<&str> = entry.id.split('.').collect();
            assert_eq!((parts[0], parts[1].replace('_', "")), (name, class), "{}", entry.id);
            assert!(parts.len() == 3 && !entry.added_in.is_empty(), "{}", entry.id);
            assert!(
                entry.pattern.iter().all(|pattern| fold::matched(pattern).len() < HEAD_BYTES),
                "{}",
                entry.id
            );
        }
    }
    assert_eq!(get().patterns.values().map(Vec::len).sum::<usize>(), patterns());
}

fn patterns() -> usize {
    files().iter().flat_map(|(_, file)| &file.entry).map(|entry| entry.pattern.len()).sum()
}

#[test]
fn a_hit_gives_label_and_value_in_the_bytes_of_the_line() {
    let mut scratch = Matched::default();
    let line = "• إقـرأ   أيضاً : المكتبة الجديدة";
    let hit = get().find(line, &mut scratch).unwrap();
    assert_eq!((&line[hit.label.clone()], &line[hit.rest.clone()]), ("إقـرأ   أيضاً :", "المكتبة الجديدة"));
    assert!(hit.has_separator && !hit.is_alone());
    let counter = get().find("12 التعليقات:", &mut scratch).unwrap();
    assert_eq!((counter.class, counter.is_alone()), (Class::Comments, true));
    assert_eq!(get().find("اقرأ أيضاوخلال", &mut scratch), None);
    assert_eq!(get().find("12 قتيلا", &mut scratch), None);
}
