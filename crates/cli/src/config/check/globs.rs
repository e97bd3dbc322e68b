//! Globs and fields of folders: those that never match, and files that two sources would read.

use globset::{GlobBuilder, GlobMatcher};

use crate::config::files::{FieldMap, FileSource, Format};
use crate::config::findings::Findings;

pub(super) fn check(sources: &[FileSource], found: &mut Findings<'_>) {
    for (index, source) in sources.iter().enumerate() {
        let key = |key: &str| format!("files[{index}].{key}");
        for list in ["include", "exclude"] {
            let globs = if list == "include" { &source.include } else { &source.exclude };
            for (place, glob) in globs.iter().enumerate() {
                if let Some(why) = never_matches(glob) {
                    let hint = "globs are below `path`, such as \"**/*.txt\" or \"2026/*.txt\"";
                    found.error(
                        "E0108",
                        &format!("{}[{place}]", key(list)),
                        format!("`{glob}` never matches: {why}"),
                        hint,
                    );
                }
            }
        }
        let all_out = |glob: &String| {
            source.exclude.iter().any(|out| out == glob || matches!(out.as_str(), "**" | "**/*" | "**/**"))
        };
        if !source.include.is_empty() && source.include.iter().all(all_out) {
            found.error(
                "E0108",
                &key("exclude"),
                "it takes out everything that `include` names",
                "exclude less than that",
            );
        }
        if source.format == Format::Text && found.is_written(&key("fields")) {
            let hint = "set `format = \"jsonl\"`, or take the fields out";
            found.warning(
                "E0105",
                &key("fields.text"),
                "fields are those of JSON Lines; `format` is \"text\"",
                hint,
            );
        }
        fields(&source.fields, index, found);
    }
}

fn never_matches(glob: &str) -> Option<&'static str> {
    let part = |name: &str| glob.split('/').any(|part| part == name);
    if glob.is_empty() {
        Some("it is empty")
    } else if glob.starts_with('/') {
        Some("it begins with `/`")
    } else if part(".") || part("..") {
        Some("no file's path below the folder has `.` or `..` in it")
    } else if glob.ends_with('/') {
        Some("it ends with `/`: that is a folder")
    } else {
        None
    }
}

/// Dotted paths must have a name in each part, and no two keys the same one.
fn fields(map: &FieldMap, index: usize, found: &mut Findings<'_>) {
    let FieldMap { text, headline, published, url, id, author, publisher, language } = map;
    let optional = [
        ("headline", headline),
        ("published", published),
        ("url", url),
        ("id", id),
        ("author", author),
        ("publisher", publisher),
        ("language", language),
    ];
    let mapped = optional.into_iter().filter_map(|(key, path)| Some((key, path.as_deref()?)));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (key, path) in
        std::iter::once(("text", text.as_str())).chain(mapped).filter(|(_, path)| !path.is_empty())
    {
        let full = format!("files[{index}].fields.{key}");
        if path.split('.').any(str::is_empty) {
            let why = format!("`{path}` has a part without a name: no line has such a field");
            found.error("E0105", &full, why, "names with dots between them, such as \"article.body\"");
        }
        let is_text = |other: &str| other == "text" || key == "text";
        if let Some((other, _)) = seen.iter().find(|(other, taken)| *taken == path && is_text(other)) {
            let why = format!("`{path}` is mapped as `{other}` already");
            found.warning("E0118", &full, why, "give each its own field, or leave it out");
        }
        seen.push((key, path));
    }
}

/// A path that both sources would read, when `inner` lies at `below` in the folder of `outer` ("" where both have one folder).
pub(in crate::config) fn shared_file(outer: &FileSource, inner: &FileSource, below: &str) -> Option<String> {
    inner.include.iter().find_map(|glob| {
        let name = example(glob)?;
        let seen = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        (reads(inner, &name) && reads(outer, &seen)).then_some(name)
    })
}

fn reads(source: &FileSource, path: &str) -> bool {
    let any =
        |globs: &[String]| globs.iter().filter_map(|glob| matcher(glob)).any(|glob| glob.is_match(path));
    any(&source.include) && !any(&source.exclude)
}

fn matcher(glob: &str) -> Option<GlobMatcher> {
    Some(GlobBuilder::new(glob).literal_separator(true).build().ok()?.compile_matcher())
}

/// A path that the glob matches, made of the glob itself.
fn example(glob: &str) -> Option<String> {
    let mut path = String::new();
    let mut letters = glob.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => {
                while letters.next_if_eq(&'*').is_some() {}
                path.push('x');
            }
            '?' => path.push('x'),
            '[' => {
                let inside: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                path.extend(inside.chars().find(|letter| !matches!(letter, '!' | '^')));
            }
            '{' => {
                let inside: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                path.push_str(&example(inside.split(',').next().unwrap_or_default())?);
            }
            '\\' => path.extend(letters.next()),
            letter => path.push(letter),
        }
    }
    matcher(glob)?.is_match(&path).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_of_a_glob_is_made_of_it() {
        for glob in ["**/*.txt", "*.jsonl", "2026-??/page[0-9].html", "{a,b}/*", "plain.txt", "a/**"] {
            assert!(example(glob).is_some(), "{glob}");
        }
    }

    #[test]
    fn globs_that_never_match_are_known() {
        for bad in ["", "/srv/*.txt", "./*.txt", "../x/*.txt", "a/../*.txt", "old/"] {
            assert!(never_matches(bad).is_some(), "{bad}");
        }
        assert_eq!((never_matches("**/*.txt"), never_matches("a.b/..c")), (None, None));
    }
}
