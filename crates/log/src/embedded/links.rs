//! Second names for a log's files: what its owner removes meanwhile stays as long as it is looked at.

use std::fs;
use std::io;
use std::path::Path;

use barid_record::Topic;

use super::disk;
use super::recovery::Layout;
use super::topic::segment_path;
use super::wire::u64_at;
use crate::{LogError, folder_lock};

/// How often the owner may write a new version of its state meanwhile.
const TRIES: u32 = 50;

/// Links what is not linked yet. What retention takes meanwhile is not missed: the journal will say so.
pub(crate) fn link_segments(from: &Layout, staging: &Layout) -> Result<(), LogError> {
    for topic in Topic::ALL {
        let (source, target) = (from.topics.join(topic.name()), staging.topics.join(topic.name()));
        for base in disk::numbered(&source, "seg")? {
            disk::create_dir(&target)?;
            let target = segment_path(&target, base);
            if !target.exists() {
                match link(&segment_path(&source, base), &target) {
                    Err(LogError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                    linked => linked?,
                }
            }
        }
    }
    Ok(())
}

/// Links the state store as one version of it: its manifest is the same before and after.
///
/// # Errors
/// [`LogError::StateDamaged`] where it has no manifest; [`LogError::Io`] where no link can be made.
pub(crate) fn link_state(from: &Layout, staging: &Layout) -> Result<(), LogError> {
    if !from.state.is_dir() {
        return Ok(());
    }
    let damaged = |what: &str| LogError::StateDamaged {
        operation: "link",
        dir: from.state.clone(),
        what: what.to_owned(),
    };
    let mut tries = 0;
    loop {
        if staging.state.is_dir() {
            clear(&staging.state)?;
        }
        disk::create_dir(&staging.state.join("tables"))?;
        tries += 1;
        match link_version(from, staging) {
            Ok(true) => return Ok(()),
            Ok(false) if tries < TRIES => {}
            Ok(false) => return Err(damaged("it changed each time it was looked at")),
            Err(error) if has_gone(&error) && tries < TRIES => {}
            Err(error) if has_gone(&error) => return Err(damaged(&error.to_string())),
            Err(error) => return Err(error),
        }
    }
}

/// False where another version has taken its place meanwhile.
fn link_version(from: &Layout, staging: &Layout) -> Result<bool, LogError> {
    let (current, linked) = (from.state.join("current"), staging.state.join("current"));
    let read = |path: &Path| fs::read(path).map_err(|source| LogError::io("read", path, source));
    let before = read(&current)?;
    let version = format!("v{}", u64_at(&before, 0));
    link(&from.state.join(&version), &staging.state.join(&version))?;
    for path in disk::files(&from.state.join("tables"))? {
        match link(&path, &staging.state.join("tables").join(path.file_name().unwrap_or_default())) {
            // An older version's, or a newer one's.
            Err(error) if has_gone(&error) => {}
            linked => linked?,
        }
    }
    link(&current, &linked)?;
    Ok(read(&linked)? == before && read(&current)? == before)
}

fn has_gone(error: &LogError) -> bool {
    matches!(error, LogError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

pub(crate) fn link(from: &Path, to: &Path) -> Result<(), LogError> {
    fs::hard_link(from, to).map_err(|source| LogError::io("link", from, source))
}

/// Everything in a folder but its lock.
pub(crate) fn clear(dir: &Path) -> Result<(), LogError> {
    let failed = |source| LogError::io("clear", dir, source);
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).map_err(failed)?;
        } else if !path.ends_with(folder_lock::NAME) {
            disk::remove(&path)?;
        }
    }
    Ok(())
}
