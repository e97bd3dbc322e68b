//! Whether a character is a letter, the common ones first: the standard library's own table is a search for all but ASCII.

/// The same answer as [`char::is_alphabetic`].
#[inline]
pub(crate) fn is_letter(c: char) -> bool {
    matches!(c, '\u{0620}'..='\u{064A}') || c.is_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_is_what_the_standard_library_says() {
        let wrong: Vec<char> = ('\0'..=char::MAX).filter(|&c| is_letter(c) != c.is_alphabetic()).collect();
        assert_eq!(wrong, []);
    }
}
