//! `barid feed list, check, history, import, export`.

mod check;
mod lists;
mod page;
mod told;

use std::io::Write;
use std::process::ExitCode;

use crate::args::FeedsCommand;
use crate::error::CliError;

/// Runs the command.
pub(super) fn run(command: &FeedsCommand, out: &mut impl Write) -> Result<ExitCode, CliError> {
    match command {
        FeedsCommand::List { state, json, config } => told::list(state.as_deref(), *json, config, out),
        FeedsCommand::History { id, json, config } => told::history(id, *json, config, out),
        FeedsCommand::Check { url, full_text, json, config } => {
            check::run(url, *full_text, *json, config, out)
        }
        FeedsCommand::Import { file, config } => lists::import(file, config, out),
        FeedsCommand::Export { config } => lists::export(config, out),
    }
}
