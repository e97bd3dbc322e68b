//! The sample articles of `seeds/`, their hand-made maps, and what tells a parse from its map.
//!
//! A map (`seeds/<stem>.sections`, format in `seeds/README.md`) was written by reading the article, not by running the parser. Checking
//! collects every difference of a file with the text of its line, because one wrong rule shows best as a pattern of lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use barid_core::{Article, AttributionRole, DateValue, Decoded, Parsed, Section, SectionKind, Undecodable};
use thiserror::Error;

/// Why the samples could not be read. None of these is worth a retry: the files have to be mended.
#[derive(Debug, Error)]
pub enum SampleError {
    /// A file or folder of the samples could not be read.
    #[error("read {path}: {source}; do not retry; is the work tree complete?")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A sample without a map, or a map without a sample.
    #[error("pair {path} with {missing}: not there; do not retry; write it or remove the other one")]
    Unpaired {
        /// The file that is there.
        path: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// A line of a map that is neither `kind owner first-last` nor `field: value`.
    #[error("read {path}:{line}: {text:?} is no map line; do not retry; see seeds/README.md for the format")]
    MapLine {
        /// The map.
        path: PathBuf,
        /// Its line, 1-based.
        line: usize,
        /// The line as found.
        text: String,
    },
    /// A sample the decoder refused.
    #[error("decode {path}: {source}; do not retry; samples must be readable text")]
    Decode {
        /// The sample.
        path: PathBuf,
        /// Why.
        source: Undecodable,
    },
    /// A sample the parse stage refused.
    #[error("lay out {path}: {detail}; do not retry; samples must become records")]
    Rejected {
        /// The sample.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Records that are no JSON.
    #[error("write the records of {path}: {source}; do not retry; the record's types are at fault")]
    Unwritable {
        /// The sample.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// The repository's folder of sample articles.
pub fn seeds_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

/// One sample article and its map.
#[derive(Debug)]
pub struct Sample {
    /// File name without extension; begins with the language tag of the body and an underscore.
    pub stem: String,
    /// The article's file.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What a reader says it holds.
    pub map: Map,
}

/// A hand-made map: what every line is, and the values of the fields.
#[derive(Debug, Default)]
pub struct Map {
    ranges: Vec<MapRange>,
    fields: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct MapRange {
    kind: SectionKind,
    owner: u32,
    first: u32,
    last: u32,
}

/// Every sample with its map, by name. An article without a map, or a map without an article, is an error.
pub fn read_samples(dir: &Path) -> Result<Vec<Sample>, SampleError> {
    for map in files_with_extension(dir, "sections")? {
        require(&map, &map.with_extension("txt"))?;
    }
    let articles = files_with_extension(dir, "txt")?;
    articles.into_iter().map(read_sample).collect()
}

/// The files of one folder that carry an extension, sorted by name.
pub fn files_with_extension(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, SampleError> {
    let read_error = |source| SampleError::Read { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_sample(path: PathBuf) -> Result<Sample, SampleError> {
    let map_path = path.with_extension("sections");
    require(&path, &map_path)?;
    let text = fs::read_to_string(&map_path)
        .map_err(|source| SampleError::Read { path: map_path.clone(), source })?;
    let bytes = fs::read(&path).map_err(|source| SampleError::Read { path: path.clone(), source })?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Sample { stem, map: Map::read(&map_path, &text)?, path, bytes })
}

fn require(path: &Path, missing: &Path) -> Result<(), SampleError> {
    if missing.is_file() {
        return Ok(());
    }
    Err(SampleError::Unpaired { path: path.to_owned(), missing: missing.to_owned() })
}

impl Map {
    /// Reads the text of a map; `path` is for messages only.
    pub fn read(path: &Path, text: &str) -> Result<Self, SampleError> {
        let mut map = Self::default();
        for (index, line) in text.lines().enumerate() {
            if let Some(range) = MapRange::read(line) {
                map.ranges.push(range);
            } else if let Some((name, value)) = line.split_once(": ") {
                map.fields.entry(name.to_owned()).or_default().push(value.to_owned());
            } else {
                let (path, text) = (path.to_owned(), line.to_owned());
                return Err(SampleError::MapLine { path, line: index + 1, text });
            }
        }
        Ok(map)
    }

    fn at(&self, line: u32) -> Vec<&MapRange> {
        self.ranges.iter().filter(|range| (range.first..=range.last).contains(&line)).collect()
    }

    /// Values of a field of one article: `name` for the main one, `name.n` for the n-th related one.
    fn values(&self, name: &str, owner: u32) -> Vec<&str> {
        let key = if owner == 0 { name.to_owned() } else { format!("{name}.{owner}") };
        self.fields.get(&key).into_iter().flatten().map(String::as_str).collect()
    }
}

impl MapRange {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let name = words.next()?;
        let kind = SectionKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let owner = words.next()?.parse().ok()?;
        let (first, last) = words.next()?.split_once('-')?;
        Some(Self { kind, owner, first: first.parse().ok()?, last: last.parse().ok()? })
    }
}

/// Parses a sample and returns every difference from its map, one readable line each.
pub fn differences(sample: &Sample) -> Result<Vec<String>, SampleError> {
    let refused = |source| SampleError::Decode { path: sample.path.clone(), source };
    let decoded = barid_core::decode(&sample.bytes, None).map_err(refused)?;
    let parsed = barid_core::parse(&decoded);
    let mut report = Report { stem: &sample.stem, found: Vec::new() };
    report.lines(&sample.map, &decoded, &parsed);
    report.page(&sample.map, &decoded, &parsed);
    report.article(&sample.map, &decoded, 0, &parsed.article);
    for (owner, article) in (1..).zip(&parsed.related) {
        report.article(&sample.map, &decoded, owner, article);
    }
    Ok(report.found)
}

/// Collects the differences of one sample.
struct Report<'a> {
    stem: &'a str,
    found: Vec<String>,
}

impl Report<'_> {
    fn push(&mut self, what: &str, expected: &str, got: &str) {
        if expected != got {
            self.found.push(format!("{} {what}: expected {expected}, got {got}", self.stem));
        }
    }

    fn lines(&mut self, map: &Map, decoded: &Decoded<'_>, parsed: &Parsed) {
        for (number, line) in (1..).zip(&decoded.lines) {
            let text = decoded.line_text(line);
            if text.trim().is_empty() {
                continue;
            }
            let wanted: Vec<_> = map.at(number).iter().map(|it| (it.kind, it.owner)).collect();
            let got: Vec<_> = sections_at(parsed, number).iter().map(|it| (it.kind, it.owner)).collect();
            if wanted.len() != 1 || wanted != got {
                let rules: Vec<_> = sections_at(parsed, number).iter().map(|it| it.rule).collect();
                let (wanted, got) = (names(&wanted), names(&got));
                let at = format!("{}:{number}", self.stem);
                self.found.push(format!("{at} expected {wanted}, got {got} by {}: {text}", rules.join(" ")));
            }
        }
        let lines = u32::try_from(decoded.lines.len()).unwrap_or(u32::MAX);
        for range in map.ranges.iter().filter(|it| it.first > it.last || it.first == 0 || it.last > lines) {
            self.found.push(format!("{} map: {range:?} is outside the file's {lines} lines", self.stem));
        }
    }

    fn page(&mut self, map: &Map, decoded: &Decoded<'_>, parsed: &Parsed) {
        let charset = map.values("charset", 0).first().copied().unwrap_or("utf-8");
        self.push("charset", charset, parsed.charset);
        self.push(
            "related count",
            map.values("related", 0).join(" ").as_str(),
            &parsed.related.len().to_string(),
        );
        let kinds = [SectionKind::RelatedItem, SectionKind::InlineRelated];
        let listed = mapped_lines(map, decoded, &kinds, None);
        self.push("link count", &listed.len().to_string(), &parsed.links.len().to_string());
        for (line, link) in listed.iter().zip(&parsed.links) {
            if link.title.is_empty() || !line.trim_end().ends_with(&link.title) {
                self.push("link title", &format!("the end of {line:?}"), &format!("{:?}", link.title));
            }
        }
    }

    fn article(&mut self, map: &Map, decoded: &Decoded<'_>, owner: u32, article: &Article) {
        let headline = article.headline.as_deref().filter(|_| !article.headline_inferred);
        self.field(map, owner, "headline", headline.into_iter().collect());
        self.date(map, owner, "date", article.published.as_ref());
        self.date(map, owner, "modified", article.modified.as_ref());
        self.field(map, owner, "keyword", article.keywords.iter().map(String::as_str).collect());
        self.field(map, owner, "byline", attributed(article, &[AttributionRole::Byline]));
        let roles = [AttributionRole::Aggregator, AttributionRole::Publisher, AttributionRole::Agency];
        let mut named: Vec<_> = map.values("source", owner);
        named.extend(map.values("credit", owner));
        let mut got = attributed(article, &roles);
        for names in [&mut named, &mut got] {
            names.sort_unstable();
            names.dedup();
        }
        self.push(&format!("owner {owner} source and credit"), &format!("{named:?}"), &format!("{got:?}"));
        let standfirst = mapped_lines(map, decoded, &[SectionKind::Standfirst], Some(owner));
        let got_standfirst: Vec<_> = article.standfirst.iter().collect();
        self.push("standfirst", &format!("{standfirst:?}"), &format!("{got_standfirst:?}"));
        let kinds = [SectionKind::Body, SectionKind::Subheading, SectionKind::RelatedBody];
        let body = mapped_lines(map, decoded, &kinds, Some(owner)).join("\n");
        if body != article.body {
            let (wanted, got) = (body.chars().count(), article.body.chars().count());
            self.found
                .push(format!("{} owner {owner} body: {wanted} characters expected, got {got}", self.stem));
        }
        let tag = self.stem.split('_').next().unwrap_or_default();
        self.push(&format!("owner {owner} language"), tag, article.language.tag);
    }

    fn field(&mut self, map: &Map, owner: u32, name: &str, got: Vec<&str>) {
        let wanted = map.values(name, owner);
        self.push(&format!("owner {owner} {name}"), &format!("{wanted:?}"), &format!("{got:?}"));
    }

    /// The map may say less than the parse (`2024-07-03` for `2024-07-03T12:02`), never something else.
    fn date(&mut self, map: &Map, owner: u32, name: &str, got: Option<&DateValue>) {
        let wanted = map.values(name, owner);
        let value = got.map(|it| it.value.as_str());
        let agrees = match (wanted.as_slice(), value) {
            ([], None) => true,
            ([prefix], Some(value)) => value.starts_with(prefix),
            (_, _) => false,
        };
        if !agrees {
            self.push(&format!("owner {owner} {name}"), &format!("{wanted:?}"), &format!("{value:?}"));
        }
    }
}

fn sections_at(parsed: &Parsed, line: u32) -> Vec<&Section> {
    parsed.sections.iter().filter(|it| (it.line_start..=it.line_end).contains(&line)).collect()
}

fn names(found: &[(SectionKind, u32)]) -> String {
    if found.is_empty() {
        return "nothing".to_owned();
    }
    let each: Vec<_> = found.iter().map(|(kind, owner)| format!("{} {owner}", kind.name())).collect();
    each.join(" and ")
}

fn attributed<'a>(article: &'a Article, roles: &[AttributionRole]) -> Vec<&'a str> {
    let of_role = article.attribution.iter().filter(|it| roles.contains(&it.role));
    of_role.map(|it| it.name.as_str()).collect()
}

/// The non-blank lines that the map gives one of these kinds, of one article or of all.
fn mapped_lines(map: &Map, decoded: &Decoded<'_>, kinds: &[SectionKind], owner: Option<u32>) -> Vec<String> {
    let wanted = |range: &&MapRange| kinds.contains(&range.kind) && owner.is_none_or(|it| it == range.owner);
    let mut found = Vec::new();
    for (number, line) in (1..).zip(&decoded.lines) {
        let text = decoded.line_text(line);
        if !text.trim().is_empty() && map.at(number).iter().any(wanted) {
            found.push(text.to_owned());
        }
    }
    found
}
