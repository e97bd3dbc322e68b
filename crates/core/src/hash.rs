//! The hashes of the recipe `barid-norm-1`, and the rule that says when a body is evidence of a copy.
//!
//! ```text
//! field          = length in bytes (u64, little endian), then the folded words
//! body_sha256     = SHA-256("barid-norm-1" 0x01 field(body))
//! content_sha256  = SHA-256("barid-norm-1" 0x01 field(body) field(headline, empty when there is none))
//! headline_sha256 = SHA-256("barid-norm-1" 0x02 field(headline))
//! ```
//! The length prefix keeps `("ab", "c")` and `("a", "bc")` apart; the byte after the name is the kind of the first field, and the
//! name changes with the folding, so hashes of two recipes never meet. The content hash goes on where the body hash ended, so
//! that a body is read once.

use sha2::{Digest, Sha256};

use crate::fold::Words;
use crate::model::Fingerprint;

/// The name of the folding and field layout behind every hash but the raw one.
pub const NORMALIZER: &str = "barid-norm-1";

const BODY_FIRST: u8 = 1;
const HEADLINE_FIRST: u8 = 2;

/// Fewer folded words than this are no evidence that two bodies are copies: alerts ("urgent: an earthquake in X") repeat by chance.
const EVIDENCE_WORDS: usize = 12;
/// The same floor for Chinese, Japanese and Korean, in characters.
const EVIDENCE_IDEOGRAPHS: usize = 30;

/// SHA-256 of bytes as they arrived.
pub fn raw_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Hashes one article whose headline came from outside its text.
pub fn hash_article(headline: Option<&str>, body: &str) -> Fingerprint {
    fingerprint(headline, &Words::of(body))
}

/// Hashes one article from the words of its body.
pub(crate) fn fingerprint(headline: Option<&str>, body: &Words) -> Fingerprint {
    let headline_words = Words::of(headline.unwrap_or_default());
    let mut hasher = start(BODY_FIRST);
    field(&mut hasher, body.bytes());
    let body_sha256 = hasher.clone().finalize().into();
    field(&mut hasher, headline_words.bytes());
    let headline_sha256 = headline.map(|_| {
        let mut hasher = start(HEADLINE_FIRST);
        field(&mut hasher, headline_words.bytes());
        hasher.finalize().into()
    });
    let body_is_evidence = is_evidence(body.bytes());
    Fingerprint { content_sha256: hasher.finalize().into(), body_sha256, headline_sha256, body_is_evidence }
}

fn start(first_field: u8) -> Sha256 {
    let mut hasher = Sha256::new();
    hasher.update(NORMALIZER.as_bytes());
    hasher.update([first_field]);
    hasher
}

fn field(hasher: &mut Sha256, words: &[u8]) {
    // A length beyond u64 cannot exist in memory.
    hasher.update(u64::try_from(words.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(words);
}

/// Enough words, or, in a script that writes no spaces, enough characters.
fn is_evidence(folded: &[u8]) -> bool {
    let spaces = memchr::memchr_iter(b' ', folded).take(EVIDENCE_WORDS).count();
    let ideographs =
        || folded.iter().filter(|&&lead| (0xE3..0xF0).contains(&lead)).take(EVIDENCE_IDEOGRAPHS).count();
    spaces + 1 >= EVIDENCE_WORDS || ideographs() == EVIDENCE_IDEOGRAPHS
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        "قال الوزير إن الميناء الجديد سيفتح أبوابه قبل نهاية العام، وإن العمل فيه يسير وفق الخطة.";

    fn print(headline: Option<&str>, body: &str) -> Fingerprint {
        hash_article(headline, body)
    }

    #[test]
    fn spelling_does_not_change_a_hash() {
        let respelt = BODY.replace('إ', "ا").replace("الوزير", "الـوزير").replace('،', " ,");
        assert_eq!(print(Some("ميناءٌ"), BODY), print(Some("ميناء"), &respelt));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let (left, right) = (print(Some("c"), "ab"), print(Some("bc"), "a"));
        assert_ne!(left.content_sha256, right.content_sha256);
        assert_ne!(print(None, "a").content_sha256, print(Some("a"), "").content_sha256);
        assert_ne!(print(Some("a"), "a").headline_sha256.unwrap(), print(None, "a").body_sha256);
        assert_ne!(print(None, "a").body_sha256, print(None, "a").content_sha256);
    }

    #[test]
    fn the_recipe_is_what_the_page_says() {
        let by_hand = raw_sha256(b"barid-norm-1\x01\x04\0\0\0\0\0\0\0ab c\x01\0\0\0\0\0\0\0h");
        assert_eq!(print(Some("H!"), "Ab,  c").content_sha256, by_hand);
    }

    #[test]
    fn short_bodies_are_no_evidence() {
        assert!(print(None, BODY).body_is_evidence);
        assert!(!print(None, "عاجل: هزة أرضية في العاصمة").body_is_evidence);
        assert!(!print(None, "").body_is_evidence);
        let long_words = "Donaudampfschifffahrtsgesellschaft ".repeat(3);
        assert!(!print(None, &long_words).body_is_evidence);
        assert!(print(None, &"新しい港は年末までに開港する予定だと大臣は述べた".repeat(2)).body_is_evidence);
    }
}
