//! `barid backup` and `barid restore`: a copy of the log that can be opened elsewhere, with the configuration and, on demand, the record files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use barid_log::{EmbeddedReader, Extra};
use barid_record::Topic;
use barid_sink::RecordFile;
use indicatif::{HumanBytes, HumanCount};

use super::store;
use crate::args::{BackupArgs, RestoreArgs};
use crate::error::CliError;
use crate::output;

/// What the copy calls the configuration, and the folder of record files.
const CONFIG: &str = "barid.toml";
const RECORDS: &str = "records";

pub(super) fn run(args: &BackupArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = super::load(&args.config)?;
    let dir = store::embedded(&loaded.config)?;
    let target = std::path::absolute(&args.to).unwrap_or_else(|_| args.to.clone());
    let inside = std::path::absolute(dir).is_ok_and(|dir| target.starts_with(dir));
    if inside {
        let expected = "outside of the data folder".to_owned();
        return Err(CliError::Argument { object: "folder", value: args.to.display().to_string(), expected });
    }
    let records_dir = &loaded.config.jsonl.dir;
    let mut extras = |copy: &EmbeddedReader| {
        let config = loaded.file.iter().map(|file| Extra { from: file.clone(), name: CONFIG.into() });
        let mut extras: Vec<Extra> = config.collect();
        if args.records && records_dir.is_dir() {
            // A file that the copy's log has not committed would be ahead of it.
            let written = copy.position(barid_sink::GROUP, Topic::Records).unwrap_or_default();
            let (files, _) = RecordFile::list(records_dir)?;
            for file in files.into_iter().filter(|file| file.last < written) {
                let below = file.path.strip_prefix(records_dir).unwrap_or(&file.path);
                extras.push(Extra { name: Path::new(RECORDS).join(below), from: file.path.clone() });
            }
        }
        Ok(extras)
    };
    let made = barid_log::backup(dir, &args.to, &mut extras)?;
    // A copy that was never read is none.
    let found = barid_log::verify(&args.to)?;
    if let Some(damage) = found.damages.into_iter().next() {
        return Err(damage.into());
    }
    for (topic, messages) in &made.messages {
        writeln!(out, "{:<16} {} messages", topic.name(), HumanCount(*messages))?;
    }
    writeln!(
        out,
        "{} in {} files copied to {}, read back and whole",
        HumanBytes(made.bytes),
        made.files,
        args.to.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn restore(args: &RestoreArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = super::load(&args.config)?;
    let config = &loaded.config;
    if config.kafka.brokers.is_some() {
        return Err(store::on_kafka());
    }
    let records_dir = &config.jsonl.dir;
    let place = |name: &Path| -> Option<PathBuf> {
        name.strip_prefix(RECORDS).ok().map(|file| records_dir.join(file))
    };
    let restored = barid_log::restore(&args.from, &config.data_dir, &place)?;
    let dir = config.data_dir.display();
    writeln!(out, "{} in {} files restored to {dir}", HumanBytes(restored.bytes), restored.files)?;
    let reader = EmbeddedReader::open(&config.data_dir)?;
    let written = reader.position(barid_sink::GROUP, Topic::Records).unwrap_or_default();
    let ahead = match RecordFile::list(records_dir) {
        Ok((files, _)) => files.into_iter().filter(|file| file.last >= written).count(),
        Err(_) => 0,
    };
    if ahead > 0 {
        let text = format!("{ahead} files in {} hold records from after the back-up", records_dir.display());
        output::complaint(&text, "move them away before `barid run`: their records are written again");
    }
    writeln!(out, "records go on at offset {written}; `barid run` reads what came since the back-up")?;
    Ok(ExitCode::SUCCESS)
}
