//! What an answer comes to: another request, the article, another try, or the feed's own text.

use barid_log::failpoint;
use url::Url;

use super::queue::Key;
use super::robots::Rules;
use super::state::{PAGES, Plan, from_bytes, key as key_of, to_bytes};
use super::turn::{MOST_TRIES, Ready, pause_ms};
use super::verdict::{Site, Verdict, of_page, of_site};
use super::{Desk, End, PATIENCE_MS, PageOutcome, Pages, Trail, WAITING, article};
use crate::WatcherError;
use crate::feeds::budget::{Domain, GAP_MS};
use crate::feeds::engine::Answer;
use crate::feeds::fetch::Cost;
use crate::feeds::policy::{DOMAIN_CAP_MS, HOUR, MINUTE};

/// Pauses of a domain that asked for one without saying how long.
const THROTTLED_MS: i64 = HOUR;
const BUSY_MS: i64 = 10 * MINUTE;

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// What the site allows; after so many redirects.
    Robots { origin: String, hops: u8 },
    /// The article.
    Page { hops: u8 },
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Landed {
    pub(super) ready: Ready,
    pub(super) answer: Option<Answer>,
    pub(super) rules: Option<Rules>,
    pub(super) article: Option<Result<article::Article, PageOutcome>>,
    pub(super) cost: Cost,
}

impl Pages {
    /// Takes in what landed.
    pub(in crate::feeds) fn land(&mut self, desk: &mut Desk<'_>) -> Result<(), WatcherError> {
        while let Ok(landed) = self.landed.try_recv() {
            // Pauses begin with the answer, which may be newer than the turn.
            desk.now_ms = (self.clock)();
            failpoint("feeds.page.answer");
            self.under_way.give_back();
            desk.metrics.cost(&landed.cost);
            let Ready { key, number, line, ref what, delay_ms, ref request } = landed.ready;
            desk.budget.give_back(Domain::of(&request.url), desk.now_ms);
            let mut clear_ms = desk.now_ms + GAP_MS.max(delay_ms);
            let until_ms = landed.answer.as_ref().and_then(|answer| held_back(answer, desk.now_ms));
            if let Some(until_ms) = until_ms {
                desk.budget.back_off(Domain::of(&request.url), until_ms);
                if matches!(what, What::Page { .. }) {
                    self.sites.leave_alone(desk, &request.url, until_ms)?;
                }
            }
            let is_here = self.waiting.get(&key).is_some_and(|waiting| waiting.number == number);
            match what {
                What::Robots { origin, hops } => {
                    let (at, answer) = (&request.url, landed.answer.as_ref());
                    let said = of_site(at, *hops, answer, landed.rules.as_ref(), &desk.config.allowed);
                    let to = match said {
                        Site::Refused => {
                            if is_here {
                                self.finish(desk, key, End::Own(PageOutcome::RefusedAddress))?;
                            }
                            self.queue.end(line, clear_ms);
                            continue;
                        }
                        Site::Elsewhere(to) => Some(to),
                        Site::Says(rules) => {
                            clear_ms = clear_ms.max(desk.now_ms + rules.delay_ms);
                            self.sites.keep(desk, origin, Some(rules), 0)?;
                            None
                        }
                        Site::Unreachable => {
                            self.sites.keep(desk, origin, None, until_ms.unwrap_or(0))?;
                            None
                        }
                    };
                    if is_here {
                        let robots = to.map(|url| (origin.clone(), url, hops + 1));
                        let page = self
                            .waiting
                            .get_mut(&key)
                            .and_then(|one| one.trail.take())
                            .and_then(|trail| trail.page);
                        self.move_on(key, line, Trail { page, robots });
                    }
                }
                What::Page { hops } if is_here => {
                    let (hops, at) = (*hops, request.url.clone());
                    self.page(desk, key, at, hops, landed.answer, landed.article, until_ms)?;
                }
                What::Page { .. } => {}
            }
            desk.budget.no_page_before(line, clear_ms);
            self.queue.end(line, clear_ms);
            if desk.outbox.is_full() {
                desk.outbox.flush()?;
            }
        }
        Ok(())
    }

    /// Takes in a page's answer.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one answer, of which two are moved out of it"
    )]
    fn page(
        &mut self,
        desk: &mut Desk<'_>,
        key: Key,
        at: Url,
        hops: u8,
        answer: Option<Answer>,
        article: Option<Result<article::Article, PageOutcome>>,
        until_ms: Option<i64>,
    ) -> Result<(), WatcherError> {
        match of_page(&at, hops, answer, article, &desk.config.allowed) {
            Verdict::Page(article) => {
                let is_shorter = self.is_shorter(desk, key, &article)?;
                let end = if is_shorter { End::Own(PageOutcome::Shorter) } else { End::Page(article, at) };
                self.finish(desk, key, end)
            }
            Verdict::Elsewhere(to) => {
                let line = Domain::of(&to);
                self.move_on(key, line, Trail { page: Some((to, hops + 1)), robots: None });
                Ok(())
            }
            Verdict::Own(outcome) => self.finish(desk, key, End::Own(outcome)),
            Verdict::Again(outcome) => self.retry(desk, key, outcome, until_ms.unwrap_or(0)),
        }
    }

    fn is_shorter(
        &mut self,
        desk: &mut Desk<'_>,
        key: Key,
        article: &article::Article,
    ) -> Result<bool, WatcherError> {
        let key = key_of(&desk.roster.entries[key.0 as usize].feed.id, key.1);
        let saved = desk.outbox.get_in(WAITING, &key)?.as_deref().and_then(from_bytes::<super::Saved>);
        let own = saved.map_or(0, |saved| article::letters(&saved.item.text));
        Ok(article::letters(&article.text) < own)
    }

    /// The same try goes on, in the line of the domain that is asked next.
    fn move_on(&mut self, key: Key, line: Domain, trail: Trail) {
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        self.queue.remove(waiting.domain, waiting.place(), key);
        waiting.domain = line;
        waiting.trail = Some(Box::new(trail));
        self.queue.add(line, waiting.place(), key);
    }

    /// The try has failed: there is another one, not before `until_ms`, or the item's own text.
    pub(super) fn retry(
        &mut self,
        desk: &mut Desk<'_>,
        key: Key,
        outcome: PageOutcome,
        until_ms: i64,
    ) -> Result<(), WatcherError> {
        let Some(waiting) = self.waiting.get_mut(&key) else { return Ok(()) };
        // Where nothing was sent, nothing was written down yet.
        waiting.tries += u8::from(!std::mem::replace(&mut waiting.is_trying, false));
        let tries = waiting.tries;
        let due_ms = until_ms.max(desk.now_ms + pause_ms(tries));
        let ends_ms = waiting.seen_ms + PATIENCE_MS;
        if desk.is_last_try() || tries >= MOST_TRIES || due_ms >= ends_ms {
            return self.finish(desk, key, End::Own(outcome));
        }
        let key_bytes = key_of(&desk.roster.entries[key.0 as usize].feed.id, key.1);
        let Some(plan) = desk.outbox.get_in(PAGES, &key_bytes)?.as_deref().and_then(from_bytes::<Plan>)
        else {
            return self.finish(desk, key, End::Own(outcome));
        };
        let plan = Plan { tries, again_ms: due_ms, ..plan };
        desk.outbox.put_in(PAGES, &key_bytes, to_bytes(&plan));
        self.queue.remove(waiting.domain, waiting.place(), key);
        waiting.domain = crate::feeds::roster::domain(&plan.url);
        (waiting.due_ms, waiting.trail) = (due_ms, None);
        self.queue.add(waiting.domain, waiting.place(), key);
        Ok(())
    }
}

/// Until when a registered domain wants to be left alone, where it says so: a day at most, as for feeds.
fn held_back(answer: &Answer, now_ms: i64) -> Option<i64> {
    let Answer::Came(came) = answer else { return None };
    let pause_ms = match came.status {
        429 => came.retry_after_ms.unwrap_or(THROTTLED_MS),
        503 => came.retry_after_ms.unwrap_or(BUSY_MS),
        _ => return None,
    };
    Some(now_ms.saturating_add(pause_ms.min(DOMAIN_CAP_MS)))
}
