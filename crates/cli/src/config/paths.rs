//! Folders that must not lie in one another, that are watched twice, or that are not there.

use std::path::{Component, Path, PathBuf};

use super::Config;
use super::check::shared_file;
use super::findings::Findings;
use super::problem::Problem;
use super::reader::Setting;

/// What of `data_dir` is the log's, or a role's on Kafka.
const OF_THE_LOG: [&str; 8] = ["topics", "commits", "state", "watch", "stage", "sink", "web", "cli"];

/// Problems between the paths of a configuration and on this machine's disk.
pub(super) fn check(config: &Config, settings: &[Setting]) -> Vec<Problem> {
    let mut found = Findings::new(settings);
    for (index, source) in config.files.iter().enumerate().filter(|(_, source)| is_named(&source.path)) {
        let key = format!("files[{index}].path");
        let shown = source.path.display();
        if !source.path.exists() {
            let hint = "it is watched as soon as it appears";
            found.warning("E0113", &key, format!("there is no folder {shown}"), hint);
        } else if !source.path.is_dir() {
            let hint = "name the folder, and the file in `include`";
            found.error("E0114", &key, format!("{shown} is not a folder"), hint);
        }
        written_below(config, index, &mut found);
    }
    watched_twice(config, &mut found);
    output(config, &mut found);
    found.problems
}

fn is_named(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// barid must not read what it writes.
fn written_below(config: &Config, index: usize, found: &mut Findings<'_>) {
    const HINT: &str = "barid would read what it wrote: move one of them out";
    let source = &config.files[index];
    let (root, data_dir) = (resolved(&source.path), resolved(&config.data_dir));
    // Records inside a data folder that must move will move with it: one message is enough.
    let written = [("data_dir", &config.data_dir), ("sink.jsonl.dir", &config.jsonl.dir)];
    let together = config.jsonl.dir.starts_with(&config.data_dir) && data_dir.starts_with(&root);
    for &(key, inner) in if together { &written[..1] } else { &written[..] } {
        if resolved(inner).starts_with(&root) && !found.is_said("E0111", key) {
            let shown = (inner.display(), source.path.display());
            let why = format!("{} lies in {}, the folder of source `{}`", shown.0, shown.1, source.id);
            found.error("E0111", key, why, HINT);
        }
    }
    // Beside the log's folders others have their place.
    if let Some(name) = OF_THE_LOG.iter().find(|name| root.starts_with(data_dir.join(name))) {
        let shown = (source.path.display(), config.data_dir.display());
        let why = format!("{} lies in {}/{name}, a folder of the log", shown.0, shown.1);
        found.error("E0111", &format!("files[{index}].path"), why, "watch a folder that is not barid's own");
    }
}

/// A file that two sources read comes twice, under two ids.
fn watched_twice(config: &Config, found: &mut Findings<'_>) {
    let roots: Vec<PathBuf> = config.files.iter().map(|source| resolved(&source.path)).collect();
    for (index, source) in config.files.iter().enumerate().filter(|(_, source)| is_named(&source.path)) {
        let key = format!("files[{index}].path");
        for (first, earlier) in config.files[..index].iter().enumerate().filter(|(_, it)| is_named(&it.path))
        {
            let ((outer, inner), (above, below)) = if roots[index].starts_with(&roots[first]) {
                ((earlier, source), (&roots[first], &roots[index]))
            } else {
                ((source, earlier), (&roots[index], &roots[first]))
            };
            let Ok(between) = below.strip_prefix(above) else { continue };
            let Some(file) = shared_file(outer, inner, &between.to_string_lossy()) else { continue };
            let shown = source.path.display();
            if between.as_os_str().is_empty() {
                let why = format!(
                    "{shown} is watched by `files[{first}]` already: a file such as {file} would come twice"
                );
                found.error(
                    "E0118",
                    &key,
                    why,
                    "take one of them out, or give them globs that share no file",
                );
            } else {
                let why = format!(
                    "{shown} and the folder of `files[{first}]` lie in one another: a file such as {file} would come twice"
                );
                found.warning("E0118", &key, why, "take the inner one out with `exclude` of the outer one");
            }
        }
    }
}

/// Records do not belong among the log's own files.
fn output(config: &Config, found: &mut Findings<'_>) {
    let (records, data_dir) = (resolved(&config.jsonl.dir), resolved(&config.data_dir));
    let shown = (config.jsonl.dir.display(), config.data_dir.display());
    let inside = OF_THE_LOG.iter().find(|name| records.starts_with(data_dir.join(name)));
    if let Some(name) = inside {
        let why = format!("{} lies in {}/{name}, a folder of the log", shown.0, shown.1);
        found.error(
            "E0121",
            "sink.jsonl.dir",
            why,
            "give records a folder of their own, such as `records` below data_dir",
        );
    } else if records == data_dir && is_named(&config.jsonl.dir) {
        let why = format!("{} is the data folder itself", shown.0);
        found.warning(
            "E0121",
            "sink.jsonl.dir",
            why,
            "give records a folder of their own, such as `records` below data_dir",
        );
    }
}

/// The absolute path, symbolic links followed as far as it exists.
pub(super) fn resolved(path: &Path) -> PathBuf {
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
