//! Standard output and standard error: colour, carets, and nothing a page could smuggle into a terminal.

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

/// True when standard output is a terminal: only there are bidi isolates of use.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints an error with its carets, code and hint.
pub(crate) fn report(error: &CliError) {
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
        let mut text = String::new();
        let report = miette::Report::new(warning.clone()).with_source_code(source.clone());
        if handler().render_report(&mut text, report.as_ref()).is_ok() {
            print(&text);
        }
    }
}

fn handler() -> GraphicalReportHandler {
    let theme = if stderr_color() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme).with_width(100)
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
    use super::harmless;

    #[test]
    fn a_page_cannot_drive_the_terminal() {
        assert_eq!(harmless("خبر\tعاجل"), "خبر عاجل");
        assert_eq!(harmless("a\x1b[31mb\r\n\u{9b}2J"), "a\\u{1b}[31mb\\u{d}\\u{a}\\u{9b}2J");
        assert_eq!(harmless("x\u{202e}y"), "x\\u{202e}y");
        let plain = "نص عادي — “quoted”";
        assert!(matches!(harmless(plain), std::borrow::Cow::Borrowed(_)));
    }
}
