//! The place of a message in the order of its writer. Partitions race each other; who must see the writer's order again (deduplication)
//! merges them by this number.

use bytes::Bytes;

use crate::Header;

/// Longer names are refused: each is kept as a key.
const LONGEST_WRITER: usize = 255;

/// Which writer wrote a message, and as its how-manyth to that topic: 0, 1, 2, ... without gaps, in the order it wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// Names the writer, in at most 255 bytes: one that counts for itself must have a name of its own.
    pub writer: String,
    /// The writer's count, for each topic from 0.
    pub sequence: u64,
}

impl Order {
    /// The name of the header.
    pub const NAME: &str = "barid_order";

    /// The header `barid_order`: `<writer>@<sequence>`, readable in a console.
    pub fn header(&self) -> Header {
        (Bytes::from_static(Self::NAME.as_bytes()), Bytes::from(format!("{}@{}", self.writer, self.sequence)))
    }

    /// Reads the first such header. `None` where there is none, or none of ours: such a message has no order to keep.
    pub fn from_headers(headers: &[Header]) -> Option<Self> {
        let (_, value) = headers.iter().find(|(name, _)| name == Self::NAME)?;
        let (writer, sequence) = str::from_utf8(value).ok()?.rsplit_once('@')?;
        let is_number = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || writer.len() > LONGEST_WRITER {
            return None;
        }
        let sequence = sequence.parse().ok()?;
        Some(Self { writer: writer.to_owned(), sequence })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &'static [u8]) -> Header {
        (Bytes::from_static(b"barid_order"), Bytes::from_static(value))
    }

    #[test]
    fn an_order_reads_back_among_other_headers_whatever_the_writer_is_called() {
        for (writer, sequence) in [("watcher", 0), ("", 1), ("a@7", 2), ("مراقب", u64::MAX)] {
            let sent = Order { writer: writer.into(), sequence };
            let other = (Bytes::from_static(b"ce_id"), Bytes::from_static(b"x@1"));
            assert_eq!(Order::from_headers(&[other, sent.header()]), Some(sent));
        }
    }

    #[test]
    fn the_header_is_text_that_a_console_shows() {
        let (name, value) = Order { writer: "watcher".into(), sequence: 17 }.header();
        assert_eq!((name.as_ref(), value.as_ref()), (b"barid_order".as_slice(), b"watcher@17".as_slice()));
    }

    #[test]
    fn what_is_no_order_is_none() {
        assert_eq!(Order::from_headers(&[]), None);
        let longest = Order { writer: "w".repeat(LONGEST_WRITER), sequence: 0 };
        assert_eq!(Order::from_headers(&[longest.header()]), Some(longest));
        let longer = Order { writer: "w".repeat(LONGEST_WRITER + 1), sequence: 0 };
        assert_eq!(Order::from_headers(&[longer.header()]), None);
        for wrong in [
            b"watcher".as_slice(),
            b"watcher@",
            b"watcher@-1",
            b"watcher@+1",
            b"watcher@1x",
            b"w@18446744073709551616",
            b"\xff@1",
        ] {
            assert_eq!(Order::from_headers(&[header(wrong)]), None, "{wrong:?}");
        }
    }
}
