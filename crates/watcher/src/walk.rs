//! Visits the files below a folder in the byte order of their keys, which is the same in every run.
//!
//! One folder is listed at a time: its names are read in whatever order the system keeps them, turned into keys, and sorted, folders as
//! `name/`, so that the whole walk is in the order of the full keys. Files are named to the visitor by their folder's descriptor and
//! their own name: opening one walks no path.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, statat};
use rustix::io::Errno;

use crate::{WatcherError, filter, key};

/// A file met on a walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    /// What `name` is relative to.
    pub(crate) folder: BorrowedFd<'a>,
    /// The file's name (or path) as the system knows it.
    pub(crate) name: &'a [u8],
    /// Its key: see [`crate::key`].
    pub(crate) key: &'a str,
    /// It is a link to a file.
    pub(crate) is_link: bool,
}

/// What a walk reports to.
pub(crate) trait Visitor {
    /// A folder is about to be listed, `""` the first; false passes over it. It may be a link to one.
    fn folder(&mut self, key: &str, is_link: bool) -> bool;
    /// A file, or a link to one. Breaking ends the walk.
    fn file(&mut self, found: &Found<'_>) -> Result<ControlFlow<()>, WatcherError>;
    /// Something that could not be listed.
    fn fault(&mut self, key: &str, error: Errno);
}

/// Folders within folders, at most: each level holds an open descriptor.
const MAX_DEPTH: usize = 200;

/// Walks the folder `from` (a key, `""` for all) below `root`.
pub(crate) fn walk(
    root: &Path,
    from: &str,
    follow_links: bool,
    visitor: &mut dyn Visitor,
) -> Result<ControlFlow<()>, WatcherError> {
    let mut walk = Walk { follow_links, visitor, key: String::new(), parents: Vec::new() };
    match walk.descend(root, from) {
        Ok(folder) => walk.folder(folder, false),
        Err(error) => {
            walk.visitor.fault(from, error);
            Ok(ControlFlow::Continue(()))
        }
    }
}

/// A folder as the system knows it: device and inode.
type FolderId = (u64, u64);

struct Walk<'a> {
    follow_links: bool,
    visitor: &'a mut dyn Visitor,
    /// The key of what is being visited.
    key: String,
    /// The folders that lead here.
    parents: Vec<FolderId>,
}

impl Walk<'_> {
    /// Opens `from`, remembering the folders on the way: a link back to one of them is a loop.
    fn descend(&mut self, root: &Path, from: &str) -> Result<OwnedFd, Errno> {
        let mut folder = openat(CWD, root, FOLDER, Mode::empty())?;
        for name in from.split('/').filter(|name| !name.is_empty()) {
            self.parents.push(folder_id(&fstat(&folder)?));
            folder = openat(&folder, &*key::path_of(name), self.flags(FOLDER), Mode::empty())?;
        }
        self.key.push_str(from);
        Ok(folder)
    }

    fn flags(&self, flags: OFlags) -> OFlags {
        if self.follow_links { flags } else { flags | OFlags::NOFOLLOW }
    }

    fn folder(&mut self, folder: OwnedFd, is_link: bool) -> Result<ControlFlow<()>, WatcherError> {
        let id = match fstat(&folder) {
            Ok(stat) => folder_id(&stat),
            Err(error) => {
                self.visitor.fault(&self.key, error);
                return Ok(ControlFlow::Continue(()));
            }
        };
        if self.parents.contains(&id) || self.parents.len() >= MAX_DEPTH {
            self.visitor.fault(&self.key, Errno::LOOP);
            return Ok(ControlFlow::Continue(()));
        }
        if !self.visitor.folder(&self.key, is_link) {
            return Ok(ControlFlow::Continue(()));
        }
        let listing = match Listing::read(&folder, self.follow_links) {
            Ok(listing) => listing,
            Err(error) => {
                self.visitor.fault(&self.key, error);
                return Ok(ControlFlow::Continue(()));
            }
        };
        self.parents.push(id);
        let flow = self.entries(folder.as_fd(), &listing);
        self.parents.pop();
        flow
    }

    fn entries(
        &mut self,
        folder: BorrowedFd<'_>,
        listing: &Listing,
    ) -> Result<ControlFlow<()>, WatcherError> {
        let length = self.key.len();
        for (entry, is_link) in &listing.entries {
            let name_key = listing.key(entry);
            if length > 0 {
                self.key.push('/');
            }
            let flow = if let Some(name_key) = name_key.strip_suffix('/') {
                self.key.push_str(name_key);
                match openat(folder, &*key::path_of(name_key), self.flags(FOLDER), Mode::empty()) {
                    Ok(inner) => self.folder(inner, *is_link)?,
                    Err(error) => {
                        self.visitor.fault(&self.key, error);
                        ControlFlow::Continue(())
                    }
                }
            } else {
                self.key.push_str(name_key);
                let name = key::path_of(name_key);
                self.visitor.file(&Found { folder, name: &name, key: &self.key, is_link: *is_link })?
            };
            self.key.truncate(length);
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

#[allow(clippy::unnecessary_cast)]
fn folder_id(stat: &Stat) -> FolderId {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// The names of one folder, as keys in one piece of memory, and whether each is a link; those of folders end
/// in `/`.
#[derive(Debug, Default)]
struct Listing {
    keys: String,
    entries: Vec<(std::ops::Range<u32>, bool)>,
}

/// Bytes of names taken from the system at once.
const LISTING_BYTES: usize = 64 << 10;

impl Listing {
    fn read(folder: &OwnedFd, follow_links: bool) -> Result<Self, Errno> {
        let mut listing = Self::default();
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut names = RawDir::new(folder, buffer.spare_capacity_mut());
        while let Some(entry) = names.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if filter::is_ignored(name, true) {
                continue;
            }
            let (kind, is_link) = kind(folder, name, entry.file_type(), follow_links);
            if kind == FileType::Directory {
                listing.push(name, true, is_link);
            } else if kind == FileType::RegularFile && !filter::is_ignored(name, false) {
                listing.push(name, false, is_link);
            }
        }
        let Self { keys, entries } = &mut listing;
        entries.sort_unstable_by(|(a, _), (b, _)| keys[text_range(a)].cmp(&keys[text_range(b)]));
        Ok(listing)
    }

    fn push(&mut self, name: &[u8], is_folder: bool, is_link: bool) {
        let start = self.keys.len();
        key::push_name(&mut self.keys, name);
        if is_folder {
            self.keys.push('/');
        }
        // 4 GiB of names in one folder is beyond every file system: a name that does not fit is left for no one.
        if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(self.keys.len())) {
            self.entries.push((start..end, is_link));
        }
    }

    fn key(&self, entry: &std::ops::Range<u32>) -> &str {
        &self.keys[text_range(entry)]
    }
}

fn text_range(entry: &std::ops::Range<u32>) -> std::ops::Range<usize> {
    entry.start as usize..entry.end as usize
}

/// What a name stands for, and whether it is a link to that: most file systems say so in the listing; links,
/// and those that do not, need a look.
fn kind(folder: &OwnedFd, name: &[u8], listed: FileType, follow_links: bool) -> (FileType, bool) {
    let look = |flags| {
        statat(folder, name, flags).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
    };
    let kind = if listed == FileType::Unknown { look(AtFlags::SYMLINK_NOFOLLOW) } else { listed };
    let is_link = kind == FileType::Symlink && follow_links;
    (if is_link { look(AtFlags::empty()) } else { kind }, is_link)
}
