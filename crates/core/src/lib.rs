//! Bytes of one scraped news page in, articles out.
//!
//! Core is pure: it knows neither files, clocks, environment, JSON nor Kafka (`clippy.toml` beside this crate bans them), and
//! parsing cannot fail; it annotates. What it gives back covers every input byte exactly once.
//!
//! ```text
//! bytes -> decode -> Decoded -> parse -> Parsed { article, related[], links[], sections[], notes[] }
//! ```
//!
//! It is *not* a record (see `barid-record`) and holds no verdict on copies (see `barid-stage`).

mod date;
mod decode;
mod fields;
mod fold;
mod hash;
mod language;
mod letters;
mod lexicon;
mod model;
mod notes;
mod pairs;
mod parse;
mod repair;
mod rows;
mod shape;
mod split;
mod words;

pub use date::parse_date;
pub use decode::{Decoded, Line, Undecodable, decode};
pub use fields::{Credit, byline_credits, publisher_credit};
pub use fold::words_of as fold_words;
pub use hash::{NORMALIZER, hash_article, raw_sha256};
pub use language::{GivenLanguage, weigh_language};
pub use model::{
    Article, Attribution, AttributionRole, CharsetSource, DateValue, Fingerprint, Language, LanguageMethod,
    Link, Note, Parsed, Precision, Section, SectionKind, TzSource,
};
pub use parse::{parse, parse_bytes, parse_bytes_with, parse_with};
pub use repair::repair_line as repair_text;

/// Version of the parsing rules and lexicons: raised when the same bytes may be read differently.
pub const RULES_VERSION: &str = "2";
