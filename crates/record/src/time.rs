//! Milliseconds since the Unix epoch as RFC 3339 text.

use jiff::Timestamp;

/// `2023-09-05T10:20:30.123Z`. A time beyond the calendar (before year -9999 or after 9999) is shown as the nearest one in it.
pub fn rfc3339(epoch_ms: i64) -> String {
    let clamped = Timestamp::from_millisecond(epoch_ms).unwrap_or(if epoch_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{clamped:.3}")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn milliseconds_are_always_written() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_693_909_230_120), "2023-09-05T10:20:30.120Z");
        assert!(rfc3339(i64::MAX).starts_with("9999-"));
    }
}
