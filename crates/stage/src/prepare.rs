//! The stateless half: one message in, drafts or a rejection out. Runs on parser threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};

use barid_core::Undecodable;
use barid_log::Message;
use barid_record::{Collector, Hints, RawDocument, Reason, Rejected};

use crate::assemble::{Draft, drafts};

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Its articles.
    Articles {
        /// The drafts, main first.
        drafts: Vec<Draft>,
        /// When the document was noticed.
        observed_ms: i64,
        /// Its size.
        bytes: u64,
        /// Bad bytes replaced.
        replaced: u32,
    },
    /// Why there are none.
    Rejected(Box<Rejected>),
}

/// A run of messages, and where to send what became of them.
pub(crate) struct Job {
    pub(crate) messages: Vec<Message>,
    pub(crate) answer: Sender<Vec<(Message, Prepared)>>,
}

/// Takes jobs until the channel closes.
pub(crate) fn parser(jobs: &Receiver<Job>) {
    for job in jobs {
        let prepared = job.messages.into_iter().map(|message| {
            let done = prepare(&message);
            (message, done)
        });
        // The one who asked may be gone (the stage stopped): then nobody needs the answer.
        let _ = job.answer.send(prepared.collect());
    }
}

/// Splits a batch into jobs dealt out to the parsers in turn; the answers come back in the same order.
pub(crate) fn deal(
    messages: Vec<Message>,
    parsers: &[Sender<Job>],
    chunk: usize,
) -> Vec<Receiver<Vec<(Message, Prepared)>>> {
    let mut answers = Vec::new();
    let mut messages = messages.into_iter().peekable();
    for parser in parsers.iter().cycle() {
        if messages.peek().is_none() {
            break;
        }
        let (answer, receiver) = channel();
        // A parser that is gone drops its answer, which the receiving end reports.
        let _ = parser.send(Job { messages: messages.by_ref().take(chunk).collect(), answer });
        answers.push(receiver);
    }
    answers
}

/// Decodes, parses and lays out one document. Never panics: a fault of the parser rejects the document and keeps its bytes.
pub(crate) fn prepare(message: &Message) -> Prepared {
    let position = format!("{}/{}@{}", message.topic.name(), message.partition, message.offset);
    let raw = match RawDocument::from_message(message.timestamp_ms, &message.headers, message.value.clone()) {
        Ok(raw) => raw,
        Err(error) => {
            let raw = stranger(message, &position);
            return reject(raw, Reason::BadMessage, error.to_string(), Some(position));
        }
    };
    match catch_unwind(AssertUnwindSafe(|| articles(&raw))) {
        Ok(Ok((drafts, replaced))) => Prepared::Articles {
            drafts,
            observed_ms: raw.observed_at_ms,
            bytes: raw.body.len() as u64,
            replaced,
        },
        Ok(Err(refusal)) => reject(raw, reason_of(&refusal), refusal.to_string(), Some(position)),
        Err(_) => reject(raw, Reason::ParserFault, "the parser panicked".to_owned(), Some(position)),
    }
}

/// Decodes, parses and lays out one document.
pub(crate) fn articles(raw: &RawDocument) -> Result<(Vec<Draft>, u32), Undecodable> {
    let parsed = barid_core::parse_bytes(&raw.body, raw.charset.as_deref())?;
    let replaced = parsed.replaced;
    Ok((drafts(raw, parsed), replaced))
}

/// The reason code of a refusal.
pub(crate) fn reason_of(refusal: &Undecodable) -> Reason {
    Reason::from_code(refusal.code()).unwrap_or(Reason::Undecodable)
}

fn reject(document: RawDocument, reason: Reason, detail: String, position: Option<String>) -> Prepared {
    Prepared::Rejected(Box::new(Rejected { reason, detail, position, dropped_bytes: 0, document }))
}

/// A message without our headers, made into a document so that its bytes are kept.
fn stranger(message: &Message, position: &str) -> RawDocument {
    let raw_sha256 = barid_core::raw_sha256(&message.value);
    let source_id = "unknown".to_owned();
    RawDocument {
        id: barid_record::document_id(&source_id, position, &raw_sha256),
        source_id,
        key: position.to_owned(),
        uri: position.to_owned(),
        collector: Collector::File,
        observed_at_ms: message.timestamp_ms,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body: message.value.clone(),
    }
}
