//! The stateless half: one raw message in, its records but for their verdicts out, or a rejection. Runs on parser threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use barid_core::Undecodable;
use barid_log::{Message, Worker};
use barid_record::{RawDocument, Reason, RecordError, Rejected, Topic};

use crate::Place;
use crate::assemble::{Draft, drafts};
use crate::reject::reject_message;
use crate::template::{Document, Template, TooLarge};

/// Most bytes of a message, by topic: what does not fit must be known before it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) articles: usize,
    pub(crate) records: usize,
    pub(crate) rejected: usize,
}

impl Limits {
    pub(crate) fn of(worker: &dyn Worker) -> Self {
        let articles = [Topic::Articles, Topic::ArticlesBackfill].map(|topic| worker.message_limit(topic));
        Self {
            articles: articles[0].min(articles[1]),
            records: worker.message_limit(Topic::Records),
            rejected: worker.message_limit(Topic::Rejected),
        }
    }
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Prepared<T> {
    /// What was made of its articles.
    Articles {
        /// That.
        made: T,
        /// Bad bytes replaced.
        replaced: u32,
    },
    /// Why there are none.
    Rejected(Box<Rejected>),
}

/// Decodes, parses and lays out one document, and makes of it what is wanted; what `make` says is too large is rejected. Never panics: a
/// fault of the parser rejects the document and keeps its bytes.
pub(crate) fn prepare<T>(
    message: &Message,
    make: impl FnOnce(Document) -> Result<T, TooLarge>,
) -> Prepared<T> {
    let place = Place::new(message, 0);
    let raw = match RawDocument::from_message(message.timestamp_ms, &message.headers, message.value.clone()) {
        Ok(raw) => raw,
        Err(error) => {
            let rejected = reject_message(message, place.name(), Reason::BadMessage, error.to_string());
            return Prepared::Rejected(Box::new(rejected));
        }
    };
    let (articles, replaced) = match catch_unwind(AssertUnwindSafe(|| templates(&raw, place))) {
        Ok(Ok(made)) => made,
        Ok(Err(Refusal::Undecodable(refusal))) => {
            return reject(raw, reason_of(&refusal), refusal.to_string(), place);
        }
        Ok(Err(Refusal::Unwritable(error))) => {
            return reject(raw, Reason::ParserFault, error.to_string(), place);
        }
        Err(_) => return reject(raw, Reason::ParserFault, "the parser panicked".to_owned(), place),
    };
    let text = |name| message.header(name).cloned().unwrap_or_default();
    let (source, key) = (text("ce_source"), text("ce_subject"));
    let document = Document { place, observed_ms: raw.observed_at_ms, source, key, articles };
    match make(document) {
        Ok(made) => Prepared::Articles { made, replaced },
        Err(TooLarge(detail)) => reject(raw, Reason::TooLarge, detail, place),
    }
}

/// Why a document has no articles.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    #[error(transparent)]
    Unwritable(#[from] RecordError),
}

fn templates(raw: &RawDocument, place: Place) -> Result<(Vec<Template>, u32), Refusal> {
    let (drafts, replaced) = articles(raw)?;
    let templates = drafts.into_iter().map(|draft| Template::new(draft, place));
    Ok((templates.collect::<Result<_, _>>()?, replaced))
}

/// Decodes, parses and lays out one document.
pub(crate) fn articles(raw: &RawDocument) -> Result<(Vec<Draft>, u32), Undecodable> {
    let headline = raw.hints.headline.as_deref();
    let parsed = barid_core::parse_bytes_with(&raw.body, raw.charset.as_deref(), headline)?;
    let replaced = parsed.replaced;
    Ok((drafts(raw, parsed), replaced))
}

/// The reason code of a refusal.
pub(crate) fn reason_of(refusal: &Undecodable) -> Reason {
    Reason::from_code(refusal.code()).unwrap_or(Reason::Undecodable)
}

fn reject<T>(document: RawDocument, reason: Reason, detail: String, place: Place) -> Prepared<T> {
    let position = Some(place.name());
    Prepared::Rejected(Box::new(Rejected { reason, detail, position, dropped_bytes: 0, document }))
}
