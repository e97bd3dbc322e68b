//! `barid check-config`: every problem of a file at once.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::config;
use crate::error::CliError;
use crate::output;

/// Problems are errors of the command; warnings are shown and leave it a success.
pub(crate) fn run(file: &Path, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let loaded = config::load(Some(file), &config::environment())?;
    output::warn(&loaded);
    let sources = loaded.config.files.len();
    writeln!(out, "{}: ok, {} source(s), {} warning(s)", file.display(), sources, loaded.warnings.len())?;
    Ok(ExitCode::SUCCESS)
}
