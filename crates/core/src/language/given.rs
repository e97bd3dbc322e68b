//! A language that was given beside the text: its tag read, and weighed against what the text looks like.
//!
//! Feeds say the language of their template, scrapers that of their default. So the text counts where it is sure, and what was given where
//! it is not, unless the text's letters deny it.

use icu_locale_core::LanguageIdentifier;

use crate::model::Language;

use super::{Script, TAGS, prefix, script_of};

/// From this confidence on the text decides.
const SURE: f32 = 0.8;
/// Confidence in a language that only was given, and in one that the text looks like as well.
const GIVEN: f32 = 0.6;
const AGREED: f32 = 0.8;
/// Letters are looked at in so many bytes.
const SAMPLE_BYTES: usize = 512;

/// What a given language is worth.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenLanguage {
    /// The text is not sure: this counts, with this confidence.
    Used {
        /// A BCP-47 tag in its usual case.
        tag: String,
        /// 0 to 1.
        confidence: f32,
    },
    /// The text says the same, or a kind of it.
    Agreed,
    /// The text is surely in another language, or in letters that this one is not written in.
    Contradicted,
    /// No language tag, and no name of a language.
    Unread,
}

/// Weighs what was `given` against what was `found` in the text, whose `parts` are its headline and body.
pub fn weigh_language(found: &Language, given: &str, parts: &[&str]) -> GivenLanguage {
    // The usual case, without reading further.
    if found.confidence >= SURE && given.eq_ignore_ascii_case(found.tag) {
        return GivenLanguage::Agreed;
    }
    let Some(tag) = language_tag(given) else { return GivenLanguage::Unread };
    let primary = tag.split('-').next().unwrap_or_default();
    let is_same = are_one(primary, found.tag);
    match (found.confidence >= SURE, is_same) {
        (true, true) => GivenLanguage::Agreed,
        (true, false) => GivenLanguage::Contradicted,
        (false, false) if !can_be(primary, parts) => GivenLanguage::Contradicted,
        (false, _) => GivenLanguage::Used { confidence: if is_same { AGREED } else { GIVEN }, tag },
    }
}

/// Reads a tag as people write them: `AR-eg`, `en_us`, `eng`, `Arabic`, `en-US, ar` (the first counts).
fn language_tag(given: &str) -> Option<String> {
    let first = given.trim().split([',', ';', '|', '.', '@', '(']).next().unwrap_or_default().trim();
    let lower = first.to_lowercase();
    if let Some((_, code)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return Some((*code).to_owned());
    }
    let mut read: LanguageIdentifier = first.replace('_', "-").parse().ok()?;
    let primary = read.language.as_str().to_owned();
    let shorter =
        TAGS.split_ascii_whitespace().find_map(|pair| pair.strip_prefix(&primary)?.strip_prefix('='));
    let current = RENAMED.iter().find(|(old, _)| *old == primary).map(|(_, new)| *new).or(shorter);
    if let Some(current) = current {
        read.language = current.parse().ok()?;
    }
    let primary = read.language.as_str();
    let is_language = match primary.len() {
        2 => TWO_LETTERS.split_ascii_whitespace().any(|code| code == primary),
        3 => !matches!(primary, "und" | "mul" | "mis" | "zxx" | "art"),
        // None has ever been registered.
        _ => false,
    };
    is_language.then(|| read.to_string())
}

/// One language under two codes, or languages that the text alone is not told apart by.
fn are_one(given: &str, found: &str) -> bool {
    const GROUPS: [&str; 6] = ["no nb nn", "sr hr bs sh", "id ms", "tl fil", "fa prs", "zh yue"];
    let holds = |group: &str, tag: &str| group.split(' ').any(|code| code == tag);
    given == found || GROUPS.iter().any(|group| holds(group, given) && holds(group, found))
}

/// False when most letters are none that the language is written in. Languages of several scripts can be in any.
fn can_be(primary: &str, parts: &[&str]) -> bool {
    let mut counts: [usize; WRITTEN.len()] = [0; WRITTEN.len()];
    for c in parts.iter().flat_map(|part| prefix(part, SAMPLE_BYTES).chars()) {
        let writing = writing(c);
        let known = WRITTEN.iter().position(|(script, _)| Some(*script) == writing);
        if let Some(count) = known.and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let leading = counts.iter().enumerate().max_by_key(|(_, count)| **count);
    let Some((leading, _)) = leading.filter(|(_, count)| **count > 0) else { return true };
    let is_written_in = |group: &&(&str, &str)| group.1.split(' ').any(|code| code == primary);
    let mut groups = WRITTEN.iter().filter(is_written_in).peekable();
    groups.peek().is_none() || groups.any(|(script, _)| *script == WRITTEN[leading].0)
}

/// The script of a letter by its ISO 15924 code; scripts of one language by that language.
fn writing(c: char) -> Option<&'static str> {
    Some(match script_of(c)? {
        Script::Sole(tag) => tag,
        Script::Arabic => "Arab",
        Script::Hebrew => "Hebr",
        Script::Kana => "Kana",
        Script::Han => "Hani",
        Script::Trigrams => match c {
            'Ѐ'..='ӿ' => "Cyrl",
            'ऄ'..='ॡ' => "Deva",
            _ => "Latn",
        },
    })
}

/// Scripts, and languages that are written in one of them only.
const WRITTEN: [(&str, &str); 23] = [
    ("Arab", "ar fa prs ps ur ckb sd ug"),
    ("Hebr", "he yi"),
    (
        "Latn",
        "en fr de es pt it nl sv da nb nn no fi is tr pl cs sk sl hr hu ro et lv lt ca gl eu ga cy sq id vi tl fil sw af",
    ),
    ("Cyrl", "ru uk be bg mk"),
    ("Deva", "hi mr ne"),
    ("Kana", "ja"),
    ("Hani", "zh yue ja"),
    ("el", "el"),
    ("hy", "hy"),
    ("bn", "bn as"),
    ("gu", "gu"),
    ("or", "or"),
    ("ta", "ta"),
    ("te", "te"),
    ("kn", "kn"),
    ("ml", "ml"),
    ("si", "si"),
    ("th", "th"),
    ("lo", "lo"),
    ("ka", "ka"),
    ("am", "am ti"),
    ("km", "km"),
    ("ko", "ko"),
];

/// Codes that were renamed (BCP-47, "Preferred-Value").
const RENAMED: [(&str, &str); 5] = [("iw", "he"), ("in", "id"), ("ji", "yi"), ("jw", "jv"), ("mo", "ro")];

/// What feeds and scrapers write in place of a tag.
const NAMES: [(&str, &str); 26] = [
    ("arabic", "ar"),
    ("العربية", "ar"),
    ("عربي", "ar"),
    ("عربية", "ar"),
    ("english", "en"),
    ("french", "fr"),
    ("français", "fr"),
    ("german", "de"),
    ("deutsch", "de"),
    ("spanish", "es"),
    ("español", "es"),
    ("portuguese", "pt"),
    ("italian", "it"),
    ("turkish", "tr"),
    ("türkçe", "tr"),
    ("persian", "fa"),
    ("farsi", "fa"),
    ("فارسی", "fa"),
    ("urdu", "ur"),
    ("hebrew", "he"),
    ("russian", "ru"),
    ("русский", "ru"),
    ("ukrainian", "uk"),
    ("chinese", "zh"),
    ("japanese", "ja"),
    ("korean", "ko"),
];

/// Every code of ISO 639-1: `us` and `gb` are countries.
const TWO_LETTERS: &str = "\
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et \
    eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl \
    km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj \
    om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn \
    to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LanguageMethod;

    fn found(tag: &'static str, confidence: f32) -> Language {
        Language { tag, confidence, method: LanguageMethod::Trigrams }
    }

    #[test]
    fn tags_are_read_as_people_write_them() {
        for (given, tag) in [
            ("AR-eg", Some("ar-EG")),
            ("en_us", Some("en-US")),
            (" fr ", Some("fr")),
            ("zh-hans-cn", Some("zh-Hans-CN")),
            ("eng", Some("en")),
            ("ara-EG", Some("ar-EG")),
            ("Arabic", Some("ar")),
            ("English (United Kingdom)", Some("en")),
            ("العربية", Some("ar")),
            ("en-US, ar", Some("en-US")),
            ("en_GB.UTF-8", Some("en-GB")),
            ("iw", Some("he")),
            ("ckb", Some("ckb")),
            ("us", None),
            ("klingon", None),
            ("und", None),
            ("mul", None),
            ("", None),
            ("-", None),
            ("x-default", None),
            ("a language", None),
        ] {
            assert_eq!(language_tag(given).as_deref(), tag, "{given}");
        }
    }

    #[test]
    fn the_text_counts_where_it_is_sure_and_what_was_given_where_it_is_not() {
        let used = |tag: &str, confidence| GivenLanguage::Used { tag: tag.to_owned(), confidence };
        for (found, given, text, worth) in [
            (found("und", 0.0), "ar-EG", "خبر عاجل", used("ar-EG", GIVEN)),
            (found("und", 0.0), "en", "12 - 7", used("en", GIVEN)),
            (found("und", 0.0), "en-US", "خبر عاجل", GivenLanguage::Contradicted),
            (found("und", 0.0), "ru", "OK Reuters", GivenLanguage::Contradicted),
            (found("und", 0.0), "ja", "速報", used("ja", GIVEN)),
            (found("und", 0.0), "as", "খবর", used("as", GIVEN)),
            (found("und", 0.0), "ku", "خبر", used("ku", GIVEN)),
            (found("en", 0.5), "en-GB", "Ferry sails", used("en-GB", AGREED)),
            (found("nl", 0.5), "af", "Skip vaar", used("af", GIVEN)),
            (found("ar", 0.99), "ar-EG", "", GivenLanguage::Agreed),
            (found("nb", 0.9), "no", "", GivenLanguage::Agreed),
            (found("ar", 0.99), "en", "", GivenLanguage::Contradicted),
            (found("und", 0.0), "??", "", GivenLanguage::Unread),
        ] {
            assert_eq!(weigh_language(&found, given, &[text]), worth, "{given} for {text}");
        }
    }

    #[test]
    fn every_language_of_a_table_is_one() {
        let codes = WRITTEN.iter().flat_map(|(_, codes)| codes.split(' '));
        for code in
            codes.chain(NAMES.iter().map(|(_, code)| *code)).chain(RENAMED.iter().map(|(_, code)| *code))
        {
            assert_eq!(language_tag(code).as_deref(), Some(code));
        }
    }
}
