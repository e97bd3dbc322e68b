//! What the parser found, laid out as records. What only deduplication and the clock know is filled in later.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use barid_core::{Article, Link, Parsed, SectionKind};
use barid_record::{
    Dedup, Hashes, Kind, Origin, Provenance, Quality, RawDocument, Record, RecordId, Related, RelatedKind,
    Removed, SCHEMA_VERSION, Section, Source, Verdict, related_key, rfc3339,
};

use crate::hints;
use crate::short::Short;

/// A record before its verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    /// Everything but verdict, version and times.
    pub(crate) record: Record,
    /// Hash of folded headline and body.
    pub(crate) content_sha256: [u8; 32],
    /// Hash of the folded body.
    pub(crate) body_sha256: [u8; 32],
    /// False when the body is too short to prove a copy.
    pub(crate) body_is_evidence: bool,
    /// Of such a one: what shows a copy all the same.
    pub(crate) short: Option<Short>,
}

/// The drafts of one document: the main article first, then the related ones in document order.
pub(crate) fn drafts(raw: &RawDocument, parsed: Parsed) -> Vec<Draft> {
    let main_id = RecordId::main(&raw.source_id, &raw.key);
    let ids = related_ids(main_id, &parsed.related);
    let shared = Shared::new(raw, &parsed);
    let Parsed { article, related: related_articles, links: links_here, sections, .. } = parsed;
    let embedded = related_articles.iter().zip(&ids).enumerate();
    let embedded = embedded
        .map(|(index, (article, id))| embedded_article(raw, &sections, article, *id, index as u32 + 1));
    let related: Vec<Related> = embedded.chain(links(&links_here, 0)).collect();
    let language = article.language.clone();
    let mut main = shared.draft(article, main_id, all_sections(&sections));
    hints::apply(&mut main.record, &language, &raw.hints);
    let has_words = main.record.headline.is_some() || !main.record.body_text.is_empty();
    if has_words && !main.body_is_evidence {
        main.short = Short::of(raw, &main.content_sha256);
    }
    main.record.related = related;
    main.record.removed = removed(&sections);
    let mut drafts = vec![main];
    for (index, (article, id)) in related_articles.into_iter().zip(ids).enumerate() {
        let owner = index as u32 + 1;
        let mut draft = shared.draft(article, id, own_sections(&sections, owner));
        draft.record.kind = Kind::RelatedArticle;
        draft.record.parent_record_id = Some(main_id);
        draft.record.position = Some(owner);
        draft.record.related = links(&links_here, owner).collect();
        drafts.push(draft);
    }
    drafts
}

/// The main record carries the whole map.
fn all_sections(sections: &[barid_core::Section]) -> Vec<Section> {
    sections.iter().map(Section::from).collect()
}

/// A related record carries its own part.
fn own_sections(sections: &[barid_core::Section], owner: u32) -> Vec<Section> {
    sections.iter().filter(|section| section.owner == owner).map(Section::from).collect()
}

/// Ids of the related articles; two with the same headline in one document stay two.
fn related_ids(main_id: RecordId, related: &[Article]) -> Vec<RecordId> {
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let ids = related.iter().map(|article| {
        let count = seen.entry(related_key(&article.fingerprint, 0)).or_default();
        let id = main_id.related(&related_key(&article.fingerprint, *count));
        *count += 1;
        id
    });
    ids.collect()
}

/// What all records of one document share.
struct Shared<'a> {
    raw: &'a RawDocument,
    source: Source,
    provenance: Provenance,
    observed_at: String,
    quality: Quality,
}

impl<'a> Shared<'a> {
    fn new(raw: &'a RawDocument, parsed: &Parsed) -> Self {
        let covered: usize =
            parsed.sections.iter().map(|section| section.byte_end - section.byte_start).sum();
        let mut warnings: Vec<Cow<'static, str>> =
            parsed.notes.iter().map(|note| Cow::Borrowed(note.code)).collect();
        warnings.sort_unstable();
        warnings.dedup();
        Self {
            raw,
            source: Source {
                source_id: raw.source_id.clone(),
                key: raw.key.clone(),
                collector: Cow::Borrowed(raw.collector.name()),
                uri: raw.uri.clone(),
                url: raw.hints.url.clone(),
                canonical_url: raw.hints.canonical_url.clone(),
                guid: raw.hints.guid.clone(),
                content_type: raw.content_type.clone(),
                charset: Cow::Borrowed(parsed.charset),
                charset_source: Cow::Borrowed(parsed.charset_source.name()),
                bytes: raw.body.len() as u64,
            },
            provenance: Provenance {
                document_id: raw.id.clone(),
                pipeline_version: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
                rules_version: Cow::Borrowed(barid_core::RULES_VERSION),
                topic: None,
                partition: None,
                offset: None,
                page: raw.hints.page.clone(),
            },
            observed_at: rfc3339(raw.observed_at_ms),
            quality: Quality {
                coverage: if raw.body.is_empty() { 1.0 } else { covered as f32 / raw.body.len() as f32 },
                confidence: parsed.confidence,
                warnings,
            },
        }
    }

    fn draft(&self, article: Article, record_id: RecordId, sections: Vec<Section>) -> Draft {
        let fingerprint = article.fingerprint;
        let record = Record {
            schema_version: Cow::Borrowed(SCHEMA_VERSION),
            record_id,
            version: 1,
            kind: Kind::Article,
            parent_record_id: None,
            position: None,
            headline: article.headline,
            headline_inferred: article.headline_inferred,
            summary: article.standfirst,
            body_text: article.body,
            char_count: article.char_count,
            word_count: article.word_count,
            language: Cow::Borrowed(article.language.tag),
            language_confidence: article.language.confidence,
            language_origin: Origin::Text,
            published_raw: article.unread_date.filter(|_| article.published.is_none()),
            published_at: article.published.map(Into::into),
            modified_raw: None,
            modified_at: article.modified.map(Into::into),
            observed_at: self.observed_at.clone(),
            first_seen_at: self.observed_at.clone(),
            processed_at: String::new(),
            attribution: article.attribution.into_iter().map(Into::into).collect(),
            keyword_origins: vec![Origin::Text; article.keywords.len()],
            keywords: article.keywords,
            keywords_raw: article.keywords_raw,
            related: Vec::new(),
            removed: Vec::new(),
            source: self.source.clone(),
            hashes: Hashes::new(&self.raw.raw_sha256, &fingerprint),
            dedup: Dedup {
                verdict: Verdict::Unique,
                method: Cow::Borrowed("first"),
                similarity: None,
                canonical_record_id: record_id,
                cluster_id: String::new(),
            },
            provenance: self.provenance.clone(),
            quality: self.quality.clone(),
            sections,
        };
        Draft {
            record,
            content_sha256: fingerprint.content_sha256,
            body_sha256: fingerprint.body_sha256,
            body_is_evidence: fingerprint.body_is_evidence,
            short: None,
        }
    }
}

/// The n-th related article as its parent's page shows it.
fn embedded_article(
    raw: &RawDocument,
    sections: &[barid_core::Section],
    article: &Article,
    record_id: RecordId,
    owner: u32,
) -> Related {
    let bytes = extent(sections, owner);
    let hashes = Hashes::new(&raw.raw_sha256, &article.fingerprint);
    Related {
        kind: RelatedKind::EmbeddedArticle,
        title: article.headline.clone(),
        url: None,
        record_id: Some(record_id),
        content_sha256: Some(hashes.content_sha256),
        marker_raw: marker_before(raw, sections, bytes.start),
        byte_start: bytes.start as u64,
        byte_end: bytes.end as u64,
    }
}

fn links(links: &[Link], owner: u32) -> impl Iterator<Item = Related> + '_ {
    links.iter().filter(move |link| link.owner == owner).map(|link| Related {
        kind: RelatedKind::LinkItem,
        title: Some(link.title.clone()),
        url: link.url.clone(),
        record_id: None,
        content_sha256: None,
        marker_raw: Some(link.marker_raw.clone()).filter(|marker| !marker.is_empty()),
        byte_start: link.byte_start as u64,
        byte_end: link.byte_end as u64,
    })
}

/// From the first to the last byte of what belongs to the n-th related article.
fn extent(sections: &[barid_core::Section], owner: u32) -> Range<usize> {
    let mut mine =
        sections.iter().filter(|section| section.owner == owner && section.kind != SectionKind::Blank);
    let first = mine.next();
    let last = mine.next_back().or(first);
    match (first, last) {
        (Some(first), Some(last)) => first.byte_start..last.byte_end,
        _ => 0..0,
    }
}

/// The marker line that opened the article starting there, where the bytes are UTF-8.
fn marker_before(raw: &RawDocument, sections: &[barid_core::Section], byte_start: usize) -> Option<String> {
    let is_marker = |section: &&barid_core::Section| {
        section.kind == SectionKind::ReadAlsoMarker && section.byte_end <= byte_start
    };
    let marker = sections.iter().rev().find(is_marker)?;
    let text = str::from_utf8(raw.body.get(marker.byte_start..marker.byte_end)?).ok()?;
    Some(text.trim().to_owned())
}

/// Lines that are neither body nor a field of their own.
fn removed(sections: &[barid_core::Section]) -> Vec<Removed> {
    let is_removed = |kind: SectionKind| match kind {
        SectionKind::HeadlineRepeat
        | SectionKind::Caption
        | SectionKind::InlineRelated
        | SectionKind::Comments
        | SectionKind::Share
        | SectionKind::Promo
        | SectionKind::Chrome => true,
        SectionKind::Headline
        | SectionKind::Date
        | SectionKind::Byline
        | SectionKind::Standfirst
        | SectionKind::Body
        | SectionKind::Subheading
        | SectionKind::Source
        | SectionKind::Keywords
        | SectionKind::ReadAlsoMarker
        | SectionKind::RelatedHeadline
        | SectionKind::RelatedDate
        | SectionKind::RelatedByline
        | SectionKind::RelatedBody
        | SectionKind::RelatedItem
        | SectionKind::Blank => false,
    };
    let lines = sections.iter().filter(|section| is_removed(section.kind));
    lines
        .map(|section| Removed {
            kind: Cow::Borrowed(section.kind.name()),
            byte_start: section.byte_start as u64,
            byte_end: section.byte_end as u64,
        })
        .collect()
}
