//! `barid rejected retry`: the bytes go back to `barid.raw` with their own headers, in one commit with the note that they did.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use barid_log::{Change, Limit, Message, Outgoing, Table, Unit, Worker, WorkerSpec};
use barid_record::{Collector, Reason, RecordId, Rejected, Topic, rfc3339};
use bytes::Bytes;

use super::store;
use crate::commands::document::now_ms;
use crate::error::{CliError, exit};

/// Offset in `barid.rejected`, big-endian -> when it was retried, in milliseconds since the Unix epoch, big-endian.
pub(in crate::commands) const RETRIED: Table = Table("cli.retried");

/// What to retry.
pub(super) enum Wanted<'a> {
    /// These.
    Ids(&'a [u64]),
    /// All that were not retried yet, of this reason where one is given.
    All(Option<Reason>),
}

/// Sends what is wanted and says of each what happened. Found something that cannot be retried: exit code 1.
pub(super) fn run(
    writer: &store::Writer,
    wanted: &Wanted<'_>,
    again: bool,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let log = writer.log();
    let group = "cli.retry".to_owned();
    let worker = log.worker(WorkerSpec { group, inputs: Vec::new(), tables: vec![RETRIED] })?;
    let mut retry = Retry { worker, now_ms: now_ms(), again, sent: 0, refused: 0 };
    match wanted {
        Wanted::Ids(ids) => {
            for &id in *ids {
                let found = log.read(Topic::Rejected, 0, id, Limit { messages: 1, bytes: 1 })?;
                match found.into_iter().find(|message| message.offset == id) {
                    Some(message) => retry.one(message, true, out)?,
                    None => retry.refuse(id, "it is not in the log: see `barid rejected list`", out)?,
                }
            }
        }
        Wanted::All(reason) => store::each(log, Topic::Rejected, &mut |message| {
            let code = message.header("barid_reason").map(Bytes::as_ref).unwrap_or_default();
            if reason.is_none_or(|reason| reason.code().as_bytes() == code) {
                retry.one(message, false, out)?;
            }
            Ok(ControlFlow::Continue(()))
        })?,
    }
    let next = if retry.sent > 0 { format!("; {}", writer.reads_next()) } else { String::new() };
    writeln!(out, "{} sent, {} not{next}", retry.sent, retry.refused)?;
    Ok(if retry.refused > 0 { ExitCode::from(exit::FOUND) } else { ExitCode::SUCCESS })
}

struct Retry {
    worker: Box<dyn Worker>,
    now_ms: i64,
    again: bool,
    sent: u64,
    refused: u64,
}

impl Retry {
    /// `named`: somebody asked for this very document and wants to hear of an earlier retry.
    fn one(&mut self, message: Message, named: bool, out: &mut impl Write) -> Result<(), CliError> {
        let id = message.offset;
        if let Some(before) = self.retried_at(id)?.filter(|_| !self.again) {
            if named {
                let why = format!("it was retried at {}; --again sends it once more", rfc3339(before));
                self.refuse(id, &why, out)?;
            }
            return Ok(());
        }
        let timestamp_ms = message.timestamp_ms;
        let rejected = Rejected::from_message(timestamp_ms, &message.headers, message.value)?;
        if let Some(why) = obstacle(&rejected) {
            return self.refuse(id, why, out);
        }
        let document = rejected.document;
        // As the watcher does: on Kafka the versions of a document stay in one partition, in order.
        let key = RecordId::main(&document.source_id, &document.key).to_string();
        let unit = Unit {
            consumed: Vec::new(),
            produced: vec![Outgoing {
                topic: Topic::Raw,
                timestamp_ms,
                key: key.into(),
                headers: document.headers(),
                value: document.body,
            }],
            state: vec![Change::Put {
                table: RETRIED,
                key: Bytes::copy_from_slice(&id.to_be_bytes()),
                value: Bytes::copy_from_slice(&self.now_ms.to_be_bytes()),
            }],
        };
        let ticket = self.worker.submit(unit)?;
        // Only what is durable is announced.
        self.worker.wait(ticket)?;
        self.sent += 1;
        writeln!(out, "{id}: sent")?;
        Ok(())
    }

    fn refuse(&mut self, id: u64, why: &str, out: &mut impl Write) -> Result<(), CliError> {
        self.refused += 1;
        writeln!(out, "{id}: not sent: {why}")?;
        Ok(())
    }

    fn retried_at(&mut self, id: u64) -> Result<Option<i64>, CliError> {
        let value = self.worker.get(RETRIED, &id.to_be_bytes())?;
        Ok(value.and_then(|value| value.as_ref().try_into().ok()).map(i64::from_be_bytes))
    }
}

/// Why sending these bytes again could only do harm.
fn obstacle(rejected: &Rejected) -> Option<&'static str> {
    if rejected.dropped_bytes > 0 {
        return Some("not all of its bytes were kept: raise `max_document_bytes` and deliver the file again");
    }
    match rejected.reason {
        Reason::BadCompression | Reason::BadJson | Reason::BadFeed | Reason::BadMessage => {
            return Some(rejected.reason.hint());
        }
        Reason::Empty
        | Reason::Binary
        | Reason::TooLarge
        | Reason::Undecodable
        | Reason::NoText
        | Reason::ParserFault => {}
    }
    // Refused before the log: the bytes are the line, not the text in it.
    if rejected.position.is_none() && rejected.document.collector == Collector::JsonLines {
        return Some("it is a line of JSON that was refused before it was read: deliver the file again");
    }
    None
}
