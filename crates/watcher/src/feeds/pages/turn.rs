//! One turn of one line: what the item at its head needs next, and whether it may be sent.

use barid_log::{Wish, failpoint};
use url::Url;

use super::answer::{Landed, What};
use super::queue::Key;
use super::readers::{MOST_TIME, Readers};
use super::robots::{MOST_BYTES, Rules};
use super::state::{PAGES, Plan, from_bytes, key as key_of, to_bytes};
use super::{
    DRAIN_PATIENCE_MS, Desk, End, MOST_IN_FLIGHT, PATIENCE_MS, PAUSES_MS, PageOutcome, Pages, Waiting,
    article,
};
use crate::WatcherError;
use crate::feeds::address::check_url;
use crate::feeds::budget::Domain;
use crate::feeds::engine::{Answer, Request};
use crate::feeds::fetch::{self, Cost};

/// Tries of a page, the first one included.
pub(super) const MOST_TRIES: u8 = 4;
const _: () = assert!(MOST_TRIES as usize == PAUSES_MS.len() + 1);

/// A request that may be sent once it is written down.
#[derive(Debug)]
pub(in crate::feeds) struct Ready {
    pub(super) key: Key,
    pub(super) number: u64,
    /// The line that waits for it.
    pub(super) line: Domain,
    pub(super) what: What,
    /// The site's own pause between requests.
    pub(super) delay_ms: i64,
    pub(super) request: Request,
}

/// What an item needs.
enum Need {
    Ask {
        what: What,
        url: Url,
        delay_ms: i64,
    },
    /// No request: its page is not allowed, or nobody can say.
    End(PageOutcome),
    Retry(PageOutcome),
}

enum Turn {
    Ready(Box<Ready>),
    /// The line stands until then.
    Later(i64),
    /// It has left the line, or stands elsewhere in it.
    Done,
}

impl Pages {
    /// Takes what is due, as far as budgets go, and writes it down. Polls go first: pages get half of the requests under way in the process at most.
    pub(in crate::feeds) fn begin(&mut self, desk: &mut Desk<'_>) -> Result<Vec<Ready>, WatcherError> {
        match desk.wish {
            Wish::Stop => return Ok(Vec::new()),
            // Nobody is asked.
            Wish::Run | Wish::Drain if desk.is_down => return Ok(Vec::new()),
            Wish::Run => {}
            Wish::Drain => {
                if !std::mem::replace(&mut self.is_draining, true) {
                    self.hasten(desk.now_ms);
                }
            }
        }
        let most = desk.config.max_in_flight;
        let room = (most / 2).clamp(1, MOST_IN_FLIGHT).min(most.saturating_sub(desk.polls));
        if std::mem::take(&mut self.has_delivered) {
            failpoint("feeds.page.done");
        }
        // What was put to wait just now is looked up below.
        desk.outbox.flush()?;
        let mut ready = Vec::new();
        while self.under_way.take(room) {
            let Some((line, place, key)) = self.queue.next(desk.now_ms) else {
                self.under_way.give_back();
                break;
            };
            let stands = |one: &Waiting| one.domain == line && one.place() == place;
            if !self.waiting.get(&key).is_some_and(stands) {
                // It left without a word: a fault that must not hold the line up.
                self.queue.remove(line, place, key);
                self.queue.wake(line);
                self.under_way.give_back();
                continue;
            }
            let before = ready.len();
            match self.turn(desk, key)? {
                Turn::Ready(one) => {
                    self.queue.begin(line);
                    ready.push(*one);
                }
                Turn::Later(at_ms) => self.queue.hold(line, at_ms),
                Turn::Done => {
                    self.queue.wake(line);
                    // Where nothing is asked, thousands may be delivered in a row.
                    if desk.outbox.is_full() {
                        desk.outbox.flush()?;
                    }
                }
            }
            if ready.len() == before {
                self.under_way.give_back();
            }
        }
        Ok(ready)
    }

    fn turn(&mut self, desk: &mut Desk<'_>, key: Key) -> Result<Turn, WatcherError> {
        let Some(waiting) = self.waiting.get(&key) else { return Ok(Turn::Done) };
        let (line, seen_ms) = (waiting.domain, waiting.seen_ms);
        let ends_ms = seen_ms + PATIENCE_MS;
        let ended = if waiting.is_trying {
            None
        } else if waiting.tries >= MOST_TRIES {
            Some(PageOutcome::Interrupted)
        } else {
            (desk.now_ms >= ends_ms).then_some(PageOutcome::NotReached)
        };
        if let Some(outcome) = ended {
            self.finish(desk, key, End::Own(outcome))?;
            return Ok(Turn::Done);
        }
        let feed = desk.roster.entries[key.0 as usize].feed.id.as_str();
        let key_bytes = key_of(feed, key.1);
        let Some(mut plan) = desk.outbox.get_in(PAGES, &key_bytes)?.as_deref().and_then(from_bytes::<Plan>)
        else {
            self.finish(desk, key, End::Own(PageOutcome::Fault))?;
            return Ok(Turn::Done);
        };
        let (what, url, delay_ms) = match self.need(desk, key, &plan)? {
            Need::Ask { what, url, delay_ms } => (what, url, delay_ms),
            Need::End(outcome) => {
                self.finish(desk, key, End::Own(outcome))?;
                return Ok(Turn::Done);
            }
            Need::Retry(outcome) => {
                self.retry(desk, key, outcome, 0)?;
                return Ok(Turn::Done);
            }
        };
        // Whoever ran before us may have asked just now, and nobody wrote down when.
        let clear_ms = self.started_ms + delay_ms;
        if desk.now_ms < clear_ms && !self.queue.was_asked(line) {
            return Ok(Turn::Later(clear_ms));
        }
        if let Err(later_ms) = desk.budget.take_unclaimed(Domain::of(&url), desk.now_ms) {
            let is_too_late =
                later_ms >= ends_ms || desk.is_last_try() && later_ms - desk.now_ms > DRAIN_PATIENCE_MS;
            if is_too_late {
                self.finish(desk, key, End::Own(PageOutcome::Throttled))?;
                return Ok(Turn::Done);
            }
            return Ok(Turn::Later(later_ms));
        }
        let Some(waiting) = self.waiting.get_mut(&key) else { return Ok(Turn::Done) };
        if !std::mem::replace(&mut waiting.is_trying, true) {
            failpoint("feeds.page.waiting");
            waiting.tries += 1;
            plan.tries = waiting.tries;
            plan.again_ms = desk.now_ms + pause_ms(waiting.tries);
            desk.outbox.put_in(PAGES, &key_bytes, to_bytes(&plan));
        }
        let request = Request { url, etag: None, last_modified: None, cookie: None };
        Ok(Turn::Ready(Box::new(Ready { key, number: waiting.number, line, what, delay_ms, request })))
    }

    /// What is asked for an item: its page, or first what the site's robots.txt says of it.
    fn need(&mut self, desk: &mut Desk<'_>, key: Key, plan: &Plan) -> Result<Need, WatcherError> {
        let trail = self.waiting.get(&key).and_then(|waiting| waiting.trail.as_deref());
        if let Some((origin, url, hops)) = trail.and_then(|trail| trail.robots.clone()) {
            return Ok(Need::Ask { what: What::Robots { origin, hops }, url, delay_ms: 0 });
        }
        let (url, hops) = match trail.and_then(|trail| trail.page.clone()) {
            Some(page) => page,
            // Checked when it was found; what is allowed may be configured otherwise since.
            None => match check_url(&plan.url, &desk.config.allowed) {
                Ok(url) => (url, 0),
                Err(_) => return Ok(Need::End(PageOutcome::RefusedAddress)),
            },
        };
        let origin = url.origin().ascii_serialization();
        let Some(site) = self.sites.get(desk, &origin)? else {
            let mut robots = url;
            robots.set_path("/robots.txt");
            robots.set_query(None);
            return Ok(Need::Ask { what: What::Robots { origin, hops: 0 }, url: robots, delay_ms: 0 });
        };
        Ok(match site.rules {
            None => Need::Retry(PageOutcome::RobotsUnreachable),
            Some(rules) if !rules.allows(&url) => Need::End(PageOutcome::Robots),
            Some(rules) => Need::Ask { what: What::Page { hops }, url, delay_ms: rules.delay_ms },
        })
    }

    /// Sends requests that were written down.
    pub(in crate::feeds) fn launch(&mut self, ready: Vec<Ready>) {
        if !ready.is_empty() {
            failpoint("feeds.page.asked");
        }
        while self.tasks.try_join_next().is_some() {}
        for one in ready {
            let (client, outside, landing) =
                (self.client.clone(), self.outside.clone(), self.landing.clone());
            let home = self.homes.get(&one.key.0).cloned();
            let (clock, readers) = (self.clock.clone(), self.readers.clone());
            let sending = async move {
                let is_inside = match home {
                    Some(home) => client.is_inside(&home).await,
                    None => Ok(false),
                };
                let client = is_inside.map(|is_inside| if is_inside { client } else { outside });
                let (result, cost) = match (client, &one.what) {
                    (Err(broke), _) => (Err(broke), Cost::default()),
                    // One byte more says that it was cut.
                    (Ok(client), What::Robots { .. }) => {
                        client.first(MOST_BYTES + 1).send(&one.request).await
                    }
                    (Ok(client), What::Page { .. }) => client.send(&one.request).await,
                };
                let mut landed = Landed { ready: one, answer: None, rules: None, article: None, cost };
                match result {
                    Err(broke) => {
                        tracing::debug!(url = %landed.ready.request.url, why = broke.detail, "no page");
                        landed.answer = Some(Answer::Failed(broke.failure));
                    }
                    Ok(response) => {
                        landed.answer = Some(Answer::Came(fetch::came(&response, clock())));
                        match landed.ready.what {
                            What::Robots { .. } => landed.rules = Some(Rules::parse(&response.body)),
                            What::Page { .. } if matches!(response.status, 200 | 226) => {
                                let url = landed.ready.request.url.clone();
                                landed.article = Some(read(response, url, &readers).await);
                            }
                            What::Page { .. } => {}
                        }
                    }
                }
                // Nobody listens any more once the poller has stopped.
                let _ = landing.send(landed);
            };
            self.tasks.spawn_on(sending, &self.runtime);
        }
    }
}

/// How long after a try the next one is.
pub(super) fn pause_ms(tries: u8) -> i64 {
    PAUSES_MS[usize::from(tries.saturating_sub(1)).min(PAUSES_MS.len() - 1)]
}

/// Reads a page on a thread of its own, few at a time.
async fn read(
    response: fetch::Response,
    url: Url,
    readers: &Readers,
) -> Result<article::Article, PageOutcome> {
    let media = response.headers.get(hyper::header::CONTENT_TYPE);
    let media = media.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = response.body;
    let read = move || article::read(&body, media.as_deref(), &url);
    readers.read(MOST_TIME, read).await.unwrap_or(Err(PageOutcome::Fault))
}
