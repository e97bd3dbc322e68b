//! Why bytes are no feed.

/// The bytes hold no feed. The same bytes always give the same answer, so parsing them again is useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAFeed {
    /// Nothing arrived, or only white space.
    #[error(
        "reading a feed failed: the document is empty; do not retry the parse; hint: fetch the feed again"
    )]
    Empty,
    /// A file of another kind.
    #[error(
        "reading a feed failed: the document is binary ({what}); do not retry the parse; hint: unpack it, or look at what the address serves"
    )]
    Binary {
        /// What it looks like.
        what: &'static str,
    },
    /// A web page.
    #[error(
        "reading a feed failed: the document is an HTML page; do not retry the parse; hint: look for a link with rel=\"alternate\" in the page, or for a login or challenge page"
    )]
    Html,
    /// XML of another vocabulary, or plain text.
    #[error(
        "reading a feed failed: no element of RSS, Atom, RDF, CDF or a sitemap in the document; do not retry the parse; hint: look at what the address serves"
    )]
    NoRoot,
    /// JSON that is no JSON Feed.
    #[error(
        "reading a feed failed: the document is JSON but no JSON Feed; do not retry the parse; hint: `version` must name jsonfeed.org, or `items` must be a list"
    )]
    OtherJson,
}

impl NotAFeed {
    /// A stable name: `empty`, `binary`, `html`, `no_root` or `other_json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Binary { .. } => "binary",
            Self::Html => "html",
            Self::NoRoot => "no_root",
            Self::OtherJson => "other_json",
        }
    }
}
