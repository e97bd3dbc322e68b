//! The record: one article, flat, `snake_case`, Parquet-friendly. Unknown is absent, never `""` or the epoch.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::template::{is_undecided, names_no_cluster};
use crate::{RecordError, RecordId};

/// Version of the record's shape: the major part changes when a reader of the old shape would break.
pub const SCHEMA_VERSION: &str = "2.0.0";

type Text = Cow<'static, str>;

/// One article with everything known about it. One JSON object on one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of this shape.
    pub schema_version: Text,
    /// Names the article; stable over revisions.
    pub record_id: RecordId,
    /// 1 for the first text seen under this id, one more for each changed text.
    // This field and the other three that a template leaves out: see `Record::into_template`.
    #[serde(skip_serializing_if = "is_undecided")]
    pub version: u32,
    /// Whether the article stood by itself or in another one's page.
    pub kind: Kind,
    /// For a related article: the record whose page it stood in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_record_id: Option<RecordId>,
    /// For a related article: its place among the related ones, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// The headline, as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// True when the headline did not stand in the text: then it came beside it.
    pub headline_inferred: bool,
    /// The standfirst, as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The body's paragraphs joined with one LF, bytes as found.
    pub body_text: String,
    /// Unicode scalar values in `body_text`.
    pub char_count: u32,
    /// Words in `body_text`.
    pub word_count: u32,
    /// BCP-47 tag of the body's language; `und` when unsure.
    pub language: Text,
    /// Whether the text showed that, or only its source said so.
    #[serde(default)]
    pub language_origin: Origin,
    /// 0 to 1.
    pub language_confidence: f32,
    /// When the article was published: as its text states, else as its source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Date>,
    /// Where no date of publication could be read: the words of one that could not, as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_raw: Option<String>,
    /// When the article was last changed: as its text states, else as its source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Date>,
    /// Where no date of a change could be read: the words of one that could not, as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_raw: Option<String>,
    /// When the document was noticed. RFC 3339, UTC.
    pub observed_at: String,
    /// When the first version of this record was noticed. RFC 3339, UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub first_seen_at: String,
    /// When this record was made. RFC 3339, UTC.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub processed_at: String,
    /// The chain of transmission, outermost first.
    pub attribution: Vec<Attribution>,
    /// Keyword phrases, folded duplicates left out: those of the text, then those that its source says.
    pub keywords: Vec<String>,
    /// Where each of `keywords` comes from, in step with them.
    #[serde(default)]
    pub keyword_origins: Vec<Origin>,
    /// The keyword line of the text as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords_raw: Option<String>,
    /// What the page offered to read beside this article.
    pub related: Vec<Related>,
    /// What was found and left out of the body.
    pub removed: Vec<Removed>,
    /// Where the document came from.
    pub source: Source,
    /// Hashes of the bytes and of the folded text.
    pub hashes: Hashes,
    /// Whether this text was seen before, and where.
    #[serde(skip_serializing_if = "names_no_cluster")]
    pub dedup: Dedup,
    /// What made this record, out of what.
    pub provenance: Provenance,
    /// How sure the parser was.
    pub quality: Quality,
    /// What each line of the document was taken for. On a related article's record: its own sections only.
    pub sections: Vec<Section>,
}

/// Whether an article stood by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The document's own article.
    Article,
    /// An article split out of another one's "read also" tail.
    RelatedArticle,
}

/// Where a statement about an article comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It stands in the text, or the text shows it.
    #[default]
    Text,
    /// Its source says so beside the text: the feed's item, the line's mapped fields, the page that was fetched.
    Source,
}

/// A point in time as the article or its source states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Date {
    /// RFC 3339, as fine as `precision`.
    pub value: String,
    /// `day`, `minute` or `second`.
    pub precision: Text,
    /// The words, as found.
    pub raw: String,
    /// `stated` or `unknown`.
    pub tz_source: Text,
    /// Who states it.
    #[serde(default)]
    pub origin: Origin,
}

/// One link of the chain of transmission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attribution {
    /// `aggregator`, `publisher`, `agency`, `cited` or `byline`.
    pub role: Text,
    /// The name as found.
    pub name: String,
    /// The words that named it, as found.
    pub raw: String,
    /// Who named it.
    #[serde(default)]
    pub origin: Origin,
    /// First byte of `raw` in the document. Absent where it does not stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_start: Option<u64>,
    /// One past its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_end: Option<u64>,
    /// 0 to 1.
    pub confidence: f32,
}

/// Something the page offered to read beside the article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// Whether its text came along.
    pub kind: RelatedKind,
    /// Its headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The record made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<RecordId>,
    /// SHA-256 of its folded headline and body, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_sha256: Option<String>,
    /// The line that introduced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker_raw: Option<String>,
    /// Its first byte in the document.
    pub byte_start: u64,
    /// One past its last.
    pub byte_end: u64,
}

/// Whether a related article's text came along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelatedKind {
    /// A whole article, with a record of its own.
    EmbeddedArticle,
    /// A headline only.
    LinkItem,
}

/// Lines that are not the body and not a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// A section kind, such as `caption` or `comments`.
    pub kind: Text,
    /// First byte in the document.
    pub byte_start: u64,
    /// One past its last.
    pub byte_end: u64,
}

/// Where a document came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The configured source.
    pub source_id: String,
    /// The document's key in it.
    pub key: String,
    /// `file`, `json_lines` or `feed`.
    pub collector: Text,
    /// Where the bytes were read.
    pub uri: String,
    /// The article's address, as found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The article's address without what only counts visitors; the page's own word where its page was fetched and says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical_url: Option<String>,
    /// The id that its publisher gave the article: a feed's `guid` or Atom `id`, where it is one of the article's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
    /// A MIME type that came with the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The charset the bytes were read as.
    pub charset: Text,
    /// `bom`, `utf8`, `declared` or `detected`.
    pub charset_source: Text,
    /// Size of the document.
    pub bytes: u64,
}

/// Hashes in hex. The folded ones follow `normalizer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hashes {
    /// SHA-256 of the document's bytes.
    pub raw_sha256: String,
    /// SHA-256 of folded headline and body.
    pub content_sha256: String,
    /// SHA-256 of the folded body: the exact-copy key.
    pub body_sha256: String,
    /// SHA-256 of the folded headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline_sha256: Option<String>,
    /// The recipe of the folded ones.
    pub normalizer: Text,
}

/// What deduplication decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// First of its text.
    Unique,
    /// The same folded body as an earlier record of another place; of a short one the same headline and address, or headline and guid, too.
    ExactCopy,
    /// Nearly the same body as an earlier record.
    NearCopy,
    /// The same place, changed text.
    Revision,
    /// The same place, the same text: counted, not written again.
    Repeat,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 5] = [Self::Unique, Self::ExactCopy, Self::NearCopy, Self::Revision, Self::Repeat];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::ExactCopy => "exact_copy",
            Self::NearCopy => "near_copy",
            Self::Revision => "revision",
            Self::Repeat => "repeat",
        }
    }
}

/// Whether this text was seen before, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dedup {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided: `first`, `body_sha256`, `source_key`, or for a short article `content_sha256` (equal headline and body, at one address or
    /// under one guid).
    pub method: Text,
    /// 1 for the same folded text; absent where nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f32>,
    /// The first record of this text; the record itself when it is the first.
    pub canonical_record_id: RecordId,
    /// One name for all records of this text.
    pub cluster_id: String,
}

/// What made a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The delivery (`ce_id`) it was made from.
    pub document_id: String,
    /// Version of barid.
    pub pipeline_version: Text,
    /// Version of the parsing rules.
    pub rules_version: Text,
    /// Topic of the raw document; absent outside a log (`barid parse`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Text>,
    /// Partition of the raw document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Offset of the raw document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How fetching the article's page ended: `page` where the text is the page's, else why it is the feed's own, such as `robots` or `timeout`.
    /// Absent where no page was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// How sure the parser was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Share of the document's bytes that the sections cover: 1 unless barid has a fault.
    pub coverage: f32,
    /// Confidence in the split as a whole, 0 to 1.
    pub confidence: f32,
    /// Stable codes of what was seen, repaired or left alone.
    pub warnings: Vec<Text>,
}

/// What a run of lines was taken for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// What it is.
    #[schemars(schema_with = "crate::schema::section_kinds")]
    pub kind: Text,
    /// 0 for the main article, n for the n-th related one.
    pub owner: u32,
    /// First line, from 1.
    pub line_start: u32,
    /// Last line, inclusive.
    pub line_end: u32,
    /// First byte in the document.
    pub byte_start: u64,
    /// One past its last.
    pub byte_end: u64,
    /// The rule that decided.
    pub rule: Text,
    /// 0 to 1.
    pub confidence: f32,
}

impl Record {
    /// One line of JSON, without its LF.
    pub fn to_json(&self) -> Result<Vec<u8>, RecordError> {
        let mut line = Vec::with_capacity(self.body_text.len() + 4096);
        serde_json::to_writer(&mut line, self)?;
        Ok(line)
    }

    /// Reads what [`Record::to_json`] wrote.
    pub fn from_json(line: &[u8]) -> Result<Self, RecordError> {
        Ok(serde_json::from_slice(line)?)
    }
}

impl From<barid_core::DateValue> for Date {
    fn from(date: barid_core::DateValue) -> Self {
        Self {
            value: date.value,
            precision: Cow::Borrowed(match date.precision {
                barid_core::Precision::Day => "day",
                barid_core::Precision::Minute => "minute",
                barid_core::Precision::Second => "second",
            }),
            raw: date.raw,
            tz_source: Cow::Borrowed(match date.tz_source {
                barid_core::TzSource::Stated => "stated",
                barid_core::TzSource::Unknown => "unknown",
            }),
            origin: Origin::Text,
        }
    }
}

impl From<barid_core::Attribution> for Attribution {
    fn from(link: barid_core::Attribution) -> Self {
        Self {
            role: Cow::Borrowed(link.role.name()),
            name: link.name,
            raw: link.raw,
            origin: Origin::Text,
            byte_start: Some(link.byte_start as u64),
            byte_end: Some(link.byte_end as u64),
            confidence: link.confidence,
        }
    }
}

impl From<&barid_core::Section> for Section {
    fn from(section: &barid_core::Section) -> Self {
        Self {
            kind: Cow::Borrowed(section.kind.name()),
            owner: section.owner,
            line_start: section.line_start,
            line_end: section.line_end,
            byte_start: section.byte_start as u64,
            byte_end: section.byte_end as u64,
            rule: Cow::Borrowed(section.rule),
            confidence: section.confidence,
        }
    }
}

impl Hashes {
    /// The hashes of one article of a document.
    pub fn new(raw_sha256: &[u8; 32], fingerprint: &barid_core::Fingerprint) -> Self {
        let hex = crate::id::hex;
        Self {
            raw_sha256: hex(raw_sha256),
            content_sha256: hex(&fingerprint.content_sha256),
            body_sha256: hex(&fingerprint.body_sha256),
            headline_sha256: fingerprint.headline_sha256.as_ref().map(|hash| hex(hash)),
            normalizer: Cow::Borrowed("barid-norm-1"),
        }
    }
}
