//! Which files of a folder are documents.

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{FilesConfig, WatcherError, key};

/// How a file is packed, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    Plain,
    /// `.gz`, any number of members.
    Gzip,
    /// `.zst`, any number of frames.
    Zstd,
}

impl Packing {
    /// The packing of a name, and the length of the name without its suffix.
    pub(crate) fn of(name: &str) -> (Self, usize) {
        for (suffix, packing) in [(".gz", Self::Gzip), (".zst", Self::Zstd)] {
            if let Some(stem) = name.strip_suffix(suffix) {
                return (packing, stem.len());
            }
        }
        (Self::Plain, name.len())
    }
}

/// Writers' own names for what is not finished, and names nobody means to publish.
const TEMPORARY: [&[u8]; 6] = [b"~", b".tmp", b".part", b".swp", b".swx", b".crdownload"];

/// True for hidden and temporary names of files, hidden ones of folders. The dot counts, not what the name is otherwise.
pub(crate) fn is_ignored(name: &[u8], is_folder: bool) -> bool {
    name.first() == Some(&b'.') || !is_folder && TEMPORARY.iter().any(|suffix| name.ends_with(suffix))
}

/// The globs of a source.
#[derive(Debug)]
pub(crate) struct Filter {
    include: GlobSet,
    exclude: GlobSet,
    /// Folders with nothing but excluded files in them.
    prune: GlobSet,
}

impl Filter {
    pub(crate) fn new(config: &FilesConfig) -> Result<Self, WatcherError> {
        let whole_folders =
            config.exclude.iter().map(|glob| glob.strip_suffix("/**").unwrap_or(glob).to_owned());
        Ok(Self {
            include: set(config, &config.include)?,
            exclude: set(config, &config.exclude)?,
            prune: set(config, &whole_folders.collect::<Vec<_>>())?,
        })
    }

    /// Whether the file of that key is a document.
    pub(crate) fn takes(&self, key: &str) -> bool {
        let stem = &key[..Packing::of(key).1];
        let matches = |set: &GlobSet, key: &str| {
            let path = key::path_of(key);
            set.is_match_candidate(&Candidate::from_bytes(&path))
        };
        let either = |set: &GlobSet| matches(set, key) || stem.len() < key.len() && matches(set, stem);
        either(&self.include) && (self.exclude.is_empty() || !either(&self.exclude))
    }

    /// Whether the folder of that key is worth entering.
    pub(crate) fn enters(&self, key: &str) -> bool {
        self.prune.is_empty() || !self.prune.is_match_candidate(&Candidate::from_bytes(&key::path_of(key)))
    }
}

fn set(config: &FilesConfig, globs: &[String]) -> Result<GlobSet, WatcherError> {
    let error = |glob: &str, problem: globset::Error| WatcherError::Glob {
        id: config.id.clone(),
        glob: glob.to_owned(),
        problem: problem.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let built: Glob =
            GlobBuilder::new(glob).literal_separator(true).build().map_err(|problem| error(glob, problem))?;
        set.add(built);
    }
    set.build().map_err(|problem| error("", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        Filter::new(&FilesConfig {
            include: owned(include),
            exclude: owned(exclude),
            ..FilesConfig::default()
        })
        .expect("good globs")
    }

    #[test]
    fn packed_files_match_as_what_they_hold() {
        let filter = filter(&["**/*.txt"], &["old/**", "**/draft-*"]);
        for key in ["a.txt", "a/b/c.txt", "a.txt.gz", "a/b.txt.zst", "caf%E9.txt", "100%25.txt"] {
            assert!(filter.takes(key), "{key}");
        }
        for key in
            ["a.csv", "a.gz", "old/a.txt", "old/a.txt.gz", "x/draft-1.txt", "draft-1.txt.zst", "a.txt.bz2"]
        {
            assert!(!filter.takes(key), "{key}");
        }
        assert!(!filter.enters("old"));
        assert!(filter.enters("older"));
    }

    #[test]
    fn a_star_stays_within_a_folder() {
        let filter = filter(&["in/*.txt"], &[]);
        assert!(filter.takes("in/a.txt"));
        assert!(!filter.takes("in/b/a.txt"));
    }

    #[test]
    fn hidden_and_temporary_names_are_ignored() {
        for name in [".a.txt", "a.txt~", "a.tmp", "a.txt.part", ".a.txt.swp", "a.crdownload"] {
            assert!(is_ignored(name.as_bytes(), false), "{name}");
        }
        assert!(is_ignored(b".git", true));
        assert!(!is_ignored(b"archive.part", true));
        assert!(!is_ignored("خبر.txt".as_bytes(), false));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let config = FilesConfig { id: "s".into(), include: vec!["a[".into()], ..FilesConfig::default() };
        let error = Filter::new(&config).expect_err("unclosed class").to_string();
        assert!(error.contains("`a[`") && error.contains("`s`"), "{error}");
    }
}
