//! One module per command; each gets its arguments and answers with an exit code.

mod backup;
mod check_config;
mod config_show;
mod document;
mod explain;
mod feed;
mod feeds;
mod generate;
mod init;
mod log;
mod parse;
mod record;
mod records;
mod rejected;
mod store;
mod topics;

pub(crate) use document::now_ms;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::args::{Args, Command, ConfigArg, ConfigCommand, RoleArgs, RunArgs};
use crate::config::{self, Duty, Loaded};
use crate::error::CliError;
use crate::roles::{self, Role};
use crate::run;

/// Runs the command.
pub(crate) fn dispatch(args: &Args) -> Result<ExitCode, CliError> {
    let mut out = std::io::stdout().lock();
    let code = match &args.command {
        Command::Run(run) => run::run(&load_for(Duty::Run, &run.config)?, once(run), &args.global)?,
        Command::Watch(role) => play(Role::Watch, role, args)?,
        Command::Stage(role) => play(Role::Stage, role, args)?,
        Command::Sink(role) => play(Role::Sink, role, args)?,
        Command::Web(role) => play(Role::Web, role, args)?,
        Command::Topics(command) => topics::run(command, &args.global, &mut out)?,
        Command::Parse(parse) => parse::run(parse, &mut out)?,
        Command::Feed(command) => feed::run(command, &mut out)?,
        Command::Explain(explain) => explain::run(explain, &mut out)?,
        Command::Rejected(command) => rejected::run(command, &mut out)?,
        Command::Log(command) => log::run(command, &mut out)?,
        Command::Records(command) => records::run(command, &mut out)?,
        Command::Backup(args) => backup::run(args, &mut out)?,
        Command::Restore(args) => backup::restore(args, &mut out)?,
        Command::CheckConfig(check) => check_config::run(check, &mut out)?,
        Command::Config(ConfigCommand::Schema) => {
            config_show::schema(&mut out)?;
            ExitCode::SUCCESS
        }
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

/// How long a run that ends by itself waits for space on the disk; none goes on for ever.
fn once(args: &RunArgs) -> Option<Duration> {
    args.once.then(|| Duration::from_secs(args.wait_for_space))
}

fn play(role: Role, given: &RoleArgs, args: &Args) -> Result<ExitCode, CliError> {
    let duty = match role {
        Role::Watch => Duty::Watch,
        Role::Sink => Duty::Sink,
        Role::Stage | Role::Web => Duty::Other,
    };
    roles::run(role, &load_for(duty, &given.config)?, given.listen, &args.global)
}

/// The configuration an argument names: that file, else `barid.toml` where it exists, else the defaults.
fn load(argument: &ConfigArg) -> Result<Loaded, CliError> {
    Ok(config::load(file_of(argument).as_deref(), &config::environment())?)
}

/// The same, with what this machine lacks for it.
fn load_for(duty: Duty, argument: &ConfigArg) -> Result<Loaded, CliError> {
    Ok(config::load_for(duty, file_of(argument).as_deref(), &config::environment())?)
}

fn file_of(argument: &ConfigArg) -> Option<PathBuf> {
    let here = Path::new("barid.toml");
    argument.config.clone().or_else(|| here.is_file().then(|| here.to_owned()))
}
