//! A feed's text as people read it: plain text as it is, HTML without its tags, and what may be either by what it looks like.

use barid_feed::{Text, TextKind, without_references};
use html2text::render::TrivialDecorator;

use super::{markup, tags};

/// Wider than any line: text is not wrapped, a paragraph is one line.
const WIDTH: usize = 1 << 24;
/// More of an entry than this is no article.
const MOST_TEXT_BYTES: usize = 8 << 20;

/// What had to be mended, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mends {
    /// Reading the text as HTML would have lost most of its letters.
    pub(super) kept: u64,
    /// It was escaped once too often.
    pub(super) escaped: u64,
    /// It is longer than any article.
    pub(super) cut: u64,
    /// Categories that were left out: too many, or too long.
    pub(super) keywords: u64,
}

impl Mends {
    /// Their names, for metrics.
    pub(super) const NAMES: [&'static str; 4] =
        ["text_kept", "double_escaped", "text_cut", "keywords_left_out"];

    /// Those that were met.
    pub(super) fn list(self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::NAMES
            .into_iter()
            .zip([self.kept, self.escaped, self.cut, self.keywords])
            .filter(|(_, count)| *count > 0)
    }
}

/// A text as people read it.
pub(super) fn words(text: &Text, mends: &mut Mends) -> String {
    match text.kind {
        TextKind::Plain => start_of(text, mends).trim().to_owned(),
        TextKind::Html => of_html(text, true, mends),
        TextKind::Unknown => of_html(text, false, mends),
        TextKind::Data => String::new(),
    }
}

/// Text of which nobody says whether it is HTML, on one line.
pub(super) fn line(text: &str, mends: &mut Mends) -> String {
    one_line(&of_html(text, false, mends))
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// HTML as text: a paragraph a line, an empty line between two; pictures, scripts and styles go. What has no mark of HTML is text already.
pub(super) fn text_of(html: &str) -> String {
    of_html(html, true, &mut Mends::default())
}

fn start_of<'t>(text: &'t str, mends: &mut Mends) -> &'t str {
    mends.cut += u64::from(text.len() > MOST_TEXT_BYTES);
    &text[..text.floor_char_boundary(MOST_TEXT_BYTES)]
}

fn of_html(text: &str, is_html: bool, mends: &mut Mends) -> String {
    let text = start_of(text, mends);
    if !text.contains(['<', '&']) {
        return text.trim().to_owned();
    }
    if tags::is_escaped_html(text) {
        mends.escaped += 1;
        return read(&without_references(text), true, mends);
    }
    let mut text = read(text, is_html, mends);
    if let Some(again) = without_more(&text, is_html) {
        mends.escaped += 1;
        text = again;
    }
    text
}

fn read(text: &str, is_html: bool, mends: &mut Mends) -> String {
    let marks = tags::take_apart(text, is_html);
    let plain = || without_references(&tidy(&marks.plain)).trim().to_owned();
    if marks.tags == 0 || markup::is_hostile(&marks.html) {
        return plain();
    }
    let text = html2text::config::with_decorator(TrivialDecorator::new())
        .raw_mode(true)
        .no_table_borders()
        .allow_width_overflow()
        .string_from_read(marks.html.as_bytes(), WIDTH);
    // What cannot be laid out is told without its tags.
    let Ok(text) = text else { return plain() };
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned();
    if 2 * letters(&text) < letters(&marks.plain) {
        mends.kept += 1;
        return plain();
    }
    text
}

/// Lines without white space around them, and no more than one empty line between two.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Letters and digits, without those of references.
fn letters(text: &str) -> usize {
    let mut count = 0;
    let mut parts = text.split('&');
    count += parts.next().map_or(0, letters_of);
    for part in parts {
        let name = part.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#').count();
        count += letters_of(if part[name..].starts_with(';') { &part[name..] } else { part });
    }
    count
}

fn letters_of(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

/// References that nobody means to show to readers of news: by number, and of text that never was HTML also those of quotes and the like.
const NAMES: [&str; 14] = [
    "amp", "quot", "apos", "nbsp", "lsquo", "rsquo", "ldquo", "rdquo", "laquo", "raquo", "ndash", "mdash",
    "hellip", "shy",
];

/// Text in which references are left, though those of HTML have been read: without them. `None` where none are.
fn without_more(text: &str, is_html: bool) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut is_mended = false;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let reference = end.map(|end| &rest[..=end]).filter(|reference| {
            let name = &reference[1..reference.len() - 1];
            let is_number = name.starts_with('#') && name.len() > 2;
            is_number || (!is_html && NAMES.contains(&name))
        });
        match reference {
            Some(reference) => {
                out.push_str(&without_references(reference));
                is_mended = true;
                rest = &rest[reference.len()..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    is_mended.then_some(out)
}

#[cfg(test)]
mod tests;
