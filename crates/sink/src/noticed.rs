//! When the documents of a file's records were noticed, kept small until the file is visible.

use std::collections::BTreeMap;

use barid_log::Message;
use barid_record::Observed;
use prometheus::Histogram;

/// To a tenth of a second: a file of a day has so few different times that they are no burden.
const STEP_MS: i64 = 100;

/// How many records of each moment.
#[derive(Debug, Default)]
pub(crate) struct Noticed(BTreeMap<i64, u64>);

impl Noticed {
    /// Adds a record. One that does not say it is not counted.
    pub(crate) fn add(&mut self, message: &Message) {
        if let Some(Observed(ms)) = Observed::of(&message.headers) {
            *self.0.entry(ms.div_euclid(STEP_MS)).or_default() += 1;
        }
    }

    /// Tells how long each record took; a clock that was ahead took no time.
    pub(crate) fn tell(&self, now_ms: i64, seconds: &Histogram) {
        for (step, count) in &self.0 {
            let waited = now_ms.saturating_sub(step.saturating_mul(STEP_MS)).max(0) as f64 / 1000.0;
            (0..*count).for_each(|_| seconds.observe(waited));
        }
    }
}

#[cfg(test)]
mod tests {
    use barid_record::Topic;
    use bytes::Bytes;
    use prometheus::HistogramOpts;

    use super::*;

    fn message(headers: Vec<(Bytes, Bytes)>) -> Message {
        let (topic, key, value) = (Topic::Records, Bytes::new(), Bytes::new());
        Message { topic, partition: 0, offset: 0, timestamp_ms: 0, key, headers, value }
    }

    #[test]
    fn each_record_that_says_when_is_told_once_it_is_visible() {
        let seconds = Histogram::with_opts(HistogramOpts::new("t_seconds", "T.")).unwrap();
        let mut noticed = Noticed::default();
        for ms in [1_000, 1_050, 9_000, i64::MIN] {
            noticed.add(&message(vec![Observed(ms).header()]));
        }
        noticed.add(&message(Vec::new()));
        noticed.tell(3_000, &seconds);
        assert_eq!(seconds.get_sample_count(), 4, "the one without a time is left out");
        let noticed = Noticed(BTreeMap::from([(10, 2), (90, 1)]));
        let seconds = Histogram::with_opts(HistogramOpts::new("t_seconds", "T.")).unwrap();
        noticed.tell(3_000, &seconds);
        assert_eq!((seconds.get_sample_count(), seconds.get_sample_sum()), (3, 4.0));
    }
}
