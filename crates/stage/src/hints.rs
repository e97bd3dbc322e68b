//! What the collector knew beside the text, put where the text is silent. The text goes first, but for the headline, which the parser
//! was given (see [`crate::prepare`]).

use std::borrow::Cow;
use std::collections::HashSet;

use barid_core::{AttributionRole, Credit, GivenLanguage, Language, fold_words};
use barid_record::{Attribution, Date, Hints, Origin, Record};

/// Confidence in a name that a field of its own holds.
const CREDIT_CONFIDENCE: f32 = 0.9;
/// A date beside the text that could not be read.
const DATE_UNREAD: &str = "date_hint_unread";
/// A language beside the text that is no language.
const LANGUAGE_UNREAD: &str = "language_hint_unread";
/// A language beside the text that the text denies.
const LANGUAGE_CONTRADICTED: &str = "language_hint_contradicted";

/// Fills the main article's record. `language` is what the text looks like.
pub(crate) fn apply(record: &mut Record, language: &Language, hints: &Hints) {
    // Every field by its name: the compiler asks about a new one.
    let Hints {
        // The parser has it already.
        headline: _,
        published,
        // Of the document, not of one article: see `assemble::Shared`.
        url: _,
        canonical_url: _,
        guid: _,
        page: _,
        author,
        publisher,
        language: said,
        keywords,
        modified,
    } = hints;
    date(
        published.as_deref(),
        &mut record.published_at,
        &mut record.published_raw,
        &mut record.quality.warnings,
    );
    date(
        modified.as_deref(),
        &mut record.modified_at,
        &mut record.modified_raw,
        &mut record.quality.warnings,
    );
    if let Some(given) = publisher {
        add_credits(&mut record.attribution, given, barid_core::publisher_credit(given));
    }
    if let Some(given) = author {
        add_credits(&mut record.attribution, given, barid_core::byline_credits(given));
    }
    record
        .attribution
        .sort_by_key(|link| AttributionRole::ALL.iter().position(|role| role.name() == link.role));
    if let Some(said) = said {
        apply_language(record, language, said);
    }
    add_keywords(record, keywords);
    record.quality.warnings.sort_unstable();
    record.quality.warnings.dedup();
}

/// A date beside the text counts where the text states none. What cannot be read then keeps its words.
fn date(
    given: Option<&str>,
    value: &mut Option<Date>,
    raw: &mut Option<String>,
    warnings: &mut Vec<Cow<'static, str>>,
) {
    let given = given.filter(|given| value.is_none() && !given.trim().is_empty());
    match given.map(|given| (given, barid_core::parse_date(given))) {
        Some((_, Some(read))) => {
            *value = Some(Date { origin: Origin::Source, ..read.into() });
            *raw = None;
        }
        Some((given, None)) => {
            warnings.push(Cow::Borrowed(DATE_UNREAD));
            *raw = Some(given.to_owned());
        }
        None => {}
    }
}

/// Names that the chain does not hold yet. One that stands in the text keeps its place there.
fn add_credits(chain: &mut Vec<Attribution>, given: &str, credits: impl IntoIterator<Item = Credit>) {
    for Credit { role, name } in credits {
        let folded = fold_words(&name);
        let is_same = |link: &Attribution| {
            is_one_role(&link.role, role) && (link.name == name || fold_words(&link.name) == folded)
        };
        if chain.iter().any(is_same) {
            continue;
        }
        chain.push(Attribution {
            role: Cow::Borrowed(role.name()),
            name,
            raw: given.to_owned(),
            origin: Origin::Source,
            byte_start: None,
            byte_end: None,
            confidence: CREDIT_CONFIDENCE,
        });
    }
}

/// Whether two statements about one name say the same: who publishes, passes on and wires is a matter of wording, who wrote and who is quoted is not.
fn is_one_role(known: &str, given: AttributionRole) -> bool {
    let passes_on = [AttributionRole::Aggregator, AttributionRole::Publisher, AttributionRole::Agency];
    known == given.name() || (passes_on.contains(&given) && passes_on.iter().any(|role| role.name() == known))
}

fn apply_language(record: &mut Record, found: &Language, said: &str) {
    let headline = record.headline.as_deref().unwrap_or_default();
    match barid_core::weigh_language(found, said, &[headline, &record.body_text]) {
        GivenLanguage::Used { tag, confidence } => {
            record.language = Cow::Owned(tag);
            record.language_confidence = confidence;
            record.language_origin = Origin::Source;
        }
        GivenLanguage::Agreed => {}
        GivenLanguage::Contradicted => record.quality.warnings.push(Cow::Borrowed(LANGUAGE_CONTRADICTED)),
        GivenLanguage::Unread => record.quality.warnings.push(Cow::Borrowed(LANGUAGE_UNREAD)),
    }
}

/// Keywords that the text's own line does not hold yet.
fn add_keywords(record: &mut Record, keywords: &[String]) {
    if keywords.is_empty() {
        return;
    }
    let folded = |keyword: &str| match fold_words(keyword) {
        // Nothing but signs: "C#" folds, "#" does not.
        words if words.is_empty() => keyword.to_owned(),
        words => words,
    };
    let mut seen: HashSet<String> = record.keywords.iter().map(|keyword| folded(keyword)).collect();
    for keyword in keywords.iter().map(|keyword| keyword.trim()) {
        if !keyword.is_empty() && seen.insert(folded(keyword)) {
            record.keywords.push(keyword.to_owned());
            record.keyword_origins.push(Origin::Source);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Texts are composed for these tests. Each collector hands its hints over as they stand here: see the watcher.

    use barid_record::{Collector, RawDocument};

    use super::*;
    use crate::prepare::articles;

    const TEXT: &str = "The ferry sails twice a day\nBy Orla Fenwether\nThe harbour master said on Monday that the ferry would sail twice a \
                        day from the first week of May, and that tickets would cost the same.\nSource: Harbour Ledger\nTags: ferry, harbour\n";

    fn hints() -> Hints {
        Hints {
            headline: Some("The ferry sails twice a day".into()),
            published: Some("2031-09-05T08:15:00Z".into()),
            url: Some("https://ledger.example/a?utm_source=x".into()),
            author: Some("ORLA FENWETHER and Tam van Rill".into()),
            publisher: Some("Coast Wire".into()),
            language: Some("en_GB".into()),
            keywords: vec!["Ferry".into(), " Tickets ".into(), String::new(), "tickets".into()],
            modified: Some("2031-09-06".into()),
            guid: Some("tag:ledger.example,2031:7".into()),
            canonical_url: Some("https://ledger.example/a".into()),
            page: Some("page".into()),
        }
    }

    fn record(collector: Collector, body: &str, hints: Hints) -> Record {
        let body = bytes::Bytes::copy_from_slice(body.as_bytes());
        let raw = RawDocument {
            id: "d".into(),
            source_id: "s".into(),
            key: "k".into(),
            uri: "file:///k".into(),
            collector,
            observed_at_ms: 1_000,
            charset: None,
            content_type: None,
            hints,
            raw_sha256: barid_core::raw_sha256(&body),
            body,
        };
        articles(&raw).expect("text").0.remove(0).record
    }

    fn named(record: &Record, role: &str) -> Vec<(String, Origin, bool)> {
        let links = record.attribution.iter().filter(|link| link.role == role);
        links.map(|link| (link.name.clone(), link.origin, link.byte_start.is_some())).collect()
    }

    #[test]
    fn each_hint_of_each_collector_is_found_in_the_record() {
        for collector in [Collector::Feed, Collector::JsonLines, Collector::File] {
            let record = record(collector, "A short text", hints());
            assert_eq!(record.headline.as_deref(), Some("The ferry sails twice a day"));
            assert!(record.headline_inferred);
            let date = record.published_at.as_ref().expect("a date");
            assert_eq!((date.value.as_str(), date.origin), ("2031-09-05T08:15:00Z", Origin::Source));
            let date = record.modified_at.as_ref().expect("a date");
            assert_eq!((date.value.as_str(), date.origin), ("2031-09-06", Origin::Source));
            assert_eq!(record.source.url.as_deref(), Some("https://ledger.example/a?utm_source=x"));
            assert_eq!(record.source.canonical_url.as_deref(), Some("https://ledger.example/a"));
            assert_eq!(record.source.guid.as_deref(), Some("tag:ledger.example,2031:7"));
            assert_eq!(record.provenance.page.as_deref(), Some("page"));
            assert_eq!(named(&record, "publisher"), [("Coast Wire".to_owned(), Origin::Source, false)]);
            assert_eq!(
                named(&record, "byline"),
                [
                    ("ORLA FENWETHER".to_owned(), Origin::Source, false),
                    ("Tam van Rill".to_owned(), Origin::Source, false)
                ]
            );
            assert_eq!((record.language.as_ref(), record.language_origin), ("en-GB", Origin::Source));
            assert!(record.language_confidence > 0.0 && record.language_confidence < 1.0);
            assert_eq!(record.keywords, ["Ferry", "Tickets"]);
            assert_eq!(record.keyword_origins, [Origin::Source; 2]);
            assert_eq!(record.quality.warnings, Vec::<&str>::new());
        }
    }

    #[test]
    fn what_the_text_says_itself_goes_first_and_keeps_its_place() {
        let text = TEXT.replace("By Orla", "5 September 2031\nBy Orla");
        let said = Hints { published: Some("2030-01-01".into()), language: Some("fr".into()), ..hints() };
        let record = record(Collector::Feed, &text, said);
        let date = record.published_at.as_ref().expect("a date");
        assert_eq!((date.value.as_str(), date.origin), ("2031-09-05", Origin::Text));
        assert_eq!(
            named(&record, "byline"),
            [
                ("Orla Fenwether".to_owned(), Origin::Text, true),
                ("Tam van Rill".to_owned(), Origin::Source, false)
            ]
        );
        assert_eq!(
            named(&record, "publisher"),
            [
                ("Harbour Ledger".to_owned(), Origin::Text, true),
                ("Coast Wire".to_owned(), Origin::Source, false)
            ]
        );
        assert!(record.attribution.is_sorted_by_key(|link| link.role == "byline"), "outermost first");
        assert_eq!((record.language.as_ref(), record.language_origin), ("en", Origin::Text));
        assert!(record.quality.warnings.contains(&Cow::Borrowed(LANGUAGE_CONTRADICTED)));
        assert_eq!(record.keywords, ["ferry", "harbour", "Tickets"]);
        assert_eq!(record.keyword_origins, [Origin::Text, Origin::Text, Origin::Source]);
        assert!(!record.headline_inferred);
    }

    #[test]
    fn who_passed_it_on_is_one_in_the_text_and_in_a_field() {
        let text = TEXT.replace("Harbour Ledger", "Reuters");
        let record =
            record(Collector::Feed, &text, Hints { publisher: Some("reuters".into()), ..Hints::default() });
        assert_eq!(named(&record, "agency"), [("Reuters".to_owned(), Origin::Text, true)]);
        assert_eq!(named(&record, "publisher"), []);
        let text = TEXT.replace("Tags", "Source: Coast Portal\nTags");
        let record = self::record(
            Collector::Feed,
            &text,
            Hints { publisher: Some("Coast Portal".into()), ..Hints::default() },
        );
        assert_eq!(named(&record, "aggregator"), [("Coast Portal".to_owned(), Origin::Text, true)]);
        assert_eq!(named(&record, "publisher"), [("Harbour Ledger".to_owned(), Origin::Text, true)]);
    }

    #[test]
    fn the_words_of_an_unread_date_are_kept_where_no_other_is_known() {
        let unread = |published: Option<&str>, modified: Option<&str>| Hints {
            published: published.map(str::to_owned),
            modified: modified.map(str::to_owned),
            ..Hints::default()
        };
        let plain = record(Collector::Feed, "A short text", unread(Some("Fri 35 Mai"), Some("soon")));
        assert_eq!((plain.published_at, plain.published_raw.as_deref()), (None, Some("Fri 35 Mai")));
        assert_eq!((plain.modified_at, plain.modified_raw.as_deref()), (None, Some("soon")));
        assert_eq!(plain.quality.warnings, [DATE_UNREAD]);
        let dated = format!("Headline of the page\n5 September 2031\n{TEXT}");
        let dated = record(Collector::Feed, &dated, unread(Some("Fri 35 Mai"), None));
        assert!(dated.published_at.is_some() && dated.published_raw.is_none());
        assert!(!dated.quality.warnings.contains(&Cow::Borrowed(DATE_UNREAD)), "it was not needed");
        let relative = format!("Headline of the page\n2 days ago\n{TEXT}");
        let of_text = record(Collector::File, &relative, Hints::default());
        assert_eq!((of_text.published_at, of_text.published_raw.as_deref()), (None, Some("2 days ago")));
        let mended = record(Collector::Feed, &relative, unread(Some("2031-09-05"), None));
        assert!(mended.published_at.is_some() && mended.published_raw.is_none());
        let blank = record(Collector::Feed, "A short text", unread(Some(" "), None));
        assert_eq!((blank.published_raw, blank.quality.warnings.len()), (None, 0));
    }

    #[test]
    fn a_language_that_is_none_is_noted() {
        let record =
            record(Collector::JsonLines, "12 - 7", Hints { language: Some("??".into()), ..Hints::default() });
        assert_eq!((record.language.as_ref(), record.language_origin), ("und", Origin::Text));
        assert_eq!(record.quality.warnings, [LANGUAGE_UNREAD]);
    }

    #[test]
    fn related_articles_get_none_of_it() {
        let text = format!(
            "{TEXT}Read more:\nThe island that sells its wind\nThe wind over the island is sold by the hour, its council said in May.\n"
        );
        let raw = record(Collector::Feed, &text, hints());
        assert_eq!(raw.related.len(), 1);
        let body = bytes::Bytes::from(text);
        let raw = RawDocument {
            id: "d".into(),
            source_id: "s".into(),
            key: "k".into(),
            uri: "file:///k".into(),
            collector: Collector::Feed,
            observed_at_ms: 1_000,
            charset: None,
            content_type: None,
            hints: hints(),
            raw_sha256: barid_core::raw_sha256(&body),
            body,
        };
        let related = articles(&raw).expect("text").0.remove(1).record;
        assert!(
            related.published_at.is_none() && related.keywords.is_empty() && related.attribution.is_empty()
        );
        assert_eq!(related.language_origin, Origin::Text);
    }
}
