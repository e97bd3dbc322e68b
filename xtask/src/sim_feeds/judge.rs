//! Judges every request from the server's side, by what the servers said and nothing else.

use std::collections::{BTreeMap, HashMap, HashSet};

use barid_watcher::feeds::budget::Domain;
use barid_watcher::feeds::engine::{Answer, Request};

use super::server::Words;
use super::writer::{DAY, HOUR};

/// A day between two requests that leave, less what the second may be faster on its way.
const A_DAY_APART: i64 = DAY - 1000;

/// `ETag` and `Last-Modified`.
type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a server remembers of a feed.
#[derive(Debug, Default)]
struct File {
    /// When the feed was last asked, whatever came of it: redirects within one poll aside.
    asked_ms: i64,
    max_age_until_ms: i64,
    retry_until_ms: i64,
    /// What the last answer promised, until the poller says that it keeps it: what dies with it nobody can know.
    promised_max_age_ms: Option<i64>,
    promised_retry_ms: Option<i64>,
    words: Words,
    /// By address: the pairs it gave.
    given: HashMap<String, HashSet<Pair>>,
    /// Whole answers that the poller says it keeps, by address; and those that may have died with it.
    kept: HashSet<String>,
    lost: HashMap<String, u64>,
    /// When the request under way arrived.
    arrived_ms: i64,
    /// By address: when the last request arrived that was given the whole.
    whole_ms: HashMap<String, i64>,
    /// When it began to say that it moved for good, and polls that heard it and were kept.
    moved_ms: i64,
    moved_heard: u32,
    /// Whether the request under way is an audit.
    is_audit: bool,
    /// Whether it looks for a hub; that one did and was answered; that the poller says that it keeps such an answer.
    seeks_hub: bool,
    has_sought: bool,
    keeps_sought: bool,
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    files: HashMap<String, File>,
    domains: HashMap<Domain, (i64, i64)>,
    pub(crate) requests: u64,
    pub(crate) violations: BTreeMap<&'static str, (u64, String)>,
    pub(crate) first: u64,
    pub(crate) after_loss: u64,
    pub(crate) audits: u64,
    pub(crate) sought: u64,
    pub(crate) sought_again: u64,
}

/// A poll's first request, or one that follows a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    First { is_audit: bool, seeks_hub: bool },
    Redirected { is_audit: bool, seeks_hub: bool },
}

impl Judge {
    fn hold(&mut self, rule: &'static str, what: String) {
        let entry = self.violations.entry(rule).or_insert((0, what));
        entry.0 += 1;
    }

    /// A request arrives at its server.
    pub(crate) fn arrives(
        &mut self,
        feed: &str,
        is_listed: bool,
        request: &Request,
        kind: Kind,
        has_moved: bool,
        now_ms: i64,
    ) {
        self.requests += 1;
        let domain = Domain::of(&request.url);
        let (busy, free_ms) = self.domains.get(&domain).copied().unwrap_or((0, i64::MIN));
        if busy > 0 || now_ms < free_ms {
            self.hold(
                "host_gap",
                format!("{feed} at {now_ms}: {busy} under way, {} ms too soon", free_ms - now_ms),
            );
        }
        self.domains.entry(domain).or_insert((0, i64::MIN)).0 += 1;
        let file = self.files.entry(feed.to_owned()).or_default();
        let mut broken: Vec<(&'static str, String)> = Vec::new();
        let url = request.url.to_string();
        if let Kind::First { .. } = kind {
            let said = [file.words.max_age_s, file.words.ttl_s].into_iter().filter(|said| *said > 0).min();
            let short = said.map_or(HOUR, |said| i64::from(said) * 1000).clamp(HOUR / 4, HOUR);
            let floor = if is_listed { HOUR / 4 } else { short };
            let since = now_ms - file.asked_ms;
            if file.asked_ms > 0 && since < floor {
                broken.push(("floor", format!("{feed}: {since} ms")));
            }
            if now_ms < file.max_age_until_ms {
                broken.push(("max_age", format!("{feed}: {} ms early", file.max_age_until_ms - now_ms)));
            }
            if now_ms < file.retry_until_ms {
                broken.push(("retry_after", format!("{feed}: {} ms early", file.retry_until_ms - now_ms)));
            }
            let hour = now_ms.rem_euclid(DAY) / HOUR;
            let day = (now_ms.div_euclid(DAY) + 3).rem_euclid(7);
            if file.words.skip_hours >> hour & 1 == 1 || file.words.skip_days >> day & 1 == 1 {
                broken.push(("skip", format!("{feed} on day {day} at {hour}")));
            }
            file.asked_ms = now_ms;
            (file.promised_max_age_ms, file.promised_retry_ms) = (None, None);
            if has_moved {
                file.moved_ms = if file.moved_ms == 0 { now_ms } else { file.moved_ms };
                // Heard twice a day or more apart, and kept: the third visit to the old address is one too many.
                if url.ends_with("/feed") && file.moved_heard > 2 && now_ms - file.moved_ms > 2 * DAY + HOUR {
                    broken.push(("redirect", format!("{feed}: still asks its old address")));
                }
            }
        }
        let (Kind::First { is_audit, seeks_hub } | Kind::Redirected { is_audit, seeks_hub }) = kind;
        let pair = (request.etag.clone(), request.last_modified.clone());
        (file.is_audit, file.seeks_hub, file.arrived_ms) = (is_audit, seeks_hub, now_ms);
        if pair != (None, None) && !file.given.get(&url).is_some_and(|given| given.contains(&pair)) {
            broken.push(("validator", format!("{feed}: {url} never gave that pair")));
        }
        for (rule, what) in broken {
            self.hold(rule, what);
        }
    }

    /// An answer leaves.
    pub(crate) fn answers(&mut self, feed: &str, request: &Request, answer: &Answer, now_ms: i64) {
        let domain = Domain::of(&request.url);
        let entry = self.domains.entry(domain).or_insert((0, i64::MIN));
        *entry = (entry.0 - 1, now_ms + 1000);
        let file = self.files.entry(feed.to_owned()).or_default();
        let Answer::Came(came) = answer else { return };
        if matches!(came.status, 200 | 304) {
            file.promised_max_age_ms = Some(now_ms + (i64::from(came.max_age_s) * 1000).min(DAY));
        }
        let mut broken = None;
        if came.status == 200 {
            let url = request.url.to_string();
            if request.etag.is_none() && request.last_modified.is_none() {
                let earlier = file.whole_ms.insert(url.clone(), file.arrived_ms);
                let since = file.arrived_ms - earlier.unwrap_or(0);
                if earlier.is_none() {
                    self.first += 1;
                } else if file.is_audit {
                    self.audits += 1;
                    broken =
                        (since < A_DAY_APART).then(|| format!("{feed}: audits {} h apart", since / HOUR));
                } else if file.seeks_hub {
                    if file.keeps_sought {
                        broken = Some(format!("{feed}: asked twice for a hub"));
                    } else if since < A_DAY_APART {
                        broken = Some(format!("{feed}: asked for a hub {} h after the last", since / HOUR));
                    } else if std::mem::replace(&mut file.has_sought, true) {
                        self.sought_again += 1;
                    } else {
                        self.sought += 1;
                    }
                } else if file.lost.get(&url).is_some_and(|lost| *lost > 0) && !file.kept.contains(&url) {
                    self.after_loss += 1;
                } else {
                    broken = Some(format!("{feed}: {url} for no reason"));
                }
            }
            let pair = (came.etag.clone(), came.last_modified.clone());
            file.given.entry(request.url.to_string()).or_default().insert(pair);
            *file.lost.entry(request.url.to_string()).or_default() += 1;
        }
        if let Some(after) = came.retry_after_ms {
            file.promised_retry_ms = Some(now_ms + after);
        }
        if let Some(what) = broken {
            self.hold("unconditional", what);
        }
    }

    /// The poller made a poll's end durable: from now on it knows what it was told.
    pub(crate) fn keeps(&mut self, feed: &str, url: &str, words: Option<Words>, heard_move: bool) {
        let file = self.files.entry(feed.to_owned()).or_default();
        if let Some(words) = words {
            file.words = words;
            file.kept.insert(url.to_owned());
            file.keeps_sought |= file.seeks_hub && file.has_sought;
            file.lost.remove(url);
        }
        file.moved_heard += u32::from(heard_move);
        file.max_age_until_ms = file.promised_max_age_ms.take().unwrap_or(file.max_age_until_ms);
        file.retry_until_ms = file.promised_retry_ms.take().unwrap_or(file.retry_until_ms);
    }

    /// 429 counts for the registered domain, as soon as it is durable.
    pub(crate) fn refuses(&mut self, feeds: impl Iterator<Item = String>, until_ms: i64) {
        for feed in feeds {
            let file = self.files.entry(feed).or_default();
            file.retry_until_ms = file.retry_until_ms.max(until_ms);
        }
    }
}
