//! Files read whole, with a limit: some files have no end, `/dev/zero` and `/dev/full` among them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a configuration, of a list's authorities or of a file that a configuration names.
pub(crate) const OF_CONFIG: u64 = 16 << 20;
/// Most bytes of a list of feeds: a million of them.
pub(crate) const OF_LIST: u64 = 512 << 20;
/// Most bytes of a document that `parse` and `explain` read.
pub(crate) const OF_DOCUMENT: u64 = 64 << 20;

/// A file, or standard input for `-`.
pub(crate) fn bytes_or_stdin(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if path == Path::new("-") { all(io::stdin().lock(), limit) } else { bytes(path, limit) }
}

/// A file.
///
/// # Errors
/// Those of the system, and [`ErrorKind::FileTooLarge`] for one with more than `limit` bytes.
pub(crate) fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    all(File::open(path)?, limit)
}

/// A file of text.
///
/// # Errors
/// As [`bytes`], and [`ErrorKind::InvalidData`] for what is not UTF-8.
pub(crate) fn text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, limit)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("it is not UTF-8 at byte {at}"))
    })
}

/// Whether a file can be read: its first byte is.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    File::open(path)?.read(&mut [0]).map(drop)
}

fn all(reader: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// What is said of a file with more than `limit` bytes.
pub(crate) fn too_large(limit: u64) -> io::Error {
    io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {limit} bytes, the most that is read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_end_is_refused_by_its_limit() {
        let error = bytes(Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(
            error.kind() == ErrorKind::FileTooLarge && error.to_string().contains("1000 bytes"),
            "{error}"
        );
        assert_eq!(all(&b"1234"[..], 4).unwrap(), b"1234");
        assert!(all(&b"12345"[..], 4).is_err());
        assert!(text(Path::new("/dev/null"), 0).unwrap().is_empty());
    }
}
