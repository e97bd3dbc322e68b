//! One thing wrong with the configuration: a stable code, a sentence, where, and a hint.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan};

/// Whether a run can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It cannot.
    Error,
    /// It can.
    Warning,
}

/// One problem. `code` is explained by `barid explain <code>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Whether a run can go on.
    pub(crate) severity: Severity,
    /// Stable code, such as `E0103`.
    pub(crate) code: &'static str,
    /// What is wrong, naming the key.
    pub(crate) message: String,
    /// Bytes of the file it is about; absent when it came from elsewhere.
    pub(crate) span: Option<Range<usize>>,
    /// What to do.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// Whether both are about the same bytes of the file: what cannot be read is not looked for.
    pub(crate) fn is_about_the_same(&self, other: &Self) -> bool {
        self.span.is_some() && self.span == other.span
    }

    /// Line and column of its first byte, from 1, the column in letters. None where it is about no place of the file.
    pub(crate) fn place(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.span.as_ref()?.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Some((line, column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

/// The known word nearest to `word`, when it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |candidate: &&str| strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
    let best = known.into_iter().min_by_key(distance)?;
    (distance(&best) <= 1 + best.chars().count() / 4).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_hand_is_recognised() {
        let known = ["retention_bytes", "retention_hours", "compression", "id"];
        assert_eq!(nearest("retention_byte", known), Some("retention_bytes"));
        assert_eq!(nearest("Compresion", known), Some("compression"));
        assert_eq!(nearest("di", known), Some("id"));
        assert_eq!(nearest("brokers", known), None);
    }
}
