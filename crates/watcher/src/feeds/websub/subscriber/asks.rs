//! Requests to hubs: whose turn it is, as far as budgets go, and what hubs say.

use tokio::runtime::Handle;
use url::Url;

use super::Subscriber;
use crate::feeds::budget::Domain;
use crate::feeds::common::Task;
use crate::feeds::config::Clock;
use crate::feeds::fetch::{self, Client};
use crate::feeds::policy::DAY;
use crate::feeds::websub::Token;
use crate::feeds::websub::lease::{Mode, Reply};
use crate::outbox::Outbox;

/// Requests of the process to hubs under way, at most: they have budgets of their own, and no poll waits for one.
const MOST_ASKS: usize = 8;

/// A request to a hub that may be sent once it is written down.
#[derive(Debug)]
pub(in crate::feeds) struct Ask {
    token: Token,
    mode: Mode,
    url: Url,
    form: String,
    /// The feed's own address.
    home: Option<Url>,
}

/// What came of one.
pub(super) struct Replied {
    token: Token,
    mode: Mode,
    at: Url,
    reply: Reply,
}

impl Subscriber {
    /// Takes what hubs are to be asked now, as far as their budgets go, and writes it down.
    pub(in crate::feeds) fn begin(&mut self, now_ms: i64, outbox: &mut Outbox) -> Vec<Ask> {
        let mut asks = Vec::new();
        if self.doors.heard_ms().is_none() {
            // Hubs ask back, and nobody would hear them.
            return asks;
        }
        while let Some(token) = self.agenda.due(now_ms) {
            if !self.load.take(MOST_ASKS) {
                break;
            }
            match self.next(token, now_ms, outbox) {
                Some(ask) => asks.push(ask),
                None => self.load.give_back(),
            }
        }
        asks
    }

    /// Looks at one whose time has come: asked, planned anew, or over.
    fn next(&mut self, token: Token, now_ms: i64, outbox: &mut Outbox) -> Option<Ask> {
        self.agenda.remove(&token);
        let held = self.held.get_mut(&token)?;
        if self.asking.contains_key(&token) {
            // Its answer plans it anew.
            return None;
        }
        if !held.is_due(now_ms) {
            if held.is_over(now_ms) {
                self.changed(token, now_ms, outbox);
            } else {
                let next_ms = held.next_ms;
                let at_ms = if next_ms > now_ms { next_ms } else { held.until_ms().max(now_ms + 1) };
                self.agenda.put_off(token, next_ms, at_ms);
            }
            return None;
        }
        let domain = Url::parse(held.target()).map_or(Domain(0), |at| Domain::of(&at));
        let next_ms = held.next_ms;
        if let Err(later_ms) = self.budget.take(domain, now_ms) {
            self.agenda.put_off(token, next_ms, later_ms);
            return None;
        }
        let (url, form) = held.ask(now_ms);
        let (mode, home) = (held.mode(), Url::parse(&held.home).ok());
        self.changed(token, now_ms, outbox);
        let Ok(url) = Url::parse(&url) else {
            // Only addresses that were read before are kept.
            self.budget.give_back(domain, now_ms);
            return None;
        };
        self.asking.insert(token, domain);
        Some(Ask { token, mode, url, form, home })
    }

    /// Sends what was written down.
    pub(in crate::feeds) fn send(
        &mut self,
        asks: Vec<Ask>,
        runtime: &Handle,
        client: &Client,
        clock: &Clock,
    ) {
        for Ask { token, mode, url, form, home } in asks {
            let (client, reply, clock) = (client.clone(), self.reply.clone(), clock.clone());
            let task = runtime.spawn(async move {
                let said = match post(&client, home, &url, form).await {
                    Ok(response) => {
                        let came = fetch::came(&response, clock());
                        Reply::of(came.status, came.location.as_deref(), came.retry_after_ms)
                    }
                    Err(broke) => {
                        tracing::debug!(hub = %url, why = broke.detail, "a hub cannot be asked");
                        Reply::Failed(None)
                    }
                };
                // Nobody listens any more once the poller has stopped.
                let _ = reply.send(Replied { token, mode, at: url, reply: said });
            });
            self.tasks.insert(token, Task(task.abort_handle()));
        }
    }

    /// Takes in what hubs said.
    pub(in crate::feeds) fn land(&mut self, now_ms: i64, outbox: &mut Outbox) {
        while let Ok(Replied { token, mode, at, reply }) = self.replies.try_recv() {
            self.tasks.remove(&token);
            if let Some(domain) = self.asking.remove(&token) {
                self.load.give_back();
                self.budget.give_back(domain, now_ms);
                if let Reply::Failed(Some(after_ms)) = &reply {
                    self.budget.back_off(domain, now_ms.saturating_add((*after_ms).min(DAY)));
                }
            }
            self.metrics.replied(mode, reply.name());
            let Some(held) = self.held.get_mut(&token) else { continue };
            if held.mode() == mode {
                held.replied(&reply, &at, &self.allowed, now_ms);
            }
            tracing::debug!(feed = held.feed, hub = %at, mode = mode.name(), reply = reply.name(), "a hub replied");
            self.changed(token, now_ms, outbox);
        }
    }
}

/// A feed of strangers may name any hub: only one of the operator's own hosts may lead to another.
async fn post(
    client: &Client,
    home: Option<Url>,
    hub: &Url,
    form: String,
) -> Result<fetch::Response, fetch::Broke> {
    let is_inside = match &home {
        Some(home) => client.is_inside(home).await?,
        None => false,
    };
    let (result, _) = if is_inside {
        client.post(hub, form.into()).await
    } else {
        client.outside().post(hub, form.into()).await
    };
    result
}
