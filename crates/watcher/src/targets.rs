//! What links lead over: a change of it, or of a link on the way, is a change of the linked file or folder.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// A link met on a walk, or a source's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Linked {
    pub(crate) source: usize,
    /// The link's key; empty for the root.
    pub(crate) key: String,
    /// The link itself.
    pub(crate) path: PathBuf,
    pub(crate) is_folder: bool,
}

/// Names in watched folders that links lead over.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    by_name: HashMap<(i32, Vec<u8>), Vec<Linked>>,
    watches: HashSet<i32>,
    count: usize,
}

/// Links whose targets are watched, at most: each costs some look-ups a scan. Changes behind the others are
/// found by the scans.
const MOST_LINKS: usize = 10_000;

/// As many links as the system itself follows.
const MOST_STEPS: usize = 40;

impl Targets {
    pub(crate) fn is_full(&self) -> bool {
        self.count >= MOST_LINKS
    }

    /// Begins anew: the links that are still there are met again.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
        self.watches.clear();
        self.count = 0;
    }

    pub(crate) fn add(&mut self, watch: i32, name: Vec<u8>, linked: &Linked) {
        self.watches.insert(watch);
        let all = self.by_name.entry((watch, name)).or_default();
        if !all.contains(linked) {
            all.push(linked.clone());
            self.count += 1;
        }
    }

    pub(crate) fn of(&self, watch: i32, name: &[u8]) -> &[Linked] {
        if self.by_name.is_empty() {
            return &[];
        }
        self.by_name.get(&(watch, name.to_vec())).map_or(&[], Vec::as_slice)
    }

    /// Whether that watch is needed for a link.
    pub(crate) fn has(&self, watch: i32) -> bool {
        self.watches.contains(&watch)
    }
}

/// The folders and names that a path leads over: each link on the way, and what is at its end.
pub(crate) fn steps(path: &Path) -> Vec<(PathBuf, OsString)> {
    let mut steps = Vec::new();
    let mut at = PathBuf::from("/");
    let parts = |path: &Path| -> Vec<OsString> {
        let named = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
        });
        named.collect()
    };
    let mut rest: VecDeque<OsString> = parts(path).into();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let whole = at.join(&name);
        match std::fs::read_link(&whole) {
            Ok(_) if links >= MOST_STEPS => break,
            Ok(target) => {
                links += 1;
                steps.push((at.clone(), name));
                if target.is_absolute() {
                    at = PathBuf::from("/");
                }
                parts(&target).into_iter().rev().for_each(|part| rest.push_front(part));
            }
            // No link, or nothing there.
            Err(_) => {
                if rest.is_empty() {
                    steps.push((at.clone(), name));
                }
                at = whole;
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_on_the_way_is_a_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("there");
        std::fs::create_dir_all(root.join("v1/deep")).expect("made");
        std::fs::create_dir(root.join("in")).expect("made");
        std::fs::write(root.join("v1/deep/a.txt"), "a").expect("written");
        symlink("../v1", root.join("in/..data")).expect("linked");
        symlink("..data/./deep/../deep/a.txt", root.join("in/a.txt")).expect("linked");
        symlink(root.join("in"), root.join("news")).expect("linked");
        let step = |folder: &str, name: &str| (root.join(folder), OsString::from(name));
        let over = [step("in", "a.txt"), step("in", "..data"), step("v1/deep", "a.txt")];
        assert_eq!(steps(&root.join("in/a.txt")), over);
        let through = [&[(root.clone(), OsString::from("news"))][..], &over].concat();
        assert_eq!(steps(&root.join("news/a.txt")), through);
        symlink("self", root.join("self")).expect("linked");
        assert_eq!(steps(&root.join("self")).len(), MOST_STEPS);
        assert_eq!(steps(&root.join("none/x")), [step("none", "x")]);
    }
}
