//! Which article a text file is: the one of its path, and the one of its content where that came from another
//! path.
//!
//! A file that is renamed, moved within the source or packed keeps its article: the same text is there, and
//! its old path is not, or is the same name without the packing. A copy beside its original is a document of
//! its own. A path whose article went elsewhere, or that now says something of which next to nothing was
//! there before, begins another article; a correction stays one. The inode decides nothing alone: where the
//! old path has a new file already, it tells a rename from a copy.

use rustix::fs::{AtFlags, CWD, FileType, statat};

use crate::WatcherError;
use crate::checkpoint::{Checkpoint, content, files_prefix};
use crate::filter::Packing;
use crate::intake::{Current, Intake};
use crate::key;
use crate::stamp::{PathId, Stamp};

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// The article of that key, which was elsewhere.
    Moved(String),
    /// An article, or a new version of one, under that key.
    News(String),
}

/// A path that had a content, and the key of its article then.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Home {
    path: String,
    key: String,
}

/// Paths of one content that are remembered: the newest.
const MOST_HOMES: usize = 8;
const FORM: u8 = 1;

fn homes_to_bytes(homes: &[Home]) -> Vec<u8> {
    let mut bytes = vec![FORM];
    for home in homes {
        for part in [&home.path, &home.key] {
            bytes.extend_from_slice(&u16::try_from(part.len()).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    bytes
}

/// None where a later version wrote them.
fn homes_from_bytes(bytes: &[u8]) -> Vec<Home> {
    let mut homes = Vec::new();
    let Some((&FORM, mut rest)) = bytes.split_first() else { return homes };
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (part, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        rest = after;
        str::from_utf8(part).ok().map(str::to_owned)
    };
    while let (Some(path), Some(key)) = (part(), part()) {
        homes.push(Home { path, key });
    }
    homes
}

/// The key of an article that begins at a path which had another one. An escaped `#` is in no path's key.
fn fresh_key(path: &str, sha256: &[u8; 32]) -> String {
    format!("{path}%23{}", data_encoding::HEXLOWER.encode(&sha256[..8]))
}

/// A path without what says that it is packed.
fn stem(path: &str) -> &str {
    &path[..Packing::of(path).1]
}

impl Checkpoint {
    /// The key of the article of a text file at that path.
    pub(crate) fn article_key<'a>(&'a self, path: &'a str) -> &'a str {
        self.more.key.as_deref().unwrap_or(path)
    }
}

impl Intake<'_> {
    /// Decides what a text that is not the one of its checkpoint is.
    pub(crate) fn text_of(
        &mut self,
        current: &Current<'_>,
        stamp: &Stamp,
        sha256: &[u8; 32],
        text: &[u8],
        previous: Option<&Checkpoint>,
    ) -> Result<Text, WatcherError> {
        if let Some(key) = self.moved_from(current, stamp, sha256)? {
            return Ok(Text::Moved(key));
        }
        let path = current.found.key;
        Ok(Text::News(match previous {
            None => path.to_owned(),
            Some(previous) => {
                let is_other = previous.more.is_moved
                    || previous.more.sketch.is_gone_from(text)
                    || previous.stamp.inode != stamp.inode && self.has_twin(current, previous)?;
                if is_other { fresh_key(path, sha256) } else { previous.article_key(path).to_owned() }
            }
        }))
    }

    /// The key of the article that came here from another path; that path has none from now on, unless it is
    /// this one's twin.
    fn moved_from(
        &mut self,
        current: &Current<'_>,
        stamp: &Stamp,
        sha256: &[u8; 32],
    ) -> Result<Option<String>, WatcherError> {
        let path = current.found.key;
        for home in self.homes(current.source, sha256)?.into_iter().rev().filter(|home| home.path != path) {
            let (table_key, there) = self.checkpoint_of(current.source, &home.path)?;
            let Some(mut there) = there.filter(|there| !there.more.is_moved) else { continue };
            if there.article_key(&home.path) != home.key {
                // Another article is there now, and this one nowhere.
                return Ok(Some(home.key));
            }
            if there.sha256 != *sha256 {
                // Its article says something else by now: this is an old copy.
                continue;
            }
            if stem(&home.path) == stem(path) {
                return Ok(Some(home.key));
            }
            let now = self.stamp_of(current.source, &home.path);
            let is_gone = match now {
                None => true,
                Some(now) => {
                    now != there.stamp && now.inode != stamp.inode && there.stamp.inode == stamp.inode
                }
            };
            if is_gone {
                there.more.is_moved = true;
                self.set_state(&table_key, there.to_bytes());
                self.forget(PathId::of(&table_key));
                return Ok(Some(home.key));
            }
        }
        Ok(None)
    }

    /// Whether the article of a checkpoint stands, as it was, under its packed or unpacked name too.
    fn has_twin(&mut self, current: &Current<'_>, previous: &Checkpoint) -> Result<bool, WatcherError> {
        let path = current.found.key;
        for home in self.homes(current.source, &previous.sha256)? {
            if home.path != path && stem(&home.path) == stem(path) && home.key == previous.article_key(path) {
                let (_, there) = self.checkpoint_of(current.source, &home.path)?;
                let stamp = self.stamp_of(current.source, &home.path);
                if there.is_some_and(|there| !there.more.is_moved && Some(there.stamp) == stamp) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Remembers that a path has that content, as that article.
    pub(crate) fn settle(
        &mut self,
        source: usize,
        path: &str,
        sha256: &[u8; 32],
        key: &str,
    ) -> Result<(), WatcherError> {
        let homes = self.homes(source, sha256)?;
        let mut kept: Vec<_> = homes.iter().filter(|home| home.path != path).cloned().collect();
        kept.push(Home { path: path.to_owned(), key: key.to_owned() });
        if kept.len() > MOST_HOMES {
            kept.remove(0);
        }
        if kept != homes {
            let table_key = content(&self.sources[source].config.id, sha256);
            self.set_state(&table_key, homes_to_bytes(&kept).into());
        }
        Ok(())
    }

    fn homes(&mut self, source: usize, sha256: &[u8; 32]) -> Result<Vec<Home>, WatcherError> {
        let value = self.state(&content(&self.sources[source].config.id, sha256))?;
        Ok(value.map(|value| homes_from_bytes(&value)).unwrap_or_default())
    }

    fn checkpoint_of(
        &mut self,
        source: usize,
        path: &str,
    ) -> Result<(Vec<u8>, Option<Checkpoint>), WatcherError> {
        let mut table_key = files_prefix(&self.sources[source].config.id);
        table_key.extend_from_slice(path.as_bytes());
        let value = self.state(&table_key)?;
        Ok((table_key, value.and_then(|value| Checkpoint::from_bytes(&value))))
    }

    /// The file that is there now, if it is one that this source reads.
    fn stamp_of(&self, source: usize, path: &str) -> Option<Stamp> {
        use std::os::unix::ffi::OsStrExt;
        let source = &self.sources[source];
        let flags = if source.config.follow_symlinks { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let whole = source.config.root.join(std::ffi::OsStr::from_bytes(&key::path_of(path)));
        let stat = statat(CWD, whole, flags).ok().filter(|_| source.filter.takes(path))?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| Stamp::of(&stat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_read_back_and_those_of_a_later_form_are_none() {
        let home = |path: &str, key: &str| Home { path: path.to_owned(), key: key.to_owned() };
        let homes = [home("a.txt", "a.txt"), home("done/أ.txt.gz", "a.txt%2300")];
        let bytes = homes_to_bytes(&homes);
        assert_eq!(homes_from_bytes(&bytes), homes);
        assert_eq!(homes_from_bytes(&bytes[..bytes.len() - 1]), homes[..1]);
        assert_eq!((homes_from_bytes(&[]), homes_from_bytes(&[9, 0, 1])), (vec![], vec![]));
    }

    #[test]
    fn a_fresh_key_is_no_path() {
        let fresh = fresh_key("a.txt", &[7; 32]);
        let mut of_file = String::new();
        key::push_name(&mut of_file, &key::path_of(&fresh));
        assert_ne!(of_file, fresh, "the file of that name has another key");
    }
}
