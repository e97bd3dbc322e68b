//! `barid init`: a commented configuration to start from.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::config::TEMPLATE;
use crate::error::CliError;

/// Writes the file; one that exists is left alone.
pub(crate) fn run(path: &Path, out: &mut impl Write) -> Result<(), CliError> {
    let mut file = File::create_new(path).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => CliError::Exists { path: path.to_owned() },
        _ => CliError::Write { path: path.to_owned(), source },
    })?;
    file.write_all(TEMPLATE.as_bytes())
        .map_err(|source| CliError::Write { path: path.to_owned(), source })?;
    writeln!(out, "wrote {0}; check it with `barid check-config {0}`", path.display())?;
    Ok(())
}
