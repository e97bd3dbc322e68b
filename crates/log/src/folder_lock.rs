//! The lock of a folder, and who holds it. The operating system lets it go with the process; what the file says is for people only.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::LogError;

/// The name of the file.
pub(crate) const NAME: &str = "LOCK";
/// Most letters of a command that are shown.
const MOST_LETTERS: usize = 200;

/// Takes the lock of the folder.
pub(crate) fn take(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(NAME);
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = file.map_err(|source| LogError::io("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {
            // On a full disk nobody learns who holds it; it is held all the same.
            let _ =
                file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(us().as_bytes()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            Err(LogError::Locked { dir: dir.to_owned(), holder: holder(&mut file) })
        }
        Err(TryLockError::Error(source)) => Err(LogError::io("lock", &path, source)),
    }
}

/// This process: its number and host, then its command.
fn us() -> String {
    let pid = std::process::id();
    format!("{pid} {}\n{}\n", host().unwrap_or_default(), command(pid).unwrap_or_default())
}

/// Who has the lock, in words. What 0.1.0 wrote is empty: then the system is asked.
fn holder(file: &mut File) -> String {
    let mut said = String::new();
    let _ = file.take(4096).read_to_string(&mut said);
    let mut lines = said.lines();
    let (pid, its_host) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
    if let Ok(pid) = pid.parse::<u32>() {
        let its_command = lines.next().unwrap_or_default().to_owned();
        let is_elsewhere = host().is_some_and(|host| host != its_host);
        let place = if is_elsewhere { format!(" on {}", plain(its_host)) } else { String::new() };
        return named(pid, &its_command) + &place;
    }
    let found = file.metadata().ok().and_then(|meta| of_inode(meta.ino()));
    found.map_or_else(|| "another process".to_owned(), |pid| named(pid, &command(pid).unwrap_or_default()))
}

fn named(pid: u32, command: &str) -> String {
    let command = plain(command);
    if command.is_empty() { format!("process {pid}") } else { format!("process {pid} ({command})") }
}

/// The process that the system says has locked a file of that number.
fn of_inode(inode: u64) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let ending = format!(":{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1).skip_while(|word| *word == "->");
        let (kind, _, _, pid, file) =
            (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
        (kind == "FLOCK" && file.ends_with(&ending)).then(|| pid.parse().ok()).flatten()
    })
}

fn command(pid: u32) -> Option<String> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = String::from_utf8_lossy(&words);
    Some(words.split('\0').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

fn host() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_owned())
}

/// Letters that cannot drive a terminal, and not too many of them.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MOST_LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(dir: &Path) -> String {
        take(dir).expect_err("it is locked").to_string()
    }

    #[test]
    fn who_is_refused_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path()).unwrap();
        let us = format!("process {} (", std::process::id());
        assert!(refused(dir.path()).contains(&us), "{}", refused(dir.path()));
        // As an older version leaves it.
        held.set_len(0).unwrap();
        assert!(refused(dir.path()).contains(&us), "{}", refused(dir.path()));
        // On a disk that two machines share.
        fs::write(dir.path().join(NAME), "7 elsewhere.example\nbarid run\n").unwrap();
        assert!(
            refused(dir.path()).contains("process 7 (barid run) on elsewhere.example"),
            "{}",
            refused(dir.path())
        );
        drop(held);
        take(dir.path()).unwrap();
    }
}
