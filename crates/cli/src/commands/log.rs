//! `barid log`: what the embedded log holds, and whether all of it is whole.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use barid_log::{Inventory, Verified};
use barid_record::rfc3339;
use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use super::store;
use crate::args::LogCommand;
use crate::error::{CliError, exit};
use crate::output;

pub(super) fn run(command: &LogCommand, out: &mut impl Write) -> Result<ExitCode, CliError> {
    match command {
        LogCommand::List { json, config } => {
            let config = super::load(config)?.config;
            let dir = store::embedded(&config)?;
            let found = barid_log::inventory(dir)?;
            if *json {
                writeln!(out, "{}", listed(dir, &found))?
            } else {
                list(dir, &found, out)?
            }
            Ok(ExitCode::SUCCESS)
        }
        LogCommand::Verify { json, dir, config } => {
            let config = super::load(config)?.config;
            let dir = match dir {
                Some(dir) => store::existing(dir)?,
                None => store::embedded(&config)?,
            };
            let found = barid_log::verify(dir)?;
            if *json {
                writeln!(out, "{}", verified(dir, &found))?
            } else {
                verify(dir, &found, out)?
            }
            Ok(if found.damages.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::FOUND) })
        }
    }
}

fn list(dir: &Path, found: &Inventory, out: &mut impl Write) -> Result<(), CliError> {
    writeln!(
        out,
        "{:<16} {:>12} {:>14} {:>12} {:>9}  newest",
        "topic", "messages", "from offset", "bytes", "segments"
    )?;
    for topic in &found.topics {
        let (status, newest) =
            (topic.status, topic.segments.iter().map(|segment| segment.newest_timestamp_ms).max());
        writeln!(
            out,
            "{:<16} {:>12} {:>14} {:>12} {:>9}  {}",
            status.topic.name(),
            HumanCount(status.end_offset - status.start_offset).to_string(),
            status.start_offset,
            HumanBytes(status.bytes).to_string(),
            topic.segments.len(),
            newest.map(rfc3339).unwrap_or_default()
        )?;
    }
    writeln!(out, "\n{:<16} {:<16} {:>12}", "reader", "of", "behind")?;
    for lag in &found.lags {
        let behind = HumanCount(lag.messages).to_string();
        writeln!(out, "{:<16} {:<16} {behind:>12}", output::harmless(&lag.group), lag.topic.name())?;
    }
    writeln!(
        out,
        "\njournal {} in {} files, state {}, {} checkpoints, in {}",
        HumanBytes(found.journal_bytes),
        found.journal_files,
        HumanBytes(found.state_bytes),
        found.checkpoints,
        dir.display()
    )?;
    Ok(())
}

fn listed(dir: &Path, found: &Inventory) -> Value {
    let topics = found.topics.iter().map(|topic| {
        let segments = topic.segments.iter().map(|segment| {
            json!({ "from": segment.base_offset, "bytes": segment.bytes, "newest": rfc3339(segment.newest_timestamp_ms) })
        });
        json!({
            "topic": topic.status.topic.name(),
            "from": topic.status.start_offset,
            "end": topic.status.end_offset,
            "bytes": topic.status.bytes,
            "segments": segments.collect::<Vec<_>>(),
        })
    });
    let lags = found.lags.iter();
    let lags =
        lags.map(|lag| json!({ "group": lag.group, "topic": lag.topic.name(), "behind": lag.messages }));
    json!({
        "dir": dir.display().to_string(),
        "topics": topics.collect::<Vec<_>>(),
        "readers": lags.collect::<Vec<_>>(),
        "journal": { "files": found.journal_files, "bytes": found.journal_bytes },
        "state_bytes": found.state_bytes,
        "checkpoints": found.checkpoints,
    })
}

fn verify(dir: &Path, found: &Verified, out: &mut impl Write) -> Result<(), CliError> {
    for topic in &found.topics {
        writeln!(
            out,
            "{:<16} {} messages in {} blocks of {} segments, {}",
            topic.topic.name(),
            HumanCount(topic.messages),
            HumanCount(topic.blocks),
            topic.segments,
            HumanBytes(topic.bytes)
        )?;
    }
    writeln!(out, "{:<16} {} frames in {} files", "journal", HumanCount(found.frames), found.journal_files)?;
    writeln!(out, "{:<16} {}", "checkpoints", found.checkpoints)?;
    match found.state_entries {
        Some(entries) => writeln!(out, "{:<16} {} entries", "state", HumanCount(entries))?,
        None => writeln!(
            out,
            "{:<16} not read: it is damaged, or no links to its files can be made here",
            "state"
        )?,
    }
    if found.uncommitted_bytes > 0 {
        writeln!(
            out,
            "{} bytes behind the last commit are what a crash left, or being written",
            found.uncommitted_bytes
        )?;
    }
    for damage in &found.damages {
        writeln!(out, "damaged: {damage}\n  hint: {}", damage.hint())?;
    }
    let word = if found.damages.is_empty() {
        "whole".to_owned()
    } else {
        format!("{} damaged places", found.damages.len())
    };
    writeln!(out, "{}: {word}", dir.display())?;
    Ok(())
}

fn verified(dir: &Path, found: &Verified) -> Value {
    let topics = found.topics.iter().map(|topic| {
        json!({ "topic": topic.topic.name(), "segments": topic.segments, "blocks": topic.blocks, "messages": topic.messages, "bytes": topic.bytes })
    });
    let damages = found
        .damages
        .iter()
        .map(|damage| json!({ "code": damage.code(), "message": damage.to_string(), "hint": damage.hint() }));
    json!({
        "dir": dir.display().to_string(),
        "whole": found.damages.is_empty(),
        "topics": topics.collect::<Vec<_>>(),
        "journal": { "files": found.journal_files, "frames": found.frames },
        "checkpoints": found.checkpoints,
        "state_entries": found.state_entries,
        "uncommitted_bytes": found.uncommitted_bytes,
        "damages": damages.collect::<Vec<_>>(),
    })
}
