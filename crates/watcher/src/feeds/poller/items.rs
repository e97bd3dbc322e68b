//! What a document brought, polled or pushed, goes into the unit.

use barid_log::failpoint;

use super::super::engine::{Delivered, Done};
use super::super::identity::Remembered;
use super::super::state::FeedState;
use super::super::{deliver, pages};
use super::Poller;
use crate::WatcherError;

impl Poller<'_> {
    /// Logs what of an index is never asked, and how its sitemaps answer.
    pub(super) fn tell_sitemaps(&self, place: u32, done: &Done) {
        let Some(index) = &done.index else { return };
        let feed = self.roster.entries[place as usize].feed.id.as_str();
        for (url, why) in &index.refused {
            tracing::info!(feed, url, why, "a sitemap is not asked");
        }
        if index.is_sitemap {
            let (outcome, waiting) = (done.outcome.name(), index.waiting);
            tracing::debug!(feed, url = %done.from, outcome, waiting, "a sitemap was asked");
        }
    }

    /// Puts what a document brought into the unit. `before` is the state as it was before it.
    pub(super) fn hand_over(
        &mut self,
        place: u32,
        mut before: FeedState,
        done: &mut Done,
        now_ms: i64,
    ) -> Result<(), WatcherError> {
        if self.pages.wants(place) {
            // What waits since the last poll is looked up. Nothing of this document is in the unit yet.
            self.outbox.flush()?;
        }
        let from = done.from.to_string();
        let id = self.roster.entries[place as usize].feed.id.clone();
        if let Some((bytes, detail)) = done.unreadable.take() {
            self.summary.unreadable += 1;
            let rejected = deliver::unreadable(&id, &from, bytes, detail, now_ms);
            deliver::reject(&mut self.desk(now_ms).1, rejected);
        }
        let twins = pages::twins(&done.items);
        let mut unit_bytes = 0;
        for Delivered { item, .. } in std::mem::take(&mut done.items) {
            if unit_bytes >= self.config.batch_bytes {
                self.part(place, &before)?;
                unit_bytes = 0;
            }
            let known = (item.id_hash, item.content_hash);
            before.took(Remembered::of(&item));
            let (pages, mut desk) = self.desk(now_ms);
            unit_bytes += pages.take(&mut desk, place, item, &from, twins.contains(&known))?;
        }
        Ok(())
    }

    /// Hands over the items so far, with the state as it was before this poll but for them.
    fn part(&mut self, place: u32, delivered: &FeedState) -> Result<(), WatcherError> {
        let so_far = FeedState {
            known: delivered.known.clone(),
            identity: delivered.identity.clone(),
            ..self.load(place)?
        };
        let id = self.roster.entries[place as usize].feed.id.as_bytes().to_vec();
        self.outbox.put(&id, so_far.to_bytes().into());
        self.outbox.flush()?;
        failpoint("feeds.items.between");
        Ok(())
    }
}
