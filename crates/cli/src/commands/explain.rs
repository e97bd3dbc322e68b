//! `barid explain`: which bytes became which section and why; what a code means; why a record is a copy.

mod meaning;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use barid_core::{Parsed, decode, parse};
use barid_record::{Reason, Section};

use super::{document, parse as parse_command, record};
use crate::args::ExplainArgs;
use crate::codes::{self, CODES};
use crate::config::nearest;
use crate::error::{CliError, exit};
use crate::output::{self, Isolate};

/// A file goes before a code of the same name.
pub(super) fn run(args: &ExplainArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    if let Some(id) = &args.record {
        return record::explain(id, args.json, &super::load(&args.config)?, out);
    }
    let subject = args.subject.as_deref().unwrap_or(Path::new("-"));
    if subject == Path::new("-") || subject.exists() {
        return explain_file(subject, args.json, out);
    }
    let name = subject.to_string_lossy();
    if let Some(code) = codes::find(&name) {
        entry(out, args.json, code.code, code.title, code.meaning)?;
    } else if let Some(reason) = Reason::from_code(&name) {
        entry(out, args.json, reason.code(), "a reason of `barid rejected list`", reason.hint())?;
    } else if let Some(meaning) = meaning::of_note(&name) {
        entry(out, args.json, &name, "a remark on a line", meaning)?;
    } else {
        let known = CODES.iter().map(|code| code.code).chain(Reason::ALL.map(Reason::code));
        let near = nearest(&name, known.chain(meaning::NOTES.iter().map(|(code, _)| *code)));
        return Err(CliError::UnknownSubject { subject: name.into_owned(), near });
    }
    Ok(ExitCode::SUCCESS)
}

fn entry(out: &mut impl Write, json: bool, code: &str, title: &str, meaning: &str) -> Result<(), CliError> {
    if json {
        writeln!(out, "{}", serde_json::json!({ "code": code, "title": title, "meaning": meaning }))?;
    } else {
        writeln!(out, "{code}: {title}\n\n{meaning}")?;
    }
    Ok(())
}

fn explain_file(path: &Path, json: bool, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let now_ms = document::now_ms();
    let raw = document::read(path, None, now_ms)?;
    let Ok(decoded) = decode(&raw.body, None) else {
        // The stage words the refusal.
        if let Err(rejected) = barid_stage::offline(&raw, now_ms) {
            parse_command::complain(&rejected);
        }
        return Ok(ExitCode::from(exit::FOUND));
    };
    let parsed = parse(&decoded);
    if json {
        writeln!(out, "{}", as_json(&parsed))?;
        return Ok(ExitCode::SUCCESS);
    }
    let isolate = Isolate::for_stdout();
    writeln!(
        out,
        "{}: {} bytes read as {} ({}), {} bytes were no text\n",
        output::harmless(&raw.key),
        raw.body.len(),
        parsed.charset,
        meaning::of_charset_source(parsed.charset_source),
        parsed.replaced
    )?;
    writeln!(
        out,
        "{:<13} {:<15} {:<17} {:>5}  {:<5} {:<28} text",
        "lines", "bytes", "section", "owner", "conf.", "rule"
    )?;
    for section in &parsed.sections {
        let lines = format!("{}-{}", section.line_start, section.line_end);
        let bytes = format!("{}-{}", section.byte_start, section.byte_end);
        let line = decoded.lines.get(section.line_start.saturating_sub(1) as usize);
        let text = line.map(|line| decoded.line_text(line).trim()).unwrap_or_default();
        let shown = isolate.text(&output::shortened(text, 60)).into_owned();
        let row = format!(
            "{lines:<13} {bytes:<15} {:<17} {:>5}  {:<5.2} {:<28} {shown}",
            section.kind.name(),
            section.owner,
            section.confidence,
            section.rule
        );
        writeln!(out, "{}", row.trim_end())?;
    }
    remarks(&parsed, out)?;
    Ok(ExitCode::SUCCESS)
}

/// Every remark with its place, and each code's meaning once.
fn remarks(parsed: &Parsed, out: &mut impl Write) -> Result<(), CliError> {
    let mut codes: Vec<_> = parsed.notes.iter().map(|note| note.code).collect();
    codes.sort_unstable();
    codes.dedup();
    if !codes.is_empty() {
        writeln!(out, "\nremarks")?;
    }
    for code in codes {
        writeln!(out, "  {code}: {}", meaning::of_note(code).unwrap_or("not described yet"))?;
        for note in parsed.notes.iter().filter(|note| note.code == code) {
            writeln!(out, "    line {}, bytes {}-{}", note.line, note.byte_start, note.byte_end)?;
        }
    }
    Ok(())
}

fn as_json(parsed: &Parsed) -> serde_json::Value {
    let sections: Vec<Section> = parsed.sections.iter().map(Section::from).collect();
    let note = |note: &barid_core::Note| {
        serde_json::json!({
            "code": note.code,
            "line": note.line,
            "byte_start": note.byte_start,
            "byte_end": note.byte_end,
            "meaning": meaning::of_note(note.code),
        })
    };
    serde_json::json!({
        "charset": parsed.charset,
        "charset_source": parsed.charset_source.name(),
        "replaced": parsed.replaced,
        "confidence": parsed.confidence,
        "sections": sections,
        "notes": parsed.notes.iter().map(note).collect::<Vec<_>>(),
    })
}
