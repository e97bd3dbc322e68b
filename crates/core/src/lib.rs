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
mod model;
mod repair;

pub use date::parse_date;
pub use decode::{Decoded, Line, Undecodable, decode};
pub use model::{
    Article, Attribution, AttributionRole, CharsetSource, DateValue, Fingerprint, Language, LanguageMethod,
    Link, Note, Parsed, Precision, Section, SectionKind, TzSource,
};
