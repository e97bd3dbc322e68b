//! `[[files]]`: folders to watch.

use std::path::PathBuf;

use globset::Glob;

use super::reader::{Reader, Section};

/// One folder to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSource {
    /// Names the source in records, metrics and logs. Record ids depend on it.
    pub(crate) id: String,
    /// The folder.
    pub(crate) path: PathBuf,
    /// Globs below `path` of the files to read; each also matches its `.gz` and `.zst`.
    pub(crate) include: Vec<String>,
    /// Globs below `path` of the files to leave alone.
    pub(crate) exclude: Vec<String>,
    /// What a file holds.
    pub(crate) format: Format,
    /// For JSON Lines: where in each line the parts of the article are.
    pub(crate) fields: FieldMap,
    /// The charset of every file; `None` detects it for each document.
    pub(crate) charset: Option<String>,
    /// A file is read once it has not changed for this long.
    pub(crate) settle_ms: u64,
    /// The whole folder is looked through at least this often.
    pub(crate) rescan_seconds: u64,
    /// Larger documents are rejected.
    pub(crate) max_document_bytes: u64,
    /// Whether this is bulk history: read when nothing live waits.
    pub(crate) backfill: bool,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One document.
    Text,
    /// One document a line, as JSON.
    Jsonl,
}

/// Dotted paths into a line's JSON object. Absent is not mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldMap {
    /// The article's text; required in every line.
    pub(crate) text: String,
    /// A headline given outside the text.
    pub(crate) headline: Option<String>,
    /// A publication date given outside the text.
    pub(crate) published: Option<String>,
    /// The article's address.
    pub(crate) url: Option<String>,
    /// What names the line within its source; its address or content when not mapped.
    pub(crate) id: Option<String>,
    /// A byline given outside the text.
    pub(crate) author: Option<String>,
    /// A publisher given outside the text.
    pub(crate) publisher: Option<String>,
    /// A language tag given outside the text.
    pub(crate) language: Option<String>,
    /// Categories and keywords given outside the text.
    pub(crate) keywords: Option<String>,
    /// When it was last changed, given outside the text.
    pub(crate) modified: Option<String>,
}

const CHARSET_HINT: &str =
    "a WHATWG label such as \"utf-8\" or \"windows-1256\"; \"\" detects it for each document";

/// Reads every source; without any, and without feeds, there is one: the folder `seeds`.
pub(super) fn read(reader: &mut Reader<'_>, root: &mut Section<'_>, has_feeds: bool) -> Vec<FileSource> {
    let mut sections = reader.tables(root, "files");
    if sections.is_empty() && has_feeds {
        return Vec::new();
    }
    if sections.is_empty() {
        return vec![source(reader, &mut Section::unwritten("files[0]"), Some("seeds"))];
    }
    let sources: Vec<_> = sections.iter_mut().map(|section| source(reader, section, None)).collect();
    for (index, source) in sources.iter().enumerate() {
        if let Some(first) = sources[..index].iter().position(|earlier| earlier.id == source.id) {
            let why = format!("`{}` is the id of `files[{first}]` already", source.id);
            reader.refuse(
                "E0107",
                &format!("files[{index}].id"),
                why,
                Some("give each source its own id".into()),
            );
        }
    }
    sources
}

/// Reads one source. `name` is the default of both `id` and `path`.
fn source(reader: &mut Reader<'_>, section: &mut Section<'_>, name: Option<&str>) -> FileSource {
    let id = reader.required_text(section, "id", name);
    let path = reader.required_text(section, "path", name);
    let format = reader.choice(section, "format", &[("text", Format::Text), ("jsonl", Format::Jsonl)]);
    let default_include = match format {
        Format::Text => "**/*.txt",
        Format::Jsonl => "**/*.jsonl",
    };
    let include = reader.list(section, "include", &[default_include]);
    let exclude = reader.list(section, "exclude", &[]);
    let charset = optional(reader.text(section, "charset", ""));
    let source = FileSource {
        settle_ms: reader.integer(section, "settle_ms", 500, 0..=600_000),
        rescan_seconds: reader.integer(section, "rescan_seconds", 60, 1..=86_400),
        max_document_bytes: reader.integer(section, "max_document_bytes", 8 << 20, 1..=1 << 30),
        backfill: reader.boolean(section, "backfill", false),
        fields: fields(reader, section),
        path: path.into(),
        id,
        format,
        include,
        exclude,
        charset,
    };
    reader.end(section);
    check(reader, section, &source);
    source
}

fn fields(reader: &mut Reader<'_>, source: &mut Section<'_>) -> FieldMap {
    let mut section = reader.table(source, "fields");
    let text = reader.text(&mut section, "text", "text");
    let mut path = |key| optional(reader.text(&mut section, key, ""));
    let map = FieldMap {
        text,
        headline: path("headline"),
        published: path("published"),
        url: path("url"),
        id: path("id"),
        author: path("author"),
        publisher: path("publisher"),
        language: path("language"),
        keywords: path("keywords"),
        modified: path("modified"),
    };
    reader.end(&section);
    if map.text.is_empty() {
        reader.refuse("E0105", &section.key_path("text"), "must not be empty".into(), None);
    }
    map
}

fn check(reader: &mut Reader<'_>, section: &Section<'_>, source: &FileSource) {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let id = &source.id;
    if !id.is_empty() && (id.len() > 64 || !id.bytes().all(valid)) {
        let hint = "it becomes a metric label and part of every record id".to_owned();
        reader.refuse("E0105", &section.key_path("id"), "use 1 to 64 of a-z 0-9 - _".into(), Some(hint));
    }
    if source.include.is_empty() {
        reader.refuse("E0105", &section.key_path("include"), "no file would be read".into(), None);
    }
    for (key, globs) in [("include", &source.include), ("exclude", &source.exclude)] {
        for error in globs.iter().filter_map(|glob| Glob::new(glob).err()) {
            reader.refuse("E0108", &section.key_path(key), error.to_string(), None);
        }
    }
    if let Some(label) =
        source.charset.as_deref().filter(|label| encoding_rs::Encoding::for_label(label.as_bytes()).is_none())
    {
        let why = format!("`{label}` is not a known charset");
        reader.refuse("E0109", &section.key_path("charset"), why, Some(CHARSET_HINT.into()));
    }
}

/// `""` is how TOML says "not set".
pub(super) fn optional(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
