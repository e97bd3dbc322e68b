//! What to watch, and the limits it is done under.

/// The watcher's group, and its name as a writer unless it is given another.
pub(crate) const GROUP: &str = "watcher";

/// Everything the watcher is told. Build it with `Config { sources, ..Config::default() }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folders, scanned in this order.
    pub sources: Vec<FilesConfig>,
    /// Names the one who counts the documents of each topic: see [`barid_record::Order`]. Another name counts from 0.
    pub writer: String,
    /// A unit of work is handed to the log when it holds this many documents.
    pub batch_documents: usize,
    /// A unit of work is handed to the log when it holds this many bytes of documents.
    pub batch_bytes: usize,
    /// Units handed over and not yet durable, at most.
    pub units_in_flight: usize,
    /// Folders watched through the kernel, at most (each costs it about 1 KB). Folders beyond that, or beyond the system's own limit, are
    /// found by the rescans alone.
    pub max_watched_folders: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            writer: GROUP.to_owned(),
            batch_documents: 256,
            batch_bytes: 1 << 20,
            units_in_flight: 8,
            max_watched_folders: 65_536,
        }
    }
}

/// One folder of documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// Names the source for ever: it is part of every record's id.
    pub id: String,
    /// The folder. May be missing at first: it is looked for again at each rescan.
    pub root: std::path::PathBuf,
    /// Globs below the root of what to read. Each also matches the same name with `.gz` or `.zst` added. `*` stays within a folder.
    pub include: Vec<String>,
    /// Globs below the root of what not to read; `x/**` does not even enter `x`.
    pub exclude: Vec<String>,
    /// How documents lie in a file.
    pub format: Format,
    /// Whether this is history: such documents go to [`barid_record::Topic::Backfill`], which is read when nothing live waits. The versions of one document
    /// keep their order only within one topic: let a source stay what it is.
    pub backfill: bool,
    /// The charset of the files, where it is known better than the text says itself. Lines that are UTF-8 are
    /// read as that.
    pub charset: Option<String>,
    /// A file is complete when its size and modification time have not changed for this many milliseconds, unless its writer was
    /// seen closing it or renaming it into place, which is sooner.
    pub settle_ms: i64,
    /// A file seen open for writing is read as it is when nothing was written for this many milliseconds and it was still not closed.
    pub open_limit_ms: i64,
    /// Seconds from the start of one scan to the next. Where looking through the folders alone takes more
    /// than a tenth of that, it is done less often, and the log and a metric say so.
    pub rescan_seconds: u32,
    /// A document larger than this, unpacked, is rejected.
    pub max_document_bytes: usize,
    /// So many bytes of a rejected input are kept for `barid rejected`; the rest is counted.
    pub max_rejected_bytes: usize,
    /// Whether links to files and folders are followed. A link into one of its own parent folders never is.
    pub follow_symlinks: bool,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            id: String::new(),
            root: std::path::PathBuf::new(),
            include: vec!["**/*.txt".to_owned()],
            exclude: Vec::new(),
            format: Format::Text,
            backfill: false,
            charset: None,
            settle_ms: 500,
            open_limit_ms: 600_000,
            rescan_seconds: 60,
            max_document_bytes: 8 << 20,
            max_rejected_bytes: 64 << 20,
            follow_symlinks: true,
        }
    }
}

/// How documents lie in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One file, one document.
    Text,
    /// One line, one document: a JSON object.
    JsonLines(Box<Fields>),
}

/// Where the parts of a document are in a line's JSON object: member names, `a.b.c` for nested ones, `a.0` into arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The text. A line without it is rejected.
    pub text: String,
    /// The headline.
    pub headline: Option<String>,
    /// The publication date, in any form.
    pub published: Option<String>,
    /// The article's address.
    pub url: Option<String>,
    /// What names the document within the source, in text or number: the same id in another file is the same
    /// article, and a newer version where it says something else. Without it the address names it, as long as
    /// headline or text stays; without both, headline and text do, and a correction is another article. See
    /// `docs/files.md`.
    pub id: Option<String>,
    /// The byline.
    pub author: Option<String>,
    /// The publisher.
    pub publisher: Option<String>,
    /// A BCP-47 tag.
    pub language: Option<String>,
    /// Categories and keywords: a list, or a text with commas.
    pub keywords: Option<String>,
    /// When it was last changed, in any form.
    pub modified: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            text: "text".to_owned(),
            headline: None,
            published: None,
            url: None,
            id: None,
            author: None,
            publisher: None,
            language: None,
            keywords: None,
            modified: None,
        }
    }
}
