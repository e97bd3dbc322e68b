//! One file read outside the log: what `parse` and `explain` work on.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use barid_record::{Collector, Hints, RawDocument, document_id};

use crate::error::CliError;
use crate::input;

/// The source id of documents that were named on the command line.
const SOURCE: &str = "parse";

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Reads a file, or standard input for `-`, as a document noticed at `now_ms`. Its key is the path as typed.
pub(super) fn read(path: &Path, charset: Option<&str>, now_ms: i64) -> Result<RawDocument, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let is_stdin = path == Path::new("-");
    let body = input::bytes_or_stdin(path, input::OF_DOCUMENT).map_err(failed)?;
    let key = path.to_string_lossy().into_owned();
    let raw_sha256 = barid_core::raw_sha256(&body);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(RawDocument {
        id: document_id(SOURCE, &key, &raw_sha256),
        source_id: SOURCE.to_owned(),
        uri: if is_stdin { "stdin:".to_owned() } else { format!("file://{}", absolute.display()) },
        key,
        collector: Collector::File,
        observed_at_ms: now_ms,
        charset: charset.map(str::to_owned),
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body: body.into(),
    })
}
