//! A record says when its document was noticed, so that a sink can tell how long it took; one of bulk history does not.
#![allow(
    clippy::expect_used,
    reason = "a test that cannot go on must say so; clippy's exception does not cover helpers"
)]

mod support;

use barid_record::{Observed, Topic};
use support::{document, drain, drain_in_two, message, open, produce, read};

const PAGE: &str = "The lock keeper retires\n\nAfter forty years at the upper lock its keeper hands the key to the \
                    youngest of her nine pupils, who grew up on a barge and has never lived ashore.\n";

#[test]
fn live_records_carry_when_and_bulk_history_does_not() {
    for way in [drain, drain_in_two] {
        let dir = tempfile::tempdir().expect("a folder");
        let log = open(dir.path());
        let mut old = message(&document("old.txt", PAGE.replace("forty", "fifty")));
        old.topic = Topic::Backfill;
        produce(&log, vec![message(&document("new.txt", PAGE)), old]);
        way(&log);
        let observed: Vec<_> =
            read(&log, Topic::Records).iter().map(|record| Observed::of(&record.headers)).collect();
        assert_eq!(observed, [Some(Observed(1_000)), None]);
    }
}
