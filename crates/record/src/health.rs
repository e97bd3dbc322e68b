//! How a feed is doing, told when that changes and once a day.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Header, RecordError};

const EVENT_TYPE: &[u8] = b"barid.health.v1";

/// One statement on a feed. Times are RFC 3339 in UTC; what is unknown is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedHealth {
    /// The feed's id, which is the source of its records.
    pub feed: String,
    /// When this was found.
    pub at: String,
    /// One of fourteen: `fresh`, `moved`, `undated`, `clock_skewed`, `malformed`, `churning`, `late`, `throttled`, `flapping`, `stale`, `silent_empty`,
    /// `wrong_content`, `gone`, `dead`.
    pub state: String,
    /// The state before, where this statement is a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Since when it is in this state.
    pub since: String,
    /// Why, in a sentence.
    pub reason: String,
    /// How the last poll ended.
    pub outcome: String,
    /// Where it is asked.
    pub url: String,
    /// Its own title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it is asked next.
    pub next_poll: String,
    /// When it last answered as it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// When its newest item was published, or seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_item: Option<String>,
    /// Failed polls in a row.
    pub failures: u32,
    /// Items that should have come since the last one did, by the feed's own rhythm.
    pub silence: f32,
    /// A silence beyond this is too long; absent until enough is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_limit: Option<f32>,
    /// How far its dates lie in the future, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_skew_minutes: Option<i64>,
    /// How far last week's volume lies from the weeks before, in standard deviations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_drift: Option<f32>,
    /// How much of its documents was known already, averaged, in percent.
    pub known_percent: f32,
    /// How far that lies from its usual share of late, in standard deviations; absent before twenty documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_drift: Option<f32>,
    /// How its subscription at a hub is doing: `asked`, `active`, `unproven`, `expired`, `refused`, `ending`; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<String>,
    /// How often a document shared nothing with the one before it: items may have been missed.
    pub overruns: u32,
    /// Why ids, links or dates of its last document are no identity: `worthless_id_blank`, `worthless_id_of_feed`, `worthless_id_shared`, `worthless_id_unstable`,
    /// `worthless_link_of_feed`, `worthless_link_shared`, `worthless_link_unstable`, `worthless_date_unstable`; absent where nothing is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worthless_ids: Vec<String>,
}

impl FeedHealth {
    /// The headers of its message.
    pub fn headers(&self) -> Vec<Header> {
        let fixed = |name: &'static str, value: &'static [u8]| {
            (Bytes::from_static(name.as_bytes()), Bytes::from_static(value))
        };
        let text = |name: &'static str, value: &str| {
            (Bytes::from_static(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()))
        };
        vec![
            fixed("ce_specversion", b"1.0"),
            fixed("ce_type", EVENT_TYPE),
            text("ce_id", &format!("{}@{}", self.feed, self.at)),
            text("ce_source", &self.feed),
            text("ce_time", &self.at),
            fixed("content-type", b"application/json"),
        ]
    }

    /// Its message's value.
    ///
    /// # Errors
    /// A number that JSON does not have.
    pub fn to_json(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::BadHealth { problem: error.to_string() })
    }

    /// Reads a message's value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(value: &[u8]) -> Result<Self, RecordError> {
        serde_json::from_slice(value).map_err(|error| RecordError::BadHealth { problem: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_reads_back_and_says_nothing_of_what_is_unknown() {
        let sent =
            FeedHealth { feed: "news".into(), state: "late".into(), silence: 4.5, ..FeedHealth::default() };
        let json = sent.to_json().expect("plain values");
        assert_eq!(FeedHealth::from_json(&json).expect("ours"), sent);
        assert!(!str::from_utf8(&json).expect("UTF-8").contains("null"));
        assert!(FeedHealth::from_json(b"{}").is_err());
        assert!(sent.headers().iter().any(|(name, value)| name == "ce_source" && value == "news"));
    }
}
