//! Folders that barid writes to.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::config::findings::Findings;

/// Refuses a folder that cannot be written, or could not be made.
pub(super) fn check(key: &str, dir: &Path, found: &mut Findings<'_>) {
    // Refused when it was read.
    if dir.as_os_str().is_empty() {
        return;
    }
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    // The nearest that is there decides whether the rest can be made.
    let Some(nearest) = absolute.ancestors().find(|path| path.symlink_metadata().is_ok()) else { return };
    let shown = nearest.display();
    if !nearest.is_dir() {
        let what = if nearest.exists() { "is not a folder" } else { "is a link that leads nowhere" };
        found.error(
            "E0125",
            key,
            format!("{shown} {what}"),
            "name a folder, or a place where one can be made",
        );
        return;
    }
    if let Err(error) = try_to_write(nearest) {
        let what = if nearest == absolute {
            String::new()
        } else {
            format!(", where {} would be made", dir.display())
        };
        let hint = "let the user that runs barid write there, or name another folder";
        found.error("E0125", key, format!("{shown}{what} cannot be written: {error}"), hint);
    }
}

/// Makes a file without a name, which goes with its handle. Where the file system has none of those, one with a name, which is removed.
fn try_to_write(dir: &Path) -> io::Result<()> {
    match rustix::fs::open(dir, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR) {
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
        tried => return tried.map(drop).or_else(unless_full),
    }
    let path = dir.join(format!(".barid-check-{}", std::process::id()));
    match rustix::fs::open(
        &path,
        OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    ) {
        Ok(_) => std::fs::remove_file(&path),
        Err(error) => unless_full(error),
    }
}

/// A full disk is waited for.
fn unless_full(error: Errno) -> io::Result<()> {
    if matches!(error, Errno::NOSPC | Errno::DQUOT) { Ok(()) } else { Err(error.into()) }
}
