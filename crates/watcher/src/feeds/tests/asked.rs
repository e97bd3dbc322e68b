//! What hubs are asked: by whom, how often, and where they may be.

use std::sync::Arc;
use std::time::Duration;

use super::hub::{Hub, until};
use super::pushed::Story;
use crate::feeds::engine::Feed;
use crate::feeds::fetch::{Resolve, Resolved};
use crate::feeds::policy::{MINUTE, SECOND};
use crate::feeds::websub::lease::Standing;

#[test]
fn a_hub_that_is_busy_is_left_alone_for_all_its_feeds() {
    let story = Story::with(false, &["/feed", "/other"]);
    story.hub.behave(|manner| manner.status = "503 Service Unavailable");
    story.place.beside(|| {
        story.place.later(2 * SECOND);
        until("both were polled", || story.polls() == 2);
        for _ in 0..3 {
            story.place.later(MINUTE);
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(story.hub.requests().len(), 1, "within its ten minutes");
        story.hub.behave(|manner| manner.status = "202 Accepted");
        until("both are held", || {
            story.place.later(5 * SECOND);
            std::thread::sleep(Duration::from_millis(50));
            story.standing(Standing::Unproven) == 2
        });
        assert_eq!(story.hub.requests().len(), 3);
    });
}

#[test]
fn a_hub_behind_another_has_a_budget_of_its_own() {
    let story = Story::with(false, &["/feed", "/other"]);
    let behind = Hub::start_at("127.0.0.2");
    behind.behave(|manner| manner.status = "429 Too Many Requests");
    let location = behind.url();
    story.hub.behave(|manner| (manner.status, manner.location) = ("307 Temporary Redirect", location));
    story.place.beside(|| {
        until("both are sent on", || {
            story.place.later(SECOND);
            std::thread::sleep(Duration::from_millis(50));
            story.hub.requests().len() == 2
        });
        for _ in 0..3 {
            story.place.later(MINUTE);
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!((story.hub.requests().len(), behind.requests().len()), (2, 1));
    });
}

/// A stranger's name that is also at an address which is the operator's.
#[derive(Debug)]
struct Stranger;

impl Resolve for Stranger {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolved<'a> {
        let addresses = [[127, 0, 0, 1], [93, 184, 215, 14]];
        Box::pin(async move { Ok(addresses.map(|ip| (ip, port).into()).to_vec()) })
    }
}

#[test]
fn only_a_feed_of_the_operators_own_leads_to_a_hub_that_is_not_public() {
    let mut story = Story::new(false);
    let url = format!("http://news.example:{}/other", story.publisher.address.port());
    story.place.config.feeds.push(Feed { id: "strange".to_owned(), url, is_listed: false });
    story.place.config.resolver = Arc::new(Stranger);
    story.place.beside(|| {
        story.subscribe();
        until("the other was tried", || {
            story.place.later(SECOND);
            story.place.metrics.websub.failed() == 1
        });
        let topics: Vec<String> =
            story.hub.requests().into_iter().map(|form| form["hub.topic"].clone()).collect();
        assert_eq!(topics, [story.topic()]);
    });
}
