//! `barid feed lint`: what is wrong with a feed, line by line.

use std::io::Write;

use barid_feed::{Finding, Options, Severity};
use serde_json::json;

use super::read;
use crate::args::FeedLintArgs;
use crate::error::{CliError, exit};
use crate::output;

/// Prints the findings; 1 with errors, 0 without.
pub(super) fn run(args: &FeedLintArgs, out: &mut impl Write) -> Result<u8, CliError> {
    let bytes = read(&args.file)?;
    let options = Options { content_type: args.content_type.as_deref(), base: None };
    let findings = match barid_feed::lint(&bytes, &options) {
        Ok(findings) => findings,
        Err(error) => {
            output::message(&format!("{}: {error}", args.file.display()));
            return Ok(exit::FOUND);
        }
    };
    for finding in &findings {
        if args.json {
            let line = json!({
                "line": finding.line,
                "severity": severity(finding),
                "code": finding.rule.code(),
                "element": finding.element,
                "value": finding.value,
                "text": finding.rule.text(),
            });
            writeln!(out, "{line}")?;
        } else {
            let subject = if finding.element.is_empty() { "the document" } else { finding.element.as_str() };
            let value = if finding.value.is_empty() { String::new() } else { format!(": {}", finding.value) };
            let text = format!("{subject} {}{value}", finding.rule.text());
            let place = format!("{}:{}", args.file.display(), finding.line);
            let (severity, code) = (severity(finding), finding.rule.code());
            writeln!(out, "{place}: {severity}[{code}]: {}", output::harmless(&text.replace('\n', " ")))?;
        }
    }
    let errors = findings.iter().filter(|finding| finding.rule.severity() == Severity::Error).count();
    Ok(if errors > 0 { exit::FOUND } else { 0 })
}

fn severity(finding: &Finding) -> &'static str {
    match finding.rule.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
