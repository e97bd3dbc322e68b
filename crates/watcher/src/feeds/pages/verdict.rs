//! What an answer about a page comes to, whoever asked: the poller for an item, or a person who looks on.

use url::Url;

use super::PageOutcome;
use super::article::Article;
use super::robots::Rules;
use crate::feeds::address::{Allowed, check_redirect};
use crate::feeds::engine::{Answer, Came, Failure, MOST_HOPS};

/// What a site says of itself.
pub(super) enum Site {
    Says(Rules),
    /// Another address has its robots.txt.
    Elsewhere(Url),
    /// Nobody can say: nothing is allowed.
    Unreachable,
    /// It is where this feed's items must not lead: that says nothing about the site.
    Refused,
}

/// The answer of `at`, after so many redirects, to the question for robots.txt; `rules` are those of its body.
pub(super) fn of_site(
    at: &Url,
    hops: u8,
    answer: Option<&Answer>,
    rules: Option<&Rules>,
    allowed: &Allowed,
) -> Site {
    match answer {
        Some(Answer::Came(Came { status: 200 | 226, is_challenge: false, .. })) => {
            rules.cloned().map_or(Site::Unreachable, Site::Says)
        }
        Some(Answer::Came(Came { status: 204, .. })) => Site::Says(Rules::default()),
        // Some say so to whoever asks too often: that is no permission.
        Some(Answer::Came(Came { status: 429, .. })) => Site::Unreachable,
        Some(Answer::Came(Came { status: 400..=499, .. })) => Site::Says(Rules::default()),
        Some(Answer::Came(came @ Came { status: 301 | 302 | 303 | 307 | 308, .. })) => {
            if hops >= MOST_HOPS {
                Site::Says(Rules::default())
            } else {
                redirect(at, came, allowed).map_or(Site::Unreachable, Site::Elsewhere)
            }
        }
        // A redirect to such an address is the site's own fault.
        Some(Answer::Failed(Failure::RefusedAddress)) if hops == 0 => Site::Refused,
        Some(Answer::Came(_) | Answer::Failed(_)) | None => Site::Unreachable,
    }
}

/// What asking for a page came to.
pub(super) enum Verdict {
    Page(Box<Article>),
    Elsewhere(Url),
    /// Another try is of no use.
    Own(PageOutcome),
    /// Another try may be.
    Again(PageOutcome),
}

/// The answer of `at`, after so many redirects; `article` is what was read in its body.
pub(super) fn of_page(
    at: &Url,
    hops: u8,
    answer: Option<Answer>,
    article: Option<Result<Article, PageOutcome>>,
    allowed: &Allowed,
) -> Verdict {
    let came = match answer {
        Some(Answer::Came(Came { is_challenge: true, .. })) => return Verdict::Own(PageOutcome::Challenge),
        Some(Answer::Came(came)) => came,
        Some(Answer::Failed(failure)) => return of_failure(failure),
        None => return Verdict::Own(PageOutcome::Fault),
    };
    match came.status {
        200 | 226 => match article.unwrap_or(Err(PageOutcome::Fault)) {
            Ok(article) => Verdict::Page(Box::new(article)),
            Err(outcome) => Verdict::Own(outcome),
        },
        301 | 302 | 303 | 307 | 308 => match redirect(at, &came, allowed) {
            Ok(to) if to.path() == "/" && to.query().is_none() && at.path() != "/" => {
                Verdict::Own(PageOutcome::Gone)
            }
            Ok(_) if hops >= MOST_HOPS => Verdict::Own(PageOutcome::Redirects),
            Ok(to) => Verdict::Elsewhere(to),
            Err(outcome) => Verdict::Own(outcome),
        },
        404 => Verdict::Again(PageOutcome::Gone),
        410 => Verdict::Own(PageOutcome::Gone),
        408 | 425 => Verdict::Again(PageOutcome::ServerError),
        429 => Verdict::Again(PageOutcome::Throttled),
        400..=499 => Verdict::Own(PageOutcome::Refused),
        _ => Verdict::Again(PageOutcome::ServerError),
    }
}

fn of_failure(failure: Failure) -> Verdict {
    match failure {
        Failure::TooBig | Failure::RefusedAddress => Verdict::Own(failure.into()),
        Failure::Timeout
        | Failure::Dns
        | Failure::Tls
        | Failure::Refused
        | Failure::Connect
        | Failure::Slow
        | Failure::Protocol => Verdict::Again(failure.into()),
    }
}

/// Where a redirect leads.
fn redirect(at: &Url, came: &Came, allowed: &Allowed) -> Result<Url, PageOutcome> {
    let location = came.location.as_deref().ok_or(PageOutcome::ServerError)?;
    check_redirect(at, location, allowed)
        .map_err(|why| if why.is_refusal() { PageOutcome::RefusedAddress } else { PageOutcome::Redirects })
}
