//! The five real documents and their ground truth, which live outside the repository: `../shared/seeds` and `../shared/goldens`.
//!
//! Every section, block, span, keyword, date, source and text hash of the goldens must come out of the parser exactly. Where the
//! folder does not exist this says so loudly and checks nothing; where it exists but is incomplete, it fails.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that cannot go on must say so")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use barid_core::{Article, AttributionRole, Note, Parsed, Section, SectionKind, parse_bytes};
use serde_json::Value;
use sha2::{Digest, Sha256};

const SEEDS: usize = 5;
const MAIN_ARTICLES: usize = 5;
const RELATED_ARTICLES: usize = 3;

fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    folder.join("seeds").is_dir().then_some(folder)
}

/// One document: its bytes, its truth, and what the parser made of it.
struct Seed {
    name: String,
    text: String,
    golden: Value,
    parsed: Parsed,
}

fn seeds() -> Option<Vec<Seed>> {
    let Some(folder) = shared() else {
        eprintln!("\n*** ../shared/seeds does not exist: THE FIVE REAL DOCUMENTS WERE NOT CHECKED ***\n");
        return None;
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder.join("seeds")).unwrap().map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), SEEDS, "../shared/seeds is incomplete: {paths:?}");
    Some(paths.iter().map(|path| Seed::read(path, &folder)).collect())
}

impl Seed {
    fn read(path: &Path, folder: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let golden_path = folder.join("goldens").join(format!("{name}.json"));
        let golden =
            std::fs::read_to_string(&golden_path).unwrap_or_else(|error| panic!("{golden_path:?}: {error}"));
        let text = std::fs::read_to_string(path).unwrap();
        let parsed = parse_bytes(text.as_bytes(), None).unwrap();
        Self { name, text, golden: serde_json::from_str(&golden).unwrap(), parsed }
    }

    fn lines(&self) -> Vec<&str> {
        self.text.lines().collect()
    }

    /// SHA-256 of lines `first..=last` (1-based), joined with LF.
    fn lines_sha256(&self, first: usize, last: usize) -> String {
        sha256(&self.lines()[first - 1..last].join("\n"))
    }

    fn article(&self, owner: usize) -> &Article {
        if owner == 0 { &self.parsed.article } else { &self.parsed.related[owner - 1] }
    }

    /// The 1-based line and the range in characters that an input byte range covers.
    fn char_range(&self, start: usize, end: usize) -> (usize, usize, usize) {
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[..start].matches('\n').count() + 1;
        let chars = |from: usize, to: usize| self.text[from..to].chars().count();
        (line, chars(line_start, start), chars(line_start, end))
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn owner(value: &Value) -> usize {
    let name = value.as_str().unwrap();
    name.strip_prefix("related_").map_or(0, |number| number.parse().unwrap())
}

/// The goldens' names for what the parser calls otherwise.
fn section_kind(golden: &str) -> &str {
    match golden {
        "lead" => "body",
        "similar_marker" => "read_also_marker",
        "similar_items" => "related_item",
        "comments_marker" => "comments",
        same => same,
    }
}

/// What a line is: kind and owner. A subheading may have its own kind; its line is body all the same.
fn line_kinds(parsed: &Parsed) -> BTreeMap<usize, (&'static str, usize)> {
    let kind = |section: &Section| match (section.kind, section.owner) {
        (SectionKind::Subheading, 0) => "body",
        (SectionKind::Subheading, _) => "related_body",
        (kind, _) => kind.name(),
    };
    let lines = |section: &Section| (section.line_start..=section.line_end, kind(section), section.owner);
    let lines = parsed.sections.iter().map(lines);
    lines
        .flat_map(|(range, kind, owner)| range.map(move |line| (line as usize, (kind, owner as usize))))
        .collect()
}

#[test]
fn every_line_has_the_kind_and_owner_of_the_golden() {
    let mut faults = Vec::new();
    for seed in seeds().unwrap_or_default() {
        let found = line_kinds(&seed.parsed);
        let mut expected = BTreeSet::new();
        for section in seed.golden["sections"].as_array().unwrap() {
            let kind = section_kind(section["kind"].as_str().unwrap());
            let (first, last) = (number(&section["lines"][0]), number(&section["lines"][1]));
            assert_eq!(seed.lines_sha256(first, last), section["sha256"], "{} {first}-{last}", seed.name);
            for line in (first..=last).filter(|line| !seed.lines()[line - 1].trim().is_empty()) {
                expected.insert(line);
                if found[&line] != (kind, owner(&section["owner"])) {
                    faults.push(format!("{} l.{line}: {kind}, found {:?}", seed.name, found[&line]));
                }
            }
            for block in section["blocks"].as_array().into_iter().flatten() {
                let line = number(&block["line"]);
                assert_eq!(seed.lines_sha256(line, line), block["sha256"], "{} l.{line}", seed.name);
            }
        }
        let extra = found.iter().filter(|(line, (kind, _))| !expected.contains(line) && *kind != "blank");
        let is_text = |line: &usize| !seed.lines()[line - 1].trim().is_empty();
        faults.extend(
            extra
                .filter(|(line, _)| is_text(line))
                .map(|(line, kind)| format!("{} l.{line}: {kind:?}", seed.name)),
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn sections_are_the_ranges_of_the_golden() {
    for seed in seeds().unwrap_or_default() {
        let starts: BTreeSet<usize> =
            seed.parsed.sections.iter().map(|section| section.line_start as usize).collect();
        for section in seed.golden["sections"].as_array().unwrap() {
            // The lead is the first paragraph of the body, not a section of its own here.
            let after_lead = section["kind"] == "body";
            let first = number(&section["lines"][0]);
            assert!(after_lead || starts.contains(&first), "{} l.{first} starts no section", seed.name);
        }
    }
}

#[test]
fn texts_headlines_dates_and_sources_are_those_of_the_golden() {
    for seed in seeds().unwrap_or_default() {
        assert_eq!(sha256(&seed.parsed.article.body), seed.golden["main_text"]["sha256"], "{}", seed.name);
        assert_eq!(seed.parsed.article.char_count as usize, number(&seed.golden["main_text"]["chars"]));
        if let Some(related) = seed.golden["related_text"].as_object() {
            assert_eq!(sha256(&seed.parsed.related[0].body), related["sha256"], "{}", seed.name);
        }
        let articles = seed.golden["articles"].as_array().unwrap();
        assert_eq!(articles.len(), 1 + seed.parsed.related.len(), "{}", seed.name);
        for golden in articles {
            let article = seed.article(owner(&golden["id"]));
            let headline = golden["headline_lines"]
                .as_array()
                .map(|lines| seed.lines()[number(&lines[0]) - 1].to_owned());
            assert_eq!(article.headline, headline, "{}", seed.name);
            let date = article.published.as_ref().map(|date| date.value[..10].to_owned());
            assert_eq!(date.as_deref(), golden["date"].as_str(), "{}", seed.name);
            let names = |role| {
                article
                    .attribution
                    .iter()
                    .filter(move |link| link.role == role)
                    .map(|link| link.name.as_str())
            };
            assert_eq!(names(AttributionRole::Publisher).next(), golden["source"].as_str(), "{}", seed.name);
            if let Some(credit) = golden.get("credit") {
                assert!(names(AttributionRole::Agency).any(|name| name == credit), "{}", seed.name);
            }
            for link in &article.attribution {
                assert_eq!(&seed.text[link.byte_start..link.byte_end], link.raw, "{}", seed.name);
            }
        }
    }
}

#[test]
fn keywords_are_those_of_the_golden() {
    for seed in seeds().unwrap_or_default() {
        let mut expected = Vec::new();
        for keyword in seed.golden["keywords"].as_array().unwrap() {
            if keyword["folded_duplicate_of"].is_null() {
                let (from, to) = (number(&keyword["char_range"][0]), number(&keyword["char_range"][1]));
                let line = seed.lines()[number(&keyword["line"]) - 1];
                let text: String = line.chars().skip(from).take(to - from).collect();
                assert_eq!(sha256(&text), keyword["sha256"]);
                expected.push(text);
            }
        }
        assert_eq!(seed.parsed.article.keywords, expected, "{}", seed.name);
        assert_eq!(seed.parsed.article.keywords_raw.is_some(), !expected.is_empty(), "{}", seed.name);
    }
}

/// The codes of notes that goldens list as spans, by the golden's name.
const SPAN_CODES: [(&str, &str); 16] = [
    ("date_label", "date_label"),
    ("date_value", "date_published"),
    ("date_published", "date_published"),
    ("date_updated_label", "date_updated_label"),
    ("date_updated", "date_updated"),
    ("headline_place", "headline_place"),
    ("source_label", "source_label"),
    ("source_value", "source_value"),
    ("keywords_label", "keywords_label"),
    ("relative_day", "relative_day"),
    ("dual_month", "dual_month"),
    ("photo_credit", "photo_credit"),
    ("dateline_credit", "dateline_credit"),
    ("nbsp_tail", "nbsp_tail"),
    ("bullet_prefix", "bullet_prefix"),
    ("glued_subheading", "glued_subheading"),
];
const MORE_SPAN_CODES: [(&str, &str); 2] = [("glued_quote", "glued_quote"), ("subheading", "subheading")];

#[test]
fn notes_are_the_spans_of_the_golden_and_no_others() {
    let codes: BTreeMap<&str, &str> = SPAN_CODES.into_iter().chain(MORE_SPAN_CODES).collect();
    for seed in seeds().unwrap_or_default() {
        let note = |note: &Note| (note.code, seed.char_range(note.byte_start, note.byte_end));
        let known = |note: &&Note| codes.values().any(|code| *code == note.code);
        let mut found: BTreeSet<(&str, (usize, usize, usize))> =
            seed.parsed.notes.iter().filter(known).map(note).collect();
        for span in seed.golden["spans"].as_array().unwrap() {
            let range =
                (number(&span["line"]), number(&span["char_range"][0]), number(&span["char_range"][1]));
            let code = codes[span["kind"].as_str().unwrap()];
            assert!(found.remove(&(code, range)), "{} {code} {range:?} is missing in {found:#?}", seed.name);
        }
        // One golden gives the lines of two dual months as facts instead of spans.
        let facts = seed.golden["facts"]["dual_month_names"].as_array().cloned().unwrap_or_default();
        let facts: BTreeSet<usize> = facts.iter().map(number).collect();
        let told: BTreeSet<usize> =
            found.iter().filter(|note| note.0 == "dual_month").map(|note| note.1.0).collect();
        assert_eq!(told, facts, "{}", seed.name);
        found.retain(|note| note.0 != "dual_month");
        assert!(found.is_empty(), "{}: {found:#?}", seed.name);
    }
}

#[test]
fn the_similar_list_belongs_to_the_related_page() {
    for seed in seeds().unwrap_or_default() {
        let items = number(&seed.golden["facts"].get("similar_items").cloned().unwrap_or_else(|| 0.into()));
        let links: Vec<_> = seed.parsed.links.iter().filter(|link| link.owner == 1).collect();
        assert_eq!(links.len(), items, "{}", seed.name);
        if let Some(last) = links.last() {
            assert_eq!(Some(&last.title), seed.parsed.related[0].headline.as_ref(), "{}", seed.name);
        }
    }
}

#[test]
fn there_are_five_main_and_three_related_articles_and_no_two_are_the_same() {
    let Some(seeds) = seeds() else { return };
    let articles: Vec<&Article> = seeds
        .iter()
        .flat_map(|seed| std::iter::once(&seed.parsed.article).chain(&seed.parsed.related))
        .collect();
    assert_eq!(seeds.len(), MAIN_ARTICLES);
    assert_eq!(articles.len(), MAIN_ARTICLES + RELATED_ARTICLES);
    let bodies: BTreeSet<[u8; 32]> = articles.iter().map(|article| article.fingerprint.body_sha256).collect();
    let contents: BTreeSet<[u8; 32]> =
        articles.iter().map(|article| article.fingerprint.content_sha256).collect();
    assert_eq!((bodies.len(), contents.len()), (articles.len(), articles.len()));
    assert!(
        articles.iter().all(|article| article.fingerprint.body_is_evidence && article.language.tag == "ar")
    );
}

#[test]
fn sections_tile_every_document() {
    for seed in seeds().unwrap_or_default() {
        let (mut byte, mut line) = (0, 1);
        for section in &seed.parsed.sections {
            assert_eq!((section.byte_start, section.line_start), (byte, line), "{}", seed.name);
            (byte, line) = (section.byte_end, section.line_end + 1);
        }
        assert_eq!(byte, seed.text.len(), "{}", seed.name);
        assert_eq!(line as usize, seed.lines().len() + 1, "{}", seed.name);
    }
}
