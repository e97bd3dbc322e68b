//! What a line looks like, without knowing what its words mean: length, how it ends, bullets.
//!
//! Layout is decided by shape first. A headline is short and does not end like a sentence; a paragraph is long or ends like one
//! (formats.md 3.5). Lengths are in characters, weighted so that a CJK character counts as two: it says as much as two letters.

use crate::pairs;

/// Longest headline or list item, in weighted characters.
pub(crate) const HEADLINE_MAX: usize = 150;
/// A line longer than this is a paragraph whatever it ends with.
pub(crate) const PARAGRAPH_MIN: usize = 125;
/// Shorter lines are no headline.
const HEADLINE_MIN: usize = 6;

/// The outline of one trimmed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Weighted characters.
    pub(crate) chars: usize,
    /// How the line ends.
    pub(crate) ending: Ending,
    /// Bytes of bullet and space before the first word; 0 when there is no bullet.
    pub(crate) bullet_bytes: usize,
}

/// How a line ends, looked at behind closing quotes and brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With `.`, `!` or their like: a sentence.
    Stop,
    /// With a colon: it introduces what follows.
    Colon,
    /// With `?`: a sentence or a headline.
    Question,
    /// With `…` or `..`: cut off.
    Ellipsis,
    /// With none of these.
    Open,
}

impl Shape {
    /// The shape of `line`, which has no white space around it.
    pub(crate) fn of(line: &str) -> Self {
        Self { chars: weighted_chars(line), ending: Ending::of(line), bullet_bytes: bullet_bytes(line) }
    }

    /// Long, or ending like a sentence or an introduction.
    pub(crate) fn is_paragraph(&self) -> bool {
        self.chars > PARAGRAPH_MIN || matches!(self.ending, Ending::Stop | Ending::Colon)
    }

    /// Short enough for a headline, and not ending like a sentence.
    pub(crate) fn is_headline(&self) -> bool {
        (HEADLINE_MIN..=HEADLINE_MAX).contains(&self.chars)
            && matches!(self.ending, Ending::Open | Ending::Question | Ending::Ellipsis)
    }

    /// An item of a list: bulleted, or like a headline and shorter than a paragraph.
    pub(crate) fn is_item(&self) -> bool {
        self.bullet_bytes > 0 || (self.is_headline() && !self.is_paragraph())
    }
}

impl Ending {
    /// How `line` ends.
    pub(crate) fn of(line: &str) -> Self {
        let closers = ['"', '\'', '”', '“', '’', '»', '«', ')', ']', '」', '』'];
        let bare =
            line.trim_end_matches(|c: char| closers.contains(&c) || is_invisible(c) || c.is_whitespace());
        if bare.ends_with("..") {
            return Self::Ellipsis;
        }
        match bare.chars().next_back() {
            Some('.' | '!' | '۔' | '。' | '！' | '।' | '．') => Self::Stop,
            Some(':' | '：') => Self::Colon,
            Some('?' | '؟' | '？') => Self::Question,
            Some('…') => Self::Ellipsis,
            _ => Self::Open,
        }
    }
}

/// Characters, a CJK one counting twice. Long lines are counted by their bytes: one that long is a paragraph in every script.
fn weighted_chars(line: &str) -> usize {
    const SURELY_LONG_BYTES: usize = 4 * HEADLINE_MAX * 2;
    if line.len() > SURELY_LONG_BYTES {
        return line.len() / 4;
    }
    let wide = pairs::count_bytes(line.as_bytes(), |lead| (0xE3..0xF0).contains(&lead));
    line.chars().count() + wide
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Bytes of a leading bullet (`•`, `-`, `*`, `1.` are the common ones; numbers are left alone, headlines start with them).
fn bullet_bytes(line: &str) -> usize {
    const BULLETS: [char; 14] = ['•', '·', '▪', '■', '●', '◾', '◼', '►', '▶', '‣', '○', '◦', '*', '-'];
    let rest = line.trim_start_matches(|c: char| BULLETS.contains(&c) || is_invisible(c));
    if rest.len() == line.len() {
        return 0;
    }
    let text = rest.trim_start();
    // A dash glued to its word is a dateline or a dialogue, not a bullet.
    if text.len() == rest.len() && line.starts_with(['-', '*']) { 0 } else { line.len() - text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_seen_behind_quotes() {
        for (line, ending) in [
            ("قال \"نعم\".", Ending::Stop),
            ("وقال: “نعم.”", Ending::Stop),
            ("تفاصيل..", Ending::Ellipsis),
            ("ماذا حدث؟", Ending::Question),
            ("وأضاف:", Ending::Colon),
            ("港は開く。", Ending::Stop),
            ("عنوان", Ending::Open),
            ("", Ending::Open),
        ] {
            assert_eq!(Shape::of(line).ending, ending, "{line}");
        }
    }

    #[test]
    fn bullets_are_measured_and_dashes_in_datelines_are_not() {
        assert_eq!(Shape::of("• خبر").bullet_bytes, "• ".len());
        assert_eq!(Shape::of("- خبر").bullet_bytes, 2);
        assert_eq!(Shape::of("-خبر").bullet_bytes, 0);
        assert_eq!(Shape::of("خبر").bullet_bytes, 0);
    }

    #[test]
    fn length_decides_between_headline_and_paragraph() {
        assert!(Shape::of("ميناء جديد يفتح أبوابه").is_headline());
        assert!(!Shape::of("ميناء جديد يفتح أبوابه.").is_headline());
        assert!(Shape::of(&"كلمة ".repeat(30)).is_paragraph());
        assert!(Shape::of(&"港".repeat(70)).is_paragraph());
        assert!(Shape::of(&"word ".repeat(1000)).is_paragraph());
        assert!(!Shape::of("قال").is_headline());
    }
}
