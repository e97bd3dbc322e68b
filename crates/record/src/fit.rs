//! Makes a rejected input small enough for its topic: the log must take it, whatever it is.

use crate::{Hints, Rejected};

/// Paths and details may be this long where room is short.
const SHORT_BYTES: usize = 1024;

impl Rejected {
    /// Shortens a rejected input until its message takes at most `limit` bytes: `measure` tells what it takes without its body. First what
    /// was collected beside the body goes, where that takes half of the room or more, then the ends of over-long names and details, then the
    /// end of the body. What is taken of the input is counted in `dropped_bytes`.
    pub fn fit(&mut self, limit: usize, measure: &dyn Fn(&Self) -> usize) {
        if measure(self) + self.document.body.len() <= limit {
            return;
        }
        if measure(self) > limit / 2 {
            self.dropped_bytes += hint_bytes(&self.document.hints);
            self.document.hints = Hints::default();
        }
        if measure(self) > limit / 2 {
            for text in [&mut self.detail, &mut self.document.uri, &mut self.document.key] {
                text.truncate(text.floor_char_boundary(SHORT_BYTES));
            }
        }
        // With the longest count of dropped bytes there is.
        let counted = Self { dropped_bytes: u64::MAX, ..self.clone() };
        let body = &mut self.document.body;
        let room = limit.saturating_sub(measure(&counted)).min(body.len());
        self.dropped_bytes += (body.len() - room) as u64;
        // A copy: a slice would keep the whole input in memory for as long as the message waits.
        *body = bytes::Bytes::copy_from_slice(&body[..room]);
    }
}

fn hint_bytes(hints: &Hints) -> u64 {
    // Every field by its name: the compiler asks about a new one.
    let Hints {
        headline,
        published,
        url,
        author,
        publisher,
        language,
        keywords,
        modified,
        guid,
        canonical_url,
        page,
    } = hints;
    let parts = [headline, published, url, author, publisher, language, modified, guid, canonical_url, page];
    parts.into_iter().flatten().chain(keywords).map(|part| part.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Collector, RawDocument, Reason};

    fn rejected(headline: usize, path: usize, body: usize) -> Rejected {
        Rejected {
            reason: Reason::TooLarge,
            detail: "long".into(),
            position: None,
            dropped_bytes: 7,
            document: RawDocument {
                id: "d".into(),
                source_id: "files".into(),
                key: "مسار".repeat(path / 8),
                uri: "x".repeat(path),
                collector: Collector::File,
                observed_at_ms: 0,
                charset: None,
                content_type: None,
                hints: Hints { headline: Some("h".repeat(headline)), ..Hints::default() },
                raw_sha256: [0; 32],
                body: Bytes::from(vec![b'b'; body]),
            },
        }
    }

    fn measure(rejected: &Rejected) -> usize {
        rejected.headers().iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    #[test]
    fn the_least_is_taken_that_lets_it_fit() {
        const LIMIT: usize = 10_000;
        for (headline, path, body) in [
            (0, 0, 9_000),
            (0, 0, 10_000),
            (100, 100, 1 << 20),
            (20_000, 100, 300),
            (20_000, 100, 1 << 20),
            (20_000, 20_000, 1 << 20),
            (4_000, 4_000, 5_000),
        ] {
            let before = rejected(headline, path, body);
            let mut after = before.clone();
            after.fit(LIMIT, &measure);
            let bytes = measure(&after) + after.document.body.len();
            assert!(bytes <= LIMIT, "{headline} {path} {body}: {bytes}");
            assert!(before.document.body.starts_with(&after.document.body));
            assert!(before.document.key.starts_with(&after.document.key));
            let kept = hint_bytes(&after.document.hints) + after.document.body.len() as u64;
            assert_eq!(
                kept + after.dropped_bytes,
                (headline + body) as u64 + 7,
                "every byte is kept or counted"
            );
            let fits = measure(&before) + before.document.body.len() <= LIMIT;
            assert_eq!(fits, before == after, "{headline} {path} {body}");
            assert!(
                fits || bytes > LIMIT / 2 || after.document.body == before.document.body,
                "no more than needed"
            );
        }
    }
}
