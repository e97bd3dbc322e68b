//! The headline that came beside the text, and what a line of the text is to it.

use std::cell::OnceCell;

use crate::fold;
use crate::rows::Row;
use crate::shape::Ending;

/// Fewer words than these stand in a longer headline by chance.
const PART_WORDS: usize = 3;

/// A headline given beside the text.
#[derive(Debug)]
pub(crate) struct Given<'g> {
    /// As found, trimmed. Not empty.
    pub(crate) text: &'g str,
    /// Folded, once a line needs it: most lines are the same to the last byte.
    words: OnceCell<String>,
}

/// What a line is to the given headline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same words.
    Same,
    /// A part of it: the given one names the site as well.
    Part,
    /// All of it: the given one breaks off.
    Whole,
    /// Something else.
    Other,
}

impl<'g> Given<'g> {
    /// `None` where nothing was given, or only space.
    pub(crate) fn new(headline: Option<&'g str>) -> Option<Self> {
        let text = headline.map(str::trim).filter(|text| !text.is_empty())?;
        Some(Self { text, words: OnceCell::new() })
    }

    /// What this row is to the headline.
    pub(crate) fn likeness(&self, row: &Row<'_>) -> Likeness {
        if row.text == self.text {
            return Likeness::Same;
        }
        // A line that is so much longer has other words.
        if row.text.len() > 4 * self.text.len() && !self.is_cut() {
            return Likeness::Other;
        }
        let line = fold::words_of(row.text);
        let words = self.words.get_or_init(|| fold::words_of(self.text));
        let is_enough = |words: &str| words.split(' ').count() >= PART_WORDS;
        if line.is_empty() || words.is_empty() {
            Likeness::Other
        } else if line == *words {
            Likeness::Same
        } else if !row.shape.is_paragraph() && is_enough(&line) && stands_in(&line, words) {
            Likeness::Part
        } else if self.is_cut()
            && row.shape.is_headline()
            && is_enough(words)
            && line.starts_with(words.as_str())
        {
            Likeness::Whole
        } else {
            Likeness::Other
        }
    }

    /// Whether it breaks off: `The minister said …`, `[...]`.
    fn is_cut(&self) -> bool {
        Ending::of(self.text) == Ending::Ellipsis
    }
}

/// Whether the words of `part` follow each other in `whole`.
fn stands_in(part: &str, whole: &str) -> bool {
    let is_border = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == b' ');
    let bytes = whole.as_bytes();
    whole.match_indices(part).any(|(at, _)| {
        is_border(at.checked_sub(1).and_then(|before| bytes.get(before)))
            && is_border(bytes.get(at + part.len()))
    })
}

#[cfg(test)]
mod tests {
    //! Texts and headlines are composed for these tests.

    use crate::model::SectionKind::{self, Body, Byline, Caption, Date, Headline, HeadlineRepeat};
    use crate::{Parsed, parse_bytes, parse_bytes_with};

    const PARAGRAPH: &str =
        "The harbour master said on Monday that the ferry would sail twice a day from the first week of May.";
    const SECOND: &str =
        "Tickets will cost the same as on the old ship, and children travel free until the autumn.";

    fn parsed(text: &str, given: &str) -> Parsed {
        let parsed = parse_bytes_with(text.as_bytes(), None, Some(given)).unwrap();
        let mut end = 0;
        for section in &parsed.sections {
            assert_eq!(section.byte_start, end, "{text}");
            end = section.byte_end;
        }
        assert_eq!(end, text.len(), "the sections tile the text");
        parsed
    }

    fn kinds(parsed: &Parsed) -> Vec<SectionKind> {
        let sections = parsed.sections.iter().filter(|section| section.kind != SectionKind::Blank);
        sections.map(|section| section.kind).collect()
    }

    #[test]
    fn a_first_line_with_the_same_words_is_the_headline_whatever_it_looks_like() {
        for line in [
            "Ferry sails twice a day",
            "«Ferry sails twice a day»",
            "FERRY SAILS TWICE A DAY!",
            "Ferry sails twice a day.",
        ] {
            let parsed = parsed(&format!("{line}\n\n{PARAGRAPH}"), "Ferry sails twice a day");
            assert_eq!(kinds(&parsed), [Headline, Body], "{line}");
            assert_eq!(parsed.article.headline.as_deref(), Some(line));
            assert!(!parsed.article.headline_inferred);
            assert_eq!(parsed.article.body, PARAGRAPH);
        }
        // Lines that by their words would be a picture's, a source's, a date, or too short.
        for line in ["Photos: the ferry", "5 September 2031", "Source: the harbour", "Up", "🙂"] {
            let parsed = parsed(&format!("{line}\n\n{PARAGRAPH}"), line);
            assert_eq!(kinds(&parsed), [Headline, Body], "{line}");
            assert_eq!(parsed.article.headline.as_deref(), Some(line));
        }
    }

    #[test]
    fn another_first_line_stays_body_and_the_given_headline_counts() {
        let text = format!("A short first line of the text\n{PARAGRAPH}\n{SECOND}");
        let parsed = parsed(&text, "Ferry sails twice a day");
        assert_eq!(kinds(&parsed), [Body]);
        assert_eq!(parsed.article.body, text);
        assert_eq!(parsed.article.headline.as_deref(), Some("Ferry sails twice a day"));
        assert!(parsed.article.headline_inferred);
        assert_eq!(
            parsed.article.fingerprint,
            crate::hash_article(Some("Ferry sails twice a day"), &text),
            "the headline that counts is the one that is hashed"
        );
        let alone = parse_bytes(text.as_bytes(), None).unwrap();
        assert_eq!(alone.article.headline.as_deref(), Some("A short first line of the text"));
    }

    #[test]
    fn short_lines_above_the_header_stay_body_and_the_header_is_read() {
        let text = format!(
            "Coast\nFerry sails twice a day\n5 September 2031\nBy Orla Fenwether\nFerry sails twice a day\n{PARAGRAPH}"
        );
        let given = parsed(&text, "Ferry sails twice a day");
        assert_eq!(kinds(&given), [Body, Headline, Date, Byline, HeadlineRepeat, Body]);
        assert_eq!(given.article.body, format!("Coast\n{PARAGRAPH}"));
        let other = parsed(&format!("Two sailings a day\n5 September 2031\n{PARAGRAPH}"), "Ferry news");
        assert_eq!(kinds(&other), [Body, Date, Body]);
        assert!(other.article.published.is_some());
        let credit = parsed(&format!("The ferry at the pier (Reuters)\n{PARAGRAPH}"), "Ferry news");
        assert_eq!(kinds(&credit), [Caption, Body]);
    }

    #[test]
    fn a_headline_with_the_sites_name_counts_and_a_cut_one_gives_way_to_the_whole() {
        let text = format!("Ferry sails twice a day\n{PARAGRAPH}");
        let sited = parsed(&text, "Ferry sails twice a day - Harbour Ledger");
        assert_eq!(kinds(&sited), [Headline, Body]);
        assert_eq!(sited.article.headline.as_deref(), Some("Ferry sails twice a day - Harbour Ledger"));
        assert!(sited.article.headline_inferred);
        let cut = parsed(&text, "Ferry sails twi…");
        assert_eq!(kinds(&cut), [Headline, Body]);
        assert_eq!(cut.article.headline.as_deref(), Some("Ferry sails twice a day"));
        // The start of the text as a title: the text stays whole.
        let start = parsed(&format!("{PARAGRAPH}\n{SECOND}"), "The harbour master said on Monday…");
        assert_eq!(kinds(&start), [Body]);
        // Two words stand in many headlines.
        let few = parsed(&format!("The ferry\n{PARAGRAPH}"), "The ferry sails twice a day");
        assert_eq!((kinds(&few), few.article.body.lines().next()), (vec![Body], Some("The ferry")));
    }

    #[test]
    fn an_item_that_is_nothing_but_its_title_keeps_it_as_text_too() {
        for title in ["Ferry sails twice a day", "Cairo - Reuters"] {
            let parsed = parsed(title, title);
            assert_eq!((kinds(&parsed), parsed.article.body.as_str()), (vec![Body], title));
            assert_eq!(parsed.article.headline.as_deref(), Some(title));
        }
    }

    #[test]
    fn an_empty_given_headline_is_none() {
        let text = format!("Ferry sails twice a day\n{PARAGRAPH}");
        assert_eq!(parsed(&text, " \n"), parse_bytes(text.as_bytes(), None).unwrap());
    }

    #[test]
    fn related_articles_keep_their_own_headlines() {
        let text = format!(
            "{PARAGRAPH}\nSource: Harbour Ledger\nRead more:\nThe island that sells its wind\n{SECOND}\n{SECOND} Again."
        );
        let parsed = parsed(&text, "Ferry sails twice a day");
        assert_eq!(parsed.related[0].headline.as_deref(), Some("The island that sells its wind"));
        assert!(!parsed.related[0].headline_inferred);
    }
}
