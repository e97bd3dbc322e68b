//! `barid feed`: feeds read outside the log; those that are polled are in `feeds.rs`.

mod fields;
mod json;
mod lint;
mod view;

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use barid_feed::Options;
use barid_watcher::feeds::fetch::unpacked;

use crate::args::{FeedCommand, FeedParseArgs};
use crate::error::{CliError, exit};
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

/// What a packed file begins with, such as a sitemap that ends in `.xml.gz`.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// More of one is not unpacked.
const MOST_UNPACKED_BYTES: u64 = 1 << 30;

/// A file whole, or standard input for `-`; unpacked where it is packed.
fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        bytes
    } else {
        std::fs::read(path).map_err(failed)?
    };
    if !bytes.starts_with(GZIP) {
        return Ok(bytes);
    }
    let damaged = |why: String| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    unpacked(bytes, MOST_UNPACKED_BYTES).map_err(damaged)
}
