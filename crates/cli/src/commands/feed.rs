//! `barid feed`: feeds read outside the log; those that are polled are in `feeds.rs`.

mod fields;
mod json;
mod lint;
mod view;

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use barid_feed::Options;

use crate::args::{FeedCommand, FeedParseArgs};
use crate::error::{CliError, exit};
use crate::input;
use crate::output::{self, Isolate};

/// Runs one of the commands.
pub(super) fn run(command: &FeedCommand, out: &mut impl Write) -> Result<ExitCode, CliError> {
    match command {
        FeedCommand::Parse(args) => parse(args, out),
        FeedCommand::Polled(command) => super::feeds::run(command, out),
        FeedCommand::Lint(args) => Ok(ExitCode::from(lint::run(args, out)?)),
    }
}

/// Prints a feed; exits with 1 when the bytes are none.
fn parse(args: &FeedParseArgs, out: &mut impl Write) -> Result<ExitCode, CliError> {
    let bytes = read(&args.file)?;
    let options = Options { content_type: args.content_type.as_deref(), base: args.base.as_deref() };
    let mut out = BufWriter::with_capacity(1 << 16, out);
    if args.json {
        let is_feed = json::write(&bytes, &options, &mut out)?;
        out.flush()?;
        return Ok(ExitCode::from(if is_feed { 0 } else { exit::FOUND }));
    }
    match view::write(&bytes, &options, &mut out, Isolate::for_stdout())? {
        Ok(()) => {
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            out.flush()?;
            output::message(&format!("{}: {error}", args.file.display()));
            Ok(ExitCode::from(exit::FOUND))
        }
    }
}

/// A file whole, or standard input for `-`.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    input::bytes_or_stdin(path, input::OF_DOCUMENT).map_err(failed)
}
