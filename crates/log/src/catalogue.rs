//! Every metric of every crate is registered through here, so that the catalogue (`docs/metrics.md`) is what is registered and not what
//! somebody remembers. It lives in the lowest crate that has metrics.

use std::cell::RefCell;

use prometheus::Registry;
use prometheus::core::Collector;

/// What is known of a metric before its first sample.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricInfo {
    /// Its whole name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels, in order.
    pub labels: Vec<String>,
    /// What it says, one sentence.
    pub help: String,
}

thread_local! { static SEEN: RefCell<Option<Vec<MetricInfo>>> = const { RefCell::new(None) }; }

/// Registers a metric that was made, and gives it back.
///
/// # Errors
/// When it could not be made, or the registry has its name already.
pub fn register_metric<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let made = made?;
    register_collector(registry, Box::new(made.clone()))?;
    Ok(made)
}

/// The same for one that nobody keeps.
///
/// # Errors
/// As [`register_metric`].
pub fn register_collector(registry: &Registry, collector: Box<dyn Collector>) -> prometheus::Result<()> {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.extend(described(collector.as_ref()));
        }
    });
    registry.register(collector)
}

/// What this thread registers in `body`: for the test that writes the catalogue.
pub fn registered_by<T>(body: impl FnOnce() -> T) -> (T, Vec<MetricInfo>) {
    SEEN.set(Some(Vec::new()));
    let result = body();
    (result, SEEN.take().unwrap_or_default())
}

fn described(collector: &dyn Collector) -> Vec<MetricInfo> {
    use prometheus::proto::MetricType;
    // One without a sample yet has a family all the same: it tells the type.
    let families = collector.collect();
    let kind = |name: &str| {
        let family = families.iter().find(|family| family.name() == name);
        match family.map(prometheus::proto::MetricFamily::get_field_type) {
            Some(MetricType::COUNTER) => "counter",
            Some(MetricType::GAUGE) => "gauge",
            Some(MetricType::HISTOGRAM) => "histogram",
            Some(MetricType::SUMMARY | MetricType::UNTYPED) | None => "untyped",
        }
    };
    let info = |desc: &&prometheus::core::Desc| MetricInfo {
        name: desc.fq_name.clone(),
        kind: kind(&desc.fq_name),
        labels: desc.variable_labels.clone(),
        help: desc.help.clone(),
    };
    collector.desc().iter().map(info).collect()
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounter, IntGaugeVec, Opts};

    use super::*;

    #[test]
    fn what_is_registered_is_noted_with_labels_that_have_no_value_yet_and_only_while_asked() {
        let registry = Registry::new();
        let gauges = |name: &str| IntGaugeVec::new(Opts::new(name, "Things wait."), &["topic", "group"]);
        register_metric(&registry, IntCounter::new("barid_before_total", "It is not asked for.")).unwrap();
        let (result, seen) = registered_by(|| register_metric(&registry, gauges("barid_things")));
        result.unwrap();
        let labels = vec!["topic".to_owned(), "group".to_owned()];
        let expected =
            MetricInfo { name: "barid_things".into(), kind: "gauge", labels, help: "Things wait.".into() };
        assert_eq!(seen, [expected]);
        register_metric(&registry, IntCounter::new("barid_after_total", "It is not asked for.")).unwrap();
        let (result, seen) = registered_by(|| register_metric(&registry, gauges("barid_things")));
        assert!(result.is_err() && seen.len() == 1, "a name that is taken is refused as before");
    }
}
