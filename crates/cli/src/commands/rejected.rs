//! `barid rejected`: what could not be processed, and a second try for it.
//!
//! The id of a rejected document is its offset in `barid.rejected`: it never changes.

mod retry;

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use barid_log::{Limit, Log};
use barid_record::{Reason, Rejected, Topic, rfc3339};

pub(super) use self::retry::RETRIED;
use super::store;
use crate::args;
use crate::config::nearest;
use crate::error::CliError;
use crate::output::{self, Isolate};

/// Letters of the document that `show` prints.
const PREVIEW_LETTERS: usize = 400;

pub(super) fn run(command: &args::Rejected, out: &mut impl Write) -> Result<ExitCode, CliError> {
    match command {
        args::Rejected::List { json, reason, config } => {
            let reader = store::reader(&super::load(config)?.config)?;
            list(reader.as_ref(), *json, reason_of(reason.as_deref())?, out)?;
        }
        args::Rejected::Show { id, bytes, json, config } => {
            let reader = store::reader(&super::load(config)?.config)?;
            let rejected = get(reader.as_ref(), *id)?;
            if *bytes {
                out.write_all(&rejected.document.body)?;
            } else if *json {
                writeln!(out, "{}", as_json(*id, &rejected))?;
            } else {
                show(*id, &rejected, out)?;
            }
        }
        args::Rejected::Retry { ids, all, reason, again, config } => {
            let reason = reason_of(reason.as_deref())?;
            let log = store::writer(&super::load(config)?.config)?;
            let wanted = if *all { retry::Wanted::All(reason) } else { retry::Wanted::Ids(ids) };
            let code = retry::run(&log, &wanted, *again, out)?;
            log.close()?;
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn reason_of(code: Option<&str>) -> Result<Option<Reason>, CliError> {
    let Some(code) = code else { return Ok(None) };
    Reason::from_code(code).map(Some).ok_or_else(|| {
        let codes = Reason::ALL.map(Reason::code);
        let expected = match nearest(code, codes) {
            Some(near) => format!("a reason; did you mean `{near}`?"),
            None => format!("a reason; there are {}", codes.join(", ")),
        };
        CliError::Argument { object: "reason", value: code.to_owned(), expected }
    })
}

/// The rejected document of that id.
fn get(log: &dyn Log, id: u64) -> Result<Rejected, CliError> {
    let found = log.read(Topic::Rejected, 0, id, Limit { messages: 1, bytes: 1 })?;
    // An offset that retention has removed is answered with the oldest one there is.
    let message =
        found.into_iter().find(|message| message.offset == id).ok_or_else(|| CliError::Argument {
            object: "id",
            value: id.to_string(),
            expected: "in the log: see `barid rejected list`; old ones go with the log's retention"
                .to_owned(),
        })?;
    Ok(Rejected::from_message(message.timestamp_ms, &message.headers, message.value)?)
}

fn list(log: &dyn Log, json: bool, only: Option<Reason>, out: &mut impl Write) -> Result<(), CliError> {
    let isolate = Isolate::for_stdout();
    let mut count = 0_u64;
    store::each(log, Topic::Rejected, &mut |message| {
        let id = message.offset;
        let rejected = Rejected::from_message(message.timestamp_ms, &message.headers, message.value)?;
        if only.is_some_and(|only| only != rejected.reason) {
            return Ok(ControlFlow::Continue(()));
        }
        count += 1;
        if json {
            writeln!(out, "{}", as_json(id, &rejected))?;
        } else {
            let document = &rejected.document;
            writeln!(
                out,
                "{id:>6}  {:<15} {:>10}  {}  {:<12}  {}",
                rejected.reason.code(),
                document.body.len() as u64 + rejected.dropped_bytes,
                rfc3339(document.observed_at_ms),
                output::harmless(&document.source_id),
                isolate.text(&document.key),
            )?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if !json {
        let hint = if count > 0 { "; look at one with `barid rejected show ID`" } else { "" };
        output::message(&format!("{count} rejected documents{hint}"));
    }
    Ok(())
}

fn show(id: u64, rejected: &Rejected, out: &mut impl Write) -> Result<(), CliError> {
    let isolate = Isolate::for_stdout();
    let document = &rejected.document;
    let mut field = |name: &str, value: &str| writeln!(out, "{name:<10} {}", isolate.text(value));
    field("id", &id.to_string())?;
    field("reason", rejected.reason.code())?;
    field("detail", &rejected.detail)?;
    field("hint", rejected.reason.hint())?;
    field("source", &document.source_id)?;
    field("key", &document.key)?;
    field("uri", &document.uri)?;
    field("observed", &rfc3339(document.observed_at_ms))?;
    field("read from", rejected.position.as_deref().unwrap_or("(never reached a topic)"))?;
    field("bytes", &document.body.len().to_string())?;
    if rejected.dropped_bytes > 0 {
        field("dropped", &format!("{} bytes were over the limit and are not kept", rejected.dropped_bytes))?;
    }
    let text = String::from_utf8_lossy(&document.body);
    let preview = output::shortened(&text, PREVIEW_LETTERS);
    if !preview.trim().is_empty() {
        writeln!(out)?;
    }
    for line in preview.trim().lines() {
        writeln!(out, "  {}", isolate.text(line))?;
    }
    Ok(())
}

fn as_json(id: u64, rejected: &Rejected) -> serde_json::Value {
    let document = &rejected.document;
    serde_json::json!({
        "id": id,
        "reason": rejected.reason.code(),
        "detail": rejected.detail,
        "hint": rejected.reason.hint(),
        "source_id": document.source_id,
        "key": document.key,
        "uri": document.uri,
        "collector": document.collector.name(),
        "observed_at": rfc3339(document.observed_at_ms),
        "position": rejected.position,
        "bytes": document.body.len(),
        "dropped_bytes": rejected.dropped_bytes,
    })
}
