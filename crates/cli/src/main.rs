//! `barid`: arguments -> configuration -> telemetry -> command -> exit code.

mod args;
mod codes;
mod commands;
mod config;
mod error;
mod input;
mod output;
mod progress;
mod roles;
mod run;
mod settings;
mod signals;
mod summary;
mod telemetry;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::error::CliError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    output::lines::choose(args::early_format(&words));
    output::lines::tell_panics();
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return args::answer(&error),
    };
    output::choose_color(args.global.color);
    match commands::dispatch(&args) {
        Ok(code) => code,
        // Whoever read us has seen enough: `barid parse ... | head` is a success.
        Err(CliError::Output { source }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::report(&error);
            error.exit_code(args.command.is_check())
        }
    }
}
