//! Names that were given beside the text: a byline field, a publisher field.
//!
//! Several authors become several names only where the separator is certain. "Doe, Jane" is one, and so is "Jane Doe, Business Editor".

use crate::fold::Matched;
use crate::lexicon::{self, Class};
use crate::model::AttributionRole;

/// Words of one name.
const NAME_WORDS: std::ops::RangeInclusive<usize> = 2..=4;
/// Characters of a name in a script without spaces.
const DENSE_NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=6;

/// Who is named, and what that one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// An agency is one wherever it is named.
    pub role: AttributionRole,
    /// The name as found: without its label and mail address.
    pub name: String,
}

/// Whom a byline field names, in its order: `By A B and C D`, `a@b.example (A B)`, `A B; C D`.
pub fn byline_credits(given: &str) -> Vec<Credit> {
    let names = without_label(given.trim()).split([';', '؛', '\n', '\r']).flat_map(several);
    names.filter(|name| !name.is_empty()).map(|name| credit(AttributionRole::Byline, name)).collect()
}

/// Whom a publisher field names. `None` where it holds no letter or digit.
pub fn publisher_credit(given: &str) -> Option<Credit> {
    let name = given.trim();
    name.contains(char::is_alphanumeric).then(|| credit(AttributionRole::Publisher, name))
}

fn credit(role: AttributionRole, name: &str) -> Credit {
    let role = if is_agency(name) { AttributionRole::Agency } else { role };
    Credit { role, name: name.to_owned() }
}

fn is_agency(name: &str) -> bool {
    lexicon::get().name_class(name) == Some(Class::Agency)
}

/// What follows "By" and its like.
fn without_label(text: &str) -> &str {
    let hit = lexicon::get().find(text, &mut Matched::default());
    let hit = hit.filter(|hit| hit.class == Class::Byline && !hit.is_alone());
    hit.and_then(|hit| text.get(hit.rest)).unwrap_or(text).trim()
}

/// The names of a list with commas and "and", if that is what it is; else the whole.
fn several(text: &str) -> Vec<&str> {
    let parts: Vec<&str> = text.split([',', '،', '、']).flat_map(halves).map(bare).collect();
    let is_list = parts.len() > 1 && parts.iter().all(|part| is_name(part) || is_agency(part));
    if is_list { parts } else { vec![bare(text)] }
}

/// `A B and C D`; `and C D` behind a comma.
fn halves(text: &str) -> impl Iterator<Item = &str> {
    const AND: [&str; 4] = [" and ", " & ", " und ", " et "];
    let text = text.trim();
    let text = AND.iter().find_map(|and| text.strip_prefix(and.trim_start())).unwrap_or(text);
    let cut = AND.iter().find_map(|and| text.split_once(and));
    let (first, second) = cut.map_or((text, None), |(first, second)| (first, Some(second)));
    [Some(first), second].into_iter().flatten()
}

/// A name without its mail address, where both stand there.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let (outer, inner) = match text.strip_suffix([')', '>']).and_then(|open| open.split_once(['(', '<'])) {
        Some((outer, inner)) => (outer.trim(), inner.trim()),
        None => return text,
    };
    let is_address = |text: &str| text.contains('@') && !text.contains(char::is_whitespace);
    match (is_address(outer), is_address(inner)) {
        (true, false) if !inner.is_empty() => inner,
        (false, true) if !outer.is_empty() => outer.trim_matches('"'),
        (_, _) => text,
    }
}

/// Surely the name of one person: a few words, each like a part of a name.
fn is_name(text: &str) -> bool {
    const PARTICLES: [&str; 20] = [
        "al", "bin", "ben", "da", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "la", "le",
        "ter", "ten", "van", "von", "abu",
    ];
    let is_dense = |c: char| matches!(c, '぀'..='ヿ' | '㐀'..='鿿' | '가'..='힣');
    if !text.is_empty() && text.chars().all(is_dense) {
        return DENSE_NAME_CHARS.contains(&text.chars().count());
    }
    let is_part = |word: &str| {
        let folded = word.to_lowercase();
        let starts_high = word.starts_with(|c: char| c.is_alphabetic() && !c.is_lowercase());
        let is_plain = word
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '.' | '-' | '\'' | '’' | '\u{64B}'..='\u{652}'));
        is_plain
            && (starts_high || PARTICLES.contains(&folded.as_str()))
            && !OFFICES.contains(&folded.as_str())
    };
    NAME_WORDS.contains(&text.split_whitespace().count()) && text.split_whitespace().all(is_part)
}

/// Words of what somebody is, not of who: "Jane Doe, Business Editor".
const OFFICES: [&str; 34] = [
    "agency",
    "analyst",
    "bureau",
    "business",
    "chief",
    "columnist",
    "contributor",
    "correspondent",
    "daily",
    "desk",
    "director",
    "editor",
    "editorial",
    "foreign",
    "journalist",
    "media",
    "news",
    "newspaper",
    "political",
    "press",
    "producer",
    "professor",
    "reporter",
    "senior",
    "staff",
    "team",
    "times",
    "writer",
    "محرر",
    "مراسل",
    "رئيس",
    "كاتب",
    "مدير",
    "صحيفة",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &str) -> Vec<String> {
        byline_credits(given).into_iter().map(|credit| credit.name).collect()
    }

    #[test]
    fn several_names_are_several_only_where_that_is_certain() {
        for (given, wanted) in [
            ("Orla Fenwether", &["Orla Fenwether"][..]),
            ("By Orla Fenwether", &["Orla Fenwether"]),
            ("Orla Fenwether and Tam van Rill", &["Orla Fenwether", "Tam van Rill"]),
            ("Orla Fenwether, Tam Rill", &["Orla Fenwether", "Tam Rill"]),
            ("Orla Fenwether, Tam Rill, and J. Moss", &["Orla Fenwether", "Tam Rill", "J. Moss"]),
            ("Orla Fenwether; Harbour Desk", &["Orla Fenwether", "Harbour Desk"]),
            ("سليم الرملي، هند المرفأ", &["سليم الرملي", "هند المرفأ"]),
            ("山田太郎、鈴木花子", &["山田太郎", "鈴木花子"]),
            ("Fenwether, Orla", &["Fenwether, Orla"]),
            ("Orla Fenwether, Business Editor", &["Orla Fenwether, Business Editor"]),
            ("Rill & Sons", &["Rill & Sons"]),
            ("orla@ledger.example (Orla Fenwether)", &["Orla Fenwether"]),
            ("\"Orla Fenwether\" <orla@ledger.example>", &["Orla Fenwether"]),
            ("a@b.example (Orla Fenwether), c@d.example (Tam Rill)", &["Orla Fenwether", "Tam Rill"]),
            ("orla@ledger.example", &["orla@ledger.example"]),
            ("Orla Fenwether (Ledger)", &["Orla Fenwether (Ledger)"]),
            ("Orla Fenwether, Reuters", &["Orla Fenwether", "Reuters"]),
            ("  ", &[]),
        ] {
            assert_eq!(names(given), wanted, "{given}");
        }
    }

    #[test]
    fn an_agency_is_one_in_either_field() {
        assert_eq!(byline_credits("Reuters")[0].role, AttributionRole::Agency);
        assert_eq!(publisher_credit("Reuters").map(|credit| credit.role), Some(AttributionRole::Agency));
        assert_eq!(publisher_credit(" Ledger ").map(|credit| credit.name), Some("Ledger".to_owned()));
        assert_eq!(publisher_credit(" - "), None);
    }
}
