//! `barid config show`: what took effect, and why.

use std::io::Write;

use crate::config::{self, Loaded, as_json, as_toml};
use crate::error::CliError;
use crate::output;

/// Prints every key with its origin. There are no secrets among them.
pub(crate) fn run(loaded: &Loaded, json: bool, out: &mut impl Write) -> Result<(), CliError> {
    output::warn(loaded);
    if json {
        writeln!(out, "{:#}", as_json(loaded))?;
    } else {
        out.write_all(as_toml(loaded).as_bytes())?;
    }
    Ok(())
}

/// Prints the schema of a configuration.
pub(crate) fn schema(out: &mut impl Write) -> Result<(), CliError> {
    writeln!(out, "{:#}", config::schema())?;
    Ok(())
}
