//! Remarks of the parser in one line each.

use barid_core::CharsetSource;

/// Every remark that the parser makes, with its meaning.
pub(super) const NOTES: &[(&str, &str)] = &[
    ("bullet_prefix", "a list mark before a related headline; not part of the headline"),
    ("date_label", "the words that announce the publication date"),
    ("date_published", "the publication date, as found"),
    ("date_updated", "the date of the last change, as found"),
    ("date_updated_label", "the words that announce the date of the last change"),
    ("dateline_credit", "an agency or a place at the start of the first paragraph; it became an attribution"),
    ("dual_month", "a month under two names, as in the Levant; read as one month"),
    ("glued_quote", "a quotation mark without the space the scraper lost; the text is left as found"),
    (
        "glued_subheading",
        "a subheading the scraper glued to the paragraph after it; the text is left as found",
    ),
    ("glued_words", "two words the scraper glued together; the text is left as found"),
    ("headline_place", "a place at the start of the headline"),
    ("keywords_label", "the words that announce the keyword line"),
    ("keywords_value", "the keywords, as found"),
    (
        "mojibake_repaired",
        "text that was decoded wrongly before it reached us, and could be repaired without loss",
    ),
    ("nbsp_tail", "a hard space at the end of a line, left by the page's layout"),
    (
        "nul_removed",
        "zero characters stood in this line and were taken out; scrapers, databases and broken disks leave them",
    ),
    ("photo_credit", "who made the picture; part of a caption"),
    ("relative_day", "a weekday such as \"today Wednesday\"; it can confirm a date, never make one"),
    ("source_label", "the words that announce the source line"),
    ("source_value", "the source, as found; it became an attribution"),
    ("subheading", "a short line between paragraphs; it stays in the body"),
];

/// What a remark means.
pub(super) fn of_note(code: &str) -> Option<&'static str> {
    NOTES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// How a charset was found, in words.
pub(super) fn of_charset_source(source: CharsetSource) -> &'static str {
    match source {
        CharsetSource::Bom => "its byte order mark says so",
        CharsetSource::Utf8 => "the bytes are valid",
        CharsetSource::Declared => "the one who delivered it says so",
        CharsetSource::Detected => "found by statistics",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The samples hold every layout the parser knows.
    #[test]
    fn every_remark_on_the_samples_has_a_meaning() {
        let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../seeds");
        let mut met = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(samples).expect("the samples") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "txt") {
                let parsed =
                    barid_core::parse_bytes(&std::fs::read(&path).expect("a sample"), None).expect("text");
                met.extend(parsed.notes.iter().map(|note| note.code));
            }
        }
        assert!(met.len() > 8, "{met:?}");
        let unknown: Vec<_> = met.into_iter().filter(|code| of_note(code).is_none()).collect();
        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn remarks_are_sorted_and_described_once() {
        assert!(NOTES.is_sorted_by(|left, right| left.0 < right.0));
    }
}
