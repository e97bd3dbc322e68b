//! A document's key: its path below the source's root as text, byte for byte, and back.
//!
//! File names are bytes. Those that are UTF-8 stand as they are; any other byte is written `%XX`, and so `%` itself is `%25`: no two
//! paths share a key, and every key leads back to its path.

use std::borrow::Cow;

/// Appends the key of one name (or path) to `key`.
pub(crate) fn push_name(key: &mut String, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        let mut parts = chunk.valid().split('%');
        key.push_str(parts.next().unwrap_or_default());
        for part in parts {
            key.push_str("%25");
            key.push_str(part);
        }
        for byte in chunk.invalid() {
            push_escaped(key, *byte);
        }
    }
}

/// The path that a key was made from.
pub(crate) fn path_of(key: &str) -> Cow<'_, [u8]> {
    if !key.contains('%') {
        return Cow::Borrowed(key.as_bytes());
    }
    let mut path = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2).and_then(|digits| str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escaped {
            path.push(byte);
            rest = &after[2..];
        } else {
            path.push(first);
            rest = after;
        }
    }
    Cow::Owned(path)
}

/// Appends a path to a `file://` address. Letters of every script stay readable; what an address cannot hold is written `%XX`.
pub(crate) fn push_uri_path(uri: &mut String, path: &[u8]) {
    for chunk in path.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_ascii() && !letter.is_ascii_graphic() || "%#?\"<>\\^`{|}".contains(letter) {
                push_escaped(uri, letter as u8);
            } else {
                uri.push(letter);
            }
        }
        for byte in chunk.invalid() {
            push_escaped(uri, *byte);
        }
    }
}

fn push_escaped(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &[u8]) -> String {
        let mut key = String::new();
        push_name(&mut key, path);
        key
    }

    #[test]
    fn every_path_has_a_key_of_its_own_and_comes_back() {
        let paths: [&[u8]; 7] = [
            b"a/b.txt",
            "أخبار/خبر.txt".as_bytes(),
            b"caf\xe9.txt",
            b"caf%E9.txt",
            b"100%.txt",
            b"\xff\xfe%\xff",
            b"%25",
        ];
        let keys: Vec<_> = paths.iter().map(|path| key(path)).collect();
        for (path, key) in paths.iter().zip(&keys) {
            assert_eq!(&*path_of(key), *path, "{key}");
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1, "{key}");
        }
        assert_eq!(key(b"caf\xe9.txt"), "caf%E9.txt");
        assert_eq!(key("أخبار".as_bytes()), "أخبار");
    }

    #[test]
    fn an_address_has_no_fragment_or_space_of_the_files_own() {
        let mut uri = String::new();
        push_uri_path(&mut uri, "a b#1/خبر\u{7f}%?.txt".as_bytes());
        assert_eq!(uri, "a%20b%231/خبر%7F%25%3F.txt");
    }
}
