//! What a sample becomes on its way through the parse stage, as stable, readable JSON: the records of `barid parse --json`, with every
//! value fixed that tells when or by which build they were made.

use std::borrow::Cow;

use barid_record::{Collector, Hints, RawDocument, Record, document_id};

use crate::{Sample, SampleError};

/// The only source of the samples.
const SOURCE: &str = "seeds";
/// When the samples are said to be noticed and processed: 1 January 2025, noon UTC.
const NOW_MS: i64 = 1_735_732_800_000;

/// The records of one sample, main first, as indented JSON ended by one newline; the same parse gives the same bytes.
pub fn golden_json(sample: &Sample) -> Result<String, SampleError> {
    let mut records = barid_stage::offline(&raw_document(sample), NOW_MS)
        .map_err(|it| SampleError::Rejected { path: sample.path.clone(), detail: it.detail })?;
    for record in &mut records {
        forget_build(record);
    }
    let unwritable = |source| SampleError::Unwritable { path: sample.path.clone(), source };
    let json = serde_json::to_string_pretty(&records).map_err(unwritable)?;
    Ok(json + "\n")
}

fn raw_document(sample: &Sample) -> RawDocument {
    let key = format!("{}.txt", sample.stem);
    let raw_sha256 = barid_core::raw_sha256(&sample.bytes);
    RawDocument {
        id: document_id(SOURCE, &key, &raw_sha256),
        source_id: SOURCE.to_owned(),
        uri: format!("file:///{SOURCE}/{key}"),
        key,
        collector: Collector::File,
        observed_at_ms: NOW_MS,
        charset: None,
        content_type: None,
        hints: Hints::default(),
        raw_sha256,
        body: sample.bytes.clone().into(),
    }
}

/// A new version number alone must not change fifty goldens.
fn forget_build(record: &mut Record) {
    record.provenance.pipeline_version = Cow::Borrowed("any");
}
