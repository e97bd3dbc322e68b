//! Changes as the kernel tells them (inotify), so that a finished article is read within milliseconds.
//!
//! The `notify` crate is not used: it walks the tree itself, on a thread of its own, before and beside our walk, and between its listing of
//! a new folder and its watch on it files can arrive unseen. Here each folder is watched just before our own walk lists it, so a file is
//! either listed or told of. The kernel's queue and its watches are limited; whatever is lost to those limits, the next scan finds.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::targets::{Linked, Targets, steps};
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
    targets: Targets,
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
            targets: Targets::default(),
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
        match self.watch(path) {
            Ok(Some(watch)) => {
                if self.folders.len() >= self.max_folders && !self.folders.contains_key(&watch) {
                    if let Some(inotify) = self.inotify.as_ref().filter(|_| !self.targets.has(watch)) {
                        // The only way to fail is that it is gone already.
                        let _ = inotify::remove_watch(inotify, watch);
                    }
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
            // None at all; or gone or unreadable: listing it says so.
            Ok(None) | Err(_) => self.unwatched += 1,
        }
    }

    /// Watches what a link leads over, as far as that can be: the scans find the rest. To be called before
    /// the link is followed.
    pub(crate) fn add_link(&mut self, linked: &Linked) {
        if self.inotify.is_none() || self.targets.is_full() {
            return;
        }
        for (folder, name) in steps(&linked.path) {
            match self.watch(&folder) {
                Ok(Some(watch)) => self.targets.add(watch, name.as_bytes().to_vec(), linked),
                Err(Errno::NOSPC) => self.warn("the system's limit `fs.inotify.max_user_watches` is reached"),
                Ok(None) | Err(_) => (),
            }
        }
    }

    /// Begins anew with links: a scan of everything meets them again.
    pub(crate) fn forget_links(&mut self) {
        self.targets.clear();
    }

    /// Watches a folder; `None` where that cannot be.
    fn watch(&mut self, path: &Path) -> Result<Option<i32>, Errno> {
        let Some(inotify) = &self.inotify else { return Ok(None) };
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(inotify, path, flags).map(Some)
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
        let mut led_over = Vec::new();
        let mut events = Reader::new(inotify, self.buffer.spare_capacity_mut());
        // The only error is that there is nothing more for now.
        while let Ok(event) = events.next() {
            let happened = event.events();
            if happened.contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(Event::Overflow);
            } else if happened.intersects(ReadFlags::IGNORED | ReadFlags::MOVE_SELF) {
                // Gone, or elsewhere: there its new parent tells of it.
                self.folders.remove(&event.wd());
            } else if let Some(name) = event.file_name() {
                let name = name.to_bytes();
                for (source, folder) in self.folders.get(&event.wd()).into_iter().flatten() {
                    if let Some(event) = event_of(*source, folder, name, happened) {
                        tell(event);
                    }
                }
                for linked in self.targets.of(event.wd(), name) {
                    if let Some(event) = event_behind(linked, happened) {
                        tell(event);
                    }
                    if happened.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                        led_over.push(linked.clone());
                    }
                }
            }
        }
        // They may lead elsewhere now.
        led_over.iter().for_each(|linked| self.add_link(linked));
    }
}

/// What happened to a link when that happened to what it leads over.
fn event_behind(linked: &Linked, happened: ReadFlags) -> Option<Event> {
    let Linked { source, key, is_folder, .. } = linked;
    if *is_folder {
        let is_other = happened.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        return is_other.then(|| Event::Folder(*source, key.clone()));
    }
    happened_to_file(happened).map(|happened| Event::File(*source, key.clone(), happened))
}

fn happened_to_file(happened: ReadFlags) -> Option<Happened> {
    if happened.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
        Some(Happened::Finished)
    } else if happened.contains(ReadFlags::MODIFY) {
        Some(Happened::Written)
    } else if happened.contains(ReadFlags::CREATE) {
        Some(Happened::Created)
    } else {
        None
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
    happened_to_file(happened).map(|happened| Event::File(source, key, happened))
}
