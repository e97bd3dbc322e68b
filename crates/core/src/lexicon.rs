//! The words that news pages put around their articles, one data file per language (`crates/core/lexicon/*.toml`).
//!
//! Every entry says what its pattern means (`class`), how strong a sign it is (`strength`), which separators may follow it and where
//! on the page it stands; each carries a line that it must recognise and a line of prose that it must leave alone, and a test runs
//! both through the real parser. Patterns are folded, so one pattern covers every spelling of its words.
//!
//! A file that does not read is left out at run time and fails the tests: a bad word list must not stop the pipeline.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::fold::{self, Matched};
use crate::letters;

mod files;
#[cfg(test)]
mod tests;

/// Folded bytes of a line's start that are searched for a pattern; the longest pattern is shorter.
const HEAD_BYTES: usize = 160;
/// Folded bytes that are compared before more is folded.
const FIRST_BYTES: usize = 16;

/// One word list entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Stable rule id: `<language>.<class>.<name>`.
    pub(crate) id: String,
    /// What a line that starts with the pattern is.
    pub(crate) class: Class,
    /// Spellings that folding does not bring together. A `*` stands for any words: `The post * appeared first on`.
    pub(crate) pattern: Vec<String>,
    /// What must follow the pattern.
    pub(crate) strength: Strength,
    /// What may stand between the pattern and its value.
    #[serde(default = "common_separators")]
    pub(crate) separators: Vec<String>,
    /// Where on the page the pattern means what `class` says.
    #[serde(default)]
    pub(crate) position: Position,
    /// Version of barid that brought the entry.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people and tests"))]
    pub(crate) added_in: String,
    /// A line that must be recognised.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people and tests"))]
    pub(crate) positive: String,
    /// A line of prose that must stay body.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people and tests"))]
    pub(crate) prose_trap: String,
}

/// What the words of an entry announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Class {
    /// Headlines, or a whole article, of other pages.
    ReadAlso,
    /// A list of headlines chosen by a machine: similar, most read.
    Similar,
    /// Who published the text first.
    Source,
    /// Topics.
    Keywords,
    /// Who wrote it.
    Byline,
    /// What a picture shows, or who took it.
    Caption,
    /// The readers' corner.
    Comments,
    /// Buttons.
    Share,
    /// The house's own advertising and disclaimers.
    Promo,
    /// What the page's software printed.
    Chrome,
    /// A news agency, paper or station by name.
    Agency,
    /// A city that datelines and headlines start with.
    Place,
}

/// What must follow a pattern for it to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strength {
    /// Nothing, or a separator.
    Alone,
    /// A separator.
    NeedsSep,
    /// Anything: the words are never prose.
    NoSepOk,
    /// Nothing: the pattern is the whole line.
    NeverInline,
}

/// Where a pattern may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Position {
    /// Before the first paragraph of an article.
    Header,
    /// Anywhere but before the first paragraph.
    Body,
    /// Anywhere.
    #[default]
    Any,
}

fn common_separators() -> Vec<String> {
    [":", "/", "|", "...", "..", "-", "–", ">>", ">", "←", "→", "»", "!"].map(str::to_owned).to_vec()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    language: String,
    #[serde(default)]
    entry: Vec<Entry>,
    /// Names for [`Class::Agency`].
    #[serde(default)]
    agencies: Vec<String>,
    /// Names for [`Class::Place`].
    #[serde(default)]
    places: Vec<String>,
}

/// One spelling of one entry, folded.
#[derive(Debug)]
struct Pattern {
    /// What the line starts with.
    text: String,
    /// What must come later in the line, in order.
    later: Vec<String>,
    separators: Vec<String>,
    entry: &'static Entry,
}

/// All languages together: a page in one language carries markers of another often enough.
#[derive(Debug)]
pub(crate) struct Lexicon {
    /// By the first characters of the pattern; within one group the longest first.
    patterns: BTreeMap<Key, Vec<Pattern>>,
    /// Folded names.
    names: BTreeMap<String, Class>,
}

/// The first two characters of a folded text; a space where there is one only.
type Key = (char, char);

/// A line starts with a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Rule id of the entry.
    pub(crate) id: &'static str,
    /// Its class.
    pub(crate) class: Class,
    /// Its strength.
    pub(crate) strength: Strength,
    /// Its place.
    pub(crate) position: Position,
    /// Whether a separator followed.
    pub(crate) has_separator: bool,
    /// Bytes of the line from the pattern to its separator, both included.
    pub(crate) label: Range<usize>,
    /// Bytes of what follows, without white space around it; empty at the end of the line when nothing follows.
    pub(crate) rest: Range<usize>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    static FILES: LazyLock<Vec<File>> =
        LazyLock::new(|| files::ALL.iter().filter_map(|(_, text)| toml::from_str(text).ok()).collect());
    Lexicon::new(&FILES)
});

/// The lexicon of this build.
pub(crate) fn get() -> &'static Lexicon {
    &LEXICON
}

impl Lexicon {
    fn new(files: &'static [File]) -> Self {
        let mut patterns: BTreeMap<Key, Vec<Pattern>> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for file in files {
            debug_assert!(!file.language.is_empty());
            for entry in &file.entry {
                for pattern in entry.pattern.iter().map(|pattern| Pattern::new(pattern, entry)) {
                    let Some(key) = key(&pattern.text) else { continue };
                    patterns.entry(key).or_default().push(pattern);
                }
            }
            names.extend(file.agencies.iter().map(|name| (fold::words_of(name), Class::Agency)));
            names.extend(file.places.iter().map(|name| (fold::words_of(name), Class::Place)));
        }
        for group in patterns.values_mut() {
            group.sort_by_key(|pattern| std::cmp::Reverse(pattern.text.len()));
        }
        Self { patterns, names }
    }

    /// The entry that `line` starts with, behind bullets, emoji and brackets, and for counters behind their number.
    ///
    /// `scratch` is space to fold in.
    pub(crate) fn find(&self, line: &str, scratch: &mut Matched) -> Option<Hit> {
        const LONGEST_COUNTER_BYTES: usize = 64;
        let skipped = decoration_bytes(line);
        let text = line.get(skipped..)?;
        if let Some(hit) = self.find_at(text, scratch) {
            return Some(hit.moved(skipped));
        }
        if text.len() > LONGEST_COUNTER_BYTES || !text.starts_with(char::is_numeric) {
            return None;
        }
        let label = text.trim_start_matches(|c: char| c.is_numeric() || c.is_whitespace());
        let hit = self.find_at(label, scratch)?;
        let counts = matches!(hit.class, Class::Comments | Class::Share) && hit.is_alone();
        counts.then(|| hit.moved(line.len() - label.len()))
    }

    fn find_at(&self, text: &str, scratch: &mut Matched) -> Option<Hit> {
        scratch.fold(text, FIRST_BYTES);
        let group = self.patterns.get(&key(scratch.text())?)?;
        let first = scratch.text().as_bytes();
        // Nearly every line begins like no pattern: its first letters say so, and the rest need not be folded.
        let may_fit = |pattern: &&Pattern| {
            let shared = pattern.text.len().min(first.len());
            pattern.text.as_bytes().get(..shared) == first.get(..shared)
        };
        let from = group.iter().position(|pattern| may_fit(&pattern))?;
        scratch.fold(text, HEAD_BYTES);
        group.iter().skip(from).find_map(|pattern| pattern.hit(text, scratch))
    }

    /// The class of a name standing alone: an agency or a place. `name` is as found.
    pub(crate) fn name_class(&self, name: &str) -> Option<Class> {
        const LONGEST_NAME_BYTES: usize = 80;
        if name.len() > LONGEST_NAME_BYTES {
            return None;
        }
        self.names.get(&fold::words_of(name)).copied()
    }
}

impl Pattern {
    fn new(pattern: &str, entry: &'static Entry) -> Self {
        let mut parts =
            pattern.split('*').map(|part| fold::matched(part.trim())).filter(|part| !part.is_empty());
        let text = parts.next().unwrap_or_default();
        let text = text.get(decoration_bytes(&text)..).unwrap_or_default().to_owned();
        let folded = entry.separators.iter().map(|separator| fold::matched(separator));
        // A separator that folds away (a tatweel) separates nothing.
        let mut separators: Vec<String> = folded.filter(|separator| !separator.is_empty()).collect();
        separators.sort_by_key(|separator| std::cmp::Reverse(separator.len()));
        Self { text, later: parts.collect(), separators, entry }
    }

    fn hit(&self, line: &str, head: &Matched) -> Option<Hit> {
        let after = head.text().strip_prefix(self.text.as_str())?;
        let is_glued = after.starts_with(char::is_alphanumeric) && self.text.ends_with(char::is_alphanumeric);
        if is_glued || !self.continues(line) {
            return None;
        }
        let (has_separator, rest) = self.skip_separators(after);
        let rest_start = head.origin(head.text().len() - rest.len());
        let rest_text = line.get(rest_start..)?;
        // A counter ("Comments 12") is no value.
        let is_counted = matches!(self.entry.class, Class::Comments | Class::Share);
        let is_value = |c: char| c.is_alphabetic() || (c.is_numeric() && !is_counted);
        let is_empty = !rest_text.contains(is_value);
        let counts = match self.entry.strength {
            Strength::Alone => is_empty || has_separator,
            Strength::NeedsSep => has_separator,
            Strength::NoSepOk => true,
            Strength::NeverInline => is_empty,
        };
        let rest = if is_empty { line.len()..line.len() } else { rest_start..line.trim_end().len() };
        let label = 0..line.get(..rest.start)?.trim_end().len();
        let Entry { id, class, strength, position, .. } = self.entry;
        counts.then_some(Hit {
            id: id.as_str(),
            class: *class,
            strength: *strength,
            position: *position,
            has_separator,
            label,
            rest,
        })
    }

    /// Whether the later parts of a pattern with `*` follow in the line.
    fn continues(&self, line: &str) -> bool {
        if self.later.is_empty() {
            return true;
        }
        let folded = fold::matched(line);
        let mut rest = folded.get(self.text.len()..).unwrap_or_default();
        self.later.iter().all(|part| match rest.find(part.as_str()) {
            Some(at) => {
                rest = rest.get(at + part.len()..).unwrap_or_default();
                true
            }
            None => false,
        })
    }

    /// Whether separators stand at the start of folded text, and what follows them and the spaces around them.
    fn skip_separators<'t>(&self, mut text: &'t str) -> (bool, &'t str) {
        let mut found = false;
        loop {
            text = text.trim_start();
            let Some(rest) =
                self.separators.iter().find_map(|separator| text.strip_prefix(separator.as_str()))
            else {
                return (found, text);
            };
            text = rest;
            found = true;
        }
    }
}

impl Hit {
    /// The same hit in a line that starts `bytes` earlier.
    fn moved(mut self, bytes: usize) -> Self {
        self.label = self.label.start + bytes..self.label.end + bytes;
        self.rest = self.rest.start + bytes..self.rest.end + bytes;
        self
    }

    /// Whether nothing follows the pattern.
    pub(crate) fn is_alone(&self) -> bool {
        self.rest.is_empty()
    }
}

fn key(folded: &str) -> Option<Key> {
    let mut chars = folded.chars();
    Some((chars.next()?, chars.next().unwrap_or(' ')))
}

/// Bytes of bullets, emoji, arrows and opening brackets before the first word. A quote is none: quoted lines are prose.
fn decoration_bytes(line: &str) -> usize {
    const MOST_CHARS: usize = 12;
    let is_word = |c: char| {
        letters::is_letter(c)
            || c.is_alphanumeric()
            || matches!(c, '"' | '“' | '”' | '«' | '\'' | '‘' | '„' | '©')
    };
    line.char_indices().take(MOST_CHARS).find(|&(_, c)| is_word(c)).map_or(0, |(at, _)| at)
}
