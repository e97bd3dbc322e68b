//! One poll, explained.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use barid_record::rfc3339;
use barid_watcher::feeds::address::Allowed;
use barid_watcher::feeds::check::{Check, Hop, check};
use barid_watcher::feeds::engine::{IndexSeen, Outcome};
use barid_watcher::feeds::fetch::PHASES;
use barid_watcher::feeds::{Clock, FeedsConfig, given};
use serde_json::{Value, json};

use super::page;
use crate::args::ConfigArg;
use crate::commands::load;
use crate::error::{CliError, exit};
use crate::output;
use crate::run::{RunError, now_ms};
use crate::settings;

pub(super) fn run(
    url: &str,
    full_text: bool,
    as_json: bool,
    config: &ConfigArg,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let section = load(config)?.config.feeds;
    // As a list would have it. What can never be asked is said so below.
    let url = &given::address(url).unwrap_or_else(|_| url.to_owned());
    // As it would be polled: by its own table, else as one of a list.
    let own = section.feeds.iter().find(|feed| feed.url == *url);
    let full_text = full_text || own.map_or(section.full_text, |feed| feed.full_text);
    let config = FeedsConfig {
        agent: settings::agent(&section),
        trust: settings::trust(&section)?,
        limits: settings::limits(&section),
        allowed: Allowed(section.allow_addresses),
        ..FeedsConfig::default()
    };
    let clock: Clock = Arc::new(now_ms);
    let check = check(&config, url, full_text, &clock).map_err(RunError::from)?;
    if as_json {
        writeln!(out, "{}", in_json(&check))?;
    } else {
        in_words(&check, out)?;
    }
    let is_good = check.done.as_ref().is_some_and(|done| done.outcome.is_success());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(exit::FOUND) })
}

fn in_json(check: &Check) -> Value {
    let hops: Vec<Value> = check.hops.iter().map(hop_json).collect();
    let Some(done) = &check.done else {
        return json!({ "ok": false, "refused": check.refused, "requests": hops });
    };
    let reading = done.reading.as_ref().map(|reading| {
        let faults: Vec<Value> =
            reading.faults.iter().map(|(fault, count)| json!({ "fault": fault, "count": count })).collect();
        json!({ "title": reading.title, "hubs": reading.hubs.hubs, "topic": reading.hubs.topic, "undated": reading.undated, "items_lost": reading.items_lost, "is_cut": reading.is_cut, "cut_items": reading.cut_items, "faults": faults })
    });
    json!({
        "ok": done.outcome.is_success(),
        "outcome": done.outcome.name(),
        "requests": hops,
        "feed": reading,
        "items": done.counts.new,
        "index": done.index.as_ref().map(index_json),
        "next_poll": rfc3339(check.state.next_ms),
        "unreadable": done.unreadable.as_ref().map(|(_, why)| why),
        "detail": done.detail,
        "page": check.page.as_ref().map(page::in_json),
    })
}

/// What of an index of sitemaps was read.
fn index_json(index: &IndexSeen) -> Value {
    let refused: Vec<Value> =
        index.refused.iter().map(|(url, why)| json!({ "url": given::shown(url), "why": why })).collect();
    let IndexSeen { known, waiting, left_out, .. } = index;
    json!({ "sitemaps": known, "waiting": waiting, "refused": refused, "left_out": left_out })
}

fn index_words(index: &IndexSeen, out: &mut impl Write) -> Result<(), CliError> {
    let IndexSeen { known, waiting, left_out, refused, .. } = index;
    write!(out, "index       of {known} sitemaps, {waiting} left to later polls")?;
    match left_out {
        0 => writeln!(out)?,
        _ => writeln!(out, "; {left_out} more are never read: the newest are")?,
    }
    for (url, why) in refused {
        writeln!(out, "refused     {}: {why}", output::harmless(&given::shown(url)))?;
    }
    Ok(())
}

pub(super) fn hop_json(hop: &Hop) -> Value {
    let seconds: serde_json::Map<String, Value> = PHASES
        .iter()
        .zip(hop.cost.phases)
        .filter_map(|(phase, seconds)| seconds.map(|seconds| ((*phase).to_owned(), json!(seconds))))
        .collect();
    match &hop.answer {
        Ok(answer) => {
            let headers: serde_json::Map<String, Value> =
                answer.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            json!({
                "url": hop.url, "status": answer.status, "line": answer.line, "broke": hop.broke,
                "http_faults": http_faults(hop), "coding": hop.cost.coding.name(), "protocol": answer.protocol, "headers": headers,
                "seconds": seconds, "wire_bytes": hop.cost.wire_bytes, "body_bytes": hop.cost.body_bytes,
            })
        }
        Err(broke) => {
            let failure = Outcome::from(broke.failure).name();
            json!({ "url": hop.url, "failure": failure, "detail": broke.detail, "http_faults": http_faults(hop), "seconds": seconds })
        }
    }
}

fn in_words(check: &Check, out: &mut impl Write) -> Result<(), CliError> {
    if let Some(why) = &check.refused {
        writeln!(out, "not asked: {why}")?;
        return Ok(());
    }
    for hop in &check.hops {
        hop_words(hop, out)?;
    }
    let Some(done) = &check.done else { return Ok(()) };
    writeln!(out, "\noutcome     {}", done.outcome.name())?;
    let why = done.unreadable.as_ref().map(|(_, why)| why).or(done.detail.as_ref());
    if let Some(why) = why {
        writeln!(out, "            {why}")?;
    }
    if let Some(reading) = &done.reading {
        writeln!(out, "feed        {}", reading.title)?;
        let newest = done.items.iter().filter_map(|one| one.item.published_ms).max();
        let newest = newest.map(|newest| format!(", the newest of {}", rfc3339(newest))).unwrap_or_default();
        writeln!(out, "items       {}, {} without a date{newest}", done.counts.new, reading.undated)?;
        for hub in &reading.hubs.hubs {
            let topic = reading.hubs.topic.as_deref().unwrap_or("nothing: by the address it was read at");
            writeln!(out, "hub         {hub}, knows it as {topic}")?;
        }
        for (fault, count) in &reading.faults {
            writeln!(out, "fault       {fault}, {count} times; repaired")?;
        }
        if reading.is_cut {
            let cut = reading.cut_items;
            writeln!(
                out,
                "cut         the document broke off; {cut} items that were open are left to the next poll"
            )?;
        }
        if reading.items_lost > 0 {
            writeln!(out, "lost        {} items could not be read", reading.items_lost)?;
        }
    }
    if let Some(index) = &done.index {
        index_words(index, out)?;
    }
    rules(check, out)?;
    check.page.as_ref().map_or(Ok(()), |page| page::in_words(page, out))
}

pub(super) fn hop_words(hop: &Hop, out: &mut impl Write) -> Result<(), CliError> {
    writeln!(out, "GET {}", hop.url)?;
    let seconds = PHASES.iter().zip(hop.cost.phases);
    let phases: Vec<String> = seconds
        .filter_map(|(phase, seconds)| seconds.map(|seconds| format!("{phase} {:.0} ms", seconds * 1000.0)))
        .collect();
    match &hop.answer {
        Err(broke) => {
            writeln!(out, "  no answer: {}: {}", Outcome::from(broke.failure).name(), broke.detail)?;
        }
        Ok(answer) => {
            writeln!(out, "  {}", answer.line)?;
            for (name, value) in &answer.headers {
                writeln!(out, "  {name}: {value}")?;
            }
            if hop.cost.wire_bytes > 0 {
                let (wire, body, coding) = (hop.cost.wire_bytes, hop.cost.body_bytes, hop.cost.coding.name());
                writeln!(out, "  {wire} bytes as {coding}, {body} unpacked")?;
            }
            if let Some(broke) = &hop.broke {
                writeln!(out, "  cut: {broke}")?;
            }
        }
    }
    for fault in hop.cost.faults.iter() {
        writeln!(out, "  fault: {}: mended", fault.name())?;
    }
    writeln!(out, "  {}", phases.join(", "))?;
    Ok(())
}

fn http_faults(hop: &Hop) -> Vec<&'static str> {
    hop.cost.faults.iter().map(|fault| fault.name()).collect()
}

/// What decides about the next poll.
fn rules(check: &Check, out: &mut impl Write) -> Result<(), CliError> {
    let state = &check.state;
    let says = &state.says;
    let minutes = |ms: i64| ms / 60_000;
    writeln!(out, "floor       {} minutes between two polls", minutes(says.floor_ms(false)))?;
    for (name, seconds) in [("max-age", says.max_age_s), ("ttl", says.ttl_s), ("sy:update", says.period_s)] {
        if seconds > 0 {
            writeln!(out, "{name:<11} {} minutes", seconds / 60)?;
        }
    }
    if says.skip_hours != 0 || says.skip_days != 0 {
        writeln!(out, "windows     the feed names hours or days in which it is not polled")?;
    }
    let validators = match &state.validators {
        Some(given) if given.etag.is_some() && given.last_modified.is_some() => "ETag and Last-Modified",
        Some(given) if given.etag.is_some() => "ETag",
        Some(_) => "Last-Modified",
        None => "none: every poll transfers the whole document",
    };
    writeln!(out, "validators  {validators}")?;
    if let Some(moving) = &state.moving {
        writeln!(out, "moved       for good to {}: stored when that still holds a day later", moving.url)?;
    }
    writeln!(out, "next poll   {}", rfc3339(state.next_ms))?;
    Ok(())
}
