//! Standard output and standard error: colour, carets, and nothing a page could smuggle into a terminal.

pub(crate) mod lines;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::args::Color;
use crate::config::{Loaded, named};
use crate::error::CliError;

/// Settles colour for everything this process prints.
pub(crate) fn choose_color(color: Color) {
    match color {
        Color::Auto => anstream::ColorChoice::Auto,
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// True when standard error shows colour.
pub(crate) fn stderr_color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// Whether scraped text is wrapped in bidi isolates, so that text from right to left moves nothing around it. Only a terminal lays
/// text out; elsewhere the isolates would be bytes that are not in the article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isolate(bool);

impl Isolate {
    /// On a terminal.
    pub(crate) fn for_stdout() -> Self {
        Self(std::io::stdout().is_terminal())
    }

    /// The text, harmless and wrapped.
    pub(crate) fn text(self, text: &str) -> Cow<'_, str> {
        let clean = harmless(text);
        if self.0 && !clean.is_empty() { Cow::Owned(format!("\u{2068}{clean}\u{2069}")) } else { clean }
    }
}

/// At most `letters` of the text, with an ellipsis when there was more.
pub(crate) fn shortened(text: &str, letters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(letters) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
    }
}

/// Prints an error with its carets, code and hint.
pub(crate) fn report(error: &CliError) {
    if lines::is_json() {
        return print(&lines::of_error(error));
    }
    let mut text = String::new();
    if handler().render_report(&mut text, error).is_err() {
        let _ = write!(text, "{error}");
    }
    print(&text);
}

/// Prints the warnings of a configuration.
pub(crate) fn warn(loaded: &Loaded) {
    let source = named(loaded.file.as_deref(), loaded.text.clone());
    for warning in &loaded.warnings {
        if lines::is_json() {
            print(&lines::of_problem(warning, source.name(), &loaded.text));
            continue;
        }
        let mut text = String::new();
        let report = miette::Report::new(warning.clone()).with_source_code(source.clone());
        if handler().render_report(&mut text, report.as_ref()).is_ok() {
            print(&text);
        }
    }
}

fn handler() -> GraphicalReportHandler {
    let theme = if stderr_color() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    // Our messages hold their cause: below them it would stand a second time.
    GraphicalReportHandler::new_themed(theme).with_width(100).without_cause_chain()
}

/// Prints a line for people.
pub(crate) fn message(text: &str) {
    if lines::is_json() {
        return print(&lines::line("INFO", text, serde_json::Map::new()));
    }
    print(&format!("{text}\n"));
}

/// Prints what is wrong with something that was looked at, and what to do.
pub(crate) fn complaint(text: &str, hint: &str) {
    if lines::is_json() {
        let fields = lines::object(serde_json::json!({ "hint": hint }));
        return print(&lines::line("ERROR", text, fields));
    }
    print(&format!("{text}\n  hint: {hint}\n"));
}

/// When standard error is gone there is nobody left to tell.
fn print(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The text with control characters and bidi controls shown as `\u{..}`: scraped text must not move the cursor, recolour the terminal
/// or reorder what stands around it. Tabs become a space.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let harmful = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\t' => clean.push(' '),
            letter if harmful(letter) => clean.extend(letter.escape_unicode()),
            letter => clean.push(letter),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::{Isolate, harmless, shortened};

    #[test]
    fn isolates_are_for_terminals() {
        assert_eq!(Isolate(true).text("خبر"), "\u{2068}خبر\u{2069}");
        assert_eq!(Isolate(false).text("خبر"), "خبر");
        assert_eq!(Isolate(true).text(""), "");
        assert_eq!(shortened("خبر عاجل", 3), "خبر...");
        assert_eq!(shortened("خبر", 3), "خبر");
    }

    #[test]
    fn a_page_cannot_drive_the_terminal() {
        assert_eq!(harmless("خبر\tعاجل"), "خبر عاجل");
        assert_eq!(harmless("a\x1b[31mb\r\n\u{9b}2J"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{9b}2J");
        assert_eq!(harmless("x\u{202e}y"), "x\\u{202e}y");
        let plain = "نص عادي — “quoted”";
        assert!(matches!(harmless(plain), std::borrow::Cow::Borrowed(_)));
    }
}
