//! Repairs, by name. Every place that mends something counts it here: a feed that needed no mending has no fault.

/// What was wrong with a feed and has been mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Bytes that are no text in the feed's charset; each became one U+FFFD.
    BadByte,
    /// The declared charset is not the one the bytes are in.
    WrongEncoding,
    /// UTF-8 that was read as a single-byte charset and saved again; undone.
    DoubleEncoded,
    /// NUL characters, dropped.
    NulByte,
    /// Control characters XML does not allow, dropped.
    ControlChar,
    /// White space before the XML declaration.
    SpaceBefore,
    /// Something before the feed, such as a warning of the server's software.
    JunkBefore,
    /// Something after the feed.
    JunkAfter,
    /// An XML declaration that is the second, or stands after a tag.
    MisplacedDeclaration,
    /// Entries without a root element around them.
    NoRoot,
    /// `&` that starts no reference.
    BareAmp,
    /// `<` that starts no tag.
    BareLt,
    /// An HTML entity XML does not know.
    HtmlEntity,
    /// An entity nobody knows, or one that is not expanded for safety; left as found.
    UnknownEntity,
    /// A character reference to no character, or without its semicolon; half a surrogate pair became one U+FFFD, anything else is dropped.
    BadCharRef,
    /// One character written as the two halves that UTF-16 has for it, as references or in UTF-8 bytes; put together.
    SurrogatePair,
    /// A tag inside text that was never closed.
    UnclosedTag,
    /// An element closed by what came after it.
    MissingEndTag,
    /// An end tag that closes nothing, dropped.
    StrayEndTag,
    /// A tag without its `>`.
    BrokenTag,
    /// An attribute with a quote missing.
    BadAttribute,
    /// The same attribute twice; the first one counts.
    DuplicateAttribute,
    /// A prefix without a namespace.
    UndeclaredPrefix,
    /// `--` inside a comment, or a comment without an end.
    BadComment,
    /// A CDATA section without an end.
    UnclosedCdata,
    /// A CDATA section whose marks were escaped or nested, so that they became text; unwrapped.
    EscapedCdata,
    /// Deeper than this parser follows; the text there belongs to nobody.
    TooDeep,
    /// The document stops before its end.
    Truncated,
    /// Base64 that is none; left as found.
    BadBase64,
    /// A date whose words state no instant.
    BadDate,
    /// A date in the years of the Buddhist calendar, taken for the same day of ours.
    OtherCalendar,
    /// A JSON value of the wrong type, or JSON with a syntax error.
    BadJson,
}

impl Fault {
    /// Every fault, in order.
    pub const ALL: [Self; 32] = [
        Self::BadByte,
        Self::WrongEncoding,
        Self::DoubleEncoded,
        Self::NulByte,
        Self::ControlChar,
        Self::SpaceBefore,
        Self::JunkBefore,
        Self::JunkAfter,
        Self::MisplacedDeclaration,
        Self::NoRoot,
        Self::BareAmp,
        Self::BareLt,
        Self::HtmlEntity,
        Self::UnknownEntity,
        Self::BadCharRef,
        Self::SurrogatePair,
        Self::UnclosedTag,
        Self::MissingEndTag,
        Self::StrayEndTag,
        Self::BrokenTag,
        Self::BadAttribute,
        Self::DuplicateAttribute,
        Self::UndeclaredPrefix,
        Self::BadComment,
        Self::UnclosedCdata,
        Self::EscapedCdata,
        Self::TooDeep,
        Self::Truncated,
        Self::BadBase64,
        Self::BadDate,
        Self::OtherCalendar,
        Self::BadJson,
    ];

    /// Its stable name, for JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadByte => "bad_byte",
            Self::WrongEncoding => "wrong_encoding",
            Self::DoubleEncoded => "double_encoded",
            Self::NulByte => "nul_byte",
            Self::ControlChar => "control_char",
            Self::SpaceBefore => "space_before",
            Self::JunkBefore => "junk_before",
            Self::JunkAfter => "junk_after",
            Self::MisplacedDeclaration => "misplaced_declaration",
            Self::NoRoot => "no_root",
            Self::BareAmp => "bare_amp",
            Self::BareLt => "bare_lt",
            Self::HtmlEntity => "html_entity",
            Self::UnknownEntity => "unknown_entity",
            Self::BadCharRef => "bad_char_ref",
            Self::SurrogatePair => "surrogate_pair",
            Self::UnclosedTag => "unclosed_tag",
            Self::MissingEndTag => "missing_end_tag",
            Self::StrayEndTag => "stray_end_tag",
            Self::BrokenTag => "broken_tag",
            Self::BadAttribute => "bad_attribute",
            Self::DuplicateAttribute => "duplicate_attribute",
            Self::UndeclaredPrefix => "undeclared_prefix",
            Self::BadComment => "bad_comment",
            Self::UnclosedCdata => "unclosed_cdata",
            Self::EscapedCdata => "escaped_cdata",
            Self::TooDeep => "too_deep",
            Self::Truncated => "truncated",
            Self::BadBase64 => "bad_base64",
            Self::BadDate => "bad_date",
            Self::OtherCalendar => "other_calendar",
            Self::BadJson => "bad_json",
        }
    }
}

/// How often a fault was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultCount {
    /// The fault.
    pub fault: Fault,
    /// How often.
    pub count: u64,
    /// Entries that could not be kept because of it.
    pub items_lost: u64,
}

/// The faults of one document in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    counts: [u64; Fault::ALL.len()],
    lost: [u64; Fault::ALL.len()],
    /// Byte offset in the text of the piece being read.
    pub(crate) at: usize,
    /// Where each fault was met, for those who want to know.
    pub(crate) log: Option<Vec<(Fault, usize)>>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault, count: u64) {
        self.counts[fault as usize] += count;
        if let (Some(log), true) = (&mut self.log, count > 0) {
            log.push((fault, self.at));
        }
    }

    pub(crate) fn note(&mut self, fault: Fault) {
        self.add(fault, 1);
    }

    pub(crate) fn lose_item(&mut self, fault: Fault) {
        self.lost[fault as usize] += 1;
    }

    pub(crate) fn count(&self, fault: Fault) -> u64 {
        self.counts[fault as usize]
    }

    /// Those that were met.
    pub(crate) fn list(&self) -> Vec<FaultCount> {
        let all = Fault::ALL.into_iter().map(|fault| FaultCount {
            fault,
            count: self.counts[fault as usize],
            items_lost: self.lost[fault as usize],
        });
        all.filter(|met| met.count > 0 || met.items_lost > 0).collect()
    }
}
