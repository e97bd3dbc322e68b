//! Paths that must not lie in one another, and folders that are not there.

use std::path::{Component, Path, PathBuf};

use super::Config;
use super::problem::{Problem, Severity};
use super::reader::{Origin, Setting};

/// Problems between the paths of a configuration and on this machine's disk.
pub(super) fn check(config: &Config, settings: &[Setting]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |severity, code, key: &str, message: String, hint: &str| {
        let setting = settings.iter().find(|setting| setting.path == key);
        let span = setting.and_then(|setting| setting.origin.span());
        let place = match setting.map(|setting| &setting.origin) {
            Some(Origin::Env(name)) => format!(" (from {name})"),
            Some(Origin::Default | Origin::File(_)) | None => String::new(),
        };
        let message = format!("`{key}`{place}: {message}");
        problems.push(Problem { severity, code, message, span, hint: Some(hint.to_owned()) });
    };
    for (index, source) in
        config.files.iter().enumerate().filter(|(_, source)| !source.path.as_os_str().is_empty())
    {
        let key = format!("files[{index}].path");
        let shown = source.path.display();
        if !source.path.exists() {
            let hint = "it is watched as soon as it appears";
            add(Severity::Warning, "E0113", &key, format!("there is no folder {shown}"), hint);
        } else if !source.path.is_dir() {
            let hint = "name the folder, and the file in `include`";
            add(Severity::Error, "E0114", &key, format!("{shown} is not a folder"), hint);
        }
        let root = resolved(&source.path);
        // Records inside a data folder that must move will move with it: one message is enough.
        let written = [("data_dir", &config.data_dir), ("sink.jsonl.dir", &config.jsonl.dir)];
        let together =
            config.jsonl.dir.starts_with(&config.data_dir) && resolved(&config.data_dir).starts_with(&root);
        for &(inner_key, inner) in if together { &written[..1] } else { &written[..] } {
            if resolved(inner).starts_with(&root) {
                let message =
                    format!("{} lies in {shown}, the folder of source `{}`", inner.display(), source.id);
                add(
                    Severity::Error,
                    "E0111",
                    inner_key,
                    message,
                    "barid would read what it wrote: move one of them out",
                );
            }
        }
    }
    problems
}

/// The absolute path, symbolic links followed as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
                // Step by step, so that `..` after a symbolic link goes up from where the link leads.
                plain = plain.canonicalize().unwrap_or(plain);
            }
        }
    }
    plain
}
