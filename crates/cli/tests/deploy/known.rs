//! Holds expressions against the catalogue of metrics: names, labels, and the values of labels that are closed.

use std::collections::{BTreeMap, BTreeSet};

use super::expressions::{Asked, Matcher, Selector, asked};
use super::support::registered::{Catalogue, PROCESSES, Values, catalogue, values};

/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// What an expression may ask for.
pub(crate) struct Known {
    catalogue: Catalogue,
    values: Values,
    /// Recorded by our rules, with what they are made of.
    recorded: BTreeMap<String, String>,
}

impl Known {
    /// The crates' metrics and what these rules record.
    pub(crate) fn new(recorded: BTreeMap<String, String>) -> Self {
        Self { catalogue: catalogue(), values: values(), recorded }
    }

    /// What is wrong with an expression.
    pub(crate) fn faults(&self, expression: &str) -> Vec<String> {
        let Asked { selectors, labels } = asked(expression);
        let mut faults: Vec<String> =
            selectors.iter().flat_map(|selector| self.faults_of(selector)).collect();
        if selectors.is_empty() {
            faults.push("it asks for nothing".to_owned());
        }
        let there: BTreeSet<String> =
            selectors.iter().flat_map(|selector| self.labels(&selector.metric)).collect();
        faults.extend(labels.difference(&there).map(|label| format!("nothing in it has the label {label}")));
        faults
    }

    /// The processes that have everything an expression asks for.
    pub(crate) fn processes(&self, expression: &str) -> BTreeSet<&'static str> {
        let of = |selector: &Selector| match self.family(&selector.metric) {
            Some(name) => self.catalogue[name].1.clone(),
            None => match self.recorded.get(&selector.metric) {
                Some(expression) => self.processes(expression),
                None => PROCESSES.into(),
            },
        };
        let mut all = asked(expression).selectors.into_iter().map(|selector| of(&selector));
        let first = all.next().unwrap_or_default();
        all.fold(first, |all, these| &all & &these)
    }

    fn faults_of(&self, Selector { metric, matchers }: &Selector) -> Vec<String> {
        let Some(name) = self.family(metric) else {
            let of_prometheus = ["up", "ALERTS"].contains(&metric.as_str());
            let known = of_prometheus || self.recorded.contains_key(metric);
            return if known { Vec::new() } else { vec![format!("nobody registers {metric}")] };
        };
        let mut faults = Vec::new();
        if (self.catalogue[name].0.kind == "histogram") == (name == metric) {
            faults.push(format!("{metric} is a histogram, or is not: ask for its _bucket, _sum or _count"));
        }
        let labels = self.labels(metric);
        for matcher in matchers {
            if !labels.contains(&matcher.label) {
                faults.push(format!("{metric} has no label {}", matcher.label));
            }
            faults.extend(self.faults_of_value(name, matcher));
        }
        faults
    }

    /// A value that a closed label never has. Only words are looked at: other regular expressions may mean anything.
    fn faults_of_value(&self, name: &str, Matcher { label, value, .. }: &Matcher) -> Vec<String> {
        let Some(closed) = self.values.get(&(name.to_owned(), label.clone())) else { return Vec::new() };
        let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let strange =
            value.split('|').filter(is_word).filter(|word| !word.is_empty() && !closed.contains(*word));
        strange.map(|word| format!("{name}: the label {label} is never {word}")).collect()
    }

    /// The metric that a series belongs to.
    fn family<'a>(&'a self, series: &'a str) -> Option<&'a str> {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| series.strip_suffix(part));
        let histogram = histogram
            .filter(|name| self.catalogue.get(*name).is_some_and(|(info, _)| info.kind == "histogram"));
        histogram.or_else(|| self.catalogue.contains_key(series).then_some(series))
    }

    fn labels(&self, series: &str) -> BTreeSet<String> {
        let mut labels: BTreeSet<String> = ADDED.map(str::to_owned).into();
        match self.family(series) {
            Some(name) => {
                labels.extend(self.catalogue[name].0.labels.iter().cloned());
                if series.ends_with("_bucket") {
                    labels.insert("le".to_owned());
                }
            }
            None => match self.recorded.get(series) {
                Some(expression) => {
                    let made_of = asked(expression).selectors;
                    labels.extend(made_of.iter().flat_map(|selector| self.labels(&selector.metric)));
                }
                None => labels.extend(["alertname", "alertstate"].map(str::to_owned)),
            },
        }
        labels
    }
}

#[test]
fn strange_names_labels_and_values_are_told() {
    let known = Known::new(BTreeMap::from([("barid:x:ratio".into(), "sum(barid_feeds)".into())]));
    for good in [
        "up{job=~\"barid.*\"} == 0",
        "sum by (state) (barid_feeds{state!~\"gone|late\"})",
        "barid:x:ratio > 0",
        "histogram_quantile(0.9, sum by (le) (rate(barid_sink_latency_seconds_bucket[5m])))",
        "rate(barid_sink_latency_seconds_count[5m])",
    ] {
        assert_eq!(known.faults(good), [""; 0], "{good}");
    }
    for (bad, why) in [
        ("barid_fedes", "nobody registers barid_fedes"),
        ("barid_y:ratio", "nobody registers barid_y:ratio"),
        ("barid_feeds{stat=\"gone\"}", "barid_feeds has no label stat"),
        ("barid_feeds{state=\"gonne\"}", "barid_feeds: the label state is never gonne"),
        ("barid_feeds{state=~\"late|gonne\"}", "barid_feeds: the label state is never gonne"),
        ("sum by (outcome) (barid_feeds)", "nothing in it has the label outcome"),
        ("rate(barid_sink_latency_seconds[5m])", "ask for its _bucket"),
        ("1 + 1", "it asks for nothing"),
    ] {
        let faults = known.faults(bad);
        assert!(faults.iter().any(|fault| fault.contains(why)), "{bad}: {faults:?}");
    }
}
