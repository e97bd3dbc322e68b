//! What was wrong with an answer that was read all the same.

/// A breach of HTTP, or of what an answer says of itself, that was mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpFault {
    /// The first line is not quite `HTTP/1.1 200`.
    StatusLine,
    /// A line of the head is no header: left out.
    HeaderLine,
    /// A header goes on in the next line.
    HeaderFolded,
    /// White space before the colon.
    HeaderSpace,
    /// Control characters in a value: now spaces.
    HeaderCharacter,
    /// No empty line between head and body.
    HeadEnd,
    /// `Content-Length` is no number, or several that differ, or stands beside `Transfer-Encoding`.
    Length,
    /// Fewer bytes came than `Content-Length` says, and the document is whole.
    LengthTooLarge,
    /// More bytes came than `Content-Length` says, and belong to the document.
    LengthTooSmall,
    /// It says that it comes in chunks, and does not.
    NotChunked,
    /// The last chunk is missing, or a chunk is damaged, and the document is whole.
    ChunksEnd,
    /// The connection broke after the end of the document.
    BrokenEnd,
    /// `Content-Encoding` names something that is no coding.
    CodingName,
    /// `Content-Encoding` names a coding that the body is not packed in.
    CodingWrong,
    /// The body is packed, and no header says so.
    CodingUnsaid,
    /// Bytes behind the packed body.
    PackedTail,
    /// The sum or the length behind a packed body is another.
    PackedSum,
    /// A packed body ends before its own end, and the document is whole.
    PackedEnd,
    /// A part of the whole, though the whole was asked for (206), and yet all of it.
    Part,
}

impl HttpFault {
    /// Every fault.
    pub const ALL: [Self; 19] = [
        Self::StatusLine,
        Self::HeaderLine,
        Self::HeaderFolded,
        Self::HeaderSpace,
        Self::HeaderCharacter,
        Self::HeadEnd,
        Self::Length,
        Self::LengthTooLarge,
        Self::LengthTooSmall,
        Self::NotChunked,
        Self::ChunksEnd,
        Self::BrokenEnd,
        Self::CodingName,
        Self::CodingWrong,
        Self::CodingUnsaid,
        Self::PackedTail,
        Self::PackedSum,
        Self::PackedEnd,
        Self::Part,
    ];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::HeaderLine => "header_line",
            Self::HeaderFolded => "header_folded",
            Self::HeaderSpace => "header_space",
            Self::HeaderCharacter => "header_character",
            Self::HeadEnd => "head_end",
            Self::Length => "length",
            Self::LengthTooLarge => "length_too_large",
            Self::LengthTooSmall => "length_too_small",
            Self::NotChunked => "not_chunked",
            Self::ChunksEnd => "chunks_end",
            Self::BrokenEnd => "broken_end",
            Self::CodingName => "coding_name",
            Self::CodingWrong => "coding_wrong",
            Self::CodingUnsaid => "coding_unsaid",
            Self::PackedTail => "packed_tail",
            Self::PackedSum => "packed_sum",
            Self::PackedEnd => "packed_end",
            Self::Part => "part",
        }
    }

    fn bit(self) -> u32 {
        1 << Self::ALL.iter().position(|fault| *fault == self).unwrap_or(31)
    }
}

/// The faults of one answer, each once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpFaults(u32);

impl HttpFaults {
    /// Adds one.
    pub(crate) fn note(&mut self, fault: HttpFault) {
        self.0 |= fault.bit();
    }

    /// In the order of [`HttpFault::ALL`].
    pub fn iter(self) -> impl Iterator<Item = HttpFault> {
        HttpFault::ALL.into_iter().filter(move |fault| self.0 & fault.bit() != 0)
    }
}
