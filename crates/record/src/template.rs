//! A record in two steps: parsers write all they know as JSON, deduplication adds the rest as text. The body is serialised once, and not by
//! the one thread that decides.

use serde::Serialize;

use crate::{Dedup, Record, RecordError};

/// What only deduplication and its clock know of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// See [`Record::version`].
    pub version: u32,
    /// See [`Record::first_seen_at`].
    pub first_seen_at: String,
    /// See [`Record::processed_at`].
    pub processed_at: String,
    /// See [`Record::dedup`].
    pub dedup: Dedup,
}

/// More than [`Decided`] takes as JSON: its ids and times are of fixed length, its words short.
const DECIDED_BYTES: usize = 512;

impl Record {
    /// One line of JSON, without its LF, that lacks what a [`Decided`] holds. Not a record yet: [`Decided::complete`] makes it one.
    ///
    /// # Errors
    ///
    /// As [`Record::to_json`].
    pub fn into_template(mut self) -> Result<Vec<u8>, RecordError> {
        // What is unknown is not written: see the fields.
        self.version = 0;
        self.first_seen_at.clear();
        self.processed_at.clear();
        self.dedup.cluster_id.clear();
        self.to_json()
    }
}

impl Decided {
    /// The record's line of JSON, without its LF.
    ///
    /// # Errors
    ///
    /// [`RecordError::NoTemplate`] when that is not what [`Record::into_template`] writes, as far as its borders tell.
    pub fn complete(&self, template: &[u8]) -> Result<Vec<u8>, RecordError> {
        // A template is never `{}`: the comma always follows a field.
        let open = template
            .strip_suffix(b"}")
            .filter(|open| open.starts_with(b"{\""))
            .ok_or(RecordError::NoTemplate { bytes: template.len() })?;
        let mut line = Vec::with_capacity(open.len() + DECIDED_BYTES);
        line.extend_from_slice(open);
        let join = line.len();
        serde_json::to_writer(&mut line, self)?;
        // Its opening brace stands where the comma belongs.
        line[join] = b',';
        Ok(line)
    }
}

/// For `skip_serializing_if`: the version of a template.
pub(crate) fn is_undecided(version: &u32) -> bool {
    *version == 0
}

/// For `skip_serializing_if`: the dedup of a template.
pub(crate) fn names_no_cluster(dedup: &Dedup) -> bool {
    dedup.cluster_id.is_empty()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::{Hashes, Kind, Origin, Provenance, Quality, RecordId, SCHEMA_VERSION, Source, Verdict};

    fn record(body: &str) -> Record {
        let record_id = RecordId::main("s", "k");
        let text = |text: &'static str| Cow::Borrowed(text);
        Record {
            schema_version: text(SCHEMA_VERSION),
            record_id,
            version: 7,
            kind: Kind::Article,
            parent_record_id: None,
            position: None,
            headline: Some("{\"version\":1}".into()),
            headline_inferred: false,
            summary: None,
            body_text: body.into(),
            char_count: 1,
            word_count: 1,
            language: text("ar"),
            language_origin: Origin::Source,
            language_confidence: 0.5,
            published_at: None,
            published_raw: Some("yesterday".into()),
            modified_at: None,
            modified_raw: None,
            observed_at: "2031-09-05T00:00:00.000Z".into(),
            first_seen_at: "2031-09-05T00:00:00.001Z".into(),
            processed_at: "2031-09-05T00:00:00.002Z".into(),
            attribution: Vec::new(),
            keywords: vec!["k".into()],
            keyword_origins: vec![Origin::Source],
            keywords_raw: None,
            related: Vec::new(),
            removed: Vec::new(),
            source: Source {
                source_id: "s".into(),
                key: "k".into(),
                collector: text("file"),
                uri: "file:///k".into(),
                url: None,
                canonical_url: None,
                guid: Some("g".into()),
                content_type: None,
                charset: text("utf-8"),
                charset_source: text("utf8"),
                bytes: 1,
            },
            hashes: Hashes {
                raw_sha256: "00".into(),
                content_sha256: "01".into(),
                body_sha256: "02".into(),
                headline_sha256: None,
                normalizer: text("barid-norm-1"),
            },
            dedup: Dedup {
                verdict: Verdict::ExactCopy,
                method: text("body_sha256"),
                similarity: Some(1.0),
                canonical_record_id: record_id,
                cluster_id: record_id.cluster(),
            },
            provenance: Provenance {
                document_id: "d".into(),
                pipeline_version: text("0"),
                rules_version: text("0"),
                topic: Some(text("barid.raw")),
                partition: Some(0),
                offset: Some(7),
                page: None,
            },
            quality: Quality { coverage: 1.0, confidence: 0.1, warnings: Vec::new() },
            sections: Vec::new(),
        }
    }

    fn decided(record: &Record) -> Decided {
        Decided {
            version: record.version,
            first_seen_at: record.first_seen_at.clone(),
            processed_at: record.processed_at.clone(),
            dedup: record.dedup.clone(),
        }
    }

    #[test]
    fn a_completed_template_is_the_record_whatever_its_text_holds() {
        for body in ["", "نص", "a\n\"b\"}", "}", ",\"version\":3}", "\u{2028}\\"] {
            let record = record(body);
            let template = record.clone().into_template().expect("written");
            assert!(Record::from_json(&template).is_err(), "a template must not pass for a record");
            assert!(!template.contains(&b'\n'));
            let line = decided(&record).complete(&template).expect("a template");
            assert_eq!(Record::from_json(&line).expect("a record"), record, "{body:?}");
            assert!(line.len() < template.len() + DECIDED_BYTES);
        }
    }

    #[test]
    fn a_record_of_the_first_shape_is_read() {
        let mut old: serde_json::Value =
            serde_json::from_slice(&record("").to_json().expect("written")).expect("JSON");
        let attribution =
            r#"[{"role":"agency","name":"n","raw":"(n)","byte_start":3,"byte_end":6,"confidence":0.9}]"#;
        old["attribution"] = serde_json::from_str(attribution).expect("JSON");
        old["schema_version"] = "1.0.0".into();
        let fields = old.as_object_mut().expect("an object");
        for new in ["language_origin", "published_raw", "keyword_origins"] {
            assert!(fields.remove(new).is_some(), "{new}");
        }
        let read = Record::from_json(old.to_string().as_bytes()).expect("a record");
        assert_eq!((read.language_origin, read.attribution[0].origin), (Origin::Text, Origin::Text));
        assert_eq!((read.attribution[0].byte_start, read.attribution[0].byte_end), (Some(3), Some(6)));
    }

    #[test]
    fn what_is_no_template_is_refused() {
        let decided = decided(&record(""));
        for wrong in [b"".as_slice(), b"{", b"}", b"{}", b"[1]", b"{\"a\":1", b"\"a\":1}"] {
            let error = decided.complete(wrong).expect_err("no template");
            assert!(matches!(error, RecordError::NoTemplate { bytes } if bytes == wrong.len()), "{error}");
        }
    }
}
