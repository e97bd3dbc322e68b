//! How many words a text has, by the word boundaries of UAX #29.

use unicode_segmentation::UnicodeSegmentation;

/// Words of `text` with a letter or digit in them.
pub(crate) fn count(text: &str) -> u32 {
    u32::try_from(text.unicode_words().count()).unwrap_or(u32::MAX)
}
