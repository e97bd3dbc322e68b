//! A parse as stable, readable JSON, for the goldens: every value that `barid_core::Parsed` holds, with the body as its hash and counts
//! (the text itself is the sample; writing it twice would only bury the changes).

use barid_core::{
    Article, Attribution, DateValue, Fingerprint, LanguageMethod, Link, Note, Parsed, Precision, Section,
    TzSource,
};
use serde_json::{Value, json};

/// One parse as JSON; the same parse gives the same bytes, ended by one newline.
pub fn golden_json(parsed: &Parsed) -> String {
    let value = json!({
        "charset": parsed.charset,
        "charset_source": parsed.charset_source.name(),
        "replaced": parsed.replaced,
        "confidence": rounded(parsed.confidence),
        "article": article(&parsed.article),
        "related": parsed.related.iter().map(article).collect::<Vec<_>>(),
        "links": parsed.links.iter().map(link).collect::<Vec<_>>(),
        "sections": parsed.sections.iter().map(section).collect::<Vec<_>>(),
        "notes": parsed.notes.iter().map(note).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn article(it: &Article) -> Value {
    json!({
        "headline": it.headline,
        "headline_inferred": it.headline_inferred,
        "standfirst": it.standfirst,
        "published": it.published.as_ref().map(date),
        "modified": it.modified.as_ref().map(date),
        "attribution": it.attribution.iter().map(attribution).collect::<Vec<_>>(),
        "keywords": it.keywords,
        "keywords_raw": it.keywords_raw,
        "language": { "tag": it.language.tag, "confidence": rounded(it.language.confidence), "method": method(it.language.method) },
        "char_count": it.char_count,
        "word_count": it.word_count,
        "fingerprint": fingerprint(&it.fingerprint),
    })
}

fn date(it: &DateValue) -> Value {
    let precision = match it.precision {
        Precision::Day => "day",
        Precision::Minute => "minute",
        Precision::Second => "second",
    };
    let tz_source = match it.tz_source {
        TzSource::Stated => "stated",
        TzSource::Unknown => "unknown",
    };
    json!({ "value": it.value, "precision": precision, "raw": it.raw, "tz_source": tz_source })
}

fn attribution(it: &Attribution) -> Value {
    json!({
        "role": it.role.name(), "name": it.name, "raw": it.raw, "bytes": [it.byte_start, it.byte_end], "confidence": rounded(it.confidence),
    })
}

fn method(it: LanguageMethod) -> &'static str {
    match it {
        LanguageMethod::Script => "script",
        LanguageMethod::Trigrams => "trigrams",
        LanguageMethod::None => "none",
    }
}

fn fingerprint(it: &Fingerprint) -> Value {
    json!({
        "content_sha256": hex(&it.content_sha256),
        "body_sha256": hex(&it.body_sha256),
        "headline_sha256": it.headline_sha256.as_ref().map(hex),
        "body_is_evidence": it.body_is_evidence,
    })
}

fn link(it: &Link) -> Value {
    json!({
        "title": it.title, "url": it.url, "owner": it.owner, "marker_raw": it.marker_raw, "bytes": [it.byte_start, it.byte_end],
    })
}

/// One line of JSON a section would be best; one short string comes closest and diffs well.
fn section(it: &Section) -> Value {
    let place = format!("{}-{} bytes {}-{}", it.line_start, it.line_end, it.byte_start, it.byte_end);
    json!(format!("{} {} lines {place} {} {}", it.kind.name(), it.owner, it.rule, rounded(it.confidence)))
}

fn note(it: &Note) -> Value {
    json!(format!("{} line {} bytes {}-{}", it.code, it.line, it.byte_start, it.byte_end))
}

/// Confidences are steps of hundredths; the rest of an `f32` is noise.
fn rounded(confidence: f32) -> f64 {
    (f64::from(confidence) * 100.0).round() / 100.0
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
