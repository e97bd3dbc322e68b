//! One module per command; each gets its arguments and answers with an exit code.

mod check_config;
mod config_show;
mod generate;
mod init;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::{Args, Command, ConfigArg, ConfigCommand};
use crate::config::{self, Loaded};
use crate::error::CliError;

/// Runs the command.
pub(crate) fn dispatch(args: &Args) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout().lock();
    let code = match &args.command {
        Command::Run(_) | Command::Parse(_) | Command::Explain(_) | Command::Rejected(_) => {
            return Err(CliError::NotWired);
        }
        Command::CheckConfig { file } => check_config::run(file, &mut out)?,
        Command::Config(ConfigCommand::Show { json, config }) => {
            config_show::run(&load(config)?, *json, &mut out)?;
            ExitCode::SUCCESS
        }
        Command::Init { file } => {
            init::run(file, &mut out)?;
            ExitCode::SUCCESS
        }
        Command::Completions { shell } => {
            generate::completions(*shell, &mut out)?;
            ExitCode::SUCCESS
        }
        Command::Man { out: folder } => {
            generate::man(folder.as_deref(), &mut out)?;
            ExitCode::SUCCESS
        }
        Command::Schema => {
            generate::schema(&mut out)?;
            ExitCode::SUCCESS
        }
    };
    out.flush()?;
    Ok(code)
}

/// The configuration an argument names: that file, else `barid.toml` where it exists, else the defaults.
fn load(argument: &ConfigArg) -> Result<Loaded, CliError> {
    let here = Path::new("barid.toml");
    let file: Option<PathBuf> = argument.config.clone().or_else(|| here.is_file().then(|| here.to_owned()));
    Ok(config::load(file.as_deref(), &config::environment())?)
}
