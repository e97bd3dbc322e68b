//! `barid init`: a commented configuration to start from.

use std::fs::File;
use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use crate::config::TEMPLATE;
use crate::error::CliError;

/// Writes the file; one that exists is left alone.
pub(crate) fn run(path: &Path, out: &mut impl Write) -> Result<(), CliError> {
    let failed = |source: Error| {
        let path = path.to_owned();
        if source.kind() == ErrorKind::AlreadyExists {
            CliError::Exists { path }
        } else {
            CliError::Write { path, source }
        }
    };
    let mut file = File::create_new(path).map_err(failed)?;
    file.write_all(TEMPLATE.as_bytes()).map_err(failed)?;
    writeln!(out, "wrote {0}; check it with `barid check-config {0}`", path.display())?;
    Ok(())
}
