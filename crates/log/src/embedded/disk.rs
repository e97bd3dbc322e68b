//! Files: every write, sync and removal of the log goes through here, so that errors name their object and tests can fill the disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::LogError;

/// The extension of files that are not whole yet: a crash may leave them, and recovery removes them.
pub(crate) const PART: &str = "part";

/// Creates a file that must not exist yet, or opens the remains of an earlier try, emptied.
pub(crate) fn create(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(|source| LogError::io("create", path, source))
}

/// Opens a file for reading and writing.
pub(crate) fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(|source| LogError::io("open", path, source))
}

/// Opens a file for reading.
pub(crate) fn open_to_read(path: &Path) -> Result<File, LogError> {
    File::open(path).map_err(|source| LogError::io("open", path, source))
}

/// Writes all of `bytes` at `at`.
pub(crate) fn write(file: &File, path: &Path, bytes: &[u8], at: u64) -> Result<(), LogError> {
    faults::before_write(bytes.len())
        .and_then(|()| file.write_all_at(bytes, at))
        .map_err(|source| LogError::io("write", path, source))
}

/// Reads at most `len` bytes at `at`: fewer only at the end of the file.
pub(crate) fn read(file: &File, path: &Path, at: u64, len: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match file.read_at(&mut bytes[done..], at + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(LogError::io("read", path, source)),
        }
    }
    bytes.truncate(done);
    Ok(bytes)
}

/// Makes the data of a file durable.
pub(crate) fn sync(file: &File, path: &Path) -> Result<(), LogError> {
    faults::before_sync().and_then(|()| file.sync_data()).map_err(|source| LogError::io("sync", path, source))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), LogError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|source| LogError::io("sync", path, source))
}

/// Cuts a file to `len` bytes.
pub(crate) fn truncate(file: &File, path: &Path, len: u64) -> Result<(), LogError> {
    file.set_len(len).map_err(|source| LogError::io("truncate", path, source))
}

/// Bytes of a file.
pub(crate) fn len(file: &File, path: &Path) -> Result<u64, LogError> {
    file.metadata().map(|meta| meta.len()).map_err(|source| LogError::io("measure", path, source))
}

/// Gives a whole, durable file its name, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), LogError> {
    fs::rename(from, to).map_err(|source| LogError::io("rename", to, source))?;
    to.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<(), LogError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path, source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Creates a folder and those above it, durably.
pub(crate) fn create_dir(path: &Path) -> Result<(), LogError> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|source| LogError::io("create", path, source))?;
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_dir)
}

/// The files of a folder, not those of folders in it; none when there is no such folder.
pub(crate) fn files(dir: &Path) -> Result<Vec<PathBuf>, LogError> {
    let failed = |source| LogError::io("list", dir, source);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// The numbers of the files named `<number>.<extension>` in a folder, ascending.
pub(crate) fn numbered(dir: &Path, extension: &str) -> Result<Vec<u64>, LogError> {
    let mut numbers = Vec::new();
    for path in files(dir)? {
        if path.extension().is_some_and(|found| found == extension)
            && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A full disk and a failing one, for tests of this crate.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::RefCell;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    /// What goes wrong on the threads of one log.
    #[derive(Debug, Default)]
    pub(crate) struct Faults {
        /// Bytes that may still be written while `limited`.
        pub(crate) space_bytes: AtomicI64,
        pub(crate) limited: AtomicBool,
        pub(crate) failing_sync: AtomicBool,
        /// Syncs find the disk full, as they may where space is given out late.
        pub(crate) full_sync: AtomicBool,
    }

    thread_local! { static FAULTS: RefCell<Option<Arc<Faults>>> = const { RefCell::new(None) }; }

    /// Subjects this thread to `faults`.
    pub(crate) fn install(faults: Option<Arc<Faults>>) {
        FAULTS.set(faults);
    }

    /// Subjects the thread that calls the result to what this thread is subjected to.
    pub(crate) fn inherited() -> impl FnOnce() + Send {
        let faults = current();
        move || install(faults)
    }

    fn current() -> Option<Arc<Faults>> {
        FAULTS.with_borrow(Clone::clone)
    }

    pub(super) fn before_write(len: usize) -> io::Result<()> {
        let Some(faults) = current() else { return Ok(()) };
        if faults.limited.load(Ordering::Relaxed)
            && faults.space_bytes.fetch_sub(len as i64, Ordering::Relaxed) < len as i64
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    pub(super) fn before_sync() -> io::Result<()> {
        match current() {
            Some(faults) if faults.full_sync.load(Ordering::Relaxed) => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(faults) if faults.failing_sync.load(Ordering::Relaxed) => {
                Err(io::Error::from_raw_os_error(5))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(not(test))]
pub(crate) mod faults {
    use std::io;

    /// Nothing goes wrong on purpose.
    pub(crate) fn inherited() -> impl FnOnce() + Send {
        || ()
    }

    #[inline(always)]
    pub(super) fn before_write(_len: usize) -> io::Result<()> {
        Ok(())
    }

    #[inline(always)]
    pub(super) fn before_sync() -> io::Result<()> {
        Ok(())
    }
}
