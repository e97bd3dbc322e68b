//! The catalogue of metrics: what each kind of process registers, asked of the crates themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use barid_log::{Embedded, EmbeddedConfig, Kafka, MetricInfo, registered_by};
use barid_watcher::feeds::FeedMetrics;
use barid_web::{BuildInfo, ClusterMetrics, DiskSpace, Workers};
use prometheus::Registry;

/// Each kind of process.
pub(crate) const PROCESSES: [&str; 5] = ["run", "watch", "stage", "sink", "web"];

/// Metrics by name, each with the processes that have it.
pub(crate) type Catalogue = BTreeMap<String, (MetricInfo, BTreeSet<&'static str>)>;

/// All of them.
pub(crate) fn catalogue() -> Catalogue {
    let mut all = Catalogue::new();
    for process in PROCESSES {
        for metric in of(process) {
            let entry = all.entry(metric.name.clone()).or_insert_with(|| (metric.clone(), BTreeSet::new()));
            assert_eq!(entry.0, metric, "two crates register it, and differ");
            entry.1.insert(process);
        }
    }
    all
}

/// Values of closed labels, by metric and label.
pub(crate) type Values = BTreeMap<(String, String), BTreeSet<String>>;

/// Labels whose values come with configuration and work.
const OPEN: [&str; 9] = ["commit", "feed", "group", "place", "rustc", "source", "topic", "version", "worker"];

/// Those that are there from the start, which is all that there ever are.
pub(crate) fn values() -> Values {
    let mut values = Values::new();
    for process in PROCESSES {
        let registry = Registry::new();
        register(process, &registry);
        for family in registry.gather() {
            for label in family.get_metric().iter().flat_map(prometheus::proto::Metric::get_label) {
                if !OPEN.contains(&label.name()) {
                    let key = (family.name().to_owned(), label.name().to_owned());
                    values.entry(key).or_default().insert(label.value().to_owned());
                }
            }
        }
    }
    values
}

/// What a process of that kind registers.
fn of(process: &str) -> Vec<MetricInfo> {
    registered_by(|| register(process, &Registry::new())).1
}

fn register(process: &str, registry: &Registry) {
    let folder = tempfile::tempdir().unwrap();
    barid_web::register_process(registry, &BuildInfo { version: "", commit: "", rustc: "" }).unwrap();
    DiskSpace::register(registry, Vec::new()).unwrap();
    if matches!(process, "run" | "watch") {
        barid_watcher::Metrics::register(registry).unwrap();
        FeedMetrics::register(registry).unwrap();
    }
    if matches!(process, "run" | "stage") {
        barid_stage::Metrics::register(registry).unwrap();
    }
    if matches!(process, "run" | "sink") {
        barid_sink::Metrics::register(registry).unwrap();
    }
    if process == "run" {
        Embedded::open(EmbeddedConfig::new(folder.path()), registry).unwrap();
    } else {
        Workers::register(registry, &[]).unwrap();
        Kafka::describe(registry).unwrap();
    }
    if process == "web" {
        ClusterMetrics::register(registry).unwrap();
    }
}

/// The catalogue as a page.
pub(crate) fn page(catalogue: &Catalogue) -> String {
    let mut page = String::from(HEAD);
    for (name, (metric, processes)) in catalogue {
        let of: Vec<&str> = PROCESSES.into_iter().filter(|process| processes.contains(process)).collect();
        let of = if of.len() == PROCESSES.len() { "all".to_owned() } else { of.join(", ") };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = metric.help.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {} | {} | {of} | {help} |", metric.kind, labels.join(" "));
    }
    page
}

const HEAD: &str = "\
# Metrics

Every metric of every process, as registered: `BLESS=1 cargo test -p barid --test metrics` writes this page, and the same test holds alert rules and
dashboards against it. A histogram has `_bucket` (with the label `le`), `_sum` and `_count`. No label's value is a URL, a headline or a hash.
Prometheus adds `job` and `instance`. `of`: the commands whose processes have it; those of feeds are there when feeds are polled.

| metric | type | labels | of | what it says |
|---|---|---|---|---|
";
