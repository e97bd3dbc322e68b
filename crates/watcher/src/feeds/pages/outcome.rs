//! How the fetch of an article's page can end. Exactly one for each article of a feed with full text.

use crate::feeds::engine::Failure;

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PageOutcome {
    /// The text is the page's. All others: it is the feed's own.
    Page,
    /// robots.txt asks us to leave the page alone.
    Robots,
    /// robots.txt cannot be reached: then nothing is allowed.
    RobotsUnreachable,
    /// 404, 410, or a redirect to the site's front page.
    Gone,
    /// 401, 402, 403, 451 or another 4xx.
    Refused,
    /// A page that asks for a browser.
    Challenge,
    /// The page says of itself that it is not free to read.
    Paywall,
    /// Something else than HTML.
    NotHtml,
    /// HTML without an article in it.
    NoArticle,
    /// Less text than the feed has.
    Shorter,
    /// More bytes than an article has.
    TooBig,
    /// 5xx, a broken connection, or no HTTP.
    ServerError,
    /// Too late, or too few bytes a second.
    Timeout,
    /// The name has no address.
    Dns,
    /// The certificate is not good.
    Tls,
    /// An address that must not be asked, also one that a redirect names.
    RefusedAddress,
    /// Redirects without end.
    Redirects,
    /// 429, and no time left.
    Throttled,
    /// Its turn did not come in time.
    NotReached,
    /// The process ended during each of its tries.
    Interrupted,
    /// The item changed before its page came; the changed one has a page of its own.
    Superseded,
    /// The item has no address.
    NoLink,
    /// The feed's own text is as long as a book.
    OwnText,
    /// The feed is not in the configuration any more.
    FeedRemoved,
    /// The page could not be read for a fault in barid.
    Fault,
}

impl PageOutcome {
    /// Every outcome.
    pub const ALL: [Self; 25] = [
        Self::Page,
        Self::Robots,
        Self::RobotsUnreachable,
        Self::Gone,
        Self::Refused,
        Self::Challenge,
        Self::Paywall,
        Self::NotHtml,
        Self::NoArticle,
        Self::Shorter,
        Self::TooBig,
        Self::ServerError,
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::RefusedAddress,
        Self::Redirects,
        Self::Throttled,
        Self::NotReached,
        Self::Interrupted,
        Self::Superseded,
        Self::NoLink,
        Self::OwnText,
        Self::FeedRemoved,
        Self::Fault,
    ];

    /// The stable `snake_case` name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Robots => "robots",
            Self::RobotsUnreachable => "robots_unreachable",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Challenge => "challenge",
            Self::Paywall => "paywall",
            Self::NotHtml => "not_html",
            Self::NoArticle => "no_article",
            Self::Shorter => "shorter",
            Self::TooBig => "too_big",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::RefusedAddress => "refused_address",
            Self::Redirects => "redirects",
            Self::Throttled => "throttled",
            Self::NotReached => "not_reached",
            Self::Interrupted => "interrupted",
            Self::Superseded => "superseded",
            Self::NoLink => "no_link",
            Self::OwnText => "own_text",
            Self::FeedRemoved => "feed_removed",
            Self::Fault => "fault",
        }
    }
}

/// Whose text an item was delivered with, where it is to say whether full text works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Page,
    Own,
}

impl PageOutcome {
    /// `None` where nobody wanted the page: another version's came, or the feed's own text was enough, or the feed is gone.
    pub(super) fn text(self) -> Option<Text> {
        match self {
            Self::Page => Some(Text::Page),
            Self::Superseded | Self::OwnText | Self::FeedRemoved => None,
            Self::Robots
            | Self::RobotsUnreachable
            | Self::Gone
            | Self::Refused
            | Self::Challenge
            | Self::Paywall
            | Self::NotHtml
            | Self::NoArticle
            | Self::Shorter
            | Self::TooBig
            | Self::ServerError
            | Self::Timeout
            | Self::Dns
            | Self::Tls
            | Self::RefusedAddress
            | Self::Redirects
            | Self::Throttled
            | Self::NotReached
            | Self::Interrupted
            | Self::NoLink
            | Self::Fault => Some(Text::Own),
        }
    }
}

impl From<Failure> for PageOutcome {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout | Failure::Slow => Self::Timeout,
            Failure::Dns => Self::Dns,
            Failure::Tls => Self::Tls,
            Failure::Refused | Failure::Connect | Failure::Protocol => Self::ServerError,
            Failure::RefusedAddress => Self::RefusedAddress,
            Failure::TooBig => Self::TooBig,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_listed_once() {
        let names: std::collections::BTreeSet<&str> = PageOutcome::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(names.len(), PageOutcome::ALL.len());
    }
}
