//! What comes of a reading: a document, a rejected input, or a fault that is no verdict.

use barid_record::{Collector, Hints, RawDocument, Reason, RecordId, Rejected, Topic, document_id};
use bytes::Bytes;
use rustix::io::Errno;

use crate::checkpoint::files_prefix;
use crate::intake::{Current, Intake};
use crate::metrics::ReadFault;
use crate::outbox::Oversize;
use crate::read::Reading;
use crate::stamp::PathId;

/// Something to hand to the log.
pub(crate) struct Delivery {
    pub(crate) body: Bytes,
    /// SHA-256 of `body`, or of all of an input that is not kept whole.
    pub(crate) sha256: [u8; 32],
    /// SHA-256 of all that was read for it, hints included: another one is another delivery.
    pub(crate) read_sha256: [u8; 32],
    pub(crate) hints: Hints,
    pub(crate) refused: Option<Refusal>,
}

/// Why it is no document.
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) detail: String,
    pub(crate) dropped_bytes: u64,
}

impl Refusal {
    /// The log would not take its message.
    fn of_size(oversize: Oversize) -> Self {
        let Oversize { bytes, limit_bytes } = oversize;
        let detail = format!("a message of {bytes} bytes with its headers; the log takes {limit_bytes}");
        Self { reason: Reason::TooLarge, detail, dropped_bytes: 0 }
    }
}

impl Delivery {
    pub(crate) fn of_file(reading: Reading<'_>, sha256: [u8; 32]) -> Self {
        match reading {
            Reading::Text { text, .. } => Self {
                body: Bytes::copy_from_slice(text),
                sha256,
                read_sha256: sha256,
                hints: Hints::default(),
                refused: None,
            },
            Reading::Refused { reason, detail, kept, dropped_bytes, .. } => Self {
                body: Bytes::copy_from_slice(kept),
                sha256,
                read_sha256: sha256,
                hints: Hints::default(),
                refused: Some(Refusal { reason, detail, dropped_bytes }),
            },
        }
    }
}

impl Intake<'_> {
    /// Hands a document over, or a rejected input, under that key.
    pub(crate) fn deliver(
        &mut self,
        current: &Current<'_>,
        key: &str,
        collector: Collector,
        line: Option<u64>,
        delivery: Delivery,
    ) {
        let source = &self.sources[current.source];
        let record_id = || RecordId::main(&source.config.id, key);
        let span = tracing::debug_span!("document", source = %source.config.id, record_id = %record_id());
        let _entered = span.enter();
        let mut uri = source.uri(current.found.key);
        if let Some(line) = line {
            uri.push_str(&format!("#L{line}"));
        }
        let document = RawDocument {
            id: document_id(&source.config.id, key, &delivery.read_sha256),
            source_id: source.config.id.clone(),
            key: key.to_owned(),
            uri,
            collector,
            observed_at_ms: current.now_ms,
            // JSON is UTF-8.
            charset: if line.is_some() { Some("utf-8".to_owned()) } else { source.config.charset.clone() },
            content_type: None,
            hints: delivery.hints,
            raw_sha256: delivery.sha256,
            body: delivery.body,
        };
        let topic = if source.config.backfill { Topic::Backfill } else { Topic::Raw };
        let sent = match delivery.refused {
            Some(refusal) => Err(refusal),
            None => self.outbox.document(topic, &document).map_err(Refusal::of_size),
        };
        match sent {
            Ok(()) => {
                let bytes = document.body.len() as u64;
                tracing::debug!(bytes, "read");
                self.summary.documents += 1;
                self.summary.document_bytes += bytes;
                source.documents.inc();
                self.around.metrics.document_bytes.inc_by(bytes);
            }
            Err(Refusal { reason, detail, dropped_bytes }) => {
                tracing::debug!(reason = reason.code(), detail, "rejected");
                self.summary.rejected += 1;
                let metrics = self.around.metrics;
                metrics.rejected.with_label_values(&[reason.code()]).inc();
                let rejected = Rejected { reason, detail, position: None, dropped_bytes, document };
                metrics.dropped_bytes.inc_by(self.outbox.rejected(rejected));
            }
        }
    }

    /// A file that could not be read: no verdict, it is tried again at the next scan. One that vanished is no trouble at all.
    pub(crate) fn fault(&mut self, current: &Current<'_>, error: Errno) {
        let fault = ReadFault::of(error);
        if fault != ReadFault::Missing {
            self.count_fault(current.source, current.path, current.found.key, fault, error);
        }
    }

    /// A folder that could not be listed. Only a missing root is worth a word: other folders come and go.
    pub(crate) fn folder_fault(&mut self, source: usize, key: &str, error: Errno) {
        let fault = ReadFault::of(error);
        if fault != ReadFault::Missing || key.is_empty() {
            let mut table_key = files_prefix(&self.sources[source].config.id);
            table_key.extend_from_slice(key.as_bytes());
            self.count_fault(source, PathId::of(&table_key), key, fault, error);
        }
    }

    fn count_fault(&mut self, source: usize, path: PathId, key: &str, fault: ReadFault, error: Errno) {
        /// A broken disk must not flood the log: the metric counts the rest.
        const MOST_WARNINGS: usize = 20;
        self.summary.read_errors += 1;
        self.around.metrics.read_errors.with_label_values(&[fault.name()]).inc();
        if self.failing.insert(path) && self.failing.len() <= MOST_WARNINGS {
            let hint = match fault {
                ReadFault::Loop => {
                    "a link leads back to a folder above it: what is there is read under its own path"
                }
                ReadFault::Permission
                | ReadFault::Missing
                | ReadFault::Io
                | ReadFault::Stale
                | ReadFault::Other => "it is tried again at every scan, nothing of it is lost",
            };
            let config = &self.sources[source].config;
            let path = config.root.join(key);
            tracing::warn!(source = %config.id, path = %path.display(), reason = fault.name(), hint, "cannot read: {error}");
        }
    }
}
