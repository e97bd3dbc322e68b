//! Files read whole, with a limit: some files have no end, `/dev/zero` and `/dev/full` among them.

use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read};
use std::path::Path;

/// Most bytes of a configuration, of a list's authorities or of a file that a configuration names.
pub(crate) const OF_CONFIG: u64 = 16 << 20;
/// Most bytes of a line of a file of records: what the log holds.
pub(crate) const OF_RECORD: u64 = 512 << 20;
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

/// Visits each line, without its end. `failed` words the system's errors, and [`ErrorKind::FileTooLarge`] for a line with more than `limit` bytes.
///
/// # Errors
/// Those, and those of `visit`.
pub(crate) fn each_line<E>(
    mut reader: impl BufRead,
    limit: u64,
    failed: impl Fn(io::Error) -> E,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(limit.saturating_add(1)).read_until(b'\n', &mut line);
        if read.map_err(&failed)? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 > limit {
            return Err(failed(too_large(limit)));
        }
        visit(&line)?;
    }
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
    fn a_line_without_an_end_is_refused_and_every_other_one_is_visited() {
        let mut seen = Vec::new();
        let mut visit = |line: &[u8]| -> io::Result<()> {
            seen.push(line.to_vec());
            Ok(())
        };
        each_line(&b"one\n\nlast"[..], 4, |error| error, &mut visit).unwrap();
        assert!(each_line(&b"ok\nlonger\n"[..], 4, |error| error, &mut visit).is_err());
        assert_eq!(seen, [&b"one"[..], b"", b"last", b"ok"]);
    }

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
