//! `barid parse`: files in, records or a readable view out, without any log.

use std::io::Write;
use std::process::ExitCode;

use barid_core::{Decoded, Line};
use barid_record::{RawDocument, Record, Rejected};

use super::document;
use crate::args::ParseArgs;
use crate::error::{CliError, exit};
use crate::output::{self, Isolate};

/// Prints every file that can be parsed and says of each other one why not. A file that cannot be read weighs more than one that
/// cannot be parsed.
pub(super) fn run(args: &ParseArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    if let Some(label) = args.charset.as_deref().filter(|label| !known_charset(label)) {
        let expected = "a charset label such as utf-8 or windows-1256".to_owned();
        return Err(CliError::Argument { object: "charset", value: label.to_owned(), expected });
    }
    let isolate = Isolate::for_stdout();
    let mut code = 0;
    for (index, path) in args.files.iter().enumerate() {
        let now_ms = document::now_ms();
        let raw = match document::read(path, args.charset.as_deref(), now_ms) {
            Ok(raw) => raw,
            Err(error) => {
                output::report(&error);
                code = exit::UNREADABLE;
                continue;
            }
        };
        match barid_stage::offline(&raw, now_ms) {
            Ok(records) if args.json => {
                for record in &records {
                    out.write_all(&record.to_json()?)?;
                    out.write_all(b"\n")?;
                }
            }
            Ok(records) => {
                if index > 0 {
                    writeln!(out)?;
                }
                view(out, &raw, &records, isolate)?;
            }
            Err(rejected) => {
                complain(&rejected);
                code = code.max(exit::FOUND);
            }
        }
    }
    Ok(ExitCode::from(code))
}

fn known_charset(label: &str) -> bool {
    encoding_rs::Encoding::for_label(label.as_bytes()).is_some()
}

/// Says why a document was rejected.
pub(super) fn complain(rejected: &Rejected) {
    let text = format!(
        "{}: {}: {}",
        output::harmless(&rejected.document.key),
        rejected.reason.code(),
        output::harmless(&rejected.detail)
    );
    output::complaint(&text, rejected.reason.hint());
}

/// The document line by line with its sections in the margin, then what each record became. Scraped text stands in the last column, so
/// that text from right to left moves nothing else.
fn view(
    out: &mut impl Write,
    raw: &RawDocument,
    records: &[Record],
    isolate: Isolate,
) -> Result<(), CliError> {
    let Some(main) = records.first() else { return Ok(()) };
    writeln!(
        out,
        "{}  {} bytes, {} ({}), confidence {:.2}",
        output::harmless(&raw.key),
        raw.body.len(),
        main.source.charset,
        main.source.charset_source,
        main.quality.confidence
    )?;
    // The parser has read these bytes once already; decoding them again cannot fail.
    if let Ok(decoded) = barid_core::decode(&raw.body, raw.charset.as_deref()) {
        margin(out, &decoded, main, isolate)?;
    }
    for (place, record) in records.iter().enumerate() {
        writeln!(out)?;
        fields(out, place, record, isolate)?;
    }
    Ok(())
}

fn margin(
    out: &mut impl Write,
    decoded: &Decoded<'_>,
    main: &Record,
    isolate: Isolate,
) -> Result<(), CliError> {
    for section in &main.sections {
        let first = section.line_start.saturating_sub(1) as usize;
        let lines: &[Line] = decoded.lines.get(first..section.line_end as usize).unwrap_or_default();
        for (offset, line) in lines.iter().enumerate() {
            let text = decoded.line_text(line).trim();
            let (kind, owner) = match offset {
                0 if section.owner > 0 => (section.kind.as_ref(), section.owner.to_string()),
                0 => (section.kind.as_ref(), String::new()),
                _ => ("", String::new()),
            };
            let line = format!("{:>5}  {kind:<16} {owner:>2}  {}", first + offset + 1, isolate.text(text));
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    Ok(())
}

fn fields(out: &mut impl Write, place: usize, record: &Record, isolate: Isolate) -> Result<(), CliError> {
    let mut field = |name: &str, value: &str| -> Result<(), CliError> {
        Ok(writeln!(out, "  {name:<12} {}", isolate.text(value))?)
    };
    let title = if place == 0 { "article".to_owned() } else { format!("related {place}") };
    field(&title, &record.record_id.to_string())?;
    if let Some(headline) = &record.headline {
        field("headline", headline)?;
    }
    if let Some(date) = &record.published_at {
        field("published", &date.value)?;
    }
    for link in &record.attribution {
        field(&link.role, &link.name)?;
    }
    if !record.keywords.is_empty() {
        field("keywords", &record.keywords.join(" | "))?;
    }
    let size = format!("{} characters, {} words, {}", record.char_count, record.word_count, record.language);
    field("body", &size)
}
