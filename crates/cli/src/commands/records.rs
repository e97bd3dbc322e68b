//! `barid records`: the record files of the sink. What is there, what may go, and what can be written again.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use barid_log::{EmbeddedReader, Log};
use barid_record::{Topic, rfc3339};
use barid_sink::{Keep, RecordFile};
use indicatif::{HumanBytes, HumanCount};
use serde_json::json;

use super::store;
use crate::args::RecordsCommand;
use crate::config::Config;
use crate::error::CliError;
use crate::settings;

pub(super) fn run(command: &RecordsCommand, out: &mut impl Write) -> Result<ExitCode, CliError> {
    match command {
        RecordsCommand::List { json, config } => list(&super::load(config)?.config, *json, out)?,
        RecordsCommand::Prune { keep_days, keep_bytes, dry_run, config } => {
            let config = super::load(config)?.config;
            let configured = settings::keep(&config);
            let keep = Keep {
                age: keep_days.map(settings::days).unwrap_or(configured.age),
                bytes: keep_bytes.map_or(configured.bytes, |bytes| (bytes > 0).then_some(bytes)),
            };
            prune(&config, keep, *dry_run, out)?;
        }
        RecordsCommand::Rewrite { dir, from, config } => {
            let config = super::load(config)?.config;
            rewrite(&config, dir.as_deref(), *from, out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The finished files; none where there is no folder.
fn files(dir: &Path) -> Result<Vec<RecordFile>, CliError> {
    match RecordFile::list(dir) {
        Ok((files, _)) => Ok(files),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(CliError::Read { path: dir.to_owned(), source }),
    }
}

/// Where the files of each partition end: what the embedded log has been told; else, on Kafka or without a log, the end of the newest file.
fn ends(config: &Config, files: &[RecordFile]) -> Result<BTreeMap<u32, u64>, CliError> {
    if config.kafka.brokers.is_none() && store::existing(&config.data_dir).is_ok() {
        let reader = EmbeddedReader::open(&config.data_dir)?;
        let told = reader.position(barid_sink::GROUP, Topic::Records).unwrap_or_default();
        return Ok(BTreeMap::from([(0, told)]));
    }
    let mut ends = BTreeMap::new();
    for file in files {
        let end: &mut u64 = ends.entry(file.partition).or_default();
        *end = (*end).max(file.last.saturating_add(1));
    }
    Ok(ends)
}

fn list(config: &Config, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    let dir = &config.jsonl.dir;
    let files = files(dir)?;
    let (mut missing, mut bytes) = (0, 0);
    // A gap stands before the file that follows it.
    let mut rows: Vec<(u32, u64, u64, Option<&RecordFile>)> =
        files.iter().map(|file| (file.partition, file.from, file.last, Some(file))).collect();
    for (partition, end) in ends(config, &files)? {
        for gap in barid_sink::gaps(dir, partition, end).map_err(crate::run::RunError::from)? {
            missing += gap.end - gap.from;
            rows.push((partition, gap.from, gap.end - 1, None));
        }
    }
    rows.sort_by_key(|(partition, from, ..)| (*partition, *from));
    for (partition, from, last, file) in rows {
        let Some(file) = file else {
            if json {
                writeln!(
                    out,
                    "{}",
                    json!({ "partition": partition, "from": from, "last": last, "missing": true })
                )?;
            } else {
                writeln!(out, "{partition:>4} {from:>12} {last:>12} {:>12}  missing", "")?;
            }
            continue;
        };
        // One that has gone meanwhile is missing at the next look.
        let Ok(meta) = file.path.metadata() else { continue };
        let finished = meta.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let finished = finished.map(|since| rfc3339(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
        bytes += meta.len();
        if json {
            let path = file.path.display().to_string();
            let row = json!({ "partition": partition, "from": from, "last": last, "bytes": meta.len(), "finished": finished, "file": path });
            writeln!(out, "{row}")?;
        } else {
            let name = file.path.strip_prefix(dir).unwrap_or(&file.path);
            let finished = finished.unwrap_or_default();
            writeln!(
                out,
                "{partition:>4} {from:>12} {last:>12} {:>12}  {finished}  {}",
                meta.len(),
                name.display()
            )?;
        }
    }
    if !json {
        let hint = if missing > 0 { "; `barid records rewrite` writes what the log still holds" } else { "" };
        let said = format!("{} files, {}, in {}", files.len(), HumanBytes(bytes), dir.display());
        writeln!(out, "{said}; {} records are in none{hint}", HumanCount(missing))?;
    }
    Ok(())
}

fn prune(config: &Config, keep: Keep, dry_run: bool, out: &mut impl Write) -> Result<(), CliError> {
    let dir = &config.jsonl.dir;
    if keep == Keep::default() {
        let expected =
            "set: name --keep-days or --keep-bytes, or set keep_days or keep_bytes below [sink.jsonl]"
                .to_owned();
        return Err(CliError::Argument { object: "what to keep", value: String::new(), expected });
    }
    let files = files(dir)?;
    if files.is_empty() {
        writeln!(out, "there are no record files in {}", dir.display())?;
        return Ok(());
    }
    let ends = ends(config, &files)?;
    // Without the embedded log nobody knows whether the newest file of a partition was committed.
    let is_known = config.kafka.brokers.is_none();
    let may_go = |file: &RecordFile| {
        ends.get(&file.partition)
            .is_some_and(|end| if is_known { file.last < *end } else { file.last + 1 < *end })
    };
    let pruned = barid_sink::prune(dir, keep, SystemTime::now(), dry_run, &may_go)
        .map_err(|source| CliError::Write { path: dir.clone(), source })?;
    for file in &pruned.files {
        writeln!(out, "{}", file.path.display())?;
    }
    let verb = if dry_run { "would go" } else { "removed" };
    writeln!(out, "{} files, {} {verb}", pruned.files.len(), HumanBytes(pruned.bytes))?;
    Ok(())
}

fn rewrite(config: &Config, dir: Option<&Path>, from: u64, out: &mut impl Write) -> Result<(), CliError> {
    let data_dir = store::embedded(config)?;
    let mut sink = settings::sink(config);
    sink.space_patience = Some(Duration::ZERO);
    if let Some(dir) = dir {
        dir.clone_into(&mut sink.dir);
    }
    let reader = EmbeddedReader::open(data_dir)?;
    // What lies behind it a sink writes, or will.
    let end = reader.position(barid_sink::GROUP, Topic::Records).unwrap_or_default();
    let log: &dyn Log = &reader;
    let done = barid_sink::rewrite(&sink, log, 0, from..end).map_err(crate::run::RunError::from)?;
    writeln!(
        out,
        "{} records in {} files written to {}",
        HumanCount(done.records),
        done.files,
        sink.dir.display()
    )?;
    if done.lost > 0 {
        writeln!(
            out,
            "{} records are no longer in the log: its retention has removed them",
            HumanCount(done.lost)
        )?;
    }
    Ok(())
}
