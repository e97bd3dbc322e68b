//! When a record's document was noticed, beside the record: whoever makes the record visible can tell how long it took without reading it.

use bytes::Bytes;

use crate::Header;

/// When a document was noticed, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed(pub i64);

impl Observed {
    /// The header's name.
    pub const NAME: &'static str = "barid_observed_ms";

    /// The header: the number in decimal.
    pub fn header(self) -> Header {
        (Bytes::from_static(Self::NAME.as_bytes()), Bytes::from(self.0.to_string()))
    }

    /// Reads it back. `None` where there is none: of bulk history, of a record of an older barid, or of another program.
    pub fn of(headers: &[Header]) -> Option<Self> {
        let (_, value) = headers.iter().find(|(name, _)| name == Self::NAME)?;
        std::str::from_utf8(value).ok()?.parse().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_what_is_no_number_is_none() {
        for ms in [0, -1, 1_790_000_000_123, i64::MAX] {
            assert_eq!(Observed::of(&[Observed(ms).header()]), Some(Observed(ms)));
        }
        let header = |value: &'static str| (Bytes::from(Observed::NAME), Bytes::from(value));
        for value in ["", "1e3", "99999999999999999999", "\u{661}"] {
            assert_eq!(Observed::of(&[header(value)]), None, "{value}");
        }
        assert_eq!(Observed::of(&[]), None);
    }
}
