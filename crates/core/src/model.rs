//! The values that parsing returns. Everything here is plain data; nothing here can fail.
//!
//! Offsets: `byte_start`/`byte_end` are half-open offsets into the *input bytes* as they arrived, so that the sections of a document
//! tile it exactly (`coverage == 1`) in every charset. Lines are 1-based and inclusive.

/// One contiguous run of whole lines with one meaning. The sections of a document are sorted and tile the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// What the lines are.
    pub kind: SectionKind,
    /// 0 for the main article, n for the n-th related article.
    pub owner: u32,
    /// First line, 1-based.
    pub line_start: u32,
    /// Last line, inclusive.
    pub line_end: u32,
    /// First input byte.
    pub byte_start: usize,
    /// One past the last input byte (the line terminator belongs to its line).
    pub byte_end: usize,
    /// Stable id of the rule that decided, such as `ar.source.almasdar` or `body.default`.
    pub rule: &'static str,
    /// 0 to 1; see `docs/parsing.md` for what the steps mean.
    pub confidence: f32,
}

/// The kinds of design section 6, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the field's own word; the design page lists them")]
pub enum SectionKind {
    Headline,
    HeadlineRepeat,
    Date,
    Byline,
    Standfirst,
    Caption,
    Body,
    Subheading,
    Source,
    Keywords,
    ReadAlsoMarker,
    RelatedHeadline,
    RelatedDate,
    RelatedByline,
    RelatedBody,
    RelatedItem,
    InlineRelated,
    Comments,
    Share,
    Promo,
    Chrome,
    Blank,
}

impl SectionKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 22] = [
        Self::Headline,
        Self::HeadlineRepeat,
        Self::Date,
        Self::Byline,
        Self::Standfirst,
        Self::Caption,
        Self::Body,
        Self::Subheading,
        Self::Source,
        Self::Keywords,
        Self::ReadAlsoMarker,
        Self::RelatedHeadline,
        Self::RelatedDate,
        Self::RelatedByline,
        Self::RelatedBody,
        Self::RelatedItem,
        Self::InlineRelated,
        Self::Comments,
        Self::Share,
        Self::Promo,
        Self::Chrome,
        Self::Blank,
    ];

    /// The stable `snake_case` name used in `barid parse --json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Headline => "headline",
            Self::HeadlineRepeat => "headline_repeat",
            Self::Date => "date",
            Self::Byline => "byline",
            Self::Standfirst => "standfirst",
            Self::Caption => "caption",
            Self::Body => "body",
            Self::Subheading => "subheading",
            Self::Source => "source",
            Self::Keywords => "keywords",
            Self::ReadAlsoMarker => "read_also_marker",
            Self::RelatedHeadline => "related_headline",
            Self::RelatedDate => "related_date",
            Self::RelatedByline => "related_byline",
            Self::RelatedBody => "related_body",
            Self::RelatedItem => "related_item",
            Self::InlineRelated => "inline_related",
            Self::Comments => "comments",
            Self::Share => "share",
            Self::Promo => "promo",
            Self::Chrome => "chrome",
            Self::Blank => "blank",
        }
    }
}

/// One article found in the document: the main one, or a related one split out of its "read also" tail.
#[derive(Debug, Clone, PartialEq)]
pub struct Article {
    /// The headline, as found, trimmed.
    pub headline: Option<String>,
    /// True when no headline line stood in the text and it was taken from elsewhere.
    pub headline_inferred: bool,
    /// The standfirst (dek), as found.
    pub standfirst: Option<String>,
    /// Non-blank body (or related body) lines joined with one LF, bytes as found.
    pub body: String,
    /// When the article says it was published.
    pub published: Option<DateValue>,
    /// When the article says it was last changed.
    pub modified: Option<DateValue>,
    /// The words of a date line that states no instant ("two days ago"), as found: the first one.
    pub unread_date: Option<String>,
    /// The chain of transmission, outermost first.
    pub attribution: Vec<Attribution>,
    /// Keyword phrases, folded duplicates left out, bytes as found.
    pub keywords: Vec<String>,
    /// The keyword line as found, without its label.
    pub keywords_raw: Option<String>,
    /// Language of the body.
    pub language: Language,
    /// Unicode scalar values in `body`.
    pub char_count: u32,
    /// Words in `body` (UAX #29 word boundaries, words with a letter or digit).
    pub word_count: u32,
    /// Hashes of the folded text.
    pub fingerprint: Fingerprint,
}

/// Hashes of one article under the recipe `barid-norm-1`: length-prefixed fields, a version byte, folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// SHA-256 of folded headline and folded body.
    pub content_sha256: [u8; 32],
    /// SHA-256 of the folded body: the exact-copy key.
    pub body_sha256: [u8; 32],
    /// SHA-256 of the folded headline, where there is one.
    pub headline_sha256: Option<[u8; 32]>,
    /// False when the body is too short to be evidence: such bodies never merge.
    pub body_is_evidence: bool,
}

/// One link of the attribution chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    /// What the name did.
    pub role: AttributionRole,
    /// The name as found, trimmed.
    pub name: String,
    /// The words that named it, label included, as found.
    pub raw: String,
    /// Input byte range of `raw`.
    pub byte_start: usize,
    /// One past its last byte.
    pub byte_end: usize,
    /// 0 to 1.
    pub confidence: f32,
}

/// Who somebody is in the chain of transmission, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own words")]
pub enum AttributionRole {
    Aggregator,
    Publisher,
    Agency,
    Cited,
    Byline,
}

impl AttributionRole {
    /// Every role, outermost first.
    pub const ALL: [Self; 5] = [Self::Aggregator, Self::Publisher, Self::Agency, Self::Cited, Self::Byline];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aggregator => "aggregator",
            Self::Publisher => "publisher",
            Self::Agency => "agency",
            Self::Cited => "cited",
            Self::Byline => "byline",
        }
    }
}

/// A point in time as an article states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateValue {
    /// RFC 3339: `2023-09-05` at day precision, else with time and offset (`Z` or `+03:00`; no offset when unknown).
    pub value: String,
    /// How fine the statement is.
    pub precision: Precision,
    /// The words, as found.
    pub raw: String,
    /// Where the offset came from.
    pub tz_source: TzSource,
}

/// How fine a date is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "plain words")]
pub enum Precision {
    Day,
    Minute,
    Second,
}

/// Where a date's offset came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TzSource {
    /// Named in the text (`GMT`, `+03:00`, "بتوقيت القدس").
    Stated,
    /// Not named.
    Unknown,
}

/// The language of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Language {
    /// BCP-47 tag; `und` when unsure.
    pub tag: &'static str,
    /// 0 to 1.
    pub confidence: f32,
    /// How it was found.
    pub method: LanguageMethod,
}

/// How a language was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LanguageMethod {
    /// One script is written by one language, or letters only one language uses.
    Script,
    /// Trigram statistics (whatlang).
    Trigrams,
    /// Nothing to go by.
    None,
}

/// A related headline that came without its article: one item of a "read also" or "similar articles" list.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// The headline, bullets stripped.
    pub title: String,
    /// Its address, where the text had one.
    pub url: Option<String>,
    /// 0 when the main article's page listed it, n for the n-th related one's.
    pub owner: u32,
    /// The marker line that introduced it, as found.
    pub marker_raw: String,
    /// Input byte range of the item.
    pub byte_start: usize,
    /// One past its last byte.
    pub byte_end: usize,
}

/// A typed remark on the text: what was seen, repaired or left alone. Codes are stable and documented in `docs/parsing.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Stable code, such as `glued_subheading`.
    pub code: &'static str,
    /// Line, 1-based.
    pub line: u32,
    /// Input byte range it is about.
    pub byte_start: usize,
    /// One past its last byte.
    pub byte_end: usize,
}

/// How the charset was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CharsetSource {
    /// A byte order mark.
    Bom,
    /// The bytes are valid UTF-8 (or become so by replacing single bad bytes).
    Utf8,
    /// Whoever delivered the bytes said so.
    Declared,
    /// Statistics (chardetng), or the zero bytes of UTF-16.
    Detected,
}

impl CharsetSource {
    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bom => "bom",
            Self::Utf8 => "utf8",
            Self::Declared => "declared",
            Self::Detected => "detected",
        }
    }
}

/// Everything one document holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The main article.
    pub article: Article,
    /// The related articles split out of the tail, in document order.
    pub related: Vec<Article>,
    /// Related headlines without an article.
    pub links: Vec<Link>,
    /// Tiles the input.
    pub sections: Vec<Section>,
    /// Remarks, in document order.
    pub notes: Vec<Note>,
    /// Confidence in the split as a whole, 0 to 1 (the lowest of the sections that moved text out of the body).
    pub confidence: f32,
    /// The charset the bytes were read as, its WHATWG name in lower case.
    pub charset: &'static str,
    /// How that was found.
    pub charset_source: CharsetSource,
    /// Input bytes that were no text and cost one U+FFFD each.
    pub replaced: u32,
}
