//! `barid check-config`: every problem of a file at once, and of the lists of feeds that it names.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config;
use crate::error::CliError;
use crate::lists;
use crate::output;

/// Problems are errors of the command; warnings are shown and leave it a success.
pub(crate) fn run(file: &Path, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = config::load(Some(file), &config::environment())?;
    output::warn(&loaded);
    let polled = lists::polled(&loaded.config.feeds)?;
    polled.problems.iter().for_each(output::warn_of);
    let (sources, feeds) = (loaded.config.files.len(), polled.feeds.len());
    let warnings = loaded.warnings.len() + polled.problems.len();
    let feeds = if feeds > 0 { format!(", {feeds} feed(s)") } else { String::new() };
    writeln!(out, "{}: ok, {sources} source(s){feeds}, {warnings} warning(s)", file.display())?;
    Ok(ExitCode::SUCCESS)
}
