//! `barid check-config`: every problem of a file at once.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::CheckConfigArgs;
use crate::config::{self, ConfigError, Duty, Problem, Severity};
use crate::error::{CliError, exit};
use crate::output;

/// Problems are errors of the command; warnings are shown and leave it a success, unless they are denied.
pub(crate) fn run(args: &CheckConfigArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let file = args.file.as_path();
    let text = match config::text_of(Some(file)) {
        Err(error) if args.json => {
            writeln!(out, "{:#}", unreadable(args, &error))?;
            return Ok(ExitCode::from(exit::UNREADABLE));
        }
        text => text?,
    };
    let examined = config::examine(Some(file), text, &config::environment()).look_around(Duty::Any);
    let errors = examined.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let warnings = examined.problems.len() - errors;
    let is_good = errors == 0 && (warnings == 0 || !args.deny_warnings);
    let code = ExitCode::from(if is_good { 0 } else { exit::FOUND });
    if args.json {
        let text = &examined.loaded().text;
        let problems: Vec<Value> = examined.problems.iter().map(|problem| as_json(problem, text)).collect();
        let said = json!({ "file": file.display().to_string(), "ok": is_good, "errors": errors, "warnings": warnings, "problems": problems });
        writeln!(out, "{said:#}")?;
        return Ok(code);
    }
    let loaded = examined.settled()?;
    output::warn(&loaded);
    let sources = loaded.config.files.len();
    let (feeds, lists) = (loaded.config.feeds.feeds.len(), loaded.config.feeds.lists.len());
    let word = if is_good { "ok" } else { "warnings are denied" };
    writeln!(
        out,
        "{}: {word}, {sources} folder(s), {feeds} feed(s), {lists} list(s), {warnings} warning(s)",
        file.display()
    )?;
    Ok(code)
}

/// A problem with its place, from 1; null where it is about no place of the file.
fn as_json(problem: &Problem, text: &str) -> Value {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = problem.place(text);
    json!({
        "severity": severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
    })
}

fn unreadable(args: &CheckConfigArgs, error: &ConfigError) -> Value {
    let problem = Problem {
        severity: Severity::Error,
        code: "E0101",
        message: error.to_string(),
        span: None,
        hint: Some("check the path, or write one with `barid init`".to_owned()),
    };
    json!({ "file": args.file.display().to_string(), "ok": false, "errors": 1, "warnings": 0, "problems": [as_json(&problem, "")] })
}
