//! What is generated from the code itself: completions, manual pages, the schema of a record.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Args;
use crate::error::CliError;

/// Prints the completions of one shell.
pub(crate) fn completions(shell: Shell, out: &mut impl Write) -> Result<(), CliError> {
    // clap_complete panics when a write fails: write to memory first.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "barid", &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Prints `barid.1`, or writes the pages of all commands into `folder`.
pub(crate) fn man(folder: Option<&Path>, out: &mut impl Write) -> Result<(), CliError> {
    let Some(folder) = folder else {
        Man::new(Args::command()).render(out)?;
        return Ok(());
    };
    clap_mangen::generate_to(Args::command(), folder)
        .map_err(|source| CliError::Write { path: folder.to_owned(), source })
}

/// Prints the JSON Schema of a record.
pub(crate) fn schema(out: &mut impl Write) -> Result<(), CliError> {
    writeln!(out, "{:#}", barid_record::record_schema())?;
    Ok(())
}
