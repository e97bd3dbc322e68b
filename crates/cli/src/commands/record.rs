//! `barid explain --record`: why a record is a copy or a revision, with the word diff against what it was compared with.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use barid_record::{Record, RecordId, Topic, Verdict};
use barid_sink::RecordFile;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::store;
use crate::config::{Config, Loaded};
use crate::error::CliError;
use crate::input;
use crate::output::Isolate;

/// Words shown of a stretch that both texts share, at each end.
const CONTEXT_WORDS: usize = 4;

/// One stretch of a word diff.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    /// `=` in both, `-` only in the older text, `+` only in this one.
    mark: char,
    words: String,
}

/// Finds the record in the log, else in the sink's files, and prints its newest version's verdict and the evidence.
pub(super) fn explain(
    id: &str,
    json: bool,
    loaded: &Loaded,
    out: &mut impl Write,
) -> Result<ExitCode, CliError> {
    let record_id = RecordId::parse(id).ok_or_else(|| CliError::Argument {
        object: "record id",
        value: id.to_owned(),
        expected: "of the form urn:barid:rec:<64 hex digits>".to_owned(),
    })?;
    let versions = find(&loaded.config, record_id)?;
    let Some(record) = versions.iter().max_by_key(|record| record.version) else {
        return Err(CliError::Argument {
            object: "record id",
            value: id.to_owned(),
            expected: "in the log or in the record files of this configuration".to_owned(),
        });
    };
    let other = match record.dedup.verdict {
        Verdict::Unique => None,
        Verdict::Revision | Verdict::Repeat => versions
            .iter()
            .filter(|earlier| earlier.version < record.version)
            .max_by_key(|earlier| earlier.version)
            .cloned(),
        Verdict::ExactCopy | Verdict::NearCopy => {
            let originals = find(&loaded.config, record.dedup.canonical_record_id)?;
            let same =
                originals.iter().find(|original| original.hashes.body_sha256 == record.hashes.body_sha256);
            same.or(originals.last()).cloned()
        }
    };
    let diff = other.as_ref().map(|other| word_diff(&other.body_text, &record.body_text));
    if json {
        writeln!(out, "{}", as_json(record, other.as_ref(), diff.as_deref()))?;
    } else {
        print(record, other.as_ref(), diff.as_deref().unwrap_or_default(), out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every version of a record that is still there, oldest first.
fn find(config: &Config, id: RecordId) -> Result<Vec<Record>, CliError> {
    let name = id.to_string();
    let mut found = Vec::new();
    match store::reader(config) {
        Ok(reader) => store::each(reader.as_ref(), Topic::Records, &mut |message| {
            if message.key == name.as_bytes() {
                found.push(Record::from_json(&message.value)?);
            }
            Ok(ControlFlow::Continue(()))
        })?,
        // The record files may be all that was kept.
        Err(CliError::NoLog { .. }) => {}
        Err(error) => return Err(error),
    }
    if found.is_empty() && config.jsonl.dir.is_dir() {
        let failed = |source| CliError::Read { path: config.jsonl.dir.clone(), source };
        let (files, _) = RecordFile::list(&config.jsonl.dir).map_err(failed)?;
        for file in files {
            find_in_file(&file.path, &name, &mut found)?;
        }
    }
    Ok(found)
}

fn find_in_file(path: &Path, name: &str, found: &mut Vec<Record>) -> Result<(), CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "zst") {
        Box::new(zstd::Decoder::new(file).map_err(failed)?)
    } else {
        Box::new(file)
    };
    // The id stands near the start of its own line; other lines may name it as a parent or an original.
    let own = format!("\"record_id\":\"{name}\"");
    let own = own.as_bytes();
    input::each_line(BufReader::new(reader), input::OF_RECORD, failed, &mut |line| {
        if line.windows(own.len()).any(|part| part == own) {
            let record = Record::from_json(line)?;
            if record.record_id.to_string() == name {
                found.push(record);
            }
        }
        Ok(())
    })
}

fn print(
    record: &Record,
    other: Option<&Record>,
    diff: &[Stretch],
    out: &mut impl Write,
) -> Result<(), CliError> {
    let isolate = Isolate::for_stdout();
    let mut field = |name: &str, value: &str| writeln!(out, "{name:<12} {}", isolate.text(value));
    field("record", &record.record_id.to_string())?;
    field("version", &record.version.to_string())?;
    field("source", &format!("{}: {}", record.source.source_id, record.source.key))?;
    field("noticed", &record.observed_at)?;
    if let Some(headline) = &record.headline {
        field("headline", headline)?;
    }
    field("verdict", &format!("{}: {}", record.dedup.verdict.name(), meaning(record.dedup.verdict)))?;
    field("decided by", &record.dedup.method)?;
    if let Some(similarity) = record.dedup.similarity {
        field("similarity", &format!("{similarity:.2}"))?;
    }
    field("cluster", &record.dedup.cluster_id)?;
    let Some(other) = other else {
        if record.dedup.verdict != Verdict::Unique {
            writeln!(out, "\nwhat it was compared with is no longer in the log or the record files")?;
        }
        return Ok(());
    };
    writeln!(out, "\ncompared with")?;
    let mut field = |name: &str, value: &str| writeln!(out, "  {name:<10} {}", isolate.text(value));
    field("record", &other.record_id.to_string())?;
    field("version", &other.version.to_string())?;
    field("source", &format!("{}: {}", other.source.source_id, other.source.key))?;
    field("noticed", &other.observed_at)?;
    if diff.iter().all(|stretch| stretch.mark == '=') {
        writeln!(out, "\nthe bodies are the same, word for word")?;
        return Ok(());
    }
    writeln!(out, "\nbody, word by word: - only there, + only here")?;
    for stretch in diff {
        writeln!(out, "{} {}", stretch.mark, isolate.text(&abridged(stretch)))?;
    }
    Ok(())
}

fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unique => "the first of its text",
        Verdict::ExactCopy => "the same folded body as an earlier record of another place",
        Verdict::NearCopy => "nearly the same body as an earlier record",
        Verdict::Revision => "the same place, changed text",
        Verdict::Repeat => "the same place, the same text",
    }
}

fn word_diff(old: &str, new: &str) -> Vec<Stretch> {
    let old: Vec<_> = old.split_whitespace().collect();
    let new: Vec<_> = new.split_whitespace().collect();
    let stretch = |mark, words: &[&str]| Stretch { mark, words: words.join(" ") };
    let mut stretches = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        match op {
            DiffOp::Equal { .. } => stretches.push(stretch('=', &new[op.new_range()])),
            DiffOp::Delete { .. } => stretches.push(stretch('-', &old[op.old_range()])),
            DiffOp::Insert { .. } => stretches.push(stretch('+', &new[op.new_range()])),
            DiffOp::Replace { .. } => {
                stretches.push(stretch('-', &old[op.old_range()]));
                stretches.push(stretch('+', &new[op.new_range()]));
            }
        }
    }
    stretches
}

/// A long stretch that both share is shown by its ends.
fn abridged(stretch: &Stretch) -> String {
    let words: Vec<_> = stretch.words.split(' ').collect();
    if stretch.mark != '=' || words.len() <= 2 * CONTEXT_WORDS + 1 {
        return stretch.words.clone();
    }
    let (start, end) = (&words[..CONTEXT_WORDS], &words[words.len() - CONTEXT_WORDS..]);
    format!("{} ... {}", start.join(" "), end.join(" "))
}

fn as_json(record: &Record, other: Option<&Record>, diff: Option<&[Stretch]>) -> serde_json::Value {
    let stretches = diff.map(|diff| {
        let entry = |one: &Stretch| serde_json::json!({ "mark": one.mark, "words": one.words });
        diff.iter().map(entry).collect::<Vec<_>>()
    });
    serde_json::json!({
        "record_id": record.record_id,
        "version": record.version,
        "dedup": record.dedup,
        "compared_with": other.map(|other| serde_json::json!({ "record_id": other.record_id, "version": other.version })),
        "body_diff": stretches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_word_is_shown_between_what_stayed() {
        let old = "one two three four five six seven eight nine ten old end";
        let new = "one two three four five six seven eight nine ten new end more";
        let lines: Vec<_> = word_diff(old, new)
            .iter()
            .map(|stretch| format!("{} {}", stretch.mark, abridged(stretch)))
            .collect();
        assert_eq!(
            lines,
            ["= one two three four ... seven eight nine ten", "- old", "+ new", "= end", "+ more"]
        );
    }

    #[test]
    fn line_breaks_are_no_difference() {
        assert!(word_diff("a b\nc", "a\nb c").iter().all(|stretch| stretch.mark == '='));
    }
}
