//! Changes as the kernel tells them (inotify), so that a finished article is read within milliseconds.
//!
//! The `notify` crate is not used: it walks the tree itself, on a thread of its own, before and beside our walk, and between its listing of
//! a new folder and its watch on it files can arrive unseen. Here each folder is watched just before our own walk lists it, so a file is
//! either listed or told of. The kernel's queue and its watches are limited; whatever is lost to those limits, the next scan finds.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::{filter, key};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A name appeared: a new file, still open, or another link to an old one.
    Created,
    /// The file was written to or cut, and so is open for writing.
    Written,
    /// Its writer closed it, or it was renamed into place.
    Finished,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A file, by its source and key.
    File(usize, String, Happened),
    /// A folder that appeared, by its source and key.
    Folder(usize, String),
    /// Events were lost.
    Overflow,
}

/// A watched folder: its source and key.
type Folder = (usize, String);

/// The kernel's watches.
#[derive(Debug)]
pub(crate) struct Watches {
    /// Absent where the kernel gives none: then there are scans only.
    inotify: Option<OwnedFd>,
    folders: HashMap<i32, Vec<Folder>>,
    max_folders: usize,
    unwatched: usize,
    warned: bool,
    buffer: Vec<u8>,
}

/// A folder may have several names through links; after renames, old ones. So many are kept.
const NAMES_OF_A_FOLDER: usize = 8;

/// Bytes of events taken from the kernel at once: more than a thousand.
const BUFFER_BYTES: usize = 64 << 10;

impl Watches {
    /// Watches nothing yet.
    pub(crate) fn new(max_folders: usize) -> Self {
        let mut watches = Self {
            inotify: None,
            folders: HashMap::new(),
            max_folders,
            unwatched: 0,
            warned: false,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        };
        match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => watches.inotify = Some(inotify),
            Err(error) => watches.warn(&error.to_string()),
        }
        watches
    }

    /// Watches a folder (again, if it is already). To be called before the folder is listed.
    pub(crate) fn add(&mut self, source: usize, key: &str, path: &Path) {
        let Some(inotify) = &self.inotify else {
            self.unwatched += 1;
            return;
        };
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(inotify, path, flags) {
            Ok(watch) => {
                if self.folders.len() >= self.max_folders && !self.folders.contains_key(&watch) {
                    // The only way to fail is that it is gone already.
                    let _ = inotify::remove_watch(inotify, watch);
                    self.limited("`max_watched_folders` is reached");
                    return;
                }
                let names = self.folders.entry(watch).or_default();
                if !names.iter().any(|(known, name)| *known == source && name == key) {
                    if names.len() >= NAMES_OF_A_FOLDER {
                        names.remove(0);
                    }
                    names.push((source, key.to_owned()));
                }
            }
            Err(Errno::NOSPC) => self.limited("the system's limit `fs.inotify.max_user_watches` is reached"),
            // Gone or unreadable: listing it says so.
            Err(_) => self.unwatched += 1,
        }
    }

    fn limited(&mut self, limit: &str) {
        self.unwatched += 1;
        self.warn(limit);
    }

    fn warn(&mut self, problem: &str) {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                problem,
                "cannot watch every folder: changes in the others are found by rescans only; hint: raise the limit, or \
                 lower `rescan_seconds`"
            );
        }
    }

    /// Watched folders, and those met since the last call that could not be.
    pub(crate) fn count(&mut self) -> (usize, usize) {
        (self.folders.len(), std::mem::take(&mut self.unwatched))
    }

    /// Waits until something happens, at most so long.
    pub(crate) fn wait(&self, most: Duration) {
        let waited = self.inotify.as_ref().and_then(|inotify| {
            let time = Timespec::try_from(most).ok()?;
            poll(&mut [PollFd::new(inotify, PollFlags::IN)], Some(&time)).ok()
        });
        if waited.is_none() {
            std::thread::sleep(most);
        }
    }

    /// Takes what has happened, in order.
    pub(crate) fn take(&mut self, tell: &mut dyn FnMut(Event)) {
        let Some(inotify) = &self.inotify else { return };
        let mut events = Reader::new(inotify, self.buffer.spare_capacity_mut());
        // The only error is that there is nothing more for now.
        while let Ok(event) = events.next() {
            let happened = event.events();
            if happened.contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(Event::Overflow);
            } else if happened.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF) {
                // Gone, or elsewhere: there its new parent tells of it.
                self.folders.remove(&event.wd());
            } else if let Some(name) = event.file_name()
                && let Some(folders) = self.folders.get(&event.wd())
            {
                let name = name.to_bytes();
                for (source, folder) in folders {
                    if let Some(event) = event_of(*source, folder, name, happened) {
                        tell(event);
                    }
                }
            }
        }
    }
}

fn event_of(source: usize, folder: &str, name: &[u8], happened: ReadFlags) -> Option<Event> {
    let is_folder = happened.contains(ReadFlags::ISDIR);
    if filter::is_ignored(name, is_folder) {
        return None;
    }
    let mut key = folder.to_owned();
    if !key.is_empty() {
        key.push('/');
    }
    key::push_name(&mut key, name);
    if is_folder {
        return happened
            .intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO)
            .then_some(Event::Folder(source, key));
    }
    let happened = if happened.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
        Happened::Finished
    } else if happened.contains(ReadFlags::MODIFY) {
        Happened::Written
    } else if happened.contains(ReadFlags::CREATE) {
        Happened::Created
    } else {
        return None;
    };
    Some(Event::File(source, key, happened))
}
