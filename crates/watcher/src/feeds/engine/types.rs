//! What a poll asks, what comes back, and how it can end.

use url::Url;

use super::super::reading::{Content, Item};
use super::super::websub::discover::Hubs;
use xxhash_rust::xxh3::xxh3_64;

/// A feed as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Names it for ever: the source of its records.
    pub id: String,
    /// Its address, as configured.
    pub url: String,
    /// The operator says that it may be asked every quarter of an hour.
    pub is_listed: bool,
}

impl Feed {
    /// Spreads polls, and tells one configured address from another.
    pub fn hash(&self) -> u64 {
        xxh3_64(self.url.as_bytes())
    }
}

/// One request to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where.
    pub url: Url,
    /// `If-None-Match`.
    pub etag: Option<Vec<u8>>,
    /// `If-Modified-Since`.
    pub last_modified: Option<Vec<u8>>,
    /// `Cookie`: what an earlier hop of this poll was given.
    pub cookie: Option<Vec<u8>>,
}

impl Request {
    /// Whether it asks for changes only.
    pub fn is_conditional(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Answer {
    /// A status with headers, and the content where there was one.
    Came(Came),
    /// Nothing that can be used.
    Failed(Failure),
}

impl Answer {
    /// Adds the hubs that its headers name: they go before those of its document.
    #[must_use]
    pub fn naming(mut self, hubs: Hubs) -> Self {
        if let Self::Came(Came { content: Some(Content::Feed { reading, .. }), .. }) = &mut self {
            reading.hubs = hubs.or(std::mem::take(&mut reading.hubs));
        }
        self
    }
}

/// The parts of an answer that matter here.
#[derive(Debug)]
pub struct Came {
    /// The status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<Vec<u8>>,
    /// `Last-Modified`.
    pub last_modified: Option<Vec<u8>>,
    /// `Cache-Control: max-age` less `Age`, else `Expires` less `Date`; 0 without.
    pub max_age_s: u32,
    /// `Retry-After`, from now on.
    pub retry_after_ms: Option<i64>,
    /// `Location`.
    pub location: Option<String>,
    /// A page that asks for a browser.
    pub is_challenge: bool,
    /// The connection or the packing broke off before the end of the document.
    pub is_cut: bool,
    /// Its `Set-Cookie` lines.
    pub cookies: Vec<Vec<u8>>,
    /// The document that it brought: of 200, 202, 203, 206 and 226.
    pub content: Option<Content>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// Too late: connecting, the headers, the first byte or the whole.
    Timeout,
    /// The name has no address, or its servers do not answer.
    Dns,
    /// The certificate is not good, or the handshake failed.
    Tls,
    /// Nobody listens.
    Refused,
    /// The connection broke, or the answer with it.
    Connect,
    /// The name's addresses are not public.
    RefusedAddress,
    /// More bytes than a feed has, packed or unpacked.
    TooBig,
    /// Bytes came, but too few a second.
    Slow,
    /// It does not speak HTTP as it should.
    Protocol,
}

/// How a poll ended. Exactly one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A document that was not the last one.
    New,
    /// 304.
    Same304,
    /// 304 to a request that asked for everything: nothing was got.
    Unasked304,
    /// 200 with the last document.
    SameHash,
    /// A new document, and the address it came from was stored as the feed's.
    Moved,
    /// 410.
    Gone,
    /// 429.
    Throttled,
    /// Another 4xx, or redirects without end.
    ClientError,
    /// 5xx, or a broken connection.
    ServerError,
    /// See [`Failure::Refused`].
    Refused,
    /// An answer that nobody can read as HTTP, or a body that cannot be unpacked.
    BadHttp,
    /// The document broke off on its way. What is complete in it was taken.
    Cut,
    /// See [`Failure::Timeout`].
    Timeout,
    /// See [`Failure::Dns`].
    Dns,
    /// See [`Failure::Tls`].
    Tls,
    /// See [`Failure::RefusedAddress`]; also a redirect to what must not be asked.
    RefusedAddress,
    /// See [`Failure::TooBig`].
    TooBig,
    /// See [`Failure::Slow`].
    Slow,
    /// It may have been a feed, but no item can be read.
    Malformed,
    /// It is something else.
    WrongContent,
    /// A feed without an item.
    Empty,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 21] = [
        Self::New,
        Self::Same304,
        Self::Unasked304,
        Self::SameHash,
        Self::Moved,
        Self::Gone,
        Self::Throttled,
        Self::ClientError,
        Self::ServerError,
        Self::Refused,
        Self::BadHttp,
        Self::Cut,
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::RefusedAddress,
        Self::TooBig,
        Self::Slow,
        Self::Malformed,
        Self::WrongContent,
        Self::Empty,
    ];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same304 => "same_304",
            Self::Unasked304 => "unasked_304",
            Self::SameHash => "same_hash",
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::Throttled => "throttled",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Refused => "refused",
            Self::BadHttp => "bad_http",
            Self::Cut => "cut",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::RefusedAddress => "refused_address",
            Self::TooBig => "too_big",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::WrongContent => "wrong_content",
            Self::Empty => "empty",
        }
    }

    /// Whether the feed did its part.
    pub fn is_success(self) -> bool {
        match self {
            Self::New | Self::Same304 | Self::SameHash | Self::Moved | Self::Empty => true,
            Self::Unasked304
            | Self::Gone
            | Self::Throttled
            | Self::ClientError
            | Self::ServerError
            | Self::Refused
            | Self::BadHttp
            | Self::Cut
            | Self::Timeout
            | Self::Dns
            | Self::Tls
            | Self::RefusedAddress
            | Self::TooBig
            | Self::Slow
            | Self::Malformed
            | Self::WrongContent => false,
        }
    }

    /// Whether it may be our own network that failed.
    pub fn may_be_ours(self) -> bool {
        match self {
            Self::Timeout | Self::Dns => true,
            // A refused or broken connection counts as the server's, and yet is what a dead uplink often looks like.
            Self::ServerError | Self::Refused => false,
            Self::New
            | Self::Same304
            | Self::Unasked304
            | Self::SameHash
            | Self::Moved
            | Self::Gone
            | Self::Throttled
            | Self::ClientError
            | Self::BadHttp
            | Self::Cut
            | Self::Tls
            | Self::RefusedAddress
            | Self::TooBig
            | Self::Slow
            | Self::Malformed
            | Self::WrongContent
            | Self::Empty => false,
        }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout => Self::Timeout,
            Failure::Dns => Self::Dns,
            Failure::Tls => Self::Tls,
            Failure::Refused => Self::Refused,
            Failure::Connect => Self::ServerError,
            Failure::Protocol => Self::BadHttp,
            Failure::RefusedAddress => Self::RefusedAddress,
            Failure::TooBig => Self::TooBig,
            Failure::Slow => Self::Slow,
        }
    }
}

/// An item to deliver.
#[derive(Debug)]
pub struct Delivered {
    /// The item.
    pub item: Item,
    /// Whether it was delivered before, with other content.
    pub is_update: bool,
}

/// What a document's items were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Never seen.
    pub new: u64,
    /// Seen with this content.
    pub known: u64,
    /// Seen with other content.
    pub updated: u64,
    /// Of the new and updated ones: without a readable date.
    pub undated: u64,
    /// Of these: dated later than now.
    pub future: u64,
}

impl Counts {
    /// Counts those of another document too.
    pub fn add(&mut self, other: Self) {
        let Self { new, known, updated, undated, future } = other;
        self.new += new;
        self.known += known;
        self.updated += updated;
        self.undated += undated;
        self.future += future;
    }
}
